/* seeds: which seeds a simulation runs, from its command line or the environment.
 *
 *   PROGRAM [--seeds N] [--seed FIRST]     else SHARDFS_SIM_SEEDS and SHARDFS_SIM_SEED,
 *                                          else `count` seeds from 1 on
 */
#ifndef TESTS_SEEDS_H
#define TESTS_SEEDS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct seeds {
    uint64_t first, count;
};

static inline struct seeds seeds_parse(int argc, char **argv, uint64_t count)
{
    struct seeds seeds = {1, count};
    const char *text = getenv("SHARDFS_SIM_SEEDS");
    if (text && text[0])
        seeds.count = strtoull(text, NULL, 10);
    text = getenv("SHARDFS_SIM_SEED");
    if (text && text[0])
        seeds.first = strtoull(text, NULL, 10);
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 < argc && strcmp(argv[i], "--seeds") == 0) {
            seeds.count = strtoull(argv[i + 1], NULL, 10);
        } else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0) {
            seeds.first = strtoull(argv[i + 1], NULL, 10);
            seeds.count = 1;
        } else {
            fprintf(stderr, "usage: %s [--seeds N] [--seed FIRST]\n", argv[0]);
            exit(2);
        }
    }
    for (int i = 1; i < argc; i += 2) { /* --seed 7 --seeds 3: three from 7 on */
        if (strcmp(argv[i], "--seeds") == 0)
            seeds.count = strtoull(argv[i + 1], NULL, 10);
    }
    return seeds;
}

#endif

/* seeds: which seeds a simulation runs, and on which engine, from its command line or the
 * environment.
 *
 *   PROGRAM [--seeds N] [--seed FIRST] [--engine raft|paxos]
 *                           else SHARDFS_SIM_SEEDS, SHARDFS_SIM_SEED and SHARDFS_SIM_ENGINE,
 *                           else `count` seeds from 1 on, on Raft; on Paxos a quarter of them
 */
#ifndef TESTS_SEEDS_H
#define TESTS_SEEDS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consensus/consensus.h"

struct seeds {
    uint64_t first, count;
};

/* What the groups under test run on. */
static inline enum consensus_engine seeds_engine(void)
{
    const char *name = getenv("SHARDFS_SIM_ENGINE");
    return name != NULL && strcmp(name, "paxos") == 0 ? CONSENSUS_PAXOS : CONSENSUS_RAFT;
}

static inline const char *seeds_engine_name(void)
{
    return seeds_engine() == CONSENSUS_PAXOS ? "paxos" : "raft";
}

/* From now on. False: there is no such engine. */
static inline bool seeds_choose_engine(const char *name)
{
    bool known = strcmp(name, "raft") == 0 || strcmp(name, "paxos") == 0;
    return known && setenv("SHARDFS_SIM_ENGINE", name, 1) == 0;
}

/* Where nobody says how many: what is above the engine ran on Raft already. */
static inline uint64_t seeds_default(uint64_t count)
{
    return seeds_engine() == CONSENSUS_PAXOS ? (count + 3) / 4 : count;
}

static inline struct seeds seeds_parse(int argc, char **argv, uint64_t count)
{
    struct seeds seeds = {1, seeds_default(count)};
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
        } else if (i + 1 >= argc || strcmp(argv[i], "--engine") != 0 ||
                   !seeds_choose_engine(argv[i + 1])) {
            fprintf(stderr, "usage: %s [--seeds N] [--seed FIRST] [--engine raft|paxos]\n",
                    argv[0]);
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

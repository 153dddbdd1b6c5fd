/* seeds: which seeds a simulation runs, and on which engine, from its command line or the
 * environment.
 *
 *   PROGRAM [--seeds N] [--seed FIRST] [--engine raft|paxos] [--twice]
 *                           else SHARDFS_SIM_SEEDS, SHARDFS_SIM_SEED and SHARDFS_SIM_ENGINE,
 *                           else `count` seeds from 1 on, on Raft; on Paxos a quarter of them
 *   --twice                 each seed runs two times, and both must be the same run
 */
#ifndef TESTS_SEEDS_H
#define TESTS_SEEDS_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consensus/consensus.h"
#include "env/assert.h"

struct seeds {
    uint64_t first, count;
    bool twice; /* for seeds_run */
    const char *program;
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

static inline _Noreturn void seeds_usage(const char *program)
{
    fprintf(stderr, "usage: %s [--seeds N] [--seed FIRST] [--engine raft|paxos] [--twice]\n",
            program);
    exit(2);
}

static inline uint64_t seeds_number(const char *program, const char *text)
{
    char *end = NULL;
    uint64_t number = strtoull(text, &end, 10);
    if (end == text || *end != 0)
        seeds_usage(program);
    return number;
}

static inline uint64_t seeds_from_env(const char *program, const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && text[0] ? seeds_number(program, text) : otherwise;
}

static inline struct seeds seeds_parse(int argc, char **argv, uint64_t count)
{
    struct seeds seeds = {.first = seeds_from_env(argv[0], "SHARDFS_SIM_SEED", 1),
                          .program = argv[0]};
    const char *first = NULL, *number = NULL;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--twice") == 0) {
            seeds.twice = true;
            continue;
        }
        if (value != NULL && strcmp(argv[i], "--seeds") == 0)
            number = value;
        else if (value != NULL && strcmp(argv[i], "--seed") == 0)
            first = value;
        else if (value == NULL || strcmp(argv[i], "--engine") != 0 || !seeds_choose_engine(value))
            seeds_usage(argv[0]);
        i++;
    }
    seeds.count = seeds_from_env(argv[0], "SHARDFS_SIM_SEEDS", seeds_default(count));
    if (first != NULL) {
        seeds.first = seeds_number(argv[0], first);
        seeds.count = 1;
    }
    if (number != NULL)
        seeds.count = seeds_number(argv[0], number);
    if (seeds.count == 0) /* nothing would run, and nothing fail */
        seeds_usage(argv[0]);
    return seeds;
}

/* Which is run, and what runs it again. */
static inline void seeds_say(const struct seeds *seeds, uint64_t seed)
{
    printf("seed %" PRIu64 " (again: %s --engine %s --seed %" PRIu64 ")\n", seed, seeds->program,
           seeds_engine_name(), seed);
    fflush(stdout);
}

/* Each, one after the other; which is said before. */
static inline void seeds_each(const struct seeds *seeds, void (*run)(uint64_t seed))
{
    for (uint64_t seed = seeds->first; seed < seeds->first + seeds->count; seed++) {
        seeds_say(seeds, seed);
        run(seed);
    }
}

/* `run` returns the hash of its run. */
static inline void seeds_run(const struct seeds *seeds, uint64_t (*run)(uint64_t seed))
{
    for (uint64_t seed = seeds->first; seed < seeds->first + seeds->count; seed++) {
        uint64_t hash = run(seed);
        sf_assert(!seeds->twice || run(seed) == hash);
    }
}

#endif

/* run: one run of the swarm.
 *
 *   storm   anything goes wrong that the mix names, while clients work and shards move
 *   heal    each group has a majority that is up and hears one another and the clients; some of the
 *           others stay down, cut off, deaf or stopped
 *   rest    every operation is answered, the newest Config is served, nobody holds anything else, and
 *           the replicas of the majorities hold the same
 *
 * What is checked meanwhile: storm/cluster.h, storm/load.h, witness/witness.h. */
#ifndef TESTS_SWARM_RUN_H
#define TESTS_SWARM_RUN_H

#include "swarm/mix.h"

struct run_result {
    uint64_t configs, operations, events;
    uint64_t hash; /* over all events, answers and the final state */
};

struct run_result run_swarm(uint64_t seed, const struct mix *mix);
/* A long history in fair weather. */
struct run_result run_long(uint64_t seed, uint64_t operations);

#endif

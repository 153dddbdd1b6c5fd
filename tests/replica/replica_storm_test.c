/* Many seeds of a group under load while processes crash, messages get lost and leaders change. The
 * stage's checkers assert; a failing run names its seed.
 *
 *   replica_storm_test [--seeds N] [--seed S]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replica/toy.h"

#define STORM_MS 15000u
#define SETTLE_MS 60000u

static uint64_t run(uint64_t seed)
{
    static const size_t counts[] = {3, 1, 5, 3};
    const struct stage_options options = {.count = counts[seed % 4],
                                          .make = toy_new,
                                          .booted = toy_load_begin,
                                          .halting = toy_load_end,
                                          .flush_ms = 50 + seed * 37 % 400,
                                          .slack_bytes = 1u << (seed % 14),
                                          .chunk_bytes = 2000,
                                          .busy = seed % 3 == 0 ? 100 : 0};
    struct stage *stage = stage_new(seed, &options);
    if (seed % 5 == 0) /* it is begun anew where it was made in part */
        sim_node_crash_soon(stage->nodes[0].node);
    stage_start_all(stage);
    stage_storm(stage, STORM_MS);
    sf_assert(stage_wait_settled(stage, stage->applied_max, SETTLE_MS));
    uint64_t hash = sim_hash(stage->sim);
    printf("seed %" PRIu64 ": %zu replicas, %" PRIu64 " entries, %" PRIu64
           " installs, hash %016" PRIx64 "\n",
           seed, options.count, stage->entries, stage->installs, hash);
    stage_free(stage);
    return hash;
}

int main(int argc, char **argv)
{
    stage_run_seeds(argc, argv, 200, run);
    printf("%" PRIu64 " acknowledged, %" PRIu64 " lost, %" PRIu64 " refused, %" PRIu64 " reads\n",
           toy_load_stats.acknowledged, toy_load_stats.lost, toy_load_stats.refused,
           toy_load_stats.reads);
    return 0;
}

/* Many seeds of whole clusters: groups join, leave and shards move while processes and whole groups
 * crash, messages get lost, come late, twice or out of order, and clients append and read.
 * cluster.h and load.h say what is checked; in the end everything must come to rest where the
 * newest Config says.
 *
 *   cluster_storm_test [--seeds N] [--seed S] [--engine raft|paxos]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/seeds.h"
#include "storm/load.h"

#define STORM_MS 15000u
#define SETTLE_MS 120000u

static uint64_t seed_now;

static _Noreturn void failed(const char *condition, const char *file, int line)
{
    fprintf(stderr,
            "seed %" PRIu64 ": %s:%d: %s\nagain: cluster_storm_test --engine %s --seed %" PRIu64
            "\n",
            seed_now, file, line, condition, seeds_engine_name(), seed_now);
    abort();
}

/* Wild seeds and mild ones. */
static void storm(struct cluster *cluster)
{
    struct sim *sim = cluster->sim;
    uint64_t end = sim_now_ns(sim) + STORM_MS * ENV_MS_NS;
    uint64_t gap_ms = 150 + sim_random_below(sim, 900);
    uint64_t faults = sim_random_below(sim, 4); /* out of four steps; the others reconfigure */
    while (sim_now_ns(sim) < end) {
        if (sim_random_below(sim, 16) == 0)
            cluster_calm(cluster);
        else if (sim_random_below(sim, 4) < faults)
            cluster_fault(cluster);
        else
            cluster_reconfigure(cluster);
        cluster_run_ms(cluster, 10 + sim_random_below(sim, gap_ms));
    }
}

/* Some group owns everything, so that there is where all shards must go. */
static void end_reconfiguration(struct cluster *cluster)
{
    const struct config *config = cluster_query(cluster);
    if (config->group_count == 0)
        (void)cluster_join(cluster, 1u << sim_random_below(cluster->sim, CLUSTER_GROUPS));
}

static uint64_t run(uint64_t seed)
{
    struct cluster_options options = {.chunk_bytes = 64u << seed % 5,
                                      .flush_ms = 50 + seed * 37 % 400,
                                      .slack_bytes = 1u << (seed % 14),
                                      .snapshot_bytes = 2000};
    const struct load_options load_options = {.pause_ms_max = seed % 3 == 0 ? 5 : 60,
                                              .timeouts = seed % 2 * 200};
    seed_now = seed;
    struct cluster *cluster = cluster_new(seed, &options);
    cluster_start(cluster, (1u << CLUSTER_GROUPS) - 1);
    sf_assert(cluster_join(cluster, 1));
    struct load *load = load_new(cluster, &load_options);
    load_begin(load);
    storm(cluster);
    cluster_calm(cluster);
    end_reconfiguration(cluster);
    sf_assert(load_end(load, SETTLE_MS));
    sf_assert(cluster_run_until(cluster, cluster_is_settled, SETTLE_MS));
    load_check(load);
    cluster_check_replicas(cluster);
    uint64_t hash = sim_hash(cluster->sim);
    printf("seed %" PRIu64 ": %" PRIu64 " Configs, %" PRIu64 " operations answered, %" PRIu64
           " events, hash %016" PRIx64 "\n",
           seed, cluster->config->num, load_answered(load), sim_event_count(cluster->sim), hash);
    cluster_free(cluster);
    load_free(load);
    return hash;
}

int main(int argc, char **argv)
{
    const struct seeds seeds = seeds_parse(argc, argv, 200);
    sf_assert_handler = failed;
    sf_assert_slow_enabled = true;
    seeds_run(&seeds, run);
    return 0;
}

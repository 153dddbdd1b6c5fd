/* Many seeds of banks (bank.h): transfers over shards and groups, while clients, leaders and groups
 * crash, shards move, and messages get lost, come late, twice or out of order. In the end no lock
 * and no prepared record is left anywhere.
 *
 *   txn_storm_test [--seeds N] [--seed S] [--engine raft|paxos]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/seeds.h"
#include "txn/bank.h"

#define STORM_MS 12000u
#define SETTLE_MS 180000u

static uint64_t seed_now;

static _Noreturn void failed(const char *condition, const char *file, int line)
{
    fprintf(stderr,
            "seed %" PRIu64 ": %s:%d: %s\nagain: txn_storm_test --engine %s --seed %" PRIu64 "\n",
            seed_now, file, line, condition, seeds_engine_name(), seed_now);
    abort();
}

static void disturb(struct cluster *cluster, struct bank *bank, uint64_t wildness)
{
    uint64_t what = sim_random_below(cluster->sim, 10);
    if (what < 2)
        bank_crash_client(bank, (unsigned)sim_random_below(cluster->sim, BANK_CLIENTS));
    else if (what < 5)
        cluster_reconfigure(cluster);
    else if (what < 6)
        cluster_calm(cluster);
    else if (sim_random_below(cluster->sim, 4) < wildness)
        cluster_fault(cluster);
}

static void storm(struct cluster *cluster, struct bank *bank)
{
    struct sim *sim = cluster->sim;
    uint64_t end = sim_now_ns(sim) + STORM_MS * ENV_MS_NS;
    uint64_t gap_ms = 100 + sim_random_below(sim, 900);
    uint64_t wildness = sim_random_below(sim, 4);
    while (sim_now_ns(sim) < end) {
        disturb(cluster, bank, wildness);
        cluster_run_ms(cluster, 10 + sim_random_below(sim, gap_ms));
    }
}

static void end_reconfiguration(struct cluster *cluster)
{
    const struct config *config = cluster_query(cluster);
    if (config->group_count == 0)
        (void)cluster_join(cluster, 1u << sim_random_below(cluster->sim, CLUSTER_GROUPS));
}

static void run(uint64_t seed)
{
    const struct cluster_options options = {.chunk_bytes = 64u << seed % 5,
                                            .flush_ms = 50 + seed * 37 % 400,
                                            .slack_bytes = 1u << (seed % 14),
                                            .snapshot_bytes = 2000};
    const struct bank_options bank_options = {.pause_ms_max = seed % 3 == 0 ? 5 : 100,
                                              .timeouts = seed % 2 * 200};
    seed_now = seed;
    struct cluster *cluster = cluster_new(seed, &options);
    cluster_start(cluster, (1u << CLUSTER_GROUPS) - 1);
    sf_assert(cluster_join(cluster, 7));
    struct bank *bank = bank_new(cluster, &bank_options);
    bank_open(bank);
    bank_begin(bank);
    storm(cluster, bank);
    cluster_calm(cluster);
    end_reconfiguration(cluster);
    sf_assert(bank_end(bank, SETTLE_MS));
    sf_assert(cluster_run_until(cluster, cluster_is_settled, SETTLE_MS));
    sf_assert(cluster_run_until(cluster, bank_is_clean, SETTLE_MS));
    bank_check(bank);
    sf_assert(cluster_run_until(cluster, bank_is_clean, SETTLE_MS));
    cluster_check_replicas(cluster);
    printf("seed %" PRIu64 ": %" PRIu64 " Configs, %" PRIu64 " transfers, %" PRIu64
           " events, hash %016" PRIx64 "\n",
           seed, cluster->config->num, bank_transfers(bank), sim_event_count(cluster->sim),
           sim_hash(cluster->sim));
    cluster_free(cluster);
    bank_free(bank);
}

int main(int argc, char **argv)
{
    const struct seeds seeds = seeds_parse(argc, argv, 100);
    sf_assert_handler = failed;
    sf_assert_slow_enabled = true;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed++)
        run(seed);
    return 0;
}

/* Long values on a whole simulated cluster (masters, groups, real logs and stores) while groups
 * join, leave and crash: two clients in turn against a flat array, as in value_test.
 *
 *   value_storm_test [--seeds N] [--seed FIRST]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "client/value_model.h"
#include "client/value_stage.h"
#include "env/log.h"
#include "sim/seeds.h"
#include "storm/weather.h"

#define STEPS 120u
#define PAUSE_MS_MAX 150u /* between two operations */
#define REST_MS 100000u   /* at times: what is trash is removed meanwhile */
#define STORM_MS_MAX 6000u
#define GAP_MS_MAX 700u /* between two strokes of a storm */

/* -- a run ------------------------------------------------------------------------------------ */

static void run_seed(uint64_t seed)
{
    const struct cluster_options options = {.chunk_bytes = 200000,
                                            .flush_ms = 200 + seed * 37 % 400,
                                            .slack_bytes = 1u << 22,
                                            .snapshot_bytes = 1u << 20};
    struct cluster *cluster = cluster_new(seed, &options);
    struct value_user users[2];
    struct weather weather = {.cluster = cluster, .gap_ms = 50 + seed * 331 % GAP_MS_MAX};
    struct model model;
    cluster_start(cluster, (1u << CLUSTER_GROUPS) - 1);
    assert_true(cluster_join(cluster, 3));
    model_init(&model, cluster->sim, "v");
    value_users_start(cluster, users, 2);
    for (unsigned i = 0; i < 2; i++)
        model.clients[i] = users[i].client;
    model_put(&model, 0, 10);
    for (unsigned step = 0; step < STEPS; step++) {
        if (sim_random_below(cluster->sim, 4) == 0)
            weather_blow(&weather, STORM_MS_MAX);
        model_step(&model, (unsigned)sim_random_below(cluster->sim, 2));
        uint64_t pause_ms = sim_random_below(cluster->sim, PAUSE_MS_MAX);
        if (sim_random_below(cluster->sim, 30) == 0)
            pause_ms = REST_MS;
        sim_run_ns(cluster->sim, pause_ms * ENV_MS_NS);
    }
    model_read_all(&model, 0);
    model_read_all(&model, 1);
    print_message("  %u Configs, %u events\n", (unsigned)cluster->config->num,
                  (unsigned)sim_event_count(cluster->sim));
    cluster_free(cluster);
    model_deinit(&model);
}

static struct seeds seeds;

static void long_values_survive_storms(void **state)
{
    (void)state;
    seeds_each(&seeds, run_seed);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(long_values_survive_storms)};
    seeds = seeds_parse(argc, argv, 5);
    log_level_min = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

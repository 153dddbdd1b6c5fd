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
#include "env/log.h"
#include "sim/seeds.h"
#include "storm/cluster.h"

#define STEPS 120u
#define PAUSE_MS_MAX 150u /* between two operations */
#define REST_MS 100000u   /* at times: what is trash is removed meanwhile */
#define STORM_MS_MAX 6000u
#define GAP_MS_MAX 700u /* between two strokes of a storm */

/* A node with a client of the masters. */
struct user {
    struct cluster *cluster;
    struct rpc *rpc;
    struct router *router;
    struct client *client;
};

static void user_boot(void *ctx, struct sim_node *node, struct env *env)
{
    static const struct rpc_options options = {.role = "client"};
    struct user *user = ctx;
    const char *masters[CLUSTER_MASTERS];
    (void)node;
    for (unsigned i = 0; i < CLUSTER_MASTERS; i++)
        masters[i] = user->cluster->master_addresses[i];
    user->rpc = rpc_new(env, &options);
    user->router = router_new(env, user->rpc, masters, CLUSTER_MASTERS);
    user->client = client_new(env, user->router);
}

static void user_halt(void *ctx, struct sim_node *node)
{
    struct user *user = ctx;
    (void)node;
    client_free(user->client);
    router_free(user->router);
    rpc_free(user->rpc);
}

/* -- weather ---------------------------------------------------------------------------------- */

/* Storms that end by themselves: an operation that waits in one comes to its end after it. */
struct weather {
    struct cluster *cluster;
    uint64_t gap_ms;
    uint64_t end_ns; /* of the storm */
    bool blows;
};

static void strike(void *ctx)
{
    struct weather *weather = ctx;
    struct cluster *cluster = weather->cluster;
    bool ends = sim_now_ns(cluster->sim) >= weather->end_ns;
    bool without_groups = !cluster->config || cluster->config->group_count == 0;
    if (ends)
        cluster_calm(cluster);
    if (ends && !without_groups && !cluster_operating(cluster)) {
        weather->blows = false;
        return;
    }
    if (ends || sim_random_below(cluster->sim, 3) == 0)
        cluster_reconfigure(cluster); /* after the end: until some group has the shards */
    else
        cluster_fault(cluster);
    uint64_t ms = 10 + sim_random_below(cluster->sim, weather->gap_ms);
    sim_after_ns(cluster->sim, ms * ENV_MS_NS, strike, weather);
}

static void blow(struct weather *weather)
{
    struct sim *sim = weather->cluster->sim;
    if (weather->blows || sim_random_below(sim, 4) != 0)
        return;
    weather->blows = true;
    weather->end_ns = sim_now_ns(sim) + sim_random_below(sim, STORM_MS_MAX) * ENV_MS_NS;
    sim_after_ns(sim, ENV_MS_NS, strike, weather);
}

/* -- a run ------------------------------------------------------------------------------------ */

static void run_seed(uint64_t seed)
{
    const struct cluster_options options = {.chunk_bytes = 200000,
                                            .flush_ms = 200 + seed * 37 % 400,
                                            .slack_bytes = 1u << 22,
                                            .snapshot_bytes = 1u << 20};
    struct cluster *cluster = cluster_new(seed, &options);
    struct user users[2] = {{.cluster = cluster}, {.cluster = cluster}};
    struct weather weather = {.cluster = cluster, .gap_ms = 50 + seed * 331 % GAP_MS_MAX};
    struct model model;
    cluster_start(cluster, (1u << CLUSTER_GROUPS) - 1);
    assert_true(cluster_join(cluster, 3));
    model_init(&model, cluster->sim, "v");
    for (unsigned i = 0; i < 2; i++) {
        struct sim_program program = {.boot = user_boot, .halt = user_halt, .ctx = &users[i]};
        sim_node_start(sim_node_new(cluster->sim, i == 0 ? "u0" : "u1", &program));
        model.clients[i] = users[i].client;
    }
    model_put(&model, 0, 10);
    for (unsigned step = 0; step < STEPS; step++) {
        blow(&weather);
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
static const char *program_name;

static void long_values_survive_storms(void **state)
{
    (void)state;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed++) {
        print_message("seed %llu (again: %s --seed %llu)\n", (unsigned long long)seed, program_name,
                      (unsigned long long)seed);
        run_seed(seed);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(long_values_survive_storms)};
    seeds = seeds_parse(argc, argv, 5);
    program_name = argv[0];
    log_level_min = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

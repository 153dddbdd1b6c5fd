#include "storm/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/log.h"
#include "env/memory.h"
#include "sim/seeds.h"
#include "witness/witness.h"

/* -- life ---------------------------------------------------------------------------------- */

static void fill_in(struct cluster_options *o)
{
    o->masters = o->masters ? o->masters : CLUSTER_MASTERS;
    o->groups = o->groups ? o->groups : CLUSTER_GROUPS;
    o->gids = o->gids ? o->gids : CLUSTER_GIDS;
    o->shards = o->shards ? o->shards : CLUSTER_SHARDS;
    o->routing = o->routing ? o->routing : ROUTING_NUMBER;
    o->master_engine = o->master_engine ? o->master_engine : seeds_engine();
    for (unsigned i = 0; i < CLUSTER_GROUPS_MAX; i++) {
        o->replicas[i] = o->replicas[i] ? o->replicas[i] : CLUSTER_REPLICAS;
        o->engines[i] = o->engines[i] ? o->engines[i] : seeds_engine();
        sf_assert(o->replicas[i] <= CLUSTER_REPLICAS_MAX);
    }
    if (o->limits.tick_ms == 0)
        o->limits = shardkv_limits_default;
    if (o->chunk_bytes != 0)
        o->limits.chunk_bytes = o->chunk_bytes;
    sf_assert(o->masters <= CLUSTER_REPLICAS_MAX && o->groups <= CLUSTER_GROUPS_MAX &&
              o->shards <= CLUSTER_SHARDS_MAX);
}

/* group: its engine and count are set. */
static void group_init(struct cluster *cluster, struct cluster_group *group, group_id gid,
                       const char *name)
{
    const struct sim_program program = {.boot = process_boot, .halt = process_halt, .ctx = cluster};
    group->cluster = cluster;
    group->group.gid = gid;
    group->group.address_count = group->count;
    group->group.addresses = sf_calloc(group->count, sizeof group->group.addresses[0]);
    for (unsigned i = 0; i < group->count; i++) {
        struct cluster_node *n = &group->nodes[i];
        char node_name[32];
        snprintf(node_name, sizeof node_name, "%s-%u", name, i + 1);
        n->group = group;
        n->create = true;
        n->sim_node = sim_node_new(cluster->sim, node_name, &program);
        snprintf(n->address, sizeof n->address, "%s:1", node_name);
        memcpy(group->group.addresses[i], n->address, sizeof n->address);
    }
    group->identity = group_identity(&group->group);
    uint64_t first_weak = sim_random_below(cluster->sim, group->count);
    for (unsigned i = 0; i < (group->count - 1) / 2; i++)
        group->nodes[(first_weak + i) % group->count].weak = true;
}

static void groups_init(struct cluster *cluster)
{
    const struct cluster_options *o = &cluster->options;
    cluster->group_count = o->groups;
    cluster->shard_count = o->shards;
    cluster->masters.engine = o->master_engine;
    cluster->masters.count = o->masters;
    group_init(cluster, &cluster->masters, 0, "master");
    for (unsigned i = 0; i < o->masters; i++)
        cluster->master_addresses[i] = cluster->masters.nodes[i].address;
    for (unsigned i = 0; i < o->groups; i++) {
        char name[16];
        snprintf(name, sizeof name, "g%u", i);
        cluster->groups[i].engine = o->engines[i];
        cluster->groups[i].count = o->replicas[i];
        group_init(cluster, &cluster->groups[i], i % o->gids + 1, name);
    }
}

static void call_witness(struct cluster *cluster)
{
    const struct kv_model_options options = {.shard_count = cluster->shard_count,
                                             .routing = cluster->options.routing,
                                             .limits = cluster->options.limits};
    cluster->witness = witness_new(cluster->sim, &options);
}

struct cluster *cluster_new(uint64_t seed, const struct cluster_options *options)
{
    struct cluster *cluster = sf_calloc(1, sizeof *cluster);
    log_level_min = LOG_LEVEL_ERROR;
    cluster->sim = sim_new(seed);
    cluster->options = *options;
    fill_in(&cluster->options);
    groups_init(cluster);
    const struct sim_program program = {
        .boot = operator_boot, .halt = operator_halt, .ctx = cluster};
    cluster->operator_node = sim_node_new(cluster->sim, "operator", &program);
    if (options->witness)
        call_witness(cluster);
    check_begin(cluster);
    return cluster;
}

static void group_deinit(struct cluster_group *group)
{
    for (size_t i = 0; i < group->count; i++)
        free(group->nodes[i].refusal);
    free(group->group.addresses);
    free(group->marks);
    free(group->leaders);
}

void cluster_free(struct cluster *cluster)
{
    check_end(cluster);
    sim_free(cluster->sim);
    group_deinit(&cluster->masters);
    for (size_t i = 0; i < cluster->group_count; i++)
        group_deinit(&cluster->groups[i]);
    if (cluster->witness)
        witness_free(cluster->witness);
    free(cluster);
}

void cluster_node_start(struct cluster_node *n)
{
    if (!n->group->absent && !sim_node_is_up(n->sim_node))
        sim_node_start(n->sim_node);
}

void cluster_group_start(struct cluster_group *group)
{
    for (size_t i = 0; i < group->count; i++)
        cluster_node_start(&group->nodes[i]);
}

void cluster_start_all(struct cluster *cluster)
{
    cluster_group_start(&cluster->masters);
    for (size_t i = 0; i < cluster->group_count; i++)
        cluster_group_start(&cluster->groups[i]);
}

void cluster_group_crash(struct cluster_group *group)
{
    for (size_t i = 0; i < group->count; i++)
        if (sim_node_is_up(group->nodes[i].sim_node))
            sim_node_crash(group->nodes[i].sim_node);
}

void cluster_start(struct cluster *cluster, unsigned groups)
{
    cluster_group_start(&cluster->masters);
    for (size_t i = 0; i < cluster->group_count; i++)
        if (groups >> i & 1u)
            cluster_group_start(&cluster->groups[i]);
    sim_node_start(cluster->operator_node);
    (void)cluster_query(cluster);
}

struct cluster_node *cluster_leader(struct cluster_group *group)
{
    struct cluster_node *leader = NULL;
    for (size_t i = 0; i < group->count; i++) {
        struct cluster_node *n = &group->nodes[i];
        if (!n->replica || !replica_leads(n->replica))
            continue;
        if (!leader || replica_term(n->replica) > replica_term(leader->replica))
            leader = n;
    }
    return leader;
}

void cluster_run_ms(struct cluster *cluster, uint64_t ms)
{
    sim_run_ns(cluster->sim, ms * ENV_MS_NS);
}

struct wait {
    struct cluster *cluster;
    bool (*done)(struct cluster *cluster);
};

static bool wait_is_over(void *ctx)
{
    const struct wait *wait = ctx;
    return wait->done(wait->cluster);
}

bool cluster_run_until(struct cluster *cluster, bool (*done)(struct cluster *cluster),
                       uint64_t limit_ms)
{
    struct wait wait = {.cluster = cluster, .done = done};
    return sim_run_until(cluster->sim, wait_is_over, &wait, limit_ms * ENV_MS_NS);
}

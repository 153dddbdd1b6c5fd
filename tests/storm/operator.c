/* The operator: joins, leaves, moves and queries, through a router like anybody else. */
#include "storm/inside.h"

#include <string.h>

#include "env/memory.h"

#define OPERATION_MS_MAX 300000u

void operator_boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct cluster *cluster = ctx;
    const struct rpc_options options = {.role = "client"};
    (void)node;
    cluster->operator_env = env;
    cluster->operator_rpc = rpc_new(env, &options);
    cluster->operator_router =
        router_new(env, cluster->operator_rpc, (const char *const *)cluster->master_addresses,
                   CLUSTER_MASTERS);
}

void operator_halt(void *ctx, struct sim_node *node)
{
    struct cluster *cluster = ctx;
    (void)node;
    router_master_cancel(&cluster->operation);
    router_free(cluster->operator_router);
    rpc_free(cluster->operator_rpc);
    config_free(cluster->config);
    cluster->config = NULL;
}

bool cluster_operating(const struct cluster *cluster)
{
    return cluster->operation.open;
}

/* Whatever was asked, the next thing is to know the newest Config. */
static void on_query(struct router_master *call, int status, const struct config *config,
                     const struct master_reply *reply)
{
    struct cluster *cluster = container_of(call, struct cluster, operation);
    (void)reply;
    sf_assert(status == SF_OK);
    config_free(cluster->config);
    cluster->config = config_copy(config);
}

static void query(struct cluster *cluster)
{
    cluster->operation = (struct router_master){.on_done = on_query, .num = -1};
    router_master_send(cluster->operator_router, &cluster->operation);
}

static void on_operated(struct router_master *call, int status, const struct config *config,
                        const struct master_reply *reply)
{
    struct cluster *cluster = container_of(call, struct cluster, operation);
    (void)config;
    cluster->op_status = status == SF_OK ? reply->status : status;
    query(cluster);
}

static void operate(struct cluster *cluster, struct master_op op)
{
    op.client_hi = 1;
    op.client_lo = 2;
    op.sequence = ++cluster->operations;
    cluster->op = op;
    cluster->operation = (struct router_master){.on_done = on_operated, .op = &cluster->op};
    router_master_send(cluster->operator_router, &cluster->operation);
}

static void begin_join(struct cluster *cluster, unsigned which)
{
    struct master_op op = {.kind = MASTER_JOIN, .groups = cluster->op_groups};
    for (unsigned i = 0; i < CLUSTER_GROUPS; i++)
        if (which >> i & 1u)
            cluster->op_groups[op.group_count++] = cluster->groups[i].group;
    operate(cluster, op);
}

static void begin_leave(struct cluster *cluster, unsigned which)
{
    struct master_op op = {.kind = MASTER_LEAVE, .gids = cluster->op_gids};
    for (unsigned i = 0; i < CLUSTER_GROUPS; i++)
        if (which >> i & 1u)
            cluster->op_gids[op.gid_count++] = cluster->groups[i].group.gid;
    operate(cluster, op);
}

static void begin_move(struct cluster *cluster, uint32_t shard, group_id gid)
{
    operate(cluster, (struct master_op){.kind = MASTER_MOVE, .shard = shard, .gid = gid});
}

static bool is_done(struct cluster *cluster)
{
    return !cluster_operating(cluster);
}

static bool wait_done(struct cluster *cluster)
{
    sf_assert(cluster_run_until(cluster, is_done, OPERATION_MS_MAX));
    return cluster->op_status == SF_OK;
}

bool cluster_join(struct cluster *cluster, unsigned which)
{
    (void)wait_done(cluster);
    begin_join(cluster, which);
    return wait_done(cluster);
}

bool cluster_leave(struct cluster *cluster, unsigned which)
{
    (void)wait_done(cluster);
    begin_leave(cluster, which);
    return wait_done(cluster);
}

bool cluster_move(struct cluster *cluster, uint32_t shard, unsigned group)
{
    (void)wait_done(cluster);
    begin_move(cluster, shard, cluster->groups[group].group.gid);
    return wait_done(cluster);
}

const struct config *cluster_query(struct cluster *cluster)
{
    (void)wait_done(cluster);
    query(cluster);
    (void)wait_done(cluster);
    return cluster->config;
}

/* Some of the groups: each with the chance of one in three. */
static unsigned some_groups(struct cluster *cluster, bool joined)
{
    unsigned which = 0;
    for (unsigned i = 0; i < CLUSTER_GROUPS; i++) {
        const struct cluster_group *group = &cluster->groups[i];
        const struct group *named = config_find_group(cluster->config, group->group.gid);
        bool in = named && group_identity(named) == group->identity;
        bool fits = joined ? in : !named;
        if (fits && sim_random_below(cluster->sim, 3) == 0)
            which |= 1u << i;
        for (unsigned k = 0; k < i && !joined; k++)
            if (which >> k & 1u && cluster->groups[k].group.gid == group->group.gid)
                which &= ~(1u << i); /* one life at a time */
    }
    return which;
}

void cluster_reconfigure(struct cluster *cluster)
{
    struct sim *sim = cluster->sim;
    if (cluster_operating(cluster) || !cluster->config)
        return;
    unsigned what = (unsigned)sim_random_below(sim, 3);
    if (cluster->config->group_count == 0)
        what = 0; /* it happens that all leave, but it is dull */
    unsigned which = what < 2 ? some_groups(cluster, what == 1) : 0;
    if (what < 2 && which == 0)
        return;
    if (what == 0) {
        begin_join(cluster, which);
    } else if (what == 1) {
        begin_leave(cluster, which);
    } else {
        uint32_t shard = (uint32_t)sim_random_below(sim, CLUSTER_SHARDS);
        begin_move(cluster, shard, 1 + sim_random_below(sim, CLUSTER_GID_LIVES));
    }
}

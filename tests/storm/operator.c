/* The operator: joins, leaves, moves and queries, through a router like anybody else. */
#include "storm/inside.h"

#include <string.h>

#include "env/memory.h"
#include "shardkv/config_change.h"

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
                   cluster->masters.count);
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

static void begin_next(struct cluster *cluster);

/* Whatever was asked, the next thing is to know the newest Config. */
static void on_query(struct router_master *call, int status, const struct config *config,
                     const struct master_reply *reply)
{
    struct cluster *cluster = container_of(call, struct cluster, operation);
    (void)reply;
    sf_assert(status == SF_OK);
    config_free(cluster->config);
    cluster->config = config_copy(config);
    if (cluster->plan_count > 0)
        begin_next(cluster);
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

static struct master_op make_op(struct cluster *cluster, const struct cluster_plan *plan)
{
    struct master_op op = {.kind = plan->kind,
                           .client_hi = 1,
                           .client_lo = 2,
                           .sequence = ++cluster->operations,
                           .groups = cluster->op_groups,
                           .gids = cluster->op_gids};
    if (plan->kind == MASTER_MOVE) {
        op.shard = plan->shard;
        op.gid = cluster->groups[plan->which].group.gid;
        return op;
    }
    for (unsigned i = 0; i < cluster->group_count; i++) {
        if (!(plan->which >> i & 1u))
            continue;
        if (plan->kind == MASTER_JOIN)
            cluster->op_groups[op.group_count++] = cluster->groups[i].group;
        else
            cluster->op_gids[op.gid_count++] = cluster->groups[i].group.gid;
    }
    return op;
}

static void begin(struct cluster *cluster, struct cluster_plan plan)
{
    cluster->op = make_op(cluster, &plan);
    cluster->operation = (struct router_master){.on_done = on_operated, .op = &cluster->op};
    router_master_send(cluster->operator_router, &cluster->operation);
}

static void begin_next(struct cluster *cluster)
{
    struct cluster_plan first = cluster->plan[0];
    memmove(cluster->plan, cluster->plan + 1, --cluster->plan_count * sizeof first);
    begin(cluster, first);
}

void cluster_plan_add(struct cluster *cluster, struct cluster_plan plan)
{
    if (!cluster_operating(cluster))
        begin(cluster, plan);
    else if (cluster->plan_count < CLUSTER_PLAN_MAX)
        cluster->plan[cluster->plan_count++] = plan;
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

static bool operate(struct cluster *cluster, struct cluster_plan plan)
{
    (void)wait_done(cluster);
    begin(cluster, plan);
    return wait_done(cluster);
}

bool cluster_join(struct cluster *cluster, unsigned which)
{
    return operate(cluster, (struct cluster_plan){.kind = MASTER_JOIN, .which = which});
}

bool cluster_leave(struct cluster *cluster, unsigned which)
{
    return operate(cluster, (struct cluster_plan){.kind = MASTER_LEAVE, .which = which});
}

bool cluster_move(struct cluster *cluster, uint32_t shard, unsigned group)
{
    return operate(cluster,
                   (struct cluster_plan){.kind = MASTER_MOVE, .which = group, .shard = shard});
}

const struct config *cluster_query(struct cluster *cluster)
{
    (void)wait_done(cluster);
    query(cluster);
    (void)wait_done(cluster);
    return cluster->config;
}

unsigned cluster_groups_in(const struct cluster *cluster)
{
    unsigned which = 0;
    for (unsigned i = 0; i < cluster->group_count; i++)
        if (config_names(cluster->config, cluster->groups[i].group.gid,
                         cluster->groups[i].identity))
            which |= 1u << i;
    return which;
}

unsigned cluster_groups_some(struct cluster *cluster, unsigned of, bool one_life)
{
    unsigned which = 0;
    for (unsigned i = 0; i < cluster->group_count; i++) {
        group_id gid = cluster->groups[i].group.gid;
        bool taken = one_life && config_find_group(cluster->config, gid);
        for (unsigned k = 0; k < i && one_life; k++)
            taken = taken || (which >> k & 1u && cluster->groups[k].group.gid == gid);
        if (of >> i & 1u && !taken && sim_random_below(cluster->sim, 3) == 0)
            which |= 1u << i;
    }
    return which;
}

void cluster_reconfigure(struct cluster *cluster)
{
    struct sim *sim = cluster->sim;
    struct cluster_plan plan = {.kind = MASTER_JOIN};
    if (cluster_operating(cluster) || !cluster->config)
        return;
    uint64_t what = sim_random_below(sim, 3);
    unsigned in = cluster_groups_in(cluster);
    if (cluster->config->group_count == 0)
        what = 0; /* it happens that all leave, but it is dull */
    if (what == 0) {
        plan.which = cluster_groups_some(cluster, ~in, true);
    } else if (what == 1) {
        plan.kind = MASTER_LEAVE;
        plan.which = cluster_groups_some(cluster, in, false);
    } else {
        plan.kind = MASTER_MOVE;
        plan.shard = (uint32_t)sim_random_below(sim, cluster->shard_count);
        plan.which = (unsigned)sim_random_below(sim, cluster->group_count);
    }
    if (plan.kind == MASTER_MOVE || plan.which != 0)
        begin(cluster, plan);
}

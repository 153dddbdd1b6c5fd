/* The processes of a cluster: what a server's main() and an operator's shell do. */
#include "storm/inside.h"

#include <stdio.h>
#include <stdlib.h>

#include "env/mark.h"
#include "env/memory.h"
#include "shardkv/machine.h"
#include "shardkv/shardkv.h"
#include "shardmaster/shardmaster.h"

#define SEGMENT_BYTES (64u << 10) /* the least there is */

static bool is_master(const struct cluster_node *n)
{
    return n->group->group.gid == 0;
}

static int open_host(struct cluster_node *n, struct env *env)
{
    const struct cluster_options *o = &n->group->cluster->options;
    const struct host_options options = {
        .dir = "data",
        .listen = n->address,
        .role = is_master(n) ? "shardmaster" : "shardkv",
        .cluster_id = 7,
        .create = n->create,
        .store = n->store,
        .wal = {.segment_bytes = SEGMENT_BYTES, .segments_spare = o->spares},
        .flush_ms = o->flush_ms,
        .slack_bytes = o->slack_bytes,
        .lag_bytes =
            6 * o->slack_bytes, /* so that some followers get the log, and some a snapshot */
        .reserve_bytes = 1,
        .chunk_bytes = o->snapshot_bytes,
        .apply_bytes = o->apply_bytes,
        .inflight_max = o->inflight_max,
        .inflight_bytes = o->inflight_bytes,
        .proposals_max = o->proposals_max,
        .log_bytes_max = o->log_bytes_max};
    return host_new(env, &options, &n->host, &n->refusal);
}

static void watched_apply(struct machine *machine, const struct machine_entry *entry,
                          struct store_batch *batch, struct buffer *reply)
{
    struct machine_ops *ops = (struct machine_ops *)(uintptr_t)machine->ops; /* its own */
    struct cluster_node *n = container_of(ops, struct cluster_node, machine_ops);
    n->honest_ops->apply(machine, entry, batch, reply);
    n->done = entry->index;
    check_applied(n, entry);
}

static void watched_restored(struct machine *machine, const struct space *space, uint64_t applied)
{
    struct machine_ops *ops = (struct machine_ops *)(uintptr_t)machine->ops; /* its own */
    struct cluster_node *n = container_of(ops, struct cluster_node, machine_ops);
    n->honest_ops->restored(machine, space, applied);
    n->done = applied;
}

static void watch(struct cluster_node *n, struct machine *machine)
{
    n->honest_ops = machine->ops;
    n->machine_ops = *machine->ops;
    n->machine_ops.apply = watched_apply;
    n->machine_ops.restored = watched_restored;
    machine->ops = &n->machine_ops;
}

static struct machine *make_machine(struct cluster_node *n, struct env *env)
{
    if (is_master(n))
        return shardmaster_new();
    const struct cluster *cluster = n->group->cluster;
    struct shardkv_options options = {.masters = (const char *const *)cluster->master_addresses,
                                      .master_count = cluster->masters.count,
                                      .limits = &cluster->options.limits};
    n->shardkv = shardkv_new(env, host_rpc(n->host), &options);
    struct machine *machine = shardkv_machine_new(n->shardkv, n->group->group.gid);
    watch(n, machine);
    return machine;
}

static int add_replica(struct cluster_node *n, struct env *env)
{
    struct machine *machine = make_machine(n, env);
    const struct replica_options options = {.group = n->group->group,
                                            .address = n->address,
                                            .engine = n->group->engine,
                                            .shard_count = n->group->cluster->shard_count,
                                            .routing = n->group->cluster->options.routing,
                                            .machine = machine};
    n->machine = machine;
    return host_add(n->host, &options, &n->replica, &n->refusal);
}

/* A disk that is full or failing just then is a reason not to begin; damage is not, where nothing
 * was damaged. */
static void end_refused(struct cluster_node *n, int status)
{
    bool may_rot = n->weak && n->group->cluster->rots;
    if (status != SF_NO_SPACE && status != SF_IO && !may_rot) {
        fprintf(stderr, "%s refuses to begin: %s\n", n->address, n->refusal);
        sf_assert(false); /* whoever lost power begins again */
    }
    if (status == SF_CORRUPT)
        SF_MARK("swarm: rotten replica refuses to begin");
    sim_node_crash(n->sim_node);
}

void process_boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct cluster_node *n = process_node(ctx, node);
    free(n->refusal);
    n->refusal = NULL;
    n->env = env;
    n->store = faulty_store_open(&n->faulty, node);
    int status = open_host(n, env);
    if (status == SF_OK)
        status = add_replica(n, env);
    if (status != SF_OK) {
        end_refused(n, status);
        return;
    }
    n->create = false;
    if (is_master(n))
        shardmaster_serve(n->machine);
    host_start(n->host);
}

void process_halt(void *ctx, struct sim_node *node)
{
    struct cluster_node *n = process_node(ctx, node);
    if (n->shardkv)
        shardkv_free(n->shardkv);
    if (n->host)
        host_free(n->host);
    store_close(n->store);
    n->env = NULL;
    n->store = NULL;
    n->host = NULL;
    n->replica = NULL;
    n->machine = NULL;
    n->shardkv = NULL;
    n->done = n->seen = 0;
}

struct cluster_node *process_node(struct cluster *cluster, const struct sim_node *node)
{
    for (size_t i = 0; i <= cluster->group_count; i++) {
        struct cluster_group *group = i == 0 ? &cluster->masters : &cluster->groups[i - 1];
        for (size_t k = 0; k < group->count; k++)
            if (group->nodes[k].sim_node == node)
                return &group->nodes[k];
    }
    sf_assert(false); /* every node but the clients' is one of these */
    return NULL;
}

const struct kv_machine *process_machine(const struct cluster_node *n)
{
    return n->machine && !is_master(n) ? container_of(n->machine, struct kv_machine, base) : NULL;
}

const struct shards *process_shards(const struct cluster_node *n)
{
    const struct kv_machine *machine = process_machine(n);
    return machine ? machine->shards : NULL;
}

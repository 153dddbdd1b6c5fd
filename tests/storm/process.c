/* The processes of a cluster: what a server's main() and an operator's shell do. */
#include "storm/inside.h"

#include <stdlib.h>

#include "env/memory.h"
#include "shardkv/machine.h"
#include "shardkv/shardkv.h"
#include "shardmaster/shardmaster.h"
#include "sim/seeds.h"

static bool is_master(const struct cluster_node *n)
{
    return n->group->group.gid == 0;
}

static int open_host(struct cluster_node *n, struct env *env)
{
    const struct cluster_options *o = &n->group->cluster->options;
    const struct host_options options = {.dir = "data",
                                         .listen = n->address,
                                         .role = is_master(n) ? "shardmaster" : "shardkv",
                                         .cluster_id = 7,
                                         .create = n->create,
                                         .store = n->store,
                                         .wal = {.segment_bytes = 64u << 10},
                                         .flush_ms = o->flush_ms,
                                         .slack_bytes = o->slack_bytes,
                                         .reserve_bytes = 1,
                                         .chunk_bytes = o->snapshot_bytes};
    return host_new(env, &options, &n->host, &n->refusal);
}

static struct machine *make_machine(struct cluster_node *n, struct env *env)
{
    if (is_master(n))
        return shardmaster_new();
    struct shardkv_limits limits = shardkv_limits_default;
    limits.chunk_bytes = n->group->cluster->options.chunk_bytes;
    struct shardkv_options options = {.limits = &limits,
                                      .masters =
                                          (const char *const *)n->group->cluster->master_addresses,
                                      .master_count = CLUSTER_MASTERS};
    n->shardkv = shardkv_new(env, host_rpc(n->host), &options);
    return shardkv_machine_new(n->shardkv, n->group->group.gid);
}

static int add_replica(struct cluster_node *n, struct env *env)
{
    struct machine *machine = make_machine(n, env);
    const struct replica_options options = {.group = n->group->group,
                                            .address = n->address,
                                            .engine = seeds_engine(),
                                            .shard_count = CLUSTER_SHARDS,
                                            .routing = ROUTING_NUMBER,
                                            .machine = machine};
    n->machine = machine;
    return host_add(n->host, &options, &n->replica, &n->refusal);
}

void process_boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct cluster_node *n = process_node(ctx, node);
    free(n->refusal);
    n->refusal = NULL;
    n->env = env;
    n->store = store_memory_open(sim_node_image(node));
    int status = open_host(n, env);
    if (status == SF_OK)
        status = add_replica(n, env);
    if (status != SF_OK)
        return;
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
    n->seen_applied = 0;
}

struct cluster_node *process_node(struct cluster *cluster, const struct sim_node *node)
{
    for (size_t i = 0; i <= CLUSTER_GROUPS; i++) {
        struct cluster_group *group = i == 0 ? &cluster->masters : &cluster->groups[i - 1];
        for (size_t k = 0; k < CLUSTER_REPLICAS; k++)
            if (group->nodes[k].sim_node == node)
                return &group->nodes[k];
    }
    sf_assert(false); /* every node but the clients' is one of these */
    return NULL;
}

static const struct kv_machine *machine_of(const struct cluster_node *n)
{
    return container_of(n->machine, struct kv_machine, base);
}

const struct shards *process_shards(const struct cluster_node *n)
{
    return n->machine && !is_master(n) ? machine_of(n)->shards : NULL;
}

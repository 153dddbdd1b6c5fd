#include "locks/locker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "shardkv/keys.h"

static void on_fenced(void *ctx)
{
    struct locker *locker = ctx;
    locker->fenced++;
}

static void boot(void *ctx, struct sim_node *node, struct env *env)
{
    static const struct rpc_options options = {.role = "client"};
    struct locker *locker = ctx;
    const char *masters[CLUSTER_MASTERS];
    (void)node;
    for (unsigned i = 0; i < CLUSTER_MASTERS; i++)
        masters[i] = locker->cluster->master_addresses[i];
    locker->rpc = rpc_new(env, &options);
    locker->router = router_new(env, locker->rpc, masters, CLUSTER_MASTERS);
    locker->client = client_new(env, locker->router);
    client_watch_fence(locker->client, on_fenced, locker);
}

static void halt(void *ctx, struct sim_node *node)
{
    struct locker *locker = ctx;
    (void)node;
    client_free(locker->client);
    router_free(locker->router);
    rpc_free(locker->rpc);
    locker->client = NULL;
}

struct cluster *locker_cluster(uint64_t seed)
{
    struct cluster_options options = {.chunk_bytes = 256,
                                      .flush_ms = 300,
                                      .slack_bytes = 1u << 12,
                                      .snapshot_bytes = 4000,
                                      .limits = shardkv_limits_default};
    options.limits.lease_ns = LOCKER_LEASE_MS * ENV_MS_NS;
    struct cluster *cluster = cluster_new(seed, &options);
    cluster_start(cluster, (1u << CLUSTER_GROUPS) - 1);
    sf_assert(cluster_join(cluster, 3));
    return cluster;
}

void locker_start(struct locker *locker, struct cluster *cluster, const char *name)
{
    struct sim_program program = {.boot = boot, .halt = halt, .ctx = locker};
    *locker = (struct locker){.cluster = cluster};
    locker->node = sim_node_new(cluster->sim, name, &program);
    sim_node_start(locker->node);
}

/* -- requests ------------------------------------------------------------------------------ */

static void end(struct asked *asked, int status)
{
    sf_assert(asked->open);
    asked->open = false;
    asked->status = status;
    if (asked->then != NULL)
        asked->then(asked);
}

static void locked(struct lock_call *call, int status)
{
    end(container_of(call, struct asked, lock), status);
}

static void done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct asked *asked = container_of(call, struct asked, call);
    asked->number = 0;
    if (status == SF_OK && reply->data.n == sizeof(asked->number))
        memcpy(&asked->number, reply->data.p, sizeof(asked->number));
    end(asked, status == SF_NOT_FOUND ? SF_OK : status);
}

void locker_ask(struct locker *locker, struct asked *asked, unsigned file, struct kv_lock lock)
{
    locker_ask_for(locker, asked, file, lock, 0);
}

void locker_ask_for(struct locker *locker, struct asked *asked, unsigned file, struct kv_lock lock,
                    uint64_t timeout_ms)
{
    memset(asked->key, 0, sizeof(asked->key));
    asked->key[7] = (uint8_t)file;
    asked->key[8] = 'l';
    asked->open = true;
    asked->lock = (struct lock_call){.on_done = locked,
                                     .key = slice_of(asked->key, sizeof(asked->key)),
                                     .lock = lock,
                                     .timeout_ms = timeout_ms};
    lock_submit(locker->client, &asked->lock);
}

static void operate(struct locker *locker, struct asked *asked)
{
    asked->open = true;
    asked->call = (struct client_call){.on_done = done, .op = &asked->op};
    client_submit(locker->client, &asked->call);
}

void locker_get(struct locker *locker, struct asked *asked, const char *key)
{
    asked->op = (struct kv_op){.kind = KV_GET, .key = slice_str(key)};
    operate(locker, asked);
}

void locker_put(struct locker *locker, struct asked *asked, const char *key, uint64_t number)
{
    memcpy(asked->value, &number, sizeof(number));
    asked->op = (struct kv_op){.kind = KV_PUT,
                               .key = slice_str(key),
                               .data = slice_of(asked->value, sizeof(asked->value))};
    operate(locker, asked);
}

static bool has_ended(void *ctx)
{
    return !((const struct asked *)ctx)->open;
}

int locker_wait(struct locker *locker, struct asked *asked)
{
    sf_assert(sim_run_until(locker->cluster->sim, has_ended, asked, LOCKER_LIMIT_MS * ENV_MS_NS));
    return asked->status;
}

struct kv_lock locker_whole(enum kv_lock_type type, uint64_t owner, bool waits)
{
    return (struct kv_lock){
        .type = type, .flags = waits ? KV_LOCK_WAITS : 0, .owner = owner, .last = UINT64_MAX};
}

/* -- what is left -------------------------------------------------------------------------- */

static bool is_of_locks(struct slice key)
{
    return key.n > KEYS_COPY_BYTES &&
           (key.p[KEYS_COPY_BYTES] == 'l' || key.p[KEYS_COPY_BYTES] == 'h');
}

static bool node_is_clean(const struct cluster_node *n)
{
    bool clean = true;
    if (replica_settle(n->replica) != SF_OK)
        return false;
    struct store_iter *iter =
        store_iter_new(replica_space(n->replica), NULL, slice_str("S"), slice_str("T"));
    for (; clean && store_iter_valid(iter); store_iter_next(iter))
        clean = !is_of_locks(store_iter_key(iter));
    store_iter_free(iter);
    return clean;
}

bool locker_is_clean(struct cluster *cluster)
{
    for (unsigned i = 0; i < cluster->group_count; i++)
        for (unsigned j = 0; j < cluster->groups[i].count; j++) {
            const struct cluster_node *n = &cluster->groups[i].nodes[j];
            if (n->host != NULL && n->replica != NULL && !node_is_clean(n))
                return false;
        }
    return true;
}

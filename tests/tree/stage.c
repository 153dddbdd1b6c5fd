#include "tree/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "client/lease.h"
#include "env/memory.h"

#define STORM_MS_MAX 4000u

static void user_boot(void *ctx, struct sim_node *node, struct env *env)
{
    static const struct rpc_options options = {.role = "client"};
    struct user *user = ctx;
    const struct tree_options tree_options = {.uid = 7, .gid = 8, .renew_ms = user->renew_ms};
    const char *masters[CLUSTER_MASTERS];
    (void)node;
    for (unsigned i = 0; i < CLUSTER_MASTERS; i++)
        masters[i] = user->cluster->master_addresses[i];
    user->rpc = rpc_new(env, &options);
    user->router = router_new(env, user->rpc, masters, CLUSTER_MASTERS);
    user->client = client_new(env, user->router);
    user->tree = tree_new(env, user->client, &tree_options);
}

static void user_halt(void *ctx, struct sim_node *node)
{
    struct user *user = ctx;
    (void)node;
    tree_free(user->tree);
    client_free(user->client);
    router_free(user->router);
    rpc_free(user->rpc);
}

struct stage *stage_new_forgetful(uint64_t seed, unsigned groups, uint64_t idle_ms)
{
    struct cluster_options options = {
        .chunk_bytes = 20000, .flush_ms = 300, .slack_bytes = 1u << 20, .snapshot_bytes = 100000};
    if (idle_ms != 0) {
        options.limits = shardkv_limits_default;
        options.limits.session_idle_ns = idle_ms * ENV_MS_NS;
        options.limits.session_step_ns = idle_ms * ENV_MS_NS / 16;
        options.limits.tick_ms = idle_ms / 8;
    }
    struct stage *stage = sf_calloc(1, sizeof *stage);
    stage->cluster = cluster_new(seed, &options);
    stage->weather = (struct weather){.cluster = stage->cluster, .gap_ms = 500};
    cluster_start(stage->cluster, (1u << CLUSTER_GROUPS) - 1);
    assert_true(cluster_join(stage->cluster, groups));
    for (unsigned i = 0; i < STAGE_USERS; i++) {
        struct user *user = &stage->users[i];
        struct sim_program program = {.boot = user_boot, .halt = user_halt, .ctx = user};
        char name[8];
        snprintf(name, sizeof name, "u%u", i);
        user->cluster = stage->cluster;
        user->renew_ms = idle_ms / 4;
        user->node = sim_node_new(stage->cluster->sim, name, &program);
        sim_node_start(user->node);
    }
    return stage;
}

struct stage *stage_new(uint64_t seed, unsigned groups)
{
    return stage_new_forgetful(seed, groups, 0);
}

void stage_free(struct stage *stage)
{
    cluster_free(stage->cluster);
    free(stage);
}

void stage_run_ms(struct stage *stage, uint64_t ms)
{
    cluster_run_ms(stage->cluster, ms);
}

/* -- weather -------------------------------------------------------------------------------- */

void stage_maybe_storm(struct stage *stage)
{
    struct sim *sim = stage->cluster->sim;
    if (!stage->weather.blows && sim_random_below(sim, 5) == 0)
        weather_blow(&stage->weather, STORM_MS_MAX);
}

void stage_await_calm(struct stage *stage)
{
    while (stage->weather.blows)
        stage_run_ms(stage, 100);
}

/* -- calls ---------------------------------------------------------------------------------- */

static void on_done(struct tree_call *call, int status)
{
    struct waiting *waiting = container_of(call, struct waiting, call);
    assert_false(waiting->done);
    waiting->done = true;
    waiting->status = status;
}

static bool is_done(void *ctx)
{
    return ((const struct waiting *)ctx)->done;
}

void user_submit(struct user *user, struct waiting *waiting)
{
    waiting->done = false;
    waiting->call.on_done = on_done;
    tree_submit(user->tree, &waiting->call);
    assert_false(waiting->done);
}

int user_call(struct user *user, struct waiting *waiting)
{
    user_submit(user, waiting);
    assert_true(sim_run_until(user->cluster->sim, is_done, waiting, STAGE_LIMIT_MS * ENV_MS_NS));
    return waiting->status;
}

void user_crash(struct user *user)
{
    sim_node_crash(user->node);
    sim_node_start(user->node);
}

void user_fence(struct user *user)
{
    lease_fenced(user->client, user->client->epoch);
}

struct tree_place place_of(uint64_t directory, const char *name)
{
    return (struct tree_place){.directory = directory, .name = slice_str(name)};
}

int user_do(struct user *user, enum tree_kind kind, uint64_t directory, const char *name,
            struct tree_inode *inode)
{
    struct waiting waiting = {.call = {.kind = kind,
                                       .place = place_of(directory, name),
                                       .mode = kind == TREE_MKDIR ? 0755 : 0644,
                                       .exclusive = true}};
    int status = user_call(user, &waiting);
    if (inode)
        *inode = waiting.call.inode;
    return status;
}

int user_stat_directory(struct user *user, uint64_t id, struct tree_inode *inode)
{
    struct waiting waiting = {
        .call = {.kind = TREE_GETATTR, .place = {.ino = id, .is_directory = true}}};
    int status = user_call(user, &waiting);
    if (inode)
        *inode = waiting.call.inode;
    return status;
}

/* -- records -------------------------------------------------------------------------------- */

struct raw {
    struct client_call call;
    int status;
    bool done;
    struct buffer *data; /* NULL: nobody wants it */
};

static void raw_on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct raw *raw = container_of(call, struct raw, call);
    if (status == SF_OK && raw->data)
        buffer_set(raw->data, reply->data);
    raw->status = status;
    raw->done = true;
}

static bool raw_is_done(void *ctx)
{
    return ((const struct raw *)ctx)->done;
}

int user_raw(struct user *user, const struct kv_op *op, struct buffer *data)
{
    struct raw raw = {.call = {.on_done = raw_on_done, .op = op}, .data = data};
    client_submit(user->client, &raw.call);
    assert_true(sim_run_until(user->cluster->sim, raw_is_done, &raw, STAGE_LIMIT_MS * ENV_MS_NS));
    return raw.status;
}

bool user_read_record(struct user *user, enum kv_space space, struct slice key, struct buffer *data)
{
    const struct kv_op op = {.kind = KV_STAT, .space = space, .key = key};
    int status = user_raw(user, &op, data);
    if (status != SF_OK)
        assert_int_equal(status, SF_NOT_FOUND);
    return status == SF_OK;
}

bool user_has_record(struct user *user, enum kv_space space, struct slice key)
{
    return user_read_record(user, space, key, NULL);
}

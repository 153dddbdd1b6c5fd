#include "client/fake_cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"

/* -- servers ------------------------------------------------------------------------------- */

static const char *leader_address(const struct fake_server *server)
{
    struct fake_cluster *cluster = server->cluster;
    unsigned leader = cluster->leader[server->gid - 1];
    if (!cluster->gives_hints || leader >= FAKE_REPLICAS)
        return "";
    return cluster->replicas[server->gid - 1][leader].address;
}

/* Does the group have the shard of the request, or all that a SCAN is about? */
static bool has_shards(const struct fake_server *server, const struct kv_request *request)
{
    const struct config *config = server->cluster->config;
    if (request->op.kind != KV_SCAN)
        return config->shards[request->target.shard] == server->gid;
    for (size_t i = 0; i < request->op.shard_count; i++) {
        if (config->shards[request->op.shards[i]] != server->gid)
            return false;
    }
    return true;
}

/* SF_OK: this server executes the request. */
static int admit(struct fake_server *server, const struct kv_request *request)
{
    struct fake_cluster *cluster = server->cluster;
    const struct group *group = config_find_group(cluster->config, server->gid);
    if (cluster->refusals > 0) {
        cluster->refusals--;
        return cluster->refusal;
    }
    bool leads = cluster->leader[server->gid - 1] == server->index;
    if (!leads && !(cluster->forwards && request->target.forward))
        return SF_NOT_LEADER;
    if (!group || cluster->config->num > cluster->serves_config_max ||
        request->target.gid != server->gid ||
        request->target.group_identity != group_identity(group) || !has_shards(server, request))
        return SF_WRONG_GROUP;
    return SF_OK;
}

static void serve(struct fake_server *server, struct rpc_request *rpc_request,
                  const msgpack_object *params, enum kv_kind kind)
{
    struct fake_cluster *cluster = server->cluster;
    struct kv_request request = {0};
    struct buffer packed = {0};
    server->requests++;
    if (kv_request_unpack(params, kind, &request) != SF_OK) {
        rpc_reply_error(rpc_request, SF_PROTOCOL, "params");
        return;
    }
    int status = admit(server, &request);
    if (status == SF_OK) {
        fake_store_execute(cluster->store, &request, sim_now_ns(cluster->sim), &packed);
    } else {
        struct kv_reply reply = {.status = status, .config_num = cluster->config->num};
        if (status == SF_NOT_LEADER)
            strcpy(reply.leader, leader_address(server));
        kv_reply_pack(&packed, &reply);
    }
    kv_request_free(&request);
    /* A reply that never comes: the client's patience ends. */
    if (sim_random_below(cluster->sim, 1000) < cluster->lose_replies)
        buffer_deinit(&packed);
    else
        rpc_reply(rpc_request, &packed);
}

#define X(kind)                                                                                    \
    static void on_##kind(void *ctx, struct rpc_request *request, const msgpack_object *params)    \
    {                                                                                              \
        serve(ctx, request, params, KV_##kind);                                                    \
    }
FAKE_STORE_KINDS(X)
#undef X

static void on_query(void *ctx, struct rpc_request *request, const msgpack_object *params)
{
    struct fake_server *server = ctx;
    struct fake_cluster *cluster = server->cluster;
    struct buffer result = {0};
    (void)params;
    server->requests++;
    bool leads = cluster->master_leader == server->index;
    pack_array(&result, 3);
    pack_i64(&result, leads ? SF_OK : SF_NOT_LEADER);
    if (cluster->gives_hints && cluster->master_leader < FAKE_MASTERS)
        pack_str(&result, cluster->masters[cluster->master_leader].address);
    else
        pack_str(&result, "");
    if (leads)
        codec_pack_config(&result, cluster->config);
    else
        pack_nil(&result);
    rpc_reply(request, &result);
}

static void server_boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct fake_server *server = ctx;
    static const struct rpc_options options = {.role = "fake"};
    (void)node;
    server->rpc = rpc_new(env, &options);
#define X(kind) rpc_on_request(server->rpc, kv_method_name(KV_##kind), on_##kind, server);
    if (server->gid != 0) {
        FAKE_STORE_KINDS(X)
    } else {
        rpc_on_request(server->rpc, "master.query", on_query, server);
    }
#undef X
    int error = rpc_listen(server->rpc, server->address);
    sf_assert(error == SF_OK);
}

static void server_halt(void *ctx, struct sim_node *node)
{
    struct fake_server *server = ctx;
    (void)node;
    rpc_free(server->rpc);
    server->rpc = NULL;
}

static void server_start(struct fake_cluster *cluster, struct fake_server *server, group_id gid,
                         unsigned index)
{
    char name[32];
    if (gid == 0)
        snprintf(name, sizeof name, "m%u", index);
    else
        snprintf(name, sizeof name, "g%ur%u", (unsigned)gid, index);
    snprintf(server->address, sizeof server->address, "%s:%u", name, gid == 0 ? 1000u : 2000u);
    server->cluster = cluster;
    server->gid = gid;
    server->index = index;
    server->node = sim_node_new(
        cluster->sim, name,
        &(struct sim_program){.boot = server_boot, .halt = server_halt, .ctx = server});
    sim_node_start(server->node);
}

/* -- the cluster --------------------------------------------------------------------------- */

struct fake_cluster *fake_cluster_new(uint64_t seed, uint32_t shard_count)
{
    struct fake_cluster *cluster = sf_calloc(1, sizeof *cluster);
    cluster->sim = sim_new(seed);
    cluster->store = fake_store_new(shard_count);
    cluster->config = config_new(shard_count, ROUTING_HASH);
    cluster->gives_hints = true;
    cluster->serves_config_max = UINT64_MAX;
    for (unsigned i = 0; i < FAKE_MASTERS; i++)
        server_start(cluster, &cluster->masters[i], 0, i);
    for (unsigned g = 0; g < FAKE_GROUPS_MAX; g++) {
        for (unsigned i = 0; i < FAKE_REPLICAS; i++)
            server_start(cluster, &cluster->replicas[g][i], g + 1, i);
    }
    return cluster;
}

void fake_cluster_free(struct fake_cluster *cluster)
{
    sim_free(cluster->sim);
    fake_store_free(cluster->store);
    config_free(cluster->config);
    free(cluster);
}

static void adopt(struct fake_cluster *cluster, struct config *config)
{
    config_free(cluster->config);
    cluster->config = config;
}

void fake_cluster_join(struct fake_cluster *cluster, group_id gid)
{
    char addresses[FAKE_REPLICAS][SF_ADDRESS_BYTES_MAX];
    struct group group = {.gid = gid, .address_count = FAKE_REPLICAS, .addresses = addresses};
    struct config *next;
    group_id which;
    for (unsigned i = 0; i < FAKE_REPLICAS; i++)
        strcpy(addresses[i], cluster->replicas[gid - 1][i].address);
    int error = config_join(cluster->config, &group, 1, &next, &which);
    sf_assert(error == SF_OK);
    adopt(cluster, next);
}

void fake_cluster_leave(struct fake_cluster *cluster, group_id gid)
{
    struct config *next;
    group_id which;
    int error = config_leave(cluster->config, &gid, 1, &next, &which);
    sf_assert(error == SF_OK);
    adopt(cluster, next);
}

uint64_t fake_cluster_requests(const struct fake_cluster *cluster)
{
    uint64_t count = 0;
    for (unsigned g = 0; g < FAKE_GROUPS_MAX; g++) {
        for (unsigned i = 0; i < FAKE_REPLICAS; i++)
            count += cluster->replicas[g][i].requests;
    }
    return count;
}

/* -- clients ------------------------------------------------------------------------------- */

static void client_boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct fake_client *fake = ctx;
    static const struct rpc_options options = {.role = "client"};
    const char *masters[FAKE_MASTERS];
    (void)node;
    for (unsigned i = 0; i < FAKE_MASTERS; i++)
        masters[i] = fake->cluster->masters[i].address;
    fake->rpc = rpc_new(env, &options);
    fake->router = router_new(env, fake->rpc, masters, FAKE_MASTERS);
    fake->client = client_new(env, fake->router);
}

static void client_halt(void *ctx, struct sim_node *node)
{
    struct fake_client *fake = ctx;
    (void)node;
    client_free(fake->client);
    router_free(fake->router);
    rpc_free(fake->rpc);
    fake->client = NULL;
    fake->router = NULL;
    fake->rpc = NULL;
}

struct fake_client *fake_client_new(struct fake_cluster *cluster, const char *name)
{
    struct fake_client *fake = sf_calloc(1, sizeof *fake);
    fake->cluster = cluster;
    fake->node =
        sim_node_new(cluster->sim, name,
                     &(struct sim_program){.boot = client_boot, .halt = client_halt, .ctx = fake});
    sim_node_start(fake->node);
    return fake;
}

void fake_client_free(struct fake_client *fake)
{
    sim_node_stop(fake->node);
    free(fake);
}

/* -- blocking calls ------------------------------------------------------------------------ */

struct waiting {
    struct client_call call;
    struct fake_answer *answer;
    bool done;
};

static bool is_done(void *ctx)
{
    return *(const bool *)ctx;
}

static void run_until(struct fake_cluster *cluster, bool *done)
{
    bool ended = sim_run_until(cluster->sim, is_done, done, FAKE_LIMIT_MS * ENV_MS_NS);
    sf_assert(ended);
}

static void on_submitted(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct waiting *waiting = container_of(call, struct waiting, call);
    waiting->answer->status = status;
    waiting->answer->has_reply = reply != NULL;
    if (reply) {
        waiting->answer->old_length = reply->old_length;
        waiting->answer->stat = reply->stat;
        buffer_set(&waiting->answer->data, reply->data);
    }
    waiting->done = true;
}

void fake_submit(struct fake_client *fake, const struct kv_op *op, uint64_t timeout_ms,
                 struct fake_answer *answer)
{
    struct waiting waiting = {.answer = answer};
    waiting.call =
        (struct client_call){.on_done = on_submitted, .op = op, .timeout_ms = timeout_ms};
    client_submit(fake->client, &waiting.call);
    run_until(fake->cluster, &waiting.done);
}

void fake_answer_deinit(struct fake_answer *answer)
{
    buffer_deinit(&answer->data);
}

struct kv_op fake_op(enum kv_kind kind, const char *key, const char *data)
{
    return (struct kv_op){.kind = kind, .key = slice_str(key), .data = slice_str(data)};
}

#include "client/solo_server.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "client/fake_store.h"
#include "env/memory.h"
#include "env/uv_env.h"
#include "proto/codec.h"
#include "rpc/rpc.h"

#define LOOK_MS 5u /* how soon the thread sees what others want of it */

struct solo_server {
    pthread_t thread;
    struct env *env;
    struct rpc *rpc;
    struct fake_store *store;
    struct config *config; /* one group of one replica: this one */
    struct env_timer look;
    atomic_bool stop, silent;
    atomic_size_t session_count; /* as of the last look */
    atomic_uint looks;
};

/* -- methods ---------------------------------------------------------------------------------- */

static void serve(struct solo_server *server, struct rpc_request *rpc_request,
                  const msgpack_object *params, enum kv_kind kind)
{
    struct kv_request request = {0};
    struct buffer packed = {0};
    if (atomic_load(&server->silent))
        return;
    if (kv_request_unpack(params, kind, &request) != SF_OK) {
        rpc_reply_error(rpc_request, SF_PROTOCOL, "params");
        return;
    }
    fake_store_execute(server->store, &request, env_wall_ns(server->env), &packed);
    kv_request_free(&request);
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
    struct solo_server *server = ctx;
    struct buffer result = {0};
    (void)params;
    pack_array(&result, 3);
    pack_i64(&result, SF_OK);
    pack_str(&result, rpc_address(server->rpc));
    codec_pack_config(&result, server->config);
    rpc_reply(request, &result);
}

/* -- life ------------------------------------------------------------------------------------- */

static void on_look(struct env_timer *timer)
{
    struct solo_server *server = container_of(timer, struct solo_server, look);
    atomic_store(&server->session_count, fake_store_session_count(server->store));
    atomic_fetch_add(&server->looks, 1);
    if (atomic_load(&server->stop))
        uv_env_stop(server->env);
    else
        env_timer_start_ms(&server->look, LOOK_MS);
}

static void *run(void *ctx)
{
    struct solo_server *server = ctx;
    uv_env_run(server->env);
    return NULL;
}

static void make_config(struct solo_server *server)
{
    char address[1][SF_ADDRESS_BYTES_MAX];
    struct group group = {.gid = 1, .address_count = 1, .addresses = address};
    struct config *none = config_new(10, ROUTING_HASH);
    group_id which;
    strcpy(address[0], rpc_address(server->rpc));
    int error = config_join(none, &group, 1, &server->config, &which);
    sf_assert(error == SF_OK);
    config_free(none);
}

struct solo_server *solo_server_start(void)
{
    static const struct rpc_options options = {.role = "solo"};
    struct solo_server *server = sf_calloc(1, sizeof *server);
    int error = uv_env_new(&server->env);
    sf_assert(error == SF_OK);
    server->store = fake_store_new(10);
    server->rpc = rpc_new(server->env, &options);
    error = rpc_listen(server->rpc, "127.0.0.1:0");
    sf_assert(error == SF_OK);
    make_config(server);
#define X(kind) rpc_on_request(server->rpc, kv_method_name(KV_##kind), on_##kind, server);
    FAKE_STORE_KINDS(X)
#undef X
    rpc_on_request(server->rpc, "master.query", on_query, server);
    env_timer_init(server->env, &server->look, on_look);
    env_timer_start_ms(&server->look, LOOK_MS);
    error = pthread_create(&server->thread, NULL, run, server);
    sf_assert(error == 0);
    return server;
}

void solo_server_stop(struct solo_server *server)
{
    atomic_store(&server->stop, true);
    pthread_join(server->thread, NULL);
    rpc_free(server->rpc);
    uv_env_free(server->env);
    fake_store_free(server->store);
    config_free(server->config);
    free(server);
}

const char *solo_server_address(const struct solo_server *server)
{
    return rpc_address(server->rpc); /* fixed since the start */
}

size_t solo_server_session_count(struct solo_server *server)
{
    unsigned seen = atomic_load(&server->looks);
    while (atomic_load(&server->looks) - seen < 2)
        sched_yield();
    return atomic_load(&server->session_count);
}

void solo_server_fall_silent(struct solo_server *server)
{
    atomic_store(&server->silent, true);
}

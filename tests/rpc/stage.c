#include "rpc/stage.h"

#include <stdlib.h>
#include <string.h>

#include "env/log.h"
#include "env/memory.h"

/* -- methods ------------------------------------------------------------------------------- */

static void echo_on_request(void *ctx, struct rpc_request *request, const msgpack_object *params)
{
    struct cursor c = unpack_object(params);
    uint64_t number = unpack_u64(&c, UINT64_MAX);
    struct buffer result = {0};
    (void)ctx;
    if (!unpack_done(&c)) {
        rpc_reply_error(request, SF_INVALID, "echo takes [number]");
        return;
    }
    pack_u64(&result, number);
    rpc_reply(request, &result);
}

static void hold_on_request(void *ctx, struct rpc_request *request, const msgpack_object *params)
{
    struct endpoint *endpoint = ctx;
    (void)params;
    assert_true(endpoint->held_count < HELD_MAX);
    endpoint->held[endpoint->held_count++] = request;
}

static void large_on_request(void *ctx, struct rpc_request *request, const msgpack_object *params)
{
    struct cursor c = unpack_object(params);
    size_t n = (size_t)unpack_u64(&c, 2 * SF_MESSAGE_BYTES_MAX);
    struct buffer result = {0};
    (void)ctx;
    assert_true(unpack_done(&c));
    rpc_begin_reply(&result);
    pack_bin_begin(&result, n);
    memset(buffer_grow(&result, n), 0, n);
    rpc_reply(request, &result);
}

static void note_on_notification(void *ctx, rpc_peer from, const msgpack_object *params)
{
    struct endpoint *endpoint = ctx;
    struct cursor c = unpack_object(params);
    endpoint->last_note = unpack_u64(&c, UINT64_MAX);
    endpoint->note_from = from;
    endpoint->notes++;
}

static void bounce_on_notification(void *ctx, rpc_peer from, const msgpack_object *params)
{
    struct endpoint *endpoint = ctx;
    struct cursor c = unpack_object(params);
    struct buffer answer = number_params(unpack_u64(&c, UINT64_MAX));
    rpc_notify_peer(endpoint->rpc, from, "note", &answer);
}

/* -- nodes --------------------------------------------------------------------------------- */

static void endpoint_boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct endpoint *endpoint = ctx;
    (void)node;
    endpoint->rpc = rpc_new(env, &endpoint->options);
    rpc_on_request(endpoint->rpc, "echo", echo_on_request, endpoint);
    rpc_on_request(endpoint->rpc, "hold", hold_on_request, endpoint);
    rpc_on_request(endpoint->rpc, "large", large_on_request, endpoint);
    rpc_on_notification(endpoint->rpc, "note", note_on_notification, endpoint);
    rpc_on_notification(endpoint->rpc, "bounce", bounce_on_notification, endpoint);
    if (endpoint->listen)
        assert_int_equal(rpc_listen(endpoint->rpc, endpoint->listen), SF_OK);
}

static void endpoint_halt(void *ctx, struct sim_node *node)
{
    struct endpoint *endpoint = ctx;
    (void)node;
    rpc_free(endpoint->rpc);
    endpoint->rpc = NULL;
    endpoint->held_count = 0;
}

static void endpoint_init(struct endpoint *endpoint, struct sim *sim, const char *name)
{
    const struct sim_program program = {endpoint_boot, endpoint_halt, endpoint};
    endpoint->options = (struct rpc_options){.cluster_id = 7, .role = "test"};
    endpoint->node = sim_node_new(sim, name, &program);
}

void stage_init(struct stage *stage, uint64_t seed)
{
    log_level_min = LOG_LEVEL_ERROR;
    memset(stage, 0, sizeof *stage);
    stage->sim = sim_new(seed);
    endpoint_init(&stage->server, stage->sim, "server");
    endpoint_init(&stage->client, stage->sim, "client");
    stage->server.listen = SERVER;
}

void stage_start(struct stage *stage)
{
    sim_node_start(stage->server.node);
    sim_node_start(stage->client.node);
}

void stage_deinit(struct stage *stage)
{
    sim_free(stage->sim);
}

void stage_run_ms(struct stage *stage, uint64_t ms)
{
    sim_run_ns(stage->sim, ms * MS);
}

/* -- calls --------------------------------------------------------------------------------- */

struct buffer number_params(uint64_t number)
{
    struct buffer params = {0};
    pack_array(&params, 1);
    pack_u64(&params, number);
    return params;
}

void stage_call_on_done(struct rpc_call *rpc_call, int status, const msgpack_object *result)
{
    struct stage_call *call = (struct stage_call *)rpc_call;
    call->done++;
    call->status = status;
    call->done_ms = sim_now_ns(call->stage->sim) / MS;
    assert_true((status == SF_OK) == (result != NULL));
    if (result && result->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        call->number = result->via.u64;
}

static void start_call(struct stage *stage, struct stage_call *call, const char *address,
                       const char *method, struct buffer params, uint64_t timeout_ms)
{
    memset(call, 0, sizeof *call);
    call->stage = stage;
    rpc_call_start(stage->client.rpc, &call->call, address, method, &params, timeout_ms,
                   stage_call_on_done);
    assert_int_equal(call->done, 0);
    assert_null(params.p);
}

void stage_call(struct stage *stage, struct stage_call *call, const char *method, uint64_t number,
                uint64_t timeout_ms)
{
    start_call(stage, call, SERVER, method, number_params(number), timeout_ms);
}

void stage_call_to(struct stage *stage, struct stage_call *call, const char *address,
                   const char *method, uint64_t number)
{
    start_call(stage, call, address, method, number_params(number), 0);
}

void stage_notify(struct stage *stage, const char *method, uint64_t number)
{
    struct buffer params = number_params(number);
    rpc_notify(stage->client.rpc, SERVER, method, &params);
    assert_null(params.p);
}

void stage_answer_held(struct stage *stage)
{
    struct endpoint *server = &stage->server;
    for (size_t i = 0; i < server->held_count; i++) {
        struct buffer result = {0};
        pack_u64(&result, i);
        rpc_reply(server->held[i], &result);
    }
    server->held_count = 0;
}

struct rpc_stats stats_of(const struct endpoint *endpoint)
{
    struct rpc_stats stats;
    rpc_stats(endpoint->rpc, &stats);
    return stats;
}

static bool call_is_done(void *ctx)
{
    const struct stage_call *call = ctx;
    return call->done > 0;
}

void stage_wait(struct stage *stage, const struct stage_call *call, uint64_t limit_ms)
{
    assert_true(sim_run_until(stage->sim, call_is_done, (void *)(uintptr_t)call, limit_ms * MS));
}

/* -- strangers ----------------------------------------------------------------------------- */

static void stranger_on_data(void *ctx, const uint8_t *bytes, size_t n)
{
    struct stranger *stranger = ctx;
    (void)bytes;
    stranger->received += n;
}

static void stranger_on_open(void *ctx)
{
    (void)ctx;
}

static void stranger_on_close(void *ctx, int reason)
{
    struct stranger *stranger = ctx;
    (void)reason;
    stranger->closed = true;
}

static const struct env_conn_events stranger_events = {stranger_on_open, stranger_on_data,
                                                       stranger_on_close};

void stage_strangers_come(struct stage *stage, struct stranger *strangers, size_t count)
{
    struct env *env = sim_node_env(stage->client.node);
    for (size_t i = 0; i < count; i++) {
        strangers[i] = (struct stranger){0};
        assert_int_equal(
            env_connect(env, SERVER, &stranger_events, &strangers[i], &strangers[i].conn), SF_OK);
        stage_run_ms(stage, 10);
    }
}

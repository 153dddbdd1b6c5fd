/* The same over real sockets on loopback, and a stranger who speaks MessagePack-RPC byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "env/log.h"
#include "env/memory.h"
#include "env/uv_env.h"
#include "proto/kv.h"
#include "rpc/rpc.h"

/* Two endpoints in one process, on one loop. */
struct loopback {
    struct env *env;
    struct rpc *server, *client;
};

static void get_on_request(void *ctx, struct rpc_request *request, const msgpack_object *params)
{
    struct kv_request got;
    struct kv_reply reply = {.status = SF_NOT_FOUND};
    struct buffer result = {0};
    (void)ctx;
    assert_int_equal(kv_request_unpack(params, KV_GET, &got), SF_OK);
    if (slice_equal(got.op.key, slice_str("color"))) {
        reply.status = SF_OK;
        reply.data = slice_str("blue");
    }
    kv_reply_pack(&result, &reply);
    rpc_reply(request, &result);
    kv_request_free(&got);
}

static void size_on_request(void *ctx, struct rpc_request *request, const msgpack_object *params)
{
    struct cursor c = unpack_object(params);
    struct buffer result = {0};
    (void)ctx;
    pack_u64(&result, unpack_bin(&c, SF_MESSAGE_BYTES_MAX).n);
    rpc_reply(request, &result);
}

static void loopback_init(struct loopback *l)
{
    const struct rpc_options options = {.cluster_id = 5, .role = "test"};
    log_level_min = LOG_LEVEL_ERROR;
    assert_int_equal(uv_env_new(&l->env), SF_OK);
    l->server = rpc_new(l->env, &options);
    l->client = rpc_new(l->env, &options);
    rpc_on_request(l->server, "kv.get", get_on_request, NULL);
    rpc_on_request(l->server, "size", size_on_request, NULL);
    assert_int_equal(rpc_listen(l->server, "127.0.0.1:0"), SF_OK);
}

static void loopback_deinit(struct loopback *l)
{
    rpc_free(l->client);
    rpc_free(l->server);
    uv_env_free(l->env);
}

/* -- calls --------------------------------------------------------------------------------- */

struct count_call {
    struct rpc_call call;
    unsigned *pending;
    int status;
    uint64_t number;
};

static void count_on_done(struct rpc_call *rpc_call, int status, const msgpack_object *result)
{
    struct count_call *call = container_of(rpc_call, struct count_call, call);
    call->status = status;
    if (result && result->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        call->number = result->via.u64;
    (*call->pending)--;
}

static void start_size(struct loopback *l, struct count_call *call, const char *address, size_t n,
                       unsigned *pending)
{
    struct buffer params = {0};
    memset(call, 0, sizeof *call);
    call->pending = pending;
    (*pending)++;
    rpc_begin_request(&params, "size");
    pack_array(&params, 1);
    pack_bin_begin(&params, n);
    memset(buffer_grow(&params, n), 0, n);
    rpc_call_start(l->client, &call->call, address, "size", &params, 20000, count_on_done);
}

static void test_calls_of_all_sizes(void **state)
{
    (void)state;
    static struct count_call calls[500];
    struct loopback l;
    unsigned pending = 0;
    loopback_init(&l);
    for (size_t i = 0; i < 500; i++)
        start_size(&l, &calls[i], rpc_address(l.server), i * i / 4, &pending);
    while (pending > 0)
        uv_env_run_once(l.env);
    for (size_t i = 0; i < 500; i++) {
        assert_int_equal(calls[i].status, SF_OK);
        assert_int_equal(calls[i].number, i * i / 4);
    }
    loopback_deinit(&l);
}

static void test_the_largest_message(void **state)
{
    (void)state;
    struct count_call call;
    struct loopback l;
    unsigned pending = 0;
    loopback_init(&l);
    start_size(&l, &call, rpc_address(l.server), SF_MESSAGE_BYTES_MAX - 64, &pending);
    while (pending > 0)
        uv_env_run_once(l.env);
    assert_int_equal(call.status, SF_OK);
    assert_int_equal(call.number, SF_MESSAGE_BYTES_MAX - 64);
    loopback_deinit(&l);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    struct count_call call;
    struct loopback l;
    unsigned pending = 0;
    loopback_init(&l);
    start_size(&l, &call, "127.0.0.1:1", 1, &pending);
    while (pending > 0)
        uv_env_run_once(l.env);
    assert_int_equal(call.status, SF_UNREACHABLE);
    loopback_deinit(&l);
}

static void test_freed_with_everything_open(void **state)
{
    (void)state;
    static struct count_call calls[20];
    struct loopback l;
    unsigned pending = 0;
    loopback_init(&l);
    for (size_t i = 0; i < 20; i++)
        start_size(&l, &calls[i], rpc_address(l.server), 1u << 20, &pending);
    while (pending > 15)
        uv_env_run_once(l.env);
    unsigned left = pending;
    loopback_deinit(&l);
    assert_int_equal(pending, left); /* none of them heard of it */
}

/* -- a stranger ---------------------------------------------------------------------------- */

struct stranger {
    struct env_conn *conn;
    struct slice request;
    struct buffer got;
};

static void stranger_on_open(void *ctx)
{
    struct stranger *stranger = ctx;
    struct slice request = stranger->request;
    env_conn_send(stranger->conn, sf_memdup(request.p, request.n), request.n);
}

static void stranger_on_data(void *ctx, const uint8_t *bytes, size_t n)
{
    struct stranger *stranger = ctx;
    buffer_append(&stranger->got, bytes, n);
}

static void stranger_on_close(void *ctx, int reason)
{
    (void)ctx;
    fail_msg("the server closed the connection: %s", sf_error_name(reason));
}

/* Sends the bytes of a request and compares the bytes of the answer. */
static void converse(struct slice request, struct slice answer)
{
    static const struct env_conn_events events = {stranger_on_open, stranger_on_data,
                                                  stranger_on_close};
    struct stranger stranger = {.request = request};
    struct loopback l;
    loopback_init(&l);
    assert_int_equal(env_connect(l.env, rpc_address(l.server), &events, &stranger, &stranger.conn),
                     SF_OK);
    while (stranger.got.n < answer.n)
        uv_env_run_once(l.env);
    assert_int_equal(stranger.got.n, answer.n);
    assert_memory_equal(stranger.got.p, answer.p, answer.n);
    env_conn_close(stranger.conn);
    buffer_deinit(&stranger.got);
    loopback_deinit(&l);
}

#define BYTES(text) slice_of(text, sizeof text - 1)

/* [0, 17, "kv.get", ["color"]] -> [1, 17, nil, [0, "blue", 0]] */
static void test_a_stranger_gets_a_value(void **state)
{
    (void)state;
    converse(BYTES("\x94\x00\x11\xa6"
                   "kv.get"
                   "\x91\xa5"
                   "color"),
             BYTES("\x94\x01\xce\x00\x00\x00\x11\xc0\x93\x00\xc4\x04"
                   "blue"
                   "\x00"));
}

/* The same in the longest forms, as some encoders write them; a key that is not there: -2001. */
static void test_a_stranger_misses_a_key(void **state)
{
    (void)state;
    converse(BYTES("\xdc\x00\x04\xd0\x00\xcf\x00\x00\x00\x00\x00\x00\x00\x12\xd9\x06"
                   "kv.get"
                   "\xdd\x00\x00\x00\x01\xc5\x00\x05"
                   "other"),
             BYTES("\x94\x01\xce\x00\x00\x00\x12\xc0\x93\xd1\xf8\x2f\xc4\x00\x00"));
}

/* [0, 1, "kv.fly", []] -> [1, 1, [-2034, text], nil] */
static void test_a_stranger_asks_too_much(void **state)
{
    (void)state;
    converse(BYTES("\x94\x00\x01\xa6"
                   "kv.fly"
                   "\x90"),
             BYTES("\x94\x01\x01\x92\xd1\xf8\x0e\xd9\x24"
                   "the server does not know this method"
                   "\xc0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_of_all_sizes),
        cmocka_unit_test(test_the_largest_message),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_freed_with_everything_open),
        cmocka_unit_test(test_a_stranger_gets_a_value),
        cmocka_unit_test(test_a_stranger_misses_a_key),
        cmocka_unit_test(test_a_stranger_asks_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

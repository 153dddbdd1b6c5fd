/* What a port gets from strangers: garbage closes that connection only, is counted, harms nobody.
 */
#include "rpc/stage.h"

#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "proto/kv.h"
#include "proto/sample.h"

/* A connection without an rpc behind it, from the client's node. */
struct raw {
    struct stage *stage;
    struct env_conn *conn; /* NULL: closed */
    bool open, closed;
    struct buffer got;
};

static void raw_on_open(void *ctx)
{
    struct raw *raw = ctx;
    raw->open = true;
}

static void raw_on_data(void *ctx, const uint8_t *bytes, size_t n)
{
    struct raw *raw = ctx;
    buffer_append(&raw->got, bytes, n);
}

static void raw_on_close(void *ctx, int reason)
{
    struct raw *raw = ctx;
    (void)reason;
    raw->conn = NULL;
    raw->closed = true;
}

static void raw_dial(struct raw *raw, struct stage *stage)
{
    static const struct env_conn_events events = {raw_on_open, raw_on_data, raw_on_close};
    memset(raw, 0, sizeof *raw);
    raw->stage = stage;
    struct env *env = sim_node_env(stage->client.node);
    assert_int_equal(env_connect(env, SERVER, &events, raw, &raw->conn), SF_OK);
    while (!raw->open)
        assert_true(sim_step(stage->sim));
}

static void raw_send(struct raw *raw, struct slice bytes)
{
    env_conn_send(raw->conn, sf_memdup(bytes.p, bytes.n), bytes.n);
    stage_run_ms(raw->stage, 20);
}

static void raw_end(struct raw *raw)
{
    if (raw->conn)
        env_conn_close(raw->conn);
    buffer_deinit(&raw->got);
    stage_run_ms(raw->stage, 20);
}

static void stage_up(struct stage *stage)
{
    stage_init(stage, 1);
    stage_start(stage);
}

/* The server still serves others. */
static void assert_serves(struct stage *stage)
{
    struct stage_call call;
    stage_call(stage, &call, "echo", 1, 0);
    stage_wait(stage, &call, 1000);
    assert_int_equal(call.status, SF_OK);
}

#define BYTES(text) slice_of(text, sizeof text - 1)

static void test_what_breaks_the_protocol_closes(void **state)
{
    (void)state;
    static const struct slice cases[] = {
        {(const uint8_t *)"\xc1", 1},                 /* no object begins so */
        {(const uint8_t *)"\x2a", 1},                 /* no array */
        {(const uint8_t *)"\x90", 1},                 /* an empty one */
        {(const uint8_t *)"\x94\x03\x01\xc0\xc0", 5}, /* no such type */
        {(const uint8_t *)"\x94\x00\x01\xa4"
                          "echo"
                          "\x05",
         9}, /* params are no array */
        {(const uint8_t *)"\x93\x00\x01\xa4"
                          "echo",
         8}, /* too short */
        {(const uint8_t *)"\x95\x00\x01\xa4"
                          "echo"
                          "\x90\x01",
         10}, /* too long */
        {(const uint8_t *)"\x94\x00\xff\xa4"
                          "echo"
                          "\x90",
         9},                                          /* a negative id */
        {(const uint8_t *)"\x94\x00\x01\x07\x90", 5}, /* a method that is a number */
        {(const uint8_t *)"\x93\x01\x01\xc0", 4},     /* a reply without result */
        {(const uint8_t *)"\x92\x02\xa4"
                          "note",
         7},                                          /* no params */
        {(const uint8_t *)"\xdd\xff\xff\xff\xff", 5}, /* 4 billion objects */
        {(const uint8_t *)"\xc6\xff\xff\xff\xff", 5}, /* 4 GiB of bytes */
        {(const uint8_t *)"\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91",
         17},
        {(const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18},
        {(const uint8_t *)"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11}, /* TLS */
    };
    struct stage stage;
    stage_up(&stage);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct raw raw;
        raw_dial(&raw, &stage);
        raw_send(&raw, cases[i]);
        if (!raw.closed)
            fail_msg("case %zu was not closed", i);
        assert_int_equal(stats_of(&stage.server).bad_messages, i + 1);
        raw_end(&raw);
    }
    assert_serves(&stage);
    stage_deinit(&stage);
}

static void test_half_a_message_is_waited_for(void **state)
{
    (void)state;
    static const char whole[] = "\x94\x00\x05\xa4"
                                "echo"
                                "\x91\x07";
    struct stage stage;
    struct raw raw;
    stage_up(&stage);
    raw_dial(&raw, &stage);
    for (size_t i = 0; i < sizeof whole - 1; i++)
        raw_send(&raw, slice_of(whole + i, 1));
    assert_false(raw.closed);
    assert_true(slice_equal(buffer_slice(&raw.got), BYTES("\x94\x01\xce\0\0\0\x05\xc0\x07")));
    raw_send(&raw, slice_of(whole, 5)); /* and the rest never comes */
    raw_end(&raw);
    assert_int_equal(stats_of(&stage.server).bad_messages, 0);
    assert_serves(&stage);
    stage_deinit(&stage);
}

/* Good requests before the garbage are served; nothing after it is. */
static void test_garbage_behind_a_request(void **state)
{
    (void)state;
    struct stage stage;
    struct raw raw;
    stage_up(&stage);
    raw_dial(&raw, &stage);
    raw_send(&raw, BYTES("\x93\x02\xa4"
                         "note"
                         "\x91\x01"
                         "\xc1"
                         "\x93\x02\xa4"
                         "note"
                         "\x91\x02"));
    assert_true(raw.closed);
    assert_int_equal(stage.server.notes, 1);
    raw_end(&raw);
    stage_deinit(&stage);
}

static void test_replies_nobody_waits_for_are_ignored(void **state)
{
    (void)state;
    struct stage stage;
    struct raw raw;
    stage_up(&stage);
    raw_dial(&raw, &stage);
    raw_send(&raw, BYTES("\x94\x01\x63\xc0\x01"));
    raw_send(&raw, BYTES("\x94\x00\x01\xa4"
                         "echo"
                         "\x91\x05"));
    assert_false(raw.closed);
    assert_true(raw.got.n > 0);
    raw_end(&raw);
    stage_deinit(&stage);
}

/* Answers that are later than their connection are dropped. */
static void test_the_asker_may_go_before_the_answer(void **state)
{
    (void)state;
    struct stage stage;
    struct raw raw;
    stage_up(&stage);
    raw_dial(&raw, &stage);
    raw_send(&raw, BYTES("\x94\x00\x01\xa4"
                         "hold"
                         "\x90"));
    raw_end(&raw);
    assert_int_equal(stage.server.held_count, 1);
    stage_answer_held(&stage);
    assert_serves(&stage);
    stage_deinit(&stage);
}

static void test_random_bytes_do_no_harm(void **state)
{
    (void)state;
    struct sample s = {.state = 21};
    struct stage stage;
    stage_up(&stage);
    for (int i = 0; i < 300; i++) {
        struct raw raw;
        uint8_t bytes[256];
        raw_dial(&raw, &stage);
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (uint8_t)sample_number(&s);
        raw_send(&raw, slice_of(bytes, 1 + sample_below(&s, sizeof bytes)));
        raw_end(&raw);
    }
    assert_serves(&stage);
    stage_deinit(&stage);
}

static void test_damaged_requests_do_no_harm(void **state)
{
    (void)state;
    struct sample s = {.state = 22};
    struct stage stage;
    stage_up(&stage);
    for (int i = 0; i < 500; i++) {
        struct raw raw;
        struct kv_request request;
        struct buffer b = {0};
        sample_request(&s, &request);
        pack_array(&b, 4);
        pack_u64(&b, 0);
        pack_u64(&b, 9);
        pack_str(&b, kv_method_name(request.op.kind));
        kv_request_pack(&b, &request);
        sample_damage(&s, &b);
        raw_dial(&raw, &stage);
        if (b.n > 0)
            raw_send(&raw, buffer_slice(&b));
        raw_end(&raw);
        kv_request_free(&request);
        buffer_deinit(&b);
    }
    assert_serves(&stage);
    stage_deinit(&stage);
}

/* A server that answers nonsense: the call ends, the connection too. */
static void serve_garbage(void *ctx, struct env_conn *conn)
{
    static const struct env_conn_events events = {raw_on_open, raw_on_data, raw_on_close};
    struct raw *raw = ctx;
    raw->conn = conn;
    env_conn_accept(conn, &events, raw);
}

static void test_a_server_of_garbage(void **state)
{
    (void)state;
    struct stage stage;
    struct raw raw = {.stage = &stage};
    struct stage_call call;
    struct env_listener *listener;
    stage_up(&stage);
    struct env *env = sim_node_env(stage.server.node);
    assert_int_equal(env_listen(env, "server:2", serve_garbage, &raw, &listener), SF_OK);
    stage_call_to(&stage, &call, "server:2", "echo", 1);
    stage_run_ms(&stage, 100);
    assert_true(raw.got.n > 0);
    raw_send(&raw, BYTES("HTTP/1.1 400 Bad Request\r\n"));
    stage_wait(&stage, &call, 100);
    assert_int_equal(call.status, SF_UNKNOWN);
    assert_true(raw.closed);
    assert_int_equal(stats_of(&stage.client).bad_messages, 1);
    env_listener_close(listener);
    raw_end(&raw);
    assert_serves(&stage);
    stage_deinit(&stage);
}

/* Error fields in the manner of others: a text, or a code of nobody's. */
static void test_strange_errors_are_protocol_errors(void **state)
{
    (void)state;
    static const struct {
        struct slice reply; /* to the call with id 2; hello has id 1 or none */
        int status;
    } cases[] = {
        {{(const uint8_t *)"\x94\x01\x01\xa4"
                           "oops"
                           "\xc0",
          9},
         SF_PROTOCOL},
        {{(const uint8_t *)"\x94\x01\x01\x92\x00\xa0\xc0", 7}, SF_PROTOCOL},
        {{(const uint8_t *)"\x94\x01\x01\x92\xd1\xf8\x2f\xa1x\xc0", 10}, SF_NOT_FOUND},
        {{(const uint8_t *)"\x94\x01\x01\x93\xd1\xf8\x2f\xa1x\x01\xc0", 11}, SF_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stage stage;
        struct raw raw = {.stage = &stage};
        struct stage_call call;
        struct env_listener *listener;
        stage_init(&stage, 1);
        stage.client.options.cluster_id = 0;
        stage_start(&stage);
        struct env *env = sim_node_env(stage.server.node);
        assert_int_equal(env_listen(env, "server:2", serve_garbage, &raw, &listener), SF_OK);
        stage_call_to(&stage, &call, "server:2", "echo", 1);
        stage_run_ms(&stage, 100);
        raw_send(&raw, cases[i].reply);
        assert_int_equal(call.done, 1);
        assert_int_equal(call.status, cases[i].status);
        env_listener_close(listener);
        raw_end(&raw);
        stage_deinit(&stage);
    }
}

/* Many large messages at once, cut where the network likes. */
static void test_large_messages_arrive_in_pieces(void **state)
{
    (void)state;
    struct stage stage;
    struct stage_call calls[5];
    stage_up(&stage);
    for (size_t i = 0; i < 5; i++)
        stage_call(&stage, &calls[i], "large", (7u << 20) - i, 0);
    for (size_t i = 0; i < 5; i++) {
        stage_wait(&stage, &calls[i], 10000);
        assert_int_equal(calls[i].status, SF_OK);
    }
    stage_deinit(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_breaks_the_protocol_closes),
        cmocka_unit_test(test_half_a_message_is_waited_for),
        cmocka_unit_test(test_garbage_behind_a_request),
        cmocka_unit_test(test_replies_nobody_waits_for_are_ignored),
        cmocka_unit_test(test_the_asker_may_go_before_the_answer),
        cmocka_unit_test(test_random_bytes_do_no_harm),
        cmocka_unit_test(test_damaged_requests_do_no_harm),
        cmocka_unit_test(test_a_server_of_garbage),
        cmocka_unit_test(test_strange_errors_are_protocol_errors),
        cmocka_unit_test(test_large_messages_arrive_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Messages that are not whole yet are bounded over all connections. */
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "rpc/stage.h"

#define KIB 1024u
#define IN_BYTES_MAX (2048 * KIB)
#define PIECE (32 * KIB)
#define MESSAGE (256 * KIB)
#define STRANGERS 40u

/* A message that arrives in pieces on a connection of its own. */
struct sender {
    struct stranger stranger;
    struct buffer message;
    size_t sent;
};

static struct sender senders[STRANGERS];

static void senders_come(struct stage *stage, size_t count)
{
    stage_init(stage, 1);
    stage->server.options.in_bytes_max = IN_BYTES_MAX;
    stage_start(stage);
    memset(senders, 0, sizeof senders);
    for (size_t i = 0; i < count; i++) {
        struct buffer *b = &senders[i].message;
        stage_strangers_come(stage, &senders[i].stranger, 1);
        pack_array(b, 4);
        pack_u64(b, 0);
        pack_u64(b, i);
        pack_str(b, "echo");
        pack_array(b, 1);
        pack_bin_begin(b, MESSAGE);
        memset(buffer_grow(b, MESSAGE), 0, MESSAGE);
    }
}

static void senders_go(struct stage *stage)
{
    for (size_t i = 0; i < STRANGERS; i++)
        buffer_deinit(&senders[i].message);
    stage_deinit(stage);
}

static void send_piece(struct sender *sender)
{
    size_t left = sender->message.n - sender->sent, n = left < PIECE ? left : PIECE;
    if (n == 0 || sender->stranger.closed)
        return;
    env_conn_send(sender->stranger.conn, sf_memdup(sender->message.p + sender->sent, n), n);
    sender->sent += n;
}

/* A piece of each of them in turn, `pieces` times; the bound is kept throughout. */
static void send_pieces(struct stage *stage, size_t count, size_t pieces)
{
    for (size_t piece = 0; piece < pieces; piece++) {
        for (size_t i = 0; i < count; i++) {
            send_piece(&senders[i]);
            stage_run_ms(stage, 1);
            assert_true(stats_of(&stage->server).in_bytes <= IN_BYTES_MAX / 2 * 3);
        }
    }
}

static size_t count_closed(size_t from, size_t to)
{
    size_t closed = 0;
    for (size_t i = from; i < to; i++)
        closed += senders[i].stranger.closed;
    return closed;
}

/* 40 messages of 256 KiB at once, where 2 MiB is the bound: each comes to its end. */
static void test_all_come_to_their_end(void **state)
{
    (void)state;
    struct stage stage;
    senders_come(&stage, STRANGERS);
    send_pieces(&stage, STRANGERS, MESSAGE / PIECE + 1);
    stage_run_ms(&stage, 2000);
    struct rpc_stats stats = stats_of(&stage.server);
    assert_true(stats.held_back > 0);
    assert_int_equal(stats.stalled + stats.flooded, 0);
    assert_int_equal(stats.requests, STRANGERS);
    assert_int_equal(stats.in_bytes, 0);
    for (size_t i = 0; i < STRANGERS; i++)
        assert_true(senders[i].stranger.received > 0);
    senders_go(&stage);
}

/* All but the last stop in the middle: they are closed one after the other, for want of progress,
 * until there is room for the one that goes on. Short messages pass all the time. */
static void test_who_stops_in_the_middle_does_not_stop_the_others(void **state)
{
    (void)state;
    struct stage stage;
    struct stage_call call;
    senders_come(&stage, 10);
    send_pieces(&stage, 9, MESSAGE / PIECE);
    for (size_t piece = 0; piece <= MESSAGE / PIECE; piece++)
        send_piece(&senders[9]);
    stage_call(&stage, &call, "echo", 1, 0);
    stage_wait(&stage, &call, 100);
    assert_int_equal(call.status, SF_OK);
    assert_int_equal(senders[9].stranger.received, 0);
    stage_run_ms(&stage, 60000);
    struct rpc_stats stats = stats_of(&stage.server);
    assert_true(senders[9].stranger.received > 0);
    assert_int_equal(stats.stalled, count_closed(0, 9));
    assert_in_range(stats.stalled, 1, 9);
    assert_int_equal(count_closed(9, 10), 0);
    senders_go(&stage);
}

/* Nobody waits for them: they may take their time. */
static void test_who_is_in_nobodys_way_may_be_slow(void **state)
{
    (void)state;
    struct stage stage;
    senders_come(&stage, 3);
    send_pieces(&stage, 3, 4);
    stage_run_ms(&stage, 60000);
    assert_int_equal(count_closed(0, 3), 0);
    send_pieces(&stage, 3, MESSAGE / PIECE);
    stage_run_ms(&stage, 1000);
    assert_int_equal(stats_of(&stage.server).requests, 3);
    senders_go(&stage);
}

/* 40 of 8 MiB come in pieces of 512 KiB, more than can be held back in time. */
static void test_a_flood_is_closed(void **state)
{
    (void)state;
    struct stage stage;
    senders_come(&stage, STRANGERS);
    for (size_t i = 0; i < STRANGERS; i++) {
        size_t n = 512 * KIB;
        uint8_t *bytes = sf_calloc(1, n);
        memcpy(bytes, senders[i].message.p, 16);
        memcpy(bytes + 9, "\xc6\x00\x7f\x00\x00", 5);
        env_conn_send(senders[i].stranger.conn, bytes, n);
        stage_run_ms(&stage, 10);
        assert_true(stats_of(&stage.server).in_bytes <= IN_BYTES_MAX / 2 * 3);
    }
    stage_run_ms(&stage, 100);
    struct rpc_stats stats = stats_of(&stage.server);
    assert_int_equal(stats.bad_messages, 0);
    assert_true(stats.flooded > STRANGERS / 2);
    assert_int_equal(stats.flooded + stats.stalled, count_closed(0, STRANGERS));
    senders_go(&stage);
}

/* A server of the same cluster and role is read whatever clients do. */
static void test_members_are_not_held_back(void **state)
{
    (void)state;
    struct stage stage;
    struct buffer params = {0};
    struct stage_call hello;
    senders_come(&stage, 10);
    stage_call(&stage, &hello, "echo", 1, 0); /* with a hello before it */
    stage_wait(&stage, &hello, 100);
    send_pieces(&stage, 10, MESSAGE / PIECE);
    assert_true(stats_of(&stage.server).held_back > 0);
    size_t before = stats_of(&stage.server).in_bytes;
    pack_array(&params, 1);
    pack_bin_begin(&params, 2 * IN_BYTES_MAX);
    memset(buffer_grow(&params, 2 * IN_BYTES_MAX), 0, 2 * IN_BYTES_MAX);
    rpc_notify(stage.client.rpc, SERVER, "note", &params);
    stage_run_ms(&stage, 100);
    assert_int_equal(stage.server.notes, 1);
    assert_int_equal(stats_of(&stage.server).in_bytes, before);
    senders_go(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_come_to_their_end),
        cmocka_unit_test(test_who_stops_in_the_middle_does_not_stop_the_others),
        cmocka_unit_test(test_who_is_in_nobodys_way_may_be_slow),
        cmocka_unit_test(test_a_flood_is_closed),
        cmocka_unit_test(test_members_are_not_held_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

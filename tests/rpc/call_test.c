/* Calls and notifications over the simulated network, one rule of rpc.h a test. */
#include "rpc/stage.h"

#include <stdlib.h>
#include <string.h>

#include "env/memory.h"

static void stage_up(struct stage *stage)
{
    stage_init(stage, 1);
    stage_start(stage);
}

static void test_a_call_is_answered(void **state)
{
    (void)state;
    struct stage stage;
    struct stage_call call;
    stage_up(&stage);
    stage_call(&stage, &call, "echo", 42, 1000);
    stage_wait(&stage, &call, 1000);
    assert_int_equal(call.status, SF_OK);
    assert_int_equal(call.number, 42);
    stage_deinit(&stage);
}

static void test_many_calls_share_a_connection(void **state)
{
    (void)state;
    struct stage stage;
    static struct stage_call calls[1000];
    stage_up(&stage);
    for (uint64_t i = 0; i < 1000; i++)
        stage_call(&stage, &calls[i], "echo", i, 0);
    stage_run_ms(&stage, 1000);
    for (uint64_t i = 0; i < 1000; i++) {
        assert_int_equal(calls[i].done, 1);
        assert_int_equal(calls[i].number, i);
    }
    assert_int_equal(stats_of(&stage.server).requests, 1001); /* with hello */
    stage_deinit(&stage);
}

static void test_answers_may_come_in_any_order(void **state)
{
    (void)state;
    struct stage stage;
    struct stage_call slow, fast;
    stage_up(&stage);
    stage_call(&stage, &slow, "hold", 0, 0);
    stage_call(&stage, &fast, "echo", 1, 0);
    stage_wait(&stage, &fast, 1000);
    assert_int_equal(slow.done, 0);
    stage_answer_held(&stage);
    stage_wait(&stage, &slow, 1000);
    stage_deinit(&stage);
}

static void test_error_replies_carry_their_code(void **state)
{
    (void)state;
    struct stage stage;
    struct stage_call unknown, refused;
    stage_up(&stage);
    stage_call(&stage, &unknown, "no.such.method", 1, 0);
    stage_wait(&stage, &unknown, 1000);
    assert_int_equal(unknown.status, SF_NO_METHOD);
    stage_call(&stage, &refused, "hold", 1, 0);
    stage_run_ms(&stage, 100);
    rpc_reply_error(stage.server.held[0], SF_BUSY, "try again");
    stage_wait(&stage, &refused, 1000);
    assert_int_equal(refused.status, SF_BUSY);
    stage_deinit(&stage);
}

static void test_time_over_after_it_left_is_unknown(void **state)
{
    (void)state;
    struct stage stage;
    struct stage_call call;
    stage_up(&stage);
    stage_call(&stage, &call, "hold", 1, 200);
    stage_wait(&stage, &call, 1000);
    assert_int_equal(call.status, SF_UNKNOWN);
    stage_answer_held(&stage); /* too late: nobody is hurt */
    stage_run_ms(&stage, 100);
    assert_int_equal(call.done, 1);
    stage_deinit(&stage);
}

static void test_a_refused_dial_fails_all_that_waited(void **state)
{
    (void)state;
    struct stage stage;
    struct stage_call calls[3];
    stage_init(&stage, 1);
    sim_node_start(stage.client.node);
    for (uint64_t i = 0; i < 3; i++)
        stage_call(&stage, &calls[i], "echo", i, 0);
    stage_run_ms(&stage, 4000);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(calls[i].done, 1);
        assert_int_equal(calls[i].status, SF_UNREACHABLE);
    }
    stage_deinit(&stage);
}

/* Just after a failed dial a call fails in a millisecond; a little later it is dialled again. */
static void test_dials_back_off_shortly(void **state)
{
    (void)state;
    struct stage stage;
    struct stage_call first, second, third;
    stage_init(&stage, 1);
    sim_node_start(stage.client.node);
    stage_call(&stage, &first, "echo", 1, 0);
    stage_wait(&stage, &first, 5000);
    stage_call(&stage, &second, "echo", 1, 0);
    stage_wait(&stage, &second, 5);
    assert_int_equal(second.status, SF_UNREACHABLE);
    sim_node_start(stage.server.node);
    stage_run_ms(&stage, 100);
    stage_call(&stage, &third, "echo", 3, 0);
    stage_wait(&stage, &third, 1000);
    assert_int_equal(third.status, SF_OK);
    stage_deinit(&stage);
}

static void test_no_address_is_unreachable(void **state)
{
    (void)state;
    static const char *const addresses[] = {"", "nonsense", "nobody:1"};
    struct stage stage;
    struct stage_call call;
    stage_up(&stage);
    for (size_t i = 0; i < 3; i++) {
        stage_call_to(&stage, &call, addresses[i], "echo", 1);
        stage_wait(&stage, &call, 5000);
        assert_int_equal(call.status, SF_UNREACHABLE);
    }
    stage_deinit(&stage);
}

static void test_time_over_before_it_left_never_arrives(void **state)
{
    (void)state;
    struct stage stage;
    struct stage_call call;
    stage_up(&stage);
    sim_faults(stage.sim)->delay_us_min = 300000; /* a slow dial */
    sim_faults(stage.sim)->delay_us_max = 300000;
    stage_call(&stage, &call, "hold", 1, 100);
    stage_wait(&stage, &call, 200);
    assert_int_equal(call.status, SF_UNREACHABLE);
    stage_run_ms(&stage, 3000);
    assert_int_equal(stage.server.held_count, 0);
    stage_deinit(&stage);
}

static void test_a_lost_connection_makes_sent_calls_unknown(void **state)
{
    (void)state;
    struct stage stage;
    struct stage_call call, next;
    stage_up(&stage);
    stage_call(&stage, &call, "hold", 1, 0);
    stage_run_ms(&stage, 100);
    assert_int_equal(stage.server.held_count, 1);
    sim_node_crash(stage.server.node);
    stage_wait(&stage, &call, 6000); /* it learns of it at once, or by silence */
    assert_int_equal(call.status, SF_UNKNOWN);
    sim_node_start(stage.server.node);
    stage_run_ms(&stage, 100);
    stage_call(&stage, &next, "echo", 2, 0);
    stage_wait(&stage, &next, 1000);
    assert_int_equal(next.status, SF_OK);
    stage_deinit(&stage);
}

/* -- cancelling ---------------------------------------------------------------------------- */

static void test_a_cancelled_call_stays_silent(void **state)
{
    (void)state;
    struct stage stage;
    struct stage_call waiting, sent, failing;
    stage_up(&stage);
    stage_call(&stage, &waiting, "hold", 1, 50);
    rpc_call_cancel(&waiting.call);
    stage_call(&stage, &sent, "hold", 2, 50);
    stage_run_ms(&stage, 20);
    assert_int_equal(stage.server.held_count, 1); /* the first one never left */
    rpc_call_cancel(&sent.call);
    stage_answer_held(&stage);
    sim_node_crash(stage.server.node);
    stage_call(&stage, &failing, "hold", 3, 0);
    stage_run_ms(&stage, 5000);
    assert_int_equal(failing.done, 1);
    stage_call(&stage, &failing, "hold", 4, 0);
    rpc_call_cancel(&failing.call);
    rpc_call_cancel(&failing.call); /* a second time: nothing */
    stage_run_ms(&stage, 5000);
    assert_int_equal(waiting.done + sent.done + failing.done, 0);
    stage_deinit(&stage);
}

/* A group of calls of which the first to end cancels the others, and starts one more. */
struct group {
    struct stage *stage;
    struct member {
        struct rpc_call call;
        struct group *group;
    } members[8];
    unsigned done;
    struct stage_call more;
};

static void member_on_done(struct rpc_call *call, int status, const msgpack_object *result)
{
    struct group *group = container_of(call, struct member, call)->group;
    (void)status;
    (void)result;
    group->done++;
    for (size_t i = 0; i < 8; i++)
        rpc_call_cancel(&group->members[i].call);
    stage_call(group->stage, &group->more, "echo", 9, 500);
}

static void start_group(struct group *group, struct stage *stage, const char *method)
{
    memset(group, 0, sizeof *group);
    group->stage = stage;
    for (size_t i = 0; i < 8; i++) {
        struct buffer params = number_params(i);
        group->members[i].group = group;
        rpc_call_start(stage->client.rpc, &group->members[i].call, SERVER, method, &params, 0,
                       member_on_done);
    }
}

static void test_on_done_may_cancel_and_start_calls(void **state)
{
    (void)state;
    struct stage stage;
    struct group answered, failed;
    stage_up(&stage);
    start_group(&answered, &stage, "echo");
    stage_run_ms(&stage, 100);
    assert_int_equal(answered.done, 1);
    assert_int_equal(answered.more.status, SF_OK);
    assert_int_equal(answered.more.done, 1);
    sim_node_stop(stage.server.node); /* the peer learns of it */
    stage_run_ms(&stage, 100);
    start_group(&failed, &stage, "hold");
    stage_run_ms(&stage, 8000);
    assert_int_equal(failed.done, 1);
    assert_int_equal(failed.more.done, 1);
    stage_deinit(&stage);
}

/* A caller that calls again whenever it fails must not keep a turn from ending. */
struct stubborn {
    struct rpc_call call;
    struct rpc *rpc;
    unsigned tries;
};

static void stubborn_try(struct stubborn *stubborn);

static void stubborn_on_done(struct rpc_call *call, int status, const msgpack_object *result)
{
    (void)status;
    (void)result;
    stubborn_try(container_of(call, struct stubborn, call));
}

static void stubborn_try(struct stubborn *stubborn)
{
    struct buffer params = number_params(0);
    stubborn->tries++;
    rpc_call_start(stubborn->rpc, &stubborn->call, "nobody:1", "echo", &params, 0,
                   stubborn_on_done);
}

static void test_trying_again_at_once_does_not_spin(void **state)
{
    (void)state;
    struct stage stage;
    struct stubborn stubborn = {.tries = 0};
    stage_up(&stage);
    stubborn.rpc = stage.client.rpc;
    stubborn_try(&stubborn);
    stage_run_ms(&stage, 10000);
    assert_in_range(stubborn.tries, 2, 10001);
    rpc_call_cancel(&stubborn.call);
    stage_deinit(&stage);
}

static void test_freeing_ends_everything_silently(void **state)
{
    (void)state;
    struct stage stage;
    struct stage_call open, dialling, failing;
    stage_up(&stage);
    stage_call(&stage, &open, "hold", 1, 1000);
    stage_run_ms(&stage, 50);
    struct buffer params = number_params(1);
    memset(&dialling, 0, sizeof dialling);
    rpc_call_start(stage.client.rpc, &dialling.call, "server:2", "echo", &params, 1000, NULL);
    params = number_params(1);
    memset(&failing, 0, sizeof failing);
    rpc_call_start(stage.client.rpc, &failing.call, "nonsense", "echo", &params, 1000, NULL);
    sim_node_stop(stage.client.node);
    sim_node_stop(stage.server.node); /* with an unanswered request */
    stage_run_ms(&stage, 2000);
    assert_int_equal(open.done, 0);
    assert_false(open.call.open || dialling.call.open || failing.call.open);
    stage_deinit(&stage);
}

/* -- notifications ------------------------------------------------------------------------- */

static void test_notifications_go_both_ways(void **state)
{
    (void)state;
    struct stage stage;
    stage_up(&stage);
    stage_notify(&stage, "note", 5); /* dials */
    stage_notify(&stage, "bounce", 6);
    stage_notify(&stage, "unknown", 7);
    stage_run_ms(&stage, 100);
    assert_int_equal(stage.server.notes, 1);
    assert_int_equal(stage.server.last_note, 5);
    assert_int_equal(stage.client.notes, 1);
    assert_int_equal(stage.client.last_note, 6);
    struct buffer params = number_params(8);
    rpc_notify_peer(stage.server.rpc, stage.server.note_from, "note", &params);
    params = number_params(9);
    rpc_notify_peer(stage.server.rpc, 999, "note", &params); /* no such peer */
    stage_run_ms(&stage, 100);
    assert_int_equal(stage.client.last_note, 8);
    assert_int_equal(stats_of(&stage.server).dropped, 1);
    stage_deinit(&stage);
}

static void test_bodies_begun_with_room_arrive_alike(void **state)
{
    (void)state;
    struct stage stage;
    struct stage_call call;
    struct buffer params = {0};
    stage_up(&stage);
    rpc_begin_notification(&params, "note");
    pack_array(&params, 1);
    pack_u64(&params, 77);
    rpc_notify(stage.client.rpc, SERVER, "note", &params);
    stage_call(&stage, &call, "large", 100000, 0); /* its reply is begun with room */
    stage_wait(&stage, &call, 1000);
    assert_int_equal(call.status, SF_OK);
    assert_int_equal(stage.server.last_note, 77);
    stage_deinit(&stage);
}

/* -- limits -------------------------------------------------------------------------------- */

static void test_messages_too_big_never_leave(void **state)
{
    (void)state;
    struct stage stage;
    struct stage_call reply;
    struct buffer params = {0};
    stage_up(&stage);
    stage_call(&stage, &reply, "large", SF_MESSAGE_BYTES_MAX, 0);
    stage_wait(&stage, &reply, 1000);
    assert_int_equal(reply.status, SF_TOO_BIG);
    pack_array(&params, 1);
    pack_bin_begin(&params, SF_MESSAGE_BYTES_MAX);
    memset(buffer_grow(&params, SF_MESSAGE_BYTES_MAX), 0, SF_MESSAGE_BYTES_MAX);
    rpc_notify(stage.client.rpc, SERVER, "note", &params);
    assert_int_equal(stats_of(&stage.client).dropped, 1);
    stage_call(&stage, &reply, "large", SF_MESSAGE_BYTES_MAX - 100, 0); /* fits */
    stage_wait(&stage, &reply, 1000);
    assert_int_equal(reply.status, SF_OK);
    stage_deinit(&stage);
}

static void test_a_full_queue_refuses(void **state)
{
    (void)state;
    struct stage stage;
    struct stage_call calls[3];
    stage_init(&stage, 1);
    stage.client.options.queue_bytes_max = 20;
    stage_start(&stage);
    stage_call(&stage, &calls[0], "echo", 0, 0);
    stage_call(&stage, &calls[1], "echo", 1, 0);
    stage_call(&stage, &calls[2], "echo", 2, 0);
    stage_notify(&stage, "note", 1);
    assert_int_equal(stats_of(&stage.client).dropped, 1);
    stage_run_ms(&stage, 100);
    assert_int_equal(calls[0].status, SF_OK);
    assert_int_equal(calls[2].status, SF_OVERLOADED);
    stage_deinit(&stage);
}

/* The server holds them all: it stops to read at its bound, and goes on when they are answered. */
static void test_too_many_unanswered_requests_are_not_read(void **state)
{
    (void)state;
    struct stage stage;
    static struct stage_call calls[3000];
    stage_up(&stage);
    for (uint64_t i = 0; i < 3000; i++)
        stage_call(&stage, &calls[i], "hold", i, 0);
    stage_run_ms(&stage, 1000);
    assert_int_equal(stage.server.held_count, 1024);
    for (int round = 0; round < 3; round++) {
        stage_answer_held(&stage);
        stage_run_ms(&stage, 1000);
    }
    for (uint64_t i = 0; i < 3000; i++)
        assert_int_equal(calls[i].status + (int)calls[i].done, 1);
    stage_deinit(&stage);
}

/* Connections that do nothing make room for who comes; who has something under way stays. */
static void test_the_idle_make_room(void **state)
{
    (void)state;
    struct stage stage;
    struct stage_call held, call;
    struct stranger strangers[10];
    stage_init(&stage, 1);
    stage.server.options.conns_max = 4;
    stage_start(&stage);
    stage_call(&stage, &held, "hold", 1, 0);
    stage_run_ms(&stage, 100);
    stage_strangers_come(&stage, strangers, 10);
    stage_run_ms(&stage, 100);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(strangers[i].closed, i < 7);
    assert_int_equal(stats_of(&stage.server).crowded_out, 7);
    stage_answer_held(&stage);
    stage_wait(&stage, &held, 100);
    assert_int_equal(held.status, SF_OK);
    stage_call(&stage, &call, "echo", 2, 0);
    stage_wait(&stage, &call, 100);
    assert_int_equal(call.status, SF_OK);
    stage_deinit(&stage);
}

static void test_where_all_are_at_work_nobody_else_is_let_in(void **state)
{
    (void)state;
    struct stage stage;
    struct stage_call held;
    struct stranger stranger;
    stage_init(&stage, 1);
    stage.server.options.conns_max = 1;
    stage_start(&stage);
    stage_call(&stage, &held, "hold", 1, 0);
    stage_run_ms(&stage, 100);
    stage_strangers_come(&stage, &stranger, 1);
    stage_run_ms(&stage, 100);
    assert_true(stranger.closed);
    stage_answer_held(&stage);
    stage_wait(&stage, &held, 100);
    assert_int_equal(held.status, SF_OK);
    stage_strangers_come(&stage, &stranger, 1);
    stage_run_ms(&stage, 100);
    assert_false(stranger.closed);
    stage_deinit(&stage);
}

static void test_a_peer_that_does_not_read_is_cut_off(void **state)
{
    (void)state;
    struct stage stage;
    static struct stage_call calls[100];
    stage_init(&stage, 1);
    stage.server.options.queue_bytes_max = 1 << 20;
    stage_start(&stage);
    stage_call(&stage, &calls[0], "echo", 0, 0);
    stage_wait(&stage, &calls[0], 1000);
    sim_faults(stage.sim)->delay_us_min = 2000000; /* what is sent stays on its way */
    sim_faults(stage.sim)->delay_us_max = 2000000;
    for (size_t i = 0; i < 100; i++)
        stage_call(&stage, &calls[i], "large", 1 << 18, 0);
    stage_run_ms(&stage, 10000);
    assert_int_equal(stats_of(&stage.server).slow_peers, 1);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(calls[i].done, 1);
    stage_deinit(&stage);
}

/* A request for an answer of so many bytes. */
static void ask_large(struct stranger *stranger, uint64_t bytes)
{
    struct buffer b = {0};
    size_t n;
    pack_array(&b, 4);
    pack_u64(&b, 0);
    pack_u64(&b, 1);
    pack_str(&b, "large");
    pack_array(&b, 1);
    pack_u64(&b, bytes);
    uint8_t *request = buffer_take(&b, &n);
    env_conn_send(stranger->conn, request, n);
}

/* However many they are, what they leave unread is bounded: beyond twice the limit who leaves most
 * goes at once, beyond half as much again one goes each second. */
static void test_clients_that_do_not_read_are_bounded_in_all(void **state)
{
    (void)state;
    struct stage stage;
    struct stranger strangers[20];
    stage_init(&stage, 1);
    stage.server.options.unread_bytes_max = 1 << 20;
    stage_start(&stage);
    stage_strangers_come(&stage, strangers, 20);
    sim_faults(stage.sim)->delay_us_min = 5000000; /* what is sent stays on its way */
    sim_faults(stage.sim)->delay_us_max = 5000000;
    for (size_t i = 0; i < 20; i++)
        ask_large(&strangers[i], i == 7 ? 300000 : 200000);
    for (size_t i = 0; i < 9000; i++) {
        stage_run_ms(&stage, 1);
        assert_true(stats_of(&stage.server).unread_bytes <= 2 << 20);
    }
    stage_run_ms(&stage, 20000);
    size_t closed = 0;
    for (size_t i = 0; i < 20; i++)
        closed += strangers[i].closed;
    assert_int_equal(closed, 13); /* ten fit in 2 MiB, seven in 1.5 */
    assert_true(strangers[7].closed);
    assert_int_equal(stats_of(&stage.server).slow_peers, 13);
    stage_deinit(&stage);
}

/* Slow is not stalled: who takes some of its answers each second keeps its connection. */
static void test_clients_that_read_slowly_are_not_cut_off(void **state)
{
    (void)state;
    struct stage stage;
    struct stranger strangers[9];
    stage_init(&stage, 1);
    stage.server.options.unread_bytes_max = 1 << 20;
    stage_start(&stage);
    stage_strangers_come(&stage, strangers, 9);
    for (size_t second = 0; second < 8; second++) {
        sim_faults(stage.sim)->delay_us_min = 1500000;
        sim_faults(stage.sim)->delay_us_max = 1500000;
        for (size_t i = 0; i < 9; i++)
            ask_large(&strangers[i], 100000);
        stage_run_ms(&stage, 800);
    }
    stage_run_ms(&stage, 10000);
    for (size_t i = 0; i < 9; i++)
        assert_false(strangers[i].closed);
    stage_deinit(&stage);
}

/* -- calls to who came ----------------------------------------------------------------------- */

static void call_back(struct stage *stage, struct stage_call *call, rpc_peer peer)
{
    struct buffer params = number_params(42);
    memset(call, 0, sizeof *call);
    call->stage = stage;
    rpc_call_start_peer(stage->server.rpc, &call->call, peer, "echo", &params, 1000,
                        stage_call_on_done);
}

static void test_who_came_can_be_called_by_the_same_connection(void **state)
{
    (void)state;
    struct stage stage;
    struct stage_call call;
    stage_up(&stage);
    stage_notify(&stage, "note", 1);
    stage_run_ms(&stage, 100);
    call_back(&stage, &call, stage.server.note_from);
    stage_wait(&stage, &call, 1000);
    assert_int_equal(call.status, SF_OK);
    assert_int_equal(call.number, 42);
    sim_node_crash(stage.client.node);
    stage_run_ms(&stage, 10000); /* the server learns it when it next sends */
    call_back(&stage, &call, stage.server.note_from);
    stage_wait(&stage, &call, 2000);
    assert_int_not_equal(call.status, SF_OK);
    call_back(&stage, &call, 0);
    stage_wait(&stage, &call, 1000);
    assert_int_equal(call.status, SF_UNREACHABLE);
    stage_deinit(&stage);
}

static void test_the_way_is_the_own_connection_else_theirs(void **state)
{
    (void)state;
    struct stage stage;
    stage_up(&stage);
    stage_notify(&stage, "note", 1);
    stage_run_ms(&stage, 100);
    rpc_peer theirs = stage.server.note_from;
    struct rpc *rpc = stage.server.rpc;
    assert_int_equal(rpc_way_to(rpc, "client:1", theirs), theirs); /* the dial is under way */
    rpc_peer dial = rpc_way_to(rpc, "client:1", 0);
    assert_true(dial != 0 && dial != theirs);
    stage_run_ms(&stage, 10);
    assert_int_equal(rpc_way_to(rpc, "client:1", theirs), theirs); /* nobody listens there */
    assert_int_equal(rpc_way_to(rpc, "client:1", 0), 0);           /* nor is it dialled so soon */
    assert_int_equal(rpc_listen(stage.client.rpc, "client:1"), SF_OK);
    stage_run_ms(&stage, 1000);
    (void)rpc_way_to(rpc, "client:1", theirs);
    stage_run_ms(&stage, 100);
    rpc_peer own = rpc_way_to(rpc, "client:1", theirs);
    assert_true(own != 0 && own != theirs);
    stage_deinit(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_is_answered),
        cmocka_unit_test(test_many_calls_share_a_connection),
        cmocka_unit_test(test_answers_may_come_in_any_order),
        cmocka_unit_test(test_error_replies_carry_their_code),
        cmocka_unit_test(test_time_over_after_it_left_is_unknown),
        cmocka_unit_test(test_a_refused_dial_fails_all_that_waited),
        cmocka_unit_test(test_dials_back_off_shortly),
        cmocka_unit_test(test_no_address_is_unreachable),
        cmocka_unit_test(test_time_over_before_it_left_never_arrives),
        cmocka_unit_test(test_a_lost_connection_makes_sent_calls_unknown),
        cmocka_unit_test(test_a_cancelled_call_stays_silent),
        cmocka_unit_test(test_on_done_may_cancel_and_start_calls),
        cmocka_unit_test(test_trying_again_at_once_does_not_spin),
        cmocka_unit_test(test_freeing_ends_everything_silently),
        cmocka_unit_test(test_notifications_go_both_ways),
        cmocka_unit_test(test_bodies_begun_with_room_arrive_alike),
        cmocka_unit_test(test_messages_too_big_never_leave),
        cmocka_unit_test(test_a_full_queue_refuses),
        cmocka_unit_test(test_too_many_unanswered_requests_are_not_read),
        cmocka_unit_test(test_the_idle_make_room),
        cmocka_unit_test(test_where_all_are_at_work_nobody_else_is_let_in),
        cmocka_unit_test(test_a_peer_that_does_not_read_is_cut_off),
        cmocka_unit_test(test_clients_that_do_not_read_are_bounded_in_all),
        cmocka_unit_test(test_clients_that_read_slowly_are_not_cut_off),
        cmocka_unit_test(test_who_came_can_be_called_by_the_same_connection),
        cmocka_unit_test(test_the_way_is_the_own_connection_else_theirs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

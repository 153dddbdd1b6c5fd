/* Exactly once: numbers, completion records, abandonment, expiry, and all of it after a restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "shardkv/bench.h"
#include "shardkv/session.h"

static struct kv_op append_op(const char *text)
{
    struct kv_op op = bench_op(KV_APPEND, "log");
    op.data = slice_str(text);
    return op;
}

static const struct kv_reply *ask(uint64_t sequence, uint64_t first_incomplete,
                                  const struct kv_op *op)
{
    struct kv_session session = {bench.session.session, sequence, first_incomplete};
    return bench_apply(&bench, &session, op);
}

static uint64_t open_session(const char *client)
{
    struct kv_op op = {.kind = KV_SESSION_OPEN, .data = slice_str(client)};
    return bench_apply(&bench, &(struct kv_session){0}, &op)->session;
}

static void opening_again_gives_the_same_number(void **state)
{
    (void)state;
    uint64_t first = open_session("0123456789abcdef");
    uint64_t other = open_session("0123456789abcdeg");
    assert_true(first != 0 && other != 0 && first != other);
    assert_int_equal(open_session("0123456789abcdef"), first);
    bench_restart(&bench);
    assert_int_equal(open_session("0123456789abcdef"), first);
}

static void a_duplicate_gets_the_first_answer(void **state)
{
    (void)state;
    struct kv_op op = append_op("x");
    op.flags = KV_WANT_OLD;
    assert_int_equal(ask(1, 1, &op)->old_length, 0);
    uint64_t version = bench.reply.stat.version;
    assert_int_equal(ask(2, 1, &op)->old_length, 1);
    for (int i = 0; i < 2; i++) {
        const struct kv_reply *reply = ask(1, 1, &op);
        assert_int_equal(reply->status, SF_OK);
        assert_int_equal(reply->old_length, 0);
        assert_int_equal(reply->stat.version, version);
        reply = ask(2, 1, &op);
        assert_true(slice_equal(reply->data, slice_str("x")));
        bench_restart(&bench);
    }
    bench_expect(&bench, "log", "xx");
}

static void a_failed_precondition_is_a_result(void **state)
{
    (void)state;
    struct kv_op op = bench_put_op("k", "v");
    op.pre.kind = KV_PRE_EXISTS;
    assert_int_equal(ask(1, 1, &op)->status, SF_PRECONDITION);
    struct kv_op put = bench_put_op("k", "w");
    assert_int_equal(ask(2, 1, &put)->status, SF_OK);
    assert_int_equal(ask(1, 1, &op)->status, SF_PRECONDITION);
    bench_expect(&bench, "k", "w");
}

static void below_first_incomplete_is_stale(void **state)
{
    (void)state;
    struct kv_op op = append_op("x");
    assert_int_equal(ask(1, 1, &op)->status, SF_OK);
    assert_int_equal(ask(5, 3, &op)->status, SF_OK);
    assert_int_equal(bench_count(&bench, 'c'), 1);
    assert_int_equal(ask(1, 1, &op)->status, SF_STALE);
    assert_int_equal(ask(2, 1, &op)->status, SF_STALE);
    assert_int_equal(ask(4, 1, &op)->status, SF_OK);
    assert_int_equal(ask(3, 1, &op)->status, SF_OK);
    bench_expect(&bench, "log", "xxxx");
    assert_int_equal(ask(0, 0, &op)->status, SF_INVALID);
}

static void completion_records_go_when_they_are_passed(void **state)
{
    (void)state;
    struct kv_op op = append_op("x");
    for (uint64_t i = 1; i <= 100; i++)
        assert_int_equal(ask(i, 1, &op)->status, SF_OK);
    assert_int_equal(bench_count(&bench, 'c'), 100);
    assert_int_equal(ask(101, 100, &op)->status, SF_OK);
    assert_int_equal(bench_count(&bench, 'c'), 2);
}

static void no_more_than_the_window_is_open(void **state)
{
    (void)state;
    struct kv_op op = append_op("x");
    assert_int_equal(ask(SF_SESSION_OPEN_MAX, 1, &op)->status, SF_OK);
    assert_int_equal(ask(SF_SESSION_OPEN_MAX + 1, 1, &op)->status, SF_SESSIONS_FULL);
    assert_int_equal(ask(SF_SESSION_OPEN_MAX + 1, 2, &op)->status, SF_OK);
    bench_expect(&bench, "log", "xx");
}

static const struct kv_reply *abandon(uint64_t sequence, uint64_t first_incomplete)
{
    struct kv_op op = {.kind = KV_ABANDON, .length = sequence};
    struct kv_session session = {bench.session.session, 0, first_incomplete};
    return bench_apply(&bench, &session, &op);
}

static void abandon_answers_what_was_done(void **state)
{
    (void)state;
    struct kv_op op = append_op("x");
    assert_int_equal(ask(1, 1, &op)->status, SF_OK);
    const struct kv_reply *reply = abandon(1, 1);
    assert_int_equal(reply->status, SF_OK);
    assert_int_equal(reply->stat.length, 1);
    bench_expect(&bench, "log", "x");
}

static void what_was_abandoned_is_never_done(void **state)
{
    (void)state;
    struct kv_op op = append_op("x");
    assert_int_equal(abandon(1, 1)->status, SF_ABANDONED);
    bench_restart(&bench);
    assert_int_equal(ask(1, 1, &op)->status, SF_ABANDONED);
    assert_int_equal(abandon(1, 1)->status, SF_ABANDONED);
    assert_int_equal(ask(2, 2, &op)->status, SF_OK);
    assert_int_equal(ask(1, 1, &op)->status, SF_STALE);
    assert_int_equal(abandon(1, 2)->status, SF_STALE);
    bench_expect(&bench, "log", "x");
}

static void an_unknown_session_is_refused(void **state)
{
    (void)state;
    struct kv_op op = append_op("x");
    struct kv_session session = {bench.session.session + 1, 1, 1};
    assert_int_equal(bench_apply(&bench, &session, &op)->status, SF_SESSION_EXPIRED);
    session.session = 0;
    assert_int_equal(bench_apply(&bench, &session, &op)->status, SF_SESSION_EXPIRED);
    bench_expect(&bench, "log", NULL);
}

static void a_closed_session_leaves_nothing(void **state)
{
    (void)state;
    struct kv_op op = append_op("x");
    assert_int_equal(ask(1, 1, &op)->status, SF_OK);
    assert_int_equal(ask(2, 1, &op)->status, SF_OK);
    struct kv_op intent = {.kind = KV_INTENT, .ids_first = 99};
    assert_int_equal(ask(3, 1, &intent)->status, SF_OK);
    struct kv_op close = {.kind = KV_SESSION_CLOSE};
    for (int i = 0; i < 2; i++)
        assert_int_equal(ask(0, 0, &close)->status, SF_OK);
    assert_int_equal(ask(3, 1, &op)->status, SF_SESSION_EXPIRED);
    static const char sections[] = "csiun";
    for (size_t i = 0; sections[i] != 0; i++)
        assert_int_equal(bench_count(&bench, sections[i]), 0);
    assert_int_equal(bench_count(&bench, 't'), 1);
}

/* Lets the shard's age grow, a minute a tick. */
static void pass_minutes(int minutes)
{
    for (int i = 0; i < minutes; i++) {
        bench.time_ns += 60 * BENCH_SECOND_NS;
        bench_tick(&bench);
    }
}

static void a_session_idle_for_an_hour_is_dropped(void **state)
{
    (void)state;
    struct kv_op op = append_op("x");
    uint64_t other = open_session("0123456789abcdef");
    assert_int_equal(ask(1, 1, &op)->status, SF_OK);
    pass_minutes(40);
    assert_int_equal(ask(2, 1, &op)->status, SF_OK);
    pass_minutes(30);
    assert_int_equal(ask(3, 1, &op)->status, SF_OK);
    struct kv_session session = {other, 1, 1};
    assert_int_equal(bench_apply(&bench, &session, &op)->status, SF_SESSION_EXPIRED);
    assert_true(open_session("0123456789abcdef") > other);
    pass_minutes(61);
    assert_int_equal(ask(4, 1, &op)->status, SF_SESSION_EXPIRED);
}

static void a_leap_of_the_clock_counts_a_minute(void **state)
{
    (void)state;
    struct kv_op op = append_op("x");
    bench.time_ns += 7200 * BENCH_SECOND_NS;
    bench_tick(&bench);
    assert_int_equal(ask(1, 1, &op)->status, SF_OK);
    bench.time_ns -= 7100 * BENCH_SECOND_NS;
    bench_tick(&bench);
    assert_int_equal(ask(2, 1, &op)->status, SF_OK);
}

static void the_session_idle_longest_makes_room(void **state)
{
    (void)state;
    char client[17];
    struct kv_op op = append_op("x");
    bench.time_ns += 60 * BENCH_SECOND_NS;
    uint64_t first = open_session("first of them...");
    for (unsigned i = 2; i < SF_SESSIONS_MAX; i++) {
        snprintf(client, sizeof(client), "client %9u", i);
        open_session(client);
    }
    assert_int_equal(bench_count(&bench, 's'), SF_SESSIONS_MAX);
    struct kv_session session = {first, 1, 1};
    assert_int_equal(bench_apply(&bench, &session, &op)->status, SF_OK);
    bench.time_ns += 61 * BENCH_SECOND_NS;
    assert_int_equal(bench_apply(&bench, &session, &op)->status, SF_OK);
    open_session("one too many....");
    assert_int_equal(bench_count(&bench, 's'), SF_SESSIONS_MAX);
    assert_int_equal(ask(1, 1, &op)->status,
                     SF_SESSION_EXPIRED); /* the bench's own was the oldest */
    session.sequence = 2;
    assert_int_equal(bench_apply(&bench, &session, &op)->status, SF_OK);
}

static void two_replicas_come_to_the_same_state(void **state)
{
    (void)state;
    uint64_t hashes[2];
    for (int i = 0; i < 2; i++) {
        bench_free(&bench);
        bench_new(&bench);
        struct kv_op op = append_op("x");
        for (uint64_t n = 1; n < 50; n++) {
            ask(n, n / 2, &op);
            ask(n / 2 + 1, 1, &op);
            if (i == 1 && n % 10 == 0)
                bench_restart(&bench);
        }
        pass_minutes(2);
        hashes[i] = bench_hash(&bench);
    }
    assert_int_equal(hashes[0], hashes[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(opening_again_gives_the_same_number),
        BENCH_TEST(a_duplicate_gets_the_first_answer),
        BENCH_TEST(a_failed_precondition_is_a_result),
        BENCH_TEST(below_first_incomplete_is_stale),
        BENCH_TEST(completion_records_go_when_they_are_passed),
        BENCH_TEST(no_more_than_the_window_is_open),
        BENCH_TEST(abandon_answers_what_was_done),
        BENCH_TEST(what_was_abandoned_is_never_done),
        BENCH_TEST(an_unknown_session_is_refused),
        BENCH_TEST(a_closed_session_leaves_nothing),
        BENCH_TEST(a_session_idle_for_an_hour_is_dropped),
        BENCH_TEST(a_leap_of_the_clock_counts_a_minute),
        BENCH_TEST(the_session_idle_longest_makes_room),
        BENCH_TEST(two_replicas_come_to_the_same_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

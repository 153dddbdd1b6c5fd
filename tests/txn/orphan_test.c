/* Records that belong to a session: how long they live, whoever made them and in whatever way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "txn/participant.h"

#define IDLE_MINUTES 62

static struct kv_op orphan_op(enum kv_kind kind)
{
    struct kv_op op = bench_op(kind, "orphan--");
    op.space = KV_INTERNAL;
    op.flags = KV_OWNED;
    return op;
}

static bool is_there(void)
{
    struct kv_op op = orphan_op(KV_STAT);
    op.flags = 0;
    return bench_read(&bench, &op)->status == SF_OK;
}

/* With an extent, so that its end can be seen. */
static void make_orphan(void)
{
    struct kv_op op = orphan_op(KV_PUT);
    op.flags |= KV_HAS_LENGTH | KV_HAS_TAIL;
    op.length = 2u << 20;
    op.tail_count = 1;
    op.tail[0] = (struct kv_tail){1, 77};
    assert_int_equal(bench_do(&bench, &op)->status, SF_OK);
    assert_int_equal(bench_count(&bench, 'o'), 1);
}

static void pass_minutes(int minutes)
{
    for (int i = 0; i < minutes; i++) {
        bench.time_ns += 60 * BENCH_SECOND_NS;
        bench_tick(&bench);
    }
}

/* The bench has a client of its own, for what it does next. */
static void change_client(const char *client)
{
    struct kv_op open = {.kind = KV_SESSION_OPEN, .data = slice_str(client)};
    uint64_t number = bench_apply(&bench, &(struct kv_session){0}, &open)->session;
    bench.session = (struct kv_session){number, 1, 1};
}

static void close_session(void)
{
    struct kv_op close = {.kind = KV_SESSION_CLOSE};
    struct kv_session session = {.session = bench.session.session};
    assert_int_equal(bench_apply(&bench, &session, &close)->status, SF_OK);
}

static void expect_gone(size_t trash)
{
    assert_false(is_there());
    assert_int_equal(bench_count(&bench, 'o'), 0);
    assert_int_equal(bench_count(&bench, 't'), trash);
}

static void it_goes_with_a_session_that_is_idle(void **state)
{
    (void)state;
    make_orphan();
    for (int i = 0; i < 3; i++) {
        pass_minutes(40);
        assert_true(is_there());
        assert_int_equal(bench_put(&bench, "something", "else"), SF_OK);
    }
    bench_restart(&bench);
    pass_minutes(IDLE_MINUTES);
    expect_gone(1);
}

static void it_goes_with_a_session_that_is_closed(void **state)
{
    (void)state;
    make_orphan();
    close_session();
    assert_true(is_there());
    pass_minutes(1);
    expect_gone(1);
}

static void whoever_asks_for_it_has_it(void **state)
{
    (void)state;
    make_orphan();
    change_client("0123456789abcdef");
    struct kv_op renew = orphan_op(KV_SET_ATTR);
    struct kv_op stat = orphan_op(KV_STAT);
    stat.flags = 0;
    uint64_t version = bench_read(&bench, &stat)->stat.version;
    assert_int_equal(bench_do(&bench, &renew)->status, SF_OK);
    assert_int_equal(bench_read(&bench, &stat)->stat.version, version);
    for (int i = 0; i < 3; i++) { /* the first session goes */
        pass_minutes(40);
        assert_int_equal(bench_do(&bench, &renew)->status, SF_OK);
    }
    assert_true(is_there());
    close_session();
    pass_minutes(1);
    expect_gone(1);
}

static void what_is_not_there_cannot_be_renewed(void **state)
{
    (void)state;
    struct kv_op renew = orphan_op(KV_SET_ATTR);
    assert_int_equal(bench_do(&bench, &renew)->status, SF_NOT_FOUND);
    assert_int_equal(bench_count(&bench, 'o'), 0);
}

static void a_delete_leaves_nothing(void **state)
{
    (void)state;
    make_orphan();
    struct kv_op op = orphan_op(KV_DELETE);
    assert_int_equal(bench_do(&bench, &op)->status, SF_OK);
    expect_gone(1);
    pass_minutes(IDLE_MINUTES);
    expect_gone(1);
}

/* What another record is, under whose session there was once an orphan, is its own matter. */
static void an_owner_without_a_record_goes(void **state)
{
    (void)state;
    make_orphan();
    struct kv_op op = orphan_op(KV_DELETE);
    op.flags = 0;
    assert_int_equal(bench_do(&bench, &op)->status, SF_OK);
    close_session();
    pass_minutes(1);
    expect_gone(1);
}

static void prepare_orphan(void)
{
    struct kv_op put = orphan_op(KV_PUT);
    struct wish wish = {NULL, &put, 0, 1, 0};
    assert_int_equal(participant_prepare(1, &wish).fate, KV_FATE_PREPARED);
    assert_int_equal(bench_count(&bench, 'o'), 0);
}

static void of_a_transaction_it_belongs_to_the_participants_session(void **state)
{
    (void)state;
    prepare_orphan();
    assert_int_equal(participant_outcome(1, true).fate, KV_FATE_COMMITTED);
    pass_minutes(30);
    assert_true(is_there());
    pass_minutes(IDLE_MINUTES);
    expect_gone(0);
}

static void an_abort_makes_none(void **state)
{
    (void)state;
    prepare_orphan();
    assert_int_equal(participant_outcome(1, false).fate, KV_FATE_ABORTED);
    expect_gone(0);
}

static void a_commit_after_the_sessions_end_makes_one_that_goes(void **state)
{
    (void)state;
    prepare_orphan();
    close_session();
    assert_int_equal(participant_outcome(1, true).fate, KV_FATE_COMMITTED);
    assert_true(is_there());
    pass_minutes(1);
    expect_gone(0);
}

/* O1: else the outcome would meet a record that is not what was voted for. */
static void what_is_locked_stays_until_it_is_free(void **state)
{
    (void)state;
    make_orphan();
    struct kv_op set = orphan_op(KV_SET_ATTR);
    set.flags = KV_HAS_ATTR;
    set.pre = (struct kv_pre){KV_PRE_VERSION, bench.reply.stat.version};
    struct wish wish = {NULL, &set, 0, 1, 0};
    uint64_t number = bench.session.sequence;
    assert_int_equal(participant_prepare(number, &wish).fate, KV_FATE_PREPARED);
    close_session();
    pass_minutes(3);
    assert_true(is_there());
    assert_int_equal(participant_outcome(number, true).fate, KV_FATE_COMMITTED);
    assert_true(is_there());
    pass_minutes(1);
    expect_gone(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(it_goes_with_a_session_that_is_idle),
        BENCH_TEST(it_goes_with_a_session_that_is_closed),
        BENCH_TEST(whoever_asks_for_it_has_it),
        BENCH_TEST(what_is_not_there_cannot_be_renewed),
        BENCH_TEST(a_delete_leaves_nothing),
        BENCH_TEST(an_owner_without_a_record_goes),
        BENCH_TEST(of_a_transaction_it_belongs_to_the_participants_session),
        BENCH_TEST(an_abort_makes_none),
        BENCH_TEST(a_commit_after_the_sessions_end_makes_one_that_goes),
        BENCH_TEST(what_is_locked_stays_until_it_is_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

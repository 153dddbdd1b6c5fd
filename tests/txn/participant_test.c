/* One participant, entry by entry: what the design says of votes, locks, outcomes and forgetting,
 * one test for each of its sentences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shardkv/session.h"
#include "txn/participant.h"

#define expect(answer_, status_, fate_)                                                            \
    do {                                                                                           \
        struct answer got_ = (answer_);                                                            \
        assert_int_equal(got_.status, status_);                                                    \
        assert_int_equal(got_.fate, fate_);                                                        \
    } while (0)

static void a_participant_logs_its_vote_with_the_locks(void **state)
{
    (void)state;
    expect(participant_put(1, "a", "1"), SF_OK, KV_FATE_PREPARED);
    bench_expect(&bench, "a", NULL);
    for (int i = 0; i < 2; i++) {
        assert_true(participant_has_locks());
        assert_int_equal(participant_other_put("a"), SF_LOCKED);
        assert_int_equal(participant_other_put("b"), SF_OK);
        bench_restart(&bench);
    }
    expect(participant_outcome(1, true), SF_OK, KV_FATE_COMMITTED);
    bench_expect(&bench, "a", "1");
    assert_false(participant_has_locks());
    assert_int_equal(participant_other_put("a"), SF_OK);
}

static void an_abort_leaves_everything_as_it_was(void **state)
{
    (void)state;
    assert_int_equal(bench_put(&bench, "a", "old"), SF_OK);
    uint64_t version = bench.reply.stat.version;
    expect(participant_put(2, "a", "new"), SF_OK, KV_FATE_PREPARED);
    expect(participant_outcome(2, false), SF_ABANDONED, KV_FATE_ABORTED);
    bench_expect(&bench, "a", "old");
    assert_int_equal(bench.reply.stat.version, version);
    assert_false(participant_has_locks());
    assert_int_equal(bench_count(&bench, 'q'), 0);
}

static void a_failed_check_votes_no(void **state)
{
    (void)state;
    struct kv_op check = bench_op(KV_STAT, "a"), put = bench_put_op("b", "1");
    struct wish wish = {&check, &put, 1, 1, 0};
    check.pre.kind = KV_PRE_EXISTS;
    for (int i = 0; i < 2; i++) { /* and for ever: it is on record */
        expect(participant_prepare(1, &wish), SF_PRECONDITION, KV_FATE_ABORTED);
        assert_int_equal(bench.reply.failed, 0);
        assert_int_equal(participant_other_put("a"), SF_OK);
    }
    assert_int_equal(participant_records(), 0);
    assert_false(participant_has_locks());
}

static void one_that_has_not_voted_logs_a_no(void **state)
{
    (void)state;
    expect(participant_ask(1), SF_ABANDONED, KV_FATE_ABORTED);
    bench_restart(&bench);
    expect(participant_put(1, "a", "1"), SF_ABANDONED, KV_FATE_ABORTED);
    bench_expect(&bench, "a", NULL);
    assert_false(participant_has_locks());
}

static void below_first_incomplete_a_prepare_counts_as_no(void **state)
{
    (void)state;
    struct kv_session later = {bench.session.session, 5, 5};
    struct kv_op put = bench_put_op("x", "");
    assert_int_equal(bench_apply(&bench, &later, &put)->status, SF_OK);
    expect(participant_put(4, "a", "1"), SF_STALE, KV_FATE_ABORTED);
    expect(participant_ask(4), SF_STALE, KV_FATE_ABORTED);
    assert_false(participant_has_locks());
}

static void in_an_unknown_session_a_prepare_counts_as_no(void **state)
{
    (void)state;
    bench.session.session += 1000;
    expect(participant_put(1, "a", "1"), SF_SESSION_EXPIRED, KV_FATE_ABORTED);
    expect(participant_ask(1), SF_SESSION_EXPIRED, KV_FATE_ABORTED);
    assert_int_equal(participant_records(), 0);
}

static void a_yes_vote_is_the_numbers_completion_record(void **state)
{
    (void)state;
    struct kv_op put = bench_put_op("a", "2");
    struct kv_session same = {bench.session.session, 1, 1};
    expect(participant_put(1, "a", "1"), SF_OK, KV_FATE_PREPARED);
    assert_int_equal(bench_count(&bench, 'c'), 1);
    assert_int_equal(bench_apply(&bench, &same, &put)->fate, KV_FATE_PREPARED);
    expect(participant_outcome(1, true), SF_OK, KV_FATE_COMMITTED);
    bench_expect(&bench, "a", "1");
}

static void first_incomplete_may_pass_once_the_client_has_the_vote(void **state)
{
    (void)state;
    struct kv_session later = {bench.session.session, 3, 3};
    struct kv_op put = bench_put_op("x", "");
    expect(participant_put(1, "a", "1"), SF_OK, KV_FATE_PREPARED);
    assert_int_equal(bench_apply(&bench, &later, &put)->status, SF_OK);
    expect(participant_put(1, "a", "1"), SF_OK, KV_FATE_PREPARED);
    expect(participant_ask(1), SF_OK, KV_FATE_PREPARED);
    expect(participant_outcome(1, true), SF_OK, KV_FATE_COMMITTED);
    expect(participant_put(1, "a", "1"), SF_OK, KV_FATE_COMMITTED);
    bench_expect(&bench, "a", "1");
}

static void a_prepared_record_stands_outside_the_session(void **state)
{
    (void)state;
    struct kv_op close = {.kind = KV_SESSION_CLOSE};
    struct kv_session session = {.session = bench.session.session};
    expect(participant_put(1, "a", "1"), SF_OK, KV_FATE_PREPARED);
    assert_int_equal(bench_apply(&bench, &session, &close)->status, SF_OK);
    bench_restart(&bench);
    expect(participant_put(1, "a", "1"), SF_OK, KV_FATE_PREPARED);
    assert_int_equal(participant_other_put("a"), SF_LOCKED);
    expect(participant_outcome(1, true), SF_OK, KV_FATE_COMMITTED);
    bench_expect(&bench, "a", "1");
    participant_forget(1);
    expect(participant_put(1, "a", "2"), SF_SESSION_EXPIRED, KV_FATE_ABORTED);
}

static void after_forget_the_completion_record_stays_as_the_outcome(void **state)
{
    (void)state;
    expect(participant_put(1, "a", "1"), SF_OK, KV_FATE_PREPARED);
    expect(participant_outcome(1, true), SF_OK, KV_FATE_COMMITTED);
    assert_int_equal(bench.reply.reply_count, 1);
    uint64_t version = bench.reply.replies[0].stat.version;
    assert_int_equal(participant_records(), 1);
    participant_forget(1);
    assert_int_equal(participant_records(), 0);
    expect(participant_put(1, "a", "2"), SF_OK, KV_FATE_COMMITTED);
    assert_int_equal(bench.reply.replies[0].stat.version, version);
    expect(participant_ask(1), SF_OK, KV_FATE_COMMITTED);
    bench_expect(&bench, "a", "1");
}

static void a_late_prepare_after_an_abort_is_never_executed(void **state)
{
    (void)state;
    expect(participant_put(1, "a", "1"), SF_OK, KV_FATE_PREPARED);
    expect(participant_outcome(1, false), SF_ABANDONED, KV_FATE_ABORTED);
    participant_forget(1);
    expect(participant_put(1, "a", "1"), SF_ABANDONED, KV_FATE_ABORTED);
    bench_expect(&bench, "a", NULL);
    assert_false(participant_has_locks());
}

static void forget_does_nothing_to_what_is_prepared(void **state)
{
    (void)state;
    expect(participant_put(1, "a", "1"), SF_OK, KV_FATE_PREPARED);
    participant_forget(1);
    expect(participant_ask(1), SF_OK, KV_FATE_PREPARED);
    assert_int_equal(participant_other_put("a"), SF_LOCKED);
}

static void an_outcome_for_what_is_not_prepared_is_confirmed_and_changes_nothing(void **state)
{
    (void)state;
    expect(participant_put(1, "a", "1"), SF_OK, KV_FATE_PREPARED);
    expect(participant_outcome(1, true), SF_OK, KV_FATE_COMMITTED);
    expect(participant_outcome(1, true), SF_OK, KV_FATE_COMMITTED);
    assert_int_equal(bench.reply.reply_count, 1); /* its answer, once more */
    expect(participant_outcome(1, false), SF_OK, KV_FATE_COMMITTED);
    bench_expect(&bench, "a", "1");
    expect(participant_outcome(7, true), SF_OK, KV_FATE_NONE);
    expect(participant_put(7, "b", "1"), SF_OK, KV_FATE_PREPARED);
}

static void a_prepare_that_meets_a_lock_votes_no(void **state)
{
    (void)state;
    expect(participant_put(1, "a", "1"), SF_OK, KV_FATE_PREPARED);
    expect(participant_put(2, "a", "2"), SF_CONFLICT, KV_FATE_ABORTED);
    expect(participant_outcome(1, true), SF_OK, KV_FATE_COMMITTED);
    expect(participant_put(2, "a", "2"), SF_CONFLICT, KV_FATE_ABORTED);
    bench_expect(&bench, "a", "1");
}

static void a_retry_that_meets_a_lock_has_no_effect(void **state)
{
    (void)state;
    struct kv_op put = bench_put_op("a", "2");
    struct wish wish = {.ops = &put, .op_count = 1, .flags = KV_WAITS};
    expect(participant_put(1, "a", "1"), SF_OK, KV_FATE_PREPARED);
    expect(participant_prepare(2, &wish), SF_LOCKED, KV_FATE_NONE);
    expect(participant_outcome(1, true), SF_OK, KV_FATE_COMMITTED);
    expect(participant_prepare(2, &wish), SF_OK, KV_FATE_PREPARED);
}

static void who_came_out_of_turn_votes_no(void **state)
{
    (void)state;
    struct kv_op put = bench_put_op("a", "2");
    struct wish wish = {.ops = &put, .op_count = 1, .flags = KV_REFUSED};
    expect(participant_prepare(1, &wish), SF_CONFLICT, KV_FATE_ABORTED);
    assert_false(participant_has_locks());
}

static void an_entry_that_meets_a_lock_has_no_effect(void **state)
{
    (void)state;
    struct kv_op append = bench_op(KV_APPEND, "a");
    struct kv_session session = {bench.session.session, 2, 1};
    append.data = slice_str("x");
    expect(participant_put(1, "a", "1"), SF_OK, KV_FATE_PREPARED);
    assert_int_equal(bench_apply(&bench, &session, &append)->status, SF_LOCKED);
    expect(participant_outcome(1, true), SF_OK, KV_FATE_COMMITTED);
    assert_int_equal(bench_apply(&bench, &session, &append)->status, SF_OK);
    bench_expect(&bench, "a", "1x");
}

static void checked_keys_are_locked_shared(void **state)
{
    (void)state;
    struct kv_op check = bench_op(KV_STAT, "a"), get = bench_op(KV_GET, "a");
    struct wish wish = {.checks = &check, .check_count = 1};
    check.pre.kind = KV_PRE_ABSENT;
    expect(participant_prepare(1, &wish), SF_OK, KV_FATE_PREPARED);
    expect(participant_prepare(2, &wish), SF_OK, KV_FATE_PREPARED);
    assert_int_equal(participant_other_put("a"), SF_LOCKED);
    expect(participant_outcome(1, true), SF_OK, KV_FATE_COMMITTED);
    assert_int_equal(participant_other_put("a"), SF_LOCKED);
    expect(participant_outcome(2, true), SF_OK, KV_FATE_COMMITTED);
    assert_int_equal(participant_other_put("a"), SF_OK);
    assert_int_equal(bench_read(&bench, &get)->status, SF_OK);
}

static void empty_prefixes_are_locked_exclusively(void **state)
{
    (void)state;
    struct kv_op check = bench_op(KV_STAT, "dir/"), put = bench_put_op("dir", "gone");
    struct wish wish = {&check, &put, 1, 1, 0};
    check.flags = KV_PREFIX_EMPTY;
    expect(participant_prepare(1, &wish), SF_OK, KV_FATE_PREPARED);
    assert_int_equal(participant_other_put("dir/new"), SF_LOCKED);
    assert_int_equal(participant_other_put("dir1"), SF_OK);
    expect(participant_outcome(1, true), SF_OK, KV_FATE_COMMITTED);
    assert_int_equal(participant_other_put("dir/new"), SF_OK);
    expect(participant_prepare(2, &wish), SF_NOT_EMPTY, KV_FATE_ABORTED);
}

static void adds_of_many_transactions_stand_beside_each_other(void **state)
{
    (void)state;
    struct kv_op add = bench_op(KV_ADD, "counts"), get = bench_op(KV_GET, "counts");
    struct wish wish = {.ops = &add, .op_count = 1};
    add.add_count = 1;
    add.adds[0] = (struct kv_add){.slot = 0, .value = 1};
    assert_int_equal(participant_other_put("counts"), SF_OK);
    assert_int_equal(bench_put(&bench, "counts", ""), SF_OK);
    expect(participant_prepare(2, &wish), SF_OK, KV_FATE_PREPARED);
    expect(participant_prepare(3, &wish), SF_OK, KV_FATE_PREPARED);
    assert_int_equal(participant_other(&add), SF_OK);
    assert_int_equal(participant_other_put("counts"), SF_LOCKED);
    expect(participant_outcome(3, true), SF_OK, KV_FATE_COMMITTED);
    expect(participant_outcome(2, true), SF_OK, KV_FATE_COMMITTED);
    const struct kv_reply *reply = bench_read(&bench, &get);
    assert_int_equal(reply->data.n, 8);
    assert_int_equal(reply->data.p[0], 3);
}

static void the_prepare_names_itself(void **state)
{
    (void)state;
    struct kv_op put = bench_put_op("a", "1");
    struct kv_number other = participant_number(2);
    struct kv_op op = {
        .kind = KV_PREPARE, .ops = &put, .op_count = 1, .numbers = &other, .number_count = 1};
    struct kv_session session = {bench.session.session, 1, 1};
    assert_int_equal(bench_apply(&bench, &session, &op)->status, SF_INVALID);
    assert_int_equal(bench_count(&bench, 'c'), 0);
}

/* A number that the shard has heard of before only through others. */
static void an_ask_may_be_ahead_of_what_the_client_sent(void **state)
{
    (void)state;
    struct kv_number number = participant_number(1000);
    struct kv_op ask = {.kind = KV_ASK, .numbers = &number, .number_count = 1};
    number.first_incomplete = 900;
    const struct kv_reply *reply = bench_apply(&bench, &(struct kv_session){0}, &ask);
    assert_int_equal(reply->status, SF_ABANDONED);
    assert_int_equal(reply->fate, KV_FATE_ABORTED);
}

static void a_large_operation_is_kept_in_blocks(void **state)
{
    (void)state;
    size_t bytes = SF_VALUE_BYTES_MAX;
    uint8_t *data = malloc(bytes);
    struct kv_op ops[3] = {bench_op(KV_PUT, "a"), bench_op(KV_PUT, "b"), bench_op(KV_PUT, "c")};
    struct wish wish = {.ops = ops, .op_count = 3};
    assert_non_null(data);
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(i * 7 + i / 1000);
    for (size_t i = 0; i < 3; i++)
        ops[i].data = slice_of(data, bytes);
    expect(participant_prepare(1, &wish), SF_OK, KV_FATE_PREPARED);
    assert_true(bench_count(&bench, 'q') >= 3 * SF_VALUE_BYTES_MAX / TXN_BLOCK_BYTES);
    bench_restart(&bench);
    assert_int_equal(participant_other_put("b"), SF_LOCKED);
    expect(participant_outcome(1, true), SF_OK, KV_FATE_COMMITTED);
    assert_int_equal(bench_count(&bench, 'q'), 0);
    struct kv_op get = bench_op(KV_GET, "c");
    const struct kv_reply *reply = bench_read(&bench, &get);
    assert_int_equal(reply->data.n, bytes);
    assert_memory_equal(reply->data.p, data, bytes);
    free(data);
}

/* -- intents ------------------------------------------------------------------------------- */

static struct answer prepare_long_put(uint64_t sequence)
{
    struct kv_op put = bench_put_op("long", "head");
    put.flags = KV_HAS_LENGTH | KV_HAS_TAIL | KV_HAS_INTENT;
    put.length = SF_VALUE_BYTES_MAX + 5;
    put.tail_count = 1;
    put.tail[0] = (struct kv_tail){.first_extent = 1, .data_id = 77};
    put.ids_first = 77;
    return participant_prepare(sequence, &(struct wish){.ops = &put, .op_count = 1});
}

static void add_intent(void)
{
    struct kv_op intent = {.kind = KV_INTENT, .ids_first = 77};
    assert_int_equal(bench_do(&bench, &intent)->status, SF_OK);
}

static void close_session(void)
{
    struct kv_op close = {.kind = KV_SESSION_CLOSE};
    struct kv_session session = {.session = bench.session.session};
    assert_int_equal(bench_apply(&bench, &session, &close)->status, SF_OK);
}

static void an_intent_that_is_prepared_outlives_its_session(void **state)
{
    (void)state;
    add_intent();
    expect(prepare_long_put(2), SF_OK, KV_FATE_PREPARED);
    close_session();
    assert_int_equal(bench_count(&bench, 't'), 0);
    expect(participant_outcome(2, true), SF_OK, KV_FATE_COMMITTED);
    assert_int_equal(bench_count(&bench, 'n'), 0);
    assert_int_equal(bench_count(&bench, 't'), 0);
}

static void an_abort_gives_an_intent_back(void **state)
{
    (void)state;
    add_intent();
    expect(prepare_long_put(2), SF_OK, KV_FATE_PREPARED);
    expect(participant_outcome(2, false), SF_ABANDONED, KV_FATE_ABORTED);
    assert_int_equal(bench_count(&bench, 'n'), 1);
    close_session();
    assert_int_equal(bench_count(&bench, 'n'), 0);
    assert_int_equal(bench_count(&bench, 't'), 1);
}

static void an_abort_after_the_sessions_end_makes_trash_of_it(void **state)
{
    (void)state;
    add_intent();
    expect(prepare_long_put(2), SF_OK, KV_FATE_PREPARED);
    close_session();
    expect(participant_outcome(2, false), SF_ABANDONED, KV_FATE_ABORTED);
    assert_int_equal(bench_count(&bench, 'n'), 0);
    assert_int_equal(bench_count(&bench, 't'), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(a_participant_logs_its_vote_with_the_locks),
        BENCH_TEST(an_abort_leaves_everything_as_it_was),
        BENCH_TEST(a_failed_check_votes_no),
        BENCH_TEST(one_that_has_not_voted_logs_a_no),
        BENCH_TEST(below_first_incomplete_a_prepare_counts_as_no),
        BENCH_TEST(in_an_unknown_session_a_prepare_counts_as_no),
        BENCH_TEST(a_yes_vote_is_the_numbers_completion_record),
        BENCH_TEST(first_incomplete_may_pass_once_the_client_has_the_vote),
        BENCH_TEST(a_prepared_record_stands_outside_the_session),
        BENCH_TEST(after_forget_the_completion_record_stays_as_the_outcome),
        BENCH_TEST(a_late_prepare_after_an_abort_is_never_executed),
        BENCH_TEST(forget_does_nothing_to_what_is_prepared),
        BENCH_TEST(an_outcome_for_what_is_not_prepared_is_confirmed_and_changes_nothing),
        BENCH_TEST(a_prepare_that_meets_a_lock_votes_no),
        BENCH_TEST(a_retry_that_meets_a_lock_has_no_effect),
        BENCH_TEST(who_came_out_of_turn_votes_no),
        BENCH_TEST(an_entry_that_meets_a_lock_has_no_effect),
        BENCH_TEST(checked_keys_are_locked_shared),
        BENCH_TEST(empty_prefixes_are_locked_exclusively),
        BENCH_TEST(adds_of_many_transactions_stand_beside_each_other),
        BENCH_TEST(the_prepare_names_itself),
        BENCH_TEST(an_ask_may_be_ahead_of_what_the_client_sent),
        BENCH_TEST(a_large_operation_is_kept_in_blocks),
        BENCH_TEST(an_intent_that_is_prepared_outlives_its_session),
        BENCH_TEST(an_abort_gives_an_intent_back),
        BENCH_TEST(an_abort_after_the_sessions_end_makes_trash_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

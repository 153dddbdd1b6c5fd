/* Entries about locks, applied to one shard: what they answer, that the state alone carries them,
 * circles, leases, fencing. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "shardkv/bench.h"
#include "shardkv/range.h"

#define ALICE 66u
#define BOB 77u
#define FILE_A "\1\2\3\4\5\6\7\10l"
#define FILE_B "\1\2\3\4\5\6\7\11l"

static struct kv_lock want(enum kv_lock_type type, uint64_t holder, uint64_t first, uint64_t last)
{
    return (struct kv_lock){
        .type = type, .holder = holder, .owner = 1, .first = first, .last = last, .pid = 9};
}

static struct kv_lock waits(struct kv_lock lock, uint64_t ticket)
{
    lock.flags |= KV_LOCK_WAITS;
    lock.ticket = ticket;
    return lock;
}

static const struct kv_reply *put_in(enum kv_kind kind, const char *key, const struct kv_lock *lock)
{
    struct buffer data = {0};
    kv_lock_pack(&data, lock);
    struct kv_op op = {
        .kind = kind, .space = KV_INTERNAL, .key = slice_str(key), .data = buffer_slice(&data)};
    const struct kv_reply *reply = bench_do(&bench, &op);
    buffer_deinit(&data);
    assert_true(range_table_is_valid(bench_ranges(&bench)));
    return reply;
}

static int ask(const char *key, struct kv_lock lock)
{
    return put_in(KV_LOCK, key, &lock)->status;
}

static const struct kv_reply *about(enum kv_kind kind, uint64_t holder)
{
    struct kv_op op = {.kind = kind, .ids_first = holder};
    const struct kv_reply *reply = bench_apply(&bench, &(struct kv_session){0}, &op);
    assert_true(range_table_is_valid(bench_ranges(&bench)));
    return reply;
}

/* What LOCK_TEST or LOCK_AWAIT answers; *found: the lock that it shows. */
static int look(enum kv_kind kind, const char *key, struct kv_lock lock, struct kv_lock *found)
{
    struct buffer data = {0};
    struct access access;
    struct kv_reply reply;
    kv_lock_pack(&data, &lock);
    struct kv_op op = {
        .kind = kind, .space = KV_INTERNAL, .key = slice_str(key), .data = buffer_slice(&data)};
    access_open_read(&access, &bench.space, NULL, bench.copy);
    bool answered = range_read(&access, bench_ranges(&bench), &op, &reply);
    assert_int_equal(answered, reply.status != SF_QUEUED);
    if (found != NULL && reply.data.n > 0)
        assert_int_equal(kv_lock_unpack(reply.data, found), SF_OK);
    assert_int_equal(access_close(&access), SF_OK);
    buffer_deinit(&data);
    return reply.status;
}

static int await(const char *key, uint64_t holder, uint64_t ticket)
{
    struct kv_lock lock = want(KV_LOCK_SHARED, holder, 0, 0);
    lock.ticket = ticket;
    return look(KV_LOCK_AWAIT, key, lock, NULL);
}

static void test_excludes_and_grants_in_order(void **state)
{
    (void)state;
    assert_int_equal(ask(FILE_A, want(KV_LOCK_EXCLUSIVE, ALICE, 0, 9)), SF_OK);
    assert_int_equal(ask(FILE_A, want(KV_LOCK_SHARED, BOB, 5, 5)), SF_LOCK_HELD);
    assert_int_equal(ask(FILE_B, want(KV_LOCK_SHARED, BOB, 5, 5)), SF_OK);
    assert_int_equal(ask(FILE_A, waits(want(KV_LOCK_SHARED, BOB, 5, 5), 1)), SF_QUEUED);
    assert_int_equal(await(FILE_A, BOB, 1), SF_QUEUED);
    bench_restart(&bench); /* its place is in the state */
    assert_int_equal(await(FILE_A, BOB, 1), SF_QUEUED);
    assert_int_equal(ask(FILE_A, want(KV_LOCK_NONE, ALICE, 5, 5)), SF_OK);
    assert_int_equal(await(FILE_A, BOB, 1), SF_OK);
    assert_int_equal(ask(FILE_A, want(KV_LOCK_EXCLUSIVE, ALICE, 5, 5)), SF_LOCK_HELD);
    bench_restart(&bench);
    assert_int_equal(ask(FILE_A, want(KV_LOCK_EXCLUSIVE, ALICE, 5, 5)), SF_LOCK_HELD);
    assert_int_equal(ask(FILE_A, want(KV_LOCK_EXCLUSIVE, ALICE, 6, 6)), SF_OK);
}

static void test_shows_who_is_in_the_way(void **state)
{
    (void)state;
    struct kv_lock found = {.pid = 1};
    assert_int_equal(ask(FILE_A, want(KV_LOCK_EXCLUSIVE, ALICE, 10, 19)), SF_OK);
    assert_int_equal(look(KV_LOCK_TEST, FILE_A, want(KV_LOCK_SHARED, ALICE, 0, UINT64_MAX), &found),
                     SF_OK);
    assert_int_equal(found.pid, 1); /* its own are not */
    assert_int_equal(look(KV_LOCK_TEST, FILE_A, want(KV_LOCK_SHARED, BOB, 0, UINT64_MAX), &found),
                     SF_OK);
    assert_int_equal(found.pid, 9);
    assert_int_equal(found.first, 10);
    assert_int_equal(found.last, 19);
    assert_int_equal(found.type, KV_LOCK_EXCLUSIVE);
}

static void test_leaves_the_queue(void **state)
{
    (void)state;
    struct kv_lock second = waits(want(KV_LOCK_EXCLUSIVE, BOB, 0, 9), 1);
    struct kv_lock third = waits(want(KV_LOCK_SHARED, 5, 0, 9), 1);
    assert_int_equal(ask(FILE_A, want(KV_LOCK_SHARED, ALICE, 0, 9)), SF_OK);
    assert_int_equal(ask(FILE_A, second), SF_QUEUED);
    assert_int_equal(ask(FILE_A, third), SF_QUEUED); /* behind the second, in order */
    assert_int_equal(put_in(KV_LOCK_CANCEL, FILE_A, &second)->status, SF_OK);
    assert_int_equal(await(FILE_A, 5, 1), SF_OK); /* nobody is before it now */
    assert_int_equal(put_in(KV_LOCK_CANCEL, FILE_A, &second)->status, SF_NOT_FOUND);
    assert_int_equal(put_in(KV_LOCK_CANCEL, FILE_A, &third)->status, SF_NOT_FOUND);
}

static void test_finds_circles(void **state)
{
    (void)state;
    struct kv_lock other = waits(want(KV_LOCK_EXCLUSIVE, ALICE, 0, 0), 5);
    other.owner = 2;
    assert_int_equal(ask(FILE_A, want(KV_LOCK_EXCLUSIVE, ALICE, 0, 0)), SF_OK);
    assert_int_equal(ask(FILE_B, want(KV_LOCK_EXCLUSIVE, BOB, 0, 0)), SF_OK);
    assert_int_equal(ask(FILE_A, waits(want(KV_LOCK_EXCLUSIVE, BOB, 0, 0), 1)), SF_QUEUED);
    assert_int_equal(ask(FILE_B, other), SF_QUEUED); /* another owner: no circle */
    bench_restart(&bench);
    assert_int_equal(ask(FILE_B, waits(want(KV_LOCK_EXCLUSIVE, ALICE, 0, 0), 2)), SF_DEADLOCK);
    assert_int_equal(ask(FILE_B, waits(want(KV_LOCK_EXCLUSIVE, ALICE, 1, 1), 3)), SF_OK);
}

static void test_converts_as_flock_does(void **state)
{
    (void)state;
    struct kv_lock alice = want(KV_LOCK_SHARED, ALICE, 0, UINT64_MAX);
    struct kv_lock bob = want(KV_LOCK_SHARED, BOB, 0, UINT64_MAX);
    alice.flags = bob.flags = KV_LOCK_CONVERTS;
    assert_int_equal(ask(FILE_A, alice), SF_OK);
    assert_int_equal(ask(FILE_A, bob), SF_OK);
    alice.type = bob.type = KV_LOCK_EXCLUSIVE;
    assert_int_equal(ask(FILE_A, waits(alice, 1)), SF_QUEUED); /* it gave its own back */
    assert_int_equal(ask(FILE_A, bob), SF_OK); /* who does not wait looks at holders alone */
    bob.type = KV_LOCK_NONE;
    assert_int_equal(ask(FILE_A, bob), SF_OK);
    assert_int_equal(await(FILE_A, ALICE, 1), SF_OK);
    bob.type = KV_LOCK_SHARED;
    assert_int_equal(ask(FILE_A, bob), SF_LOCK_HELD);
}

static void test_has_a_lease_while_it_has_locks(void **state)
{
    (void)state;
    assert_int_equal(about(KV_RENEW, ALICE)->old_length, 0);
    assert_int_equal(bench_count(&bench, 'h'), 0);
    assert_int_equal(ask(FILE_A, want(KV_LOCK_SHARED, ALICE, 0, 9)), SF_OK);
    assert_int_equal(ask(FILE_B, want(KV_LOCK_SHARED, ALICE, 0, 9)), SF_OK);
    assert_int_equal(bench_count(&bench, 'h'), 1);
    uint64_t before = range_table_lease(bench_ranges(&bench), ALICE)->renewed_age_ns;
    bench.time_ns += 20 * BENCH_SECOND_NS;
    const struct kv_reply *reply = about(KV_RENEW, ALICE);
    assert_int_equal(reply->old_length, 2);
    assert_int_equal(reply->ids_first, 30000);
    bench_restart(&bench);
    uint64_t after = range_table_lease(bench_ranges(&bench), ALICE)->renewed_age_ns;
    assert_in_range(after - before, 20 * BENCH_SECOND_NS, 21 * BENCH_SECOND_NS);
    assert_int_equal(ask(FILE_A, want(KV_LOCK_NONE, ALICE, 0, UINT64_MAX)), SF_OK);
    assert_int_equal(ask(FILE_B, want(KV_LOCK_NONE, ALICE, 0, 9)), SF_OK);
    assert_int_equal(bench_count(&bench, 'h') + bench_count(&bench, 'l'), 0);
}

static uint64_t holder_of_bench(void)
{
    return range_holder_of(slice_str("the bench's own."));
}

static void test_fenced_is_for_ever(void **state)
{
    (void)state;
    uint64_t own = holder_of_bench();
    struct kv_op open = {.kind = KV_SESSION_OPEN, .data = slice_str("the bench's next")};
    struct kv_session other = {.sequence = 1, .first_incomplete = 1};
    assert_int_equal(ask(FILE_A, want(KV_LOCK_EXCLUSIVE, own, 0, 9)), SF_OK);
    assert_int_equal(about(KV_RELEASE, own)->status, SF_INVALID); /* it is not fenced */
    assert_int_equal(about(KV_FENCE, own)->status, SF_OK);
    assert_int_equal(about(KV_FENCE, own)->status, SF_OK);
    bench_restart(&bench);
    assert_int_equal(bench_put(&bench, "key", "late"), SF_SESSION_EXPIRED);
    assert_int_equal(bench_apply(&bench, &(struct kv_session){0}, &open)->status, SF_FENCED);
    assert_int_equal(about(KV_RENEW, own)->status, SF_FENCED);
    bench_expect(&bench, "key", NULL);
    assert_int_equal(bench_count(&bench, 'l'), 1); /* it has the lock until RELEASE */
    open.data = slice_str("somebody else...");
    other.session = bench_apply(&bench, &(struct kv_session){0}, &open)->session;
    bench.session = other;
    assert_int_equal(ask(FILE_A, waits(want(KV_LOCK_SHARED, BOB, 0, 9), 1)), SF_QUEUED);
    assert_int_equal(about(KV_RELEASE, own)->status, SF_OK);
    assert_int_equal(await(FILE_A, BOB, 1), SF_OK);
    assert_int_equal(await(FILE_A, own, 1), SF_FENCED);
    assert_int_equal(ask(FILE_A, want(KV_LOCK_SHARED, own, 0, 9)), SF_FENCED);
}

/* closed: the session that prepared it is gone before its client is barred. */
static void expect_fence_awaits(bool closed)
{
    const struct kv_op close = {.kind = KV_SESSION_CLOSE};
    uint64_t own = holder_of_bench();
    struct kv_op put = bench_put_op("key", "value");
    struct kv_number numbers[2] = {{bench.copy.shard, bench.session.session, 1, 1}, {9, 4, 1, 1}};
    struct kv_op prepare = {
        .kind = KV_PREPARE, .ops = &put, .op_count = 1, .numbers = numbers, .number_count = 2};
    struct kv_op outcome = {
        .kind = KV_OUTCOME, .flags = KV_COMMITS, .numbers = numbers, .number_count = 1};
    struct kv_session session = bench.session;
    assert_int_equal(bench_do(&bench, &prepare)->fate, KV_FATE_PREPARED);
    if (closed)
        assert_int_equal(bench_apply(&bench, &session, &close)->status, SF_OK);
    assert_int_equal(about(KV_FENCE, own)->status, SF_BUSY);
    bench_restart(&bench);
    assert_int_equal(about(KV_FENCE, own)->status, SF_BUSY);
    assert_int_equal(bench_apply(&bench, &(struct kv_session){0}, &outcome)->fate,
                     KV_FATE_COMMITTED);
    assert_int_equal(about(KV_FENCE, own)->status, SF_OK);
    bench_expect(&bench, "key", "value");
}

static void test_fence_awaits_what_is_prepared(void **state)
{
    (void)state;
    expect_fence_awaits(false);
}

static void test_fence_awaits_what_a_lost_session_prepared(void **state)
{
    (void)state;
    expect_fence_awaits(true);
}

static void test_is_executed_once(void **state)
{
    (void)state;
    struct buffer data = {0};
    struct kv_lock lock = want(KV_LOCK_EXCLUSIVE, ALICE, 0, 9);
    struct kv_session first = bench.session;
    kv_lock_pack(&data, &lock);
    struct kv_op op = {.kind = KV_LOCK,
                       .space = KV_INTERNAL,
                       .key = slice_str(FILE_A),
                       .data = buffer_slice(&data)};
    bench.session.sequence++;
    assert_int_equal(bench_apply(&bench, &first, &op)->status, SF_OK);
    assert_int_equal(ask(FILE_A, want(KV_LOCK_NONE, ALICE, 0, 9)), SF_OK);
    assert_int_equal(ask(FILE_A, want(KV_LOCK_EXCLUSIVE, BOB, 0, 9)), SF_OK);
    int late = bench_apply(&bench, &first, &op)->status; /* a copy that comes late */
    assert_true(late == SF_OK || late == SF_STALE);
    assert_int_equal(ask(FILE_A, want(KV_LOCK_EXCLUSIVE, ALICE, 0, 9)), SF_LOCK_HELD);
    buffer_deinit(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(test_excludes_and_grants_in_order),
        BENCH_TEST(test_shows_who_is_in_the_way),
        BENCH_TEST(test_leaves_the_queue),
        BENCH_TEST(test_finds_circles),
        BENCH_TEST(test_converts_as_flock_does),
        BENCH_TEST(test_has_a_lease_while_it_has_locks),
        BENCH_TEST(test_fenced_is_for_ever),
        BENCH_TEST(test_fence_awaits_what_is_prepared),
        BENCH_TEST(test_fence_awaits_what_a_lost_session_prepared),
        BENCH_TEST(test_is_executed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

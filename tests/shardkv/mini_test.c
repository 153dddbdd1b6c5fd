/* Minitransactions in one shard: all or nothing, in order, under their checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "shardkv/bench.h"

static const struct kv_reply *mini(const struct kv_op *checks, size_t check_count,
                                   const struct kv_op *ops, size_t op_count)
{
    struct kv_op op = {.kind = KV_MINI,
                       .checks = checks,
                       .check_count = check_count,
                       .ops = ops,
                       .op_count = op_count};
    return bench_do(&bench, &op);
}

static void all_of_it_happens(void **state)
{
    (void)state;
    struct kv_op ops[3] = {bench_put_op("a", "1"), bench_put_op("b", "2"),
                           bench_op(KV_APPEND, "a")};
    ops[2].data = slice_str("+");
    const struct kv_reply *reply = mini(NULL, 0, ops, 3);
    assert_int_equal(reply->status, SF_OK);
    assert_int_equal(reply->reply_count, 3);
    assert_int_equal(reply->replies[2].old_length, 1);
    assert_int_equal(reply->replies[2].stat.created, reply->replies[0].stat.created);
    assert_true(reply->replies[0].stat.created != reply->replies[1].stat.created);
    bench_expect(&bench, "a", "1+");
    bench_expect(&bench, "b", "2");
}

static void or_nothing(void **state)
{
    (void)state;
    assert_int_equal(bench_put(&bench, "there", "x"), SF_OK);
    struct kv_op big = bench_op(KV_SET_RANGE, "there");
    big.offset = 100000;
    big.data = slice_str("far");
    struct kv_op ops[4] = {bench_put_op("a", "1"), big, bench_op(KV_DELETE, "there"),
                           bench_op(KV_DELETE, "missing")};
    uint64_t before = bench_count(&bench, 'b') * 100 + bench_count(&bench, 'r');
    const struct kv_reply *reply = mini(NULL, 0, ops, 4);
    assert_int_equal(reply->status, SF_NOT_FOUND);
    assert_int_equal(reply->failed, 3);
    assert_int_equal(reply->reply_count, 1);
    assert_int_equal(reply->replies[0].status, SF_NOT_FOUND);
    assert_int_equal(bench_count(&bench, 'b') * 100 + bench_count(&bench, 'r'), before);
    bench_expect(&bench, "a", NULL);
    bench_expect(&bench, "there", "x");
}

static void a_check_that_fails_stops_it(void **state)
{
    (void)state;
    assert_int_equal(bench_put(&bench, "there", "x"), SF_OK);
    uint64_t version = bench.reply.stat.version;
    struct kv_op checks[2] = {bench_op(KV_STAT, "there"), bench_op(KV_STAT, "there")};
    struct kv_op put = bench_put_op("a", "1");
    checks[0].pre.kind = KV_PRE_EXISTS;
    checks[1].pre = (struct kv_pre){KV_PRE_VERSION, version + 1};
    const struct kv_reply *reply = mini(checks, 2, &put, 1);
    assert_int_equal(reply->status, SF_PRECONDITION);
    assert_int_equal(reply->failed, 1);
    assert_int_equal(reply->replies[0].stat.version, version);
    bench_expect(&bench, "a", NULL);
    checks[1].pre.id = version;
    assert_int_equal(mini(checks, 2, &put, 1)->status, SF_OK);
    bench_expect(&bench, "a", "1");
}

static void a_prefix_must_be_empty(void **state)
{
    (void)state;
    struct kv_op check = bench_op(KV_STAT, "dir/");
    struct kv_op put = bench_put_op("a", "1");
    check.flags = KV_PREFIX_EMPTY;
    assert_int_equal(bench_put(&bench, "dir", "x"), SF_OK);
    assert_int_equal(bench_put(&bench, "dir0", "x"), SF_OK);
    assert_int_equal(mini(&check, 1, &put, 1)->status, SF_OK);
    assert_int_equal(bench_put(&bench, "dir/file", "x"), SF_OK);
    assert_int_equal(mini(&check, 1, &put, 1)->status, SF_NOT_EMPTY);
}

static void a_slot_must_be_zero(void **state)
{
    (void)state;
    struct kv_op check = bench_op(KV_STAT, "dir");
    struct kv_op put = bench_put_op("a", "1"), count = bench_op(KV_ADD, "dir");
    check.flags = KV_IF_SLOT_ZERO;
    check.offset = 2;
    assert_int_equal(bench_put(&bench, "dir", ""), SF_OK);
    assert_int_equal(mini(&check, 1, &put, 1)->status, SF_OK);
    count.add_count = 1;
    count.adds[0] = (struct kv_add){.slot = 2, .value = 1};
    assert_int_equal(bench_do(&bench, &count)->status, SF_OK);
    assert_int_equal(mini(&check, 1, &put, 1)->status, SF_NOT_EMPTY);
    check.offset = 1;
    assert_int_equal(mini(&check, 1, &put, 1)->status, SF_OK);
}

/* What a rename within a directory does. */
static void a_record_moves_with_its_identity(void **state)
{
    (void)state;
    struct kv_op put = bench_put_op("old", "content");
    put.flags = KV_HAS_ATTR;
    put.attr = slice_str("mode");
    assert_int_equal(bench_do(&bench, &put)->status, SF_OK);
    struct kv_stat stat = bench.reply.stat;
    struct kv_op ops[2] = {bench_op(KV_TAKE, "old"), bench_put_op("new", "content")};
    ops[0].pre = (struct kv_pre){KV_PRE_VERSION, stat.version};
    ops[1].flags = KV_HAS_ATTR | KV_HAS_CREATED | KV_HAS_MTIME;
    ops[1].attr = slice_str("mode");
    ops[1].created = stat.created;
    ops[1].mtime_ns = stat.mtime_ns;
    assert_int_equal(mini(NULL, 0, ops, 2)->status, SF_OK);
    bench_expect(&bench, "old", NULL);
    bench_expect(&bench, "new", "content");
    assert_int_equal(bench.reply.stat.created, stat.created);
    assert_int_equal(bench.reply.stat.mtime_ns, stat.mtime_ns);
    assert_true(slice_equal(bench.reply.stat.attr, slice_str("mode")));
    assert_int_equal(mini(NULL, 0, ops, 2)->status, SF_PRECONDITION);
}

static void a_duplicate_gets_all_the_replies(void **state)
{
    (void)state;
    struct kv_op parts[2] = {bench_op(KV_APPEND, "a"), bench_op(KV_APPEND, "a")};
    parts[0].data = slice_str("x");
    parts[1].data = slice_str("y");
    parts[1].flags = KV_WANT_OLD;
    struct kv_op op = {.kind = KV_MINI, .ops = parts, .op_count = 2};
    struct kv_session session = {bench.session.session, 1, 1};
    for (int i = 0; i < 2; i++) {
        const struct kv_reply *reply = bench_apply(&bench, &session, &op);
        assert_int_equal(reply->status, SF_OK);
        assert_int_equal(reply->reply_count, 2);
        assert_int_equal(reply->replies[1].old_length, 1);
        assert_true(slice_equal(reply->replies[1].data, slice_str("x")));
    }
    bench_expect(&bench, "a", "xy");
}

/* The old values that it returns stand in one completion record, which must fit where any other
 * record does: in an entry of hand-off, for one. */
static void its_replies_together_are_no_larger_than_a_value(void **state)
{
    (void)state;
    struct kv_op ops[3] = {bench_op(KV_PUT_HASH, "a"), bench_put_op("c", "1"),
                           bench_op(KV_PUT_HASH, "b")};
    struct kv_op grow = bench_op(KV_SET_LENGTH, "a");
    grow.length = SF_VALUE_BYTES_MAX;
    assert_int_equal(bench_do(&bench, &grow)->status, SF_OK);
    assert_int_equal(bench_put(&bench, "b", "x"), SF_OK);
    const struct kv_reply *reply = mini(NULL, 0, ops, 3);
    assert_int_equal(reply->status, SF_TOO_BIG);
    assert_int_equal(reply->failed, 2);
    bench_expect(&bench, "b", "x");
    bench_expect(&bench, "c", NULL);
    assert_int_equal(mini(NULL, 0, ops, 2)->status, SF_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(all_of_it_happens),
        BENCH_TEST(or_nothing),
        BENCH_TEST(a_check_that_fails_stops_it),
        BENCH_TEST(a_prefix_must_be_empty),
        BENCH_TEST(a_slot_must_be_zero),
        BENCH_TEST(a_record_moves_with_its_identity),
        BENCH_TEST(a_duplicate_gets_all_the_replies),
        BENCH_TEST(its_replies_together_are_no_larger_than_a_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

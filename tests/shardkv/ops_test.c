/* Every operation on one key: its effect, its answer, and what it leaves alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "shardkv/bench.h"

static const struct kv_reply *perform(const struct kv_op *op, int status)
{
    const struct kv_reply *reply = bench_do(&bench, op);
    assert_int_equal(reply->status, status);
    return reply;
}

static struct kv_stat stat_of(const char *key)
{
    struct kv_op op = bench_op(KV_STAT, key);
    const struct kv_reply *reply = bench_read(&bench, &op);
    assert_int_equal(reply->status, SF_OK);
    return reply->stat;
}

static void put_then_get(void **state)
{
    (void)state;
    bench_expect(&bench, "color", NULL);
    assert_int_equal(bench_put(&bench, "color", "red"), SF_OK);
    struct kv_stat first = bench.reply.stat;
    assert_int_equal(first.kind, RECORD_VALUE);
    assert_int_equal(first.length, 3);
    assert_int_equal(first.version, first.created);
    assert_int_equal(first.version >> 48, bench.copy.shard);
    bench_expect(&bench, "color", "red");
    assert_int_equal(bench_put(&bench, "color", "green"), SF_OK);
    assert_int_equal(bench.reply.stat.created, first.created);
    assert_true(bench.reply.stat.version > first.version);
    assert_true(bench.reply.stat.mtime_ns > first.mtime_ns);
    bench_expect(&bench, "color", "green");
    bench_expect(&bench, "colo", NULL);
}

static void put_keeps_attr_unless_given(void **state)
{
    (void)state;
    struct kv_op op = bench_put_op("k", "v");
    op.flags = KV_HAS_ATTR;
    op.attr = slice_str("mode 644");
    perform(&op, SF_OK);
    assert_int_equal(bench_put(&bench, "k", "w"), SF_OK);
    assert_true(slice_equal(stat_of("k").attr, slice_str("mode 644")));
    op.attr = slice_of(NULL, 0);
    perform(&op, SF_OK);
    assert_int_equal(stat_of("k").attr.n, 0);
}

static void put_carries_created_and_a_shown_time(void **state)
{
    (void)state;
    struct kv_op op = bench_put_op("k", "v");
    op.flags = KV_HAS_CREATED | KV_HAS_MTIME;
    op.created = 77;
    op.mtime_ns = 5;
    perform(&op, SF_OK);
    assert_int_equal(stat_of("k").created, 77);
    assert_int_equal(stat_of("k").mtime_ns, 5);
    assert_int_equal(bench_put(&bench, "k", "w"), SF_OK);
    assert_int_equal(stat_of("k").created, 77);
    assert_true(stat_of("k").mtime_ns > 5);
}

static void append_grows_and_tells(void **state)
{
    (void)state;
    struct kv_op op = bench_op(KV_APPEND, "log");
    op.data = slice_str("one");
    assert_int_equal(perform(&op, SF_OK)->old_length, 0);
    op.data = slice_str(" two");
    op.flags = KV_WANT_OLD;
    const struct kv_reply *reply = perform(&op, SF_OK);
    assert_int_equal(reply->old_length, 3);
    assert_true(slice_equal(reply->data, slice_str("one")));
    assert_int_equal(reply->stat.length, 7);
    bench_expect(&bench, "log", "one two");
}

static void append_past_the_head_is_refused(void **state)
{
    (void)state;
    struct kv_op op = bench_op(KV_SET_LENGTH, "log");
    op.length = SF_VALUE_BYTES_MAX - 2;
    perform(&op, SF_OK);
    op = bench_op(KV_APPEND, "log");
    op.data = slice_str("abc");
    perform(&op, SF_TOO_BIG);
    op.data = slice_str("ab");
    assert_int_equal(perform(&op, SF_OK)->stat.length, SF_VALUE_BYTES_MAX);
}

static void put_hash_stores_the_hash_of_both(void **state)
{
    (void)state;
    struct kv_op op = bench_op(KV_PUT_HASH, "k");
    op.data = slice_str("a");
    assert_int_equal(perform(&op, SF_OK)->data.n, 0);
    bench_expect(&bench, "k", "3826002220"); /* FNV-1a of "a" */
    op.data = slice_str("");
    assert_true(slice_equal(perform(&op, SF_OK)->data, slice_str("3826002220")));
}

static void preconditions_hold_or_change_nothing(void **state)
{
    (void)state;
    struct kv_op op = bench_put_op("k", "1");
    op.pre.kind = KV_PRE_EXISTS;
    assert_int_equal(perform(&op, SF_PRECONDITION)->stat.kind, 0);
    op.pre.kind = KV_PRE_ABSENT;
    uint64_t version = perform(&op, SF_OK)->stat.version;
    assert_int_equal(perform(&op, SF_PRECONDITION)->stat.version, version);
    op.pre = (struct kv_pre){KV_PRE_VERSION, version + 1};
    perform(&op, SF_PRECONDITION);
    op.pre.id = version;
    op.data = slice_str("2");
    assert_true(perform(&op, SF_OK)->stat.version > version);
    op.pre = (struct kv_pre){KV_PRE_CREATED, version};
    op.data = slice_str("3");
    perform(&op, SF_OK);
    bench_expect(&bench, "k", "3");
    op = bench_op(KV_DELETE, "k");
    op.pre = (struct kv_pre){KV_PRE_CREATED, version + 1};
    perform(&op, SF_PRECONDITION);
    bench_expect(&bench, "k", "3");
}

static void a_delete_leaves_nothing(void **state)
{
    (void)state;
    struct kv_op op = bench_op(KV_DELETE, "k");
    perform(&op, SF_NOT_FOUND);
    op = bench_op(KV_SET_RANGE, "k");
    op.offset = 200000;
    op.data = slice_str("far away");
    perform(&op, SF_OK);
    assert_true(bench_count(&bench, 'b') > 0);
    op = bench_op(KV_DELETE, "k");
    assert_int_equal(perform(&op, SF_OK)->stat.length, 200008);
    assert_int_equal(bench_count(&bench, 'b'), 0);
    assert_int_equal(bench_count(&bench, 'r'), 0);
    bench_expect(&bench, "k", NULL);
}

static void set_attr_changes_no_mtime_but_the_shown_one(void **state)
{
    (void)state;
    struct kv_op op = bench_op(KV_SET_ATTR, "k");
    perform(&op, SF_NOT_FOUND);
    assert_int_equal(bench_put(&bench, "k", "v"), SF_OK);
    struct kv_stat before = stat_of("k");
    op.flags = KV_HAS_ATTR;
    op.attr = slice_str("a");
    perform(&op, SF_OK);
    struct kv_stat after = stat_of("k");
    assert_int_equal(after.mtime_ns, before.mtime_ns);
    assert_true(after.ctime_ns > before.ctime_ns);
    assert_true(after.version > before.version);
    op.flags = KV_HAS_MTIME;
    op.attr = slice_of(NULL, 0);
    op.mtime_ns = 1ull << 62;
    perform(&op, SF_OK);
    assert_int_equal(stat_of("k").mtime_ns, 1ull << 62);
    assert_int_equal(stat_of("k").attr.n, 1);
    op.flags = KV_HAS_ATTR;
    perform(&op, SF_OK);
    assert_int_equal(stat_of("k").mtime_ns, 1ull << 62);
    assert_int_equal(bench_put(&bench, "k", "w"), SF_OK);
    assert_true(stat_of("k").mtime_ns < 1ull << 62);
}

static void mtime_grows_also_where_the_clock_stands(void **state)
{
    (void)state;
    assert_int_equal(bench_put(&bench, "k", "v"), SF_OK);
    uint64_t first = stat_of("k").mtime_ns;
    bench.time_ns -= 10 * BENCH_SECOND_NS;
    assert_int_equal(bench_put(&bench, "k", "v"), SF_OK);
    assert_int_equal(stat_of("k").mtime_ns, first + 1);
}

static void times_come_after_what_was_asked_for(void **state)
{
    const uint64_t ahead = bench.time_ns + 600 * BENCH_SECOND_NS;
    struct kv_op op = bench_op(KV_PUT, "k");
    (void)state;
    op.flags = KV_HAS_CREATED | KV_HAS_MTIME;
    op.created = 9;
    op.mtime_ns = 7;
    op.after_ns = ahead;
    perform(&op, SF_OK);
    assert_int_equal(stat_of("k").mtime_ns, 7);
    assert_int_equal(stat_of("k").ctime_ns, ahead + 1);
    assert_int_equal(bench_put(&bench, "k", "v"), SF_OK);
    assert_int_equal(stat_of("k").mtime_ns, ahead + 2);
    op = bench_op(KV_SET_ATTR, "k");
    op.after_ns = 1; /* it has passed */
    perform(&op, SF_OK);
    assert_int_equal(stat_of("k").ctime_ns, ahead + 3);
    op.after_ns = ahead + 10;
    perform(&op, SF_OK);
    assert_int_equal(stat_of("k").ctime_ns, ahead + 11);
}

static uint64_t slot_of(const char *key, size_t slot)
{
    struct kv_op op = bench_op(KV_STAT, key);
    struct slice data = bench_read(&bench, &op)->data;
    struct reader r = reader_of(slice_of(data.p + 8 * slot, 8));
    return reader_u64(&r);
}

static void add_counts_and_takes_maxima(void **state)
{
    (void)state;
    struct kv_op op = bench_op(KV_ADD, "dir");
    op.add_count = 2;
    op.adds[0] = (struct kv_add){.slot = 1, .value = (uint64_t)-1};
    op.adds[1] = (struct kv_add){.slot = 3, .is_max = true, .value = 900};
    perform(&op, SF_NOT_FOUND);
    struct kv_op put = bench_put_op("dir", "");
    put.record_kind = RECORD_DIRECTORY;
    perform(&put, SF_OK);
    assert_int_equal(perform(&op, SF_OK)->stat.length, 32);
    assert_int_equal(slot_of("dir", 1), UINT64_MAX);
    op.adds[0].value = 3;
    op.adds[1].value = 800;
    perform(&op, SF_OK);
    assert_int_equal(slot_of("dir", 0), 0);
    assert_int_equal(slot_of("dir", 1), 2);
    assert_int_equal(slot_of("dir", 3), 900);
}

static void directories_and_references_are_not_values(void **state)
{
    (void)state;
    static const enum kv_kind refused[] = {KV_PUT,        KV_APPEND, KV_PUT_HASH,   KV_SET_RANGE,
                                           KV_SET_LENGTH, KV_DELETE, KV_PUNCH_RANGE};
    struct kv_op put = bench_put_op("dir", "12345678");
    put.record_kind = RECORD_DIRECTORY;
    perform(&put, SF_OK);
    put = bench_put_op("ref", "target");
    put.record_kind = RECORD_REFERENCE;
    perform(&put, SF_OK);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct kv_op op = bench_op(refused[i], "dir");
        perform(&op, SF_IS_DIRECTORY);
        op.pre.kind = KV_PRE_EXISTS;
        perform(&op, SF_IS_DIRECTORY);
        op.pre = (struct kv_pre){KV_PRE_VERSION, stat_of("dir").version};
        perform(&op, SF_IS_DIRECTORY);
        op.pre = (struct kv_pre){KV_PRE_CREATED, stat_of("dir").created};
        perform(&op, SF_IS_DIRECTORY);
        op = bench_op(refused[i], "ref");
        assert_true(slice_equal(perform(&op, SF_IS_REFERENCE)->data, slice_str("target")));
    }
    struct kv_op get = bench_op(KV_GET, "ref");
    const struct kv_reply *reply = bench_read(&bench, &get);
    assert_int_equal(reply->status, SF_IS_REFERENCE);
    assert_true(slice_equal(reply->data, slice_str("target")));
}

static void who_knows_of_kinds_replaces_what_it_names(void **state)
{
    (void)state;
    struct kv_op put = bench_put_op("dir", "12345678");
    put.record_kind = RECORD_DIRECTORY;
    perform(&put, SF_OK);
    put.flags = KV_ANY_KIND;
    put.record_kind = RECORD_REFERENCE;
    perform(&put, SF_IS_DIRECTORY);
    put.pre = (struct kv_pre){KV_PRE_CREATED, stat_of("dir").created};
    perform(&put, SF_OK);
    assert_int_equal(stat_of("dir").kind, RECORD_REFERENCE);
    struct kv_op op = bench_op(KV_DELETE, "dir");
    op.flags = KV_ANY_KIND;
    perform(&op, SF_IS_REFERENCE);
    op.pre = (struct kv_pre){KV_PRE_VERSION, stat_of("dir").version};
    perform(&op, SF_OK);
}

static void if_tail_compares_the_whole_tail(void **state)
{
    (void)state;
    struct kv_op op = bench_put_op("k", "v");
    op.flags = KV_HAS_TAIL | KV_HAS_LENGTH;
    op.length = 2 * SF_EXTENT_BYTES;
    op.tail_count = 1;
    op.tail[0] = (struct kv_tail){1, 42};
    perform(&op, SF_OK);
    op = bench_op(KV_SET_LENGTH, "k");
    op.flags = KV_IF_TAIL | KV_LENGTH_MAX;
    op.length = 5 * SF_EXTENT_BYTES;
    assert_int_equal(perform(&op, SF_PRECONDITION)->stat.tail[0].data_id, 42);
    op.if_tail_count = 1;
    op.if_tail[0] = (struct kv_tail){1, 43};
    perform(&op, SF_PRECONDITION);
    op.if_tail[0].data_id = 42;
    assert_int_equal(perform(&op, SF_OK)->stat.length, 5 * SF_EXTENT_BYTES);
    op.length = 1;
    assert_int_equal(perform(&op, SF_OK)->stat.length, 5 * SF_EXTENT_BYTES);
}

static void new_ids_are_a_block(void **state)
{
    (void)state;
    struct kv_op op = bench_op(KV_NEW_IDS, "");
    op.length = 100;
    uint64_t first = perform(&op, SF_OK)->ids_first;
    assert_int_equal(perform(&op, SF_OK)->ids_first, first + 100);
    assert_int_equal(first >> 48, bench.copy.shard);
}

static void scan_pages_through_a_prefix(void **state)
{
    (void)state;
    static const char *const keys[] = {"a", "b/", "b/1", "b/2", "b/3", "c"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        assert_int_equal(bench_put(&bench, keys[i], "v"), SF_OK);
    struct kv_op op = bench_op(KV_SCAN, "b/");
    op.length = 2;
    const struct kv_reply *reply = bench_scan(&bench, &op);
    assert_int_equal(reply->entry_count, 2);
    assert_true(reply->more);
    assert_int_equal(reply->entries[0].name.n, 0);
    assert_true(slice_equal(reply->entries[1].name, slice_str("1")));
    assert_int_equal(reply->entries[1].stat.length, 1);
    op.data = slice_str("1");
    reply = bench_scan(&bench, &op);
    assert_int_equal(reply->entry_count, 2);
    assert_false(reply->more);
    assert_true(slice_equal(reply->entries[1].name, slice_str("3")));
}

/* Internal records of a shard, whatever their tags, and no plain ones. */
static void scan_without_a_tag_lists_all_internal_keys(void **state)
{
    (void)state;
    static const uint32_t shards[1];
    static const char *const keys[] = {"11111111d", "11111111ex", "22222222d"};
    for (size_t i = 0; i < 3; i++) {
        struct kv_op put = bench_put_op(keys[i], "v");
        put.space = KV_INTERNAL;
        perform(&put, SF_OK);
    }
    assert_int_equal(bench_put(&bench, "plain", "v"), SF_OK);
    struct kv_op op = bench_op(KV_SCAN, "");
    op.space = KV_INTERNAL;
    op.shards = shards;
    op.shard_count = 1;
    op.length = 2;
    const struct kv_reply *reply = bench_scan(&bench, &op);
    assert_int_equal(reply->entry_count, 2);
    assert_true(reply->more);
    assert_int_equal(reply->stat.kind, 0);
    assert_true(slice_equal(reply->entries[1].name, slice_str(keys[1])));
    op.data = slice_str(keys[1]);
    reply = bench_scan(&bench, &op);
    assert_int_equal(reply->entry_count, 1);
    assert_false(reply->more);
    assert_true(slice_equal(reply->entries[0].name, slice_str(keys[2])));
}

static void scan_tells_when_the_set_of_plain_keys_changed(void **state)
{
    (void)state;
    struct kv_op op = bench_op(KV_SCAN, "");
    op.length = 10;
    assert_int_equal(bench_put(&bench, "k", "v"), SF_OK);
    uint64_t made = bench_scan(&bench, &op)->stat.mtime_ns;
    assert_int_equal(bench_put(&bench, "k", "w"), SF_OK);
    assert_int_equal(bench_scan(&bench, &op)->stat.mtime_ns, made);
    struct kv_op delete = bench_op(KV_DELETE, "k");
    perform(&delete, SF_OK);
    assert_true(bench_scan(&bench, &op)->stat.mtime_ns > made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(put_then_get),
        BENCH_TEST(put_keeps_attr_unless_given),
        BENCH_TEST(put_carries_created_and_a_shown_time),
        BENCH_TEST(append_grows_and_tells),
        BENCH_TEST(append_past_the_head_is_refused),
        BENCH_TEST(put_hash_stores_the_hash_of_both),
        BENCH_TEST(preconditions_hold_or_change_nothing),
        BENCH_TEST(a_delete_leaves_nothing),
        BENCH_TEST(set_attr_changes_no_mtime_but_the_shown_one),
        BENCH_TEST(times_come_after_what_was_asked_for),
        BENCH_TEST(mtime_grows_also_where_the_clock_stands),
        BENCH_TEST(add_counts_and_takes_maxima),
        BENCH_TEST(directories_and_references_are_not_values),
        BENCH_TEST(who_knows_of_kinds_replaces_what_it_names),
        BENCH_TEST(if_tail_compares_the_whole_tail),
        BENCH_TEST(new_ids_are_a_block),
        BENCH_TEST(scan_pages_through_a_prefix),
        BENCH_TEST(scan_without_a_tag_lists_all_internal_keys),
        BENCH_TEST(scan_tells_when_the_set_of_plain_keys_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

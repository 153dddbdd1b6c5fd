/* What becomes of extents: trash, intents, and when neither is made. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "shardkv/bench.h"
#include "shardkv/trash.h"

#define MIB (1ull << 20)

/* Expects exactly these entries, in their order; a data id of 0 ends the list. */
static void expect_trash(const struct trash *expected)
{
    struct key from, to;
    keys_section(&from, bench.copy, 't');
    to = from;
    keys_after_prefix(&to);
    struct store_iter *iter = store_iter_new(&bench.space, NULL, key_slice(&from), key_slice(&to));
    for (; expected->data_id != 0; expected++, store_iter_next(iter)) {
        struct trash got;
        assert_true(store_iter_valid(iter));
        assert_int_equal(trash_unpack(store_iter_key(iter), store_iter_value(iter), &got), SF_OK);
        assert_int_equal(got.data_id, expected->data_id);
        assert_int_equal(got.first, expected->first);
        assert_int_equal(got.end, expected->end);
        assert_int_equal(got.open, expected->open);
    }
    assert_false(store_iter_valid(iter));
    store_iter_free(iter);
}

static const struct trash nothing[] = {{0}};

/* Extents [from, to), and, where it is open, what was written beyond. */
#define CLOSED(id, from, to)                                                                       \
    {                                                                                              \
        .data_id = (id), .first = (from), .end = (to)                                              \
    }
#define OPEN(id, from, to)                                                                         \
    {                                                                                              \
        .data_id = (id), .first = (from), .end = (to), .open = true                                \
    }

/* A value of `length` with these {first extent, data id}. */
static struct kv_op long_op(enum kv_kind kind, uint64_t length, const struct kv_tail *tail,
                            size_t count)
{
    struct kv_op op = bench_op(kind, "k");
    op.length = length;
    op.flags = KV_HAS_TAIL | (kind == KV_PUT ? KV_HAS_LENGTH : 0u);
    op.tail_count = count;
    memcpy(op.tail, tail, count * sizeof(*tail));
    return op;
}

static void put_long(uint64_t length, uint64_t data_id)
{
    struct kv_op op = long_op(KV_PUT, length, &(struct kv_tail){1, data_id}, 1);
    assert_int_equal(bench_do(&bench, &op)->status, SF_OK);
}

static void a_replaced_value_is_trash(void **state)
{
    (void)state;
    put_long(5 * MIB, 11);
    expect_trash(nothing);
    put_long(3 * MIB, 12);
    expect_trash((struct trash[]){OPEN(11, 1, 5), {0}});
    assert_int_equal(bench_put(&bench, "k", "short"), SF_OK);
    expect_trash((struct trash[]){OPEN(11, 1, 5), OPEN(12, 1, 3), {0}});
}

static void a_deleted_value_is_trash(void **state)
{
    (void)state;
    struct kv_tail tail[2] = {{1, 11}, {3, 12}};
    struct kv_op op = long_op(KV_PUT, 5 * MIB, tail, 2);
    assert_int_equal(bench_do(&bench, &op)->status, SF_OK);
    op = bench_op(KV_DELETE, "k");
    assert_int_equal(bench_do(&bench, &op)->status, SF_OK);
    expect_trash((struct trash[]){CLOSED(11, 1, 3), OPEN(12, 3, 5), {0}});
}

static void a_cut_loses_what_lies_beyond(void **state)
{
    (void)state;
    put_long(10 * MIB, 11);
    struct kv_tail tail[2] = {{1, 11}, {3, 12}};
    struct kv_op op = long_op(KV_SET_LENGTH, 3 * MIB + 5, tail, 2);
    assert_int_equal(bench_do(&bench, &op)->status, SF_OK);
    expect_trash((struct trash[]){OPEN(11, 3, 10), {0}});
    op = long_op(KV_SET_LENGTH, 20 * MIB, tail, 2); /* growth loses nothing */
    assert_int_equal(bench_do(&bench, &op)->status, SF_OK);
    op = bench_op(KV_SET_LENGTH, "k"); /* into the head */
    op.length = 7;
    assert_int_equal(bench_do(&bench, &op)->stat.tail_count, 0);
    expect_trash((struct trash[]){OPEN(11, 3, 10), CLOSED(11, 1, 3), OPEN(12, 3, 20), {0}});
}

static void a_cut_within_extents_needs_a_new_tail(void **state)
{
    (void)state;
    put_long(10 * MIB, 11);
    struct kv_op op = bench_op(KV_SET_LENGTH, "k");
    op.length = 3 * MIB;
    assert_int_equal(bench_do(&bench, &op)->status, SF_INVALID);
    op.flags = KV_LENGTH_MAX;
    assert_int_equal(bench_do(&bench, &op)->status, SF_OK);
    expect_trash(nothing);
}

static void take_trashes_nothing(void **state)
{
    (void)state;
    put_long(10 * MIB, 11);
    struct kv_op ops[2] = {bench_op(KV_TAKE, "k"), bench_op(KV_PUT, "l")};
    ops[1].flags = KV_HAS_TAIL | KV_HAS_LENGTH;
    ops[1].length = 10 * MIB;
    ops[1].tail_count = 1;
    ops[1].tail[0] = (struct kv_tail){1, 11};
    struct kv_op op = {.kind = KV_MINI, .ops = ops, .op_count = 2};
    assert_int_equal(bench_do(&bench, &op)->status, SF_OK);
    expect_trash(nothing);
}

static void what_a_failed_mini_lost_is_kept(void **state)
{
    (void)state;
    put_long(10 * MIB, 11);
    struct kv_op ops[2] = {bench_op(KV_DELETE, "k"), bench_op(KV_DELETE, "missing")};
    struct kv_op op = {.kind = KV_MINI, .ops = ops, .op_count = 2};
    assert_int_equal(bench_do(&bench, &op)->status, SF_NOT_FOUND);
    expect_trash(nothing);
}

static struct kv_op intent_put_op(uint64_t data_id)
{
    struct kv_op op = long_op(KV_PUT, 2 * MIB, &(struct kv_tail){1, data_id}, 1);
    op.flags |= KV_HAS_INTENT;
    op.ids_first = data_id;
    return op;
}

static void a_put_consumes_its_intent(void **state)
{
    (void)state;
    struct kv_op put = intent_put_op(11), intent = {.kind = KV_INTENT, .ids_first = 11};
    assert_int_equal(bench_do(&bench, &put)->status, SF_INTENT_GONE);
    bench_expect(&bench, "k", NULL);
    assert_int_equal(bench_do(&bench, &intent)->status, SF_OK);
    assert_int_equal(bench_count(&bench, 'n'), 1);
    assert_int_equal(bench_do(&bench, &put)->status, SF_OK);
    assert_int_equal(bench_count(&bench, 'n'), 0);
    assert_int_equal(bench_do(&bench, &put)->status, SF_INTENT_GONE);
    expect_trash(nothing);
}

static void an_intent_is_asked_for(void **state)
{
    (void)state;
    struct kv_op intent = {.kind = KV_INTENT, .ids_first = 11}, asked = intent;
    asked.flags = KV_HAS_INTENT;
    assert_int_equal(bench_do(&bench, &asked)->status, SF_INTENT_GONE);
    assert_int_equal(bench_count(&bench, 'n'), 0);
    assert_int_equal(bench_do(&bench, &intent)->status, SF_OK);
    assert_int_equal(bench_do(&bench, &asked)->status, SF_OK);
    struct kv_op put = intent_put_op(11);
    assert_int_equal(bench_do(&bench, &put)->status, SF_OK);
    assert_int_equal(bench_do(&bench, &asked)->status, SF_INTENT_GONE);
    expect_trash(nothing);
}

static void intents_of_a_dropped_session_are_trash(void **state)
{
    (void)state;
    struct kv_op intent = {.kind = KV_INTENT, .ids_first = 11};
    assert_int_equal(bench_do(&bench, &intent)->status, SF_OK);
    for (int i = 0; i < 62; i++) {
        bench.time_ns += 60 * BENCH_SECOND_NS;
        bench_tick(&bench);
    }
    assert_int_equal(bench_count(&bench, 's'), 0);
    assert_int_equal(bench_count(&bench, 'n'), 0);
    expect_trash((struct trash[]){OPEN(11, 1, 1), {0}});
}

static void removed_trash_is_gone(void **state)
{
    (void)state;
    put_long(5 * MIB, 11);
    put_long(5 * MIB, 12);
    put_long(5 * MIB, 13);
    bench_trash_done(&bench, 1);
    bench_trash_done(&bench, 1);
    bench_trash_done(&bench, 77);
    expect_trash((struct trash[]){OPEN(12, 1, 5), {0}});
}

/* Pages of one: intents, then trash, each told with what it is about. */
static void scan_tells_what_no_record_names(void **state)
{
    (void)state;
    static const uint32_t shards[1];
    static const struct kv_unnamed wanted[] = {
        {21, 1, 1, true}, {22, 1, 1, true}, {11, 1, 3, false}, {12, 3, 5, true}};
    struct kv_tail tail[2] = {{1, 11}, {3, 12}};
    struct kv_op put = long_op(KV_PUT, 5 * MIB, tail, 2), delete = bench_op(KV_DELETE, "k");
    struct kv_op intent = {.kind = KV_INTENT, .ids_first = 22};
    assert_int_equal(bench_do(&bench, &put)->status, SF_OK);
    assert_int_equal(bench_do(&bench, &delete)->status, SF_OK);
    assert_int_equal(bench_do(&bench, &intent)->status, SF_OK);
    intent.ids_first = 21;
    assert_int_equal(bench_do(&bench, &intent)->status, SF_OK);
    struct kv_op scan = {
        .kind = KV_SCAN, .flags = KV_UNNAMED, .length = 1, .shards = shards, .shard_count = 1};
    uint8_t after[9];
    for (size_t i = 0; i < 4; i++) {
        struct kv_unnamed got;
        const struct kv_reply *reply = bench_scan(&bench, &scan);
        assert_int_equal(reply->entry_count, 1);
        assert_int_equal(reply->more, i < 3);
        assert_int_equal(reply->entries[0].stat.kind, 0);
        assert_int_equal(kv_unnamed_unpack(reply->entries[0].data, &got), SF_OK);
        assert_int_equal(got.data_id, wanted[i].data_id);
        assert_int_equal(got.first, wanted[i].first);
        assert_int_equal(got.end, wanted[i].end);
        assert_int_equal(got.open, wanted[i].open);
        assert_int_equal(reply->entries[0].name.n, sizeof after);
        memcpy(after, reply->entries[0].name.p, sizeof after);
        scan.data = slice_of(after, sizeof after);
    }
    assert_int_equal(bench_scan(&bench, &scan)->entry_count, 0);
}

static uint64_t counter(void)
{
    static const uint32_t shards[1];
    struct kv_op scan = {
        .kind = KV_SCAN, .flags = KV_UNNAMED, .length = 1, .shards = shards, .shard_count = 1};
    return bench_scan(&bench, &scan)->ids_first;
}

static void moves_counter(const struct kv_op *op)
{
    uint64_t before = counter();
    assert_true(before > 0);
    assert_int_equal(counter(), before);
    assert_int_equal(bench_do(&bench, op)->status, SF_OK);
    assert_true(counter() > before);
}

/* Who sees the same counter twice knows that no record changed between. */
static void every_change_of_a_record_moves_the_counter(void **state)
{
    (void)state;
    struct kv_op put = bench_put_op("k", "value"), append = bench_op(KV_APPEND, "k"),
                 set_range = bench_op(KV_SET_RANGE, "k"), cut = bench_op(KV_SET_LENGTH, "k"),
                 punch = bench_op(KV_PUNCH_RANGE, "k"), set_attr = bench_op(KV_SET_ATTR, "k"),
                 add = bench_op(KV_ADD, "l"), delete = bench_op(KV_DELETE, "l");
    struct kv_op move[2] = {bench_op(KV_TAKE, "k"), bench_put_op("l", "8 bytes.")};
    struct kv_op mini = {.kind = KV_MINI, .key = move[0].key, .ops = move, .op_count = 2};
    append.data = set_range.data = slice_str("more");
    punch.length = 2;
    cut.length = 3;
    set_attr.flags = KV_HAS_ATTR;
    set_attr.attr = slice_str("attr");
    add.add_count = 1;
    add.adds[0] = (struct kv_add){.slot = 0, .value = 1};
    const struct kv_op *all[] = {&put,      &append, &set_range, &punch, &cut,
                                 &set_attr, &mini,   &add,       &delete};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        moves_counter(all[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(a_replaced_value_is_trash),
        BENCH_TEST(a_deleted_value_is_trash),
        BENCH_TEST(a_cut_loses_what_lies_beyond),
        BENCH_TEST(a_cut_within_extents_needs_a_new_tail),
        BENCH_TEST(take_trashes_nothing),
        BENCH_TEST(what_a_failed_mini_lost_is_kept),
        BENCH_TEST(a_put_consumes_its_intent),
        BENCH_TEST(an_intent_is_asked_for),
        BENCH_TEST(intents_of_a_dropped_session_are_trash),
        BENCH_TEST(removed_trash_is_gone),
        BENCH_TEST(scan_tells_what_no_record_names),
        BENCH_TEST(every_change_of_a_record_moves_the_counter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

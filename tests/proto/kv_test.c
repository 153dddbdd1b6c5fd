/* kv: operations, requests and replies survive the wire; limits hold; damage never harms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/kv.h"
#include "proto/sample.h"

/* -- round trips --------------------------------------------------------------------------- */

static struct buffer packed_op(const struct kv_op *op)
{
    struct buffer b = {0};
    pack_array(&b, 1); /* kv_op_unpack takes an element of a cursor */
    kv_op_pack(&b, op);
    return b;
}

static int open_op(struct slice bytes, struct unpacked *u, struct kv_op *op)
{
    int status = unpack_open(bytes, u);
    if (status != SF_OK)
        return status;
    struct cursor c = unpack_root(u);
    status = kv_op_unpack(&c, op);
    if (status != SF_OK)
        unpack_close(u);
    return status;
}

static void assert_same_bytes(const struct buffer *a, const struct buffer *b)
{
    assert_true(slice_equal(buffer_slice(a), buffer_slice(b)));
}

static void assert_passes(const struct kv_op *op)
{
    const char *what = NULL;
    int status = kv_op_check(op, &what);
    if (status != SF_OK)
        fail_msg("%s: %s of %s", sf_error_name(status), what, kv_method_name(op->kind));
}

static void test_operations_round_trip(void **state)
{
    (void)state;
    struct sample s = {.state = 3};
    for (int i = 0; i < 3000; i++) {
        struct kv_op op, got;
        struct unpacked u = {0};
        sample_op(&s, &op);
        assert_passes(&op);
        struct buffer b = packed_op(&op);
        assert_int_equal(open_op(buffer_slice(&b), &u, &got), SF_OK);
        assert_passes(&got);
        struct buffer again = packed_op(&got);
        assert_same_bytes(&b, &again);
        assert_int_equal(got.kind, op.kind);
        assert_true(slice_equal(got.key, op.key));
        assert_true(slice_equal(got.data, op.data));
        kv_op_free(&op);
        kv_op_free(&got);
        unpack_close(&u);
        buffer_deinit(&b);
        buffer_deinit(&again);
    }
}

/* Every field has a value of its own, so that none is lost or exchanged for another. */
/* Every field is set, each to something else. */
static struct kv_op whole_op(void)
{
    static const uint32_t shards[] = {5, 6};
    static const struct kv_number number = {
        .shard = 25, .session = 26, .sequence = 27, .first_incomplete = 28};
    static struct kv_op check, inner;
    check = (struct kv_op){.kind = KV_STAT, .key = slice_str("check")};
    inner = (struct kv_op){.kind = KV_DELETE, .key = slice_str("inner")};
    return (struct kv_op){
        .kind = KV_MINI,
        .space = KV_INTERNAL,
        .flags = KV_HAS_ATTR | KV_IF_SLOT_ZERO,
        .record_kind = RECORD_REFERENCE,
        .key = slice_str("the key"),
        .pre = {.kind = KV_PRE_VERSION, .id = 11},
        .data = slice_str("the data"),
        .attr = slice_str("the attr"),
        .offset = 12,
        .length = 13,
        .created = 14,
        .mtime_ns = 15,
        .ids_first = 16,
        .tail = {{17, 18}, {19, 20}},
        .tail_count = 2,
        .if_tail = {{21, 22}},
        .if_tail_count = 1,
        .adds = {{.slot = 23, .is_max = true, .value = 24}},
        .add_count = 1,
        .shards = shards,
        .shard_count = 2,
        .checks = &check,
        .check_count = 1,
        .ops = &inner,
        .op_count = 1,
        .numbers = &number,
        .number_count = 1,
        .after_ns = 29,
        .hold = 30,
    };
}

static void expect_fields(const struct kv_op *got, const struct kv_op *op)
{
    assert_int_equal(got->kind, op->kind);
    assert_int_equal(got->space, op->space);
    assert_int_equal(got->flags, op->flags);
    assert_int_equal(got->record_kind, op->record_kind);
    assert_true(slice_equal(got->key, op->key));
    assert_int_equal(got->pre.kind, op->pre.kind);
    assert_int_equal(got->pre.id, op->pre.id);
    assert_true(slice_equal(got->data, op->data));
    assert_true(slice_equal(got->attr, op->attr));
    assert_int_equal(got->offset, op->offset);
    assert_int_equal(got->length, op->length);
    assert_int_equal(got->created, op->created);
    assert_int_equal(got->mtime_ns, op->mtime_ns);
    assert_int_equal(got->ids_first, op->ids_first);
    assert_int_equal(got->after_ns, op->after_ns);
    assert_int_equal(got->hold, op->hold);
}

static void expect_lists(const struct kv_op *got, const struct kv_op *op)
{
    assert_int_equal(got->tail_count, op->tail_count);
    assert_memory_equal(got->tail, op->tail, 2 * sizeof op->tail[0]);
    assert_int_equal(got->if_tail_count, op->if_tail_count);
    assert_memory_equal(got->if_tail, op->if_tail, sizeof op->if_tail[0]);
    assert_int_equal(got->number_count, op->number_count);
    assert_int_equal(got->numbers[0].shard, op->numbers[0].shard);
    assert_int_equal(got->numbers[0].session, op->numbers[0].session);
    assert_int_equal(got->numbers[0].sequence, op->numbers[0].sequence);
    assert_int_equal(got->numbers[0].first_incomplete, op->numbers[0].first_incomplete);
    assert_int_equal(got->add_count, op->add_count);
    assert_int_equal(got->adds[0].slot, op->adds[0].slot);
    assert_true(got->adds[0].is_max);
    assert_int_equal(got->adds[0].value, op->adds[0].value);
    assert_int_equal(got->shard_count, op->shard_count);
    assert_memory_equal(got->shards, op->shards, 2 * sizeof op->shards[0]);
    assert_int_equal(got->check_count, op->check_count);
    assert_true(slice_equal(got->checks[0].key, op->checks[0].key));
    assert_int_equal(got->op_count, op->op_count);
    assert_int_equal(got->ops[0].kind, op->ops[0].kind);
}

static void test_no_field_is_lost(void **state)
{
    const struct kv_op op = whole_op();
    struct kv_op got;
    struct unpacked u = {0};
    struct buffer b = packed_op(&op);
    (void)state;
    assert_int_equal(open_op(buffer_slice(&b), &u, &got), SF_OK);
    expect_fields(&got, &op);
    expect_lists(&got, &op);
    kv_op_free(&got);
    unpack_close(&u);
    buffer_deinit(&b);
}

static void test_small_requests_are_short(void **state)
{
    (void)state;
    struct kv_request request = {
        .target = {.gid = 100, .group_identity = UINT64_MAX, .shard = 7},
        .op = {.kind = KV_GET, .key = slice_str("color")},
    };
    struct buffer b = {0};
    kv_request_pack(&b, &request);
    assert_true(b.n <= 30);
    buffer_clear(&b);
    request.session.session = request.session.sequence = 5;
    request.op.kind = KV_PUT;
    request.op.data = slice_str("blue");
    kv_request_pack(&b, &request);
    assert_true(b.n <= 36);
    buffer_deinit(&b);
}

static void test_requests_round_trip(void **state)
{
    (void)state;
    struct sample s = {.state = 4};
    for (int i = 0; i < 1000; i++) {
        struct kv_request request, got;
        struct unpacked u = {0};
        struct buffer b = {0}, again = {0};
        sample_request(&s, &request);
        kv_request_pack(&b, &request);
        assert_int_equal(unpack_open(buffer_slice(&b), &u), SF_OK);
        assert_int_equal(kv_request_unpack(&u.root, request.op.kind, &got), SF_OK);
        kv_request_pack(&again, &got);
        assert_same_bytes(&b, &again);
        assert_true(got.target.gid == request.target.gid);
        assert_true(got.target.group_identity == request.target.group_identity);
        assert_int_equal(got.target.shard, request.target.shard);
        assert_int_equal(got.target.forward, request.target.forward);
        assert_memory_equal(&got.session, &request.session, sizeof got.session);
        kv_request_free(&got);
        assert_int_equal(kv_request_unpack(&u.root, KV_KIND_LIMIT, &got), SF_PROTOCOL);
        kv_request_free(&request);
        unpack_close(&u);
        buffer_deinit(&b);
        buffer_deinit(&again);
    }
}

static void test_a_stranger_may_send_the_key_alone(void **state)
{
    (void)state;
    static const char *const forms[] = {"\x91\xa5"
                                        "color",
                                        "\x91\xc4\x05"
                                        "color"};
    static const size_t lengths[] = {7, 8};
    for (size_t i = 0; i < 2; i++) {
        struct unpacked u = {0};
        struct kv_request request;
        assert_int_equal(unpack_open(slice_of(forms[i], lengths[i]), &u), SF_OK);
        assert_int_equal(kv_request_unpack(&u.root, KV_GET, &request), SF_OK);
        assert_int_equal(request.op.kind, KV_GET);
        assert_int_equal(request.op.space, KV_PLAIN);
        assert_true(slice_equal(request.op.key, slice_str("color")));
        assert_int_equal(request.target.gid, 0);
        assert_true(request.target.forward);
        assert_int_equal(request.target.shard, KV_SHARD_OF_KEY);
        kv_request_free(&request);
        assert_int_equal(kv_request_unpack(&u.root, KV_STAT, &request), SF_OK);
        kv_request_free(&request);
        assert_int_equal(kv_request_unpack(&u.root, KV_DELETE, &request), SF_PROTOCOL);
        unpack_close(&u);
    }
}

static void test_replies_round_trip(void **state)
{
    (void)state;
    struct sample s = {.state = 5};
    for (int i = 0; i < 2000; i++) {
        struct kv_reply reply, got;
        struct unpacked u = {0};
        struct buffer b = {0}, again = {0};
        sample_reply(&s, &reply);
        kv_reply_pack(&b, &reply);
        assert_int_equal(unpack_open(buffer_slice(&b), &u), SF_OK);
        assert_int_equal(kv_reply_unpack(&u.root, &got), SF_OK);
        kv_reply_pack(&again, &got);
        assert_same_bytes(&b, &again);
        assert_int_equal(got.status, reply.status);
        assert_true(slice_equal(got.data, reply.data));
        assert_string_equal(got.leader, reply.leader);
        assert_int_equal(got.entry_count, reply.entry_count);
        assert_int_equal(got.reply_count, reply.reply_count);
        kv_reply_free(&reply);
        kv_reply_free(&got);
        unpack_close(&u);
        buffer_deinit(&b);
        buffer_deinit(&again);
    }
}

static void test_no_field_of_a_reply_is_lost(void **state)
{
    (void)state;
    const struct kv_entry entry = {.name = slice_str("name"),
                                   .stat = {.kind = RECORD_DIRECTORY, .created = 31},
                                   .data = slice_str("entry's data")};
    const struct kv_reply inner = {.status = SF_NOT_EMPTY, .old_length = 32};
    const struct kv_reply reply = {
        .status = SF_NOT_LEADER,
        .stat = {.kind = RECORD_VALUE,
                 .version = 1,
                 .created = 2,
                 .mtime_ns = 3,
                 .ctime_ns = 4,
                 .length = 5,
                 .tail = {{6, 7}},
                 .tail_count = 1,
                 .attr = slice_str("attr")},
        .data = slice_str("data"),
        .partial = true,
        .old_length = 8,
        .ids_first = 9,
        .session = 10,
        .entries = &entry,
        .entry_count = 1,
        .more = true,
        .replies = &inner,
        .reply_count = 1,
        .failed = 11,
        .leader = "host:1",
        .config_num = 12,
        .fate = KV_FATE_COMMITTED,
    };
    struct kv_reply got;
    struct unpacked u = {0};
    struct buffer b = {0};
    kv_reply_pack(&b, &reply);
    assert_int_equal(unpack_open(buffer_slice(&b), &u), SF_OK);
    assert_int_equal(kv_reply_unpack(&u.root, &got), SF_OK);
    assert_int_equal(got.status, SF_NOT_LEADER);
    assert_int_equal(got.fate, KV_FATE_COMMITTED);
    assert_int_equal(got.stat.kind, RECORD_VALUE);
    assert_int_equal(got.stat.version, 1);
    assert_int_equal(got.stat.created, 2);
    assert_int_equal(got.stat.mtime_ns, 3);
    assert_int_equal(got.stat.ctime_ns, 4);
    assert_int_equal(got.stat.length, 5);
    assert_int_equal(got.stat.tail_count, 1);
    assert_int_equal(got.stat.tail[0].first_extent, 6);
    assert_int_equal(got.stat.tail[0].data_id, 7);
    assert_true(slice_equal(got.stat.attr, slice_str("attr")));
    assert_true(slice_equal(got.data, slice_str("data")));
    assert_true(got.partial && got.more);
    assert_int_equal(got.old_length, 8);
    assert_int_equal(got.ids_first, 9);
    assert_int_equal(got.session, 10);
    assert_int_equal(got.entries[0].stat.created, 31);
    assert_true(slice_equal(got.entries[0].data, slice_str("entry's data")));
    assert_int_equal(got.replies[0].status, SF_NOT_EMPTY);
    assert_int_equal(got.replies[0].old_length, 32);
    assert_int_equal(got.failed, 11);
    assert_string_equal(got.leader, "host:1");
    assert_int_equal(got.config_num, 12);
    kv_reply_free(&got);
    unpack_close(&u);
    buffer_deinit(&b);
}

/* The largest page of a SCAN is one message. */
static void test_a_full_page_fits(void **state)
{
    (void)state;
    static struct kv_entry entries[SF_SCAN_MAX];
    for (size_t i = 0; i < SF_SCAN_MAX; i++) {
        entries[i].name = slice_str("a name of some length");
        entries[i].stat.kind = RECORD_VALUE;
        entries[i].stat.version = UINT64_MAX;
        entries[i].stat.tail_count = SF_TAIL_MAX;
    }
    struct kv_reply reply = {.entries = entries, .entry_count = SF_SCAN_MAX}, got;
    struct unpacked u = {0};
    struct buffer b = {0};
    kv_reply_pack(&b, &reply);
    assert_int_equal(unpack_open(buffer_slice(&b), &u), SF_OK);
    assert_int_equal(kv_reply_unpack(&u.root, &got), SF_OK);
    assert_int_equal(got.entry_count, SF_SCAN_MAX);
    kv_reply_free(&got);
    unpack_close(&u);
    buffer_deinit(&b);
}

/* -- damage -------------------------------------------------------------------------------- */

/* Every prefix is refused, and so is every message that lost its last object. */
static void test_cut_operations_are_refused(void **state)
{
    (void)state;
    struct sample s = {.state = 6};
    for (int i = 0; i < 100; i++) {
        struct kv_op op, got;
        struct unpacked u = {0};
        sample_op(&s, &op);
        struct buffer b = packed_op(&op);
        for (size_t n = 0; n < b.n; n++)
            assert_true(open_op(slice_of(b.p, n), &u, &got) < 0);
        assert_int_equal(unpack_open(buffer_slice(&b), &u), SF_OK);
        msgpack_object_array *array = &u.root.via.array.ptr[0].via.array;
        for (array->size--; array->size > 0; array->size--) {
            struct cursor c = unpack_root(&u);
            assert_int_equal(kv_op_unpack(&c, &got), SF_PROTOCOL);
        }
        unpack_close(&u);
        kv_op_free(&op);
        buffer_deinit(&b);
    }
}

/* What is decoded from damaged bytes can be packed, and gives itself again. */
static void test_damaged_operations_do_no_harm(void **state)
{
    (void)state;
    struct sample s = {.state = 7};
    unsigned survived = 0;
    for (int i = 0; i < 20000; i++) {
        struct kv_op op, got;
        struct unpacked u = {0};
        sample_op(&s, &op);
        struct buffer b = packed_op(&op);
        sample_damage(&s, &b);
        if (open_op(buffer_slice(&b), &u, &got) == SF_OK) {
            struct buffer first = packed_op(&got);
            struct unpacked u2 = {0};
            struct kv_op second_op;
            assert_int_equal(open_op(buffer_slice(&first), &u2, &second_op), SF_OK);
            struct buffer second = packed_op(&second_op);
            assert_same_bytes(&first, &second);
            (void)!kv_op_check(&got, NULL);
            kv_op_free(&second_op);
            kv_op_free(&got);
            unpack_close(&u2);
            unpack_close(&u);
            buffer_deinit(&first);
            buffer_deinit(&second);
            survived++;
        }
        kv_op_free(&op);
        buffer_deinit(&b);
    }
    assert_in_range(survived, 100, 19900);
}

static void test_damaged_replies_do_no_harm(void **state)
{
    (void)state;
    struct sample s = {.state = 8};
    unsigned survived = 0;
    for (int i = 0; i < 10000; i++) {
        struct kv_reply reply, got;
        struct unpacked u = {0};
        struct buffer b = {0};
        sample_reply(&s, &reply);
        kv_reply_pack(&b, &reply);
        sample_damage(&s, &b);
        if (unpack_open(buffer_slice(&b), &u) == SF_OK) {
            if (kv_reply_unpack(&u.root, &got) == SF_OK) {
                survived++;
                kv_reply_free(&got);
            }
            unpack_close(&u);
        }
        kv_reply_free(&reply);
        buffer_deinit(&b);
    }
    assert_in_range(survived, 100, 9900);
}

/* A MINI within a MINI, and a count above the limit. */
static void test_nesting_and_counts_are_limited(void **state)
{
    (void)state;
    struct kv_op leaf = {.kind = KV_DELETE, .key = slice_str("k")};
    struct kv_op middle = {.kind = KV_MINI, .ops = &leaf, .op_count = 1};
    struct kv_op outer = {.kind = KV_MINI, .ops = &middle, .op_count = 1};
    struct kv_op many[SF_MINI_OPS_MAX + 1], got;
    struct unpacked u = {0};
    struct buffer b = packed_op(&outer);
    assert_int_equal(open_op(buffer_slice(&b), &u, &got), SF_PROTOCOL);
    buffer_deinit(&b);
    for (size_t i = 0; i < SF_MINI_OPS_MAX + 1; i++)
        many[i] = leaf;
    outer.ops = many;
    outer.op_count = SF_MINI_OPS_MAX + 1;
    b = packed_op(&outer);
    assert_int_equal(open_op(buffer_slice(&b), &u, &got), SF_PROTOCOL);
    buffer_deinit(&b);
}

/* -- names and shards ---------------------------------------------------------------------- */

static void test_every_kind_has_a_method(void **state)
{
    (void)state;
    for (unsigned kind = KV_GET; kind < KV_KIND_LIMIT; kind++) {
        enum kv_kind back;
        const char *name = kv_method_name((enum kv_kind)kind);
        if (kind == KV_TAKE + 1) {
            assert_null(name);
            continue;
        }
        assert_non_null(name);
        assert_true(kv_kind_of_method(slice_str(name), &back));
        assert_int_equal(back, kind);
        assert_int_equal(kv_is_read((enum kv_kind)kind),
                         kind <= KV_SCAN || kind == KV_LOCK_TEST || kind == KV_LOCK_AWAIT);
    }
    enum kv_kind none;
    assert_null(kv_method_name(KV_KIND_LIMIT));
    assert_null(kv_method_name((enum kv_kind)0));
    assert_false(kv_kind_of_method(slice_str("kv.gets"), &none));
}

static void test_shard_follows_the_key_or_the_tag(void **state)
{
    (void)state;
    struct kv_op op = {.kind = KV_GET, .key = slice_str("17")};
    assert_int_equal(kv_op_shard(&op, ROUTING_NUMBER, 10), 7);
    struct kv_op mini = {.kind = KV_MINI, .ops = &op, .op_count = 1};
    assert_int_equal(kv_op_shard(&mini, ROUTING_NUMBER, 10), 7);
    struct kv_op tagged = {
        .kind = KV_GET, .space = KV_INTERNAL, .key = slice_of("\0\0\0\0\0\0\0\x0drest", 12)};
    assert_int_equal(kv_op_shard(&tagged, ROUTING_NUMBER, 10), 3);
    mini.checks = &tagged;
    mini.check_count = 1;
    assert_int_equal(kv_op_shard(&mini, ROUTING_NUMBER, 10), 3);
}

/* It stands in stores: it must never change. */
static void test_the_key_of_an_extent_is_as_it_was(void **state)
{
    (void)state;
    uint8_t key[KV_EXTENT_KEY_BYTES];
    static const uint8_t rest[16] = {0, 5, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 3};
    kv_extent_key((5ull << 48) + 9, 3, key);
    assert_memory_equal(key + 8, rest, sizeof(rest));
    struct reader r = reader_of(slice_of(key, 8));
    assert_int_equal(reader_u64_big(&r), bytes_hash(slice_of(rest, sizeof(rest))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations_round_trip),
        cmocka_unit_test(test_no_field_is_lost),
        cmocka_unit_test(test_small_requests_are_short),
        cmocka_unit_test(test_requests_round_trip),
        cmocka_unit_test(test_a_stranger_may_send_the_key_alone),
        cmocka_unit_test(test_replies_round_trip),
        cmocka_unit_test(test_no_field_of_a_reply_is_lost),
        cmocka_unit_test(test_a_full_page_fits),
        cmocka_unit_test(test_cut_operations_are_refused),
        cmocka_unit_test(test_damaged_operations_do_no_harm),
        cmocka_unit_test(test_damaged_replies_do_no_harm),
        cmocka_unit_test(test_nesting_and_counts_are_limited),
        cmocka_unit_test(test_every_kind_has_a_method),
        cmocka_unit_test(test_shard_follows_the_key_or_the_tag),
        cmocka_unit_test(test_the_key_of_an_extent_is_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

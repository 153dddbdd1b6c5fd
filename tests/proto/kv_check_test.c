/* kv_op_check: one table of operations that break one rule each, and the field that is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/kv.h"

#define KEY .key = {(const uint8_t *)"k", 1}
#define OF_SIZE(size)                                                                              \
    {                                                                                              \
        big, size                                                                                  \
    }

static const uint8_t big[SF_VALUE_BYTES_MAX + 1];
static const uint32_t shards[] = {SF_SHARDS_MAX}, zeros[2];
static const struct kv_op check_exists = {.kind = KV_STAT, KEY, .pre = {.kind = KV_PRE_EXISTS}};
static const struct kv_op get = {.kind = KV_GET, KEY};
static const struct kv_op held = {.kind = KV_PUT, KEY, .hold = 1};
static const struct kv_op take = {.kind = KV_TAKE, KEY};
static const struct kv_op put_big = {.kind = KV_PUT, KEY, .data = OF_SIZE(SF_VALUE_BYTES_MAX)};
static const struct kv_op slot_32 = {
    .kind = KV_STAT, KEY, .flags = KV_IF_SLOT_ZERO, .offset = KV_SLOTS_MAX};

static const struct kv_number numbers[] = {{1, 1, 2, 1}, {2, 1, 1, 0}, {2, 9, 9, 9}};
static const struct kv_number nobody = {.shard = 1, .sequence = 1};
static const struct kv_number beyond = {1, 1, 2, 3};
/* A lock of this type and these flags, of holder 1, on all bytes. */
#define LOCKED(its_space, type_and_flags)                                                          \
    .space = its_space, .key = {(const uint8_t *)"internal", 8},                                   \
    .data = {(const uint8_t *)type_and_flags "\1\0\0\0\0\0\0\0........\1.......\0\0\0\0\0\0\0\0"   \
                                             "\377\377\377\377\377\377\377\377....",               \
             KV_LOCK_BYTES}
#define NUMBERS(count) .numbers = numbers, .number_count = (count)

static const struct {
    struct kv_op op;
    int status;
    const char *what;
} cases[] = {
    {{.kind = KV_GET, KEY}, SF_OK, NULL},
    {{.kind = KV_GET}, SF_OK, NULL}, /* the empty key is a key */
    {{.kind = (enum kv_kind)0, KEY}, SF_INVALID, "kind"},
    {{.kind = KV_KIND_LIMIT, KEY}, SF_INVALID, "kind"},
    {{.kind = (enum kv_kind)(KV_TAKE + 1), KEY}, SF_INVALID, "kind"},
    {{.kind = KV_TAKE, KEY}, SF_INVALID, "kind"},
    {{.kind = KV_GET, .key = OF_SIZE(SF_KEY_BYTES_MAX)}, SF_OK, NULL},
    {{.kind = KV_GET, .key = OF_SIZE(SF_KEY_BYTES_MAX + 1)}, SF_TOO_BIG, "key"},
    {{.kind = KV_GET, .space = KV_INTERNAL, .key = OF_SIZE(8)}, SF_OK, NULL},
    {{.kind = KV_GET, .space = KV_INTERNAL, .key = OF_SIZE(7)}, SF_INVALID, "key"},
    {{.kind = KV_GET, .space = (enum kv_space)2, KEY}, SF_INVALID, "key space"},
    {{.kind = KV_GET, KEY, .pre = {.kind = (enum kv_pre_kind)9}}, SF_INVALID, "precondition"},
    {{.kind = KV_GET, KEY, .flags = KV_WANT_OLD}, SF_INVALID, "flags"},
    {{.kind = KV_GET, KEY, .hold = 1}, SF_OK, NULL},
    {{.kind = KV_GET_RANGE, KEY, .hold = 1}, SF_INVALID, "hold"},
    {{.kind = KV_MINI, .ops = &held, .op_count = 1}, SF_INVALID, "hold"},
    {{.kind = KV_GET, KEY, .add_count = 1}, SF_INVALID, "adds"},
    {{.kind = KV_GET, KEY, .after_ns = 1}, SF_INVALID, "time to come after"},
    {{.kind = KV_SET_ATTR, KEY, .after_ns = INT64_MAX}, SF_OK, NULL},
    {{.kind = KV_SET_ATTR, KEY, .after_ns = (uint64_t)INT64_MAX + 1},
     SF_INVALID,
     "time to come after"},
    {{.kind = KV_GET, KEY, .shards = shards, .shard_count = 1}, SF_INVALID, "shards"},
    {{.kind = KV_GET, KEY, .ops = &get, .op_count = 1}, SF_INVALID, "operations"},
    {{.kind = KV_GET_RANGE, KEY, .length = SF_FILE_BYTES_MAX + 1}, SF_TOO_BIG, "length"},
    {{.kind = KV_PUT, KEY, .data = OF_SIZE(SF_VALUE_BYTES_MAX)}, SF_OK, NULL},
    {{.kind = KV_PUT, KEY, .data = OF_SIZE(SF_VALUE_BYTES_MAX + 1)}, SF_TOO_BIG, "value"},
    {{.kind = KV_PUT, KEY, .flags = KV_ANY_KIND}, SF_OK, NULL},
    {{.kind = KV_DELETE, KEY, .flags = KV_ANY_KIND}, SF_OK, NULL},
    {{.kind = KV_APPEND, KEY, .flags = KV_ANY_KIND}, SF_INVALID, "flags"},
    {{.kind = KV_PUT, KEY, .attr = OF_SIZE(1)}, SF_INVALID, "attributes"},
    {{.kind = KV_PUT, KEY, .flags = KV_HAS_ATTR, .attr = OF_SIZE(SF_ATTR_BYTES_MAX + 1)},
     SF_TOO_BIG,
     "attributes"},
    {{.kind = KV_PUT, KEY, .record_kind = (enum record_kind)4}, SF_INVALID, "record kind"},
    {{.kind = KV_PUT, KEY, .flags = KV_HAS_LENGTH, .data = OF_SIZE(9), .length = 8},
     SF_INVALID,
     "length"},
    {{.kind = KV_PUT, KEY, .tail = {{1, 1}}, .tail_count = 1}, SF_INVALID, "tail"},
    {{.kind = KV_PUT, KEY, .flags = KV_HAS_TAIL, .tail = {{0, 1}}, .tail_count = 1},
     SF_INVALID,
     "tail"},
    {{.kind = KV_PUT, KEY, .flags = KV_HAS_TAIL, .tail = {{2, 1}, {2, 1}}, .tail_count = 2},
     SF_INVALID,
     "tail"},
    {{.kind = KV_PUT, KEY, .flags = KV_HAS_TAIL, .tail = {{1, 1}, {2, 1}}, .tail_count = 2},
     SF_OK,
     NULL},
    {{.kind = KV_PUT, KEY, .if_tail = {{1, 1}}, .if_tail_count = 1}, SF_INVALID, "expected tail"},
    {{.kind = KV_SET_RANGE, KEY, .offset = SF_VALUE_BYTES_MAX - 1, .data = OF_SIZE(1)},
     SF_OK,
     NULL},
    {{.kind = KV_SET_RANGE, KEY, .offset = SF_VALUE_BYTES_MAX, .data = OF_SIZE(1)},
     SF_TOO_BIG,
     "offset"},
    {{.kind = KV_SET_LENGTH, KEY, .length = SF_FILE_BYTES_MAX + 1}, SF_TOO_BIG, "length"},
    {{.kind = KV_ADD, KEY}, SF_INVALID, "adds"},
    {{.kind = KV_ADD, KEY, .add_count = KV_ADDS_MAX + 1}, SF_TOO_BIG, "adds"},
    {{.kind = KV_ADD, KEY, .adds = {{.slot = KV_SLOTS_MAX}}, .add_count = 1}, SF_INVALID, "slot"},
    {{.kind = KV_SCAN, .length = 0}, SF_INVALID, "limit"},
    {{.kind = KV_SCAN, .length = SF_SCAN_MAX}, SF_OK, NULL},
    {{.kind = KV_SCAN, .length = SF_SCAN_MAX + 1}, SF_TOO_BIG, "limit"},
    {{.kind = KV_SCAN, .length = 1, .shards = shards, .shard_count = 1}, SF_INVALID, "shards"},
    {{.kind = KV_SCAN, .space = KV_INTERNAL, .length = 1}, SF_INVALID, "key"},
    {{.kind = KV_SCAN, .space = KV_INTERNAL, .length = 1, .shards = zeros, .shard_count = 2},
     SF_OK,
     NULL},
    {{.kind = KV_SCAN, .flags = KV_UNNAMED, .length = 1, .shards = zeros, .shard_count = 1},
     SF_OK,
     NULL},
    {{.kind = KV_SCAN, .flags = KV_UNNAMED, .length = 1, .shards = zeros, .shard_count = 2},
     SF_INVALID,
     "shards"},
    {{.kind = KV_SCAN, KEY, .flags = KV_UNNAMED, .length = 1, .shards = zeros, .shard_count = 1},
     SF_INVALID,
     "key"},
    {{.kind = KV_GET, .flags = KV_UNNAMED}, SF_INVALID, "flags"},
    {{.kind = KV_NEW_IDS, .length = 0}, SF_INVALID, "count"},
    {{.kind = KV_NEW_IDS, .length = KV_IDS_MAX + 1}, SF_INVALID, "count"},
    {{.kind = KV_SESSION_OPEN, .data = OF_SIZE(15)}, SF_INVALID, "client id"},
    {{.kind = KV_SESSION_OPEN, .data = OF_SIZE(16)}, SF_OK, NULL},
    {{.kind = KV_ABANDON, .length = 0}, SF_INVALID, "sequence number"},
    {{.kind = KV_ABANDON, .length = UINT64_MAX}, SF_OK, NULL},
    {{.kind = KV_MINI}, SF_INVALID, "operations"},
    {{.kind = KV_MINI, .checks = &check_exists, .check_count = 1, .ops = &take, .op_count = 1},
     SF_OK,
     NULL},
    {{.kind = KV_MINI, .ops = &get, .op_count = 1}, SF_INVALID, "kind"},
    {{.kind = KV_MINI, .checks = &take, .check_count = 1}, SF_INVALID, "kind"},
    {{.kind = KV_MINI, .checks = &slot_32, .check_count = 1}, SF_INVALID, "slot"},
    {{.kind = KV_MINI, .ops = &take, .op_count = SF_MINI_OPS_MAX + 1}, SF_TOO_BIG, "operations"},
    {{.kind = KV_MINI, .ops = &take, .op_count = SIZE_MAX}, SF_TOO_BIG, "operations"},
    {{.kind = KV_MINI, NUMBERS(1), .ops = &take, .op_count = 1}, SF_INVALID, "participants"},
    {{.kind = KV_PREPARE, NUMBERS(2), .ops = &take, .op_count = 1}, SF_OK, NULL},
    {{.kind = KV_PREPARE, NUMBERS(2)}, SF_INVALID, "operations"},
    {{.kind = KV_PREPARE, NUMBERS(3), .ops = &take, .op_count = 1}, SF_INVALID, "participants"},
    {{.kind = KV_PREPARE, .ops = &take, .op_count = 1}, SF_INVALID, "participants"},
    {{.kind = KV_PREPARE, NUMBERS(SF_MINI_OPS_MAX + 1), .ops = &take, .op_count = 1},
     SF_TOO_BIG,
     "participants"},
    {{.kind = KV_PREPARE, NUMBERS(1), .flags = KV_COMMITS, .ops = &take, .op_count = 1},
     SF_INVALID,
     "flags"},
    {{.kind = KV_OUTCOME, NUMBERS(1), .flags = KV_COMMITS}, SF_OK, NULL},
    {{.kind = KV_OUTCOME, NUMBERS(2)}, SF_TOO_BIG, "participants"},
    {{.kind = KV_ASK, .numbers = &nobody, .number_count = 1}, SF_INVALID, "participants"},
    {{.kind = KV_ASK, .numbers = &beyond, .number_count = 1}, SF_INVALID, "participants"},
    {{.kind = KV_FORGET, NUMBERS(3)}, SF_OK, NULL},
    {{.kind = KV_FORGET, NUMBERS(KV_NUMBERS_MAX + 1)}, SF_TOO_BIG, "participants"},
    {{.kind = KV_LOCK, LOCKED(KV_INTERNAL, "\1\0")}, SF_OK, NULL},
    {{.kind = KV_LOCK, LOCKED(KV_INTERNAL, "\0\1")}, SF_OK, NULL},
    {{.kind = KV_LOCK, LOCKED(KV_PLAIN, "\1\0")}, SF_INVALID, "key space"},
    {{.kind = KV_LOCK, LOCKED(KV_INTERNAL, "\3\0")}, SF_INVALID, "lock"},
    {{.kind = KV_LOCK, LOCKED(KV_INTERNAL, "\1\10")}, SF_INVALID, "lock"},
    {{.kind = KV_LOCK_TEST, LOCKED(KV_INTERNAL, "\0\0")}, SF_INVALID, "lock"},
    {{.kind = KV_LOCK_AWAIT, .space = KV_INTERNAL, .key = {(const uint8_t *)"internal", 8}},
     SF_INVALID,
     "lock"},
    {{.kind = KV_RENEW}, SF_INVALID, "holder"},
    {{.kind = KV_FENCE, .ids_first = 1}, SF_OK, NULL},
};

/* first > last, and no holder: of an otherwise good lock. */
static void test_locks_have_a_holder_and_bytes(void **state)
{
    (void)state;
    struct kv_lock lock = {.type = KV_LOCK_SHARED, .holder = 1, .first = 5, .last = 5}, got;
    struct buffer b = {0};
    kv_lock_pack(&b, &lock);
    assert_int_equal(b.n, KV_LOCK_BYTES);
    assert_int_equal(kv_lock_unpack(buffer_slice(&b), &got), SF_OK);
    assert_int_equal(got.last, 5);
    assert_int_equal(kv_lock_unpack(slice_of(b.p, b.n - 1), &got), SF_INVALID);
    lock.last = 4;
    buffer_clear(&b);
    kv_lock_pack(&b, &lock);
    assert_int_equal(kv_lock_unpack(buffer_slice(&b), &got), SF_INVALID);
    lock.last = 5;
    lock.holder = 0;
    buffer_clear(&b);
    kv_lock_pack(&b, &lock);
    assert_int_equal(kv_lock_unpack(buffer_slice(&b), &got), SF_INVALID);
    buffer_deinit(&b);
}

static void test_each_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *what = NULL;
        int status = kv_op_check(&cases[i].op, &what);
        if (status != cases[i].status)
            fail_msg("case %zu: %d, expected %d (%s)", i, status, cases[i].status,
                     what ? what : "nothing named");
        if (cases[i].what)
            assert_string_equal(what, cases[i].what);
        else
            assert_null(what);
    }
}

/* Each part is small enough, all together are not. */
static void test_a_mini_is_limited_as_a_whole(void **state)
{
    (void)state;
    struct kv_op ops[5];
    const char *what = NULL;
    for (size_t i = 0; i < 5; i++)
        ops[i] = put_big;
    struct kv_op mini = {.kind = KV_MINI, .ops = ops, .op_count = 3};
    assert_int_equal(kv_op_check(&mini, &what), SF_OK);
    mini.op_count = 5;
    assert_int_equal(kv_op_check(&mini, &what), SF_TOO_BIG);
    assert_string_equal(what, "operations");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_rule),
        cmocka_unit_test(test_locks_have_a_holder_and_bytes),
        cmocka_unit_test(test_a_mini_is_limited_as_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* pack: what is written is read again; what is cut, too deep, too long or too many is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/pack.h"
#include "proto/sample.h"

static void test_integers_round_trip(void **state)
{
    (void)state;
    struct sample s = {.state = 1};
    for (int i = 0; i < 2000; i++) {
        struct buffer b = {0};
        uint64_t u = sample_length_of_bits(&s);
        int64_t v = (int64_t)sample_length_of_bits(&s);
        pack_array(&b, 2);
        pack_u64(&b, u);
        pack_i64(&b, v);
        struct unpacked open = {0};
        assert_int_equal(unpack_open(buffer_slice(&b), &open), SF_OK);
        struct cursor c = unpack_root(&open);
        assert_true(unpack_u64(&c, UINT64_MAX) == u);
        assert_true(unpack_i64(&c) == v);
        assert_true(unpack_done(&c));
        unpack_close(&open);
        buffer_deinit(&b);
    }
}

static void test_every_type_round_trips(void **state)
{
    (void)state;
    struct buffer b = {0};
    char text[8];
    pack_array(&b, 6);
    pack_nil(&b);
    pack_bool(&b, true);
    pack_bin(&b, slice_of("\0\1\2", 3));
    pack_str(&b, "hello");
    pack_array(&b, 0);
    pack_map(&b, 1);
    pack_str(&b, "key");
    pack_u64(&b, 7);
    struct unpacked open = {0};
    assert_int_equal(unpack_open(buffer_slice(&b), &open), SF_OK);
    struct cursor c = unpack_root(&open);
    assert_true(unpack_is_nil(&c));
    unpack_nil(&c);
    assert_true(unpack_bool(&c));
    assert_true(slice_equal(unpack_bin(&c, 3), slice_of("\0\1\2", 3)));
    unpack_str(&c, text, sizeof text);
    assert_string_equal(text, "hello");
    struct cursor inner = unpack_array(&c, 10);
    unpack_end(&c, &inner);
    assert_int_equal(unpack_left(&c), 1);
    unpack_skip(&c);
    assert_true(unpack_done(&c));
    unpack_close(&open);
    buffer_deinit(&b);
}

/* What the specification's table says of each first byte, in hand-made messages. */
static void test_measure_knows_every_head(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[12];
        size_t given;
        long length;
    } cases[] = {
        {{0x00}, 1, 1},
        {{0x7f}, 1, 1},
        {{0xe0}, 1, 1},
        {{0xc0}, 1, 1},
        {{0xc1}, 1, SF_PROTOCOL},
        {{0xc2}, 1, 1},
        {{0xa2, 'h', 'i'}, 3, 3},
        {{0xd9, 1, 'x'}, 3, 3},
        {{0xda, 0, 1, 'x'}, 4, 4},
        {{0xdb, 0, 0, 0, 1, 'x'}, 6, 6},
        {{0xc4, 2, 1, 2}, 4, 4},
        {{0xc5, 0, 1, 9}, 4, 4},
        {{0xc6, 0, 0, 0, 1, 9}, 6, 6},
        {{0xc7, 1, 5, 9}, 4, 4},
        {{0xc8, 0, 1, 5, 9}, 5, 5},
        {{0xc9, 0, 0, 0, 1, 5, 9}, 7, 7},
        {{0xca, 1, 2, 3, 4}, 5, 5},
        {{0xcb, 1, 2, 3, 4, 5, 6, 7, 8}, 9, 9},
        {{0xcc, 1}, 2, 2},
        {{0xcd, 1, 2}, 3, 3},
        {{0xce, 1, 2, 3, 4}, 5, 5},
        {{0xcf, 1, 2, 3, 4, 5, 6, 7, 8}, 9, 9},
        {{0xd0, 1}, 2, 2},
        {{0xd3, 1, 2, 3, 4, 5, 6, 7, 8}, 9, 9},
        {{0xd4, 1, 2}, 3, 3},
        {{0xd6, 1, 2, 3, 4, 5}, 6, 6},
        {{0x80}, 1, 1},
        {{0x81, 1, 2}, 3, 3},
        {{0x92, 1, 0x91, 3}, 4, 4},
        {{0xdc, 0, 2, 1, 2}, 5, 5},
        {{0xdd, 0, 0, 0, 1, 1}, 6, 6},
        {{0xde, 0, 1, 1, 2}, 5, 5},
        {{0xdf, 0, 0, 0, 1, 1, 2}, 7, 7},
        {{0xdd, 0xff, 0xff, 0xff, 0xff}, 5, SF_TOO_BIG},
        {{0xdf, 0xff, 0xff, 0xff, 0xff}, 5, SF_TOO_BIG},
        {{0xdb, 0xff, 0xff, 0xff, 0xff}, 5, SF_TOO_BIG},
        {{0xc6, 0x00, 0x80, 0x00, 0x00}, 5, SF_TOO_BIG}, /* 8 MiB, and its head */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice whole = slice_of(cases[i].bytes, cases[i].given);
        assert_int_equal(pack_measure(whole), cases[i].length);
        for (size_t n = 0; cases[i].length > 0 && n < cases[i].given; n++)
            assert_int_equal(pack_measure(slice_of(cases[i].bytes, n)), 0);
    }
}

static void test_depth_is_limited(void **state)
{
    (void)state;
    uint8_t bytes[PACK_DEPTH_MAX + 2];
    memset(bytes, 0x91, sizeof bytes); /* arrays of one */
    bytes[PACK_DEPTH_MAX] = 0x01;
    assert_int_equal(pack_measure(slice_of(bytes, sizeof bytes)), PACK_DEPTH_MAX + 1);
    bytes[PACK_DEPTH_MAX] = 0x91;
    assert_int_equal(pack_measure(slice_of(bytes, sizeof bytes)), SF_TOO_BIG);
    struct unpacked open = {0};
    assert_int_equal(unpack_open(slice_of(bytes, sizeof bytes), &open), SF_TOO_BIG);
}

static void test_object_count_is_limited(void **state)
{
    (void)state;
    struct buffer b = {0};
    /* Many small arrays, none of which is too big by itself. */
    pack_array(&b, 1000);
    for (int i = 0; i < 1000; i++) {
        pack_array(&b, 300);
        for (int k = 0; k < 300; k++)
            pack_u64(&b, 1);
    }
    assert_int_equal(pack_measure(buffer_slice(&b)), SF_TOO_BIG);
    buffer_deinit(&b);
}

static void test_feeding_in_pieces_measures_once(void **state)
{
    (void)state;
    struct buffer b = {0};
    struct slice mib = {0};
    uint8_t *zeros = calloc(1, SF_VALUE_BYTES_MAX);
    mib = slice_of(zeros, SF_VALUE_BYTES_MAX);
    pack_array(&b, 7);
    for (int i = 0; i < 7; i++)
        pack_bin(&b, mib);
    struct pack_scan scan = {0};
    for (size_t n = 0; n < b.n; n += 65536) {
        assert_int_equal(pack_scan_feed(&scan, slice_of(b.p, n)), 0);
        assert_true(scan.objects <= 8);
    }
    assert_int_equal(pack_scan_feed(&scan, buffer_slice(&b)), (long)b.n);
    free(zeros);
    buffer_deinit(&b);
}

static void test_feeding_byte_by_byte_equals_measuring(void **state)
{
    (void)state;
    struct sample s = {.state = 77};
    for (int i = 0; i < 200; i++) {
        struct kv_reply reply;
        struct buffer b = {0};
        struct pack_scan scan = {0};
        sample_reply(&s, &reply);
        kv_reply_pack(&b, &reply);
        for (size_t n = 0; n < b.n; n++)
            assert_int_equal(pack_scan_feed(&scan, slice_of(b.p, n)), 0);
        assert_int_equal(pack_scan_feed(&scan, buffer_slice(&b)), (long)b.n);
        buffer_deinit(&b);
        kv_reply_free(&reply);
    }
}

static void test_trailing_bytes_are_refused(void **state)
{
    (void)state;
    struct unpacked open = {0};
    assert_int_equal(unpack_open(slice_of("\x91\x01\x02", 3), &open), SF_PROTOCOL);
    assert_int_equal(unpack_open(slice_of("\x91", 1), &open), SF_PROTOCOL);
    assert_int_equal(unpack_open(slice_of("", 0), &open), SF_PROTOCOL);
    assert_null(open.zone);
}

static void test_unpacking_again_keeps_the_memory(void **state)
{
    (void)state;
    struct unpacked u = {0};
    assert_int_equal(unpack_again(&u, slice_of("\x92\x01\x02", 3)), SF_OK);
    msgpack_zone *zone = u.zone;
    assert_int_equal(unpack_again(&u, slice_of("\x91\x05", 2)), SF_OK);
    assert_ptr_equal(u.zone, zone);
    struct cursor c = unpack_root(&u);
    assert_int_equal(unpack_u64(&c, 5), 5);
    assert_true(unpack_done(&c));
    assert_int_equal(unpack_again(&u, slice_of("\xc1", 1)), SF_PROTOCOL);
    assert_null(u.zone);
    unpack_close(&u);
}

/* Each getter, given what it does not take. */
static void test_wrong_types_spoil_the_cursor(void **state)
{
    (void)state;
    struct unpacked u = {0};
    char text[4];
    assert_int_equal(
        unpack_open(slice_of("\x98\xc0\xa1x\xff\x05\xa3\x61\x00\x62\xa4long\x91\x01\x01", 18), &u),
        SF_OK);
    const msgpack_object *at = u.root.via.array.ptr;
    struct cursor c;
#define EXPECT_BAD(position, get)                                                                  \
    c = (struct cursor){.at = at + (position), .end = at + (position) + 1};                        \
    get;                                                                                           \
    assert_false(unpack_ok(&c));                                                                   \
    assert_int_equal(unpack_left(&c), 0)
    EXPECT_BAD(0, unpack_u64(&c, 9));
    EXPECT_BAD(0, unpack_i64(&c));
    EXPECT_BAD(0, unpack_bool(&c));
    EXPECT_BAD(0, unpack_bin(&c, 9));
    EXPECT_BAD(1, unpack_nil(&c));
    EXPECT_BAD(1, unpack_array(&c, 9));
    EXPECT_BAD(2, unpack_u64(&c, 9));                 /* negative */
    EXPECT_BAD(3, unpack_u64(&c, 4));                 /* above the limit */
    EXPECT_BAD(4, unpack_str(&c, text, sizeof text)); /* a 0 inside */
    EXPECT_BAD(5, unpack_str(&c, text, sizeof text)); /* no room for its 0 */
    EXPECT_BAD(5, unpack_bin(&c, 3));
    EXPECT_BAD(6, unpack_array(&c, 0));
    c = (struct cursor){.at = at, .end = at};
    unpack_skip(&c);
    assert_false(unpack_ok(&c));
    unpack_close(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_round_trip),
        cmocka_unit_test(test_every_type_round_trips),
        cmocka_unit_test(test_measure_knows_every_head),
        cmocka_unit_test(test_depth_is_limited),
        cmocka_unit_test(test_object_count_is_limited),
        cmocka_unit_test(test_feeding_in_pieces_measures_once),
        cmocka_unit_test(test_feeding_byte_by_byte_equals_measuring),
        cmocka_unit_test(test_trailing_bytes_are_refused),
        cmocka_unit_test(test_unpacking_again_keeps_the_memory),
        cmocka_unit_test(test_wrong_types_spoil_the_cursor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Slices, buffers, and the bounded reader: what is written reads back, what is cut is refused. */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "env/bytes.h"
#include "env/memory.h"

static void slices_compare_like_memcmp(void **state)
{
    (void)state;
    struct slice empty = slice_of(NULL, 0), a = slice_str("a"), ab = slice_str("ab");
    assert_true(slice_equal(empty, slice_str("")));
    assert_false(slice_equal(a, ab));
    assert_true(slice_compare(empty, a) < 0);
    assert_true(slice_compare(a, ab) < 0);
    assert_true(slice_compare(slice_str("b"), ab) > 0);
    assert_true(slice_compare(slice_str("\xff"), ab) > 0);
    assert_int_equal(slice_compare(ab, slice_str("ab")), 0);
    assert_true(slice_has_prefix(ab, a));
    assert_true(slice_has_prefix(ab, empty));
    assert_true(slice_has_prefix(empty, empty));
    assert_false(slice_has_prefix(a, ab));
    assert_false(slice_has_prefix(ab, slice_str("b")));
}

static void parts_of_slices(void **state)
{
    (void)state;
    assert_true(slice_equal(slice_part(slice_str("abc"), 1, 2), slice_str("bc")));
    assert_null(slice_part(slice_str("abc"), 3, 0).p);
    assert_null(slice_part(slice_of(NULL, 0), 0, 0).p);
}

static void buffers_grow_and_give_away(void **state)
{
    (void)state;
    struct buffer b = {0};
    for (int i = 0; i < 1000; i++)
        buffer_append(&b, "0123456789", 10);
    assert_int_equal(b.n, 10000);
    assert_memory_equal(b.p + 9990, "0123456789", 10);
    buffer_clear(&b);
    assert_int_equal(buffer_slice(&b).n, 0);
    buffer_set(&b, slice_str("abc"));
    size_t n;
    uint8_t *bytes = buffer_take(&b, &n);
    assert_int_equal(n, 3);
    assert_memory_equal(bytes, "abc", 3);
    free(bytes);
    assert_null(b.p);
    buffer_deinit(&b);
}

static void a_reservation_changes_no_content(void **state)
{
    (void)state;
    struct buffer b = {0};
    buffer_append(&b, "abc", 3);
    buffer_reserve(&b, 1000);
    const uint8_t *p = b.p;
    buffer_append(&b, "d", 1);
    memset(buffer_grow(&b, 996), 0, 996);
    assert_ptr_equal(b.p, p);
    assert_int_equal(b.cap, 1000);
    buffer_reserve(&b, 10);
    assert_int_equal(b.n, 1000);
    assert_memory_equal(b.p, "abcd", 4);
    buffer_deinit(&b);
}

static void write_one_of_each(struct buffer *b)
{
    buffer_put_u8(b, 0x12);
    buffer_put_u16(b, 0x1234);
    buffer_put_u32(b, 0x12345678);
    buffer_put_u64(b, 0x123456789abcdef0);
    buffer_put_u16_big(b, 0x1234);
    buffer_put_u32_big(b, 0x12345678);
    buffer_put_u64_big(b, 0x123456789abcdef0);
    buffer_put_slice(b, slice_str("four"));
    buffer_put_slice(b, slice_of(NULL, 0));
}

/* True if everything read back as it was written, and nothing is left. */
static bool read_one_of_each(struct slice from)
{
    struct reader r = reader_of(from);
    bool same = reader_u8(&r) == 0x12;
    same = reader_u16(&r) == 0x1234 && same;
    same = reader_u32(&r) == 0x12345678 && same;
    same = reader_u64(&r) == 0x123456789abcdef0 && same;
    same = reader_u16_big(&r) == 0x1234 && same;
    same = reader_u32_big(&r) == 0x12345678 && same;
    same = reader_u64_big(&r) == 0x123456789abcdef0 && same;
    same = slice_equal(reader_slice(&r, 4), slice_str("four")) && same;
    same = reader_slice(&r, 0).n == 0 && same;
    return reader_done(&r) && same;
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    static const uint8_t little[] = {0x12, 0x34, 0x12, 0x78, 0x56, 0x34, 0x12};
    struct buffer b = {0};
    write_one_of_each(&b);
    assert_memory_equal(b.p, little, sizeof little);
    assert_memory_equal(b.p + 15, "\x12\x34\x12\x34\x56\x78", 6);
    assert_true(read_one_of_each(buffer_slice(&b)));
    buffer_put_u8(&b, 0);
    assert_false(read_one_of_each(buffer_slice(&b)));
    buffer_deinit(&b);
}

static void every_cut_is_noticed(void **state)
{
    (void)state;
    struct buffer b = {0};
    write_one_of_each(&b);
    for (size_t n = 0; n < b.n; n++) {
        /* A copy of exactly that size: a get beyond it would be seen by the address sanitizer. */
        uint8_t *cut = sf_memdup(b.p, n);
        assert_false(read_one_of_each(slice_of(cut, n)));
        free(cut);
    }
    buffer_deinit(&b);
}

static void a_reader_stays_bad(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 2, 3};
    struct reader r = reader_of(slice_of(bytes, sizeof bytes));
    assert_int_equal(reader_u32(&r), 0);
    assert_false(reader_ok(&r));
    assert_int_equal(reader_u8(&r), 0);
    assert_int_equal(reader_bytes(&r, 0).n, 0);
    assert_false(reader_done(&r));
}

static void a_length_over_the_limit_is_bad(void **state)
{
    (void)state;
    struct buffer b = {0};
    buffer_put_slice(&b, slice_str("12345"));
    struct reader r = reader_of(buffer_slice(&b));
    assert_int_equal(reader_slice(&r, 4).n, 0);
    assert_false(reader_ok(&r));
    r = reader_of(buffer_slice(&b));
    assert_int_equal(reader_slice(&r, 5).n, 5);
    assert_true(reader_done(&r));
    buffer_deinit(&b);
}

/* The values that every implementation of XXH3 gives: checksums on disk must not change. */
static void hashes_are_xxh3(void **state)
{
    (void)state;
    assert_int_equal(bytes_hash(slice_of(NULL, 0)), 0x2d06800538d394c2);
    assert_int_equal(bytes_hash_seed(slice_str("shardfs"), 0), bytes_hash(slice_str("shardfs")));
    assert_int_not_equal(bytes_hash_seed(slice_str("a"), 1), bytes_hash(slice_str("a")));
    assert_int_equal(bytes_hash_two(slice_str("shard"), slice_str("fs"), 7),
                     bytes_hash_seed(slice_str("shardfs"), 7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_compare_like_memcmp),
        cmocka_unit_test(parts_of_slices),
        cmocka_unit_test(buffers_grow_and_give_away),
        cmocka_unit_test(a_reservation_changes_no_content),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(a_reader_stays_bad),
        cmocka_unit_test(a_length_over_the_limit_is_bad),
        cmocka_unit_test(hashes_are_xxh3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

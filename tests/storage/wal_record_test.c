/* The bytes of a record: what is written is read, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "storage/wal_record.h"

#define CLUSTER 7u

static const struct wal_record sample = {.type = WAL_ENTRY,
                                         .flags = WAL_REWRITTEN,
                                         .replica_key = 0x1122334455667788u,
                                         .position = 0x10000,
                                         .a = 5,
                                         .b = 9,
                                         .body = {(const uint8_t *)"body", 4}};

static size_t write_sample(uint8_t to[64])
{
    assert_int_equal(wal_record_bytes(&sample), 52);
    wal_record_write(to, CLUSTER, &sample);
    return 52;
}

static void a_record_is_read_as_it_was_written(void **state)
{
    (void)state;
    uint8_t bytes[64] = {0};
    struct wal_record found;
    size_t n = write_sample(bytes);
    assert_true(wal_record_read(slice_of(bytes, n), CLUSTER, sample.position, &found));
    assert_int_equal(found.type, sample.type);
    assert_int_equal(found.flags, sample.flags);
    assert_true(found.replica_key == sample.replica_key && found.position == sample.position);
    assert_true(found.a == sample.a && found.b == sample.b);
    assert_true(slice_equal(found.body, sample.body));
    assert_true(wal_record_read(slice_of(bytes, sizeof bytes), CLUSTER, sample.position, &found));
    assert_int_equal(found.body.n, 4);
}

/* The format on disk may not change by accident. */
static void the_bytes_are_those_of_the_table(void **state)
{
    (void)state;
    static const uint8_t expected[] = {
        4,    0,    0,    0,    4,    1,    0,    0,    /* body, type, flags, 0 */
        0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, /* replica */
        0,    0,    1,    0,    0,    0,    0,    0,    5,   0,   0,   0,
        0,    0,    0,    0, /* position, a */
        9,    0,    0,    0,    0,    0,    0,    0,    'b', 'o', 'd', 'y'};
    uint8_t bytes[64];
    write_sample(bytes);
    assert_memory_equal(bytes + 8, expected, sizeof expected);
    struct reader r = reader_of(slice_of(bytes, 8));
    assert_true(reader_u64(&r) == bytes_hash_seed(slice_of(bytes + 8, 44), CLUSTER));
}

static void a_record_cut_at_any_byte_is_none(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct wal_record found;
    size_t n = write_sample(bytes);
    for (size_t shorter = 0; shorter < n; shorter++)
        assert_false(wal_record_read(slice_of(bytes, shorter), CLUSTER, sample.position, &found));
}

static void a_record_with_any_wrong_bit_is_none(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct wal_record found;
    size_t n = write_sample(bytes);
    for (size_t bit = 0; bit < n * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(
            wal_record_read(slice_of(bytes, sizeof bytes), CLUSTER, sample.position, &found));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void a_record_of_another_place_or_cluster_is_none(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct wal_record found;
    size_t n = write_sample(bytes);
    assert_false(wal_record_read(slice_of(bytes, n), CLUSTER, sample.position + 1, &found));
    assert_false(wal_record_read(slice_of(bytes, n), CLUSTER + 1, sample.position, &found));
}

static void a_segments_head_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct wal_segment_head head = {.version = 1,
                                    .cluster_hash = 2,
                                    .number = 3,
                                    .unit = 4,
                                    .bytes = 5,
                                    .floor = 6,
                                    .previous = 7,
                                    .previous_end = 8};
    struct wal_segment_head found;
    uint8_t body[WAL_SEGMENT_BODY_BYTES];
    struct wal_record record = wal_segment_head_record(&head, 100, body);
    assert_true(wal_segment_head_read(&record, &found));
    assert_int_equal(found.version, 1);
    assert_true(found.cluster_hash == 2 && found.number == 3 && found.unit == 4);
    assert_true(found.bytes == 5 && found.floor == 6);
    assert_true(found.previous == 7 && found.previous_end == 8);
    for (size_t n = 0; n < sizeof body; n++) {
        record.body.n = n;
        assert_false(wal_segment_head_read(&record, &found));
    }
    record.body.n = sizeof body;
    record.type = WAL_CUT;
    assert_false(wal_segment_head_read(&record, &found));
    record.type = WAL_SEGMENT;
    body[0] ^= 1;
    assert_false(wal_segment_head_read(&record, &found));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_read_as_it_was_written),
        cmocka_unit_test(the_bytes_are_those_of_the_table),
        cmocka_unit_test(a_record_cut_at_any_byte_is_none),
        cmocka_unit_test(a_record_with_any_wrong_bit_is_none),
        cmocka_unit_test(a_record_of_another_place_or_cluster_is_none),
        cmocka_unit_test(a_segments_head_is_read_as_it_was_written),
    };
    return cmocka_run_group_tests_name("wal records", tests, NULL, NULL);
}

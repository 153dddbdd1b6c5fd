/* What stands in the store and in the log: round trips, and bytes that were cut or changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "env/memory.h"
#include "shardkv/completion.h"
#include "shardkv/record.h"
#include "shardkv/request.h"
#include "shardkv/shard.h"

/* Calls unpack on every shorter prefix, on one byte more, and with each byte changed in turn. The
 * first two must fail; the third may not, but must not go astray. */
static void spoil(struct slice bytes, int (*unpack)(struct slice bytes))
{
    for (size_t n = 0; n < bytes.n; n++) {
        uint8_t *cut = sf_memdup(bytes.p, n);
        assert_int_not_equal(unpack(slice_of(cut, n)), SF_OK);
        free(cut);
    }
    uint8_t *longer = sf_calloc(1, bytes.n + 1);
    memcpy(longer, bytes.p, bytes.n);
    assert_int_not_equal(unpack(slice_of(longer, bytes.n + 1)), SF_OK);
    for (size_t i = 0; i < bytes.n; i++) {
        for (unsigned change = 1; change < 256; change += 37) {
            longer[i] ^= (uint8_t)change;
            (void)unpack(slice_of(longer, bytes.n));
            longer[i] ^= (uint8_t)change;
        }
    }
    free(longer);
}

/* -- records ------------------------------------------------------------------------------- */

static int unpack_record(struct slice bytes)
{
    struct record record;
    return record_unpack(bytes, &record);
}

static void a_record_comes_back(void **state)
{
    (void)state;
    struct record record = {.kind = RECORD_DIRECTORY,
                            .version = 1,
                            .created = 2,
                            .changed_ns = 3,
                            .ctime_ns = 4,
                            .shows = true,
                            .shown_ns = 5,
                            .length = 4,
                            .tail = {{1, 7}, {9, 8}},
                            .tail_count = 2,
                            .attr = slice_str("attr"),
                            .inline_bytes = slice_str("head")};
    struct record got;
    struct buffer b = {0};
    record_pack(&b, &record);
    assert_int_equal(record_unpack(buffer_slice(&b), &got), SF_OK);
    assert_int_equal(got.kind, RECORD_DIRECTORY);
    assert_int_equal(got.created, 2);
    assert_int_equal(got.shown_ns, 5);
    assert_int_equal(got.tail[1].data_id, 8);
    assert_true(slice_equal(got.attr, record.attr));
    assert_true(slice_equal(got.inline_bytes, record.inline_bytes));
    spoil(buffer_slice(&b), unpack_record);
    buffer_deinit(&b);
}

/* -- completion records -------------------------------------------------------------------- */

static int unpack_completion(struct slice bytes)
{
    struct kv_reply reply;
    int status = completion_unpack(bytes, &reply);
    if (status == SF_OK)
        kv_reply_free(&reply);
    return status;
}

static void a_completion_comes_back(void **state)
{
    (void)state;
    struct kv_reply parts[2] = {
        {.old_length = 9, .data = slice_str("old"), .stat = {.kind = RECORD_VALUE, .version = 3}},
        {.status = SF_NOT_FOUND}};
    struct kv_reply reply = {.status = SF_PRECONDITION,
                             .stat = {.kind = RECORD_REFERENCE,
                                      .version = 1,
                                      .created = 2,
                                      .mtime_ns = 3,
                                      .ctime_ns = 4,
                                      .length = 5,
                                      .tail = {{6, 7}},
                                      .tail_count = 1},
                             .ids_first = 10,
                             .session = 11,
                             .replies = parts,
                             .reply_count = 2,
                             .failed = 1};
    struct kv_reply got;
    struct buffer b = {0};
    completion_pack(&b, &reply);
    assert_int_equal(completion_unpack(buffer_slice(&b), &got), SF_OK);
    assert_int_equal(got.status, SF_PRECONDITION);
    assert_memory_equal(&got.stat, &reply.stat, sizeof(got.stat));
    assert_int_equal(got.ids_first, 10);
    assert_int_equal(got.session, 11);
    assert_int_equal(got.failed, 1);
    assert_int_equal(got.reply_count, 2);
    assert_int_equal(got.replies[0].old_length, 9);
    assert_true(slice_equal(got.replies[0].data, slice_str("old")));
    assert_int_equal(got.replies[1].status, SF_NOT_FOUND);
    kv_reply_free(&got);
    spoil(buffer_slice(&b), unpack_completion);
    buffer_deinit(&b);
}

static void every_status_comes_back(void **state)
{
    (void)state;
#define X(name, number, text) SF_##name,
    static const int all[] = {SF_OK, SF_ERROR_LIST(X)};
#undef X
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct kv_reply got, reply = {.status = all[i]};
        struct buffer b = {0};
        completion_pack(&b, &reply);
        assert_int_equal(b.n, 3);
        assert_int_equal(completion_unpack(buffer_slice(&b), &got), SF_OK);
        assert_int_equal(got.status, all[i]);
        buffer_deinit(&b);
    }
}

/* What a Put leaves for as long as its client may ask again. */
static void the_completion_of_a_put_is_small(void **state)
{
    (void)state;
    struct kv_reply reply = {.stat = {.kind = RECORD_VALUE,
                                      .version = 1ull << 60,
                                      .created = 1ull << 60,
                                      .mtime_ns = 1ull << 60,
                                      .ctime_ns = 1ull << 60,
                                      .length = 256}};
    struct buffer b = {0};
    completion_pack(&b, &reply);
    assert_true(b.n <= 32);
    buffer_deinit(&b);
}

/* -- log entries --------------------------------------------------------------------------- */

static int unpack_request(struct slice bytes)
{
    struct request request;
    int status = request_unpack(bytes, &request);
    if (status == SF_OK)
        request_deinit(&request);
    return status;
}

static void a_request_comes_back(void **state)
{
    (void)state;
    struct kv_op part = {.kind = KV_PUT, .key = slice_str("k"), .data = slice_str("v")};
    struct kv_request request = {.target.shard = 5,
                                 .session = {1, 2, 3},
                                 .op = {.kind = KV_MINI, .ops = &part, .op_count = 1}};
    struct request got;
    struct buffer b = {0};
    request_pack(&b, &request);
    assert_int_equal(request_unpack(buffer_slice(&b), &got), SF_OK);
    assert_int_equal(got.shard, 5);
    assert_int_equal(got.session.sequence, 2);
    assert_int_equal(got.op.op_count, 1);
    assert_true(slice_equal(got.op.ops[0].data, slice_str("v")));
    request_deinit(&got);
    spoil(buffer_slice(&b), unpack_request);
    buffer_deinit(&b);
}

/* -- counters ------------------------------------------------------------------------------ */

static int unpack_meta(struct slice bytes)
{
    struct shard_meta meta;
    return shard_meta_unpack(bytes, &meta);
}

static void a_meta_comes_back(void **state)
{
    (void)state;
    struct shard_meta got, meta = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    struct buffer b = {0};
    shard_meta_pack(&b, &meta);
    assert_int_equal(shard_meta_unpack(buffer_slice(&b), &got), SF_OK);
    assert_memory_equal(&got, &meta, sizeof(meta));
    spoil(buffer_slice(&b), unpack_meta);
    buffer_deinit(&b);
}

static void keys_sort_as_they_should(void **state)
{
    (void)state;
    struct key a, b, after;
    struct shard_copy copy = {.shard = 5, .home = 0xff};
    keys_record(&a, copy, KV_PLAIN, slice_str("\xff"));
    keys_record(&b, copy, KV_PLAIN, slice_str("\xff\xff"));
    assert_true(slice_compare(key_slice(&a), key_slice(&b)) < 0);
    after = a;
    keys_after_prefix(&after);
    assert_true(slice_compare(key_slice(&b), key_slice(&after)) < 0);
    keys_copy_to(&after, copy);
    assert_true(slice_compare(key_slice(&b), key_slice(&after)) < 0);
    keys_copy_from(&b, (struct shard_copy){.shard = 5, .home = 0x100});
    assert_true(slice_compare(key_slice(&after), key_slice(&b)) <= 0);
    assert_true(slice_equal(keys_user_key(key_slice(&a)), slice_str("\xff")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_comes_back),
        cmocka_unit_test(a_completion_comes_back),
        cmocka_unit_test(every_status_comes_back),
        cmocka_unit_test(the_completion_of_a_put_is_small),
        cmocka_unit_test(a_request_comes_back),
        cmocka_unit_test(a_meta_comes_back),
        cmocka_unit_test(keys_sort_as_they_should),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

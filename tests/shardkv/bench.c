#include "shardkv/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shardkv/cache.h"
#include "shardkv/completion.h"
#include "shardkv/ops.h"

void bench_new(struct bench *b)
{
    *b = (struct bench){.copy = {.shard = 5, .home = 1}, .time_ns = 1000 * BENCH_SECOND_NS};
    b->image = store_image_new();
    b->store = store_memory_open(b->image);
    b->cache = cache_new();
    b->txns = txn_tables_new();
    b->ranges = range_tables_new();
    b->space = (struct space){.store = b->store, .prefix = {7}};
    struct store_batch *batch = store_batch_new(&b->space);
    shard_create_empty(batch, b->copy.shard, b->copy.home);
    assert_int_equal(store_write(b->store, batch), SF_OK);
    store_batch_free(batch);
    struct kv_op op = {.kind = KV_SESSION_OPEN, .data = slice_str("the bench's own.")};
    b->session.session = bench_apply(b, &(struct kv_session){0}, &op)->session;
    assert_true(b->session.session != 0);
    b->session.sequence = b->session.first_incomplete = 1;
}

static void release(struct bench *b)
{
    if (b->page != NULL)
        scan_page_free(b->page);
    else if (!b->reads)
        kv_reply_free(&b->reply);
    if (b->reads)
        assert_int_equal(access_close(&b->reading), SF_OK);
    b->page = NULL;
    b->reads = false;
    b->reply = (struct kv_reply){0};
    buffer_clear(&b->answer);
}

void bench_free(struct bench *b)
{
    release(b);
    buffer_deinit(&b->answer);
    cache_free(b->cache);
    copy_tables_free(b->txns);
    copy_tables_free(b->ranges);
    store_close(b->store);
    store_image_free(b->image);
}

struct bench bench;

int bench_setup(void **state)
{
    (void)state;
    bench_new(&bench);
    return 0;
}

int bench_teardown(void **state)
{
    (void)state;
    bench_free(&bench);
    return 0;
}

void bench_restart(struct bench *b)
{
    release(b);
    assert_int_equal(store_flush(b->store), SF_OK);
    cache_clear(b->cache);
    copy_tables_clear(b->txns);
    copy_tables_clear(b->ranges);
    store_close(b->store);
    store_image_crash(b->image, 0);
    b->store = store_memory_open(b->image);
    b->space.store = b->store;
}

struct range_table *bench_ranges(struct bench *b)
{
    struct range_table *table;
    assert_int_equal(range_tables_at(b->ranges, &b->space, b->copy, &table), SF_OK);
    return table;
}

/* The place of the next entry, with a batch of its own. */
static struct access_at begin_entry(struct bench *b)
{
    struct txn_table *txns;
    assert_int_equal(txn_tables_at(b->txns, &b->space, b->copy, &txns), SF_OK);
    return (struct access_at){.space = &b->space,
                              .batch = store_batch_new(&b->space),
                              .limits = &shardkv_limits_default,
                              .cache = b->cache,
                              .txns = txns,
                              .ranges = bench_ranges(b),
                              .copy = b->copy,
                              .time_ns = b->time_ns};
}

static void end_entry(struct bench *b, const struct access_at *at)
{
    assert_int_equal(store_write(b->store, at->batch), SF_OK);
    store_batch_free(at->batch);
    b->time_ns += 1000;
}

const struct kv_reply *bench_apply(struct bench *b, const struct kv_session *session,
                                   const struct kv_op *op)
{
    struct kv_request asked = {.target.shard = b->copy.shard, .session = *session, .op = *op};
    struct request request;
    struct buffer body = {0};
    const char *what = "";
    release(b);
    if (kv_op_check(op, &what) != SF_OK)
        fail_msg("the operation is not valid: %s", what);
    request_pack(&body, &asked);
    assert_int_equal(request_unpack(buffer_slice(&body), &request), SF_OK);
    struct access_at at = begin_entry(b);
    assert_int_equal(apply_request(&at, &request, &b->answer), SF_OK);
    end_entry(b, &at);
    request_deinit(&request);
    buffer_deinit(&body);
    assert_int_equal(completion_unpack(buffer_slice(&b->answer), &b->reply), SF_OK);
    return &b->reply;
}

const struct kv_reply *bench_do(struct bench *b, const struct kv_op *op)
{
    struct kv_session session = b->session;
    b->session.first_incomplete = ++b->session.sequence;
    return bench_apply(b, &session, op);
}

const struct kv_reply *bench_read(struct bench *b, const struct kv_op *op)
{
    release(b);
    assert_int_equal(kv_op_check(op, NULL), SF_OK);
    access_open_read(&b->reading, &b->space, NULL, b->copy);
    b->reads = true;
    ops_execute(&b->reading, op, &b->reply);
    return &b->reply;
}

const struct kv_reply *bench_scan(struct bench *b, const struct kv_op *op)
{
    release(b);
    assert_int_equal(kv_op_check(op, NULL), SF_OK);
    assert_int_equal(scan_run(&b->space, &b->copy, 1, op, &b->reply, &b->page), SF_OK);
    return &b->reply;
}

void bench_tick(struct bench *b)
{
    size_t limit = 1000;
    struct access_at at = begin_entry(b);
    assert_int_equal(apply_tick(&at, &limit), SF_OK);
    end_entry(b, &at);
}

void bench_trash_done(struct bench *b, uint64_t number)
{
    struct access_at at = begin_entry(b);
    assert_int_equal(apply_trash_done(&at, number), SF_OK);
    end_entry(b, &at);
}

uint64_t bench_hash(struct bench *b)
{
    uint64_t hash = 0;
    struct slice all = slice_of(NULL, 0);
    struct store_iter *iter = store_iter_new(&b->space, NULL, all, all);
    for (; store_iter_valid(iter); store_iter_next(iter)) {
        hash = bytes_hash_seed(store_iter_key(iter), hash);
        hash = bytes_hash_seed(store_iter_value(iter), hash);
    }
    store_iter_free(iter);
    return hash;
}

size_t bench_count(struct bench *b, char section)
{
    struct key from, to;
    size_t count = 0;
    keys_section(&from, b->copy, section);
    to = from;
    keys_after_prefix(&to);
    struct store_iter *iter = store_iter_new(&b->space, NULL, key_slice(&from), key_slice(&to));
    for (; store_iter_valid(iter); store_iter_next(iter))
        count++;
    store_iter_free(iter);
    return count;
}

struct kv_op bench_op(enum kv_kind kind, const char *key)
{
    return (struct kv_op){.kind = kind, .key = slice_str(key)};
}

struct kv_op bench_put_op(const char *key, const char *value)
{
    struct kv_op op = bench_op(KV_PUT, key);
    op.data = slice_str(value);
    return op;
}

int bench_put(struct bench *b, const char *key, const char *value)
{
    struct kv_op op = bench_put_op(key, value);
    return bench_do(b, &op)->status;
}

void bench_expect(struct bench *b, const char *key, const char *value)
{
    struct kv_op op = bench_op(KV_GET, key);
    const struct kv_reply *reply = bench_read(b, &op);
    assert_int_equal(reply->status, value == NULL ? SF_NOT_FOUND : SF_OK);
    if (value == NULL)
        return;
    assert_int_equal(reply->data.n, strlen(value));
    assert_memory_equal(reply->data.p, value, reply->data.n);
}

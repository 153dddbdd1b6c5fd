#include "shardkv/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shardkv/cache.h"
#include "shardkv/completion.h"
#include "shardkv/ops.h"

void bench_new(struct bench *bench)
{
    *bench = (struct bench){.copy = {.shard = 5, .home = 1}, .time_ns = 1000 * BENCH_SECOND_NS};
    bench->image = store_image_new();
    bench->store = store_memory_open(bench->image);
    bench->cache = cache_new();
    bench->space = (struct space){.store = bench->store, .prefix = {7}};
    struct store_batch *batch = store_batch_new(&bench->space);
    shard_create_empty(batch, bench->copy.shard, bench->copy.home);
    assert_int_equal(store_write(bench->store, batch), SF_OK);
    store_batch_free(batch);
    struct kv_op op = {.kind = KV_SESSION_OPEN, .data = slice_str("the bench's own.")};
    bench->session.session = bench_apply(bench, &(struct kv_session){0}, &op)->session;
    assert_true(bench->session.session != 0);
    bench->session.sequence = bench->session.first_incomplete = 1;
}

static void release(struct bench *bench)
{
    if (bench->page != NULL)
        scan_page_free(bench->page);
    else if (!bench->reads)
        kv_reply_free(&bench->reply);
    if (bench->reads)
        assert_int_equal(access_close(&bench->reading), SF_OK);
    bench->page = NULL;
    bench->reads = false;
    bench->reply = (struct kv_reply){0};
    buffer_clear(&bench->answer);
}

void bench_free(struct bench *bench)
{
    release(bench);
    buffer_deinit(&bench->answer);
    cache_free(bench->cache);
    store_close(bench->store);
    store_image_free(bench->image);
}

void bench_restart(struct bench *bench)
{
    release(bench);
    assert_int_equal(store_flush(bench->store), SF_OK);
    cache_clear(bench->cache);
    store_close(bench->store);
    store_image_crash(bench->image, 0);
    bench->store = store_memory_open(bench->image);
    bench->space.store = bench->store;
}

/* The place of the next entry, with a batch of its own. */
static struct access_at begin_entry(struct bench *bench)
{
    return (struct access_at){.space = &bench->space,
                              .batch = store_batch_new(&bench->space),
                              .cache = bench->cache,
                              .copy = bench->copy,
                              .time_ns = bench->time_ns};
}

static void end_entry(struct bench *bench, const struct access_at *at)
{
    assert_int_equal(store_write(bench->store, at->batch), SF_OK);
    store_batch_free(at->batch);
    bench->time_ns += 1000;
}

const struct kv_reply *bench_apply(struct bench *bench, const struct kv_session *session,
                                   const struct kv_op *op)
{
    struct kv_request asked = {.target.shard = bench->copy.shard, .session = *session, .op = *op};
    struct request request;
    struct buffer body = {0};
    const char *what = "";
    release(bench);
    if (kv_op_check(op, &what) != SF_OK)
        fail_msg("the operation is not valid: %s", what);
    request_pack(&body, &asked);
    assert_int_equal(request_unpack(buffer_slice(&body), &request), SF_OK);
    struct access_at at = begin_entry(bench);
    assert_int_equal(apply_request(&at, &request, &bench->answer), SF_OK);
    end_entry(bench, &at);
    request_deinit(&request);
    buffer_deinit(&body);
    assert_int_equal(completion_unpack(buffer_slice(&bench->answer), &bench->reply), SF_OK);
    return &bench->reply;
}

const struct kv_reply *bench_do(struct bench *bench, const struct kv_op *op)
{
    struct kv_session session = bench->session;
    bench->session.first_incomplete = ++bench->session.sequence;
    return bench_apply(bench, &session, op);
}

const struct kv_reply *bench_read(struct bench *bench, const struct kv_op *op)
{
    release(bench);
    assert_int_equal(kv_op_check(op, NULL), SF_OK);
    access_open_read(&bench->reading, &bench->space, NULL, bench->copy);
    bench->reads = true;
    ops_execute(&bench->reading, op, &bench->reply);
    return &bench->reply;
}

const struct kv_reply *bench_scan(struct bench *bench, const struct kv_op *op)
{
    release(bench);
    assert_int_equal(kv_op_check(op, NULL), SF_OK);
    assert_int_equal(scan_run(&bench->space, &bench->copy, 1, op, &bench->reply, &bench->page),
                     SF_OK);
    return &bench->reply;
}

void bench_tick(struct bench *bench)
{
    size_t limit = 1000;
    struct access_at at = begin_entry(bench);
    assert_int_equal(apply_tick(&at, &limit), SF_OK);
    end_entry(bench, &at);
}

void bench_trash_done(struct bench *bench, uint64_t number)
{
    struct access_at at = begin_entry(bench);
    assert_int_equal(apply_trash_done(&at, number), SF_OK);
    end_entry(bench, &at);
}

uint64_t bench_hash(struct bench *bench)
{
    uint64_t hash = 0;
    struct slice all = slice_of(NULL, 0);
    struct store_iter *iter = store_iter_new(&bench->space, NULL, all, all);
    for (; store_iter_valid(iter); store_iter_next(iter)) {
        hash = bytes_hash_seed(store_iter_key(iter), hash);
        hash = bytes_hash_seed(store_iter_value(iter), hash);
    }
    store_iter_free(iter);
    return hash;
}

size_t bench_count(struct bench *bench, char section)
{
    struct key from, to;
    size_t count = 0;
    keys_section(&from, bench->copy, section);
    to = from;
    keys_after_prefix(&to);
    struct store_iter *iter = store_iter_new(&bench->space, NULL, key_slice(&from), key_slice(&to));
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

int bench_put(struct bench *bench, const char *key, const char *value)
{
    struct kv_op op = bench_put_op(key, value);
    return bench_do(bench, &op)->status;
}

void bench_expect(struct bench *bench, const char *key, const char *value)
{
    struct kv_op op = bench_op(KV_GET, key);
    const struct kv_reply *reply = bench_read(bench, &op);
    assert_int_equal(reply->status, value == NULL ? SF_NOT_FOUND : SF_OK);
    if (value == NULL)
        return;
    assert_int_equal(reply->data.n, strlen(value));
    assert_memory_equal(reply->data.p, value, reply->data.n);
}

/* Ranges and lengths against a flat array: random operations whose borders like to fall on those of
 * blocks, on the limit of what stands in the header, and on the end of the head. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "env/memory.h"
#include "shardkv/bench.h"
#include "shardkv/head.h"

#define STEPS 600
#define SEEDS 12
#define DATA_BYTES_MAX 70000u

struct model {
    uint8_t bytes[SF_VALUE_BYTES_MAX];
    size_t length;
    bool there;
};

struct run {
    struct bench bench;
    struct model *model;
    uint64_t random;
    uint8_t data[DATA_BYTES_MAX];
};

/* splitmix64 */
static uint64_t draw(struct run *run)
{
    uint64_t z = run->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t draw_below(struct run *run, size_t limit)
{
    return (size_t)(draw(run) % limit);
}

/* A place in [0, limit], half of the time at a border or next to one. */
static size_t draw_place(struct run *run, size_t limit)
{
    static const size_t borders[] = {0,
                                     RECORD_INLINE_MAX,
                                     HEAD_BLOCK_BYTES,
                                     2 * HEAD_BLOCK_BYTES,
                                     7 * HEAD_BLOCK_BYTES,
                                     SF_VALUE_BYTES_MAX};
    size_t place = draw_below(run, limit + 1);
    if (draw(run) % 2 == 0)
        place = borders[draw_below(run, sizeof(borders) / sizeof(borders[0]))] + draw_below(run, 3);
    else if (draw(run) % 2 == 0)
        place = draw_below(run, 3 * HEAD_BLOCK_BYTES);
    place -= place > 0 ? draw_below(run, 2) : 0;
    return place < limit ? place : limit;
}

static struct slice draw_data(struct run *run, size_t max)
{
    size_t n = draw_below(run, 4) == 0 ? draw_below(run, DATA_BYTES_MAX) : draw_below(run, 100);
    n = n < max ? n : max;
    for (size_t i = 0; i < n; i++)
        run->data[i] = (uint8_t)(1 + draw(run) % 255);
    return slice_of(run->data, n);
}

/* -- the model ----------------------------------------------------------------------------- */

static void model_resize(struct model *model, size_t length)
{
    if (length < model->length)
        memset(model->bytes + length, 0, model->length - length);
    model->length = length;
    model->there = true;
}

static void model_write(struct model *model, size_t offset, struct slice data)
{
    if (offset + data.n > model->length && data.n > 0)
        model_resize(model, offset + data.n);
    if (data.n > 0)
        memcpy(model->bytes + offset, data.p, data.n);
    model->there = true;
}

/* -- one step on both ---------------------------------------------------------------------- */

static void set_range(struct run *run)
{
    struct kv_op op = bench_op(KV_SET_RANGE, "k");
    op.offset = draw_place(run, SF_VALUE_BYTES_MAX);
    op.data = draw_data(run, SF_VALUE_BYTES_MAX - (size_t)op.offset);
    assert_int_equal(bench_do(&run->bench, &op)->status, SF_OK);
    model_write(run->model, (size_t)op.offset, op.data);
}

static void set_length(struct run *run)
{
    struct kv_op op = bench_op(KV_SET_LENGTH, "k");
    op.length = draw_place(run, SF_VALUE_BYTES_MAX);
    op.flags = draw(run) % 4 == 0 ? KV_LENGTH_MAX : 0;
    size_t old = run->model->length;
    const struct kv_reply *reply = bench_do(&run->bench, &op);
    assert_int_equal(reply->status, SF_OK);
    assert_int_equal(reply->old_length, old);
    if (op.flags == 0 || op.length > old)
        model_resize(run->model, (size_t)op.length);
    run->model->there = true;
}

static void punch(struct run *run)
{
    struct kv_op op = bench_op(KV_PUNCH_RANGE, "k");
    op.offset = draw_place(run, SF_VALUE_BYTES_MAX);
    op.length = draw_place(run, SF_VALUE_BYTES_MAX);
    int status = bench_do(&run->bench, &op)->status;
    assert_int_equal(status, run->model->there ? SF_OK : SF_NOT_FOUND);
    size_t end = (size_t)(op.offset + op.length);
    end = end < run->model->length ? end : run->model->length;
    if (op.offset < end)
        memset(run->model->bytes + op.offset, 0, end - (size_t)op.offset);
}

static void append(struct run *run)
{
    struct kv_op op = bench_op(KV_APPEND, "k");
    op.data = draw_data(run, SF_VALUE_BYTES_MAX);
    op.flags = draw(run) % 4 == 0 ? KV_WANT_OLD : 0;
    struct model *model = run->model;
    const struct kv_reply *reply = bench_do(&run->bench, &op);
    if (model->length + op.data.n > SF_VALUE_BYTES_MAX) {
        assert_int_equal(reply->status, SF_TOO_BIG);
        return;
    }
    assert_int_equal(reply->old_length, model->length);
    if (op.flags & KV_WANT_OLD)
        assert_true(slice_equal(reply->data, slice_of(model->bytes, model->length)));
    model_write(model, model->length, op.data);
}

static void put(struct run *run)
{
    struct kv_op op = bench_op(KV_PUT, "k");
    op.data = draw_data(run, SF_VALUE_BYTES_MAX);
    op.length = op.data.n + (draw(run) % 2 == 0 ? 0 : draw_below(run, 50000));
    op.flags = KV_HAS_LENGTH;
    assert_int_equal(bench_do(&run->bench, &op)->status, SF_OK);
    model_resize(run->model, 0);
    model_write(run->model, 0, op.data);
    model_resize(run->model, (size_t)op.length);
}

static void remove_key(struct run *run)
{
    struct kv_op op = bench_op(KV_DELETE, "k");
    int status = bench_do(&run->bench, &op)->status;
    assert_int_equal(status, run->model->there ? SF_OK : SF_NOT_FOUND);
    model_resize(run->model, 0);
    run->model->there = false;
    assert_int_equal(bench_count(&run->bench, 'b'), 0);
}

static void compare_range(struct run *run)
{
    struct kv_op op = bench_op(KV_GET_RANGE, "k");
    op.offset = draw_place(run, SF_VALUE_BYTES_MAX);
    op.length = draw_place(run, SF_VALUE_BYTES_MAX);
    const struct kv_reply *reply = bench_read(&run->bench, &op);
    const struct model *model = run->model;
    size_t left = op.offset < model->length ? model->length - (size_t)op.offset : 0;
    size_t n = op.length < left ? (size_t)op.length : left;
    assert_int_equal(reply->status, model->there ? SF_OK : SF_NOT_FOUND);
    assert_int_equal(reply->data.n, n);
    if (n > 0)
        assert_memory_equal(reply->data.p, model->bytes + op.offset, n);
}

static void compare_all(struct run *run)
{
    struct kv_op op = bench_op(KV_GET, "k");
    const struct kv_reply *reply = bench_read(&run->bench, &op);
    assert_int_equal(reply->status, run->model->there ? SF_OK : SF_NOT_FOUND);
    if (run->model->there) {
        assert_int_equal(reply->stat.length, run->model->length);
        assert_true(slice_equal(reply->data, slice_of(run->model->bytes, run->model->length)));
    }
}

static void step(struct run *run)
{
    static void (*const steps[])(struct run *) = {
        set_range, set_range, set_range, set_length, set_length, punch, punch, append, append};
    size_t which = draw_below(run, 64);
    if (which == 0)
        remove_key(run);
    else if (which < 4)
        put(run);
    else
        steps[which % (sizeof(steps) / sizeof(steps[0]))](run);
    if (draw(run) % 8 == 0)
        compare_all(run);
    else
        compare_range(run);
}

static void ranges_behave_like_an_array(void **state)
{
    (void)state;
    struct run *run = sf_calloc(1, sizeof(*run));
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        print_message("seed %d\n", (int)seed);
        run->random = seed;
        run->model = sf_calloc(1, sizeof(*run->model));
        bench_new(&run->bench);
        for (int i = 0; i < STEPS; i++)
            step(run);
        remove_key(run);
        bench_free(&run->bench);
        free(run->model);
    }
    free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ranges_behave_like_an_array)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

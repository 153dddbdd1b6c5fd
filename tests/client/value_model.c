#include "client/value_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "env/memory.h"

void model_init(struct model *model, struct sim *sim, const char *key)
{
    *model = (struct model){.sim = sim, .key = key};
    model->bytes = sf_calloc(1, MODEL_BYTES_MAX);
    model->scratch = sf_calloc(1, MODEL_BYTES_MAX);
}

void model_deinit(struct model *model)
{
    free(model->bytes);
    free(model->scratch);
}

/* -- one call ------------------------------------------------------------------------------- */

struct waiting {
    struct value_call call;
    struct model_answer *answer;
    bool done;
};

static void on_done(struct value_call *call, int status, const struct kv_stat *stat,
                    struct slice data)
{
    struct waiting *waiting = container_of(call, struct waiting, call);
    waiting->answer->status = status;
    waiting->answer->stat = *stat;
    waiting->answer->old_length = call->old_length;
    waiting->answer->found = call->found;
    buffer_set(&waiting->answer->data, data);
    waiting->done = true;
}

static bool is_done(void *ctx)
{
    const struct waiting *waiting = ctx;
    return waiting->done;
}

void model_call(struct model *model, unsigned client, const struct value_call *call,
                struct model_answer *answer)
{
    struct waiting waiting = {.call = *call, .answer = answer};
    waiting.call.on_done = on_done;
    if (waiting.call.key.n == 0)
        waiting.call.key = slice_str(model->key);
    value_submit(model->clients[client], &waiting.call);
    assert_true(sim_run_until(model->sim, is_done, &waiting, MODEL_LIMIT_MS * ENV_MS_NS));
}

/* -- operations ----------------------------------------------------------------------------- */

static struct slice fresh_bytes(struct model *model, size_t n)
{
    model->stamp++;
    for (size_t i = 0; i < n; i++)
        model->scratch[i] = (uint8_t)(model->stamp + i / 4096 + i % 251);
    return slice_of(model->scratch, n);
}

static void array_write(struct model *model, uint64_t offset, struct slice data)
{
    memcpy(model->bytes + offset, data.p, data.n);
    if (data.n > 0 && offset + data.n > model->length)
        model->length = offset + data.n;
}

static void array_cut(struct model *model, uint64_t length)
{
    if (length < model->length)
        memset(model->bytes + length, 0, (size_t)(model->length - length));
    model->length = length;
}

void model_read(struct model *model, unsigned client, uint64_t offset, uint64_t length)
{
    struct model_answer answer = {0};
    struct value_call call = {.kind = VALUE_READ, .offset = offset, .length = length};
    model_call(model, client, &call, &answer);
    assert_int_equal(answer.status, SF_OK);
    uint64_t left = offset < model->length ? model->length - offset : 0;
    assert_int_equal(answer.stat.length, model->length);
    assert_int_equal(answer.data.n, left < length ? left : length);
    if (answer.data.n > 0)
        assert_memory_equal(answer.data.p, model->bytes + offset, answer.data.n);
    buffer_deinit(&answer.data);
}

void model_read_all(struct model *model, unsigned client)
{
    struct model_answer answer = {0};
    struct value_call call = {.kind = VALUE_GET};
    model_call(model, client, &call, &answer);
    assert_int_equal(answer.status, SF_OK);
    assert_int_equal(answer.data.n, model->length);
    if (answer.data.n > 0)
        assert_memory_equal(answer.data.p, model->bytes, answer.data.n);
    buffer_deinit(&answer.data);
}

static void must_succeed(struct model *model, unsigned client, struct value_call call)
{
    struct model_answer answer = {0};
    model_call(model, client, &call, &answer);
    assert_int_equal(answer.status, SF_OK);
    assert_int_equal(answer.stat.length, model->length);
    buffer_deinit(&answer.data);
}

void model_put(struct model *model, unsigned client, size_t n)
{
    struct slice data = fresh_bytes(model, n);
    array_cut(model, 0);
    array_write(model, 0, data);
    must_succeed(model, client, (struct value_call){.kind = VALUE_PUT, .data = data});
}

void model_write(struct model *model, unsigned client, uint64_t offset, size_t n)
{
    struct slice data = fresh_bytes(model, n);
    array_write(model, offset, data);
    must_succeed(model, client,
                 (struct value_call){.kind = VALUE_WRITE, .offset = offset, .data = data});
}

void model_append(struct model *model, unsigned client, size_t n)
{
    struct model_answer answer = {0};
    struct slice data = fresh_bytes(model, n);
    uint64_t old = model->length;
    array_write(model, old, data);
    struct value_call call = {.kind = VALUE_APPEND, .data = data};
    model_call(model, client, &call, &answer);
    assert_int_equal(answer.status, SF_OK);
    assert_int_equal(answer.old_length, old);
    buffer_deinit(&answer.data);
}

void model_truncate(struct model *model, unsigned client, uint64_t length)
{
    array_cut(model, length);
    must_succeed(model, client, (struct value_call){.kind = VALUE_TRUNCATE, .length = length});
}

void model_punch(struct model *model, unsigned client, uint64_t offset, uint64_t n)
{
    uint64_t end = offset + n < model->length ? offset + n : model->length;
    if (offset < end)
        memset(model->bytes + offset, 0, (size_t)(end - offset));
    must_succeed(model, client,
                 (struct value_call){.kind = VALUE_PUNCH, .offset = offset, .length = n});
}

void model_grow(struct model *model, unsigned client, uint64_t length)
{
    if (length > model->length)
        model->length = length;
    must_succeed(model, client, (struct value_call){.kind = VALUE_GROW, .length = length});
}

static uint64_t seek(struct model *model, unsigned client, enum value_kind kind, uint64_t offset)
{
    struct model_answer answer = {0};
    struct value_call call = {.kind = kind, .offset = offset};
    model_call(model, client, &call, &answer);
    assert_int_equal(answer.status, SF_OK);
    buffer_deinit(&answer.data);
    return answer.found;
}

static void must_be_zeros(const struct model *model, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++)
        assert_int_equal(model->bytes[i], 0);
}

/* Whatever is called a hole has nothing but zeros; whatever is called data goes on to a hole. */
void model_seek(struct model *model, unsigned client, uint64_t offset)
{
    uint64_t data = seek(model, client, VALUE_SEEK_DATA, offset);
    uint64_t hole = seek(model, client, VALUE_SEEK_HOLE, offset);
    if (offset >= model->length) {
        assert_true(data == VALUE_FOUND_NONE && hole == VALUE_FOUND_NONE);
        return;
    }
    assert_in_range(hole, offset, model->length);
    must_be_zeros(model, offset, data == VALUE_FOUND_NONE ? model->length : data);
    if (data != VALUE_FOUND_NONE) {
        assert_in_range(data, offset, model->length - 1);
        assert_true(seek(model, client, VALUE_SEEK_HOLE, data) > data);
    }
    if (hole < model->length)
        assert_true(seek(model, client, VALUE_SEEK_DATA, hole) > hole);
}

/* -- random histories ------------------------------------------------------------------------ */

static uint64_t below(struct model *model, uint64_t limit)
{
    return sim_random_below(model->sim, limit);
}

/* An offset up to `limit`, often near the edge of an extent. */
static uint64_t some_offset(struct model *model, uint64_t limit)
{
    uint64_t offset = below(model, limit);
    if (below(model, 2) == 0) {
        offset = offset / MIB * MIB + below(model, 5);
        offset = offset >= 2 ? offset - 2 : 0;
    }
    return offset < limit ? offset : limit;
}

static size_t some_size(struct model *model, uint64_t offset)
{
    static const size_t sizes[] = {1, 100, 4096, 70000, MIB, 3 * MIB};
    size_t limit = sizes[below(model, sizeof sizes / sizeof *sizes)];
    size_t n = 1 + (size_t)below(model, limit);
    return n < MODEL_BYTES_MAX - offset ? n : (size_t)(MODEL_BYTES_MAX - offset);
}

void model_step(struct model *model, unsigned client)
{
    uint64_t offset = some_offset(model, MODEL_BYTES_MAX - 1);
    switch (below(model, 12)) {
    case 0:
        model_put(model, client, below(model, 3) == 0 ? some_size(model, 0) : 3000);
        break;
    case 1:
    case 2:
    case 3:
        model_write(model, client, offset, some_size(model, offset));
        break;
    case 4:
        if (model->length < MODEL_BYTES_MAX)
            model_append(model, client, some_size(model, model->length));
        break;
    case 5:
    case 6:
        model_truncate(model, client, offset);
        break;
    case 7:
        model_punch(model, client, offset, some_size(model, offset));
        break;
    case 8:
        model_grow(model, client, offset);
        break;
    case 9:
        model_seek(model, client, offset);
        break;
    default:
        model_read(model, client, offset, some_size(model, offset));
        break;
    }
}

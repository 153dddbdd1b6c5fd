#include "storage/store_stage.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "env/memory.h"

static char answer[1 << 16];

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void)stat, (void)type, (void)ftw;
    return remove(path);
}

static void stage_open(struct stage *stage)
{
    char *why = NULL;
    if (stage->kind == STAGE_MEMORY)
        stage->store = store_memory_open(stage->image);
    else if (store_disk_open(stage->dir, NULL, &stage->store, &why) != SF_OK)
        fail_msg("%s", why);
    stage->space = stage_space(stage, 7, 1);
}

struct stage *stage_new(enum stage_kind kind)
{
    struct stage *stage = sf_calloc(1, sizeof *stage);
    stage->kind = kind;
    if (kind == STAGE_MEMORY) {
        stage->image = store_image_new();
    } else {
        stage->dir = sf_strdup("/tmp/storage.XXXXXX");
        assert_non_null(mkdtemp(stage->dir));
    }
    stage_open(stage);
    return stage;
}

void stage_free(struct stage *stage)
{
    store_close(stage->store);
    store_image_free(stage->image);
    if (stage->dir != NULL)
        nftw(stage->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(stage->dir);
    free(stage);
}

void stage_reopen(struct stage *stage)
{
    store_close(stage->store);
    stage_open(stage);
}

struct space stage_space(struct stage *stage, uint64_t replica_key, uint32_t generation)
{
    struct space space = {.store = stage->store};
    struct buffer prefix = {0};
    buffer_put_u64_big(&prefix, replica_key);
    buffer_put_u32_big(&prefix, generation);
    memcpy(space.prefix, prefix.p, STORE_PREFIX_BYTES);
    buffer_deinit(&prefix);
    return space;
}

static const char *text_of(int status, struct store_value *value)
{
    if (status == SF_NOT_FOUND)
        return NULL;
    if (status != SF_OK)
        return "!";
    snprintf(answer, sizeof answer, "%.*s", (int)value->bytes.n, (const char *)value->bytes.p);
    store_unpin(value);
    return answer;
}

const char *stage_get(struct stage *stage, const char *key)
{
    return stage_get_pending(stage, NULL, key);
}

const char *stage_get_pending(struct stage *stage, struct store_batch *batch, const char *key)
{
    struct store_value value;
    int status = store_get(&stage->space, batch, slice_str(key), &value);
    return text_of(status, &value);
}

const char *stage_get_durable(struct stage *stage, const char *key)
{
    struct store_value value;
    int status = store_get_durable(&stage->space, slice_str(key), &value);
    return text_of(status, &value);
}

void stage_write(struct stage *stage, struct store_batch *batch)
{
    assert_int_equal(store_write(stage->store, batch), SF_OK);
    store_batch_free(batch);
}

void stage_put(struct stage *stage, const char *key, const char *value)
{
    struct store_batch *batch = store_batch_new(&stage->space);
    store_batch_put(batch, slice_str(key), slice_str(value));
    stage_write(stage, batch);
}

const char *stage_list(struct stage *stage, const struct store_view *view, const char *from,
                       const char *to)
{
    size_t n = 0;
    struct store_iter *iter = store_iter_new(&stage->space, view, slice_str(from), slice_str(to));
    answer[0] = 0;
    for (; store_iter_valid(iter); store_iter_next(iter)) {
        struct slice key = store_iter_key(iter), value = store_iter_value(iter);
        n += (size_t)snprintf(answer + n, sizeof answer - n, "%s%.*s=%.*s", n == 0 ? "" : " ",
                              (int)key.n, (const char *)key.p, (int)value.n, (const char *)value.p);
    }
    assert_int_equal(store_iter_status(iter), SF_OK);
    store_iter_free(iter);
    return answer;
}

/* What other groups are answered, from what is applied. */
#include "shardkv/shards_inside.h"

#include <utlist.h>

#include "env/mark.h"
#include "shardkv/keys.h"

static bool is_over(const struct row *row, uint64_t lost)
{
    return row->lost != 0 && row->lost <= lost;
}

int shards_answer_pull(const struct shards *shards, uint32_t shard, uint64_t lost,
                       const struct row **row)
{
    if (shard >= shards->options.shard_count)
        return SF_INVALID;
    bool may_come = shards->num < lost;
    const struct row *at;
    DL_FOREACH(shards->rows[shard], at)
    {
        if (!is_over(at, lost))
            continue;
        if (at->state == ROW_FROZEN) {
            *row = at;
            return SF_OK;
        }
        if (row_is_waiting(at))
            may_come = true;
    }
    return may_come ? SF_NOT_YET : SF_GONE;
}

static int answer_given(const struct row *row, const struct taker *taker)
{
    if (!taker_equal(&row->taker, taker)) {
        SF_MARK("hand-off: custody asked for by who was passed over");
        return SF_GONE;
    }
    SF_MARK("hand-off: custody asked for twice");
    return SF_OK;
}

int shards_answer_custody(const struct shards *shards, uint32_t shard, uint64_t lost,
                          const struct taker *taker, bool *give)
{
    *give = false;
    if (shard >= shards->options.shard_count)
        return SF_INVALID;
    const struct row *row;
    DL_FOREACH(shards->rows[shard], row)
    {
        if (row->lost != lost || lost == 0)
            continue;
        if (row->state == ROW_GIVEN)
            return answer_given(row, taker);
        *give = row->state == ROW_FROZEN;
        return SF_NOT_YET;
    }
    return shards->num < lost ? SF_NOT_YET : SF_GONE;
}

int shards_answer_settled(const struct shards *shards, uint32_t shard, uint64_t lost, bool *settle)
{
    *settle = false;
    if (shard >= shards->options.shard_count)
        return SF_INVALID;
    if (shards->num < lost)
        return SF_NOT_YET;
    const struct row *row;
    DL_FOREACH(shards->rows[shard], row)
    {
        if (is_over(row, lost) && row_is_keeper(row))
            return SF_INVALID;
        if (is_over(row, lost))
            *settle = true;
    }
    return *settle ? SF_NOT_YET : SF_OK;
}

/* The place after the cursor: the smallest key that is greater than it. */
static struct store_iter *open_after(const struct space *space, const struct row *row,
                                     struct slice cursor)
{
    struct key from, to;
    struct shard_copy copy = {.shard = row->shard, .home = row->home};
    keys_copy_from(&from, copy);
    keys_copy_to(&to, copy);
    struct store_iter *iter = store_iter_new(space, NULL, key_slice(&from), key_slice(&to));
    if (cursor.n > 0) {
        struct buffer after = {0};
        buffer_set(&after, key_slice(&from));
        buffer_append(&after, cursor.p, cursor.n);
        buffer_put_u8(&after, 0);
        store_iter_seek(iter, buffer_slice(&after));
        buffer_deinit(&after);
    }
    return iter;
}

int copy_read(const struct space *space, const struct row *row, struct slice cursor,
              size_t bytes_max, struct buffer *pairs, struct buffer *to, bool *last)
{
    struct store_iter *iter = open_after(space, row, cursor);
    buffer_clear(pairs);
    buffer_set(to, cursor);
    while (store_iter_valid(iter)) {
        struct slice key = store_iter_key(iter), value = store_iter_value(iter);
        struct slice rest = slice_of(key.p + KEYS_COPY_BYTES, key.n - KEYS_COPY_BYTES);
        if (pairs->n > 0 && pairs->n + rest.n + value.n > bytes_max)
            break;
        buffer_put_slice(pairs, rest);
        buffer_put_slice(pairs, value);
        buffer_set(to, rest);
        store_iter_next(iter);
    }
    int status = store_iter_status(iter);
    *last = !store_iter_valid(iter);
    store_iter_free(iter);
    return status;
}

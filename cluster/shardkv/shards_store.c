/* The table's rows in the store. Keys, numbers big-endian:
 *
 *   'C' 'N'                                            newest Config applied: u64
 *   'C' 'R' u16 shard, u64 home                        a copy (struct row)
 *   'C' 'D' u16 shard, u64 gained, u64 gid, u64 identity   a duty: its owner
 *
 * A row's value: u8 format = 1, u8 state, u64 gained, u64 lost, u8 begun, u64 source_lost, cursor
 * (u32 length, bytes), chain (chain_put), u64 taker gid, u64 identity, u64 gained; little-endian.
 */
#include "shardkv/shards_inside.h"

#include <stdlib.h>
#include <utlist.h>

#include "env/mark.h"
#include "env/memory.h"
#include "shardkv/keys.h"

#define ROW_FORMAT 1u

static void put_row_key(struct buffer *b, const struct row *row)
{
    buffer_append(b, "CR", 2);
    buffer_put_u16_big(b, (uint16_t)row->shard);
    buffer_put_u64_big(b, row->home);
}

void rows_put(struct store_batch *batch, const struct row *row)
{
    struct buffer key = {0}, value = {0};
    put_row_key(&key, row);
    buffer_put_u8(&value, ROW_FORMAT);
    buffer_put_u8(&value, (uint8_t)row->state);
    buffer_put_u64(&value, row->gained);
    buffer_put_u64(&value, row->lost);
    buffer_put_u8(&value, row->begun);
    buffer_put_u64(&value, row->source_lost);
    buffer_put_slice(&value, buffer_slice(&row->cursor));
    chain_put(&value, &row->chain);
    buffer_put_u64(&value, row->taker.gid);
    buffer_put_u64(&value, row->taker.identity);
    buffer_put_u64(&value, row->taker.gained);
    store_batch_put(batch, buffer_slice(&key), buffer_slice(&value));
    buffer_deinit(&key);
    buffer_deinit(&value);
}

void rows_delete(struct store_batch *batch, const struct row *row)
{
    struct buffer key = {0};
    put_row_key(&key, row);
    store_batch_delete(batch, buffer_slice(&key));
    buffer_deinit(&key);
}

void rows_put_num(struct store_batch *batch, uint64_t num)
{
    struct buffer value = {0};
    buffer_put_u64(&value, num);
    store_batch_put(batch, slice_str("CN"), buffer_slice(&value));
    buffer_deinit(&value);
}

static void put_duty_key(struct buffer *b, const struct duty *duty)
{
    buffer_append(b, "CD", 2);
    buffer_put_u16_big(b, (uint16_t)duty->shard);
    buffer_put_u64_big(b, duty->gained);
    buffer_put_u64_big(b, duty->owner.group.gid);
    buffer_put_u64_big(b, duty->owner.identity);
}

void rows_put_duty(struct store_batch *batch, const struct duty *duty)
{
    struct buffer key = {0}, value = {0};
    put_duty_key(&key, duty);
    owner_put(&value, &duty->owner);
    store_batch_put(batch, buffer_slice(&key), buffer_slice(&value));
    buffer_deinit(&key);
    buffer_deinit(&value);
}

void rows_delete_duty(struct store_batch *batch, const struct duty *duty)
{
    struct buffer key = {0};
    put_duty_key(&key, duty);
    store_batch_delete(batch, buffer_slice(&key));
    buffer_deinit(&key);
}

/* -- reading ------------------------------------------------------------------------------- */

static bool read_row(struct shards *shards, struct reader *key, struct reader *value)
{
    struct row *row = sf_calloc(1, sizeof *row);
    row->shard = reader_u16_big(key);
    row->home = reader_u64_big(key);
    uint8_t format = reader_u8(value);
    uint8_t state = reader_u8(value);
    row->gained = reader_u64(value);
    row->lost = reader_u64(value);
    row->begun = reader_u8(value) != 0;
    row->source_lost = reader_u64(value);
    buffer_set(&row->cursor, reader_slice(value, KEYS_BYTES_MAX));
    bool ok = chain_get(value, &row->chain);
    row->taker.gid = reader_u64(value);
    row->taker.identity = reader_u64(value);
    row->taker.gained = reader_u64(value);
    ok = ok && reader_done(key) && reader_done(value) && format == ROW_FORMAT;
    if (!ok || state == 0 || state >= ROW_STATE_LIMIT ||
        row->shard >= shards->options.shard_count) {
        row_free(row);
        return false;
    }
    row->state = (enum row_state)state;
    shards_insert(shards, row);
    return true;
}

static bool read_duty(struct shards *shards, struct reader *key, struct reader *value)
{
    struct duty *duty = sf_calloc(1, sizeof *duty);
    duty->shard = reader_u16_big(key);
    duty->gained = reader_u64_big(key);
    group_id gid = reader_u64_big(key);
    uint64_t identity = reader_u64_big(key);
    bool ok = owner_get(value, &duty->owner) && reader_done(key) && reader_done(value) &&
              owner_is(&duty->owner, gid, identity);
    if (!ok) {
        duty_free(duty);
        return false;
    }
    DL_APPEND(shards->duties, duty);
    return true;
}

static bool read_pair(struct shards *shards, struct slice key, struct slice value)
{
    struct reader k = reader_of(key), v = reader_of(value);
    (void)reader_u8(&k); /* 'C': the range that is iterated */
    switch (reader_u8(&k)) {
    case 'N':
        shards->num = reader_u64(&v);
        return reader_done(&k) && reader_done(&v);
    case 'R':
        return read_row(shards, &k, &v);
    case 'D':
        return read_duty(shards, &k, &v);
    default:
        return false;
    }
}

static bool is_moving(const struct shards *shards)
{
    for (uint32_t shard = 0; shard < shards->options.shard_count; shard++)
        if (shards->rows[shard] && shards->rows[shard]->state != ROW_SERVING)
            return true;
    return false;
}

int shards_restored(struct shards *shards, const struct space *space)
{
    bool again = shards->num != 0;
    shards_clear(shards);
    shards->space = *space;
    struct store_iter *iter = store_iter_new(space, NULL, slice_str("C"), slice_str("D"));
    bool ok = true;
    for (; ok && store_iter_valid(iter); store_iter_next(iter))
        ok = read_pair(shards, store_iter_key(iter), store_iter_value(iter));
    int status = store_iter_status(iter);
    store_iter_free(iter);
    if (status != SF_OK)
        return status;
    if (again && is_moving(shards))
        SF_MARK("hand-off: snapshot installed in the middle of one");
    return ok && shards_check(shards) ? SF_OK : SF_CORRUPT;
}

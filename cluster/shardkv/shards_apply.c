/* Entries of reconfiguration and hand-off: making, reading, applying them. */
#include "shardkv/shards_entry.h"

#include "shardkv/keys.h"

/* -- making -------------------------------------------------------------------------------- */

static void put_head(struct buffer *b, enum shards_entry kind, uint32_t shard)
{
    buffer_put_u8(b, (uint8_t)kind);
    buffer_put_u16(b, (uint16_t)shard);
}

void entry_put_config(struct buffer *b, const struct config_change *change)
{
    buffer_put_u8(b, SHARDS_CONFIG);
    config_change_put(b, change);
}

void entry_put_chunk(struct buffer *b, const struct chunk *chunk)
{
    put_head(b, SHARDS_CHUNK, chunk->shard);
    buffer_put_u64(b, chunk->home);
    buffer_put_u64(b, chunk->gid);
    buffer_put_u64(b, chunk->identity);
    buffer_put_u64(b, chunk->source_lost);
    buffer_put_u8(b, chunk->last);
    buffer_put_slice(b, chunk->from);
    buffer_put_slice(b, chunk->to);
    chain_put(b, &chunk->chain);
    buffer_put_slice(b, chunk->pairs);
}

void entry_put_take(struct buffer *b, const struct row *row)
{
    put_head(b, SHARDS_TAKE, row->shard);
    buffer_put_u64(b, row->home);
    buffer_put_u64(b, row->source_lost);
}

void entry_put_drop(struct buffer *b, const struct row *row)
{
    put_head(b, SHARDS_DROP, row->shard);
    buffer_put_u64(b, row->home);
    buffer_put_u64(b, row->source_lost);
}

void entry_put_give(struct buffer *b, uint32_t shard, uint64_t lost, const struct taker *taker)
{
    put_head(b, SHARDS_GIVE, shard);
    buffer_put_u64(b, lost);
    buffer_put_u64(b, taker->gid);
    buffer_put_u64(b, taker->identity);
    buffer_put_u64(b, taker->gained);
}

void entry_put_settle(struct buffer *b, uint32_t shard, uint64_t lost)
{
    put_head(b, SHARDS_SETTLE, shard);
    buffer_put_u64(b, lost);
}

void entry_put_told(struct buffer *b, const struct duty *duty)
{
    put_head(b, SHARDS_TOLD, duty->shard);
    buffer_put_u64(b, duty->gained);
    buffer_put_u64(b, duty->owner.group.gid);
    buffer_put_u64(b, duty->owner.identity);
}

int entry_status(struct slice reply)
{
    struct reader r = reader_of(reply);
    int status = (int)(int64_t)reader_u64(&r);
    return reader_done(&r) ? status : SF_PROTOCOL;
}

/* -- applying ------------------------------------------------------------------------------ */

/* What an entry is applied to; each apply_* reads the rest of one kind and applies it. */
struct application {
    struct shards *shards;
    struct store_batch *batch;
    struct reader r;
};

static int apply_config(struct application *a)
{
    struct config_change change;
    if (!config_change_get(&a->r, a->shards->options.shard_count, &change))
        return SF_PROTOCOL;
    int status = config_change_apply(a->shards, a->batch, &change);
    config_change_deinit(&change);
    return status;
}

static int apply_chunk(struct application *a)
{
    struct chunk chunk = {.shard = reader_u16(&a->r)};
    chunk.home = reader_u64(&a->r);
    chunk.gid = reader_u64(&a->r);
    chunk.identity = reader_u64(&a->r);
    chunk.source_lost = reader_u64(&a->r);
    chunk.last = reader_u8(&a->r) != 0;
    chunk.from = reader_slice(&a->r, KEYS_BYTES_MAX);
    chunk.to = reader_slice(&a->r, KEYS_BYTES_MAX);
    if (!chain_get(&a->r, &chunk.chain))
        return SF_PROTOCOL;
    chunk.pairs = reader_slice(&a->r, SF_MESSAGE_BYTES_MAX);
    int status = SF_PROTOCOL;
    if (reader_done(&a->r) && chunk_check(&chunk))
        status = shards_chunk(a->shards, a->batch, &chunk);
    chain_deinit(&chunk.chain);
    return status;
}

static int apply_take(struct application *a)
{
    uint32_t shard = reader_u16(&a->r);
    uint64_t home = reader_u64(&a->r);
    uint64_t source_lost = reader_u64(&a->r);
    if (!reader_done(&a->r))
        return SF_PROTOCOL;
    return shards_take(a->shards, a->batch, shard, home, source_lost);
}

static int apply_drop(struct application *a)
{
    uint32_t shard = reader_u16(&a->r);
    uint64_t home = reader_u64(&a->r);
    uint64_t source_lost = reader_u64(&a->r);
    if (!reader_done(&a->r))
        return SF_PROTOCOL;
    return shards_drop(a->shards, a->batch, shard, home, source_lost);
}

static int apply_give(struct application *a)
{
    uint32_t shard = reader_u16(&a->r);
    uint64_t lost = reader_u64(&a->r);
    struct taker taker = {.gid = reader_u64(&a->r)};
    taker.identity = reader_u64(&a->r);
    taker.gained = reader_u64(&a->r);
    if (!reader_done(&a->r))
        return SF_PROTOCOL;
    return shards_give(a->shards, a->batch, shard, lost, &taker);
}

static int apply_settle(struct application *a)
{
    uint32_t shard = reader_u16(&a->r);
    uint64_t lost = reader_u64(&a->r);
    if (!reader_done(&a->r))
        return SF_PROTOCOL;
    return shards_settle(a->shards, a->batch, shard, lost);
}

static int apply_told(struct application *a)
{
    uint32_t shard = reader_u16(&a->r);
    uint64_t gained = reader_u64(&a->r);
    group_id gid = reader_u64(&a->r);
    uint64_t identity = reader_u64(&a->r);
    if (!reader_done(&a->r))
        return SF_PROTOCOL;
    return shards_told(a->shards, a->batch, shard, gained, gid, identity);
}

static int apply_kind(struct application *a)
{
    switch (reader_u8(&a->r)) {
    case SHARDS_CONFIG:
        return apply_config(a);
    case SHARDS_CHUNK:
        return apply_chunk(a);
    case SHARDS_TAKE:
        return apply_take(a);
    case SHARDS_DROP:
        return apply_drop(a);
    case SHARDS_GIVE:
        return apply_give(a);
    case SHARDS_SETTLE:
        return apply_settle(a);
    case SHARDS_TOLD:
        return apply_told(a);
    default:
        return SF_PROTOCOL;
    }
}

void shards_apply(struct shards *shards, struct slice body, struct store_batch *batch,
                  struct buffer *reply)
{
    struct application a = {.shards = shards, .batch = batch, .r = reader_of(body)};
    int status = apply_kind(&a);
    shards->version++;
    buffer_put_u64(reply, (uint64_t)(int64_t)status);
}

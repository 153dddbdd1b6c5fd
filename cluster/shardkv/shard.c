#include "shardkv/shard.h"

/* Layout, little-endian: u8 format = 1, then the fields of struct shard_meta in their order. */
#define META_FORMAT 1u
#define ID_COUNTER_BITS 48
#define ID_EPOCH_SHIFT 32
#define ID_EPOCH_MAX 0x7fffu

void shard_create_empty(struct store_batch *batch, uint32_t shard, uint64_t home)
{
    uint64_t epoch = home < ID_EPOCH_MAX ? home : ID_EPOCH_MAX;
    struct shard_meta meta = {.next_id = (epoch << ID_EPOCH_SHIFT) + 1,
                              .next_session = (epoch << ID_EPOCH_SHIFT) + 1,
                              .next_trash = 1};
    struct buffer b = {0};
    struct key key;
    shard_meta_pack(&b, &meta);
    keys_meta(&key, (struct shard_copy){shard, home});
    store_batch_put(batch, key_slice(&key), buffer_slice(&b));
    buffer_deinit(&b);
}

void shard_meta_pack(struct buffer *b, const struct shard_meta *meta)
{
    buffer_put_u8(b, META_FORMAT);
    buffer_put_u64(b, meta->next_id);
    buffer_put_u64(b, meta->next_session);
    buffer_put_u64(b, meta->next_trash);
    buffer_put_u64(b, meta->age_ns);
    buffer_put_u64(b, meta->last_time_ns);
    buffer_put_u64(b, meta->plain_version);
    buffer_put_u64(b, meta->plain_time_ns);
    buffer_put_u32(b, meta->session_count);
    buffer_put_u32(b, meta->trash_count);
}

int shard_meta_unpack(struct slice bytes, struct shard_meta *meta)
{
    struct reader r = reader_of(bytes);
    struct shard_meta got;
    bool known = reader_u8(&r) == META_FORMAT;
    got.next_id = reader_u64(&r);
    got.next_session = reader_u64(&r);
    got.next_trash = reader_u64(&r);
    got.age_ns = reader_u64(&r);
    got.last_time_ns = reader_u64(&r);
    got.plain_version = reader_u64(&r);
    got.plain_time_ns = reader_u64(&r);
    got.session_count = reader_u32(&r);
    got.trash_count = reader_u32(&r);
    if (!reader_done(&r) || !known || got.next_id == 0)
        return SF_CORRUPT;
    *meta = got;
    return SF_OK;
}

uint64_t shard_new_ids(struct shard_meta *meta, uint32_t shard, uint64_t count)
{
    uint64_t first = (uint64_t)shard << ID_COUNTER_BITS | meta->next_id;
    meta->next_id += count;
    sf_assert(meta->next_id >> ID_COUNTER_BITS == 0);
    return first;
}

void shard_advance(struct shard_meta *meta, uint64_t time_ns)
{
    if (meta->last_time_ns != 0 && time_ns > meta->last_time_ns) {
        uint64_t gap = time_ns - meta->last_time_ns;
        meta->age_ns += gap < SHARD_GAP_NS_MAX ? gap : SHARD_GAP_NS_MAX;
    }
    meta->last_time_ns = time_ns;
}

#include "replica/applied.h"

#define APPLIED_VERSION 1u
#define APPLIED_KEY_BYTES 9u

static void applied_key(uint64_t replica_key, struct buffer *key)
{
    buffer_put_u8(key, 'R');
    buffer_put_u64_big(key, replica_key);
}

static void prefix_of(uint64_t replica_key, uint32_t generation, struct buffer *prefix)
{
    buffer_put_u64_big(prefix, replica_key);
    buffer_put_u32_big(prefix, generation);
}

struct space applied_space(struct store *store, uint64_t replica_key, uint32_t generation)
{
    struct space space = {.store = store};
    for (unsigned i = 0; i < 8; i++)
        space.prefix[i] = (uint8_t)(replica_key >> (56 - 8 * i));
    for (unsigned i = 0; i < 4; i++)
        space.prefix[8 + i] = (uint8_t)(generation >> (24 - 8 * i));
    return space;
}

static int applied_decode(struct slice bytes, struct applied *out)
{
    struct reader r = reader_of(bytes);
    uint8_t version = reader_u8(&r);
    struct applied a = {.generation = reader_u32(&r)};
    a.index = reader_u64(&r);
    a.term = reader_u64(&r);
    a.time_ns = reader_u64(&r);
    a.installed = reader_u8(&r) != 0;
    if (!reader_done(&r) || version != APPLIED_VERSION || a.generation == 0)
        return SF_CORRUPT;
    *out = a;
    return SF_OK;
}

int applied_read(struct store *store, uint64_t replica_key, bool durable, struct applied *out)
{
    struct space space = applied_space(store, 0, 0);
    struct buffer key = {0};
    struct store_value value;
    applied_key(replica_key, &key);
    int status = durable ? store_get_durable(&space, buffer_slice(&key), &value)
                         : store_get(&space, NULL, buffer_slice(&key), &value);
    buffer_deinit(&key);
    if (status != SF_OK)
        return status;
    status = applied_decode(value.bytes, out);
    store_unpin(&value);
    return status;
}

void applied_put(struct store_batch *batch, uint64_t replica_key, const struct applied *applied)
{
    struct buffer key = {0}, value = {0};
    prefix_of(0, 0, &key);
    applied_key(replica_key, &key);
    buffer_put_u8(&value, APPLIED_VERSION);
    buffer_put_u32(&value, applied->generation);
    buffer_put_u64(&value, applied->index);
    buffer_put_u64(&value, applied->term);
    buffer_put_u64(&value, applied->time_ns);
    buffer_put_u8(&value, applied->installed ? 1 : 0);
    store_batch_put_raw(batch, buffer_slice(&key), buffer_slice(&value));
    buffer_deinit(&key);
    buffer_deinit(&value);
}

void applied_drop_generation(struct store_batch *batch, uint64_t replica_key, uint32_t generation)
{
    struct buffer from = {0}, to = {0};
    prefix_of(replica_key, generation, &from);
    prefix_of(replica_key, generation + 1, &to);
    store_batch_delete_range_raw(batch, buffer_slice(&from), buffer_slice(&to));
    buffer_deinit(&from);
    buffer_deinit(&to);
}

#include "shardkv/access.h"

#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "shardkv/cache.h"

struct access_chunk {
    struct access_chunk *next;
    uint8_t bytes[];
};

int access_load_meta(struct access *access)
{
    struct key key;
    struct draft_value value;
    keys_meta(&key, access->copy);
    if (!draft_get(&access->draft, key_slice(&key), &value))
        return access->draft.error != SF_OK ? access->draft.error : SF_CORRUPT;
    int status = shard_meta_unpack(value.bytes, &access->meta);
    draft_put_back(&value);
    return status;
}

int access_open(struct access *access, const struct access_at *at)
{
    *access = (struct access){.copy = at->copy,
                              .time_ns = at->time_ns,
                              .limits = at->limits,
                              .cache = at->cache,
                              .txns = at->txns,
                              .ranges = at->ranges};
    draft_init(&access->draft, at->space, at->batch);
    int status = SF_OK;
    if (!cache_get_meta(at->cache, at->copy, &access->meta))
        status = access_load_meta(access);
    if (status == SF_OK)
        shard_advance(&access->meta, at->time_ns);
    return status;
}

void access_open_read(struct access *access, const struct space *space,
                      const struct store_batch *pending, struct shard_copy copy)
{
    *access = (struct access){.copy = copy};
    draft_init_read(&access->draft, space, pending);
}

static void save_meta(struct access *access)
{
    struct key key;
    struct buffer b = {0};
    keys_meta(&key, access->copy);
    shard_meta_pack(&b, &access->meta);
    draft_put(&access->draft, key_slice(&key), buffer_slice(&b));
    buffer_deinit(&b);
    cache_put_meta(access->cache, access->copy, &access->meta);
}

int access_close(struct access *access)
{
    if (access->draft.batch != NULL)
        save_meta(access);
    int error = access->draft.error;
    draft_deinit(&access->draft);
    while (access->chunks != NULL) {
        struct access_chunk *chunk = access->chunks;
        access->chunks = chunk->next;
        sf_free(chunk);
    }
    return error;
}

uint8_t *access_alloc(struct access *access, size_t bytes)
{
    struct access_chunk *chunk = sf_malloc(sizeof(*chunk) + bytes);
    chunk->next = access->chunks;
    access->chunks = chunk;
    return chunk->bytes;
}

struct slice access_copy(struct access *access, struct slice bytes)
{
    uint8_t *copy = access_alloc(access, bytes.n);
    if (bytes.n > 0)
        memcpy(copy, bytes.p, bytes.n);
    return slice_of(copy, bytes.n);
}

uint64_t access_new_id(struct access *access)
{
    return shard_new_ids(&access->meta, access->copy.shard, 1);
}

void access_hold(struct access *access)
{
    draft_hold(&access->draft);
    access->held_meta = access->meta;
    access->held_intents = access->intents;
}

void access_release(struct access *access)
{
    draft_release(&access->draft);
}

void access_drop(struct access *access)
{
    draft_drop(&access->draft);
    access->meta = access->held_meta;
    access->intents = access->held_intents;
}

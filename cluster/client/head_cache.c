#include "client/head_cache.h"

#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

#include "env/memory.h"

struct entry {
    struct head head;
    struct buffer key;         /* one byte space, then the key */
    struct entry *prev, *next; /* by last use, the oldest first */
    UT_hash_handle hh;
};

struct head_cache {
    struct entry *table, *by_use;
    struct buffer key; /* of the lookup under way */
};

struct head_cache *head_cache_new(void)
{
    return sf_calloc(1, sizeof(struct head_cache));
}

static void entry_free(struct head_cache *cache, struct entry *entry)
{
    HASH_DEL(cache->table, entry);
    DL_DELETE(cache->by_use, entry);
    buffer_deinit(&entry->key);
    free(entry);
}

void head_cache_free(struct head_cache *cache)
{
    while (cache->by_use)
        entry_free(cache, cache->by_use);
    buffer_deinit(&cache->key);
    free(cache);
}

static struct entry *lookup(struct head_cache *cache, enum kv_space space, struct slice key)
{
    buffer_clear(&cache->key);
    buffer_put_u8(&cache->key, (uint8_t)space);
    buffer_append(&cache->key, key.p, key.n);
    struct entry *entry;
    HASH_FIND(hh, cache->table, cache->key.p, cache->key.n, entry);
    return entry;
}

const struct head *head_cache_find(struct head_cache *cache, enum kv_space space, struct slice key)
{
    struct entry *entry = lookup(cache, space, key);
    if (!entry)
        return NULL;
    DL_DELETE(cache->by_use, entry);
    DL_APPEND(cache->by_use, entry);
    return &entry->head;
}

static struct entry *entry_new(struct head_cache *cache)
{
    if (HASH_COUNT(cache->table) >= HEAD_CACHE_MAX)
        entry_free(cache, cache->by_use);
    struct entry *entry = sf_calloc(1, sizeof *entry);
    buffer_set(&entry->key, buffer_slice(&cache->key));
    HASH_ADD_KEYPTR(hh, cache->table, entry->key.p, entry->key.n, entry);
    DL_APPEND(cache->by_use, entry);
    return entry;
}

void head_cache_put(struct head_cache *cache, enum kv_space space, struct slice key,
                    const struct kv_stat *stat, uint64_t now_ms)
{
    struct entry *entry = lookup(cache, space, key);
    if (stat->length <= SF_VALUE_BYTES_MAX || stat->kind != RECORD_VALUE) {
        if (entry)
            entry_free(cache, entry);
        return;
    }
    if (!entry)
        entry = entry_new(cache);
    entry->head = (struct head){.version = stat->version,
                                .created = stat->created,
                                .length = stat->length,
                                .tail = tail_of(stat),
                                .seen_ms = now_ms};
}

void head_cache_forget(struct head_cache *cache, enum kv_space space, struct slice key)
{
    struct entry *entry = lookup(cache, space, key);
    if (entry)
        entry_free(cache, entry);
}

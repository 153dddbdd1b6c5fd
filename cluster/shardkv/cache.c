#include "shardkv/cache.h"

#include <stdlib.h>

#include "env/memory.h"

#define METAS 256u
#define SESSIONS 4096u

struct kept_meta {
    bool used;
    struct shard_copy copy;
    struct shard_meta meta;
};

struct kept_session {
    bool used;
    struct shard_copy copy;
    struct session session;
};

struct cache {
    struct kept_meta metas[METAS];
    struct kept_session sessions[SESSIONS];
};

static bool is_same(struct shard_copy a, struct shard_copy b)
{
    return a.shard == b.shard && a.home == b.home;
}

/* Numbers of one shard are consecutive; shards should not begin at the same place. */
static size_t session_place(struct shard_copy copy, uint64_t number)
{
    return (size_t)((copy.shard * 61u + number) % SESSIONS);
}

struct cache *cache_new(void)
{
    return sf_calloc(1, sizeof(struct cache));
}

void cache_free(struct cache *cache)
{
    free(cache);
}

void cache_clear(struct cache *cache)
{
    if (cache != NULL)
        *cache = (struct cache){0};
}

bool cache_get_meta(const struct cache *cache, struct shard_copy copy, struct shard_meta *meta)
{
    if (cache == NULL)
        return false;
    const struct kept_meta *kept = &cache->metas[copy.shard % METAS];
    if (!kept->used || !is_same(kept->copy, copy))
        return false;
    *meta = kept->meta;
    return true;
}

void cache_put_meta(struct cache *cache, struct shard_copy copy, const struct shard_meta *meta)
{
    if (cache != NULL)
        cache->metas[copy.shard % METAS] =
            (struct kept_meta){.used = true, .copy = copy, .meta = *meta};
}

bool cache_get_session(const struct cache *cache, struct shard_copy copy, uint64_t number,
                       struct session *session)
{
    if (cache == NULL)
        return false;
    const struct kept_session *kept = &cache->sessions[session_place(copy, number)];
    if (!kept->used || !is_same(kept->copy, copy) || kept->session.number != number)
        return false;
    *session = kept->session;
    return true;
}

void cache_put_session(struct cache *cache, struct shard_copy copy, const struct session *session)
{
    if (cache != NULL)
        cache->sessions[session_place(copy, session->number)] =
            (struct kept_session){.used = true, .copy = copy, .session = *session};
}

void cache_drop_session(struct cache *cache, struct shard_copy copy, uint64_t number)
{
    if (cache == NULL)
        return;
    struct kept_session *kept = &cache->sessions[session_place(copy, number)];
    if (kept->used && is_same(kept->copy, copy) && kept->session.number == number)
        kept->used = false;
}

/* head_cache: what was last seen of the heads of long values: only ever a hint. */
#ifndef CLIENT_HEAD_CACHE_H
#define CLIENT_HEAD_CACHE_H

#include "client/tail.h"

#define HEAD_CACHE_MAX 512u

struct head_cache;

struct head {
    uint64_t version, created, length;
    struct tail tail;
    uint64_t seen_ms; /* when the answer came */
};

struct head_cache *head_cache_new(void);
void head_cache_free(struct head_cache *cache);
/* NULL: nothing is known. Until the next put. */
const struct head *head_cache_find(struct head_cache *cache, enum kv_space space, struct slice key);
/* Keeps it if the value is long, else forgets what was known. */
void head_cache_put(struct head_cache *cache, enum kv_space space, struct slice key,
                    const struct kv_stat *stat, uint64_t now_ms);
void head_cache_forget(struct head_cache *cache, enum kv_space space, struct slice key);

#endif

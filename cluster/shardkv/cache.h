/* cache: counters and sessions as the newest entry left them, so that apply does not read back what
 * it has just written. A third of what an entry costs is reading.
 *
 *  K1  What is kept under a name is what the store holds under it, or will hold once what is
 *      applied is written. A new state of the store (machine_ops.restored) empties it.
 *
 * Places are found by hash and hold one thing each; what is displaced is read again.
 */
#ifndef SHARDKV_CACHE_H
#define SHARDKV_CACHE_H

#include "shardkv/session.h"

struct cache;

struct cache *cache_new(void);
void cache_free(struct cache *cache); /* NULL is allowed here and below: nothing is kept */
void cache_clear(struct cache *cache);

SF_MUST_CHECK bool cache_get_meta(const struct cache *cache, struct shard_copy copy,
                                  struct shard_meta *meta);
void cache_put_meta(struct cache *cache, struct shard_copy copy, const struct shard_meta *meta);

SF_MUST_CHECK bool cache_get_session(const struct cache *cache, struct shard_copy copy,
                                     uint64_t number, struct session *session);
void cache_put_session(struct cache *cache, struct shard_copy copy, const struct session *session);
void cache_drop_session(struct cache *cache, struct shard_copy copy, uint64_t number);

#endif

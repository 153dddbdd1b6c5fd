/* shard: what one copy of a shard knows about itself: counters, age, what changed last.
 *
 * It stands in one record of the copy (keys.h, section 'm') and travels with it.
 *
 *  S1  next_id grows only: an id (a version, an inode number, a data id) is given once.
 *  S2  age_ns grows only, by the gaps between the times of entries, each 0 to 60 s. So a clock that
 *      jumps, or a group whose clock differs, neither expires everything nor stops expiry.
 */
#ifndef SHARDKV_SHARD_H
#define SHARDKV_SHARD_H

#include "env/assert.h"
#include "shardkv/keys.h"
#include "storage/store.h"

#define SHARD_GAP_NS_MAX 60000000000ull

struct shard_meta {
    uint64_t next_id;       /* counter part of the next id; 1 .. 2^48 - 1 */
    uint64_t next_session;  /* number of the next session, from 1 */
    uint64_t next_trash;    /* number of the next trash entry, from 1 */
    uint64_t age_ns;        /* S2 */
    uint64_t last_time_ns;  /* time of the last entry that was applied to this shard; 0: none yet */
    uint64_t plain_version; /* id drawn when the set of plain keys last changed; 0: never */
    uint64_t plain_time_ns; /* and its time */
    uint32_t session_count; /* sessions open */
    uint32_t trash_count;   /* trash entries waiting */
};

/* Adds the meta of a shard that never had an owner to the batch. The counters begin at a place that
 * depends on `home`, so that ids are not given again should a shard be begun anew. */
void shard_create_empty(struct store_batch *batch, uint32_t shard, uint64_t home);

void shard_meta_pack(struct buffer *b, const struct shard_meta *meta);
SF_MUST_CHECK int shard_meta_unpack(struct slice bytes, struct shard_meta *meta); /* SF_CORRUPT */

/* Draws `count` consecutive ids; the first. An id: shard (16 bits) | counter (48 bits), never 0. */
uint64_t shard_new_ids(struct shard_meta *meta, uint32_t shard, uint64_t count);
/* An entry of this time is being applied: S2. */
void shard_advance(struct shard_meta *meta, uint64_t time_ns);

#endif

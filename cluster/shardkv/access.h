/* access: one copy of a shard, for the time of one log entry or of one read.
 *
 * It carries what every operation needs: the draft, the shard's meta, the entry's time, and memory
 * for what a reply points at.
 */
#ifndef SHARDKV_ACCESS_H
#define SHARDKV_ACCESS_H

#include "shardkv/draft.h"
#include "shardkv/limits.h"
#include "shardkv/shard.h"

struct access_chunk;
struct cache;
struct range_table;
struct txn_table;

struct access {
    struct draft draft;
    struct shard_copy copy;
    struct shard_meta meta;
    struct shard_meta held_meta; /* the meta as it was when changes began to be held */
    uint64_t time_ns;            /* the entry's; 0 in a read */
    uint64_t session;            /* who asks; 0: nobody that has a session here */
    uint64_t owner;              /* to whom it gives records (orphan.h) */
    uint32_t intents;            /* that this session owns (trash.h) */
    uint32_t held_intents;
    const struct shardkv_limits *limits; /* NULL in a read, as is: */
    struct cache *cache;
    struct txn_table *txns; /* NULL also where nobody keeps one, as is: */
    struct range_table *ranges;
    struct access_chunk *chunks;
};

/* An entry's place: what it changes, and when. */
struct access_at {
    const struct space *space;
    struct store_batch *batch;
    const struct shardkv_limits *limits;
    struct cache *cache;        /* NULL: none is kept */
    struct txn_table *txns;     /* of `copy`; NULL: none is kept */
    struct range_table *ranges; /* the same */
    struct shard_copy copy;
    uint64_t time_ns;
};

/* For a log entry: loads the meta and lets the shard's age grow. SF_CORRUPT (there is no such
 * copy), SF_IO: nothing is open then. What `at` points at is lent until access_close. */
SF_MUST_CHECK int access_open(struct access *access, const struct access_at *at);
/* For a read of the store and of what is pending (NULL: nothing): nothing can be changed, and the
 * meta is not loaded. All of it is lent until access_close. */
void access_open_read(struct access *access, const struct space *space,
                      const struct store_batch *pending, struct shard_copy copy);
SF_MUST_CHECK int access_load_meta(struct access *access); /* SF_CORRUPT, SF_IO */
/* Adds the meta to the batch, if there is one, and frees. The first error of the draft. */
SF_MUST_CHECK int access_close(struct access *access);

/* Memory until access_close. */
uint8_t *access_alloc(struct access *access, size_t bytes);
struct slice access_copy(struct access *access, struct slice bytes);

uint64_t access_new_id(struct access *access);

/* Everything that is changed from here on, meta included, is kept or taken back as a whole. */
void access_hold(struct access *access);
void access_release(struct access *access);
void access_drop(struct access *access);

#endif

/* shards: the copies of shards that this group holds or waits for, and who may serve them.
 *
 * Words
 *   tenure   the time in which one group (a gid with one set of addresses) owns a shard in the
 *            Configs: from the number at which it gained it to the number at which it lost it.
 *   copy     what a group has of a shard for one tenure: a row of this table, and data in the
 *            store under the prefix ('S', shard, home) of keys.h. Hand-off copies all of that.
 *   home     the number in the store's keys: that of the tenure in which the data came to this
 *            group. It stays when a later tenure of the same group goes on with the same data.
 *   custody  the right to be the shard's one keeper. Made once, with the empty shard, by the group
 *            that is the first to own it; then it only passes from a tenure to a later one.
 *
 * States of a copy. A name in brackets is the entry that makes the step.
 *
 *                 [gain, nobody owned it before]
 *        +-----------------------------------------------+
 *        |                                               v
 *   none-+-[gain]-> PULLING -[last chunk]-> COPIED -[take]-> SERVING -[lose]-> FROZEN
 *                    |    ^                 |    \            ^                 |  |
 *                    |    +---[drop, owned]-+     \           +--(pass)---------+  |
 *                    |                      |      \                            ^  |
 *                 [lose]     [drop, lost; settle]   +--------[take, lost]-------+  |
 *                    |                      |                                 [give]
 *                    v                      v                                      v
 *                   none                   none <-----------[settle]----------- GIVEN
 *
 *   gain    shards_gain    a Config makes this group the owner
 *   lose    shards_lose    a Config takes the shard away
 *   chunk   shards_chunk   PULLING: a part of the data came; idempotent by (source, cursor)
 *   take    shards_take    COPIED: the source gave custody to this tenure
 *   drop    shards_drop    COPIED: the source gave custody to another
 *   give    shards_give    FROZEN: custody goes to a later tenure of another group; data deleted
 *   settle  shards_settle  GIVEN: the taker has logged custody. COPIED: it was passed over
 *   (pass)  shards_pass    FROZEN, and a later tenure of this group waits: custody passes to it
 *                          in the entry that made both true. Data and home stay.
 *
 * A copy that is still PULLING when it is lost is dropped at that entry: nobody was asked for
 * custody, so it cannot be here, and the next owner pulls from where it is. One that is COPIED
 * stays, for its source may have given already: it is frozen for the next owner when custody comes.
 *
 * Invariants (shards_check.c)
 *   S1  The copies of one shard are ordered by `gained`; only the newest may have lost == 0, and
 *       there is such a copy exactly where this group owns the shard in its newest Config.
 *   S2  home <= gained <= num; lost == 0 or gained < lost <= num; the homes of a shard differ.
 *   S3  PULLING and SERVING are not lost, FROZEN and GIVEN are, COPIED may be either.
 *   S4  At most one copy of a shard is SERVING or FROZEN.
 *   S5  No copy newer than a FROZEN one is PULLING or COPIED.
 *   S6  A COPIED copy names its source. A GIVEN one names a taker with taker.gained >= lost, and
 *       has no data in the store.
 * Between groups, on the states that they have applied (tests/storm):
 *   S7  Over all groups at most one copy of a shard is SERVING or FROZEN.
 * The argument that S7 holds stands in handoff.h.
 *
 * The table is a mirror in memory of rows in the store under 'C' (shards_store.c); every
 * transition changes both, the store through the batch of its entry. No function here does I/O but
 * the reads of shards_restored.
 */
#ifndef SHARDKV_SHARDS_H
#define SHARDKV_SHARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "env/bytes.h"
#include "placement/placement.h"
#include "storage/store.h"

struct shards;

/* Log entries whose first byte lies in this range go to shards_apply. */
#define SHARDS_ENTRY_FIRST 16u
#define SHARDS_ENTRY_LAST 31u

/* What the data side does where a copy changes. */
struct shards_hooks {
    void *ctx;
    /* A shard that never had an owner: add what an empty shard is to the batch, under keys.h's
     * prefix of (shard, home). Called while an entry is applied. */
    void (*create_empty)(void *ctx, struct store_batch *batch, uint32_t shard, uint64_t home);
    /* This group serves the shard no more; who waits in it is to be answered WRONG_GROUP. Called by
     * shards_applied. */
    void (*lost)(void *ctx, uint32_t shard, uint64_t home);
};

struct shards_options {
    group_id gid;
    uint64_t group_identity; /* group_identity() of the group's addresses */
    uint32_t shard_count;
    enum routing routing;
    struct shards_hooks hooks;
};

struct shards *shards_new(const struct shards_options *options);
void shards_free(struct shards *shards); /* NULL is allowed */

/* Forgets everything and reads the rows in the space. SF_OK; SF_CORRUPT, SF_IO: the replica cannot
 * go on. */
SF_MUST_CHECK int shards_restored(struct shards *shards, const struct space *space);

/* Applies an entry of SHARDS_ENTRY_FIRST..LAST. One that cannot be decoded, or that does not fit
 * the state any more (a repetition), changes nothing. reply: one i64 status, little-endian: SF_OK,
 * or SF_GONE, SF_STALE, SF_INVALID where nothing was changed. */
void shards_apply(struct shards *shards, struct slice body, struct store_batch *batch,
                  struct buffer *reply);
/* The batch of the last shards_apply is in the store: calls hooks.lost, asks for the space of what
 * was deleted to be reclaimed. Cheap where there is nothing. */
void shards_applied(struct shards *shards);

/* -- questions ----------------------------------------------------------------------------- */

/* Does this group serve the shard, as of what is applied? *home (may be NULL): its number in the
 * store's keys. */
bool shards_serving(const struct shards *shards, uint32_t shard, uint64_t *home);
/* Is the copy with this home the one that is served? For what was admitted earlier. */
bool shards_serving_home(const struct shards *shards, uint32_t shard, uint64_t home);
uint64_t shards_config_num(const struct shards *shards); /* newest Config applied; 0: none yet */
uint32_t shards_count(const struct shards *shards);      /* of the cluster */
enum routing shards_routing(const struct shards *shards);
/* Calls visit for each shard that is served, in ascending order. */
void shards_each_serving(const struct shards *shards,
                         void (*visit)(void *ctx, uint32_t shard, uint64_t home), void *ctx);
/* Appends one packed map (proto/pack.h) for `status`: {"config": number, "serving": count of
 * shards, "moving": count of copies that come or go, "holding": count of copies whose data or
 * custody would be lost with this group}. A drain waits for holding == 0. */
void shards_status(const struct shards *shards, struct buffer *out);

/* S1 to S6; for sf_assert_slow. */
bool shards_check(const struct shards *shards);

#endif

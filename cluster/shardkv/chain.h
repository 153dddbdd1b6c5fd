/* chain: the earlier owners of a shard, newest first, as a value.
 *
 * Each group (gid and set of addresses) stands in it once, with the number at which it lost the
 * shard last: whatever it lost before then it passes on by itself or under that number.
 */
#ifndef SHARDKV_CHAIN_H
#define SHARDKV_CHAIN_H

#include "env/bytes.h"
#include "placement/placement.h"

#define CHAIN_MAX 64u /* owners that are listed; older ones are not asked */

struct owner {
    struct group group; /* its addresses are owned */
    uint64_t identity;  /* group_identity(&group) */
    uint64_t lost;      /* Config number at which it lost the shard; > 0 */
};

/* All-zero is a valid empty chain. Lost numbers decrease strictly. */
struct chain {
    struct owner *owners;
    size_t count; /* <= CHAIN_MAX */
};

void group_put(struct buffer *b, const struct group *group);
/* The group's addresses are the caller's to free where the reader is still ok. */
SF_MUST_CHECK bool group_get(struct reader *r, struct group *group);

void owner_deinit(struct owner *owner);
bool owner_is(const struct owner *owner, group_id gid, uint64_t identity);
void owner_put(struct buffer *b, const struct owner *owner);
/* *owner must be deinitialised where the reader is still ok; untouched contents where it is not. */
SF_MUST_CHECK bool owner_get(struct reader *r, struct owner *owner);

void chain_deinit(struct chain *chain);
void chain_copy(struct chain *to, const struct chain *from); /* to: empty before */
/* Adds a copy at the old end. owner.lost lies below that of the last; count < CHAIN_MAX. */
void chain_add(struct chain *chain, const struct group *group, uint64_t lost);
/* The position of a group, or chain->count. */
size_t chain_find(const struct chain *chain, group_id gid, uint64_t identity);
void chain_put(struct buffer *b, const struct chain *chain);
/* False: what was read breaks the form or a limit; *chain is empty then. */
SF_MUST_CHECK bool chain_get(struct reader *r, struct chain *chain);

#endif

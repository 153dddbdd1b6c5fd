/* lock_set: what a request asks of the locks of a shard.
 *
 *   mode    taken for                                                       and goes with
 *   WRITE   keys that are written, or held (proto/kv.h); prefixes that must nothing
 *           be empty
 *   CHECK   keys checked for their version, a slot, or absence              CHECK, READ
 *   ADD     keys of an Add; keys checked for what an Add leaves as it is    ADD, READ
 *           (that they exist, who they are, their tail)
 *   READ    only asked for, never held: reads and Scans                     all but WRITE
 *
 * CHECK and ADD exclude each other: of two transactions that each check what the other adds to,
 * neither could be the first. A key may be asked for in several modes; they add up.
 */
#ifndef SHARDKV_LOCK_SET_H
#define SHARDKV_LOCK_SET_H

#include "proto/kv.h"

enum lock_mode { LOCK_ADD = 1, LOCK_CHECK = 2, LOCK_WRITE = 4, LOCK_READ = 8 };

struct lock {
    unsigned modes; /* bits of enum lock_mode */
    bool is_prefix; /* of every key that begins with `key` */
    enum kv_space space;
    struct slice key; /* within the set's bytes */
};

/* All-zero: nothing is asked for. */
struct lock_set {
    struct lock locks[SF_MINI_OPS_MAX];
    size_t count;
    struct buffer bytes;
};

/* What the operation asks for; of one that is not about keys, nothing. *set is all-zero. */
void lock_set_of(struct lock_set *set, const struct kv_op *op);
void lock_set_deinit(struct lock_set *set); /* leaves it all-zero */

bool lock_modes_conflict(unsigned a, unsigned b);
bool locks_conflict(const struct lock *a, const struct lock *b);
bool lock_sets_conflict(const struct lock_set *a, const struct lock_set *b);

#endif

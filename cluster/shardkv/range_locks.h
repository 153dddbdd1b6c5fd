/* range_locks: locks on ranges of one key, and who waits for them. Pure: no store, no clock.
 *
 *  G1  Locks of two owners overlap only where both are SHARED. An owner is (holder, owner).
 *  G2  Locks of one owner do not overlap, and two of one type do not touch: they are one.
 *  G3  Who waits stands in the order of arrival, and is blocked: by a lock of another owner, or,
 *      unless it PASSES, by another owner's request before it that conflicts with it.
 *  G4  So what is asked for is granted in order: a request that waits is overtaken by such only as
 *      do not conflict with it, that pass, or that do not wait at all.
 */
#ifndef SHARDKV_RANGE_LOCKS_H
#define SHARDKV_RANGE_LOCKS_H

#include "proto/kv.h"

#define RANGE_LOCKS_MAX 1024u /* held and waiting, of one key */

struct range_list {
    struct kv_lock *locks;
    size_t count, capacity;
};

/* All-zero: nothing is locked. */
struct range_locks {
    struct range_list held, waiting; /* waiting: in the order of arrival */
};

void range_locks_deinit(struct range_locks *locks); /* leaves it all-zero */
bool range_locks_is_empty(const struct range_locks *locks);

bool range_locks_same_owner(const struct kv_lock *a, const struct kv_lock *b);
bool range_locks_conflict(const struct kv_lock *a, const struct kv_lock *b);

/* A lock that is held and in the way of this one; NULL: none. Until the next change. */
const struct kv_lock *range_locks_in_the_way(const struct range_locks *locks,
                                             const struct kv_lock *wanted);
/* Is the request blocked (G3), as it would be in the place `before` of the queue? */
bool range_locks_blocks(const struct range_locks *locks, const struct kv_lock *wanted,
                        size_t before);

/* Its owner's bytes first..last become of its type. Nothing is in the way. LOCKS_FULL: nothing was
 * changed; never for a lock that was waiting, nor for NONE where no lock has to be cut in two. */
SF_MUST_CHECK int range_locks_set(struct range_locks *locks, const struct kv_lock *wanted);
/* To the end of the queue. LOCKS_FULL. */
SF_MUST_CHECK int range_locks_wait(struct range_locks *locks, const struct kv_lock *wanted);
/* Who waits under this ticket; NULL: nobody. */
const struct kv_lock *range_locks_find(const struct range_locks *locks, uint64_t holder,
                                       uint64_t ticket);
void range_locks_leave(struct range_locks *locks, const struct kv_lock *waiting); /* the queue */
/* Grants what is blocked no more. How many. */
size_t range_locks_grant(struct range_locks *locks);
/* What a holder has and asks for goes; nothing is granted. Did it have anything? */
bool range_locks_drop(struct range_locks *locks, uint64_t holder);
/* Has the holder a lock, or a place in the queue? */
bool range_locks_has(const struct range_locks *locks, uint64_t holder);

/* Calls visit with each owner whom a request in this place of the queue waits for, until it says
 * true; what it said last. */
bool range_locks_each_blocker(const struct range_locks *locks, const struct kv_lock *wanted,
                              size_t before,
                              bool (*visit)(void *ctx, const struct kv_lock *blocker), void *ctx);

/* Puts back what was stored, in its order. */
void range_locks_restore(struct range_locks *locks, const struct kv_lock *lock, bool held);
/* G1 to G3. */
bool range_locks_is_valid(const struct range_locks *locks);

#endif

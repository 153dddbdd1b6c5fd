/* locks: locks on files for programs on all mounts, kept in the cluster by inode number: a file that
 * is renamed or linked keeps them, one that is open and removed, too. Two kinds that do not see each
 * other, as on Linux: those on ranges (fcntl(2)), and those on files (flock(2)).
 *
 * One owner's locks do not conflict with each other. The cluster grants in order; what a mount had
 * is gone when it was not heard of for the time of a lease (cluster/shardkv/range.h).
 */
#ifndef TREE_LOCKS_H
#define TREE_LOCKS_H

#include "client/lock.h"
#include "tree/tree.h"

#define TREE_LOCK_LAST ((uint64_t)INT64_MAX) /* the last byte that a lock can cover */

struct tree_lock {
    /* As lock_call's; a TEST answers with type, first, last, and pid, which is 0 where the lock is
     * another mount's. */
    void (*on_done)(struct tree_lock *lock, int status);
    uint64_t ino;
    bool flock;
    bool test;    /* what is in the way? */
    bool patient; /* no time limit: it is tried until it is done */
    bool waits;   /* for who is in the way; without a time limit */
    bool passes;  /* its owner has other locks: it waits for holders alone */
    enum kv_lock_type type;
    uint64_t owner, first, last; /* first <= last <= TREE_LOCK_LAST */
    uint32_t pid;
    /* the tree's own */
    struct lock_call call;
    uint64_t holder;
    uint8_t key[TREE_KEY_BYTES_MAX];
};

/* lock: lent until on_done, which fires later, or drop. */
void tree_lock_submit(struct tree *tree, struct tree_lock *lock);
void tree_lock_leave(struct tree_lock *lock); /* lock_leave and so on: client/lock.h */
void tree_lock_drop(struct tree_lock *lock);
bool tree_lock_was_sent(const struct tree_lock *lock);
bool tree_lock_is_queued(const struct tree_lock *lock);

/* Called when all locks of this mount were lost. */
void tree_watch_locks(struct tree *tree, void (*on_lost)(void *ctx), void *ctx);

/* What was given up and may yet be executed: client_unsettled and so on (client/client.h). */
uint64_t tree_unsettled(const struct tree *tree);
bool tree_is_settled(const struct tree *tree, uint64_t number);
void tree_watch_settled(struct tree *tree, void (*on_settled)(void *ctx), void *ctx);

#endif

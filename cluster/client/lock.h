/* lock: locks on ranges of an internal key (shardkv/range.h), and the leases that keep them.
 *
 *   ASKING -> done                        had at once, refused, or not sent in time
 *   ASKING -> AWAITING -> done            it waits in the shard's queue; granted
 *             AWAITING -> LEAVING -> done given up: it leaves the queue, or was granted first
 *
 *  K1  A request that stands in a queue is awaited or is being taken out, also when nobody here
 *      wants it any more and when its outcome is unknown; what was granted to nobody is unlocked:
 *      no lock is granted to nobody. Who hears UNKNOWN is in no queue, and may have the lock.
 *  K2  A shard in which this client may have a lock gets RENEW three times in the time of a lease;
 *      one where it answers that there is none gets no more.
 *  K3  Who learns that the client is barred (FENCED) gives it a new name, at once: every mutation
 *      that was submitted before fails with FENCED, and `on_fenced` tells its owner that all its
 *      locks are gone, before anything else is sent.
 */
#ifndef CLIENT_LOCK_H
#define CLIENT_LOCK_H

#include "client/client.h"

#define LOCKS_WAITING_MAX 512u /* requests of one client that wait at a time */

struct lock_op;

/* One request. */
struct lock_call {
    /* LOCK: SF_OK; SF_LOCK_HELD, SF_DEADLOCK, SF_LOCKS_FULL; SF_INTERRUPTED (lock_leave); SF_FENCED;
     * SF_TIMEOUT (nothing was changed), SF_UNKNOWN (it may have been done; of one that waits, not
     * before it is in no queue), or another refusal. TEST: SF_OK with `lock` as what is in the way; type NONE: nothing. */
    void (*on_done)(struct lock_call *call, int status);
    struct slice key;    /* lent until on_done or drop */
    struct kv_lock lock; /* holder and ticket are filled in */
    bool test;
    uint64_t timeout_ms;   /* until it is in the queue; 0: none */
    struct lock_op *state; /* the client's own */
};

void lock_submit(struct client *client, struct lock_call *call);
/* on_done comes as soon as the cluster says that it has left the queue (SF_INTERRUPTED), or what was
 * faster. */
void lock_leave(struct lock_call *call);
/* on_done will not come. What was sent may be done; what waits leaves the queue. */
void lock_drop(struct lock_call *call);
bool lock_was_sent(const struct lock_call *call); /* something of it may have been changed */
/* Is it known to stand in the queue, where there is no time limit? */
bool lock_is_queued(const struct lock_call *call);

/* Called whenever this client lost all its locks. One at most. */
void client_watch_fence(struct client *client, void (*on_fenced)(void *ctx), void *ctx);

#endif

/* range: locks on ranges of internal keys, granted in order, kept by the shard, and given to others
 * only when who had them can do no harm any more.
 *
 * A key need not have a record. A lock belongs to (holder, owner): the holder is a client, named by
 * the first 8 bytes of its sessions' ids; whose the owner is, the client knows. LOCK is a mutation
 * of a session; a request that waits stands in the shard's state (range_locks.h), so it keeps its
 * place through leader changes and hand-off, and is granted by the very entry that frees its range.
 * Its client learns of it by LOCK_AWAIT, which a leader answers when that is so.
 *
 * A holder's lease is renewed by its requests about locks and by RENEW. The leader finds that it was
 * not for limits.lease_ns (fence_worker.h), and then sees to the following, in this order:
 *
 *     FENCE, in every shard of the cluster:   the holder is barred, its sessions go
 *     RELEASE, in this shard:                 its locks go; who waits for them is granted
 *
 *  G7  Once a holder is barred in a shard, no entry of its sessions has an effect there: sessions
 *      that it had are gone, session numbers do not come again, and SESSION_OPEN refuses it.
 *  G8  FENCE is answered with OK only when nothing that sessions of the holder prepared
 *      (txn.h) awaits its outcome; else with BUSY. Whose a session was that is gone, nobody knows:
 *      so nothing may that any such session prepared.
 *  G9  So when a lock of a holder is released for another's sake, everything that it sent has had its
 *      effect or never will have one.
 *  G10 A holder is barred for ever. A client that was takes a new name, after everything that it
 *      was about to do under the old one failed (client/lease.h).
 *
 *   'f'  holder     whatever
 */
#ifndef SHARDKV_RANGE_H
#define SHARDKV_RANGE_H

#include "shardkv/access.h"
#include "shardkv/range_table.h"

/* Each of them is one entry; access->ranges is set. */

/* SF_OK, SF_QUEUED, SF_LOCK_HELD, SF_DEADLOCK, SF_LOCKS_FULL, SF_FENCED. */
void range_lock(struct access *access, const struct kv_op *op, struct kv_reply *reply);
void range_cancel(struct access *access, const struct kv_op *op, struct kv_reply *reply);
void range_renew(struct access *access, uint64_t holder, struct kv_reply *reply);
void range_fence(struct access *access, uint64_t holder, struct kv_reply *reply);
void range_release(struct access *access, uint64_t holder, struct kv_reply *reply);

/* Is this client barred? client_id: of a session. */
SF_MUST_CHECK bool range_is_barred(struct access *access, uint64_t holder);
uint64_t range_holder_of(struct slice client_id);

/* LOCK_TEST, LOCK_AWAIT of a leader that has passed its barrier. False: AWAIT, and it has to wait. */
SF_MUST_CHECK bool range_read(struct access *access, const struct range_table *table,
                              const struct kv_op *op, struct kv_reply *reply);

#endif

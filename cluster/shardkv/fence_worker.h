/* fence_worker: what a leader does about holders of locks whose leases have ended.
 *
 * While there are leases in its shards it lets time pass in them, and looks: one that was not
 * renewed for limits.lease_ns of the shard's age, and for as long on this leader's own clock since
 * it first saw it so, has ended. (The age alone would end all leases where a group was away for
 * long.) Then, as range.h says, FENCE goes to every shard, and when all have confirmed, RELEASE to
 * this one. Anything that fails begins anew; too early or twice does no harm but to the holder.
 */
#ifndef SHARDKV_FENCE_WORKER_H
#define SHARDKV_FENCE_WORKER_H

#include "shardkv/machine.h"

struct fence_worker *fence_worker_new(struct kv_machine *machine);
void fence_worker_free(struct fence_worker *worker); /* NULL is allowed */
void fence_worker_lead(struct fence_worker *worker, bool leads);

#endif

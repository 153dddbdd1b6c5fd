/* fence_worker: what a leader does about holders of locks whose leases have ended.
 *
 * While there are leases in its shards it looks at them, four times in the time of one, and proposes a
 * tick. One has ended that was not renewed for limits.lease_ns on this leader's own clock since it
 * saw it first, at four looks since, before each of which entries were applied: so a leader that
 * stood still, or whose group did, hears first what clients said meanwhile. (The shard's age does not
 * do: it stands still for as long as a leader's wall clock was ahead.) Then, as range.h says, FENCE
 * goes to every shard, and when all have confirmed, RELEASE to
 * this one. Anything that fails begins anew; too early or twice does no harm but to the holder.
 */
#ifndef SHARDKV_FENCE_WORKER_H
#define SHARDKV_FENCE_WORKER_H

#include "shardkv/machine.h"

struct fence_worker *fence_worker_new(struct kv_machine *machine);
void fence_worker_free(struct fence_worker *worker); /* NULL is allowed */
void fence_worker_lead(struct fence_worker *worker, bool leads);

#endif

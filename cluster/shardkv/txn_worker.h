/* txn_worker: what a leader does so that no transaction is left half-way.
 *
 * Each second it looks at the prepared records of its shards. One that is PREPARED for longer than
 * 5 s is finished by asking every participant (router/finish.h); one whose outcome was not
 * forgotten for 5 s is told to all once more. Ages are this leader's own: from when it saw the
 * record, on a clock that only it reads; too early or too late does no harm.
 *
 * A shard that is lost takes its records with it, to a leader that begins to count anew. */
#ifndef SHARDKV_TXN_WORKER_H
#define SHARDKV_TXN_WORKER_H

#include "shardkv/machine.h"

struct txn_worker *txn_worker_new(struct kv_machine *machine);
void txn_worker_free(struct txn_worker *worker); /* NULL is allowed */
void txn_worker_lead(struct txn_worker *worker, bool leads);
/* Somebody waits in this shard: is a stale one in the way? */
void txn_worker_look_at(struct txn_worker *worker, uint32_t shard);

#endif

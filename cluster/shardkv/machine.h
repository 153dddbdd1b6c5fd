/* machine: the replicated state machine of one group: the shards that it serves, and which they
 * are.
 *
 * An entry's first byte says whose it is: the data plane's (apply.h) or that of Configs and
 * hand-off (shards.h). Every mutation of a shard asks the table of shards when it is applied, so
 * all replicas refuse the same ones.
 */
#ifndef SHARDKV_MACHINE_H
#define SHARDKV_MACHINE_H

#include "replica/replica.h"
#include "shardkv/handoff.h"
#include "shardkv/keys.h"
#include "shardkv/limits.h"
#include "shardkv/lock_queue.h"
#include "shardkv/range_table.h"
#include "shardkv/shards.h"

struct shardkv;
struct fence_worker;
struct held;
struct trash_worker;
struct txn_worker;

struct kv_machine {
    struct machine base;     /* first; base.replica is NULL until the replica is added */
    struct kv_machine *next; /* of the same process */
    struct shardkv *service; /* NULL once it is gone */
    group_id gid;
    struct shardkv_limits limits;
    struct space space;
    struct cache *cache;
    struct copy_tables *txns;
    struct copy_tables *ranges;
    struct lock_queues waiting; /* requests that wait for locks; empty unless it leads */
    struct held *holds;         /* those of its shards; none unless it leads */
    struct shards *shards;      /* NULL until the state was restored */
    struct handoff *handoff;
    struct trash_worker *trash;
    struct txn_worker *finisher;
    struct fence_worker *fencer;
    struct env_timer tick; /* armed while it leads */
};

struct kv_machine *machine_new(struct shardkv *service, group_id gid);
/* The service ends: no timer, no request of the machine's own from here on. */
void machine_detach(struct kv_machine *machine);

/* Is the shard served here? *copy: which of its copies. */
SF_MUST_CHECK bool machine_serves(const struct kv_machine *machine, uint32_t shard,
                                  struct shard_copy *copy);
/* The transactions and locks of a copy that is served. SF_CORRUPT, SF_IO. */
SF_MUST_CHECK int machine_txns(const struct kv_machine *machine, struct shard_copy copy,
                               struct txn_table **out);
/* The locks on ranges of a copy that is served. SF_CORRUPT, SF_IO. */
SF_MUST_CHECK int machine_ranges(const struct kv_machine *machine, struct shard_copy copy,
                                 struct range_table **out);
/* Sees to it that time passes in the shards. */
void machine_tick(struct kv_machine *machine);
uint64_t machine_config_num(const struct kv_machine *machine);

#endif

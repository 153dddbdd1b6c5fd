/* shardkv: the key/value service of a process: one replicated state machine for each group whose
 * replica stands here, and the RPC methods kv.* over all of them.
 *
 * The happy path of a mutation: kv.put arrives -> the replica of target.gid (service.c) -> checked
 * and admitted -> proposed -> applied by every replica (machine.c): session (session.h), then the
 * operation (ops.h) on the record (record.h, head.h) -> completion record -> the proposer answers.
 * Of a read: read barrier -> is the shard served here? -> store -> answer. It can fail by: not the
 * leader (NOT_LEADER, or passed on where target.forward asks for it), shard not here (WRONG_GROUP),
 * too much to do (OVERLOADED), disk full (NO_SPACE), and the operation's own results.
 */
#ifndef SHARDKV_SHARDKV_H
#define SHARDKV_SHARDKV_H

#include "placement/placement.h"
#include "replica/replica.h"
#include "router/router.h"
#include "shardkv/limits.h"

/* The service of a process. */
struct shardkv;

/* Where the process's own requests to other groups find them, and its limits. Borrowed until
 * return. */
struct shardkv_options {
    const char *const *masters; /* addresses of the shardmasters; none: static placement */
    size_t master_count;
    const struct config *config;         /* static placement: all there is to know; else NULL */
    const struct shardkv_limits *limits; /* NULL: shardkv_limits_default */
};

/* Registers kv.* on rpc, which outlives it. */
struct shardkv *shardkv_new(struct env *env, struct rpc *rpc,
                            const struct shardkv_options *options);
/* Before the host is freed: stops timers and forgets every open request. Nothing is answered. */
void shardkv_free(struct shardkv *shardkv);

/* The machine of one group, for replica_options.machine (the host frees it). */
struct machine *shardkv_machine_new(struct shardkv *shardkv, group_id gid);

struct router *shardkv_router(struct shardkv *shardkv);
struct env *shardkv_env(struct shardkv *shardkv);

#endif

/* handoff: what a leader does so that shards move: it polls the masters for the next Config, pulls
 * the shards that its group gained, takes custody of them, and answers those that pull from it.
 */
#ifndef SHARDKV_HANDOFF_H
#define SHARDKV_HANDOFF_H

#include "replica/replica.h"
#include "router/router.h"
#include "shardkv/shards.h"

struct handoff;

struct handoff_options {
    struct shards *shards;      /* stays the caller's, outlives the handoff */
    struct router *router;      /* to the masters; stays the caller's; NULL with `fixed` */
    const struct config *fixed; /* static placement: the only Config there will ever be, of number
                                   1 or more; copied. NULL: ask the masters */
    uint64_t poll_ms;           /* between questions for a new Config; 0: 100 ms */
    uint64_t timeout_ms;        /* of one request to another group; 0: 2 s */
    size_t chunk_bytes;         /* of data in one chunk, the first pair aside; 0: 512 KiB */
};

struct handoff *handoff_new(const struct handoff_options *options);
void handoff_free(struct handoff *handoff); /* NULL is allowed */

/* To be called by the machine, each from its namesake in machine_ops. */
void handoff_restored(struct handoff *handoff, struct replica *replica);
void handoff_applied(struct handoff *handoff);
void handoff_lead(struct handoff *handoff, bool leads);

/* Serves the methods of hand-off on one process's rpc. find: the handoff of the replica of this
 * group that the process hosts, or NULL. */
void handoff_serve(struct rpc *rpc, struct handoff *(*find)(void *ctx, group_id gid), void *ctx);

#endif

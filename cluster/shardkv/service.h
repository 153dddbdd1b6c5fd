/* service: the process's side of shardkv.h: its machines and the requests that wait in them. */
#ifndef SHARDKV_SERVICE_H
#define SHARDKV_SERVICE_H

#include "proto/kv.h"
#include "shardkv/machine.h"
#include "shardkv/shardkv.h"

#define SERVICE_PENDING_BYTES_MAX (16u << 20)

struct pending;

/* The handler of one method. */
struct service_method {
    struct shardkv *service;
    enum kv_kind kind;
};

struct shardkv {
    struct env *env;
    struct rpc *rpc;
    struct router *router;
    struct shardkv_limits limits;
    struct config *fixed; /* static placement; else NULL */
    struct kv_machine *machines;
    struct service_method methods[KV_KIND_LIMIT];
    struct handoff_hosts hosts;
    struct pending *pending; /* requests that are not answered yet */
    size_t pending_count;
    size_t pending_bytes; /* of what they carry */
    uint64_t tickets;     /* drawn by requests that came in, and by what is proposed */
    struct forgetter *forgetter;
};

struct router *service_router(struct shardkv *service);             /* NULL with a fixed Config */
const struct config *service_fixed_config(struct shardkv *service); /* NULL: ask the masters */
struct kv_machine *service_find(struct shardkv *service, group_id gid); /* NULL: not here */
void service_shard_lost(struct kv_machine *machine,
                        uint32_t shard);            /* who waits in it is answered */
void service_lead_lost(struct kv_machine *machine); /* who waits for locks is told so */
/* Locks of the shard were given back: who waited for them goes on. */
void service_locks_freed(struct kv_machine *machine, uint32_t shard);
/* Somebody in the shard does not wait for a range any more. */
void service_ranges_moved(struct kv_machine *machine, uint32_t shard);
void service_forget(struct shardkv *service, struct kv_machine *machine); /* it is being freed */

/* -- static_masters.c ---------------------------------------------------------------------- */

/* Registers master.* for a service with a fixed Config. */
void static_masters_serve(struct shardkv *service);

/* -- pending.c ----------------------------------------------------------------------------- */

/* Takes a request that came in (borrowed until return; its slices too) and sees to it that it is
 * answered. kv_op_check has passed. */
void pending_serve(struct shardkv *service, struct rpc_request *rpc, struct kv_request *request);
/* Answers those that wait to read, or for locks, in a shard that is gone. */
void pending_shard_lost(struct shardkv *service, struct kv_machine *machine, uint32_t shard);
/* Answers those that wait for locks. */
void pending_lead_lost(struct shardkv *service, struct kv_machine *machine);
void pending_locks_freed(struct kv_machine *machine, uint32_t shard);
void pending_ranges_moved(struct kv_machine *machine, uint32_t shard);
/* Forgets them, of one machine or (NULL) of all; nothing is answered. */
void pending_forget(struct shardkv *service, const struct kv_machine *machine);

#endif

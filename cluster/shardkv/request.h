/* request: what the data plane puts into the log: a mutation of one shard, and little else.
 *
 * A log entry's body begins with its kind. Little-endian:
 *   REQUEST      u8 kind, u32 shard, u64 session, u64 sequence, u64 first incomplete, then the
 *                operation as kv_op_pack writes it
 *   TICK         u8 kind
 *   TRASH_DONE   u8 kind, u32 shard, u64 home, u64 number of the trash entry
 *   SWEEP        as REQUEST
 * Kinds 16 to 31 are shards.h's.
 *
 * REQUEST reads by key alone, so that many of them may share a batch. What has to iterate over the
 * store is a SWEEP: before it everything is written. */
#ifndef SHARDKV_REQUEST_H
#define SHARDKV_REQUEST_H

#include "proto/kv.h"

enum entry_kind {
    ENTRY_REQUEST = 1,
    ENTRY_TICK = 2,       /* ages grow, idle sessions of every served shard are dropped */
    ENTRY_TRASH_DONE = 3, /* the extents of a trash entry are removed */
    ENTRY_SWEEP = 4,
};

struct request {
    uint32_t shard;
    struct kv_session session;
    struct kv_op op;
    struct unpacked unpacked; /* what op points into, with the entry's body */
};

void request_pack(struct buffer *b, const struct kv_request *request);
/* body: lent until request_deinit. SF_PROTOCOL: nothing is held then. */
SF_MUST_CHECK int request_unpack(struct slice body, struct request *request);
void request_deinit(struct request *request);

#endif

/* mini: a minitransaction within one shard (Aguilera et al., Sinfonia, SOSP 2007): checks on some
 * keys, then operations on some keys, all or nothing.
 *
 * Checks see the shard as it is before; each operation sees those before it. The data in its
 * replies is together at most SF_VALUE_BYTES_MAX (else TOO_BIG): they are one completion record. */
#ifndef SHARDKV_MINI_H
#define SHARDKV_MINI_H

#include "shardkv/access.h"

/* op: a MINI, or a PREPARE, that kv_op_check passed, all of whose keys belong to the access's shard. reply as
 * proto/kv.h says; what it points at stays until access_close. */
void mini_execute(struct access *access, const struct kv_op *op, struct kv_reply *reply);
/* The same, and whatever came of it is taken back. */
void mini_try(struct access *access, const struct kv_op *op, struct kv_reply *reply);

#endif

/* ops: the operations of proto/kv.h on one key, against an access.
 *
 * kv_op_check has passed on every operation that comes here, and its key belongs to the access's
 * shard. An operation that fails (its status is not SF_OK) changes nothing.
 *
 * What an operation answers where it does not apply; the stat of the record as it is comes with it:
 *   SF_PRECONDITION   pre or if_tail does not hold; stat.kind is 0 where there is no such key
 *   SF_NOT_FOUND      no such key, and the operation does not create it
 *   SF_IS_DIRECTORY   the record is of that kind, and the operation is one on values, or a PUT or
 *   SF_IS_REFERENCE   DELETE that has no KV_ANY_KIND, or whose precondition does not name that very
 *                     record (VERSION, CREATED); data: the record's bytes
 */
#ifndef SHARDKV_OPS_H
#define SHARDKV_OPS_H

#include "shardkv/subject.h"

/* Any kind but SCAN, MINI, ABANDON, SESSION_* and those of transactions. What the reply points at stays until
 * access_close. A kind that changes something needs an access with a batch. */
void ops_execute(struct access *access, const struct kv_op *op, struct kv_reply *reply);
/* Precondition and if_tail of an operation on its subject. */
SF_MUST_CHECK int ops_precondition(const struct subject *subject);

/* One function for each kind. They are called once precondition, presence and record kind are as
 * the table in ops.c says, and return SF_OK or, with nothing changed, why not. */
typedef int ops_function(struct subject *subject, struct kv_reply *reply);
ops_function ops_get, ops_get_range, ops_stat;               /* ops_read.c */
ops_function ops_put, ops_append, ops_put_hash;              /* ops_put.c */
ops_function ops_set_range, ops_set_length, ops_punch_range; /* ops_range.c */
ops_function ops_set_attr, ops_add, ops_delete, ops_take;    /* ops_record.c */

#endif

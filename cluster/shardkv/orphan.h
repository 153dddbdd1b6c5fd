/* orphan: records that go with a session.
 *
 * A mount keeps a file that has no name any more for as long as it is open there. Nobody finds it
 * but that mount; so that it goes when the mount does, its record belongs to the mount's session. A
 * change with KV_OWNED gives a record to the session that asks, which may be another one than had
 * it. A tick deletes what belongs to a session that is no more.
 *
 *   owner   (keys.h 'o')  u64 session
 *
 *  O1  A record that a transaction has locked stays until a tick that meets it free (T4 of txn.h).
 *  O2  Numbers of sessions never come again, so an owner that is gone is gone for good.
 */
#ifndef SHARDKV_ORPHAN_H
#define SHARDKV_ORPHAN_H

#include "shardkv/access.h"

/* The record of this operation belongs to access->owner; or, where it is a DELETE, to nobody. */
void orphan_note(struct access *access, const struct kv_op *op);
/* Does the session have one? Iterates over the store. */
bool orphan_is_of(struct access *access, uint64_t session);
/* Is there any? Also of an access for reading. */
bool orphan_is_there(struct access *access);
/* Deletes those, at most `limit`, whose session is not there, with what their tails name. Iterates
 * over the store. */
void orphan_reclaim(struct access *access, size_t limit);

#endif

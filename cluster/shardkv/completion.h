/* completion: the reply to a mutation, in few bytes: what a session keeps (keys.h, section 'c'),
 * and what apply hands to whoever proposed.
 *
 * Little-endian:
 *   u8   fields: 1 stat, 2 data, 4 old_length, 8 ids_first, 16 session, 32 replies, 64 fate
 *   u16  status: 0 for SF_OK, else -status - 2000
 *   stat       u8 kind | 0x10 (created is the version) | 0x20 (ctime is the mtime) | 0x40 (a tail)
 *              u64 version, [u64 created], u64 mtime, [u64 ctime], u64 length,
 *              [u8 count, {u64 first extent, u64 data id} each]
 *   data       u32 length, bytes
 *   old_length, ids_first, session   u64 each
 *   fate       u8 (enum kv_fate)
 *   replies    u64 failed, u8 count, that many of these, of which none has replies
 * attr, partial, entries, leader and config_num are never part of it.
 */
#ifndef SHARDKV_COMPLETION_H
#define SHARDKV_COMPLETION_H

#include "proto/kv.h"

void completion_pack(struct buffer *b, const struct kv_reply *reply);
/* data points into `bytes`; kv_reply_free releases. SF_CORRUPT: nothing is allocated then. */
SF_MUST_CHECK int completion_unpack(struct slice bytes, struct kv_reply *reply);
/* Its status alone; *rest: what follows the 3 bytes of fields and status. Of an entry that met a
 * lock, the machine's reply is 3 bytes that say SF_LOCKED, then the entry's body. */
int completion_status(struct slice bytes, struct slice *rest);

#endif

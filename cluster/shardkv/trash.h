/* trash: extents that no record names any more, and how they go.
 *
 * The entry that replaces, cuts or deletes a record with a tail adds what is lost to the shard's
 * trash, in the same batch. When the group's leader has seen it there for a minute it deletes the
 * extents, as a client of their shards, and when all are answered an entry removes the trash.
 * Readers that still hold an old tail have that minute, on a clock that nobody sets.
 *
 * An intent names extents that are being written before a record names them. The Put that names
 * them consumes it; the end of the session that made it turns it into trash.
 *
 *   trash   (keys.h 't')  u64 data id, u64 first extent, u64 end, u8 open
 *   intent  (keys.h 'n')  u64 session
 */
#ifndef SHARDKV_TRASH_H
#define SHARDKV_TRASH_H

#include "shardkv/access.h"
#include "shardkv/record.h"

/* Extents of one data id that no record names any more. */
struct trash {
    uint64_t number; /* within the shard's copy; not part of the stored value */
    uint64_t data_id;
    uint64_t first, end; /* first .. end - 1 may be there */
    bool open;           /* and those from `end` on, which were written beyond the length */
};

/* The extents that a record names: those of its tail within its length. */
struct trash_extents {
    uint64_t length;
    const struct kv_tail *tail;
    size_t tail_count;
};

/* Adds everything that `before` names and `after` does not. */
void trash_lost(struct access *access, const struct trash_extents *before,
                const struct trash_extents *after);
/* trash->number is not looked at. */
void trash_add(struct access *access, const struct trash *trash);
SF_MUST_CHECK int trash_unpack(struct slice store_key, struct slice value, struct trash *out);
/* Removes an entry if it is still there. */
void trash_remove(struct access *access, uint64_t number);

/* The first entry of a copy: the oldest. SF_NOT_FOUND: there is none; SF_IO, SF_CORRUPT. access:
 * open, with its meta. */
SF_MUST_CHECK int trash_find_first(struct access *access, struct trash *out);
/* An intent of the session that asks (access->session). Again: nothing changes. */
void intent_add(struct access *access, uint64_t data_id);
/* Did the session that asks have this intent? Then it is consumed. */
bool intent_is_there(struct access *access, uint64_t data_id);
void intent_consume(struct access *access, uint64_t data_id);
/* The intent, if it is there, belongs to `session` from here on; nobody's count changes. */
void intent_give(struct access *access, uint64_t data_id, uint64_t session);
/* It becomes trash, if it is there; nobody's count changes. */
void intent_trash(struct access *access, uint64_t data_id);
/* What a SCAN with KV_UNNAMED tells of an entry of either section. SF_CORRUPT. */
SF_MUST_CHECK int trash_unnamed(struct slice store_key, struct slice value, struct kv_unnamed *out);
/* Every intent of a session becomes trash. */
void intent_trash_all(struct access *access, uint64_t session);

#endif

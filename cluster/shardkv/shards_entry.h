/* shards_entry: the log entries of reconfiguration and hand-off, as a leader makes them.
 * shards_apply reads them. All numbers little-endian; slices are u32 length, then the bytes.
 *
 *   u8 kind, then
 *   CONFIG   config_change.h
 *   CHUNK    u16 shard, u64 home, u64 source gid, u64 source identity, u64 source lost, u8 last,
 *            cursor before, cursor after, chain (chain.h; empty but in a first chunk), pairs
 *   TAKE     u16 shard, u64 home, u64 source lost
 *   DROP     u16 shard, u64 home, u64 source lost
 *   GIVE     u16 shard, u64 lost, u64 taker gid, u64 taker identity, u64 taker gained
 *   SETTLE   u16 shard, u64 lost
 *   TOLD     u16 shard, u64 gained, u64 gid, u64 identity
 */
#ifndef SHARDKV_SHARDS_ENTRY_H
#define SHARDKV_SHARDS_ENTRY_H

#include "shardkv/config_change.h"
#include "shardkv/shards_inside.h"

enum shards_entry {
    SHARDS_CONFIG = SHARDS_ENTRY_FIRST,
    SHARDS_CHUNK,
    SHARDS_TAKE,
    SHARDS_DROP,
    SHARDS_GIVE,
    SHARDS_SETTLE,
    SHARDS_TOLD,
};

/* Each appends one entry's body to the buffer. */
void entry_put_config(struct buffer *b, const struct config_change *change);
void entry_put_chunk(struct buffer *b, const struct chunk *chunk);
void entry_put_take(struct buffer *b, const struct row *row); /* of this COPIED row */
void entry_put_drop(struct buffer *b, const struct row *row); /* of this COPIED row */
void entry_put_give(struct buffer *b, uint32_t shard, uint64_t lost, const struct taker *taker);
void entry_put_settle(struct buffer *b, uint32_t shard, uint64_t lost);
void entry_put_told(struct buffer *b, const struct duty *duty);

/* The status in the reply of an entry; SF_PROTOCOL where there is none. */
int entry_status(struct slice reply);

#endif

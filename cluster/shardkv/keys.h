/* keys: where everything that a shard is stands in a replica's space.
 *
 * A group may hold several copies of one shard at once (one that it serves, frozen ones that it
 * still owes), so a copy is named by the shard and its home: the number of the Config at which its
 * data came to this group (shards.h). All of a copy lies under one prefix and nothing else does:
 * hand-off copies the range, a delete is one range delete. Numbers are big-endian, so that byte
 * order is their order.
 *
 *   offset size
 *        0    1  'S'
 *        1    2  shard
 *        3    8  home
 *       11    1  section, then:
 *
 *   'b'  space, u16 key length, user key, u32 block   a block of a head; absent: zeros (head.h)
 *   'c'  u64 session, u64 sequence                    completion record (completion.h)
 *   'f'  u64 holder                                   a client that is barred (range.h)
 *   'h'  u64 holder                                   its lease
 *   'i'  client id, 16 bytes                          session number (session.h)
 *   'l'  user key (internal)                          locks on its ranges (range.h)
 *   'm'                                               the shard's counters and age (shard.h)
 *   'n'  u64 data id                                  intent (trash.h)
 *   'o'  space, user key                              owner of a record (orphan.h)
 *   'p'  u64 session, u64 sequence                    prepared transaction (txn_record.h)
 *   'q'  u64 session, u64 sequence, u32 block         its operation
 *   'r'  space, user key                              record header (record.h), in key order
 *   's'  u64 session                                  session (session.h)
 *   't'  u64 number                                   trash: extents to be removed (trash.h)
 *   'u'  u64 age of last use, u64 session             sessions, the longest idle first (session.h)
 *
 * Keys under 'C' (Config state, states of shards, what the group owes) are shards.h's.
 */
#ifndef SHARDKV_KEYS_H
#define SHARDKV_KEYS_H

#include "env/bytes.h"
#include "proto/kv.h"

struct space;
struct store_iter;

#define KEYS_COPY_BYTES 11u /* 'S', shard, home */
#define KEYS_BYTES_MAX (KEYS_COPY_BYTES + SF_KEY_BYTES_MAX + 8u)

/* A copy of a shard within a group's space. */
struct shard_copy {
    uint32_t shard; /* < SF_SHARDS_MAX */
    uint64_t home;  /* see above */
};

/* A store key in its owner's storage. */
struct key {
    size_t n; /* <= KEYS_BYTES_MAX */
    uint8_t bytes[KEYS_BYTES_MAX];
};

/* Borrowed from *key. */
static inline struct slice key_slice(const struct key *key)
{
    return slice_of(key->bytes, key->n);
}

/* The prefix of a copy, and the first key after it: [from, to) is the whole copy. */
void keys_copy_from(struct key *key, struct shard_copy copy);
void keys_copy_to(struct key *key, struct shard_copy copy);

/* user_key: at most SF_KEY_BYTES_MAX bytes, checked where it entered. */
void keys_record(struct key *key, struct shard_copy copy, enum kv_space space,
                 struct slice user_key);
void keys_block(struct key *key, struct shard_copy copy, enum kv_space space, struct slice user_key,
                uint32_t block);
void keys_completion(struct key *key, struct shard_copy copy, uint64_t session, uint64_t sequence);
void keys_barred(struct key *key, struct shard_copy copy, uint64_t holder);
void keys_lease(struct key *key, struct shard_copy copy, uint64_t holder);
void keys_locks(struct key *key, struct shard_copy copy, struct slice user_key);
void keys_client(struct key *key, struct shard_copy copy, struct slice client_id);
void keys_meta(struct key *key, struct shard_copy copy);
void keys_intent(struct key *key, struct shard_copy copy, uint64_t data_id);
void keys_owner(struct key *key, struct shard_copy copy, enum kv_space space,
                struct slice user_key);
void keys_prepared(struct key *key, struct shard_copy copy, uint64_t session, uint64_t sequence);
void keys_prepared_block(struct key *key, struct shard_copy copy, uint64_t session,
                         uint64_t sequence, uint32_t block);
void keys_session(struct key *key, struct shard_copy copy, uint64_t session);
void keys_trash(struct key *key, struct shard_copy copy, uint64_t number);
void keys_idle(struct key *key, struct shard_copy copy, uint64_t used_age_ns, uint64_t session);

/* The first key of a section ('t', 'n', ...). */
void keys_section(struct key *key, struct shard_copy copy, char section);
/* The smallest key that is greater than every key with this prefix. The key must not be all 0xff.
 */
void keys_after_prefix(struct key *key);
/* All keys with this prefix, in the store alone, as store_iter_new. */
struct store_iter *keys_iterate(const struct space *space, const struct key *prefix);

/* The part of a store key after the copy's prefix: section and what follows. */
struct slice keys_section_and_rest(struct slice store_key);
/* The part of a store key after the copy's prefix and section byte; empty where it is shorter. */
struct slice keys_rest(struct slice store_key);
/* The user key within the store key of a record header. */
struct slice keys_user_key(struct slice record_key);

#endif

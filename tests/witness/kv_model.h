/* kv_model: what the shards of a cluster are, written a second time and as simply as can be, from what
 * proto/kv.h and the READMEs promise: records, sessions, the operations on one key and on several of
 * one shard. Shards move between groups; here each stands once, whoever serves it.
 *
 * Locks on ranges are of the first KV_MODEL_LOCK_BYTES bytes. An internal record whose key is a tag, a
 * KV_MODEL_GUARD, a byte's number, and the key of locks, is guarded by the exclusive lock of that
 * byte: each Put, whose data begins with a holder and an owner (u64, little-endian), is of one who
 * has it.
 *
 * Every change has a position, which only grows. What a key was at earlier positions is kept as long
 * as kv_model_forget allows, so that a read can be judged after later changes.
 */
#ifndef TESTS_WITNESS_KV_MODEL_H
#define TESTS_WITNESS_KV_MODEL_H

#include "proto/kv.h"
#include "shardkv/limits.h"

#define KV_MODEL_LOCK_BYTES 16u
#define KV_MODEL_GUARD 'G'
#define KV_MODEL_GUARD_BYTES 10u /* of a guarded key, before that of the locks */

struct kv_model;

struct kv_model_options {
    uint32_t shard_count; /* <= SF_SHARDS_MAX */
    enum routing routing;
    struct shardkv_limits limits; /* those of sessions */
};

/* Where and when an entry is applied. */
struct kv_model_at {
    uint32_t shard;
    uint64_t time_ns;  /* the entry's */
    uint64_t position; /* above those of all entries before */
};

struct kv_model *kv_model_new(const struct kv_model_options *options);
void kv_model_free(struct kv_model *model);

/* A shard comes into being, empty, with the Config of this number. */
void kv_model_create(struct kv_model *model, uint32_t shard, uint64_t num);
bool kv_model_has(const struct kv_model *model, uint32_t shard);

/* Applies a mutation. *reply: packed as on the wire (kv_reply_pack), appended. */
void kv_model_mutate(struct kv_model *model, const struct kv_model_at *at,
                     const struct kv_session *session, const struct kv_op *op,
                     struct buffer *reply);
/* Time passes in a shard that has sessions: those that were idle for too long go. */
void kv_model_tick(struct kv_model *model, const struct kv_model_at *at);
void kv_model_age(struct kv_model *model,
                  const struct kv_model_at *at); /* time passes, and nothing else */

/* A read, and the positions at one of which it happened. */
struct kv_model_read {
    const struct kv_op *op;
    const uint32_t *shards; /* of a SCAN; else the one of the key */
    size_t shard_count;
    uint64_t from, to;
};

/* Is this what it would be answered at one of them? reply: packed. */
bool kv_model_explains(struct kv_model *model, const struct kv_model_read *read,
                       struct slice reply);
/* What it would be answered at the last of them; not of a SCAN, nor of locks. */
void kv_model_answer(struct kv_model *model, const struct kv_model_read *read,
                     struct buffer *reply);
/* What was replaced at this position or before is not asked for any more. */
void kv_model_forget(struct kv_model *model, uint64_t position);

/* A hash of all that there is. */
uint64_t kv_model_hash(const struct kv_model *model);
/* Numbers of transactions that voted yes and are not forgotten. */
size_t kv_model_open_txns(const struct kv_model *model);
/* Shards in which somebody has a lock, or waits for one. */
size_t kv_model_locked_shards(const struct kv_model *model);
/* Extents that no record names, nor an intent: what was not removed. */
size_t kv_model_stray_extents(const struct kv_model *model);

#endif

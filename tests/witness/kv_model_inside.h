/* What the files of the model share. */
#ifndef TESTS_WITNESS_KV_MODEL_INSIDE_H
#define TESTS_WITNESS_KV_MODEL_INSIDE_H

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "env/memory.h"
#include "witness/kv_model.h"

/* What a key is at some time: never changed, counted. */
struct value {
    unsigned references;
    enum record_kind kind;
    uint64_t version, created;
    uint64_t changed_ns, ctime_ns; /* of the last change of the bytes, of any kind */
    bool shows;                    /* shown_ns was set, and is the mtime */
    uint64_t shown_ns;
    uint64_t length;
    struct kv_tail tail[SF_TAIL_MAX];
    size_t tail_count;
    struct buffer attr;
    struct buffer head; /* min(length, SF_VALUE_BYTES_MAX) bytes */
};

/* From `position` on the key was `value`; NULL: absent. */
struct state {
    uint64_t position;
    struct value *value; /* a reference */
};

struct kv_model_key {
    enum kv_space space;
    struct buffer name; /* one byte space, then the key */
    struct kv_model_shard *shard;
    struct value *now;    /* NULL: absent */
    struct state *states; /* by position; the last is `now`, unless an entry is being applied */
    size_t state_count, state_cap;
    bool touched;         /* by the entry that is being applied: */
    struct value *before; /* what it was */
    struct kv_model_key *next_touched;
    UT_hash_handle hh;
};

struct intent {
    uint64_t data_id, session;
};

struct counters {
    uint64_t next_id, next_session;
    uint64_t age_ns, last_time_ns;
    uint64_t plain_version, plain_time_ns; /* of the last change of the set of plain keys */
};

/* Beside keys, what a Scan shows of a shard. */
struct plain_state {
    uint64_t position, version, time_ns;
};

struct answer {
    uint64_t sequence;
    struct buffer reply; /* packed */
    UT_hash_handle hh;
};

struct kv_model_session {
    uint64_t number;
    uint8_t client[KV_CLIENT_BYTES];
    uint64_t first_incomplete, highest, used_age_ns;
    struct answer *answers; /* by sequence */
    UT_hash_handle hh;
};

struct txn_name {
    uint64_t session, sequence;
};

/* A number that voted yes, until it is forgotten. */
struct txn {
    struct txn_name name;
    enum kv_fate fate;
    struct buffer bytes; /* of the PREPARE, which `op` points into */
    struct unpacked unpacked;
    struct kv_op op;
    UT_hash_handle hh;
};

struct kv_model_shard {
    uint32_t number;
    bool exists;
    struct counters counters;
    struct kv_model_session *sessions; /* by number */
    struct txn *txns;                  /* by name */
    struct intent *intents;
    size_t intent_count, intent_cap;
    struct plain_state *plain; /* by position */
    size_t plain_count, plain_cap;
    struct kv_model_locks *locks; /* kv_model_locks.c; NULL: there never were any */
};

struct kv_model {
    struct kv_model_options options;
    struct kv_model_shard *shards;
    struct kv_model_key *keys;    /* by name */
    struct kv_model_key *touched; /* by the entry that is being applied */
    struct value **replaced;      /* by it: replies may point there until it is done */
    size_t replaced_count, replaced_cap;
};

/* An operation under way. */
struct doing {
    struct kv_model *model;
    struct kv_model_shard *shard;
    uint64_t time_ns, position;
    uint64_t session; /* 0: none */
};

/* -- kv_model.c -------------------------------------------------------------------------------- */

void kvm_value_unref(struct value *value);                                  /* NULL is allowed */
void *kvm_array_room(void *array, size_t count, size_t *cap, size_t bytes); /* for one more */
struct kv_model_key *kv_model_key_of(struct kv_model *model, struct kv_model_shard *shard,
                                     enum kv_space space, struct slice key);
/* The key becomes `value` (taken), as part of the entry that is being applied. */
void kvm_key_set(struct kv_model *model, struct kv_model_key *key, struct value *value);
uint64_t kvm_shard_new_id(struct kv_model_shard *shard, uint64_t count);
void kvm_value_stat(const struct value *value, struct kv_stat *stat); /* without attr */

void kvm_answer_status(struct buffer *reply, int status);
/* Any operation on one key; also those that name none. */
void kvm_operate_any(const struct doing *doing, const struct kv_op *op, struct kv_reply *reply);

/* -- kv_model_session.c --------------------------------------------------------------------- */

struct kv_model_session *kvm_session_find(const struct kv_model_shard *shard, uint64_t number);
void kvm_session_open(const struct doing *doing, struct slice client, struct buffer *reply);
void kvm_sessions_drop_of(struct kv_model_shard *shard, uint64_t holder); /* of locks */
void kvm_session_close(const struct doing *doing, uint64_t number, struct buffer *reply);
/* May this number of its session be executed now? Else the reply says why not, or what it did. */
bool kvm_session_admits(const struct doing *doing, const struct kv_session *asked,
                        uint64_t sequence, struct kv_model_session **session, struct buffer *reply);
struct answer *kvm_session_answer(const struct kv_model_session *session,
                                  uint64_t sequence); /* or NULL */
void kvm_session_keep_answer(struct kv_model_session *session, uint64_t sequence,
                             struct slice reply);
void kvm_session_abandon(const struct doing *doing, const struct kv_session *asked,
                         uint64_t sequence, struct buffer *reply);
void kvm_sessions_expire(const struct kv_model *model, struct kv_model_shard *shard);
void kvm_sessions_free(struct kv_model_shard *shard);

/* -- kv_model_mini.c ------------------------------------------------------------------------ */

/* A minitransaction under way. */
struct mini {
    struct kv_reply reply; /* points into `replies` */
    struct kv_reply replies[SF_MINI_OPS_MAX];
    struct counters counters; /* as they were */
    struct intent *intents;
    size_t intent_count;
};

void kvm_mini_run(struct mini *mini, const struct doing *doing, const struct kv_op *op);
/* undo: all but its keys, which are the caller's. */
void kvm_mini_end(struct mini *mini, const struct doing *doing, bool undo);
/* Both. True: its keys are to be undone. */
bool kvm_mini_execute(const struct doing *doing, const struct kv_op *op, struct buffer *reply);

/* -- kv_model_txn.c ------------------------------------------------------------------------- */

bool kvm_is_locked(const struct kv_model_shard *shard, const struct kv_op *op);
bool kvm_txn_has_session(const struct kv_model_shard *shard,
                         uint64_t session); /* a prepared number */
/* PREPARE, OUTCOME, FORGET, ASK. True: keys are to be undone. */
bool kvm_txn_dispatch(struct doing *doing, const struct kv_session *asked, const struct kv_op *op,
                      struct buffer *reply);
void kvm_txns_free(struct kv_model_shard *shard);

/* -- kv_model_locks.c ------------------------------------------------------------------------- */

bool kvm_is_barred(const struct kv_model_shard *shard, uint64_t holder);
void kvm_lock(const struct doing *doing, const struct kv_op *op,
              struct kv_reply *reply); /* or a CANCEL */
void kvm_holder(const struct doing *doing, const struct kv_op *op, struct buffer *reply);
/* Fails where a guarded record is changed by one who has not the lock. */
void kvm_check_guard(const struct doing *doing, const struct kv_op *op);
/* Of LOCK_TEST and LOCK_AWAIT. */
bool kvm_lock_explains(const struct kv_model *model, const struct kv_model_read *read,
                       struct slice reply);
bool kvm_has_locks(const struct kv_model_shard *shard); /* or who waits for them */
void kvm_locks_forget(struct kv_model_shard *shard, uint64_t position);
void kvm_locks_free(struct kv_model_shard *shard);

/* -- kv_model_ops.c ---------------------------------------------------------------------------- */

/* One operation on one key. What the reply points at stays until the entry is done. */
void kvm_operate(const struct doing *doing, const struct kv_op *op, struct kv_reply *reply);
/* Does the precondition hold for what the key is? SF_OK, SF_PRECONDITION. */
int kvm_precondition(const struct value *value, const struct kv_op *op);

#endif

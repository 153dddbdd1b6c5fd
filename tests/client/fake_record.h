/* fake_record: the records of a fake store (client/fake_store.h), and what one operation does to them.
 * Keys and bytes are borrowed until return; what a reply points at lives until the store changes.
 */
#ifndef TESTS_CLIENT_FAKE_RECORD_H
#define TESTS_CLIENT_FAKE_RECORD_H

#include <uthash.h>

#include "client/fake_store.h"
#include "env/bytes.h"

struct record {
    struct buffer key; /* one byte space, then the key */
    struct buffer bytes, attr;
    struct kv_stat stat; /* attr unset */
    UT_hash_handle hh;
};

struct session_name {
    uint64_t shard, number;
};

struct intent {
    uint64_t data_id;
    struct session_name owner;
    UT_hash_handle hh;
};

struct fake_store {
    uint32_t shard_count;
    struct prepared *prepared;
    struct record *records;
    struct session *sessions;
    struct intent *intents;
    uint64_t next_id, next_session;
    uint64_t executed[KV_KIND_LIMIT];
};

/* NULL: there is none. */
struct record *record_find(struct fake_store *store, enum kv_space space, struct slice key);
void record_free(struct fake_store *store, struct record *record);
/* Of the operation on this record, which may be NULL. */
bool record_pre_holds(const struct kv_op *op, const struct record *record);
bool record_is_made_by(enum kv_kind kind);
/* One operation on one key. now_ns: the entry's. old: what the reply points at, of an operation that
 * gives the old value. */
void record_execute(struct fake_store *store, const struct kv_request *request, uint64_t now_ns,
                    struct kv_reply *reply, struct buffer *old);
/* Packs the page. */
void record_scan(struct fake_store *store, const struct kv_op *op, struct buffer *packed);
/* NULL: there is none, or another's. */
struct intent *intent_find(const struct fake_store *store, uint64_t data_id,
                           const struct session_name *owner);

#endif

/* fake_store: records and sessions of every shard in plain memory, with the rules of proto/kv.h and
 * exactly once; shared by all servers of a fake cluster, as if replication were perfect.
 */
#ifndef TESTS_CLIENT_FAKE_STORE_H
#define TESTS_CLIENT_FAKE_STORE_H

#include <stdint.h>

#include "proto/kv.h"

struct fake_store;

/* X of each kind that it knows. */
#define FAKE_STORE_KINDS(X)                                                                        \
    X(GET)                                                                                         \
    X(GET_RANGE)                                                                                   \
    X(STAT)                                                                                        \
    X(SCAN)                                                                                        \
    X(PUT)                                                                                         \
    X(APPEND)                                                                                      \
    X(PUT_HASH)                                                                                    \
    X(SET_RANGE)                                                                                   \
    X(SET_LENGTH)                                                                                  \
    X(PUNCH_RANGE)                                                                                 \
    X(SET_ATTR)                                                                                    \
    X(DELETE)                                                                                      \
    X(NEW_IDS)                                                                                     \
    X(INTENT)                                                                                      \
    X(MINI)                                                                                        \
    X(PREPARE)                                                                                     \
    X(OUTCOME)                                                                                     \
    X(FORGET)                                                                                      \
    X(ASK)                                                                                         \
    X(SESSION_OPEN)                                                                                \
    X(SESSION_CLOSE)                                                                               \
    X(ABANDON)

struct fake_store *fake_store_new(uint32_t shard_count); /* routing by hash */
void fake_store_free(struct fake_store *store);
/* Executes the request, or finds its completion record, and packs the reply. now_ns: the entry's.
 */
void fake_store_execute(struct fake_store *store, const struct kv_request *request, uint64_t now_ns,
                        struct buffer *reply);
void fake_store_expire_sessions(struct fake_store *store);
size_t fake_store_session_count(const struct fake_store *store);
/* Operations that were really carried out (not answered from a completion record). */
uint64_t fake_store_executed(const struct fake_store *store, enum kv_kind kind);
size_t fake_store_record_count(const struct fake_store *store, enum kv_space space);
size_t fake_store_intent_count(const struct fake_store *store);

#endif

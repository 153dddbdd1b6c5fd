/* participant: the bench's shard as a participant of transactions whose other one is elsewhere. */
#ifndef TESTS_TXN_PARTICIPANT_H
#define TESTS_TXN_PARTICIPANT_H

#include "shardkv/bench.h"

/* Checks, then operations, on the bench's shard. Lent. */
struct wish {
    const struct kv_op *checks, *ops;
    size_t check_count, op_count;
    unsigned flags;
};

struct answer {
    int status;
    enum kv_fate fate;
};

/* Under this number of the bench's session; first_incomplete is 1. */
struct answer participant_prepare(uint64_t sequence, const struct wish *wish);
struct answer participant_put(uint64_t sequence, const char *key, const char *value);
struct answer participant_outcome(uint64_t sequence, bool commits);
struct answer participant_ask(uint64_t sequence);
void participant_forget(uint64_t sequence);
/* A mutation by somebody else, under a session of his own. */
int participant_other(const struct kv_op *op);
int participant_other_put(const char *key);
struct kv_number participant_number(uint64_t sequence);
bool participant_has_locks(void);
size_t participant_records(void); /* prepared records in the store */

#endif

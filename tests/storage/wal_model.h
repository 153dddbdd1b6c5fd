/* wal_model: what a log must hold after each operation on it, and random operations.
 *
 * Every operation is one record, so after a crash the log must hold what it held after some
 * operation between the last one that was acknowledged and the last one that was issued. The model
 * remembers a fingerprint of each of those states.
 */
#ifndef TESTS_STORAGE_WAL_MODEL_H
#define TESTS_STORAGE_WAL_MODEL_H

#include "wal_rig.h"

#define MODEL_REPLICAS 3u
#define MODEL_ENTRIES_MAX 64u

struct model_replica {
    uint64_t key;
    bool known; /* something of it was ever logged, and it was not removed */
    struct hard_state hard_state;
    uint64_t base_index, base_term;
    uint64_t terms[MODEL_ENTRIES_MAX]; /* of entries base_index + 1 ... */
    uint32_t bytes[MODEL_ENTRIES_MAX]; /* of their payloads */
    size_t count;
};

struct model {
    struct model_replica replicas[MODEL_REPLICAS];
    struct model_state *states; /* after each operation; [0]: before the first */
    size_t state_count, state_cap;
    size_t acked;   /* index of the state that is known to be durable */
    size_t waiting; /* ... that will be when `position` is synced */
    uint64_t position;
};

void model_init(struct model *model);
void model_deinit(struct model *model);
/* One random operation on the log and on the model: mostly appends, sometimes a commit or time. */
void model_operate(struct model *model, struct rig *rig);
/* The log was opened after a crash: it must be in one of the states that are allowed, and the model
 * goes on from there. */
void model_check(struct model *model, struct rig *rig);

#endif

/* machine: what a replicated state machine offers to the replica that drives it.
 *
 * All state of a machine is in its space of the store (DESIGN: the store is the state). In memory
 * it may keep copies, which `restored` rebuilds. apply is deterministic: the same entries give the
 * same store content and the same replies on every replica; time comes from the entry alone.
 */
#ifndef REPLICA_MACHINE_H
#define REPLICA_MACHINE_H

#include "env/bytes.h"
#include "storage/store.h"

struct machine;
struct replica;

struct machine_entry {
    uint64_t index;
    uint64_t term;     /* on Paxos not the same everywhere: nothing that is kept may rest on it */
    uint64_t time_ns;  /* the leader's wall clock, made strictly increasing within the log */
    struct slice body; /* as given to replica_propose; borrowed */
};

struct machine_ops {
    /* The store holds the state as of `applied`; forget everything else and reload. Called once
     * before anything is applied and again after a snapshot was installed. */
    void (*restored)(struct machine *machine, const struct space *space, uint64_t applied);
    /* Applies one committed entry: reads through `batch`, adds every effect to it, and may fill
     * `reply` for the proposer. No I/O of its own, no call of replica_* in here. A body that cannot
     * be decoded has no effect and gets an error reply. */
    void (*apply)(struct machine *machine, const struct machine_entry *entry,
                  struct store_batch *batch, struct buffer *reply);
    /* May the effects of this entry wait in the batch, with those of others before and after it?
     * Only where apply reads what these may have changed through `batch` alone (which an iterator
     * does not), and nobody looks for what it did but through replica_pending or after
     * replica_settle. NULL: none may. */
    bool (*may_wait)(struct machine *machine, const struct machine_entry *entry);
    /* The effects of the last apply are in the store, or wait. Wake what waited for it; may
     * propose. */
    void (*applied)(struct machine *machine, uint64_t index);
    /* This replica became leader and everything committed before its term is applied, or it stopped
     * to lead. May propose. */
    void (*lead)(struct machine *machine, bool leads, uint64_t term);
    /* Appends one packed map (proto/pack.h) for `status`. */
    void (*status)(struct machine *machine, struct buffer *out);
    void (*free)(struct machine *machine);
};

/* First member of each machine's own struct. */
struct machine {
    const struct machine_ops *ops;
    struct replica *replica; /* set before the first call */
};

#endif

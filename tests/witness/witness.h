/* witness: were all answers right? Not by a search: the logs say in which order things happened.
 *
 * A whole cluster is watched from two sides. What its groups apply goes, entry by entry, through a
 * model of the shards (kv_model.h). What clients and servers say to each other is read off the network:
 * each request when it leaves a client, each answer when it leaves a server. Then:
 *
 *   - nothing is applied to a shard but what a client has asked for before, under that session and
 *     number, with those very bytes (what servers finish or remove by themselves aside)
 *   - the answer to a mutation is the one that the model gives to one of its entries, and that entry
 *     was applied before the answer left
 *   - the answer to a read is what the model would say at some moment between the leaving of the
 *     request and that of the answer
 *
 * The order in which entries are first applied anywhere respects real time, over all groups, and so
 * do the moments of the reads; so the whole history is linearizable, whatever its length. Sessions are
 * in the model: a repetition has the answer of the first execution, also after the shard has moved.
 *
 * It fails by sf_assert, with a report on stderr. */
#ifndef TESTS_WITNESS_WITNESS_H
#define TESTS_WITNESS_WITNESS_H

#include "replica/machine.h"
#include "sim/sim.h"
#include "witness/kv_model.h"

struct witness;
struct shards;

/* sim: for the time. */
struct witness *witness_new(struct sim *sim, const struct kv_model_options *options);
void witness_free(struct witness *witness);

/* An entry of a group (of that position) was applied for the first time, by a replica whose table of
 * shards is this: from now on somebody may see what it did. Entries come in the order of the group's
 * log. */
void witness_applied(struct witness *witness, size_t group, const struct machine_entry *entry,
                     const struct shards *shards);
/* A message leaves. client: who of the two is the client, and which one of all that there ever were;
 * messages between others need not be shown. Bytes that are no whole message are passed over. */
void witness_heard(struct witness *witness, uint64_t client, bool from_client, struct slice bytes);

struct witness_count {
    uint64_t entries;   /* mutations applied */
    uint64_t mutations; /* answers to them that were compared */
    uint64_t reads;     /* likewise */
    uint64_t hash;      /* over all of these and the state */
};
struct witness_count witness_count(const struct witness *witness);
const struct kv_model *witness_model(const struct witness *witness);

#endif

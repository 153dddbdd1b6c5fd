/* applied: the record that says which entry a replica's state in the store is the result of, and
 * the places of a replica in the store.
 *
 * In the space {0, 0} under "R" and the replica key (u64, big-endian), 9 bytes:
 *   offset size
 *        0    1  version, 1
 *        1    4  generation
 *        5    8  index
 *       13    8  term
 *       21    8  time_ns of the newest entry
 *       29    1  installed: 1 where a snapshot install wrote it, not an entry
 * Little-endian.
 */
#ifndef REPLICA_APPLIED_H
#define REPLICA_APPLIED_H

#include "storage/store.h"

struct applied {
    uint32_t generation; /* from 1 */
    uint64_t index, term;
    uint64_t time_ns;
    bool installed;
};

/* SF_NOT_FOUND: nothing was applied yet. durable: as a crash right now would leave it. */
SF_MUST_CHECK int applied_read(struct store *store, uint64_t replica_key, bool durable,
                               struct applied *out);
void applied_put(struct store_batch *batch, uint64_t replica_key, const struct applied *applied);

struct space applied_space(struct store *store, uint64_t replica_key, uint32_t generation);
/* Adds to the batch that everything of this generation goes. */
void applied_drop_generation(struct store_batch *batch, uint64_t replica_key, uint32_t generation);

#endif

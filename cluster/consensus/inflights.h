/* inflights: the APPEND messages with entries that are under way to one follower, a bounded queue.
 *
 * Invariants: indices rise from the oldest to the newest; bytes is the sum of the items' bytes. */
#ifndef CONSENSUS_INFLIGHTS_H
#define CONSENSUS_INFLIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct inflight {
    uint64_t last; /* index of the message's last entry */
    size_t bytes;  /* of its payloads */
};

struct inflights {
    struct inflight *ring; /* capacity ring_cap, grows up to count_max */
    size_t start, count, ring_cap;
    size_t bytes;
    size_t count_max; /* >= 1 */
    size_t bytes_max; /* >= 1; full when reached: the newest message may exceed it */
};

void inflights_init(struct inflights *in, size_t count_max, size_t bytes_max);
void inflights_deinit(struct inflights *in);
void inflights_clear(struct inflights *in);
bool inflights_is_full(const struct inflights *in);
/* Adds a message that ends at `last`. Not full; last is above that of every item. */
void inflights_add(struct inflights *in, uint64_t last, size_t bytes);
/* Frees all items whose last is at most `index`: the follower has them. */
void inflights_free_to(struct inflights *in, uint64_t index);
uint64_t inflights_newest(const struct inflights *in); /* its last; 0 where there is none */

#endif

/* read_queue: read barriers that wait at a leader. A read may be served at the commit index of the
 * moment its round began, once a quorum has shown in that round that the leader was not replaced.
 * All reads that wait share a round; while one is under way the next ones gather for the next.
 *
 * Invariant: rounds never fall along the queue, those without a round stand last; no waiting read's
 * round is confirmed; confirmed <= round. */
#ifndef CONSENSUS_READ_QUEUE_H
#define CONSENSUS_READ_QUEUE_H

#include "consensus/outbox.h"

struct waiting_read {
    uint64_t id;
    uint64_t round; /* the round that will confirm it; 0: not in one yet */
    uint64_t index; /* commit index when its round began; 0 before */
};

/* All-zero is a valid empty queue. Rounds rise over the life of the engine. */
struct read_queue {
    struct waiting_read *items;
    size_t count, cap;
    uint64_t round;     /* newest one begun */
    uint64_t confirmed; /* newest one that a quorum answered */
};

void read_queue_deinit(struct read_queue *queue);
void read_queue_add(struct read_queue *queue, uint64_t id);
bool read_queue_wants_round(const struct read_queue *queue); /* reads wait and no round runs */
void read_queue_begin_round(struct read_queue *queue, uint64_t commit);
/* A quorum answered `round`: what it confirms goes to the outbox. */
void read_queue_confirm(struct read_queue *queue, uint64_t round, struct outbox *outbox);
void read_queue_fail(struct read_queue *queue, struct outbox *outbox); /* SF_NOT_LEADER for all */
bool read_queue_is_valid(const struct read_queue *queue);

#endif

/* outbox: what an engine has collected for its caller since the last update was taken.
 *
 * Entries and hard state are not here: an update copies those from the log when it is taken, so
 * that it shows the latest state of one turn and not its history. */
#ifndef CONSENSUS_OUTBOX_H
#define CONSENSUS_OUTBOX_H

#include "consensus/consensus.h"

/* All-zero is a valid empty outbox. */
struct outbox {
    struct consensus_msg *messages; /* owned, with their entries */
    size_t message_count, message_cap;
    struct consensus_read *reads; /* passed or failed */
    size_t read_count, read_cap;
    replica_id wanted[SF_REPLICAS_MAX]; /* peers that need a snapshot; each at most once */
    size_t wanted_count;
    uint64_t offered_index, offered_term; /* of a snapshot that the leader sends; 0: none */
    replica_id offered_from;
};

void outbox_deinit(struct outbox *box);
bool outbox_is_empty(const struct outbox *box);
void outbox_send(struct outbox *box, const struct consensus_msg *msg); /* takes its entries */
void outbox_read(struct outbox *box, uint64_t id, uint64_t index, int status);
void outbox_want_snapshot(struct outbox *box, replica_id peer);
/* Moves everything into the fields of *update that it belongs to; leaves the outbox empty. */
void outbox_take(struct outbox *box, struct consensus_update *update);

#endif

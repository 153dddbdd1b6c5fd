/* message: messages between replicas and the entries that they carry. */
#ifndef CONSENSUS_MESSAGE_H
#define CONSENSUS_MESSAGE_H

#include "consensus/consensus.h"

/* Terms and indices above this are no honest replica's: room is left for sums. */
#define MESSAGE_NUMBER_MAX (UINT64_MAX >> 2)

/* Drops the references of `count` entries and frees the array. NULL with 0 is allowed. */
void entries_free(struct entry *entries, size_t count);

/* May an engine look at it? Messages come from a network: numbers within bounds, at most
 * CONSENSUS_BATCH_MAX entries, contiguous after msg->index, with a payload each. Their terms are
 * never 0 and never above the message's own; of an APPEND they never fall, of an ACCEPT they are
 * the message's own. Says nothing of sender and receiver. */
bool message_is_sane(const struct consensus_msg *msg);

#endif

/* acceptor: the rules of Paxos that do not depend on what is agreed on: ballots, promises, and the
 * value that a new proposer has to propose. The engine keeps one promise for all instances of its
 * log, the library (cluster/paxos) one for each instance.
 * Source: Lamport, "Paxos Made Simple" (2001), section 2.2.
 *
 * Who uses them keeps these:
 *  A1  A promise never falls, and is durable before anything that rests on it is said.
 *  A2  Nothing is accepted in a ballot below the promise; accepting in a higher one promises that.
 *  A3  A ballot is its owner's alone, and is not used again after a restart: the next one is above
 *      all that is durable, and is itself durable (as the owner's own promise) before it is used.
 *  A4  So in one ballot one value at most is proposed for an instance. A proposer may choose it
 *      freely only if none of a majority's acceptors, having promised the ballot, has accepted
 *      anything; else it is the value accepted in the highest ballot. */
#ifndef CONSENSUS_ACCEPTOR_H
#define CONSENSUS_ACCEPTOR_H

#include <assert.h>

#include "consensus/consensus.h"

/* A ballot is round * BALLOT_OWNERS + owner; 0 is before all ballots. */
#define BALLOT_OWNERS 16u
static_assert(SF_REPLICAS_MAX < BALLOT_OWNERS, "a ballot has room for its owner's id");

replica_id ballot_owner(uint64_t ballot);
uint64_t ballot_above(uint64_t ballot, replica_id owner); /* the least of owner's that is above */

struct acceptor {
    uint64_t promised; /* the highest ballot promised; 0: none */
};

enum promise {
    PROMISE_REFUSED, /* a higher one was promised */
    PROMISE_STANDS,  /* this very ballot was promised */
    PROMISE_RAISED,  /* it is promised now; see A1 */
};

/* Someone asks for a promise of `ballot`, or to accept something in it. */
enum promise acceptor_hear(struct acceptor *acceptor, uint64_t ballot);

/* What phase 1 has found for an instance: the acceptance of the highest ballot. */
struct proposal {
    uint64_t ballot;       /* 0: nothing was accepted yet */
    struct payload *value; /* owned; NULL where ballot is 0 */
};

void proposal_deinit(struct proposal *proposal);
/* An acceptor accepted `value` (borrowed) in `ballot`. */
void proposal_find(struct proposal *proposal, uint64_t ballot, struct payload *value);

#endif

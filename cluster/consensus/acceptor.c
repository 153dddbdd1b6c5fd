#include "consensus/acceptor.h"

replica_id ballot_owner(uint64_t ballot)
{
    return (replica_id)(ballot % BALLOT_OWNERS);
}

uint64_t ballot_above(uint64_t ballot, replica_id owner)
{
    sf_assert(owner >= 1 && owner < BALLOT_OWNERS);
    uint64_t same_round = ballot - ballot % BALLOT_OWNERS + owner;
    return same_round > ballot ? same_round : same_round + BALLOT_OWNERS;
}

enum promise acceptor_hear(struct acceptor *acceptor, uint64_t ballot)
{
    if (ballot < acceptor->promised)
        return PROMISE_REFUSED;
    if (ballot == acceptor->promised)
        return PROMISE_STANDS;
    acceptor->promised = ballot;
    return PROMISE_RAISED;
}

void proposal_deinit(struct proposal *proposal)
{
    payload_unref(proposal->value);
    *proposal = (struct proposal){0};
}

void proposal_find(struct proposal *proposal, uint64_t ballot, struct payload *value)
{
    if (ballot <= proposal->ballot)
        return;
    proposal_deinit(proposal);
    *proposal = (struct proposal){.ballot = ballot, .value = payload_ref(value)};
}

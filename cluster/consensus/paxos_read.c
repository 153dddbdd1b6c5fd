/* Read barriers. A read may be served at the commit index of the moment it was asked, once a
 * majority has shown, after it, that it has promised no higher ballot: in such a ballot nothing was
 * chosen before the read then. What earlier ballots chose is known when everything inherited is
 * chosen in this one, so no round begins before. */
#include "consensus/paxos.h"

void paxos_read(struct consensus *c, uint64_t id)
{
    struct paxos *x = paxos_of(c);
    if (x->role != PAXOS_PROPOSER) {
        outbox_read(&x->outbox, id, 0, SF_NOT_LEADER);
        return;
    }
    read_queue_add(&x->reads, id);
    paxos_check(x);
}

bool paxos_read_round_is_due(const struct paxos *x)
{
    return x->role == PAXOS_PROPOSER && read_queue_wants_round(&x->reads) &&
           x->log.commit >= x->inherited;
}

static void confirm_round(struct paxos *x)
{
    read_queue_confirm(&x->reads, paxos_quorum_reached(x, x->reads.round, progress_round),
                       &x->outbox);
}

void paxos_maybe_begin_read_round(struct paxos *x)
{
    if (!paxos_read_round_is_due(x))
        return;
    read_queue_begin_round(&x->reads, x->log.commit);
    paxos_broadcast_heartbeat(x);
    confirm_round(x); /* a group of one */
}

void paxos_round_answered(struct paxos *x, struct progress *p, uint64_t round)
{
    if (round <= p->round || round > x->reads.round)
        return;
    p->round = round;
    confirm_round(x);
}

/* Handing the role of proposer over: the proposer stops taking proposals, brings the peer up to
 * date, and tells it to prepare a ballot of its own at once. Given up after an election time-out.
 */
#include "consensus/paxos.h"
#include "env/mark.h"

int paxos_transfer(struct consensus *c, replica_id peer)
{
    struct paxos *x = paxos_of(c);
    if (x->role != PAXOS_PROPOSER)
        return SF_NOT_LEADER;
    if (peer == x->self)
        return SF_OK;
    struct progress *p = paxos_peer(x, peer);
    if (p == NULL)
        return SF_INVALID;
    x->transferee = peer;
    x->transfer_elapsed_ticks = 0;
    paxos_maybe_finish_transfer(x, p);
    paxos_check(x);
    return SF_OK;
}

void paxos_maybe_finish_transfer(struct paxos *x, const struct progress *p)
{
    if (x->transferee == p->id && p->match == x->reach)
        paxos_send(x, (struct consensus_msg){.type = MSG_TIMEOUT_NOW, .to = p->id});
}

void paxos_tick_transfer(struct paxos *x)
{
    if (x->transferee == 0)
        return;
    if (++x->transfer_elapsed_ticks >= x->election_ticks)
        x->transferee = 0;
    else if (x->transfer_elapsed_ticks % x->heartbeat_ticks == 0) /* it may have been lost */
        paxos_maybe_finish_transfer(x, paxos_peer(x, x->transferee));
}

void paxos_step_timeout_now(struct paxos *x, const struct consensus_msg *msg)
{
    SF_MARK("paxos: PREPARE at the proposer's word");
    paxos_follow(x, msg);
    if (x->installing_index == 0)
        paxos_prepare(x, true);
}

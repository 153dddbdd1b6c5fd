/* Replicas that need entries which the log no longer holds: what lies below the floor is chosen and
 * forgotten, and comes as a snapshot. The engine finds out that one is needed and what becomes of
 * the log; the caller moves the bytes. */
#include "consensus/paxos.h"
#include "env/mark.h"

/* -- proposer -------------------------------------------------------------------------------- */

/* Asked only while the peer is heard, and once until the caller says that it ended. */
bool paxos_snapshot_is_wanted(const struct paxos *x, const struct progress *p)
{
    if (p->snapshot_busy || p->silent_ticks >= x->election_ticks)
        return false;
    if (p->state == PROGRESS_SNAPSHOT)
        return true;
    return progress_is_due(p, entry_log_last(&x->log)) && p->next <= x->log.base_index;
}

void paxos_want_snapshot(struct paxos *x, struct progress *p)
{
    SF_MARK("paxos: snapshot wanted");
    progress_become_snapshot(p);
    p->snapshot_busy = true;
    outbox_want_snapshot(&x->outbox, p->id);
}

int paxos_snapshot_msg(const struct consensus *c, replica_id peer, uint64_t index, uint64_t term,
                       struct consensus_msg *msg)
{
    const struct paxos *x = paxos_of_const(c);
    if (x->role != PAXOS_PROPOSER)
        return SF_NOT_LEADER;
    *msg = (struct consensus_msg){.type = MSG_SNAPSHOT,
                                  .from = x->self,
                                  .to = peer,
                                  .term = x->acceptor.promised,
                                  .index = index,
                                  .log_term = term};
    return SF_OK;
}

void paxos_snapshot_ended(struct consensus *c, replica_id peer, uint64_t index, bool ok)
{
    struct paxos *x = paxos_of(c);
    struct progress *p = paxos_peer(x, peer);
    if (x->role != PAXOS_PROPOSER || p == NULL)
        return;
    p->snapshot_busy = false;
    if (ok && index <= x->log.commit) {
        paxos_peer_has(x, p, index);
    } else if (p->state == PROGRESS_SNAPSHOT) {
        /* It may have gone away: nothing more before it answers a heartbeat. */
        progress_become_probe(p, p->match + 1);
        p->probing = true;
        p->stalled_ticks = 0;
    }
    paxos_check(x);
}

void paxos_step_snapshot_reply(struct paxos *x, const struct consensus_msg *msg)
{
    struct progress *p = paxos_peer(x, msg->from);
    if (x->role != PAXOS_PROPOSER || msg->term != x->acceptor.promised ||
        msg->index > x->log.commit)
        return;
    p->silent_ticks = 0;
    paxos_peer_has(x, p, msg->index);
}

/* -- the others ------------------------------------------------------------------------------ */

static void confirm(struct paxos *x, replica_id proposer, uint64_t index)
{
    paxos_send(x,
               (struct consensus_msg){
                   .type = MSG_SNAPSHOT_REPLY, .to = proposer, .index = index, .after_sync = true});
}

void paxos_step_snapshot(struct paxos *x, const struct consensus_msg *msg)
{
    paxos_follow(x, msg);
    if (x->installing_index != 0 || msg->index == 0)
        return;
    if (msg->index > x->reach) {
        x->outbox.offered_index = msg->index;
        x->outbox.offered_term = msg->log_term;
        x->outbox.offered_from = msg->from;
        return;
    }
    SF_MARK("paxos: snapshot offered of what the log has");
    entry_log_commit(&x->log, msg->index); /* a snapshot is of what is chosen */
    confirm(x, msg->from, msg->index);
}

bool paxos_snapshot_begin(struct consensus *c, uint64_t index, uint64_t term)
{
    struct paxos *x = paxos_of(c);
    (void)term;
    if (x->role == PAXOS_PROPOSER || index <= x->reach)
        return false;
    if (x->role != PAXOS_FOLLOWER) /* it would propose what is about to sink below its floor */
        paxos_become_follower(x, 0);
    x->installing_index = index;
    paxos_check(x);
    return true;
}

void paxos_snapshot_installed(struct consensus *c, uint64_t index, uint64_t term)
{
    struct paxos *x = paxos_of(c);
    sf_assert(x->role == PAXOS_FOLLOWER);
    x->installing_index = 0;
    entry_log_restart(&x->log, index, term, true); /* X2 */
    x->reach = x->log.commit;
    paxos_extend_reach(x);
    if (x->leader != 0)
        confirm(x, x->leader, index);
    paxos_check(x);
}

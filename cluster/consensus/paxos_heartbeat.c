/* Heartbeats: a proposer shows that it is there, says what is chosen, and learns who hears it. They
 * carry the newest read round, so that one exchange confirms any number of reads. */
#include "consensus/paxos.h"
#include "env/mark.h"

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void paxos_broadcast_heartbeat(struct paxos *x)
{
    x->heartbeat_elapsed_ticks = 0;
    for (size_t i = 0; i < x->peer_count; i++) {
        const struct progress *p = &x->peers[i];
        if (paxos_is_self(x, p))
            continue;
        /* Bounded by match: beyond it the acceptor may hold something else. */
        paxos_send(x, (struct consensus_msg){.type = MSG_HEARTBEAT,
                                             .to = p->id,
                                             .commit = smaller(p->match, x->log.commit),
                                             .context = x->reads.round});
    }
}

static bool hears_a_quorum(const struct paxos *x)
{
    size_t heard = 0;
    for (size_t i = 0; i < x->peer_count; i++) {
        const struct progress *p = &x->peers[i];
        heard += paxos_is_self(x, p) || p->silent_ticks < x->election_ticks;
    }
    return heard >= paxos_quorum(x);
}

void paxos_tick_proposer(struct paxos *x)
{
    for (size_t i = 0; i < x->peer_count; i++)
        progress_tick(&x->peers[i]);
    if (!hears_a_quorum(x)) {
        SF_MARK("paxos: proposer steps down, it hears no quorum");
        paxos_become_follower(x, 0);
        return;
    }
    paxos_tick_transfer(x);
    if (++x->heartbeat_elapsed_ticks >= x->heartbeat_ticks)
        paxos_broadcast_heartbeat(x);
}

void paxos_step_heartbeat(struct paxos *x, const struct consensus_msg *msg)
{
    paxos_follow(x, msg);
    entry_log_commit(&x->log, msg->commit);
    paxos_extend_reach(x);
    paxos_send(x, (struct consensus_msg){.type = MSG_HEARTBEAT_REPLY,
                                         .to = msg->from,
                                         .context = msg->context,
                                         .after_sync = !paxos_promise_is_durable(x)});
}

void paxos_step_heartbeat_reply(struct paxos *x, const struct consensus_msg *msg)
{
    struct progress *p = paxos_peer(x, msg->from);
    if (x->role != PAXOS_PROPOSER || msg->term != x->acceptor.promised)
        return;
    p->silent_ticks = 0;
    paxos_round_answered(x, p, msg->context);
    paxos_recover_lost(x, p);
}

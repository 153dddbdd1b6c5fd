/* Heartbeats: a leader shows that it is there, says what is committed, and learns who hears it.
 * They carry the newest read round, so that one exchange confirms any number of reads. */
#include "consensus/raft.h"
#include "env/mark.h"

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void raft_broadcast_heartbeat(struct raft *r)
{
    r->heartbeat_elapsed_ticks = 0;
    for (size_t i = 0; i < r->peer_count; i++) {
        const struct progress *p = &r->peers[i];
        if (raft_is_self(r, p))
            continue;
        /* Bounded by match: beyond it the follower's log may hold something else. */
        raft_send(r, (struct consensus_msg){.type = MSG_HEARTBEAT,
                                            .to = p->id,
                                            .commit = smaller(p->match, r->log.commit),
                                            .context = r->reads.round});
    }
}

static bool hears_a_quorum(const struct raft *r)
{
    size_t heard = 0;
    for (size_t i = 0; i < r->peer_count; i++) {
        const struct progress *p = &r->peers[i];
        heard += raft_is_self(r, p) || p->silent_ticks < r->election_ticks;
    }
    return heard >= raft_quorum(r);
}

void raft_tick_leader(struct raft *r)
{
    for (size_t i = 0; i < r->peer_count; i++)
        progress_tick(&r->peers[i]);
    if (!hears_a_quorum(r)) {
        SF_MARK("raft: leader steps down, it hears no quorum");
        raft_become_follower(r, r->hard.term, 0);
        return;
    }
    raft_tick_transfer(r);
    if (++r->heartbeat_elapsed_ticks >= r->heartbeat_ticks)
        raft_broadcast_heartbeat(r);
}

void raft_step_heartbeat(struct raft *r, const struct consensus_msg *msg)
{
    if (!raft_follow(r, msg->from))
        return;
    entry_log_commit(&r->log, msg->commit);
    raft_send(r, (struct consensus_msg){.type = MSG_HEARTBEAT_REPLY,
                                        .to = msg->from,
                                        .context = msg->context,
                                        .after_sync = !raft_hard_state_is_durable(r)});
}

void raft_step_heartbeat_reply(struct raft *r, const struct consensus_msg *msg)
{
    struct progress *p = raft_peer(r, msg->from);
    if (r->role != RAFT_LEADER)
        return;
    p->silent_ticks = 0;
    raft_round_answered(r, p, msg->context);
    raft_recover_lost(r, p);
}

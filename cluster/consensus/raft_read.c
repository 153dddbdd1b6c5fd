/* Read barriers. A read that was asked for in this term may be served at the commit index of that
 * moment once a quorum has shown, after it, that no newer leader had its votes. A leader knows what
 * its predecessors committed only after an entry of its own term is committed, so no round begins
 * before. Source: dissertation, section 6.4. */
#include "consensus/raft.h"

void raft_read(struct consensus *c, uint64_t id)
{
    struct raft *r = raft_of(c);
    if (r->role != RAFT_LEADER) {
        outbox_read(&r->outbox, id, 0, SF_NOT_LEADER);
        return;
    }
    read_queue_add(&r->reads, id);
    raft_check(r);
}

static bool own_term_is_committed(const struct raft *r)
{
    uint64_t term;
    return entry_log_term_at(&r->log, r->log.commit, &term) && term == r->hard.term;
}

bool raft_read_round_is_due(const struct raft *r)
{
    return r->role == RAFT_LEADER && read_queue_wants_round(&r->reads) && own_term_is_committed(r);
}

static void confirm_round(struct raft *r)
{
    read_queue_confirm(&r->reads, raft_quorum_reached(r, r->reads.round, progress_round),
                       &r->outbox);
}

void raft_maybe_begin_read_round(struct raft *r)
{
    if (!raft_read_round_is_due(r))
        return;
    read_queue_begin_round(&r->reads, r->log.commit);
    raft_broadcast_heartbeat(r);
    confirm_round(r); /* a group of one */
}

void raft_round_answered(struct raft *r, struct progress *p, uint64_t round)
{
    if (round <= p->round || round > r->reads.round)
        return;
    p->round = round;
    confirm_round(r);
}

/* Read barriers. A read that was asked for in this term may be served at the commit index of that
 * moment once a quorum has shown, after it, that no newer leader had its votes. All reads that wait
 * share a round of heartbeats; while a round is under way the next ones gather for the next.
 * A leader knows what its predecessors committed only after an entry of its own term is committed,
 * so no round begins before. Source: dissertation, section 6.4. */
#include <string.h>

#include "consensus/array.h"
#include "consensus/raft.h"

void raft_read(struct consensus *c, uint64_t id)
{
    struct raft *r = raft_of(c);
    if (r->role != RAFT_LEADER) {
        outbox_read(&r->outbox, id, 0, SF_NOT_LEADER);
        return;
    }
    r->reads = array_reserve(r->reads, r->read_count, &r->read_cap, sizeof(*r->reads));
    r->reads[r->read_count++] = (struct raft_read){.id = id};
    raft_check(r);
}

static bool own_term_is_committed(const struct raft *r)
{
    uint64_t term;
    return raft_log_term_at(&r->log, r->log.commit, &term) && term == r->hard.term;
}

bool raft_read_round_is_due(const struct raft *r)
{
    return r->role == RAFT_LEADER && r->read_count > 0 && r->round == r->round_confirmed &&
           own_term_is_committed(r);
}

static void pass_confirmed(struct raft *r)
{
    size_t passed = 0;
    for (; passed < r->read_count; passed++) {
        const struct raft_read *read = &r->reads[passed];
        if (read->round == 0 || read->round > r->round_confirmed)
            break;
        outbox_read(&r->outbox, read->id, read->index, SF_OK);
    }
    r->read_count -= passed;
    if (passed > 0)
        memmove(r->reads, r->reads + passed, r->read_count * sizeof(*r->reads));
}

static uint64_t round_of(const struct progress *p)
{
    return p->round;
}

static void maybe_confirm_round(struct raft *r)
{
    uint64_t confirmed = raft_quorum_reached(r, r->round, round_of);
    if (confirmed <= r->round_confirmed)
        return;
    r->round_confirmed = confirmed;
    pass_confirmed(r);
}

void raft_maybe_begin_read_round(struct raft *r)
{
    if (!raft_read_round_is_due(r))
        return;
    r->round++;
    for (size_t i = 0; i < r->read_count; i++) {
        r->reads[i].round = r->round;
        r->reads[i].index = r->log.commit;
    }
    raft_broadcast_heartbeat(r);
    maybe_confirm_round(r); /* a group of one */
}

void raft_round_answered(struct raft *r, struct progress *p, uint64_t round)
{
    if (round <= p->round || round > r->round)
        return;
    p->round = round;
    maybe_confirm_round(r);
}

void raft_fail_reads(struct raft *r)
{
    for (size_t i = 0; i < r->read_count; i++)
        outbox_read(&r->outbox, r->reads[i].id, 0, SF_NOT_LEADER);
    r->read_count = 0;
}

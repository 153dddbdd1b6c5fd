/* The invariants of raft.h, asserted after every event in debug builds and in simulation. */
#include "consensus/raft.h"
#include "consensus/raft_log.h"

/* R1. The log's terms rise, so that its last is the largest. */
static bool log_is_valid(const struct raft *r)
{
    return entry_log_is_valid(&r->log) && raft_log_terms_rise(&r->log) &&
           entry_log_last_term(&r->log) <= r->hard.term;
}

/* R2 to R4. */
static bool role_is_valid(const struct raft *r)
{
    bool stands = r->role == RAFT_CANDIDATE || r->role == RAFT_LEADER;
    bool seeks = r->role == RAFT_CANDIDATE || r->role == RAFT_PRE_CANDIDATE;
    if (stands && r->hard.vote != r->self)
        return false;
    if ((r->role == RAFT_LEADER) != (r->leader == r->self) || (seeks && r->leader != 0))
        return false;
    return election_timer_is_valid(&r->timer);
}

/* R5, and those of progress.h. */
static bool peers_are_valid(const struct raft *r)
{
    for (size_t i = 0; r->role == RAFT_LEADER && i < r->peer_count; i++) {
        const struct progress *p = &r->peers[i];
        bool good = progress_is_valid(p) && p->match <= entry_log_last(&r->log);
        if (!raft_is_self(r, p) && !good)
            return false;
    }
    return true;
}

/* R6. */
static bool commit_is_valid(const struct raft *r)
{
    uint64_t term;
    if (r->role != RAFT_LEADER || !entry_log_term_at(&r->log, r->log.commit, &term) ||
        term != r->hard.term)
        return true;
    return r->log.commit <= raft_quorum_reached(r, r->log.persisted, progress_match);
}

/* R7. */
static bool reads_are_valid(const struct raft *r)
{
    return (r->role == RAFT_LEADER || r->reads.count == 0) && read_queue_is_valid(&r->reads);
}

/* R8. */
static bool uncommitted_is_valid(const struct raft *r)
{
    size_t bytes = 0;
    uint64_t last = entry_log_last(&r->log);
    for (uint64_t i = last; r->role == RAFT_LEADER && i > r->log.commit; i--) {
        const struct entry *entry = entry_log_at(&r->log, i);
        bytes += entry->term == r->hard.term ? entry->payload->bytes : 0;
    }
    return bytes == r->uncommitted_bytes;
}

/* R9. */
static bool transfer_is_valid(const struct raft *r)
{
    return r->transferee == 0 || (r->role == RAFT_LEADER && r->transferee != r->self);
}

/* R10, of which entry_log.h's L1 to L3 say the rest. */
static bool installation_is_valid(const struct raft *r)
{
    return r->installing_index == 0 ||
           (r->role != RAFT_LEADER && r->installing_index > r->log.listed);
}

void raft_check(const struct raft *r)
{
    sf_assert_slow(log_is_valid(r));
    sf_assert_slow(role_is_valid(r));
    sf_assert_slow(peers_are_valid(r));
    sf_assert_slow(commit_is_valid(r));
    sf_assert_slow(reads_are_valid(r));
    sf_assert_slow(uncommitted_is_valid(r));
    sf_assert_slow(transfer_is_valid(r));
    sf_assert_slow(installation_is_valid(r));
}

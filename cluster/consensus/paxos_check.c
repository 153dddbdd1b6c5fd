/* The invariants of paxos.h, asserted after every event in debug builds and in simulation. */
#include "consensus/paxos.h"

/* X1. */
static bool log_is_valid(const struct paxos *x)
{
    for (uint64_t i = entry_log_open(&x->log); i <= entry_log_last(&x->log); i++) {
        if (entry_log_at(&x->log, i)->term > x->acceptor.promised)
            return false;
    }
    return entry_log_is_valid(&x->log) && x->ballot_heard >= x->acceptor.promised;
}

static bool is_accepted_in_ballot(const struct paxos *x, uint64_t index)
{
    return entry_log_at(&x->log, index)->term == x->acceptor.promised;
}

/* X3. */
static bool reach_is_valid(const struct paxos *x)
{
    uint64_t last = entry_log_last(&x->log);
    if (x->reach < x->log.commit || x->reach > last)
        return false;
    for (uint64_t i = x->log.commit + 1; i <= x->reach; i++) {
        if (!is_accepted_in_ballot(x, i))
            return false;
    }
    return x->reach == last || !is_accepted_in_ballot(x, x->reach + 1);
}

/* X6, X7. */
static bool role_is_valid(const struct paxos *x)
{
    bool prepares = x->role == PAXOS_PREPARER, proposes = x->role == PAXOS_PROPOSER;
    if ((prepares || proposes) && ballot_owner(x->acceptor.promised) != x->self)
        return false;
    if (proposes != (x->leader == x->self) || (x->role == PAXOS_CANVASSER && x->leader != 0))
        return false;
    if (prepares && (x->leader != 0 || x->takeover.ballot != x->acceptor.promised ||
                     x->takeover.from != x->log.commit))
        return false;
    if (proposes && x->reach != entry_log_last(&x->log))
        return false;
    return election_timer_is_valid(&x->timer);
}

/* X8, and those of progress.h. */
static bool peers_are_valid(const struct paxos *x)
{
    for (size_t i = 0; x->role == PAXOS_PROPOSER && i < x->peer_count; i++) {
        const struct progress *p = &x->peers[i];
        bool good = progress_is_valid(p) && p->match <= x->reach;
        if (!paxos_is_self(x, p) && !good)
            return false;
    }
    return true;
}

/* X9. The newest that is chosen was accepted in the own ballot, or phase 1 began with it. */
static bool commit_is_valid(const struct paxos *x)
{
    uint64_t commit = x->log.commit;
    if (x->role != PAXOS_PROPOSER || commit <= x->log.base_index ||
        !is_accepted_in_ballot(x, commit))
        return true;
    return commit <= paxos_quorum_reached(x, x->log.persisted, progress_match);
}

/* X10. */
static bool reads_are_valid(const struct paxos *x)
{
    return (x->role == PAXOS_PROPOSER || x->reads.count == 0) && read_queue_is_valid(&x->reads);
}

/* X11. */
static bool uncommitted_is_valid(const struct paxos *x)
{
    size_t bytes = 0;
    for (uint64_t i = entry_log_last(&x->log); x->role == PAXOS_PROPOSER && i > x->log.commit; i--)
        bytes += entry_log_at(&x->log, i)->payload->bytes;
    return bytes == x->uncommitted_bytes;
}

/* X12. */
static bool transfer_is_valid(const struct paxos *x)
{
    return x->transferee == 0 || (x->role == PAXOS_PROPOSER && x->transferee != x->self);
}

/* X13, of which entry_log.h's L1 to L3 say the rest. */
static bool installation_is_valid(const struct paxos *x)
{
    return x->installing_index == 0 ||
           (x->role == PAXOS_FOLLOWER && x->installing_index > x->log.listed);
}

void paxos_check(const struct paxos *x)
{
    sf_assert_slow(log_is_valid(x));
    sf_assert_slow(reach_is_valid(x));
    sf_assert_slow(role_is_valid(x));
    sf_assert_slow(peers_are_valid(x));
    sf_assert_slow(commit_is_valid(x));
    sf_assert_slow(reads_are_valid(x));
    sf_assert_slow(uncommitted_is_valid(x));
    sf_assert_slow(transfer_is_valid(x));
    sf_assert_slow(installation_is_valid(x));
}

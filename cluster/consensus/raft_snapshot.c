/* Followers that need entries which the log no longer holds. The engine finds out that a snapshot
 * is needed and what becomes of the log; the caller moves the bytes. Source: dissertation,
 * chapter 5. */
#include "consensus/raft.h"
#include "env/mark.h"

/* -- leader ---------------------------------------------------------------------------------- */

/* Asked only while the peer is heard, and once until the caller says that it ended. */
bool raft_snapshot_is_wanted(const struct raft *r, const struct progress *p)
{
    if (p->snapshot_busy || p->silent_ticks >= r->election_ticks)
        return false;
    if (p->state == PROGRESS_SNAPSHOT)
        return true;
    return progress_is_due(p, entry_log_last(&r->log)) && p->next <= r->log.base_index;
}

void raft_want_snapshot(struct raft *r, struct progress *p)
{
    SF_MARK("raft: snapshot wanted");
    progress_become_snapshot(p);
    p->snapshot_busy = true;
    outbox_want_snapshot(&r->outbox, p->id);
}

int raft_snapshot_msg(const struct consensus *c, replica_id peer, uint64_t index, uint64_t term,
                      struct consensus_msg *msg)
{
    const struct raft *r = raft_of_const(c);
    if (r->role != RAFT_LEADER)
        return SF_NOT_LEADER;
    *msg = (struct consensus_msg){.type = MSG_SNAPSHOT,
                                  .from = r->self,
                                  .to = peer,
                                  .term = r->hard.term,
                                  .index = index,
                                  .log_term = term};
    return SF_OK;
}

void raft_snapshot_ended(struct consensus *c, replica_id peer, uint64_t index, bool ok)
{
    struct raft *r = raft_of(c);
    struct progress *p = raft_peer(r, peer);
    if (r->role != RAFT_LEADER || p == NULL)
        return;
    p->snapshot_busy = false;
    if (ok && index <= entry_log_last(&r->log)) {
        raft_accepted(r, p, index);
    } else if (p->state == PROGRESS_SNAPSHOT) {
        /* It may have gone away: nothing more before it answers a heartbeat. */
        progress_become_probe(p, p->match + 1);
        p->probing = true;
        p->stalled_ticks = 0;
    }
    raft_check(r);
}

void raft_step_snapshot_reply(struct raft *r, const struct consensus_msg *msg)
{
    struct progress *p = raft_peer(r, msg->from);
    if (r->role != RAFT_LEADER || msg->index > entry_log_last(&r->log))
        return;
    p->silent_ticks = 0;
    raft_accepted(r, p, msg->index);
}

/* -- follower -------------------------------------------------------------------------------- */

/* Has this log all that a snapshot at (index, term) could bring? Snapshots are of committed state,
 * so an entry that matches it is committed with everything before it. */
static bool log_reaches(const struct raft *r, uint64_t index, uint64_t term)
{
    return index <= r->log.commit || entry_log_matches(&r->log, index, term);
}

static void confirm(struct raft *r, replica_id leader, uint64_t index)
{
    raft_send(r, (struct consensus_msg){
                     .type = MSG_SNAPSHOT_REPLY, .to = leader, .index = index, .after_sync = true});
}

void raft_step_snapshot(struct raft *r, const struct consensus_msg *msg)
{
    if (!raft_follow(r, msg->from) || r->installing_index != 0 || msg->index == 0)
        return;
    if (!log_reaches(r, msg->index, msg->log_term)) {
        r->outbox.offered_index = msg->index;
        r->outbox.offered_term = msg->log_term;
        r->outbox.offered_from = msg->from;
        return;
    }
    SF_MARK("raft: snapshot offered of what the log has");
    entry_log_commit(&r->log, msg->index);
    confirm(r, msg->from, msg->index);
}

bool raft_snapshot_begin(struct consensus *c, uint64_t index, uint64_t term)
{
    struct raft *r = raft_of(c);
    if (r->role == RAFT_LEADER || log_reaches(r, index, term)) {
        SF_MARK("raft: the log reached a snapshot before it was installed");
        return false;
    }
    r->installing_index = index;
    raft_check(r);
    return true;
}

void raft_snapshot_installed(struct consensus *c, uint64_t index, uint64_t term)
{
    struct raft *r = raft_of(c);
    sf_assert(r->role != RAFT_LEADER);
    r->installing_index = 0;
    entry_log_restart(&r->log, index, term, entry_log_matches(&r->log, index, term));
    if (r->leader != 0)
        confirm(r, r->leader, index);
    raft_check(r);
}

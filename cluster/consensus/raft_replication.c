/* The leader's side of replication: proposals, what goes to whom and when, what is committed.
 * The happy path: an entry is appended to the own log, goes to every follower with the next update
 * while the own disk syncs it, and is committed when a majority has it durably.
 * It can fail by: a message that is lost (a heartbeat's answer shows that nothing moves: one empty
 * APPEND asks what the follower has), a log that does not match (refused with a hint), a follower
 * that is behind the compacted log (raft_snapshot.c). Source: dissertation, sections 3.5, 3.6.2. */
#include "consensus/raft.h"
#include "consensus/raft_log.h"
#include "env/mark.h"

/* Payload bytes that may be proposed and not yet committed. */
#define UNCOMMITTED_BYTES_MAX (16u << 20)

/* -- proposals ------------------------------------------------------------------------------- */

/* Has an entry of the own term been proposed? Before that nothing can be committed, and nothing is
 * sent: the caller is about to propose one, and a probe sent now would only make it wait. */
static bool has_own_entry(const struct raft *r)
{
    return entry_log_last_term(&r->log) == r->hard.term;
}

static bool proposal_fits(const struct raft *r, const struct payload *payload)
{
    if (!has_own_entry(r))
        return true;
    if (r->transferee != 0) { /* the peer that takes over has to catch up with the log's end */
        SF_MARK("raft: proposal refused while the lead is handed over");
        return false;
    }
    return r->uncommitted_bytes == 0 ||
           r->uncommitted_bytes + payload->bytes <= UNCOMMITTED_BYTES_MAX;
}

int raft_propose(struct consensus *c, struct payload *payload, uint64_t *index, uint64_t *term)
{
    struct raft *r = raft_of(c);
    if (r->role != RAFT_LEADER || !proposal_fits(r, payload)) {
        payload_unref(payload);
        return r->role != RAFT_LEADER ? SF_NOT_LEADER : SF_OVERLOADED;
    }
    r->uncommitted_bytes += payload->bytes;
    entry_log_append(&r->log, r->hard.term, payload);
    *index = entry_log_last(&r->log);
    *term = r->hard.term;
    raft_check(r);
    return SF_OK;
}

/* -- commitment ------------------------------------------------------------------------------ */

/* Only an entry of the own term is committed by counting; those before it go along. */
void raft_maybe_commit(struct raft *r)
{
    uint64_t before = r->log.commit, term;
    uint64_t reached = raft_quorum_reached(r, r->log.persisted, progress_match);
    if (reached <= before || !entry_log_term_at(&r->log, reached, &term))
        return;
    if (term != r->hard.term) {
        SF_MARK("raft: an earlier term's entry has a majority and is not committed by it");
        return;
    }
    entry_log_commit(&r->log, reached);
    for (uint64_t index = before + 1; index <= reached; index++) {
        const struct entry *entry = entry_log_at(&r->log, index);
        if (entry->term == r->hard.term)
            r->uncommitted_bytes -= entry->payload->bytes;
    }
}

/* -- sending --------------------------------------------------------------------------------- */

/* Sends `count` entries from p->next on; the log holds the entry before them, or that is its base.
 */
static void send_append(struct raft *r, const struct progress *p, size_t count)
{
    struct consensus_msg msg = {.type = MSG_APPEND,
                                .to = p->id,
                                .index = p->next - 1,
                                .commit = r->log.commit,
                                .context = r->reads.round,
                                .entries = entry_log_copy(&r->log, p->next, count),
                                .entry_count = count};
    bool held = entry_log_term_at(&r->log, msg.index, &msg.log_term);
    sf_assert(held);
    raft_send(r, msg);
}

static bool is_due(const struct raft *r, const struct progress *p)
{
    if (raft_is_self(r, p))
        return false;
    if (raft_snapshot_is_wanted(r, p))
        return true;
    return progress_is_due(p, entry_log_last(&r->log)) && p->next > r->log.base_index;
}

bool raft_replication_is_due(const struct raft *r)
{
    if (r->role != RAFT_LEADER || !has_own_entry(r))
        return false;
    for (size_t i = 0; i < r->peer_count; i++) {
        if (is_due(r, &r->peers[i]))
            return true;
    }
    return false;
}

/* Payload bytes that one message to p may have now. */
static size_t batch_bytes_max(const struct progress *p)
{
    size_t left = p->inflights.bytes_max - p->inflights.bytes; /* not full: above 0 */
    return left < CONSENSUS_BATCH_BYTES_MAX ? left : CONSENSUS_BATCH_BYTES_MAX;
}

static void replicate_to(struct raft *r, struct progress *p)
{
    while (is_due(r, p)) {
        size_t bytes;
        if (raft_snapshot_is_wanted(r, p)) {
            raft_want_snapshot(r, p);
            return;
        }
        size_t count = entry_log_batch(&r->log, p->next, batch_bytes_max(p), &bytes);
        send_append(r, p, count);
        progress_sent(p, count, bytes);
    }
}

void raft_replicate(struct raft *r)
{
    if (r->role != RAFT_LEADER || !has_own_entry(r))
        return;
    for (size_t i = 0; i < r->peer_count; i++)
        replicate_to(r, &r->peers[i]);
}

/* -- answers --------------------------------------------------------------------------------- */

void raft_accepted(struct raft *r, struct progress *p, uint64_t index)
{
    if (progress_accepted(p, index))
        raft_maybe_commit(r);
    raft_maybe_finish_transfer(r, p);
}

void raft_step_append_reply(struct raft *r, const struct consensus_msg *msg)
{
    struct progress *p = raft_peer(r, msg->from);
    if (r->role != RAFT_LEADER || msg->index > entry_log_last(&r->log))
        return;
    p->silent_ticks = 0;
    if (msg->reject) {
        uint64_t hint = raft_log_match_hint(&r->log, msg->index, msg->log_term);
        progress_rejected(p, msg->context, hint);
        return;
    }
    raft_accepted(r, p, msg->index);
    raft_round_answered(r, p, msg->context);
}

void raft_recover_lost(struct raft *r, struct progress *p)
{
    if (p->stalled_ticks < r->heartbeat_ticks)
        return;
    if (p->state == PROGRESS_PROBE)
        p->probing = false;
    if (p->state != PROGRESS_REPLICATE || p->inflights.count == 0)
        return;
    if (p->next <= r->log.base_index) { /* what comes next is compacted away */
        SF_MARK("raft: what a follower needs next is compacted away");
        progress_become_probe(p, p->match + 1);
        return;
    }
    SF_MARK("raft: follower asked what it has, nothing moves");
    /* Asks whether the follower has all of it. It answers yes, or refuses and says how far it is.
     */
    send_append(r, p, 0);
    p->stalled_ticks = 0;
}

void raft_connection_lost(struct consensus *c, replica_id peer)
{
    struct raft *r = raft_of(c);
    struct progress *p = raft_peer(r, peer);
    if (r->role != RAFT_LEADER || p == NULL || p->state == PROGRESS_SNAPSHOT)
        return;
    progress_become_probe(p, p->match + 1);
    /* Nothing more goes out until it answers a heartbeat. */
    p->probing = true;
    p->stalled_ticks = r->heartbeat_ticks;
    raft_check(r);
}

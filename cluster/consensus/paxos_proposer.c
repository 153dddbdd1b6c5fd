/* The proposer's side: what is proposed, what goes to whom and when, what is chosen.
 * The happy path: an entry is accepted here, goes to every acceptor with the next update while the
 * own disk syncs it, and is chosen when a majority has accepted it durably.
 * It can fail by: a message that is lost (a heartbeat's answer shows that nothing moves: one empty
 * ACCEPT asks how far the acceptor is), an acceptor that restarted or missed something (it says how
 * far it is), one that is behind the floor (paxos_snapshot.c). */
#include "consensus/paxos.h"
#include "env/mark.h"

/* Payload bytes that may be proposed and not yet chosen. */
#define UNCOMMITTED_BYTES_MAX (16u << 20)

/* -- the beginning --------------------------------------------------------------------------- */

/* Accepts in the own ballot, and so proposes to all, what phase 1 found (X7). */
static void inherit(struct paxos *x)
{
    const struct paxos_takeover *t = &x->takeover;
    sf_assert(x->reach == t->from && x->log.commit == t->from);
    if (t->found_count > 0)
        SF_MARK("paxos: proposer inherits what was accepted");
    for (size_t i = 0; i < t->found_count; i++) {
        x->uncommitted_bytes += t->found[i].value->bytes;
        paxos_accept(x, t->found[i].value);
    }
    sf_assert(x->reach == entry_log_last(&x->log));
    x->inherited = x->reach;
}

/* Who has promised said what it knows as chosen, so that it can be sent what follows at once. */
static void begin_progress(struct paxos *x)
{
    for (size_t i = 0; i < x->peer_count; i++) {
        const struct paxos_promise *promise = &x->takeover.promises[i];
        struct progress *p = &x->peers[i];
        progress_reset(p, x->takeover.from);
        if (promise->answer == ANSWER_YES && promise->commit <= x->reach)
            progress_accepted(p, promise->commit);
    }
}

void paxos_become_proposer(struct paxos *x)
{
    sf_assert(x->role == PAXOS_PREPARER);
    paxos_enter_role(x, PAXOS_PROPOSER, x->self);
    x->has_proposed = false;
    inherit(x);
    begin_progress(x);
    paxos_takeover_clear(x);
    paxos_broadcast_heartbeat(x);
}

/* -- proposals ------------------------------------------------------------------------------- */

static bool proposal_fits(const struct paxos *x, const struct payload *payload)
{
    if (!x->has_proposed)
        return true;
    if (x->transferee != 0) { /* the peer that takes over has to catch up with the log's end */
        SF_MARK("paxos: proposal refused while the role is handed over");
        return false;
    }
    return x->uncommitted_bytes == 0 ||
           x->uncommitted_bytes + payload->bytes <= UNCOMMITTED_BYTES_MAX;
}

int paxos_propose(struct consensus *c, struct payload *payload, uint64_t *index, uint64_t *term)
{
    struct paxos *x = paxos_of(c);
    bool proposes = x->role == PAXOS_PROPOSER, fits = proposal_fits(x, payload);
    if (proposes && fits) {
        x->has_proposed = true;
        x->uncommitted_bytes += payload->bytes;
        paxos_accept(x, payload);
        *index = x->reach;
        *term = x->acceptor.promised;
    }
    payload_unref(payload);
    paxos_check(x);
    if (!proposes)
        return SF_NOT_LEADER;
    return fits ? SF_OK : SF_OVERLOADED;
}

/* -- what is chosen -------------------------------------------------------------------------- */

void paxos_maybe_choose(struct paxos *x)
{
    uint64_t before = x->log.commit;
    uint64_t reached = paxos_quorum_reached(x, x->log.persisted, progress_match);
    if (reached <= before)
        return;
    entry_log_commit(&x->log, reached);
    for (uint64_t index = before + 1; index <= reached; index++)
        x->uncommitted_bytes -= entry_log_at(&x->log, index)->payload->bytes;
}

/* -- sending --------------------------------------------------------------------------------- */

/* Entries that were chosen in earlier ballots go out in this one like all others: nothing else can
 * be proposed there in any later ballot. */
static struct entry *copy_for_ballot(const struct paxos *x, uint64_t first, size_t count)
{
    struct entry *entries = entry_log_copy(&x->log, first, count);
    for (size_t i = 0; i < count; i++)
        entries[i].term = x->acceptor.promised;
    return entries;
}

/* Sends `count` entries from p->next on; the log holds them. */
static void send_accept(struct paxos *x, const struct progress *p, size_t count)
{
    paxos_send(x, (struct consensus_msg){.type = MSG_ACCEPT,
                                         .to = p->id,
                                         .index = p->next - 1,
                                         .log_term = paxos_chosen_in(x, p->next - 1),
                                         .commit = x->log.commit,
                                         .context = x->reads.round,
                                         .entries = copy_for_ballot(x, p->next, count),
                                         .entry_count = count});
}

static bool is_due(const struct paxos *x, const struct progress *p)
{
    if (paxos_is_self(x, p))
        return false;
    if (paxos_snapshot_is_wanted(x, p))
        return true;
    return progress_is_due(p, entry_log_last(&x->log)) && p->next > x->log.base_index;
}

bool paxos_accept_is_due(const struct paxos *x)
{
    for (size_t i = 0; x->role == PAXOS_PROPOSER && i < x->peer_count; i++) {
        if (is_due(x, &x->peers[i]))
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

static void send_accepts_to(struct paxos *x, struct progress *p)
{
    while (is_due(x, p)) {
        size_t bytes;
        if (paxos_snapshot_is_wanted(x, p)) {
            paxos_want_snapshot(x, p);
            return;
        }
        size_t count = entry_log_batch(&x->log, p->next, batch_bytes_max(p), &bytes);
        send_accept(x, p, count);
        progress_sent(p, count, bytes);
    }
}

void paxos_send_accepts(struct paxos *x)
{
    for (size_t i = 0; x->role == PAXOS_PROPOSER && i < x->peer_count; i++)
        send_accepts_to(x, &x->peers[i]);
}

/* -- answers --------------------------------------------------------------------------------- */

void paxos_peer_has(struct paxos *x, struct progress *p, uint64_t index)
{
    if (progress_accepted(p, index))
        paxos_maybe_choose(x);
    paxos_maybe_finish_transfer(x, p);
}

void paxos_step_accepted(struct paxos *x, const struct consensus_msg *msg)
{
    struct progress *p = paxos_peer(x, msg->from);
    if (msg->term > x->acceptor.promised) {
        SF_MARK("paxos: proposer met a higher promise");
        paxos_hear_ballot(x, msg->term);
        return;
    }
    if (x->role != PAXOS_PROPOSER || msg->index > x->reach)
        return;
    p->silent_ticks = 0;
    if (msg->reject) {
        progress_rejected(p, msg->context, msg->index);
        return;
    }
    paxos_peer_has(x, p, msg->index);
    paxos_round_answered(x, p, msg->context);
}

void paxos_recover_lost(struct paxos *x, struct progress *p)
{
    if (p->stalled_ticks < x->heartbeat_ticks)
        return;
    if (p->state == PROGRESS_PROBE)
        p->probing = false;
    if (p->state != PROGRESS_REPLICATE || p->inflights.count == 0)
        return;
    if (p->next <= x->log.base_index) { /* what comes next is compacted away */
        SF_MARK("paxos: what an acceptor needs next is compacted away");
        progress_become_probe(p, p->match + 1);
        return;
    }
    SF_MARK("paxos: acceptor asked what it has, nothing moves");
    /* Asks whether the acceptor has all of it. It says yes, or how far it is. */
    send_accept(x, p, 0);
    p->stalled_ticks = 0;
}

void paxos_connection_lost(struct consensus *c, replica_id peer)
{
    struct paxos *x = paxos_of(c);
    struct progress *p = paxos_peer(x, peer);
    if (x->role != PAXOS_PROPOSER || p == NULL || p->state == PROGRESS_SNAPSHOT)
        return;
    progress_become_probe(p, p->match + 1);
    /* Nothing more goes out until it answers a heartbeat. */
    p->probing = true;
    p->stalled_ticks = x->heartbeat_ticks;
    paxos_check(x);
}

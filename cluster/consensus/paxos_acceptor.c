/* The acceptor's side. The happy path: a PREPARE is answered with what was accepted above its
 * index; ACCEPTs come in the order of their instances, what is new takes its place in the log, and
 * the answers wait for its sync. It can fail by: a higher promise (refused by the dispatch), a
 * PREPARE from below the floor, an ACCEPT that leaves a gap (one before it was lost): refused with
 * what there is. */
#include "consensus/paxos.h"
#include "env/mark.h"

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Someone knows everything up to index as chosen, and has accepted the entry there in this ballot.
 * One who has the same there has the chosen values up to there: see paxos.h. Mostly one who has
 * restarted, and forgotten what it knew as chosen. */
static void learn_by_ballot(struct paxos *x, uint64_t index, uint64_t ballot)
{
    if (ballot == 0 || index <= x->log.commit || !entry_log_matches(&x->log, index, ballot))
        return;
    SF_MARK("paxos: acceptor learned what is chosen by the ballot of an entry");
    entry_log_commit(&x->log, index);
    paxos_extend_reach(x);
}

/* -- promises -------------------------------------------------------------------------------- */

bool paxos_is_bound(const struct paxos *x, const struct consensus_msg *msg)
{
    if ((msg->type != MSG_PRE_VOTE && msg->type != MSG_PREPARE) || msg->transfer)
        return false;
    if (x->role == PAXOS_PROPOSER) /* it hears a quorum, or would have stepped down */
        return true;
    bool bound = x->leader != 0 && election_timer_is_fresh(&x->timer);
    if (bound)
        SF_MARK("paxos: preparer ignored by who hears a proposer");
    return bound;
}

void paxos_step_pre_vote(struct paxos *x, const struct consensus_msg *msg)
{
    uint64_t promised = x->acceptor.promised;
    bool grant = msg->term > promised && msg->index >= x->log.base_index;
    paxos_send(x, (struct consensus_msg){.type = MSG_PRE_VOTE_REPLY,
                                         .to = msg->from,
                                         .term = msg->term,
                                         .reject = !grant,
                                         .after_sync = true});
}

/* X5. Of the ballot that was asked for: nothing is promised. */
static void answer_forgotten(struct paxos *x, const struct consensus_msg *msg)
{
    SF_MARK("paxos: PREPARE from below the floor");
    paxos_send(x, (struct consensus_msg){.type = MSG_PROMISE,
                                         .to = msg->from,
                                         .term = msg->term,
                                         .reject = true,
                                         .index = x->log.base_index,
                                         .after_sync = true});
}

/* As large as what may be under way to one peer, within a message. */
static size_t page_bytes_max(const struct paxos *x)
{
    size_t inflight_max = x->peers[0].inflights.bytes_max;
    return inflight_max < CONSENSUS_BATCH_BYTES_MAX ? inflight_max : CONSENSUS_BATCH_BYTES_MAX;
}

static void send_page(struct paxos *x, const struct consensus_msg *msg)
{
    uint64_t last = entry_log_last(&x->log);
    size_t bytes = 0, count = 0;
    if (msg->index < last)
        count = entry_log_batch(&x->log, msg->index + 1, page_bytes_max(x), &bytes);
    paxos_send(x, (struct consensus_msg){.type = MSG_PROMISE,
                                         .to = msg->from,
                                         .index = msg->index,
                                         .commit = x->log.commit,
                                         .context = last,
                                         .after_sync = true,
                                         .entries = entry_log_copy(&x->log, msg->index + 1, count),
                                         .entry_count = count});
}

void paxos_step_prepare(struct paxos *x, const struct consensus_msg *msg)
{
    if (msg->index < x->log.base_index) {
        answer_forgotten(x, msg);
        return;
    }
    if (msg->term > x->acceptor.promised) {
        paxos_promise(x, msg->term);
        paxos_become_follower(x, 0);
    }
    learn_by_ballot(x, msg->commit, msg->log_term);
    election_timer_heard(&x->timer);
    send_page(x, msg);
}

/* -- acceptances ----------------------------------------------------------------------------- */

void paxos_accept(struct paxos *x, struct payload *value)
{
    uint64_t index = x->reach + 1, ballot = x->acceptor.promised;
    if (index <= entry_log_last(&x->log)) {
        SF_MARK("paxos: accepted again in a higher ballot");
        entry_log_replace(&x->log, index, ballot, payload_ref(value));
    } else {
        entry_log_append(&x->log, ballot, payload_ref(value));
    }
    x->reach = index;
}

static void answer(struct paxos *x, const struct consensus_msg *msg, bool accepted)
{
    paxos_send(x, (struct consensus_msg){.type = MSG_ACCEPTED,
                                         .to = msg->from,
                                         .reject = !accepted,
                                         .index = x->reach,
                                         .context = accepted ? msg->context : msg->index,
                                         .after_sync = true});
}

void paxos_step_accept(struct paxos *x, const struct consensus_msg *msg)
{
    paxos_follow(x, msg);
    if (x->installing_index != 0)
        return;
    learn_by_ballot(x, msg->index, msg->log_term);
    if (msg->index > x->reach) { /* X4 */
        SF_MARK("paxos: ACCEPT refused, it leaves a gap");
        answer(x, msg, false);
        return;
    }
    if (msg->index < x->log.base_index)
        SF_MARK("paxos: late ACCEPT from below the floor");
    for (size_t i = 0; i < msg->entry_count; i++) {
        if (msg->entries[i].index == x->reach + 1)
            paxos_accept(x, msg->entries[i].payload);
    }
    paxos_extend_reach(x);
    entry_log_commit(&x->log, smaller(msg->commit, x->reach));
    answer(x, msg, true);
}

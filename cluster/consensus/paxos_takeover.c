/* Becoming the proposer. A replica that hears no proposer first asks who would promise it a ballot
 * (the canvass), so that one that was cut off does not stop a proposer that is well. Then phase 1:
 * it promises a ballot of its own, makes that durable, asks the others for the same promise and for
 * what they have accepted above what it knows to be chosen. They answer page by page. A majority's
 * complete answers make it the proposer.
 * It can fail by: a higher ballot somewhere, no majority, being behind the floors of the others. */
#include "consensus/paxos.h"

#include <stdlib.h>
#include <string.h>

#include "consensus/array.h"
#include "env/mark.h"

/* -- what is found --------------------------------------------------------------------------- */

void paxos_takeover_clear(struct paxos *x)
{
    struct paxos_takeover *t = &x->takeover;
    for (size_t i = 0; i < t->found_count; i++)
        proposal_deinit(&t->found[i]);
    free(t->found);
    *t = (struct paxos_takeover){0};
}

/* Entries lie side by side: an acceptor's log has no holes. */
static void find_entry(struct paxos_takeover *t, const struct entry *entry)
{
    size_t at = (size_t)(entry->index - t->from - 1);
    sf_assert(at <= t->found_count);
    if (at == t->found_count) {
        t->found = array_reserve(t->found, t->found_count, &t->found_cap, sizeof(*t->found));
        t->found[t->found_count++] = (struct proposal){0};
    }
    proposal_find(&t->found[at], entry->term, entry->payload);
}

static void find_own_entries(struct paxos *x)
{
    for (uint64_t i = x->takeover.from + 1; i <= entry_log_last(&x->log); i++)
        find_entry(&x->takeover, entry_log_at(&x->log, i));
}

/* -- asking ---------------------------------------------------------------------------------- */

static size_t answers(const struct paxos *x, enum paxos_answer answer)
{
    size_t count = 0;
    for (size_t i = 0; i < x->peer_count; i++)
        count += x->takeover.promises[i].answer == answer;
    return count;
}

static bool has_a_quorum(const struct paxos *x)
{
    return answers(x, ANSWER_YES) >= paxos_quorum(x);
}

static bool is_refused(const struct paxos *x)
{
    return answers(x, ANSWER_NO) > x->peer_count - paxos_quorum(x);
}

static struct paxos_promise *promise_of(struct paxos *x, replica_id id)
{
    return &x->takeover.promises[paxos_position(x, id)];
}

/* A ballot and its instances; nothing is asked yet. */
static void begin(struct paxos *x, enum paxos_role role, bool transfer)
{
    paxos_takeover_clear(x);
    paxos_enter_role(x, role, 0);
    x->takeover.ballot = ballot_above(x->ballot_heard, x->self);
    x->takeover.from = x->log.commit;
    x->takeover.transfer = transfer;
    for (size_t i = 0; i < x->peer_count; i++)
        x->takeover.promises[i].heard = x->log.commit;
}

static void ask_to_promise(struct paxos *x, replica_id peer)
{
    paxos_send(x, (struct consensus_msg){.type = MSG_PREPARE,
                                         .to = peer,
                                         .index = promise_of(x, peer)->heard,
                                         .commit = x->takeover.from,
                                         .log_term = paxos_chosen_in(x, x->takeover.from),
                                         .transfer = x->takeover.transfer,
                                         .after_sync = true});
}

static void ask_who_has_not_refused(struct paxos *x)
{
    for (size_t i = 0; i < x->peer_count; i++) {
        if (!paxos_is_self(x, &x->peers[i]) && x->takeover.promises[i].answer != ANSWER_NO)
            ask_to_promise(x, x->peers[i].id);
    }
}

void paxos_prepare(struct paxos *x, bool transfer)
{
    begin(x, PAXOS_PREPARER, transfer);
    paxos_promise(x, x->takeover.ballot);
    find_own_entries(x);
    ask_who_has_not_refused(x);
}

void paxos_canvass(struct paxos *x)
{
    begin(x, PAXOS_CANVASSER, false);
    promise_of(x, x->self)->answer = ANSWER_YES;
    for (size_t i = 0; i < x->peer_count; i++) {
        if (!paxos_is_self(x, &x->peers[i]))
            paxos_send(x, (struct consensus_msg){.type = MSG_PRE_VOTE,
                                                 .to = x->peers[i].id,
                                                 .term = x->takeover.ballot,
                                                 .index = x->takeover.from});
    }
    if (has_a_quorum(x)) /* a group of one */
        paxos_prepare(x, false);
}

/* What was asked or answered may have been lost. Who has promised is asked again, too: it would take
 * over itself if it heard nothing while the others' pages come, and they would do so in turn, for
 * ever. A preparer to whom no new page comes gives up, so it keeps nobody quiet for nothing. */
void paxos_tick_takeover(struct paxos *x)
{
    if (++x->takeover.elapsed_ticks % x->heartbeat_ticks == 0)
        ask_who_has_not_refused(x);
}

/* -- answers --------------------------------------------------------------------------------- */

/* Its own promise counts like any other's: when it is durable. */
void paxos_maybe_count_own_promise(struct paxos *x)
{
    if (x->role != PAXOS_PREPARER || !paxos_promise_is_durable(x))
        return;
    struct paxos_promise *own = promise_of(x, x->self);
    own->answer = ANSWER_YES;
    own->heard = entry_log_last(&x->log);
    if (has_a_quorum(x))
        paxos_become_proposer(x);
}

static void note_refusal(struct paxos *x, const struct consensus_msg *msg)
{
    if (msg->term > x->takeover.ballot) {
        SF_MARK("paxos: preparer met a higher promise");
        paxos_hear_ballot(x, msg->term);
        return;
    }
    if (msg->term != x->takeover.ballot)
        return;
    promise_of(x, msg->from)->answer = ANSWER_NO;
    if (is_refused(x))
        paxos_become_follower(x, 0);
}

void paxos_step_pre_vote_reply(struct paxos *x, const struct consensus_msg *msg)
{
    if (x->role != PAXOS_CANVASSER)
        return;
    if (msg->reject) {
        note_refusal(x, msg);
        return;
    }
    if (msg->term != x->takeover.ballot)
        return;
    promise_of(x, msg->from)->answer = ANSWER_YES;
    if (has_a_quorum(x))
        paxos_prepare(x, false);
}

/* A page of what an acceptor has. It accepts nothing before the last one is asked for (A2), so that
 * the pages fit together, also when it restarts in between. */
static void note_page(struct paxos *x, const struct consensus_msg *msg)
{
    struct paxos_promise *promise = promise_of(x, msg->from);
    if (promise->answer != ANSWER_NONE || msg->index != promise->heard)
        return;
    for (size_t i = 0; i < msg->entry_count; i++)
        find_entry(&x->takeover, &msg->entries[i]);
    promise->heard += msg->entry_count;
    promise->commit = msg->commit;
    election_timer_heard(&x->timer);
    if (promise->heard < msg->context) {
        SF_MARK("paxos: promise in several pages");
        ask_to_promise(x, msg->from);
        return;
    }
    promise->answer = ANSWER_YES;
    if (has_a_quorum(x))
        paxos_become_proposer(x);
}

void paxos_step_promise(struct paxos *x, const struct consensus_msg *msg)
{
    if (x->role != PAXOS_PREPARER)
        return;
    if (msg->reject)
        note_refusal(x, msg);
    else if (msg->term == x->takeover.ballot)
        note_page(x, msg);
}

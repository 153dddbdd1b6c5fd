/* Elections. A replica that hears no leader first asks whether it could win (pre-vote), so that one
 * that was cut off does not raise the term of a group that is well; then it asks for votes.
 * Source: dissertation, sections 3.4, 3.6.1 and 9.6; a bound follower: section 4.2.3. */
#include "consensus/raft.h"
#include "consensus/raft_log.h"
#include "env/mark.h"

static size_t ballot_count(const struct raft *r, enum raft_ballot kind)
{
    size_t count = 0;
    for (size_t i = 0; i < r->peer_count; i++)
        count += r->ballots[i] == kind;
    return count;
}

static bool election_is_won(const struct raft *r)
{
    return ballot_count(r, BALLOT_GRANTED) >= raft_quorum(r);
}

static bool election_is_lost(const struct raft *r)
{
    return ballot_count(r, BALLOT_REFUSED) > r->peer_count - raft_quorum(r);
}

static void ask_all(struct raft *r, enum consensus_msg_type type, uint64_t term, bool transfer)
{
    for (size_t i = 0; i < r->peer_count; i++) {
        if (raft_is_self(r, &r->peers[i]))
            continue;
        raft_send(r, (struct consensus_msg){.type = type,
                                            .to = r->peers[i].id,
                                            .term = term,
                                            .index = entry_log_last(&r->log),
                                            .log_term = entry_log_last_term(&r->log),
                                            .transfer = transfer,
                                            .after_sync = true});
    }
}

static void record_ballot(struct raft *r, replica_id voter, bool granted)
{
    for (size_t i = 0; i < r->peer_count; i++) {
        if (r->peers[i].id == voter && r->ballots[i] == BALLOT_NONE)
            r->ballots[i] = granted ? BALLOT_GRANTED : BALLOT_REFUSED;
    }
}

/* Its own vote counts like any other's: when it is durable (raft_maybe_count_own_vote). */
static void ask_for_votes(struct raft *r, bool transfer)
{
    raft_become_candidate(r);
    ask_all(r, MSG_VOTE, r->hard.term, transfer);
}

static void conclude(struct raft *r)
{
    if (election_is_lost(r)) {
        SF_MARK("raft: election lost");
        raft_become_follower(r, r->hard.term, 0);
    } else if (election_is_won(r) && r->role == RAFT_PRE_CANDIDATE) {
        ask_for_votes(r, false);
    } else if (election_is_won(r)) {
        raft_become_leader(r);
    }
}

void raft_campaign(struct raft *r)
{
    raft_become_pre_candidate(r);
    ask_all(r, MSG_PRE_VOTE, r->hard.term + 1, false);
    record_ballot(r, r->self, true);
    conclude(r); /* a group of one */
}

void raft_campaign_transferred(struct raft *r)
{
    SF_MARK("raft: campaign at the leader's word");
    ask_for_votes(r, true);
}

void raft_maybe_count_own_vote(struct raft *r)
{
    if (r->role != RAFT_CANDIDATE || !raft_hard_state_is_durable(r))
        return;
    record_ballot(r, r->self, true);
    conclude(r);
}

/* Whoever hears a leader takes no part in elections, unless that leader itself asked for one. */
bool raft_is_bound_to_leader(const struct raft *r, const struct consensus_msg *msg)
{
    if ((msg->type != MSG_VOTE && msg->type != MSG_PRE_VOTE) || msg->transfer)
        return false;
    if (r->role == RAFT_LEADER) /* it hears a quorum, or would have stepped down */
        return true;
    bool bound = r->leader != 0 && election_timer_is_fresh(&r->timer);
    if (bound)
        SF_MARK("raft: candidate ignored by who hears a leader");
    return bound;
}

void raft_step_pre_vote(struct raft *r, const struct consensus_msg *msg)
{
    bool admits = raft_log_admits(&r->log, msg->index, msg->log_term);
    bool grant = msg->term > r->hard.term && admits;
    if (!admits)
        SF_MARK("raft: pre-vote refused for an old log");
    /* A grant is about the term asked for. A refusal says the own term: who asks may be behind. */
    raft_send(r, (struct consensus_msg){.type = MSG_PRE_VOTE_REPLY,
                                        .to = msg->from,
                                        .term = grant ? msg->term : r->hard.term,
                                        .reject = !grant,
                                        .after_sync = true});
}

void raft_step_vote(struct raft *r, const struct consensus_msg *msg)
{
    bool is_free = r->hard.vote == 0 || r->hard.vote == msg->from;
    bool admits = raft_log_admits(&r->log, msg->index, msg->log_term);
    bool grant = is_free && admits;
    if (!admits)
        SF_MARK("raft: vote refused for an old log");
    if (!is_free)
        SF_MARK("raft: vote refused, another has it");
    if (grant && r->hard.vote == 0) {
        r->hard.vote = msg->from;
        r->hard_changed = true;
    }
    if (grant)
        election_timer_heard(&r->timer);
    raft_send(r,
              (struct consensus_msg){
                  .type = MSG_VOTE_REPLY, .to = msg->from, .reject = !grant, .after_sync = true});
}

void raft_step_pre_vote_reply(struct raft *r, const struct consensus_msg *msg)
{
    if (r->role != RAFT_PRE_CANDIDATE)
        return;
    if (!msg->reject && msg->term != r->hard.term + 1)
        return;
    record_ballot(r, msg->from, !msg->reject);
    conclude(r);
}

void raft_step_vote_reply(struct raft *r, const struct consensus_msg *msg)
{
    if (r->role != RAFT_CANDIDATE)
        return;
    record_ballot(r, msg->from, !msg->reject);
    conclude(r);
}

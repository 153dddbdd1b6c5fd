/* The Raft paper, sentence by sentence: each test is named after what figure 2 (or a section) says,
 * and drives one replica by messages. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "consensus/consensus.h"

#define ELECTION_TICKS 10u

/* Replica 1 of a group, whose log has entries of the given terms (up to a 0), and its last update.
 */
struct subject {
    struct consensus *c;
    struct consensus_update update;
    struct consensus_status status;
};

static void look(struct subject *s)
{
    consensus_update_deinit(&s->update);
    consensus_take(s->c, &s->update);
    consensus_status(s->c, &s->status);
}

static void persist(struct subject *s)
{
    consensus_persisted(s->c, s->update.persist_mark);
    look(s);
}

static struct subject subject_new(size_t size, struct hard_state state, const uint64_t *terms,
                                  uint64_t applied)
{
    struct consensus_config config = {.engine = CONSENSUS_RAFT,
                                      .self = 1,
                                      .peer_count = size,
                                      .election_ticks = ELECTION_TICKS,
                                      .heartbeat_ticks = 2,
                                      .seed = 7};
    struct entry entries[16];
    struct consensus_restore restore = {
        .hard_state = state, .entries = entries, .applied = applied};
    for (size_t i = 0; i < size; i++)
        config.peers[i] = (replica_id)(i + 1);
    for (size_t i = 0; terms[i] != 0; i++)
        entries[restore.entry_count++] =
            (struct entry){i + 1, terms[i], payload_new(slice_str("x"))};
    struct subject s = {.c = consensus_new(&config, &restore)};
    for (size_t i = 0; i < restore.entry_count; i++)
        payload_unref(entries[i].payload);
    look(&s);
    return s;
}

static void subject_free(struct subject *s)
{
    consensus_update_deinit(&s->update);
    consensus_free(s->c);
}

#define TERMS(...) ((const uint64_t[]){__VA_ARGS__, 0})
#define NO_ENTRIES ((const uint64_t[]){0})

/* Steps a message (with entries of the given terms after msg.index) and looks. */
static void step(struct subject *s, struct consensus_msg msg, const uint64_t *terms)
{
    struct entry entries[16];
    msg.to = 1;
    msg.entries = entries;
    for (; terms[msg.entry_count] != 0; msg.entry_count++)
        entries[msg.entry_count] = (struct entry){
            msg.index + 1 + msg.entry_count, terms[msg.entry_count], payload_new(slice_str("y"))};
    consensus_step(s->c, &msg);
    for (size_t i = 0; i < msg.entry_count; i++)
        payload_unref(entries[i].payload);
    look(s);
}

/* The only message of this type to this peer in the last update. */
static const struct consensus_msg *sent(const struct subject *s, enum consensus_msg_type type,
                                        replica_id to)
{
    const struct consensus_msg *found = NULL;
    for (size_t i = 0; i < s->update.message_count; i++) {
        if (s->update.messages[i].type == type && s->update.messages[i].to == to) {
            assert_null(found);
            found = &s->update.messages[i];
        }
    }
    return found;
}

static void tick_until_update(struct subject *s)
{
    for (size_t i = 0; i < 2 * ELECTION_TICKS && !consensus_has_update(s->c); i++)
        consensus_tick(s->c);
    look(s);
}

/* Makes it candidate of the next term, its own vote durable. */
static void stand(struct subject *s)
{
    uint64_t term = s->status.term + 1;
    tick_until_update(s);
    for (replica_id peer = 2; peer <= s->status.peer_count && s->status.term < term; peer++)
        step(s, (struct consensus_msg){.type = MSG_PRE_VOTE_REPLY, .from = peer, .term = term},
             NO_ENTRIES);
    assert_int_equal(s->status.term, term);
}

static void win(struct subject *s)
{
    stand(s);
    persist(s);
    for (replica_id peer = 2; peer <= s->status.peer_count && !s->status.leads; peer++)
        step(s,
             (struct consensus_msg){.type = MSG_VOTE_REPLY, .from = peer, .term = s->status.term},
             NO_ENTRIES);
    assert_true(s->status.leads);
}

static void propose(struct subject *s)
{
    uint64_t index, term;
    assert_int_equal(consensus_propose(s->c, payload_new(slice_str("z")), &index, &term), SF_OK);
    look(s);
    assert_int_equal(index, s->status.last);
    assert_int_equal(term, s->status.term);
}

static void accept(struct subject *s, replica_id from, uint64_t index)
{
    step(s,
         (struct consensus_msg){
             .type = MSG_APPEND_REPLY, .from = from, .term = s->status.term, .index = index},
         NO_ENTRIES);
}

/* -- all servers ----------------------------------------------------------------------------- */

static void a_higher_term_makes_everyone_a_follower(void **state)
{
    (void)state;
    static const enum consensus_msg_type types[] = {MSG_APPEND,     MSG_APPEND_REPLY,
                                                    MSG_HEARTBEAT,  MSG_HEARTBEAT_REPLY,
                                                    MSG_VOTE_REPLY, MSG_SNAPSHOT};
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        struct subject s = subject_new(3, (struct hard_state){1, 1}, TERMS(1), 0);
        win(&s);
        step(&s, (struct consensus_msg){.type = types[i], .from = 2, .term = 9}, NO_ENTRIES);
        assert_false(s.status.leads);
        assert_int_equal(s.status.term, 9);
        assert_true(s.update.hard_state_changed);
        assert_int_equal(s.update.hard_state.term, 9);
        assert_int_equal(s.update.hard_state.vote, 0);
        subject_free(&s);
    }
}

static void entries_are_applied_up_to_the_commit_index_in_order(void **state)
{
    (void)state;
    struct subject s = subject_new(3, (struct hard_state){1, 2}, TERMS(1, 1, 1), 1);
    step(&s, (struct consensus_msg){.type = MSG_HEARTBEAT, .from = 2, .term = 1, .commit = 3},
         NO_ENTRIES);
    assert_int_equal(s.update.committed_count, 2);
    assert_int_equal(s.update.committed[0].index, 2);
    assert_int_equal(s.update.committed[1].index, 3);
    step(&s, (struct consensus_msg){.type = MSG_HEARTBEAT, .from = 2, .term = 1, .commit = 3},
         NO_ENTRIES);
    assert_int_equal(s.update.committed_count, 0);
    subject_free(&s);
}

static void state_is_persisted_before_responding(void **state)
{
    (void)state;
    struct subject s = subject_new(3, (struct hard_state){1, 0}, TERMS(1), 0);
    step(&s,
         (struct consensus_msg){.type = MSG_VOTE, .from = 2, .term = 2, .index = 1, .log_term = 1},
         NO_ENTRIES);
    assert_true(sent(&s, MSG_VOTE_REPLY, 2)->after_sync);
    step(
        &s,
        (struct consensus_msg){.type = MSG_APPEND, .from = 2, .term = 2, .index = 1, .log_term = 1},
        TERMS(2));
    assert_true(sent(&s, MSG_APPEND_REPLY, 2)->after_sync);
    step(&s, (struct consensus_msg){.type = MSG_HEARTBEAT, .from = 2, .term = 2}, NO_ENTRIES);
    assert_true(sent(&s, MSG_HEARTBEAT_REPLY, 2)->after_sync); /* the term is not durable yet */
    consensus_persisted(s.c, 2);
    step(&s, (struct consensus_msg){.type = MSG_HEARTBEAT, .from = 2, .term = 2}, NO_ENTRIES);
    assert_false(sent(&s, MSG_HEARTBEAT_REPLY, 2)->after_sync);
    subject_free(&s);
}

/* -- RequestVote ----------------------------------------------------------------------------- */

static void a_vote_for_an_old_term_is_refused(void **state)
{
    (void)state;
    struct subject s = subject_new(3, (struct hard_state){5, 0}, NO_ENTRIES, 0);
    step(&s, (struct consensus_msg){.type = MSG_VOTE, .from = 2, .term = 4}, NO_ENTRIES);
    assert_true(sent(&s, MSG_VOTE_REPLY, 2)->reject);
    assert_int_equal(sent(&s, MSG_VOTE_REPLY, 2)->term, 5);
    subject_free(&s);
}

static void a_vote_is_granted_once_a_term(void **state)
{
    (void)state;
    static const struct {
        replica_id voted, asks;
        bool refused;
    } cases[] = {{0, 2, false}, {0, 3, false}, {2, 2, false},
                 {3, 3, false}, {2, 3, true},  {3, 2, true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct subject s = subject_new(3, (struct hard_state){1, cases[i].voted}, NO_ENTRIES, 0);
        step(&s, (struct consensus_msg){.type = MSG_VOTE, .from = cases[i].asks, .term = 1},
             NO_ENTRIES);
        assert_int_equal(sent(&s, MSG_VOTE_REPLY, cases[i].asks)->reject, cases[i].refused);
        assert_int_equal(s.update.hard_state.vote,
                         cases[i].refused ? cases[i].voted : cases[i].asks);
        assert_int_equal(s.update.hard_state_changed, cases[i].voted == 0);
        subject_free(&s);
    }
}

static void a_vote_is_granted_only_to_a_log_as_complete_as_the_own(void **state)
{
    (void)state;
    static const struct {
        uint64_t own[4], index, term;
        bool refused;
    } cases[] = {
        {{1}, 1, 1, false},   {{1}, 2, 1, false},    {{1, 1}, 1, 1, true},  {{1}, 1, 2, false},
        {{1}, 2, 2, false},   {{1, 1}, 1, 2, false}, {{2}, 1, 1, true},     {{2}, 2, 1, true},
        {{2, 2}, 1, 1, true}, {{1, 2}, 3, 1, true},  {{1, 2}, 2, 2, false}, {{1, 2}, 1, 3, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct subject s = subject_new(3, (struct hard_state){2, 0}, cases[i].own, 0);
        struct consensus_msg msg = {.type = MSG_VOTE,
                                    .from = 2,
                                    .term = 3,
                                    .index = cases[i].index,
                                    .log_term = cases[i].term};
        step(&s, msg, NO_ENTRIES);
        assert_int_equal(sent(&s, MSG_VOTE_REPLY, 2)->reject, cases[i].refused);
        subject_free(&s);
    }
}

/* -- AppendEntries --------------------------------------------------------------------------- */

static void an_append_of_an_old_term_is_refused(void **state)
{
    (void)state;
    struct subject s = subject_new(3, (struct hard_state){5, 0}, TERMS(1), 0);
    step(
        &s,
        (struct consensus_msg){.type = MSG_APPEND, .from = 2, .term = 4, .index = 1, .log_term = 1},
        TERMS(4));
    assert_true(sent(&s, MSG_APPEND_REPLY, 2)->reject);
    assert_int_equal(sent(&s, MSG_APPEND_REPLY, 2)->term, 5);
    assert_int_equal(s.status.last, 1);
    subject_free(&s);
}

static void an_append_is_refused_where_the_entry_before_it_is_missing(void **state)
{
    (void)state;
    static const struct {
        uint64_t index, term, hint, hint_term;
    } cases[] = {{3, 2, 2, 2}, {9, 9, 2, 2}, {2, 1, 1, 1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct subject s = subject_new(3, (struct hard_state){2, 0}, TERMS(1, 2), 0);
        struct consensus_msg msg = {.type = MSG_APPEND,
                                    .from = 2,
                                    .term = 9,
                                    .index = cases[i].index,
                                    .log_term = cases[i].term};
        step(&s, msg, TERMS(9));
        const struct consensus_msg *reply = sent(&s, MSG_APPEND_REPLY, 2);
        assert_true(reply->reject);
        assert_int_equal(reply->context, cases[i].index);
        assert_int_equal(reply->index, cases[i].hint);
        assert_int_equal(reply->log_term, cases[i].hint_term);
        assert_int_equal(s.status.last, 2);
        subject_free(&s);
    }
}

static void what_conflicts_is_deleted_and_what_is_missing_appended(void **state)
{
    (void)state;
    static const struct {
        uint64_t index, term, terms[4];
        uint64_t truncated, written, last;
    } cases[] = {
        {2, 2, {3}, 0, 1, 3},       /* new */
        {1, 1, {3, 4}, 2, 2, 3},    /* entry 2 is of another term */
        {0, 0, {1}, 0, 0, 2},       /* all there: nothing is removed behind it */
        {0, 0, {3}, 1, 1, 1},       /* the first differs: all goes */
        {0, 0, {1, 2, 3}, 0, 1, 3}, /* partly there */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct subject s = subject_new(3, (struct hard_state){2, 0}, TERMS(1, 2), 0);
        struct consensus_msg msg = {.type = MSG_APPEND,
                                    .from = 2,
                                    .term = 4,
                                    .index = cases[i].index,
                                    .log_term = cases[i].term};
        step(&s, msg, cases[i].terms);
        assert_false(sent(&s, MSG_APPEND_REPLY, 2)->reject);
        assert_int_equal(s.update.truncate_from, cases[i].truncated);
        assert_int_equal(s.update.entry_count, cases[i].written);
        assert_int_equal(s.status.last, cases[i].last);
        subject_free(&s);
    }
}

/* What stands behind the entries of the message may be an earlier leader's. */
static void an_append_is_acknowledged_up_to_its_last_entry(void **state)
{
    (void)state;
    struct subject s = subject_new(3, (struct hard_state){2, 0}, TERMS(1, 1, 1), 0);
    step(
        &s,
        (struct consensus_msg){.type = MSG_APPEND, .from = 2, .term = 3, .index = 1, .log_term = 1},
        NO_ENTRIES);
    assert_int_equal(sent(&s, MSG_APPEND_REPLY, 2)->index, 1);
    step(
        &s,
        (struct consensus_msg){.type = MSG_APPEND, .from = 2, .term = 3, .index = 1, .log_term = 1},
        TERMS(1));
    assert_int_equal(sent(&s, MSG_APPEND_REPLY, 2)->index, 2);
    assert_int_equal(s.status.last, 3);
    subject_free(&s);
}

static void the_commit_index_follows_the_leaders_up_to_the_last_new_entry(void **state)
{
    (void)state;
    static const struct {
        uint64_t index, log_term, terms[3], commit, expected;
    } cases[] = {
        {1, 1, {1}, 1, 1}, {1, 1, {1}, 2, 2}, {1, 1, {1}, 9, 2},
        {1, 1, {0}, 9, 1}, {0, 0, {1}, 9, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct subject s = subject_new(3, (struct hard_state){1, 0}, TERMS(1, 1), 0);
        struct consensus_msg msg = {.type = MSG_APPEND,
                                    .from = 2,
                                    .term = 1,
                                    .index = cases[i].index,
                                    .log_term = cases[i].log_term,
                                    .commit = cases[i].commit};
        step(&s, msg, cases[i].terms);
        assert_int_equal(s.status.commit, cases[i].expected);
        subject_free(&s);
    }
}

/* -- followers and candidates ---------------------------------------------------------------- */

static void a_follower_that_hears_nothing_becomes_a_candidate(void **state)
{
    (void)state;
    struct subject s = subject_new(3, (struct hard_state){4, 2}, TERMS(3), 0);
    stand(&s);
    assert_int_equal(s.update.hard_state.term, 5);
    assert_int_equal(s.update.hard_state.vote, 1);
    for (replica_id peer = 2; peer <= 3; peer++) {
        const struct consensus_msg *vote = sent(&s, MSG_VOTE, peer);
        assert_int_equal(vote->term, 5);
        assert_int_equal(vote->index, 1);
        assert_int_equal(vote->log_term, 3);
        assert_true(vote->after_sync);
    }
    subject_free(&s);
}

static void a_leader_that_is_heard_or_a_vote_that_is_granted_puts_the_election_off(void **state)
{
    (void)state;
    struct subject s = subject_new(3, (struct hard_state){1, 0}, NO_ENTRIES, 0);
    for (size_t i = 0; i < 10; i++) {
        for (size_t j = 0; j < ELECTION_TICKS - 1; j++)
            consensus_tick(s.c);
        assert_false(consensus_has_update(s.c));
        if (i == 0)
            step(&s, (struct consensus_msg){.type = MSG_VOTE, .from = 2, .term = 1}, NO_ENTRIES);
        else
            step(&s,
                 (struct consensus_msg){
                     .type = i % 2 ? MSG_APPEND : MSG_HEARTBEAT, .from = 2, .term = 1},
                 NO_ENTRIES);
    }
    subject_free(&s);
}

static void election_time_outs_are_spread(void **state)
{
    (void)state;
    bool seen[2 * ELECTION_TICKS] = {false};
    struct subject s = subject_new(3, (struct hard_state){1, 0}, NO_ENTRIES, 0);
    for (size_t i = 0; i < 400; i++) {
        size_t ticks = 0;
        for (; !consensus_has_update(s.c); ticks++)
            consensus_tick(s.c);
        assert_in_range(ticks, ELECTION_TICKS, 2 * ELECTION_TICKS - 1);
        seen[ticks] = true;
        look(&s);
    }
    for (size_t ticks = ELECTION_TICKS; ticks < sizeof(seen); ticks++)
        assert_true(seen[ticks]);
    subject_free(&s);
}

static void a_majority_of_votes_makes_a_leader(void **state)
{
    (void)state;
    static const struct {
        size_t size, granted, refused;
        bool leads;
    } cases[] = {{3, 1, 0, true},  {3, 0, 1, false}, {3, 0, 2, false}, {5, 1, 0, false},
                 {5, 2, 0, true},  {5, 2, 2, true},  {5, 1, 3, false}, {2, 1, 0, true},
                 {2, 0, 1, false}, {4, 2, 0, true},  {4, 1, 2, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct subject s = subject_new(cases[i].size, (struct hard_state){1, 0}, NO_ENTRIES, 0);
        stand(&s);
        persist(&s);
        for (size_t j = 0; j < cases[i].granted + cases[i].refused; j++)
            step(&s,
                 (struct consensus_msg){.type = MSG_VOTE_REPLY,
                                        .from = (replica_id)(j + 2),
                                        .term = 2,
                                        .reject = j < cases[i].refused},
                 NO_ENTRIES);
        assert_int_equal(s.status.leads, cases[i].leads);
        subject_free(&s);
    }
}

static void a_vote_that_comes_twice_counts_once(void **state)
{
    (void)state;
    struct subject s = subject_new(5, (struct hard_state){1, 0}, NO_ENTRIES, 0);
    stand(&s);
    persist(&s);
    for (size_t i = 0; i < 4; i++)
        step(&s, (struct consensus_msg){.type = MSG_VOTE_REPLY, .from = 2, .term = 2}, NO_ENTRIES);
    assert_false(s.status.leads);
    subject_free(&s);
}

static void the_own_vote_counts_once_it_is_durable(void **state)
{
    (void)state;
    struct subject s = subject_new(3, (struct hard_state){1, 0}, NO_ENTRIES, 0);
    step(&s, (struct consensus_msg){.type = MSG_HEARTBEAT, .from = 2, .term = 2}, NO_ENTRIES);
    stand(&s);
    uint64_t mark = s.update.persist_mark;
    step(&s, (struct consensus_msg){.type = MSG_VOTE_REPLY, .from = 2, .term = 3}, NO_ENTRIES);
    assert_false(s.status.leads);
    consensus_persisted(s.c, mark - 1); /* an earlier record's */
    look(&s);
    assert_false(s.status.leads);
    consensus_persisted(s.c, mark);
    look(&s);
    assert_true(s.status.leads);
    subject_free(&s);
}

static void a_candidate_follows_a_leader_of_its_term(void **state)
{
    (void)state;
    static const enum consensus_msg_type types[] = {MSG_APPEND, MSG_HEARTBEAT, MSG_SNAPSHOT};
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        struct subject s = subject_new(3, (struct hard_state){1, 0}, NO_ENTRIES, 0);
        stand(&s);
        step(&s, (struct consensus_msg){.type = types[i], .from = 3, .term = 2}, NO_ENTRIES);
        assert_int_equal(s.status.leader, 3);
        assert_int_equal(s.status.term, 2);
        subject_free(&s);
    }
}

static void a_candidate_that_hears_nothing_tries_again(void **state)
{
    (void)state;
    struct subject s = subject_new(3, (struct hard_state){1, 0}, NO_ENTRIES, 0);
    stand(&s);
    assert_int_equal(s.status.term, 2);
    stand(&s);
    assert_int_equal(s.status.term, 3);
    subject_free(&s);
}

/* -- leaders --------------------------------------------------------------------------------- */

static void a_leader_sends_heartbeats_at_once_and_then_again_and_again(void **state)
{
    (void)state;
    struct subject s = subject_new(3, (struct hard_state){1, 0}, NO_ENTRIES, 0);
    win(&s);
    for (size_t i = 0; i < 4; i++) {
        assert_non_null(sent(&s, MSG_HEARTBEAT, 2));
        assert_non_null(sent(&s, MSG_HEARTBEAT, 3));
        assert_false(sent(&s, MSG_HEARTBEAT, 3)->after_sync);
        consensus_tick(s.c);
        look(&s);
        assert_int_equal(s.update.message_count, 0);
        consensus_tick(s.c);
        look(&s);
    }
    subject_free(&s);
}

static void a_leader_never_changes_its_own_log_but_at_the_end(void **state)
{
    (void)state;
    struct subject s = subject_new(3, (struct hard_state){1, 0}, TERMS(1, 1), 0);
    win(&s);
    step(&s, (struct consensus_msg){.type = MSG_APPEND, .from = 2, .term = 2}, TERMS(2));
    assert_int_equal(s.status.last, 2);
    assert_int_equal(s.update.truncate_from, 0);
    propose(&s);
    assert_int_equal(s.update.entry_count, 1);
    assert_int_equal(s.update.entries[0].index, 3);
    subject_free(&s);
}

static void a_proposal_is_sent_at_once_and_committed_by_a_majority_of_disks(void **state)
{
    (void)state;
    struct subject s = subject_new(5, (struct hard_state){1, 0}, NO_ENTRIES, 0);
    win(&s);
    propose(&s);
    uint64_t mark = s.update.persist_mark;
    for (replica_id peer = 2; peer <= 5; peer++) {
        assert_int_equal(sent(&s, MSG_APPEND, peer)->entry_count, 1);
        assert_false(sent(&s, MSG_APPEND, peer)->after_sync);
    }
    accept(&s, 2, 1);
    accept(&s, 3, 1);
    assert_int_equal(s.status.commit, 0); /* two disks, and the own one is not done */
    consensus_persisted(s.c, mark);
    look(&s);
    assert_int_equal(s.status.commit, 1);
    assert_int_equal(s.update.committed_count, 1);
    subject_free(&s);
}

static void a_refused_append_is_tried_again_with_earlier_entries(void **state)
{
    (void)state;
    struct subject s = subject_new(3, (struct hard_state){4, 0}, TERMS(1, 1, 4, 4), 0);
    win(&s);
    propose(&s);
    assert_int_equal(sent(&s, MSG_APPEND, 2)->index, 4);
    step(&s,
         (struct consensus_msg){.type = MSG_APPEND_REPLY,
                                .from = 2,
                                .term = 5,
                                .reject = true,
                                .context = 4,
                                .index = 4,
                                .log_term = 3},
         NO_ENTRIES);
    const struct consensus_msg *again = sent(&s, MSG_APPEND, 2);
    assert_int_equal(again->index, 2); /* the last entry of a term that is not above 3 */
    assert_int_equal(again->log_term, 1);
    assert_int_equal(again->entry_count, 3);
    accept(&s, 2, 5);
    propose(&s);
    assert_int_equal(sent(&s, MSG_APPEND, 2)->index, 5);
    subject_free(&s);
}

/* Figure 8: entry 2 of term 2 is on a majority in term 4, and can still be lost; with entry 3 of
 * term 4 on a majority neither can. */
static void only_entries_of_the_own_term_are_committed_by_counting(void **state)
{
    (void)state;
    struct subject s = subject_new(5, (struct hard_state){3, 0}, TERMS(1, 2), 0);
    win(&s);
    propose(&s);
    persist(&s);
    accept(&s, 2, 2);
    accept(&s, 3, 2);
    assert_int_equal(s.status.commit, 0);
    accept(&s, 2, 3);
    assert_int_equal(s.status.commit, 0);
    accept(&s, 3, 3);
    assert_int_equal(s.status.commit, 3);
    assert_int_equal(s.update.committed_count, 3);
    subject_free(&s);
}

static void a_proposal_needs_a_leader_and_room(void **state)
{
    (void)state;
    uint64_t index = 77, term = 77;
    struct subject s = subject_new(3, (struct hard_state){1, 0}, NO_ENTRIES, 0);
    assert_int_equal(consensus_propose(s.c, payload_alloc(1), &index, &term), SF_NOT_LEADER);
    win(&s);
    /* 16 MiB may be under way, however they are cut. */
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(consensus_propose(s.c, payload_alloc(1 << 20), &index, &term), SF_OK);
    index = 77;
    assert_int_equal(consensus_propose(s.c, payload_alloc(1), &index, &term), SF_OVERLOADED);
    assert_int_equal(index, 77);
    look(&s);
    persist(&s);
    accept(&s, 2, 1);
    assert_int_equal(s.status.commit, 1);
    assert_int_equal(consensus_propose(s.c, payload_alloc(1 << 20), &index, &term), SF_OK);
    assert_int_equal(consensus_propose(s.c, payload_alloc(1), &index, &term), SF_OVERLOADED);
    subject_free(&s);
}

static void a_message_is_bounded_in_entries_and_bytes(void **state)
{
    (void)state;
    uint64_t index, term;
    struct subject s = subject_new(3, (struct hard_state){1, 0}, NO_ENTRIES, 0);
    win(&s);
    propose(&s);
    accept(&s, 2, 1);
    for (size_t i = 0; i < 2 * CONSENSUS_BATCH_MAX; i++)
        assert_int_equal(consensus_propose(s.c, payload_alloc(4096), &index, &term), SF_OK);
    look(&s);
    size_t messages = 0, entries = 0;
    for (size_t i = 0; i < s.update.message_count; i++) {
        const struct consensus_msg *msg = &s.update.messages[i];
        if (msg->to != 2)
            continue;
        assert_true(msg->entry_count <= CONSENSUS_BATCH_MAX);
        assert_true((msg->entry_count - 1) * 4096 <= CONSENSUS_BATCH_BYTES_MAX);
        messages++;
        entries += msg->entry_count;
    }
    assert_int_equal(messages, 4);
    assert_int_equal(entries, 2 * CONSENSUS_BATCH_MAX);
    subject_free(&s);
}

/* -- persistence ----------------------------------------------------------------------------- */

/* Entries were given to the disk, replaced before that was done, and given again: the old mark does
 * not vouch for the new entries. */
static void a_mark_does_not_vouch_for_what_was_replaced_since(void **state)
{
    (void)state;
    struct subject s = subject_new(3, (struct hard_state){1, 0}, NO_ENTRIES, 0);
    step(&s, (struct consensus_msg){.type = MSG_APPEND, .from = 2, .term = 1}, TERMS(1, 1, 1));
    uint64_t first = s.update.persist_mark;
    step(
        &s,
        (struct consensus_msg){.type = MSG_APPEND, .from = 3, .term = 2, .index = 1, .log_term = 1},
        TERMS(2, 2));
    uint64_t second = s.update.persist_mark;
    assert_int_equal(s.update.truncate_from, 2);
    consensus_persisted(s.c, first);
    look(&s);
    assert_int_equal(s.status.persisted, 1);
    consensus_persisted(s.c, second);
    look(&s);
    assert_int_equal(s.status.persisted, 3);
    subject_free(&s);
}

static void garbage_is_ignored(void **state)
{
    (void)state;
    struct subject s = subject_new(3, (struct hard_state){1, 0}, TERMS(1), 0);
    const struct consensus_msg garbage[] = {
        {.type = (enum consensus_msg_type)0, .from = 2, .term = 1},
        {.type = MSG_TYPE_LIMIT, .from = 2, .term = 1},
        {.type = MSG_HEARTBEAT, .from = 1, .term = 9},
        {.type = MSG_HEARTBEAT, .from = 4, .term = 9},
        {.type = MSG_HEARTBEAT, .from = 0, .term = 9},
        {.type = MSG_HEARTBEAT, .from = 2, .term = 0},
        {.type = MSG_VOTE, .from = 2, .term = UINT64_MAX},
        {.type = MSG_APPEND, .from = 2, .term = 1, .index = UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof(garbage) / sizeof(*garbage); i++) {
        step(&s, garbage[i], NO_ENTRIES);
        assert_int_equal(s.update.message_count, 0);
        assert_int_equal(s.status.term, 1);
    }
    /* Entries of a term above the message's own, or falling ones. */
    step(
        &s,
        (struct consensus_msg){.type = MSG_APPEND, .from = 2, .term = 2, .index = 1, .log_term = 1},
        TERMS(3));
    step(
        &s,
        (struct consensus_msg){.type = MSG_APPEND, .from = 2, .term = 2, .index = 1, .log_term = 1},
        TERMS(2, 1));
    assert_int_equal(s.status.last, 1);
    subject_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_higher_term_makes_everyone_a_follower),
        cmocka_unit_test(entries_are_applied_up_to_the_commit_index_in_order),
        cmocka_unit_test(state_is_persisted_before_responding),
        cmocka_unit_test(a_vote_for_an_old_term_is_refused),
        cmocka_unit_test(a_vote_is_granted_once_a_term),
        cmocka_unit_test(a_vote_is_granted_only_to_a_log_as_complete_as_the_own),
        cmocka_unit_test(an_append_of_an_old_term_is_refused),
        cmocka_unit_test(an_append_is_refused_where_the_entry_before_it_is_missing),
        cmocka_unit_test(what_conflicts_is_deleted_and_what_is_missing_appended),
        cmocka_unit_test(an_append_is_acknowledged_up_to_its_last_entry),
        cmocka_unit_test(the_commit_index_follows_the_leaders_up_to_the_last_new_entry),
        cmocka_unit_test(a_follower_that_hears_nothing_becomes_a_candidate),
        cmocka_unit_test(a_leader_that_is_heard_or_a_vote_that_is_granted_puts_the_election_off),
        cmocka_unit_test(election_time_outs_are_spread),
        cmocka_unit_test(a_majority_of_votes_makes_a_leader),
        cmocka_unit_test(a_vote_that_comes_twice_counts_once),
        cmocka_unit_test(the_own_vote_counts_once_it_is_durable),
        cmocka_unit_test(a_candidate_follows_a_leader_of_its_term),
        cmocka_unit_test(a_candidate_that_hears_nothing_tries_again),
        cmocka_unit_test(a_leader_sends_heartbeats_at_once_and_then_again_and_again),
        cmocka_unit_test(a_leader_never_changes_its_own_log_but_at_the_end),
        cmocka_unit_test(a_proposal_is_sent_at_once_and_committed_by_a_majority_of_disks),
        cmocka_unit_test(a_refused_append_is_tried_again_with_earlier_entries),
        cmocka_unit_test(only_entries_of_the_own_term_are_committed_by_counting),
        cmocka_unit_test(a_proposal_needs_a_leader_and_room),
        cmocka_unit_test(a_message_is_bounded_in_entries_and_bytes),
        cmocka_unit_test(a_mark_does_not_vouch_for_what_was_replaced_since),
        cmocka_unit_test(garbage_is_ignored),
    };
    sf_assert_slow_enabled = true;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

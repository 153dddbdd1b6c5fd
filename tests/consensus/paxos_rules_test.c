/* The rules of Paxos, one by one: each test is named after what paxos.h say. Promises,
 * acceptances, taking over, snapshots; the proposer's rules are in paxos_proposer_test.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "paxos_subject.h"

/* -- promises -------------------------------------------------------------------------------- */

static void a_promise_is_durable_before_it_is_given(void **state)
{
    (void)state;
    struct subject s = subject_new(0, 0, EMPTY);
    prepare(&s, 2, 2, 0);
    assert_true(s.update.hard_state_changed);
    assert_int_equal(s.update.hard_state.term, 2);
    assert_int_equal(s.update.hard_state.vote, 2);
    assert_true(sent(&s, MSG_PROMISE, 2)->after_sync);
    assert_false(sent(&s, MSG_PROMISE, 2)->reject);
    subject_free(&s);
}

static void a_promise_never_falls(void **state)
{
    (void)state;
    struct subject s = subject_new(35, 0, LOG({3, "a"}));
    prepare(&s, 2, 34, 0);
    assert_true(sent(&s, MSG_PROMISE, 2)->reject);
    assert_int_equal(sent(&s, MSG_PROMISE, 2)->term, 35);
    accept(&s, 34, 0, 0, LOG({34, "b"}));
    assert_true(sent(&s, MSG_ACCEPTED, 2)->reject);
    assert_int_equal(s.update.entry_count, 0);
    prepare(&s, 3, 35, 0); /* the same one again, by its owner */
    assert_false(sent(&s, MSG_PROMISE, 3)->reject);
    assert_false(s.update.hard_state_changed);
    subject_free(&s);
}

static void everything_accepted_is_told(void **state)
{
    (void)state;
    struct subject s = subject_new(19, 0, LOG({1, "a"}, {19, "b"}, {2, "c"}));
    prepare(&s, 2, 34, 1);
    const struct consensus_msg *promise = sent(&s, MSG_PROMISE, 2);
    assert_int_equal(promise->index, 1);
    assert_int_equal(promise->context, 3);
    assert_entries(promise->entries, promise->entry_count, 1, LOG({19, "b"}, {2, "c"}));
    prepare(&s, 2, 34, 3);
    assert_int_equal(sent(&s, MSG_PROMISE, 2)->entry_count, 0);
    prepare(&s, 2, 34, 9); /* its proposer knows more to be chosen than there is here */
    assert_int_equal(sent(&s, MSG_PROMISE, 2)->entry_count, 0);
    assert_int_equal(sent(&s, MSG_PROMISE, 2)->context, 3);
    subject_free(&s);
}

static void nothing_is_promised_from_below_the_floor(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 7, LOG({1, "a"}));
    prepare(&s, 2, 2, 6);
    assert_false(s.update.hard_state_changed);
    assert_int_equal(s.status.term, 1);
    assert_true(sent(&s, MSG_PROMISE, 2)->reject);
    assert_int_equal(sent(&s, MSG_PROMISE, 2)->index, 7);
    step(&s, (struct consensus_msg){.type = MSG_PRE_VOTE, .from = 2, .term = 2, .index = 6}, EMPTY);
    assert_true(sent(&s, MSG_PRE_VOTE_REPLY, 2)->reject);
    prepare(&s, 2, 2, 7);
    assert_false(sent(&s, MSG_PROMISE, 2)->reject);
    subject_free(&s);
}

static void whoever_hears_a_proposer_promises_nobody_else(void **state)
{
    (void)state;
    struct subject s = subject_new(0, 0, EMPTY);
    accept(&s, 2, 0, 0, EMPTY);
    assert_int_equal(s.status.leader, 2);
    prepare(&s, 3, 19, 0);
    assert_null(sent(&s, MSG_PROMISE, 3));
    assert_int_equal(s.status.term, 2);
    step(&s, (struct consensus_msg){.type = MSG_PREPARE, .from = 3, .term = 19, .transfer = true},
         EMPTY); /* unless the proposer itself hands over */
    assert_non_null(sent(&s, MSG_PROMISE, 3));
    assert_int_equal(s.status.leader, 0);
    subject_free(&s);
}

/* The canvass comes before: who was cut off asks, and nothing changes where all is well. */
static void the_canvass_disturbs_nobody(void **state)
{
    (void)state;
    struct subject s = subject_new(2, 0, EMPTY);
    step(&s, (struct consensus_msg){.type = MSG_PRE_VOTE, .from = 3, .term = 19}, EMPTY);
    assert_false(sent(&s, MSG_PRE_VOTE_REPLY, 3)->reject);
    assert_false(s.update.hard_state_changed);
    assert_int_equal(s.status.term, 2);
    accept(&s, 2, 0, 0, EMPTY);
    assert_false(sent(&s, MSG_ACCEPTED, 2)->reject);
    for (size_t i = 0; i < 2 * ELECTION_TICKS && sent(&s, MSG_PRE_VOTE, 3) == NULL; i++)
        tick(&s, 1);
    assert_null(sent(&s, MSG_PREPARE, 3)); /* not before a majority would promise */
    assert_int_equal(s.status.term, 2);
    subject_free(&s);
}

static void a_proposer_that_is_heard_promises_nobody(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 0, EMPTY);
    uint64_t ballot = lead(&s, EMPTY);
    step(&s, (struct consensus_msg){.type = MSG_PRE_VOTE, .from = 3, .term = 99}, EMPTY);
    prepare(&s, 3, 99, 0);
    assert_int_equal(s.update.message_count, 0);
    assert_int_equal(s.status.term, ballot);
    assert_true(s.status.leads);
    subject_free(&s);
}

/* -- acceptances ----------------------------------------------------------------------------- */

static void an_acceptance_is_durable_before_it_is_told(void **state)
{
    (void)state;
    struct subject s = subject_new(0, 0, EMPTY);
    accept(&s, 2, 0, 0, LOG({2, "a"}, {2, "b"}));
    assert_entries(s.update.entries, s.update.entry_count, 0, LOG({2, "a"}, {2, "b"}));
    assert_true(s.update.hard_state_changed); /* accepting promises */
    assert_true(sent(&s, MSG_ACCEPTED, 2)->after_sync);
    assert_int_equal(sent(&s, MSG_ACCEPTED, 2)->index, 2);
    subject_free(&s);
}

static void an_acceptor_leaves_no_gap(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 0, LOG({1, "a"}, {1, "b"}));
    accept(&s, 2, 1, 0, LOG({2, "x"})); /* entry 1 is not known to be chosen */
    assert_true(sent(&s, MSG_ACCEPTED, 2)->reject);
    assert_int_equal(sent(&s, MSG_ACCEPTED, 2)->index, 0);
    assert_int_equal(sent(&s, MSG_ACCEPTED, 2)->context, 1);
    assert_int_equal(s.update.entry_count, 0);
    accept(&s, 2, 0, 0, LOG({2, "a"}, {2, "x"}));
    assert_false(sent(&s, MSG_ACCEPTED, 2)->reject);
    assert_int_equal(sent(&s, MSG_ACCEPTED, 2)->index, 2);
    subject_free(&s);
}

static void a_tail_of_an_earlier_ballot_stays(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 0, LOG({1, "a"}, {1, "b"}, {1, "c"}));
    accept(&s, 2, 0, 0, LOG({2, "x"}));
    assert_int_equal(s.update.truncate_from, 0);
    assert_entries(s.update.entries, s.update.entry_count, 0, LOG({2, "x"}));
    assert_int_equal(sent(&s, MSG_ACCEPTED, 2)->index, 1);
    step(&s, (struct consensus_msg){.type = MSG_PREPARE, .from = 3, .term = 19, .transfer = true},
         EMPTY);
    const struct consensus_msg *promise = sent(&s, MSG_PROMISE, 3);
    assert_entries(promise->entries, promise->entry_count, 0, LOG({2, "x"}, {1, "b"}, {1, "c"}));
    subject_free(&s);
}

static void what_comes_twice_changes_nothing(void **state)
{
    (void)state;
    struct subject s = subject_new(0, 0, EMPTY);
    accept(&s, 2, 0, 0, LOG({2, "a"}, {2, "b"}));
    accept(&s, 2, 0, 0, LOG({2, "a"}, {2, "b"}));
    assert_int_equal(s.update.entry_count, 0);
    assert_int_equal(sent(&s, MSG_ACCEPTED, 2)->index, 2);
    accept(&s, 2, 2, 2, LOG({2, "c"}));
    accept(&s, 2, 0, 1, LOG({2, "a"}, {2, "b"}));
    assert_int_equal(s.update.entry_count, 0);
    assert_int_equal(sent(&s, MSG_ACCEPTED, 2)->index, 3);
    assert_int_equal(s.status.commit, 2);
    subject_free(&s);
}

static void commit_goes_no_further_than_what_is_right_here(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 0, LOG({1, "a"}, {1, "b"}, {1, "c"}));
    accept(&s, 2, 0, 3, LOG({2, "x"}));
    assert_int_equal(s.status.commit, 1); /* b and c may not be what was chosen */
    persist(&s);
    assert_entries(s.update.committed, s.update.committed_count, 0, LOG({2, "x"}));
    subject_free(&s);
}

static void a_heartbeat_reminds_one_who_restarted(void **state)
{
    (void)state;
    struct subject s = subject_new(19, 0, LOG({1, "a"}, {2, "b"}, {19, "c"}));
    accept(&s, 19, 3, 2, LOG({19, "d"}));
    assert_true(sent(&s, MSG_ACCEPTED, 3)->reject);
    step(&s, (struct consensus_msg){.type = MSG_HEARTBEAT, .from = 3, .term = 19, .commit = 2},
         EMPTY);
    assert_int_equal(s.status.commit, 2);
    accept(&s, 19, 3, 2, LOG({19, "d"})); /* c was accepted in this ballot before the restart */
    assert_int_equal(sent(&s, MSG_ACCEPTED, 3)->index, 4);
    subject_free(&s);
}

static void nothing_below_the_floor_is_accepted_anew(void **state)
{
    (void)state;
    struct subject s = subject_new(2, 7, LOG({2, "h"}));
    accept(&s, 19, 3, 0, LOG({19, "x"}, {19, "y"}));
    assert_int_equal(s.update.entry_count, 0);
    assert_int_equal(s.status.first, 8);
    assert_int_equal(sent(&s, MSG_ACCEPTED, 3)->index, 7); /* it has the chosen values to there */
    subject_free(&s);
}

static void who_restarted_learns_by_the_ballot_of_an_entry(void **state)
{
    (void)state;
    struct subject s = subject_new(2, 0, LOG({1, "a"}, {2, "b"}, {2, "c"}));
    struct consensus_msg ask = {.type = MSG_PREPARE, .from = 3, .term = 19, .index = 2};
    ask.commit = 2;
    ask.log_term = 1; /* of another ballot: what is here may be another value */
    step(&s, ask, EMPTY);
    assert_int_equal(sent(&s, MSG_PROMISE, 3)->commit, 0);
    ask.log_term = 2;
    step(&s, ask, EMPTY);
    assert_int_equal(s.status.commit, 2);
    assert_int_equal(sent(&s, MSG_PROMISE, 3)->commit, 2);
    subject_free(&s);

    s = subject_new(2, 0, LOG({1, "a"}, {2, "b"}, {2, "c"}));
    struct consensus_msg msg = {.type = MSG_ACCEPT, .from = 3, .term = 19, .index = 2, .commit = 2};
    msg.log_term = 1;
    step(&s, msg, LOG({19, "x"}));
    assert_true(sent(&s, MSG_ACCEPTED, 3)->reject);
    msg.log_term = 2;
    step(&s, msg, LOG({19, "x"}));
    assert_int_equal(sent(&s, MSG_ACCEPTED, 3)->index, 3);
    assert_int_equal(s.status.commit, 2);
    subject_free(&s);
}

/* -- taking over ----------------------------------------------------------------------------- */

static void a_ballot_from_before_a_restart_is_never_used(void **state)
{
    (void)state;
    static const struct {
        uint64_t promised, next;
    } cases[] = {{0, 1}, {1, 17}, {2, 17}, {16, 17}, {17, 33}, {31, 33}, {33, 49}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct subject s = subject_new(cases[i].promised, 0, EMPTY);
        assert_int_equal(stand(&s), cases[i].next);
        subject_free(&s);
    }
}

static void nothing_is_asked_in_a_ballot_that_could_be_forgotten(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 0, EMPTY);
    uint64_t ballot = stand(&s);
    assert_true(s.update.hard_state_changed);
    assert_int_equal(s.update.hard_state.term, ballot);
    assert_true(sent(&s, MSG_PREPARE, 2)->after_sync);
    assert_true(sent(&s, MSG_PREPARE, 3)->after_sync);
    promised_by(&s, 2, 0, 0, EMPTY); /* with the own promise it would be a majority */
    assert_false(s.status.leads);
    consensus_persisted(s.c, 1);
    look(&s);
    assert_true(s.status.leads);
    subject_free(&s);
}

static void the_own_promise_counts_when_it_is_durable(void **state)
{
    (void)state;
    struct subject s = subject_new(0, 0, EMPTY);
    accept(&s, 2, 0, 0, LOG({2, "a"}));
    uint64_t earlier = s.update.persist_mark;
    stand(&s);
    promised_by(&s, 2, 0, 0, LOG({2, "a"}));
    consensus_persisted(s.c, earlier);
    look(&s);
    assert_false(s.status.leads);
    consensus_persisted(s.c, earlier + 1);
    look(&s);
    assert_true(s.status.leads);
    subject_free(&s);
}

/* Seed 3817 of engine_random_test: two with short logs took over from each other for ever, since the
 * pages of the others took longer to come than the one who had told all of its own kept quiet. */
static void who_has_promised_is_kept_quiet_until_the_others_have(void **state)
{
    (void)state;
    struct subject s = subject_new(0, 0, EMPTY);
    stand(&s);
    promised_by(&s, 3, 0, 0, EMPTY); /* the own promise is not durable: there is no quorum yet */
    assert_false(s.status.leads);
    tick(&s, HEARTBEAT_TICKS);
    assert_non_null(sent(&s, MSG_PREPARE, 2));
    assert_non_null(sent(&s, MSG_PREPARE, 3));
    for (size_t ticks = 0; ticks < 4 * ELECTION_TICKS; ticks += HEARTBEAT_TICKS) {
        tick(&s, HEARTBEAT_TICKS);
        promised_by(&s, 3, 0, 0, EMPTY); /* which is no news */
    }
    tick(&s, HEARTBEAT_TICKS);
    assert_null(sent(&s, MSG_PREPARE, 3)); /* so it has given up */
    subject_free(&s);
}

/* It knows its own ballot from before, and that it has accepted in it: that makes no proposer. */
static void a_restarted_proposer_runs_phase_1_again(void **state)
{
    (void)state;
    struct subject s = subject_new(17, 0, LOG({17, "a"}, {17, "b"}));
    assert_false(s.status.leads);
    accepted_by(&s, 2, 2, 0); /* answers to its former self */
    accepted_by(&s, 3, 2, 0);
    assert_int_equal(s.status.commit, 0);
    assert_int_equal(
        consensus_propose(s.c, payload_new(slice_str("x")), &(uint64_t){0}, &(uint64_t){0}),
        SF_NOT_LEADER);
    uint64_t ballot = lead(&s, EMPTY);
    assert_int_equal(ballot, 33);
    assert_entries(s.update.entries, s.update.entry_count, 0, LOG({33, "a"}, {33, "b"}));
    subject_free(&s);
}

static void the_value_of_the_highest_ballot_is_proposed_again(void **state)
{
    (void)state;
    struct subject s = subject_new(19, 0, LOG({1, "a"}, {1, "b"}, {3, "c"}));
    uint64_t ballot =
        lead(&s, LOG({1, "a"}, {2, "x"}, {2, "y"}, {2, "z"})); /* 2 has more, and other things */
    assert_entries(s.update.entries, s.update.entry_count, 0,
                   LOG({ballot, "a"}, {ballot, "x"}, {ballot, "c"}, {ballot, "z"}));
    assert_int_equal(s.status.last, 4);
    const struct consensus_msg *msg = sent(&s, MSG_ACCEPT, 3);
    assert_entries(msg->entries, msg->entry_count, 0,
                   LOG({ballot, "a"}, {ballot, "x"}, {ballot, "c"}, {ballot, "z"}));
    propose(&s, "new"); /* beyond everything that was found the choice is free */
    assert_entries(s.update.entries, s.update.entry_count, 4, LOG({ballot, "new"}));
    subject_free(&s);
}

static void only_a_complete_answer_is_a_promise(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 0, EMPTY);
    uint64_t ballot = stand(&s);
    persist(&s);
    struct consensus_msg page = {
        .type = MSG_PROMISE, .from = 2, .term = ballot, .index = 0, .context = 3};
    step(&s, page, LOG({1, "a"}, {1, "b"}));
    assert_false(s.status.leads);
    assert_int_equal(sent(&s, MSG_PREPARE, 2)->index, 2);
    step(&s, page, LOG({1, "a"}, {1, "b"})); /* doubled */
    assert_false(s.status.leads);
    page.index = 2;
    step(&s, page, LOG({1, "c"}));
    assert_true(s.status.leads);
    assert_int_equal(s.status.last, 3);
    subject_free(&s);
}

static void refusals_by_a_majority_end_it(void **state)
{
    (void)state;
    struct subject s = subject_of(5, 1, 0, EMPTY);
    uint64_t ballot = stand(&s);
    persist(&s);
    for (replica_id peer = 2; peer <= 4; peer++) {
        tick(&s, HEARTBEAT_TICKS);
        assert_non_null(sent(&s, MSG_PREPARE, 5)); /* asked again, as long as there is hope */
        step(&s,
             (struct consensus_msg){
                 .type = MSG_PROMISE, .from = peer, .term = ballot, .index = 9, .reject = true},
             EMPTY);
    }
    tick(&s, HEARTBEAT_TICKS);
    assert_null(sent(&s, MSG_PREPARE, 5));
    for (replica_id peer = 2; peer <= 5; peer++)
        promised_by(&s, peer, 0, 0, EMPTY);
    assert_false(s.status.leads);
    subject_free(&s);
}

static void a_higher_ballot_ends_it_and_is_passed_next_time(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 0, EMPTY);
    stand(&s);
    step(&s, (struct consensus_msg){.type = MSG_PROMISE, .from = 3, .term = 99, .reject = true},
         EMPTY);
    assert_false(s.update.hard_state_changed); /* nobody asked for a promise */
    assert_int_equal(stand(&s), 113);
    subject_free(&s);
}

static void an_entry_before_the_window_is_sent_in_the_own_ballot(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 0, LOG({1, "a"}, {1, "b"}));
    step(&s, (struct consensus_msg){.type = MSG_ACCEPT, .from = 2, .term = 2, .commit = 2},
         LOG({2, "a"}, {2, "b"}));
    persist(&s);
    assert_int_equal(s.status.commit, 2);
    uint64_t ballot = lead(&s, EMPTY);
    step(&s,
         (struct consensus_msg){.type = MSG_ACCEPTED,
                                .from = 3,
                                .term = ballot,
                                .reject = true,
                                .context = 2,
                                .index = 0},
         EMPTY); /* 3 has none of them */
    const struct consensus_msg *msg = sent(&s, MSG_ACCEPT, 3);
    assert_entries(msg->entries, msg->entry_count, 0, LOG({ballot, "a"}, {ballot, "b"}));
    subject_free(&s);
}

/* -- snapshots ------------------------------------------------------------------------------- */

static void a_snapshot_leaves_what_was_accepted_above_it(void **state)
{
    (void)state;
    struct subject s = subject_new(2, 0, LOG({1, "a"}, {1, "b"}, {2, "c"}));
    struct consensus_msg chunk = {
        .type = MSG_SNAPSHOT, .from = 3, .term = 19, .index = 2, .log_term = 3};
    step(&s, chunk, EMPTY);
    assert_int_equal(s.update.snapshot_offered.index, 2);
    assert_true(consensus_snapshot_begin(s.c, 2, 3));
    accept(&s, 19, 0, 0, LOG({19, "a"})); /* nothing is accepted meanwhile */
    assert_int_equal(s.update.entry_count, 0);
    assert_null(sent(&s, MSG_ACCEPTED, 3));
    heartbeat(&s, 19, 2); /* nor listed, though it is known to be chosen */
    assert_int_equal(s.update.committed_count, 0);
    step(&s, (struct consensus_msg){.type = MSG_TIMEOUT_NOW, .from = 3, .term = 19}, EMPTY);
    tick(&s, 3 * ELECTION_TICKS); /* nor does it take over */
    assert_int_equal(s.status.term, 19);
    assert_int_equal(s.update.message_count, 0);
    consensus_snapshot_installed(s.c, 2, 3);
    look(&s);
    assert_int_equal(s.status.first, 3);
    assert_entries(s.update.entries, s.update.entry_count, 2, LOG({2, "c"}));
    assert_non_null(sent(&s, MSG_SNAPSHOT_REPLY, 3));
    subject_free(&s);
}

static void a_snapshot_of_what_is_here_is_not_wanted(void **state)
{
    (void)state;
    struct subject s = subject_new(0, 0, EMPTY);
    accept(&s, 3, 0, 0, LOG({3, "a"}, {3, "b"}));
    step(&s,
         (struct consensus_msg){
             .type = MSG_SNAPSHOT, .from = 3, .term = 3, .index = 2, .log_term = 3},
         EMPTY);
    assert_int_equal(s.update.snapshot_offered.index, 0);
    assert_int_equal(sent(&s, MSG_SNAPSHOT_REPLY, 3)->index, 2);
    assert_int_equal(s.status.commit, 2); /* a snapshot is of what is chosen */
    assert_false(consensus_snapshot_begin(s.c, 2, 3));
    subject_free(&s);
}

/* -- what comes from a network --------------------------------------------------------------- */

static void what_cannot_be_true_is_ignored(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 0, EMPTY);
    uint64_t ballot = lead(&s, EMPTY);
    const struct consensus_msg messages[] = {
        {.type = MSG_ACCEPT, .from = 2, .term = ballot}, /* our ballot */
        {.type = MSG_HEARTBEAT, .from = 2, .term = 35},  /* replica 3's */
        {.type = MSG_PREPARE, .from = 2, .term = 35},    /* likewise */
        {.type = MSG_ACCEPTED, .from = 2, .term = ballot, .index = 9},
        {.type = MSG_SNAPSHOT_REPLY, .from = 2, .term = ballot, .index = 9},
        {.type = MSG_APPEND, .from = 2, .term = 99}, /* another engine's */
        {.type = MSG_VOTE, .from = 2, .term = 99},
        {.type = MSG_ACCEPT, .from = 4, .term = 36}, /* no member's */
        {.type = MSG_ACCEPT, .from = 1, .term = 33}, /* our own name */
    };
    for (size_t i = 0; i < sizeof(messages) / sizeof(*messages); i++) {
        step(&s, messages[i], EMPTY);
        assert_true(s.status.leads);
        assert_int_equal(s.status.term, ballot);
        assert_int_equal(s.status.commit, 0);
        assert_int_equal(s.update.message_count, 0);
    }
    subject_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_promise_is_durable_before_it_is_given),
        cmocka_unit_test(a_promise_never_falls),
        cmocka_unit_test(everything_accepted_is_told),
        cmocka_unit_test(nothing_is_promised_from_below_the_floor),
        cmocka_unit_test(whoever_hears_a_proposer_promises_nobody_else),
        cmocka_unit_test(the_canvass_disturbs_nobody),
        cmocka_unit_test(a_proposer_that_is_heard_promises_nobody),
        cmocka_unit_test(an_acceptance_is_durable_before_it_is_told),
        cmocka_unit_test(an_acceptor_leaves_no_gap),
        cmocka_unit_test(a_tail_of_an_earlier_ballot_stays),
        cmocka_unit_test(what_comes_twice_changes_nothing),
        cmocka_unit_test(commit_goes_no_further_than_what_is_right_here),
        cmocka_unit_test(a_heartbeat_reminds_one_who_restarted),
        cmocka_unit_test(nothing_below_the_floor_is_accepted_anew),
        cmocka_unit_test(who_restarted_learns_by_the_ballot_of_an_entry),
        cmocka_unit_test(a_ballot_from_before_a_restart_is_never_used),
        cmocka_unit_test(nothing_is_asked_in_a_ballot_that_could_be_forgotten),
        cmocka_unit_test(the_own_promise_counts_when_it_is_durable),
        cmocka_unit_test(who_has_promised_is_kept_quiet_until_the_others_have),
        cmocka_unit_test(a_restarted_proposer_runs_phase_1_again),
        cmocka_unit_test(the_value_of_the_highest_ballot_is_proposed_again),
        cmocka_unit_test(only_a_complete_answer_is_a_promise),
        cmocka_unit_test(refusals_by_a_majority_end_it),
        cmocka_unit_test(a_higher_ballot_ends_it_and_is_passed_next_time),
        cmocka_unit_test(an_entry_before_the_window_is_sent_in_the_own_ballot),
        cmocka_unit_test(a_snapshot_leaves_what_was_accepted_above_it),
        cmocka_unit_test(a_snapshot_of_what_is_here_is_not_wanted),
        cmocka_unit_test(what_cannot_be_true_is_ignored),
    };
    sf_assert_slow_enabled = true;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

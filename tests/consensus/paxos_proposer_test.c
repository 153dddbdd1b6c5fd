/* The rules of Paxos for a proposer, one by one: what it proposes and to whom, what is chosen, reads,
 * and how its role ends. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "paxos_subject.h"

/* -- proposing ------------------------------------------------------------------------------- */

static void chosen_is_what_a_majority_accepted_durably(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 0, EMPTY);
    lead(&s, EMPTY);
    propose(&s, "a");
    assert_false(sent(&s, MSG_ACCEPT, 2)->after_sync);
    accepted_by(&s, 2, 1, 0);
    assert_int_equal(s.status.commit, 0); /* it counts itself only once synced */
    accepted_by(&s, 3, 1, 0);
    assert_int_equal(s.status.commit, 1);
    assert_int_equal(s.update.committed_count, 0); /* not yet durable here */
    consensus_persisted(s.c, 2);
    look(&s);
    assert_int_equal(s.update.committed_count, 1);
    subject_free(&s);
}

static void inherited_entries_are_not_chosen_by_being_found(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 0, LOG({1, "a"}));
    lead(&s, LOG({1, "a"})); /* two of three have accepted it, in ballot 1 */
    assert_int_equal(s.status.commit, 0);
    persist(&s);
    assert_int_equal(s.status.commit, 0);
    accepted_by(&s, 3, 1, 0);
    assert_int_equal(s.status.commit, 1);
    subject_free(&s);
}

static void no_read_before_everything_inherited_is_chosen(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 0, LOG({1, "a"}));
    lead(&s, EMPTY);
    uint64_t mark = s.update.persist_mark;
    consensus_read(s.c, 5);
    look(&s);
    assert_null(sent(&s, MSG_HEARTBEAT, 2));
    consensus_persisted(s.c, mark);
    accepted_by(&s, 2, 1, 0);
    assert_int_equal(sent(&s, MSG_HEARTBEAT, 2)->context, 1);
    subject_free(&s);
}

static void an_answer_to_an_earlier_round_confirms_nothing(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 0, EMPTY);
    uint64_t ballot = lead(&s, EMPTY);
    consensus_read(s.c, 5);
    look(&s);
    assert_int_equal(sent(&s, MSG_HEARTBEAT, 2)->context, 1);
    accepted_by(&s, 2, 0, 0);
    step(&s, (struct consensus_msg){.type = MSG_HEARTBEAT_REPLY, .from = 3, .term = ballot}, EMPTY);
    assert_int_equal(s.update.read_count, 0);
    static const uint64_t others[] = {1, 33}; /* other ballots */
    for (size_t i = 0; i < 2; i++) {
        step(&s,
             (struct consensus_msg){
                 .type = MSG_HEARTBEAT_REPLY, .from = 3, .term = others[i], .context = 1},
             EMPTY);
        assert_int_equal(s.update.read_count, 0);
    }
    accepted_by(&s, 2, 0, 1);
    assert_int_equal(s.update.read_count, 1);
    assert_int_equal(s.update.reads[0].status, SF_OK);
    subject_free(&s);
}

/* -- messages and windows -------------------------------------------------------------------- */

static void phase_1_is_once_for_the_rest_of_the_log(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 0, EMPTY);
    stand(&s);
    for (replica_id peer = 2; peer <= 3; peer++)
        assert_int_equal(sent(&s, MSG_PREPARE, peer)->index, 0);
    persist(&s);
    promised_by(&s, 2, 0, 0, EMPTY);
    for (size_t i = 0; i < 3; i++) {
        propose(&s, "x");
        assert_null(sent(&s, MSG_PREPARE, 2));
        assert_int_equal(sent(&s, MSG_ACCEPT, 2)->index, i);
        assert_int_equal(sent(&s, MSG_ACCEPT, 2)->entry_count, 1);
    }
    subject_free(&s);
}

/* Nobody has answered the first when the third leaves. */
static void a_window_of_instances_is_in_flight(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 0, EMPTY);
    lead(&s, EMPTY);
    for (size_t i = 0; i < 100; i++) {
        propose(&s, "x");
        assert_int_equal(sent(&s, MSG_ACCEPT, 2)->index, i);
    }
    subject_free(&s);
}

static void what_is_proposed_and_not_chosen_is_bounded(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 0, EMPTY);
    uint64_t index, term;
    lead(&s, EMPTY);
    struct payload *large = payload_alloc(32u << 20);
    memset(large->data, 0, large->bytes);
    assert_int_equal(consensus_propose(s.c, large, &index, &term), SF_OK);
    int status = consensus_propose(s.c, payload_new(slice_str("x")), &index, &term);
    assert_int_equal(status, SF_OVERLOADED);
    assert_int_equal(index, 1); /* untouched */
    look(&s);
    persist(&s);
    accepted_by(&s, 2, 1, 0);
    propose(&s, "x");
    subject_free(&s);
}

/* An empty ACCEPT asks how far the acceptor is; it has none of them. */
static void what_was_lost_is_sent_again(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 0, EMPTY);
    uint64_t ballot = lead(&s, EMPTY);
    propose(&s, "a");
    propose(&s, "b");
    tick(&s, HEARTBEAT_TICKS);
    step(&s, (struct consensus_msg){.type = MSG_HEARTBEAT_REPLY, .from = 2, .term = ballot}, EMPTY);
    assert_int_equal(sent(&s, MSG_ACCEPT, 2)->index, 2);
    assert_int_equal(sent(&s, MSG_ACCEPT, 2)->entry_count, 0);
    refused_by(&s, 2, 2, 0);
    const struct consensus_msg *msg = sent(&s, MSG_ACCEPT, 2);
    assert_entries(msg->entries, msg->entry_count, 0, LOG({ballot, "a"}, {ballot, "b"}));
    subject_free(&s);
}

static void an_accept_says_by_which_ballot_it_knows_the_entry_before(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 0, LOG({1, "a"}));
    accept(&s, 2, 0, 1, LOG({2, "a"}));
    persist(&s);
    uint64_t ballot = stand(&s);
    assert_int_equal(sent(&s, MSG_PREPARE, 2)->commit, 1);
    assert_int_equal(sent(&s, MSG_PREPARE, 2)->log_term, 2);
    persist(&s);
    promised_by(&s, 2, 1, 1, EMPTY);
    propose(&s, "b");
    assert_int_equal(sent(&s, MSG_ACCEPT, 2)->log_term, 2);
    propose(&s, "c"); /* b is not known to be chosen */
    assert_int_equal(sent(&s, MSG_ACCEPT, 2)->index, 2);
    assert_int_equal(sent(&s, MSG_ACCEPT, 2)->log_term, 0);
    assert_int_equal(sent(&s, MSG_ACCEPT, 2)->term, ballot);
    subject_free(&s);
}

/* -- who proposes ---------------------------------------------------------------------------- */

/* So that what is asked here can be forwarded to it. */
static void who_does_not_propose_says_who_does(void **state)
{
    (void)state;
    struct subject s = subject_new(0, 0, EMPTY);
    uint64_t index = 7, term = 7;
    heartbeat(&s, 2, 0);
    assert_int_equal(s.update.leader, 2);
    assert_int_equal(s.status.leader, 2);
    int status = consensus_propose(s.c, payload_new(slice_str("x")), &index, &term);
    assert_int_equal(status, SF_NOT_LEADER);
    consensus_read(s.c, 5);
    look(&s);
    assert_int_equal(s.update.reads[0].status, SF_NOT_LEADER);
    assert_int_equal(s.status.last, 0);
    subject_free(&s);
}

static void a_silent_proposer_is_replaced(void **state)
{
    (void)state;
    struct subject s = subject_new(0, 0, EMPTY);
    for (size_t i = 0; i < 5; i++) {
        heartbeat(&s, 2, 0);
        tick(&s, ELECTION_TICKS - 1);
        assert_null(sent(&s, MSG_PRE_VOTE, 3));
    }
    size_t silent = ELECTION_TICKS - 1;
    for (; silent <= 2 * ELECTION_TICKS && sent(&s, MSG_PRE_VOTE, 3) == NULL; silent++)
        tick(&s, 1);
    assert_in_range(silent, ELECTION_TICKS, 2 * ELECTION_TICKS);
    subject_free(&s);
}

static void a_proposer_that_hears_no_majority_gives_up(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 0, EMPTY);
    uint64_t ballot = lead(&s, EMPTY);
    tick(&s, ELECTION_TICKS - 1);
    step(&s, (struct consensus_msg){.type = MSG_HEARTBEAT_REPLY, .from = 3, .term = ballot}, EMPTY);
    tick(&s, ELECTION_TICKS - 1);
    assert_true(s.status.leads); /* one of two others is a majority with itself */
    consensus_read(s.c, 5);
    tick(&s, 1);
    assert_false(s.status.leads);
    assert_int_equal(s.update.reads[0].status, SF_NOT_LEADER);
    subject_free(&s);
}

static void a_higher_promise_anywhere_deposes_the_proposer(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 0, EMPTY);
    lead(&s, EMPTY);
    consensus_read(s.c, 5);
    step(&s, (struct consensus_msg){.type = MSG_ACCEPTED, .from = 3, .term = 35, .reject = true},
         EMPTY);
    assert_false(s.status.leads);
    assert_int_equal(s.update.read_count, 1);
    assert_int_equal(s.update.reads[0].status, SF_NOT_LEADER);
    assert_int_equal(stand(&s), 49); /* above what it heard of */
    subject_free(&s);
}

static void the_role_goes_to_one_that_has_everything(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 0, EMPTY);
    uint64_t index, term;
    lead(&s, EMPTY);
    propose(&s, "a");
    assert_int_equal(consensus_transfer(s.c, 2), SF_OK);
    look(&s);
    assert_null(sent(&s, MSG_TIMEOUT_NOW, 2));
    int status = consensus_propose(s.c, payload_new(slice_str("x")), &index, &term);
    assert_int_equal(status, SF_OVERLOADED);
    accepted_by(&s, 2, 1, 0);
    assert_non_null(sent(&s, MSG_TIMEOUT_NOW, 2));
    step(&s, (struct consensus_msg){.type = MSG_PREPARE, .from = 2, .term = 34, .transfer = true},
         EMPTY);
    assert_false(sent(&s, MSG_PROMISE, 2)->reject);
    assert_false(s.status.leads);
    subject_free(&s);
}

/* -- what others are told -------------------------------------------------------------------- */

static void a_heartbeat_says_chosen_no_further_than_the_acceptor_has(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 0, EMPTY);
    lead(&s, EMPTY);
    propose(&s, "a");
    propose(&s, "b");
    persist(&s);
    accepted_by(&s, 3, 2, 0);
    assert_int_equal(s.status.commit, 2);
    accepted_by(&s, 2, 1, 0);
    tick(&s, HEARTBEAT_TICKS);
    assert_int_equal(sent(&s, MSG_HEARTBEAT, 2)->commit, 1);
    assert_int_equal(sent(&s, MSG_HEARTBEAT, 3)->commit, 2);
    subject_free(&s);
}

static void a_heartbeat_is_answered_when_the_promise_is_durable(void **state)
{
    (void)state;
    struct subject s = subject_new(0, 0, EMPTY);
    heartbeat(&s, 2, 0);
    assert_true(s.update.hard_state_changed);
    assert_true(sent(&s, MSG_HEARTBEAT_REPLY, 2)->after_sync);
    uint64_t mark = s.update.persist_mark;
    heartbeat(&s, 2, 0);
    assert_true(sent(&s, MSG_HEARTBEAT_REPLY, 2)->after_sync);
    consensus_persisted(s.c, mark);
    heartbeat(&s, 2, 0);
    assert_false(sent(&s, MSG_HEARTBEAT_REPLY, 2)->after_sync);
    subject_free(&s);
}

static void who_needs_the_forgotten_gets_a_snapshot(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 7, LOG({1, "h"}));
    lead(&s, EMPTY);
    refused_by(&s, 3, 7, 2); /* it has what is up to 2 */
    assert_int_equal(s.update.snapshot_wanted_count, 1);
    assert_int_equal(s.update.snapshot_wanted[0], 3);
    struct consensus_msg msg;
    assert_int_equal(consensus_snapshot_msg(s.c, 3, 8, 1, &msg), SF_OK);
    assert_int_equal(msg.type, MSG_SNAPSHOT);
    assert_int_equal(msg.index, 8);
    subject_free(&s);
}

static void who_knows_the_chosen_gets_what_follows(void **state)
{
    (void)state;
    struct subject s = subject_new(1, 7, EMPTY);
    lead(&s, EMPTY); /* promised by 2, which knows 7 as chosen */
    propose(&s, "h");
    assert_int_equal(s.update.snapshot_wanted_count, 0);
    assert_int_equal(sent(&s, MSG_ACCEPT, 2)->index, 7);
    subject_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chosen_is_what_a_majority_accepted_durably),
        cmocka_unit_test(inherited_entries_are_not_chosen_by_being_found),
        cmocka_unit_test(no_read_before_everything_inherited_is_chosen),
        cmocka_unit_test(an_answer_to_an_earlier_round_confirms_nothing),
        cmocka_unit_test(phase_1_is_once_for_the_rest_of_the_log),
        cmocka_unit_test(a_window_of_instances_is_in_flight),
        cmocka_unit_test(what_is_proposed_and_not_chosen_is_bounded),
        cmocka_unit_test(what_was_lost_is_sent_again),
        cmocka_unit_test(an_accept_says_by_which_ballot_it_knows_the_entry_before),
        cmocka_unit_test(who_does_not_propose_says_who_does),
        cmocka_unit_test(a_silent_proposer_is_replaced),
        cmocka_unit_test(a_proposer_that_hears_no_majority_gives_up),
        cmocka_unit_test(a_higher_promise_anywhere_deposes_the_proposer),
        cmocka_unit_test(the_role_goes_to_one_that_has_everything),
        cmocka_unit_test(a_heartbeat_says_chosen_no_further_than_the_acceptor_has),
        cmocka_unit_test(a_heartbeat_is_answered_when_the_promise_is_durable),
        cmocka_unit_test(who_needs_the_forgotten_gets_a_snapshot),
        cmocka_unit_test(who_knows_the_chosen_gets_what_follows),
    };
    sf_assert_slow_enabled = true;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The small parts that engines are made of: quorum, inflights, progress, the log, reads, time-outs.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "consensus/acceptor.h"
#include "consensus/election_timer.h"
#include "consensus/entry_log.h"
#include "consensus/progress.h"
#include "consensus/quorum.h"
#include "consensus/raft_log.h"
#include "consensus/read_queue.h"
#include "random.h"

/* -- quorum ---------------------------------------------------------------------------------- */

static void two_quorums_share_a_member(void **state)
{
    (void)state;
    for (size_t members = 1; members <= SF_REPLICAS_MAX; members++) {
        assert_true(2 * quorum_size(members) > members);
        assert_true(2 * (quorum_size(members) - 1) <= members);
    }
}

/* Against the definition: at least a quorum has it, and no larger number is had by one. */
static void what_a_quorum_has_reached(void **state)
{
    (void)state;
    struct random random = {1};
    for (size_t round = 0; round < 2000; round++) {
        uint64_t values[SF_REPLICAS_MAX];
        size_t count = 1 + random_below(&random, SF_REPLICAS_MAX), reached = 0, above = 0;
        for (size_t i = 0; i < count; i++)
            values[i] = random_below(&random, 6);
        uint64_t index = quorum_reached(values, count);
        for (size_t i = 0; i < count; i++) {
            reached += values[i] >= index;
            above += values[i] > index;
        }
        assert_true(reached >= quorum_size(count));
        assert_true(above < quorum_size(count));
    }
}

/* -- inflights ------------------------------------------------------------------------------- */

static void inflights_are_freed_in_order(void **state)
{
    (void)state;
    struct inflights in;
    inflights_init(&in, 20, 1000);
    for (uint64_t round = 0; round < 5; round++) {
        uint64_t base = round * 100;
        for (uint64_t i = 1; i <= 20; i++) {
            assert_false(inflights_is_full(&in));
            inflights_add(&in, base + 2 * i, 3);
        }
        assert_true(inflights_is_full(&in));
        inflights_free_to(&in, base + 1);
        assert_int_equal(in.count, 20);
        inflights_free_to(&in, base + 11);
        assert_int_equal(in.count, 15);
        assert_int_equal(in.bytes, 45);
        assert_int_equal(inflights_newest(&in), base + 40);
        inflights_free_to(&in, base + 40);
        assert_int_equal(in.count, 0);
        assert_int_equal(in.bytes, 0);
    }
    inflights_deinit(&in);
}

static void inflights_are_full_by_bytes_too(void **state)
{
    (void)state;
    struct inflights in;
    inflights_init(&in, 10, 100);
    inflights_add(&in, 1, 99);
    assert_false(inflights_is_full(&in));
    inflights_add(&in, 2, 500);
    assert_true(inflights_is_full(&in));
    inflights_free_to(&in, 1);
    assert_true(inflights_is_full(&in));
    inflights_clear(&in);
    assert_false(inflights_is_full(&in));
    inflights_deinit(&in);
}

/* -- progress -------------------------------------------------------------------------------- */

static struct progress progress_at(enum progress_state state, uint64_t match, uint64_t next)
{
    struct progress p = {.id = 2};
    inflights_init(&p.inflights, 4, 1000);
    progress_reset(&p, next - 1);
    if (state == PROGRESS_PROBE) {
        p.match = match;
        return p;
    }
    progress_accepted(&p, match);
    if (state == PROGRESS_REPLICATE && next > match + 1)
        progress_sent(&p, (size_t)(next - match - 1), 10);
    if (state == PROGRESS_SNAPSHOT)
        progress_become_snapshot(&p);
    return p;
}

static void a_probe_waits_for_its_answer(void **state)
{
    (void)state;
    struct progress p = progress_at(PROGRESS_PROBE, 0, 6);
    assert_true(progress_is_due(&p, 5)); /* nothing new to send, but not known to match */
    progress_sent(&p, 0, 0);
    assert_false(progress_is_due(&p, 9));
    assert_int_equal(p.next, 6);
    assert_true(progress_accepted(&p, 5));
    assert_int_equal(p.state, PROGRESS_REPLICATE);
    assert_int_equal(p.next, 6);
    assert_false(progress_is_due(&p, 5));
    assert_true(progress_is_due(&p, 6));
    inflights_deinit(&p.inflights);
}

static void replies_move_progress_forward_only(void **state)
{
    (void)state;
    static const struct {
        enum progress_state state;
        uint64_t match, next, accepted;
        bool news;
        uint64_t match_after, next_after;
    } cases[] = {
        {PROGRESS_REPLICATE, 3, 10, 5, true, 5, 10},  {PROGRESS_REPLICATE, 3, 10, 3, false, 3, 10},
        {PROGRESS_REPLICATE, 3, 10, 1, false, 3, 10}, {PROGRESS_REPLICATE, 3, 10, 9, true, 9, 10},
        {PROGRESS_REPLICATE, 3, 4, 6, true, 6, 7},    {PROGRESS_PROBE, 3, 6, 2, false, 3, 6},
        {PROGRESS_PROBE, 3, 6, 3, false, 3, 4},       {PROGRESS_PROBE, 3, 6, 8, true, 8, 9},
        {PROGRESS_SNAPSHOT, 3, 4, 3, false, 3, 4},    {PROGRESS_SNAPSHOT, 3, 4, 7, true, 7, 8},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct progress p = progress_at(cases[i].state, cases[i].match, cases[i].next);
        assert_int_equal(progress_accepted(&p, cases[i].accepted), cases[i].news);
        assert_int_equal(p.match, cases[i].match_after);
        assert_int_equal(p.next, cases[i].next_after);
        inflights_deinit(&p.inflights);
    }
}

static void refusals_count_only_where_they_are_an_answer(void **state)
{
    (void)state;
    static const struct {
        enum progress_state state;
        uint64_t match, next, rejected, hint;
        bool counts;
        uint64_t next_after;
    } cases[] = {
        {PROGRESS_PROBE, 0, 10, 9, 4, true, 5},       /* as the hint says */
        {PROGRESS_PROBE, 0, 10, 9, 9, true, 9},       /* a hint that is no help: one back */
        {PROGRESS_PROBE, 0, 10, 5, 4, false, 10},     /* not this probe's answer */
        {PROGRESS_PROBE, 6, 10, 9, 2, true, 7},       /* never below match */
        {PROGRESS_REPLICATE, 5, 10, 9, 6, true, 7},   /* a gap: from there on again */
        {PROGRESS_REPLICATE, 5, 10, 5, 2, false, 10}, /* late: that much is stored */
        {PROGRESS_SNAPSHOT, 5, 6, 9, 2, false, 6},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct progress p = progress_at(cases[i].state, cases[i].match, cases[i].next);
        assert_int_equal(progress_rejected(&p, cases[i].rejected, cases[i].hint), cases[i].counts);
        assert_int_equal(p.next, cases[i].next_after);
        assert_int_equal(p.match, cases[i].match);
        if (cases[i].counts)
            assert_int_equal(p.state, PROGRESS_PROBE);
        inflights_deinit(&p.inflights);
    }
}

/* -- the log, against a plain array ---------------------------------------------------------- */

#define MODEL_MAX 512u

struct model {
    struct entry_log log;
    uint64_t terms[MODEL_MAX]; /* by index */
    uint64_t last, base, term;
};

static void add(struct model *m)
{
    if (m->last + 1 >= MODEL_MAX)
        return;
    m->terms[++m->last] = m->term;
    entry_log_append(&m->log, m->term, payload_new(slice_str("abc")));
}

static void truncate(struct model *m, uint64_t back)
{
    if (m->last - m->log.commit <= back)
        return;
    m->last -= back + 1;
    entry_log_truncate(&m->log, m->last + 1);
    m->term++;
}

static void replace(struct model *m, uint64_t back)
{
    if (m->last - m->log.commit <= back)
        return;
    uint64_t index = m->last - back;
    m->terms[index] = ++m->term;
    entry_log_replace(&m->log, index, m->term, payload_new(slice_str("xyz")));
    assert_true(m->log.persisted < index);
}

static void give_out_and_persist(struct model *m, bool persist)
{
    struct consensus_update update = {0};
    if (entry_log_has_untaken(&m->log)) {
        entry_log_take_untaken(&m->log, &update);
        entry_log_mark(&m->log);
        consensus_update_deinit(&update);
    }
    if (persist)
        entry_log_persisted(&m->log, m->log.mark_newest);
}

static void list(struct model *m)
{
    struct consensus_update update = {0};
    uint64_t before = m->log.listed;
    entry_log_list_committed(&m->log, &update);
    for (size_t i = 0; i < update.committed_count; i++) {
        assert_int_equal(update.committed[i].index, before + 1 + i);
        assert_int_equal(update.committed[i].term, m->terms[before + 1 + i]);
    }
    consensus_update_deinit(&update);
}

static void compare(const struct model *m)
{
    uint64_t term;
    assert_true(entry_log_is_valid(&m->log));
    assert_int_equal(entry_log_last(&m->log), m->last);
    assert_int_equal(m->log.base_index, m->base);
    uint64_t first = m->log.unloaded > m->base ? m->log.unloaded : m->base;
    assert_int_equal(m->log.bytes, 3 * (m->last - first));
    for (uint64_t index = m->base + 1; index <= m->last; index++)
        assert_int_equal(entry_log_at(&m->log, index)->payload->is_unloaded, index <= first);
    for (uint64_t index = m->base; index <= m->last; index++) {
        assert_true(entry_log_term_at(&m->log, index, &term));
        assert_int_equal(term, m->terms[index]);
    }
    assert_false(entry_log_term_at(&m->log, m->last + 1, &term));
    assert_false(m->base > 0 && entry_log_term_at(&m->log, m->base - 1, &term));
}

static void compact_or_unload(struct model *m, struct random *random)
{
    if (m->log.listed == m->base)
        return;
    uint64_t index = m->base + 1 + random_below(random, (size_t)(m->log.listed - m->base));
    if (random_below(random, 2) == 0)
        entry_log_compact(&m->log, m->base = index);
    else
        entry_log_unload(&m->log, index);
}

static void the_log_is_a_plain_array(void **state)
{
    (void)state;
    struct random random = {5};
    for (size_t run = 0; run < 50; run++) {
        struct model m = {.term = 1};
        entry_log_init(&m.log, NULL);
        for (size_t i = 0; i < 600; i++) {
            size_t action = random_below(&random, 11);
            if (action < 5)
                add(&m);
            else if (action == 5)
                truncate(&m, random_below(&random, 8));
            else if (action == 10)
                replace(&m, random_below(&random, 8));
            else if (action == 6)
                give_out_and_persist(&m, random_below(&random, 2) == 0);
            else if (action == 7)
                entry_log_commit(&m.log, m.log.commit + random_below(&random, 4));
            else if (action == 8)
                list(&m);
            else
                compact_or_unload(&m, &random);
            compare(&m);
        }
        entry_log_deinit(&m.log);
    }
}

static void a_snapshot_replaces_the_log_or_joins_it(void **state)
{
    (void)state;
    struct consensus_update update = {0};
    struct model m = {.term = 1};
    entry_log_init(&m.log, NULL);
    for (size_t i = 0; i < 10; i++)
        add(&m);
    give_out_and_persist(&m, true);
    entry_log_restart(&m.log, 6, 1,
                      true); /* held: what is after it stays, for the WAL to get again */
    assert_int_equal(entry_log_last(&m.log), 10);
    assert_int_equal(m.log.persisted, 6);
    entry_log_take_untaken(&m.log, &update);
    assert_int_equal(update.truncate_from, 0);
    assert_int_equal(update.entry_count, 4);
    assert_int_equal(update.entries[0].index, 7);
    consensus_update_deinit(&update);
    entry_log_restart(&m.log, 9, 2, false); /* contradicted: all goes */
    assert_int_equal(entry_log_last(&m.log), 9);
    assert_int_equal(m.log.commit, 9);
    assert_int_equal(m.log.listed, 9);
    assert_false(entry_log_has_untaken(&m.log));
    assert_true(entry_log_is_valid(&m.log));
    entry_log_deinit(&m.log);
}

static void only_what_changed_is_given_out_again(void **state)
{
    (void)state;
    struct consensus_update update = {0};
    struct model m = {.term = 1};
    entry_log_init(&m.log, NULL);
    for (size_t i = 0; i < 10; i++)
        add(&m);
    give_out_and_persist(&m, false);
    entry_log_replace(&m.log, 4, 7, payload_new(slice_str("new")));
    entry_log_replace(&m.log, 5, 7, payload_new(slice_str("new")));
    entry_log_persisted(&m.log, m.log.mark_newest); /* of the old ones */
    assert_int_equal(m.log.persisted, 3);
    entry_log_take_untaken(&m.log, &update);
    assert_int_equal(update.truncate_from, 0);
    assert_int_equal(update.entry_count, 2);
    assert_int_equal(update.entries[0].index, 4);
    assert_int_equal(update.entries[1].term, 7);
    entry_log_persisted(&m.log, entry_log_mark(&m.log));
    assert_int_equal(m.log.persisted, 10);
    consensus_update_deinit(&update);
    entry_log_deinit(&m.log);
}

static void a_hint_is_the_last_place_that_can_match(void **state)
{
    (void)state;
    struct model m = {0};
    static const uint64_t terms[] = {1, 1, 3, 3, 3, 5};
    entry_log_init(&m.log, NULL);
    for (size_t i = 0; i < sizeof(terms) / sizeof(*terms); i++) {
        m.term = terms[i];
        add(&m);
    }
    assert_int_equal(raft_log_match_hint(&m.log, 99, 9), 6);
    assert_int_equal(raft_log_match_hint(&m.log, 6, 4), 5);
    assert_int_equal(raft_log_match_hint(&m.log, 4, 3), 4);
    assert_int_equal(raft_log_match_hint(&m.log, 5, 2), 2);
    assert_int_equal(raft_log_match_hint(&m.log, 5, 0), 0);
    assert_true(raft_log_terms_rise(&m.log));
    entry_log_replace(&m.log, 2, 9, payload_new(slice_str("abc")));
    assert_false(raft_log_terms_rise(&m.log));
    entry_log_deinit(&m.log);
}

/* -- reads ----------------------------------------------------------------------------------- */

static void assert_passed(struct outbox *box, size_t count, const struct consensus_read *reads)
{
    assert_int_equal(box->read_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(box->reads[i].id, reads[i].id);
        assert_int_equal(box->reads[i].index, reads[i].index);
        assert_int_equal(box->reads[i].status, reads[i].status);
    }
    outbox_deinit(box);
}

static void reads_of_a_round_pass_together(void **state)
{
    (void)state;
    struct read_queue queue = {0};
    struct outbox box = {0};
    assert_false(read_queue_wants_round(&queue));
    read_queue_add(&queue, 1);
    read_queue_add(&queue, 2);
    assert_true(read_queue_wants_round(&queue));
    read_queue_begin_round(&queue, 7);
    assert_false(read_queue_wants_round(&queue));
    read_queue_add(&queue, 3); /* after the round began: not confirmed by it */
    read_queue_confirm(&queue, 0, &box);
    assert_passed(&box, 0, NULL);
    read_queue_confirm(&queue, 1, &box);
    assert_passed(&box, 2, (struct consensus_read[]){{1, 7, SF_OK}, {2, 7, SF_OK}});
    assert_true(read_queue_is_valid(&queue));
    read_queue_begin_round(&queue, 9);
    read_queue_fail(&queue, &box);
    assert_passed(&box, 1, (struct consensus_read[]){{3, 0, SF_NOT_LEADER}});
    read_queue_add(&queue, 4); /* the lost round still runs, until a later answer confirms it */
    assert_false(read_queue_wants_round(&queue));
    read_queue_confirm(&queue, 2, &box);
    assert_passed(&box, 0, NULL);
    assert_true(read_queue_wants_round(&queue));
    read_queue_deinit(&queue);
}

/* -- time-outs ------------------------------------------------------------------------------- */

static void timeouts_differ_and_begin_anew_when_something_is_heard(void **state)
{
    (void)state;
    struct consensus_config config = {
        .self = 1, .election_ticks = 10, .heartbeat_ticks = 2, .seed = 3};
    struct election_timer timer;
    bool seen[20] = {false};
    size_t different = 0;
    election_timer_init(&timer, &config);
    for (size_t i = 0; i < 200; i++) {
        uint32_t ticks = 1;
        election_timer_restart(&timer);
        assert_true(election_timer_is_valid(&timer));
        while (!election_timer_tick(&timer))
            ticks++;
        assert_int_equal(ticks, timer.timeout_ticks);
        assert_false(election_timer_is_fresh(&timer));
        seen[ticks] = true;
        election_timer_heard(&timer);
        assert_true(election_timer_is_fresh(&timer));
        assert_false(election_timer_tick(&timer));
    }
    for (size_t i = 0; i < 20; i++)
        different += seen[i];
    assert_int_equal(different, 10);
}

/* -- acceptors ------------------------------------------------------------------------------- */

static void a_ballot_is_its_owners_and_above_the_others(void **state)
{
    (void)state;
    for (uint64_t ballot = 0; ballot < 200; ballot++) {
        for (replica_id owner = 1; owner <= SF_REPLICAS_MAX; owner++) {
            uint64_t above = ballot_above(ballot, owner);
            assert_true(above > ballot && above <= ballot + BALLOT_OWNERS);
            assert_int_equal(ballot_owner(above), owner);
        }
    }
}

static void an_acceptor_keeps_its_highest_promise(void **state)
{
    (void)state;
    struct acceptor acceptor = {0};
    assert_int_equal(acceptor_hear(&acceptor, 18), PROMISE_RAISED);
    assert_int_equal(acceptor_hear(&acceptor, 18), PROMISE_STANDS);
    assert_int_equal(acceptor_hear(&acceptor, 17), PROMISE_REFUSED);
    assert_int_equal(acceptor.promised, 18);
}

static void the_acceptance_of_the_highest_ballot_counts(void **state)
{
    (void)state;
    struct proposal proposal = {0};
    struct payload *a = payload_new(slice_str("a")), *b = payload_new(slice_str("b"));
    proposal_find(&proposal, 17, a);
    proposal_find(&proposal, 3, b);
    assert_ptr_equal(proposal.value, a);
    proposal_find(&proposal, 18, b);
    assert_ptr_equal(proposal.value, b);
    assert_int_equal(a->references, 1);
    assert_int_equal(b->references, 2);
    proposal_deinit(&proposal);
    payload_unref(a);
    payload_unref(b);
}

/* -- payloads -------------------------------------------------------------------------------- */

static void a_payload_lives_until_its_last_reference_goes(void **state)
{
    (void)state;
    struct payload *payload = payload_new(slice_str("bytes"));
    assert_ptr_equal(payload_ref(payload), payload);
    payload_unref(payload);
    assert_true(slice_equal(payload_slice(payload), slice_str("bytes")));
    payload_unref(payload);
    payload_unref(NULL);
    payload = payload_new(slice_of(NULL, 0));
    assert_int_equal(payload_slice(payload).n, 0);
    payload_unref(payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_quorums_share_a_member),
        cmocka_unit_test(what_a_quorum_has_reached),
        cmocka_unit_test(inflights_are_freed_in_order),
        cmocka_unit_test(inflights_are_full_by_bytes_too),
        cmocka_unit_test(a_probe_waits_for_its_answer),
        cmocka_unit_test(replies_move_progress_forward_only),
        cmocka_unit_test(refusals_count_only_where_they_are_an_answer),
        cmocka_unit_test(the_log_is_a_plain_array),
        cmocka_unit_test(a_snapshot_replaces_the_log_or_joins_it),
        cmocka_unit_test(only_what_changed_is_given_out_again),
        cmocka_unit_test(reads_of_a_round_pass_together),
        cmocka_unit_test(timeouts_differ_and_begin_anew_when_something_is_heard),
        cmocka_unit_test(a_hint_is_the_last_place_that_can_match),
        cmocka_unit_test(a_ballot_is_its_owners_and_above_the_others),
        cmocka_unit_test(an_acceptor_keeps_its_highest_promise),
        cmocka_unit_test(the_acceptance_of_the_highest_ballot_counts),
        cmocka_unit_test(a_payload_lives_until_its_last_reference_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

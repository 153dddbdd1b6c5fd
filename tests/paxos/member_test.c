/* What a member of the Paxos library answers, keeps over a crash, and forgets. */
#include "env/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/log.h"
#include "env/memory.h"
#include "paxos/set.h"

/* Members that keep what they promise. */
static void begin(struct set *set, size_t count)
{
    set_init(set, 1, count, true);
    set_boot_all(set);
}

/* -- promises ------------------------------------------------------------------------------ */

static void a_promise_is_kept_over_a_crash(void **state)
{
    struct set set;
    (void)state;
    begin(&set, 3);
    set_expect_promise(&set, 0, 5, 7, 1, VERDICT_YES, NULL);
    set_crash_and_boot(&set, 0);
    set_expect_promise(&set, 0, 5, 6, 2, VERDICT_NO, NULL);
    set_expect_accepted(&set, 0, 5, 6, 2, "late", VERDICT_NO);
    set_expect_promise(&set, 0, 6, 6, 2, VERDICT_YES, NULL); /* of another instance */
    set_expect_promise(&set, 0, 5, 7, 1, VERDICT_YES, NULL); /* the same again */
    assert_int_equal(member_max(set_member(&set, 0)), 6);
    set_deinit(&set);
}

static void an_acceptance_is_kept_over_a_crash(void **state)
{
    struct set set;
    (void)state;
    begin(&set, 3);
    set_expect_accepted(&set, 0, 5, 7, 1, "first", VERDICT_YES);
    set_crash_and_boot(&set, 0);
    set_expect_promise(&set, 0, 5, 6, 2, VERDICT_NO, NULL); /* accepting promises */
    set_expect_promise(&set, 0, 5, 8, 2, VERDICT_YES, "first");
    set_expect_accepted(&set, 0, 5, 7, 1, "first", VERDICT_NO); /* promised to 8 by now */
    set_expect_accepted(&set, 0, 5, 8, 2, "second", VERDICT_YES);
    set_crash_and_boot(&set, 0);
    set_expect_promise(&set, 0, 5, 9, 1, VERDICT_YES, "second");
    set_deinit(&set);
}

#define SLOW_SYNC_MS 500u

static void make_syncs_slow(struct set *set)
{
    set_run_ms(set, 1000); /* what is under way is done */
    sim_faults(set->sim)->sync_us_min = sim_faults(set->sim)->sync_us_max = SLOW_SYNC_MS * 1000;
}

static void nothing_is_answered_before_it_is_durable(void **state)
{
    struct set set;
    (void)state;
    begin(&set, 3);
    make_syncs_slow(&set);
    for (uint64_t round = 1; round < 3; round++) {
        uint64_t asked_ns = sim_now_ns(set.sim);
        if (round == 1)
            set_expect_promise(&set, 0, 0, round, 1, VERDICT_YES, NULL);
        else
            set_expect_accepted(&set, 0, 0, round, 1, "x", VERDICT_YES);
        assert_true(sim_now_ns(set.sim) - asked_ns >= SLOW_SYNC_MS * ENV_MS_NS);
    }
    set_deinit(&set);
}

/* One who has no answer asks again, and the record is still not durable. */
static void nor_is_one_who_asks_again(void **state)
{
    struct set set;
    (void)state;
    begin(&set, 3);
    make_syncs_slow(&set);
    sim_faults(set.sim)->sync_us_min = sim_faults(set.sim)->sync_us_max = 2 * SET_CALL_MS * 1000;
    struct request request = {.ask = ASK_PREPARE, .ballot = set_ballot(1, 1), .from = 1};
    uint64_t asked_ns = sim_now_ns(set.sim);
    assert_int_equal(set_ask(&set, &request, NULL), SF_UNKNOWN);
    assert_true(sim_now_ns(set.sim) - asked_ns < 2 * SET_CALL_MS * ENV_MS_NS);
    set_expect_promise(&set, 0, 0, 1, 1, VERDICT_YES, NULL);
    assert_true(sim_now_ns(set.sim) - asked_ns >= 2 * SET_CALL_MS * ENV_MS_NS);
    set_deinit(&set);
}

/* Between the own promise and the first PREPARE: the ballot may be forgotten, so none may leave. */
static void a_ballot_is_durable_before_it_is_used(void **state)
{
    struct set set;
    (void)state;
    begin(&set, 3);
    make_syncs_slow(&set);
    set_start(&set, 0, 0, "x");
    set_run_ms(&set, SLOW_SYNC_MS - 10);
    assert_int_equal(member_max(set_member(&set, 1)), -1);
    set_run_ms(&set, 20);
    assert_int_equal(member_max(set_member(&set, 1)), 0);
    set_deinit(&set);
}

/* The lowest and the highest ballot that member 0 has asked for; none of it arrives. */
static struct {
    const struct sim_node *node;
    uint64_t lowest, highest;
} asked;

static struct sim_verdict note_ballot(void *ctx, const struct sim_message *message)
{
    struct unpacked u = {0};
    char method[32];
    (void)ctx;
    if (message->from != asked.node || message->bytes.n == 0)
        return (struct sim_verdict){.fate = SIM_DELIVER};
    if (unpack_open(message->bytes, &u) == SF_OK) {
        struct cursor c = unpack_root(&u);
        unpack_skip(&c);
        unpack_skip(&c);
        unpack_str(&c, method, sizeof method);
        if (strcmp(method, ask_method(ASK_PREPARE)) == 0) {
            struct cursor params = unpack_array(&c, 6);
            unpack_skip(&params);
            uint64_t ballot = unpack_u64(&params, UINT64_MAX);
            asked.lowest = asked.lowest == 0 || ballot < asked.lowest ? ballot : asked.lowest;
            asked.highest = ballot > asked.highest ? ballot : asked.highest;
        }
    }
    unpack_close(&u);
    return (struct sim_verdict){.fate = SIM_LOSE};
}

static void no_ballot_is_used_again_after_a_crash(void **state)
{
    struct set set;
    (void)state;
    begin(&set, 3);
    asked.node = set.machines[0].node;
    sim_on_message(set.sim, note_ballot, NULL);
    uint64_t highest = 0;
    for (int life = 0; life < 5; life++) {
        asked.lowest = asked.highest = 0;
        set_start(&set, 0, 0, "x");
        set_run_ms(&set, 5000);
        assert_true(asked.lowest > highest);
        highest = asked.highest;
        set_crash_and_boot(&set, 0);
    }
    set_deinit(&set);
}

/* -- outcomes ------------------------------------------------------------------------------ */

static void the_first_proposal_stands(void **state)
{
    struct set set;
    (void)state;
    begin(&set, 3);
    set_start(&set, 0, 0, "first");
    set_start(&set, 0, 0, "second");
    set_wait(&set, 0, 3);
    set_start(&set, 1, 0, "third");
    set_run_ms(&set, 500);
    for (size_t i = 0; i < 3; i++)
        assert_true(set_knows(&set, i, 0, "first"));
    set_deinit(&set);
}

static void a_value_may_be_empty_or_long(void **state)
{
    struct set set;
    char *longest = sf_malloc(PAXOS_VALUE_BYTES_MAX + 1);
    (void)state;
    begin(&set, 3);
    memset(longest, 'x', PAXOS_VALUE_BYTES_MAX);
    longest[PAXOS_VALUE_BYTES_MAX] = 0;
    set_start(&set, 0, 0, "");
    set_start(&set, 1, 1, longest);
    struct slice too_long = slice_of(longest, PAXOS_VALUE_BYTES_MAX + 1);
    assert_int_equal(member_start(set_member(&set, 2), 2, too_long), SF_TOO_BIG);
    set_wait(&set, 0, 3);
    set_wait(&set, 1, 3);
    set_run_ms(&set, 1000); /* that it is decided is durable a little later */
    for (size_t i = 0; i < 3; i++) {
        assert_true(set_knows(&set, i, 0, ""));
        assert_true(set_knows(&set, i, 1, longest));
        set_crash_and_boot(&set, i);
    }
    set_expect_promise(&set, 0, 1, 9, 1, VERDICT_DECIDED, longest);
    assert_int_equal(member_max(set_member(&set, 2)), 1);
    free(longest);
    set_deinit(&set);
}

static void what_is_no_instance_is_refused(void **state)
{
    struct set set;
    (void)state;
    begin(&set, 1);
    struct member *member = set_member(&set, 0);
    assert_int_equal(member_start(member, -1, slice_str("x")), SF_INVALID);
    assert_int_equal(member_start(member, PAXOS_SEQ_MAX + 1, slice_str("x")), SF_INVALID);
    assert_int_equal(member_max(member), -1);
    set_start(&set, 0, PAXOS_SEQ_MAX, "the last");
    set_wait(&set, PAXOS_SEQ_MAX, 1);
    assert_int_equal(member_max(member), PAXOS_SEQ_MAX);
    set_deinit(&set);
}

/* One that was out of reach when it was told learns by asking. */
static void whoever_missed_it_learns_by_proposing(void **state)
{
    struct set set;
    (void)state;
    begin(&set, 3);
    sim_node_stop(set.machines[2].node);
    set_start(&set, 0, 0, "x");
    set_wait(&set, 0, 2);
    set_run_ms(&set, 10000);
    set_boot(&set, 2);
    set_run_ms(&set, 10000);
    assert_false(set_knows(&set, 2, 0, "x"));
    set_start(&set, 2, 0, "something else");
    set_wait(&set, 0, 3);
    assert_true(set_knows(&set, 2, 0, "x"));
    set_deinit(&set);
}

/* Messages with long values from member 0 to member 1, and those not answered yet. */
static struct {
    size_t sent, under_way, under_way_most;
} longs;

static struct sim_verdict count_longs(void *ctx, const struct sim_message *message)
{
    const struct set *set = ctx;
    if (message->from == set->machines[0].node && message->to == set->machines[1].node &&
        message->bytes.n > 500000) {
        longs.sent++;
        if (++longs.under_way > longs.under_way_most)
            longs.under_way_most = longs.under_way;
    } else if (message->from == set->machines[1].node && message->to == set->machines[0].node &&
               message->bytes.n > 0 && longs.under_way > 0) {
        longs.under_way--;
    }
    return (struct sim_verdict){.fate = SIM_DELIVER};
}

/* 40 values of a million bytes are more than what may wait at a connection. */
static void long_values_take_turns(void **state)
{
    struct set set;
    char *value = sf_malloc(1000001);
    (void)state;
    begin(&set, 3);
    memset(value, 'x', 1000000);
    value[1000000] = 0;
    memset(&longs, 0, sizeof longs);
    sim_on_message(set.sim, count_longs, &set);
    for (int64_t seq = 0; seq < 40; seq++)
        set_start(&set, 0, seq, value);
    for (int64_t seq = 0; seq < 40; seq++)
        set_wait(&set, seq, 3);
    assert_int_equal(longs.sent, 2 * 40); /* accept and decided, once each */
    assert_in_range(longs.under_way_most, 1, 4);
    free(value);
    set_deinit(&set);
}

/* Long ACCEPTs to member 1, which does not answer. */
static size_t accepts_sent;

static struct sim_verdict silence_1(void *ctx, const struct sim_message *message)
{
    const struct set *set = ctx;
    if (message->to == set->machines[1].node && message->bytes.n > 500000)
        accepts_sent += memmem(message->bytes.p, 100, "accept", strlen("accept")) != NULL;
    bool is_lost = message->from == set->machines[1].node && message->bytes.n > 0;
    return (struct sim_verdict){.fate = is_lost ? SIM_LOSE : SIM_DELIVER};
}

static void what_nobody_wants_any_more_is_not_sent(void **state)
{
    struct set set;
    char *value = sf_malloc(1000001);
    (void)state;
    begin(&set, 3);
    memset(value, 'x', 1000000);
    value[1000000] = 0;
    accepts_sent = 0;
    sim_on_message(set.sim, silence_1, &set);
    for (int64_t seq = 0; seq < 20; seq++)
        set_start(&set, 0, seq, value);
    for (int64_t seq = 0; seq < 20; seq++)
        set_wait(&set, seq, 2);
    set_run_ms(&set, 20000);
    assert_int_equal(accepts_sent, 4); /* the others waited until 2 had decided with 0 */
    free(value);
    set_deinit(&set);
}

/* An answer takes longer than the first attempt waits for one. */
static void a_slow_way_only_takes_longer(void **state)
{
    struct set set;
    (void)state;
    begin(&set, 3);
    sim_faults(set.sim)->delay_us_min = sim_faults(set.sim)->delay_us_max = 1200000;
    set_start(&set, 0, 0, "x");
    set_wait(&set, 0, 3);
    set_deinit(&set);
}

/* Member 2 does not hear the first DECIDED. */
static size_t decided_lost;

static struct sim_verdict lose_first_decided(void *ctx, const struct sim_message *message)
{
    const struct set *set = ctx;
    bool is_it = message->to == set->machines[2].node && message->bytes.n > 0 &&
                 memmem(message->bytes.p, message->bytes.n, "decided", strlen("decided")) != NULL;
    if (!is_it || decided_lost > 0)
        return (struct sim_verdict){.fate = SIM_DELIVER};
    decided_lost++;
    return (struct sim_verdict){.fate = SIM_LOSE};
}

static void an_outcome_is_told_again(void **state)
{
    struct set set;
    (void)state;
    begin(&set, 3);
    decided_lost = 0;
    sim_on_message(set.sim, lose_first_decided, &set);
    set_start(&set, 0, 0, "x");
    set_wait(&set, 0, 3);
    assert_int_equal(decided_lost, 1);
    set_deinit(&set);
}

/* What it costs is three requests to each other one: prepare, accept, decided. */
static size_t requests_under_way;

static struct sim_verdict count_requests(void *ctx, const struct sim_message *message)
{
    (void)ctx;
    requests_under_way += message->by_dialler && message->bytes.n > 0;
    return (struct sim_verdict){.fate = SIM_DELIVER};
}

static void without_failures_the_fewest_messages(void **state)
{
    struct set set;
    (void)state;
    begin(&set, 5);
    set_start(&set, 0, 0, "connections are made by this");
    set_wait(&set, 0, 5);
    set_run_ms(&set, 1000);
    requests_under_way = 0;
    sim_on_message(set.sim, count_requests, NULL);
    set_start(&set, 0, 1, "x");
    set_wait(&set, 1, 5);
    set_run_ms(&set, 1000);
    assert_int_equal(requests_under_way, 4 * 3);
    set_deinit(&set);
}

/* -- forgetting ---------------------------------------------------------------------------- */

static void forget(struct set *set, int64_t seq)
{
    for (size_t i = 0; i < set->count; i++)
        member_done(set_member(set, i), seq);
    set_start(set, 0, seq + 1, "tells the others");
    set_wait(set, seq + 1, set->count);
    set_start(set, 1, seq + 2, "tells them of the others");
    set_wait(set, seq + 2, set->count);
    for (size_t i = 0; i < set->count; i++)
        assert_int_equal(member_min(set_member(set, i)), seq + 1);
}

static void what_all_are_done_with_is_freed(void **state)
{
    struct set set;
    (void)state;
    begin(&set, 3);
    for (int64_t seq = 0; seq < 20; seq++)
        set_start(&set, (size_t)seq % 3, seq, "a value of some bytes");
    for (int64_t seq = 0; seq < 20; seq++)
        set_wait(&set, seq, 3);
    forget(&set, 19);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(member_instances(set_member(&set, i)), 2);
        assert_null(member_decided(set_member(&set, i), 19));
        assert_int_equal(member_start(set_member(&set, i), 19, slice_str("x")), SF_GONE);
        assert_int_equal(member_max(set_member(&set, i)), 21);
    }
    set_deinit(&set);
}

static void a_late_message_brings_nothing_back(void **state)
{
    struct set set;
    (void)state;
    begin(&set, 3);
    set_start(&set, 0, 0, "x");
    set_wait(&set, 0, 3);
    forget(&set, 0);
    for (int again = 0; again < 2; again++) {
        set_expect_promise(&set, 1, 0, 9, 2, VERDICT_FORGOTTEN, NULL);
        set_expect_accepted(&set, 1, 0, 9, 2, "x", VERDICT_FORGOTTEN);
        assert_int_equal(member_instances(set_member(&set, 1)), 2);
        set_crash_and_boot(&set, 1); /* and it is not there after a restart */
        assert_int_equal(member_min(set_member(&set, 1)), 1);
    }
    set_deinit(&set);
}

static void done_only_rises(void **state)
{
    struct set set;
    (void)state;
    begin(&set, 1);
    struct member *member = set_member(&set, 0);
    member_done(member, -5);
    assert_int_equal(member_min(member), 0);
    member_done(member, 7); /* beyond max: nothing was ever begun there */
    assert_int_equal(member_min(member), 8);
    assert_int_equal(member_max(member), -1);
    assert_int_equal(member_start(member, 7, slice_str("x")), SF_GONE);
    member_done(member, 3);
    assert_int_equal(member_min(member), 8);
    set_start(&set, 0, 8, "x");
    set_wait(&set, 8, 1);
    member_done(member, INT64_MAX);
    assert_int_equal(member_min(member), PAXOS_SEQ_MAX + 1);
    assert_int_equal(member_instances(member), 0);
    assert_int_equal(member_max(member), 8);
    set_deinit(&set);
}

static void done_is_kept_over_a_crash(void **state)
{
    struct set set;
    (void)state;
    begin(&set, 3);
    set_start(&set, 0, 0, "x");
    set_wait(&set, 0, 3);
    member_done(set_member(&set, 2), 0);
    set_run_ms(&set, 100);
    set_crash_and_boot(&set, 2);
    member_done(set_member(&set, 0), 0);
    member_done(set_member(&set, 1), 0);
    set_start(&set, 2, 1, "tells");
    set_wait(&set, 1, 3);
    set_start(&set, 0, 2, "tells");
    set_wait(&set, 2, 3);
    assert_int_equal(member_min(set_member(&set, 2)), 1);
    set_deinit(&set);
}

/* An instance that nobody decided may be forgotten; whoever proposes for it stops. */
static void what_was_never_decided_can_be_forgotten(void **state)
{
    struct set set;
    (void)state;
    begin(&set, 3);
    sim_node_stop(set.machines[1].node);
    sim_node_stop(set.machines[2].node);
    set_start(&set, 0, 0, "x");
    member_done(set_member(&set, 0), 0);
    set_run_ms(&set, 5000);
    set_boot(&set, 1);
    set_boot(&set, 2);
    member_done(set_member(&set, 1), 0);
    member_done(set_member(&set, 2), 0);
    set_start(&set, 1, 1, "tells");
    set_start(&set, 2, 2, "tells");
    set_run_ms(&set, 5000);
    assert_int_equal(member_min(set_member(&set, 0)), 1);
    assert_null(member_decided(set_member(&set, 0), 0));
    set_deinit(&set);
}

/* -- the journal --------------------------------------------------------------------------- */

/* Raises the promise of an instance, so that its earlier records are dead. */
static void write_dead_records(struct set *set, int64_t seq, uint64_t *round, size_t count)
{
    for (size_t i = 0; i < count; i++)
        set_expect_promise(set, 0, seq, ++*round, 1, VERDICT_YES, NULL);
}

static void expect_decided(struct set *set, int64_t first, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_true(set_knows(set, 0, first + (int64_t)i, "v"));
}

/* What is decided is moved to the log's end when there is much dead behind it, one record at a
 * time; whatever is left of it in between must be understood. */
static void old_records_move_on_whatever_happens(void **state)
{
    struct set set;
    uint64_t round = 0;
    (void)state;
    begin(&set, 3);
    for (int64_t seq = 100; seq < 104; seq++)
        set_expect_accepted(&set, 0, seq, 1, 1, "v", VERDICT_YES);
    for (int64_t seq = 100; seq < 104; seq++)
        set_tell_decided(&set, 0, seq, 1, "v");
    for (size_t i = 0; i < 150; i++) {
        write_dead_records(&set, 0, &round, 1);
        set_crash_and_boot(&set, 0);
        expect_decided(&set, 100, 4);
    }
    set_expect_promise(&set, 0, 0, round - 1, 2, VERDICT_NO, NULL);
    set_deinit(&set);
}

static size_t journal_bytes;
static void add_file(void *ctx, const char *name)
{
    struct env_file *file;
    uint64_t bytes;
    char path[64];
    snprintf(path, sizeof path, "paxos/%s", name);
    assert_int_equal(env_file_open(ctx, path, ENV_FILE_READ_ONLY, &file), SF_OK);
    assert_int_equal(env_file_size(file, &bytes), SF_OK);
    journal_bytes += bytes;
    env_file_close(file);
}

static void expect_journal_below(struct set *set, size_t bytes_max)
{
    struct env *env = sim_node_env(set->machines[0].node);
    set_run_ms(set, 5000);
    journal_bytes = 0;
    assert_int_equal(env_dir_list(env, "paxos", add_file, env), SF_OK);
    assert_true(journal_bytes < bytes_max);
}

/* 2 MB pass through, in batches of whole pages. */
static void the_journal_frees_what_is_forgotten(void **state)
{
    struct set set;
    char value[1001];
    (void)state;
    begin(&set, 1);
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = 0;
    set_start(&set, 0, 5000, "stays");
    for (int64_t seq = 0; seq < 2000; seq++) {
        set_start(&set, 0, seq, value);
        set_wait(&set, seq, 1);
        member_done(set_member(&set, 0), seq);
    }
    expect_journal_below(&set, 1000000); /* of 24 MB */
    set_crash_and_boot(&set, 0);
    assert_true(set_knows(&set, 0, 5000, "stays"));
    assert_int_equal(member_instances(set_member(&set, 0)), 1);
    set_deinit(&set);
}

/* Hundreds of values stay where they are, and each turn writes thousands of records. */
static void the_journal_keeps_pace(void **state)
{
    struct set set;
    int64_t done = 0;
    (void)state;
    begin(&set, 2);
    for (int64_t seq = 500000; seq < 500300; seq++) {
        set_start(&set, 0, seq, "stays");
        set_wait(&set, seq, 2);
    }
    for (uint64_t turn = 1; turn <= 20; turn++) {
        for (int64_t end = done + 5000; done < end; done++)
            member_done(set_member(&set, 0), done);
        set_expect_promise(&set, 0, 400000, turn, 1, VERDICT_YES, NULL);
    }
    expect_journal_below(&set, 2000000); /* of 8 MB */
    set_crash_and_boot(&set, 0);
    for (int64_t seq = 500000; seq < 500300; seq++)
        assert_true(set_knows(&set, 0, seq, "stays"));
    set_deinit(&set);
}

/* -- what comes from a network ------------------------------------------------------------- */

static void what_is_for_another_member_is_refused(void **state)
{
    struct set set;
    (void)state;
    begin(&set, 3);
    struct request request = {
        .ask = ASK_PREPARE, .seq = 0, .ballot = set_ballot(1, 1), .from = 1, .to = 2};
    struct buffer params = {0};
    request.done = (struct done){.of = {9, 9, 9}, .count = 3};
    request_pack(&params, &request);
    assert_int_equal(set_ask_raw(&set, 0, "paxos.prepare", &params), SF_MISMATCH);
    assert_int_equal(member_max(set_member(&set, 0)), -1);
    assert_int_equal(member_min(set_member(&set, 0)), 0);
    set_deinit(&set);
}

static void what_breaks_the_form_is_refused(void **state)
{
    struct set set;
    (void)state;
    begin(&set, 3);
    const struct request good = {.ask = ASK_PREPARE,
                                 .seq = 0,
                                 .ballot = set_ballot(1, 1),
                                 .from = 1,
                                 .done = {.of = {-1, -1, -1}, .count = 3}};
    for (int i = 0; i < 6; i++) {
        struct request bad = good;
        struct buffer params = {0};
        if (i == 0)
            bad.ballot = set_ballot(1, 2); /* another one's */
        else if (i == 1)
            bad.ballot = 0;
        else if (i == 2)
            bad.ballot = UINT64_MAX / BALLOT_OWNERS * BALLOT_OWNERS + 2;
        else if (i == 3)
            bad.seq = -1;
        else if (i == 4)
            bad.from = 0; /* from itself */
        else
            bad.done.count = 2;
        request_pack(&params, &bad);
        assert_int_equal(set_ask_raw(&set, 0, "paxos.prepare", &params), SF_PROTOCOL);
    }
    assert_int_equal(member_instances(set_member(&set, 0)), 0);
    set_expect_promise(&set, 0, 0, 1, 1, VERDICT_YES, NULL);
    set_deinit(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_promise_is_kept_over_a_crash),
        cmocka_unit_test(an_acceptance_is_kept_over_a_crash),
        cmocka_unit_test(nothing_is_answered_before_it_is_durable),
        cmocka_unit_test(nor_is_one_who_asks_again),
        cmocka_unit_test(a_ballot_is_durable_before_it_is_used),
        cmocka_unit_test(no_ballot_is_used_again_after_a_crash),
        cmocka_unit_test(the_first_proposal_stands),
        cmocka_unit_test(a_value_may_be_empty_or_long),
        cmocka_unit_test(what_is_no_instance_is_refused),
        cmocka_unit_test(whoever_missed_it_learns_by_proposing),
        cmocka_unit_test(long_values_take_turns),
        cmocka_unit_test(what_nobody_wants_any_more_is_not_sent),
        cmocka_unit_test(a_slow_way_only_takes_longer),
        cmocka_unit_test(an_outcome_is_told_again),
        cmocka_unit_test(without_failures_the_fewest_messages),
        cmocka_unit_test(what_all_are_done_with_is_freed),
        cmocka_unit_test(a_late_message_brings_nothing_back),
        cmocka_unit_test(done_only_rises),
        cmocka_unit_test(done_is_kept_over_a_crash),
        cmocka_unit_test(what_was_never_decided_can_be_forgotten),
        cmocka_unit_test(old_records_move_on_whatever_happens),
        cmocka_unit_test(the_journal_frees_what_is_forgotten),
        cmocka_unit_test(the_journal_keeps_pace),
        cmocka_unit_test(what_is_for_another_member_is_refused),
        cmocka_unit_test(what_breaks_the_form_is_refused),
    };
    log_level_min = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

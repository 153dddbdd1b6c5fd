/* Holds (shardkv/pending_holds.c): one test for each sentence about them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "txn/asker.h"

#define WRITERS 4u
#define ROUNDS 10u
#define MINE 7u /* a number to hold by */
#define THEIRS 8u

/* Appends to a key, again as soon as that is answered. */
struct writer {
    struct question q;
    struct kv_op append;
    struct kv_session session;
    unsigned count;
};
static struct writer writers[WRITERS];

static void write_once_more(struct writer *w)
{
    w->session.first_incomplete = ++w->session.sequence;
    ask(&asker, &w->q, asker_shard("0"), &w->session, &w->append);
}

static void begin_writing(void)
{
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.append = ask_op(KV_APPEND, "0", "x"),
                                     .session = {.session = ask_session(0, 20 + i)}};
        write_once_more(&writers[i]);
    }
}

/* They never pause. */
static void step(void)
{
    assert_true(sim_step(asker.cluster->sim));
    for (unsigned i = 0; i < WRITERS; i++) {
        if (writers[i].append.kind == 0 || !writers[i].q.answered)
            continue;
        assert_int_equal(writers[i].q.status, SF_OK);
        writers[i].count++;
        write_once_more(&writers[i]);
    }
}

static int wait_among_writers(const struct question *q)
{
    while (!q->answered)
        step();
    return q->status;
}

static struct kv_op read_op(enum kv_kind kind, const char *key, uint64_t hold)
{
    struct kv_op op = ask_op(kind, key, "");
    op.hold = hold;
    return op;
}

static void hold_now(const char *key, uint64_t hold, struct question *q)
{
    struct kv_op get = read_op(KV_GET, key, hold);
    (void)ask_now(asker_shard(key), NULL, &get, q);
}

static uint64_t ms_between(const struct question *q)
{
    return (q->answered_ns - q->asked_ns) / ENV_MS_NS;
}

/* Reads key "0" and puts something there in a minitransaction, if it is still what was read. */
static int change_what_is_read(struct kv_session *session, uint64_t hold)
{
    struct question q;
    struct kv_op read = read_op(KV_STAT, "0", hold), put = ask_op(KV_PUT, "0", "");
    struct kv_op mini = {.kind = KV_MINI, .ops = &put, .op_count = 1, .hold = hold};
    ask(&asker, &q, 0, NULL, &read);
    assert_int_equal(wait_among_writers(&q), SF_OK);
    put.pre = (struct kv_pre){KV_PRE_VERSION, q.version};
    session->first_incomplete = ++session->sequence;
    ask(&asker, &q, 0, session, &mini);
    return wait_among_writers(&q);
}

static bool all_wrote(const unsigned *before)
{
    bool all = true;
    for (unsigned i = 0; i < WRITERS; i++)
        all = all && writers[i].count > before[i];
    return all;
}

static void a_hold_lets_a_read_and_a_change_through_writers_that_never_pause(void **state)
{
    (void)state;
    struct kv_session session = {.session = ask_session(0, 1)};
    unsigned overtaken = 0, before[WRITERS];
    begin_writing();
    while (writers[WRITERS - 1].count == 0)
        step();
    for (unsigned i = 0; i < ROUNDS; i++)
        overtaken += change_what_is_read(&session, 0) == SF_PRECONDITION;
    assert_int_equal(overtaken, ROUNDS);
    for (unsigned i = 0; i < ROUNDS; i++) {
        assert_int_equal(change_what_is_read(&session, MINE + i), SF_OK);
        for (unsigned k = 0; k < WRITERS; k++)
            before[k] = writers[k].count;
        while (!all_wrote(before)) /* ends: they get through, too */
            step();
    }
}

/* All of it under one number, and without a pause between: who queued goes first. */
static void holds_do_not_keep_writers_out(void **state)
{
    (void)state;
    struct kv_session session = {.session = ask_session(0, 1)};
    begin_writing();
    while (writers[WRITERS - 1].count == 0)
        step();
    unsigned before[WRITERS];
    for (unsigned k = 0; k < WRITERS; k++)
        before[k] = writers[k].count;
    for (unsigned i = 0; i < ROUNDS; i++)
        assert_int_equal(change_what_is_read(&session, MINE), SF_OK);
    for (unsigned k = 0; k < WRITERS; k++)
        assert_true(writers[k].count - before[k] >= ROUNDS - 2);
}

static void it_sees_what_was_proposed_before(void **state)
{
    (void)state;
    struct question put_q, get_q;
    struct kv_op put = ask_op(KV_PUT, "0", "there"), get = read_op(KV_GET, "0", MINE);
    struct kv_session session = {ask_session(0, 10), 1, 1};
    ask(&asker, &put_q, 0, &session, &put);
    ask(&asker, &get_q, 0, NULL, &get);
    ask_wait(&get_q);
    assert_int_equal(get_q.status, SF_OK);
    assert_string_equal(get_q.text, "there");
}

/* A holder that is heard of no more. Readers never wait. */
static void a_hold_ends_by_time(void **state)
{
    (void)state;
    struct question held, read, write, other;
    struct kv_op put = ask_op(KV_PUT, "0", "1"), beside = ask_op(KV_PUT, "10", "1");
    struct kv_session session = {ask_session(0, 10), 1, 1}, second = {ask_session(0, 11), 1, 1};
    hold_now("0", MINE, &held);
    ask(&asker, &write, 0, &session, &put);
    assert_int_equal(ask_now(0, &second, &beside, &other), SF_OK);
    struct kv_op get = read_op(KV_GET, "0", 0);
    assert_int_equal(ask_now(0, NULL, &get, &read), SF_NOT_FOUND);
    ask_wait(&write);
    assert_int_equal(write.status, SF_OK);
    assert_in_range(ms_between(&write), KV_HOLD_MS - 100, KV_HOLD_MS + 100);
    assert_true(ms_between(&other) < KV_HOLD_MS / 2 && ms_between(&read) < KV_HOLD_MS / 2);
}

/* The next one waits for who came before it, and sees what that one did. */
static void first_come_is_first_served(void **state)
{
    (void)state;
    struct question first, write, second, change;
    struct kv_op append = ask_op(KV_APPEND, "0", "b"), get = read_op(KV_GET, "0", THEIRS);
    struct kv_op mine = ask_op(KV_APPEND, "0", "a");
    struct kv_session session = {ask_session(0, 10), 1, 1}, other = {ask_session(0, 11), 1, 1};
    mine.hold = MINE;
    hold_now("0", MINE, &first);
    ask(&asker, &write, 0, &session, &append);
    cluster_run_ms(asker.cluster, 20);
    ask(&asker, &second, 0, NULL, &get);
    cluster_run_ms(asker.cluster, 100);
    assert_false(write.answered || second.answered);
    assert_int_equal(ask_now(0, &other, &mine, &change), SF_OK);
    ask_wait(&second);
    assert_true(write.answered);
    assert_string_equal(second.text, "ab");
    assert_true(ms_between(&second) < KV_HOLD_MS);
}

/* It reads on, also other keys, and is in nobody's way but others'. */
static void a_number_passes_what_it_holds(void **state)
{
    (void)state;
    struct question q, write, both;
    struct kv_op append = ask_op(KV_APPEND, "0", "b");
    struct kv_op ops[2] = {ask_op(KV_APPEND, "0", "a"), ask_op(KV_APPEND, "10", "a")};
    struct kv_op mini = {.kind = KV_MINI, .ops = ops, .op_count = 2};
    struct kv_session sessions[3];
    for (unsigned i = 0; i < 3; i++)
        sessions[i] = (struct kv_session){ask_session(0, 10 + i), 1, 1};
    hold_now("0", MINE, &q);
    ask(&asker, &write, 0, &sessions[0], &append);
    ask(&asker, &both, 0, &sessions[1], &mini); /* waits for one, and wants the other */
    cluster_run_ms(asker.cluster, 20);
    hold_now("0", MINE, &q);
    hold_now("10", MINE, &q);
    assert_true(ms_between(&q) < KV_HOLD_MS / 2);
    ops[0].data = ops[1].data = slice_str("-");
    mini.hold = MINE;
    assert_int_equal(ask_now(0, &sessions[2], &mini, &q), SF_OK);
    assert_false(write.answered || both.answered);
    ask_wait(&both);
    ask_expect("0", "-ba");
    ask_expect("10", "-a");
    assert_true(ms_between(&both) < KV_HOLD_MS);
}

/* It reads two keys at once; the one that it asked for first has to wait. */
static void a_number_passes_the_first_of_its_holds(void **state)
{
    (void)state;
    struct question q, first, change;
    struct kv_op get = read_op(KV_GET, "0", MINE), append = ask_op(KV_APPEND, "0", "theirs");
    struct kv_session session = {ask_session(0, 10), 1, 1}, other = {ask_session(0, 11), 1, 1};
    hold_now("0", THEIRS, &q);
    ask(&asker, &first, 0, NULL, &get);
    cluster_run_ms(asker.cluster, 20);
    hold_now("10", MINE, &q);
    append.hold = THEIRS;
    assert_int_equal(ask_now(0, &other, &append, &change), SF_OK);
    ask_wait(&first);
    append.hold = MINE;
    assert_int_equal(ask_now(0, &session, &append, &change), SF_OK);
    assert_true(ms_between(&change) < KV_HOLD_MS / 2);
}

/* A stranger's, which names no session: it is refused, and holds nothing. */
static void only_a_read_takes_a_hold(void **state)
{
    (void)state;
    struct question q, plain, change, write;
    struct kv_op append = ask_op(KV_APPEND, "0", "x");
    struct kv_session none = {0, 1, 1}, session = {ask_session(0, 10), 1, 1};
    (void)ask_now(0, &none, &append, &plain);
    hold_now("0", THEIRS, &q);
    append.hold = MINE;
    ask(&asker, &change, 0, &none, &append);
    ask_wait(&change);
    assert_int_equal(change.status, plain.status);
    append.hold = 0;
    assert_int_equal(ask_now(0, &session, &append, &write), SF_OK);
    assert_true(ms_between(&write) < KV_HOLD_MS / 2);
}

/* -- transactions over shards ------------------------------------------------------------------ */

static char far_key[4];
static const char *pair[2] = {"0", far_key};

static void prepare(const struct plan *plan, size_t i, uint64_t hold, struct question *q)
{
    struct kv_op put = ask_op(KV_PUT, plan->keys[i], "moved");
    struct kv_session session = {plan->numbers[i].session, plan->numbers[i].sequence, 1};
    struct kv_op op = {.kind = KV_PREPARE,
                       .flags = hold != 0 ? KV_WAITS : 0,
                       .ops = &put,
                       .op_count = 1,
                       .numbers = plan->numbers,
                       .number_count = plan->count,
                       .hold = hold};
    ask(&asker, q, plan->numbers[i].shard, &session, &op);
}

static void make_pair(struct plan *plan, unsigned client)
{
    snprintf(far_key, sizeof far_key, "%u", (unsigned)asker_shard_beside(0, false));
    plan_make(plan, client, pair, 2);
}

static void a_prepare_passes_its_hold_and_no_other(void **state)
{
    (void)state;
    struct plan plan, other;
    struct question q, refused, waits;
    make_pair(&plan, 1);
    make_pair(&other, 2);
    hold_now("0", MINE, &q);
    hold_now(far_key, MINE, &q);
    prepare(&other, 0, 0, &refused);
    ask_wait(&refused);
    assert_int_equal(refused.fate, KV_FATE_ABORTED);
    assert_int_equal(refused.status, SF_CONFLICT);
    prepare(&other, 1, THEIRS, &waits);
    cluster_run_ms(asker.cluster, 20);
    for (size_t i = 0; i < 2; i++) {
        prepare(&plan, i, MINE, &q);
        ask_wait(&q);
        assert_int_equal(q.fate, KV_FATE_PREPARED);
    }
    assert_false(waits.answered);
    assert_int_equal(plan_outcome(&plan, 0, true), KV_FATE_COMMITTED);
    assert_int_equal(plan_outcome(&plan, 1, true), KV_FATE_COMMITTED);
    ask_wait(&waits);
    assert_int_equal(waits.fate, KV_FATE_PREPARED);
    assert_true(ms_between(&waits) < KV_HOLD_MS);
}

/* Each holds what the other wants, in shards of two groups. */
static void two_that_cross_wait_no_longer_than_a_hold_stands(void **state)
{
    (void)state;
    struct plan plan;
    struct question mine, theirs;
    make_pair(&plan, 1);
    struct kv_op to_far = read_op(KV_GET, far_key, MINE), to_near = read_op(KV_GET, "0", THEIRS);
    hold_now("0", MINE, &mine);
    hold_now(far_key, THEIRS, &theirs);
    ask(&asker, &mine, asker_shard(far_key), NULL, &to_far);
    ask(&asker, &theirs, 0, NULL, &to_near);
    ask_wait(&mine);
    ask_wait(&theirs);
    assert_true(ms_between(&mine) < KV_HOLD_MS + 100 && ms_between(&theirs) < KV_HOLD_MS + 100);
}

/* -- what ends it early ------------------------------------------------------------------------ */

static void a_hold_ends_with_the_lead(void **state)
{
    (void)state;
    struct question q, write, waits;
    struct kv_op put = ask_op(KV_PUT, "0", "1"), get = read_op(KV_GET, "0", THEIRS);
    struct kv_session session = {ask_session(0, 10), 1, 1};
    struct cluster_group *group = asker_owner(0);
    const struct cluster_node *leader = cluster_leader(group);
    hold_now("0", MINE, &q);
    ask(&asker, &waits, 0, NULL, &get);
    assert_int_equal(
        replica_transfer(leader->replica, group->nodes[leader == &group->nodes[0]].address), SF_OK);
    ask_wait(&waits);
    assert_int_equal(waits.status, SF_NOT_LEADER);
    while (cluster_leader(group) == NULL || cluster_leader(group) == leader)
        assert_true(sim_step(asker.cluster->sim));
    assert_int_equal(ask_now(0, &session, &put, &write), SF_OK);
    assert_true(ms_between(&write) < KV_HOLD_MS / 2);
}

static void a_hold_ends_with_the_shard(void **state)
{
    (void)state;
    struct question q, write, waits;
    struct kv_op put = ask_op(KV_PUT, "0", "1"), get = read_op(KV_GET, "0", THEIRS);
    struct kv_session session = {ask_session(0, 10), 1, 1};
    const struct cluster_group *before = asker_owner(0);
    hold_now("0", MINE, &q);
    assert_true(cluster_move(asker.cluster, 0, before == &asker.cluster->groups[0]));
    while (before->serving[0]) {
        hold_now("0", MINE, &q); /* at the latest now it stands when the shard goes */
        ask(&asker, &waits, 0, NULL, &get);
        ask_wait(&waits);
    }
    assert_int_equal(waits.status, SF_WRONG_GROUP);
    assert_true(cluster_run_until(asker.cluster, cluster_is_settled, 60000));
    assert_int_equal(ask_now(0, &session, &put, &write), SF_OK);
}

static void who_sends_again_takes_its_own_place(void **state)
{
    (void)state;
    struct question q, first, again, last, change;
    struct kv_op get = read_op(KV_GET, "0", THEIRS), append = ask_op(KV_APPEND, "0", "x");
    struct kv_session session = {ask_session(0, 10), 1, 1}, other = {ask_session(0, 11), 1, 1};
    hold_now("0", MINE, &q);
    ask(&asker, &first, 0, NULL, &get);
    cluster_run_ms(asker.cluster, 20);
    ask(&asker, &last, 0, &session, &append);
    cluster_run_ms(asker.cluster, 20);
    ask(&asker, &again, 0, NULL, &get);
    ask_wait(&first);
    assert_int_equal(first.status, SF_BUSY);
    append.hold = MINE;
    append.data = slice_str("mine");
    assert_int_equal(ask_now(0, &other, &append, &change), SF_OK);
    ask_wait(&again);
    assert_string_equal(again.text, "mine");
    ask_wait(&last);
}

static int forget_writers(void **state)
{
    memset(writers, 0, sizeof writers);
    return asker_setup(state);
}
#define HOLD_TEST(test) cmocka_unit_test_setup_teardown(test, forget_writers, asker_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOLD_TEST(a_hold_lets_a_read_and_a_change_through_writers_that_never_pause),
        HOLD_TEST(holds_do_not_keep_writers_out),
        HOLD_TEST(it_sees_what_was_proposed_before),
        HOLD_TEST(a_hold_ends_by_time),
        HOLD_TEST(first_come_is_first_served),
        HOLD_TEST(a_number_passes_what_it_holds),
        HOLD_TEST(a_number_passes_the_first_of_its_holds),
        HOLD_TEST(only_a_read_takes_a_hold),
        HOLD_TEST(a_prepare_passes_its_hold_and_no_other),
        HOLD_TEST(two_that_cross_wait_no_longer_than_a_hold_stands),
        HOLD_TEST(a_hold_ends_with_the_lead),
        HOLD_TEST(a_hold_ends_with_the_shard),
        HOLD_TEST(who_sends_again_takes_its_own_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Waiting for locks, at the leader: one test for each sentence of the design about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "env/memory.h"
#include "shardkv/machine.h"
#include "shardkv/request.h"
#include "shardkv/service.h"
#include "txn/asker.h"
#include "txn/bank.h"

static struct kv_machine *leading_machine(uint32_t shard)
{
    const struct cluster_node *leader = cluster_leader(asker_owner(shard));
    assert_non_null(leader);
    return container_of(leader->machine, struct kv_machine, base);
}

/* Two keys of shards in two groups; the second group may be far away. */
static char far_key[4];
static const char *pair[2] = {"0", far_key};

static void make_pair(void)
{
    snprintf(far_key, sizeof far_key, "%u", (unsigned)asker_shard_beside(0, false));
}

static void run_ms(uint64_t ms)
{
    cluster_run_ms(asker.cluster, ms);
}

/* The first participant holds key "0"; the second has voted too. */
static void hold(struct plan *plan)
{
    make_pair();
    plan_make(plan, 1, pair, 2);
    assert_int_equal(plan_prepare_now(plan, 0, 0), KV_FATE_PREPARED);
    assert_int_equal(plan_prepare_now(plan, 1, 0), KV_FATE_PREPARED);
}

static void let_go(const struct plan *plan, bool commits)
{
    enum kv_fate fate = commits ? KV_FATE_COMMITTED : KV_FATE_ABORTED;
    assert_int_equal(plan_outcome(plan, 0, commits), fate);
    assert_int_equal(plan_outcome(plan, 1, commits), fate);
}

/* A read and a write of key "0". */
struct pair_waiting {
    struct question read, write;
    struct kv_op get, put;
    struct kv_session session;
};

static void two_wait(struct pair_waiting *two)
{
    two->get = ask_op(KV_GET, "0", "");
    two->put = ask_op(KV_PUT, "0", "x");
    two->session = (struct kv_session){ask_session(0, 10), 1, 1};
    ask(&asker, &two->read, 0, NULL, &two->get);
    ask(&asker, &two->write, 0, &two->session, &two->put);
    run_ms(100);
}

static void expect_two(const struct pair_waiting *two, int status)
{
    ask_wait(&two->read);
    ask_wait(&two->write);
    assert_int_equal(two->read.status, status);
    assert_int_equal(two->write.status, status);
}

static void reads_wait_for_exclusive_locks(void **state)
{
    (void)state;
    struct plan plan;
    struct question waits, passes;
    struct kv_op get = ask_op(KV_GET, "0", ""), other = ask_op(KV_GET, "10", "");
    hold(&plan);
    ask(&asker, &waits, 0, NULL, &get);
    assert_int_equal(ask_now(0, NULL, &other, &passes), SF_NOT_FOUND);
    run_ms(1000);
    assert_false(waits.answered);
    let_go(&plan, true);
    ask_wait(&waits);
    assert_int_equal(waits.status, SF_OK);
    assert_string_equal(waits.text, "moved");
}

static void scans_wait_for_exclusive_locks(void **state)
{
    (void)state;
    struct plan plan;
    struct question waits, passes;
    uint32_t shards[2] = {asker_shard_beside(0, true), 0};
    struct kv_op scan = {.kind = KV_SCAN, .length = 10, .shards = shards, .shard_count = 2};
    struct kv_op other = scan;
    other.key = slice_str("7");
    hold(&plan);
    ask(&asker, &waits, 0, NULL, &scan);
    assert_int_equal(ask_now(0, NULL, &other, &passes), SF_OK);
    run_ms(1000);
    assert_false(waits.answered);
    let_go(&plan, false);
    ask_wait(&waits);
    assert_int_equal(waits.status, SF_OK);
}

static void no_reader_waits_for_an_add(void **state)
{
    (void)state;
    struct plan plan;
    struct question q;
    struct kv_op put = ask_op(KV_PUT, "0", ""), get = ask_op(KV_GET, "0", "");
    struct kv_op add = {.kind = KV_ADD, .key = slice_str("0"), .add_count = 1};
    struct kv_session other = {ask_session(0, 9), 1, 1};
    assert_int_equal(ask_now(0, &other, &put, &q), SF_OK);
    make_pair();
    plan_make(&plan, 1, pair, 2);
    plan_prepare(&plan, 0, 0, &add, &q);
    ask_wait(&q);
    assert_int_equal(q.fate, KV_FATE_PREPARED);
    assert_int_equal(ask_now(0, NULL, &get, &q), SF_OK);
    other.sequence = 2;
    assert_int_equal(ask_now(0, &other, &add, &q), SF_OK);
}

/* Appends wait, and with them a Prepare that queues; what comes after that waits for it, too. */
static void first_come_is_first_served(void **state)
{
    (void)state;
    struct plan plan, second;
    struct question before[3], retry, after;
    struct kv_op append = ask_op(KV_APPEND, "0", ""), mark = ask_op(KV_APPEND, "0", "-");
    static const char *const texts[] = {"a", "b", "c"};
    hold(&plan);
    plan_make(&second, 2, pair, 2);
    for (unsigned i = 0; i < 3; i++) {
        struct kv_session session = {ask_session(0, 10 + i), 1, 1};
        append.data = slice_str(texts[i]);
        ask(&asker, &before[i], 0, &session, &append);
        run_ms(20);
    }
    plan_prepare(&second, 0, KV_WAITS, &mark, &retry);
    run_ms(20);
    struct kv_session session = {ask_session(0, 20), 1, 1};
    append.data = slice_str("d");
    ask(&asker, &after, 0, &session, &append);
    run_ms(500);
    assert_false(before[0].answered || retry.answered || after.answered);
    let_go(&plan, true);
    ask_all(before, 3);
    ask_wait(&retry);
    assert_int_equal(retry.fate, KV_FATE_PREPARED);
    run_ms(500);
    assert_false(after.answered);
    assert_int_equal(plan_outcome(&second, 0, true), KV_FATE_COMMITTED);
    ask_wait(&after);
    ask_expect("0", "movedabc-d");
}

/* A first try does not wait; and it does not overtake who does. */
static void who_does_not_wait_comes_after_who_does(void **state)
{
    (void)state;
    struct plan plan, second;
    struct question waits;
    struct kv_op append = ask_op(KV_APPEND, "10", "x");
    struct kv_op ops[2] = {ask_op(KV_PUT, "0", "1"), append};
    struct kv_op mini = {.kind = KV_MINI, .ops = ops, .op_count = 2};
    static const char *const keys[1] = {"10"};
    hold(&plan);
    plan_make(&second, 2, keys, 1);
    struct kv_session session = {ask_session(0, 10), 1, 1};
    ask(&asker, &waits, 0, &session, &mini); /* waits for "0", and wants "10" */
    run_ms(100);
    assert_int_equal(plan_prepare_now(&second, 0, 0), KV_FATE_ABORTED);
    let_go(&plan, true);
    ask_wait(&waits);
    assert_int_equal(waits.status, SF_OK);
}

/* The other group is away, so nobody can find out what is to become of the transaction. */
static void after_10_s_locked(void **state)
{
    (void)state;
    struct plan plan;
    struct pair_waiting two;
    make_pair();
    plan_make(&plan, 1, pair, 2);
    assert_int_equal(plan_prepare_now(&plan, 0, 0), KV_FATE_PREPARED);
    cluster_group_crash(asker_owner(asker_shard(far_key)));
    two_wait(&two);
    expect_two(&two, SF_LOCKED);
    assert_in_range((two.write.answered_ns - two.write.asked_ns) / ENV_MS_NS, 10000, 10100);
    assert_in_range((two.read.answered_ns - two.read.asked_ns) / ENV_MS_NS, 10000, 10100);
    /* And without a trace: the number may be used. */
    cluster_calm(asker.cluster);
    run_ms(15000);
    assert_int_equal(ask_now(0, &two.session, &two.put, &two.write), SF_OK);
}

static void at_most_1024_wait_in_a_shard(void **state)
{
    (void)state;
    static struct question q[LOCK_WAITERS_MAX + 20];
    const size_t count = sizeof q / sizeof q[0], half = count / 2;
    struct asker second = {0};
    struct plan plan;
    struct kv_op get = ask_op(KV_GET, "0", "");
    size_t refused = 0, served = 0;
    asker_more(&second, "second");
    hold(&plan);
    for (size_t i = 0; i < count; i++)
        ask(i < half ? &asker : &second, &q[i], 0, NULL, &get);
    run_ms(1000);
    for (size_t i = 0; i < count; i++)
        refused += q[i].answered && q[i].status == SF_LOCKED;
    assert_int_equal(refused, 20);
    let_go(&plan, true);
    ask_all(q, count);
    for (size_t i = 0; i < count; i++)
        served += q[i].status == SF_OK;
    assert_int_equal(served, LOCK_WAITERS_MAX);
}

/* A write that is in the log before the vote is, so to say, by who did not look: it meets the lock
 * when it is applied. */
static void an_entry_that_meets_a_lock_goes_back_to_its_place(void **state)
{
    (void)state;
    struct plan plan;
    struct question first, later;
    struct buffer body = {0};
    struct kv_op put = ask_op(KV_PUT, "0", "moved");
    struct kv_op append = ask_op(KV_APPEND, "0", "1");
    make_pair();
    plan_make(&plan, 1, pair, 2);
    struct kv_session session = {ask_session(0, 10), 1, 1};
    struct kv_session other = {ask_session(0, 11), 1, 1};
    struct kv_request prepare = {.target = {.shard = 0},
                                 .session = {plan.numbers[0].session, plan.numbers[0].sequence, 1},
                                 .op = {.kind = KV_PREPARE,
                                        .ops = &put,
                                        .op_count = 1,
                                        .numbers = plan.numbers,
                                        .number_count = 2}};
    request_pack(&body, &prepare);
    assert_int_equal(replica_propose(leading_machine(0)->base.replica, buffer_slice(&body), NULL),
                     SF_OK);
    buffer_deinit(&body);
    ask(&asker, &first, 0, &session, &append);
    run_ms(100);
    append.data = slice_str("2");
    ask(&asker, &later, 0, &other, &append);
    run_ms(1000);
    assert_int_equal(plan_prepare_now(&plan, 1, 0), KV_FATE_PREPARED);
    assert_false(first.answered || later.answered);
    let_go(&plan, true);
    ask_wait(&first);
    ask_wait(&later);
    assert_int_equal(first.status, SF_OK);
    ask_expect("0", "moved12");
}

static void a_frozen_shard_answers_wrong_group_to_who_waits(void **state)
{
    (void)state;
    struct plan plan;
    struct pair_waiting two;
    hold(&plan);
    two_wait(&two);
    const struct cluster_group *before = asker_owner(0);
    assert_true(cluster_move(asker.cluster, 0, before == &asker.cluster->groups[0]));
    expect_two(&two, SF_WRONG_GROUP);
    /* The locks went with the shard. */
    assert_true(cluster_run_until(asker.cluster, cluster_is_settled, 60000));
    assert_true(asker_owner(0) != before);
    ask(&asker, &two.write, 0, &two.session, &two.put);
    run_ms(100);
    assert_false(two.write.answered);
    let_go(&plan, true);
    ask_wait(&two.write);
    assert_int_equal(two.write.status, SF_OK);
}

static void who_waits_hears_of_the_end_of_the_lead(void **state)
{
    (void)state;
    struct plan plan;
    struct pair_waiting two;
    hold(&plan);
    two_wait(&two);
    struct cluster_group *group = asker_owner(0);
    const struct cluster_node *leader = cluster_leader(group);
    const struct cluster_node *next = &group->nodes[leader == &group->nodes[0]];
    assert_int_equal(replica_transfer(leader->replica, next->address), SF_OK);
    expect_two(&two, SF_NOT_LEADER);
}

static void votes_and_outcomes_are_never_refused_as_overloaded(void **state)
{
    (void)state;
    struct plan plan;
    struct question q;
    struct kv_op put = ask_op(KV_PUT, "10", "x");
    make_pair();
    plan_make(&plan, 1, pair, 2);
    struct kv_session session = {ask_session(0, 10), 1, 1};
    leading_machine(0)->service->limits.pending_max = 0;
    assert_int_equal(ask_now(0, &session, &put, &q), SF_OVERLOADED);
    assert_int_equal(plan_prepare_now(&plan, 0, 0), KV_FATE_PREPARED);
    assert_int_equal(plan_ask(&plan, 0), KV_FATE_PREPARED);
    assert_int_equal(plan_outcome(&plan, 0, false), KV_FATE_ABORTED);
}

static void who_sends_again_takes_his_own_place(void **state)
{
    (void)state;
    struct plan plan;
    struct question first, again, last;
    struct kv_op append = ask_op(KV_APPEND, "0", "1"), second = ask_op(KV_APPEND, "0", "2");
    hold(&plan);
    struct kv_session session = {ask_session(0, 10), 1, 1}, other = {ask_session(0, 11), 1, 1};
    ask(&asker, &first, 0, &session, &append);
    run_ms(50);
    ask(&asker, &last, 0, &other, &second);
    run_ms(50);
    ask(&asker, &again, 0, &session, &append);
    ask_wait(&first);
    assert_int_equal(first.status, SF_BUSY);
    let_go(&plan, true);
    ask_wait(&again);
    ask_wait(&last);
    ask_expect("0", "moved12");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ASKER_TEST(reads_wait_for_exclusive_locks),
        ASKER_TEST(scans_wait_for_exclusive_locks),
        ASKER_TEST(no_reader_waits_for_an_add),
        ASKER_TEST(first_come_is_first_served),
        ASKER_TEST(who_does_not_wait_comes_after_who_does),
        ASKER_TEST(after_10_s_locked),
        ASKER_TEST(at_most_1024_wait_in_a_shard),
        ASKER_TEST(an_entry_that_meets_a_lock_goes_back_to_its_place),
        ASKER_TEST(a_frozen_shard_answers_wrong_group_to_who_waits),
        ASKER_TEST(who_waits_hears_of_the_end_of_the_lead),
        ASKER_TEST(votes_and_outcomes_are_never_refused_as_overloaded),
        ASKER_TEST(who_sends_again_takes_his_own_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

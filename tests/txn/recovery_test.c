/* Transactions that nobody goes on with, and what the leaders of their participants make of them:
 * one test for each sentence of the design about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "txn/asker.h"
#include "txn/bank.h"

#define SETTLE_MS 60000u

static char far_key[4];
static const char *pair[2] = {"0", far_key};

static void make(struct plan *plan)
{
    snprintf(far_key, sizeof far_key, "%u", (unsigned)asker_shard_beside(0, false));
    plan_make(plan, 1, pair, 2);
}

static void run_ms(uint64_t ms)
{
    cluster_run_ms(asker.cluster, ms);
}

static void expect_both(const char *value)
{
    ask_expect(pair[0], value);
    ask_expect(pair[1], value);
}

static void expect_clean(void)
{
    assert_true(cluster_run_until(asker.cluster, bank_is_clean, SETTLE_MS));
}

static void whoever_finds_all_prepared_commits(void **state)
{
    (void)state;
    struct plan plan;
    make(&plan);
    assert_int_equal(plan_prepare_now(&plan, 0, 0), KV_FATE_PREPARED);
    assert_int_equal(plan_prepare_now(&plan, 1, 0), KV_FATE_PREPARED);
    run_ms(4000);
    assert_int_equal(plan_ask(&plan, 0), KV_FATE_PREPARED);
    run_ms(4000);
    expect_both("moved");
    expect_clean();
    assert_int_equal(plan_prepare_now(&plan, 0, 0), KV_FATE_COMMITTED);
}

static void one_that_has_not_voted_logs_a_no_and_all_abort(void **state)
{
    (void)state;
    struct plan plan;
    make(&plan);
    assert_int_equal(plan_prepare_now(&plan, 1, 0), KV_FATE_PREPARED);
    run_ms(8000);
    assert_int_equal(plan_ask(&plan, 1), KV_FATE_ABORTED);
    assert_int_equal(plan_prepare_now(&plan, 0, 0), KV_FATE_ABORTED); /* it comes later */
    expect_both(NULL);
    expect_clean();
}

/* The client told one of the two, and was gone. */
static void an_outcome_that_only_one_heard_reaches_all(void **state)
{
    (void)state;
    for (unsigned commits = 0; commits < 2; commits++) {
        struct plan plan;
        snprintf(far_key, sizeof far_key, "%u", (unsigned)asker_shard_beside(0, false));
        plan_make(&plan, 1 + commits, pair, 2);
        assert_int_equal(plan_prepare_now(&plan, 0, 0), KV_FATE_PREPARED);
        if (commits)
            assert_int_equal(plan_prepare_now(&plan, 1, 0), KV_FATE_PREPARED);
        else
            assert_int_equal(plan_ask(&plan, 1), KV_FATE_ABORTED);
        (void)plan_outcome(&plan, 0, commits);
        run_ms(8000);
        expect_both(commits ? "moved" : NULL);
        expect_clean();
    }
}

static void a_reader_that_waits_gets_the_stale_one_finished(void **state)
{
    (void)state;
    struct plan plan;
    struct question read;
    struct kv_op get = ask_op(KV_GET, pair[0], "");
    make(&plan);
    assert_int_equal(plan_prepare_now(&plan, 0, 0), KV_FATE_PREPARED);
    assert_int_equal(plan_prepare_now(&plan, 1, 0), KV_FATE_PREPARED);
    ask(&asker, &read, 0, NULL, &get);
    ask_wait(&read);
    assert_int_equal(read.status, SF_OK);
    assert_string_equal(read.text, "moved");
    assert_in_range((read.answered_ns - read.asked_ns) / ENV_MS_NS, 4000, 7000);
}

static void it_is_finished_also_when_its_shard_moved(void **state)
{
    (void)state;
    struct plan plan;
    make(&plan);
    assert_int_equal(plan_prepare_now(&plan, 0, 0), KV_FATE_PREPARED);
    assert_int_equal(plan_prepare_now(&plan, 1, 0), KV_FATE_PREPARED);
    bool to = asker_owner(0) == &asker.cluster->groups[0];
    assert_true(cluster_move(asker.cluster, 0, to));
    assert_true(cluster_move(asker.cluster, asker_shard(far_key), !to));
    assert_true(cluster_run_until(asker.cluster, cluster_is_settled, SETTLE_MS));
    run_ms(8000);
    expect_both("moved");
    expect_clean();
}

static void it_is_finished_also_when_all_crashed(void **state)
{
    (void)state;
    struct plan plan;
    make(&plan);
    assert_int_equal(plan_prepare_now(&plan, 0, 0), KV_FATE_PREPARED);
    assert_int_equal(plan_prepare_now(&plan, 1, 0), KV_FATE_PREPARED);
    cluster_group_crash(&asker.cluster->groups[0]);
    cluster_group_crash(&asker.cluster->groups[1]);
    run_ms(100);
    cluster_calm(asker.cluster);
    run_ms(15000);
    expect_both("moved");
    expect_clean();
}

/* It may be that all voted: nothing can be done until the one that is away says so. */
static void nobody_decides_to_abort(void **state)
{
    (void)state;
    struct plan plan;
    make(&plan);
    struct cluster_group *away = asker_owner(asker_shard(far_key));
    assert_int_equal(plan_prepare_now(&plan, 0, 0), KV_FATE_PREPARED);
    assert_int_equal(plan_prepare_now(&plan, 1, 0), KV_FATE_PREPARED);
    cluster_group_crash(away);
    run_ms(60000);
    assert_int_equal(plan_ask(&plan, 0), KV_FATE_PREPARED);
    cluster_group_start(away);
    run_ms(30000);
    expect_both("moved");
    expect_clean();
}

/* Two who go on at the same time, one of them late with everything. */
static void two_coordinators_may_race(void **state)
{
    (void)state;
    struct plan plan;
    make(&plan);
    assert_int_equal(plan_prepare_now(&plan, 0, 0), KV_FATE_PREPARED);
    assert_int_equal(plan_prepare_now(&plan, 1, 0), KV_FATE_PREPARED);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(plan_ask(&plan, i), KV_FATE_PREPARED);
    run_ms(8000); /* the leaders were faster, and it is forgotten */
    expect_clean();
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(plan_outcome(&plan, i, true), KV_FATE_COMMITTED);
        assert_int_equal(plan_prepare_now(&plan, i, 0), KV_FATE_COMMITTED);
    }
    expect_both("moved");
    expect_clean();
}

/* A Prepare that comes when all is over, at a participant that only the outcome had reached. */
static void a_prepare_that_comes_after_the_abort_goes_away(void **state)
{
    (void)state;
    struct plan plan;
    make(&plan);
    assert_int_equal(plan_ask(&plan, 0), KV_FATE_ABORTED);
    assert_int_equal(plan_outcome(&plan, 1, false), KV_FATE_NONE);
    assert_int_equal(plan_prepare_now(&plan, 1, 0), KV_FATE_PREPARED);
    run_ms(8000);
    expect_both(NULL);
    expect_clean();
}

/* It could never be asked. */
static void a_participant_that_is_no_shard_is_refused(void **state)
{
    (void)state;
    struct plan plan;
    struct question q;
    make(&plan);
    plan.numbers[1].shard = CLUSTER_SHARDS;
    plan_prepare(&plan, 0, 0, NULL, &q);
    ask_wait(&q);
    assert_int_equal(q.status, SF_INVALID);
    assert_int_equal(q.fate, KV_FATE_NONE);
    expect_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ASKER_TEST(whoever_finds_all_prepared_commits),
        ASKER_TEST(one_that_has_not_voted_logs_a_no_and_all_abort),
        ASKER_TEST(an_outcome_that_only_one_heard_reaches_all),
        ASKER_TEST(a_reader_that_waits_gets_the_stale_one_finished),
        ASKER_TEST(it_is_finished_also_when_its_shard_moved),
        ASKER_TEST(it_is_finished_also_when_all_crashed),
        ASKER_TEST(nobody_decides_to_abort),
        ASKER_TEST(two_coordinators_may_race),
        ASKER_TEST(a_prepare_that_comes_after_the_abort_goes_away),
        ASKER_TEST(a_participant_that_is_no_shard_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

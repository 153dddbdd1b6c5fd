/* Which engine a group runs on: chosen when it is created, the same for all its replicas. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "replica/toy.h"
#include "sim/seeds.h"

static struct stage *stage_of_three(void)
{
    const struct stage_options options = {.count = 3,
                                          .make = toy_new,
                                          .booted = toy_load_begin,
                                          .halting = toy_load_end,
                                          .flush_ms = 200,
                                          .slack_bytes = 1024,
                                          .chunk_bytes = 2000};
    return stage_new(1, &options);
}

static void choose(const char *engine)
{
    assert_true(seeds_choose_engine(engine));
}

static void a_name_is_one_of_two(void **state)
{
    static const char *const unknown[] = {"", "Raft", "raft ", "multipaxos", "zab"};
    enum consensus_engine engine = CONSENSUS_RAFT;
    (void)state;
    assert_true(consensus_engine_parse("paxos", &engine));
    assert_int_equal(engine, CONSENSUS_PAXOS);
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        assert_false(consensus_engine_parse(unknown[i], &engine));
    assert_int_equal(engine, CONSENSUS_PAXOS); /* untouched */
}

static void a_directory_keeps_its_engine(void **state)
{
    (void)state;
    static const char *const engines[] = {"raft", "paxos"};
    for (size_t i = 0; i < 2; i++) {
        struct stage *stage = stage_of_three();
        char expected[80];
        choose(engines[i]);
        stage_start_all(stage);
        assert_non_null(stage_wait_leader(stage, 10000));
        sim_node_stop(stage->nodes[0].node);
        choose(engines[1 - i]);
        sim_node_start(stage->nodes[0].node);
        assert_null(stage->nodes[0].replica);
        snprintf(expected, sizeof expected, "was created with engine %s, not %s", engines[i],
                 engines[1 - i]);
        assert_non_null(strstr(stage->nodes[0].refusal, expected));
        stage_free(stage);
    }
    choose("raft");
}

static void both_engines_do_the_same_work(void **state)
{
    (void)state;
    static const char *const engines[] = {"raft", "paxos"};
    for (size_t i = 0; i < 2; i++) {
        struct stage *stage = stage_of_three();
        choose(engines[i]);
        stage_start_all(stage);
        assert_non_null(stage_wait_leader(stage, 10000));
        sim_run_ns(stage->sim, 5 * ENV_SECOND_NS);
        assert_true(stage->applied_max > 100);
        assert_true(stage_wait_settled(stage, stage->applied_max, 30000));
        stage_free(stage);
    }
    choose("raft");
}

/* Two that agree are a majority and serve; the third is not heard and hears nobody. */
static void a_replica_of_another_engine_takes_no_part(void **state)
{
    (void)state;
    struct stage *stage = stage_of_three();
    sim_node_start(stage->nodes[0].node);
    choose("paxos");
    sim_node_start(stage->nodes[1].node);
    sim_node_start(stage->nodes[2].node);
    struct stage_node *leader = stage_wait_leader(stage, 10000);
    assert_non_null(leader);
    sim_run_ns(stage->sim, 10 * ENV_SECOND_NS);
    assert_true(leader->position > 0);
    assert_int_equal(replica_applied(stage->nodes[0].replica), 0);
    assert_true(replica_applied(stage->nodes[1].replica) > 0);
    assert_true(replica_applied(stage->nodes[2].replica) > 0);
    stage_free(stage);
    choose("raft");
}

/* Alone on its engine, none is a majority. */
static void nothing_is_agreed_on_where_no_majority_is_of_one_engine(void **state)
{
    (void)state;
    struct stage *stage = stage_of_three();
    sim_node_start(stage->nodes[0].node);
    choose("paxos");
    sim_node_start(stage->nodes[1].node);
    assert_null(stage_wait_leader(stage, 10000));
    stage_free(stage);
    choose("raft");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_one_of_two),
        cmocka_unit_test(a_directory_keeps_its_engine),
        cmocka_unit_test(both_engines_do_the_same_work),
        cmocka_unit_test(a_replica_of_another_engine_takes_no_part),
        cmocka_unit_test(nothing_is_agreed_on_where_no_majority_is_of_one_engine),
    };
    choose("raft");
    return cmocka_run_group_tests(tests, NULL, NULL);
}

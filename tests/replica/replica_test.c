/* What a group of replicas does in single, scripted situations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "replica/applied.h"
#include "replica/inside.h"
#include "replica/toy.h"

static struct stage_options calm_options(size_t count)
{
    return (struct stage_options){.count = count,
                                  .make = toy_new,
                                  .booted = toy_load_begin,
                                  .halting = toy_load_end,
                                  .flush_ms = 200,
                                  .slack_bytes = 1024,
                                  .chunk_bytes = 2000};
}

static struct stage *stage_up(uint64_t seed, const struct stage_options *options)
{
    struct stage *stage = stage_new(seed, options);
    stage_start_all(stage);
    assert_non_null(stage_wait_leader(stage, 10000));
    return stage;
}

static void run_ms(struct stage *stage, uint64_t ms)
{
    sim_run_ns(stage->sim, ms * ENV_MS_NS);
}

static void isolate(struct stage *stage, const struct stage_node *node)
{
    for (size_t i = 0; i < stage->options.count; i++) {
        if (&stage->nodes[i] == node)
            continue;
        sim_cut(stage->sim, stage->nodes[i].node, node->node);
        sim_cut(stage->sim, node->node, stage->nodes[i].node);
    }
}

static struct stage_node *some_follower(struct stage *stage)
{
    struct stage_node *leader = stage_wait_leader(stage, 10000);
    assert_non_null(leader);
    return &stage->nodes[(leader->position + 1) % stage->options.count];
}

static void settle(struct stage *stage)
{
    assert_true(stage_wait_settled(stage, stage->applied_max, 30000));
}

/* -- life ---------------------------------------------------------------------------------- */

static void one_replica_serves_alone_and_comes_back(void **state)
{
    struct stage_options options = calm_options(1);
    struct stage *stage = stage_up(1, &options);
    (void)state;
    run_ms(stage, 2000);
    uint64_t before = stage->applied_max;
    assert_true(before > 50);
    sim_node_crash(stage->nodes[0].node);
    sim_node_start(stage->nodes[0].node);
    assert_null(stage->nodes[0].refusal);
    settle(stage);
    run_ms(stage, 500);
    assert_true(stage->applied_max > before);
    stage_free(stage);
}

static void all_crash_at_once_and_nothing_is_lost(void **state)
{
    struct stage_options options = calm_options(3);
    struct stage *stage = stage_up(2, &options);
    (void)state;
    for (int round = 0; round < 5; round++) {
        run_ms(stage, 700);
        uint64_t before = stage->applied_max;
        for (size_t i = 0; i < 3; i++)
            sim_node_crash(stage->nodes[i].node);
        stage_start_all(stage);
        assert_non_null(stage_wait_leader(stage, 10000));
        assert_true(stage_wait_settled(stage, before, 30000));
    }
    stage_free(stage);
}

static void leadership_moves_to_the_named_replica(void **state)
{
    struct stage_options options = calm_options(3);
    struct stage *stage = stage_up(3, &options);
    struct stage_node *leader = stage_leader(stage), *next = some_follower(stage);
    (void)state;
    assert_int_equal(replica_transfer(leader->replica, "n9:1"), SF_INVALID);
    assert_int_equal(replica_transfer(leader->replica, next->address), SF_OK);
    run_ms(stage, 300);
    assert_ptr_equal(stage_leader(stage), next);
    assert_true(toy_leads(next->machine));
    assert_false(toy_leads(leader->machine));
    assert_string_equal(replica_leader_address(leader->replica), next->address);
    assert_int_equal(replica_transfer(leader->replica, leader->address), SF_NOT_LEADER);
    stage_free(stage);
}

static void a_follower_refuses_proposals_and_reads(void **state)
{
    struct stage_options options = calm_options(3);
    struct stage *stage = stage_up(4, &options);
    struct stage_node *follower = some_follower(stage);
    struct replica_read read = {0};
    (void)state;
    assert_int_equal(replica_propose(follower->replica, slice_str("x"), NULL), SF_NOT_LEADER);
    assert_int_equal(replica_read(follower->replica, &read), SF_NOT_LEADER);
    assert_int_equal(replica_admits(follower->replica), SF_NOT_LEADER);
    stage_free(stage);
}

static void a_body_above_the_limit_is_refused(void **state)
{
    struct stage_options options = calm_options(1);
    struct stage *stage = stage_up(5, &options);
    struct buffer body = {0};
    (void)state;
    toy_body(&body, 1, 4u << 20, 'x');
    assert_int_equal(replica_propose(stage_leader(stage)->replica, buffer_slice(&body), NULL),
                     SF_TOO_BIG);
    buffer_deinit(&body);
    stage_free(stage);
}

struct watched_read {
    struct replica_read read;
    struct replica *replica;
    bool done;
};

static void on_watched_read(struct replica_read *read, int status)
{
    struct watched_read *watched = container_of(read, struct watched_read, read);
    assert_int_equal(status, SF_OK);
    assert_true(replica_applied(watched->replica) >= read->index);
    watched->done = true;
}

static bool commits_more_than_it_applied(void *ctx)
{
    const struct stage_node *node = ctx;
    struct consensus_status status;
    replica_consensus_status(node->replica, &status);
    return status.commit > replica_applied(node->replica) + 1;
}

static bool is_done(void *ctx)
{
    return ((struct watched_read *)ctx)->done;
}

static void a_read_waits_for_what_was_committed_before_it(void **state)
{
    struct stage_options options = calm_options(3);
    struct stage *stage = stage_up(11, &options);
    struct stage_node *leader = stage_leader(stage);
    struct watched_read watched = {.read = {.on_done = on_watched_read},
                                   .replica = leader->replica};
    struct buffer body = {0};
    (void)state;
    toy_body(&body, 1, 200u << 10, 'x');
    for (int i = 0; i < 20; i++)
        assert_int_equal(replica_propose(leader->replica, buffer_slice(&body), NULL), SF_OK);
    assert_true(sim_run_until(stage->sim, commits_more_than_it_applied, leader, ENV_SECOND_NS));
    assert_int_equal(replica_read(leader->replica, &watched.read), SF_OK);
    assert_false(watched.done);
    assert_true(sim_run_until(stage->sim, is_done, &watched, ENV_SECOND_NS));
    buffer_deinit(&body);
    stage_free(stage);
}

/* -- snapshots ----------------------------------------------------------------------------- */

static void a_follower_that_was_away_gets_a_snapshot(void **state)
{
    struct stage_options options = calm_options(3);
    struct stage *stage = stage_up(6, &options);
    struct stage_node *away = some_follower(stage);
    (void)state;
    isolate(stage, away);
    run_ms(stage, 3000);
    sim_heal_all(stage->sim);
    settle(stage);
    assert_true(stage->installs > 0);
    sim_node_crash(away->node);
    sim_node_start(away->node);
    assert_null(away->refusal);
    settle(stage);
    stage_free(stage);
}

static void an_install_survives_a_crash_at_any_moment(void **state)
{
    struct stage_options options = calm_options(3);
    uint64_t installs = 0;
    (void)state;
    for (uint64_t seed = 100; seed < 160; seed++) {
        struct stage *stage = stage_up(seed, &options);
        struct stage_node *away = some_follower(stage);
        isolate(stage, away);
        run_ms(stage, 2000);
        sim_heal_all(stage->sim);
        sim_run_ns(stage->sim, sim_random_below(stage->sim, 300 * ENV_MS_NS));
        sim_node_crash(away->node);
        sim_node_start(away->node);
        assert_null(away->refusal);
        settle(stage);
        installs += stage->installs;
        stage_free(stage);
    }
    assert_true(installs >= 60);
}

/* Puts another applied record into the store of a node that is down. */
static void write_applied(struct stage_node *node, const struct applied *applied)
{
    struct store *store = store_memory_open(sim_node_image(node->node));
    struct space space = applied_space(store, 1, 1);
    struct store_batch *batch = store_batch_new(&space);
    applied_put(batch, 1, applied);
    assert_int_equal(store_write(store, batch), SF_OK);
    assert_int_equal(store_flush(store), SF_OK);
    store_batch_free(batch);
    store_close(store);
}

static void a_store_behind_the_log_asks_for_a_snapshot(void **state)
{
    struct stage_options options = calm_options(3);
    struct stage *stage = stage_up(7, &options);
    struct stage_node *node = some_follower(stage);
    (void)state;
    run_ms(stage, 2000);
    sim_node_crash(node->node);
    faulty_store_lose(node->node);
    sim_node_start(node->node);
    assert_null(node->refusal);
    assert_int_equal(replica_applied(node->replica), 0);
    settle(stage);
    assert_true(stage->installs > 0);
    stage_free(stage);
}

static void a_store_ahead_of_the_log_is_damage(void **state)
{
    struct stage_options options = calm_options(3);
    struct stage *stage = stage_up(8, &options);
    struct stage_node *node = some_follower(stage);
    (void)state;
    run_ms(stage, 500);
    sim_node_stop(node->node);
    write_applied(node, &(struct applied){.generation = 1, .index = 1000000, .term = 1});
    sim_node_start(node->node);
    assert_null(node->replica);
    assert_non_null(strstr(node->refusal, "is damaged: its store is at entry 1000000"));
    stage_free(stage);
}

static void a_follower_that_lags_a_little_gets_the_log(void **state)
{
    struct stage_options options = calm_options(3);
    options.slack_bytes = 8192;
    struct stage *stage = stage_up(3, &options);
    struct stage_node *slow = some_follower(stage);
    (void)state;
    for (int round = 0; round < 5; round++) {
        isolate(stage, slow);
        run_ms(stage, 600);
        sim_heal_all(stage->sim);
        settle(stage);
    }
    assert_int_equal(stage->installs, 0);
    stage_free(stage);
}

static void a_store_behind_the_log_of_a_group_of_one_is_damage(void **state)
{
    struct stage_options options = calm_options(1);
    struct stage *stage = stage_up(13, &options);
    (void)state;
    run_ms(stage, 2000);
    sim_node_stop(stage->nodes[0].node);
    faulty_store_lose(stage->nodes[0].node);
    sim_node_start(stage->nodes[0].node);
    assert_null(stage->nodes[0].replica);
    assert_non_null(strstr(stage->nodes[0].refusal, "is damaged: its store is at entry 0"));
    stage_free(stage);
}

/* Whoever wins the election: two of three have to give the lead to the third. */
static void who_lost_its_store_does_not_keep_the_lead(void **state)
{
    struct stage_options options = calm_options(3);
    (void)state;
    for (uint64_t seed = 200; seed < 210; seed++) {
        struct stage *stage = stage_up(seed, &options);
        run_ms(stage, 2000);
        for (size_t i = 0; i < 3; i++)
            sim_node_stop(stage->nodes[i].node);
        faulty_store_lose(stage->nodes[0].node);
        faulty_store_lose(stage->nodes[1].node);
        stage_start_all(stage);
        assert_non_null(stage_wait_leader(stage, 20000));
        settle(stage);
        assert_true(stage->installs >= 2);
        stage_free(stage);
    }
}

/* -- full disks ---------------------------------------------------------------------------- */

static void a_full_disk_stops_admission_until_there_is_space(void **state)
{
    struct stage_options options = calm_options(3);
    struct stage *stage = stage_up(9, &options);
    struct stage_node *leader = stage_leader(stage);
    (void)state;
    assert_int_equal(replica_admits(leader->replica), SF_OK);
    sim_disk_fill(some_follower(stage)->node, true);
    run_ms(stage, 3000);
    leader = stage_wait_leader(stage, 10000);
    assert_non_null(leader);
    assert_int_equal(replica_admits(leader->replica), SF_NO_SPACE);
    for (size_t i = 0; i < 3; i++)
        sim_disk_fill(stage->nodes[i].node, false);
    run_ms(stage, 8000);
    leader = stage_wait_leader(stage, 10000);
    assert_non_null(leader);
    assert_int_equal(replica_admits(leader->replica), SF_OK);
    settle(stage);
    stage_free(stage);
}

static void a_full_store_keeps_its_batch_and_goes_on(void **state)
{
    struct stage_options options = calm_options(3);
    struct stage *stage = stage_up(12, &options);
    struct stage_node *leader = stage_leader(stage);
    (void)state;
    for (size_t i = 0; i < 3; i++)
        stage->nodes[i].faulty.full = true;
    run_ms(stage, 3000);
    uint64_t applied = replica_applied(leader->replica);
    assert_ptr_equal(stage_leader(stage), leader);
    assert_int_equal(replica_admits(leader->replica), SF_NO_SPACE);
    for (size_t i = 0; i < 3; i++)
        stage->nodes[i].faulty.full = false;
    run_ms(stage, 3000);
    assert_true(replica_applied(leader->replica) > applied);
    assert_int_equal(replica_admits(leader->replica), SF_OK);
    settle(stage);
    stage_free(stage);
}

static void propose_megabytes(struct stage *stage, struct stage_node *leader, int count,
                              uint64_t pause_ms)
{
    struct buffer body = {0};
    toy_body(&body, 1, 1u << 20, 'x');
    for (int i = 0; i < count; i++) {
        assert_int_equal(replica_propose(leader->replica, buffer_slice(&body), NULL), SF_OK);
        run_ms(stage, pause_ms);
    }
    buffer_deinit(&body);
}

static size_t log_bytes(const struct stage_node *node)
{
    struct consensus_status status;
    replica_consensus_status(node->replica, &status);
    return status.log_bytes;
}

/* A leader that is cut off with much that nobody else has may hold more than the bound, and none of
 * it goes by itself. It must still take its successor's. */
static void who_led_with_a_long_log_follows_again(void **state)
{
    struct stage_options options = calm_options(3);
    options.booted = NULL;
    options.halting = NULL;
    options.slack_bytes = 4u << 20;
    options.log_bytes_max = 12u << 20;
    struct stage *stage = stage_up(18, &options);
    struct stage_node *old = stage_leader(stage), *away = some_follower(stage);
    struct stage_node *other = &stage->nodes[3 - old->position - away->position];
    (void)state;
    isolate(stage, away);
    propose_megabytes(stage, old, 26, 50);
    run_ms(stage, 1000);
    sim_heal_all(stage->sim);
    isolate(stage, old);
    propose_megabytes(stage, old, 15, 1);
    assert_true(log_bytes(old) > 12u << 20);
    run_ms(stage, 5000);
    struct stage_node *leader = stage_wait_leader(stage, 10000);
    assert_ptr_not_equal(leader, old);
    sim_node_crash(leader == away ? other->node : away->node);
    sim_heal_all(stage->sim);
    uint64_t applied = replica_applied(leader->replica);
    propose_megabytes(stage, leader, 1, 5000);
    assert_true(replica_applied(leader->replica) > applied);
    stage_free(stage);
}

/* What is applied goes from memory before a flush; the log on disk keeps it, and a restart reads it
 * there. */
static void what_is_applied_need_not_stand_in_memory(void **state)
{
    struct stage_options options = calm_options(3);
    options.flush_ms = 3600000;
    options.slack_bytes = 1u << 20;
    struct stage *stage = stage_up(19, &options);
    struct stage_node *leader = stage_leader(stage);
    (void)state;
    propose_megabytes(stage, leader, 7, 50);
    settle(stage);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(stage->nodes[i].replica->durable, 0);
        assert_true(log_bytes(&stage->nodes[i]) <= 3u << 20);
        assert_true(wal_live_bytes(stage->nodes[i].host->wal) > 7u << 20);
    }
    for (size_t i = 0; i < 3; i++)
        sim_node_crash(stage->nodes[i].node);
    for (size_t i = 0; i < 3; i++)
        sim_node_start(stage->nodes[i].node);
    settle(stage);
    stage_free(stage);
}

/* What stood in the log for a follower that lags stands there after a restart. */
static void a_restart_keeps_the_log_for_a_follower_that_lags(void **state)
{
    struct stage_options options = calm_options(3);
    options.slack_bytes = 4u << 20;
    struct stage *stage = stage_up(21, &options);
    struct stage_node *slow = some_follower(stage);
    (void)state;
    isolate(stage, slow);
    propose_megabytes(stage, stage_leader(stage), 1, 1000);
    for (size_t i = 0; i < 3; i++)
        if (&stage->nodes[i] != slow)
            assert_true(stage->nodes[i].replica->durable > 0);
    for (size_t i = 0; i < 3; i++)
        if (&stage->nodes[i] != slow)
            sim_node_crash(stage->nodes[i].node);
    for (size_t i = 0; i < 3; i++)
        if (&stage->nodes[i] != slow)
            sim_node_start(stage->nodes[i].node);
    run_ms(stage, 5000);
    sim_heal_all(stage->sim);
    settle(stage);
    assert_int_equal(stage->installs, 0);
    stage_free(stage);
}

/* A follower that was away is sent the log from its leader's disk: memory keeps the slack. */
static void a_follower_away_gets_the_log_from_disk(void **state)
{
    struct stage_options options = calm_options(3);
    options.slack_bytes = 1u << 20;
    options.lag_bytes = 64u << 20;
    struct stage *stage = stage_up(20, &options);
    struct stage_node *leader = stage_leader(stage), *away = some_follower(stage);
    (void)state;
    isolate(stage, away);
    for (int i = 0; i < 20; i++) {
        propose_megabytes(stage, leader, 1, 50);
        assert_true(log_bytes(leader) <= 4u << 20);
    }
    run_ms(stage, 1000);
    assert_true(wal_live_bytes(leader->host->wal) > 20u << 20);
    sim_heal_all(stage->sim);
    settle(stage);
    assert_int_equal(stage->installs, 0);
    run_ms(stage, 2000);
    assert_true(wal_live_bytes(leader->host->wal) < 5u << 20);
    stage_free(stage);
}

/* It goes when the follower has it, also when nobody writes any more. */
static void the_log_for_a_follower_goes_by_itself(void **state)
{
    struct stage_options options = calm_options(3);
    options.booted = NULL;
    options.halting = NULL;
    options.slack_bytes = 1u << 20;
    options.lag_bytes = 64u << 20;
    struct stage *stage = stage_up(23, &options);
    struct stage_node *leader = stage_leader(stage);
    (void)state;
    isolate(stage, some_follower(stage));
    propose_megabytes(stage, leader, 10, 50);
    run_ms(stage, 1000);
    assert_true(wal_live_bytes(leader->host->wal) > 10u << 20);
    sim_heal_all(stage->sim);
    run_ms(stage, 5000);
    assert_true(wal_live_bytes(leader->host->wal) < 3u << 20);
    stage_free(stage);
}

/* The same after everybody has begun again: what is in the store is not read into memory. */
static void a_restart_leaves_the_log_on_disk(void **state)
{
    struct stage_options options = calm_options(3);
    options.slack_bytes = 1u << 20;
    options.lag_bytes = 64u << 20;
    struct stage *stage = stage_up(22, &options);
    struct stage_node *leader = stage_leader(stage), *away = some_follower(stage);
    (void)state;
    isolate(stage, away);
    propose_megabytes(stage, leader, 20, 50);
    run_ms(stage, 1000);
    sim_node_crash(leader->node);
    sim_node_start(leader->node);
    assert_true(log_bytes(leader) <= 1u << 20);
    assert_true(wal_live_bytes(leader->host->wal) > 20u << 20);
    sim_heal_all(stage->sim);
    settle(stage);
    stage_free(stage);
}

/* But within a bound. */
static void the_log_for_a_follower_away_is_bounded(void **state)
{
    struct stage_options options = calm_options(3);
    options.slack_bytes = 1u << 20;
    options.lag_bytes = 5u << 20;
    struct stage *stage = stage_up(20, &options);
    struct stage_node *leader = stage_leader(stage);
    (void)state;
    isolate(stage, some_follower(stage));
    for (int i = 0; i < 20; i++) {
        propose_megabytes(stage, leader, 1, 1000);
        assert_true(wal_live_bytes(leader->host->wal) <= 8u << 20);
    }
    sim_heal_all(stage->sim);
    settle(stage);
    assert_true(stage->installs > 0);
    stage_free(stage);
}

/* Reads are served while one disk is full, also that of who leads. */
static void who_has_a_full_disk_gives_the_lead_away(void **state)
{
    struct stage_options options = calm_options(3);
    (void)state;
    for (int of_log = 0; of_log < 2; of_log++) {
        struct stage *stage = stage_up(17, &options);
        struct stage_node *full = stage_leader(stage);
        struct watched_read watched = {.read = {.on_done = on_watched_read}};
        sim_disk_fill(full->node, of_log);
        full->faulty.full = !of_log;
        run_ms(stage, 8000);
        struct stage_node *leader = stage_wait_leader(stage, 10000);
        assert_non_null(leader);
        assert_ptr_not_equal(leader, full);
        /* Who cannot even note the new term is as good as dead; else it is heard. */
        assert_int_equal(replica_admits(leader->replica), of_log ? SF_OK : SF_NO_SPACE);
        watched.replica = leader->replica;
        assert_int_equal(replica_read(leader->replica, &watched.read), SF_OK);
        assert_true(sim_run_until(stage->sim, is_done, &watched, ENV_SECOND_NS));
        sim_disk_fill(full->node, false);
        full->faulty.full = false;
        settle(stage);
        stage_free(stage);
    }
}

static bool is_stalled(void *ctx)
{
    const struct stage_node *node = ctx;
    return node->replica->stalled != SF_OK;
}

/* Runs until the store was full when it had to take an entry that may not wait. */
static void stall_with_a_staged_head(struct stage *stage, struct stage_node *node)
{
    while (!node->replica->head_staged) {
        node->faulty.full = false;
        run_ms(stage, 1500);
        assert_int_equal(replica_settle(node->replica), SF_OK);
        node->faulty.full = true;
        assert_true(sim_run_until(stage->sim, is_stalled, node, 10 * ENV_SECOND_NS));
    }
    node->faulty.full = false;
}

/* What is written may be ahead of what is applied, between the retry of a write and the rest of its
 * turn. A snapshot that began there would carry the next entry's effects under this one's index. */
static void nobody_looks_at_a_store_that_is_ahead(void **state)
{
    struct stage_options options = calm_options(3);
    struct stage *stage = stage_up(16, &options);
    struct stage_node *leader = stage_leader(stage);
    struct applied stored;
    (void)state;
    stall_with_a_staged_head(stage, leader);
    leader->replica->write_timer.on_fire(&leader->replica->write_timer);
    assert_int_equal(applied_read(leader->store, 1, false, &stored), SF_OK);
    assert_int_equal(stored.index, replica_applied(leader->replica) + 1);
    assert_int_equal(replica_settle(leader->replica), SF_BUSY);
    settle(stage);
    assert_int_equal(replica_settle(leader->replica), SF_OK);
    stage_free(stage);
}

/* Whoever holds too much log waits for a flush, and takes nothing that would bring another one. */
static void a_flush_comes_again_until_it_covers_what_is_applied(void **state)
{
    struct stage_options options = calm_options(1);
    options.booted = NULL; /* nobody writes but this test */
    options.halting = NULL;
    struct stage *stage = stage_up(17, &options);
    struct stage_node *node = stage_leader(stage);
    struct buffer body = {0};
    (void)state;
    toy_body(&body, 1, 100, 'x');
    run_ms(stage, 1000);
    assert_int_equal(node->replica->durable, replica_applied(node->replica));
    node->faulty.busy = 1000;
    assert_int_equal(replica_propose(node->replica, buffer_slice(&body), NULL), SF_OK);
    run_ms(stage, 1000); /* flushes of a store that does not take what they are about */
    assert_true(node->replica->durable < replica_applied(node->replica));
    node->faulty.busy = 0;
    run_ms(stage, 1000);
    assert_int_equal(node->replica->durable, replica_applied(node->replica));
    buffer_deinit(&body);
    stage_free(stage);
}

static void a_follower_whose_store_is_full_is_heard_and_bounded(void **state)
{
    struct stage_options options = calm_options(3);
    struct stage *stage = stage_up(15, &options);
    struct stage_node *leader = stage_leader(stage), *follower = some_follower(stage);
    struct consensus_status status;
    struct buffer body = {0};
    (void)state;
    follower->faulty.full = true;
    run_ms(stage, 1000);
    assert_int_equal(replica_admits(leader->replica), SF_NO_SPACE);
    toy_body(&body, 1, 1u << 20, 'x');
    for (int i = 0; i < 70; i++) {
        assert_int_equal(replica_propose(leader->replica, buffer_slice(&body), NULL), SF_OK);
        run_ms(stage, 100);
    }
    replica_consensus_status(follower->replica, &status);
    assert_true(status.log_bytes > 7u << 20);
    assert_true(status.log_bytes < 16u << 20);
    follower->faulty.full = false;
    settle(stage);
    assert_int_equal(replica_admits(leader->replica), SF_OK);
    buffer_deinit(&body);
    stage_free(stage);
}

static void a_failed_sync_ends_the_process_and_the_group_goes_on(void **state)
{
    struct stage_options options = calm_options(3);
    struct stage *stage = stage_up(10, &options);
    struct stage_node *leader = stage_leader(stage);
    (void)state;
    sim_disk_fail_sync(leader->node);
    run_ms(stage, 500);
    assert_true(sim_node_failed(leader->node));
    assert_non_null(stage_wait_leader(stage, 10000));
    sim_node_start(leader->node);
    assert_null(leader->refusal);
    settle(stage);
    stage_free(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_replica_serves_alone_and_comes_back),
        cmocka_unit_test(all_crash_at_once_and_nothing_is_lost),
        cmocka_unit_test(leadership_moves_to_the_named_replica),
        cmocka_unit_test(a_follower_refuses_proposals_and_reads),
        cmocka_unit_test(a_body_above_the_limit_is_refused),
        cmocka_unit_test(a_read_waits_for_what_was_committed_before_it),
        cmocka_unit_test(a_follower_that_was_away_gets_a_snapshot),
        cmocka_unit_test(an_install_survives_a_crash_at_any_moment),
        cmocka_unit_test(a_store_behind_the_log_asks_for_a_snapshot),
        cmocka_unit_test(a_store_ahead_of_the_log_is_damage),
        cmocka_unit_test(a_store_behind_the_log_of_a_group_of_one_is_damage),
        cmocka_unit_test(who_lost_its_store_does_not_keep_the_lead),
        cmocka_unit_test(a_follower_that_lags_a_little_gets_the_log),
        cmocka_unit_test(a_full_disk_stops_admission_until_there_is_space),
        cmocka_unit_test(a_full_store_keeps_its_batch_and_goes_on),
        cmocka_unit_test(who_led_with_a_long_log_follows_again),
        cmocka_unit_test(what_is_applied_need_not_stand_in_memory),
        cmocka_unit_test(a_restart_keeps_the_log_for_a_follower_that_lags),
        cmocka_unit_test(a_follower_away_gets_the_log_from_disk),
        cmocka_unit_test(the_log_for_a_follower_goes_by_itself),
        cmocka_unit_test(a_restart_leaves_the_log_on_disk),
        cmocka_unit_test(the_log_for_a_follower_away_is_bounded),
        cmocka_unit_test(who_has_a_full_disk_gives_the_lead_away),
        cmocka_unit_test(nobody_looks_at_a_store_that_is_ahead),
        cmocka_unit_test(a_flush_comes_again_until_it_covers_what_is_applied),
        cmocka_unit_test(a_follower_whose_store_is_full_is_heard_and_bounded),
        cmocka_unit_test(a_failed_sync_ends_the_process_and_the_group_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Changes of long values that are one minitransaction: the process that makes them ends after each
 * event of the simulation, or so. What is left is all of it or nothing, nothing stays locked, and
 * what was cut off is zeros for ever.
 *
 *   value_steps_test [--seeds N] [--seed FIRST] [--engine raft|paxos]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "client/value_model.h"
#include "client/value_stage.h"
#include "env/log.h"
#include "sim/seeds.h"
#include "txn/bank.h"

#define STEPS_AT_ONCE 4u /* events between two crashes of the same operation, at most */
#define SETTLE_MS 3000u  /* what was on its way arrives, and is given up */
#define CLEAN_MS 60000u
#define BLOCK 32768u
#define NEAR 5000u /* bytes that are looked at on either side of a border */

static struct seeds seeds;

struct stage {
    struct cluster *cluster;
    struct value_user users[2]; /* the first one ends again and again */
    struct model model;
    unsigned crashes;
};

static void stage_begin(struct stage *stage, uint64_t seed)
{
    const struct cluster_options options = {.flush_ms = 300};
    seeds_say(&seeds, seed);
    *stage = (struct stage){.cluster = cluster_new(seed, &options)};
    cluster_start(stage->cluster, 7);
    assert_true(cluster_join(stage->cluster, 7));
    assert_true(cluster_run_until(stage->cluster, cluster_is_settled, CLEAN_MS));
    value_users_start(stage->cluster, stage->users, 2);
    model_init(&stage->model, stage->cluster->sim, "7");
    for (unsigned i = 0; i < 2; i++)
        stage->model.clients[i] = stage->users[i].client;
}

static void stage_end(struct stage *stage)
{
    model_read_all(&stage->model, 1);
    cluster_free(stage->cluster);
    model_deinit(&stage->model);
}

/* -- one call, and an end in the middle ------------------------------------------------------- */

struct attempt {
    struct value_call call;
    bool done;
};

static void on_done(struct value_call *call, int status, const struct kv_stat *stat,
                    struct slice data)
{
    struct attempt *attempt = container_of(call, struct attempt, call);
    (void)stat;
    (void)data;
    assert_int_equal(status, SF_OK);
    attempt->done = true;
}

/* Runs it for so many events. False: it had not answered, and its process is another now. */
static bool run_for(struct stage *stage, const struct value_call *call, unsigned events)
{
    struct attempt attempt = {.call = *call};
    attempt.call.on_done = on_done;
    attempt.call.key = slice_str(stage->model.key);
    value_submit(stage->users[0].client, &attempt.call);
    for (unsigned i = 0; i < events && !attempt.done; i++)
        assert_true(sim_step(stage->cluster->sim));
    if (attempt.done)
        return true;
    sim_node_crash(stage->users[0].node);
    stage->crashes++;
    return false;
}

/* The first one is up again, and nothing of it is under way. */
static void come_to_rest(struct stage *stage)
{
    if (!sim_node_is_up(stage->users[0].node)) {
        sim_node_start(stage->users[0].node);
        cluster_run_ms(stage->cluster, SETTLE_MS);
    }
    stage->model.clients[0] = stage->users[0].client;
    assert_true(cluster_run_until(stage->cluster, bank_is_clean, CLEAN_MS));
}

static uint64_t length_now(struct stage *stage)
{
    struct model_answer answer = {0};
    model_call(&stage->model, 1, &(struct value_call){.kind = VALUE_STAT}, &answer);
    assert_int_equal(answer.status, SF_OK);
    buffer_deinit(&answer.data);
    return answer.stat.length;
}

static unsigned some_events(struct stage *stage)
{
    return 1 + (unsigned)sim_random_below(stage->cluster->sim, STEPS_AT_ONCE);
}

/* -- append ----------------------------------------------------------------------------------- */

/* From the head's end on, or across the end of an extent: two or three shards, as a rule. */
static void crash_appends(struct stage *stage, uint64_t length, size_t n)
{
    struct model *model = &stage->model;
    bool finished = false;
    for (unsigned events = 0; !finished; events += some_events(stage)) {
        uint8_t bytes[400];
        memset(bytes, (int)(1 + events % 250), n);
        struct value_call call = {.kind = VALUE_APPEND, .data = slice_of(bytes, n)};
        model_truncate(model, 1, length);
        finished = run_for(stage, &call, events);
        come_to_rest(stage);
        uint64_t now = length_now(stage);
        assert_true(now == length + n || (now == length && !finished));
        if (now > length)
            memcpy(model->bytes + length, bytes, n);
        model->length = now;
        model_read(model, 1, length - NEAR, 2 * NEAR);
    }
}

static void an_append_is_there_whole_or_not_at_all(void **state)
{
    struct stage stage;
    (void)state;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed++) {
        stage_begin(&stage, seed);
        model_put(&stage.model, 1, 2 * MIB + 50000);
        crash_appends(&stage, 2 * MIB + 40000, 300);
        crash_appends(&stage, 2 * MIB - 100, 300);
        crash_appends(&stage, MIB - 200, 400);
        crash_appends(&stage, MIB, 100);
        print_message("  %u crashes\n", stage.crashes);
        assert_in_range(stage.crashes, 40, 4000);
        stage_end(&stage);
    }
}

/* -- shrink ----------------------------------------------------------------------------------- */

static void crash_shrinks(struct stage *stage, uint64_t from, uint64_t to)
{
    struct model *model = &stage->model;
    bool finished = false;
    for (unsigned events = 0; !finished; events += some_events(stage)) {
        struct value_call call = {.kind = VALUE_TRUNCATE, .length = to};
        model_write(model, 1, to - 100, (size_t)(from - to + 100));
        finished = run_for(stage, &call, events);
        come_to_rest(stage);
        uint64_t now = length_now(stage);
        assert_true(now == to || (now == from && !finished));
        if (now == to)
            memset(model->bytes + to, 0, (size_t)(from - to));
        model->length = now;
        model_read(model, 1, to - 100, NEAR);
        model_grow(model, 1, from);
        model_read(model, 1, to - 100, from - to + 200);
    }
}

static void a_shrink_happens_wholly_or_not_at_all(void **state)
{
    struct stage stage;
    (void)state;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed++) {
        stage_begin(&stage, 100 + seed);
        model_put(&stage.model, 1, 3 * MIB);
        crash_shrinks(&stage, 3 * MIB, 2 * MIB + 333);
        crash_shrinks(&stage, 3 * MIB, 2 * MIB);
        crash_shrinks(&stage, 3 * MIB, MIB + 1);
        print_message("  %u crashes\n", stage.crashes);
        assert_in_range(stage.crashes, 30, 4000);
        stage_end(&stage);
    }
}

/* -- down and up at every border -------------------------------------------------------------- */

static void sweep_border(struct stage *stage, uint64_t border)
{
    struct model *model = &stage->model;
    for (uint64_t at = border - 1; at <= border + 1; at++) {
        unsigned client = (unsigned)(at % 2);
        model_write(model, client, border - NEAR, 2 * NEAR);
        model_truncate(model, client, at);
        model_truncate(model, 1 - client, border + 2 * NEAR);
        model_read(model, client, border - NEAR, 4 * NEAR);
    }
}

static void down_and_up_leaves_zeros_at_every_border(void **state)
{
    struct stage stage;
    (void)state;
    stage_begin(&stage, seeds.first);
    model_put(&stage.model, 0, 10);
    for (uint64_t border = BLOCK; border <= 3 * MIB + BLOCK; border += BLOCK)
        sweep_border(&stage, border);
    for (uint64_t border = 3 * MIB; border >= BLOCK; border -= BLOCK)
        model_truncate(&stage.model, (unsigned)(border / BLOCK % 2), border - 1);
    stage_end(&stage);
}

/* Down to `at`, then up to border + 2 NEAR; the process may end anywhere. */
static void crash_border(struct stage *stage, uint64_t border, uint64_t at)
{
    struct model *model = &stage->model;
    struct value_call down = {.kind = VALUE_TRUNCATE, .length = at};
    struct value_call up = {.kind = VALUE_TRUNCATE, .length = border + 2 * NEAR};
    unsigned events = (unsigned)sim_random_below(stage->cluster->sim, 150);
    model_truncate(model, 1, border - NEAR);
    model_write(model, 1, border - NEAR, 2 * NEAR);
    if (run_for(stage, &down, events))
        (void)run_for(stage, &up, events / 3);
    come_to_rest(stage);
    uint64_t now = length_now(stage);
    assert_true(now == border + NEAR || now == at || now == up.length);
    if (now != border + NEAR)
        memset(model->bytes + at, 0, (size_t)(border + NEAR - at));
    model->length = now;
    model_read(model, 1, border - NEAR, 4 * NEAR);
    model_truncate(model, 1, border + 3 * NEAR);
    model_read(model, 1, border - NEAR, 5 * NEAR);
}

static void also_where_the_client_ends_in_between(void **state)
{
    struct stage stage;
    (void)state;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed++) {
        stage_begin(&stage, 200 + seed);
        model_put(&stage.model, 1, 10);
        for (uint64_t border = BLOCK; border <= 3 * MIB; border += 11 * BLOCK)
            crash_border(&stage, border, border - 1 + sim_random_below(stage.cluster->sim, 3));
        for (uint64_t border = MIB; border <= 3 * MIB; border += MIB) {
            for (uint64_t at = border - 1; at <= border + 1; at++)
                crash_border(&stage, border, at);
        }
        print_message("  %u crashes\n", stage.crashes);
        assert_in_range(stage.crashes, 3, 100);
        stage_end(&stage);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_append_is_there_whole_or_not_at_all),
        cmocka_unit_test(a_shrink_happens_wholly_or_not_at_all),
        cmocka_unit_test(down_and_up_leaves_zeros_at_every_border),
        cmocka_unit_test(also_where_the_client_ends_in_between),
    };
    seeds = seeds_parse(argc, argv, 1);
    log_level_min = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

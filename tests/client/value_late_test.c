/* Values of any length on the fake cluster: what is late, given up, cancelled or cut off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "client/fake_value.h"

#define SEEDS 4u

/* -- deadlines ------------------------------------------------------------------------------- */

static void a_put_that_nobody_saw_is_a_timeout(void **state)
{
    struct stage stage = stage_new(8);
    (void)state;
    model_put(&stage.model, 0, 10);
    stage.cluster->lose_replies = 1000;
    struct value_call call = {
        .kind = VALUE_PUT, .data = slice_of(stage.model.scratch, 3 * MIB), .timeout_ms = 3000};
    assert_int_equal(stage_ask(&stage, call).status, SF_TIMEOUT); /* its id or intent never came */
    call.data.n = 100;
    assert_int_equal(stage_ask(&stage, call).status, SF_UNKNOWN);
    call = (struct value_call){.kind = VALUE_READ, .length = 10, .timeout_ms = 3000};
    assert_int_equal(stage_ask(&stage, call).status, SF_TIMEOUT);
    stage_free(&stage);
}

static void a_write_under_way_at_its_deadline_is_unknown(void **state)
{
    struct stage stage = stage_new(9);
    (void)state;
    model_put(&stage.model, 0, 4 * MIB);
    stage.cluster->lose_replies = 1000;
    struct value_call call = {.kind = VALUE_WRITE,
                              .offset = 2 * MIB,
                              .data = slice_of(stage.model.scratch, MIB),
                              .timeout_ms = 3000};
    assert_int_equal(stage_ask(&stage, call).status, SF_UNKNOWN);
    stage.cluster->lose_replies = 0;
    model_write(&stage.model, 0, 2 * MIB - 10, 2 * MIB); /* not overtaken by the other */
    stage_pass_ms(&stage, 60000);
    model_read_all(&stage.model, 1);
    stage_free(&stage);
}

static void a_cancelled_operation_does_not_answer(void **state)
{
    struct stage stage = stage_new(10);
    unsigned cancelled = 0;
    (void)state;
    model_put(&stage.model, 0, 4 * MIB);
    for (unsigned steps = 0; steps < 30; steps++) {
        struct counted counted = {.call = {.on_done = counted_on_done,
                                           .kind = steps % 2 ? VALUE_READ : VALUE_PUT,
                                           .key = slice_str("w"),
                                           .length = 4 * MIB,
                                           .data = slice_of(stage.model.scratch, 2 * MIB)}};
        value_submit(stage.model.clients[0], &counted.call);
        for (unsigned i = 0; i < steps; i++)
            (void)sim_step(stage.cluster->sim);
        unsigned answers = counted.answers;
        cancelled += answers == 0;
        value_cancel(&counted.call);
        stage_pass_ms(&stage, 1000);
        assert_int_equal(counted.answers, answers);
    }
    assert_in_range(cancelled, 5, 30);
    model_read_all(&stage.model, 0);
    stage_free(&stage);
}

/* The array takes over what the value has become. */
static void adopt(struct stage *stage)
{
    struct model_answer answer = {0};
    struct model *model = &stage->model;
    stage_pass_ms(stage, 20000); /* what was given up is settled */
    model_call(model, 1, &(struct value_call){.kind = VALUE_GET}, &answer);
    assert_int_equal(answer.status, SF_OK);
    memset(model->bytes, 0, MODEL_BYTES_MAX);
    memcpy(model->bytes, answer.data.p, answer.data.n);
    model->length = answer.data.n;
    buffer_deinit(&answer.data);
}

static struct value_call some_change(struct stage *stage)
{
    static const enum value_kind kinds[] = {VALUE_PUT, VALUE_WRITE, VALUE_APPEND, VALUE_TRUNCATE,
                                            VALUE_PUNCH};
    struct sim *sim = stage->cluster->sim;
    size_t kind = (size_t)sim_random_below(sim, sizeof kinds / sizeof *kinds);
    uint64_t offset = sim_random_below(sim, 3 * MIB), n = 1 + sim_random_below(sim, 2 * MIB);
    memset(stage->model.scratch, (int)(1 + sim_random_below(sim, 255)), (size_t)n);
    return (struct value_call){.kind = kinds[kind],
                               .offset = offset,
                               .length = kinds[kind] == VALUE_TRUNCATE ? offset : n,
                               .data = slice_of(stage->model.scratch, (size_t)n),
                               .timeout_ms = 1 + sim_random_below(sim, 1500)};
}

/* With deadlines that end an operation anywhere: TIMEOUT only where nothing was changed. */
static void a_timeout_means_that_nothing_happened(void **state)
{
    unsigned timeouts = 0, unknowns = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct stage stage = stage_new(200 + seed);
        model_put(&stage.model, 0, 2 * MIB);
        for (unsigned step = 0; step < 60; step++) {
            stage.cluster->lose_replies = 200;
            int status = stage_ask(&stage, some_change(&stage)).status;
            stage.cluster->lose_replies = 0;
            timeouts += status == SF_TIMEOUT;
            unknowns += status == SF_UNKNOWN;
            assert_true(status == SF_OK || status == SF_TIMEOUT || status == SF_UNKNOWN);
            if (status == SF_TIMEOUT)
                model_read_all(&stage.model, 1);
            adopt(&stage);
            if (stage.model.length > 3 * MIB)
                model_truncate(&stage.model, 0, 2 * MIB);
        }
        stage_free(&stage);
    }
    assert_in_range(timeouts, 5, 1000);
    assert_in_range(unknowns, 5, 1000);
}

/* -- intents --------------------------------------------------------------------------------- */

static bool has_intent(void *ctx)
{
    const struct stage *stage = ctx;
    return fake_store_intent_count(stage->cluster->store) > 0;
}

static void a_put_whose_intent_is_gone_is_written_again(void **state)
{
    struct stage stage = stage_new(11);
    (void)state;
    model_put(&stage.model, 0, 3 * MIB);
    struct counted counted = {.call = {.on_done = counted_on_done,
                                       .kind = VALUE_PUT,
                                       .key = slice_str("v"),
                                       .data = slice_of(stage.model.bytes, 3 * MIB)}};
    value_submit(stage.model.clients[0], &counted.call);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(sim_run_until(stage.cluster->sim, has_intent, &stage, ENV_SECOND_NS));
        fake_store_expire_sessions(stage.cluster->store);
    }
    assert_true(sim_run_until(stage.cluster->sim, counted_is_done, &counted, ENV_SECOND_NS));
    model_read_all(&stage.model, 1);
    stage_free(&stage);
}

/* -- a head that answers later than its extents ------------------------------------------------- */

static group_id group_of(struct stage *stage, enum kv_space space, struct slice key)
{
    const struct config *config = stage->cluster->config;
    return config->shards[stage_shard_of(stage, space, key)];
}

/* Cuts client 0 off from a group, or lets it back. */
static void set_cut(struct stage *stage, group_id gid, bool cut)
{
    for (unsigned i = 0; i < FAKE_REPLICAS; i++) {
        struct sim_node *server = stage->cluster->replicas[gid - 1][i].node;
        struct sim_node *client = stage->fakes[0]->node;
        (cut ? sim_cut : sim_heal)(stage->cluster->sim, client, server);
        (cut ? sim_cut : sim_heal)(stage->cluster->sim, server, client);
    }
}

/* Of the stage's value. */
static group_id group_of_extent(struct stage *stage, uint64_t extent)
{
    uint8_t bytes[KV_EXTENT_KEY_BYTES];
    struct model_answer answer = stage_ask(stage, (struct value_call){.kind = VALUE_STAT});
    kv_extent_key(answer.stat.tail[0].data_id, extent, bytes);
    return group_of(stage, KV_INTERNAL, slice_of(bytes, sizeof bytes));
}

/* A value of 3 MiB, known to client 0, whose head and extent 2 are in different groups. */
static void put_apart(struct stage *stage, char key[8], group_id *head, group_id *extent)
{
    *head = *extent = 0;
    for (unsigned i = 0; *head == *extent; i++) {
        snprintf(key, 8, "v%u", i % 1000);
        stage->model.key = key;
        model_put(&stage->model, 0, 2 * MIB + 500);
        *head = group_of(stage, KV_PLAIN, slice_str(key));
        *extent = group_of_extent(stage, 2);
    }
}

static void begin_read(struct stage *stage, struct counted *counted, const char *key)
{
    *counted = (struct counted){.call = {.on_done = counted_on_done,
                                         .kind = VALUE_READ,
                                         .key = slice_str(key),
                                         .offset = 2 * MIB,
                                         .length = 4000}};
    value_submit(stage->model.clients[0], &counted->call);
}

/* The extent was read before the value grew, the head after: the bytes that were added must be
 * there. */
static void bytes_beyond_the_known_length_are_read_again(void **state)
{
    struct stage stage = stage_new(18);
    struct counted read;
    char key[8];
    group_id head, extent;
    (void)state;
    put_apart(&stage, key, &head, &extent);
    set_cut(&stage, head, true);
    begin_read(&stage, &read, key);
    stage_pass_ms(&stage, 100);
    model_append(&stage.model, 1, 1000);
    set_cut(&stage, head, false);
    assert_true(
        sim_run_until(stage.cluster->sim, counted_is_done, &read, FAKE_LIMIT_MS * ENV_MS_NS));
    assert_int_equal(read.bytes, 1500);
    assert_int_equal(read.hash, bytes_hash(slice_of(stage.model.bytes + 2 * MIB, 1500)));
    stage_free(&stage);
}

/* The extents of a tail that was replaced stay for a minute: an answer that late is not used. */
static void an_extent_that_answers_late_is_read_again(void **state)
{
    struct stage stage = stage_new(19);
    struct counted read;
    char key[8];
    group_id head, extent;
    (void)state;
    put_apart(&stage, key, &head, &extent);
    set_cut(&stage, extent, true);
    begin_read(&stage, &read, key);
    stage_pass_ms(&stage, 31000);
    uint64_t before = fake_cluster_requests(stage.cluster);
    set_cut(&stage, extent, false);
    assert_true(
        sim_run_until(stage.cluster->sim, counted_is_done, &read, FAKE_LIMIT_MS * ENV_MS_NS));
    /* The extent, the head again, the extent again. */
    assert_in_range(fake_cluster_requests(stage.cluster) - before, 3, 20);
    assert_int_equal(read.bytes, 500);
    stage_free(&stage);
}

/* -- extents that cannot be reached for long ---------------------------------------------------- */

static uint64_t writes_of(const struct stage *stage)
{
    return fake_store_executed(stage->cluster->store, KV_SET_RANGE);
}

/* Of client 0, into extent 2, whose group it cannot reach. */
static void begin_cut_write(struct stage *stage, struct counted *counted, char key[8],
                            group_id *extent)
{
    group_id head;
    put_apart(stage, key, &head, extent);
    set_cut(stage, *extent, true);
    *counted = (struct counted){.call = {.on_done = counted_on_done,
                                         .kind = VALUE_WRITE,
                                         .key = slice_str(key),
                                         .offset = 2 * MIB,
                                         .data = slice_of(stage->model.scratch, 4000)}};
    value_submit(stage->model.clients[0], &counted->call);
}

static void a_write_is_sent_late_while_its_ids_are_alive(void **state)
{
    struct stage stage = stage_new(20);
    struct counted write;
    char key[8];
    group_id extent;
    (void)state;
    begin_cut_write(&stage, &write, key, &extent);
    uint64_t before = writes_of(&stage);
    stage_pass_ms(&stage, 200000);
    set_cut(&stage, extent, false);
    assert_true(
        sim_run_until(stage.cluster->sim, counted_is_done, &write, FAKE_LIMIT_MS * ENV_MS_NS));
    assert_int_equal(writes_of(&stage) - before, 1);
    struct model_answer answer = {0};
    model_call(&stage.model, 1, &(struct value_call){.kind = VALUE_STAT}, &answer);
    assert_int_equal(answer.stat.length, 2 * MIB + 4000);
    stage_free(&stage);
}

/* The head that is asked whether the ids are alive is out of reach, too. */
static void a_write_that_is_seen_in_part_is_no_timeout(void **state)
{
    struct stage stage = stage_new(24);
    struct counted write = {.call = {.on_done = counted_on_done, .kind = VALUE_WRITE}};
    char key[8];
    group_id head, extent;
    (void)state;
    do
        put_apart(&stage, key, &head, &extent);
    while (group_of_extent(&stage, 1) == extent);
    uint64_t before = writes_of(&stage);
    set_cut(&stage, extent, true);
    write.call.key = slice_str(key);
    write.call.offset = MIB;
    write.call.data = slice_of(stage.model.scratch, MIB + 100);
    write.call.timeout_ms = 20000;
    value_submit(stage.model.clients[0], &write.call);
    stage_pass_ms(&stage, 1000);
    assert_int_equal(writes_of(&stage) - before, 1);
    set_cut(&stage, head, true);
    assert_true(
        sim_run_until(stage.cluster->sim, counted_is_done, &write, FAKE_LIMIT_MS * ENV_MS_NS));
    assert_int_equal(write.status, SF_UNKNOWN);
    stage_free(&stage);
}

/* By then the extents of what was deleted have been removed: another one would stay for ever. */
static void a_write_is_not_sent_late_to_what_was_deleted(void **state)
{
    struct stage stage = stage_new(21);
    struct counted write;
    struct fake_answer deleted = {0};
    char key[8];
    group_id extent;
    (void)state;
    begin_cut_write(&stage, &write, key, &extent);
    uint64_t before = writes_of(&stage);
    struct kv_op del = fake_op(KV_DELETE, key, "");
    fake_submit(stage.fakes[1], &del, 0, &deleted);
    assert_int_equal(deleted.status, SF_OK);
    stage_pass_ms(&stage, 31000);
    set_cut(&stage, extent, false);
    assert_true(
        sim_run_until(stage.cluster->sim, counted_is_done, &write, FAKE_LIMIT_MS * ENV_MS_NS));
    assert_int_equal(writes_of(&stage) - before, 2); /* the new head and its extent */
    stage_free(&stage);
}

/* Extents of a Put that can't be reached are not sent once its intent is trash. */
static void a_put_is_not_sent_late_under_an_intent_that_is_gone(void **state)
{
    struct stage stage = stage_new(22);
    struct counted put = {.call = {.on_done = counted_on_done, .kind = VALUE_PUT}};
    char key[8];
    group_id head, extent;
    (void)state;
    put_apart(&stage, key, &head, &extent);
    put.call.key = slice_str(key);
    put.call.data = slice_of(stage.model.bytes, 2 * MIB + 500);
    for (group_id gid = 1; gid <= FAKE_GROUPS_MAX; gid++)
        if (gid != head)
            set_cut(&stage, gid, true);
    value_submit(stage.model.clients[0], &put.call);
    stage_pass_ms(&stage, 1000);
    uint64_t before = writes_of(&stage);
    fake_store_expire_sessions(stage.cluster->store);
    stage_pass_ms(&stage, 31000);
    for (group_id gid = 1; gid <= FAKE_GROUPS_MAX; gid++)
        set_cut(&stage, gid, false);
    assert_true(
        sim_run_until(stage.cluster->sim, counted_is_done, &put, FAKE_LIMIT_MS * ENV_MS_NS));
    assert_int_equal(writes_of(&stage) - before, 2); /* the extents of the second try */
    model_read_all(&stage.model, 1);
    stage_free(&stage);
}

static bool has_extents(void *ctx)
{
    return stage_extent_count(ctx) > 0;
}

/* Whoever cleans up behind a client that dies right then looks not far beyond the end. */
static void a_value_grows_before_extents_far_beyond_its_end(void **state)
{
    struct stage stage = stage_new(23);
    struct counted write = {.call = {.on_done = counted_on_done,
                                     .kind = VALUE_WRITE,
                                     .key = slice_str("v"),
                                     .offset = 100 * MIB,
                                     .data = slice_str("far")}};
    struct model_answer answer = {0};
    (void)state;
    model_put(&stage.model, 0, 10);
    value_submit(stage.model.clients[0], &write.call);
    assert_true(sim_run_until(stage.cluster->sim, has_extents, &stage, ENV_SECOND_NS));
    model_call(&stage.model, 1, &(struct value_call){.kind = VALUE_STAT}, &answer);
    assert_in_range(answer.stat.length, 100 * MIB, 100 * MIB + 3);
    assert_true(sim_run_until(stage.cluster->sim, counted_is_done, &write, ENV_SECOND_NS));
    model_call(&stage.model, 1, &(struct value_call){.kind = VALUE_STAT}, &answer);
    assert_int_equal(answer.stat.length, 100 * MIB + 3);
    stage_free(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_put_that_nobody_saw_is_a_timeout),
        cmocka_unit_test(a_write_under_way_at_its_deadline_is_unknown),
        cmocka_unit_test(a_timeout_means_that_nothing_happened),
        cmocka_unit_test(a_cancelled_operation_does_not_answer),
        cmocka_unit_test(a_put_whose_intent_is_gone_is_written_again),
        cmocka_unit_test(bytes_beyond_the_known_length_are_read_again),
        cmocka_unit_test(an_extent_that_answers_late_is_read_again),
        cmocka_unit_test(a_write_is_sent_late_while_its_ids_are_alive),
        cmocka_unit_test(a_write_that_is_seen_in_part_is_no_timeout),
        cmocka_unit_test(a_write_is_not_sent_late_to_what_was_deleted),
        cmocka_unit_test(a_put_is_not_sent_late_under_an_intent_that_is_gone),
        cmocka_unit_test(a_value_grows_before_extents_far_beyond_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

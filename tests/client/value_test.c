/* Values of any length on the fake cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "client/fake_cluster.h"
#include "client/tail.h"
#include "client/value_model.h"
#include "env/memory.h"

#define SEEDS 4u
#define STEPS 250u

/* -- a stage: three groups, two clients, one value ------------------------------------------- */

struct stage {
    struct fake_cluster *cluster;
    struct fake_client *fakes[2];
    struct model model;
};

static struct stage stage_new(uint64_t seed)
{
    struct stage stage = {.cluster = fake_cluster_new(seed, 10)};
    for (group_id gid = 1; gid <= FAKE_GROUPS_MAX; gid++)
        fake_cluster_join(stage.cluster, gid);
    model_init(&stage.model, stage.cluster->sim, "v");
    stage.fakes[0] = fake_client_new(stage.cluster, "c0");
    stage.fakes[1] = fake_client_new(stage.cluster, "c1");
    for (unsigned i = 0; i < 2; i++)
        stage.model.clients[i] = stage.fakes[i]->client;
    return stage;
}

static void stage_free(struct stage *stage)
{
    fake_client_free(stage->fakes[0]);
    fake_client_free(stage->fakes[1]);
    fake_cluster_free(stage->cluster);
    model_deinit(&stage->model);
}

static void pass_ms(struct stage *stage, uint64_t ms)
{
    sim_run_ns(stage->cluster->sim, ms * ENV_MS_NS);
}

static size_t extent_count(const struct stage *stage)
{
    return fake_store_record_count(stage->cluster->store, KV_INTERNAL);
}

/* One call by client 0, its answer's data dropped. */
static struct model_answer ask(struct stage *stage, struct value_call call)
{
    struct model_answer answer = {0};
    model_call(&stage->model, 0, &call, &answer);
    buffer_deinit(&answer.data);
    return answer;
}

/* -- histories ------------------------------------------------------------------------------- */

static void random_history(uint64_t seed, uint32_t lose_replies, unsigned steps)
{
    struct stage stage = stage_new(seed);
    stage.cluster->lose_replies = lose_replies;
    print_message("seed %u\n", (unsigned)seed);
    model_put(&stage.model, 0, 10);
    for (unsigned step = 0; step < steps; step++)
        model_step(&stage.model, (unsigned)sim_random_below(stage.cluster->sim, 2));
    model_read_all(&stage.model, 0);
    model_read_all(&stage.model, 1);
    assert_int_equal(fake_store_intent_count(stage.cluster->store), 0);
    stage_free(&stage);
}

static void two_clients_in_turn_agree_with_a_flat_array(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        random_history(seed, 0, STEPS);
}

static void and_so_they_do_when_replies_are_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 101; seed <= 100 + SEEDS; seed++)
        random_history(seed, 50, STEPS / 2);
}

/* -- shapes ---------------------------------------------------------------------------------- */

static void a_hole_reads_as_zeros_and_has_no_extents(void **state)
{
    struct stage stage = stage_new(1);
    (void)state;
    model_put(&stage.model, 0, 10);
    model_truncate(&stage.model, 0, 5 * MIB);
    assert_int_equal(extent_count(&stage), 0);
    model_read_all(&stage.model, 1);
    model_write(&stage.model, 1, 3 * MIB + 7, 10);
    assert_int_equal(extent_count(&stage), 1);
    model_read_all(&stage.model, 0);
    stage_free(&stage);
}

static void what_was_cut_off_does_not_come_back(void **state)
{
    struct stage stage = stage_new(2);
    (void)state;
    model_put(&stage.model, 0, 4 * MIB + 5);
    model_truncate(&stage.model, 1, 2 * MIB + 100);
    model_truncate(&stage.model, 0, 4 * MIB + 5);
    model_read_all(&stage.model, 1);
    model_truncate(&stage.model, 0, 2 * MIB);
    model_truncate(&stage.model, 1, 3 * MIB);
    model_read_all(&stage.model, 0);
    model_truncate(&stage.model, 0, 10);
    model_truncate(&stage.model, 0, 3 * MIB);
    model_read_all(&stage.model, 1);
    stage_free(&stage);
}

/* Each round lets the value grow by so many extents and cuts the last one: an entry more in the tail,
 * until two are merged. */
static void cut_again_and_again(uint64_t seed, uint64_t stride)
{
    struct stage stage = stage_new(seed);
    uint64_t rounds = SF_TAIL_MAX + 8;
    uint8_t mark[100], found[100];
    size_t most = 0;
    model_put(&stage.model, 0, 10);
    for (uint64_t round = 1; round <= rounds; round++) {
        uint64_t offset = round * stride * MIB;
        memset(mark, (int)round, sizeof mark);
        struct value_call call = {
            .kind = VALUE_WRITE, .offset = offset, .data = slice_of(mark, sizeof mark)};
        assert_int_equal(ask(&stage, call).status, SF_OK);
        call = (struct value_call){.kind = VALUE_TRUNCATE, .length = offset + 60};
        struct model_answer answer = ask(&stage, call);
        assert_int_equal(answer.status, SF_OK);
        assert_int_equal(answer.stat.length, offset + 60);
        assert_in_range(answer.stat.tail_count, 1, SF_TAIL_MAX);
        most = answer.stat.tail_count > most ? answer.stat.tail_count : most;
    }
    assert_in_range(most, SF_TAIL_MAX / 2, SF_TAIL_MAX - 4); /* merged, with room to spare */
    for (uint64_t round = 1; round <= rounds; round++) {
        struct model_answer answer = {0};
        struct value_call call = {
            .kind = VALUE_READ, .offset = round * stride * MIB, .length = 100};
        memset(found, 0, sizeof found);
        memset(found, (int)round, 60);
        model_call(&stage.model, 1, &call, &answer);
        assert_int_equal(answer.status, SF_OK);
        assert_int_equal(answer.data.n, round == rounds ? 60 : 100);
        assert_memory_equal(answer.data.p, found, answer.data.n);
        buffer_deinit(&answer.data);
    }
    stage_free(&stage);
}

static void a_tail_that_is_full_is_merged(void **state)
{
    (void)state;
    cut_again_and_again(3, 1);
}

static void also_where_that_takes_several_steps(void **state)
{
    (void)state;
    cut_again_and_again(4, 4);
}

static uint64_t seek(struct stage *stage, enum value_kind kind, uint64_t offset)
{
    struct model_answer answer = ask(stage, (struct value_call){.kind = kind, .offset = offset});
    assert_int_equal(answer.status, SF_OK);
    return answer.found;
}

static void write_zeros(struct stage *stage, uint64_t offset, size_t n)
{
    static const uint8_t zeros[2 * MIB];
    struct value_call call = {.kind = VALUE_WRITE, .offset = offset, .data = slice_of(zeros, n)};
    assert_int_equal(ask(stage, call).status, SF_OK);
}

static void holes_are_found(void **state)
{
    struct stage stage = stage_new(5);
    (void)state;
    model_put(&stage.model, 0, 10);
    struct value_call call = {.kind = VALUE_GROW, .length = 12 * MIB};
    assert_int_equal(ask(&stage, call).stat.length, 12 * MIB);
    call.length = 5;
    assert_int_equal(ask(&stage, call).stat.length, 12 * MIB);
    assert_int_equal(seek(&stage, VALUE_SEEK_DATA, 5), 5);
    assert_int_equal(seek(&stage, VALUE_SEEK_HOLE, 5), MIB);
    assert_int_equal(seek(&stage, VALUE_SEEK_DATA, MIB), VALUE_FOUND_NONE);
    write_zeros(&stage, 5 * MIB + 100, 50);
    write_zeros(&stage, 9 * MIB, 2 * MIB);
    assert_int_equal(seek(&stage, VALUE_SEEK_DATA, MIB), 5 * MIB);
    assert_int_equal(seek(&stage, VALUE_SEEK_DATA, 5 * MIB + 70), 5 * MIB + 70);
    assert_int_equal(seek(&stage, VALUE_SEEK_HOLE, 5 * MIB), 5 * MIB + 150);
    assert_int_equal(seek(&stage, VALUE_SEEK_HOLE, 7 * MIB + 3), 7 * MIB + 3);
    assert_int_equal(seek(&stage, VALUE_SEEK_DATA, 5 * MIB + 150), 9 * MIB);
    assert_int_equal(seek(&stage, VALUE_SEEK_HOLE, 9 * MIB), 11 * MIB);
    assert_int_equal(seek(&stage, VALUE_SEEK_DATA, 11 * MIB), VALUE_FOUND_NONE);
    assert_int_equal(seek(&stage, VALUE_SEEK_HOLE, 12 * MIB - 1), 12 * MIB - 1);
    assert_int_equal(seek(&stage, VALUE_SEEK_HOLE, 12 * MIB), VALUE_FOUND_NONE);
    call = (struct value_call){.kind = VALUE_PUNCH, .offset = 9 * MIB - 5, .length = MIB + 10};
    assert_int_equal(ask(&stage, call).status, SF_OK);
    assert_int_equal(seek(&stage, VALUE_SEEK_DATA, 6 * MIB), 10 * MIB);
    stage_free(&stage);
}

static void limits_are_refused(void **state)
{
    struct stage stage = stage_new(4);
    (void)state;
    struct value_call call = {
        .kind = VALUE_WRITE, .offset = SF_FILE_BYTES_MAX, .data = slice_str("x")};
    assert_int_equal(ask(&stage, call).status, SF_TOO_BIG);
    call = (struct value_call){.kind = VALUE_APPEND,
                               .data = slice_of(stage.model.scratch, SF_APPEND_BYTES_MAX + 1)};
    assert_int_equal(ask(&stage, call).status, SF_TOO_BIG);
    call = (struct value_call){.kind = VALUE_TRUNCATE, .length = SF_FILE_BYTES_MAX + 1};
    assert_int_equal(ask(&stage, call).status, SF_TOO_BIG);
    call = (struct value_call){.kind = VALUE_TRUNCATE, .length = SF_FILE_BYTES_MAX};
    assert_int_equal(ask(&stage, call).status, SF_NOT_FOUND);
    model_put(&stage.model, 0, 1);
    assert_int_equal(ask(&stage, call).status, SF_OK);
    call = (struct value_call){.kind = VALUE_APPEND, .data = slice_str("x")};
    assert_int_equal(ask(&stage, call).status, SF_TOO_BIG);
    call = (struct value_call){.kind = VALUE_GET};
    assert_int_equal(ask(&stage, call).status, SF_TOO_BIG);
    call = (struct value_call){
        .kind = VALUE_READ, .offset = SF_FILE_BYTES_MAX - 1, .length = UINT64_MAX};
    assert_int_equal(ask(&stage, call).status, SF_OK);
    stage_free(&stage);
}

static void an_absent_value_is_not_found(void **state)
{
    struct stage stage = stage_new(5);
    (void)state;
    static const enum value_kind kinds[] = {VALUE_GET, VALUE_READ, VALUE_TRUNCATE, VALUE_PUNCH,
                                            VALUE_STAT};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct value_call call = {.kind = kinds[i], .length = 10};
        assert_int_equal(ask(&stage, call).status, SF_NOT_FOUND);
        call.length = 3 * MIB;
        assert_int_equal(ask(&stage, call).status, SF_NOT_FOUND);
    }
    assert_int_equal(fake_store_record_count(stage.cluster->store, KV_PLAIN), 0);
    model_write(&stage.model, 0, 2 * MIB, 5); /* a write makes it */
    model_read_all(&stage.model, 1);
    stage_free(&stage);
}

/* -- preconditions --------------------------------------------------------------------------- */

static void another_file_of_the_same_name_is_not_touched(void **state)
{
    struct stage stage = stage_new(6);
    struct model_answer answer = {0};
    (void)state;
    model_put(&stage.model, 0, 3 * MIB);
    uint64_t created = ask(&stage, (struct value_call){.kind = VALUE_STAT}).stat.created;
    struct kv_op del = fake_op(KV_DELETE, "v", "");
    struct fake_answer deleted = {0};
    fake_submit(stage.fakes[1], &del, 0, &deleted);
    assert_int_equal(deleted.status, SF_OK);
    model_put(&stage.model, 1, 3 * MIB);
    static const enum value_kind kinds[] = {VALUE_READ,  VALUE_PUT,      VALUE_WRITE, VALUE_APPEND,
                                            VALUE_PUNCH, VALUE_TRUNCATE, VALUE_STAT};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct value_call call = {.kind = kinds[i],
                                  .pre = {.kind = KV_PRE_CREATED, .id = created},
                                  .offset = 2 * MIB,
                                  .length = 2 * MIB,
                                  .data = slice_of(stage.model.scratch, 2 * MIB)};
        model_call(&stage.model, 0, &call, &answer);
        assert_int_equal(answer.status, SF_PRECONDITION);
        assert_int_equal(answer.stat.length, 3 * MIB);
    }
    model_read_all(&stage.model, 0);
    buffer_deinit(&answer.data);
    stage_free(&stage);
}

static void a_write_to_a_file_that_was_replaced_goes_to_the_new_one(void **state)
{
    struct stage stage = stage_new(7);
    struct fake_answer deleted = {0};
    (void)state;
    model_put(&stage.model, 0, 3 * MIB); /* client 0 knows its head */
    struct kv_op del = fake_op(KV_DELETE, "v", "");
    fake_submit(stage.fakes[1], &del, 0, &deleted);
    memset(stage.model.bytes, 0, MODEL_BYTES_MAX);
    stage.model.length = 0;
    model_write(&stage.model, 0, MIB - 5, 2 * MIB);
    model_read_all(&stage.model, 1);
    stage_free(&stage);
}

/* -- deadlines ------------------------------------------------------------------------------- */

static void a_put_that_nobody_saw_is_a_timeout(void **state)
{
    struct stage stage = stage_new(8);
    (void)state;
    model_put(&stage.model, 0, 10);
    stage.cluster->lose_replies = 1000;
    struct value_call call = {
        .kind = VALUE_PUT, .data = slice_of(stage.model.scratch, 3 * MIB), .timeout_ms = 3000};
    assert_int_equal(ask(&stage, call).status, SF_TIMEOUT); /* its id or intent never came */
    call.data.n = 100;
    assert_int_equal(ask(&stage, call).status, SF_UNKNOWN);
    call = (struct value_call){.kind = VALUE_READ, .length = 10, .timeout_ms = 3000};
    assert_int_equal(ask(&stage, call).status, SF_TIMEOUT);
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
    assert_int_equal(ask(&stage, call).status, SF_UNKNOWN);
    stage.cluster->lose_replies = 0;
    model_write(&stage.model, 0, 2 * MIB - 10, 2 * MIB); /* not overtaken by the other */
    pass_ms(&stage, 60000);
    model_read_all(&stage.model, 1);
    stage_free(&stage);
}

struct counted {
    struct value_call call;
    unsigned answers;
    int status;
    size_t bytes;  /* of the answer's data */
    uint64_t hash; /* of them */
};

static void count_answer(struct value_call *call, int status, const struct kv_stat *stat,
                         struct slice data)
{
    struct counted *counted = container_of(call, struct counted, call);
    (void)stat;
    counted->status = status;
    counted->bytes = data.n;
    counted->hash = bytes_hash(data);
    counted->answers++;
}

static void a_cancelled_operation_does_not_answer(void **state)
{
    struct stage stage = stage_new(10);
    unsigned cancelled = 0;
    (void)state;
    model_put(&stage.model, 0, 4 * MIB);
    for (unsigned steps = 0; steps < 30; steps++) {
        struct counted counted = {.call = {.on_done = count_answer,
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
        pass_ms(&stage, 1000);
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
    pass_ms(stage, 20000); /* what was given up is settled */
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
            int status = ask(&stage, some_change(&stage)).status;
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

static bool is_answered(void *ctx)
{
    const struct counted *counted = ctx;
    return counted->answers > 0;
}

static void a_put_whose_intent_is_gone_is_written_again(void **state)
{
    struct stage stage = stage_new(11);
    (void)state;
    model_put(&stage.model, 0, 3 * MIB);
    struct counted counted = {.call = {.on_done = count_answer,
                                       .kind = VALUE_PUT,
                                       .key = slice_str("v"),
                                       .data = slice_of(stage.model.bytes, 3 * MIB)}};
    value_submit(stage.model.clients[0], &counted.call);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(sim_run_until(stage.cluster->sim, has_intent, &stage, ENV_SECOND_NS));
        fake_store_expire_sessions(stage.cluster->store);
    }
    assert_true(sim_run_until(stage.cluster->sim, is_answered, &counted, ENV_SECOND_NS));
    model_read_all(&stage.model, 1);
    stage_free(&stage);
}

/* -- two at once ------------------------------------------------------------------------------ */

#define APPENDS 40u
#define PIECE_BYTES 60000u

struct appender {
    struct value_call call;
    struct client *client;
    uint8_t *piece;
    unsigned number, left;
};

static void next_append(struct appender *appender);

static void on_appended(struct value_call *call, int status, const struct kv_stat *stat,
                        struct slice data)
{
    struct appender *appender = container_of(call, struct appender, call);
    (void)stat;
    (void)data;
    assert_int_equal(status, SF_OK);
    appender->left--;
    if (appender->left > 0)
        next_append(appender);
}

/* Each piece is of one byte value, that no other piece has. */
static void next_append(struct appender *appender)
{
    memset(appender->piece, (int)(appender->number * 100 + appender->left), PIECE_BYTES);
    appender->call = (struct value_call){.on_done = on_appended,
                                         .kind = VALUE_APPEND,
                                         .key = slice_str("v"),
                                         .data = slice_of(appender->piece, PIECE_BYTES)};
    value_submit(appender->client, &appender->call);
}

static bool both_are_done(void *ctx)
{
    const struct appender *appenders = ctx;
    return appenders[0].left == 0 && appenders[1].left == 0;
}

static void appends_of_two_clients_are_all_there_and_whole(void **state)
{
    struct stage stage = stage_new(16);
    struct model_answer answer = {0};
    struct appender appenders[2] = {0};
    bool seen[256] = {false};
    (void)state;
    stage.cluster->lose_replies = 20;
    for (unsigned i = 0; i < 2; i++) {
        appenders[i] = (struct appender){.client = stage.model.clients[i],
                                         .piece = sf_malloc(PIECE_BYTES),
                                         .number = i,
                                         .left = APPENDS};
        next_append(&appenders[i]);
    }
    assert_true(
        sim_run_until(stage.cluster->sim, both_are_done, appenders, FAKE_LIMIT_MS * ENV_MS_NS));
    model_call(&stage.model, 0, &(struct value_call){.kind = VALUE_GET}, &answer);
    assert_int_equal(answer.data.n, 2 * APPENDS * PIECE_BYTES);
    for (size_t at = 0; at < answer.data.n; at += PIECE_BYTES) {
        uint8_t mark = answer.data.p[at];
        assert_false(seen[mark]);
        seen[mark] = true;
        for (size_t i = 1; i < PIECE_BYTES; i++)
            assert_int_equal(answer.data.p[at + i], mark);
    }
    for (unsigned i = 0; i < 2; i++)
        free(appenders[i].piece);
    buffer_deinit(&answer.data);
    stage_free(&stage);
}

/* Both would give the value's extents an id; the one that comes second takes the other's. */
static void two_that_lengthen_a_short_value_leave_nothing_behind(void **state)
{
    struct stage stage = stage_new(17);
    struct counted counted[2];
    (void)state;
    model_put(&stage.model, 0, 10);
    model_read_all(&stage.model, 1);
    for (unsigned i = 0; i < 2; i++) {
        counted[i] = (struct counted){.call = {.on_done = count_answer,
                                               .kind = VALUE_WRITE,
                                               .key = slice_str("v"),
                                               .offset = 2 * MIB + i * 100,
                                               .data = slice_of(stage.model.scratch, 100)}};
        value_submit(stage.model.clients[i], &counted[i].call);
    }
    for (unsigned i = 0; i < 2; i++)
        assert_true(sim_run_until(stage.cluster->sim, is_answered, &counted[i], ENV_SECOND_NS));
    memcpy(stage.model.bytes + 2 * MIB, stage.model.scratch, 100);
    memcpy(stage.model.bytes + 2 * MIB + 100, stage.model.scratch, 100);
    stage.model.length = 2 * MIB + 200;
    model_read_all(&stage.model, 0);
    assert_int_equal(extent_count(&stage), 1);
    stage_free(&stage);
}

/* A truncate that makes a value longer, and an append of 2 MiB that begins so many events later:
 * one of them comes first. */
static void lengthen_and_append(struct stage *stage, unsigned events)
{
    struct counted longer = {.call = {.on_done = count_answer,
                                      .kind = VALUE_TRUNCATE,
                                      .key = slice_str("v"),
                                      .length = 3 * MIB}};
    struct counted append = {.call = {.on_done = count_answer,
                                      .kind = VALUE_APPEND,
                                      .key = slice_str("v"),
                                      .data = slice_of(stage->model.scratch, 2 * MIB)}};
    assert_int_equal(
        ask(stage,
            (struct value_call){.kind = VALUE_PUT, .data = slice_of(stage->model.scratch, 2 * MIB)})
            .status,
        SF_OK);
    value_submit(stage->model.clients[0], &longer.call);
    for (unsigned i = 0; i < events; i++)
        (void)sim_step(stage->cluster->sim);
    value_submit(stage->model.clients[1], &append.call);
    assert_true(sim_run_until(stage->cluster->sim, is_answered, &longer, ENV_SECOND_NS));
    assert_true(sim_run_until(stage->cluster->sim, is_answered, &append, ENV_SECOND_NS));
    uint64_t length = ask(stage, (struct value_call){.kind = VALUE_STAT}).stat.length;
    if (append.call.old_length == 3 * MIB)
        assert_int_equal(length, 5 * MIB);
    else
        assert_int_equal(length, 3 * MIB);
}

static void a_truncate_and_an_append_have_an_order(void **state)
{
    struct stage stage = stage_new(18);
    (void)state;
    model_put(&stage.model, 0, 10);
    model_read_all(&stage.model, 1);
    for (unsigned events = 0; events < 40; events++)
        lengthen_and_append(&stage, events);
    stage_free(&stage);
}

/* -- a head that answers later than its extents -------------------------------------------------
 */

static uint32_t shard_of(struct stage *stage, enum kv_space space, struct slice key)
{
    const struct config *config = stage->cluster->config;
    struct kv_op op = {.kind = KV_STAT, .space = space, .key = key};
    return kv_op_shard(&op, config->routing, config->shard_count);
}

static group_id group_of(struct stage *stage, enum kv_space space, struct slice key)
{
    const struct config *config = stage->cluster->config;
    return config->shards[shard_of(stage, space, key)];
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
    struct model_answer answer = ask(stage, (struct value_call){.kind = VALUE_STAT});
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
    *counted = (struct counted){.call = {.on_done = count_answer,
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
    pass_ms(&stage, 100);
    model_append(&stage.model, 1, 1000);
    set_cut(&stage, head, false);
    assert_true(sim_run_until(stage.cluster->sim, is_answered, &read, FAKE_LIMIT_MS * ENV_MS_NS));
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
    pass_ms(&stage, 31000);
    uint64_t before = fake_cluster_requests(stage.cluster);
    set_cut(&stage, extent, false);
    assert_true(sim_run_until(stage.cluster->sim, is_answered, &read, FAKE_LIMIT_MS * ENV_MS_NS));
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
    *counted = (struct counted){.call = {.on_done = count_answer,
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
    pass_ms(&stage, 200000);
    set_cut(&stage, extent, false);
    assert_true(sim_run_until(stage.cluster->sim, is_answered, &write, FAKE_LIMIT_MS * ENV_MS_NS));
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
    struct counted write = {.call = {.on_done = count_answer, .kind = VALUE_WRITE}};
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
    pass_ms(&stage, 1000);
    assert_int_equal(writes_of(&stage) - before, 1);
    set_cut(&stage, head, true);
    assert_true(sim_run_until(stage.cluster->sim, is_answered, &write, FAKE_LIMIT_MS * ENV_MS_NS));
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
    pass_ms(&stage, 31000);
    set_cut(&stage, extent, false);
    assert_true(sim_run_until(stage.cluster->sim, is_answered, &write, FAKE_LIMIT_MS * ENV_MS_NS));
    assert_int_equal(writes_of(&stage) - before, 2); /* the new head and its extent */
    stage_free(&stage);
}

/* Extents of a Put that can't be reached are not sent once its intent is trash. */
static void a_put_is_not_sent_late_under_an_intent_that_is_gone(void **state)
{
    struct stage stage = stage_new(22);
    struct counted put = {.call = {.on_done = count_answer, .kind = VALUE_PUT}};
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
    pass_ms(&stage, 1000);
    uint64_t before = writes_of(&stage);
    fake_store_expire_sessions(stage.cluster->store);
    pass_ms(&stage, 31000);
    for (group_id gid = 1; gid <= FAKE_GROUPS_MAX; gid++)
        set_cut(&stage, gid, false);
    assert_true(sim_run_until(stage.cluster->sim, is_answered, &put, FAKE_LIMIT_MS * ENV_MS_NS));
    assert_int_equal(writes_of(&stage) - before, 2); /* the extents of the second try */
    model_read_all(&stage.model, 1);
    stage_free(&stage);
}

static bool has_extents(void *ctx)
{
    return extent_count(ctx) > 0;
}

/* Whoever cleans up behind a client that dies right then looks not far beyond the end. */
static void a_value_grows_before_extents_far_beyond_its_end(void **state)
{
    struct stage stage = stage_new(23);
    struct counted write = {.call = {.on_done = count_answer,
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
    assert_true(sim_run_until(stage.cluster->sim, is_answered, &write, ENV_SECOND_NS));
    model_call(&stage.model, 1, &(struct value_call){.kind = VALUE_STAT}, &answer);
    assert_int_equal(answer.stat.length, 100 * MIB + 3);
    stage_free(&stage);
}

/* -- the time of change ----------------------------------------------------------------------- */

static uint64_t mtime(struct stage *stage, unsigned client, enum value_kind kind)
{
    struct model_answer answer = {0};
    struct value_call call = {.kind = kind, .length = 1};
    model_call(&stage->model, client, &call, &answer);
    buffer_deinit(&answer.data);
    return answer.stat.mtime_ns;
}

static void set_true(void *ctx)
{
    *(bool *)ctx = true;
}

static bool is_true(void *ctx)
{
    return *(const bool *)ctx;
}

static void an_overwrite_beyond_the_head_changes_the_time_in_a_second(void **state)
{
    struct stage stage = stage_new(12);
    (void)state;
    model_put(&stage.model, 0, 3 * MIB);
    uint64_t before = mtime(&stage, 1, VALUE_STAT);
    pass_ms(&stage, 5000);
    model_write(&stage.model, 0, 2 * MIB, 10);
    pass_ms(&stage, 1200);
    uint64_t after = mtime(&stage, 1, VALUE_STAT);
    assert_true(after >= before + 5 * ENV_SECOND_NS);
    pass_ms(&stage, 5000);
    assert_int_equal(mtime(&stage, 1, VALUE_STAT), after); /* and then no more */
    stage_free(&stage);
}

static void a_stat_of_the_writer_shows_its_overwrite_at_once(void **state)
{
    struct stage stage = stage_new(13);
    (void)state;
    model_put(&stage.model, 0, 3 * MIB);
    uint64_t before = mtime(&stage, 0, VALUE_STAT);
    pass_ms(&stage, 5000);
    model_write(&stage.model, 0, 2 * MIB, 10);
    assert_true(mtime(&stage, 0, VALUE_STAT) >= before + 5 * ENV_SECOND_NS);
    stage_free(&stage);
}

static void a_sync_brings_the_time_up_to_date(void **state)
{
    struct stage stage = stage_new(14);
    bool done = false;
    (void)state;
    model_put(&stage.model, 0, 3 * MIB);
    uint64_t before = mtime(&stage, 1, VALUE_STAT);
    pass_ms(&stage, 5000);
    model_write(&stage.model, 0, 2 * MIB, 10);
    value_sync_mtime(stage.model.clients[0], KV_PLAIN, slice_str("v"), set_true, &done);
    assert_false(done);
    assert_true(sim_run_until(stage.cluster->sim, is_true, &done, ENV_SECOND_NS / 2));
    assert_true(mtime(&stage, 1, VALUE_STAT) >= before + 5 * ENV_SECOND_NS);
    done = false; /* nothing is behind: it answers all the same */
    value_sync_mtime(stage.model.clients[0], KV_PLAIN, slice_str("v"), set_true, &done);
    assert_true(sim_run_until(stage.cluster->sim, is_true, &done, ENV_SECOND_NS / 2));
    stage_free(&stage);
}

/* -- what it costs ---------------------------------------------------------------------------- */

static uint64_t requests_of(struct stage *stage, struct value_call call)
{
    uint64_t before = fake_cluster_requests(stage->cluster);
    assert_int_equal(ask(stage, call).status, SF_OK);
    return fake_cluster_requests(stage->cluster) - before;
}

static bool extent_is_with_head(struct stage *stage, uint64_t extent)
{
    uint8_t key[KV_EXTENT_KEY_BYTES];
    struct model_answer answer = ask(stage, (struct value_call){.kind = VALUE_STAT});
    struct tail tail = tail_of(&answer.stat);
    kv_extent_key(tail_id(&tail, extent), extent, key);
    return shard_of(stage, KV_INTERNAL, slice_of(key, sizeof key)) ==
           shard_of(stage, KV_PLAIN, slice_str(stage->model.key));
}

static void the_usual_operations_take_no_more_requests_than_they_must(void **state)
{
    struct stage stage = stage_new(15);
    struct slice kib = slice_of(stage.model.scratch, 1024);
    (void)state;
    model_put(&stage.model, 0, 4 * MIB);
    for (unsigned i = 0; i < 8; i++) /* every session is open, every leader known */
        model_write(&stage.model, 0, i * MIB / 2, 2 * MIB);
    uint64_t end = stage.model.length;
    struct value_call read = {.kind = VALUE_READ, .offset = 0, .length = 4096};
    assert_int_equal(requests_of(&stage, read), 1);
    read.offset = 2 * MIB; /* the extent, and the head beside it */
    assert_int_equal(requests_of(&stage, read), 2);
    struct value_call write = {.kind = VALUE_WRITE, .offset = 0, .data = kib};
    assert_int_equal(requests_of(&stage, write), 1);
    write.offset = 2 * MIB; /* the extent, then a read of the head */
    assert_int_equal(requests_of(&stage, write), 2);
    pass_ms(&stage, 20000); /* what was seen of the head is too old for a write */
    assert_int_equal(requests_of(&stage, write), 3);
    pass_ms(&stage, 2000); /* the time of change has been brought up to date */
    struct value_call append = {.kind = VALUE_APPEND, .data = kib};
    assert_true(end % MIB <= MIB - 1024);
    /* A vote and an outcome of the head's shard, and of the extent's; or one entry, of both. */
    uint64_t requests = requests_of(&stage, append);
    assert_int_equal(requests, extent_is_with_head(&stage, end / MIB) ? 1 : 4);
    stage_free(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_clients_in_turn_agree_with_a_flat_array),
        cmocka_unit_test(and_so_they_do_when_replies_are_lost),
        cmocka_unit_test(a_hole_reads_as_zeros_and_has_no_extents),
        cmocka_unit_test(what_was_cut_off_does_not_come_back),
        cmocka_unit_test(a_tail_that_is_full_is_merged),
        cmocka_unit_test(also_where_that_takes_several_steps),
        cmocka_unit_test(holes_are_found),
        cmocka_unit_test(limits_are_refused),
        cmocka_unit_test(an_absent_value_is_not_found),
        cmocka_unit_test(another_file_of_the_same_name_is_not_touched),
        cmocka_unit_test(a_write_to_a_file_that_was_replaced_goes_to_the_new_one),
        cmocka_unit_test(a_put_that_nobody_saw_is_a_timeout),
        cmocka_unit_test(a_write_under_way_at_its_deadline_is_unknown),
        cmocka_unit_test(a_timeout_means_that_nothing_happened),
        cmocka_unit_test(a_cancelled_operation_does_not_answer),
        cmocka_unit_test(a_put_whose_intent_is_gone_is_written_again),
        cmocka_unit_test(appends_of_two_clients_are_all_there_and_whole),
        cmocka_unit_test(two_that_lengthen_a_short_value_leave_nothing_behind),
        cmocka_unit_test(a_truncate_and_an_append_have_an_order),
        cmocka_unit_test(bytes_beyond_the_known_length_are_read_again),
        cmocka_unit_test(an_extent_that_answers_late_is_read_again),
        cmocka_unit_test(a_write_is_sent_late_while_its_ids_are_alive),
        cmocka_unit_test(a_write_that_is_seen_in_part_is_no_timeout),
        cmocka_unit_test(a_write_is_not_sent_late_to_what_was_deleted),
        cmocka_unit_test(a_put_is_not_sent_late_under_an_intent_that_is_gone),
        cmocka_unit_test(a_value_grows_before_extents_far_beyond_its_end),
        cmocka_unit_test(an_overwrite_beyond_the_head_changes_the_time_in_a_second),
        cmocka_unit_test(a_stat_of_the_writer_shows_its_overwrite_at_once),
        cmocka_unit_test(a_sync_brings_the_time_up_to_date),
        cmocka_unit_test(the_usual_operations_take_no_more_requests_than_they_must),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

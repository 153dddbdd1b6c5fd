/* Values of any length on the fake cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "client/fake_value.h"
#include "client/tail.h"
#include "env/memory.h"

#define SEEDS 4u
#define STEPS 250u

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
    assert_int_equal(stage_extent_count(&stage), 0);
    model_read_all(&stage.model, 1);
    model_write(&stage.model, 1, 3 * MIB + 7, 10);
    assert_int_equal(stage_extent_count(&stage), 1);
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
        assert_int_equal(stage_ask(&stage, call).status, SF_OK);
        call = (struct value_call){.kind = VALUE_TRUNCATE, .length = offset + 60};
        struct model_answer answer = stage_ask(&stage, call);
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
    struct model_answer answer =
        stage_ask(stage, (struct value_call){.kind = kind, .offset = offset});
    assert_int_equal(answer.status, SF_OK);
    return answer.found;
}

static void write_zeros(struct stage *stage, uint64_t offset, size_t n)
{
    static const uint8_t zeros[2 * MIB];
    struct value_call call = {.kind = VALUE_WRITE, .offset = offset, .data = slice_of(zeros, n)};
    assert_int_equal(stage_ask(stage, call).status, SF_OK);
}

static void holes_are_found(void **state)
{
    struct stage stage = stage_new(5);
    (void)state;
    model_put(&stage.model, 0, 10);
    struct value_call call = {.kind = VALUE_GROW, .length = 12 * MIB};
    assert_int_equal(stage_ask(&stage, call).stat.length, 12 * MIB);
    call.length = 5;
    assert_int_equal(stage_ask(&stage, call).stat.length, 12 * MIB);
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
    assert_int_equal(stage_ask(&stage, call).status, SF_OK);
    assert_int_equal(seek(&stage, VALUE_SEEK_DATA, 6 * MIB), 10 * MIB);
    stage_free(&stage);
}

static void limits_are_refused(void **state)
{
    struct stage stage = stage_new(4);
    (void)state;
    struct value_call call = {
        .kind = VALUE_WRITE, .offset = SF_FILE_BYTES_MAX, .data = slice_str("x")};
    assert_int_equal(stage_ask(&stage, call).status, SF_TOO_BIG);
    call = (struct value_call){.kind = VALUE_APPEND,
                               .data = slice_of(stage.model.scratch, SF_APPEND_BYTES_MAX + 1)};
    assert_int_equal(stage_ask(&stage, call).status, SF_TOO_BIG);
    call = (struct value_call){.kind = VALUE_TRUNCATE, .length = SF_FILE_BYTES_MAX + 1};
    assert_int_equal(stage_ask(&stage, call).status, SF_TOO_BIG);
    call = (struct value_call){.kind = VALUE_TRUNCATE, .length = SF_FILE_BYTES_MAX};
    assert_int_equal(stage_ask(&stage, call).status, SF_NOT_FOUND);
    model_put(&stage.model, 0, 1);
    assert_int_equal(stage_ask(&stage, call).status, SF_OK);
    call = (struct value_call){.kind = VALUE_APPEND, .data = slice_str("x")};
    assert_int_equal(stage_ask(&stage, call).status, SF_TOO_BIG);
    call = (struct value_call){.kind = VALUE_GET};
    assert_int_equal(stage_ask(&stage, call).status, SF_TOO_BIG);
    call = (struct value_call){
        .kind = VALUE_READ, .offset = SF_FILE_BYTES_MAX - 1, .length = UINT64_MAX};
    assert_int_equal(stage_ask(&stage, call).status, SF_OK);
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
        assert_int_equal(stage_ask(&stage, call).status, SF_NOT_FOUND);
        call.length = 3 * MIB;
        assert_int_equal(stage_ask(&stage, call).status, SF_NOT_FOUND);
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
    uint64_t created = stage_ask(&stage, (struct value_call){.kind = VALUE_STAT}).stat.created;
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
        counted[i] = (struct counted){.call = {.on_done = counted_on_done,
                                               .kind = VALUE_WRITE,
                                               .key = slice_str("v"),
                                               .offset = 2 * MIB + i * 100,
                                               .data = slice_of(stage.model.scratch, 100)}};
        value_submit(stage.model.clients[i], &counted[i].call);
    }
    for (unsigned i = 0; i < 2; i++)
        assert_true(sim_run_until(stage.cluster->sim, counted_is_done, &counted[i], ENV_SECOND_NS));
    memcpy(stage.model.bytes + 2 * MIB, stage.model.scratch, 100);
    memcpy(stage.model.bytes + 2 * MIB + 100, stage.model.scratch, 100);
    stage.model.length = 2 * MIB + 200;
    model_read_all(&stage.model, 0);
    assert_int_equal(stage_extent_count(&stage), 1);
    stage_free(&stage);
}

/* A truncate that makes a value longer, and an append of 2 MiB that begins so many events later:
 * one of them comes first. */
static void lengthen_and_append(struct stage *stage, unsigned events)
{
    struct counted longer = {.call = {.on_done = counted_on_done,
                                      .kind = VALUE_TRUNCATE,
                                      .key = slice_str("v"),
                                      .length = 3 * MIB}};
    struct counted append = {.call = {.on_done = counted_on_done,
                                      .kind = VALUE_APPEND,
                                      .key = slice_str("v"),
                                      .data = slice_of(stage->model.scratch, 2 * MIB)}};
    assert_int_equal(
        stage_ask(stage, (struct value_call){.kind = VALUE_PUT,
                                             .data = slice_of(stage->model.scratch, 2 * MIB)})
            .status,
        SF_OK);
    value_submit(stage->model.clients[0], &longer.call);
    for (unsigned i = 0; i < events; i++)
        (void)sim_step(stage->cluster->sim);
    value_submit(stage->model.clients[1], &append.call);
    assert_true(sim_run_until(stage->cluster->sim, counted_is_done, &longer, ENV_SECOND_NS));
    assert_true(sim_run_until(stage->cluster->sim, counted_is_done, &append, ENV_SECOND_NS));
    uint64_t length = stage_ask(stage, (struct value_call){.kind = VALUE_STAT}).stat.length;
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
    stage_pass_ms(&stage, 5000);
    model_write(&stage.model, 0, 2 * MIB, 10);
    stage_pass_ms(&stage, 1200);
    uint64_t after = mtime(&stage, 1, VALUE_STAT);
    assert_true(after >= before + 5 * ENV_SECOND_NS);
    stage_pass_ms(&stage, 5000);
    assert_int_equal(mtime(&stage, 1, VALUE_STAT), after); /* and then no more */
    stage_free(&stage);
}

static void a_stat_of_the_writer_shows_its_overwrite_at_once(void **state)
{
    struct stage stage = stage_new(13);
    (void)state;
    model_put(&stage.model, 0, 3 * MIB);
    uint64_t before = mtime(&stage, 0, VALUE_STAT);
    stage_pass_ms(&stage, 5000);
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
    stage_pass_ms(&stage, 5000);
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
    assert_int_equal(stage_ask(stage, call).status, SF_OK);
    return fake_cluster_requests(stage->cluster) - before;
}

static bool extent_is_with_head(struct stage *stage, uint64_t extent)
{
    uint8_t key[KV_EXTENT_KEY_BYTES];
    struct model_answer answer = stage_ask(stage, (struct value_call){.kind = VALUE_STAT});
    struct tail tail = tail_of(&answer.stat);
    kv_extent_key(tail_id(&tail, extent), extent, key);
    return stage_shard_of(stage, KV_INTERNAL, slice_of(key, sizeof key)) ==
           stage_shard_of(stage, KV_PLAIN, slice_str(stage->model.key));
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
    stage_pass_ms(&stage, 20000); /* what was seen of the head is too old for a write */
    assert_int_equal(requests_of(&stage, write), 3);
    stage_pass_ms(&stage, 2000); /* the time of change has been brought up to date */
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
        cmocka_unit_test(appends_of_two_clients_are_all_there_and_whole),
        cmocka_unit_test(two_that_lengthen_a_short_value_leave_nothing_behind),
        cmocka_unit_test(a_truncate_and_an_append_have_an_order),
        cmocka_unit_test(an_overwrite_beyond_the_head_changes_the_time_in_a_second),
        cmocka_unit_test(a_stat_of_the_writer_shows_its_overwrite_at_once),
        cmocka_unit_test(a_sync_brings_the_time_up_to_date),
        cmocka_unit_test(the_usual_operations_take_no_more_requests_than_they_must),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

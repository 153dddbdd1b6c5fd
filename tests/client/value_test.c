/* Values of any length against a flat array in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "client/fake_cluster.h"
#include "env/memory.h"

#define MIB (1u << 20)
#define MODEL_BYTES_MAX (6u * MIB)
#define SEEDS 4u
#define STEPS 250u

/* -- a value and its model ------------------------------------------------------------------ */

struct stage {
    struct fake_cluster *cluster;
    struct fake_client *clients[2];
    uint8_t *model; /* MODEL_BYTES_MAX; zeros from `length` on */
    uint64_t length;
    uint8_t *scratch;
    uint8_t stamp; /* makes the bytes of each write different */
};

static struct stage stage_new(uint64_t seed)
{
    struct stage stage = {.cluster = fake_cluster_new(seed, 10)};
    for (group_id gid = 1; gid <= FAKE_GROUPS_MAX; gid++)
        fake_cluster_join(stage.cluster, gid);
    stage.clients[0] = fake_client_new(stage.cluster, "c0");
    stage.clients[1] = fake_client_new(stage.cluster, "c1");
    stage.model = sf_calloc(1, MODEL_BYTES_MAX);
    stage.scratch = sf_calloc(1, MODEL_BYTES_MAX);
    return stage;
}

static void stage_free(struct stage *stage)
{
    fake_client_free(stage->clients[0]);
    fake_client_free(stage->clients[1]);
    fake_cluster_free(stage->cluster);
    free(stage->model);
    free(stage->scratch);
}

static struct slice fresh_bytes(struct stage *stage, size_t n)
{
    stage->stamp++;
    for (size_t i = 0; i < n; i++)
        stage->scratch[i] = (uint8_t)(stage->stamp + i / 4096 + i % 251);
    return slice_of(stage->scratch, n);
}

static int run(struct stage *stage, unsigned client, struct value_call call,
               struct fake_answer *answer)
{
    call.key = slice_str("v");
    fake_value(stage->clients[client], &call, answer);
    return answer->status;
}

static void model_write(struct stage *stage, uint64_t offset, struct slice data)
{
    memcpy(stage->model + offset, data.p, data.n);
    if (data.n > 0 && offset + data.n > stage->length)
        stage->length = offset + data.n;
}

static void model_cut(struct stage *stage, uint64_t length)
{
    if (length < stage->length)
        memset(stage->model + length, 0, (size_t)(stage->length - length));
    stage->length = length;
}

static void check_range(struct stage *stage, unsigned client, uint64_t offset, uint64_t length)
{
    struct fake_answer answer = {0};
    struct value_call call = {.kind = VALUE_READ, .offset = offset, .length = length};
    assert_int_equal(run(stage, client, call, &answer), SF_OK);
    uint64_t left = offset < stage->length ? stage->length - offset : 0;
    assert_int_equal(answer.stat.length, stage->length);
    assert_int_equal(answer.data.n, left < length ? left : length);
    if (answer.data.n > 0)
        assert_memory_equal(answer.data.p, stage->model + offset, answer.data.n);
    fake_answer_deinit(&answer);
}

static void check_all(struct stage *stage, unsigned client)
{
    struct fake_answer answer = {0};
    struct value_call call = {.kind = VALUE_GET};
    assert_int_equal(run(stage, client, call, &answer), SF_OK);
    assert_int_equal(answer.data.n, stage->length);
    if (answer.data.n > 0)
        assert_memory_equal(answer.data.p, stage->model, answer.data.n);
    fake_answer_deinit(&answer);
}

static void expect_ok(struct stage *stage, unsigned client, struct value_call call)
{
    struct fake_answer answer = {0};
    assert_int_equal(run(stage, client, call, &answer), SF_OK);
    assert_int_equal(answer.stat.length, stage->length);
    fake_answer_deinit(&answer);
}

static void do_put(struct stage *stage, unsigned client, size_t n)
{
    struct slice data = fresh_bytes(stage, n);
    model_cut(stage, 0);
    model_write(stage, 0, data);
    expect_ok(stage, client, (struct value_call){.kind = VALUE_PUT, .data = data});
}

static void do_write(struct stage *stage, unsigned client, uint64_t offset, size_t n)
{
    struct slice data = fresh_bytes(stage, n);
    model_write(stage, offset, data);
    expect_ok(stage, client,
              (struct value_call){.kind = VALUE_WRITE, .offset = offset, .data = data});
}

static void do_append(struct stage *stage, unsigned client, size_t n)
{
    struct fake_answer answer = {0};
    struct slice data = fresh_bytes(stage, n);
    uint64_t old = stage->length;
    model_write(stage, old, data);
    assert_int_equal(
        run(stage, client, (struct value_call){.kind = VALUE_APPEND, .data = data}, &answer),
        SF_OK);
    assert_int_equal(answer.old_length, old);
    fake_answer_deinit(&answer);
}

static void do_truncate(struct stage *stage, unsigned client, uint64_t length)
{
    model_cut(stage, length);
    expect_ok(stage, client, (struct value_call){.kind = VALUE_TRUNCATE, .length = length});
}

static void do_punch(struct stage *stage, unsigned client, uint64_t offset, uint64_t n)
{
    uint64_t end = offset + n < stage->length ? offset + n : stage->length;
    if (offset < end)
        memset(stage->model + offset, 0, (size_t)(end - offset));
    expect_ok(stage, client,
              (struct value_call){.kind = VALUE_PUNCH, .offset = offset, .length = n});
}

/* -- random histories ------------------------------------------------------------------------ */

static uint64_t below(struct stage *stage, uint64_t limit)
{
    return sim_random_below(stage->cluster->sim, limit);
}

/* An offset up to `limit`, often near the edge of an extent. */
static uint64_t some_offset(struct stage *stage, uint64_t limit)
{
    uint64_t offset = below(stage, limit);
    if (below(stage, 2) == 0) {
        offset = offset / MIB * MIB + below(stage, 5);
        offset = offset >= 2 ? offset - 2 : 0;
    }
    return offset < limit ? offset : limit;
}

static size_t some_size(struct stage *stage, uint64_t offset)
{
    static const size_t sizes[] = {1, 100, 4096, 70000, MIB, 3 * MIB};
    size_t limit = sizes[below(stage, sizeof sizes / sizeof *sizes)];
    size_t n = 1 + (size_t)below(stage, limit);
    return n < MODEL_BYTES_MAX - offset ? n : (size_t)(MODEL_BYTES_MAX - offset);
}

static void one_step(struct stage *stage, unsigned client)
{
    uint64_t offset = some_offset(stage, MODEL_BYTES_MAX - 1);
    switch (below(stage, 10)) {
    case 0:
        do_put(stage, client, below(stage, 3) == 0 ? some_size(stage, 0) : 3000);
        break;
    case 1:
    case 2:
    case 3:
        do_write(stage, client, offset, some_size(stage, offset));
        break;
    case 4:
        if (stage->length < MODEL_BYTES_MAX)
            do_append(stage, client, some_size(stage, stage->length));
        break;
    case 5:
    case 6:
        do_truncate(stage, client, offset);
        break;
    case 7:
        do_punch(stage, client, offset, some_size(stage, offset));
        break;
    default:
        check_range(stage, client, offset, some_size(stage, offset));
        break;
    }
}

static void two_clients_in_turn_agree_with_a_flat_array(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct stage stage = stage_new(seed);
        do_put(&stage, 0, 10);
        for (unsigned step = 0; step < STEPS; step++) {
            one_step(&stage, (unsigned)below(&stage, 2));
        }
        check_all(&stage, 0);
        check_all(&stage, 1);
        stage_free(&stage);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_clients_in_turn_agree_with_a_flat_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

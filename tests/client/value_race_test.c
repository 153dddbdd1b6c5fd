/* Clients at one long value at the same time, on a whole simulated cluster in bad weather.
 *
 *   value_race_test [--seeds N] [--seed FIRST] [--engine raft|paxos]
 *
 * Appends: three clients append lines; one of them ends now and then. In the end every line that was
 * acknowledged is there once, every other one at most once, each whole, those of one client in order
 * and nothing in between.
 *
 * Shrinks: one client cuts the value within an extent and lets it grow again, and ends now and then;
 * two others write counters into the part of that extent that is kept, and read them back: what was
 * acknowledged is there, in every read that began later, up to the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "client/value_model.h"
#include "client/value_stage.h"
#include "env/log.h"
#include "env/memory.h"
#include "sim/seeds.h"
#include "storm/weather.h"
#include "txn/bank.h"

#define USERS 3u
#define STORM_MS_MAX 5000u
#define REST_MS 120000u
#define KEY "5"

static struct seeds seeds;

struct stage {
    struct cluster *cluster;
    struct value_user users[USERS];
    struct weather weather;
    struct model model; /* for calls that are waited for: of users 0 and 1 */
};

static void stage_begin(struct stage *stage, uint64_t seed)
{
    const struct cluster_options options = {
        .chunk_bytes = 200000, .flush_ms = 200 + seed * 37 % 400, .slack_bytes = 1u << 22};
    seeds_say(&seeds, seed);
    *stage = (struct stage){.cluster = cluster_new(seed, &options)};
    stage->weather = (struct weather){.cluster = stage->cluster, .gap_ms = 50 + seed * 331 % 700};
    cluster_start(stage->cluster, (1u << CLUSTER_GROUPS) - 1);
    assert_true(cluster_join(stage->cluster, 7));
    value_users_start(stage->cluster, stage->users, USERS);
    model_init(&stage->model, stage->cluster->sim, KEY);
}

static void call_and_wait(struct stage *stage, const struct value_call *call,
                          struct model_answer *answer)
{
    for (unsigned i = 0; i < 2; i++)
        stage->model.clients[i] = stage->users[i].client;
    model_call(&stage->model, 1, call, answer);
    assert_int_equal(answer->status, SF_OK);
}

static void calm_down(struct stage *stage)
{
    while (stage->weather.blows)
        cluster_run_ms(stage->cluster, 100);
    for (unsigned i = 0; i < USERS; i++)
        if (!sim_node_is_up(stage->users[i].node))
            sim_node_start(stage->users[i].node);
    assert_true(cluster_run_until(stage->cluster, bank_is_clean, REST_MS));
}

static void stage_end(struct stage *stage)
{
    cluster_free(stage->cluster);
    model_deinit(&stage->model);
}

static uint64_t below(const struct stage *stage, uint64_t limit)
{
    return sim_random_below(stage->cluster->sim, limit);
}

/* User 2 ends, and is there again a moment later. */
static void start_again(void *ctx)
{
    struct value_user *user = ctx;
    if (!sim_node_is_up(user->node))
        sim_node_start(user->node);
}

static void crash_user(struct stage *stage)
{
    struct value_user *user = &stage->users[2];
    if (!sim_node_is_up(user->node))
        return;
    sim_node_crash(user->node);
    sim_after_ns(stage->cluster->sim, (1 + below(stage, 500)) * ENV_MS_NS, start_again, user);
}

/* -- appends ---------------------------------------------------------------------------------- */

#define LINES 50u
#define LINE_BYTES_MAX 60000u
#define BASE_BYTES (MIB - 100000u)
#define MAGIC 0x6c696e65u

/* A line begins with this; its other bytes are all the same. */
struct line {
    uint32_t magic, writer, number, bytes;
};

enum fate { NOT_SENT, OPEN, DONE };

struct writer {
    struct stage *stage;
    unsigned index, next;
    struct value_call call;
    uint8_t *line;
    bool open;
    enum fate fates[LINES];
    unsigned found;  /* lines that were found in the end */
    int last_number; /* of them */
};

static uint8_t fill_of(const struct line *line)
{
    return (uint8_t)(line->writer * 83 + line->number + 1);
}

static void on_appended(struct value_call *call, int status, const struct kv_stat *stat,
                        struct slice data)
{
    struct writer *writer = container_of(call, struct writer, call);
    (void)stat;
    (void)data;
    assert_true(status == SF_OK || status == SF_UNKNOWN || status == SF_TIMEOUT);
    writer->fates[writer->next] = status == SF_OK ? DONE : status == SF_UNKNOWN ? OPEN : NOT_SENT;
    writer->next++;
    writer->open = false;
}

static void append_next(struct writer *writer)
{
    struct stage *stage = writer->stage;
    struct line line = {.magic = MAGIC, .writer = writer->index, .number = writer->next};
    line.bytes = (uint32_t)(sizeof line + below(stage, LINE_BYTES_MAX - sizeof line));
    memset(writer->line, fill_of(&line), line.bytes);
    memcpy(writer->line, &line, sizeof line);
    writer->fates[writer->next] = OPEN;
    writer->open = true;
    writer->call = (struct value_call){
        .on_done = on_appended,
        .kind = VALUE_APPEND,
        .key = slice_str(KEY),
        .data = slice_of(writer->line, line.bytes),
        .timeout_ms = below(stage, 4) == 0 ? 1 + below(stage, 4000) : 0,
    };
    value_submit(stage->users[writer->index].client, &writer->call);
}

/* A writer whose process has ended goes on with the next line. */
static void drive_writer(struct writer *writer)
{
    bool up = sim_node_is_up(writer->stage->users[writer->index].node);
    if (writer->open && (!up || !writer->call.state)) {
        writer->open = false;
        writer->next++;
    }
    if (up && !writer->open && writer->next < LINES)
        append_next(writer);
}

static void find_lines(struct writer *writers, const uint8_t *p, size_t n)
{
    size_t at = BASE_BYTES;
    while (at < n) {
        struct line line;
        assert_true(n - at >= sizeof line);
        memcpy(&line, p + at, sizeof line);
        assert_int_equal(line.magic, MAGIC);
        assert_true(line.writer < USERS && line.number < LINES && line.bytes <= n - at);
        for (size_t i = sizeof line; i < line.bytes; i++)
            assert_int_equal(p[at + i], fill_of(&line));
        struct writer *writer = &writers[line.writer];
        assert_true((int)line.number > writer->last_number);
        for (int lost = writer->last_number + 1; lost < (int)line.number; lost++)
            assert_int_not_equal(writer->fates[lost], DONE);
        assert_int_not_equal(writer->fates[line.number], NOT_SENT);
        writer->last_number = (int)line.number;
        writer->found++;
        at += line.bytes;
    }
}

static void judge_lines(struct stage *stage, struct writer *writers)
{
    struct model_answer answer = {0};
    call_and_wait(stage, &(struct value_call){.kind = VALUE_GET}, &answer);
    find_lines(writers, answer.data.p, answer.data.n);
    for (unsigned i = 0; i < USERS; i++) {
        for (int lost = writers[i].last_number + 1; lost < (int)LINES; lost++)
            assert_int_not_equal(writers[i].fates[lost], DONE);
        print_message("  writer %u: %u of %u lines\n", i, writers[i].found, LINES);
    }
    assert_true(answer.data.n > 2 * MIB);
    buffer_deinit(&answer.data);
}

static bool all_have_written(const struct writer *writers)
{
    for (unsigned i = 0; i < USERS; i++)
        if (writers[i].next < LINES || writers[i].open)
            return false;
    return true;
}

static void race_appends(uint64_t seed)
{
    struct stage stage;
    struct writer writers[USERS] = {0};
    struct model_answer answer = {0};
    stage_begin(&stage, seed);
    call_and_wait(
        &stage,
        &(struct value_call){.kind = VALUE_PUT, .data = slice_of(stage.model.bytes, BASE_BYTES)},
        &answer);
    for (unsigned i = 0; i < USERS; i++)
        writers[i] = (struct writer){
            .stage = &stage, .index = i, .line = sf_malloc(LINE_BYTES_MAX), .last_number = -1};
    while (!all_have_written(writers)) {
        for (unsigned i = 0; i < USERS; i++)
            drive_writer(&writers[i]);
        if (below(&stage, 100) == 0)
            crash_user(&stage);
        if (below(&stage, 60) == 0)
            weather_blow(&stage.weather, STORM_MS_MAX);
        cluster_run_ms(stage.cluster, 1 + below(&stage, 20));
    }
    calm_down(&stage);
    judge_lines(&stage, writers);
    for (unsigned i = 0; i < USERS; i++)
        free(writers[i].line);
    buffer_deinit(&answer.data);
    stage_end(&stage);
}

static void lines_of_many_are_all_there_and_whole(void **state)
{
    (void)state;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed++)
        race_appends(seed);
}

/* -- writes into what a shrink keeps ---------------------------------------------------------- */

#define CUT (2 * MIB + 20000u) /* the value is cut here or a little later */
#define ROUNDS 60u             /* of a counter */
#define SHRINKS 25u

struct counter {
    struct stage *stage;
    unsigned index;
    uint64_t offset;
    uint64_t value; /* acknowledged */
    struct value_call call;
    uint64_t next;
    bool open, reads;
};

static void on_counted(struct value_call *call, int status, const struct kv_stat *stat,
                       struct slice data)
{
    struct counter *counter = container_of(call, struct counter, call);
    (void)stat;
    assert_int_equal(status, SF_OK);
    counter->open = false;
    if (!counter->reads) {
        counter->value = counter->next;
    } else {
        uint64_t got = 0;
        assert_int_equal(data.n, sizeof got);
        memcpy(&got, data.p, sizeof got);
        assert_int_equal(got, counter->value);
    }
    counter->reads = !counter->reads;
}

/* A write; then a read, by the other one. */
static void drive_counter(struct counter *counter)
{
    unsigned reader = 1 - counter->index;
    if (counter->open || (!counter->reads && counter->value == ROUNDS))
        return;
    counter->next = counter->value + 1;
    counter->open = true;
    counter->call = (struct value_call){.on_done = on_counted,
                                        .key = slice_str(KEY),
                                        .offset = counter->offset,
                                        .kind = counter->reads ? VALUE_READ : VALUE_WRITE};
    if (counter->reads)
        counter->call.length = sizeof counter->next;
    else
        counter->call.data = slice_of((const uint8_t *)&counter->next, sizeof counter->next);
    unsigned who = counter->reads ? reader : counter->index;
    value_submit(counter->stage->users[who].client, &counter->call);
}

struct shrinker {
    struct stage *stage;
    struct value_call call;
    unsigned shrinks;
    bool open, grows;
};

static void on_cut(struct value_call *call, int status, const struct kv_stat *stat,
                   struct slice data)
{
    struct shrinker *shrinker = container_of(call, struct shrinker, call);
    (void)stat;
    (void)data;
    assert_int_equal(status, SF_OK);
    shrinker->open = false;
    shrinker->shrinks += !shrinker->grows;
    shrinker->grows = !shrinker->grows;
}

static void drive_shrinker(struct shrinker *shrinker)
{
    struct stage *stage = shrinker->stage;
    static const uint8_t end[100] = {1};
    bool up = sim_node_is_up(stage->users[2].node);
    if (shrinker->open && (!up || !shrinker->call.state))
        shrinker->open = false;
    if (!up || shrinker->open || shrinker->shrinks == SHRINKS)
        return;
    shrinker->open = true;
    shrinker->call = (struct value_call){.on_done = on_cut,
                                         .key = slice_str(KEY),
                                         .kind = VALUE_TRUNCATE,
                                         .length = CUT + below(stage, 40000)};
    if (shrinker->grows) {
        shrinker->call.kind = VALUE_APPEND;
        shrinker->call.data = slice_of(end, sizeof end);
    }
    value_submit(stage->users[2].client, &shrinker->call);
}

static void judge_counters(struct stage *stage, const struct counter *counters)
{
    for (unsigned i = 0; i < 2; i++) {
        struct model_answer answer = {0};
        uint64_t got;
        call_and_wait(stage,
                      &(struct value_call){
                          .kind = VALUE_READ, .offset = counters[i].offset, .length = sizeof got},
                      &answer);
        assert_int_equal(answer.data.n, sizeof got);
        memcpy(&got, answer.data.p, sizeof got);
        assert_int_equal(got, ROUNDS);
        buffer_deinit(&answer.data);
    }
}

static void race_shrinks(uint64_t seed)
{
    struct stage stage;
    struct model_answer answer = {0};
    stage_begin(&stage, 1000 + seed);
    call_and_wait(
        &stage,
        &(struct value_call){.kind = VALUE_PUT, .data = slice_of(stage.model.bytes, 3 * MIB)},
        &answer);
    struct counter counters[2] = {{.stage = &stage, .index = 0, .offset = 2 * MIB + 100},
                                  {.stage = &stage, .index = 1, .offset = 2 * MIB + 9000}};
    struct shrinker shrinker = {.stage = &stage};
    while (counters[0].value < ROUNDS || counters[1].value < ROUNDS || shrinker.shrinks < SHRINKS ||
           counters[0].open || counters[1].open || shrinker.open) {
        drive_counter(&counters[0]);
        drive_counter(&counters[1]);
        drive_shrinker(&shrinker);
        if (below(&stage, 100) == 0)
            crash_user(&stage);
        if (below(&stage, 100) == 0)
            weather_blow(&stage.weather, STORM_MS_MAX);
        cluster_run_ms(stage.cluster, 1 + below(&stage, 20));
    }
    calm_down(&stage);
    judge_counters(&stage, counters);
    buffer_deinit(&answer.data);
    stage_end(&stage);
}

static void a_shrink_loses_nobody_s_write(void **state)
{
    (void)state;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed++)
        race_shrinks(seed);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_many_are_all_there_and_whole),
        cmocka_unit_test(a_shrink_loses_nobody_s_write),
    };
    seeds = seeds_parse(argc, argv, 4);
    log_level_min = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

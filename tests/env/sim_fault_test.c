/* What the simulator does to machines when it is told to: pauses, clocks, crashes at a point, disks
 * that stall and fill up; and the mix of all of it that a run draws. */
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/env.h"
#include "env/log.h"
#include "env/memory.h"
#include "sim/mix.h"

#define SECOND ENV_SECOND_NS
#define TICK_MS 10u
#define BUSY_MAX 5u

/* A program that every 10 ms makes a file, writes a byte of its log, has it synced, sends a message
 * to the next node, and counts what comes of it. */
struct busy {
    struct busy *next; /* node */
    struct sim_node *node;
    struct env *env;
    struct env_timer tick;
    struct env_listener *listener;
    struct env_conn *in, *out;
    struct env_file *file;
    struct env_sync sync;
    bool syncing;
    int status;         /* of the last write or sync */
    uint64_t now_ns;    /* at the last tick; never goes back */
    uint64_t synced_ns; /* the simulation's time of the last sync that ended */
    unsigned boots, ticks, syncs, sent, heard;
};

static void on_open(void *ctx)
{
    (void)ctx;
}

static void on_data(void *ctx, const uint8_t *bytes, size_t n)
{
    struct busy *b = ctx;
    (void)bytes;
    b->heard += (unsigned)n;
}

static void on_in_close(void *ctx, int reason)
{
    struct busy *b = ctx;
    (void)reason;
    b->in = NULL;
}

static void on_out_close(void *ctx, int reason)
{
    struct busy *b = ctx;
    (void)reason;
    b->out = NULL;
}

static const struct env_conn_events in_events = {on_open, on_data, on_in_close};
static const struct env_conn_events out_events = {on_open, on_data, on_out_close};

static void on_accept(void *ctx, struct env_conn *conn)
{
    struct busy *b = ctx;
    if (b->in != NULL)
        env_conn_close(b->in);
    b->in = conn;
    env_conn_accept(conn, &in_events, b);
}

static void on_sync(struct env_sync *sync, int status)
{
    struct busy *b = container_of(sync, struct busy, sync);
    b->syncing = false;
    b->status = status;
    b->syncs++;
    b->synced_ns = sim_now_ns(sim_node_sim(b->node));
}

static void say(struct busy *b)
{
    char address[32];
    uint8_t *byte = sf_calloc(1, 1);
    snprintf(address, sizeof address, "%s:1", sim_node_name(b->next->node));
    if (b->out == NULL)
        assert_int_equal(env_connect(b->env, address, &out_events, b, &b->out), SF_OK);
    env_conn_send(b->out, byte, 1);
    b->sent++;
}

static void on_tick(struct env_timer *timer)
{
    struct busy *b = container_of(timer, struct busy, tick);
    struct env_file *made;
    assert_true(env_now_ns(b->env) >= b->now_ns);
    b->now_ns = env_now_ns(b->env);
    b->ticks++;
    env_timer_start_ms(timer, TICK_MS);
    if (env_file_open(b->env, "made", ENV_FILE_CREATE, &made) == SF_OK)
        env_file_close(made);
    b->status = env_file_write(b->file, b->ticks, "x", 1);
    if (b->status == SF_OK && !b->syncing) {
        b->syncing = true;
        env_file_sync(b->file, &b->sync);
    }
    say(b);
}

static void boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct busy *b = ctx;
    char address[32];
    b->env = env;
    b->boots++;
    b->syncing = false;
    b->now_ns = 0;
    b->sync = (struct env_sync){.on_done = on_sync};
    snprintf(address, sizeof address, "%s:1", sim_node_name(node));
    assert_int_equal(env_listen(env, address, on_accept, b, &b->listener), SF_OK);
    env_timer_init(env, &b->tick, on_tick);
    env_timer_start_ms(&b->tick, TICK_MS);
    /* Where the disk is full and the file was lost, it is not there. */
    if (env_file_open(env, "log", ENV_FILE_CREATE, &b->file) != SF_OK) {
        b->file = NULL;
        env_fatal(env, "no log");
    }
}

static void halt(void *ctx, struct sim_node *node)
{
    struct busy *b = ctx;
    (void)node;
    env_timer_stop(&b->tick);
    if (b->in != NULL)
        env_conn_close(b->in);
    if (b->out != NULL)
        env_conn_close(b->out);
    env_listener_close(b->listener);
    env_file_close(b->file);
    b->in = b->out = NULL;
    b->file = NULL;
}

/* Processes that end themselves say why. */
static void drop_line(enum log_level level, const char *room, const char *text)
{
    (void)level, (void)room, (void)text;
}

struct town {
    struct sim *sim;
    struct busy busy[BUSY_MAX];
    struct sim_node *nodes[BUSY_MAX];
    size_t count;
};

static void town_init(struct town *t, uint64_t seed, size_t count)
{
    *t = (struct town){.sim = sim_new(seed), .count = count};
    log_sink = drop_line;
    for (size_t i = 0; i < count; i++) {
        struct sim_program program = {boot, halt, &t->busy[i]};
        char name[2] = {(char)('a' + i), 0};
        t->nodes[i] = t->busy[i].node = sim_node_new(t->sim, name, &program);
        t->busy[i].next = &t->busy[(i + 1) % count];
    }
    for (size_t i = 0; i < count; i++)
        sim_node_start(t->nodes[i]);
}

/* -- pauses -------------------------------------------------------------------------------- */

static void a_paused_process_does_nothing_until_it_goes_on(void **state)
{
    (void)state;
    struct town t;
    town_init(&t, 1, 2);
    const struct busy *a = &t.busy[0], *b = &t.busy[1];
    sim_run_ns(t.sim, SECOND);
    sim_node_pause(t.nodes[0], SECOND);
    assert_true(sim_node_is_paused(t.nodes[0]));
    unsigned ticks = a->ticks, heard = a->heard, syncs = a->syncs, heard_by_b = b->heard;
    sim_run_ns(t.sim, SECOND - 1);
    assert_int_equal(a->ticks, ticks);
    assert_int_equal(a->heard, heard);
    assert_int_equal(a->syncs, syncs);
    assert_in_range(b->heard - heard_by_b, 0, 1); /* what was under way */
    sim_run_ns(t.sim, 1);
    assert_false(sim_node_is_paused(t.nodes[0]));
    assert_int_equal(a->ticks,
                     ticks + 1); /* its timer was armed once, and it sees how late it is */
    assert_in_range(a->heard - heard, 98, 101);
    sim_run_ns(t.sim, SECOND);
    assert_in_range(a->ticks - ticks, 100, 101);
    sim_free(t.sim);
}

static void a_crash_ends_a_pause(void **state)
{
    (void)state;
    struct town t;
    town_init(&t, 2, 2);
    sim_run_ns(t.sim, SECOND);
    sim_node_pause(t.nodes[0], 100 * SECOND);
    sim_run_ns(t.sim, SECOND);
    sim_node_crash(t.nodes[0]);
    assert_false(sim_node_is_paused(t.nodes[0]));
    sim_node_pause(t.nodes[0], SECOND); /* nobody is there */
    sim_node_start(t.nodes[0]);
    unsigned ticks = t.busy[0].ticks;
    sim_run_ns(t.sim, SECOND);
    assert_in_range(t.busy[0].ticks - ticks, 99, 101);
    sim_free(t.sim);
}

/* -- clocks -------------------------------------------------------------------------------- */

static void clocks_drift_and_never_go_back(void **state)
{
    (void)state;
    static const int32_t drifts[] = {0, 100, -100, 500000, -500000, -999000};
    struct town t;
    town_init(&t, 3, 2);
    for (size_t i = 0; i < sizeof drifts / sizeof drifts[0]; i++) {
        const struct busy *a = &t.busy[0], *b = &t.busy[1];
        uint64_t local_ns = env_now_ns(a->env), wall_ns = env_wall_ns(a->env);
        unsigned ticks = a->ticks, ticks_of_b = b->ticks;
        sim_clock_drift(t.nodes[0], drifts[i]);
        assert_int_equal(env_now_ns(a->env), local_ns);
        sim_run_ns(t.sim, 10 * SECOND);
        uint64_t expected_ns = 10 * (SECOND + (uint64_t)(drifts[i] * 1000LL));
        assert_int_equal(env_now_ns(a->env) - local_ns, expected_ns);
        assert_int_equal(env_wall_ns(a->env) - wall_ns, expected_ns);
        uint64_t expected_ticks = expected_ns / (TICK_MS * ENV_MS_NS);
        assert_in_range(a->ticks - ticks + 1, expected_ticks, expected_ticks + 2);
        assert_in_range(b->ticks - ticks_of_b, 999, 1001);
    }
    sim_free(t.sim);
}

static void a_timer_waits_for_its_own_clock(void **state)
{
    (void)state;
    for (int32_t ppm = -900001; ppm < 900000; ppm += 41117) {
        struct town t;
        town_init(&t, 4, 1);
        const struct busy *a = &t.busy[0];
        sim_clock_drift(t.nodes[0], ppm);
        for (unsigned i = 0; i < 20; i++) {
            uint64_t due_ns = a->tick.due_ns;
            unsigned ticks = a->ticks;
            while (a->ticks == ticks)
                assert_true(sim_step(t.sim));
            assert_in_range(a->now_ns, due_ns, due_ns + 2);
        }
        sim_free(t.sim);
    }
}

/* It shows the same time for many nanoseconds: a timer that is due at once fires now, not at the
 * first of them. */
static void a_slow_clock_lets_nothing_happen_earlier(void **state)
{
    (void)state;
    struct town t;
    town_init(&t, 6, 1);
    struct busy *a = &t.busy[0];
    sim_clock_drift(t.nodes[0], -999000);
    for (unsigned i = 0; i < 50; i++) {
        unsigned ticks = a->ticks;
        sim_run_ns(t.sim, SECOND / 7 + i * 111);
        env_timer_start_ms(&a->tick, 0);
        while (a->ticks == ticks)
            assert_true(sim_step(t.sim));
    }
    sim_free(t.sim);
}

static void wall_clocks_step_either_way(void **state)
{
    (void)state;
    struct town t;
    town_init(&t, 5, 1);
    sim_run_ns(t.sim, SECOND);
    struct env *env = t.busy[0].env;
    uint64_t now_ns = env_now_ns(env), wall_ns = env_wall_ns(env);
    sim_clock_step(t.nodes[0], 3600 * (int64_t)SECOND);
    assert_int_equal(env_wall_ns(env), wall_ns + 3600 * SECOND);
    sim_clock_step(t.nodes[0], -7200 * (int64_t)SECOND);
    assert_int_equal(env_wall_ns(env), wall_ns - 3600 * SECOND);
    assert_int_equal(env_now_ns(env), now_ns);
    sim_free(t.sim);
}

/* -- crashes at a point -------------------------------------------------------------------- */

static void a_process_ends_at_the_point_that_was_named(void **state)
{
    (void)state;
    for (enum sim_point point = SIM_AT_WRITE; point <= SIM_AT_SEND; point++) {
        for (uint32_t nth = 1; nth <= 3; nth++) {
            struct town t;
            town_init(&t, 6, 2);
            const struct busy *a = &t.busy[0];
            sim_run_ns(t.sim, SECOND + TICK_MS * ENV_MS_NS / 2); /* between two ticks */
            unsigned ticks = a->ticks, syncs = a->syncs, sent = a->sent;
            sim_node_crash_at(t.nodes[0], point, nth);
            sim_run_ns(t.sim, (nth - 1) * TICK_MS * ENV_MS_NS);
            assert_true(sim_node_is_up(t.nodes[0]));
            sim_run_ns(t.sim, TICK_MS * ENV_MS_NS);
            assert_false(sim_node_is_up(t.nodes[0]));
            assert_false(sim_node_failed(t.nodes[0]));
            assert_int_equal(a->ticks, ticks + nth);
            assert_int_equal(a->syncs, syncs + nth - 1);
            assert_int_equal(a->sent, sent + nth); /* it does not know that it is dead */
            sim_node_start(t.nodes[0]);
            sim_run_ns(t.sim, SECOND);
            assert_true(sim_node_is_up(t.nodes[0]));
            sim_free(t.sim);
        }
    }
}

static void what_ends_at_a_point_is_not_done(void **state)
{
    (void)state;
    struct town t;
    town_init(&t, 7, 2);
    sim_run_ns(t.sim, SECOND + TICK_MS * ENV_MS_NS / 2); /* between two ticks */
    unsigned heard = t.busy[1].heard;
    sim_node_crash_at(t.nodes[0], SIM_AT_SEND, 1);
    sim_run_ns(t.sim, SECOND);
    assert_int_equal(t.busy[1].heard, heard);
    sim_free(t.sim);
}

static void a_crash_that_comes_soon_comes(void **state)
{
    (void)state;
    unsigned at_once = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct town t;
        town_init(&t, seed, 2);
        sim_run_ns(t.sim, SECOND);
        sim_node_crash_soon(t.nodes[0]);
        at_once += !sim_node_is_up(t.nodes[0]);
        sim_run_ns(t.sim, SECOND);
        assert_false(sim_node_is_up(t.nodes[0]));
        sim_free(t.sim);
    }
    assert_in_range(at_once, 1, 20);
}

static void a_process_ends_as_it_is_started(void **state)
{
    (void)state;
    struct town t;
    town_init(&t, 13, 1);
    sim_node_stop(t.nodes[0]);
    sim_node_crash_at(t.nodes[0], SIM_AT_NAME, 1);
    unsigned boots = t.busy[0].boots;
    sim_node_start(t.nodes[0]);
    assert_int_equal(t.busy[0].boots, boots + 1);
    assert_false(sim_node_is_up(t.nodes[0]));
    sim_node_start(t.nodes[0]);
    assert_true(sim_node_is_up(t.nodes[0]));
    sim_free(t.sim);
}

static void calm_forgets_a_planned_crash(void **state)
{
    (void)state;
    struct town t;
    town_init(&t, 8, 1);
    sim_node_crash_at(t.nodes[0], SIM_AT_WRITE, 5);
    sim_calm(t.sim);
    sim_run_ns(t.sim, SECOND);
    assert_true(sim_node_is_up(t.nodes[0]));
    sim_free(t.sim);
}

/* -- disks --------------------------------------------------------------------------------- */

static void unsynced_bytes_and_names_are_told(void **state)
{
    (void)state;
    struct town t;
    town_init(&t, 9, 1);
    struct env *env = t.busy[0].env;
    struct env_file *file = t.busy[0].file;
    assert_true(sim_node_has_unsynced(t.nodes[0])); /* the name of its log */
    assert_int_equal(env_file_sync_now(file), SF_OK);
    assert_int_equal(env_dir_sync(env, ""), SF_OK);
    assert_false(sim_node_has_unsynced(t.nodes[0]));
    assert_int_equal(env_file_write(file, 0, "x", 1), SF_OK);
    assert_true(sim_node_has_unsynced(t.nodes[0]));
    assert_int_equal(env_file_sync_now(file), SF_OK);
    assert_false(sim_node_has_unsynced(t.nodes[0]));
    sim_free(t.sim);
}

static void a_disk_stalls_and_goes_on(void **state)
{
    (void)state;
    struct town t;
    town_init(&t, 10, 2);
    const struct busy *a = &t.busy[0];
    sim_run_ns(t.sim, SECOND);
    unsigned syncs = a->syncs, ticks = a->ticks;
    uint64_t until_ns = sim_now_ns(t.sim) + SECOND;
    sim_disk_stall(t.nodes[0], SECOND);
    sim_run_ns(t.sim, SECOND - 1);
    assert_int_equal(a->syncs, syncs);
    assert_in_range(a->ticks - ticks, 99, 101);
    sim_run_ns(t.sim, 1);
    assert_int_equal(a->syncs, syncs + 1);
    assert_int_equal(a->synced_ns, until_ns);
    assert_int_equal(a->status, SF_OK);
    sim_free(t.sim);
}

static void a_disk_is_full_for_a_while(void **state)
{
    (void)state;
    struct town t;
    town_init(&t, 11, 1);
    const struct busy *a = &t.busy[0];
    sim_run_ns(t.sim, SECOND);
    sim_disk_fill_for(t.nodes[0], SECOND);
    sim_run_ns(t.sim, SECOND / 2);
    assert_int_equal(a->status, SF_NO_SPACE);
    sim_disk_fill_for(t.nodes[0], SECOND); /* longer */
    sim_run_ns(t.sim, SECOND * 3 / 4);
    assert_int_equal(a->status, SF_NO_SPACE);
    sim_run_ns(t.sim, SECOND / 2);
    assert_int_equal(a->status, SF_OK);
    sim_free(t.sim);
}

/* Counts the syncs of 20 s, and those that failed. */
static void count_syncs(uint64_t seed, const struct sim_faults *faults, unsigned *syncs,
                        unsigned *failed)
{
    struct town t;
    town_init(&t, seed, 1);
    *sim_faults(t.sim) = *faults;
    *syncs = *failed = 0;
    while (sim_now_ns(t.sim) < 20 * SECOND) {
        unsigned before = t.busy[0].syncs;
        assert_true(sim_step(t.sim));
        *failed += t.busy[0].syncs != before && t.busy[0].status == SF_IO;
    }
    *syncs = t.busy[0].syncs;
    sim_free(t.sim);
}

static void syncs_fail_and_take_long_by_chance(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 5; seed++) {
        struct sim_faults faults = {.sync_us_max = 300};
        unsigned syncs, failed;
        count_syncs(seed, &faults, &syncs, &failed);
        assert_in_range(syncs, 1890, 1901);
        assert_int_equal(failed, 0);
        faults.sync_fail_ppm = 50000;
        count_syncs(seed, &faults, &syncs, &failed);
        assert_in_range(failed, 50, 150);
        faults = (struct sim_faults){.sync_us_max = 300, .stall = 100, .stall_us_max = 1000000};
        count_syncs(seed, &faults, &syncs, &failed);
        assert_in_range(syncs, 100, 900);
        assert_int_equal(failed, 0);
    }
}

/* Reads what was made durable long ago, two times; returns a hash of what it found, 0: as written. */
static uint64_t read_of_rotting_disk(uint64_t seed, uint32_t ppm)
{
    static uint8_t written[64 << 10], first[64 << 10], second[64 << 10];
    struct town t;
    struct env_file *file;
    size_t got;
    town_init(&t, seed, 1);
    struct env *env = t.busy[0].env;
    assert_int_equal(env_file_open(env, "old", ENV_FILE_CREATE, &file), SF_OK);
    for (int i = 0; i < 2; i++) { /* the newest sync is of the first page alone */
        assert_int_equal(env_file_write(file, 0, written, i == 0 ? sizeof written : 1), SF_OK);
        assert_int_equal(env_file_sync_now(file), SF_OK);
    }
    sim_disk_rot(t.nodes[0], ppm);
    assert_int_equal(env_file_read(file, 0, first, sizeof first, &got), SF_OK);
    assert_int_equal(got, sizeof first);
    sim_calm(t.sim);
    assert_int_equal(env_file_read(file, 0, second, sizeof second, &got), SF_OK);
    assert_memory_equal(first, second, sizeof first);
    env_file_close(file);
    sim_free(t.sim);
    bool same = memcmp(first, written, sizeof first) == 0;
    return same ? 0 : bytes_hash(slice_of(first, sizeof first));
}

static void a_disk_rots_while_it_is_told_to(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        uint64_t hash = read_of_rotting_disk(seed, 100000);
        assert_int_equal(read_of_rotting_disk(seed, 0), 0);
        assert_int_not_equal(hash, 0);
        assert_int_equal(read_of_rotting_disk(seed, 100000), hash);
        assert_int_not_equal(read_of_rotting_disk(seed + 100, 100000), hash);
    }
}

/* What is left of a file that was half synced when its machine lost power. */
static uint64_t left_after_crash(uint64_t seed)
{
    static uint8_t bytes[64 << 10];
    struct town t;
    struct env_file *file;
    size_t got;
    town_init(&t, seed, 1);
    memset(bytes, 'n', sizeof bytes);
    assert_int_equal(env_file_open(t.busy[0].env, "f", ENV_FILE_CREATE, &file), SF_OK);
    assert_int_equal(env_file_write(file, 0, bytes, sizeof bytes / 2), SF_OK);
    assert_int_equal(env_file_sync_now(file), SF_OK);
    assert_int_equal(env_dir_sync(t.busy[0].env, ""), SF_OK);
    assert_int_equal(env_file_write(file, sizeof bytes / 2, bytes, sizeof bytes / 2), SF_OK);
    env_file_close(file);
    sim_node_crash(t.nodes[0]);
    sim_node_start(t.nodes[0]);
    assert_int_equal(env_file_open(t.busy[0].env, "f", 0, &file), SF_OK);
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(env_file_read(file, 0, bytes, sizeof bytes, &got), SF_OK);
    env_file_close(file);
    assert_true(got >= sizeof bytes / 2 && memchr(bytes, 0, sizeof bytes / 2) == NULL);
    sim_free(t.sim);
    return bytes_hash(slice_of(bytes, sizeof bytes));
}

static void a_crash_leaves_the_same_for_the_same_seed(void **state)
{
    (void)state;
    unsigned others = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        assert_int_equal(left_after_crash(seed), left_after_crash(seed));
        others += left_after_crash(seed) != left_after_crash(seed + 100);
    }
    assert_in_range(others, 10, 20);
}

/* -- mixes --------------------------------------------------------------------------------- */

static void a_mix_is_drawn_from_the_seed(void **state)
{
    (void)state;
    char text[SIM_MIX_TEXT_BYTES], again[SIM_MIX_TEXT_BYTES];
    unsigned on[3] = {0};
    uint32_t loss_max = 0, delay_max = 0;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct sim *sim = sim_new(seed), *same = sim_new(seed);
        struct sim_mix mix = sim_mix_draw(sim), other = sim_mix_draw(same);
        sim_mix_text(&mix, text);
        sim_mix_text(&other, again);
        assert_string_equal(text, again);
        assert_int_equal(strstr(text, "loss ") != NULL, mix.faults.loss > 0);
        on[0] += mix.faults.loss > 0;
        on[1] += mix.faults.duplicate > 0;
        on[2] += mix.shares.crash > 0;
        loss_max = mix.faults.loss > loss_max ? mix.faults.loss : loss_max;
        delay_max = mix.faults.delay_us_mean > delay_max ? mix.faults.delay_us_mean : delay_max;
        assert_true(mix.faults.delay_us_mean == 0 || mix.faults.delay_us_mean >= 1000);
        sim_free(sim);
        sim_free(same);
    }
    for (size_t i = 0; i < 3; i++)
        assert_in_range(on[i], 430, 570);
    assert_in_range(loss_max, 250, 300);
    assert_in_range(delay_max, 80000, 100000);
}

struct deeds {
    unsigned crashes, pauses, drifts, full, deaf;
};

/* A town under its mix for so long, and what came of it. */
static uint64_t mixed_run(uint64_t seed, struct deeds *deeds)
{
    struct town t;
    town_init(&t, seed, BUSY_MAX);
    struct sim_mix mix = sim_mix_draw(t.sim);
    *sim_faults(t.sim) = mix.faults;
    for (int i = 0; i < 60; i++) {
        sim_mix_act(t.sim, &mix, t.nodes, t.count);
        sim_run_ns(t.sim, sim_mix_gap_ns(t.sim, &mix) / 4);
        for (size_t k = 0; k < t.count; k++) {
            deeds->crashes += !sim_node_is_up(t.nodes[k]);
            deeds->pauses += sim_node_is_paused(t.nodes[k]);
            deeds->full += t.busy[k].status == SF_NO_SPACE;
        }
    }
    sim_calm(t.sim);
    sim_run_ns(t.sim, 10 * SECOND);
    for (size_t k = 0; k < t.count; k++)
        if (!sim_node_is_up(t.nodes[k]))
            sim_node_start(t.nodes[k]);
    sim_run_ns(t.sim, 10 * SECOND);
    for (size_t k = 0; k < t.count; k++) {
        assert_true(sim_node_is_up(t.nodes[k]));
        assert_false(sim_node_is_paused(t.nodes[k]));
        unsigned heard = t.busy[k].heard, syncs = t.busy[k].syncs;
        sim_run_ns(t.sim, SECOND);
        assert_in_range(t.busy[k].heard - heard, 95, 105);
        assert_in_range(t.busy[k].syncs - syncs, 95, 105);
        assert_int_equal(t.busy[k].status, SF_OK);
    }
    uint64_t hash = sim_hash(t.sim);
    sim_free(t.sim);
    return hash;
}

static void mixed_runs_are_the_same_for_the_same_seed(void **state)
{
    (void)state;
    struct deeds deeds = {0};
    for (uint64_t seed = 1; seed <= 60; seed++) {
        uint64_t hash = mixed_run(seed, &deeds);
        assert_int_equal(mixed_run(seed, &deeds), hash);
        assert_int_not_equal(mixed_run(seed + 1000, &deeds), hash);
    }
    assert_true(deeds.crashes > 0);
    assert_true(deeds.pauses > 0);
    assert_true(deeds.full > 0);
}

static void a_mix_without_shares_does_nothing(void **state)
{
    (void)state;
    struct town t, u;
    const struct sim_mix nothing = {.gap_ms = 10};
    town_init(&t, 12, 2);
    town_init(&u, 12, 2);
    sim_mix_act(t.sim, &nothing, t.nodes, t.count);
    sim_run_ns(t.sim, SECOND);
    sim_run_ns(u.sim, SECOND);
    assert_int_equal(sim_hash(t.sim), sim_hash(u.sim));
    sim_free(t.sim);
    sim_free(u.sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_paused_process_does_nothing_until_it_goes_on),
        cmocka_unit_test(a_crash_ends_a_pause),
        cmocka_unit_test(clocks_drift_and_never_go_back),
        cmocka_unit_test(a_timer_waits_for_its_own_clock),
        cmocka_unit_test(a_slow_clock_lets_nothing_happen_earlier),
        cmocka_unit_test(wall_clocks_step_either_way),
        cmocka_unit_test(a_process_ends_at_the_point_that_was_named),
        cmocka_unit_test(what_ends_at_a_point_is_not_done),
        cmocka_unit_test(a_crash_that_comes_soon_comes),
        cmocka_unit_test(a_process_ends_as_it_is_started),
        cmocka_unit_test(calm_forgets_a_planned_crash),
        cmocka_unit_test(unsynced_bytes_and_names_are_told),
        cmocka_unit_test(a_disk_stalls_and_goes_on),
        cmocka_unit_test(a_disk_is_full_for_a_while),
        cmocka_unit_test(syncs_fail_and_take_long_by_chance),
        cmocka_unit_test(a_disk_rots_while_it_is_told_to),
        cmocka_unit_test(a_crash_leaves_the_same_for_the_same_seed),
        cmocka_unit_test(a_mix_is_drawn_from_the_seed),
        cmocka_unit_test(mixed_runs_are_the_same_for_the_same_seed),
        cmocka_unit_test(a_mix_without_shares_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Simulated processes: timers, turns, work, crashes, and what reaches a process that is no more. */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "env/log.h"
#include "env/memory.h"
#include "sim/sim.h"

#define SECOND ENV_SECOND_NS

/* A program that ticks every 10 ms and counts what happens to it. */
struct program {
    struct env *env;
    struct env_timer tick;
    struct env_hook hook;
    struct env_task task;
    struct env_work work;
    struct env_conn *self;
    int boots, halts, ticks, hooks, tasks, worked, done, opened;
    int fatal_at_tick; /* 0: never */
    int after_fatal;   /* tasks and hooks that ran after it */
    bool failed;
};

static void on_open(void *ctx)
{
    struct program *p = ctx;
    p->opened++;
}

static void on_data(void *ctx, const uint8_t *bytes, size_t n)
{
    (void)ctx, (void)bytes, (void)n;
}

static void on_close(void *ctx, int reason)
{
    struct program *p = ctx;
    (void)reason;
    p->self = NULL;
}

static const struct env_conn_events events = {on_open, on_data, on_close};

static void on_tick(struct env_timer *timer)
{
    struct program *p = container_of(timer, struct program, tick);
    p->ticks++;
    env_timer_start_ms(timer, 10);
    env_defer(p->env, &p->task);
    env_defer(p->env, &p->task);
    if (p->ticks == p->fatal_at_tick) {
        env_fatal(p->env, "enough");
        p->failed = true;
        /* Whatever the rest of the callback does has no effect. */
        env_defer(p->env, &p->task);
        env_timer_start_ms(timer, 1);
    }
}

static void on_hook(struct env_hook *hook)
{
    struct program *p = container_of(hook, struct program, hook);
    p->hooks++;
    p->after_fatal += p->failed;
}

static void on_task(struct env_task *task)
{
    struct program *p = container_of(task, struct program, task);
    p->tasks++;
    p->after_fatal += p->failed;
}

static void on_work(struct env_work *work)
{
    container_of(work, struct program, work)->worked++;
}

static void on_work_done(struct env_work *work)
{
    container_of(work, struct program, work)->done++;
}

static void boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct program *p = ctx;
    assert_ptr_equal(sim_node_env(node), env);
    p->boots++;
    p->env = env;
    p->failed = false;
    p->hook = (struct env_hook){.run = on_hook};
    p->task = (struct env_task){.run = on_task};
    p->work = (struct env_work){.work = on_work, .done = on_work_done};
    env_hook_add(env, &p->hook);
    env_timer_init(env, &p->tick, on_tick);
    env_timer_start_ms(&p->tick, 10);
}

/* Frees what it made in the ordinary way, and tries all else that must not matter any more. */
static void halt(void *ctx, struct sim_node *node)
{
    struct program *p = ctx;
    struct env_file *file;
    struct env_listener *listener;
    struct env_conn *conn;
    p->halts++;
    if (!sim_node_is_up(node)) {
        assert_null(sim_node_env(node));
        assert_int_equal(env_file_open(p->env, "f", ENV_FILE_CREATE, &file), SF_IO);
        assert_int_equal(env_listen(p->env, "n:1", NULL, NULL, &listener), SF_IO);
        assert_int_equal(env_connect(p->env, "n:1", &events, p, &conn), SF_OK);
        env_conn_send(conn, sf_malloc(1), 1);
        env_conn_close(conn);
        env_defer(p->env, &p->task);
    }
    if (p->self != NULL)
        env_conn_close(p->self);
    p->self = NULL;
    env_hook_remove(p->env, &p->hook);
    env_timer_stop(&p->tick);
    p->env = NULL;
}

struct fixture {
    struct sim *sim;
    struct sim_node *node;
    struct program program;
};

static void fixture_init(struct fixture *f, uint64_t seed)
{
    *f = (struct fixture){.sim = sim_new(seed)};
    struct sim_program program = {boot, halt, &f->program};
    f->node = sim_node_new(f->sim, "n", &program);
    sim_node_start(f->node);
}

static void timers_fire_in_virtual_time(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 1);
    uint64_t start_ns = sim_now_ns(f.sim);
    sim_run_ns(f.sim, 100 * SECOND);
    assert_int_equal(sim_now_ns(f.sim), start_ns + 100 * SECOND);
    assert_int_equal(f.program.ticks, 10000);
    assert_int_equal(f.program.tasks, 10000);
    assert_true(f.program.hooks >= 10000);
    sim_free(f.sim);
    assert_int_equal(f.program.halts, 1);
}

static void a_crash_ends_everything_and_a_start_begins_anew(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 2);
    env_work(f.program.env, &f.program.work);
    sim_node_crash(f.node);
    assert_int_equal(f.program.halts, 1);
    assert_false(sim_node_is_up(f.node));
    assert_false(sim_node_failed(f.node));
    sim_run_ns(f.sim, SECOND);
    assert_int_equal(f.program.ticks, 0);
    assert_int_equal(f.program.done, 0);
    sim_node_crash(f.node);
    assert_int_equal(f.program.halts, 1);
    sim_node_start(f.node);
    sim_run_ns(f.sim, SECOND);
    assert_int_equal(f.program.boots, 2);
    assert_int_equal(f.program.ticks, 100);
    sim_free(f.sim);
}

static void fatal_ends_the_process_at_the_end_of_the_callback(void **state)
{
    (void)state;
    struct fixture f;
    enum log_level level = log_level_min;
    log_level_min = LOG_LEVEL_ERROR + 1;
    fixture_init(&f, 3);
    f.program.fatal_at_tick = 5;
    sim_run_ns(f.sim, SECOND);
    assert_true(sim_node_failed(f.node));
    assert_false(sim_node_is_up(f.node));
    assert_int_equal(f.program.ticks, 5);
    assert_int_equal(f.program.halts, 1);
    assert_int_equal(f.program.after_fatal, 0);
    sim_node_start(f.node);
    assert_false(sim_node_failed(f.node));

    /* Called by the test from outside of a turn: it dies in the next event. */
    env_fatal(f.program.env, "from outside");
    assert_false(sim_node_is_up(f.node));
    assert_int_equal(f.program.halts, 1);
    sim_run_ns(f.sim, 1);
    assert_int_equal(f.program.halts, 2);
    log_level_min = level;
    sim_free(f.sim);
}

static void a_stop_halts_while_the_env_works(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 4);
    sim_run_ns(f.sim, SECOND);
    sim_node_stop(f.node);
    assert_int_equal(f.program.halts, 1);
    assert_false(sim_node_is_up(f.node));
    sim_node_stop(f.node);
    sim_free(f.sim);
    assert_int_equal(f.program.halts, 1);
}

static void work_is_done_and_told_later(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 5);
    env_work(f.program.env, &f.program.work);
    assert_int_equal(f.program.worked, 0);
    sim_run_ns(f.sim, SECOND);
    assert_int_equal(f.program.worked, 1);
    assert_int_equal(f.program.done, 1);
    assert_null(f.program.work.private_state);
    sim_free(f.sim);
}

static void clocks_and_draws_come_from_the_seed(void **state)
{
    (void)state;
    uint64_t draws[2], walls[2];
    for (int i = 0; i < 2; i++) {
        struct fixture f;
        fixture_init(&f, 9);
        assert_ptr_equal(sim_node_sim(f.node), f.sim);
        assert_int_equal(env_now_ns(f.program.env), sim_now_ns(f.sim));
        draws[i] = env_random(f.program.env);
        walls[i] = env_wall_ns(f.program.env);
        sim_run_ns(f.sim, SECOND);
        assert_int_equal(env_wall_ns(f.program.env), walls[i] + SECOND);
        sim_free(f.sim);
    }
    assert_int_equal(draws[0], draws[1]);
    assert_int_equal(walls[0], walls[1]);
}

static void calls_from_the_test_get_a_turn(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 6);
    int hooks = f.program.hooks;
    env_defer(f.program.env, &f.program.task);
    assert_int_equal(f.program.tasks, 0);
    assert_true(sim_step(f.sim));
    assert_int_equal(f.program.tasks, 1);
    assert_true(f.program.hooks > hooks);
    sim_free(f.sim);
}

static void count_call(void *ctx)
{
    ++*(int *)ctx;
}

static void count_check(void *ctx, struct sim *sim)
{
    (void)sim;
    ++*(int *)ctx;
}

static bool is_third_tick(void *ctx)
{
    return ((const struct program *)ctx)->ticks == 3;
}

static bool is_never(void *ctx)
{
    (void)ctx;
    return false;
}

static void the_test_acts_and_checks_at_its_times(void **state)
{
    (void)state;
    struct fixture f;
    int calls = 0, checks = 0;
    fixture_init(&f, 7);
    sim_on_event(f.sim, count_check, &checks);
    sim_after_ns(f.sim, SECOND, count_call, &calls);
    assert_true(sim_run_until(f.sim, is_third_tick, &f.program, SECOND));
    assert_int_equal(f.program.ticks, 3);
    uint64_t before_ns = sim_now_ns(f.sim);
    assert_false(sim_run_until(f.sim, is_never, NULL, SECOND));
    assert_int_equal(sim_now_ns(f.sim), before_ns + SECOND);
    assert_int_equal(calls, 1);
    assert_int_equal(checks, sim_event_count(f.sim));
    sim_after_ns(f.sim, SECOND, count_call, &calls); /* never comes: the simulation ends first */
    sim_free(f.sim);
    assert_int_equal(calls, 1);
}

static void nothing_left_ends_the_run(void **state)
{
    (void)state;
    struct sim *sim = sim_new(8);
    assert_false(sim_step(sim));
    sim_run_ns(sim, SECOND);
    sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_virtual_time),
        cmocka_unit_test(a_crash_ends_everything_and_a_start_begins_anew),
        cmocka_unit_test(fatal_ends_the_process_at_the_end_of_the_callback),
        cmocka_unit_test(a_stop_halts_while_the_env_works),
        cmocka_unit_test(work_is_done_and_told_later),
        cmocka_unit_test(clocks_and_draws_come_from_the_seed),
        cmocka_unit_test(calls_from_the_test_get_a_turn),
        cmocka_unit_test(the_test_acts_and_checks_at_its_times),
        cmocka_unit_test(nothing_left_ends_the_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

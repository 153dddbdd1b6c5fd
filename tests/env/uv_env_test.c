/* env on the real machine: timers, turns, files, work, signals. */
#include "cmocka_all.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "env/log.h"
#include "env/memory.h"
#include "env/uv_env.h"
#include "uv_stage.h"

/* -- timers, turns ------------------------------------------------------------------------- */

struct alarm {
    struct env_timer timer;
    int name;
    char *log;
    bool *done;
};

static void alarm_on_fire(struct env_timer *timer)
{
    struct alarm *a = container_of(timer, struct alarm, timer);
    size_t n = strlen(a->log);
    a->log[n] = (char)('a' + a->name);
    a->log[n + 1] = 0;
    if (a->done != NULL)
        *a->done = true;
}

static void timers_fire_in_order_and_not_when_stopped(void **state)
{
    (void)state;
    static const uint64_t delays_ms[] = {30, 10, 20, 10, 0, 5};
    struct env *env = stage_env_new();
    struct alarm alarms[6];
    char log[16] = "";
    bool done = false;
    uint64_t start_ns = env_now_ns(env);
    for (int i = 0; i < 6; i++) {
        alarms[i] = (struct alarm){.name = i, .log = log};
        env_timer_init(env, &alarms[i].timer, alarm_on_fire);
        env_timer_start_ms(&alarms[i].timer, delays_ms[i]);
    }
    alarms[0].done = &done;
    env_timer_stop(&alarms[5].timer);
    env_timer_stop(&alarms[5].timer);
    assert_false(env_timer_is_armed(&alarms[5].timer));
    stage_run_until(env, &done);
    assert_string_equal(log, "ebdca");
    assert_true(env_now_ns(env) - start_ns >= 30 * ENV_MS_NS);
    uv_env_free(env);
}

/* Takes up a turn's end, until the timer is due that no turn has fired yet. */
struct dawdler {
    struct env_hook hook;
    struct env_timer timer;
    uint64_t due_ns;
    bool fired;
};

static void dawdle(struct env_hook *hook)
{
    const struct dawdler *d = container_of(hook, struct dawdler, hook);
    while (uv_hrtime() < d->due_ns) {
    }
}

static void dawdler_on_fire(struct env_timer *timer)
{
    container_of(timer, struct dawdler, timer)->fired = true;
}

static void one_run_ends_with_the_timer_that_it_waits_for(void **state)
{
    (void)state;
    struct env *env = stage_env_new();
    struct dawdler d = {.hook.run = dawdle};
    struct alarm late = {.log = (char[4]){""}};
    env_timer_init(env, &d.timer, dawdler_on_fire);
    env_timer_init(env, &late.timer, alarm_on_fire);
    env_hook_add(env, &d.hook);
    env_timer_start_ms(&d.timer, 5);
    d.due_ns = d.timer.due_ns + ENV_MS_NS;
    env_timer_start_ms(&late.timer, 3000); /* so that a sleep ends */
    uv_env_run_once(env);
    assert_true(d.fired);
    assert_true(env_timer_is_armed(&late.timer));
    env_timer_stop(&late.timer);
    env_hook_remove(env, &d.hook);
    uv_env_free(env);
}

/* Hooks and tasks of one turn, by turns, until neither has work. */
struct chain {
    struct env *env;
    struct env_task task;
    struct env_hook hook;
    int tasks, hooks, to_defer;
    bool done;
};

static void chain_task(struct env_task *task)
{
    struct chain *c = container_of(task, struct chain, task);
    c->tasks++;
}

static void chain_hook(struct env_hook *hook)
{
    struct chain *c = container_of(hook, struct chain, hook);
    c->hooks++;
    if (c->tasks > 0 && c->to_defer > 0) {
        c->to_defer--;
        env_defer(c->env, &c->task);
        env_defer(c->env, &c->task);
    }
    c->done = c->to_defer == 0;
}

static void hooks_and_tasks_alternate_within_a_turn(void **state)
{
    (void)state;
    struct env *env = stage_env_new();
    struct chain c = {
        .env = env, .task = {.run = chain_task}, .hook = {.run = chain_hook}, .to_defer = 3};
    env_hook_add(env, &c.hook);
    env_defer(env, &c.task);
    assert_int_equal(c.tasks, 0);
    uv_env_run_once(env);
    assert_true(c.done);
    assert_int_equal(c.tasks, 4);
    assert_true(c.hooks >= 4);
    env_hook_remove(env, &c.hook);
    int hooks = c.hooks;
    env_defer(env, &c.task);
    uv_env_run_once(env);
    assert_int_equal(c.hooks, hooks);
    uv_env_free(env);
}

static void restless_on_fire(struct env_timer *timer)
{
    env_timer_start_ms(timer, 0);
}

/* One that is due again at once leaves the loop its turns. */
static void a_restless_timer_starves_nobody(void **state)
{
    (void)state;
    struct env *env = stage_env_new();
    struct env_timer restless;
    char log[4] = "";
    bool done = false;
    struct alarm a = {.log = log, .done = &done};
    env_timer_init(env, &restless, restless_on_fire);
    env_timer_start_ms(&restless, 0);
    env_timer_init(env, &a.timer, alarm_on_fire);
    env_timer_start_ms(&a.timer, 2);
    stage_run_until(env, &done);
    env_timer_stop(&restless);
    uv_env_free(env);
}

static void random_numbers_keep_below_their_limit(void **state)
{
    (void)state;
    struct env *env = stage_env_new();
    uint64_t seen = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t draw = env_random_below(env, 10);
        assert_true(draw < 10);
        seen |= 1ull << draw;
    }
    assert_int_equal(seen, (1 << 10) - 1);
    assert_int_not_equal(env_random(env), env_random(env));
    assert_true(env_wall_ns(env) > 1600000000 * ENV_SECOND_NS);
    uv_env_free(env);
}

/* -- files --------------------------------------------------------------------------------- */

static char *temporary_dir(void)
{
    char path[] = "/tmp/shardfs-env-test.XXXXXX";
    assert_non_null(mkdtemp(path));
    return sf_strdup(path);
}

static void count_name(void *ctx, const char *name)
{
    int *count = ctx;
    assert_string_equal(name, "two");
    (*count)++;
}

struct sync_wait {
    struct env_sync sync;
    int status;
    bool done;
};

static void sync_on_done(struct env_sync *sync, int status)
{
    struct sync_wait *w = container_of(sync, struct sync_wait, sync);
    w->status = status;
    w->done = true;
}

static void check_file(struct env *env, const char *path)
{
    struct env_file *file;
    struct sync_wait wait = {.sync = {.on_done = sync_on_done}}, second = wait;
    char bytes[8] = "";
    uint64_t size;
    size_t got;
    assert_int_equal(env_file_open(env, path, 0, &file), SF_NOT_FOUND);
    assert_int_equal(env_file_open(env, path, ENV_FILE_CREATE, &file), SF_OK);
    assert_int_equal(env_file_write(file, 4, "abcd", 4), SF_OK);
    env_file_sync(file, &wait.sync);
    env_file_sync(file, &second.sync);
    assert_false(wait.done || second.done);
    stage_run_until(env, &wait.done);
    assert_true(second.done);
    assert_int_equal(wait.status, SF_OK);
    assert_int_equal(env_file_size(file, &size), SF_OK);
    assert_int_equal(size, 8);
    assert_int_equal(env_file_read(file, 2, bytes, sizeof bytes, &got), SF_OK);
    assert_int_equal(got, 6);
    assert_memory_equal(bytes, "\0\0abcd", 6);
    assert_int_equal(env_file_truncate(file, 3), SF_OK);
    assert_int_equal(env_file_size(file, &size), SF_OK);
    assert_int_equal(size, 3);
    /* Closed before the completion ran: it never does. */
    wait.done = false;
    env_file_sync(file, &wait.sync);
    env_file_close(file);
    uv_env_run_once(env);
    assert_false(wait.done);
    assert_int_equal(env_file_open(env, path, ENV_FILE_CREATE | ENV_FILE_EXCLUSIVE, &file),
                     SF_EXISTS);
    assert_int_equal(env_file_open(env, path, ENV_FILE_READ_ONLY, &file), SF_OK);
    assert_int_equal(env_file_write(file, 0, "x", 1), SF_PERMISSION);
    env_file_close(file);
}

static void files_do_what_env_says(void **state)
{
    (void)state;
    struct env *env = stage_env_new();
    char *dir = temporary_dir();
    char deep[128], one[160], two[160];
    uint64_t free_bytes, total_bytes;
    int count = 0;
    snprintf(deep, sizeof deep, "%s/a/b", dir);
    snprintf(one, sizeof one, "%s/one", deep);
    snprintf(two, sizeof two, "%s/two", deep);
    assert_int_equal(env_dir_create(env, deep), SF_OK);
    assert_int_equal(env_dir_create(env, deep), SF_OK);
    check_file(env, one);
    assert_int_equal(env_dir_create(env, one), SF_EXISTS);
    assert_int_equal(env_rename(env, one, two), SF_OK);
    assert_int_equal(env_dir_sync(env, deep), SF_OK);
    assert_int_equal(env_dir_list(env, deep, count_name, &count), SF_OK);
    assert_int_equal(count, 1);
    assert_int_equal(env_remove(env, deep), SF_NOT_EMPTY);
    assert_int_equal(env_remove(env, two), SF_OK);
    assert_int_equal(env_remove(env, two), SF_NOT_FOUND);
    assert_int_equal(env_remove(env, deep), SF_OK);
    assert_int_equal(env_dir_list(env, deep, count_name, &count), SF_NOT_FOUND);
    assert_int_equal(env_space(env, dir, &free_bytes, &total_bytes), SF_OK);
    assert_true(free_bytes <= total_bytes && total_bytes > 0);
    snprintf(deep, sizeof deep, "%s/a", dir);
    assert_int_equal(env_remove(env, deep), SF_OK);
    assert_int_equal(env_remove(env, dir), SF_OK);
    free(dir);
    uv_env_free(env);
}

static void a_locked_directory_is_in_use(void **state)
{
    (void)state;
    struct env *env = stage_env_new();
    char *dir = temporary_dir();
    struct env_lock *lock, *second;
    assert_int_equal(env_dir_lock(env, dir, &lock), SF_OK);
    assert_int_equal(env_dir_lock(env, dir, &second), SF_IN_USE);
    env_dir_unlock(lock);
    assert_int_equal(env_dir_lock(env, dir, &second), SF_OK);
    env_dir_unlock(second);
    assert_int_equal(env_remove(env, dir), SF_OK);
    free(dir);
    uv_env_free(env);
}

/* -- work ---------------------------------------------------------------------------------- */

struct job {
    struct env_work work;
    bool worked, done;
};

static void job_work(struct env_work *work)
{
    container_of(work, struct job, work)->worked = true;
}

static void job_done(struct env_work *work)
{
    struct job *job = container_of(work, struct job, work);
    assert_true(job->worked);
    job->done = true;
}

static void work_is_done_elsewhere_and_told_here(void **state)
{
    (void)state;
    struct env *env = stage_env_new();
    struct job a = {.work = {.work = job_work, .done = job_done}}, b = a;
    env_work(env, &a.work);
    assert_false(a.done);
    stage_run_until(env, &a.done);
    assert_null(a.work.private_state);
    /* Freeing waits for what runs. */
    env_work(env, &b.work);
    uv_env_free(env);
    assert_true(b.done);
}

static void stop_on_fire(struct env_timer *timer)
{
    uv_env_stop(timer->env);
}

static void run_ends_by_stop(void **state)
{
    (void)state;
    struct env *env = stage_env_new();
    struct env_timer timer;
    env_timer_init(env, &timer, stop_on_fire);
    env_timer_start_ms(&timer, 1);
    uv_env_run(env);
    assert_false(env_timer_is_armed(&timer));
    uv_env_free(env);
}

static void fatal_ends_the_process(void **state)
{
    (void)state;
    struct env *env = stage_env_new();
    int status;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        log_level_min = LOG_LEVEL_ERROR + 1;
        env_fatal(env, "told to");
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_FAILURE);
    uv_env_free(env);
}

static void note_signal(void *ctx, int number)
{
    *(int *)ctx = number;
}

static void signals_are_heard_on_the_loop(void **state)
{
    (void)state;
    struct env *env = stage_env_new();
    int number = 0;
    assert_int_equal(uv_env_on_signals(env, note_signal, &number), SF_OK);
    kill(getpid(), SIGHUP);
    for (int i = 0; i < 10 && number == 0; i++)
        uv_env_run_once(env);
    assert_int_equal(number, SIGHUP);
    uv_env_free(env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_order_and_not_when_stopped),
        cmocka_unit_test(one_run_ends_with_the_timer_that_it_waits_for),
        cmocka_unit_test(hooks_and_tasks_alternate_within_a_turn),
        cmocka_unit_test(a_restless_timer_starves_nobody),
        cmocka_unit_test(random_numbers_keep_below_their_limit),
        cmocka_unit_test(files_do_what_env_says),
        cmocka_unit_test(a_locked_directory_is_in_use),
        cmocka_unit_test(work_is_done_elsewhere_and_told_here),
        cmocka_unit_test(run_ends_by_stop),
        cmocka_unit_test(fatal_ends_the_process),
        cmocka_unit_test(signals_are_heard_on_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

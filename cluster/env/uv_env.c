#include "env/uv_env.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "env/log.h"
#include "env/memory.h"
#include "env/uv_process.h"

struct uv_env *uv_env_of(struct env *env)
{
    return container_of(env, struct uv_env, env);
}

/* -- time, randomness ---------------------------------------------------------------------- */

static uint64_t now_ns(struct env *env)
{
    struct uv_env *uv = uv_env_of(env);
    if (uv->now_ns == 0)
        uv->now_ns = uv_hrtime();
    return uv->now_ns;
}

static uint64_t wall_ns(struct env *env)
{
    struct timespec now;
    (void)env;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * ENV_SECOND_NS + (uint64_t)now.tv_nsec;
}

/* A system call for many numbers at once. */
static uint64_t random_u64(struct env *env)
{
    struct uv_env *uv = uv_env_of(env);
    if (uv->random_left == 0) {
        int status = uv_random(NULL, NULL, uv->random, sizeof uv->random, 0, NULL);
        sf_assert(status == 0);
        uv->random_left = UV_RANDOM_COUNT;
    }
    return uv->random[--uv->random_left];
}

static void timer_arm(struct env *env, struct env_timer *timer)
{
    struct uv_env *uv = uv_env_of(env);
    timer->sequence = ++uv->sequence;
    timer_heap_insert(&uv->timers, timer);
}

static void timer_stop(struct env *env, struct env_timer *timer)
{
    timer_heap_remove(&uv_env_of(env)->timers, timer);
}

/* -- turns --------------------------------------------------------------------------------- */

/* A timer that a due one armed waits for the next turn: it would else keep this one for ever. */
static bool fire_timers(struct uv_env *uv)
{
    uint64_t turn_ns = now_ns(&uv->env);
    uint64_t last = uv->sequence;
    bool fired = false;
    for (;;) {
        struct env_timer *timer = timer_heap_top(&uv->timers);
        if (timer == NULL || timer->due_ns > turn_ns || timer->sequence > last)
            return fired;
        timer_heap_remove(&uv->timers, timer);
        timer->on_fire(timer);
        fired = true;
    }
}

static bool flush_sockets(struct uv_env *uv)
{
    bool flushed = false;
    while (uv->unsent != NULL) {
        uv_socket_flush(uv->unsent);
        flushed = true;
    }
    return flushed;
}

/* True if there was anything to do that the env knows of. */
static bool run_turn(struct uv_env *uv)
{
    bool busy = fire_timers(uv) || turn_has_tasks(&uv->turn);
    do {
        turn_run(&uv->turn);
        busy = flush_sockets(uv) || busy;
    } while (turn_has_tasks(&uv->turn));
    uv->now_ns = 0;
    return busy;
}

static void on_alarm(uv_timer_t *alarm)
{
    (void)alarm;
}

/* Makes the loop wake when the first timer is due, not before: libuv counts whole milliseconds. */
static void set_alarm(struct uv_env *uv)
{
    const struct env_timer *first = timer_heap_top(&uv->timers);
    if (first == NULL) {
        uv_timer_stop(&uv->alarm);
        return;
    }
    uint64_t ns = uv_hrtime();
    uint64_t wait_ns = first->due_ns > ns ? first->due_ns - ns : 0;
    uint64_t wait_ms = wait_ns / ENV_MS_NS + (wait_ns % ENV_MS_NS != 0);
    uv_update_time(&uv->loop);
    uv_timer_start(&uv->alarm, on_alarm, wait_ms, 0);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct uv_env *uv = container_of(prepare, struct uv_env, prepare);
    bool busy = run_turn(uv);
    set_alarm(uv);
    /* A timer became due since the turn before: who waits for it must not sleep now. */
    if (busy && uv->runs_once)
        uv_timer_start(&uv->alarm, on_alarm, 0, 0);
}

static void defer(struct env *env, struct env_task *task)
{
    turn_defer(&uv_env_of(env)->turn, task);
}

static void hook_add(struct env *env, struct env_hook *hook)
{
    turn_hook_add(&uv_env_of(env)->turn, hook);
}

static void hook_remove(struct env *env, struct env_hook *hook)
{
    turn_hook_remove(&uv_env_of(env)->turn, hook);
}

static void fatal(struct env *env, const char *why)
{
    (void)env;
    log_error("env", "%s", why);
    /* Nothing of this process may still act on what it knows: no exit handlers, no other threads.
     */
    _Exit(EXIT_FAILURE);
}

/* -- work ---------------------------------------------------------------------------------- */

struct work_request {
    uv_work_t request;
    struct uv_env *uv;
    struct env_work *work;
};

static void on_work(uv_work_t *request)
{
    struct env_work *work = container_of(request, struct work_request, request)->work;
    work->work(work);
}

static void on_worked(uv_work_t *request, int status)
{
    struct work_request *w = container_of(request, struct work_request, request);
    struct env_work *work = w->work;
    (void)status; /* never cancelled */
    w->uv->works--;
    free(w);
    work->private_state = NULL;
    work->done(work);
}

static void start_work(struct env *env, struct env_work *work)
{
    struct work_request *w = sf_calloc(1, sizeof *w);
    w->uv = uv_env_of(env);
    w->work = work;
    work->private_state = w;
    w->uv->works++;
    int status = uv_queue_work(&w->uv->loop, &w->request, on_work, on_worked);
    sf_assert(status == 0);
}

/* -- life ---------------------------------------------------------------------------------- */

static void set_ops(struct env_ops *ops)
{
    ops->now_ns = now_ns;
    ops->wall_ns = wall_ns;
    ops->random = random_u64;
    ops->timer_arm = timer_arm;
    ops->timer_stop = timer_stop;
    ops->defer = defer;
    ops->hook_add = hook_add;
    ops->hook_remove = hook_remove;
    ops->work = start_work;
    ops->fatal = fatal;
    uv_conn_ops(ops);
    uv_file_ops(ops);
}

void uv_env_open_standard_files(void)
{
    static const int the_other_way[] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", the_other_way[fd]) < 0)
            return; /* no such machine: it goes on as it was called */
    }
}

int uv_env_new(struct env **out)
{
    uv_env_open_standard_files();
    struct uv_env *uv = sf_calloc(1, sizeof *uv);
    if (uv_loop_init(&uv->loop) != 0) {
        free(uv);
        return SF_IO;
    }
    set_ops(&uv->ops);
    uv->env.ops = &uv->ops;
    /* These cannot fail: they only fill in the handles. */
    (void)uv_timer_init(&uv->loop, &uv->alarm);
    (void)uv_prepare_init(&uv->loop, &uv->prepare);
    (void)uv_prepare_start(&uv->prepare, on_prepare);
    /* A write to a connection that its peer has closed is an error, not the end of the process. */
    (void)signal(SIGPIPE, SIG_IGN);
    *out = &uv->env;
    return SF_OK;
}

static void close_if_open(uv_handle_t *handle, void *ctx)
{
    (void)ctx;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void uv_env_free(struct env *env)
{
    struct uv_env *uv = uv_env_of(env);
    while (uv->works > 0)
        uv_run(&uv->loop, UV_RUN_ONCE);
    turn_run(&uv->turn);
    uv_conn_close_all(uv);
    turn_run(&uv->turn);
    uv_walk(&uv->loop, close_if_open, NULL);
    uv_run(&uv->loop, UV_RUN_DEFAULT);
    int status = uv_loop_close(&uv->loop);
    sf_assert(status == 0);
    timer_heap_deinit(&uv->timers);
    free(uv);
}

void uv_env_run(struct env *env)
{
    struct uv_env *uv = uv_env_of(env);
    uv_run(&uv->loop, UV_RUN_DEFAULT);
    (void)run_turn(uv);
}

void uv_env_run_once(struct env *env)
{
    struct uv_env *uv = uv_env_of(env);
    bool busy = run_turn(uv);
    uv->runs_once = true;
    uv_run(&uv->loop, busy ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    uv->runs_once = false;
    (void)run_turn(uv);
}

void uv_env_stop(struct env *env)
{
    uv_stop(&uv_env_of(env)->loop);
}

struct uv_loop_s *uv_env_loop(struct env *env)
{
    return &uv_env_of(env)->loop;
}

/* -- signals ------------------------------------------------------------------------------- */

static void on_signal(uv_signal_t *handle, int number)
{
    const struct uv_env *uv = handle->data;
    uv->on_signal(uv->on_signal_ctx, number);
}

int uv_env_on_signals(struct env *env, void (*on_signal_fn)(void *ctx, int number), void *ctx)
{
    static const int numbers[UV_SIGNAL_COUNT] = {SIGINT, SIGTERM, SIGHUP};
    struct uv_env *uv = uv_env_of(env);
    uv->on_signal = on_signal_fn;
    uv->on_signal_ctx = ctx;
    for (size_t i = 0; i < UV_SIGNAL_COUNT; i++) {
        int status = uv_signal_init(&uv->loop, &uv->signals[i]);
        uv->signals[i].data = uv;
        if (status == 0)
            status = uv_signal_start(&uv->signals[i], on_signal, numbers[i]);
        if (status != 0)
            return uv_error_translate(status);
    }
    return SF_OK;
}

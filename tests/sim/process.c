#include "sim/world.h"

#include <stdlib.h>

#include "env/log.h"
#include "env/memory.h"

#define WORK_US_MIN 100
#define WORK_US_MAX 5000

/* -- death --------------------------------------------------------------------------------- */

struct process *process_of(struct env *env)
{
    return container_of(env, struct process, env);
}

void process_free(struct process *process)
{
    sf_assert(process->buried);
    free(process);
}

static void die(struct process *process)
{
    if (process->dead)
        return;
    process->dead = true;
    clock_pause_until(process->node, 0);
    turn_stop(&process->turn);
    network_process_died(process);
}

static void bury(struct process *process)
{
    struct sim_node *node = process->node;
    sf_assert(process->dead && !process->in_turn && !process->buried);
    process->buried = true;
    if (!process->halted)
        node->program.halt(node->program.ctx, node);
    sf_assert(timer_heap_top(&node->clock.timers) == NULL); /* its owner was freed */
    network_process_buried(process);
    file_process_buried(process);
    node->process = NULL;
    node_process_ended(node);
}

void process_kill(struct process *process)
{
    die(process);
    if (!process->in_turn && !process->buried)
        bury(process);
}

void process_collapse(struct process *process)
{
    die(process);
    process_touch(process);
}

void process_stop(struct process *process)
{
    struct sim_node *node = process->node;
    if (process_enter(process)) {
        node->program.halt(node->program.ctx, node);
        process->halted = true;
        process_leave(process);
    }
    process_kill(process);
}

/* -- turns --------------------------------------------------------------------------------- */

struct wake_event {
    struct event event;
    struct process *process;
};

bool process_enter(struct process *process)
{
    if (process->dead)
        return false;
    sf_assert(!process->in_turn);
    process->in_turn = true;
    return true;
}

void process_leave(struct process *process)
{
    turn_run(&process->turn);
    network_flush(process);
    process->in_turn = false;
    if (process->dead)
        bury(process);
}

void process_settle(struct process *process)
{
    if (sim_node_is_paused(process->node))
        process_touch(process);
    else if (!process->in_turn && process_enter(process))
        process_leave(process);
}

static void wake_run(struct event *event)
{
    struct process *process = container_of(event, struct wake_event, event)->process;
    free(event);
    process->wake_queued = false;
    if (process->dead && !process->buried && !process->in_turn)
        bury(process);
    else
        process_settle(process);
}

void process_touch(struct process *process)
{
    if (process->in_turn || process->wake_queued || process->buried)
        return;
    struct wake_event *wake = sf_malloc(sizeof *wake);
    *wake = (struct wake_event){
        .event = {.kind = EVENT_WAKE,
                  .node = process->node->number,
                  .run = wake_run,
                  .drop = world_drop},
        .process = process,
    };
    process->wake_queued = true;
    world_post(process->sim, &wake->event, 0);
}

static void process_defer(struct env *env, struct env_task *task)
{
    struct process *process = process_of(env);
    turn_defer(&process->turn, task);
    process_touch(process);
}

static void process_hook_add(struct env *env, struct env_hook *hook)
{
    if (!process_of(env)->dead)
        turn_hook_add(&process_of(env)->turn, hook);
}

static void process_hook_remove(struct env *env, struct env_hook *hook)
{
    turn_hook_remove(&process_of(env)->turn, hook);
}

static void process_fatal(struct env *env, const char *why)
{
    struct process *process = process_of(env);
    if (process->dead)
        return;
    log_error(process->node->name, "%s", why);
    process->node->failed = true;
    process_collapse(process);
}

/* -- time, randomness ---------------------------------------------------------------------- */

static uint64_t process_now_ns(struct env *env)
{
    return clock_now_ns(process_of(env)->node);
}

static uint64_t process_wall_ns(struct env *env)
{
    return clock_wall_ns(process_of(env)->node);
}

static uint64_t process_random(struct env *env)
{
    return random_next(&process_of(env)->random);
}

static void process_timer_arm(struct env *env, struct env_timer *timer)
{
    struct process *process = process_of(env);
    if (process->dead)
        return;
    clock_timer_arm(process->node, timer);
    process_touch(process);
}

static void process_timer_stop(struct env *env, struct env_timer *timer)
{
    clock_timer_stop(process_of(env)->node, timer);
}

/* -- work ---------------------------------------------------------------------------------- */

/* First the work happens, a while later its owner hears of it: a crash may come in between. */
struct work_event {
    struct event event;
    struct process *process;
    struct env_work *work; /* valid while the process lives */
    bool worked;
};

static uint64_t work_ns(struct process *process)
{
    return random_between(&process->sim->world, WORK_US_MIN * 1000, WORK_US_MAX * 1000);
}

static void work_run(struct event *event)
{
    struct work_event *w = container_of(event, struct work_event, event);
    struct process *process = w->process;
    struct env_work *work = w->work;
    if (process->dead) {
        free(w);
    } else if (!w->worked) {
        work->work(work);
        w->worked = true;
        world_post(process->sim, event, work_ns(process));
    } else {
        free(w);
        work->private_state = NULL;
        if (process_enter(process)) {
            work->done(work);
            process_leave(process);
        }
    }
}

static void process_work(struct env *env, struct env_work *work)
{
    struct process *process = process_of(env);
    if (process->dead)
        return;
    struct work_event *w = sf_malloc(sizeof *w);
    *w = (struct work_event){
        .event = {.kind = EVENT_WORK,
                  .node = process->node->number,
                  .run = work_run,
                  .drop = world_drop},
        .process = process,
        .work = work,
    };
    work->private_state = w;
    world_post(process->sim, &w->event, work_ns(process));
}

/* -- birth --------------------------------------------------------------------------------- */

static void set_ops(struct env_ops *ops)
{
    ops->now_ns = process_now_ns;
    ops->wall_ns = process_wall_ns;
    ops->random = process_random;
    ops->timer_arm = process_timer_arm;
    ops->timer_stop = process_timer_stop;
    ops->defer = process_defer;
    ops->hook_add = process_hook_add;
    ops->hook_remove = process_hook_remove;
    ops->work = process_work;
    ops->fatal = process_fatal;
    network_ops(ops);
    file_ops(ops);
}

struct process *process_new(struct sim_node *node)
{
    struct sim *sim = node->sim;
    struct process *process = sf_calloc(1, sizeof *process);
    set_ops(&process->ops);
    process->env = (struct env){.ops = &process->ops, .simulated = true};
    process->sim = sim;
    process->node = node;
    random_init(&process->random, random_next(&sim->world));
    process->next = sim->processes;
    sim->processes = process;
    return process;
}

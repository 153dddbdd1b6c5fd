#include "sim/sim.h"

#include <stdlib.h>

#include "env/memory.h"
#include "sim/world.h"

/* -- events -------------------------------------------------------------------------------- */

void world_post(struct sim *sim, struct event *event, uint64_t delay_ns)
{
    event->at_ns = sim->now_ns + delay_ns;
    event->sequence = ++sim->sequence;
    event_queue_push(&sim->queue, event);
}

void world_hold(struct sim *sim, struct event *event, uint64_t until_ns)
{
    world_note(sim, EVENT_HELD, event->node, until_ns);
    event->at_ns = until_ns;
    event->sequence = ++sim->held_sequence;
    event_queue_push(&sim->queue, event);
}

void world_drop(struct event *event)
{
    free(event);
}

uint64_t world_delay_ns(struct sim *sim)
{
    const struct sim_faults *f = &sim->faults;
    uint64_t min_ns = f->delay_us_min * 1000ull, mean_ns = f->delay_us_mean * 1000ull;
    if (mean_ns > min_ns)
        return min_ns + random_exponential(&sim->world, mean_ns - min_ns);
    return random_between(&sim->world, min_ns, f->delay_us_max * 1000ull);
}

void world_note(struct sim *sim, enum event_kind kind, uint32_t node, uint64_t what)
{
    uint64_t value = sim->now_ns ^ (uint64_t)kind << 56 ^ (uint64_t)node << 40 ^ what;
    sim->hash = random_mix(sim->hash * 31 + value);
}

static void fire_timer(struct sim *sim, struct env_timer *timer)
{
    struct process *process = process_of(timer->env);
    sim->event_node = process->node;
    clock_timer_stop(process->node, timer);
    world_note(sim, EVENT_TIMER, process->node->number, 0);
    if (process_enter(process)) {
        timer->on_fire(timer);
        process_leave(process);
    }
}

static void run_event(struct sim *sim, struct event *event)
{
    sim->event_node = event->node == 0 ? NULL : sim->nodes[event->node - 1];
    if (sim->now_ns < sim->paused_until_ns && event->node != 0 && event->kind != EVENT_CONNECT) {
        const struct sim_node *node = sim->nodes[event->node - 1];
        if (sim_node_is_paused(node)) {
            world_hold(sim, event, node->paused_until_ns);
            return;
        }
    }
    world_note(sim, event->kind, event->node, event->what);
    event->run(event);
}

/* What happens next is this timer, where there is one, else the top of the queue. UINT64_MAX:
 * nothing will happen. */
static uint64_t next_ns(struct sim *sim, struct env_timer **out)
{
    const struct event *event = event_queue_top(&sim->queue);
    uint64_t at_ns;
    struct env_timer *timer = clock_first(sim, &at_ns);
    bool is_timer = timer != NULL && (event == NULL || at_ns < event->at_ns ||
                                      (at_ns == event->at_ns && timer->sequence < event->sequence));
    *out = is_timer ? timer : NULL;
    if (is_timer)
        return at_ns;
    return event == NULL ? UINT64_MAX : event->at_ns;
}

/* The next event, unless it lies beyond limit_ns. */
static bool step(struct sim *sim, uint64_t limit_ns)
{
    struct env_timer *timer;
    uint64_t at_ns = next_ns(sim, &timer);
    if (at_ns == UINT64_MAX || at_ns > limit_ns)
        return false;
    sf_assert(at_ns >= sim->now_ns);
    sim->now_ns = at_ns;
    sim->event_count++;
    if (timer != NULL)
        fire_timer(sim, timer);
    else
        run_event(sim, event_queue_pop(&sim->queue));
    if (sim->check != NULL)
        sim->check(sim->check_ctx, sim);
    return true;
}

/* The test may have called into any process: their hooks have to see it. */
static void settle_all(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->node_count; i++) {
        if (sim->nodes[i]->process != NULL)
            process_settle(sim->nodes[i]->process);
    }
}

/* -- the run ------------------------------------------------------------------------------- */

struct sim *sim_new(uint64_t seed)
{
    struct sim *sim = sf_calloc(1, sizeof *sim);
    sim->now_ns = ENV_SECOND_NS;
    sim->hash = random_mix(seed);
    random_init(&sim->world, seed);
    random_init(&sim->test, ~seed);
    sim->sequence = SIM_SEQUENCE_FIRST;
    sim->faults = fault_none;
    sf_assert_slow_enabled = true;
    return sim;
}

void sim_free(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->node_count; i++) {
        if (sim->nodes[i]->process != NULL)
            process_kill(sim->nodes[i]->process);
    }
    event_queue_deinit(&sim->queue);
    while (sim->processes != NULL) {
        struct process *process = sim->processes;
        sim->processes = process->next;
        process_free(process);
    }
    for (uint32_t i = 0; i < sim->node_count; i++)
        node_free(sim->nodes[i]);
    free(sim);
}

uint64_t sim_now_ns(const struct sim *sim)
{
    return sim->now_ns;
}

uint64_t sim_random(struct sim *sim)
{
    return random_next(&sim->test);
}

uint64_t sim_random_below(struct sim *sim, uint64_t limit)
{
    return random_below(&sim->test, limit);
}

uint64_t sim_hash(const struct sim *sim)
{
    return sim->hash;
}

uint64_t sim_event_count(const struct sim *sim)
{
    return sim->event_count;
}

void sim_on_event(struct sim *sim, void (*check)(void *ctx, struct sim *sim), void *ctx)
{
    sim->check = check;
    sim->check_ctx = ctx;
}

bool sim_event_is_at(const struct sim *sim, const struct sim_node *node)
{
    return sim->event_node == NULL || sim->event_node == node;
}

void sim_on_message(struct sim *sim,
                    struct sim_verdict (*judge)(void *ctx, const struct sim_message *message),
                    void *ctx)
{
    sim->judge = judge;
    sim->judge_ctx = ctx;
}

bool sim_step(struct sim *sim)
{
    settle_all(sim);
    return step(sim, UINT64_MAX);
}

void sim_run_ns(struct sim *sim, uint64_t ns)
{
    uint64_t end_ns = sim->now_ns + ns;
    settle_all(sim);
    while (step(sim, end_ns))
        continue;
    sim->now_ns = end_ns;
}

bool sim_run_until(struct sim *sim, bool (*done)(void *ctx), void *ctx, uint64_t limit_ns)
{
    uint64_t end_ns = sim->now_ns + limit_ns;
    settle_all(sim);
    while (!done(ctx)) {
        if (!step(sim, end_ns)) {
            sim->now_ns = end_ns;
            return false;
        }
    }
    return true;
}

/* -- the test's own events ----------------------------------------------------------------- */

struct host_event {
    struct event event;
    struct sim *sim;
    void (*run)(void *ctx);
    void *ctx;
};

static void host_event_run(struct event *event)
{
    struct host_event *host = container_of(event, struct host_event, event);
    host->run(host->ctx);
    settle_all(host->sim);
    free(host);
}

void sim_after_ns(struct sim *sim, uint64_t ns, void (*run)(void *ctx), void *ctx)
{
    struct host_event *host = sf_malloc(sizeof *host);
    *host = (struct host_event){
        .event = {.kind = EVENT_HOST, .run = host_event_run, .drop = world_drop},
        .sim = sim,
        .run = run,
        .ctx = ctx,
    };
    world_post(sim, &host->event, ns);
}

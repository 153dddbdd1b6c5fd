/* Machines' clocks and the timers that run on them; pauses, which keep both from being seen.
 *
 *  K1  sim->due_ns[i] is the time of the simulation at which the first timer of node i + 1 fires:
 *      not before its clock shows the timer's due_ns, nor before its pause ends. UINT64_MAX: none.
 *  K2  sim->first is the node whose timer fires first, or NULL where that has to be looked for.
 */
#include "sim/world.h"

#define PPM 1000000
/* 2024-01-01 in UTC: where the wall clocks start, each with a skew of its own. */
#define WALL_START_NS 1704067200000000000u

/* By what its clock goes on in a million units of time. */
static uint64_t rate_of(const struct clock *clock)
{
    return (uint64_t)(PPM + (int64_t)clock->drift_ppm);
}

static uint64_t local_ns(const struct clock *clock, uint64_t now_ns)
{
    uint64_t elapsed_ns = now_ns - clock->base_ns, rate = rate_of(clock);
    return clock->local_ns + elapsed_ns / PPM * rate + elapsed_ns % PPM * rate / PPM;
}

uint64_t clock_now_ns(const struct sim_node *node)
{
    const struct clock *clock = &node->clock;
    return clock->local_ns == clock->base_ns && clock->drift_ppm == 0
               ? node->sim->now_ns
               : local_ns(clock, node->sim->now_ns);
}

uint64_t clock_wall_ns(const struct sim_node *node)
{
    return WALL_START_NS + clock_now_ns(node) + (uint64_t)node->clock.wall_skew_ns;
}

/* When its clock shows due_ns. */
static uint64_t sim_time_of(const struct clock *clock, uint64_t due_ns)
{
    uint64_t rate = rate_of(clock);
    if (due_ns == UINT64_MAX || due_ns <= clock->local_ns)
        return due_ns == UINT64_MAX ? due_ns : clock->base_ns;
    uint64_t left_ns = due_ns - clock->local_ns;
    if (left_ns / rate >= UINT64_MAX / PPM / 2)
        return UINT64_MAX;
    uint64_t at_ns = clock->base_ns + left_ns / rate * PPM + left_ns % rate * PPM / rate;
    while (local_ns(clock, at_ns) < due_ns)
        at_ns++;
    return at_ns;
}

/* K1, K2 */
static void refresh(struct sim_node *node)
{
    struct sim *sim = node->sim;
    const struct env_timer *timer = timer_heap_top(&node->clock.timers);
    uint64_t at_ns = timer == NULL ? UINT64_MAX : sim_time_of(&node->clock, timer->due_ns);
    if (at_ns < node->paused_until_ns)
        at_ns = node->paused_until_ns;
    if (at_ns < node->sim->now_ns) /* a slow clock shows the same for a while */
        at_ns = node->sim->now_ns;
    sim->due_ns[node->number - 1] = at_ns;
    if (sim->first == node || (sim->first != NULL && at_ns <= sim->due_ns[sim->first->number - 1]))
        sim->first = NULL;
}

void clock_timer_arm(struct sim_node *node, struct env_timer *timer)
{
    timer->sequence = ++node->sim->sequence;
    timer_heap_insert(&node->clock.timers, timer);
    if (timer_heap_top(&node->clock.timers) == timer)
        refresh(node);
}

void clock_timer_stop(struct sim_node *node, struct env_timer *timer)
{
    bool is_first = timer_heap_top(&node->clock.timers) == timer;
    timer_heap_remove(&node->clock.timers, timer);
    if (is_first)
        refresh(node);
}

static struct env_timer *first_of(const struct sim_node *node)
{
    return timer_heap_top(&node->clock.timers);
}

static void find_first(struct sim *sim)
{
    uint64_t at_ns = UINT64_MAX;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        uint64_t due_ns = sim->due_ns[i];
        if (due_ns < at_ns ||
            (due_ns == at_ns && due_ns != UINT64_MAX &&
             first_of(sim->nodes[i])->sequence < first_of(sim->first)->sequence)) {
            at_ns = due_ns;
            sim->first = sim->nodes[i];
        }
    }
}

struct env_timer *clock_first(struct sim *sim, uint64_t *at_ns)
{
    if (sim->first == NULL)
        find_first(sim);
    *at_ns = sim->first == NULL ? UINT64_MAX : sim->due_ns[sim->first->number - 1];
    return sim->first == NULL ? NULL : first_of(sim->first);
}

/* -- faults -------------------------------------------------------------------------------- */

void sim_clock_drift(struct sim_node *node, int32_t ppm)
{
    struct clock *clock = &node->clock;
    sf_assert(ppm > -PPM);
    clock->local_ns = clock_now_ns(node);
    clock->base_ns = node->sim->now_ns;
    clock->drift_ppm = ppm;
    refresh(node);
    world_note(node->sim, EVENT_CLOCK, node->number, (uint32_t)ppm);
}

void sim_clock_step(struct sim_node *node, int64_t ns)
{
    node->clock.wall_skew_ns += ns;
    world_note(node->sim, EVENT_CLOCK, node->number, (uint64_t)ns);
}

void clock_pause_until(struct sim_node *node, uint64_t until_ns)
{
    struct sim *sim = node->sim;
    node->paused_until_ns = until_ns;
    if (until_ns > sim->paused_until_ns)
        sim->paused_until_ns = until_ns;
    refresh(node);
}

void sim_node_pause(struct sim_node *node, uint64_t ns)
{
    if (!sim_node_is_up(node))
        return;
    clock_pause_until(node, node->sim->now_ns + ns);
    world_note(node->sim, EVENT_PAUSE, node->number, ns);
}

bool sim_node_is_paused(const struct sim_node *node)
{
    return node->paused_until_ns > node->sim->now_ns;
}

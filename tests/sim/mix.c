#include "sim/mix.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "sim/world.h"

#define UNSYNCED_TRIES 4 /* to find a node that has something unsynced */

/* What is drawn: off, or between min and max. */
static const struct dial {
    const char *name;
    size_t offset; /* of its uint32_t in struct sim_mix */
    uint32_t min, max;
} dials[] = {
    {"delay_us_mean", offsetof(struct sim_mix, faults.delay_us_mean), 1000, 100000},
    {"loss", offsetof(struct sim_mix, faults.loss), 1, 300},
    {"duplicate", offsetof(struct sim_mix, faults.duplicate), 1, 500},
    {"reorder", offsetof(struct sim_mix, faults.reorder), 1, 500},
    {"clog", offsetof(struct sim_mix, faults.clog), 1, 10},
    {"stall", offsetof(struct sim_mix, faults.stall), 1, 100},
    {"sync_fail_ppm", offsetof(struct sim_mix, faults.sync_fail_ppm), 10, 1000},
    {"crash", offsetof(struct sim_mix, shares.crash), 1, 16},
    {"partition", offsetof(struct sim_mix, shares.partition), 1, 8},
    {"cut", offsetof(struct sim_mix, shares.cut), 1, 8},
    {"clogs", offsetof(struct sim_mix, shares.clog), 1, 8},
    {"pause", offsetof(struct sim_mix, shares.pause), 1, 8},
    {"drift", offsetof(struct sim_mix, shares.drift), 1, 4},
    {"step", offsetof(struct sim_mix, shares.step), 1, 4},
    {"fill", offsetof(struct sim_mix, shares.fill), 1, 4},
    {"disk_stall", offsetof(struct sim_mix, shares.disk_stall), 1, 4},
    {"rot_ppm", offsetof(struct sim_mix, rot_ppm), 20, 5000},
};
/* What is always on, at least as much as min. */
static const struct dial extents[] = {
    {"slow_us_max", offsetof(struct sim_mix, faults.slow_us_max), 1000, 500000},
    {"clog_us_max", offsetof(struct sim_mix, faults.clog_us_max), 10000, 3000000},
    {"stall_us_max", offsetof(struct sim_mix, faults.stall_us_max), 1000, 2000000},
    {"gap_ms", offsetof(struct sim_mix, gap_ms), 50, 3000},
    {"while_ms_max", offsetof(struct sim_mix, while_ms_max), 50, 8000},
    {"drift_ppm_max", offsetof(struct sim_mix, drift_ppm_max), 50, 300000},
    {"step_ms_max", offsetof(struct sim_mix, step_ms_max), 10, 7200000},
};

#define DIALS (sizeof dials / sizeof dials[0])
#define EXTENTS (sizeof extents / sizeof extents[0])

static uint32_t *dial_of(struct sim_mix *mix, const struct dial *dial)
{
    return (uint32_t *)(void *)((char *)mix + dial->offset);
}

/* As often between 1 and 2 times the min as between 16 and 32 times. */
static uint32_t draw(struct random *random, uint32_t min, uint32_t max)
{
    uint32_t doublings = 0;
    while ((uint64_t)min << (doublings + 1) <= max)
        doublings++;
    uint64_t top = (uint64_t)min << random_below(random, doublings + 1) << 1;
    return (uint32_t)random_between(random, top / 2, top < max ? top : max);
}

struct sim_mix sim_mix_draw(struct sim *sim)
{
    struct sim_mix mix = {.faults = fault_none};
    for (size_t i = 0; i < DIALS; i++)
        if (random_below(&sim->world, 2) == 0)
            *dial_of(&mix, &dials[i]) = draw(&sim->world, dials[i].min, dials[i].max);
    for (size_t i = 0; i < EXTENTS; i++)
        *dial_of(&mix, &extents[i]) = draw(&sim->world, extents[i].min, extents[i].max);
    return mix;
}

static size_t add_dials(struct sim_mix *mix, const struct dial *of, size_t count, char *text,
                        size_t n)
{
    for (size_t i = 0; i < count; i++)
        if (*dial_of(mix, &of[i]) != 0 && n < SIM_MIX_TEXT_BYTES)
            n += (size_t)snprintf(text + n, SIM_MIX_TEXT_BYTES - n, "%s%s %" PRIu32,
                                  n == 0 ? "" : " ", of[i].name, *dial_of(mix, &of[i]));
    return n;
}

void sim_mix_text(const struct sim_mix *mix, char text[SIM_MIX_TEXT_BYTES])
{
    struct sim_mix copy = *mix;
    text[0] = 0;
    size_t n = add_dials(&copy, dials, DIALS, text, 0);
    n = add_dials(&copy, extents, EXTENTS, text, n);
    sf_assert(n < SIM_MIX_TEXT_BYTES);
}

/* -- acts ---------------------------------------------------------------------------------- */

struct act {
    struct sim *sim;
    const struct sim_mix *mix;
    struct sim_node *const *nodes;
    size_t count;
};

static struct sim_node *any_node(const struct act *act)
{
    return act->nodes[random_below(&act->sim->world, act->count)];
}

static uint64_t while_ns(const struct act *act)
{
    return random_between(&act->sim->world, 1, act->mix->while_ms_max) * ENV_MS_NS;
}

static bool flip(const struct act *act)
{
    return random_below(&act->sim->world, 2) == 0;
}

static void crash_or_start(const struct act *act)
{
    struct sim_node *node = any_node(act);
    for (int i = 0; i < UNSYNCED_TRIES && !sim_node_has_unsynced(node); i++)
        node = any_node(act);
    bool is_up = sim_node_is_up(node);
    if (is_up || random_below(&act->sim->world, 4) == 0)
        sim_node_crash_soon(node);
    if (!is_up)
        sim_node_start(node);
}

static void part_or_heal(const struct act *act)
{
    struct sim_partition partition = {.nodes = act->nodes, .count = act->count};
    partition.shape = (enum sim_shape)random_below(&act->sim->world, SIM_SHAPES);
    partition.one_way = random_below(&act->sim->world, 4) == 0;
    sim_heal_all(act->sim);
    if (flip(act))
        sim_partition(act->sim, &partition);
}

static void cut_or_heal(const struct act *act)
{
    struct sim_node *a = any_node(act), *b = any_node(act);
    if (a == b || random_below(&act->sim->world, 3) == 0) {
        sim_heal_all(act->sim);
        return;
    }
    sim_cut(act->sim, a, b);
    if (flip(act))
        sim_cut(act->sim, b, a);
}

static void clog_pair(const struct act *act)
{
    struct sim_node *a = any_node(act), *b = any_node(act);
    sim_clog(act->sim, a, b, while_ns(act));
    if (flip(act))
        sim_clog(act->sim, b, a, while_ns(act));
}

static void pause_node(const struct act *act)
{
    struct sim_node *node = any_node(act);
    sim_node_pause(node, while_ns(act));
}

static void drift_clock(const struct act *act)
{
    struct sim_node *node = any_node(act);
    int32_t ppm = (int32_t)random_between(&act->sim->world, 0, act->mix->drift_ppm_max);
    sim_clock_drift(node, flip(act) ? ppm : -ppm);
}

static void step_clock(const struct act *act)
{
    struct sim_node *node = any_node(act);
    int64_t ms = (int64_t)random_between(&act->sim->world, 1, act->mix->step_ms_max);
    sim_clock_step(node, (flip(act) ? ms : -ms) * (int64_t)ENV_MS_NS);
}

static void fill_disk(const struct act *act)
{
    struct sim_node *node = any_node(act);
    sim_disk_fill_for(node, while_ns(act));
}

static void stall_disk(const struct act *act)
{
    struct sim_node *node = any_node(act);
    sim_disk_stall(node, while_ns(act));
}

void sim_mix_act(struct sim *sim, const struct sim_mix *mix, struct sim_node *const *nodes,
                 size_t count)
{
    const struct act act = {.sim = sim, .mix = mix, .nodes = nodes, .count = count};
    const struct sim_mix_shares *s = &mix->shares;
    const struct {
        uint32_t share;
        void (*run)(const struct act *act);
    } acts[] = {
        {s->crash, crash_or_start}, {s->partition, part_or_heal}, {s->cut, cut_or_heal},
        {s->clog, clog_pair},       {s->pause, pause_node},       {s->drift, drift_clock},
        {s->step, step_clock},      {s->fill, fill_disk},         {s->disk_stall, stall_disk}};
    uint64_t total = 0, i = 0;
    for (size_t k = 0; k < sizeof acts / sizeof acts[0]; k++)
        total += acts[k].share;
    if (total == 0 || count == 0)
        return;
    uint64_t drawn = random_below(&sim->world, total);
    for (; drawn >= acts[i].share; i++)
        drawn -= acts[i].share;
    acts[i].run(&act);
}

uint64_t sim_mix_gap_ns(struct sim *sim, const struct sim_mix *mix)
{
    return random_exponential(&sim->world, mix->gap_ms * ENV_MS_NS);
}

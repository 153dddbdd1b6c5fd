/* What the test does to the network and to all at once: cuts, clogs, partitions, calm. */
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "sim/world.h"

#define DELAY_US_MIN 500
#define DELAY_US_MAX 1500
#define SYNC_US_MIN 100
#define SYNC_US_MAX 300

const struct sim_faults fault_none = {.delay_us_min = DELAY_US_MIN,
                                      .delay_us_max = DELAY_US_MAX,
                                      .sync_us_min = SYNC_US_MIN,
                                      .sync_us_max = SYNC_US_MAX};

struct sim_faults *sim_faults(struct sim *sim)
{
    return &sim->faults;
}

/* -- two nodes ----------------------------------------------------------------------------- */

static void note_pair(const struct sim_node *from, const struct sim_node *to, uint64_t what)
{
    world_note(from->sim, EVENT_LINK, from->number, what << 16 ^ to->number);
}

void sim_cut(struct sim *sim, struct sim_node *from, struct sim_node *to)
{
    sf_assert(from->sim == sim && to->sim == sim);
    from->cut_to[to->number - 1] = true;
    note_pair(from, to, 1);
}

void sim_heal(struct sim *sim, struct sim_node *from, struct sim_node *to)
{
    sf_assert(from->sim == sim && to->sim == sim);
    from->cut_to[to->number - 1] = false;
    note_pair(from, to, 2);
}

void sim_heal_all(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->node_count; i++)
        memset(sim->nodes[i]->cut_to, 0, sizeof sim->nodes[i]->cut_to);
    world_note(sim, EVENT_LINK, 0, 0);
}

void sim_clog(struct sim *sim, struct sim_node *from, struct sim_node *to, uint64_t ns)
{
    sf_assert(from->sim == sim && to->sim == sim);
    uint64_t until_ns = sim->now_ns + ns, *clogged_ns = &from->clogged_ns[to->number - 1];
    if (until_ns > *clogged_ns)
        *clogged_ns = until_ns;
    if (until_ns > sim->clogged_ns)
        sim->clogged_ns = until_ns;
    note_pair(from, to, ns);
}

/* -- partitions ---------------------------------------------------------------------------- */

/* Do those at these places of `count` hear each other, or the first the second? */
static bool hears(enum sim_shape shape, size_t a, size_t b, size_t count)
{
    switch (shape) {
    case SIM_HALVES:
        return (a < count / 2) == (b < count / 2);
    case SIM_ISOLATED:
        return a != 0 && b != 0;
    case SIM_BRIDGE:
        return a == 0 || b == 0 || (a <= count / 2) == (b <= count / 2);
    case SIM_RING:
        return (b + count - a) % count <= count / 2;
    case SIM_STAR:
        return a == 0 || b == 0;
    }
    return true;
}

static void shuffle(struct sim *sim, size_t *places, size_t count)
{
    for (size_t i = 0; i < count; i++)
        places[i] = i;
    for (size_t left = count; left > 1; left--) {
        size_t i = (size_t)random_below(&sim->world, left), taken = places[i];
        places[i] = places[left - 1];
        places[left - 1] = taken;
    }
}

void sim_partition(struct sim *sim, const struct sim_partition *p)
{
    size_t *places = sf_calloc(p->count, sizeof *places);
    shuffle(sim, places, p->count);
    bool upwards = random_below(&sim->world, 2) == 0; /* where only one way is cut */
    for (size_t i = 0; i < p->count; i++) {
        for (size_t k = 0; k < p->count; k++) {
            size_t from = places[i], to = places[k];
            bool same_class = p->classes != NULL && p->classes[i] == p->classes[k];
            if (from == to || same_class || hears(p->shape, to, from, p->count) ||
                (p->one_way && (from < to) != upwards))
                continue;
            sim_cut(sim, p->nodes[i], p->nodes[k]);
        }
    }
    free(places);
}

/* -- calm ---------------------------------------------------------------------------------- */

void sim_calm(struct sim *sim)
{
    sim->faults = fault_none;
    sim_heal_all(sim);
    for (uint32_t i = 0; i < sim->node_count; i++) {
        struct sim_node *node = sim->nodes[i];
        node->volume.full = node->volume.fail_sync = false;
        node->rot_ppm = 0;
        node->crash_point = SIM_AT_NOTHING;
        if (node->clock.drift_ppm != 0)
            sim_clock_drift(node, 0);
    }
}

#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

#include "env/memory.h"

#define WALL_SKEW_NS_MAX 200000000
#define EPHEMERAL_PORT_FIRST 49152
#define POWER_CUT_PER_MILLE 750 /* of crashes; in the others only the process ends */

struct sim_node *sim_node_new(struct sim *sim, const char *name, const struct sim_program *program)
{
    sf_assert(sim->node_count < SIM_NODES_MAX && node_find(sim, name) == NULL);
    struct sim_node *node = sf_calloc(1, sizeof *node);
    node->sim = sim;
    node->name = sf_strdup(name);
    node->program = *program;
    node->next_port = EPHEMERAL_PORT_FIRST;
    node->clock.wall_skew_ns =
        (int64_t)random_below(&sim->world, 2 * WALL_SKEW_NS_MAX) - WALL_SKEW_NS_MAX;
    sim->due_ns[sim->node_count] = UINT64_MAX;
    sim->nodes[sim->node_count++] = node;
    node->number = sim->node_count;
    return node;
}

void node_free(struct sim_node *node)
{
    sf_assert(node->process == NULL);
    volume_deinit(&node->volume);
    timer_heap_deinit(&node->clock.timers);
    if (node->image != NULL)
        node->image_free(node->image);
    free(node->name);
    free(node);
}

struct sim_node *node_find(const struct sim *sim, const char *name)
{
    for (uint32_t i = 0; i < sim->node_count; i++) {
        if (strcmp(sim->nodes[i]->name, name) == 0)
            return sim->nodes[i];
    }
    return NULL;
}

void node_process_ended(struct sim_node *node)
{
    struct random *random = &node->sim->world;
    uint64_t choice = random_next(random);
    if (node->image != NULL)
        node->image_crash(node->image, choice);
    if (!node->orderly && random_chance(random, POWER_CUT_PER_MILLE))
        volume_power_cut(&node->volume, random);
    node->orderly = false;
    node->crash_point = SIM_AT_NOTHING;
}

const char *sim_node_name(const struct sim_node *node)
{
    return node->name;
}

struct sim *sim_node_sim(const struct sim_node *node)
{
    return node->sim;
}

void sim_node_start(struct sim_node *node)
{
    sf_assert(node->process == NULL);
    node->failed = false;
    struct process *process = node->process = process_new(node);
    if (process_enter(process)) {
        node->program.boot(node->program.ctx, node, &process->env);
        process_leave(process);
    }
}

void sim_node_crash(struct sim_node *node)
{
    if (node->process != NULL)
        process_kill(node->process);
}

void sim_node_stop(struct sim_node *node)
{
    if (node->process == NULL)
        return;
    node->orderly = true;
    process_stop(node->process);
}

bool sim_node_is_up(const struct sim_node *node)
{
    return node->process != NULL && !node->process->dead;
}

struct env *sim_node_env(struct sim_node *node)
{
    return sim_node_is_up(node) ? &node->process->env : NULL;
}

bool sim_node_failed(const struct sim_node *node)
{
    return node->failed;
}

/* -- crashes at a point -------------------------------------------------------------------- */

#define SOON_MAX 12 /* points until a crash that is to come soon */

bool node_passes(struct sim_node *node, enum sim_point point)
{
    if (node->crash_point != point || --node->crash_left > 0)
        return true;
    node->crash_point = SIM_AT_NOTHING;
    world_note(node->sim, EVENT_CRASH, node->number, (uint64_t)point);
    process_collapse(node->process);
    return false;
}

void sim_node_crash_at(struct sim_node *node, enum sim_point point, uint32_t nth)
{
    sf_assert(nth > 0);
    node->crash_point = point;
    node->crash_left = nth;
}

void sim_node_crash_soon(struct sim_node *node)
{
    static const enum sim_point points[] = {SIM_AT_NOTHING, SIM_AT_WRITE, SIM_AT_WRITE, SIM_AT_SYNC,
                                            SIM_AT_SYNCED,  SIM_AT_NAME,  SIM_AT_SEND};
    struct random *random = &node->sim->world;
    enum sim_point point = points[random_below(random, sizeof points / sizeof points[0])];
    uint32_t nth = (uint32_t)random_between(random, 1, SOON_MAX);
    if (point == SIM_AT_NOTHING)
        sim_node_crash(node);
    else
        sim_node_crash_at(node, point, nth);
}

bool sim_node_has_unsynced(const struct sim_node *node)
{
    return volume_has_unsynced(&node->volume);
}

/* -- disks --------------------------------------------------------------------------------- */

void sim_disk_fill(struct sim_node *node, bool full)
{
    node->volume.full = full;
    node->full_until_ns = 0;
    world_note(node->sim, EVENT_DISK, node->number, full);
}

static void disk_has_room(void *ctx)
{
    struct sim_node *node = ctx;
    if (node->full_until_ns != 0 && node->full_until_ns <= node->sim->now_ns)
        sim_disk_fill(node, false);
}

void sim_disk_fill_for(struct sim_node *node, uint64_t ns)
{
    sim_disk_fill(node, true);
    node->full_until_ns = node->sim->now_ns + ns;
    sim_after_ns(node->sim, ns, disk_has_room, node);
}

void sim_disk_stall(struct sim_node *node, uint64_t ns)
{
    if (node->stalled_ns < node->sim->now_ns + ns)
        node->stalled_ns = node->sim->now_ns + ns;
    world_note(node->sim, EVENT_DISK, node->number, ns);
}

void sim_disk_fail_sync(struct sim_node *node)
{
    node->volume.fail_sync = true;
    world_note(node->sim, EVENT_DISK, node->number, 2);
}

void sim_disk_rot(struct sim_node *node, uint32_t ppm)
{
    node->rot_ppm = ppm;
    world_note(node->sim, EVENT_DISK, node->number, (uint64_t)ppm << 2 ^ 1);
}

int sim_disk_damage(struct sim_node *node, const char *path, uint64_t offset)
{
    world_note(node->sim, EVENT_DISK, node->number, offset << 2 ^ 3);
    return volume_damage(&node->volume, path, offset);
}

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
    node->wall_skew_ns =
        (int64_t)random_below(&sim->world, 2 * WALL_SKEW_NS_MAX) - WALL_SKEW_NS_MAX;
    sim->nodes[sim->node_count++] = node;
    node->number = sim->node_count;
    return node;
}

void node_free(struct sim_node *node)
{
    sf_assert(node->process == NULL);
    volume_deinit(&node->volume);
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

/* -- faults -------------------------------------------------------------------------------- */

void sim_cut(struct sim *sim, struct sim_node *from, struct sim_node *to)
{
    sf_assert(from->sim == sim && to->sim == sim);
    from->cut_to[to->number - 1] = true;
}

void sim_heal(struct sim *sim, struct sim_node *from, struct sim_node *to)
{
    sf_assert(from->sim == sim && to->sim == sim);
    from->cut_to[to->number - 1] = false;
}

void sim_heal_all(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->node_count; i++)
        memset(sim->nodes[i]->cut_to, 0, sizeof sim->nodes[i]->cut_to);
}

void sim_disk_fill(struct sim_node *node, bool full)
{
    node->volume.full = full;
}

void sim_disk_fail_sync(struct sim_node *node)
{
    node->volume.fail_sync = true;
}

int sim_disk_damage(struct sim_node *node, const char *path, uint64_t offset)
{
    return volume_damage(&node->volume, path, offset);
}

/* What can go wrong with a cluster, one stroke at a time; what can with any machine is sim/mix.h's. */
#include "replica/inside.h"
#include "storm/inside.h"

#define FULL_MS_MAX 4000u

/* -- who ----------------------------------------------------------------------------------- */

/* Mostly of the groups. */
static struct cluster_group *any_group(struct cluster *cluster)
{
    uint64_t i = sim_random_below(cluster->sim, cluster->group_count * 4 + 1);
    return i == 0 ? &cluster->masters : &cluster->groups[i % cluster->group_count];
}

static struct cluster_node *any_node(struct cluster *cluster)
{
    struct cluster_group *group = any_group(cluster);
    return &group->nodes[sim_random_below(cluster->sim, group->count)];
}

size_t cluster_servers(struct cluster *cluster, struct sim_node **nodes, uint8_t *classes)
{
    size_t count = 0;
    for (unsigned i = 0; i <= cluster->group_count; i++) {
        const struct cluster_group *group = i == 0 ? &cluster->masters : &cluster->groups[i - 1];
        for (unsigned k = 0; k < group->count && !group->absent; k++) {
            classes[count] = (uint8_t)i;
            nodes[count++] = group->nodes[k].sim_node;
        }
    }
    return count;
}

/* -- processes ----------------------------------------------------------------------------- */

static void crash_or_start(struct cluster *cluster)
{
    struct cluster_node *n = any_node(cluster);
    if (!sim_node_is_up(n->sim_node))
        cluster_node_start(n);
    else if (sim_random_below(cluster->sim, 4) == 0)
        sim_node_stop(n->sim_node);
    else
        sim_node_crash(n->sim_node);
}

/* A machine room loses power; it comes back at once, or when somebody starts its machines. */
static void power_cut(struct cluster *cluster)
{
    struct cluster_group *group = any_group(cluster);
    cluster_group_crash(group);
    if (group == &cluster->masters || sim_random_below(cluster->sim, 2) == 0)
        cluster_group_start(group);
}

/* Everything loses power at once. */
static void blackout(struct cluster *cluster)
{
    cluster_group_crash(&cluster->masters);
    for (size_t i = 0; i < cluster->group_count; i++)
        cluster_group_crash(&cluster->groups[i]);
    cluster_start_all(cluster);
}

/* The lead goes to any other replica of a group, in good order. */
static void transfer(struct cluster *cluster)
{
    struct cluster_group *group = any_group(cluster);
    const struct cluster_node *leader = cluster_leader(group);
    const struct cluster_node *to = &group->nodes[sim_random_below(cluster->sim, group->count)];
    if (!leader)
        return;
    int status = replica_transfer(leader->replica, to->address);
    sf_assert(status == SF_OK || status == SF_NOT_LEADER);
}

/* In the middle of a snapshot, on either side? */
static bool is_moving_state(const struct cluster_node *n)
{
    if (!n->replica)
        return false;
    bool moves = n->replica->install.state != INSTALL_IDLE;
    for (size_t i = 0; i < n->replica->peer_count; i++)
        moves = moves || n->replica->peers[i].send != NULL;
    return moves;
}

/* One who is in the middle of a snapshot crashes; where there is none, anybody. */
static void crash_moving(struct cluster *cluster)
{
    struct cluster_node *victim = any_node(cluster);
    for (unsigned i = 0; i < cluster->group_count; i++)
        for (unsigned k = 0; k < cluster->groups[i].count; k++)
            if (is_moving_state(&cluster->groups[i].nodes[k]))
                victim = &cluster->groups[i].nodes[k];
    sim_node_crash(victim->sim_node);
}

/* -- stores -------------------------------------------------------------------------------- */

static void store_has_room(void *ctx)
{
    struct cluster_node *n = ctx;
    n->faulty.full = false;
}

static void fill_store(struct cluster *cluster)
{
    struct cluster_node *n = any_node(cluster);
    uint64_t ms = 1 + sim_random_below(cluster->sim, FULL_MS_MAX);
    n->faulty.full = true;
    sim_after_ns(cluster->sim, ms * ENV_MS_NS, store_has_room, n);
}

/* The disk of a store is replaced by an empty one; that of the log is not. Others have the state. */
static void lose_store(struct cluster *cluster)
{
    struct cluster_node *n = any_node(cluster);
    if (!n->weak || n->group->absent)
        return;
    sim_node_crash(n->sim_node);
    faulty_store_lose(n->sim_node);
    cluster_node_start(n);
}

/* -- the network --------------------------------------------------------------------------- */

static void cut_or_heal(struct cluster *cluster)
{
    struct cluster_node *a = any_node(cluster), *b = any_node(cluster);
    if (a == b || sim_random_below(cluster->sim, 3) == 0) {
        sim_heal_all(cluster->sim);
        return;
    }
    sim_cut(cluster->sim, a->sim_node, b->sim_node);
    if (sim_random_below(cluster->sim, 2) == 0)
        sim_cut(cluster->sim, b->sim_node, a->sim_node);
}

void cluster_cut(struct cluster_group *from, struct cluster_group *to)
{
    for (size_t i = 0; i < from->count; i++)
        for (size_t k = 0; k < to->count; k++)
            sim_cut(from->cluster->sim, from->nodes[i].sim_node, to->nodes[k].sim_node);
}

static void cut_groups(struct cluster *cluster)
{
    struct cluster_group *a = any_group(cluster), *b = any_group(cluster);
    if (a == b)
        return;
    cluster_cut(a, b);
    if (sim_random_below(cluster->sim, 2) == 0)
        cluster_cut(b, a);
}

/* Within each group everybody hears everybody; groups, masters among them, are parted. */
static void part_groups(struct cluster *cluster)
{
    struct sim_node *nodes[CLUSTER_NODES_MAX];
    uint8_t classes[CLUSTER_NODES_MAX];
    struct sim_partition partition = {
        .shape = (enum sim_shape)sim_random_below(cluster->sim, SIM_SHAPES),
        .one_way = sim_random_below(cluster->sim, 3) == 0,
        .nodes = nodes,
        .classes = classes};
    partition.count = cluster_servers(cluster, nodes, classes);
    sim_partition(cluster->sim, &partition);
}

static void spoil_messages(struct cluster *cluster)
{
    struct sim_faults *faults = sim_faults(cluster->sim);
    bool bad = sim_random_below(cluster->sim, 2) == 0;
    faults->loss = bad ? (uint32_t)sim_random_below(cluster->sim, 150) : 0;
    faults->duplicate = bad ? (uint32_t)sim_random_below(cluster->sim, 100) : 0;
    faults->reorder = bad ? (uint32_t)sim_random_below(cluster->sim, 200) : 0;
    faults->slow_us_max = 50000;
}

/* -- strokes ------------------------------------------------------------------------------- */

void cluster_strike(struct cluster *cluster, enum cluster_fault fault)
{
    static void (*const strokes[CLUSTER_FAULT_LIMIT])(struct cluster * cluster) = {
        [CLUSTER_CRASH] = crash_or_start,      [CLUSTER_POWER_CUT] = power_cut,
        [CLUSTER_BLACKOUT] = blackout,         [CLUSTER_TRANSFER] = transfer,
        [CLUSTER_CUT] = cut_or_heal,           [CLUSTER_CUT_GROUPS] = cut_groups,
        [CLUSTER_PART_GROUPS] = part_groups,   [CLUSTER_SPOIL] = spoil_messages,
        [CLUSTER_CRASH_MOVING] = crash_moving, [CLUSTER_FILL_STORE] = fill_store,
        [CLUSTER_LOSE_STORE] = lose_store,
    };
    strokes[fault](cluster);
}

void cluster_fault(struct cluster *cluster)
{
    static const enum cluster_fault usual[] = {
        CLUSTER_CRASH,      CLUSTER_CRASH,    CLUSTER_CRASH,       CLUSTER_CRASH,
        CLUSTER_CRASH,      CLUSTER_CUT,      CLUSTER_POWER_CUT,   CLUSTER_CUT_GROUPS,
        CLUSTER_CUT_GROUPS, CLUSTER_TRANSFER, CLUSTER_PART_GROUPS, CLUSTER_SPOIL,
        CLUSTER_SPOIL,      CLUSTER_BLACKOUT,
    };
    cluster_strike(cluster, usual[sim_random_below(cluster->sim, sizeof usual / sizeof usual[0])]);
}

static void each_node(struct cluster *cluster,
                      void (*visit)(struct cluster_node *n, uint32_t value), uint32_t value)
{
    for (unsigned i = 0; i <= cluster->group_count; i++) {
        struct cluster_group *group = i == 0 ? &cluster->masters : &cluster->groups[i - 1];
        for (unsigned k = 0; k < group->count; k++)
            visit(&group->nodes[k], value);
    }
}

static void rot(struct cluster_node *n, uint32_t ppm)
{
    if (n->weak)
        sim_disk_rot(n->sim_node, ppm);
}

static void set_busy(struct cluster_node *n, uint32_t per_mille)
{
    n->faulty.full = false;
    n->faulty.busy = per_mille;
}

void cluster_spoil_disks(struct cluster *cluster, uint32_t rot_ppm, uint32_t busy)
{
    cluster->rots = cluster->rots || rot_ppm != 0;
    each_node(cluster, rot, rot_ppm);
    each_node(cluster, set_busy, busy);
}

void cluster_calm(struct cluster *cluster)
{
    sim_calm(cluster->sim);
    cluster_spoil_disks(cluster, 0, 0);
    cluster_start_all(cluster);
}

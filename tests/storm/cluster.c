#include "storm/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/log.h"
#include "env/memory.h"

/* -- life ---------------------------------------------------------------------------------- */

static void group_init(struct cluster *cluster, struct cluster_group *group, group_id gid,
                       const char *name)
{
    const struct sim_program program = {.boot = process_boot, .halt = process_halt, .ctx = cluster};
    group->cluster = cluster;
    group->group.gid = gid;
    group->group.address_count = CLUSTER_REPLICAS;
    group->group.addresses = sf_calloc(CLUSTER_REPLICAS, sizeof group->group.addresses[0]);
    for (unsigned i = 0; i < CLUSTER_REPLICAS; i++) {
        struct cluster_node *n = &group->nodes[i];
        char node_name[16];
        snprintf(node_name, sizeof node_name, "%s-%u", name, i + 1);
        n->group = group;
        n->create = true;
        n->sim_node = sim_node_new(cluster->sim, node_name, &program);
        snprintf(n->address, sizeof n->address, "%s:1", node_name);
        memcpy(group->group.addresses[i], n->address, sizeof n->address);
    }
    group->identity = group_identity(&group->group);
}

struct cluster *cluster_new(uint64_t seed, const struct cluster_options *options)
{
    struct cluster *cluster = sf_calloc(1, sizeof *cluster);
    log_level_min = LOG_LEVEL_ERROR;
    cluster->sim = sim_new(seed);
    cluster->options = *options;
    group_init(cluster, &cluster->masters, 0, "master");
    for (unsigned i = 0; i < CLUSTER_MASTERS; i++)
        cluster->master_addresses[i] = cluster->masters.nodes[i].address;
    for (unsigned i = 0; i < CLUSTER_GROUPS; i++) {
        char name[8];
        snprintf(name, sizeof name, "g%u", i);
        group_init(cluster, &cluster->groups[i], i % CLUSTER_GID_LIVES + 1, name);
    }
    const struct sim_program program = {
        .boot = operator_boot, .halt = operator_halt, .ctx = cluster};
    cluster->operator_node = sim_node_new(cluster->sim, "operator", &program);
    check_begin(cluster);
    return cluster;
}

static void group_deinit(struct cluster_group *group)
{
    for (size_t i = 0; i < CLUSTER_REPLICAS; i++)
        free(group->nodes[i].refusal);
    free(group->group.addresses);
    free(group->marks);
    free(group->leaders);
}

void cluster_free(struct cluster *cluster)
{
    check_end(cluster);
    sim_free(cluster->sim);
    group_deinit(&cluster->masters);
    for (size_t i = 0; i < CLUSTER_GROUPS; i++)
        group_deinit(&cluster->groups[i]);
    free(cluster);
}

void cluster_group_start(struct cluster_group *group)
{
    for (size_t i = 0; i < CLUSTER_REPLICAS; i++)
        if (!sim_node_is_up(group->nodes[i].sim_node))
            sim_node_start(group->nodes[i].sim_node);
}

void cluster_group_crash(struct cluster_group *group)
{
    for (size_t i = 0; i < CLUSTER_REPLICAS; i++)
        if (sim_node_is_up(group->nodes[i].sim_node))
            sim_node_crash(group->nodes[i].sim_node);
}

void cluster_start(struct cluster *cluster, unsigned groups)
{
    cluster_group_start(&cluster->masters);
    for (size_t i = 0; i < CLUSTER_GROUPS; i++)
        if (groups >> i & 1u)
            cluster_group_start(&cluster->groups[i]);
    sim_node_start(cluster->operator_node);
    (void)cluster_query(cluster);
}

struct cluster_node *cluster_leader(struct cluster_group *group)
{
    struct cluster_node *leader = NULL;
    for (size_t i = 0; i < CLUSTER_REPLICAS; i++) {
        struct cluster_node *n = &group->nodes[i];
        if (!n->replica || !replica_leads(n->replica))
            continue;
        if (!leader || replica_term(n->replica) > replica_term(leader->replica))
            leader = n;
    }
    return leader;
}

void cluster_run_ms(struct cluster *cluster, uint64_t ms)
{
    sim_run_ns(cluster->sim, ms * ENV_MS_NS);
}

struct wait {
    struct cluster *cluster;
    bool (*done)(struct cluster *cluster);
};

static bool wait_is_over(void *ctx)
{
    const struct wait *wait = ctx;
    return wait->done(wait->cluster);
}

bool cluster_run_until(struct cluster *cluster, bool (*done)(struct cluster *cluster),
                       uint64_t limit_ms)
{
    struct wait wait = {.cluster = cluster, .done = done};
    return sim_run_until(cluster->sim, wait_is_over, &wait, limit_ms * ENV_MS_NS);
}

/* -- faults -------------------------------------------------------------------------------- */

/* Mostly of the groups. */
static struct cluster_group *any_group(struct cluster *cluster)
{
    uint64_t i = sim_random_below(cluster->sim, CLUSTER_GROUPS * 4 + 1);
    return i == 0 ? &cluster->masters : &cluster->groups[i % CLUSTER_GROUPS];
}

static struct cluster_node *any_node(struct cluster *cluster)
{
    return &any_group(cluster)->nodes[sim_random_below(cluster->sim, CLUSTER_REPLICAS)];
}

static void crash_or_start(struct cluster *cluster)
{
    struct cluster_node *n = any_node(cluster);
    if (!sim_node_is_up(n->sim_node))
        sim_node_start(n->sim_node);
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
    for (size_t i = 0; i < CLUSTER_REPLICAS; i++)
        for (size_t k = 0; k < CLUSTER_REPLICAS; k++)
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

/* The lead goes to any other replica of a group, in good order. */
static void transfer(struct cluster *cluster)
{
    struct cluster_group *group = any_group(cluster);
    const struct cluster_node *leader = cluster_leader(group);
    const struct cluster_node *to = &group->nodes[sim_random_below(cluster->sim, CLUSTER_REPLICAS)];
    if (!leader)
        return;
    int status = replica_transfer(leader->replica, to->address);
    sf_assert(status == SF_OK || status == SF_NOT_LEADER);
}

/* Everything loses power at once. */
static void blackout(struct cluster *cluster)
{
    cluster_group_crash(&cluster->masters);
    for (size_t i = 0; i < CLUSTER_GROUPS; i++)
        cluster_group_crash(&cluster->groups[i]);
    cluster_calm(cluster);
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

void cluster_fault(struct cluster *cluster)
{
    uint64_t kind = sim_random_below(cluster->sim, 28);
    if (kind < 10)
        crash_or_start(cluster);
    else if (kind < 13)
        power_cut(cluster);
    else if (kind < 17)
        cut_or_heal(cluster);
    else if (kind < 20)
        cut_groups(cluster);
    else if (kind < 22)
        transfer(cluster);
    else if (kind < 23)
        blackout(cluster);
    else
        spoil_messages(cluster);
}

void cluster_calm(struct cluster *cluster)
{
    struct sim_faults *faults = sim_faults(cluster->sim);
    faults->loss = faults->duplicate = faults->reorder = 0;
    sim_heal_all(cluster->sim);
    cluster_group_start(&cluster->masters);
    for (size_t i = 0; i < CLUSTER_GROUPS; i++)
        cluster_group_start(&cluster->groups[i]);
}

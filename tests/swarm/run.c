#include "swarm/run.h"

#include <stdio.h>
#include <stdlib.h>

#include "env/mark.h"
#include "env/memory.h"
#include "sim/mix.h"
#include "witness/witness.h"

#define SETTLE_MS 300000u
#define TIDY_STEP_MS 5000u
#define TIDY_STEPS_MAX 200u /* trash waits for a minute, and is looked for every ten seconds */
#define PAUSE_MS 3600000u
#define STEP_MS 500u /* of a long run */

struct run {
    const struct mix *mix;
    struct sim_mix machines;
    struct cluster *cluster;
    struct load *load;
    struct sim_node *servers[CLUSTER_NODES_MAX];
    uint8_t classes[CLUSTER_NODES_MAX];
    size_t server_count;
};

static uint64_t below(const struct run *run, uint64_t limit)
{
    return sim_random_below(run->cluster->sim, limit);
}

/* -- reconfiguration ----------------------------------------------------------------------- */

static void plan(const struct run *run, enum master_kind kind, unsigned which, uint32_t shard)
{
    if (kind == MASTER_MOVE || which != 0)
        cluster_plan_add(run->cluster,
                         (struct cluster_plan){.kind = kind, .which = which, .shard = shard});
}

static unsigned all_groups(const struct run *run)
{
    return (1u << run->cluster->group_count) - 1;
}

static void act_reconfigure(struct run *run)
{
    cluster_reconfigure(run->cluster);
}

/* All that are in leave, and others come. */
static void act_all_leave(struct run *run)
{
    unsigned in = cluster_groups_in(run->cluster);
    plan(run, MASTER_LEAVE, in, 0);
    plan(run, MASTER_JOIN, cluster_groups_some(run->cluster, all_groups(run) & ~in, false), 0);
    plan(run, MASTER_JOIN, 1u << below(run, run->cluster->group_count), 0);
}

/* A GID leaves, and joins again at other addresses. */
static void act_rejoin(struct run *run)
{
    unsigned gids = run->cluster->options.gids, count = run->cluster->group_count;
    unsigned leaves = (unsigned)below(run, count), joins = (leaves + gids) % count;
    if (joins % gids != leaves % gids)
        joins = leaves % gids;
    plan(run, MASTER_LEAVE, 1u << leaves, 0);
    plan(run, MASTER_JOIN, 1u << joins, 0);
}

/* A shard goes and returns, faster than it can be carried. */
static void act_bounce(struct run *run)
{
    uint32_t shard = (uint32_t)below(run, run->cluster->shard_count);
    unsigned a = (unsigned)below(run, run->cluster->group_count);
    unsigned b = (unsigned)below(run, run->cluster->group_count);
    for (unsigned i = 0; i < 4; i++)
        plan(run, MASTER_MOVE, i % 2 == 0 ? a : b, shard);
}

/* -- storm --------------------------------------------------------------------------------- */

static void act_machines(struct run *run)
{
    sim_mix_act(run->cluster->sim, &run->machines, run->servers, run->server_count);
}

static void act_kill_client(struct run *run)
{
    load_kill_client(run->load);
}

static void act_freeze_client(struct run *run)
{
    load_freeze_client(run->load, below(run, 3 * run->mix->lease_ms));
}

static void act_calm(struct run *run)
{
    cluster_calm(run->cluster);
    cluster_run_ms(run->cluster, below(run, run->mix->calm_ms_max));
    cluster_check_locks(run->cluster);
    *sim_faults(run->cluster->sim) = run->machines.faults;
    cluster_spoil_disks(run->cluster, run->machines.rot_ppm, run->mix->busy);
}

/* What stood still for long enough goes on. */
static void revive(struct run *run)
{
    for (size_t i = 0; i < run->server_count; i++)
        if (!sim_node_is_up(run->servers[i]) && below(run, 1000) < run->mix->revive)
            sim_node_start(run->servers[i]);
}

/* What may be done, one to the other; strokes are of the cluster alone. */
struct act {
    uint32_t share;
    void (*act)(struct run *run); /* NULL: a stroke */
    enum cluster_fault stroke;
};

static void act(struct run *run)
{
    const struct mix *m = run->mix;
    const struct act acts[] = {
        {m->machines, act_machines, 0},
        {m->kill_client, act_kill_client, 0},
        {m->freeze_client, act_freeze_client, 0},
        {m->calm, act_calm, 0},
        {m->reconfigure, act_reconfigure, 0},
        {m->all_leave, act_all_leave, 0},
        {m->rejoin, act_rejoin, 0},
        {m->bounce, act_bounce, 0},
        {m->power_cut, NULL, CLUSTER_POWER_CUT},
        {m->blackout, NULL, CLUSTER_BLACKOUT},
        {m->transfer, NULL, CLUSTER_TRANSFER},
        {m->crash_moving, NULL, CLUSTER_CRASH_MOVING},
        {m->fill_store, NULL, CLUSTER_FILL_STORE},
        {m->lose_store, NULL, CLUSTER_LOSE_STORE},
        {m->cut_groups, NULL, CLUSTER_CUT_GROUPS},
        {m->part_groups, NULL, CLUSTER_PART_GROUPS},
    };
    uint64_t total = 0, i = 0;
    for (size_t k = 0; k < sizeof acts / sizeof acts[0]; k++)
        total += acts[k].share;
    uint64_t drawn = below(run, total);
    for (; drawn >= acts[i].share; i++)
        drawn -= acts[i].share;
    if (acts[i].act)
        acts[i].act(run);
    else
        cluster_strike(run->cluster, acts[i].stroke);
    revive(run);
}

static void storm(struct run *run)
{
    struct sim *sim = run->cluster->sim;
    uint64_t end_ns = sim_now_ns(sim) + run->mix->storm_ms * ENV_MS_NS;
    *sim_faults(sim) = run->machines.faults;
    while (sim_now_ns(sim) < end_ns) {
        act(run);
        sim_run_ns(sim, sim_mix_gap_ns(sim, &run->machines));
    }
}

/* -- heal ---------------------------------------------------------------------------------- */

/* No message comes to it; none_leaves: nor from it. */
static void cut_off(struct run *run, struct sim_node *node, bool none_leaves)
{
    for (size_t i = 0; i < run->server_count; i++) {
        if (run->servers[i] == node)
            continue;
        sim_cut(run->cluster->sim, run->servers[i], node);
        if (none_leaves)
            sim_cut(run->cluster->sim, node, run->servers[i]);
    }
}

static void leave_out(struct run *run, struct cluster_node *n)
{
    uint64_t how = below(run, 5);
    n->left_out = true;
    if (how == 0) {
        SF_MARK("swarm: at rest without a replica that is down");
        if (sim_node_is_up(n->sim_node))
            sim_node_crash(n->sim_node);
        return;
    }
    cluster_node_start(n);
    if (how == 1) {
        SF_MARK("swarm: at rest without a replica that is stopped");
        sim_node_pause(n->sim_node, PAUSE_MS * ENV_MS_NS);
    } else if (how < 4) {
        SF_MARK("swarm: at rest with a replica that hears nobody");
        cut_off(run, n->sim_node, how == 2);
    }
}

/* From here on a majority of each group is well. */
static void heal_group(struct run *run, struct cluster_group *group)
{
    for (unsigned i = 0; i < group->count; i++) {
        struct cluster_node *n = &group->nodes[i];
        bool rotten = n->weak && run->cluster->rots;
        n->left_out = rotten;
        if (n->weak && below(run, 1000) < run->mix->left_out)
            leave_out(run, n);
        else
            cluster_node_start(n);
    }
}

static void heal(struct run *run)
{
    struct cluster *cluster = run->cluster;
    cluster_check_locks(cluster);
    sim_calm(cluster->sim);
    cluster_spoil_disks(cluster, 0, 0);
    heal_group(run, &cluster->masters);
    for (unsigned i = 0; i < cluster->group_count; i++)
        heal_group(run, &cluster->groups[i]);
}

/* Groups that are there own everything, so that there is where all shards must go. */
static void end_reconfiguration(struct run *run)
{
    struct cluster *cluster = run->cluster;
    (void)cluster_query(cluster);
    for (unsigned i = 0; i < cluster->group_count; i++)
        if (cluster->groups[i].absent && cluster_groups_in(cluster) >> i & 1u)
            sf_assert(cluster_leave(cluster, 1u << i));
    while (cluster->config->group_count == 0) {
        unsigned i = (unsigned)below(run, cluster->group_count);
        if (!cluster->groups[i].absent)
            sf_assert(cluster_join(cluster, 1u << i));
    }
}

/* -- rest ---------------------------------------------------------------------------------- */

/* No transaction stays that nobody finishes, no extent that nobody names, and no lock of who has gone,
 * or of workers that have given back all. */
static void wait_until_tidy(struct run *run)
{
    const struct kv_model *model = witness_model(run->cluster->witness);
    unsigned steps = 0;
    for (; steps < TIDY_STEPS_MAX; steps++) {
        if (kv_model_stray_extents(model) == 0 && kv_model_open_txns(model) == 0 &&
            kv_model_locked_shards(model) == 0)
            break;
        cluster_run_ms(run->cluster, TIDY_STEP_MS);
    }
    sf_assert(kv_model_open_txns(model) == 0);
    sf_assert(kv_model_stray_extents(model) == 0);
    sf_assert(kv_model_locked_shards(model) == 0);
}

static struct run_result rest(struct run *run)
{
    struct cluster *cluster = run->cluster;
    end_reconfiguration(run);
    sf_assert(load_end(run->load, SETTLE_MS));
    sf_assert(cluster_run_until(cluster, cluster_is_settled, SETTLE_MS));
    load_read_all(run->load);
    wait_until_tidy(run);
    cluster_check_replicas(cluster);
    return (struct run_result){.configs = cluster->config->num,
                               .operations = load_answered(run->load),
                               .events = sim_event_count(cluster->sim),
                               .hash =
                                   sim_hash(cluster->sim) ^ witness_count(cluster->witness).hash};
}

/* -- a run --------------------------------------------------------------------------------- */

static void begin(struct run *run, uint64_t seed)
{
    const struct mix *mix = run->mix;
    struct cluster_options options;
    struct load_options load;
    mix_cluster(mix, &options);
    mix_load(mix, &load);
    run->cluster = cluster_new(seed, &options);
    if (mix->absent != 0)
        run->cluster->groups[mix->absent - 1].absent = true;
    run->server_count = cluster_servers(run->cluster, run->servers, run->classes);
    run->machines = sim_mix_draw(run->cluster->sim);
    cluster_spoil_disks(run->cluster, run->machines.rot_ppm, mix->busy);
    cluster_start(run->cluster, all_groups(run));
    sf_assert(cluster_join(run->cluster, 1));
    run->load = load_new(run->cluster, &load);
    load_begin(run->load);
}

static void end(struct run *run)
{
    cluster_free(run->cluster);
    load_free(run->load);
}

struct run_result run_swarm(uint64_t seed, const struct mix *mix)
{
    struct run run = {.mix = mix};
    begin(&run, seed);
    storm(&run);
    heal(&run);
    struct run_result result = rest(&run);
    load_search(run.load);
    end(&run);
    return result;
}

struct run_result run_long(uint64_t seed, uint64_t operations)
{
    struct mix mix = mix_draw(seed, 0);
    struct run run = {.mix = &mix};
    mix.proposals_max = mix.pending_max = mix.window = mix.large = mix.log = mix.lock = mix.absent =
        0;
    mix.clients = LOAD_CLIENTS_MAX;
    mix.registers = mix.wide = 12;
    mix.pause_ms_max = 2;
    begin(&run, seed);
    while (load_answered(run.load) < operations) {
        cluster_run_ms(run.cluster, STEP_MS);
        act_reconfigure(&run);
        cluster_strike(run.cluster, CLUSTER_TRANSFER);
    }
    heal(&run);
    struct run_result result = rest(&run);
    end(&run);
    return result;
}

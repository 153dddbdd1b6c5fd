#include "replica/stage.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/log.h"
#include "env/memory.h"
#include "sim/seeds.h"
#include "storage/store_ops.h"

static struct stage *stage_now; /* replica_on_apply has no context of its own */

/* -- checkers ------------------------------------------------------------------------------ */

static struct stage_mark *mark_at(struct stage *stage, uint64_t index)
{
    if (index >= stage->mark_cap) {
        size_t cap = (size_t)index * 2 + 64;
        stage->marks = sf_realloc(stage->marks, cap * sizeof *stage->marks);
        memset(stage->marks + stage->mark_cap, 0, (cap - stage->mark_cap) * sizeof *stage->marks);
        stage->mark_cap = cap;
    }
    return &stage->marks[index];
}

static uint64_t hash_space(const struct space *space)
{
    uint64_t hash = 0;
    struct store_iter *iter = store_iter_new(space, NULL, slice_of(NULL, 0), slice_of(NULL, 0));
    for (; store_iter_valid(iter); store_iter_next(iter)) {
        hash = bytes_hash_seed(store_iter_key(iter), hash);
        hash = bytes_hash_seed(store_iter_value(iter), hash);
    }
    sf_assert(store_iter_status(iter) == SF_OK);
    store_iter_free(iter);
    return hash;
}

static void check_state(struct stage *stage, const struct space *space, uint64_t index)
{
    struct stage_mark *mark = mark_at(stage, index);
    uint64_t hash = hash_space(space);
    sf_assert(!mark->state_is_known || mark->state_hash == hash);
    mark->state_is_known = true;
    mark->state_hash = hash;
}

/* What may wait in a batch is written at the same indexes everywhere, so that states compare. */
static void settle_at_times(struct stage *stage, const struct replica *replica, uint64_t index)
{
    for (size_t i = 0; i < stage->options.count && index % 4 == 0; i++) {
        if (stage->nodes[i].replica != replica)
            continue;
        int status = replica_settle(stage->nodes[i].replica);
        (void)status; /* a store that is busy for now */
    }
}

static void on_apply(const struct replica *replica, const struct entry *entry)
{
    struct stage *stage = stage_now;
    struct stage_mark *mark = mark_at(stage, entry->index);
    uint64_t hash = bytes_hash(payload_slice(entry->payload));
    sf_assert(!mark->entry_is_known || mark->payload_hash == hash);
    sf_assert(!mark->entry_is_known || mark->term == entry->term || /* in Paxos a ballot of many */
              seeds_engine() == CONSENSUS_PAXOS);
    mark->entry_is_known = true;
    mark->term = entry->term;
    mark->payload_hash = hash;
    stage->entries++;
    if (entry->index > stage->applied_max)
        stage->applied_max = entry->index;
    settle_at_times(stage, replica, entry->index);
    if (store_batch_count(replica_pending(replica)) == 0)
        check_state(stage, replica_space(replica), entry->index);
}

void stage_restored(struct stage_node *node, const struct space *space, uint64_t applied)
{
    check_state(node->stage, space, applied);
}

static void note_leader(struct stage *stage, uint64_t term, replica_id id)
{
    if (term >= stage->leader_cap) {
        size_t cap = (size_t)term * 2 + 64;
        stage->leaders = sf_realloc(stage->leaders, cap * sizeof *stage->leaders);
        memset(stage->leaders + stage->leader_cap, 0,
               (cap - stage->leader_cap) * sizeof *stage->leaders);
        stage->leader_cap = cap;
    }
    sf_assert(stage->leaders[term] == 0 || stage->leaders[term] == id);
    stage->leaders[term] = id;
}

static void count_installs(struct stage_node *n)
{
    const struct space *space = replica_space(n->replica);
    if (memcmp(n->space.prefix, space->prefix, sizeof space->prefix) == 0)
        return;
    n->stage->installs += n->space.store != NULL;
    n->space = *space;
}

static void check_leaders(void *ctx, struct sim *sim)
{
    struct stage *stage = ctx;
    for (size_t i = 0; i < stage->options.count; i++) {
        struct consensus_status status;
        struct stage_node *n = &stage->nodes[i];
        if (n->replica == NULL || !sim_event_is_at(sim, n->node))
            continue;
        replica_consensus_status(n->replica, &status);
        count_installs(n);
        if (status.leads)
            note_leader(stage, status.term, (replica_id)(i + 1));
    }
}

/* -- processes ----------------------------------------------------------------------------- */

static int open_host(struct stage_node *n, struct env *env)
{
    const struct stage_options *o = &n->stage->options;
    const struct host_options options = {.dir = "data",
                                         .listen = n->address,
                                         .role = "toy",
                                         .cluster_id = 7,
                                         .create = n->create,
                                         .store = n->store,
                                         .wal = {.segment_bytes = 64u << 10},
                                         .flush_ms = o->flush_ms,
                                         .slack_bytes = o->slack_bytes,
                                         .lag_bytes =
                                             o->lag_bytes ? o->lag_bytes : 6 * o->slack_bytes,
                                         .log_bytes_max = o->log_bytes_max,
                                         .chunk_bytes = o->chunk_bytes,
                                         .reserve_bytes = o->reserve_bytes};
    return host_new(env, &options, &n->host, &n->refusal);
}

static int add_replica(struct stage_node *n)
{
    n->machine = n->stage->options.make(n);
    const struct replica_options options = {.group = n->stage->group,
                                            .address = n->address,
                                            .engine = seeds_engine(),
                                            .shard_count = n->stage->options.shard_count,
                                            .machine = n->machine};
    return host_add(n->host, &options, &n->replica, &n->refusal);
}

/* Only a rotten disk may be damaged. Where the disk is full or fails, the process ends, and may be
 * started again. */
static void refuse(struct stage_node *n, struct env *env, int status)
{
    sf_assert(status != SF_CORRUPT || !n->stage->mixed || n->stage->rotting == n);
    if (n->stage->mixed && status != SF_CORRUPT)
        env_fatal(env, n->refusal);
}

static void boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct stage *stage = ctx;
    struct stage_node *n = stage->nodes;
    while (n->node != node)
        n++;
    free(n->refusal);
    n->refusal = NULL;
    n->env = env;
    n->faulty.busy = stage->options.busy;
    n->store = faulty_store_open(&n->faulty, n->node);
    int status = open_host(n, env);
    if (status == SF_OK)
        status = add_replica(n);
    if (status != SF_OK) {
        refuse(n, env, status);
        return;
    }
    n->create = false;
    if (stage->options.before_start != NULL)
        stage->options.before_start(n);
    host_start(n->host);
    if (stage->options.booted != NULL)
        stage->options.booted(n);
}

static void halt(void *ctx, struct sim_node *node)
{
    struct stage *stage = ctx;
    struct stage_node *n = stage->nodes;
    while (n->node != node)
        n++;
    if (n->replica != NULL && stage->options.halting != NULL)
        stage->options.halting(n);
    if (n->host != NULL)
        host_free(n->host);
    store_close(n->store);
    n->store = NULL;
    n->env = NULL;
    n->host = NULL;
    n->replica = NULL;
    n->machine = NULL;
}

/* -- life ---------------------------------------------------------------------------------- */

struct stage *stage_new(uint64_t seed, const struct stage_options *options)
{
    struct stage *stage = sf_calloc(1, sizeof *stage);
    const struct sim_program program = {.boot = boot, .halt = halt, .ctx = stage};
    sf_assert(options->count <= STAGE_NODES_MAX);
    log_level_min = LOG_LEVEL_ERROR;
    sf_assert_slow_enabled = true;
    stage->sim = sim_new(seed);
    stage->options = *options;
    stage->group = (struct group){.gid = 100, .address_count = options->count};
    stage->group.addresses = sf_calloc(options->count, sizeof *stage->group.addresses);
    for (size_t i = 0; i < options->count; i++) {
        struct stage_node *n = &stage->nodes[i];
        char name[32];
        snprintf(name, sizeof name, "n%zu", i + 1);
        n->stage = stage;
        n->position = i;
        n->create = true;
        n->node = sim_node_new(stage->sim, name, &program);
        snprintf(n->address, sizeof n->address, "%s:1", name);
        memcpy(stage->group.addresses[i], n->address, sizeof n->address);
    }
    stage_now = stage;
    replica_on_apply = on_apply;
    sim_on_event(stage->sim, check_leaders, stage);
    return stage;
}

void stage_free(struct stage *stage)
{
    sim_on_event(stage->sim, NULL, NULL);
    sim_free(stage->sim);
    replica_on_apply = NULL;
    stage_now = NULL;
    for (size_t i = 0; i < stage->options.count; i++)
        free(stage->nodes[i].refusal);
    free(stage->group.addresses);
    free(stage->marks);
    free(stage->leaders);
    free(stage);
}

void stage_start_all(struct stage *stage)
{
    for (size_t i = 0; i < stage->options.count; i++)
        if (!sim_node_is_up(stage->nodes[i].node))
            sim_node_start(stage->nodes[i].node);
}

/* -- waiting ------------------------------------------------------------------------------- */

struct stage_node *stage_leader(struct stage *stage)
{
    struct stage_node *leader = NULL;
    for (size_t i = 0; i < stage->options.count; i++) {
        struct stage_node *n = &stage->nodes[i];
        if (n->replica == NULL || !replica_leads(n->replica))
            continue;
        if (leader == NULL || replica_term(n->replica) > replica_term(leader->replica))
            leader = n;
    }
    return leader;
}

static bool has_leader(void *ctx)
{
    return stage_leader(ctx) != NULL;
}

struct stage_node *stage_wait_leader(struct stage *stage, uint64_t limit_ms)
{
    if (!sim_run_until(stage->sim, has_leader, stage, limit_ms * ENV_MS_NS))
        return NULL;
    return stage_leader(stage);
}

struct settled {
    struct stage *stage;
    uint64_t index;
};

static bool is_settled(void *ctx)
{
    const struct settled *s = ctx;
    const struct stage_node *leader = stage_leader(s->stage);
    if (leader == NULL || replica_applied(leader->replica) < s->index)
        return false;
    for (size_t i = 0; i < s->stage->options.count; i++) {
        const struct replica *r = s->stage->nodes[i].replica;
        if (r != NULL && replica_applied(r) != replica_applied(leader->replica))
            return false;
    }
    return true;
}

bool stage_wait_settled(struct stage *stage, uint64_t index, uint64_t limit_ms)
{
    struct settled settled = {.stage = stage, .index = index};
    return sim_run_until(stage->sim, is_settled, &settled, limit_ms * ENV_MS_NS);
}

/* -- storms -------------------------------------------------------------------------------- */

static struct stage_node *any_node(struct stage *stage)
{
    return &stage->nodes[sim_random_below(stage->sim, stage->options.count)];
}

static void crash_or_start(struct stage *stage)
{
    struct stage_node *n = any_node(stage);
    if (!sim_node_is_up(n->node))
        sim_node_start(n->node);
    else if (sim_random_below(stage->sim, 4) == 0)
        sim_node_stop(n->node);
    else
        sim_node_crash(n->node);
}

/* A machine room's power. */
static void crash_all(struct stage *stage)
{
    for (size_t i = 0; i < stage->options.count; i++) {
        if (sim_node_is_up(stage->nodes[i].node))
            sim_node_crash(stage->nodes[i].node);
        sim_node_start(stage->nodes[i].node);
    }
}

static void cut_or_heal(struct stage *stage)
{
    struct stage_node *a = any_node(stage), *b = any_node(stage);
    if (a == b || sim_random_below(stage->sim, 2) == 0)
        sim_heal_all(stage->sim);
    else
        sim_cut(stage->sim, a->node, b->node);
}

static void transfer(struct stage *stage)
{
    struct stage_node *leader = stage_leader(stage);
    if (leader == NULL)
        return;
    int status = replica_transfer(leader->replica, any_node(stage)->address);
    sf_assert(status == SF_OK || status == SF_NOT_LEADER);
}

static void fill_or_empty_store(struct stage *stage)
{
    struct stage_node *n = any_node(stage);
    n->faulty.full = !n->faulty.full && sim_random_below(stage->sim, 2) == 0;
}

static void spoil_network(struct stage *stage)
{
    struct sim_faults *faults = sim_faults(stage->sim);
    bool bad = sim_random_below(stage->sim, 2) == 0;
    faults->loss = bad ? (uint32_t)sim_random_below(stage->sim, 150) : 0;
    faults->duplicate = bad ? (uint32_t)sim_random_below(stage->sim, 100) : 0;
    faults->reorder = bad ? (uint32_t)sim_random_below(stage->sim, 200) : 0;
    faults->slow_us_max = 50000;
    faults->sync_us_max = bad ? 30000 : 300;
}

void stage_mix(struct stage *stage)
{
    stage->mixed = true;
    stage->mix = sim_mix_draw(stage->sim);
    if (stage->options.count >= 3 && stage->mix.rot_ppm > 0)
        stage->rotting = any_node(stage);
}

static void act(struct stage *stage)
{
    struct sim_node *nodes[STAGE_NODES_MAX];
    for (size_t i = 0; i < stage->options.count; i++)
        nodes[i] = stage->nodes[i].node;
    *sim_faults(stage->sim) = stage->mix.faults;
    if (stage->rotting != NULL)
        sim_disk_rot(stage->rotting->node, stage->mix.rot_ppm);
    sim_mix_act(stage->sim, &stage->mix, nodes, stage->options.count);
}

/* Faults of the mix; and what a mix knows nothing of. */
static void storm_mixed(struct stage *stage)
{
    struct stage_node *n = any_node(stage);
    uint64_t kind = sim_random_below(stage->sim, 16);
    if (!sim_node_is_up(n->node) && kind < 8)
        sim_node_start(n->node);
    else if (kind == 8)
        fill_or_empty_store(stage);
    else if (kind == 9)
        transfer(stage);
    else
        act(stage);
}

static void storm_plain(struct stage *stage)
{
    uint64_t kind = sim_random_below(stage->sim, 10);
    if (kind < 4)
        crash_or_start(stage);
    else if (kind < 5)
        crash_all(stage);
    else if (kind < 7)
        cut_or_heal(stage);
    else if (kind < 8)
        spoil_network(stage);
    else if (kind < 9)
        fill_or_empty_store(stage);
    else
        transfer(stage);
}

void stage_storm_once(struct stage *stage)
{
    if (stage->mixed)
        storm_mixed(stage);
    else
        storm_plain(stage);
}

void stage_calm(struct stage *stage)
{
    sim_calm(stage->sim);
    for (size_t i = 0; i < stage->options.count; i++)
        stage->nodes[i].faulty.full = false;
    stage_start_all(stage);
}

static uint64_t gap_ns(struct stage *stage, uint64_t gap_ms)
{
    return stage->mixed ? sim_mix_gap_ns(stage->sim, &stage->mix)
                        : (20 + sim_random_below(stage->sim, gap_ms)) * ENV_MS_NS;
}

void stage_storm(struct stage *stage, uint64_t ms)
{
    uint64_t end = sim_now_ns(stage->sim) + ms * ENV_MS_NS;
    uint64_t gap_ms = 100 + sim_random_below(stage->sim, 3000); /* wild storms and mild ones */
    if (sim_random_below(stage->sim, 2) == 0)
        stage_mix(stage);
    while (sim_now_ns(stage->sim) < end) {
        stage_storm_once(stage);
        sim_run_ns(stage->sim, gap_ns(stage, gap_ms));
    }
    stage_calm(stage);
}

/* -- seeds --------------------------------------------------------------------------------- */

static uint64_t seed_now;
static const char *program_now;

static _Noreturn void failed(const char *condition, const char *file, int line)
{
    char mix[SIM_MIX_TEXT_BYTES];
    if (stage_now != NULL && stage_now->mixed) {
        sim_mix_text(&stage_now->mix, mix);
        fprintf(stderr, "mix: %s\n", mix);
    }
    fprintf(stderr, "seed %" PRIu64 ": %s:%d: %s\nagain: %s --engine %s --seed %" PRIu64 "\n",
            seed_now, file, line, condition, program_now, seeds_engine_name(), seed_now);
    abort();
}

static uint64_t (*run_now)(uint64_t seed);

static uint64_t run_one(uint64_t seed)
{
    seed_now = seed;
    return run_now(seed);
}

void stage_run_seeds(int argc, char **argv, uint64_t count, uint64_t (*run)(uint64_t seed))
{
    const struct seeds seeds = seeds_parse(argc, argv, count);
    sf_assert_handler = failed;
    program_now = argv[0];
    run_now = run;
    seeds_run(&seeds, run_one);
}

/* A group under random faults, on either engine: loss, duplication, reordering, partitions, crashes
 * that lose what was not synced, slow disks, compaction, snapshots, transfers, reads. The checker
 * looks after every event; when all faults end the group has to make progress, and then to fall
 * silent.
 *
 *   engine_random_test [--engine raft|paxos] [--seeds N] [--seed FIRST]
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checker.h"
#include "random.h"
#include "sim/seeds.h"

#define EVENTS_PER_SEED 20000u
#define ROUNDS_TO_RECOVER_MAX 2000u
#define FLIGHTS_MAX 400u
#define ACTIONS_MAX 32u

struct run {
    struct random random;
    struct group group;
    struct checker *checker;
    uint64_t proposals;
    struct { /* per mille of deliveries */
        size_t loss, duplicate, reorder;
    } faults;
    bool stormy; /* crashes and partitions come often */
    size_t weights[ACTIONS_MAX];
};

static uint64_t seed_now;

static _Noreturn void fail(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\nagain: engine_random_test --engine %s --seed %" PRIu64 "\n", file,
            line, condition, seeds_engine_name(), seed_now);
    abort();
}

static struct node *any_node(struct run *run)
{
    return &run->group.nodes[random_below(&run->random, run->group.options.size)];
}

/* -- what may happen ------------------------------------------------------------------------- */

static void act_tick(struct run *run)
{
    struct node *node = any_node(run);
    if (node_is_up(node))
        consensus_tick(node->engine);
}

/* Time passes in which no message arrives: leaders step down, followers are free to vote. */
static void act_silence(struct run *run)
{
    size_t ticks = 1 + random_below(&run->random, 2 * run->group.options.election_ticks);
    for (size_t i = 0; i < ticks * run->group.options.size; i++)
        act_tick(run);
}

static void act_deliver(struct run *run)
{
    struct group *group = &run->group;
    if (group->flight_count == 0)
        return;
    size_t position = 0;
    if (random_per_mille(&run->random, run->faults.reorder))
        position = random_below(&run->random, group->flight_count);
    if (random_per_mille(&run->random, run->faults.duplicate))
        group_duplicate(group, position);
    if (random_per_mille(&run->random, run->faults.loss) || group->flight_count > FLIGHTS_MAX)
        group_drop(group, position);
    else
        group_deliver(group, position);
}

static void act_take(struct run *run)
{
    node_take(any_node(run));
}

static void act_sync(struct run *run)
{
    node_sync(any_node(run));
}

static void act_propose(struct run *run)
{
    struct node *node = any_node(run);
    char text[32];
    uint64_t index;
    if (!node_is_up(node))
        return;
    snprintf(text, sizeof(text), "proposal %" PRIu64, run->proposals++);
    int status = node_propose(node, text, &index);
    sf_assert(status == SF_OK || status == SF_NOT_LEADER || status == SF_OVERLOADED);
}

static void act_read(struct run *run)
{
    struct node *node = any_node(run);
    if (node_is_up(node))
        checker_read(run->checker, node);
}

static void act_flush(struct run *run)
{
    struct node *node = any_node(run);
    if (node_is_up(node))
        node_flush(node);
}

static void act_compact(struct run *run)
{
    struct node *node = any_node(run);
    if (node_is_up(node) && node->flushed > 0)
        node_compact(node, node->flushed - random_below(&run->random, 4) % node->flushed);
}

static void act_unload(struct run *run)
{
    struct node *node = any_node(run);
    if (node_is_up(node) && node->applied > 0)
        node_unload(node, node->applied - random_below(&run->random, 4) % node->applied);
}

static void act_crash(struct run *run)
{
    struct node *node = any_node(run);
    if (!node_is_up(node) || !run->stormy)
        return;
    size_t loose = (size_t)(node->applied - node->flushed);
    node_crash(node, node->flushed + random_below(&run->random, loose + 1));
}

static void act_start(struct run *run)
{
    struct node *node = any_node(run);
    if (!node_is_up(node))
        node_start(node);
}

static void act_cut(struct run *run)
{
    struct node *from = any_node(run), *to = any_node(run);
    bool both = random_below(&run->random, 2) == 0;
    if (!run->stormy)
        return;
    run->group.cut[from->id][to->id] = true;
    run->group.cut[to->id][from->id] = both || run->group.cut[to->id][from->id];
}

static void heal(struct run *run)
{
    for (size_t i = 0; i <= SF_REPLICAS_MAX; i++) {
        for (size_t j = 0; j <= SF_REPLICAS_MAX; j++)
            run->group.cut[i][j] = false;
    }
}

/* Splits the group in two. */
static void act_partition(struct run *run)
{
    size_t sides = random_next(&run->random);
    if (!run->stormy)
        return;
    heal(run);
    for (size_t i = 1; i <= run->group.options.size; i++) {
        for (size_t j = 1; j <= run->group.options.size; j++)
            run->group.cut[i][j] = ((sides >> i) & 1) != ((sides >> j) & 1);
    }
}

static void act_heal(struct run *run)
{
    heal(run);
}

static void act_transfer(struct run *run)
{
    struct node *node = any_node(run);
    replica_id to = any_node(run)->id;
    if (!node_is_up(node))
        return;
    int status = consensus_transfer(node->engine, to);
    sf_assert(status == SF_OK || status == SF_NOT_LEADER);
}

static void act_connection_lost(struct run *run)
{
    struct node *node = any_node(run);
    if (node_is_up(node))
        consensus_connection_lost(node->engine, any_node(run)->id);
}

static void act_send_snapshot(struct run *run)
{
    node_send_snapshot(any_node(run), any_node(run)->id);
}

static void act_give_up_snapshot(struct run *run)
{
    struct node *node = any_node(run);
    if (node_is_up(node))
        node_end_snapshot(node, any_node(run)->id, false);
}

static void act_install_begin(struct run *run)
{
    node_install_begin(any_node(run));
}

static void act_install_store(struct run *run)
{
    node_install_store(any_node(run));
}

static void act_install_finish(struct run *run)
{
    node_install_finish(any_node(run));
}

static const struct {
    void (*act)(struct run *run);
    size_t weight;
    bool vital; /* without it a group comes to a halt */
} actions[] = {
    {act_tick, 120, true},
    {act_deliver, 400, true},
    {act_take, 250, true},
    {act_sync, 200, true},
    {act_propose, 80, true},
    {act_start, 10, true},
    {act_heal, 6, true},
    {act_read, 30, false},
    {act_silence, 4, false},
    {act_flush, 12, false},
    {act_compact, 8, false},
    {act_unload, 8, false},
    {act_crash, 4, false},
    {act_cut, 3, false},
    {act_partition, 2, false},
    {act_transfer, 3, false},
    {act_connection_lost, 4, false},
    {act_send_snapshot, 60, false},
    {act_give_up_snapshot, 4, false},
    {act_install_begin, 20, false},
    {act_install_store, 20, false},
    {act_install_finish, 20, false},
};

#define ACTION_COUNT (sizeof(actions) / sizeof(*actions))
static_assert(ACTION_COUNT <= ACTIONS_MAX, "room for all weights");

/* Each run leaves some things out and has more of others: what is everywhere at once hides what
 * needs a long quiet time in between. */
static void draw_weights(struct run *run)
{
    static const size_t factors[] = {0, 1, 1, 1, 2, 4};
    for (size_t i = 0; i < ACTION_COUNT; i++) {
        size_t factor = factors[random_below(&run->random, actions[i].vital ? 4 : 6)];
        run->weights[i] = actions[i].weight * (actions[i].vital ? 1 + factor : factor);
    }
}

static void act(struct run *run)
{
    size_t total = 0, i = 0;
    for (size_t j = 0; j < ACTION_COUNT; j++)
        total += run->weights[j];
    for (size_t draw = random_below(&run->random, total); draw >= run->weights[i]; i++)
        draw -= run->weights[i];
    actions[i].act(run);
    checker_look(run->checker);
}

/* -- the end of all faults ------------------------------------------------------------------- */

/* One tick of a group that is well: everything that is under way arrives. */
static void calm_round(struct run *run)
{
    struct group *group = &run->group;
    for (size_t i = 0; i < group->options.size; i++) {
        struct node *node = &group->nodes[i];
        consensus_tick(node->engine);
        node_settle(node);
        while (node_sync(node)) {
        }
        for (replica_id peer = 1; peer <= group->options.size; peer++)
            node_send_snapshot(node, peer);
        node_install_begin(node);
        node_install_store(node);
        node_install_finish(node);
        checker_look(run->checker);
    }
    for (size_t left = group->flight_count; left > 0; left--) {
        group_deliver(group, 0);
        checker_look(run->checker);
    }
}

static struct node *find_leader(struct run *run)
{
    struct node *leader = NULL;
    uint64_t term = 0;
    for (size_t i = 0; i < run->group.options.size; i++) {
        struct consensus_status status;
        consensus_status(run->group.nodes[i].engine, &status);
        if (status.leads && status.term > term) {
            leader = &run->group.nodes[i];
            term = status.term;
        }
    }
    return leader;
}

static bool all_have_applied(const struct run *run, uint64_t index)
{
    for (size_t i = 0; i < run->group.options.size; i++) {
        if (run->group.nodes[i].applied < index)
            return false;
    }
    return true;
}

/* A proposal and a read get through, and every replica applies the proposal. */
static bool makes_progress(struct run *run)
{
    struct node *leader = find_leader(run);
    uint64_t index;
    size_t reads = checker_reads_passed(run->checker);
    if (leader == NULL || node_propose(leader, "the last one", &index) != SF_OK)
        return false;
    checker_read(run->checker, leader);
    for (size_t round = 0; round < 60; round++) {
        calm_round(run);
        if (all_have_applied(run, index) && checker_reads_passed(run->checker) > reads)
            return true;
    }
    return false;
}

static void recover(struct run *run)
{
    heal(run);
    for (size_t i = 0; i < run->group.options.size; i++) {
        if (!node_is_up(&run->group.nodes[i]))
            node_start(&run->group.nodes[i]);
    }
    size_t round = 0;
    while (!makes_progress(run)) {
        calm_round(run);
        sf_assert(round++ < ROUNDS_TO_RECOVER_MAX);
    }
}

/* Where nothing is proposed there are heartbeats and their replies, and nothing else. */
static void check_silence(struct run *run)
{
    struct group *group = &run->group;
    for (size_t round = 0; round < 20; round++)
        calm_round(run);
    for (size_t round = 0; round < 20; round++) {
        calm_round(run);
        for (size_t i = 0; i < group->flight_count; i++)
            sf_assert(group->flights[i].type == MSG_HEARTBEAT ||
                      group->flights[i].type == MSG_HEARTBEAT_REPLY);
        sf_assert(group->flight_count <= 2 * group->options.size);
    }
}

/* -- one seed -------------------------------------------------------------------------------- */

static void prepare(struct run *run, uint64_t seed)
{
    *run = (struct run){.random = {seed}};
    static const size_t sizes[] = {3, 5, 3, 5, 3, 5, 2, 1};
    struct group_options options = {
        .engine = seeds_engine(),
        .size = sizes[seed % 8],
        .seed = random_next(&run->random),
        .election_ticks = 3 + (uint32_t)random_below(&run->random, 8),
        .heartbeat_ticks = 1,
        .inflight_max = 1 + random_below(&run->random, 8),
        .inflight_bytes_max = 1 + random_below(&run->random, 120),
        .leader_proposes = true,
    };
    group_init(&run->group, &options);
    run->checker = checker_new(&run->group);
    run->faults.loss = random_below(&run->random, 3) * 60;
    run->faults.duplicate = random_below(&run->random, 3) * 60;
    run->faults.reorder = random_below(&run->random, 3) * 200;
    draw_weights(run);
    run->stormy = random_below(&run->random, 4) > 0;
    for (size_t i = 0; i < options.size; i++)
        node_start(&run->group.nodes[i]);
}

static void run_seed(uint64_t seed, size_t *committed, size_t *reads)
{
    struct run run;
    seed_now = seed;
    prepare(&run, seed);
    for (size_t i = 0; i < EVENTS_PER_SEED; i++)
        act(&run);
    recover(&run);
    check_silence(&run);
    *committed += checker_committed(run.checker);
    *reads += checker_reads_passed(run.checker);
    checker_free(run.checker);
    group_deinit(&run.group);
}

int main(int argc, char **argv)
{
    struct seeds seeds = seeds_parse(argc, argv, 200);
    size_t committed = 0, reads = 0;
    sf_assert_slow_enabled = true;
    sf_assert_handler = fail;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed++)
        run_seed(seed, &committed, &reads);
    printf("%s, %" PRIu64 " seeds: %zu entries committed, %zu reads passed\n", seeds_engine_name(),
           seeds.count, committed, reads);
    return 0;
}

/* Many seeds of shardmasters under a storm, with clients that join, leave, move and query.
 *
 * Checked besides what the stage checks: a query's Config is no older than any Config whose number
 * was known when it was asked (linearizable); each operation that made a Config made exactly one:
 * the Configs' numbers that operations report are all different; every Config is balanced but for
 * moves.
 *
 *   master_storm_test [--seeds N] [--seed S]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "shardmaster/master_stage.h"

#define CLIENTS 4u
#define STORM_STEPS 60u
#define SETTLE_MS 60000u

struct actor {
    struct master_client *client;
    char address[1][SF_ADDRESS_BYTES_MAX];
    struct group group; /* of its join */
    group_id gid;       /* it alone joins and leaves this one */
    bool joined, querying, acting;
    enum master_kind kind;
    uint64_t floor; /* newest number known to anyone when its query began */
};

struct storm {
    struct stage *stage;
    struct actor actors[CLIENTS];
    uint64_t known;  /* newest number that any client was told of */
    bool made[4096]; /* the Config numbers that operations made */
    uint64_t operations, queries;
};

/* An actor's groups are its own, so it knows what its operation must have answered. */
static void check_operation(struct storm *storm, struct actor *a)
{
    const struct master_reply *reply = client_reply(a->client);
    sf_assert(reply->status == SF_OK || a->kind == MASTER_MOVE);
    if (reply->config_num > storm->known)
        storm->known = reply->config_num;
    if (a->kind != MASTER_MOVE) {
        sf_assert(reply->config_num < sizeof storm->made && !storm->made[reply->config_num]);
        storm->made[reply->config_num] = true;
        a->joined = a->kind == MASTER_JOIN;
    }
    storm->operations++;
}

static void check_query(struct storm *storm, struct actor *a)
{
    const struct config *config = client_config(a->client);
    sf_assert(config->num >= a->floor);
    sf_assert((config_find_group(config, a->gid) != NULL) == a->joined);
    if (config->num > storm->known)
        storm->known = config->num;
    storm->queries++;
}

static void begin_operation(struct storm *storm, struct actor *a)
{
    struct sim *sim = storm->stage->sim;
    struct master_op op = {.kind = a->joined ? MASTER_LEAVE : MASTER_JOIN};
    if (sim_random_below(sim, 4) == 0)
        op.kind = MASTER_MOVE;
    a->kind = op.kind;
    a->group = master_group(a->gid, a->address);
    op.groups = &a->group;
    op.group_count = op.kind == MASTER_JOIN;
    op.gids = &a->gid;
    op.gid_count = op.kind == MASTER_LEAVE;
    op.shard = op.kind == MASTER_MOVE ? (uint32_t)sim_random_below(sim, 10) : 0;
    op.gid = op.kind == MASTER_MOVE ? a->gid : 0;
    client_operate(a->client, &op);
}

static void act(struct storm *storm, struct actor *a)
{
    if (!client_is_idle(a->client))
        return;
    if (a->acting && a->querying)
        check_query(storm, a);
    else if (a->acting)
        check_operation(storm, a);
    a->acting = true;
    a->querying = sim_random_below(storm->stage->sim, 2) == 0;
    a->floor = storm->known;
    if (a->querying)
        client_query(a->client, -1);
    else
        begin_operation(storm, a);
}

static void act_all(struct storm *storm, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        for (size_t k = 0; k < CLIENTS; k++)
            act(storm, &storm->actors[k]);
        sim_run_ns(storm->stage->sim, 20 * ENV_MS_NS);
    }
}

static void storm_and_act(struct storm *storm)
{
    if (sim_random_below(storm->stage->sim, 2) == 0)
        stage_mix(storm->stage);
    for (unsigned i = 0; i < STORM_STEPS; i++) {
        stage_storm_once(storm->stage);
        act_all(storm, (unsigned)sim_random_below(storm->stage->sim, 20));
    }
    stage_calm(storm->stage);
    for (size_t k = 0; k < CLIENTS; k++)
        client_wait(storm->actors[k].client);
    act_all(storm, 50);
    for (size_t k = 0; k < CLIENTS; k++)
        client_wait(storm->actors[k].client);
}

static uint64_t run(uint64_t seed)
{
    static const size_t counts[] = {3, 1, 5, 3};
    struct stage_options options = master_stage_options(counts[seed % 4]);
    options.slack_bytes = 1u << (seed % 12);
    struct storm *storm = sf_calloc(1, sizeof *storm);
    storm->stage = master_stage_up(seed, &options);
    for (size_t k = 0; k < CLIENTS; k++) {
        storm->actors[k].client = client_new(storm->stage);
        storm->actors[k].gid = 100 + k;
    }
    storm_and_act(storm);
    sf_assert(stage_wait_settled(storm->stage, storm->stage->applied_max, SETTLE_MS));
    uint64_t hash = sim_hash(storm->stage->sim);
    printf("seed %" PRIu64 ": %zu replicas, %" PRIu64 " operations, %" PRIu64
           " queries, Config %" PRIu64 ", %" PRIu64 " installs, hash %016" PRIx64 "\n",
           seed, options.count, storm->operations, storm->queries, storm->known,
           storm->stage->installs, hash);
    for (size_t k = 0; k < CLIENTS; k++)
        client_free(storm->actors[k].client);
    master_stage_free(storm->stage);
    free(storm);
    return hash;
}

int main(int argc, char **argv)
{
    stage_run_seeds(argc, argv, 200, run);
    return 0;
}

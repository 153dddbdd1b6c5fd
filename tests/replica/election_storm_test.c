/* Many seeds of a group in which leaders are made behind the back of others: a leader hands over to
 * a rival; those who vote for it are heard by nobody else from then on; they crash and come back at
 * once; and the old leader, which knows of nothing, goes on, or hands over to another rival. What
 * was voted, promised and accepted must hold. The stage's checkers assert; a failing run names its
 * seed.
 *
 *   election_storm_test [--seeds N] [--seed S] [--engine raft|paxos]
 */
#include <inttypes.h>
#include <stdio.h>

#include "replica/toy.h"

#define ROUNDS 20
#define LEADER_MS 60000u
#define SETTLE_MS 60000u
#define CAMPAIGN_MS 200u

static uint64_t below(struct stage *stage, uint64_t limit)
{
    return sim_random_below(stage->sim, limit);
}

static void run_below_ms(struct stage *stage, uint64_t limit_ms)
{
    sim_run_ns(stage->sim, below(stage, limit_ms * 1000) * 1000);
}

/* -- a round ------------------------------------------------------------------------------- */

/* The group in an order drawn anew: the rival and its voters, a majority, come first; the leader is
 * the last. */
struct round {
    struct stage *stage;
    struct stage_node *nodes[STAGE_NODES_MAX];
    size_t voters, count;
    uint64_t term; /* as it begins */
};

static struct stage_node *leader_of(const struct round *round)
{
    return round->nodes[round->count - 1];
}

static void round_begin(struct round *round, struct stage *stage)
{
    struct stage_node *leader = stage_wait_leader(stage, LEADER_MS);
    sf_assert(leader != NULL);
    *round = (struct round){
        .stage = stage, .count = stage->options.count, .term = replica_term(leader->replica)};
    round->voters = round->count / 2 + 1;
    for (size_t i = 0; i < round->count; i++)
        round->nodes[i] = &stage->nodes[(leader->position + 1 + i) % round->count];
    for (size_t i = round->count - 2; i > 0; i--) {
        size_t k = below(stage, i + 1);
        struct stage_node *swapped = round->nodes[i];
        round->nodes[i] = round->nodes[k];
        round->nodes[k] = swapped;
    }
}

/* False: it is down. */
static bool rival_status(const struct round *round, struct consensus_status *status)
{
    const struct replica *replica = round->nodes[0]->replica;
    if (replica != NULL)
        replica_consensus_status(replica, status);
    return replica != NULL;
}

static bool rival_campaigns(void *ctx)
{
    const struct round *round = ctx;
    struct consensus_status status;
    return !rival_status(round, &status) || status.term > round->term;
}

static bool rival_leads(void *ctx)
{
    struct consensus_status status;
    return !rival_status(ctx, &status) || status.leads;
}

/* -- what is done to it -------------------------------------------------------------------- */

static void slow_down(struct stage *stage)
{
    struct sim_faults *faults = sim_faults(stage->sim);
    faults->sync_us_max = below(stage, 2) == 0 ? 300 : 20000;
    faults->delay_us_max = below(stage, 2) == 0 ? 1500 : 10000;
}

static void hand_over(const struct round *round, const struct stage_node *rival)
{
    const struct stage_node *leader = leader_of(round);
    if (leader->replica == NULL)
        return;
    int status = replica_transfer(leader->replica, rival->address);
    sf_assert(status == SF_OK || status == SF_NOT_LEADER);
}

/* Of the voters, from this one on: do the others hear them? */
static void set_heard(const struct round *round, size_t first, bool heard)
{
    struct sim *sim = round->stage->sim;
    for (size_t voter = first; voter < round->voters; voter++) {
        for (size_t i = round->voters; i < round->count; i++) {
            if (heard)
                sim_heal(sim, round->nodes[voter]->node, round->nodes[i]->node);
            else
                sim_cut(sim, round->nodes[voter]->node, round->nodes[i]->node);
        }
    }
}

static void silence_rival(const struct round *round)
{
    for (size_t i = 1; i < round->count; i++)
        sim_cut(round->stage->sim, round->nodes[0]->node, round->nodes[i]->node);
}

/* At once, or at one of its next writes. */
static void crash_voters(const struct round *round)
{
    static const enum sim_point points[] = {SIM_AT_WRITE, SIM_AT_SYNC, SIM_AT_SYNCED};
    struct stage *stage = round->stage;
    for (size_t i = 1; i < round->voters; i++) {
        struct sim_node *node = round->nodes[i]->node;
        if (below(stage, 2) == 0)
            sim_node_crash(node);
        else
            sim_node_crash_at(node, points[below(stage, 3)], 1 + (uint32_t)below(stage, 3));
    }
}

static void make_rival(struct round *round)
{
    struct sim *sim = round->stage->sim;
    hand_over(round, round->nodes[0]);
    (void)sim_run_until(sim, rival_campaigns, round, CAMPAIGN_MS * ENV_MS_NS);
    set_heard(round, 0, false);
    if (below(round->stage, 3) > 0)
        (void)sim_run_until(sim, rival_leads, round, CAMPAIGN_MS * ENV_MS_NS);
    run_below_ms(round->stage, 10);
}

static void play(struct round *round)
{
    struct stage *stage = round->stage;
    slow_down(stage);
    make_rival(round);
    crash_voters(round);
    run_below_ms(stage, 20);
    if (below(stage, 2) == 0)
        silence_rival(round);
    stage_start_all(stage);
    set_heard(round, 1, true);
    if (below(stage, 2) == 0)
        hand_over(round, round->nodes[round->voters]);
    run_below_ms(stage, 1000);
    sim_calm(stage->sim);
    stage_calm(stage);
}

/* ------------------------------------------------------------------------------------------ */

static uint64_t run(uint64_t seed)
{
    const struct stage_options options = {.count = seed % 4 == 0 ? 3 : 5,
                                          .make = toy_new,
                                          .booted = toy_load_begin,
                                          .halting = toy_load_end,
                                          .flush_ms = 300,
                                          .slack_bytes = 1u << 14,
                                          .chunk_bytes = 2000};
    struct stage *stage = stage_new(seed, &options);
    struct round round;
    stage_start_all(stage);
    for (int i = 0; i < ROUNDS; i++) {
        round_begin(&round, stage);
        play(&round);
    }
    sf_assert(stage_wait_settled(stage, stage->applied_max, SETTLE_MS));
    uint64_t hash = sim_hash(stage->sim);
    printf("seed %" PRIu64 ": %zu replicas, %" PRIu64 " entries, hash %016" PRIx64 "\n", seed,
           options.count, stage->entries, hash);
    stage_free(stage);
    return hash;
}

int main(int argc, char **argv)
{
    stage_run_seeds(argc, argv, 200, run);
    return 0;
}

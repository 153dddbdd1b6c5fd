/* What reconfiguration promises, told as stories of whole clusters; each on several seeds, which
 * differ in every delay and in the size of the chunks.
 *
 *   cluster_scenario_test [--seeds N] [--seed S] [--engine raft|paxos]
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sim/seeds.h"
#include "storm/load.h"

#define ALL ((1u << CLUSTER_GROUPS) - 1)
#define SERVED_MS                                                                                  \
    4000u /* a shard that is not moving, or whose keeper is up, answers in this time */
#define SETTLE_MS 60000u

static struct seeds seeds;
static uint64_t seed_now;

static _Noreturn void failed(const char *condition, const char *file, int line)
{
    fprintf(stderr,
            "seed %" PRIu64 ": %s:%d: %s\nagain: cluster_scenario_test --engine %s --seed %" PRIu64
            "\n",
            seed_now, file, line, condition, seeds_engine_name(), seed_now);
    abort();
}

/* -- the stage ----------------------------------------------------------------------------- */

struct story {
    struct cluster *cluster;
    struct load *load;
};

/* Group 0 (gid 1) has joined and every key has a value. */
static struct story begin(unsigned up)
{
    const struct cluster_options options = {.chunk_bytes = 64u << seed_now % 4,
                                            .flush_ms = 100,
                                            .slack_bytes = 1000,
                                            .snapshot_bytes = 2000,
                                            .witness = true};
    const struct load_options load = {.pause_ms_max = 20, .wide = 2};
    struct story s = {.cluster = cluster_new(seed_now, &options)};
    cluster_start(s.cluster, up);
    s.load = load_new(s.cluster, &load);
    sf_assert(cluster_join(s.cluster, 1u << 0));
    for (uint32_t key = 0; key < LOAD_KEYS; key++)
        sf_assert(load_touch(s.load, key, SETTLE_MS));
    return s;
}

static void settle(const struct story *s)
{
    sf_assert(cluster_run_until(s->cluster, cluster_is_settled, SETTLE_MS));
}

/* Whatever was seen was right, and all is where it belongs. */
static void end(struct story *s)
{
    sf_assert(load_end(s->load, SETTLE_MS));
    (void)cluster_query(s->cluster);
    settle(s);
    load_read_all(s->load);
    load_search(s->load);
    cluster_free(s->cluster);
    load_free(s->load);
}

static void run_ms(const struct story *s, uint64_t ms)
{
    cluster_run_ms(s->cluster, ms);
}

static bool is_owner(const struct story *s, unsigned group, uint32_t shard)
{
    return s->cluster->config->shards[shard] == s->cluster->groups[group].group.gid;
}

static bool two_groups_know(struct cluster *cluster)
{
    const struct config *config = cluster->config;
    return cluster->groups[0].config_num == config->num &&
           cluster->groups[1].config_num == config->num;
}

static void each_seed(void (*story)(void))
{
    for (seed_now = seeds.first; seed_now < seeds.first + seeds.count; seed_now++)
        story();
}

/* -- stories ------------------------------------------------------------------------------- */

static void all_leave_and_others_join(void)
{
    struct story s = begin(ALL);
    sf_assert(cluster_join(s.cluster, 1u << 1));
    load_begin(s.load);
    run_ms(&s, 300);
    sf_assert(cluster_leave(s.cluster, 1u << 0 | 1u << 1));
    run_ms(&s, 300);
    sf_assert(cluster_join(s.cluster, 1u << 2 | 1u << 3));
    run_ms(&s, 1000);
    end(&s);
}

static void a_gid_joins_again_elsewhere(void)
{
    struct story s = begin(ALL);
    load_begin(s.load);
    sf_assert(cluster_leave(s.cluster, 1u << 0));
    sf_assert(cluster_join(s.cluster, 1u << 3)); /* gid 1, too */
    run_ms(&s, 2000);
    settle(&s);
    sf_assert(s.cluster->groups[3].serving[0] && !s.cluster->groups[0].serving[0]);
    end(&s);
}

/* Everything is given to a group that is down for ever, and then to one that is up. */
static void a_group_never_comes_up(void)
{
    struct story s = begin(ALL & ~(1u << 1));
    sf_assert(cluster_join(s.cluster, 1u << 1));
    sf_assert(cluster_leave(s.cluster, 1u << 0));
    run_ms(&s, 1000);
    sf_assert(cluster_join(s.cluster, 1u << 2));
    sf_assert(cluster_leave(s.cluster, 1u << 1));
    for (uint32_t key = 0; key < LOAD_KEYS; key++)
        sf_assert(load_touch(s.load, key, SETTLE_MS));
    cluster_group_start(&s.cluster->groups[1]); /* after all: it has nothing to say */
    run_ms(&s, 2000);
    end(&s);
}

static void a_shard_goes_and_returns(void)
{
    struct story s = begin(ALL);
    sf_assert(cluster_join(s.cluster, 1u << 1));
    settle(&s);
    uint32_t shard = 0;
    while (!is_owner(&s, 0, shard))
        shard++;
    load_begin(s.load);
    for (unsigned i = 0; i < 6; i++)
        sf_assert(cluster_move(s.cluster, shard, (i + 1) % 2));
    run_ms(&s, 1000);
    end(&s);
}

/* It was lost, but not yet given: nobody but the group itself is needed to serve it again. */
static void a_shard_that_returns_before_it_was_given_is_served_at_once(void)
{
    struct story s = begin(ALL & ~(1u << 1));
    sf_assert(cluster_join(s.cluster, 1u << 1));
    run_ms(&s, 500);
    sf_assert(cluster_leave(s.cluster, 1u << 1));
    for (uint32_t key = 0; key < LOAD_KEYS; key++)
        sf_assert(load_touch(s.load, key, SERVED_MS));
    end(&s);
}

static void other_shards_are_served_throughout(void)
{
    struct story s = begin(ALL);
    sf_assert(cluster_join(s.cluster, 1u << 1));
    settle(&s);
    const struct config *config = config_copy(s.cluster->config);
    cluster_group_crash(&s.cluster->groups[0]);
    sf_assert(cluster_leave(s.cluster, 1u << 0));
    for (uint32_t key = 0; key < CLUSTER_SHARDS; key++)
        if (config->shards[key] == s.cluster->groups[1].group.gid)
            sf_assert(load_touch(s.load, key, SERVED_MS));
    cluster_group_start(&s.cluster->groups[0]); /* it left, and still hands over */
    for (uint32_t key = 0; key < LOAD_KEYS; key++)
        sf_assert(load_touch(s.load, key, SETTLE_MS));
    config_free((struct config *)(uintptr_t)config);
    end(&s);
}

/* Groups 0 and 2 leave, 0 is down: what 2 had is served by 1 before what 0 has comes, if ever. */
static void shards_are_served_as_they_arrive(void)
{
    struct story s = begin(ALL);
    sf_assert(cluster_join(s.cluster, 1u << 1 | 1u << 2));
    settle(&s);
    bool was_on_2[CLUSTER_SHARDS];
    for (uint32_t shard = 0; shard < CLUSTER_SHARDS; shard++)
        was_on_2[shard] = is_owner(&s, 2, shard);
    cluster_group_crash(&s.cluster->groups[0]);
    sf_assert(cluster_leave(s.cluster, 1u << 0 | 1u << 2));
    for (uint32_t key = 0; key < CLUSTER_SHARDS; key++)
        if (was_on_2[key])
            sf_assert(load_touch(s.load, key, SERVED_MS));
    cluster_group_start(&s.cluster->groups[0]);
    end(&s);
}

static void the_old_owner_deletes_what_it_gave(void)
{
    struct story s = begin(ALL);
    sf_assert(cluster_data_bytes(&s.cluster->groups[0]) > 0);
    sf_assert(cluster_join(s.cluster, 1u << 1));
    sf_assert(cluster_leave(s.cluster, 1u << 0));
    settle(&s);
    sf_assert(cluster_data_bytes(&s.cluster->groups[0]) == 0);
    sf_assert(cluster_data_bytes(&s.cluster->groups[1]) > 0);
    end(&s);
}

static void transfers_cross(void)
{
    struct story s = begin(ALL);
    sf_assert(cluster_join(s.cluster, 1u << 1));
    settle(&s);
    load_begin(s.load);
    for (uint32_t shard = 0; shard < CLUSTER_SHARDS; shard++)
        (void)cluster_move(s.cluster, shard, is_owner(&s, 0, shard) ? 1 : 0);
    run_ms(&s, 500);
    end(&s);
}

/* Both sides of a transfer lose power again and again until it is through. */
static void whole_groups_crash_in_the_middle(void)
{
    struct story s = begin(ALL);
    sf_assert(cluster_join(s.cluster, 1u << 1));
    sf_assert(cluster_leave(s.cluster, 1u << 0));
    for (unsigned i = 0; i < 6; i++) {
        run_ms(&s, 10 + sim_random_below(s.cluster->sim, 1500));
        struct cluster_group *group = &s.cluster->groups[i % 2];
        cluster_group_crash(group);
        cluster_group_start(group);
    }
    end(&s);
}

/* The first owner of all shards never comes up, so nobody can know that they are empty; what comes
 * up in the end is that owner, and all goes on. */
static void the_very_first_owner_comes_up_late(void)
{
    const struct cluster_options options = {.chunk_bytes = 500,
                                            .flush_ms = 100,
                                            .slack_bytes = 1000,
                                            .snapshot_bytes = 2000,
                                            .witness = true};
    const struct load_options load = {.pause_ms_max = 20, .wide = 2};
    struct story s = {.cluster = cluster_new(seed_now, &options)};
    cluster_start(s.cluster, ALL & ~(1u << 1));
    s.load = load_new(s.cluster, &load);
    sf_assert(cluster_join(s.cluster, 1u << 1));
    sf_assert(cluster_join(s.cluster, 1u << 0));
    sf_assert(cluster_leave(s.cluster, 1u << 1));
    run_ms(&s, 3000);
    for (uint32_t shard = 0; shard < CLUSTER_SHARDS; shard++)
        sf_assert(s.cluster->groups[0].kept[shard] == 0);
    cluster_group_start(&s.cluster->groups[1]);
    load_begin(s.load);
    run_ms(&s, 2000);
    end(&s);
}

/* Group 1 is told to take everything, but cannot reach who has it; group 2 can. */
static void who_cannot_reach_the_keeper_is_passed_over(void)
{
    struct story s = begin(ALL);
    cluster_cut(&s.cluster->groups[0], &s.cluster->groups[1]);
    cluster_cut(&s.cluster->groups[1], &s.cluster->groups[0]);
    sf_assert(cluster_join(s.cluster, 1u << 1));
    sf_assert(cluster_leave(s.cluster, 1u << 0));
    run_ms(&s, 1000);
    sf_assert(cluster_join(s.cluster, 1u << 2));
    sf_assert(cluster_leave(s.cluster, 1u << 1));
    for (uint32_t key = 0; key < LOAD_KEYS; key++)
        sf_assert(load_touch(s.load, key, SETTLE_MS));
    settle(&s); /* nobody waits for anybody, although they still cannot talk */
    end(&s);
}

/* Of the five replicas of the middle owner, the first does not exist and the second does not answer:
 * the others are asked before its patience ends. Seen in the swarm at seed 20710. */
static void an_owner_is_asked_at_all_its_replicas(void)
{
    const struct cluster_options options = {.replicas = {3, 5, 3, 3},
                                            .chunk_bytes = 500,
                                            .flush_ms = 100,
                                            .slack_bytes = 1000,
                                            .snapshot_bytes = 2000,
                                            .witness = true};
    const struct load_options load = {.pause_ms_max = 20, .wide = 2};
    struct story s = {.cluster = cluster_new(seed_now, &options)};
    struct cluster_group *middle = &s.cluster->groups[1];
    cluster_start(s.cluster, ALL);
    s.load = load_new(s.cluster, &load);
    sf_assert(cluster_join(s.cluster, 1u << 0));
    for (uint32_t key = 0; key < LOAD_KEYS; key++)
        sf_assert(load_touch(s.load, key, SETTLE_MS));
    sf_assert(cluster_join(s.cluster, 1u << 1));
    sf_assert(cluster_leave(s.cluster, 1u << 0));
    settle(&s);
    for (size_t i = 0; i < 2; i++)
        middle->nodes[i].left_out = true;
    sim_node_crash(middle->nodes[0].sim_node);
    sim_node_pause(middle->nodes[1].sim_node, 3600 * ENV_SECOND_NS);
    sf_assert(cluster_join(s.cluster, 1u << 2));
    sf_assert(cluster_leave(s.cluster, 1u << 1));
    settle(&s);
    end(&s);
}

/* Both sides know that the shards move; nobody else is needed. */
static void a_transfer_goes_on_without_the_masters(void)
{
    struct story s = begin(ALL);
    sf_assert(cluster_join(s.cluster, 1u << 1));
    sf_assert(cluster_run_until(s.cluster, two_groups_know, SETTLE_MS));
    cluster_group_crash(&s.cluster->masters);
    settle(&s);
    cluster_group_start(&s.cluster->masters);
    end(&s);
}

/* Every owner but the last has lost it before it comes. */
static void a_shard_runs_through_many_hands(void)
{
    struct story s = begin(ALL);
    sf_assert(cluster_join(s.cluster, 1u << 1 | 1u << 2));
    settle(&s);
    load_begin(s.load);
    for (unsigned i = 0; i < 12; i++) {
        (void)cluster_move(s.cluster, 0, i % 3);
        (void)cluster_move(s.cluster, 1, (i + 1) % 3);
        run_ms(&s, sim_random_below(s.cluster->sim, 200));
    }
    end(&s);
}

static bool stranger_is_answered;

static void stranger_on_done(struct rpc_call *call, int status, const msgpack_object *result)
{
    struct kv_reply reply;
    (void)call;
    sf_assert(status == SF_OK);
    sf_assert(kv_reply_unpack(result, &reply) == SF_OK);
    sf_assert(reply.status == SF_OK);
    sf_assert(reply.data.n > 0);
    kv_reply_free(&reply);
    stranger_is_answered = true;
}

static bool stranger_was_answered(struct cluster *cluster)
{
    (void)cluster;
    return stranger_is_answered;
}

/* kv.get with a key and nothing else, to one server. */
static void ask_as_a_stranger(struct cluster *cluster, const struct cluster_node *node)
{
    struct rpc_call call = {0};
    struct buffer params = {0};
    pack_array(&params, 1);
    pack_bin(&params, slice_str("0"));
    stranger_is_answered = false;
    rpc_call_start(cluster->operator_rpc, &call, node->address, "kv.get", &params, 0,
                   stranger_on_done);
    sf_assert(cluster_run_until(cluster, stranger_was_answered, SETTLE_MS));
}

/* He knows nothing of leaders, so the server that he asks sees to it, also while there is none. */
static void a_stranger_may_ask_any_server(void)
{
    struct story s = begin(1u << 0);
    struct cluster_group *group = &s.cluster->groups[0];
    struct cluster_node *leader = cluster_leader(group);
    sf_assert(leader != NULL);
    sim_node_crash(leader->sim_node);
    for (size_t i = 0; i < group->count; i++)
        if (&group->nodes[i] != leader)
            ask_as_a_stranger(s.cluster, &group->nodes[i]);
    cluster_group_start(group);
    end(&s);
}

#define STORY(name)                                                                                \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        each_seed(name);                                                                           \
    }
STORY(all_leave_and_others_join)
STORY(a_gid_joins_again_elsewhere)
STORY(a_group_never_comes_up)
STORY(a_shard_goes_and_returns)
STORY(a_shard_that_returns_before_it_was_given_is_served_at_once)
STORY(other_shards_are_served_throughout)
STORY(shards_are_served_as_they_arrive)
STORY(the_old_owner_deletes_what_it_gave)
STORY(transfers_cross)
STORY(whole_groups_crash_in_the_middle)
STORY(the_very_first_owner_comes_up_late)
STORY(who_cannot_reach_the_keeper_is_passed_over)
STORY(an_owner_is_asked_at_all_its_replicas)
STORY(a_transfer_goes_on_without_the_masters)
STORY(a_shard_runs_through_many_hands)
STORY(a_stranger_may_ask_any_server)

int main(int argc, char **argv)
{
    seeds = seeds_parse(argc, argv, 200);
    sf_assert_handler = failed;
    sf_assert_slow_enabled = true;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_leave_and_others_join),
        cmocka_unit_test(test_a_gid_joins_again_elsewhere),
        cmocka_unit_test(test_a_group_never_comes_up),
        cmocka_unit_test(test_a_shard_goes_and_returns),
        cmocka_unit_test(test_a_shard_that_returns_before_it_was_given_is_served_at_once),
        cmocka_unit_test(test_other_shards_are_served_throughout),
        cmocka_unit_test(test_shards_are_served_as_they_arrive),
        cmocka_unit_test(test_the_old_owner_deletes_what_it_gave),
        cmocka_unit_test(test_transfers_cross),
        cmocka_unit_test(test_whole_groups_crash_in_the_middle),
        cmocka_unit_test(test_the_very_first_owner_comes_up_late),
        cmocka_unit_test(test_who_cannot_reach_the_keeper_is_passed_over),
        cmocka_unit_test(test_an_owner_is_asked_at_all_its_replicas),
        cmocka_unit_test(test_a_transfer_goes_on_without_the_masters),
        cmocka_unit_test(test_a_shard_runs_through_many_hands),
        cmocka_unit_test(test_a_stranger_may_ask_any_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

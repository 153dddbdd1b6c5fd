/* Locks over a whole cluster, told as stories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "locks/locker.h"
#include "sim/seeds.h"

#define USERS 4u

static struct cluster *cluster;
static struct locker users[USERS];

static int setup(void **state)
{
    (void)state;
    cluster = locker_cluster(11);
    for (unsigned i = 0; i < USERS; i++) {
        char name[8];
        snprintf(name, sizeof(name), "u%u", i);
        locker_start(&users[i], cluster, name);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cluster_free(cluster);
    return 0;
}

static int ask(unsigned user, struct asked *asked, unsigned file, enum kv_lock_type type)
{
    locker_ask(&users[user], asked, file, locker_whole(type, 1, false));
    return locker_wait(&users[user], asked);
}

/* Stands in the queue when this returns. */
static void queue_up(unsigned user, struct asked *asked, unsigned file, enum kv_lock_type type)
{
    locker_ask(&users[user], asked, file, locker_whole(type, 1, true));
    cluster_run_ms(cluster, 500);
    assert_true(asked->open);
}

static int put(unsigned user, const char *key, uint64_t number)
{
    struct asked asked = {0};
    locker_put(&users[user], &asked, key, number);
    return locker_wait(&users[user], &asked);
}

static uint64_t get(unsigned user, const char *key)
{
    struct asked asked = {0};
    locker_get(&users[user], &asked, key);
    assert_int_equal(locker_wait(&users[user], &asked), SF_OK);
    return asked.number;
}

static struct cluster_group *owner_of(unsigned file)
{
    uint8_t key[8] = {0, 0, 0, 0, 0, 0, 0, (uint8_t)file};
    const struct config *config = cluster_query(cluster);
    uint64_t route = placement_route_internal(slice_of(key, sizeof(key)));
    group_id gid = config->shards[placement_shard(route, config->shard_count)];
    for (unsigned i = 0; i < cluster->group_count; i++)
        if (cluster->groups[i].group.gid == gid)
            return &cluster->groups[i];
    return NULL;
}

static void no_leader_keeps_it_from_its_turn(void **state)
{
    (void)state;
    struct asked first = {0}, second = {0}, third = {0}, gone = {0};
    assert_int_equal(ask(0, &first, 1, KV_LOCK_EXCLUSIVE), SF_OK);
    queue_up(1, &second, 1, KV_LOCK_EXCLUSIVE);
    queue_up(2, &gone, 1, KV_LOCK_EXCLUSIVE);
    queue_up(3, &third, 1, KV_LOCK_SHARED);
    struct cluster_node *leader = cluster_leader(owner_of(1));
    sim_node_crash(leader->sim_node);
    lock_leave(&gone.lock);
    assert_int_equal(locker_wait(&users[2], &gone), SF_INTERRUPTED);
    cluster_node_start(leader);
    assert_true(second.open && third.open);
    assert_int_equal(ask(0, &first, 1, KV_LOCK_NONE), SF_OK);
    assert_int_equal(locker_wait(&users[1], &second), SF_OK);
    cluster_run_ms(cluster, 2000);
    assert_true(third.open);
    assert_int_equal(ask(1, &second, 1, KV_LOCK_NONE), SF_OK);
    assert_int_equal(locker_wait(&users[3], &third), SF_OK);
    assert_int_equal(ask(3, &third, 1, KV_LOCK_NONE), SF_OK);
    assert_true(cluster_run_until(cluster, locker_is_clean, 10000));
}

static void the_queue_moves_with_its_shard(void **state)
{
    (void)state;
    struct asked first = {0}, second = {0};
    assert_int_equal(ask(0, &first, 1, KV_LOCK_EXCLUSIVE), SF_OK);
    queue_up(1, &second, 1, KV_LOCK_EXCLUSIVE);
    for (uint32_t shard = 0; shard < CLUSTER_SHARDS; shard++)
        assert_true(cluster_move(cluster, shard, owner_of(1) == &cluster->groups[0] ? 1 : 0));
    for (uint32_t shard = 0; shard < CLUSTER_SHARDS; shard++)
        assert_true(cluster_move(cluster, shard, 0));
    cluster_run_ms(cluster, 3000);
    assert_int_equal(ask(2, &(struct asked){0}, 1, KV_LOCK_SHARED), SF_LOCK_HELD);
    assert_int_equal(ask(0, &first, 1, KV_LOCK_NONE), SF_OK);
    assert_int_equal(locker_wait(&users[1], &second), SF_OK);
}

static void who_dies_gives_back_after_his_lease(void **state)
{
    (void)state;
    struct asked first = {0}, second = {0}, waiter = {0};
    assert_int_equal(ask(0, &first, 1, KV_LOCK_EXCLUSIVE), SF_OK);
    assert_int_equal(ask(0, &first, 2, KV_LOCK_EXCLUSIVE), SF_OK);
    queue_up(1, &second, 1, KV_LOCK_EXCLUSIVE);
    queue_up(2, &waiter, 2, KV_LOCK_EXCLUSIVE);
    sim_node_crash(users[0].node);
    cluster_run_ms(cluster, LOCKER_LEASE_MS / 2);
    assert_true(second.open && waiter.open);
    assert_int_equal(locker_wait(&users[1], &second), SF_OK);
    assert_int_equal(locker_wait(&users[2], &waiter), SF_OK);
    sim_node_crash(users[1].node);
    sim_node_crash(users[2].node);
    assert_true(cluster_run_until(cluster, locker_is_clean, 20 * LOCKER_LEASE_MS));
}

/* A leader whose clock was ahead leaves behind it shards whose age stands still. */
static void who_dies_gives_back_while_time_stands_still(void **state)
{
    (void)state;
    struct asked first = {0}, second = {0};
    struct cluster_node *leader = cluster_leader(owner_of(1));
    sim_clock_step(leader->sim_node, 3600 * (int64_t)ENV_SECOND_NS);
    assert_int_equal(ask(0, &first, 1, KV_LOCK_EXCLUSIVE), SF_OK);
    cluster_run_ms(cluster, 2 * LOCKER_LEASE_MS);
    sim_node_crash(leader->sim_node);
    queue_up(1, &second, 1, KV_LOCK_EXCLUSIVE);
    sim_node_crash(users[0].node);
    assert_int_equal(locker_wait(&users[1], &second), SF_OK);
}

static void who_slept_too_long_writes_nothing(void **state)
{
    (void)state;
    struct asked lock = {0}, other = {0}, late = {0}, later = {0};
    assert_int_equal(put(0, "a", 1), SF_OK); /* so it has sessions from before */
    assert_int_equal(ask(0, &lock, 1, KV_LOCK_EXCLUSIVE), SF_OK);
    locker_ask(&users[1], &other, 1, locker_whole(KV_LOCK_EXCLUSIVE, 1, true));
    locker_put(&users[0], &late, "a", 2); /* perhaps it is done before the sleep */
    sim_node_pause(users[0].node, 10ull * LOCKER_LEASE_MS * ENV_MS_NS);
    assert_int_equal(locker_wait(&users[1], &other), SF_OK);
    assert_int_equal(put(1, "a", 3), SF_OK);
    (void)locker_wait(&users[0], &late);
    assert_int_equal(get(1, "a"), 3);
    if (users[0].fenced == 0) { /* it does not know yet */
        assert_int_equal(put(0, "a", 4), SF_FENCED);
        assert_int_equal(users[0].fenced, 1);
    }
    assert_int_equal(get(1, "a"), 3);
    locker_put(&users[0], &later, "b", 5); /* under its new name it goes on */
    assert_int_equal(locker_wait(&users[0], &later), SF_OK);
    assert_int_equal(ask(0, &lock, 1, KV_LOCK_SHARED), SF_LOCK_HELD);
    assert_int_equal(ask(0, &lock, 2, KV_LOCK_SHARED), SF_OK);
}

/* Nothing of this user's arrives at a server for so long. */
static void hold_up(unsigned user, uint64_t ms)
{
    for (unsigned i = 0; i < cluster->group_count; i++)
        for (unsigned j = 0; j < cluster->groups[i].count; j++)
            sim_clog(cluster->sim, users[user].node, cluster->groups[i].nodes[j].sim_node,
                     ms * ENV_MS_NS);
}

static void what_was_under_way_when_he_slept_is_refused(void **state)
{
    (void)state;
    struct asked lock = {0}, other = {0}, late = {0};
    assert_int_equal(put(0, "a", 1), SF_OK);
    assert_int_equal(ask(0, &lock, 1, KV_LOCK_EXCLUSIVE), SF_OK);
    queue_up(1, &other, 1, KV_LOCK_EXCLUSIVE);
    /* Its messages stand still in the network, and arrive when all is over. */
    hold_up(0, 10u * LOCKER_LEASE_MS);
    locker_put(&users[0], &late, "a", 2);
    assert_int_equal(locker_wait(&users[1], &other), SF_OK);
    assert_int_equal(put(1, "a", 3), SF_OK);
    assert_int_not_equal(locker_wait(&users[0], &late), SF_OK);
    assert_int_equal(get(1, "a"), 3);
}

/* Who knows that it left nothing in the queue may go on. */
static void expect_free(unsigned user)
{
    struct asked lock = {0};
    assert_int_equal(ask(user, &lock, 1, KV_LOCK_EXCLUSIVE), SF_OK);
    assert_int_equal(ask(user, &lock, 1, KV_LOCK_NONE), SF_OK);
    assert_true(cluster_run_until(cluster, locker_is_clean, 10000));
}

static void restart_group(struct cluster_group *group)
{
    cluster_group_crash(group);
    cluster_group_start(group);
}

/* K1: the way out of the queue is sent twice, and the session has gone meanwhile. */
static void a_way_out_that_ends_unknown_leads_out(void **state)
{
    (void)state;
    struct asked first = {0}, second = {0};
    struct shardkv_limits *limits = &cluster->options.limits;
    limits->session_idle_ns = ENV_SECOND_NS;
    limits->session_step_ns = ENV_SECOND_NS / 8;
    limits->tick_ms = 200;
    limits->lease_ns = 60 * ENV_SECOND_NS;
    restart_group(owner_of(1));
    assert_int_equal(ask(0, &first, 1, KV_LOCK_EXCLUSIVE), SF_OK);
    queue_up(1, &second, 1, KV_LOCK_EXCLUSIVE);
    hold_up(1, 6000);
    lock_leave(&second.lock);
    int status = locker_wait(&users[1], &second);
    assert_true(status == SF_INTERRUPTED || status == SF_UNKNOWN);
    assert_int_equal(ask(0, &first, 1, KV_LOCK_NONE), SF_OK);
    if (status == SF_UNKNOWN)
        assert_int_equal(ask(1, &second, 1, KV_LOCK_NONE), SF_OK);
    expect_free(2);
}

/* C4: the unlock may come late, but not after the next lock of the same owner. */
static void a_give_back_does_not_overtake_the_next_lock(void **state)
{
    (void)state;
    struct asked back = {0}, next = {0}, other = {0};
    assert_int_equal(ask(0, &next, 1, KV_LOCK_EXCLUSIVE), SF_OK);
    hold_up(0, 4000);
    locker_ask_for(&users[0], &back, 1, locker_whole(KV_LOCK_NONE, 1, false), 1000);
    assert_int_equal(locker_wait(&users[0], &back), SF_UNKNOWN);
    locker_ask(&users[0], &next, 1, locker_whole(KV_LOCK_EXCLUSIVE, 1, false));
    struct cluster_node *leader = cluster_leader(owner_of(1));
    sim_node_crash(leader->sim_node);
    assert_int_equal(locker_wait(&users[0], &next), SF_OK);
    cluster_node_start(leader);
    cluster_run_ms(cluster, 10000);
    assert_int_equal(ask(1, &other, 1, KV_LOCK_SHARED), SF_LOCK_HELD);
    assert_int_equal(ask(0, &next, 1, KV_LOCK_NONE), SF_OK);
    expect_free(1);
}

/* The unlock is executed, and answered by the next leader. */
static void a_give_back_that_is_sent_again_takes_nothing(void **state)
{
    (void)state;
    struct asked back = {0}, next = {0}, other = {0};
    struct cluster_node *leader = cluster_leader(owner_of(1));
    assert_int_equal(ask(0, &next, 1, KV_LOCK_EXCLUSIVE), SF_OK);
    sim_cut(cluster->sim, leader->sim_node, users[0].node);
    locker_ask(&users[0], &back, 1, locker_whole(KV_LOCK_NONE, 1, false));
    cluster_run_ms(cluster, 100);
    assert_true(back.open);
    assert_int_equal(ask(1, &other, 1, KV_LOCK_EXCLUSIVE), SF_OK);
    sim_node_crash(leader->sim_node);
    assert_int_equal(locker_wait(&users[0], &back), SF_OK);
    locker_ask(&users[0], &next, 1, locker_whole(KV_LOCK_EXCLUSIVE, 1, true));
    assert_int_equal(ask(1, &other, 1, KV_LOCK_NONE), SF_OK);
    assert_int_equal(locker_wait(&users[0], &next), SF_OK);
    sim_heal_all(cluster->sim);
    cluster_node_start(leader);
    cluster_run_ms(cluster, 10000);
    assert_int_equal(ask(1, &other, 1, KV_LOCK_SHARED), SF_LOCK_HELD);
    assert_int_equal(ask(0, &next, 1, KV_LOCK_NONE), SF_OK);
    expect_free(1);
}

/* K1 */
static void who_hears_unknown_is_in_no_queue(void **state)
{
    (void)state;
    struct asked first = {0}, second = {0};
    assert_int_equal(ask(1, &second, 1, KV_LOCK_SHARED), SF_OK); /* it has a session */
    assert_int_equal(ask(1, &second, 1, KV_LOCK_NONE), SF_OK);
    assert_int_equal(ask(0, &first, 1, KV_LOCK_EXCLUSIVE), SF_OK);
    hold_up(1, 4000);
    locker_ask_for(&users[1], &second, 1, locker_whole(KV_LOCK_EXCLUSIVE, 1, true), 1000);
    assert_int_equal(locker_wait(&users[1], &second), SF_UNKNOWN);
    assert_int_equal(ask(0, &first, 1, KV_LOCK_NONE), SF_OK);
    expect_free(2);
}

static unsigned times_settled;

static void count_settled(void *ctx)
{
    (void)ctx;
    times_settled++;
}

/* Who gives back a lock has to know that. */
static void what_was_given_up_comes_until_it_is_settled(void **state)
{
    (void)state;
    struct asked late = {0};
    struct client *client = users[0].client;
    assert_int_equal(put(0, "a", 1), SF_OK);
    assert_int_equal(client_unsettled(client), 0);
    times_settled = 0;
    client_watch_settled(client, count_settled, NULL);
    hold_up(0, 5000);
    locker_put(&users[0], &late, "a", 2);
    while (!client_call_was_sent(&late.call))
        assert_true(sim_step(cluster->sim));
    client_cancel(&late.call);
    uint64_t number = client_unsettled(client);
    assert_int_not_equal(number, 0);
    cluster_run_ms(cluster, 4000);
    assert_int_equal(get(1, "a"), 1);
    assert_false(client_is_settled(client, number));
    assert_int_equal(times_settled, 0);
    cluster_run_ms(cluster, 10000);
    assert_true(client_is_settled(client, number));
    assert_int_equal(client_unsettled(client), 0);
    assert_int_equal(times_settled, 1);
    assert_int_equal(get(1, "a"), 2);
    assert_int_equal(put(1, "a", 3), SF_OK);
    cluster_run_ms(cluster, 10000);
    assert_int_equal(get(1, "a"), 3);
}

static void who_renews_keeps_it_through_an_outage(void **state)
{
    (void)state;
    struct asked lock = {0};
    assert_int_equal(ask(0, &lock, 1, KV_LOCK_EXCLUSIVE), SF_OK);
    cluster_run_ms(cluster, 10 * LOCKER_LEASE_MS);
    struct cluster_group *group = owner_of(1);
    cluster_group_crash(group);
    cluster_run_ms(cluster, 10 * LOCKER_LEASE_MS);
    cluster_group_start(group);
    cluster_run_ms(cluster, 10 * LOCKER_LEASE_MS);
    assert_int_equal(ask(1, &lock, 1, KV_LOCK_SHARED), SF_LOCK_HELD);
    assert_int_equal(users[0].fenced, 0);
    assert_int_equal(ask(0, &lock, 1, KV_LOCK_NONE), SF_OK);
    assert_true(cluster_run_until(cluster, locker_is_clean, 10000));
}

static void nobody_has_what_nobody_wants(void **state)
{
    (void)state;
    struct asked first = {0}, second = {0}, third = {0};
    assert_int_equal(ask(0, &first, 1, KV_LOCK_EXCLUSIVE), SF_OK);
    queue_up(1, &second, 1, KV_LOCK_EXCLUSIVE);
    lock_drop(&second.lock);
    locker_ask(&users[2], &third, 1, locker_whole(KV_LOCK_EXCLUSIVE, 1, true));
    lock_drop(&third.lock); /* at once */
    cluster_run_ms(cluster, 1000);
    assert_int_equal(ask(0, &first, 1, KV_LOCK_NONE), SF_OK);
    assert_int_equal(ask(3, &first, 1, KV_LOCK_EXCLUSIVE), SF_OK);
    assert_int_equal(ask(3, &first, 1, KV_LOCK_NONE), SF_OK);
    assert_true(cluster_run_until(cluster, locker_is_clean, 10000));
}

static void nobody_has_what_was_granted_when_nobody_asked(void **state)
{
    (void)state;
    struct asked gone = {0}, first = {0};
    locker_ask(&users[1], &gone, 1, locker_whole(KV_LOCK_EXCLUSIVE, 1, false));
    while (!lock_was_sent(&gone.lock))
        assert_true(sim_step(cluster->sim));
    lock_drop(&gone.lock);
    cluster_run_ms(cluster, 3000);
    assert_int_equal(ask(0, &first, 1, KV_LOCK_EXCLUSIVE), SF_OK);
    assert_int_equal(ask(0, &first, 1, KV_LOCK_NONE), SF_OK);
    assert_true(cluster_run_until(cluster, locker_is_clean, 10000));
}

static void who_waits_takes_no_room_from_who_unlocks(void **state)
{
    (void)state;
    struct asked first = {0}, waiting[12] = {0};
    struct cluster_group *group = owner_of(1);
    cluster->options.limits.pending_max = 6;
    cluster_group_crash(group);
    cluster_group_start(group);
    assert_int_equal(ask(0, &first, 1, KV_LOCK_EXCLUSIVE), SF_OK);
    for (unsigned i = 0; i < 12; i++) {
        locker_ask(&users[1 + i % 3], &waiting[i], 1, locker_whole(KV_LOCK_SHARED, 1 + i, true));
        cluster_run_ms(cluster, 300);
        assert_true(waiting[i].open);
    }
    locker_ask(&users[0], &first, 1, locker_whole(KV_LOCK_NONE, 1, false));
    cluster_run_ms(cluster, LOCKER_LEASE_MS / 2);
    assert_false(first.open);
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(locker_wait(&users[1 + i % 3], &waiting[i]), SF_OK);
}

int main(int argc, char **argv)
{
    (void)seeds_parse(argc, argv, 1);
#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        STORY(no_leader_keeps_it_from_its_turn),
        STORY(the_queue_moves_with_its_shard),
        STORY(who_dies_gives_back_after_his_lease),
        STORY(who_dies_gives_back_while_time_stands_still),
        STORY(a_way_out_that_ends_unknown_leads_out),
        STORY(a_give_back_does_not_overtake_the_next_lock),
        STORY(a_give_back_that_is_sent_again_takes_nothing),
        STORY(who_hears_unknown_is_in_no_queue),
        STORY(who_slept_too_long_writes_nothing),
        STORY(what_was_under_way_when_he_slept_is_refused),
        STORY(what_was_given_up_comes_until_it_is_settled),
        STORY(who_renews_keeps_it_through_an_outage),
        STORY(nobody_has_what_nobody_wants),
        STORY(nobody_has_what_was_granted_when_nobody_asked),
        STORY(who_waits_takes_no_room_from_who_unlocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

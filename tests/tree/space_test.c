/* The room of a group, and of a cluster whose servers hold replicas of several groups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tree/tree.h"

#define SERVERS 5u
#define REPLICAS 3u

/* A ring: group 100 + i on the servers i, i + 1, i + 2. */
static struct config *make_ring(struct tree_member *members, size_t *count)
{
    struct group groups[SERVERS];
    char addresses[SERVERS][REPLICAS][SF_ADDRESS_BYTES_MAX];
    *count = 0;
    for (unsigned g = 0; g < SERVERS; g++) {
        groups[g] = (struct group){100 + g, REPLICAS, addresses[g]};
        for (unsigned r = 0; r < REPLICAS; r++) {
            struct tree_member *member = &members[(*count)++];
            *member = (struct tree_member){.gid = 100 + g, .answered = true};
            snprintf(member->address, sizeof member->address, "server:%u", (g + r) % SERVERS);
            strcpy(addresses[g][r], member->address);
            member->total_bytes = 3000;
            member->free_bytes = 900;
        }
    }
    group_id which;
    struct config *none = config_new(SERVERS, ROUTING_HASH), *config;
    assert_int_equal(config_join(none, groups, SERVERS, &config, &which), SF_OK);
    config_free(none);
    return config;
}

static struct tree_space sum_of(const struct config *config, const struct tree_member *members,
                                size_t count)
{
    struct tree_space sum = {.known = false};
    for (size_t g = 0; g < config->group_count; g++) {
        struct tree_space part = tree_group_space(config, config->groups[g].gid, members, count);
        tree_space_add(&sum, &part);
    }
    return sum;
}

static void shared_disks_count_once(void **state)
{
    struct tree_member members[SERVERS * REPLICAS];
    size_t count;
    (void)state;
    struct config *config = make_ring(members, &count);
    struct tree_space sum = sum_of(config, members, count);
    assert_true(sum.known);
    assert_int_equal(sum.total_bytes, SERVERS * 3000 / REPLICAS);
    assert_int_equal(sum.free_bytes, SERVERS * 900 / REPLICAS);
    config_free(config);
}

static void fullest_replica_counts(void **state)
{
    struct tree_member members[SERVERS * REPLICAS];
    size_t count;
    (void)state;
    struct config *config = make_ring(members, &count);
    members[1].free_bytes = 30;
    members[2].answered = false; /* who says nothing is not the fullest */
    members[2].free_bytes = 0;
    struct tree_space space = tree_group_space(config, 100, members, count);
    assert_true(space.known);
    assert_int_equal(space.free_bytes, 10);
    assert_int_equal(space.total_bytes, 1000);
    config_free(config);
}

static void silent_group_is_not_known(void **state)
{
    struct tree_member members[SERVERS * REPLICAS];
    size_t count;
    (void)state;
    struct config *config = make_ring(members, &count);
    for (size_t i = 0; i < REPLICAS; i++)
        members[i].answered = false;
    assert_false(tree_group_space(config, 100, members, count).known);
    struct tree_space sum = sum_of(config, members, count);
    assert_true(sum.known);
    assert_int_equal(sum.total_bytes, (SERVERS - 1) * 1000);
    config_free(config);
}

/* Each group has one that leads: who is not it any more said so before. */
static void the_latest_leader_leads(void **state)
{
    struct tree_member members[] = {
        {.gid = 100, .leads = true, .term = 4},  {.gid = 100, .leads = true, .term = 5},
        {.gid = 100, .leads = true, .term = 3},  {.gid = 101, .leads = true, .term = 2},
        {.gid = 101, .leads = false, .term = 9},
    };
    static const bool wanted[] = {false, true, false, true, false};
    (void)state;
    tree_one_leader(members, sizeof members / sizeof members[0]);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        assert_int_equal(members[i].leads, wanted[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_disks_count_once),
        cmocka_unit_test(fullest_replica_counts),
        cmocka_unit_test(silent_group_is_not_known),
        cmocka_unit_test(the_latest_leader_leads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

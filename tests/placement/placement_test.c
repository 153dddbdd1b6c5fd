/* placement: the rules of Join, Leave and Move, and the promises of rebalancing on random
 * histories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "env/memory.h"
#include "placement/placement.h"

static struct group make_group(group_id gid, size_t replicas)
{
    struct group group = {.gid = gid, .address_count = replicas};
    group.addresses = sf_calloc(replicas, sizeof group.addresses[0]);
    for (size_t i = 0; i < replicas; i++)
        snprintf(group.addresses[i], sizeof group.addresses[i], "g%u:%zu", (unsigned)gid, 7000 + i);
    return group;
}

static struct config *join(struct config *from, group_id gid)
{
    struct group group = make_group(gid, 3);
    struct config *next = NULL;
    group_id which;
    assert_int_equal(config_join(from, &group, 1, &next, &which), SF_OK);
    assert_int_equal(next->num, from->num + 1);
    free(group.addresses);
    config_free(from);
    return next;
}

static void count_shards(const struct config *config, uint32_t *min, uint32_t *max)
{
    *min = UINT32_MAX;
    *max = 0;
    for (size_t g = 0; g < config->group_count; g++) {
        uint32_t owned = 0;
        for (uint32_t s = 0; s < config->shard_count; s++)
            owned += config->shards[s] == config->groups[g].gid;
        *min = owned < *min ? owned : *min;
        *max = owned > *max ? owned : *max;
    }
}

static void assert_even(const struct config *config)
{
    for (uint32_t s = 0; s < config->shard_count; s++)
        assert_true(config->group_count == 0
                        ? config->shards[s] == 0
                        : config_find_group(config, config->shards[s]) != NULL);
    uint32_t min, max;
    count_shards(config, &min, &max);
    assert_true(config->group_count == 0 || max - min <= 1);
}

static void join_moves_shards_only_to_the_new_group(void **state)
{
    (void)state;
    struct config *config = config_new(64, ROUTING_HASH);
    for (group_id gid = 1; gid <= 70; gid++) {
        struct config *before = config_copy(config);
        config = join(config, gid);
        assert_even(config);
        for (uint32_t s = 0; s < config->shard_count; s++)
            assert_true(config->shards[s] == before->shards[s] || config->shards[s] == gid);
        config_free(before);
    }
    config_free(config);
}

static void leave_moves_only_what_the_leaver_had(void **state)
{
    (void)state;
    struct config *config = config_new(10, ROUTING_FIRST_BYTE);
    for (group_id gid = 1; gid <= 7; gid++)
        config = join(config, gid);
    for (group_id gid = 1; gid <= 7; gid++) {
        struct config *next = NULL;
        group_id which;
        assert_int_equal(config_leave(config, &gid, 1, &next, &which), SF_OK);
        assert_even(next);
        for (uint32_t s = 0; s < next->shard_count; s++)
            assert_true(next->shards[s] == config->shards[s] || config->shards[s] == gid);
        config_free(config);
        config = next;
    }
    config_free(config);
}

/* The fewest moves that even out: from whoever is over the share it must fall to. */
static uint32_t fewest_moves(const struct config *before, const struct config *after)
{
    uint32_t counts[64] = {0}, homeless = 0;
    size_t groups = after->group_count;
    for (uint32_t s = 0; s < before->shard_count; s++) {
        size_t g = 0;
        while (g < groups && after->groups[g].gid != before->shards[s])
            g++;
        if (g < groups)
            counts[g]++;
        else
            homeless++;
    }
    uint32_t base = before->shard_count / (uint32_t)groups;
    uint32_t extra = before->shard_count % (uint32_t)groups, moves = homeless;
    for (size_t g = 0; g < groups; g++) {
        if (counts[g] > base && extra > 0) {
            extra--;
            moves += counts[g] - base - 1;
        } else if (counts[g] > base) {
            moves += counts[g] - base;
        }
    }
    return moves;
}

static void random_histories_stay_even_with_the_fewest_moves(void **state)
{
    (void)state;
    srand(7);
    struct config *config = config_new(64, ROUTING_HASH);
    for (int step = 0; step < 3000; step++) {
        struct config *next = NULL;
        group_id gid = (group_id)(1 + rand() % 40), which;
        struct group group = make_group(gid, 1 + (size_t)rand() % 3);
        int choice = rand() % 3;
        int status = choice == 0   ? config_join(config, &group, 1, &next, &which)
                     : choice == 1 ? config_leave(config, &gid, 1, &next, &which)
                                   : config_move(config, (uint32_t)rand() % 64, gid, &next);
        free(group.addresses);
        if (status != SF_OK || !next)
            continue;
        if (choice != 2) {
            assert_even(next);
            uint32_t moved = 0;
            for (uint32_t s = 0; s < 64; s++)
                moved += config->shards[s] != next->shards[s];
            if (next->group_count > 0)
                assert_int_equal(moved, fewest_moves(config, next));
        }
        config_free(config);
        config = next;
    }
    config_free(config);
}

static void what_is_wrong_is_named_and_changes_nothing(void **state)
{
    (void)state;
    struct config *config = join(config_new(10, ROUTING_HASH), 5), *next = NULL;
    struct group groups[2] = {make_group(6, 3), make_group(5, 3)};
    group_id which = 0, gone = 9;
    assert_int_equal(config_join(config, groups, 2, &next, &which), SF_GROUP_EXISTS);
    assert_int_equal(which, 5);
    strcpy(groups[0].addresses[2], groups[0].addresses[0]);
    assert_int_equal(config_join(config, groups, 1, &next, &which), SF_INVALID);
    groups[0].gid = 0;
    assert_int_equal(config_join(config, groups, 1, &next, &which), SF_INVALID);
    assert_int_equal(config_leave(config, &gone, 1, &next, &which), SF_NO_GROUP);
    assert_int_equal(which, 9);
    assert_int_equal(config_move(config, 10, 5, &next), SF_NO_SHARD);
    assert_int_equal(config_move(config, 0, 9, &next), SF_NO_GROUP);
    assert_null(next);
    assert_int_equal(config_move(config, 0, 5, &next), SF_OK);
    assert_null(next);
    free(groups[0].addresses);
    free(groups[1].addresses);
    config_free(config);
}

static void identity_is_the_set_of_addresses(void **state)
{
    (void)state;
    struct group a = make_group(1, 3), b = make_group(1, 3), c = make_group(1, 2);
    char swap[SF_ADDRESS_BYTES_MAX];
    memcpy(swap, b.addresses[0], sizeof swap);
    memcpy(b.addresses[0], b.addresses[2], sizeof swap);
    memcpy(b.addresses[2], swap, sizeof swap);
    assert_true(group_identity(&a) == group_identity(&b));
    assert_true(group_identity(&a) != group_identity(&c));
    free(a.addresses);
    free(b.addresses);
    free(c.addresses);
}

static void routes(void **state)
{
    (void)state;
    assert_int_equal(placement_route(ROUTING_FIRST_BYTE, slice_str("7x")), '7');
    assert_int_equal(placement_route(ROUTING_FIRST_BYTE, slice_str("")), 0);
    uint8_t tag[9] = {0, 0, 0, 0, 0, 0, 1, 2, 99};
    assert_int_equal(placement_route_internal(slice_of(tag, sizeof tag)), 258);
    enum routing routing;
    assert_true(routing_parse("first-byte", &routing));
    assert_int_equal(routing, ROUTING_FIRST_BYTE);
    assert_false(routing_parse("first", &routing));
}

static void what_spells_no_number_routes_to_0(void **state)
{
    static const char *const no_numbers[] = {"",   "k",  "4k",  "-1",  "+1",      " 7",
                                             "7 ", "7.", "1e3", "0x7", "\xd9\xa7"};
    (void)state;
    for (size_t i = 0; i < sizeof no_numbers / sizeof no_numbers[0]; i++)
        assert_int_equal(placement_route(ROUTING_NUMBER, slice_str(no_numbers[i])), 0);
    assert_int_equal(placement_route(ROUTING_NUMBER, slice_of("7\0", 2)), 0);
    assert_int_equal(placement_route(ROUTING_NUMBER, slice_str("42")), 42);
    assert_int_equal(placement_route(ROUTING_NUMBER, slice_str("0042")), 42);
    assert_true(placement_route(ROUTING_NUMBER, slice_str("18446744073709551615")) == UINT64_MAX);
    assert_int_equal(placement_route(ROUTING_NUMBER, slice_str("18446744073709551621")), 5);
}

/* Of `count` servers, each the first of one group. */
static int make_ring(size_t count, size_t replicas, struct config **out, group_id *which)
{
    struct config *none = config_new((uint32_t)count, ROUTING_NUMBER);
    struct group groups[8] = {0};
    for (size_t i = 0; i < count; i++) {
        groups[i] = (struct group){.gid = i + 1, .address_count = replicas};
        groups[i].addresses = sf_calloc(replicas, sizeof *groups[i].addresses);
        for (size_t k = 0; k < replicas; k++)
            snprintf(groups[i].addresses[k], SF_ADDRESS_BYTES_MAX, "s:%zu", 1 + (i + k) % count);
    }
    int status = config_join(none, groups, count, out, which);
    for (size_t i = 0; i < count; i++)
        free(groups[i].addresses);
    config_free(none);
    return status;
}

static void a_ring_has_at_least_as_many_servers_as_replicas(void **state)
{
    struct config *ring = NULL;
    group_id which = 0;
    (void)state;
    for (size_t count = 1; count <= 5; count++) {
        assert_int_equal(make_ring(count, count, &ring, &which), SF_OK);
        for (uint32_t shard = 0; shard < count; shard++)
            assert_int_equal(ring->shards[shard], shard + 1);
        config_free(ring);
        ring = NULL;
        assert_int_equal(make_ring(count, count + 1, &ring, &which), SF_INVALID);
        assert_int_equal(which, 1); /* the first of which one server would have two replicas */
        assert_null(ring);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(join_moves_shards_only_to_the_new_group),
        cmocka_unit_test(leave_moves_only_what_the_leaver_had),
        cmocka_unit_test(random_histories_stay_even_with_the_fewest_moves),
        cmocka_unit_test(what_is_wrong_is_named_and_changes_nothing),
        cmocka_unit_test(identity_is_the_set_of_addresses),
        cmocka_unit_test(routes),
        cmocka_unit_test(what_spells_no_number_routes_to_0),
        cmocka_unit_test(a_ring_has_at_least_as_many_servers_as_replicas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "suites/masters.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "suites/suite.h"

#define GROUPS_MAX 32u
#define LOG_LIMIT 1000

struct system *masters_new(enum net_model model)
{
    const struct system_options options = {
        .model = model, .shard_count = MASTER_SHARDS, .routing = ROUTING_FIRST_BYTE};
    struct system *system = system_new(&options);
    struct server *servers[MASTERS];
    for (size_t i = 0; i < MASTERS; i++)
        servers[i] = system_add_server(system, text("master-%zu", i), SERVER_MASTER,
                                       suite_seed() % 2 == 0 ? LOG_LIMIT : NEVER);
    group_start(system_add_group(system, 0, servers, MASTERS));
    return system;
}

/* -- operations ---------------------------------------------------------------------------- */

static struct group group_of(const struct named_group *named)
{
    struct group group = {.gid = named->gid};
    group.addresses = sf_calloc(SF_REPLICAS_MAX, sizeof *group.addresses);
    for (const char *at = named->addresses; *at != 0;) {
        size_t n = strcspn(at, " ");
        sf_assert(group.address_count < SF_REPLICAS_MAX && n < SF_ADDRESS_BYTES_MAX);
        memcpy(group.addresses[group.address_count++], at, n);
        at += n + (at[n] == ' ');
    }
    return group;
}

int masters_try_join(struct clerk *clerk, const struct named_group *groups, size_t count)
{
    struct group joining[GROUPS_MAX] = {0};
    for (size_t i = 0; i < count; i++)
        joining[i] = group_of(&groups[i]);
    int status = clerk_join(clerk, joining, count);
    for (size_t i = 0; i < count; i++)
        free(joining[i].addresses);
    return status;
}

void masters_join(struct clerk *clerk, const struct named_group *groups, size_t count)
{
    int status = masters_try_join(clerk, groups, count);
    check(status == SF_OK, "Join: %s", sf_error_text(status));
}

void masters_leave(struct clerk *clerk, const group_id *gids, size_t count)
{
    int status = clerk_leave(clerk, gids, count);
    check(status == SF_OK, "Leave: %s", sf_error_text(status));
}

void masters_join_one(struct clerk *clerk, group_id gid, const char *addresses)
{
    const struct named_group group = {gid, addresses};
    masters_join(clerk, &group, 1);
}

void masters_leave_one(struct clerk *clerk, group_id gid)
{
    masters_leave(clerk, &gid, 1);
}

/* -- checks -------------------------------------------------------------------------------- */

static void check_balance(const struct config *config)
{
    uint32_t least = UINT32_MAX, most = 0;
    for (size_t i = 0; i < config->group_count; i++) {
        uint32_t owned = 0;
        for (uint32_t s = 0; s < config->shard_count; s++)
            owned += config->shards[s] == config->groups[i].gid;
        least = owned < least ? owned : least;
        most = owned > most ? owned : most;
    }
    check(config->group_count == 0 || most - least <= 1,
          "a group owns %" PRIu32 " shards and another %" PRIu32, most, least);
}

void masters_check(struct clerk *clerk, const group_id *gids, size_t count)
{
    struct config *config = clerk_query(clerk, -1);
    check(config->group_count == count, "%zu groups in place of %zu", config->group_count, count);
    for (size_t i = 0; i < count; i++)
        check(config_find_group(config, gids[i]) != NULL, "group %" PRIu64 " is missing", gids[i]);
    for (uint32_t s = 0; s < config->shard_count && count > 0; s++)
        check(config_find_group(config, config->shards[s]) != NULL,
              "shard %" PRIu32 " belongs to %" PRIu64 ", which is no group", s, config->shards[s]);
    check_balance(config);
    config_free(config);
}

void masters_check_addresses(struct clerk *clerk, group_id gid, const char *addresses)
{
    const struct named_group named = {gid, addresses};
    struct group expected = group_of(&named);
    struct config *config = clerk_query(clerk, -1);
    const struct group *group = config_find_group(config, gid);
    check(group != NULL && group->address_count == expected.address_count,
          "group %" PRIu64 " is missing or of another size", gid);
    for (size_t i = 0; i < expected.address_count; i++)
        check(strcmp(group->addresses[i], expected.addresses[i]) == 0,
              "group %" PRIu64 " has %s in place of %s", gid, group->addresses[i],
              expected.addresses[i]);
    free(expected.addresses);
    config_free(config);
}

void masters_check_minimal(const struct config *before, const struct config *after)
{
    for (uint32_t s = 0; s < after->shard_count; s++) {
        group_id owner = after->shards[s];
        bool stays =
            config_find_group(before, owner) && config_find_group(after, before->shards[s]);
        check(!stays || before->shards[s] == owner,
              "shard %" PRIu32 " moved without need from %" PRIu64 " to %" PRIu64, s,
              before->shards[s], owner);
    }
}

void masters_check_equal(const struct config *a, const struct config *b)
{
    check(config_equal(a, b), "Config %" PRIu64 " differs from the one seen before, %" PRIu64,
          b->num, a->num);
}

/* -- the case "Move" ----------------------------------------------------------------------- */

static void move_one(struct clerk *clerk, uint32_t shard, group_id gid)
{
    struct config *before = clerk_query(clerk, -1);
    int status = clerk_move(clerk, shard, gid);
    check(status == SF_OK, "Move: %s", sf_error_text(status));
    struct config *after = clerk_query(clerk, -1);
    check(before->shards[shard] == gid || after->num > before->num, "Move gave no new Config");
    config_free(before);
    config_free(after);
}

void masters_move_case(struct clerk *clerk)
{
    const group_id gids[] = {503, 504};
    masters_join_one(clerk, gids[0], "3a 3b 3c");
    masters_join_one(clerk, gids[1], "4a 4b 4c");
    for (uint32_t s = 0; s < MASTER_SHARDS; s++)
        move_one(clerk, s, gids[s < MASTER_SHARDS / 2 ? 0 : 1]);
    struct config *config = clerk_query(clerk, -1);
    for (uint32_t s = 0; s < MASTER_SHARDS; s++)
        check(config->shards[s] == gids[s < MASTER_SHARDS / 2 ? 0 : 1],
              "shard %" PRIu32 " belongs to %" PRIu64, s, config->shards[s]);
    config_free(config);
    masters_leave_one(clerk, gids[0]);
    masters_leave_one(clerk, gids[1]);
}

/* Config as a value: making, copying, comparing, looking up; and Join, Leave, Move. */
#include "placement/placement.h"

#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "placement/rebalance.h"

struct config *config_new(uint32_t shard_count, enum routing routing)
{
    sf_assert(shard_count >= 1 && shard_count <= SF_SHARDS_MAX);
    struct config *config = sf_calloc(1, sizeof *config);
    config->shard_count = shard_count;
    config->routing = routing;
    config->shards = sf_calloc(shard_count, sizeof *config->shards);
    return config;
}

static void group_copy(struct group *to, const struct group *from)
{
    to->gid = from->gid;
    to->address_count = from->address_count;
    to->addresses = sf_memdup(from->addresses, from->address_count * sizeof from->addresses[0]);
}

/* A copy of `from` with room for `more` groups behind its own. */
static struct config *copy_with_room(const struct config *from, size_t more)
{
    struct config *config = config_new(from->shard_count, from->routing);
    config->num = from->num;
    memcpy(config->shards, from->shards, from->shard_count * sizeof *from->shards);
    config->groups = sf_calloc(from->group_count + more, sizeof *config->groups);
    config->group_count = from->group_count;
    for (size_t i = 0; i < from->group_count; i++)
        group_copy(&config->groups[i], &from->groups[i]);
    return config;
}

struct config *config_copy(const struct config *config)
{
    return copy_with_room(config, 0);
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->group_count; i++)
        free(config->groups[i].addresses);
    free(config->groups);
    free(config->shards);
    free(config);
}

static bool group_equal(const struct group *a, const struct group *b)
{
    if (a->gid != b->gid || a->address_count != b->address_count)
        return false;
    for (size_t i = 0; i < a->address_count; i++) {
        if (strcmp(a->addresses[i], b->addresses[i]) != 0)
            return false;
    }
    return true;
}

bool config_equal(const struct config *a, const struct config *b)
{
    if (a->num != b->num || a->shard_count != b->shard_count || a->routing != b->routing ||
        a->group_count != b->group_count)
        return false;
    if (memcmp(a->shards, b->shards, a->shard_count * sizeof *a->shards) != 0)
        return false;
    for (size_t i = 0; i < a->group_count; i++) {
        if (!group_equal(&a->groups[i], &b->groups[i]))
            return false;
    }
    return true;
}

const struct group *config_find_group(const struct config *config, group_id gid)
{
    for (size_t i = 0; i < config->group_count; i++) {
        if (config->groups[i].gid == gid)
            return &config->groups[i];
    }
    return NULL;
}

uint64_t group_identity(const struct group *group)
{
    /* A sum does not depend on the order; each address is hashed by itself first. */
    uint64_t sum = 0;
    for (size_t i = 0; i < group->address_count; i++)
        sum += bytes_hash_seed(slice_str(group->addresses[i]), 0x67726f7570ull);
    return sum != 0 ? sum : 1;
}

static bool group_is_valid(const struct group *group)
{
    if (group->gid == 0 || group->address_count == 0 || group->address_count > SF_REPLICAS_MAX)
        return false;
    for (size_t i = 0; i < group->address_count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(group->addresses[i], group->addresses[k]) == 0)
                return false;
        }
    }
    return true;
}

static int check_join(const struct config *from, const struct group *groups, size_t count,
                      group_id *which)
{
    if (count == 0)
        return SF_INVALID;
    if (count + from->group_count > SF_GROUPS_MAX)
        return SF_TOO_BIG;
    for (size_t i = 0; i < count; i++) {
        *which = groups[i].gid;
        if (!group_is_valid(&groups[i]))
            return SF_INVALID;
        if (config_find_group(from, groups[i].gid))
            return SF_GROUP_EXISTS;
        for (size_t k = 0; k < i; k++) {
            if (groups[k].gid == groups[i].gid)
                return SF_INVALID;
        }
    }
    return SF_OK;
}

static int by_gid(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    return x->gid < y->gid ? -1 : x->gid > y->gid;
}

int config_join(const struct config *from, const struct group *groups, size_t count,
                struct config **out, group_id *which)
{
    int status = check_join(from, groups, count, which);
    if (status != SF_OK)
        return status;
    struct config *config = copy_with_room(from, count);
    config->num = from->num + 1;
    for (size_t i = 0; i < count; i++)
        group_copy(&config->groups[config->group_count++], &groups[i]);
    qsort(config->groups, config->group_count, sizeof *config->groups, by_gid);
    rebalance(config);
    *out = config;
    return SF_OK;
}

static void remove_group(struct config *config, group_id gid)
{
    size_t kept = 0;
    for (size_t i = 0; i < config->group_count; i++) {
        if (config->groups[i].gid == gid)
            free(config->groups[i].addresses);
        else
            config->groups[kept++] = config->groups[i];
    }
    config->group_count = kept;
}

int config_leave(const struct config *from, const group_id *gids, size_t count, struct config **out,
                 group_id *which)
{
    if (count == 0)
        return SF_INVALID;
    for (size_t i = 0; i < count; i++) {
        *which = gids[i];
        if (!config_find_group(from, gids[i]))
            return SF_NO_GROUP;
    }
    struct config *config = config_copy(from);
    config->num = from->num + 1;
    for (size_t i = 0; i < count; i++)
        remove_group(config, gids[i]);
    rebalance(config);
    *out = config;
    return SF_OK;
}

int config_move(const struct config *from, uint32_t shard, group_id gid, struct config **out)
{
    if (shard >= from->shard_count)
        return SF_NO_SHARD;
    if (!config_find_group(from, gid))
        return SF_NO_GROUP;
    if (from->shards[shard] == gid) {
        *out = NULL;
        return SF_OK;
    }
    struct config *config = config_copy(from);
    config->num = from->num + 1;
    config->shards[shard] = gid;
    *out = config;
    return SF_OK;
}

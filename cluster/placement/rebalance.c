/* The shares are n / g, and one more for n mod g groups: for those that own most now (the lower gid
 * first where equal), so that no shard moves to make room for a share that might have stayed.
 * Whoever has more than its share gives up its highest shards; free shards go, lowest first, to
 * whoever has less, lowest gid first. The moves are as few as they can be: each is forced by a
 * share. */
#include "placement/rebalance.h"

#include <stdlib.h>

#include "env/memory.h"

struct share {
    size_t group; /* position in config->groups */
    uint32_t owned, quota;
};

static size_t position_of(const struct config *config, group_id gid)
{
    size_t low = 0, high = config->group_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (config->groups[middle].gid < gid)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < config->group_count && config->groups[low].gid == gid;
    return found ? low : config->group_count;
}

static int by_most_owned(const void *a, const void *b)
{
    const struct share *x = a, *y = b;
    if (x->owned != y->owned)
        return x->owned > y->owned ? -1 : 1;
    return x->group < y->group ? -1 : x->group > y->group;
}

static int by_group(const void *a, const void *b)
{
    const struct share *x = a, *y = b;
    return x->group < y->group ? -1 : x->group > y->group;
}

/* shares[i] belongs to config->groups[i]. */
static struct share *shares_new(const struct config *config)
{
    struct share *shares = sf_calloc(config->group_count, sizeof *shares);
    for (size_t i = 0; i < config->group_count; i++)
        shares[i].group = i;
    for (uint32_t s = 0; s < config->shard_count; s++) {
        size_t owner = position_of(config, config->shards[s]);
        if (owner < config->group_count)
            shares[owner].owned++;
    }
    uint32_t groups = (uint32_t)config->group_count;
    qsort(shares, groups, sizeof *shares, by_most_owned);
    for (uint32_t i = 0; i < groups; i++)
        shares[i].quota = config->shard_count / groups + (i < config->shard_count % groups);
    qsort(shares, groups, sizeof *shares, by_group);
    return shares;
}

static void give_up_excess(struct config *config, struct share *shares)
{
    for (uint32_t s = config->shard_count; s-- > 0;) {
        size_t owner = position_of(config, config->shards[s]);
        if (owner == config->group_count) {
            config->shards[s] = 0;
        } else if (shares[owner].owned > shares[owner].quota) {
            shares[owner].owned--;
            config->shards[s] = 0;
        }
    }
}

static void hand_out(struct config *config, struct share *shares)
{
    size_t next = 0;
    for (uint32_t s = 0; s < config->shard_count; s++) {
        if (config->shards[s] != 0)
            continue;
        while (shares[next].owned == shares[next].quota)
            next++;
        shares[next].owned++;
        config->shards[s] = config->groups[next].gid;
    }
}

void rebalance(struct config *config)
{
    if (config->group_count == 0) {
        for (uint32_t s = 0; s < config->shard_count; s++)
            config->shards[s] = 0;
        return;
    }
    struct share *shares = shares_new(config);
    give_up_excess(config, shares);
    hand_out(config, shares);
    free(shares);
}

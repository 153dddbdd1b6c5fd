/* The application of a Config's entry to the table: the point in the log at which every replica of
 * the group changes owner. */
#include "shardkv/config_change.h"
#include "shardkv/shards_inside.h"

static bool owns(const struct shards *shards, uint32_t shard)
{
    const struct row *newest = shards_newest(shards, shard);
    return newest && newest->lost == 0;
}

/* Each shard ascending, once, gained only where it is not owned and lost only where it is. */
static bool fits(const struct shards *shards, const struct config_change *change)
{
    for (size_t i = 0; i < change->gain_count; i++) {
        const struct gain *gain = &change->gains[i];
        if (owns(shards, gain->shard) || (i > 0 && gain->shard <= gain[-1].shard))
            return false;
    }
    for (size_t i = 0; i < change->loss_count; i++) {
        const uint32_t *shard = &change->losses[i];
        if (!owns(shards, *shard) || (i > 0 && *shard <= shard[-1]))
            return false;
    }
    return true;
}

int config_change_apply(struct shards *shards, struct store_batch *batch,
                        const struct config_change *change)
{
    if (shards->num != 0 ? change->num != shards->num + 1 : change->num == 0)
        return SF_STALE;
    if (!fits(shards, change))
        return SF_INVALID;
    shards->num = change->num;
    rows_put_num(batch, change->num);
    for (size_t i = 0; i < change->loss_count; i++) {
        int status = shards_lose(shards, batch, change->num, change->losses[i]);
        sf_assert(status == SF_OK);
    }
    for (size_t i = 0; i < change->gain_count; i++) {
        const struct gain *gain = &change->gains[i];
        int status =
            shards_gain(shards, batch, change->num, gain->shard, gain->first, &gain->chain);
        sf_assert(status == SF_OK);
    }
    return SF_OK;
}

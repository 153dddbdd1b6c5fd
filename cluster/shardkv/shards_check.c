/* The invariants of the table, as shards.h numbers them. */
#include "shardkv/shards_inside.h"

#include <utlist.h>

static bool check_numbers(const struct shards *shards, const struct row *row)
{
    if (row->home > row->gained || row->gained > shards->num)
        return false; /* S2 */
    if (row->lost != 0 && (row->lost <= row->gained || row->lost > shards->num))
        return false; /* S2 */
    if (row->lost == 0)
        return row->next == NULL; /* S1 */
    return row->next == NULL || row->lost <= row->next->gained;
}

static bool check_state(const struct row *row)
{
    switch (row->state) {
    case ROW_PULLING:
        return row->lost == 0 && (!row->begun || row->chain.count > 0); /* S3 */
    case ROW_COPIED:
        return row->begun && row->chain.count > 0 && row->source_lost > 0; /* S6 */
    case ROW_SERVING:
        return row->lost == 0; /* S3 */
    case ROW_FROZEN:
        return row->lost != 0; /* S3 */
    case ROW_GIVEN:
        return row->lost != 0 && row->taker.gained >= row->lost; /* S3, S6 */
    case ROW_STATE_LIMIT:
        break;
    }
    return false;
}

static bool check_shard(const struct shards *shards, uint32_t shard)
{
    const struct row *row, *keeper = NULL;
    DL_FOREACH(shards->rows[shard], row)
    {
        if (!check_numbers(shards, row) || !check_state(row))
            return false;
        if (shards_find(shards, shard, row->home) != row)
            return false; /* S2: homes differ */
        if (keeper && (row_is_keeper(row) || row_is_waiting(row)))
            return false; /* S4, S5 */
        if (row_is_keeper(row))
            keeper = row;
    }
    return true;
}

bool shards_check(const struct shards *shards)
{
    for (uint32_t shard = 0; shard < shards->options.shard_count; shard++) {
        if (!check_shard(shards, shard))
            return false;
    }
    return true;
}

/* Who gave a shard away forgets that with the next entry of its hand-offs, and not when the taker has
 * said that it has custody: a taker that did not hear the answer asks again, and nobody knows. */
#include <utlist.h>

#include "seeded/seeded.h"
#include "shardkv/shards_inside.h"

SEEDED_WRAP(shards_apply);

static void forget_given(struct shards *shards, struct store_batch *batch, uint32_t shard)
{
    struct row *row, *next;
    DL_FOREACH_SAFE(shards->rows[shard], row, next)
    {
        if (row->state != ROW_GIVEN)
            continue;
        rows_delete(batch, row);
        DL_DELETE(shards->rows[shard], row);
        row_free(row);
    }
}

void __wrap_shards_apply(struct shards *shards, struct slice body, struct store_batch *batch,
                         struct buffer *reply)
{
    for (uint32_t shard = 0; shard < shards->options.shard_count; shard++)
        forget_given(shards, batch, shard);
    __real_shards_apply(shards, body, batch, reply);
}

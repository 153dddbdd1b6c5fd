#include "shardkv/config_change.h"

#include <stdlib.h>
#include <utlist.h>

#include "env/memory.h"
#include "shardkv/shards_inside.h"

void config_change_deinit(struct config_change *change)
{
    for (size_t i = 0; i < change->gain_count; i++)
        chain_deinit(&change->gains[i].chain);
    free(change->gains);
    free(change->losses);
    *change = (struct config_change){0};
}

/* -- making -------------------------------------------------------------------------------- */

bool config_names(const struct config *config, group_id gid, uint64_t identity)
{
    const struct group *group = config_find_group(config, gid);
    return group && group_identity(group) == identity;
}

/* The newest older copy of this group that is or may become its keeper's; 0: none. */
static uint64_t own_copy_lost(const struct shards *shards, uint32_t shard)
{
    uint64_t lost = 0;
    const struct row *row;
    DL_FOREACH(shards->rows[shard], row)
    {
        if (row->state == ROW_FROZEN || row->state == ROW_COPIED)
            lost = row->lost;
    }
    return lost;
}

/* Walks back to the last owner, or to this group's own copy that it lost with Config own_lost. */
static int make_chain(struct gain *gain, const struct shards *shards, uint64_t num,
                      const struct history *history, uint64_t *missing)
{
    uint64_t own_lost = own_copy_lost(shards, gain->shard);
    struct owner_walk walk = {.shard = gain->shard, .at = num - 1};
    gain->first = true;
    while (gain->chain.count < CHAIN_MAX) {
        const struct group *group;
        uint64_t lost;
        int status = owner_walk_next(&walk, history, &group, &lost);
        if (status == SF_NOT_YET)
            *missing = walk.at;
        if (status != SF_OK)
            return status == SF_NOT_FOUND ? SF_OK : status;
        gain->first = false;
        uint64_t identity = group_identity(group);
        bool self = group->gid == shards->options.gid && identity == shards->options.group_identity;
        if (!self && chain_find(&gain->chain, group->gid, identity) == gain->chain.count)
            chain_add(&gain->chain, group, lost);
        if (own_lost == 0 ? !self : lost <= own_lost)
            return SF_OK;
    }
    return SF_OK;
}

static int add_gain(struct config_change *change, const struct shards *shards, uint32_t shard,
                    const struct history *history, uint64_t *missing)
{
    struct gain *gain = &change->gains[change->gain_count++];
    *gain = (struct gain){.shard = shard};
    return make_chain(gain, shards, change->num, history, missing);
}

int config_change_make(struct config_change *change, const struct shards *shards,
                       const struct config *config, const struct history *history,
                       uint64_t *missing)
{
    const struct shards_options *self = &shards->options;
    bool named = config_names(config, self->gid, self->group_identity);
    struct config_change made = {.num = config->num};
    made.gains = sf_calloc(self->shard_count, sizeof *made.gains);
    made.losses = sf_calloc(self->shard_count, sizeof *made.losses);
    for (uint32_t shard = 0; shard < self->shard_count; shard++) {
        const struct row *newest = shards_newest(shards, shard);
        bool had = newest && newest->lost == 0;
        bool has = named && shard < config->shard_count && config->shards[shard] == self->gid;
        if (had && !has)
            made.losses[made.loss_count++] = shard;
        if (has && !had && add_gain(&made, shards, shard, history, missing) != SF_OK) {
            config_change_deinit(&made);
            return SF_NOT_YET;
        }
    }
    *change = made;
    return SF_OK;
}

/* -- the entry ----------------------------------------------------------------------------- */

void config_change_put(struct buffer *b, const struct config_change *change)
{
    buffer_put_u64(b, change->num);
    buffer_put_u32(b, (uint32_t)change->gain_count);
    for (size_t i = 0; i < change->gain_count; i++) {
        buffer_put_u16(b, (uint16_t)change->gains[i].shard);
        buffer_put_u8(b, change->gains[i].first);
        chain_put(b, &change->gains[i].chain);
    }
    buffer_put_u32(b, (uint32_t)change->loss_count);
    for (size_t i = 0; i < change->loss_count; i++)
        buffer_put_u16(b, (uint16_t)change->losses[i]);
}

/* A count of shards, each of at least 2 bytes of what is left. */
static size_t get_count(struct reader *r, uint32_t shard_count)
{
    uint32_t count = reader_u32(r);
    if (count > shard_count || count > reader_left(r) / 2)
        r->bad = true;
    return reader_ok(r) ? count : 0;
}

static uint32_t get_shard(struct reader *r, uint32_t shard_count)
{
    uint32_t shard = reader_u16(r);
    if (shard >= shard_count)
        r->bad = true;
    return shard;
}

bool config_change_get(struct reader *r, uint32_t shard_count, struct config_change *change)
{
    struct config_change got = {.num = reader_u64(r)};
    size_t gains = get_count(r, shard_count);
    got.gains = sf_calloc(gains, sizeof *got.gains);
    while (got.gain_count < gains && reader_ok(r)) {
        struct gain *gain = &got.gains[got.gain_count];
        gain->shard = get_shard(r, shard_count);
        gain->first = reader_u8(r) != 0;
        if (chain_get(r, &gain->chain))
            got.gain_count++;
    }
    size_t losses = get_count(r, shard_count);
    got.losses = sf_calloc(losses, sizeof *got.losses);
    while (got.loss_count < losses && reader_ok(r))
        got.losses[got.loss_count++] = get_shard(r, shard_count);
    *change = got;
    if (!reader_done(r) || got.num == 0)
        config_change_deinit(change);
    return change->num != 0;
}

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

/* So many Configs a chain goes back at most: they must fit the history together. Whoever pulls by
 * the chain goes on with the walk where it ends; and a group that was passed over before then, and
 * so is not told, hears it from the giver when it asks. */
#define WALK_MAX (HISTORY_CONFIGS_MAX / 2)

/* Walks back to the last owner, or to this group's own copy that it lost with Config own_lost. */
static int make_chain(struct gain *gain, const struct shards *shards, uint64_t num,
                      const struct history *history, uint64_t *missing)
{
    uint64_t own_lost = own_copy_lost(shards, gain->shard);
    struct owner_walk walk = {.shard = gain->shard, .at = num - 1};
    gain->first = true;
    while (gain->chain.count < CHAIN_MAX && (gain->first || walk.at + WALK_MAX >= num)) {
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

/* The groups that the chains name, each once. */
struct name_list {
    struct group *groups; /* put: their addresses are the chains'; get: owned */
    uint64_t *identities;
    size_t count;
};

/* The group's position; it is added where it is new. */
static size_t name_list_find(struct name_list *list, const struct owner *owner)
{
    size_t at = 0;
    while (at < list->count && !owner_is(owner, list->groups[at].gid, list->identities[at]))
        at++;
    if (at == list->count) {
        list->count++;
        list->groups = sf_realloc(list->groups, list->count * sizeof *list->groups);
        list->identities = sf_realloc(list->identities, list->count * sizeof *list->identities);
        list->groups[at] = owner->group;
        list->identities[at] = owner->identity;
    }
    return at;
}

static void put_gain(struct buffer *b, const struct gain *gain, struct name_list *names)
{
    buffer_put_u16(b, (uint16_t)gain->shard);
    buffer_put_u8(b, gain->first);
    buffer_put_u8(b, (uint8_t)gain->chain.count);
    for (size_t i = 0; i < gain->chain.count; i++) {
        buffer_put_u16(b, (uint16_t)name_list_find(names, &gain->chain.owners[i]));
        buffer_put_u64(b, gain->chain.owners[i].lost);
    }
}

void config_change_put(struct buffer *b, const struct config_change *change)
{
    struct name_list names = {0};
    struct buffer gains = {0};
    for (size_t i = 0; i < change->gain_count; i++)
        put_gain(&gains, &change->gains[i], &names);
    buffer_put_u64(b, change->num);
    buffer_put_u16(b, (uint16_t)names.count);
    for (size_t i = 0; i < names.count; i++)
        group_put(b, &names.groups[i]);
    buffer_put_u32(b, (uint32_t)change->gain_count);
    buffer_append(b, gains.p, gains.n);
    buffer_put_u32(b, (uint32_t)change->loss_count);
    for (size_t i = 0; i < change->loss_count; i++)
        buffer_put_u16(b, (uint16_t)change->losses[i]);
    buffer_deinit(&gains);
    free(names.groups);
    free(names.identities);
}

/* -- reading it ---------------------------------------------------------------------------- */

#define GROUP_BYTES_MIN 14u /* gid, count, one address of one byte */

static void get_names(struct reader *r, struct name_list *names)
{
    size_t count = reader_u16(r);
    if (count > reader_left(r) / GROUP_BYTES_MIN)
        r->bad = true;
    names->groups = sf_calloc(reader_ok(r) ? count : 0, sizeof *names->groups);
    while (reader_ok(r) && names->count < count)
        names->count += group_get(r, &names->groups[names->count]);
}

static void free_names(struct name_list *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->groups[i].addresses);
    free(names->groups);
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

static void get_gain(struct reader *r, uint32_t shard_count, const struct name_list *names,
                     struct gain *gain)
{
    gain->shard = get_shard(r, shard_count);
    gain->first = reader_u8(r) != 0;
    size_t owners = reader_u8(r);
    uint64_t before = UINT64_MAX;
    for (size_t i = 0; i < owners && reader_ok(r); i++) {
        size_t at = reader_u16(r);
        uint64_t lost = reader_u64(r);
        if (at >= names->count || i >= CHAIN_MAX || lost == 0 || lost >= before)
            r->bad = true;
        else
            chain_add(&gain->chain, &names->groups[at], lost);
        before = lost;
    }
}

bool config_change_get(struct reader *r, uint32_t shard_count, struct config_change *change)
{
    struct name_list names = {0};
    struct config_change got = {.num = reader_u64(r)};
    get_names(r, &names);
    size_t gains = get_count(r, shard_count);
    got.gains = sf_calloc(gains, sizeof *got.gains);
    while (got.gain_count < gains && reader_ok(r))
        get_gain(r, shard_count, &names, &got.gains[got.gain_count++]);
    size_t losses = get_count(r, shard_count);
    got.losses = sf_calloc(losses, sizeof *got.losses);
    while (got.loss_count < losses && reader_ok(r))
        got.losses[got.loss_count++] = get_shard(r, shard_count);
    free_names(&names);
    *change = got;
    if (!reader_done(r) || got.num == 0)
        config_change_deinit(change);
    return change->num != 0;
}

/* The table of copies and its transitions. */
#include "shardkv/shards_inside.h"

#include <stdlib.h>
#include <utlist.h>

#include "env/mark.h"
#include "env/memory.h"
#include "proto/pack.h"
#include "shardkv/keys.h"

/* -- life ---------------------------------------------------------------------------------- */

struct shards *shards_new(const struct shards_options *options)
{
    sf_assert(options->shard_count >= 1 && options->shard_count <= SF_SHARDS_MAX);
    struct shards *shards = sf_calloc(1, sizeof *shards);
    shards->options = *options;
    shards->rows = sf_calloc(options->shard_count, sizeof(struct row *));
    return shards;
}

void row_free(struct row *row)
{
    chain_deinit(&row->chain);
    buffer_deinit(&row->cursor);
    free(row);
}

void duty_free(struct duty *duty)
{
    owner_deinit(&duty->owner);
    free(duty);
}

void shards_clear(struct shards *shards)
{
    struct row *row, *next_row;
    for (uint32_t shard = 0; shard < shards->options.shard_count; shard++) {
        DL_FOREACH_SAFE(shards->rows[shard], row, next_row)
        row_free(row);
        shards->rows[shard] = NULL;
    }
    struct duty *duty, *next_duty;
    DL_FOREACH_SAFE(shards->duties, duty, next_duty)
    duty_free(duty);
    shards->duties = NULL;
    struct aftermath *after, *next_after;
    LL_FOREACH_SAFE(shards->aftermath, after, next_after)
    free(after);
    shards->aftermath = NULL;
    shards->num = 0;
}

void shards_free(struct shards *shards)
{
    if (!shards)
        return;
    shards_clear(shards);
    free(shards->rows);
    free(shards);
}

/* -- looking up ---------------------------------------------------------------------------- */

struct row *shards_newest(const struct shards *shards, uint32_t shard)
{
    struct row *first = shard < shards->options.shard_count ? shards->rows[shard] : NULL;
    return first ? first->prev : NULL;
}

struct row *shards_find(const struct shards *shards, uint32_t shard, uint64_t home)
{
    struct row *row = shard < shards->options.shard_count ? shards->rows[shard] : NULL;
    while (row && row->home != home)
        row = row->next;
    return row;
}

struct duty *shards_find_duty(const struct shards *shards, uint32_t shard, uint64_t gained,
                              group_id gid, uint64_t identity)
{
    struct duty *duty = shards->duties;
    while (duty && !(duty->shard == shard && duty->gained == gained &&
                     owner_is(&duty->owner, gid, identity)))
        duty = duty->next;
    return duty;
}

static int by_gained(const struct row *a, const struct row *b)
{
    return a->gained < b->gained ? -1 : a->gained > b->gained;
}

void shards_insert(struct shards *shards, struct row *row)
{
    DL_INSERT_INORDER(shards->rows[row->shard], row, by_gained);
}

/* -- what transitions are made of ---------------------------------------------------------- */

static struct aftermath *aftermath_of(struct shards *shards, const struct row *row)
{
    struct aftermath *after;
    LL_FOREACH(shards->aftermath, after)
    {
        if (after->shard == row->shard && after->home == row->home)
            return after;
    }
    after = sf_calloc(1, sizeof *after);
    after->shard = row->shard;
    after->home = row->home;
    LL_APPEND(shards->aftermath, after);
    return after;
}

static void delete_data(struct shards *shards, struct store_batch *batch, const struct row *row)
{
    struct key from, to;
    struct shard_copy copy = {.shard = row->shard, .home = row->home};
    keys_copy_from(&from, copy);
    keys_copy_to(&to, copy);
    store_batch_delete_range(batch, key_slice(&from), key_slice(&to));
    aftermath_of(shards, row)->deleted = true;
}

static void remove_row(struct shards *shards, struct store_batch *batch, struct row *row)
{
    rows_delete(batch, row);
    DL_DELETE(shards->rows[row->shard], row);
    row_free(row);
}

static void remove_copy(struct shards *shards, struct store_batch *batch, struct row *row)
{
    delete_data(shards, batch, row);
    remove_row(shards, batch, row);
}

/* Custody came to the tenure of `row` over the heads of, or from, these owners: to be told. */
static void add_duties(struct shards *shards, struct store_batch *batch, const struct row *row,
                       uint64_t lost_above)
{
    const struct shards_options *self = &shards->options;
    for (size_t i = 0; i < row->chain.count; i++) {
        const struct owner *owner = &row->chain.owners[i];
        if (owner->lost <= lost_above || owner_is(owner, self->gid, self->group_identity))
            continue;
        struct duty *duty = sf_calloc(1, sizeof *duty);
        struct chain one = {0};
        chain_add(&one, &owner->group, owner->lost);
        duty->shard = row->shard;
        duty->gained = row->gained;
        duty->owner = one.owners[0];
        free(one.owners);
        DL_APPEND(shards->duties, duty);
        rows_put_duty(batch, duty);
    }
}

bool row_is_waiting(const struct row *row)
{
    return row->state == ROW_PULLING || row->state == ROW_COPIED;
}

bool row_is_keeper(const struct row *row)
{
    return row->state == ROW_SERVING || row->state == ROW_FROZEN;
}

static void set_keeper(struct row *row)
{
    row->state = row->lost == 0 ? ROW_SERVING : ROW_FROZEN;
    chain_deinit(&row->chain);
    buffer_deinit(&row->cursor);
    row->begun = false;
    row->source_lost = 0;
}

/* Where a frozen copy is here and the newest tenure waits for that shard, custody passes between
 * them within this group, and the data stays where it is (S5). */
static void shards_pass(struct shards *shards, struct store_batch *batch, uint32_t shard)
{
    struct row *frozen;
    DL_FOREACH(shards->rows[shard], frozen)
    {
        if (frozen->state == ROW_FROZEN)
            break;
    }
    struct row *newest = shards_newest(shards, shard);
    if (!frozen || frozen == newest || !row_is_waiting(newest))
        return;
    SF_MARK("hand-off: owner thawed its own copy");
    add_duties(shards, batch, newest, frozen->lost);
    DL_DELETE(shards->rows[shard], frozen);
    frozen->gained = newest->gained;
    frozen->lost = newest->lost;
    set_keeper(frozen);
    remove_copy(shards, batch, newest);
    shards_insert(shards, frozen);
    rows_put(batch, frozen);
}

/* -- transitions --------------------------------------------------------------------------- */

int shards_gain(struct shards *shards, struct store_batch *batch, uint64_t num, uint32_t shard,
                bool first, const struct chain *chain)
{
    const struct row *newest = shards_newest(shards, shard);
    if (shard >= shards->options.shard_count || (newest && newest->lost == 0))
        return SF_INVALID;
    struct row *row = sf_calloc(1, sizeof *row);
    row->shard = shard;
    row->state = first ? ROW_SERVING : ROW_PULLING;
    row->home = row->gained = num;
    chain_copy(&row->chain, chain);
    shards_insert(shards, row);
    rows_put(batch, row);
    if (first)
        shards->options.hooks.create_empty(shards->options.hooks.ctx, batch, shard, num);
    shards_pass(shards, batch, shard);
    return SF_OK;
}

int shards_lose(struct shards *shards, struct store_batch *batch, uint64_t num, uint32_t shard)
{
    struct row *row = shards_newest(shards, shard);
    if (!row || row->lost != 0)
        return SF_INVALID;
    if (row->state == ROW_PULLING) {
        SF_MARK("hand-off: shard lost while it is pulled");
        remove_copy(shards, batch, row);
        return SF_OK;
    }
    if (row->state == ROW_COPIED)
        SF_MARK("hand-off: shard lost before custody came");
    row->lost = num;
    if (row->state == ROW_SERVING) {
        row->state = ROW_FROZEN;
        aftermath_of(shards, row)->lost = true;
    }
    rows_put(batch, row);
    return SF_OK;
}

/* Begins to pull from the source that the chunk names, from the first pair. */
static void begin(struct shards *shards, struct store_batch *batch, struct row *row,
                  const struct chunk *chunk)
{
    if (row->begun) {
        SF_MARK("hand-off: pull begins again from the first pair");
        delete_data(shards, batch, row);
    }
    chain_deinit(&row->chain);
    chain_copy(&row->chain, &chunk->chain);
    row->begun = true;
    row->source_lost = chunk->source_lost;
}

static bool continues(const struct row *row, const struct chunk *chunk)
{
    if (!row->begun || row->source_lost != chunk->source_lost)
        return false;
    const struct owner *source = &row->chain.owners[row->chain.count - 1];
    return owner_is(source, chunk->gid, chunk->identity) &&
           slice_equal(buffer_slice(&row->cursor), chunk->from);
}

/* The next (key, value) of a chunk; false at the end, or where it is malformed (r->bad). */
static bool next_pair(struct reader *r, struct slice *key, struct slice *value)
{
    if (!reader_ok(r) || reader_left(r) == 0)
        return false;
    *key = reader_slice(r, KEYS_BYTES_MAX - KEYS_COPY_BYTES);
    *value = reader_slice(r, SF_MESSAGE_BYTES_MAX);
    return reader_ok(r);
}

bool chunk_check(const struct chunk *chunk)
{
    struct reader r = reader_of(chunk->pairs);
    struct slice key, value, last = chunk->from;
    while (next_pair(&r, &key, &value)) {
        if (slice_compare(key, last) <= 0)
            return false;
        last = key;
    }
    if (!reader_done(&r) || !slice_equal(last, chunk->to))
        return false;
    if (!chunk->last && chunk->pairs.n == 0)
        return false;
    if (chunk->from.n > 0)
        return chunk->chain.count == 0;
    return chunk->chain.count > 0 &&
           owner_is(&chunk->chain.owners[chunk->chain.count - 1], chunk->gid, chunk->identity);
}

static void put_pairs(struct store_batch *batch, const struct row *row, const struct chunk *chunk)
{
    struct key prefix;
    keys_copy_from(&prefix, (struct shard_copy){.shard = row->shard, .home = row->home});
    struct buffer full = {0};
    struct reader r = reader_of(chunk->pairs);
    struct slice key, value;
    while (next_pair(&r, &key, &value)) {
        buffer_set(&full, key_slice(&prefix));
        buffer_append(&full, key.p, key.n);
        store_batch_put(batch, buffer_slice(&full), value);
    }
    buffer_deinit(&full);
}

int shards_chunk(struct shards *shards, struct store_batch *batch, const struct chunk *chunk)
{
    struct row *row = shards_find(shards, chunk->shard, chunk->home);
    if (!row || row->state != ROW_PULLING)
        return SF_STALE;
    if (chunk->from.n == 0)
        begin(shards, batch, row, chunk);
    else if (!continues(row, chunk))
        return SF_STALE;
    put_pairs(batch, row, chunk);
    buffer_set(&row->cursor, chunk->to);
    if (chunk->last)
        row->state = ROW_COPIED;
    rows_put(batch, row);
    return SF_OK;
}

static struct row *find_copied(const struct shards *shards, uint32_t shard, uint64_t home,
                               uint64_t source_lost)
{
    struct row *row = shards_find(shards, shard, home);
    bool same = row && row->state == ROW_COPIED && row->source_lost == source_lost;
    return same ? row : NULL;
}

int shards_take(struct shards *shards, struct store_batch *batch, uint32_t shard, uint64_t home,
                uint64_t source_lost)
{
    struct row *row = find_copied(shards, shard, home, source_lost);
    if (!row)
        return SF_STALE;
    add_duties(shards, batch, row, 0);
    set_keeper(row);
    rows_put(batch, row);
    shards_pass(shards, batch, shard);
    return SF_OK;
}

int shards_drop(struct shards *shards, struct store_batch *batch, uint32_t shard, uint64_t home,
                uint64_t source_lost)
{
    struct row *row = find_copied(shards, shard, home, source_lost);
    if (!row)
        return SF_STALE;
    if (row->lost != 0) {
        remove_copy(shards, batch, row);
        return SF_OK;
    }
    delete_data(shards, batch, row);
    row->state = ROW_PULLING;
    row->begun = false;
    row->source_lost = 0;
    buffer_clear(&row->cursor);
    rows_put(batch, row);
    return SF_OK;
}

bool taker_equal(const struct taker *a, const struct taker *b)
{
    return a->gid == b->gid && a->identity == b->identity && a->gained == b->gained;
}

int shards_give(struct shards *shards, struct store_batch *batch, uint32_t shard, uint64_t lost,
                const struct taker *taker)
{
    const struct shards_options *self = &shards->options;
    bool to_self = taker->gid == self->gid && taker->identity == self->group_identity;
    if (shard >= self->shard_count || to_self || lost == 0 || taker->gained < lost)
        return SF_INVALID;
    struct row *row;
    DL_FOREACH(shards->rows[shard], row)
    {
        if (row->lost != lost)
            continue;
        if (row->state == ROW_GIVEN && taker_equal(&row->taker, taker))
            return SF_OK;
        if (row->state != ROW_FROZEN)
            continue;
        row->state = ROW_GIVEN;
        row->taker = *taker;
        delete_data(shards, batch, row);
        rows_put(batch, row);
        return SF_OK;
    }
    return SF_GONE;
}

int shards_settle(struct shards *shards, struct store_batch *batch, uint32_t shard, uint64_t lost)
{
    if (shard >= shards->options.shard_count)
        return SF_INVALID;
    int status = SF_OK;
    struct row *row, *next;
    DL_FOREACH_SAFE(shards->rows[shard], row, next)
    {
        if (row->lost == 0 || row->lost > lost)
            continue;
        if (row->state == ROW_GIVEN)
            remove_row(shards, batch, row);
        else if (row->state == ROW_COPIED)
            remove_copy(shards, batch, row);
        else
            status = SF_INVALID; /* a keeper is not told that there is another one */
    }
    return status;
}

int shards_told(struct shards *shards, struct store_batch *batch, uint32_t shard, uint64_t gained,
                group_id gid, uint64_t identity)
{
    struct duty *duty = shards_find_duty(shards, shard, gained, gid, identity);
    if (!duty)
        return SF_STALE;
    rows_delete_duty(batch, duty);
    DL_DELETE(shards->duties, duty);
    duty_free(duty);
    return SF_OK;
}

/* -- after the batch ----------------------------------------------------------------------- */

static void reclaim(const struct shards *shards, const struct aftermath *after)
{
    struct key from, to;
    struct shard_copy copy = {.shard = after->shard, .home = after->home};
    keys_copy_from(&from, copy);
    keys_copy_to(&to, copy);
    store_reclaim(&shards->space, key_slice(&from), key_slice(&to));
}

void shards_applied(struct shards *shards)
{
    const struct shards_hooks *hooks = &shards->options.hooks;
    struct aftermath *after;
    while ((after = shards->aftermath) != NULL) {
        LL_DELETE(shards->aftermath, after);
        if (after->lost)
            hooks->lost(hooks->ctx, after->shard, after->home);
        if (after->deleted)
            reclaim(shards, after);
        free(after);
    }
    sf_assert_slow(shards_check(shards));
}

/* -- questions ----------------------------------------------------------------------------- */

bool shards_serving(const struct shards *shards, uint32_t shard, uint64_t *home)
{
    const struct row *row = shards_newest(shards, shard);
    if (!row || row->state != ROW_SERVING)
        return false;
    if (home)
        *home = row->home;
    return true;
}

bool shards_serving_home(const struct shards *shards, uint32_t shard, uint64_t home)
{
    uint64_t present;
    return shards_serving(shards, shard, &present) && present == home;
}

uint64_t shards_config_num(const struct shards *shards)
{
    return shards->num;
}

uint32_t shards_count(const struct shards *shards)
{
    return shards->options.shard_count;
}

enum routing shards_routing(const struct shards *shards)
{
    return shards->options.routing;
}

void shards_each_serving(const struct shards *shards,
                         void (*visit)(void *ctx, uint32_t shard, uint64_t home), void *ctx)
{
    for (uint32_t shard = 0; shard < shards->options.shard_count; shard++) {
        uint64_t home;
        if (shards_serving(shards, shard, &home))
            visit(ctx, shard, home);
    }
}

void shards_status(const struct shards *shards, struct buffer *out)
{
    size_t counts[ROW_STATE_LIMIT] = {0};
    const struct row *row;
    for (uint32_t shard = 0; shard < shards->options.shard_count; shard++) {
        DL_FOREACH(shards->rows[shard], row)
        counts[row->state]++;
    }
    size_t serving = counts[ROW_SERVING];
    size_t owing = counts[ROW_COPIED] + counts[ROW_FROZEN] + counts[ROW_GIVEN];
    pack_map(out, 4);
    pack_str(out, "config");
    pack_u64(out, shards->num);
    pack_str(out, "serving");
    pack_u64(out, serving);
    pack_str(out, "moving");
    pack_u64(out, owing + counts[ROW_PULLING]);
    pack_str(out, "holding");
    pack_u64(out, owing + serving);
}

#include "shardkv_handoff/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "env/memory.h"
#include "shardkv/keys.h"
#include "shardkv/shard.h"
#include "shardkv/shards_entry.h"

#define CHUNK_BYTES 40u
#define FILLERS                                                                                    \
    6u /* pairs beside the counter in each shard, so that a copy takes several chunks              \
        */

enum question { ASK_PULL, ASK_CUSTODY, ASK_SETTLED };

/* A question from one group to another, then (answered) its answer on the way back. */
struct model_message {
    struct model_message *prev, *next;
    enum question question;
    struct model_group *from, *to; /* who asks, who is asked */
    bool answered;
    uint32_t shard;
    uint64_t lost;         /* PULL, SETTLED: bound; CUSTODY, answer of PULL: exact */
    uint64_t home, gained; /* of the asker's copy */
    struct chain chain;    /* PULL: up to the one asked */
    struct buffer cursor, next_cursor, pairs;
    bool last;
    int status;
};

/* An entry's body on its way into a group's log. */
struct model_entry {
    struct model_entry *prev, *next;
    struct buffer body;
};

/* -- randomness, life ---------------------------------------------------------------------- */

uint64_t model_random_below(struct model *model, uint64_t limit)
{
    model->seed ^= model->seed << 13;
    model->seed ^= model->seed >> 7;
    model->seed ^= model->seed << 17;
    return model->seed % limit;
}

static void message_free(struct model_message *m)
{
    chain_deinit(&m->chain);
    buffer_deinit(&m->cursor);
    buffer_deinit(&m->next_cursor);
    buffer_deinit(&m->pairs);
    free(m);
}

static void entry_free(struct model_entry *entry)
{
    buffer_deinit(&entry->body);
    free(entry);
}

static void put_pair(struct store_batch *batch, uint32_t shard, uint64_t home, const char *name,
                     uint64_t value)
{
    struct key key;
    keys_copy_from(&key, (struct shard_copy){.shard = shard, .home = home});
    struct buffer full = {0}, bytes = {0};
    buffer_set(&full, key_slice(&key));
    buffer_append(&full, name, strlen(name));
    buffer_put_u64(&bytes, value);
    store_batch_put(batch, buffer_slice(&full), buffer_slice(&bytes));
    buffer_deinit(&full);
    buffer_deinit(&bytes);
}

/* The key that comes with a write and goes with the next. */
static void put_mark(struct store_batch *batch, uint32_t shard, uint64_t home, uint64_t counter)
{
    char name[24];
    snprintf(name, sizeof name, "a-mark%u", (unsigned)(counter % 7));
    put_pair(batch, shard, home, name, counter);
}

static void delete_mark(struct store_batch *batch, uint32_t shard, uint64_t home, uint64_t counter)
{
    struct key key;
    keys_copy_from(&key, (struct shard_copy){.shard = shard, .home = home});
    char name[24];
    snprintf(name, sizeof name, "a-mark%u", (unsigned)(counter % 7));
    struct buffer full = {0};
    buffer_set(&full, key_slice(&key));
    buffer_append(&full, name, strlen(name));
    store_batch_delete(batch, buffer_slice(&full));
    buffer_deinit(&full);
}

static void create_empty(void *ctx, struct store_batch *batch, uint32_t shard, uint64_t home)
{
    (void)ctx;
    put_pair(batch, shard, home, "counter", 0);
    put_mark(batch, shard, home, 0);
    for (unsigned i = 0; i < FILLERS; i++) {
        char name[16];
        snprintf(name, sizeof name, "filler%u", i);
        put_pair(batch, shard, home, name, i);
    }
}

static void on_lost(void *ctx, uint32_t shard, uint64_t home)
{
    (void)ctx;
    (void)shard;
    (void)home;
}

static void group_init(struct model_group *g, size_t i)
{
    g->group.gid = i % 3 + 1;
    g->group.address_count = 1;
    g->group.addresses = sf_calloc(1, sizeof g->group.addresses[0]);
    snprintf(g->group.addresses[0], SF_ADDRESS_BYTES_MAX, "host%zu:1", i);
    g->identity = group_identity(&g->group);
    g->up = true;
    g->image = store_image_new();
    g->store = store_memory_open(g->image);
    g->space = (struct space){.store = g->store};
    struct shards_options options = {.gid = g->group.gid,
                                     .group_identity = g->identity,
                                     .shard_count = MODEL_SHARDS,
                                     .routing = ROUTING_HASH,
                                     .hooks = {.create_empty = create_empty, .lost = on_lost}};
    g->shards = shards_new(&options);
    sf_assert(shards_restored(g->shards, &g->space) == SF_OK);
}

struct model *model_new(uint64_t seed)
{
    sf_assert_slow_enabled = true;
    struct model *model = sf_calloc(1, sizeof *model);
    model->seed = seed * 0x9e3779b97f4a7c15ull + 1;
    for (size_t i = 0; i < MODEL_GROUPS; i++)
        group_init(&model->groups[i], i);
    model->configs[0] = config_new(MODEL_SHARDS, ROUTING_HASH);
    model->history = history_new(0);
    return model;
}

void model_free(struct model *model)
{
    struct model_message *m, *next;
    DL_FOREACH_SAFE(model->messages, m, next)
    message_free(m);
    for (size_t i = 0; i < MODEL_GROUPS; i++) {
        struct model_entry *entry, *next_entry;
        DL_FOREACH_SAFE(model->groups[i].entries, entry, next_entry)
        entry_free(entry);
        shards_free(model->groups[i].shards);
        store_close(model->groups[i].store);
        store_image_free(model->groups[i].image);
        free(model->groups[i].group.addresses);
    }
    for (size_t i = 0; i <= model->config_num; i++)
        config_free(model->configs[i]);
    history_free(model->history);
    free(model);
}

/* -- one group's log ----------------------------------------------------------------------- */

static void apply(struct model_group *g, struct slice body)
{
    struct store_batch *batch = store_batch_new(&g->space);
    struct buffer reply = {0};
    shards_apply(g->shards, body, batch, &reply);
    sf_assert(entry_status(buffer_slice(&reply)) != SF_PROTOCOL);
    sf_assert(entry_status(buffer_slice(&reply)) != SF_INVALID);
    sf_assert(store_write(g->store, batch) == SF_OK);
    shards_applied(g->shards);
    store_batch_free(batch);
    buffer_deinit(&reply);
}

static void propose(struct model_group *g, struct buffer *body)
{
    struct model_entry *entry = sf_calloc(1, sizeof *entry);
    entry->body = *body;
    DL_APPEND(g->entries, entry);
}

/* One of the proposals comes into the log, sometimes again later, or gets lost. */
static void log_one(struct model *model, struct model_group *g)
{
    struct model_entry *entry;
    size_t count;
    DL_COUNT(g->entries, entry, count);
    if (count == 0)
        return;
    entry = g->entries;
    for (uint64_t at = model_random_below(model, count); at > 0; at--)
        entry = entry->next;
    uint64_t fate = model_random_below(model, 10);
    if (fate != 0)
        apply(g, buffer_slice(&entry->body));
    if (fate == 1)
        return;
    DL_DELETE(g->entries, entry);
    entry_free(entry);
}

/* The next Config, where this group is in one already or it is the first that names it. */
static bool make_next_config(struct model *model, struct model_group *g, struct buffer *body)
{
    uint64_t num = shards_config_num(g->shards) + 1;
    if (num == 1) {
        while (num <= model->config_num &&
               !config_names(model->configs[num], g->group.gid, g->identity))
            num++;
    }
    if (num > model->config_num)
        return false;
    struct config_change change;
    uint64_t missing;
    int status =
        config_change_make(&change, g->shards, model->configs[num], model->history, &missing);
    sf_assert(status == SF_OK);
    entry_put_config(body, &change);
    config_change_deinit(&change);
    return true;
}

void model_catch_up(struct model *model, size_t i)
{
    struct model_group *g = &model->groups[i];
    struct buffer body = {0};
    while (make_next_config(model, g, &body)) {
        apply(g, buffer_slice(&body));
        buffer_deinit(&body);
    }
}

/* -- writing ------------------------------------------------------------------------------- */

/* The counter. All other pairs are there, and none that was deleted. */
static uint64_t read_shard(const struct model_group *g, uint32_t shard, uint64_t home)
{
    uint64_t counter = 0;
    size_t pairs = 0;
    struct key from, to;
    keys_copy_from(&from, (struct shard_copy){.shard = shard, .home = home});
    keys_copy_to(&to, (struct shard_copy){.shard = shard, .home = home});
    struct store_iter *iter = store_iter_new(&g->space, NULL, key_slice(&from), key_slice(&to));
    for (; store_iter_valid(iter); store_iter_next(iter), pairs++) {
        struct reader r = reader_of(store_iter_value(iter));
        if (pairs == 1)
            counter = reader_u64(&r); /* "counter" comes after "a-mark" */
    }
    store_iter_free(iter);
    sf_assert(pairs == FILLERS + 2);
    return counter;
}

void model_write(struct model *model, size_t i, uint32_t shard)
{
    struct model_group *g = &model->groups[i];
    uint64_t home;
    if (!shards_serving(g->shards, shard, &home))
        return;
    sf_assert(read_shard(g, shard, home) == model->counters[shard]);
    model->writes++;
    struct store_batch *batch = store_batch_new(&g->space);
    delete_mark(batch, shard, home, model->counters[shard]);
    put_pair(batch, shard, home, "counter", ++model->counters[shard]);
    put_mark(batch, shard, home, model->counters[shard]);
    sf_assert(store_write(g->store, batch) == SF_OK);
    store_batch_free(batch);
}

/* -- questions and answers ----------------------------------------------------------------- */

static struct model_group *group_of(struct model *model, const struct owner *owner)
{
    for (size_t i = 0; i < MODEL_GROUPS; i++) {
        if (owner_is(owner, model->groups[i].group.gid, model->groups[i].identity))
            return &model->groups[i];
    }
    return NULL;
}

static struct model_message *ask(struct model *model, enum question question,
                                 struct model_group *from, const struct owner *to)
{
    struct model_message *m = sf_calloc(1, sizeof *m);
    m->question = question;
    m->from = from;
    m->to = group_of(model, to);
    m->lost = to->lost;
    DL_APPEND(model->messages, m);
    return m;
}

/* All earlier owners but the group itself, newest first. */
static void whole_chain(const struct model *model, const struct model_group *g,
                        const struct row *row, struct chain *chain)
{
    struct owner_walk walk = {.shard = row->shard, .at = row->gained - 1};
    const struct group *group;
    uint64_t lost;
    while (owner_walk_next(&walk, model->history, &group, &lost) == SF_OK) {
        uint64_t identity = group_identity(group);
        bool self = group->gid == g->group.gid && identity == g->identity;
        if (!self && chain_find(chain, group->gid, identity) == chain->count)
            chain_add(chain, group, lost);
    }
}

static void ask_pull(struct model *model, struct model_group *g, const struct row *row)
{
    struct chain chain = {0};
    bool go_on = row->begun && model_random_below(model, 8) != 0;
    if (go_on)
        chain_copy(&chain, &row->chain);
    else
        whole_chain(model, g, row, &chain);
    if (chain.count == 0)
        return; /* it gave an older copy to a later tenure than this one, which it will lose */
    size_t at = go_on ? chain.count - 1 : model_random_below(model, chain.count);
    struct model_message *m = ask(model, ASK_PULL, g, &chain.owners[at]);
    m->shard = row->shard;
    m->home = row->home;
    m->gained = row->gained;
    if (go_on)
        buffer_set(&m->cursor, buffer_slice(&row->cursor));
    for (size_t i = 0; i <= at; i++)
        chain_add(&m->chain, &chain.owners[i].group, chain.owners[i].lost);
    chain_deinit(&chain);
}

static void ask_custody(struct model *model, struct model_group *g, const struct row *row)
{
    struct model_message *m = ask(model, ASK_CUSTODY, g, &row->chain.owners[row->chain.count - 1]);
    m->shard = row->shard;
    m->home = row->home;
    m->gained = row->gained;
    m->lost = row->source_lost;
}

static void ask_settled(struct model *model, struct model_group *g, const struct duty *duty)
{
    struct model_message *m = ask(model, ASK_SETTLED, g, &duty->owner);
    m->shard = duty->shard;
    m->gained = duty->gained;
}

static void answer_pull(struct model_message *m)
{
    const struct row *row;
    m->status = shards_answer_pull(m->to->shards, m->shard, m->lost, &row);
    if (m->status != SF_OK)
        return;
    m->lost = row->lost;
    sf_assert(copy_read(&m->to->space, row, buffer_slice(&m->cursor), CHUNK_BYTES, &m->pairs,
                        &m->next_cursor, &m->last) == SF_OK);
}

static void answer_custody(struct model_message *m)
{
    struct taker taker = {m->from->group.gid, m->from->identity, m->gained};
    bool give;
    m->status = shards_answer_custody(m->to->shards, m->shard, m->lost, &taker, &give);
    if (!give)
        return;
    struct buffer body = {0};
    entry_put_give(&body, m->shard, m->lost, &taker);
    propose(m->to, &body);
}

static void answer_settled(struct model_message *m)
{
    bool settle;
    m->status = shards_answer_settled(m->to->shards, m->shard, m->lost, &settle);
    sf_assert(m->status != SF_INVALID);
    if (!settle)
        return;
    struct buffer body = {0};
    entry_put_settle(&body, m->shard, m->lost);
    propose(m->to, &body);
}

static void answer(struct model_message *m)
{
    m->answered = true;
    if (m->question == ASK_PULL)
        answer_pull(m);
    else if (m->question == ASK_CUSTODY)
        answer_custody(m);
    else
        answer_settled(m);
}

static void on_pulled(struct model_message *m)
{
    const struct owner *source = &m->chain.owners[m->chain.count - 1];
    if (m->status != SF_OK)
        return;
    struct chunk chunk = {.shard = m->shard, .home = m->home, .source_lost = m->lost};
    chunk.gid = source->group.gid;
    chunk.identity = source->identity;
    chunk.from = buffer_slice(&m->cursor);
    chunk.to = buffer_slice(&m->next_cursor);
    chunk.last = m->last;
    chunk.pairs = buffer_slice(&m->pairs);
    if (m->cursor.n == 0)
        chunk.chain = m->chain;
    struct buffer body = {0};
    entry_put_chunk(&body, &chunk);
    propose(m->from, &body);
}

static void on_custody(struct model_message *m)
{
    struct row row = {.shard = m->shard, .home = m->home, .source_lost = m->lost};
    struct buffer body = {0};
    if (m->status == SF_OK)
        entry_put_take(&body, &row);
    else if (m->status == SF_GONE)
        entry_put_drop(&body, &row);
    else
        return;
    propose(m->from, &body);
}

static void on_settled(struct model_message *m)
{
    const struct duty *duty =
        shards_find_duty(m->from->shards, m->shard, m->gained, m->to->group.gid, m->to->identity);
    if (m->status != SF_OK || !duty)
        return;
    struct buffer body = {0};
    entry_put_told(&body, duty);
    propose(m->from, &body);
}

/* Where it is on the way back its asker hears the answer, else who is asked gives it. */
static void deliver(struct model_message *m)
{
    if (!m->answered) {
        answer(m);
        return;
    }
    if (m->question == ASK_PULL)
        on_pulled(m);
    else if (m->question == ASK_CUSTODY)
        on_custody(m);
    else
        on_settled(m);
}

static struct model_message *message_copy(const struct model_message *m)
{
    struct model_message *copy = sf_calloc(1, sizeof *copy);
    *copy = *m;
    copy->chain = (struct chain){0};
    chain_copy(&copy->chain, &m->chain);
    copy->cursor = copy->next_cursor = copy->pairs = (struct buffer){0};
    buffer_set(&copy->cursor, buffer_slice(&m->cursor));
    buffer_set(&copy->next_cursor, buffer_slice(&m->next_cursor));
    buffer_set(&copy->pairs, buffer_slice(&m->pairs));
    return copy;
}

/* Takes a message off the network; mostly it arrives, sometimes it also stays there. */
static void network(struct model *model)
{
    struct model_message *m;
    size_t count;
    DL_COUNT(model->messages, m, count);
    if (count == 0)
        return;
    uint64_t at = model_random_below(model, count);
    for (m = model->messages; at > 0; at--)
        m = m->next;
    if (model_random_below(model, 8) == 0) {
        struct model_message *twin = message_copy(m);
        DL_APPEND(model->messages, twin);
    }
    DL_DELETE(model->messages, m);
    bool was_answer = m->answered;
    const struct model_group *receiver = was_answer ? m->from : m->to;
    bool arrives = receiver->up && model_random_below(model, 8) != 0;
    if (arrives)
        deliver(m);
    if (arrives && !was_answer)
        DL_APPEND(model->messages, m);
    else
        message_free(m);
}

/* -- what a leader does -------------------------------------------------------------------- */

static void lead_row(struct model *model, struct model_group *g, const struct row *row)
{
    if (row->state == ROW_PULLING)
        ask_pull(model, g, row);
    else if (row->state == ROW_COPIED)
        ask_custody(model, g, row);
}

static void lead(struct model *model, struct model_group *g)
{
    uint32_t shard = (uint32_t)model_random_below(model, MODEL_SHARDS);
    const struct row *row;
    DL_FOREACH(g->shards->rows[shard], row)
    lead_row(model, g, row);
    const struct duty *duty;
    DL_FOREACH(g->shards->duties, duty)
    if (model_random_below(model, 4) == 0)
        ask_settled(model, g, duty);
}

static void lead_config(struct model *model, struct model_group *g)
{
    struct buffer body = {0};
    if (make_next_config(model, g, &body))
        propose(g, &body);
}

/* The process ends and comes back with what is in its store. */
static void restart(struct model_group *g)
{
    sf_assert(shards_restored(g->shards, &g->space) == SF_OK);
}

void model_step(struct model *model)
{
    size_t i = model_random_below(model, MODEL_GROUPS);
    struct model_group *g = &model->groups[i];
    uint64_t what = model_random_below(model, 100);
    if (what < 50)
        network(model);
    else if (!g->up)
        return;
    else if (what < 65)
        lead(model, g);
    else if (what < 85)
        log_one(model, g);
    else if (what < 95)
        model_write(model, i, (uint32_t)model_random_below(model, MODEL_SHARDS));
    else if (what < 99)
        lead_config(model, g);
    else
        restart(g);
    model_check(model);
}

/* -- the masters --------------------------------------------------------------------------- */

static void add_config(struct model *model, struct config *config)
{
    sf_assert(model->config_num + 1 < MODEL_CONFIGS_MAX);
    model->configs[++model->config_num] = config;
    history_add(model->history, config);
}

void model_join(struct model *model, size_t i)
{
    struct config *config;
    group_id which;
    if (config_join(model->configs[model->config_num], &model->groups[i].group, 1, &config,
                    &which) == SF_OK)
        add_config(model, config);
}

void model_leave(struct model *model, size_t i)
{
    struct config *config;
    group_id which;
    const struct model_group *g = &model->groups[i];
    const struct config *now = model->configs[model->config_num];
    if (config_names(now, g->group.gid, g->identity) &&
        config_leave(now, &g->group.gid, 1, &config, &which) == SF_OK)
        add_config(model, config);
}

void model_move(struct model *model, uint32_t shard, size_t i)
{
    struct config *config = NULL;
    const struct model_group *g = &model->groups[i];
    const struct config *now = model->configs[model->config_num];
    if (config_names(now, g->group.gid, g->identity) &&
        config_move(now, shard, g->group.gid, &config) == SF_OK && config)
        add_config(model, config);
}

void model_reconfigure(struct model *model)
{
    size_t i = model_random_below(model, MODEL_GROUPS);
    uint64_t what = model_random_below(model, 4);
    if (what == 0)
        model_join(model, i);
    else if (what == 1)
        model_leave(model, i);
    else
        model_move(model, (uint32_t)model_random_below(model, MODEL_SHARDS), i);
}

/* -- the end, and the checks --------------------------------------------------------------- */

static bool is_settled(const struct model *model)
{
    for (size_t i = 0; i < MODEL_GROUPS; i++) {
        const struct model_group *g = &model->groups[i];
        if (!g->up)
            continue;
        if (g->shards->duties)
            return false;
        for (uint32_t shard = 0; shard < MODEL_SHARDS; shard++) {
            const struct row *row = g->shards->rows[shard];
            const struct config *now = model->configs[model->config_num];
            bool kept = row && !row->next &&
                        (row->state == ROW_SERVING ||
                         (row->state == ROW_FROZEN && now->shards[shard] == 0));
            if (row && !kept)
                return false;
        }
    }
    return true;
}

bool model_settle(struct model *model)
{
    for (size_t i = 0; i < MODEL_GROUPS; i++)
        if (model->groups[i].up)
            model_catch_up(model, i);
    for (unsigned round = 0; round < 100000 && !is_settled(model); round++)
        model_step(model);
    return is_settled(model);
}

static void check_one_keeper(const struct model *model, uint32_t shard)
{
    size_t keepers = 0;
    for (size_t i = 0; i < MODEL_GROUPS; i++) {
        const struct row *row;
        DL_FOREACH(model->groups[i].shards->rows[shard], row)
        keepers += row_is_keeper(row);
    }
    sf_assert(keepers <= 1);
}

void model_check(struct model *model)
{
    for (size_t i = 0; i < MODEL_GROUPS; i++)
        sf_assert(shards_check(model->groups[i].shards));
    for (uint32_t shard = 0; shard < MODEL_SHARDS; shard++)
        check_one_keeper(model, shard);
}

/* All data in a group's store is that of shards it keeps. */
static void check_no_remains(const struct model_group *g)
{
    struct store_iter *iter = store_iter_new(&g->space, NULL, slice_str("S"), slice_str("T"));
    for (; store_iter_valid(iter); store_iter_next(iter)) {
        struct reader r = reader_of(store_iter_key(iter));
        (void)reader_u8(&r);
        uint32_t shard = reader_u16_big(&r);
        const struct row *row = shards_find(g->shards, shard, reader_u64_big(&r));
        sf_assert(row && row_is_keeper(row));
    }
    store_iter_free(iter);
}

void model_check_settled(struct model *model)
{
    const struct config *now = model->configs[model->config_num];
    for (size_t i = 0; i < MODEL_GROUPS; i++) {
        const struct model_group *g = &model->groups[i];
        bool named = config_names(now, g->group.gid, g->identity);
        for (uint32_t shard = 0; shard < MODEL_SHARDS; shard++) {
            bool owner = named && now->shards[shard] == g->group.gid;
            sf_assert(shards_serving(g->shards, shard, NULL) == owner);
            model_write(model, i, shard);
        }
        check_no_remains(g);
    }
}

enum row_state model_state(const struct model *model, size_t i, uint32_t shard)
{
    const struct row *row = shards_newest(model->groups[i].shards, shard);
    return row ? row->state : 0;
}

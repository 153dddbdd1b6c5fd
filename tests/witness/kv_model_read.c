/* Reads, at any position that is not forgotten. */
#include "witness/kv_model_inside.h"

/* -- what was there ------------------------------------------------------------------------ */

/* The state at a position: the last of those that began at it or before. NULL: absent. */
static struct value *value_at(const struct kv_model_key *key, uint64_t position)
{
    size_t i = key->state_count;
    while (i > 0 && key->states[i - 1].position > position)
        i--;
    return i > 0 ? key->states[i - 1].value : NULL;
}

static void forget_states(struct kv_model_key *key, uint64_t position)
{
    size_t gone = 0;
    while (gone + 1 < key->state_count && key->states[gone + 1].position <= position)
        kvm_value_unref(key->states[gone++].value);
    if (gone == 0)
        return;
    key->state_count -= gone;
    memmove(key->states, key->states + gone, key->state_count * sizeof *key->states);
}

static void forget_plain(struct kv_model_shard *shard, uint64_t position)
{
    size_t gone = 0;
    while (gone + 1 < shard->plain_count && shard->plain[gone + 1].position <= position)
        gone++;
    if (gone == 0)
        return;
    shard->plain_count -= gone;
    memmove(shard->plain, shard->plain + gone, shard->plain_count * sizeof *shard->plain);
}

void kv_model_forget(struct kv_model *model, uint64_t position)
{
    for (struct kv_model_key *key = model->keys; key != NULL; key = key->hh.next)
        forget_states(key, position);
    for (uint32_t i = 0; i < model->options.shard_count; i++)
        forget_plain(&model->shards[i], position);
    for (uint32_t i = 0; i < model->options.shard_count; i++)
        kvm_locks_forget(&model->shards[i], position);
}

/* -- one key ------------------------------------------------------------------------------- */

static int status_of_read(const struct value *value, const struct kv_op *op)
{
    int status = kvm_precondition(value, op);
    if (status == SF_OK && value == NULL)
        status = SF_NOT_FOUND;
    if (status != SF_OK || value->kind == RECORD_VALUE || op->kind == KV_STAT)
        return status;
    return value->kind == RECORD_REFERENCE ? SF_IS_REFERENCE : SF_IS_DIRECTORY;
}

static struct slice part_of(const struct value *value, const struct kv_op *op)
{
    if (op->offset >= value->head.n)
        return slice_of(NULL, 0);
    size_t left = value->head.n - (size_t)op->offset;
    return slice_of(value->head.p + op->offset, op->length < left ? (size_t)op->length : left);
}

static void read_value(const struct value *value, const struct kv_op *op, struct kv_reply *reply)
{
    *reply = (struct kv_reply){.status = status_of_read(value, op)};
    if (value == NULL)
        return;
    kvm_value_stat(value, &reply->stat);
    reply->stat.attr = buffer_slice(&value->attr);
    bool shows_all = value->kind != RECORD_VALUE && reply->status != SF_PRECONDITION;
    if (shows_all || (reply->status == SF_OK && op->kind == KV_GET))
        reply->data = buffer_slice(&value->head);
    if (reply->status == SF_OK && op->kind == KV_GET)
        reply->partial = value->length > value->head.n;
    if (reply->status == SF_OK && op->kind == KV_GET_RANGE)
        reply->data = part_of(value, op);
}

static bool is_this(const struct kv_reply *expected, struct slice reply)
{
    struct buffer b = {0};
    kv_reply_pack(&b, expected);
    bool same = slice_equal(buffer_slice(&b), reply);
    buffer_deinit(&b);
    return same;
}

/* -- pages --------------------------------------------------------------------------------- */

static bool is_in(uint32_t shard, const struct kv_model_read *read)
{
    for (size_t i = 0; i < read->shard_count; i++)
        if (read->shards[i] == shard)
            return true;
    return false;
}

struct page {
    struct kv_entry *entries;
    size_t count, cap;
};

static int by_name(const void *a, const void *b)
{
    return slice_compare(((const struct kv_entry *)a)->name, ((const struct kv_entry *)b)->name);
}

static void add_to_page(struct page *page, const struct kv_model_key *key, const struct kv_op *op,
                        const struct value *value)
{
    struct slice name = slice_of(key->name.p + 1, key->name.n - 1);
    if (key->space != op->space || !slice_has_prefix(name, op->key))
        return;
    name = slice_of(name.p + op->key.n, name.n - op->key.n);
    if (op->data.n > 0 && slice_compare(name, op->data) <= 0)
        return;
    page->entries = kvm_array_room(page->entries, page->count, &page->cap, sizeof *page->entries);
    struct kv_entry *entry = &page->entries[page->count++];
    *entry = (struct kv_entry){.name = name};
    kvm_value_stat(value, &entry->stat);
    entry->stat.attr = buffer_slice(&value->attr);
    if (value->kind != RECORD_VALUE)
        entry->data = buffer_slice(&value->head);
}

static void add_plain_state(const struct kv_model_shard *shard, uint64_t position,
                            struct kv_stat *stat)
{
    size_t i = shard->plain_count;
    while (i > 0 && shard->plain[i - 1].position > position)
        i--;
    if (i == 0)
        return;
    const struct plain_state *at = &shard->plain[i - 1];
    stat->version = at->version > stat->version ? at->version : stat->version;
    stat->mtime_ns = at->time_ns > stat->mtime_ns ? at->time_ns : stat->mtime_ns;
    stat->ctime_ns = stat->mtime_ns;
}

static void fill_page(const struct kv_model *model, const struct kv_model_read *read,
                      uint64_t position, struct page *page)
{
    for (const struct kv_model_key *key = model->keys; key != NULL; key = key->hh.next) {
        const struct value *value = value_at(key, position);
        if (value != NULL && is_in(key->shard->number, read))
            add_to_page(page, key, read->op, value);
    }
    if (page->count > 0)
        qsort(page->entries, page->count, sizeof *page->entries, by_name);
}

static bool page_is(const struct kv_model *model, const struct kv_model_read *read,
                    uint64_t position, struct slice reply)
{
    const struct kv_op *op = read->op;
    struct page page = {.count = 0};
    struct kv_reply expected = {0};
    fill_page(model, read, position, &page);
    expected.entries = page.entries;
    expected.more = page.count > op->length;
    expected.entry_count = expected.more ? (size_t)op->length : page.count;
    if (op->space == KV_PLAIN)
        expected.stat.kind = RECORD_DIRECTORY;
    for (size_t i = 0; i < read->shard_count && op->space == KV_PLAIN; i++)
        add_plain_state(&model->shards[read->shards[i]], position, &expected.stat);
    bool same = is_this(&expected, reply);
    free(page.entries);
    return same;
}

/* Did anything of these shards change at the position? */
static bool is_change(const struct kv_model *model, const struct kv_model_read *read,
                      uint64_t position)
{
    for (const struct kv_model_key *key = model->keys; key != NULL; key = key->hh.next) {
        if (!is_in(key->shard->number, read))
            continue;
        for (size_t i = key->state_count; i > 0 && key->states[i - 1].position >= position; i--)
            if (key->states[i - 1].position == position)
                return true;
    }
    return false;
}

static bool explains_page(const struct kv_model *model, const struct kv_model_read *read,
                          struct slice reply)
{
    if (page_is(model, read, read->from, reply))
        return true;
    for (uint64_t at = read->from + 1; at <= read->to; at++)
        if (is_change(model, read, at) && page_is(model, read, at, reply))
            return true;
    return false;
}

/* -- judging ------------------------------------------------------------------------------- */

static const struct kv_model_key *key_of(struct kv_model *model, const struct kv_model_read *read)
{
    return kv_model_key_of(model, &model->shards[read->shards[0]], read->op->space, read->op->key);
}

bool kv_model_explains(struct kv_model *model, const struct kv_model_read *read, struct slice reply)
{
    struct kv_reply expected;
    if (read->op->kind == KV_SCAN)
        return explains_page(model, read, reply);
    if (kv_is_lock(read->op->kind))
        return kvm_lock_explains(model, read, reply);
    const struct kv_model_key *key = key_of(model, read);
    read_value(value_at(key, read->from), read->op, &expected);
    if (is_this(&expected, reply))
        return true;
    for (size_t i = key->state_count; i > 0 && key->states[i - 1].position > read->from; i--) {
        read_value(key->states[i - 1].value, read->op, &expected);
        if (key->states[i - 1].position <= read->to && is_this(&expected, reply))
            return true;
    }
    return false;
}

void kv_model_answer(struct kv_model *model, const struct kv_model_read *read, struct buffer *reply)
{
    struct kv_reply expected;
    read_value(value_at(key_of(model, read), read->to), read->op, &expected);
    kv_reply_pack(reply, &expected);
}

/* -- at the end ---------------------------------------------------------------------------- */

uint64_t kv_model_hash(const struct kv_model *model)
{
    uint64_t hash = 0;
    for (const struct kv_model_key *key = model->keys; key != NULL; key = key->hh.next) {
        struct kv_reply reply;
        struct buffer b = {0};
        read_value(key->now, &(struct kv_op){.kind = KV_GET}, &reply);
        kv_reply_pack(&b, &reply);
        hash += bytes_hash_seed(buffer_slice(&b), bytes_hash(buffer_slice(&key->name)));
        buffer_deinit(&b);
    }
    return hash;
}

static bool is_named(const struct kv_model *model, uint64_t data_id)
{
    for (const struct kv_model_key *key = model->keys; key != NULL; key = key->hh.next)
        for (size_t i = 0; key->now != NULL && i < key->now->tail_count; i++)
            if (key->now->tail[i].data_id == data_id)
                return true;
    for (uint32_t k = 0; k < model->options.shard_count; k++)
        for (size_t i = 0; i < model->shards[k].intent_count; i++)
            if (model->shards[k].intents[i].data_id == data_id)
                return true;
    return false;
}

size_t kv_model_stray_extents(const struct kv_model *model)
{
    size_t strays = 0;
    for (const struct kv_model_key *key = model->keys; key != NULL; key = key->hh.next) {
        uint8_t expected[KV_EXTENT_KEY_BYTES];
        struct slice name = slice_of(key->name.p + 1, key->name.n - 1);
        if (key->now == NULL || key->space != KV_INTERNAL || name.n != KV_EXTENT_KEY_BYTES)
            continue;
        struct reader r = reader_of(slice_of(name.p + 8, name.n - 8));
        uint64_t data_id = reader_u64_big(&r), extent = reader_u64_big(&r);
        kv_extent_key(data_id, extent, expected);
        if (memcmp(expected, name.p, name.n) == 0 && !is_named(model, data_id))
            strays++;
    }
    return strays;
}

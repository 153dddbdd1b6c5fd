#include "shardkv/scan.h"

#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "shardkv/record.h"
#include "shardkv/trash.h"

struct scan_page {
    struct kv_entry *entries;
    size_t count, cap;
    struct chunk *chunks; /* names, attr and data of the entries */
    size_t bytes;
};

struct chunk {
    struct chunk *next;
    uint8_t bytes[];
};

/* One shard's place in the merge, or one section's of KV_UNNAMED. */
struct source {
    struct store_iter *iter;
    struct slice name; /* the present key, without the prefix */
};

/* A heap of sources, the smallest name first; those at their end are not in it. */
struct merge {
    struct source *sources;
    size_t count;
    size_t prefix_bytes; /* of the user key */
    bool unnamed;        /* KV_UNNAMED: a name is the section and what follows */
    int status;
};

/* -- merging ------------------------------------------------------------------------------- */

static bool is_before(const struct merge *merge, size_t a, size_t b)
{
    return slice_compare(merge->sources[a].name, merge->sources[b].name) < 0;
}

static void swap(struct merge *merge, size_t a, size_t b)
{
    struct source kept = merge->sources[a];
    merge->sources[a] = merge->sources[b];
    merge->sources[b] = kept;
}

static void sift_down(struct merge *merge, size_t at)
{
    for (;;) {
        size_t least = at, left = 2 * at + 1;
        if (left < merge->count && is_before(merge, left, least))
            least = left;
        if (left + 1 < merge->count && is_before(merge, left + 1, least))
            least = left + 1;
        if (least == at)
            return;
        swap(merge, at, least);
        at = least;
    }
}

/* Reads the name at the source's position. False: it is at its end, and closed. */
static bool source_load(struct merge *merge, struct source *source)
{
    if (store_iter_valid(source->iter)) {
        struct slice key = store_iter_key(source->iter);
        key = merge->unnamed ? keys_section_and_rest(key) : keys_user_key(key);
        source->name = slice_of(key.p + merge->prefix_bytes, key.n - merge->prefix_bytes);
        return true;
    }
    if (store_iter_status(source->iter) != SF_OK)
        merge->status = store_iter_status(source->iter);
    store_iter_free(source->iter);
    return false;
}

static void merge_next(struct merge *merge)
{
    struct source *first = &merge->sources[0];
    store_iter_next(first->iter);
    if (!source_load(merge, first))
        *first = merge->sources[--merge->count];
    sift_down(merge, 0);
}

/* Where a page of one copy begins: at the prefix, or right after prefix and name. */
static struct store_iter *open_source(const struct space *space, struct shard_copy copy,
                                      const struct kv_op *op)
{
    struct key from, to;
    keys_record(&to, copy, op->space, op->key);
    from = to;
    keys_after_prefix(&to);
    if (op->data.n > 0) {
        size_t room =
            SF_KEY_BYTES_MAX - op->key.n; /* no name is longer, so the rest says nothing */
        size_t n = op->data.n < room ? op->data.n : room;
        memcpy(from.bytes + from.n, op->data.p, n);
        from.n += n;
        from.bytes[from.n++] = 0; /* the smallest key after it */
    }
    return store_iter_new(space, NULL, key_slice(&from), key_slice(&to));
}

/* A section of a copy, from its beginning or right after the name. */
static struct store_iter *open_section(const struct space *space, struct shard_copy copy,
                                       const struct kv_op *op, char section)
{
    struct key from, to, after;
    keys_section(&from, copy, section);
    to = from;
    keys_after_prefix(&to);
    keys_copy_from(&after, copy);
    size_t n = op->data.n < sizeof(uint64_t) + 1 ? op->data.n : sizeof(uint64_t) + 1;
    if (n > 0)
        memcpy(after.bytes + after.n, op->data.p, n);
    after.n += n;
    after.bytes[after.n++] = 0;
    if (slice_compare(key_slice(&after), key_slice(&from)) > 0)
        from = after;
    if (slice_compare(key_slice(&from), key_slice(&to)) > 0)
        from = to;
    return store_iter_new(space, NULL, key_slice(&from), key_slice(&to));
}

static void merge_add(struct merge *merge, struct store_iter *iter)
{
    struct source source = {.iter = iter};
    if (source_load(merge, &source))
        merge->sources[merge->count++] = source;
}

static void merge_open(struct merge *merge, const struct space *space,
                       const struct shard_copy *copies, size_t count, const struct kv_op *op)
{
    bool unnamed = op->flags & KV_UNNAMED;
    size_t room = unnamed ? 2 * count : count;
    *merge = (struct merge){.sources = sf_calloc(room, sizeof(merge->sources[0])),
                            .prefix_bytes = op->key.n,
                            .unnamed = unnamed};
    for (size_t i = 0; i < count && !unnamed; i++)
        merge_add(merge, open_source(space, copies[i], op));
    for (size_t i = 0; i < count && unnamed; i++) {
        merge_add(merge, open_section(space, copies[i], op, 'n'));
        merge_add(merge, open_section(space, copies[i], op, 't'));
    }
    for (size_t i = merge->count / 2; i-- > 0;)
        sift_down(merge, i);
}

static void merge_close(struct merge *merge)
{
    for (size_t i = 0; i < merge->count; i++)
        store_iter_free(merge->sources[i].iter);
    free(merge->sources);
}

/* -- the page ------------------------------------------------------------------------------ */

/* Copies the slices into memory of the page, and lets them point there. */
static void keep(struct scan_page *page, struct slice *parts[], size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += parts[i]->n;
    struct chunk *chunk = sf_malloc(sizeof(*chunk) + bytes);
    uint8_t *to = chunk->bytes;
    for (size_t i = 0; i < count; i++) {
        if (parts[i]->n > 0)
            memcpy(to, parts[i]->p, parts[i]->n);
        parts[i]->p = to;
        to += parts[i]->n;
    }
    chunk->next = page->chunks;
    page->chunks = chunk;
    page->bytes += bytes;
}

static struct kv_entry *new_entry(struct scan_page *page, struct slice name)
{
    if (page->count == page->cap) {
        page->cap = page->cap == 0 ? 64 : 2 * page->cap;
        page->entries = sf_realloc(page->entries, page->cap * sizeof(page->entries[0]));
    }
    struct kv_entry *entry = &page->entries[page->count++];
    *entry = (struct kv_entry){.name = name};
    return entry;
}

static int add_unnamed(struct scan_page *page, const struct source *source)
{
    struct kv_unnamed unnamed;
    struct buffer data = {0};
    int status =
        trash_unnamed(store_iter_key(source->iter), store_iter_value(source->iter), &unnamed);
    if (status != SF_OK)
        return status;
    struct kv_entry *entry = new_entry(page, source->name);
    kv_unnamed_pack(&data, &unnamed);
    entry->data = buffer_slice(&data);
    keep(page, (struct slice *[]){&entry->name, &entry->data}, 2);
    buffer_deinit(&data);
    return SF_OK;
}

static int add_record(struct scan_page *page, const struct source *source)
{
    struct record record;
    int status = record_unpack(store_iter_value(source->iter), &record);
    if (status != SF_OK)
        return status;
    struct kv_entry *entry = new_entry(page, source->name);
    record_stat(&record, &entry->stat);
    entry->stat.attr = record.attr;
    if (record.kind != RECORD_VALUE)
        entry->data = record.inline_bytes;
    keep(page, (struct slice *[]){&entry->name, &entry->stat.attr, &entry->data}, 3);
    return SF_OK;
}

static void fill_page(struct merge *merge, struct scan_page *page, uint64_t limit)
{
    while (merge->status == SF_OK && merge->count > 0 && page->count < limit &&
           page->bytes < SCAN_BYTES_MAX) {
        const struct source *first = &merge->sources[0];
        merge->status = merge->unnamed ? add_unnamed(page, first) : add_record(page, first);
        if (merge->status == SF_OK)
            merge_next(merge);
    }
}

/* When the set of plain keys of these shards last changed. */
static int root_stat(const struct space *space, const struct shard_copy *copies, size_t count,
                     struct kv_stat *stat)
{
    *stat = (struct kv_stat){.kind = RECORD_DIRECTORY};
    for (size_t i = 0; i < count; i++) {
        struct access access;
        access_open_read(&access, space, NULL, copies[i]);
        int loaded = access_load_meta(&access);
        int closed = access_close(&access);
        if (loaded != SF_OK || closed != SF_OK)
            return loaded != SF_OK ? loaded : closed;
        if (access.meta.plain_version > stat->version)
            stat->version = access.meta.plain_version;
        if (access.meta.plain_time_ns > stat->mtime_ns)
            stat->mtime_ns = access.meta.plain_time_ns;
    }
    stat->ctime_ns = stat->mtime_ns;
    return SF_OK;
}

/* The counter of the copy's next id (shard.h, S1). Every change of a record draws one: where it is the
 * same twice, none of the shard's records changed between. */
static int next_id(const struct space *space, struct shard_copy copy, uint64_t *out)
{
    struct access access;
    access_open_read(&access, space, NULL, copy);
    int loaded = access_load_meta(&access);
    int closed = access_close(&access);
    *out = access.meta.next_id;
    return loaded != SF_OK ? loaded : closed;
}

int scan_run(const struct space *space, const struct shard_copy *copies, size_t count,
             const struct kv_op *op, struct kv_reply *reply, struct scan_page **out)
{
    struct merge merge;
    struct kv_stat stat = {0};
    uint64_t counter = 0;
    struct scan_page *page = sf_calloc(1, sizeof(*page));
    merge_open(&merge, space, copies, count, op);
    fill_page(&merge, page, op->length);
    bool more = merge.count > 0;
    merge_close(&merge);
    if (merge.status == SF_OK && op->space == KV_PLAIN && !merge.unnamed)
        merge.status = root_stat(space, copies, count, &stat);
    else if (merge.status == SF_OK && merge.unnamed)
        merge.status = next_id(space, copies[0], &counter);
    if (merge.status != SF_OK) {
        scan_page_free(page);
        return merge.status;
    }
    *reply = (struct kv_reply){.stat = stat,
                               .ids_first = counter,
                               .entries = page->entries,
                               .entry_count = page->count,
                               .more = more};
    *out = page;
    return SF_OK;
}

void scan_page_free(struct scan_page *page)
{
    if (page == NULL)
        return;
    while (page->chunks != NULL) {
        struct chunk *chunk = page->chunks;
        page->chunks = chunk->next;
        free(chunk);
    }
    free(page->entries);
    free(page);
}

/* The disk store: RocksDB, one database a process, one column family, no WAL of its own.
 *
 *  D1  Without a WAL a batch lives in a memtable until a flush. Memtables are flushed in order, so
 *      after any crash the database is what a prefix of the batches made of it.
 *  D2  Writes never wait (no_slowdown): where RocksDB would stall they answer SF_BUSY.
 *  D3  A range is asked to be compacted only after a flush that holds its tombstone.
 *  D4  Blobs are moved by compactions only while at least half of what the blob files hold is
 *      garbage: so moving them costs at most as much as was written.
 *
 * All but flush is for the loop's thread. Source: the RocksDB wiki pages "Write Stalls", "BlobDB",
 * "DeleteRange" and "Memory usage in RocksDB".
 */
#include "storage/store.h"

#include <rocksdb/c.h>
#include <stdlib.h>
#include <string.h>

#include "env/log.h"
#include "env/memory.h"
#include "storage/reclaimer.h"
#include "storage/store_batch.h"
#include "storage/store_ops.h"

#define CACHE_BYTES (32u << 20)
#define WRITE_BUFFER_BYTES (24u << 20)
#define WRITE_BUFFER_COUNT 2 /* one is filled while one is flushed */
#define BLOB_BYTES_MIN 4096u /* values at least this long stand in blob files */
#define BLOB_FILE_BYTES (64u << 20)
/* D4. RocksDB moves the blobs of the oldest files whenever their keys are compacted, whether there is
 * garbage in them or not. */
#define BLOB_GC_AGE 1.0              /* all files, while it is on */
#define BLOB_GC_GARBAGE 0.25         /* then the oldest are compacted without waiting for writes */
#define BLOB_GARBAGE_MIN (16u << 20) /* less is not worth it */
#define SST_FILE_BYTES (16u << 20)
#define LEVEL_BASE_BYTES (64u << 20)
#define BLOCK_BYTES 8192u
#define BLOOM_BITS_PER_KEY 10
/* Nothing but the head of its log. On a full disk Debian's build of RocksDB ends the process where it
 * writes to its log once more after a failure; what it reports is said by us. */
#define INFO_LOG_LEVEL 5
#define OPEN_FILES_MAX 256
#define SYNC_BYTES (1u << 20) /* written back while a file is being made, not all at its end */

/* A range of so few keys is deleted key by key: a range tombstone slows down all reads. */
#define SMALL_RANGE_KEYS_MAX 32u
#define SMALL_RANGE_SKIPS_MAX 256u /* deleted keys passed over while looking */
#define SMALL_RANGE_OPS_MAX 1024u  /* operations of the same batch looked through */

/* Read tiers of RocksDB that its C header does not name. */
#define READ_TIER_PERSISTED 2

struct disk_store {
    struct store store;
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_block_based_table_options_t *table_options;
    rocksdb_cache_t *cache;
    rocksdb_env_t *env;
    rocksdb_readoptions_t *read, *read_durable;
    rocksdb_writeoptions_t *write;
    rocksdb_flushoptions_t *flush;
    rocksdb_writebatch_t *scratch; /* of store_write */
    struct reclaimer *reclaimer;   /* D3 */
    bool moves_blobs;              /* D4; of the thread that flushes */
};

struct disk_view {
    struct store_view view;
    rocksdb_t *db;
    const rocksdb_snapshot_t *snapshot;
};

struct disk_iter {
    struct store_iter iter;
    rocksdb_readoptions_t *options;
    rocksdb_iterator_t *rocks;
};

static struct disk_store *disk_of(struct store *store)
{
    return container_of(store, struct disk_store, store);
}

static const char *chars(struct slice s)
{
    return (const char *)s.p;
}

/* -- errors -------------------------------------------------------------------------------- */

/* Which error a message of RocksDB means. */
static int error_of(const char *text)
{
    if (strstr(text, "No space left") != NULL || strstr(text, "Space limit") != NULL)
        return SF_NO_SPACE;
    if (strncmp(text, "Result incomplete", 17) == 0 || strncmp(text, "Resource busy", 13) == 0)
        return SF_BUSY;
    if (strstr(text, "lock hold by current process") != NULL ||
        strstr(text, "While lock file") != NULL)
        return SF_IN_USE;
    if (strncmp(text, "Corruption", 10) == 0)
        return SF_CORRUPT;
    return SF_IO;
}

/* Takes the message (NULL: no error). What an operator must know is logged. */
static int error_take(const char *doing, char *text)
{
    if (text == NULL)
        return SF_OK;
    int error = error_of(text);
    if (error == SF_IO || error == SF_CORRUPT)
        log_error("store", "%s: %s", doing, text);
    rocksdb_free(text);
    return error;
}

/* -- life ---------------------------------------------------------------------------------- */

static void options_of_memory(struct disk_store *disk, const struct store_disk_options *wanted)
{
    rocksdb_options_t *o = disk->options;
    rocksdb_block_based_table_options_t *table = disk->table_options;
    size_t cache = wanted != NULL && wanted->cache_bytes > 0 ? wanted->cache_bytes : CACHE_BYTES;
    size_t buffers = wanted != NULL && wanted->write_buffer_bytes > 0 ? wanted->write_buffer_bytes
                                                                      : WRITE_BUFFER_BYTES;
    disk->cache = rocksdb_cache_create_lru(cache);
    rocksdb_block_based_options_set_block_cache(table, disk->cache);
    rocksdb_block_based_options_set_block_size(table, BLOCK_BYTES);
    rocksdb_block_based_options_set_format_version(table, 5);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(table, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1);
    rocksdb_block_based_options_set_filter_policy(
        table, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS_PER_KEY));
    rocksdb_options_set_block_based_table_factory(o, table);
    rocksdb_options_set_write_buffer_size(o, buffers / WRITE_BUFFER_COUNT);
    rocksdb_options_set_max_write_buffer_number(o, WRITE_BUFFER_COUNT);
    rocksdb_options_set_max_open_files(o, OPEN_FILES_MAX);
}

static void options_of_files(struct disk_store *disk)
{
    rocksdb_options_t *o = disk->options;
    rocksdb_options_set_compression(o, rocksdb_lz4_compression);
    rocksdb_options_set_enable_blob_files(o, 1);
    rocksdb_options_set_min_blob_size(o, BLOB_BYTES_MIN);
    rocksdb_options_set_blob_file_size(o, BLOB_FILE_BYTES);
    rocksdb_options_set_blob_compression_type(o, rocksdb_no_compression);
    rocksdb_options_set_enable_blob_gc(o, 0); /* D4 */
    rocksdb_options_set_blob_gc_age_cutoff(o, BLOB_GC_AGE);
    rocksdb_options_set_blob_gc_force_threshold(o, BLOB_GC_GARBAGE);
    rocksdb_options_set_blob_cache(o, disk->cache);
    rocksdb_options_set_target_file_size_base(o, SST_FILE_BYTES);
    rocksdb_options_set_max_bytes_for_level_base(o, LEVEL_BASE_BYTES);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 1);
    rocksdb_options_set_bytes_per_sync(o, SYNC_BYTES);
    rocksdb_options_set_keep_log_file_num(o, 2);
    rocksdb_options_set_info_log_level(o, INFO_LOG_LEVEL);
    rocksdb_options_set_stats_dump_period_sec(o, 0);
}

static void options_of_threads(struct disk_store *disk)
{
    disk->env = rocksdb_create_default_env();
    rocksdb_env_set_background_threads(disk->env, 1);
    rocksdb_env_set_high_priority_background_threads(disk->env, 1);
    rocksdb_env_lower_thread_pool_cpu_priority(disk->env); /* compactions yield to the loop */
    rocksdb_options_set_env(disk->options, disk->env);
    rocksdb_options_set_max_background_jobs(disk->options, 2);
    rocksdb_options_set_allow_concurrent_memtable_write(disk->options, 0); /* one writer */
}

static struct disk_store *disk_new(const struct store_disk_options *wanted)
{
    struct disk_store *disk = sf_calloc(1, sizeof *disk);
    disk->options = rocksdb_options_create();
    disk->table_options = rocksdb_block_based_options_create();
    rocksdb_options_set_create_if_missing(disk->options, 1);
    options_of_memory(disk, wanted);
    options_of_files(disk);
    options_of_threads(disk);
    disk->read = rocksdb_readoptions_create();
    disk->read_durable = rocksdb_readoptions_create();
    rocksdb_readoptions_set_read_tier(disk->read_durable, READ_TIER_PERSISTED);
    disk->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(disk->write, 1);
    rocksdb_writeoptions_set_no_slowdown(disk->write, 1); /* D2 */
    disk->flush = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(disk->flush, 1);
    disk->scratch = rocksdb_writebatch_create();
    return disk;
}

/* db may not have been opened. */
static void disk_free(struct disk_store *disk)
{
    if (disk->db != NULL) {
        reclaimer_free(disk->reclaimer);
        rocksdb_close(disk->db);
    }
    rocksdb_writebatch_destroy(disk->scratch);
    rocksdb_flushoptions_destroy(disk->flush);
    rocksdb_writeoptions_destroy(disk->write);
    rocksdb_readoptions_destroy(disk->read_durable);
    rocksdb_readoptions_destroy(disk->read);
    rocksdb_options_destroy(disk->options);
    rocksdb_block_based_options_destroy(disk->table_options);
    rocksdb_cache_destroy(disk->cache);
    rocksdb_env_destroy(disk->env);
    free(disk);
}

static void disk_close(struct store *store)
{
    disk_free(disk_of(store));
}

/* -- reading ------------------------------------------------------------------------------- */

static void pin_release(void *pin)
{
    rocksdb_pinnableslice_destroy(pin);
}

static int disk_get(struct store *store, struct slice key, bool durable, struct store_value *value)
{
    struct disk_store *disk = disk_of(store);
    char *text = NULL;
    rocksdb_pinnableslice_t *pin = rocksdb_get_pinned(
        disk->db, durable ? disk->read_durable : disk->read, chars(key), key.n, &text);
    if (text != NULL)
        return error_take("reading", text);
    if (pin == NULL)
        return SF_NOT_FOUND;
    size_t n;
    const char *bytes = rocksdb_pinnableslice_value(pin, &n);
    *value = (struct store_value){.bytes = slice_of(bytes, n), .pin = pin, .release = pin_release};
    return SF_OK;
}

/* -- views and iterators ------------------------------------------------------------------- */

static const struct store_ops disk_ops;

static struct store_view *disk_view_new(struct store *store)
{
    struct disk_view *view = sf_malloc(sizeof *view);
    view->view.ops = &disk_ops;
    view->db = disk_of(store)->db;
    view->snapshot = rocksdb_create_snapshot(view->db);
    return &view->view;
}

static void disk_view_free(struct store_view *view)
{
    struct disk_view *disk = container_of(view, struct disk_view, view);
    rocksdb_release_snapshot(disk->db, disk->snapshot);
    free(disk);
}

static struct store_iter *disk_iter_new(struct store *store, const struct store_view *view,
                                        struct slice from, struct slice to)
{
    struct disk_iter *iter = sf_calloc(1, sizeof *iter);
    iter->options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_iterate_lower_bound(iter->options, chars(from), from.n);
    rocksdb_readoptions_set_iterate_upper_bound(iter->options, chars(to), to.n);
    if (view != NULL) {
        const struct disk_view *disk = (const struct disk_view *)(const void *)view;
        rocksdb_readoptions_set_snapshot(iter->options, disk->snapshot);
    }
    iter->rocks = rocksdb_create_iterator(disk_of(store)->db, iter->options);
    return &iter->iter;
}

static struct disk_iter *iter_of(struct store_iter *iter)
{
    return container_of(iter, struct disk_iter, iter);
}

static const rocksdb_iterator_t *rocks_of(const struct store_iter *iter)
{
    return ((const struct disk_iter *)(const void *)iter)->rocks;
}

static void disk_iter_free(struct store_iter *iter)
{
    rocksdb_iter_destroy(iter_of(iter)->rocks);
    rocksdb_readoptions_destroy(iter_of(iter)->options);
    free(iter_of(iter));
}

static void disk_iter_seek(struct store_iter *iter, struct slice key)
{
    rocksdb_iter_seek(iter_of(iter)->rocks, chars(key), key.n);
}

static void disk_iter_next(struct store_iter *iter)
{
    rocksdb_iter_next(iter_of(iter)->rocks);
}

static bool disk_iter_valid(const struct store_iter *iter)
{
    return rocksdb_iter_valid(rocks_of(iter)) != 0;
}

static struct slice disk_iter_key(const struct store_iter *iter)
{
    size_t n;
    const char *bytes = rocksdb_iter_key(rocks_of(iter), &n);
    return slice_of(bytes, n);
}

static struct slice disk_iter_value(const struct store_iter *iter)
{
    size_t n;
    const char *bytes = rocksdb_iter_value(rocks_of(iter), &n);
    return slice_of(bytes, n);
}

static int disk_iter_status(const struct store_iter *iter)
{
    char *text = NULL;
    rocksdb_iter_get_error(rocks_of(iter), &text);
    return error_take("iterating", text);
}

/* -- deleting small ranges ----------------------------------------------------------------- */

/* A batch on its way into RocksDB's. */
struct translation {
    struct disk_store *disk;
    const struct store_batch *batch;
    size_t ops; /* translated so far */
};

/* The keys of a range that are in the store. */
struct range_keys {
    struct slice from, to;
    struct buffer keys[SMALL_RANGE_KEYS_MAX];
    size_t count;
};

static void range_keys_deinit(struct range_keys *range)
{
    for (size_t i = 0; i < range->count; i++)
        buffer_deinit(&range->keys[i]);
}

/* False: too many, or too much to pass over. */
static bool range_keys_collect(struct disk_store *disk, struct range_keys *range)
{
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_iterate_upper_bound(options, chars(range->to), range->to.n);
    rocksdb_readoptions_set_max_skippable_internal_keys(options, SMALL_RANGE_SKIPS_MAX);
    rocksdb_iterator_t *rocks = rocksdb_create_iterator(disk->db, options);
    char *text = NULL;
    rocksdb_iter_seek(rocks, chars(range->from), range->from.n);
    for (; rocksdb_iter_valid(rocks) && range->count < SMALL_RANGE_KEYS_MAX;
         rocksdb_iter_next(rocks)) {
        size_t n;
        const char *key = rocksdb_iter_key(rocks, &n);
        range->keys[range->count] = (struct buffer){0};
        buffer_append(&range->keys[range->count++], key, n);
    }
    rocksdb_iter_get_error(rocks, &text);
    bool all = !rocksdb_iter_valid(rocks) && text == NULL;
    if (text != NULL)
        rocksdb_free(text);
    rocksdb_iter_destroy(rocks);
    rocksdb_readoptions_destroy(options);
    return all;
}

/* Deletes what an earlier operation of the same batch put into the range; ends at the range itself.
 */
struct pending_delete {
    struct translation *translation;
    struct slice from, to;
    size_t left; /* operations before the range */
};

static int delete_pending_put(void *ctx, const struct store_op *op)
{
    struct pending_delete *deletion = ctx;
    if (deletion->left-- == 0)
        return SF_GONE;
    if (op->kind == STORE_OP_PUT && slice_compare(deletion->from, op->key) <= 0 &&
        slice_compare(op->key, deletion->to) < 0)
        rocksdb_writebatch_delete(deletion->translation->disk->scratch, chars(op->key), op->key.n);
    return SF_OK;
}

/* Point deletes in the place of a range; false where it is not small. */
static bool translate_small_range(struct translation *translation, const struct store_op *op)
{
    struct range_keys range = {.from = op->key, .to = op->value};
    struct pending_delete pending = {
        .translation = translation, .from = op->key, .to = op->value, .left = translation->ops};
    if (translation->ops > SMALL_RANGE_OPS_MAX)
        return false;
    bool small = range_keys_collect(translation->disk, &range);
    if (small) {
        for (size_t i = 0; i < range.count; i++)
            rocksdb_writebatch_delete(translation->disk->scratch, (const char *)range.keys[i].p,
                                      range.keys[i].n);
        int end = store_batch_each(translation->batch, delete_pending_put, &pending);
        sf_assert(end == SF_GONE);
    }
    range_keys_deinit(&range);
    return small;
}

/* -- writing ------------------------------------------------------------------------------- */

static int translate(void *ctx, const struct store_op *op)
{
    struct translation *translation = ctx;
    rocksdb_writebatch_t *to = translation->disk->scratch;
    switch (op->kind) {
    case STORE_OP_PUT:
        rocksdb_writebatch_put(to, chars(op->key), op->key.n, chars(op->value), op->value.n);
        break;
    case STORE_OP_DELETE:
        rocksdb_writebatch_delete(to, chars(op->key), op->key.n);
        break;
    case STORE_OP_DELETE_RANGE:
        if (!translate_small_range(translation, op))
            rocksdb_writebatch_delete_range(to, chars(op->key), op->key.n, chars(op->value),
                                            op->value.n);
        break;
    }
    translation->ops++;
    return SF_OK;
}

static int disk_write(struct store *store, const struct store_batch *batch)
{
    struct disk_store *disk = disk_of(store);
    struct translation translation = {.disk = disk, .batch = batch};
    char *text = NULL;
    int status = store_batch_each(batch, translate, &translation);
    if (status == SF_OK) {
        rocksdb_write(disk->db, disk->write, disk->scratch, &text);
        status = error_take("writing", text);
    }
    rocksdb_writebatch_clear(disk->scratch);
    return status;
}

static void disk_reclaim(struct store *store, struct slice from, struct slice to)
{
    reclaimer_ask(disk_of(store)->reclaimer, from, to);
}

/* D4 */
static bool is_half_garbage(const struct disk_store *disk)
{
    uint64_t garbage = 0, all = 0;
    bool known =
        rocksdb_property_int(disk->db, "rocksdb.live-blob-file-garbage-size", &garbage) == 0 &&
        rocksdb_property_int(disk->db, "rocksdb.live-blob-file-size", &all) == 0;
    sf_assert(known);
    return garbage >= BLOB_GARBAGE_MIN && garbage >= all / 2;
}

static void tend_blobs(struct disk_store *disk)
{
    static const char *const name = "enable_blob_garbage_collection";
    bool moves = is_half_garbage(disk);
    const char *value = moves ? "true" : "false";
    char *text = NULL;
    if (moves == disk->moves_blobs)
        return;
    rocksdb_set_options(disk->db, 1, &name, &value, &text);
    if (error_take("collecting garbage", text) == SF_OK) /* else again with the next flush */
        disk->moves_blobs = moves;
}

static int disk_flush(struct store *store)
{
    struct disk_store *disk = disk_of(store);
    char *text = NULL;
    struct reclaim *reclaims = reclaimer_take(disk->reclaimer);
    rocksdb_flush(disk->db, disk->flush, &text);
    int status = error_take("flushing", text);
    reclaimer_begin(disk->reclaimer, reclaims, status);
    if (status == SF_OK)
        tend_blobs(disk);
    return status;
}

/* ------------------------------------------------------------------------------------------ */

static const struct store_ops disk_ops = {
    .close = disk_close,
    .get = disk_get,
    .view_new = disk_view_new,
    .view_free = disk_view_free,
    .iter_new = disk_iter_new,
    .iter_free = disk_iter_free,
    .iter_seek = disk_iter_seek,
    .iter_next = disk_iter_next,
    .iter_valid = disk_iter_valid,
    .iter_key = disk_iter_key,
    .iter_value = disk_iter_value,
    .iter_status = disk_iter_status,
    .write = disk_write,
    .flush = disk_flush,
    .reclaim = disk_reclaim,
};

int store_disk_open(const char *dir, const struct store_disk_options *options, struct store **out,
                    char **why)
{
    struct disk_store *disk = disk_new(options);
    char *text = NULL;
    disk->store.ops = &disk_ops;
    disk->db = rocksdb_open(disk->options, dir, &text);
    if (text != NULL) {
        int error = error_of(text);
        *why = sf_strdup(text);
        rocksdb_free(text);
        disk_free(disk);
        return error;
    }
    disk->reclaimer = reclaimer_new(disk->db);
    *out = &disk->store;
    return SF_OK;
}

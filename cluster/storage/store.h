/* store: the state of every replica of this process, an ordered map of byte strings.
 *
 * Two implementations: disk (RocksDB, store_disk.c) and memory (store_memory.c), which models the
 * disk store's crash contract: after a crash the content is that after some batch between the last
 * flush and now, never part of a batch.
 *
 * A space is a prefix within the store: one generation of one replica (replica.h). Code above the
 * replica sees keys without it.
 *
 * Writes go through batches, applied atomically, not durable before a flush. Reads with a batch see
 * what it will write; iterators never do: write the batch first, or iterate before adding to it.
 */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "env/bytes.h"
#include "env/env.h"

#define STORE_KEY_BYTES_MAX (SF_KEY_BYTES_MAX * 2 + 64u)
#define STORE_PREFIX_BYTES 12u /* u64 replica key, u32 generation, both big-endian */

struct store;
struct store_batch;
struct store_view;
struct store_iter;

/* A part of a store under one prefix. Copy freely; the store must outlive it. */
struct space {
    struct store *store;
    uint8_t prefix[STORE_PREFIX_BYTES];
};

/* -- life ---------------------------------------------------------------------------------- */

struct store_disk_options {
    size_t cache_bytes;        /* 0: 32 MiB */
    size_t write_buffer_bytes; /* 0: 24 MiB in all */
};

/* Opens or creates `dir`. After daemonizing only (RocksDB starts threads). *why, where it fails, is
 * a message to show, to be freed by the caller. SF_IN_USE, SF_CORRUPT, SF_NO_SPACE, SF_IO. */
SF_MUST_CHECK int store_disk_open(const char *dir, const struct store_disk_options *options,
                                  struct store **out, char **why);
/* The memory store of one simulated process. It survives store_close: open it again by the image.
 * The image is what its disk would hold. */
struct store_image;
struct store_image *store_image_new(void);
void store_image_free(struct store_image *image);
/* The process crashed: the content goes back to a batch boundary between the last flush and now,
 * chosen by `choice` (any number). Only while no store is open on it. */
void store_image_crash(struct store_image *image, uint64_t choice);
struct store *store_memory_open(struct store_image *image);
/* Every view, iterator and pinned value must have been freed. No flush is implied. */
void store_close(struct store *store);

/* -- reading ------------------------------------------------------------------------------- */

/* A value that is pinned in the store's cache until store_unpin; one that is pending in a batch is
 * borrowed from the batch, until that is cleared or freed. */
struct store_value {
    struct slice bytes;
    void *pin;                  /* the implementation's, and the function that gives it back; */
    void (*release)(void *pin); /* NULL: nothing to give back */
};

/* batch: NULL or a batch of the same store, whose pending writes are seen.
 * SF_NOT_FOUND, SF_IO, SF_CORRUPT. On SF_OK *value must be unpinned. */
SF_MUST_CHECK int store_get(const struct space *space, const struct store_batch *batch,
                            struct slice key, struct store_value *value);
void store_unpin(struct store_value *value); /* also where bytes are empty; once */
/* The value that would be read after a crash right now (RocksDB: read tier "persisted"). */
SF_MUST_CHECK int store_get_durable(const struct space *space, struct slice key,
                                    struct store_value *value);

/* A consistent view of everything, now; cheap, but holds space until freed. */
struct store_view *store_view_new(struct store *store);
void store_view_free(struct store_view *view);

/* Iterates over keys in [from, to) of the space, in memcmp order; an empty `to` means the end of
 * the space. view: NULL for a view of its own. Positioned on the first key. */
struct store_iter *store_iter_new(const struct space *space, const struct store_view *view,
                                  struct slice from, struct slice to);
bool store_iter_valid(const struct store_iter *iter);
void store_iter_next(struct store_iter *iter);
void store_iter_seek(struct store_iter *iter, struct slice key); /* to the first key >= key */
struct slice store_iter_key(const struct store_iter *iter);   /* without the prefix; until next */
struct slice store_iter_value(const struct store_iter *iter); /* until next */
int store_iter_status(const struct store_iter *iter); /* SF_OK, or why it became invalid early */
void store_iter_free(struct store_iter *iter);

/* -- writing ------------------------------------------------------------------------------- */

struct store_batch *store_batch_new(const struct space *space);
void store_batch_free(struct store_batch *batch);
void store_batch_clear(struct store_batch *batch);
void store_batch_put(struct store_batch *batch, struct slice key, struct slice value);
/* The same of a key that is neither in the store nor in the batch: if the batch deletes it again,
 * neither is written. */
void store_batch_put_new(struct store_batch *batch, struct slice key, struct slice value);
void store_batch_delete(struct store_batch *batch, struct slice key);
/* Deletes [from, to), pending puts of this batch included; an empty `to` means the end of the
 * space. Gets through the batch see it. */
void store_batch_delete_range(struct store_batch *batch, struct slice from, struct slice to);
/* Puts and range deletes by full key, outside the batch's space (the replica's own records). */
void store_batch_put_raw(struct store_batch *batch, struct slice full_key, struct slice value);
void store_batch_delete_range_raw(struct store_batch *batch, struct slice from, struct slice to);
size_t store_batch_bytes(const struct store_batch *batch); /* keys and values added since clear */
size_t store_batch_count(const struct store_batch *batch); /* operations that writing it will do */

/* All of it or nothing; the batch is unchanged and may be written again.
 * SF_BUSY (write stall: later), SF_NO_SPACE (later), SF_IO and SF_CORRUPT (fatal for the process).
 */
SF_MUST_CHECK int store_write(struct store *store, const struct store_batch *batch);

/* Makes everything written before this call durable. Blocks; may run on another thread (env_work),
 * while the loop reads and writes. SF_NO_SPACE, SF_IO. */
SF_MUST_CHECK int store_flush(struct store *store);
/* Ask for the space of a dropped range to be reclaimed in the background, at low priority. */
void store_reclaim(const struct space *space, struct slice from, struct slice to);

#endif

#include "storage/store_batch.h"

#include <stdlib.h>
#include <string.h>

#include "env/memory.h"

#define HASH_FUNCTION(key, bytes, hash)                                                            \
    ((hash) = (unsigned)bytes_hash(slice_of((key), (size_t)(bytes))))
#define uthash_fatal(message) abort()
#include <uthash.h>

#define CHUNK_BYTES_MIN 4096u
#define CHUNK_BYTES_MAX (256u << 10)

/* Memory for keys, values and operations: chunks that never move, each at least twice the one
 * before it until CHUNK_BYTES_MAX. */
struct chunk {
    struct chunk *older;
    size_t used, size; /* bytes of data; used <= size */
    _Alignas(16) uint8_t data[];
};

/* An operation in its batch. */
struct pending {
    struct store_op op;
    uint64_t sequence;           /* order of adding, over all operations */
    struct pending *prev, *next; /* B1 */
    struct pending *older_range; /* DELETE_RANGE: the one added before it */
    bool is_new;                 /* PUT: the store holds no such key */
    UT_hash_handle hh;           /* PUT, DELETE: by key, the newest of each */
};

struct store_batch {
    struct space space;
    struct chunk *chunks;
    struct pending *first, *last; /* B1 */
    struct pending *by_key;       /* the index */
    struct pending *newest_range;
    uint64_t sequence; /* of the newest operation */
    size_t count;      /* in the list */
    size_t bytes;      /* keys and values added since clear */
};

/* -- memory -------------------------------------------------------------------------------- */

static void chunk_add(struct store_batch *batch, size_t bytes)
{
    size_t size = batch->chunks == NULL ? CHUNK_BYTES_MIN : batch->chunks->size * 2;
    if (size > CHUNK_BYTES_MAX)
        size = CHUNK_BYTES_MAX;
    if (size < bytes)
        size = bytes;
    struct chunk *chunk = sf_malloc(sizeof *chunk + size);
    chunk->older = batch->chunks;
    chunk->used = 0;
    chunk->size = size;
    batch->chunks = chunk;
}

static void *arena_alloc(struct store_batch *batch, size_t bytes, size_t alignment)
{
    size_t at = batch->chunks == NULL ? 0 : (batch->chunks->used + alignment - 1) & -alignment;
    if (batch->chunks == NULL || at > batch->chunks->size || batch->chunks->size - at < bytes) {
        chunk_add(batch, bytes);
        at = 0;
    }
    batch->chunks->used = at + bytes;
    return batch->chunks->data + at;
}

static struct slice arena_copy(struct store_batch *batch, struct slice a, struct slice b)
{
    uint8_t *copy = arena_alloc(batch, a.n + b.n, 1);
    if (a.n > 0)
        memcpy(copy, a.p, a.n);
    if (b.n > 0)
        memcpy(copy + a.n, b.p, b.n);
    return slice_of(copy, a.n + b.n);
}

static void chunks_free(struct chunk *chunk)
{
    while (chunk != NULL) {
        struct chunk *older = chunk->older;
        sf_free(chunk);
        chunk = older;
    }
}

/* -- life ---------------------------------------------------------------------------------- */

struct store_batch *store_batch_new(const struct space *space)
{
    struct store_batch *batch = sf_calloc(1, sizeof *batch);
    batch->space = *space;
    return batch;
}

void store_batch_free(struct store_batch *batch)
{
    if (batch == NULL)
        return;
    HASH_CLEAR(hh, batch->by_key);
    chunks_free(batch->chunks);
    free(batch);
}

void store_batch_clear(struct store_batch *batch)
{
    struct space space = batch->space;
    struct chunk *keep = batch->chunks;
    HASH_CLEAR(hh, batch->by_key);
    if (keep != NULL) {
        chunks_free(keep->older);
        keep->older = NULL;
        keep->used = 0;
    }
    if (keep != NULL && keep->size > CHUNK_BYTES_MAX) {
        free(keep);
        keep = NULL;
    }
    *batch = (struct store_batch){.space = space, .chunks = keep};
}

size_t store_batch_bytes(const struct store_batch *batch)
{
    return batch->bytes;
}

size_t store_batch_count(const struct store_batch *batch)
{
    return batch->count;
}

/* -- adding -------------------------------------------------------------------------------- */

void store_prefix_end(const uint8_t prefix[STORE_PREFIX_BYTES], uint8_t end[STORE_PREFIX_BYTES])
{
    size_t i = STORE_PREFIX_BYTES;
    memcpy(end, prefix, STORE_PREFIX_BYTES);
    while (i > 0 && end[i - 1] == 0xff)
        end[--i] = 0;
    sf_assert(i > 0);
    end[i - 1]++;
}

static struct slice prefix_slice(const struct store_batch *batch)
{
    return slice_of(batch->space.prefix, STORE_PREFIX_BYTES);
}

/* key and value are in the arena already. */
static struct pending *batch_push(struct store_batch *batch, enum store_op_kind kind,
                                  struct slice key, struct slice value)
{
    struct pending *pending = arena_alloc(batch, sizeof *pending, _Alignof(struct pending));
    *pending = (struct pending){.op = {.kind = kind, .key = key, .value = value},
                                .sequence = ++batch->sequence,
                                .prev = batch->last};
    if (batch->last == NULL)
        batch->first = pending;
    else
        batch->last->next = pending;
    batch->last = pending;
    batch->count++;
    batch->bytes += key.n + value.n;
    return pending;
}

/* B2 */
static void batch_overtake(struct store_batch *batch, struct pending *old)
{
    HASH_DEL(batch->by_key, old);
    if (old->prev == NULL)
        batch->first = old->next;
    else
        old->prev->next = old->next;
    if (old->next == NULL)
        batch->last = old->prev;
    else
        old->next->prev = old->prev;
    batch->count--;
}

static void batch_add(struct store_batch *batch, enum store_op_kind kind, struct slice key,
                      struct slice value, bool is_new)
{
    struct pending *old;
    sf_assert(key.n <= STORE_KEY_BYTES_MAX);
    HASH_FIND(hh, batch->by_key, key.p, key.n, old);
    if (old != NULL) {
        sf_assert(!is_new);
        is_new = old->is_new;
        batch_overtake(batch, old);
    }
    if (is_new && kind == STORE_OP_DELETE)
        return;
    struct pending *pending = batch_push(batch, kind, key, value);
    pending->is_new = is_new;
    HASH_ADD_KEYPTR(hh, batch->by_key, pending->op.key.p, pending->op.key.n, pending);
}

static void batch_add_range(struct store_batch *batch, struct slice from, struct slice to)
{
    if (slice_compare(from, to) >= 0)
        return;
    struct pending *pending = batch_push(batch, STORE_OP_DELETE_RANGE, from, to);
    pending->older_range = batch->newest_range;
    batch->newest_range = pending;
}

static void put(struct store_batch *batch, struct slice key, struct slice value, bool is_new)
{
    struct slice full = arena_copy(batch, prefix_slice(batch), key);
    batch_add(batch, STORE_OP_PUT, full, arena_copy(batch, value, slice_of(NULL, 0)), is_new);
}

void store_batch_put(struct store_batch *batch, struct slice key, struct slice value)
{
    put(batch, key, value, false);
}

void store_batch_put_new(struct store_batch *batch, struct slice key, struct slice value)
{
    put(batch, key, value, true);
}

void store_batch_delete(struct store_batch *batch, struct slice key)
{
    batch_add(batch, STORE_OP_DELETE, arena_copy(batch, prefix_slice(batch), key),
              slice_of(NULL, 0), false);
}

void store_batch_delete_range(struct store_batch *batch, struct slice from, struct slice to)
{
    uint8_t end[STORE_PREFIX_BYTES];
    struct slice full_from = arena_copy(batch, prefix_slice(batch), from), full_to;
    if (to.n > 0) {
        full_to = arena_copy(batch, prefix_slice(batch), to);
    } else {
        store_prefix_end(batch->space.prefix, end);
        full_to = arena_copy(batch, slice_of(end, sizeof end), to);
    }
    batch_add_range(batch, full_from, full_to);
}

void store_batch_put_raw(struct store_batch *batch, struct slice full_key, struct slice value)
{
    struct slice nothing = slice_of(NULL, 0);
    struct slice key = arena_copy(batch, full_key, nothing);
    batch_add(batch, STORE_OP_PUT, key, arena_copy(batch, value, nothing), false);
}

void store_batch_delete_range_raw(struct store_batch *batch, struct slice from, struct slice to)
{
    struct slice nothing = slice_of(NULL, 0);
    struct slice copy = arena_copy(batch, from, nothing);
    batch_add_range(batch, copy, arena_copy(batch, to, nothing));
}

/* -- looking ------------------------------------------------------------------------------- */

int store_batch_each(const struct store_batch *batch,
                     int (*visit)(void *ctx, const struct store_op *op), void *ctx)
{
    int status = SF_OK;
    for (const struct pending *p = batch->first; p != NULL && status == SF_OK; p = p->next)
        status = visit(ctx, &p->op);
    return status;
}

enum store_pending store_batch_find(const struct store_batch *batch, struct slice key,
                                    struct slice *value)
{
    struct pending *own;
    HASH_FIND(hh, batch->by_key, key.p, key.n, own);
    uint64_t since = own == NULL ? 0 : own->sequence;
    for (const struct pending *range = batch->newest_range;
         range != NULL && range->sequence > since; range = range->older_range) {
        if (slice_compare(range->op.key, key) <= 0 && slice_compare(key, range->op.value) < 0)
            return STORE_PENDING_DELETED;
    }
    if (own == NULL)
        return STORE_PENDING_NONE;
    if (own->op.kind == STORE_OP_DELETE)
        return STORE_PENDING_DELETED;
    *value = own->op.value;
    return STORE_PENDING_PUT;
}

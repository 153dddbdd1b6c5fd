/* The memory store, and the image that a simulated disk keeps of it.
 *
 *  M1  `now` is `durable` with the batches of the journal applied in order.
 *  M2  A flush only notes how many batches it covers, since it may run on another thread; the
 *      loop's thread takes that many out of the journal into `durable` before it next looks at
 *      either.
 */
#include "storage/store.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "storage/store_batch.h"
#include "storage/store_ops.h"
#include "storage/treap.h"

/* An operation to be done again. */
struct journal_op {
    enum store_op_kind kind;
    struct treap_item *item; /* owned; DELETE: no value; DELETE_RANGE: key is from, value is to */
};

/* What was written since the last flush. */
struct journal {
    struct journal_op *ops;
    size_t op_count, op_cap;
    size_t *ends; /* of each batch: the count of ops up to and including it */
    size_t batch_count, batch_cap;
};

struct store_image {
    struct treap *now, *durable; /* M1 */
    struct journal journal;
    uint64_t settled;         /* batches that are in `durable`, since the beginning */
    _Atomic uint64_t written; /* batches written since the beginning */
    _Atomic uint64_t flushed; /* settled <= flushed <= written; M2 */
    bool open;
};

struct memory_store {
    struct store store;
    struct store_image *image;
};

struct memory_view {
    struct store_view view;
    struct treap *root; /* held */
};

struct memory_iter {
    struct store_iter iter;
    struct treap *root; /* held */
    struct treap_cursor cursor;
};

/* -- the journal --------------------------------------------------------------------------- */

static void journal_add(struct journal *journal, enum store_op_kind kind, struct treap_item *item)
{
    if (journal->op_count == journal->op_cap) {
        journal->op_cap = journal->op_cap == 0 ? 64 : journal->op_cap * 2;
        journal->ops = sf_realloc(journal->ops, journal->op_cap * sizeof *journal->ops);
    }
    journal->ops[journal->op_count++] = (struct journal_op){.kind = kind, .item = item};
}

static void journal_end_batch(struct journal *journal)
{
    if (journal->batch_count == journal->batch_cap) {
        journal->batch_cap = journal->batch_cap == 0 ? 16 : journal->batch_cap * 2;
        journal->ends = sf_realloc(journal->ends, journal->batch_cap * sizeof *journal->ends);
    }
    journal->ends[journal->batch_count++] = journal->op_count;
}

/* Takes the oldest batches out. */
static void journal_drop(struct journal *journal, size_t batches)
{
    size_t ops = batches == 0 ? 0 : journal->ends[batches - 1];
    for (size_t i = 0; i < ops; i++)
        treap_item_unref(journal->ops[i].item);
    journal->op_count -= ops;
    journal->batch_count -= batches;
    if (journal->op_count > 0)
        memmove(journal->ops, journal->ops + ops, journal->op_count * sizeof *journal->ops);
    for (size_t i = 0; i < journal->batch_count; i++)
        journal->ends[i] = journal->ends[i + batches] - ops;
}

static struct treap *op_apply(struct treap *root, const struct journal_op *op)
{
    switch (op->kind) {
    case STORE_OP_PUT:
        return treap_put(root, op->item);
    case STORE_OP_DELETE:
        return treap_delete(root, treap_item_key(op->item));
    case STORE_OP_DELETE_RANGE:
        return treap_delete_range(root, treap_item_key(op->item), treap_item_value(op->item));
    }
    sf_assert_failed("a known kind of operation", __FILE__, __LINE__);
}

/* -- the image ----------------------------------------------------------------------------- */

struct store_image *store_image_new(void)
{
    return sf_calloc(1, sizeof(struct store_image));
}

void store_image_free(struct store_image *image)
{
    if (image == NULL)
        return;
    sf_assert(!image->open);
    journal_drop(&image->journal, image->journal.batch_count);
    free(image->journal.ops);
    free(image->journal.ends);
    treap_unref(image->now);
    treap_unref(image->durable);
    free(image);
}

/* Moves the oldest batches of the journal into `durable`. */
static void image_advance(struct store_image *image, size_t batches)
{
    if (batches == image->journal.batch_count) {
        treap_unref(image->durable);
        image->durable = treap_ref(image->now);
    } else {
        size_t ops = batches == 0 ? 0 : image->journal.ends[batches - 1];
        for (size_t i = 0; i < ops; i++)
            image->durable = op_apply(image->durable, &image->journal.ops[i]);
    }
    journal_drop(&image->journal, batches);
    image->settled += batches;
}

/* M2 */
static void image_settle(struct store_image *image)
{
    uint64_t flushed = atomic_load(&image->flushed);
    if (flushed > image->settled)
        image_advance(image, (size_t)(flushed - image->settled));
}

void store_image_crash(struct store_image *image, uint64_t choice)
{
    sf_assert(!image->open);
    image_settle(image);
    image_advance(image, (size_t)(choice % (image->journal.batch_count + 1)));
    journal_drop(&image->journal, image->journal.batch_count);
    treap_unref(image->now);
    image->now = treap_ref(image->durable);
    atomic_store(&image->written, image->settled);
    atomic_store(&image->flushed, image->settled);
}

/* -- the store ----------------------------------------------------------------------------- */

static struct store_image *image_of(struct store *store)
{
    return container_of(store, struct memory_store, store)->image;
}

static void memory_close(struct store *store)
{
    struct memory_store *memory = container_of(store, struct memory_store, store);
    memory->image->open = false;
    free(memory);
}

static void item_release(void *pin)
{
    treap_item_unref(pin);
}

static int memory_get(struct store *store, struct slice key, bool durable,
                      struct store_value *value)
{
    struct store_image *image = image_of(store);
    if (durable)
        image_settle(image);
    struct treap_item *item = treap_find(durable ? image->durable : image->now, key);
    if (item == NULL)
        return SF_NOT_FOUND;
    *value = (struct store_value){
        .bytes = treap_item_value(item), .pin = treap_item_ref(item), .release = item_release};
    return SF_OK;
}

static struct treap_item *item_of(const struct store_op *op)
{
    return treap_item_new(op->key, op->value);
}

static int memory_write_op(void *ctx, const struct store_op *op)
{
    struct store_image *image = ctx;
    journal_add(&image->journal, op->kind, item_of(op));
    image->now = op_apply(image->now, &image->journal.ops[image->journal.op_count - 1]);
    return SF_OK;
}

static int memory_write(struct store *store, const struct store_batch *batch)
{
    struct store_image *image = image_of(store);
    image_settle(image);
    int status = store_batch_each(batch, memory_write_op, image);
    journal_end_batch(&image->journal);
    atomic_fetch_add(&image->written, 1);
    return status;
}

static int memory_flush(struct store *store)
{
    struct store_image *image = image_of(store);
    atomic_store(&image->flushed, atomic_load(&image->written));
    return SF_OK;
}

static void memory_reclaim(struct store *store, struct slice from, struct slice to)
{
    (void)store, (void)from, (void)to; /* what no version holds any more is freed at once */
}

/* -- views and iterators ------------------------------------------------------------------- */

static const struct store_ops memory_ops;

static struct store_view *memory_view_new(struct store *store)
{
    struct memory_view *view = sf_malloc(sizeof *view);
    view->view.ops = &memory_ops;
    view->root = treap_ref(image_of(store)->now);
    return &view->view;
}

static void memory_view_free(struct store_view *view)
{
    struct memory_view *memory = container_of(view, struct memory_view, view);
    treap_unref(memory->root);
    free(memory);
}

static struct store_iter *memory_iter_new(struct store *store, const struct store_view *view,
                                          struct slice from, struct slice to)
{
    (void)from, (void)to; /* they are in the iterator */
    struct memory_iter *iter = sf_malloc(sizeof *iter);
    struct treap *root = image_of(store)->now;
    if (view != NULL) {
        /* container_of would cast the const away */
        const struct memory_view *memory = (const struct memory_view *)(const void *)view;
        root = memory->root;
    }
    memset(&iter->iter, 0, sizeof iter->iter);
    iter->root = treap_ref(root);
    iter->cursor.depth = 0;
    return &iter->iter;
}

static struct memory_iter *iter_of(struct store_iter *iter)
{
    return container_of(iter, struct memory_iter, iter);
}

static const struct treap_item *item_at(const struct store_iter *iter)
{
    const struct memory_iter *memory = (const struct memory_iter *)(const void *)iter;
    return treap_cursor_item(&memory->cursor);
}

static void memory_iter_free(struct store_iter *iter)
{
    treap_unref(iter_of(iter)->root);
    free(iter_of(iter));
}

static void memory_iter_seek(struct store_iter *iter, struct slice key)
{
    treap_seek(&iter_of(iter)->cursor, iter_of(iter)->root, key);
}

static void memory_iter_next(struct store_iter *iter)
{
    treap_cursor_next(&iter_of(iter)->cursor);
}

static bool memory_iter_valid(const struct store_iter *iter)
{
    const struct treap_item *item = item_at(iter);
    return item != NULL && slice_compare(treap_item_key(item), buffer_slice(&iter->to)) < 0;
}

static struct slice memory_iter_key(const struct store_iter *iter)
{
    return treap_item_key(item_at(iter));
}

static struct slice memory_iter_value(const struct store_iter *iter)
{
    return treap_item_value(item_at(iter));
}

static int memory_iter_status(const struct store_iter *iter)
{
    (void)iter;
    return SF_OK;
}

static const struct store_ops memory_ops = {
    .close = memory_close,
    .get = memory_get,
    .view_new = memory_view_new,
    .view_free = memory_view_free,
    .iter_new = memory_iter_new,
    .iter_free = memory_iter_free,
    .iter_seek = memory_iter_seek,
    .iter_next = memory_iter_next,
    .iter_valid = memory_iter_valid,
    .iter_key = memory_iter_key,
    .iter_value = memory_iter_value,
    .iter_status = memory_iter_status,
    .write = memory_write,
    .flush = memory_flush,
    .reclaim = memory_reclaim,
};

struct store *store_memory_open(struct store_image *image)
{
    sf_assert(!image->open);
    struct memory_store *memory = sf_malloc(sizeof *memory);
    memory->store.ops = &memory_ops;
    memory->image = image;
    image->open = true;
    return &memory->store;
}

#include "storage/store.h"

#include <stdlib.h>
#include <string.h>

#include "storage/store_batch.h"
#include "storage/store_ops.h"

/* A full key in storage of its own on the stack. */
struct full_key {
    size_t n;
    uint8_t bytes[STORE_KEY_BYTES_MAX];
};

/* False: no key is as long, so nothing can be there. */
static bool full_key_of(const struct space *space, struct slice key, struct full_key *full)
{
    if (key.n > STORE_KEY_BYTES_MAX - STORE_PREFIX_BYTES)
        return false;
    memcpy(full->bytes, space->prefix, STORE_PREFIX_BYTES);
    if (key.n > 0)
        memcpy(full->bytes + STORE_PREFIX_BYTES, key.p, key.n);
    full->n = STORE_PREFIX_BYTES + key.n;
    return true;
}

void store_close(struct store *store)
{
    if (store != NULL)
        store->ops->close(store);
}

/* -- reading ------------------------------------------------------------------------------- */

int store_get(const struct space *space, const struct store_batch *batch, struct slice key,
              struct store_value *value)
{
    struct full_key full;
    struct slice pending;
    if (!full_key_of(space, key, &full))
        return SF_NOT_FOUND;
    if (batch != NULL) {
        switch (store_batch_find(batch, slice_of(full.bytes, full.n), &pending)) {
        case STORE_PENDING_PUT:
            *value = (struct store_value){.bytes = pending};
            return SF_OK;
        case STORE_PENDING_DELETED:
            return SF_NOT_FOUND;
        case STORE_PENDING_NONE:
            break;
        }
    }
    return space->store->ops->get(space->store, slice_of(full.bytes, full.n), false, value);
}

int store_get_durable(const struct space *space, struct slice key, struct store_value *value)
{
    struct full_key full;
    if (!full_key_of(space, key, &full))
        return SF_NOT_FOUND;
    return space->store->ops->get(space->store, slice_of(full.bytes, full.n), true, value);
}

void store_unpin(struct store_value *value)
{
    if (value->release != NULL)
        value->release(value->pin);
    *value = (struct store_value){0};
}

struct store_view *store_view_new(struct store *store)
{
    return store->ops->view_new(store);
}

void store_view_free(struct store_view *view)
{
    if (view != NULL)
        view->ops->view_free(view);
}

/* -- iterators ----------------------------------------------------------------------------- */

/* The bounds of `from` and `to` as full keys; an empty `to` is the end of the space. */
static void range_of(const struct space *space, struct slice from, struct slice to,
                     struct buffer *full_from, struct buffer *full_to)
{
    buffer_append(full_from, space->prefix, STORE_PREFIX_BYTES);
    buffer_append(full_from, from.p, from.n);
    if (to.n > 0) {
        buffer_append(full_to, space->prefix, STORE_PREFIX_BYTES);
        buffer_append(full_to, to.p, to.n);
    } else {
        store_prefix_end(space->prefix, buffer_grow(full_to, STORE_PREFIX_BYTES));
    }
}

struct store_iter *store_iter_new(const struct space *space, const struct store_view *view,
                                  struct slice from, struct slice to)
{
    struct buffer full_from = {0}, full_to = {0};
    range_of(space, from, to, &full_from, &full_to);
    struct store_iter *iter = space->store->ops->iter_new(
        space->store, view, buffer_slice(&full_from), buffer_slice(&full_to));
    iter->ops = space->store->ops;
    memcpy(iter->prefix, space->prefix, STORE_PREFIX_BYTES);
    iter->empty = slice_compare(buffer_slice(&full_from), buffer_slice(&full_to)) >= 0;
    iter->from = full_from;
    iter->to = full_to;
    if (!iter->empty)
        iter->ops->iter_seek(iter, buffer_slice(&iter->from));
    return iter;
}

bool store_iter_valid(const struct store_iter *iter)
{
    return !iter->empty && iter->ops->iter_valid(iter);
}

void store_iter_next(struct store_iter *iter)
{
    sf_assert(store_iter_valid(iter));
    iter->ops->iter_next(iter);
}

void store_iter_seek(struct store_iter *iter, struct slice key)
{
    struct buffer full = {0};
    buffer_append(&full, iter->prefix, STORE_PREFIX_BYTES);
    buffer_append(&full, key.p, key.n);
    iter->empty = slice_compare(buffer_slice(&iter->from), buffer_slice(&iter->to)) >= 0 ||
                  slice_compare(buffer_slice(&full), buffer_slice(&iter->to)) >= 0;
    if (slice_compare(buffer_slice(&full), buffer_slice(&iter->from)) < 0)
        buffer_set(&full, buffer_slice(&iter->from));
    if (!iter->empty)
        iter->ops->iter_seek(iter, buffer_slice(&full));
    buffer_deinit(&full);
}

struct slice store_iter_key(const struct store_iter *iter)
{
    sf_assert(store_iter_valid(iter));
    struct slice key = iter->ops->iter_key(iter);
    return slice_of(key.p + STORE_PREFIX_BYTES, key.n - STORE_PREFIX_BYTES);
}

struct slice store_iter_value(const struct store_iter *iter)
{
    sf_assert(store_iter_valid(iter));
    return iter->ops->iter_value(iter);
}

int store_iter_status(const struct store_iter *iter)
{
    return iter->ops->iter_status(iter);
}

void store_iter_free(struct store_iter *iter)
{
    if (iter == NULL)
        return;
    struct buffer from = iter->from, to = iter->to;
    iter->ops->iter_free(iter); /* it may look at the bounds until then */
    buffer_deinit(&from);
    buffer_deinit(&to);
}

/* -- writing ------------------------------------------------------------------------------- */

int store_write(struct store *store, const struct store_batch *batch)
{
    return store_batch_count(batch) == 0 ? SF_OK : store->ops->write(store, batch);
}

int store_flush(struct store *store)
{
    return store->ops->flush(store);
}

void store_reclaim(const struct space *space, struct slice from, struct slice to)
{
    struct buffer full_from = {0}, full_to = {0};
    range_of(space, from, to, &full_from, &full_to);
    space->store->ops->reclaim(space->store, buffer_slice(&full_from), buffer_slice(&full_to));
    buffer_deinit(&full_from);
    buffer_deinit(&full_to);
}

/* store_ops: what an implementation of the store provides; behind store.c, for this room alone.
 *
 * Keys here are full keys: the space's prefix is part of them. Iterators hand out full keys.
 */
#ifndef STORAGE_STORE_OPS_H
#define STORAGE_STORE_OPS_H

#include "storage/store.h"

struct store_ops {
    void (*close)(struct store *store);
    /* durable: as a crash right now would leave it. */
    int (*get)(struct store *store, struct slice key, bool durable, struct store_value *value);
    struct store_view *(*view_new)(struct store *store);
    void (*view_free)(struct store_view *view);
    /* Not positioned yet; view NULL: one of its own. from, to: lent until after iter_free. */
    struct store_iter *(*iter_new)(struct store *store, const struct store_view *view,
                                   struct slice from, struct slice to);
    void (*iter_free)(struct store_iter *iter);
    void (*iter_seek)(struct store_iter *iter, struct slice key); /* from <= key < to */
    void (*iter_next)(struct store_iter *iter);
    bool (*iter_valid)(const struct store_iter *iter);
    struct slice (*iter_key)(const struct store_iter *iter);
    struct slice (*iter_value)(const struct store_iter *iter);
    int (*iter_status)(const struct store_iter *iter);
    int (*write)(struct store *store, const struct store_batch *batch);
    int (*flush)(struct store *store);
    void (*reclaim)(struct store *store, struct slice from, struct slice to);
};

/* First member of each implementation's own struct. */
struct store {
    const struct store_ops *ops;
};

struct store_view {
    const struct store_ops *ops;
};

struct store_iter {
    const struct store_ops *ops;
    uint8_t prefix[STORE_PREFIX_BYTES]; /* of the space it iterates over */
    struct buffer from, to;             /* bounds: full keys */
    bool empty;                         /* nothing lies between the bounds: never positioned */
};

#endif

/* store_batch: operations to be done at once, in memory, and what they make of a key.
 *
 *  B1  Operations stand in the order they were added; a later one wins.
 *  B2  A put or delete that a later put or delete of the same key has overtaken is taken out of the
 *      list: nobody could ever see it. A delete of what was put as new is not added either.
 *  B3  Bytes that were added do not move before the batch is cleared or freed.
 */
#ifndef STORAGE_STORE_BATCH_H
#define STORAGE_STORE_BATCH_H

#include "storage/store.h"

enum store_op_kind { STORE_OP_PUT = 1, STORE_OP_DELETE, STORE_OP_DELETE_RANGE };

struct store_op {
    enum store_op_kind kind;
    struct slice key;   /* full key; DELETE_RANGE: the first that goes */
    struct slice value; /* PUT: the value; DELETE_RANGE: the first full key that stays */
};

/* Visits the operations in order until visit answers something else than SF_OK; returns that. */
int store_batch_each(const struct store_batch *batch,
                     int (*visit)(void *ctx, const struct store_op *op), void *ctx);

enum store_pending { STORE_PENDING_NONE, STORE_PENDING_PUT, STORE_PENDING_DELETED };

/* What this batch will have made of `key`; with PUT, *value is borrowed from the batch. */
enum store_pending store_batch_find(const struct store_batch *batch, struct slice key,
                                    struct slice *value);

/* The first full key after everything that begins with this prefix. A prefix of nothing but 0xff
 * has no such key and is not allowed. */
void store_prefix_end(const uint8_t prefix[STORE_PREFIX_BYTES], uint8_t end[STORE_PREFIX_BYTES]);

#endif

/* draft: what one log entry reads and changes in the store, and the way back.
 *
 * Changes go to the replica's batch at once, unless they are held: then they stay here, are seen by
 * draft_get, and end in the batch (draft_release) or nowhere (draft_drop). A minitransaction holds,
 * since its fourth operation may fail; a single operation tests everything before it changes
 * anything.
 *
 * A read that the store cannot answer sets `error`, and finds nothing. Whoever opened the draft
 * looks at it once at the end: within apply it is fatal for the process, a client's read answers
 * it.
 */
#ifndef SHARDKV_DRAFT_H
#define SHARDKV_DRAFT_H

#include "storage/store.h"

struct draft_change;

struct draft {
    const struct space *space;
    const struct store_batch *pending; /* what the store does not hold yet; NULL: nothing */
    struct store_batch *batch;         /* the same, to be added to; NULL: for reading only */
    struct draft_change *held;         /* by key; the newest change of each */
    struct draft_change *retired;      /* replaced ones: a value that was got may still be in use */
    bool holds;
    int error; /* SF_OK; SF_IO, SF_CORRUPT */
};

/* A value that was found, until draft_put_back. */
struct draft_value {
    struct slice bytes;
    struct store_value stored;
    bool pinned; /* `stored` is in use */
};

/* space and batch are lent until draft_deinit, as pending. */
void draft_init(struct draft *draft, const struct space *space, struct store_batch *batch);
void draft_init_read(struct draft *draft, const struct space *space,
                     const struct store_batch *pending);
void draft_deinit(struct draft *draft); /* nothing may be held */

/* Is there a value? If so *value must be put back. */
SF_MUST_CHECK bool draft_get(struct draft *draft, struct slice key, struct draft_value *value);
void draft_put_back(struct draft_value *value);
bool draft_has(struct draft *draft, struct slice key);

void draft_put(struct draft *draft, struct slice key, struct slice value);
/* The same of a key that is not there, while nothing is held: if it goes again before the batch is
 * written, it costs the store nothing. */
void draft_put_new(struct draft *draft, struct slice key, struct slice value);
void draft_delete(struct draft *draft, struct slice key);

void draft_hold(struct draft *draft);            /* nothing is held so far */
void draft_release(struct draft *draft);         /* what was held goes to the batch */
void draft_drop(struct draft *draft);            /* what was held is forgotten */
void draft_fail(struct draft *draft, int error); /* keeps the first error */
/* Frees an iterator; its error is the draft's, too. */
void draft_end_iter(struct draft *draft, struct store_iter *iter);

#endif

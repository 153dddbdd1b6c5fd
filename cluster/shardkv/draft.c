#include "shardkv/draft.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "env/memory.h"

struct draft_change {
    UT_hash_handle hh;         /* in held, by key */
    struct draft_change *next; /* in retired */
    bool deletes;
    struct slice key, value; /* both within `bytes` */
    uint8_t bytes[];
};

void draft_init(struct draft *draft, const struct space *space, struct store_batch *batch)
{
    *draft = (struct draft){.space = space, .pending = batch, .batch = batch};
}

void draft_init_read(struct draft *draft, const struct space *space,
                     const struct store_batch *pending)
{
    *draft = (struct draft){.space = space, .pending = pending};
}

void draft_deinit(struct draft *draft)
{
    sf_assert(draft->held == NULL);
    while (draft->retired != NULL) {
        struct draft_change *change = draft->retired;
        draft->retired = change->next;
        free(change);
    }
}

void draft_fail(struct draft *draft, int error)
{
    if (draft->error == SF_OK)
        draft->error = error;
}

void draft_end_iter(struct draft *draft, struct store_iter *iter)
{
    if (store_iter_status(iter) != SF_OK)
        draft_fail(draft, store_iter_status(iter));
    store_iter_free(iter);
}

static struct draft_change *find_held(const struct draft *draft, struct slice key)
{
    struct draft_change *change = NULL;
    if (draft->held != NULL)
        HASH_FIND(hh, draft->held, key.p, key.n, change);
    return change;
}

static void retire(struct draft *draft, struct draft_change *change)
{
    HASH_DEL(draft->held, change);
    change->next = draft->retired;
    draft->retired = change;
}

bool draft_get(struct draft *draft, struct slice key, struct draft_value *value)
{
    struct draft_change *change = find_held(draft, key);
    if (change != NULL) {
        if (!change->deletes)
            *value = (struct draft_value){.bytes = change->value};
        return !change->deletes;
    }
    struct store_value stored;
    int status = store_get(draft->space, draft->pending, key, &stored);
    if (status != SF_OK) {
        if (status != SF_NOT_FOUND)
            draft_fail(draft, status);
        return false;
    }
    *value = (struct draft_value){.bytes = stored.bytes, .stored = stored, .pinned = true};
    return true;
}

void draft_put_back(struct draft_value *value)
{
    if (value->pinned)
        store_unpin(&value->stored);
    *value = (struct draft_value){0};
}

bool draft_has(struct draft *draft, struct slice key)
{
    struct draft_value value;
    bool found = draft_get(draft, key, &value);
    if (found)
        draft_put_back(&value);
    return found;
}

static void hold_change(struct draft *draft, struct slice key, struct slice value, bool deletes)
{
    struct draft_change *old = find_held(draft, key);
    if (old != NULL)
        retire(draft, old);
    struct draft_change *change = sf_calloc(1, sizeof(*change) + key.n + value.n);
    memcpy(change->bytes, key.p, key.n);
    if (value.n > 0)
        memcpy(change->bytes + key.n, value.p, value.n);
    change->key = slice_of(change->bytes, key.n);
    change->value = slice_of(change->bytes + key.n, value.n);
    change->deletes = deletes;
    HASH_ADD_KEYPTR(hh, draft->held, change->key.p, change->key.n, change);
}

void draft_put(struct draft *draft, struct slice key, struct slice value)
{
    sf_assert(draft->batch != NULL);
    if (draft->holds)
        hold_change(draft, key, value, false);
    else
        store_batch_put(draft->batch, key, value);
}

void draft_put_new(struct draft *draft, struct slice key, struct slice value)
{
    sf_assert(draft->batch != NULL);
    sf_assert(!draft->holds);
    store_batch_put_new(draft->batch, key, value);
}

void draft_delete(struct draft *draft, struct slice key)
{
    sf_assert(draft->batch != NULL);
    if (draft->holds)
        hold_change(draft, key, slice_of(NULL, 0), true);
    else
        store_batch_delete(draft->batch, key);
}

void draft_hold(struct draft *draft)
{
    sf_assert(!draft->holds);
    draft->holds = true;
}

void draft_release(struct draft *draft)
{
    sf_assert(draft->holds);
    draft->holds = false;
    /* In the order of the last change of each key, which is the same on every replica. */
    while (draft->held != NULL) {
        struct draft_change *change = draft->held;
        if (change->deletes)
            store_batch_delete(draft->batch, change->key);
        else
            store_batch_put(draft->batch, change->key, change->value);
        retire(draft, change);
    }
}

void draft_drop(struct draft *draft)
{
    sf_assert(draft->holds);
    draft->holds = false;
    while (draft->held != NULL)
        retire(draft, draft->held);
}

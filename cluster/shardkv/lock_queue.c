#include "shardkv/lock_queue.h"

#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

#include "env/memory.h"

struct lock_queue {
    UT_hash_handle hh;
    uint32_t shard;
    struct waiter *first; /* Q1 */
    size_t waiting;       /* of them are WAITING or HELD */
};

static bool counts(enum waiter_state state)
{
    return state == WAITER_WAITING || state == WAITER_HELD;
}

static struct lock_queue *find(const struct lock_queues *queues, uint32_t shard)
{
    struct lock_queue *queue = NULL;
    HASH_FIND(hh, queues->queues, &shard, sizeof(shard), queue);
    return queue;
}

static struct lock_queue *find_or_make(struct lock_queues *queues, uint32_t shard)
{
    struct lock_queue *queue = find(queues, shard);
    if (queue == NULL) {
        queue = sf_calloc(1, sizeof(*queue));
        queue->shard = shard;
        HASH_ADD(hh, queues->queues, shard, sizeof(queue->shard), queue);
    }
    return queue;
}

/* Does it conflict with one before it? waiting_only: those that are PROPOSED do not count. */
static bool conflicts_with_earlier(const struct lock_queue *queue, const struct waiter *waiter,
                                   bool waiting_only)
{
    const struct waiter *other;
    DL_FOREACH(queue->first, other)
    {
        if (other->ticket >= waiter->ticket)
            return false;
        if (waiting_only && !counts(other->state))
            continue;
        if (lock_sets_conflict(&other->set, &waiter->set))
            return true;
    }
    return false;
}

bool lock_queue_is_out_of_turn(const struct lock_queues *queues, const struct waiter *waiter)
{
    const struct lock_queue *queue = find(queues, waiter->shard);
    return queue != NULL && conflicts_with_earlier(queue, waiter, true);
}

bool lock_queue_blocks(const struct lock_queues *queues, const struct txn_table *table,
                       const struct waiter *waiter)
{
    if (txn_table_blocks(table, &waiter->set))
        return true;
    const struct lock_queue *queue = waiter->reads ? NULL : find(queues, waiter->shard);
    return queue != NULL && conflicts_with_earlier(queue, waiter, false);
}

bool lock_queue_is_full(const struct lock_queues *queues, uint32_t shard)
{
    const struct lock_queue *queue = find(queues, shard);
    return queue != NULL && queue->waiting >= LOCK_WAITERS_MAX;
}

bool lock_queue_is_empty(const struct lock_queues *queues, uint32_t shard)
{
    return find(queues, shard) == NULL;
}

static int by_ticket(const struct waiter *a, const struct waiter *b)
{
    return a->ticket < b->ticket ? -1 : a->ticket > b->ticket;
}

void lock_queue_add(struct lock_queues *queues, struct waiter *waiter, enum waiter_state state)
{
    struct lock_queue *queue = find_or_make(queues, waiter->shard);
    sf_assert(waiter->state == WAITER_ASIDE);
    sf_assert(state != WAITER_PROPOSED || waiter->stays);
    waiter->state = state;
    queue->waiting += counts(state);
    if (queue->first != NULL && queue->first->prev->ticket < waiter->ticket)
        DL_APPEND(queue->first, waiter);
    else
        DL_INSERT_INORDER(queue->first, waiter, by_ticket);
}

void lock_queue_remove(struct lock_queues *queues, struct waiter *waiter)
{
    if (waiter->state == WAITER_ASIDE)
        return;
    struct lock_queue *queue = find(queues, waiter->shard);
    queue->waiting -= counts(waiter->state);
    waiter->state = WAITER_ASIDE;
    DL_DELETE(queue->first, waiter);
    if (queue->first != NULL)
        return;
    HASH_DEL(queues->queues, queue);
    free(queue);
}

struct waiter *lock_queue_take(struct lock_queues *queues, const struct txn_table *table,
                               uint32_t shard)
{
    struct lock_queue *queue = find(queues, shard);
    struct waiter *waiter = queue != NULL ? queue->first : NULL;
    for (; waiter != NULL; waiter = waiter->next) {
        if (waiter->state != WAITER_WAITING || lock_queue_blocks(queues, table, waiter))
            continue;
        lock_queue_remove(queues, waiter);
        if (waiter->stays)
            lock_queue_add(queues, waiter, WAITER_PROPOSED);
        return waiter;
    }
    return NULL;
}

#include "tree/locks.h"

#include <string.h>

#include "tree/op.h"

static unsigned flags_of(const struct tree_lock *lock)
{
    unsigned flags = lock->flock ? KV_LOCK_CONVERTS : 0;
    flags |= lock->waits ? KV_LOCK_WAITS : 0u;
    flags |= lock->passes ? KV_LOCK_PASSES : 0u;
    return flags;
}

static void on_done(struct lock_call *call, int status)
{
    struct tree_lock *lock = container_of(call, struct tree_lock, call);
    if (lock->test && status == SF_OK) {
        lock->type = call->lock.type;
        lock->first = call->lock.first;
        lock->last = call->lock.last;
        lock->pid = call->lock.holder == lock->holder ? call->lock.pid : 0;
    }
    lock->on_done(lock, status);
}

void tree_lock_submit(struct tree *tree, struct tree_lock *lock)
{
    struct key key;
    key_of_locks(lock->ino, lock->flock, &key);
    memcpy(lock->key, key.bytes, key.n);
    lock->call = (struct lock_call){.on_done = on_done,
                                    .key = slice_of(lock->key, key.n),
                                    .lock = {.type = lock->type,
                                             .flags = flags_of(lock),
                                             .owner = lock->owner,
                                             .first = lock->first,
                                             .last = lock->last,
                                             .pid = lock->pid},
                                    .test = lock->test,
                                    .timeout_ms = lock->patient ? 0 : tree->options.timeout_ms};
    lock_submit(tree->client, &lock->call);
    lock->holder = lock->call.lock.holder;
}

void tree_lock_leave(struct tree_lock *lock)
{
    lock_leave(&lock->call);
}

void tree_lock_drop(struct tree_lock *lock)
{
    lock_drop(&lock->call);
}

bool tree_lock_was_sent(const struct tree_lock *lock)
{
    return lock_was_sent(&lock->call);
}

bool tree_lock_is_queued(const struct tree_lock *lock)
{
    return lock_is_queued(&lock->call);
}

void tree_watch_locks(struct tree *tree, void (*on_lost)(void *ctx), void *ctx)
{
    tree->on_lost = on_lost;
    tree->lost_ctx = ctx;
}

uint64_t tree_unsettled(const struct tree *tree)
{
    return client_unsettled(tree->client);
}

bool tree_is_settled(const struct tree *tree, uint64_t number)
{
    return client_is_settled(tree->client, number);
}

void tree_watch_settled(struct tree *tree, void (*on_settled)(void *ctx), void *ctx)
{
    client_watch_settled(tree->client, on_settled, ctx);
}

#include "shardkv/range_locks.h"

#include <stdlib.h>
#include <string.h>

#include "env/memory.h"

/* -- lists --------------------------------------------------------------------------------- */

static void append(struct range_list *list, const struct kv_lock *lock)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity > 0 ? 2 * list->capacity : 4;
        list->locks = sf_realloc(list->locks, list->capacity * sizeof(list->locks[0]));
    }
    list->locks[list->count++] = *lock;
}

static void remove_at(struct range_list *list, size_t at)
{
    list->count--;
    memmove(&list->locks[at], &list->locks[at + 1], (list->count - at) * sizeof(list->locks[0]));
}

static void list_deinit(struct range_list *list)
{
    free(list->locks);
    *list = (struct range_list){0};
}

void range_locks_deinit(struct range_locks *locks)
{
    list_deinit(&locks->held);
    list_deinit(&locks->waiting);
}

bool range_locks_is_empty(const struct range_locks *locks)
{
    return locks->held.count + locks->waiting.count == 0;
}

/* -- who is in whose way ------------------------------------------------------------------- */

bool range_locks_same_owner(const struct kv_lock *a, const struct kv_lock *b)
{
    return a->holder == b->holder && a->owner == b->owner;
}

static bool overlap(const struct kv_lock *a, const struct kv_lock *b)
{
    return a->first <= b->last && b->first <= a->last;
}

bool range_locks_conflict(const struct kv_lock *a, const struct kv_lock *b)
{
    bool exclusive = a->type == KV_LOCK_EXCLUSIVE || b->type == KV_LOCK_EXCLUSIVE;
    bool both = a->type != KV_LOCK_NONE && b->type != KV_LOCK_NONE;
    return exclusive && both && !range_locks_same_owner(a, b) && overlap(a, b);
}

static bool take_it(void *ctx, const struct kv_lock *blocker)
{
    const struct kv_lock **out = ctx;
    *out = blocker;
    return true;
}

bool range_locks_each_blocker(const struct range_locks *locks, const struct kv_lock *wanted,
                              size_t before,
                              bool (*visit)(void *ctx, const struct kv_lock *blocker), void *ctx)
{
    size_t queued = wanted->flags & KV_LOCK_PASSES ? 0 : before;
    for (size_t i = 0; i < locks->held.count; i++)
        if (range_locks_conflict(&locks->held.locks[i], wanted) &&
            visit(ctx, &locks->held.locks[i]))
            return true;
    for (size_t i = 0; i < queued; i++)
        if (range_locks_conflict(&locks->waiting.locks[i], wanted) &&
            visit(ctx, &locks->waiting.locks[i]))
            return true;
    return false;
}

const struct kv_lock *range_locks_in_the_way(const struct range_locks *locks,
                                             const struct kv_lock *wanted)
{
    const struct kv_lock *found = NULL;
    (void)range_locks_each_blocker(locks, wanted, 0, take_it, &found);
    return found;
}

bool range_locks_blocks(const struct range_locks *locks, const struct kv_lock *wanted,
                        size_t before)
{
    const struct kv_lock *found = NULL;
    return range_locks_each_blocker(locks, wanted, before, take_it, &found);
}

/* -- changing ------------------------------------------------------------------------------ */

/* Of one type and one owner: are they one? */
static bool touch(const struct kv_lock *a, const struct kv_lock *b)
{
    bool after = a->last != UINT64_MAX && a->last + 1 == b->first;
    bool before = b->last != UINT64_MAX && b->last + 1 == a->first;
    return overlap(a, b) || after || before;
}

/* Has a lock of the owner to be cut in two? */
static bool splits(const struct range_locks *locks, const struct kv_lock *wanted)
{
    for (size_t i = 0; i < locks->held.count; i++) {
        const struct kv_lock *held = &locks->held.locks[i];
        if (range_locks_same_owner(held, wanted) && held->type != wanted->type &&
            held->first < wanted->first && held->last > wanted->last)
            return true;
    }
    return false;
}

/* What is left of a lock of the same owner and another type; what lies behind goes to the end. */
static bool cut(struct range_list *held, size_t at, const struct kv_lock *wanted)
{
    struct kv_lock before = held->locks[at], after = before;
    bool has_before = before.first<wanted->first, has_after = after.last> wanted->last;
    before.last = wanted->first - 1;
    after.first = wanted->last + 1;
    if (has_before)
        held->locks[at] = before;
    else if (has_after)
        held->locks[at] = after;
    else
        remove_at(held, at);
    if (has_before && has_after)
        append(held, &after);
    return has_before || has_after;
}

static void set(struct range_locks *locks, const struct kv_lock *wanted)
{
    struct range_list *held = &locks->held;
    struct kv_lock whole = *wanted;
    whole.flags = 0;
    whole.ticket = 0;
    for (size_t i = 0; i < held->count;) {
        struct kv_lock *own = &held->locks[i];
        bool same_type = own->type == wanted->type;
        if (!range_locks_same_owner(own, wanted)) {
            i++;
        } else if (same_type && touch(own, &whole)) {
            whole.first = own->first < whole.first ? own->first : whole.first;
            whole.last = own->last > whole.last ? own->last : whole.last;
            remove_at(held, i);
        } else if (!same_type && overlap(own, wanted)) {
            i += cut(held, i, wanted);
        } else {
            i++;
        }
    }
    if (whole.type != KV_LOCK_NONE)
        append(held, &whole);
}

int range_locks_set(struct range_locks *locks, const struct kv_lock *wanted)
{
    size_t more = (wanted->type != KV_LOCK_NONE) + (size_t)splits(locks, wanted);
    if (more > 0 && locks->held.count + locks->waiting.count + more > RANGE_LOCKS_MAX)
        return SF_LOCKS_FULL;
    set(locks, wanted);
    return SF_OK;
}

int range_locks_wait(struct range_locks *locks, const struct kv_lock *wanted)
{
    if (locks->held.count + locks->waiting.count + 1 > RANGE_LOCKS_MAX)
        return SF_LOCKS_FULL;
    append(&locks->waiting, wanted);
    return SF_OK;
}

const struct kv_lock *range_locks_find(const struct range_locks *locks, uint64_t holder,
                                       uint64_t ticket)
{
    for (size_t i = 0; i < locks->waiting.count; i++) {
        const struct kv_lock *waiting = &locks->waiting.locks[i];
        if (waiting->holder == holder && waiting->ticket == ticket)
            return waiting;
    }
    return NULL;
}

void range_locks_leave(struct range_locks *locks, const struct kv_lock *waiting)
{
    remove_at(&locks->waiting, (size_t)(waiting - locks->waiting.locks));
}

/* Does its grant take something away from others' way? */
static bool gives_back(const struct range_locks *locks, const struct kv_lock *wanted)
{
    for (size_t i = 0; i < locks->held.count; i++) {
        const struct kv_lock *held = &locks->held.locks[i];
        if (range_locks_same_owner(held, wanted) && overlap(held, wanted) &&
            held->type == KV_LOCK_EXCLUSIVE && wanted->type == KV_LOCK_SHARED)
            return true;
    }
    return false;
}

size_t range_locks_grant(struct range_locks *locks)
{
    size_t granted = 0;
    for (size_t i = 0; i < locks->waiting.count;) {
        struct kv_lock lock = locks->waiting.locks[i];
        if (range_locks_blocks(locks, &lock, i)) {
            i++;
            continue;
        }
        bool again = gives_back(locks, &lock);
        remove_at(&locks->waiting, i);
        set(locks, &lock);
        granted++;
        if (again)
            i = 0;
    }
    return granted;
}

void range_locks_restore(struct range_locks *locks, const struct kv_lock *lock, bool held)
{
    append(held ? &locks->held : &locks->waiting, lock);
}

static bool drop_from(struct range_list *list, uint64_t holder)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (list->locks[i].holder != holder)
            list->locks[kept++] = list->locks[i];
    bool dropped = kept < list->count;
    list->count = kept;
    return dropped;
}

bool range_locks_drop(struct range_locks *locks, uint64_t holder)
{
    bool held = drop_from(&locks->held, holder);
    bool waited = drop_from(&locks->waiting, holder);
    return held || waited;
}

static bool is_in(const struct range_list *list, uint64_t holder)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->locks[i].holder == holder)
            return true;
    return false;
}

bool range_locks_has(const struct range_locks *locks, uint64_t holder)
{
    return is_in(&locks->held, holder) || is_in(&locks->waiting, holder);
}

bool range_locks_is_valid(const struct range_locks *locks)
{
    const struct range_list *held = &locks->held;
    for (size_t i = 0; i < held->count; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct kv_lock *a = &held->locks[i], *b = &held->locks[j];
            bool same = range_locks_same_owner(a, b);
            if (range_locks_conflict(a, b) || (same && overlap(a, b)) ||
                (same && a->type == b->type && touch(a, b)))
                return false;
        }
    }
    for (size_t i = 0; i < locks->waiting.count; i++)
        if (!range_locks_blocks(locks, &locks->waiting.locks[i], i))
            return false;
    return true;
}

#include "shardkv/lock_set.h"

#include <string.h>

/* What a check asks for, or an Add by its precondition. */
static unsigned modes_of_condition(const struct kv_op *op)
{
    bool adds_show = op->pre.kind == KV_PRE_VERSION || op->pre.kind == KV_PRE_ABSENT ||
                     (op->flags & KV_IF_SLOT_ZERO);
    return adds_show ? LOCK_CHECK : LOCK_ADD;
}

static unsigned modes_of(const struct kv_op *op)
{
    if (op->flags & KV_PREFIX_EMPTY)
        return LOCK_WRITE;
    if (op->kind == KV_ADD)
        return LOCK_ADD | modes_of_condition(op);
    return LOCK_WRITE;
}

static void add(struct lock_set *set, const struct kv_op *op, unsigned modes)
{
    struct lock *lock = &set->locks[set->count++];
    *lock = (struct lock){.modes = modes,
                          .is_prefix = op->kind == KV_SCAN || (op->flags & KV_PREFIX_EMPTY),
                          .space = op->space,
                          .key = op->key};
}

/* The keys move into memory of the set's own. */
static void own_keys(struct lock_set *set)
{
    size_t bytes = 0;
    for (size_t i = 0; i < set->count; i++)
        bytes += set->locks[i].key.n;
    uint8_t *to = buffer_grow(&set->bytes, bytes + 1); /* never NULL, also where all are empty */
    for (size_t i = 0; i < set->count; i++) {
        struct slice *key = &set->locks[i].key;
        if (key->n > 0)
            memcpy(to, key->p, key->n);
        key->p = to;
        to += key->n;
    }
}

void lock_set_of(struct lock_set *set, const struct kv_op *op)
{
    if (kv_is_read(op->kind)) {
        add(set, op, op->hold != 0 ? LOCK_WRITE : LOCK_READ);
    } else if (op->kind == KV_MINI || op->kind == KV_PREPARE) {
        for (size_t i = 0; i < op->check_count; i++) {
            const struct kv_op *check = &op->checks[i];
            bool empty = check->flags & KV_PREFIX_EMPTY;
            add(set, check, empty ? LOCK_WRITE : modes_of_condition(check));
        }
        for (size_t i = 0; i < op->op_count; i++)
            add(set, &op->ops[i], modes_of(&op->ops[i]));
    } else if (op->kind >= KV_PUT && op->kind <= KV_TAKE) {
        add(set, op, modes_of(op));
    }
    own_keys(set);
}

void lock_set_deinit(struct lock_set *set)
{
    buffer_deinit(&set->bytes);
    set->count = 0;
}

bool lock_modes_conflict(unsigned a, unsigned b)
{
    if ((a | b) & LOCK_WRITE)
        return true;
    return ((a & LOCK_ADD) && (b & LOCK_CHECK)) || ((a & LOCK_CHECK) && (b & LOCK_ADD));
}

static bool overlap(const struct lock *a, const struct lock *b)
{
    if (a->space != b->space)
        return false;
    if (a->is_prefix && slice_has_prefix(b->key, a->key))
        return true;
    if (b->is_prefix && slice_has_prefix(a->key, b->key))
        return true;
    return !a->is_prefix && !b->is_prefix && slice_equal(a->key, b->key);
}

bool locks_conflict(const struct lock *a, const struct lock *b)
{
    return lock_modes_conflict(a->modes, b->modes) && overlap(a, b);
}

bool lock_sets_conflict(const struct lock_set *a, const struct lock_set *b)
{
    for (size_t i = 0; i < a->count; i++)
        for (size_t k = 0; k < b->count; k++)
            if (locks_conflict(&a->locks[i], &b->locks[k]))
                return true;
    return false;
}

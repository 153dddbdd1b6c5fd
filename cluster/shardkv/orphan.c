#include "shardkv/orphan.h"

#include "shardkv/ops.h"
#include "shardkv/session.h"
#include "shardkv/txn.h"

void orphan_note(struct access *access, const struct kv_op *op)
{
    struct key key;
    struct buffer b = {0};
    keys_owner(&key, access->copy, op->space, op->key);
    if (op->kind == KV_DELETE) {
        draft_delete(&access->draft, key_slice(&key));
        return;
    }
    buffer_put_u64(&b, access->owner);
    draft_put(&access->draft, key_slice(&key), buffer_slice(&b));
    buffer_deinit(&b);
}

static struct store_iter *iterate(struct access *access)
{
    struct key prefix;
    keys_section(&prefix, access->copy, 'o');
    return keys_iterate(access->draft.space, &prefix);
}

static uint64_t owner_at(struct access *access, const struct store_iter *iter)
{
    struct reader r = reader_of(store_iter_value(iter));
    uint64_t session = reader_u64(&r);
    if (!reader_done(&r))
        draft_fail(&access->draft, SF_CORRUPT);
    return session;
}

bool orphan_is_of(struct access *access, uint64_t session)
{
    bool found = false;
    struct store_iter *iter = iterate(access);
    for (; !found && store_iter_valid(iter); store_iter_next(iter))
        found = owner_at(access, iter) == session;
    draft_end_iter(&access->draft, iter);
    return found;
}

bool orphan_is_there(struct access *access)
{
    struct store_iter *iter = iterate(access);
    bool found = store_iter_valid(iter);
    draft_end_iter(&access->draft, iter);
    return found;
}

/* The record may be gone already: whoever took it away did not say that it was owned. */
static void reclaim(struct access *access, struct slice store_key)
{
    struct reader r = reader_of(keys_rest(store_key));
    struct kv_op op = {.kind = KV_DELETE};
    struct kv_reply reply;
    op.space = reader_u8(&r) == KV_INTERNAL ? KV_INTERNAL : KV_PLAIN;
    op.key = reader_bytes(&r, reader_left(&r));
    if (txn_is_locked(access, &op))
        return;
    ops_execute(access, &op, &reply);
    orphan_note(access, &op);
}

void orphan_reclaim(struct access *access, size_t limit)
{
    struct store_iter *iter = iterate(access);
    for (; limit > 0 && store_iter_valid(iter); store_iter_next(iter)) {
        if (session_is_there(access, owner_at(access, iter)))
            continue;
        reclaim(access, store_iter_key(iter));
        limit--;
    }
    draft_end_iter(&access->draft, iter);
}

#include "proto/kv.h"

#include <string.h>

static const char *const method_names[KV_KIND_LIMIT] = {
    [KV_GET] = "kv.get",
    [KV_GET_RANGE] = "kv.get_range",
    [KV_STAT] = "kv.stat",
    [KV_SCAN] = "kv.scan",
    [KV_PUT] = "kv.put",
    [KV_APPEND] = "kv.append",
    [KV_PUT_HASH] = "kv.put_hash",
    [KV_SET_RANGE] = "kv.set_range",
    [KV_SET_LENGTH] = "kv.set_length",
    [KV_PUNCH_RANGE] = "kv.punch_range",
    [KV_SET_ATTR] = "kv.set_attr",
    [KV_ADD] = "kv.add",
    [KV_DELETE] = "kv.delete",
    [KV_TAKE] = "kv.take",
    [KV_NEW_IDS] = "kv.new_ids",
    [KV_INTENT] = "kv.intent",
    [KV_SESSION_OPEN] = "kv.session_open",
    [KV_SESSION_CLOSE] = "kv.session_close",
    [KV_ABANDON] = "kv.abandon",
    [KV_MINI] = "kv.mini",
    [KV_PREPARE] = "kv.prepare",
    [KV_OUTCOME] = "kv.outcome",
    [KV_FORGET] = "kv.forget",
    [KV_ASK] = "kv.ask",
    [KV_LOCK] = "kv.lock",
    [KV_LOCK_CANCEL] = "kv.lock_cancel",
    [KV_LOCK_TEST] = "kv.lock_test",
    [KV_LOCK_AWAIT] = "kv.lock_await",
    [KV_RENEW] = "kv.renew",
    [KV_FENCE] = "kv.fence",
    [KV_RELEASE] = "kv.release",
};

const char *kv_method_name(enum kv_kind kind)
{
    return (unsigned)kind < KV_KIND_LIMIT ? method_names[kind] : NULL;
}

bool kv_kind_of_method(struct slice method, enum kv_kind *out)
{
    for (unsigned kind = KV_GET; kind < KV_KIND_LIMIT; kind++) {
        const char *name = method_names[kind];
        if (name != NULL && slice_equal(method, slice_str(name))) {
            *out = (enum kv_kind)kind;
            return true;
        }
    }
    return false;
}

bool kv_is_read(enum kv_kind kind)
{
    return (kind >= KV_GET && kind <= KV_SCAN) || kind == KV_LOCK_TEST || kind == KV_LOCK_AWAIT;
}

bool kv_is_lock(enum kv_kind kind)
{
    return kind >= KV_LOCK && kind <= KV_LOCK_AWAIT;
}

bool kv_may_hold(enum kv_kind kind)
{
    return kind == KV_GET || kind == KV_STAT || (kind >= KV_PUT && kind <= KV_TAKE) ||
           kind == KV_MINI || kind == KV_PREPARE;
}

bool kv_is_of_holder(enum kv_kind kind)
{
    return kind >= KV_RENEW && kind <= KV_RELEASE;
}

bool kv_is_of_txn(enum kv_kind kind)
{
    return kind >= KV_PREPARE && kind <= KV_ASK;
}

void kv_lock_pack(struct buffer *b, const struct kv_lock *lock)
{
    buffer_put_u8(b, (uint8_t)lock->type);
    buffer_put_u8(b, (uint8_t)lock->flags);
    buffer_put_u64(b, lock->holder);
    buffer_put_u64(b, lock->owner);
    buffer_put_u64(b, lock->ticket);
    buffer_put_u64(b, lock->first);
    buffer_put_u64(b, lock->last);
    buffer_put_u32(b, lock->pid);
}

int kv_lock_unpack(struct slice bytes, struct kv_lock *lock)
{
    const unsigned all = KV_LOCK_WAITS | KV_LOCK_PASSES | KV_LOCK_CONVERTS;
    struct reader r = reader_of(bytes);
    struct kv_lock got;
    unsigned type = reader_u8(&r);
    got.type = (enum kv_lock_type)type;
    got.flags = reader_u8(&r);
    got.holder = reader_u64(&r);
    got.owner = reader_u64(&r);
    got.ticket = reader_u64(&r);
    got.first = reader_u64(&r);
    got.last = reader_u64(&r);
    got.pid = reader_u32(&r);
    bool good = reader_done(&r) && type <= KV_LOCK_EXCLUSIVE && (got.flags & ~all) == 0 &&
                got.holder != 0 && got.first <= got.last;
    if (!good)
        return SF_INVALID;
    *lock = got;
    return SF_OK;
}

static void put_big(uint8_t out[8], uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (56 - 8 * i));
}

void kv_extent_key(uint64_t data_id, uint64_t extent, uint8_t out[KV_EXTENT_KEY_BYTES])
{
    put_big(out + 8, data_id);
    put_big(out + 16, extent);
    put_big(out, bytes_hash(slice_of(out + 8, 16)));
}

void kv_unnamed_pack(struct buffer *b, const struct kv_unnamed *unnamed)
{
    buffer_put_u64(b, unnamed->data_id);
    buffer_put_u64(b, unnamed->first);
    buffer_put_u64(b, unnamed->end);
    buffer_put_u8(b, unnamed->open);
}

int kv_unnamed_unpack(struct slice data, struct kv_unnamed *out)
{
    struct reader r = reader_of(data);
    struct kv_unnamed got = {.data_id = reader_u64(&r)};
    got.first = reader_u64(&r);
    got.end = reader_u64(&r);
    got.open = reader_u8(&r) != 0;
    if (!reader_done(&r))
        return SF_PROTOCOL;
    *out = got;
    return SF_OK;
}

uint32_t kv_op_shard(const struct kv_op *op, enum routing routing, uint32_t shard_count)
{
    if ((kv_is_of_txn(op->kind) && op->kind != KV_PREPARE) || kv_is_of_holder(op->kind))
        return 0;
    if (op->kind == KV_MINI || op->kind == KV_PREPARE) {
        const struct kv_op *first = op->check_count > 0 ? op->checks : op->ops;
        return kv_op_shard(first, routing, shard_count);
    }
    if (op->kind == KV_SCAN && op->shard_count > 0)
        return op->shards[0] % shard_count;
    uint64_t route = op->space == KV_INTERNAL ? placement_route_internal(op->key)
                                              : placement_route(routing, op->key);
    return placement_shard(route, shard_count);
}

#include "client/fake_record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"

struct record *record_find(struct fake_store *store, enum kv_space space, struct slice key)
{
    struct buffer whole = {0};
    struct record *record;
    buffer_put_u8(&whole, (uint8_t)space);
    buffer_append(&whole, key.p, key.n);
    HASH_FIND(hh, store->records, whole.p, whole.n, record);
    buffer_deinit(&whole);
    return record;
}

static struct record *record_new(struct fake_store *store, const struct kv_op *op)
{
    struct record *record = sf_calloc(1, sizeof *record);
    buffer_put_u8(&record->key, (uint8_t)op->space);
    buffer_append(&record->key, op->key.p, op->key.n);
    record->stat.kind = RECORD_VALUE;
    record->stat.created = store->next_id++;
    HASH_ADD_KEYPTR(hh, store->records, record->key.p, record->key.n, record);
    return record;
}

void record_free(struct fake_store *store, struct record *record)
{
    HASH_DEL(store->records, record);
    buffer_deinit(&record->key);
    buffer_deinit(&record->bytes);
    buffer_deinit(&record->attr);
    free(record);
}

/* Fits the head's bytes to the length: zeros where it grew. */
static void record_resize(struct record *record, uint64_t length)
{
    size_t head = length < SF_VALUE_BYTES_MAX ? (size_t)length : SF_VALUE_BYTES_MAX;
    if (head > record->bytes.n) {
        size_t more = head - record->bytes.n;
        memset(buffer_grow(&record->bytes, more), 0, more);
    }
    record->bytes.n = head;
    record->stat.length = length;
}

static void set_tail(struct record *record, const struct kv_tail *tail, size_t count)
{
    memcpy(record->stat.tail, tail, count * sizeof *tail);
    record->stat.tail_count = count;
}

static struct slice head_range(const struct record *record, uint64_t offset, uint64_t length)
{
    if (offset >= record->bytes.n)
        return slice_of(NULL, 0);
    uint64_t left = record->bytes.n - offset;
    return slice_of(record->bytes.p + offset, (size_t)(length < left ? length : left));
}

/* -- operations on one key ----------------------------------------------------------------- */

bool record_pre_holds(const struct kv_op *op, const struct record *record)
{
    switch (op->pre.kind) {
    case KV_PRE_NONE:
        break;
    case KV_PRE_ABSENT:
        if (record)
            return false;
        break;
    case KV_PRE_EXISTS:
        if (!record)
            return false;
        break;
    case KV_PRE_VERSION:
        if (!record || record->stat.version != op->pre.id)
            return false;
        break;
    case KV_PRE_CREATED:
        if (!record || record->stat.created != op->pre.id)
            return false;
        break;
    }
    if (!(op->flags & KV_IF_TAIL))
        return true;
    size_t count = record ? record->stat.tail_count : 0;
    return count == op->if_tail_count &&
           (count == 0 || memcmp(record->stat.tail, op->if_tail, count * sizeof *op->if_tail) == 0);
}

bool record_is_made_by(enum kv_kind kind)
{
    return kind == KV_PUT || kind == KV_APPEND || kind == KV_PUT_HASH || kind == KV_SET_RANGE ||
           kind == KV_SET_LENGTH;
}

struct intent *intent_find(const struct fake_store *store, uint64_t data_id,
                           const struct session_name *owner)
{
    struct intent *intent;
    HASH_FIND(hh, store->intents, &data_id, sizeof data_id, intent);
    return intent && memcmp(&intent->owner, owner, sizeof *owner) == 0 ? intent : NULL;
}

static int put(struct fake_store *store, struct record *record, const struct kv_op *op,
               struct session_name owner)
{
    if (op->flags & KV_HAS_INTENT) {
        struct intent *intent = intent_find(store, op->ids_first, &owner);
        if (!intent)
            return SF_INTENT_GONE;
        HASH_DEL(store->intents, intent);
        free(intent);
    }
    buffer_set(&record->bytes, op->data);
    record_resize(record, op->flags & KV_HAS_LENGTH ? op->length : op->data.n);
    set_tail(record, op->tail, op->tail_count);
    if (op->flags & KV_HAS_ATTR)
        buffer_set(&record->attr, op->attr);
    return SF_OK;
}

static void answer_old(const struct record *record, struct kv_reply *reply, struct buffer *old)
{
    buffer_set(old, buffer_slice(&record->bytes));
    reply->data = buffer_slice(old);
}

static uint32_t fnv_1a(uint32_t hash, struct slice bytes)
{
    for (size_t i = 0; i < bytes.n; i++)
        hash = (hash ^ bytes.p[i]) * 16777619u;
    return hash;
}

static int put_hash(struct record *record, const struct kv_op *op, struct kv_reply *reply,
                    struct buffer *old)
{
    char text[16];
    uint32_t hash = fnv_1a(fnv_1a(2166136261u, buffer_slice(&record->bytes)), op->data);
    answer_old(record, reply, old);
    snprintf(text, sizeof text, "%" PRIu32, hash);
    buffer_set(&record->bytes, slice_str(text));
    record_resize(record, strlen(text));
    return SF_OK;
}

static int append(struct record *record, const struct kv_op *op, struct kv_reply *reply,
                  struct buffer *old)
{
    uint64_t length = record->stat.length;
    if (length + op->data.n > SF_VALUE_BYTES_MAX)
        return SF_TOO_BIG;
    reply->old_length = length;
    if (op->flags & KV_WANT_OLD)
        answer_old(record, reply, old);
    buffer_append(&record->bytes, op->data.p, op->data.n);
    record->stat.length += op->data.n;
    return SF_OK;
}

static int set_range(struct record *record, const struct kv_op *op)
{
    uint64_t end = op->offset + op->data.n;
    if (op->data.n == 0)
        return SF_OK;
    if (end > record->stat.length)
        record_resize(record, end);
    memcpy(record->bytes.p + op->offset, op->data.p, op->data.n);
    return SF_OK;
}

static int set_length(struct record *record, const struct kv_op *op, struct kv_reply *reply)
{
    uint64_t length = op->length, old = record->stat.length;
    if ((op->flags & KV_LENGTH_MAX) && length < old)
        length = old;
    reply->old_length = old;
    if (op->flags & KV_HAS_TAIL)
        set_tail(record, op->tail, op->tail_count);
    else if (length < old && record->stat.tail_count > 0 && length > SF_VALUE_BYTES_MAX)
        return SF_INVALID;
    record_resize(record, length);
    return SF_OK;
}

static int punch_range(struct record *record, const struct kv_op *op)
{
    if (op->offset < record->bytes.n) {
        uint64_t left = record->bytes.n - op->offset;
        memset(record->bytes.p + op->offset, 0, op->length < left ? op->length : left);
    }
    return SF_OK;
}

static int change(struct fake_store *store, struct record *record, const struct kv_op *op,
                  struct session_name owner, struct kv_reply *reply, struct buffer *old)
{
    switch ((int)op->kind) {
    case KV_PUT:
        return put(store, record, op, owner);
    case KV_APPEND:
        return append(record, op, reply, old);
    case KV_PUT_HASH:
        return put_hash(record, op, reply, old);
    case KV_SET_RANGE:
        return set_range(record, op);
    case KV_SET_LENGTH:
        return set_length(record, op, reply);
    case KV_PUNCH_RANGE:
        return punch_range(record, op);
    case KV_SET_ATTR:
        buffer_set(&record->attr, op->attr);
        return SF_OK;
    default:
        return SF_UNSUPPORTED;
    }
}

static int read_record(const struct record *record, const struct kv_op *op, struct kv_reply *reply)
{
    if (op->kind == KV_GET)
        reply->data = buffer_slice(&record->bytes);
    else if (op->kind == KV_GET_RANGE)
        reply->data = head_range(record, op->offset, op->length);
    reply->partial = op->kind == KV_GET && record->stat.length > record->bytes.n;
    return SF_OK;
}

void record_execute(struct fake_store *store, const struct kv_request *request, uint64_t now_ns,
                    struct kv_reply *reply, struct buffer *old)
{
    const struct kv_op *op = &request->op;
    struct session_name owner = {request->target.shard, request->session.session};
    struct record *record = record_find(store, op->space, op->key);
    bool made = false;
    if (!record_pre_holds(op, record)) {
        reply->status = SF_PRECONDITION;
    } else if (!record && !record_is_made_by(op->kind)) {
        reply->status = SF_NOT_FOUND;
    } else if (kv_is_read(op->kind)) {
        reply->status = read_record(record, op, reply);
    } else if (op->kind != KV_DELETE) {
        made = !record;
        record = record ? record : record_new(store, op);
        reply->status = change(store, record, op, owner, reply, old);
        if (reply->status == SF_OK) {
            record->stat.version = store->next_id++;
            record->stat.mtime_ns = record->stat.ctime_ns = now_ns;
        }
    }
    if (record)
        reply->stat = record->stat;
    if (record && kv_is_read(op->kind))
        reply->stat.attr = buffer_slice(&record->attr);
    bool gone = (op->kind == KV_DELETE || made) && record;
    if (gone && (op->kind == KV_DELETE ? reply->status == SF_OK : reply->status != SF_OK))
        record_free(store, record);
}

/* -- SCAN ---------------------------------------------------------------------------------- */

static struct slice key_of(const struct record *record)
{
    return slice_of(record->key.p + 1, record->key.n - 1);
}

static int by_key(const struct record *a, const struct record *b)
{
    return slice_compare(buffer_slice(&a->key), buffer_slice(&b->key));
}

static bool is_in(const struct fake_store *store, const struct kv_op *op,
                  const struct record *record)
{
    struct slice key = key_of(record), name;
    if (record->key.p[0] != KV_PLAIN || !slice_has_prefix(key, op->key))
        return false;
    name = slice_of(key.p + op->key.n, key.n - op->key.n);
    if (op->data.n > 0 && slice_compare(name, op->data) <= 0)
        return false;
    uint32_t shard = placement_shard(placement_route(ROUTING_HASH, key), store->shard_count);
    for (size_t i = 0; i < op->shard_count; i++) {
        if (op->shards[i] == shard)
            return true;
    }
    return false;
}

void record_scan(struct fake_store *store, const struct kv_op *op, struct buffer *packed)
{
    struct kv_entry *entries = sf_calloc((size_t)op->length, sizeof *entries);
    struct kv_reply reply = {.entries = entries};
    HASH_SORT(store->records, by_key);
    for (struct record *record = store->records; record; record = record->hh.next) {
        if (!is_in(store, op, record))
            continue;
        reply.more = reply.entry_count == op->length;
        if (reply.more)
            break;
        struct slice key = key_of(record);
        entries[reply.entry_count++] = (struct kv_entry){
            .name = slice_of(key.p + op->key.n, key.n - op->key.n), .stat = record->stat};
    }
    kv_reply_pack(packed, &reply);
    free(entries);
}

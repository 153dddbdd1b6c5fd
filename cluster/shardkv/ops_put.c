#include <inttypes.h>
#include <stdio.h>

#include "shardkv/ops.h"
#include "shardkv/orphan.h"

int ops_put(struct subject *subject, struct kv_reply *reply)
{
    const struct kv_op *op = subject->op;
    struct record *record = &subject->record;
    (void)reply;
    if (op->flags & KV_HAS_INTENT) {
        if (!intent_is_there(subject->access, op->ids_first))
            return SF_INTENT_GONE;
        intent_consume(subject->access, op->ids_first);
    }
    record->kind = op->record_kind != 0 ? op->record_kind : RECORD_VALUE;
    record->length = op->flags & KV_HAS_LENGTH ? op->length : op->data.n;
    head_replace(&subject->head, op->data, record_head_length(record));
    subject_set_tail(subject, op->tail, op->flags & KV_HAS_TAIL ? op->tail_count : 0);
    if (op->flags & KV_HAS_ATTR)
        record->attr = op->attr;
    if (op->flags & KV_OWNED)
        orphan_note(subject->access, op);
    subject_save(subject, CHANGE_BYTES);
    return SF_OK;
}

int ops_append(struct subject *subject, struct kv_reply *reply)
{
    const struct kv_op *op = subject->op;
    uint64_t length = subject->record.length;
    if (length > SF_VALUE_BYTES_MAX - op->data.n)
        return SF_TOO_BIG;
    reply->old_length = length;
    if (op->flags & KV_WANT_OLD)
        reply->data = subject_bytes(subject);
    subject_resize(subject, length + op->data.n);
    head_write(&subject->head, (uint32_t)length, op->data);
    subject_save(subject, CHANGE_BYTES);
    return SF_OK;
}

/* 32-bit FNV-1a of the two, one after the other. */
static uint32_t fnv1a(struct slice a, struct slice b)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < a.n; i++)
        hash = (hash ^ a.p[i]) * 16777619u;
    for (size_t i = 0; i < b.n; i++)
        hash = (hash ^ b.p[i]) * 16777619u;
    return hash;
}

int ops_put_hash(struct subject *subject, struct kv_reply *reply)
{
    char text[16];
    if (subject->record.length > SF_VALUE_BYTES_MAX)
        return SF_TOO_BIG;
    reply->data = subject_bytes(subject);
    snprintf(text, sizeof(text), "%" PRIu32, fnv1a(reply->data, subject->op->data));
    struct slice value = slice_str(text);
    subject->record.length = value.n;
    head_replace(&subject->head, value, (uint32_t)value.n);
    subject_set_tail(subject, NULL, 0);
    subject_save(subject, CHANGE_BYTES);
    return SF_OK;
}

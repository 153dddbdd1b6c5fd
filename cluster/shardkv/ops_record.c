#include "shardkv/ops.h"
#include "shardkv/orphan.h"

#define SLOT_BYTES 8u

int ops_set_attr(struct subject *subject, struct kv_reply *reply)
{
    unsigned flags = subject->op->flags;
    (void)reply;
    if (flags & KV_OWNED)
        orphan_note(subject->access, subject->op);
    if ((flags & KV_OWNED) && !(flags & (KV_HAS_ATTR | KV_HAS_MTIME)))
        return SF_OK;
    if (flags & KV_HAS_ATTR)
        subject->record.attr = subject->op->attr;
    subject_save(subject, CHANGE_ATTRIBUTES);
    return SF_OK;
}

static uint64_t slot_get(struct head *head, uint32_t slot)
{
    uint8_t bytes[SLOT_BYTES];
    head_read(head, slot * SLOT_BYTES, SLOT_BYTES, bytes);
    struct reader r = reader_of(slice_of(bytes, sizeof(bytes)));
    return reader_u64(&r);
}

static void slot_set(struct head *head, uint32_t slot, uint64_t value)
{
    uint8_t bytes[SLOT_BYTES];
    for (size_t i = 0; i < SLOT_BYTES; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    head_write(head, slot * SLOT_BYTES, slice_of(bytes, sizeof(bytes)));
}

static void add(struct subject *subject, const struct kv_add *term)
{
    uint64_t end = (term->slot + 1ull) * SLOT_BYTES;
    if (subject->record.length < end)
        subject_resize(subject, end);
    uint64_t value = slot_get(&subject->head, term->slot);
    if (!term->is_max)
        value += term->value;
    else if (term->value > value)
        value = term->value;
    slot_set(&subject->head, term->slot, value);
}

int ops_add(struct subject *subject, struct kv_reply *reply)
{
    (void)reply;
    for (size_t i = 0; i < subject->op->add_count; i++)
        add(subject, &subject->op->adds[i]);
    subject_save(subject, CHANGE_BYTES);
    return SF_OK;
}

int ops_delete(struct subject *subject, struct kv_reply *reply)
{
    (void)reply;
    if (subject->op->flags & KV_OWNED)
        orphan_note(subject->access, subject->op);
    subject_remove(subject, true);
    return SF_OK;
}

int ops_take(struct subject *subject, struct kv_reply *reply)
{
    (void)reply;
    subject_remove(subject, false);
    return SF_OK;
}

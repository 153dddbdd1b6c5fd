#include "shardkv/ops.h"

int ops_set_range(struct subject *subject, struct kv_reply *reply)
{
    const struct kv_op *op = subject->op;
    uint64_t end = op->offset + op->data.n;
    (void)reply;
    if (op->data.n > 0) {
        if (end > subject->record.length)
            subject_resize(subject, end);
        head_write(&subject->head, (uint32_t)op->offset, op->data);
    }
    subject_save(subject, CHANGE_BYTES);
    return SF_OK;
}

/* The tail after a change of the length. A cut within the extents needs a new one from the client:
 * what is cut would come back under the old ids when the value grows again. One within the head
 * ends it. */
static int next_tail(struct subject *subject, uint64_t length)
{
    const struct kv_op *op = subject->op;
    bool cuts = length < subject->record.length;
    if (op->flags & KV_HAS_TAIL)
        subject_set_tail(subject, op->tail, op->tail_count);
    else if (cuts && subject->record.tail_count > 0 && length > SF_VALUE_BYTES_MAX)
        return SF_INVALID;
    else if (cuts && length <= SF_VALUE_BYTES_MAX)
        subject_set_tail(subject, NULL, 0);
    return SF_OK;
}

int ops_set_length(struct subject *subject, struct kv_reply *reply)
{
    const struct kv_op *op = subject->op;
    uint64_t old = subject->record.length, length = op->length;
    if ((op->flags & KV_LENGTH_MAX) && length < old)
        length = old;
    int status = next_tail(subject, length);
    if (status != SF_OK)
        return status;
    reply->old_length = old;
    subject_resize(subject, length);
    subject_save(subject, CHANGE_BYTES);
    return SF_OK;
}

int ops_punch_range(struct subject *subject, struct kv_reply *reply)
{
    const struct kv_op *op = subject->op;
    uint32_t length = subject->head.length;
    (void)reply;
    if (op->offset < length) {
        uint32_t offset = (uint32_t)op->offset, left = length - offset;
        head_zero(&subject->head, offset, op->length < left ? (uint32_t)op->length : left);
    }
    subject_save(subject, CHANGE_BYTES);
    return SF_OK;
}

#include "shardkv/ops.h"

int ops_get(struct subject *subject, struct kv_reply *reply)
{
    reply->data = subject_bytes(subject);
    reply->partial = subject->record.length > subject->head.length;
    return SF_OK;
}

int ops_get_range(struct subject *subject, struct kv_reply *reply)
{
    const struct kv_op *op = subject->op;
    uint32_t length = subject->head.length;
    if (op->offset < length) {
        uint32_t offset = (uint32_t)op->offset, left = length - offset;
        reply->data =
            head_get(&subject->head, offset, op->length < left ? (uint32_t)op->length : left);
    }
    return SF_OK;
}

/* What a reference or a directory entry points to stands in its bytes, and comes with its stat. */
int ops_stat(struct subject *subject, struct kv_reply *reply)
{
    if (subject->record.kind != RECORD_VALUE && head_is_inline(&subject->head))
        reply->data = subject_bytes(subject);
    return SF_OK;
}

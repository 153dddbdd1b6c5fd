#include "shardkv/mini.h"

#include "shardkv/ops.h"

#define SLOT_BYTES 8u

/* Is there no record header with this prefix? The entry is a SWEEP, and before its first operation
 * nothing of it is in the batch: so the store itself is the truth. */
static bool prefix_is_empty(struct access *access, const struct kv_op *check)
{
    struct key prefix;
    keys_record(&prefix, access->copy, check->space, check->key);
    struct store_iter *iter = keys_iterate(access->draft.space, &prefix);
    bool empty = !store_iter_valid(iter);
    draft_end_iter(&access->draft, iter);
    return empty;
}

/* Slots beyond the end are 0. */
static bool slot_is_zero(struct subject *subject, uint64_t slot)
{
    uint8_t bytes[SLOT_BYTES] = {0};
    uint32_t at = (uint32_t)slot * SLOT_BYTES, length = subject->head.length;
    if (at < length)
        head_read(&subject->head, at, length - at < SLOT_BYTES ? length - at : SLOT_BYTES, bytes);
    for (size_t i = 0; i < SLOT_BYTES; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static void check(struct access *access, const struct kv_op *op, struct kv_reply *reply)
{
    struct subject subject;
    *reply = (struct kv_reply){0};
    subject_open(&subject, access, op);
    reply->status = ops_precondition(&subject);
    if (reply->status == SF_OK && (op->flags & KV_PREFIX_EMPTY) && !prefix_is_empty(access, op))
        reply->status = SF_NOT_EMPTY;
    if (reply->status == SF_OK && (op->flags & KV_IF_SLOT_ZERO) &&
        !slot_is_zero(&subject, op->offset))
        reply->status = SF_NOT_EMPTY;
    if (subject.found)
        record_stat(&subject.record, &reply->stat);
    subject_close(&subject);
}

/* Position of the first part that failed, or the number of parts. Replies of operations, in their
 * order, into replies; that of a failure into replies[0]. */
static size_t run(struct access *access, const struct kv_op *op, struct kv_reply *replies)
{
    struct kv_reply part;
    size_t data_bytes = 0;
    for (size_t i = 0; i < op->check_count; i++) {
        check(access, &op->checks[i], &part);
        if (part.status != SF_OK) {
            replies[0] = part;
            return i;
        }
    }
    for (size_t i = 0; i < op->op_count; i++) {
        ops_execute(access, &op->ops[i], &part);
        data_bytes += part.data.n;
        if (data_bytes > SF_VALUE_BYTES_MAX)
            part = (struct kv_reply){.status = SF_TOO_BIG};
        replies[part.status == SF_OK ? i : 0] = part;
        if (part.status != SF_OK)
            return op->check_count + i;
    }
    return op->check_count + op->op_count;
}

/* Did all of it succeed? What was changed is held. */
static bool run_held(struct access *access, const struct kv_op *op, struct kv_reply *reply)
{
    size_t parts = op->check_count + op->op_count;
    size_t room = op->op_count > 0 ? op->op_count : 1;
    struct kv_reply *replies = (void *)access_alloc(access, room * sizeof(*replies));
    access_hold(access);
    size_t done = run(access, op, replies);
    *reply = (struct kv_reply){.replies = replies, .reply_count = op->op_count};
    if (done == parts)
        return true;
    reply->status = replies[0].status;
    reply->reply_count = 1;
    reply->failed = done;
    return false;
}

void mini_execute(struct access *access, const struct kv_op *op, struct kv_reply *reply)
{
    if (run_held(access, op, reply))
        access_release(access);
    else
        access_drop(access);
}

void mini_try(struct access *access, const struct kv_op *op, struct kv_reply *reply)
{
    (void)run_held(access, op, reply); /* reply says it too */
    access_drop(access);
}

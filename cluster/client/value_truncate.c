/* TRUNCATE, and GROW, which is its second case for any length.
 *
 *   to 1 MiB or less   one request: a length, and no tail any more
 *   longer than it is  one request: the greater length; what is new has no extents, so it is zeros
 *   shorter            the kept part of the boundary extent is copied under a fresh id, under which
 *                      everything beyond stands from now on; then the head, if its tail is still
 *                      the same, else again
 *
 * Each shrink may lengthen the tail by an entry. Where it would have more than SF_TAIL_MAX, the two
 * neighbours with the fewest extents between them are copied under one other fresh id.
 *
 * A write by another client to an extent that is copied, between the copy and the change of the
 * head, may be lost.
 */
#include "client/value.h"

static void shrink_plan(struct value_op *op);
static void stat_then(struct value_op *op, int status, const struct kv_reply *reply);

/* The server would make an absent key. */
static void cut_then(struct value_op *op, int status, const struct kv_reply *reply)
{
    bool is_absent = status == SF_PRECONDITION && reply && reply->stat.created == 0;
    if (status == SF_OK)
        value_finish(op, slice_of(NULL, 0));
    else
        value_fail(op, is_absent && op->call->pre.kind == KV_PRE_NONE ? SF_NOT_FOUND : status);
}

/* -- copying -------------------------------------------------------------------------------- */

/* First the old extent's bytes are read ... */
static bool copy_prepare(struct fan *fan, struct fan_piece *piece)
{
    struct value_op *op = fan->owner;
    uint64_t id = tail_id(&op->fan_tail, piece->extent);
    if (id == tail_id(&op->copy_tail, piece->extent))
        return false;
    piece->op.kind = KV_GET_RANGE;
    piece->op.length = piece->n;
    fan_set_key(piece, id);
    return true;
}

/* ... then they become the whole of the new one, also where there were none: an earlier attempt may
 * have left something there. */
static int copy_answered(struct fan *fan, struct fan_piece *piece, int status,
                         const struct kv_reply *reply)
{
    struct value_op *op = fan->owner;
    if (piece->op.kind == KV_PUT || (status != SF_OK && status != SF_NOT_FOUND))
        return status;
    buffer_set(&piece->bytes, status == SF_OK ? reply->data : slice_of(NULL, 0));
    piece->op = (struct kv_op){.kind = KV_PUT, .data = buffer_slice(&piece->bytes)};
    fan_set_key(piece, tail_id(&op->copy_tail, piece->extent));
    return FAN_MORE;
}

static const struct fan_work fan_copy = {copy_prepare, copy_answered};

/* -- a shrink -------------------------------------------------------------------------------- */

static void shrink_then(struct value_op *op, int status, const struct kv_reply *reply)
{
    bool other_tail = status == SF_PRECONDITION && reply && value_pre_holds(op, &reply->stat);
    if (status == SF_OK)
        value_finish(op, slice_of(NULL, 0));
    else if (value_may_start_again(op, status, reply))
        value_head_stat(op, stat_then);
    else if (!other_tail)
        value_fail(op, status);
    else if (value_is_plain(op, &op->stat))
        shrink_plan(op);
}

static void shrink_head(struct value_op *op)
{
    op->head_op = (struct kv_op){.kind = KV_SET_LENGTH, .length = op->call->length};
    value_set_if_tail(op, &op->fan_tail);
    value_set_tail(op, &op->copy_tail);
    value_head_send(op, shrink_then);
}

/* Each attempt copies what differs, whole, so an id may be used for the next attempt too. */
static void shrink_copy(struct value_op *op)
{
    uint64_t length = op->call->length, last = (length - 1) / SF_EXTENT_BYTES;
    uint64_t first = tail_first_difference(&op->fan_tail, &op->copy_tail, last);
    op->fan_hidden = true;
    value_fan_run(op, &fan_copy, first * SF_EXTENT_BYTES, length, shrink_head);
}

static void fresh_id_then(struct value_op *op, uint64_t id)
{
    if (op->fresh_id == 0)
        op->fresh_id = id;
    else
        op->merge_id = id;
    shrink_plan(op);
}

/* Where somebody made it longer still meanwhile, it was no growth: it has to be cut. */
static void grow_then(struct value_op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_OK && reply->old_length > op->call->length)
        shrink_plan(op);
    else if (status == SF_OK)
        value_finish(op, slice_of(NULL, 0));
    else if (value_may_start_again(op, status, reply))
        value_head_stat(op, stat_then);
    else
        value_fail(op, status);
}

static void grow(struct value_op *op)
{
    op->head_op =
        (struct kv_op){.kind = KV_SET_LENGTH, .flags = KV_LENGTH_MAX, .length = op->call->length};
    value_head_send(op, grow_then);
}

/* From op->stat and op->tail as the head showed them last. */
static void shrink_plan(struct value_op *op)
{
    uint64_t length = op->call->length;
    if (length >= op->stat.length) {
        grow(op);
        return;
    }
    struct tail target = op->tail;
    if (target.count > 0 && op->fresh_id == 0) {
        value_id_get(op, fresh_id_then);
        return;
    }
    tail_cut(&target, length / SF_EXTENT_BYTES, op->fresh_id);
    if (target.count > SF_TAIL_MAX && op->merge_id == 0) {
        value_id_get(op, fresh_id_then);
        return;
    }
    if (target.count > SF_TAIL_MAX)
        tail_merge(&target, (length - 1) / SF_EXTENT_BYTES, op->merge_id);
    op->fan_tail = op->tail;
    op->copy_tail = target;
    shrink_copy(op);
}

static void stat_then(struct value_op *op, int status, const struct kv_reply *reply)
{
    (void)reply;
    if (status != SF_OK) {
        value_fail(op, status);
    } else if (value_is_plain(op, &op->stat)) {
        value_pin(op);
        shrink_plan(op);
    }
}

void value_grow_begin(struct value_op *op)
{
    if (op->pre.kind == KV_PRE_NONE)
        op->pre.kind = KV_PRE_EXISTS;
    op->head_op =
        (struct kv_op){.kind = KV_SET_LENGTH, .flags = KV_LENGTH_MAX, .length = op->call->length};
    value_head_send(op, cut_then);
}

void value_truncate_begin(struct value_op *op)
{
    if (op->call->length > VALUE_HEAD_BYTES) {
        value_head_stat(op, stat_then);
        return;
    }
    if (op->pre.kind == KV_PRE_NONE)
        op->pre.kind = KV_PRE_EXISTS;
    op->head_op =
        (struct kv_op){.kind = KV_SET_LENGTH, .flags = KV_HAS_TAIL, .length = op->call->length};
    value_head_send(op, cut_then);
}

/* APPEND.
 *
 * Within the first MiB it is one APPEND of the head. Else the place is reserved first, in one
 * request that fails if the tail is not the one that was seen (then again under that one), and the
 * bytes are written there. So appends of many clients never overlap; a crash in between leaves
 * zeros.
 *
 * A shrink in between comes after the append: what it cut off stays away.
 */
#include "client/value.h"

static void append_reserve(struct value_op *op);

/* -- the bytes, where they were reserved ---------------------------------------------------- */

static void append_done(struct value_op *op)
{
    op->stat = op->result;
    value_finish(op, slice_of(NULL, 0));
}

static void append_head_part(struct value_op *op);

/* The head's part goes there only as long as the value was not cut below its extents: it must not
 * make a shorter one longer. */
static void head_part_then(struct value_op *op, int status, const struct kv_reply *reply)
{
    bool other_tail = status == SF_PRECONDITION && reply && value_pre_holds(op, &reply->stat);
    uint64_t first_id = op->result.tail[0].data_id;
    if (other_tail && op->tail.count > 0 && op->tail.entries[0].data_id == first_id)
        append_head_part(op);
    else if (status == SF_OK || status == SF_PRECONDITION || status == SF_NOT_FOUND)
        append_done(op);
    else
        value_fail(op, status);
}

static void append_head_part(struct value_op *op)
{
    uint64_t room = VALUE_HEAD_BYTES - op->offset, n = op->end - op->offset;
    op->head_op = (struct kv_op){.kind = KV_SET_RANGE,
                                 .offset = op->offset,
                                 .data = slice_of(op->call->data.p, (size_t)(n < room ? n : room))};
    value_set_if_tail(op, &op->tail);
    value_head_send(op, head_part_then);
}

static void extents_then(struct value_op *op)
{
    if (op->offset < VALUE_HEAD_BYTES)
        append_head_part(op);
    else
        append_done(op);
}

static void append_write(struct value_op *op)
{
    op->fan_tail = op->tail;
    op->fan_hidden = false;
    uint64_t from = op->offset > VALUE_HEAD_BYTES ? op->offset : VALUE_HEAD_BYTES;
    value_fan_run(op, &value_fan_write, from, op->end, extents_then);
}

/* -- the reservation ------------------------------------------------------------------------ */

static void append_pinned(struct value_op *op)
{
    value_pin(op);
    append_reserve(op);
}

static void stat_then(struct value_op *op, int status, const struct kv_reply *reply)
{
    (void)reply;
    if (status == SF_NOT_FOUND && (op->pre.kind == KV_PRE_NONE || op->pre.kind == KV_PRE_ABSENT))
        value_head_create(op, append_pinned);
    else if (status != SF_OK)
        value_fail(op, status);
    else if (value_is_plain(op, &op->stat))
        append_pinned(op);
}

static void reserve_then(struct value_op *op, int status, const struct kv_reply *reply)
{
    bool other_tail = status == SF_PRECONDITION && reply && value_pre_holds(op, &reply->stat);
    if (status == SF_OK) {
        op->result = op->stat;
        op->call->old_length = reply->old_length;
        op->offset = reply->old_length;
        op->end = op->offset + op->call->data.n;
        append_write(op);
    } else if (value_may_start_again(op, status, reply)) {
        value_head_stat(op, stat_then);
    } else if (!other_tail) {
        value_fail(op, status);
    } else if (value_is_plain(op, &op->stat)) {
        append_reserve(op);
    }
}

static void fresh_id_then(struct value_op *op, uint64_t id)
{
    op->fresh_id = id;
    append_reserve(op);
}

static void append_reserve(struct value_op *op)
{
    struct tail target = op->tail;
    bool gap = tail_has_gap(&target);
    if (gap && op->fresh_id == 0) {
        value_id_get(op, fresh_id_then);
        return;
    }
    if (gap && !tail_fill_gap(&target, op->fresh_id)) {
        value_fail(op, SF_TOO_BIG);
        return;
    }
    op->head_op = (struct kv_op){.kind = KV_RESERVE, .length = op->call->data.n};
    value_set_if_tail(op, &op->tail);
    if (gap)
        value_set_tail(op, &target);
    value_head_send(op, reserve_then);
}

/* -- within the head ------------------------------------------------------------------------ */

static void small_then(struct value_op *op, int status, const struct kv_reply *reply)
{
    bool crosses = status == SF_TOO_BIG && reply && !(op->call->flags & KV_WANT_OLD);
    if (status == SF_OK) {
        op->call->old_length = reply->old_length;
        value_finish(op, reply->data);
    } else if (!crosses) {
        value_fail(op, status);
    } else if (op->stat.created == 0) {
        value_head_stat(op, stat_then);
    } else if (value_is_plain(op, &op->stat)) {
        append_pinned(op);
    }
}

void value_append_begin(struct value_op *op)
{
    size_t n = op->call->data.n;
    bool small = n <= SF_VALUE_BYTES_MAX || (op->call->flags & KV_WANT_OLD);
    if (n > 0 && !(op->call->flags & KV_WANT_OLD) && value_take_hint(op, VALUE_HINT_MS)) {
        append_pinned(op);
    } else if (small) {
        op->head_op = (struct kv_op){
            .kind = KV_APPEND, .flags = op->call->flags & KV_WANT_OLD, .data = op->call->data};
        value_head_send(op, small_then);
    } else {
        value_head_stat(op, stat_then);
    }
}

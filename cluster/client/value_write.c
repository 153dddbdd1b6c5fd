/* WRITE and PUNCH.
 *
 * Within the first MiB it is one request to the head. Else write_plan says what is next, again
 * after each answer, from what the head showed last:
 *
 *   1 the extents have no id: the head takes a fresh one, if its tail is still as it was seen. So
 *     whatever becomes of this client, its extents go with the value
 *   2 the extents would lie far beyond the end: the value grows to where they begin. So they are
 *     found, whatever becomes of this client: trash is looked for MISSES_MAX extents beyond its end
 *     (shardkv/trash_worker.c)
 *   3 the extents are not written under the ids that rule now: write them
 *   4 the head's own bytes, if there are any, once
 *   5 the value grows: SET_LENGTH, if the tail is still as it was seen
 *   6 the head was not seen since the extents were written: STAT
 *   7 done
 */
#include "client/value.h"

#define FAR_EXTENTS 16u

static void write_plan(struct value_op *op);

static bool is_punch(const struct value_op *op)
{
    return op->call->kind == VALUE_PUNCH;
}

static uint64_t extents_from(const struct value_op *op)
{
    return op->offset > VALUE_HEAD_BYTES ? op->offset : VALUE_HEAD_BYTES;
}

/* Where the extents' part ends: a punch stays within the value. */
static uint64_t extents_end(const struct value_op *op)
{
    if (is_punch(op) && op->end > op->stat.length)
        return op->stat.length;
    return op->end;
}

/* -- the first look at the head ------------------------------------------------------------ */

static void write_pinned(struct value_op *op)
{
    value_pin(op);
    write_plan(op);
}

static void stat_then(struct value_op *op, int status, const struct kv_reply *reply)
{
    (void)reply;
    bool may_create =
        !is_punch(op) && (op->pre.kind == KV_PRE_NONE || op->pre.kind == KV_PRE_ABSENT);
    if (status == SF_NOT_FOUND && may_create)
        value_head_create(op, write_pinned);
    else if (status != SF_OK)
        value_fail(op, status);
    else if (value_is_plain(op, &op->stat))
        write_pinned(op);
}

/* Another file is there, or none: all is to be written again. */
static void write_anew(struct value_op *op)
{
    op->head_done = op->head_seen = op->head_changed = false;
    op->covered = 0;
    value_head_stat(op, stat_then);
}

/* -- questions to the head, once extents are written --------------------------------------- */

static void answer_then(struct value_op *op, int status, const struct kv_reply *reply)
{
    bool other_tail = status == SF_PRECONDITION && reply && (op->head_op.flags & KV_IF_TAIL) &&
                      value_pre_holds(op, &reply->stat);
    if (value_may_start_again(op, status, reply)) {
        write_anew(op);
    } else if (status != SF_OK && !other_tail) {
        value_fail(op, status);
    } else if (value_is_plain(op, &op->stat)) {
        op->head_seen = true;
        if (!kv_is_read(op->head_op.kind) && status == SF_OK)
            op->head_changed = true;
        write_plan(op);
    }
}

static void write_head_part(struct value_op *op)
{
    uint64_t n = VALUE_HEAD_BYTES - op->offset;
    op->head_done = true;
    op->head_op = (struct kv_op){.kind = KV_SET_RANGE, .offset = op->offset};
    if (is_punch(op)) {
        op->head_op.kind = KV_PUNCH_RANGE;
        op->head_op.length = n;
    } else {
        op->head_op.data = slice_of(op->call->data.p, (size_t)n);
    }
    value_head_send(op, answer_then);
}

static void write_length(struct value_op *op, uint64_t length)
{
    op->head_op = (struct kv_op){.kind = KV_SET_LENGTH, .flags = KV_LENGTH_MAX, .length = length};
    value_set_if_tail(op, &op->tail);
    value_head_send(op, answer_then);
}

/* Names a fresh id as that of all extents. Nothing is longer for it. It is used once: should the
 * value go, its trash has the id. */
static void write_tail(struct value_op *op, uint64_t id)
{
    struct tail target = op->tail;
    if (!tail_fill_gap(&target, id)) {
        value_fail(op, SF_TOO_BIG);
        return;
    }
    op->head_op = (struct kv_op){.kind = KV_SET_LENGTH, .flags = KV_LENGTH_MAX};
    value_set_if_tail(op, &op->tail);
    value_set_tail(op, &target);
    value_head_send(op, answer_then);
}

/* -- extents ------------------------------------------------------------------------------- */

static bool punch_prepare(struct fan *fan, struct fan_piece *piece)
{
    struct value_op *op = fan->owner;
    uint64_t id = tail_id(&op->fan_tail, piece->extent);
    if (id == 0)
        return false;
    piece->op.kind = KV_DELETE; /* of a whole extent nothing is left */
    if (piece->n < SF_EXTENT_BYTES) {
        piece->op.kind = KV_PUNCH_RANGE;
        piece->op.offset = piece->at;
        piece->op.length = piece->n;
    }
    fan_set_key(piece, id);
    return true;
}

static int absent_is_fine(struct fan *fan, struct fan_piece *piece, int status,
                          const struct kv_reply *reply)
{
    (void)fan;
    (void)piece;
    (void)reply;
    return status == SF_NOT_FOUND ? SF_OK : status;
}

static const struct fan_work fan_punch = {punch_prepare, absent_is_fine};

static bool extents_stand(const struct value_op *op)
{
    uint64_t from = extents_from(op), end = extents_end(op);
    if (end <= from)
        return true;
    return op->covered >= end && tail_same_ids(&op->fan_tail, &op->tail, from / SF_EXTENT_BYTES,
                                               (end - 1) / SF_EXTENT_BYTES);
}

static void asked_then(struct value_op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_OK && op->stat.kind == RECORD_VALUE && extents_stand(op)) {
        value_fan_go_on(op);
        return;
    }
    value_fan_stop(op);
    op->covered = 0;
    answer_then(op, status, reply);
}

static void ask_head(struct value_op *op)
{
    value_head_stat(op, asked_then);
}

static void write_extents(struct value_op *op)
{
    op->covered = extents_end(op);
    op->head_seen = false;
    op->fan_tail = op->tail;
    value_fan_write_run(op, is_punch(op) ? &fan_punch : &value_fan_write, extents_from(op),
                        op->covered, write_plan, ask_head);
}

/* -- the plan ------------------------------------------------------------------------------ */

static bool extents_are_far(const struct value_op *op)
{
    return !is_punch(op) &&
           op->offset / SF_EXTENT_BYTES > op->stat.length / SF_EXTENT_BYTES + FAR_EXTENTS;
}

static bool extents_have_ids(const struct value_op *op)
{
    return is_punch(op) || extents_end(op) <= extents_from(op) || !tail_has_gap(&op->tail);
}

static void write_done(struct value_op *op)
{
    if (!op->head_changed)
        touch_mark(op->client, op->call->space, op->call->key, op->stat.created);
    value_finish(op, slice_of(NULL, 0));
}

static void write_plan(struct value_op *op)
{
    if (!extents_have_ids(op))
        value_id_get(op, write_tail);
    else if (extents_are_far(op))
        write_length(op, op->offset);
    else if (!extents_stand(op))
        write_extents(op);
    else if (op->offset < VALUE_HEAD_BYTES && !op->head_done)
        write_head_part(op);
    else if (!is_punch(op) && op->end > op->stat.length)
        write_length(op, op->end);
    else if (!op->head_seen)
        value_head_stat(op, answer_then);
    else
        write_done(op);
}

/* -- within the head ----------------------------------------------------------------------- */

static void small_then(struct value_op *op, int status, const struct kv_reply *reply)
{
    (void)reply;
    if (status == SF_OK)
        value_finish(op, slice_of(NULL, 0));
    else
        value_fail(op, status);
}

static void write_small(struct value_op *op)
{
    op->head_op = (struct kv_op){.kind = KV_SET_RANGE, .data = op->call->data};
    if (op->end > op->offset)
        op->head_op.offset = op->offset; /* else it is only made where it is absent */
    if (is_punch(op)) {
        op->head_op.kind = KV_PUNCH_RANGE;
        op->head_op.length = op->end - op->offset;
    }
    value_head_send(op, small_then);
}

void value_write_begin(struct value_op *op)
{
    if (op->end <= VALUE_HEAD_BYTES || op->end == op->offset)
        write_small(op);
    else if (value_take_hint(op, VALUE_HINT_MS))
        write_pinned(op);
    else
        value_head_stat(op, stat_then);
}

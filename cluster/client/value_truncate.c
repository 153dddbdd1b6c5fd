/* TRUNCATE, and GROW, which is its second case for any length.
 *
 *   to 1 MiB or less   one request: a length, and no tail any more
 *   longer than it is  one request: the greater length; what is new has no extents, so it is zeros
 *   shorter            everything from the boundary extent on stands under a fresh id from now on.
 *                      Where a part of that extent is kept, it is read, and then one
 *                      minitransaction checks that it is still the same, by its version, puts the
 *                      kept part under the fresh id, and changes the head, if its tail is still the
 *                      same. Where anything has changed, again. So nobody's write is lost, and a
 *                      client that dies leaves all or nothing
 *
 * Each shrink may lengthen the tail by an entry. Before it has more than TAIL_KEPT_MAX, two
 * neighbours become one under another fresh id, in the same way, VALUE_COPIES_MAX extents at a time;
 * that takes one entry more for a while. A client that dies in between leaves that one behind.
 */
#include "client/value.h"

#define TAIL_KEPT_MAX (SF_TAIL_MAX * 3 / 4)

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

/* -- extents get another id: op->copy_tail in place of op->fan_tail -------------------------- */

static bool copy_prepare(struct fan *fan, struct fan_piece *piece)
{
    struct value_op *op = fan->owner;
    uint64_t id = tail_id(&op->fan_tail, piece->extent);
    if (id == 0 || id == tail_id(&op->copy_tail, piece->extent))
        return false;
    piece->op.kind = KV_GET_RANGE;
    piece->op.length = piece->n;
    fan_set_key(piece, id);
    return true;
}

static int copy_answered(struct fan *fan, struct fan_piece *piece, int status,
                         const struct kv_reply *reply)
{
    struct value_op *op = fan->owner;
    if (status != SF_OK && status != SF_NOT_FOUND)
        return status;
    struct value_copy *copy = &op->copies[op->copy_count++];
    copy->extent = piece->extent;
    copy->version = status == SF_OK ? reply->stat.version : 0;
    buffer_set(&copy->bytes, status == SF_OK ? reply->data : slice_of(NULL, 0));
    return SF_OK;
}

static const struct fan_work fan_copy = {copy_prepare, copy_answered};

static void add_copy(struct value_op *op, const struct value_copy *copy)
{
    struct kv_op *check = value_mini_check(op, tail_id(&op->fan_tail, copy->extent), copy->extent);
    check->pre.kind = copy->version != 0 ? KV_PRE_VERSION : KV_PRE_ABSENT;
    check->pre.id = copy->version;
    if (copy->bytes.n == 0)
        return;
    struct kv_op *put = value_mini_extent(op, tail_id(&op->copy_tail, copy->extent), copy->extent);
    put->kind = KV_PUT;
    put->data = buffer_slice(&copy->bytes);
}

/* head_op is what happens to the head, but for its tails. */
static void copy_send(struct value_op *op,
                      void (*then)(struct value_op *op, int status, const struct kv_reply *head))
{
    struct kv_op change = op->head_op;
    if (op->copy_count == 0) {
        value_set_if_tail(op, &op->fan_tail);
        value_set_tail(op, &op->copy_tail);
        value_head_send(op, then);
        return;
    }
    value_mini_begin(op);
    for (size_t i = 0; i < op->copy_count; i++)
        add_copy(op, &op->copies[i]);
    struct kv_op *head = value_mini_head(op);
    head->kind = change.kind;
    head->flags = change.flags;
    head->length = change.length;
    value_part_set_if_tail(head, &op->fan_tail);
    value_part_set_tail(head, &op->copy_tail);
    value_mini_send(op, false, then);
}

/* Reads what up to byte `end` has another id under `target` than now. */
static void copy_read(struct value_op *op, const struct tail *target, uint64_t end,
                      void (*then)(struct value_op *op))
{
    op->fan_tail = op->tail;
    op->copy_tail = *target;
    op->copy_count = 0;
    uint64_t first = tail_first_difference(&op->fan_tail, target, (end - 1) / SF_EXTENT_BYTES);
    value_fan_run(op, &fan_copy, first * SF_EXTENT_BYTES, end, then);
}

/* The answer is no: by another writer, who has got further, or for good. */
static void copy_refused(struct value_op *op, int status, const struct kv_reply *head)
{
    bool is_another = status == SF_PRECONDITION && (!head || value_pre_holds(op, &head->stat));
    if (is_another || value_may_start_again(op, status, head))
        value_head_stat(op, stat_then);
    else
        value_fail(op, status);
}

/* -- room in the tail ------------------------------------------------------------------------ */

static void merge_then(struct value_op *op, int status, const struct kv_reply *head)
{
    if (status != SF_OK) {
        copy_refused(op, status, head);
        return;
    }
    op->merge_at += VALUE_COPIES_MAX;
    shrink_plan(op);
}

static void merge_head(struct value_op *op)
{
    op->head_op = (struct kv_op){.kind = KV_SET_LENGTH, .flags = KV_LENGTH_MAX};
    copy_send(op, merge_then);
}

/* One that was begun goes on only as it was left. */
static bool merge_goes_on(const struct value_op *op)
{
    return op->merge_at > op->merge_from && op->merge_at < op->merge_end &&
           tail_equal(&op->tail, &op->copy_tail);
}

static void merge_plan(struct value_op *op)
{
    struct tail target = op->tail;
    uint64_t limit = op->call->length / SF_EXTENT_BYTES;
    if (!merge_goes_on(op) && !tail_find_pair(&op->tail, limit, &op->merge_from, &op->merge_end)) {
        value_fail(op, SF_TOO_BIG);
        return;
    }
    if (!merge_goes_on(op))
        op->merge_at = op->merge_from;
    uint64_t left = op->merge_end - op->merge_at;
    uint64_t end = op->merge_at + (left < VALUE_COPIES_MAX ? left : VALUE_COPIES_MAX);
    if (tail_set(&target, op->merge_at, end, op->merge_id))
        copy_read(op, &target, end * SF_EXTENT_BYTES, merge_head);
    else
        value_fail(op, SF_TOO_BIG);
}

static void merge_id_then(struct value_op *op, uint64_t id)
{
    op->merge_id = id;
    merge_plan(op);
}

/* Each merge takes an id of its own. */
static void merge(struct value_op *op)
{
    if (merge_goes_on(op))
        merge_plan(op);
    else
        value_id_get(op, merge_id_then);
}

/* -- a shrink -------------------------------------------------------------------------------- */

/* Where somebody made it longer still meanwhile, a growth was none: it has to be cut. */
static void shrink_then(struct value_op *op, int status, const struct kv_reply *head)
{
    bool was_growth = op->head_op.kind == KV_SET_LENGTH && (op->head_op.flags & KV_LENGTH_MAX);
    if (status != SF_OK)
        copy_refused(op, status, head);
    else if (was_growth && head->old_length > op->call->length)
        shrink_plan(op);
    else
        value_finish(op, slice_of(NULL, 0));
}

static void shrink_head(struct value_op *op)
{
    op->head_op = (struct kv_op){.kind = KV_SET_LENGTH, .length = op->call->length};
    copy_send(op, shrink_then);
}

static void grow(struct value_op *op)
{
    op->head_op =
        (struct kv_op){.kind = KV_SET_LENGTH, .flags = KV_LENGTH_MAX, .length = op->call->length};
    value_head_send(op, shrink_then);
}

static void fresh_id_then(struct value_op *op, uint64_t id)
{
    op->fresh_id = id;
    shrink_plan(op);
}

/* From op->stat and op->tail as the head showed them last. */
static void shrink_plan(struct value_op *op)
{
    uint64_t length = op->call->length;
    struct tail target = op->tail;
    if (length >= op->stat.length) {
        grow(op);
        return;
    }
    if (target.count > 0 && op->fresh_id == 0) {
        value_id_get(op, fresh_id_then);
        return;
    }
    tail_cut(&target, length / SF_EXTENT_BYTES, op->fresh_id);
    if (target.count > TAIL_KEPT_MAX)
        merge(op);
    else
        copy_read(op, &target, length, shrink_head);
}

static void stat_then(struct value_op *op, int status, const struct kv_reply *reply)
{
    if (value_may_start_again(op, status, reply)) {
        value_head_stat(op, stat_then);
    } else if (status != SF_OK) {
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

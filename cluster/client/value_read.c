/* GET, READ and STAT.
 *
 * Bytes within the first MiB come from the head in one request. For others, two ways:
 *
 *   nothing known:   head -> extents under its ids -> done
 *   a hint:          head and extents together -> the extents stand if the head shows the ids that
 *                    they were read under; else they are read again, and so is what lies beyond the
 *                    length that was hinted -> done
 *
 * An id that the head showed at one moment was the right one at every moment between the hint and
 * then, since ids never come back; and its extents stay for a minute after. So an answer that came
 * VALUE_LATE_MS after the head's is not used.
 */
#include "client/value.h"

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Bytes that are to be delivered, by the length in op->stat, end here. */
static uint64_t wanted_end(const struct value_op *op)
{
    return most(op->offset, least(op->end, op->stat.length));
}

/* Room for [offset, end) in op->bytes; what is new is zeros. */
static void make_room(struct value_op *op, uint64_t end)
{
    size_t have = op->bytes.n, need = (size_t)(end - op->offset);
    if (need > have)
        memset(buffer_grow(&op->bytes, need - have), 0, need - have);
}

static void place_bytes(struct value_op *op, uint64_t offset, struct slice data, uint64_t room)
{
    size_t n = (size_t)least(data.n, room);
    if (n > 0)
        memcpy(op->bytes.p + (offset - op->offset), data.p, n);
}

/* -- extents ------------------------------------------------------------------------------- */

static bool read_prepare(struct fan *fan, struct fan_piece *piece)
{
    struct value_op *op = fan->owner;
    uint64_t id = tail_id(&op->fan_tail, piece->extent);
    if (id == 0)
        return false;
    piece->op.kind = KV_GET_RANGE;
    piece->op.offset = piece->at;
    piece->op.length = piece->n;
    fan_set_key(piece, id);
    return true;
}

static int read_answered(struct fan *fan, struct fan_piece *piece, int status,
                         const struct kv_reply *reply)
{
    struct value_op *op = fan->owner;
    op->fan_last_ms = value_now_ms(op);
    if (status == SF_OK)
        place_bytes(op, piece->offset, reply->data, piece->n);
    return status == SF_NOT_FOUND ? SF_OK : status;
}

static const struct fan_work fan_read = {read_prepare, read_answered};

/* -- the end ------------------------------------------------------------------------------- */

static void read_check(struct value_op *op);
static void read_head(struct value_op *op, bool with_hint);

static void read_fan_then(struct value_op *op)
{
    if (!op->head_open)
        read_check(op);
}

/* Reads [from, to) of the extents under `tail`; op->covered tells up to where it will be good. */
static void read_extents(struct value_op *op, const struct tail *tail, uint64_t from, uint64_t to)
{
    make_room(op, to);
    memset(op->bytes.p + (from - op->offset), 0, (size_t)(to - from));
    op->fan_tail = *tail;
    op->covered = to;
    op->fan_last_ms = 0;
    value_fan_run(op, &fan_read, from, to, read_fan_then);
}

/* The extents that were read stand under the ids that the head showed, at that time. */
static bool extents_stand(const struct value_op *op)
{
    uint64_t from = most(op->offset, VALUE_HEAD_BYTES);
    if (op->covered <= from)
        return true;
    if (op->fan_last_ms > op->head_ms + VALUE_LATE_MS)
        return false;
    return tail_same_ids(&op->fan_tail, &op->tail, from / SF_EXTENT_BYTES,
                         (op->covered - 1) / SF_EXTENT_BYTES);
}

/* The head has answered and no run is under way. */
static void read_check(struct value_op *op)
{
    uint64_t end = wanted_end(op), from = most(op->offset, VALUE_HEAD_BYTES);
    if (!extents_stand(op)) {
        bool late = op->fan_last_ms > op->head_ms + VALUE_LATE_MS;
        op->covered = 0;
        if (late) {
            read_head(op, false);
            return;
        }
    }
    if (end > most(op->covered, from)) {
        read_extents(op, &op->tail, most(op->covered, from), end);
        return;
    }
    value_finish(op, slice_of(op->bytes.p, (size_t)(end - op->offset)));
}

/* -- the head ------------------------------------------------------------------------------ */

/* Everything lies in the head: its reply is what the caller gets. */
static bool deliver_head(struct value_op *op, const struct kv_reply *reply)
{
    uint64_t end = wanted_end(op);
    if (end > VALUE_HEAD_BYTES && end > op->offset)
        return false;
    struct slice data = op->head_op.kind == KV_STAT ? slice_of(NULL, 0) : reply->data;
    size_t n = (size_t)(end - op->offset);
    if (data.n < n) {
        make_room(op, end);
        place_bytes(op, op->offset, data, n);
        data = buffer_slice(&op->bytes);
    }
    value_finish(op, slice_of(data.p, n));
    return true;
}

static void head_then(struct value_op *op, int status, const struct kv_reply *reply)
{
    if (status != SF_OK) {
        value_fail(op, status);
        return;
    }
    if (!value_is_plain(op, &op->stat))
        return;
    if (wanted_end(op) - op->offset > VALUE_GET_MAX) {
        value_fail(op, SF_TOO_BIG);
        return;
    }
    if (deliver_head(op, reply))
        return;
    make_room(op, wanted_end(op));
    if (op->head_op.kind == KV_GET_RANGE)
        place_bytes(op, op->offset, reply->data, VALUE_HEAD_BYTES - op->offset);
    if (!op->fan_open)
        read_check(op);
}

static void read_head(struct value_op *op, bool with_hint)
{
    struct head hint = {.length = op->stat.length, .tail = op->tail};
    op->pre = op->call->pre;
    op->head_op = (struct kv_op){.kind = KV_STAT};
    if (op->offset < VALUE_HEAD_BYTES && op->end > op->offset)
        op->head_op = (struct kv_op){.kind = KV_GET_RANGE,
                                     .offset = op->offset,
                                     .length = least(op->end, VALUE_HEAD_BYTES) - op->offset};
    value_head_send(op, head_then);
    uint64_t from = most(op->offset, VALUE_HEAD_BYTES), to = least(op->end, hint.length);
    if (with_hint && to > from && to - op->offset <= VALUE_GET_MAX)
        read_extents(op, &hint.tail, from, to);
}

void value_read_begin(struct value_op *op)
{
    if (op->call->kind == VALUE_GET) {
        op->offset = 0;
        op->end = op->call->length != 0 ? op->call->length : UINT64_MAX;
    }
    if (op->offset > SF_FILE_BYTES_MAX)
        op->offset = op->end = SF_FILE_BYTES_MAX; /* beyond every value: nothing is read */
    bool reaches_extents = op->end > VALUE_HEAD_BYTES && op->end > op->offset;
    read_head(op, reaches_extents && value_take_hint(op, UINT64_MAX));
}

/* -- STAT ---------------------------------------------------------------------------------- */

static void stat_then(struct value_op *op, int status, const struct kv_reply *reply)
{
    (void)reply;
    if (status == SF_OK)
        value_finish(op, slice_of(NULL, 0));
    else
        value_fail(op, status);
}

/* Whatever came of it: this value's time is right now, or it is another value. */
static void touched_then(struct value_op *op, int status, const struct kv_reply *reply)
{
    op->changed = false; /* nobody asked for a change */
    op->pre = op->call->pre;
    if (status == SF_OK || reply)
        value_head_stat(op, stat_then);
    else
        value_fail(op, status);
}

void value_stat_begin(struct value_op *op)
{
    uint64_t created;
    if (!touch_is_behind(op->client, op->call->space, op->call->key, &created)) {
        value_head_stat(op, stat_then);
        return;
    }
    op->pre = (struct kv_pre){.kind = KV_PRE_CREATED, .id = created};
    op->head_op = (struct kv_op){.kind = KV_SET_LENGTH, .flags = KV_LENGTH_MAX};
    value_head_send(op, touched_then);
}

/* SEEK_DATA and SEEK_HOLE: where, from an offset on, bytes are stored, or none.
 *
 * What is known of a value: its head is stored up to its length, an extent as far as its record
 * reaches, and where there is no record there is a hole. Within a record holes do not show. So the
 * answers are exact for values of which whole extents are absent, and say "data" elsewhere.
 *
 * The happy path: head -> the extents' lengths, a window at a time, until one decides -> done. After
 * SEEK_EXTENTS_MAX extents the answer is the cautious one: data here, no hole before the end.
 */
#include "client/value.h"

#define WINDOW_EXTENTS 64u
#define SEEK_EXTENTS_MAX 4096u

static void next_window(struct value_op *op);

static bool wants_data(const struct value_op *op)
{
    return op->call->kind == VALUE_SEEK_DATA;
}

static void found(struct value_op *op, uint64_t offset)
{
    op->call->found = offset;
    value_finish(op, slice_of(NULL, 0));
}

/* Nothing more: the end of the value is a hole, and has no data behind it. */
static void found_end(struct value_op *op)
{
    found(op, wants_data(op) ? VALUE_FOUND_NONE : op->stat.length);
}

/* -- a window of extents: op->bytes has a u32 for each, the length of its record ------------- */

static bool stat_prepare(struct fan *fan, struct fan_piece *piece)
{
    struct value_op *op = fan->owner;
    uint64_t id = tail_id(&op->fan_tail, piece->extent);
    if (id == 0)
        return false;
    piece->op.kind = KV_STAT;
    fan_set_key(piece, id);
    return true;
}

static int stat_answered(struct fan *fan, struct fan_piece *piece, int status,
                         const struct kv_reply *reply)
{
    struct value_op *op = fan->owner;
    if (status != SF_OK)
        return status == SF_NOT_FOUND ? SF_OK : status;
    uint32_t length =
        reply->stat.length < SF_EXTENT_BYTES ? (uint32_t)reply->stat.length : SF_EXTENT_BYTES;
    size_t at = (size_t)(piece->extent - op->offset / SF_EXTENT_BYTES);
    memcpy(op->bytes.p + at * sizeof length, &length, sizeof length);
    return SF_OK;
}

static const struct fan_work fan_stat = {stat_prepare, stat_answered};

/* What decides within [op->offset, op->covered); UINT64_MAX: nothing. */
static uint64_t decide(const struct value_op *op)
{
    uint64_t offset = op->offset;
    for (size_t i = 0; offset < op->covered; i++) {
        uint64_t begin = offset / SF_EXTENT_BYTES * SF_EXTENT_BYTES;
        uint32_t length;
        memcpy(&length, op->bytes.p + i * sizeof length, sizeof length);
        bool in_data = offset < begin + length;
        if (in_data == wants_data(op))
            return offset;
        if (in_data && length < SF_EXTENT_BYTES)
            return begin + length;
        offset = begin + SF_EXTENT_BYTES;
    }
    return UINT64_MAX;
}

static void window_then(struct value_op *op)
{
    uint64_t at = decide(op);
    if (at < op->stat.length) {
        found(op, at);
        return;
    }
    op->offset = op->covered;
    next_window(op);
}

/* From op->offset, which lies behind the head. */
static void next_window(struct value_op *op)
{
    uint64_t extent = op->offset / SF_EXTENT_BYTES, length = op->stat.length;
    if (op->offset >= length) {
        found_end(op);
        return;
    }
    if (extent >= op->end) { /* enough was looked at */
        found(op, wants_data(op) ? op->offset : length);
        return;
    }
    op->covered = (extent + WINDOW_EXTENTS) * SF_EXTENT_BYTES;
    op->covered = op->covered < length ? op->covered : length;
    buffer_clear(&op->bytes);
    memset(buffer_grow(&op->bytes, WINDOW_EXTENTS * sizeof(uint32_t)), 0,
           WINDOW_EXTENTS * sizeof(uint32_t));
    value_fan_run(op, &fan_stat, op->offset, op->covered, window_then);
}

/* -- the head ------------------------------------------------------------------------------ */

/* Where there are no ids yet there are no extents. */
static void skip_gap(struct value_op *op)
{
    uint64_t first =
        op->tail.count > 0 ? op->tail.entries[0].first_extent * SF_EXTENT_BYTES : op->stat.length;
    if (wants_data(op) && op->offset < first)
        op->offset = first;
}

static void head_then(struct value_op *op, int status, const struct kv_reply *reply)
{
    (void)reply;
    if (status != SF_OK) {
        value_fail(op, status);
        return;
    }
    if (!value_is_plain(op, &op->stat))
        return;
    bool in_head = op->offset < VALUE_HEAD_BYTES;
    if (op->offset >= op->stat.length) {
        found(op, VALUE_FOUND_NONE);
    } else if (in_head && wants_data(op)) {
        found(op, op->offset);
    } else {
        op->offset = in_head ? VALUE_HEAD_BYTES : op->offset;
        op->fan_tail = op->tail;
        skip_gap(op);
        op->end = op->offset / SF_EXTENT_BYTES + SEEK_EXTENTS_MAX;
        next_window(op);
    }
}

void value_seek_begin(struct value_op *op)
{
    value_head_stat(op, head_then);
}

/* APPEND.
 *
 * Within the first MiB it is one APPEND of the head. Else it is one minitransaction: the head as it
 * was last seen, by its version, becomes longer, and the bytes are written where it ended, in it and
 * in extents. So there is all of it at one moment or nothing at any.
 *
 * The happy path is: what was seen of the head, at best by the append before -> the minitransaction
 * -> done. It can fail by:
 *   - the head is another by now: its answer shows how it is, and all is made anew from that
 *   - another transaction holds the head, an append of another client as a rule. A read of the head
 *     waits until that has ended, and shows what it left; then again. Whoever comes too late several
 *     times in a row rests for a moment, so that not all try at once
 *   - another append of this client is under way: it waits for its turn
 * The one who is in the way has always got further, so somebody does.
 */
#include "client/value.h"

#define REST_SHIFT_MAX 5u /* up to 32 ms */

static void append_try(struct value_op *op);
static void stat_then(struct value_op *op, int status, const struct kv_reply *reply);

/* -- turns of this client ------------------------------------------------------------------- */

static bool is_same_value(const struct value_op *a, const struct value_op *b)
{
    return a->call->space == b->call->space && slice_equal(a->call->key, b->call->key);
}

static bool has_its_turn(const struct value_op *op)
{
    return op->appends && !op->waits_turn;
}

static bool must_wait(const struct value_op *op)
{
    const struct value_op *other;
    DL_FOREACH(op->client->values, other)
    {
        if (other != op && has_its_turn(other) && is_same_value(other, op))
            return true;
    }
    return false;
}

static void wait_ended(struct value_op *op)
{
    value_fail(op, SF_TIMEOUT);
}

static void append_turn(struct value_op *op)
{
    bool had = op->appends;
    value_pin(op);
    op->appends = true;
    op->waits_turn = !had && must_wait(op);
    if (!op->waits_turn) {
        append_try(op);
    } else if (op->deadline_ms != 0) {
        op->timer_then = wait_ended;
        env_timer_start_ms(&op->timer, value_left_ms(op));
    }
}

/* What the one before left is known. */
static void turn_came(struct value_op *op)
{
    if (value_take_hint(op, VALUE_HINT_MS))
        append_turn(op);
    else
        value_head_stat(op, stat_then);
}

void value_append_left(struct value_op *op)
{
    struct value_op *next;
    if (!has_its_turn(op))
        return;
    DL_FOREACH(op->client->values, next)
    {
        if (next->waits_turn && is_same_value(next, op))
            break;
    }
    if (!next)
        return;
    next->waits_turn = false;
    next->timer_then = turn_came;
    env_timer_start_ms(&next->timer, 0);
}

/* -- looking at the head -------------------------------------------------------------------- */

static void stat_then(struct value_op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_NOT_FOUND && (op->pre.kind == KV_PRE_NONE || op->pre.kind == KV_PRE_ABSENT))
        value_head_create(op, append_turn);
    else if (value_may_start_again(op, status, reply))
        value_head_stat(op, stat_then);
    else if (status != SF_OK)
        value_fail(op, status);
    else if (value_is_plain(op, &op->stat))
        append_turn(op);
}

static void look(struct value_op *op)
{
    value_head_stat(op, stat_then);
}

/* The first time at once: the read waits as long as it must. */
static void look_again(struct value_op *op)
{
    unsigned shift = op->conflicts < REST_SHIFT_MAX ? op->conflicts : REST_SHIFT_MAX;
    if (op->conflicts++ == 0) {
        look(op);
        return;
    }
    op->timer_then = look;
    env_timer_start_ms(&op->timer, env_random_below(op->client->env, 1ull << shift));
}

/* -- past the head -------------------------------------------------------------------------- */

static void appended(struct value_op *op, int status, const struct kv_reply *head)
{
    bool is_another = status == SF_PRECONDITION && head && value_pre_holds(op, &head->stat);
    if (status == SF_OK) {
        op->call->old_length = op->offset;
        value_finish(op, slice_of(NULL, 0));
    } else if (status == SF_CONFLICT) {
        look_again(op);
    } else if (value_may_start_again(op, status, head)) {
        look(op);
    } else if (!is_another) {
        value_fail(op, status);
    } else if (value_is_plain(op, &op->stat)) {
        append_try(op);
    }
}

/* [op->offset, op->end), to the head and to extents under `tail`. */
static void add_bytes(struct value_op *op, const struct tail *tail)
{
    uint64_t at = op->offset;
    while (at < op->end) {
        uint64_t extent = at / SF_EXTENT_BYTES, place = at % SF_EXTENT_BYTES;
        uint64_t room = SF_EXTENT_BYTES - place, left = op->end - at;
        size_t n = (size_t)(left < room ? left : room);
        struct kv_op *part = extent == 0 ? value_mini_head(op)
                                         : value_mini_extent(op, tail_id(tail, extent), extent);
        part->kind = KV_SET_RANGE;
        part->offset = place;
        part->data = slice_of(op->call->data.p + (at - op->offset), n);
        at += n;
    }
}

static void send_mini(struct value_op *op, const struct tail *target)
{
    value_mini_begin(op);
    struct kv_op *head = value_mini_head(op);
    head->kind = KV_SET_LENGTH;
    head->pre = (struct kv_pre){.kind = KV_PRE_VERSION, .id = op->stat.version};
    head->length = op->end;
    if (tail_has_gap(&op->tail))
        value_part_set_tail(head, target);
    add_bytes(op, target);
    value_mini_send(op, true, appended);
}

static void fresh_id_then(struct value_op *op, uint64_t id)
{
    op->fresh_id = id;
    append_try(op);
}

/* -- within the head ------------------------------------------------------------------------ */

static void small_then(struct value_op *op, int status, const struct kv_reply *reply)
{
    bool crosses = status == SF_TOO_BIG && reply && !(op->call->flags & KV_WANT_OLD);
    if (status == SF_OK) {
        op->call->old_length = reply->old_length;
        value_finish(op, reply->data);
    } else if (value_may_start_again(op, status, reply)) {
        look(op);
    } else if (!crosses) {
        value_fail(op, status);
    } else if (op->stat.created == 0) {
        look(op);
    } else if (value_is_plain(op, &op->stat)) {
        append_turn(op);
    }
}

static void append_small(struct value_op *op)
{
    op->head_op = (struct kv_op){
        .kind = KV_APPEND, .flags = op->call->flags & KV_WANT_OLD, .data = op->call->data};
    value_head_send(op, small_then);
}

/* From op->stat and op->tail as they were last seen. */
static void append_try(struct value_op *op)
{
    struct tail target = op->tail;
    size_t n = op->call->data.n;
    op->offset = op->stat.length;
    op->end = op->offset + n;
    if (op->end <= VALUE_HEAD_BYTES) { /* it was cut meanwhile */
        append_small(op);
        return;
    }
    if (op->end > SF_FILE_BYTES_MAX) {
        if (op->is_hint)
            look(op);
        else
            value_fail(op, SF_TOO_BIG);
        return;
    }
    if (tail_has_gap(&target) && op->fresh_id == 0) {
        value_id_get(op, fresh_id_then);
        return;
    }
    if (tail_has_gap(&target) && !tail_fill_gap(&target, op->fresh_id))
        value_fail(op, SF_TOO_BIG);
    else
        send_mini(op, &target);
}

void value_append_begin(struct value_op *op)
{
    size_t n = op->call->data.n;
    bool wants_old = op->call->flags & KV_WANT_OLD;
    if (n > SF_APPEND_BYTES_MAX)
        value_fail_soon(op, SF_TOO_BIG);
    else if (n > 0 && !wants_old && value_take_hint(op, VALUE_HINT_MS))
        append_turn(op);
    else if (n <= SF_VALUE_BYTES_MAX || wants_old)
        append_small(op);
    else
        value_head_stat(op, stat_then);
}

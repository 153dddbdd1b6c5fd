/* PUT.
 *
 * Up to 1 MiB it is one PUT. Else: a fresh id -> its INTENT in the head's shard, so that the
 * extents of a client that dies are removed -> the extents -> PUT of the head, which consumes the
 * intent. Nobody sees anything before that. Who takes long asks meanwhile whether the intent stands.
 * Where it is gone (its session ended), all again under another id.
 */
#include "client/value.h"

static void put_then(struct value_op *op, int status, const struct kv_reply *reply)
{
    (void)reply;
    if (status == SF_OK)
        value_finish(op, slice_of(NULL, 0));
    else if (status == SF_INTENT_GONE)
        value_put_begin(op);
    else
        value_fail(op, status);
}

static void put_head(struct value_op *op)
{
    const struct value_call *call = op->call;
    bool is_long = call->data.n > SF_VALUE_BYTES_MAX;
    op->head_op = (struct kv_op){
        .kind = KV_PUT, .flags = call->flags & KV_HAS_ATTR, .data = call->data, .attr = call->attr};
    if (is_long) {
        op->head_op.flags |= KV_HAS_LENGTH | KV_HAS_INTENT;
        op->head_op.data.n = SF_VALUE_BYTES_MAX;
        op->head_op.length = call->data.n;
        op->head_op.ids_first = op->fresh_id;
        value_set_tail(op, &op->fan_tail);
    }
    value_head_send(op, put_then);
}

static void asked_then(struct value_op *op, int status, const struct kv_reply *reply)
{
    (void)reply;
    if (status == SF_OK) {
        op->alive_ms = op->head_asked_ms;
        value_fan_go_on(op);
    } else if (status == SF_INTENT_GONE) {
        value_fan_stop(op);
        value_put_begin(op);
    } else {
        value_fail(op, status);
    }
}

static void ask_intent(struct value_op *op)
{
    op->head_op =
        (struct kv_op){.kind = KV_INTENT, .flags = KV_HAS_INTENT, .ids_first = op->fresh_id};
    value_head_send(op, asked_then);
}

static void intent_then(struct value_op *op, int status, const struct kv_reply *reply)
{
    (void)reply;
    if (status != SF_OK) {
        value_fail(op, status);
        return;
    }
    op->alive_ms = op->head_asked_ms;
    op->fan_hidden = true;
    op->fan_tail =
        (struct tail){.count = 1, .entries = {{.first_extent = 1, .data_id = op->fresh_id}}};
    value_fan_write_run(op, &value_fan_write, VALUE_HEAD_BYTES, op->end, put_head, ask_intent);
}

static void fresh_id_then(struct value_op *op, uint64_t id)
{
    op->fresh_id = id;
    op->head_op = (struct kv_op){.kind = KV_INTENT, .ids_first = id};
    value_head_send(op, intent_then);
}

void value_put_begin(struct value_op *op)
{
    op->offset = 0;
    op->end = op->call->data.n;
    if (op->end <= VALUE_HEAD_BYTES)
        put_head(op);
    else
        value_id_get(op, fresh_id_then);
}

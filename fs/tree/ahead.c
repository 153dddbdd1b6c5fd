/* ahead: the read of a call's later step, asked for together with an earlier one, whose answer tells
 * whether it was the right record. Where it was, the call takes one round trip less.
 *
 * What it brings was read after the call began, as if the step had asked; not, however, after the
 * earlier step was answered. Who uses it has to bear that, or asks anew (op_stat). */
#include "tree/op.h"

#include <stdlib.h>

#include "env/memory.h"

struct ahead {
    struct op *op;
    struct client_call client;
    struct kv_op kv;
    struct key key;
    bool came;  /* else it is under way */
    bool taken; /* by the step that it was for: another one asks anew */
    int status;
    struct kv_reply reply; /* where there is a record; attr and data are in `bytes` */
    struct buffer bytes;
    op_step *then; /* waits for it; NULL: nobody does yet */
};

/* Where it was not answered, the step asks itself. */
static void deliver(struct op *op, op_step *then)
{
    struct ahead *ahead = op->ahead;
    ahead->taken = true;
    if (ahead->status == SF_OK || ahead->status == SF_NOT_FOUND)
        then(op, ahead->status, &ahead->reply);
    else
        op_stat(op, &ahead->key, then);
}

static void keep(struct ahead *ahead, const struct kv_reply *reply)
{
    struct slice attr = reply->stat.attr, data = reply->data;
    buffer_append(&ahead->bytes, attr.p, attr.n);
    buffer_append(&ahead->bytes, data.p, data.n);
    ahead->reply = (struct kv_reply){.status = SF_OK, .stat = reply->stat};
    ahead->reply.stat.attr = slice_part(buffer_slice(&ahead->bytes), 0, attr.n);
    ahead->reply.data = slice_part(buffer_slice(&ahead->bytes), attr.n, data.n);
}

static void on_done(struct client_call *client, int status, const struct kv_reply *reply)
{
    struct ahead *ahead = container_of(client, struct ahead, client);
    struct op *op = ahead->op;
    ahead->came = true;
    ahead->status = status;
    if (status == SF_OK)
        keep(ahead, reply);
    if (!ahead->then)
        return;
    op->waits = OP_NOTHING;
    deliver(op, ahead->then);
}

void op_ahead(struct op *op, const struct key *key)
{
    struct ahead *ahead = sf_calloc(1, sizeof *ahead);
    ahead_free(op->ahead);
    op->ahead = ahead;
    ahead->op = op;
    ahead->key = *key;
    op_kv(&ahead->kv, KV_STAT, &ahead->key);
    ahead->client =
        (struct client_call){.on_done = on_done, .op = &ahead->kv, .timeout_ms = op_left_ms(op)};
    client_submit(op->tree->client, &ahead->client);
}

void op_stat_ahead(struct op *op, const struct key *key, op_step *then)
{
    struct ahead *ahead = op->ahead;
    bool is_it = ahead && !ahead->taken && ahead->key.space == key->space &&
                 slice_equal(key_slice(&ahead->key), key_slice(key));
    if (!is_it) {
        op_stat(op, key, then);
    } else if (ahead->came) {
        deliver(op, then);
    } else {
        ahead->then = then;
        op->waits = OP_AHEAD;
    }
}

void ahead_free(struct ahead *ahead)
{
    if (!ahead)
        return;
    if (!ahead->came)
        client_cancel(&ahead->client);
    buffer_deinit(&ahead->bytes);
    free(ahead);
}

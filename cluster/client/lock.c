#include "client/lock.h"

#include "client/lease.h"
#include "env/mark.h"

enum lock_state { LOCK_ASKING, LOCK_AWAITING, LOCK_LEAVING };

struct lock_op {
    struct client *client;
    struct lock_call *call; /* NULL: nobody wants it any more */
    enum lock_state state;
    bool leaves;              /* as soon as it waits */
    bool locks, waits;        /* it is no unlock; it may be queued */
    bool crowded;             /* too many wait already: it does not */
    bool unknown;             /* whether it was queued: it leaves, and ends as UNKNOWN */
    bool leaves_again;        /* it may have left the queue already, by a request before */
    uint64_t epoch;           /* client->epoch, when it was submitted */
    struct buffer key, data;  /* of its own: it may outlive its call */
    struct kv_op op;          /* what is sent */
    struct client_call asked; /* ASKING, LEAVING */
    struct router_call await; /* AWAITING */
    struct lock_op *prev, *next;
};

/* What was granted to who we were before is not ours. */
static void op_end(struct lock_op *op, int status)
{
    struct lock_call *call = op->call;
    if (status == SF_OK && op->epoch != op->client->epoch)
        status = SF_FENCED;
    DL_DELETE(op->client->locks, op);
    op->client->lock_count--;
    buffer_deinit(&op->key);
    buffer_deinit(&op->data);
    free(op);
    if (call == NULL)
        return;
    call->state = NULL;
    call->on_done(call, status);
}

static void ask(struct lock_op *op, enum kv_kind kind, uint64_t timeout_ms,
                void (*on_done)(struct client_call *call, int status, const struct kv_reply *reply))
{
    op->op = (struct kv_op){.kind = kind,
                            .space = KV_INTERNAL,
                            .key = buffer_slice(&op->key),
                            .data = buffer_slice(&op->data)};
    op->asked = (struct client_call){.on_done = on_done, .op = &op->op, .timeout_ms = timeout_ms};
    client_submit(op->client, &op->asked);
}

/* -- out of the queue ---------------------------------------------------------------------- */

static void given_back_on_done(struct client_call *asked, int status, const struct kv_reply *reply)
{
    struct lock_op *op = container_of(asked, struct lock_op, asked);
    (void)reply;
    if (status == SF_UNKNOWN)
        ask(op, KV_LOCK, 0, given_back_on_done);
    else
        op_end(op, status);
}

/* It may have been granted to nobody: the range is unlocked. */
static void give_back(struct lock_op *op)
{
    struct kv_lock lock;
    int status = kv_lock_unpack(buffer_slice(&op->data), &lock);
    sf_assert(status == SF_OK);
    if (op->epoch != op->client->epoch) { /* who it was granted to has lost all */
        op_end(op, SF_FENCED);
        return;
    }
    lock.type = KV_LOCK_NONE;
    lock.flags = 0;
    lock.ticket = ++op->client->tickets;
    buffer_clear(&op->data);
    kv_lock_pack(&op->data, &lock);
    op->locks = false;
    ask(op, KV_LOCK, 0, given_back_on_done);
}

static void leave(struct lock_op *op);

/* UNKNOWN, as where the session has gone: it is still there if it is not taken out now. NOT_FOUND: it
 * was granted first (or never came there), or that is unknown. */
static void left_on_done(struct client_call *asked, int status, const struct kv_reply *reply)
{
    struct lock_op *op = container_of(asked, struct lock_op, asked);
    (void)reply;
    if (status == SF_UNKNOWN) {
        SF_MARK("locks: a way out of the queue is tried once more");
        op->leaves_again = true;
        leave(op);
        return;
    }
    if (status == SF_NOT_FOUND && op->call == NULL) {
        SF_MARK("locks: granted to nobody, and given back");
        give_back(op);
        return;
    }
    if (status == SF_OK)
        status = SF_INTERRUPTED;
    else if (status == SF_NOT_FOUND)
        status = op->leaves_again ? SF_UNKNOWN : SF_OK;
    op_end(op, op->unknown && status != SF_FENCED ? SF_UNKNOWN : status);
}

static void leave(struct lock_op *op)
{
    op->state = LOCK_LEAVING;
    ask(op, KV_LOCK_CANCEL, 0, left_on_done);
}

/* Nobody knows whether it was queued: should it be, it goes. Its key is held until the outcome of
 * what was sent is settled, so this comes after it; and what its owner asks when he has heard that
 * nobody knows, comes after this. */
static void leave_unknown(struct lock_op *op)
{
    SF_MARK("locks: nobody knows whether it is queued");
    op->unknown = true;
    leave(op);
}

/* -- in the queue -------------------------------------------------------------------------- */

static void await(struct lock_op *op);

static void awaited_on_done(struct router_call *router_call, int status,
                            const struct kv_reply *reply)
{
    struct lock_op *op = container_of(router_call, struct lock_op, await);
    struct client *client = op->client;
    uint64_t epoch = op->epoch;
    int result = status == SF_OK ? reply->status : status;
    if (result == SF_QUEUED) {
        await(op);
        return;
    }
    if (result != SF_OK && result != SF_FENCED) {
        leave_unknown(op);
        return;
    }
    if (result == SF_OK && op->call == NULL)
        give_back(op);
    else
        op_end(op, result);
    if (result == SF_FENCED)
        lease_fenced(client, epoch);
}

static void await(struct lock_op *op)
{
    struct client *client = op->client;
    const struct config *config = router_config(client->router);
    op->state = LOCK_AWAITING;
    op->op.kind = KV_LOCK_AWAIT;
    op->await =
        (struct router_call){.on_done = awaited_on_done,
                             .request.op = op->op,
                             .shard = kv_op_shard(&op->op, config->routing, config->shard_count)};
    router_send(client->router, &op->await);
}

/* -- asking -------------------------------------------------------------------------------- */

static void asked_on_done(struct client_call *asked, int status, const struct kv_reply *reply)
{
    struct lock_op *op = container_of(asked, struct lock_op, asked);
    if (status == SF_OK || status == SF_QUEUED)
        lease_learn(op->client, reply->ids_first);
    if (op->locks && (status == SF_OK || status == SF_QUEUED || status == SF_UNKNOWN))
        lease_use(op->client, &op->op);
    if (status == SF_LOCK_HELD && op->crowded)
        status = SF_LOCKS_FULL;
    if (status == SF_UNKNOWN && op->waits)
        leave_unknown(op);
    else if (op->locks && op->call == NULL && (status == SF_OK || status == SF_UNKNOWN))
        give_back(op);
    else if (status != SF_QUEUED)
        op_end(op, status);
    else if (op->call == NULL || op->leaves)
        leave(op);
    else
        await(op);
}

static void tested_on_done(struct client_call *asked, int status, const struct kv_reply *reply)
{
    struct lock_op *op = container_of(asked, struct lock_op, asked);
    op->call->lock.type = KV_LOCK_NONE;
    if (status == SF_OK && reply->data.n > 0)
        status = kv_lock_unpack(reply->data, &op->call->lock) == SF_OK ? SF_OK : SF_PROTOCOL;
    op_end(op, status);
}

void lock_submit(struct client *client, struct lock_call *call)
{
    struct lock_op *op = sf_calloc(1, sizeof *op);
    call->lock.holder = client->holder;
    call->lock.ticket = ++client->tickets;
    call->state = op;
    op->client = client;
    op->call = call;
    op->epoch = client->epoch;
    op->locks = call->lock.type != KV_LOCK_NONE;
    op->waits = call->lock.flags & KV_LOCK_WAITS;
    DL_APPEND(client->locks, op);
    if (++client->lock_count > LOCKS_WAITING_MAX && op->waits) {
        call->lock.flags &= ~(unsigned)KV_LOCK_WAITS;
        op->waits = false;
        op->crowded = true;
    }
    buffer_append(&op->key, call->key.p, call->key.n);
    kv_lock_pack(&op->data, &call->lock);
    if (call->test)
        ask(op, KV_LOCK_TEST, call->timeout_ms, tested_on_done);
    else
        ask(op, KV_LOCK, call->timeout_ms, asked_on_done);
}

/* -- giving up ----------------------------------------------------------------------------- */

static void give_up(struct lock_op *op)
{
    op->leaves = true;
    if (op->state != LOCK_AWAITING)
        return;
    router_cancel(&op->await);
    leave(op);
}

void lock_leave(struct lock_call *call)
{
    if (call->state != NULL)
        give_up(call->state);
}

bool lock_is_queued(const struct lock_call *call)
{
    return call->state != NULL && call->state->state == LOCK_AWAITING;
}

bool lock_was_sent(const struct lock_call *call)
{
    const struct lock_op *op = call->state;
    return op != NULL && !call->test &&
           (op->state != LOCK_ASKING || client_call_was_sent(&op->asked));
}

void lock_drop(struct lock_call *call)
{
    struct lock_op *op = call->state;
    if (op == NULL)
        return;
    bool was_sent = lock_was_sent(call);
    op->call = NULL;
    call->state = NULL;
    if (was_sent) {
        give_up(op);
        return;
    }
    client_cancel(&op->asked);
    op_end(op, SF_CANCELLED);
}

void lock_free_all(struct client *client)
{
    while (client->locks) {
        struct lock_op *op = client->locks;
        router_cancel(&op->await);
        if (op->call)
            op->call->state = NULL;
        op->call = NULL;
        op_end(op, SF_CANCELLED);
    }
}

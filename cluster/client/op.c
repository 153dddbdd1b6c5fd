/* One operation of level 1. The happy path of a mutation: submit -> queued at the session of its
 * shard -> numbered and sent -> answered. It can fail by: a deadline before it was sent (TIMEOUT)
 * or after (UNKNOWN, and it is settled in the background), a session that the cluster dropped, a
 * refusal. */
#include "client/txn.h"
#include "env/mark.h"

#define SETTLE_PAUSE_MS 1000u

/* -- ends ---------------------------------------------------------------------------------- */

static void op_free(struct op *op)
{
    env_timer_stop(&op->timer);
    router_cancel(&op->router_call);
    DL_DELETE2(op->client->ops, op, all_prev, all_next);
    txn_free(op->txn, false);
    op->client->unsettled_count -= op->unsettled != 0;
    free(op->holds);
    free(op);
}

void op_answer(struct op *op, int status, const struct kv_reply *reply)
{
    struct client_call *call = op->call;
    struct txn *txn = op->txn; /* what reply may point into */
    op->txn = NULL;
    op_free(op);
    call->state = NULL;
    call->on_done(call, status, reply);
    txn_free(txn, false);
}

void op_fail(struct op *op, int status)
{
    op->failure = status;
    op->state = OP_FAILING;
    env_timer_start_ms(&op->timer, 0);
}

void op_free_all(struct client *client)
{
    while (client->ops) {
        struct op *op = client->ops;
        if (op->call)
            op->call->state = NULL;
        op_free(op);
    }
    client->starting = NULL;
    hold_free_all(client);
    struct session *session;
    DL_FOREACH(client->sessions, session)
    session->flight = session->queue = NULL;
}

/* Takes a waiting operation out of its list. */
static void op_unlist(struct op *op)
{
    switch (op->state) {
    case OP_STARTING:
        DL_DELETE(op->client->starting, op);
        break;
    case OP_HELD:
        DL_DELETE(op->hold->waiters, op);
        break;
    case OP_QUEUED:
        session_unqueue(op);
        break;
    case OP_SENT:
    case OP_SETTLING:
        session_leave(op);
        break;
    case OP_READING:
    case OP_FAILING:
        break;
    case OP_TXN:
        txn_free(op->txn, true);
        op->txn = NULL;
        break;
    }
}

/* -- settling: what became of a number whose caller has gone -------------------------------- */

static void settle_send(struct op *op);

void op_end_settled(struct op *op)
{
    struct client *client = op->client;
    struct hold **holds = op->holds;
    size_t count = op->hold_count;
    op->holds = NULL;
    op_free(op);
    hold_give(client, holds, count);
    if (client->on_settled)
        client->on_settled(client->settled_ctx);
}

static void settle_on_done(struct router_call *router_call, int status,
                           const struct kv_reply *reply)
{
    struct op *op = container_of(router_call, struct op, router_call);
    if (status != SF_OK || reply->status == SF_NO_SPACE) {
        env_timer_start_ms(&op->timer, SETTLE_PAUSE_MS);
        return;
    }
    if (reply->status == SF_SESSION_EXPIRED)
        session_expire(op->session);
    session_leave(op);
    op_end_settled(op);
}

static void before_send(struct router_call *router_call)
{
    struct op *op = container_of(router_call, struct op, router_call);
    router_call->request.session.first_incomplete = session_first_incomplete(op->session);
}

static void settle_send(struct op *op)
{
    op->router_call = (struct router_call){
        .on_done = settle_on_done, .before_send = before_send, .shard = op->shard};
    op->router_call.request.op = (struct kv_op){.kind = KV_ABANDON, .length = op->sequence};
    op->router_call.request.session =
        (struct kv_session){.session = op->session->number, .sequence = op->sequence};
    router_send(op->client->router, &op->router_call);
}

/* From SENT, when the router's call has ended, or from TXN. */
static void op_settle(struct op *op)
{
    hold_take(op->client, op->call->op, &op->holds, &op->hold_count);
    op->call->state = NULL;
    op->call = NULL;
    op->unsettled = ++op->client->given_up;
    op->client->unsettled_count++;
    env_timer_stop(&op->timer);
    if (op->state == OP_TXN) {
        txn_settle(op);
        return;
    }
    op->state = OP_SETTLING;
    settle_send(op);
}

void op_answer_early(struct op *op, int status)
{
    struct client_call *call = op->call;
    op_settle(op);
    call->on_done(call, status, NULL);
}

static void op_answer_unknown(struct op *op)
{
    op_answer_early(op, SF_UNKNOWN);
}

/* -- reads --------------------------------------------------------------------------------- */

static void read_on_done(struct router_call *router_call, int status, const struct kv_reply *reply)
{
    struct op *op = container_of(router_call, struct op, router_call);
    if (status == SF_OK)
        op_answer(op, reply->status, reply);
    else
        op_answer(op, status == SF_UNKNOWN ? SF_TIMEOUT : status, NULL);
}

static void op_send_read(struct op *op)
{
    env_timer_stop(&op->timer);
    op->state = OP_READING;
    op->router_call = (struct router_call){.on_done = read_on_done,
                                           .request.op = *op->call->op,
                                           .shard = op->shard,
                                           .gid = op->call->gid,
                                           .deadline_ms = op->deadline_ms};
    router_send(op->client->router, &op->router_call);
}

/* -- mutations ----------------------------------------------------------------------------- */

/* The cluster does not know the session: nothing of what was sent last was executed, nor will be.
 */
static void mutation_on_expired(struct op *op)
{
    bool sent_once = op->router_call.sends == 1;
    session_expire(op->session);
    session_leave(op);
    if (sent_once) {
        SF_MARK("client: sent again in a new session");
        op_begin(op);
    } else {
        SF_MARK("client: session gone, the outcome is unknown");
        op_answer(op, SF_UNKNOWN, NULL);
    }
}

static void mutation_on_reply(struct op *op, const struct kv_reply *reply)
{
    switch (reply->status) {
    case SF_SESSION_EXPIRED:
        mutation_on_expired(op);
        return;
    case SF_STALE:
    case SF_ABANDONED:
        op_answer_unknown(op);
        return;
    case SF_NO_SPACE: /* a refusal, which says nothing of an earlier send */
        if (op->router_call.sends > 1) {
            op_answer_unknown(op);
            return;
        }
        break;
    default:
        break;
    }
    session_leave(op);
    op_answer(op, reply->status, reply);
}

static void mutation_on_done(struct router_call *router_call, int status,
                             const struct kv_reply *reply)
{
    struct op *op = container_of(router_call, struct op, router_call);
    bool refused_once = router_call->sends <= 1 && status != SF_UNKNOWN && status != SF_PROTOCOL;
    if (status == SF_OK) {
        mutation_on_reply(op, reply);
    } else if (router_call->sends == 0 || refused_once) {
        session_leave(op);
        op_answer(op, status, NULL);
    } else {
        op_answer_unknown(op);
    }
}

static bool may_send(struct router_call *router_call)
{
    const struct op *op = container_of(router_call, struct op, router_call);
    return env_now_ms(op->client->env) < *op->call->send_until_ms;
}

void op_transmit(struct op *op)
{
    if (op->part) {
        txn_numbered(op);
        return;
    }
    env_timer_stop(&op->timer);
    op->state = OP_SENT;
    op->router_call = (struct router_call){.on_done = mutation_on_done,
                                           .before_send = before_send,
                                           .request.op = *op->call->op,
                                           .shard = op->shard,
                                           .deadline_ms = op->deadline_ms};
    if (op->call->send_until_ms)
        op->router_call.may_send = may_send;
    op->router_call.request.session =
        (struct kv_session){.session = op->session->number, .sequence = op->sequence};
    router_send(op->client->router, &op->router_call);
}

/* -- the beginning ------------------------------------------------------------------------- */

static void op_arm(struct op *op)
{
    if (op->deadline_ms == 0 || env_timer_is_armed(&op->timer))
        return;
    uint64_t now = env_now_ms(op->client->env);
    env_timer_start_ms(&op->timer, op->deadline_ms > now ? op->deadline_ms - now : 0);
}

static void op_begin_mutation(struct op *op)
{
    struct hold *hold = hold_find(op->client, op->call->op);
    enum txn_place place = TXN_ONE_SHARD;
    if (op->call->op->kind == KV_MINI)
        place = txn_place_of(op->call->op, router_config(op->client->router), &op->shard);
    if (op->epoch != op->client->epoch) {
        op_fail(op, SF_FENCED);
    } else if (place == TXN_NOT_SUPPORTED) {
        op_fail(op, SF_UNSUPPORTED);
    } else if (hold) {
        SF_MARK("client: mutation waits until an earlier one is settled");
        op->state = OP_HELD;
        op->hold = hold;
        DL_APPEND(hold->waiters, op);
    } else if (place == TXN_MANY_SHARDS) {
        txn_begin(op);
    } else {
        op->state = OP_QUEUED;
        session_enqueue(op->client, op);
    }
}

void op_begin(struct op *op)
{
    struct client *client = op->client;
    const struct config *config = router_config(client->router);
    op_arm(op);
    if (!config) {
        op->state = OP_STARTING;
        DL_APPEND(client->starting, op);
        if (!client->waiter.waits)
            router_await_config(client->router, &client->waiter);
        return;
    }
    const struct kv_op *what = op->call->op;
    op->shard = kv_op_shard(what, config->routing, config->shard_count);
    if (kv_is_read(what->kind))
        op_send_read(op);
    else
        op_begin_mutation(op);
}

static void op_on_timer(struct env_timer *timer)
{
    struct op *op = container_of(timer, struct op, timer);
    if (op->state == OP_SETTLING) {
        settle_send(op);
        return;
    }
    if (op->state == OP_TXN) {
        txn_expire(op);
        return;
    }
    int status = op->state == OP_FAILING ? op->failure : SF_TIMEOUT;
    op_unlist(op);
    op_answer(op, status, NULL);
}

void client_submit(struct client *client, struct client_call *call)
{
    struct op *op = sf_calloc(1, sizeof *op);
    op->client = client;
    op->call = call;
    op->epoch = client->epoch;
    if (call->timeout_ms != 0)
        op->deadline_ms = env_now_ms(client->env) + call->timeout_ms;
    env_timer_init(client->env, &op->timer, op_on_timer);
    DL_APPEND2(client->ops, op, all_prev, all_next);
    call->state = op;
    int error = kv_op_check(call->op, NULL);
    if (error == SF_OK)
        op_begin(op);
    else
        op_fail(op, error);
}

bool client_call_was_sent(const struct client_call *call)
{
    const struct op *op = call->state;
    if (op && op->state == OP_TXN)
        return txn_was_sent(op->txn);
    return op && op->state == OP_SENT && op->router_call.sends > 0;
}

uint64_t client_unsettled(const struct client *client)
{
    uint64_t last = 0;
    const struct op *op;
    if (client->unsettled_count == 0)
        return 0;
    DL_FOREACH2(client->ops, op, all_next)
    last = op->unsettled > last ? op->unsettled : last;
    return last;
}

bool client_is_settled(const struct client *client, uint64_t number)
{
    const struct op *op;
    DL_FOREACH2(client->ops, op, all_next)
    {
        if (op->unsettled != 0 && op->unsettled <= number)
            return false;
    }
    return true;
}

void client_watch_settled(struct client *client, void (*on_settled)(void *ctx), void *ctx)
{
    client->on_settled = on_settled;
    client->settled_ctx = ctx;
}

void client_cancel(struct client_call *call)
{
    struct op *op = call->state;
    if (!op)
        return;
    if (client_call_was_sent(call)) {
        router_cancel(&op->router_call);
        op_settle(op);
        return;
    }
    call->state = NULL;
    op_unlist(op);
    op_free(op);
}

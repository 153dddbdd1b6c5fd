#include "client/txn.h"

#include "client/txn_parts.h"
#include "client/txn_room.h"

#define REST_MS_MIN 10u
#define REST_MS_MAX 1000u

static void on_finished(struct finish *finish);
static void on_answer(struct finish *finish, size_t part, const struct kv_reply *reply);
static void vote_next(struct txn *txn);

/* -- numbers ------------------------------------------------------------------------------- */

static void slot_on_timer(struct env_timer *timer);

static void number_all(struct txn *txn)
{
    txn->phase = TXN_NUMBERING;
    txn->numbered = 0;
    for (size_t i = 0; i < txn->count; i++) {
        struct op *slot = &txn->parts[i].slot;
        *slot = (struct op){.client = txn->op->client,
                            .state = OP_QUEUED,
                            .shard = txn->parts[i].shard,
                            .part = &txn->parts[i]};
        env_timer_init(slot->client->env, &slot->timer, slot_on_timer);
    }
    for (size_t i = 0; i < txn->count; i++) /* the last may get its number in here */
        session_enqueue(txn->op->client, &txn->parts[i].slot);
}

static void leave_all(struct txn *txn)
{
    for (size_t i = 0; i < txn->count; i++) {
        struct op *slot = &txn->parts[i].slot;
        router_cancel(&slot->router_call);
        env_timer_stop(&slot->timer);
        if (slot->state == OP_QUEUED)
            session_unqueue(slot);
        else if (slot->state == OP_SENT)
            session_leave(slot);
        slot->state = OP_FAILING; /* in no list */
    }
}

/* Its session could not be opened; nothing was sent in this round, and no earlier one lives. */
static void slot_on_timer(struct env_timer *timer)
{
    struct op *slot = container_of(timer, struct op, timer);
    struct txn *txn = slot->part->txn;
    int failure = slot->failure;
    leave_all(txn);
    op_answer(txn->op, failure, NULL);
}

static void begin_votes(struct txn *txn)
{
    for (size_t i = 0; i < txn->count; i++) {
        const struct op *slot = &txn->parts[i].slot;
        struct kv_number number = {.shard = slot->shard,
                                   .session = slot->session->number,
                                   .sequence = slot->sequence,
                                   .first_incomplete = session_first_incomplete(slot->session)};
        txn_part_reset(&txn->parts[i]);
        txn->ends[i].number = txn->numbers[i] = number;
    }
    txn->finish = (struct finish){.on_done = on_finished,
                                  .on_answer = on_answer,
                                  .router = txn->op->client->router,
                                  .forgetter = txn->op->client->forgetter,
                                  .parts = txn->ends,
                                  .part_count = txn->count};
    finish_init(&txn->finish, txn->op->client->env);
    txn->phase = TXN_VOTING;
    txn->sent = 0;
    vote_next(txn);
}

void txn_numbered(struct op *slot)
{
    struct txn *txn = slot->part->txn;
    slot->state = OP_SENT;
    if (++txn->numbered == txn->count)
        begin_votes(txn);
}

/* -- votes --------------------------------------------------------------------------------- */

/* N4 */
static void give_up_unsent(struct txn *txn)
{
    while (txn->sent < txn->count)
        finish_vote(&txn->finish, txn->sent++, KV_FATE_ABORTED);
}

static size_t position(const struct txn_part *part)
{
    return (size_t)(part - part->txn->parts);
}

static void on_no(struct txn_part *part, const struct kv_reply *reply)
{
    struct txn *txn = part->txn;
    bool is_lost = reply->status == SF_SESSION_EXPIRED || reply->status == SF_STALE;
    part->is_uncertain = is_lost && part->slot.router_call.sends > 1;
    if (reply->status == SF_SESSION_EXPIRED)
        session_expire(part->slot.session);
    txn_part_keep(part, reply);
    give_up_unsent(txn);
    finish_vote(&txn->finish, position(part), KV_FATE_ABORTED);
}

static void on_refusal(struct txn_part *part, int status)
{
    struct txn *txn = part->txn;
    part->refusal = status;
    give_up_unsent(txn);
    finish_ask(&txn->finish, position(part));
}

static void on_vote(struct txn_part *part, const struct kv_reply *reply)
{
    struct txn *txn = part->txn;
    if (reply->fate == KV_FATE_ABORTED) {
        on_no(part, reply);
        return;
    }
    if (reply->fate == KV_FATE_NONE) {
        on_refusal(part, reply->status);
        return;
    }
    if (reply->fate == KV_FATE_COMMITTED) /* a leader was faster; so all were sent */
        txn_part_keep(part, reply);
    if (txn->sent < txn->count)
        vote_next(txn);
    finish_vote(&txn->finish, position(part), reply->fate);
}

static void prepare_on_done(struct router_call *call, int status, const struct kv_reply *reply)
{
    struct op *slot = container_of(call, struct op, router_call);
    if (status == SF_OK)
        on_vote(slot->part, reply);
    else
        on_refusal(slot->part, status);
}

static void before_send(struct router_call *call)
{
    const struct op *slot = container_of(call, struct op, router_call);
    call->request.session.first_incomplete = session_first_incomplete(slot->session);
}

static void send_prepare(struct txn *txn, struct txn_part *part)
{
    struct op *slot = &part->slot;
    slot->router_call = (struct router_call){
        .on_done = prepare_on_done, .before_send = before_send, .shard = slot->shard};
    slot->router_call.request.session =
        (struct kv_session){.session = slot->session->number, .sequence = slot->sequence};
    slot->router_call.request.op = (struct kv_op){.kind = KV_PREPARE,
                                                  .flags = txn->waits ? KV_WAITS : 0,
                                                  .checks = part->checks,
                                                  .check_count = part->check_count,
                                                  .ops = part->ops,
                                                  .op_count = part->op_count,
                                                  .numbers = txn->numbers,
                                                  .number_count = txn->count,
                                                  .hold = txn->op->call->op->hold};
    router_send(txn->op->client->router, &slot->router_call);
}

/* The first time to all at once; retrying, to one more (N3). */
static void vote_next(struct txn *txn)
{
    do
        send_prepare(txn, &txn->parts[txn->sent++]);
    while (!txn->waits && txn->sent < txn->count);
}

/* -- the end ------------------------------------------------------------------------------- */

/* That it was, or was not, carried out there shows what became of the whole. */
static void on_answer(struct finish *finish, size_t index, const struct kv_reply *reply)
{
    struct txn *txn = container_of(finish, struct txn, finish);
    if (reply->fate == KV_FATE_COMMITTED)
        txn_part_keep(&txn->parts[index], reply);
    txn->parts[index].was_told = reply->fate == KV_FATE_ABORTED;
}

static void rest_on_timer(struct env_timer *timer)
{
    struct txn *txn = container_of(timer, struct txn, rest);
    if (txn->op->epoch == txn->op->client->epoch)
        number_all(txn);
    else
        op_answer(txn->op, SF_FENCED, NULL);
}

/* At once the first time: then it queues. */
static void begin_again(struct txn *txn)
{
    struct env *env = txn->op->client->env;
    uint64_t most_ms = (uint64_t)REST_MS_MIN << (txn->rounds < 7 ? txn->rounds : 7);
    if (most_ms > REST_MS_MAX)
        most_ms = REST_MS_MAX;
    txn->phase = TXN_RESTING;
    txn->waits = true;
    env_timer_start_ms(&txn->rest, txn->rounds++ == 0 ? 0 : 1 + env_random_below(env, most_ms));
}

static void on_finished(struct finish *finish)
{
    struct txn *txn = container_of(finish, struct txn, finish);
    struct op *op = txn->op;
    struct kv_reply reply;
    leave_all(txn);
    if (op->call == NULL) {
        op_end_settled(op);
        return;
    }
    int status = txn_verdict(txn, &reply);
    if (status == SF_CONFLICT && !op->call->answers_conflict)
        begin_again(txn);
    else
        op_answer(op, status, status == SF_UNKNOWN ? NULL : &reply);
}

void txn_settle(struct op *op)
{
    struct txn *txn = op->txn;
    sf_assert(txn->phase == TXN_VOTING);
    size_t sent = txn->sent;
    for (size_t i = 0; i < txn->count; i++)
        router_cancel(&txn->parts[i].slot.router_call);
    for (size_t i = 0; i < sent; i++)
        finish_ask(&txn->finish, i);
    give_up_unsent(txn);
}

bool txn_was_sent(const struct txn *txn)
{
    return txn->phase == TXN_VOTING;
}

void txn_expire(struct op *op)
{
    struct txn *txn = op->txn;
    if (!txn_was_sent(txn)) {
        env_timer_stop(&txn->rest);
        leave_all(txn);
        op_answer(op, SF_TIMEOUT, NULL);
        return;
    }
    bool is_over = txn->finish.decision == FINISH_ABORT && txn_is_certain(txn);
    op_answer_early(op, is_over ? SF_TIMEOUT : SF_UNKNOWN);
}

/* -- the beginning ------------------------------------------------------------------------- */

void txn_begin(struct op *op)
{
    struct client *client = op->client;
    struct txn *txn = sf_calloc(1, sizeof *txn);
    txn->op = op;
    txn->waits = op->call->op->hold != 0;
    op->txn = txn;
    op->state = OP_TXN;
    env_timer_init(client->env, &txn->rest, rest_on_timer);
    txn_parts_make(txn, op->call->op, router_config(client->router));
    txn_room_enter(txn);
}

void txn_admitted(struct txn *txn)
{
    if (txn->op->epoch == txn->op->client->epoch) {
        number_all(txn);
        return;
    }
    txn->phase = TXN_RESTING; /* has no numbers */
    op_fail(txn->op, SF_FENCED);
}

void txn_free(struct txn *txn, bool leave)
{
    if (txn == NULL)
        return;
    env_timer_stop(&txn->rest);
    if (txn->phase == TXN_VOTING)
        finish_cancel(&txn->finish);
    if (leave)
        leave_all(txn);
    for (size_t i = 0; i < txn->count; i++) {
        router_cancel(&txn->parts[i].slot.router_call);
        env_timer_stop(&txn->parts[i].slot.timer);
    }
    txn_room_leave(txn);
    txn_parts_free(txn);
    free(txn);
}

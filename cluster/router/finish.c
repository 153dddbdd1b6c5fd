#include "router/finish.h"

#include "router/inner.h"

#define RETRY_MS 1000u

static void advance(struct finish *finish);

/* -- asking and telling -------------------------------------------------------------------- */

static size_t index_of(const struct finish_part *part)
{
    return (size_t)(part - part->finish->parts);
}

/* No answer that helps: all that is open is sent again after a while. */
static void try_again(struct finish *finish)
{
    if (!env_timer_is_armed(&finish->retry))
        env_timer_start_ms(&finish->retry, RETRY_MS);
}

static void part_send(struct finish_part *part, enum kv_kind kind, unsigned flags,
                      void (*on_done)(struct router_call *call, int status,
                                      const struct kv_reply *reply))
{
    const struct finish *finish = part->finish;
    uint64_t now = env_now_ms(finish->router->env);
    part->op =
        (struct kv_op){.kind = kind, .flags = flags, .numbers = &part->number, .number_count = 1};
    part->call =
        (struct router_call){.on_done = on_done,
                             .request.op = part->op,
                             .shard = part->number.shard,
                             .deadline_ms = finish->try_ms != 0 ? now + finish->try_ms : 0};
    router_send(finish->router, &part->call);
}

static void learn(struct finish_part *part, enum kv_fate fate)
{
    part->state = fate == KV_FATE_PREPARED ? FINISH_PREPARED : FINISH_CONFIRMED;
    part->keeps = part->keeps || fate != KV_FATE_ABORTED;
    if (part->finish->decision != FINISH_UNDECIDED)
        return;
    if (fate == KV_FATE_ABORTED)
        part->finish->decision = FINISH_ABORT;
    if (fate == KV_FATE_COMMITTED)
        part->finish->decision = FINISH_COMMIT;
}

static void give_answer(struct finish_part *part, const struct kv_reply *reply)
{
    struct finish *finish = part->finish;
    if (finish->on_answer != NULL)
        finish->on_answer(finish, index_of(part), reply);
}

static void asked_on_done(struct router_call *call, int status, const struct kv_reply *reply)
{
    struct finish_part *part = container_of(call, struct finish_part, call);
    struct finish *finish = part->finish;
    if (status != SF_OK || reply->fate == KV_FATE_NONE) {
        try_again(finish);
        return;
    }
    part->keeps = reply->status == SF_OK; /* a no on record, or none, needs no forgetting */
    if (reply->fate == KV_FATE_COMMITTED)
        give_answer(part, reply);
    learn(part, reply->fate);
    advance(finish);
}

/* Any answer but "prepared" is a confirmation, if it is one of the shard's. */
static void told_on_done(struct router_call *call, int status, const struct kv_reply *reply)
{
    struct finish_part *part = container_of(call, struct finish_part, call);
    struct finish *finish = part->finish;
    bool confirmed =
        status == SF_OK && reply->fate != KV_FATE_PREPARED &&
        (reply->status == SF_OK || reply->fate != KV_FATE_NONE || reply->status == SF_ABANDONED);
    if (!confirmed) {
        try_again(finish);
        return;
    }
    give_answer(part, reply);
    part->state = FINISH_CONFIRMED;
    advance(finish);
}

void finish_ask(struct finish *finish, size_t index)
{
    struct finish_part *part = &finish->parts[index];
    if (part->state == FINISH_UNKNOWN && !part->call.open)
        part_send(part, KV_ASK, 0, asked_on_done);
}

/* -- deciding ------------------------------------------------------------------------------ */

static size_t count(const struct finish *finish, enum finish_state state)
{
    size_t n = 0;
    for (size_t i = 0; i < finish->part_count; i++)
        n += finish->parts[i].state == state;
    return n;
}

static void tell(struct finish *finish)
{
    unsigned flags = finish->decision == FINISH_COMMIT ? KV_COMMITS : 0;
    for (size_t i = 0; i < finish->part_count; i++) {
        struct finish_part *part = &finish->parts[i];
        if (part->state == FINISH_PREPARED && !part->call.open)
            part_send(part, KV_OUTCOME, flags, told_on_done);
    }
}

static void forget(struct finish *finish)
{
    for (size_t i = 0; i < finish->part_count; i++)
        if (finish->parts[i].keeps)
            forgetter_add(finish->forgetter, &finish->parts[i].number);
}

static void advance(struct finish *finish)
{
    if (finish->decision == FINISH_UNDECIDED &&
        count(finish, FINISH_PREPARED) == finish->part_count)
        finish->decision = FINISH_COMMIT;
    if (finish->decision == FINISH_UNDECIDED)
        return;
    if (count(finish, FINISH_CONFIRMED) < finish->part_count) {
        tell(finish);
        return;
    }
    forget(finish);
    finish_cancel(finish);
    finish->on_done(finish);
}

void finish_vote(struct finish *finish, size_t index, enum kv_fate fate)
{
    struct finish_part *part = &finish->parts[index];
    sf_assert(part->state == FINISH_UNKNOWN);
    router_cancel(&part->call);
    learn(part, fate);
    advance(finish);
}

/* -- life ---------------------------------------------------------------------------------- */

/* What was asked and not answered is UNKNOWN still, and without a call. */
static void on_retry(struct env_timer *timer)
{
    struct finish *finish = container_of(timer, struct finish, retry);
    for (size_t i = 0; i < finish->part_count; i++)
        if (finish->parts[i].op.kind == KV_ASK)
            finish_ask(finish, i);
    if (finish->decision != FINISH_UNDECIDED)
        tell(finish);
}

void finish_init(struct finish *finish, struct env *env)
{
    finish->decision = FINISH_UNDECIDED;
    env_timer_init(env, &finish->retry, on_retry);
    for (size_t i = 0; i < finish->part_count; i++) {
        struct kv_number number = finish->parts[i].number;
        finish->parts[i] = (struct finish_part){.number = number, .finish = finish};
    }
}

void finish_cancel(struct finish *finish)
{
    env_timer_stop(&finish->retry);
    for (size_t i = 0; i < finish->part_count; i++)
        router_cancel(&finish->parts[i].call);
}

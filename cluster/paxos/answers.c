/* answers: what other members ask, and the own attempt of the own acceptor. */
#include "env/log.h"
#include "env/memory.h"
#include "paxos/inside.h"

/* -- what waits for the disk --------------------------------------------------------------- */

static void reply(struct member *m, struct rpc_request *request, const struct answer *answer)
{
    struct buffer result = {0};
    rpc_begin_reply(&result);
    answer_pack(&result, answer, &m->done);
    rpc_reply(request, &result);
}

static void release(struct member *m, struct held *held)
{
    if (held->request != NULL)
        reply(m, held->request, &held->answer);
    else
        attempts_note_self(m, held);
    answer_deinit(&held->answer);
    free(held);
}

void answers_release(struct member *m, uint64_t position)
{
    while (m->held != NULL && m->held->position <= position) {
        struct held *first = m->held;
        DL_DELETE(m->held, first);
        release(m, first);
    }
}

/* Takes the answer. */
static void hold(struct member *m, const struct held *item)
{
    struct held *held = sf_memdup(item, sizeof *item);
    DL_APPEND(m->held, held);
}

void answers_deinit(struct member *m)
{
    while (m->held != NULL) {
        struct held *first = m->held;
        DL_DELETE(m->held, first);
        answer_deinit(&first->answer);
        free(first);
    }
}

/* -- the acceptor -------------------------------------------------------------------------- */

static struct answer ask_acceptor(struct agreement *a, const struct request *request, bool *changed)
{
    struct answer answer;
    if (request->ask == ASK_PREPARE) {
        answer = instance_prepare(&a->instance, request->ballot, changed);
        if (*changed)
            records_promise(a);
    } else {
        answer = instance_accept(&a->instance, request->ballot, request->value, changed);
        if (*changed)
            records_accept(a);
    }
    return answer;
}

/* One who asks again may be told only what is durable by now, so all but refusals wait. */
static uint64_t rests_on(const struct member *m, const struct answer *answer)
{
    return answer->verdict == VERDICT_YES ? records_position(m) : 0;
}

static bool may_leave(const struct member *m, uint64_t position)
{
    return position == 0 || position <= journal_synced(m->journal);
}

void answers_ask_self(struct agreement *a, enum ask ask, struct payload *value)
{
    struct member *m = a->member;
    const struct request request = {
        .ask = ask, .seq = a->instance.seq, .ballot = a->instance.attempt.ballot, .value = value};
    bool changed;
    struct held held = {.ask = ask, .seq = request.seq, .ballot = request.ballot};
    held.answer = ask_acceptor(a, &request, &changed);
    held.position = rests_on(m, &held.answer);
    if (!may_leave(m, held.position)) {
        hold(m, &held);
        return;
    }
    attempts_note_self(m, &held);
    answer_deinit(&held.answer);
}

/* -- requests ------------------------------------------------------------------------------ */

static struct answer judge(struct member *m, const struct request *request)
{
    bool changed;
    if (request->seq < m->min)
        return (struct answer){.verdict = VERDICT_FORGOTTEN};
    struct agreement *a = member_hold(m, request->seq);
    if (request->ask != ASK_DECIDED)
        return ask_acceptor(a, request, &changed);
    member_learn(a, request->value, TOLD_ALL); /* who says so tells the others too */
    return (struct answer){.verdict = VERDICT_YES};
}

/* It is for another member, whose address leads here: to answer would be to vote twice. */
static void refuse_misled(struct member *m, struct rpc_request *rpc, const struct request *request)
{
    if (!m->warned)
        log_warn("paxos", "%s and %s, two peers of one list, are one process",
                 m->addresses[request->to], m->addresses[m->self]);
    m->warned = true;
    payload_unref(request->value);
    rpc_reply_error(rpc, SF_MISMATCH, "this is another member");
}

static void on_request(struct member *m, enum ask ask, struct rpc_request *rpc,
                       const msgpack_object *params)
{
    struct request request;
    if (request_unpack(params, ask, m->count, &request) != SF_OK) {
        rpc_reply_error(rpc, SF_PROTOCOL, "this is no message of a member");
        return;
    }
    if (request.to != m->self) {
        refuse_misled(m, rpc, &request);
        return;
    }
    member_hear_done(m, &request.done);
    struct held held = {.request = rpc, .ask = ask, .seq = request.seq, .ballot = request.ballot};
    held.answer = judge(m, &request);
    held.position = ask == ASK_DECIDED ? 0 : rests_on(m, &held.answer);
    payload_unref(request.value);
    if (!may_leave(m, held.position)) {
        hold(m, &held);
        return;
    }
    reply(m, rpc, &held.answer);
    answer_deinit(&held.answer);
}

static void on_prepare(void *ctx, struct rpc_request *request, const msgpack_object *params)
{
    on_request(ctx, ASK_PREPARE, request, params);
}

static void on_accept(void *ctx, struct rpc_request *request, const msgpack_object *params)
{
    on_request(ctx, ASK_ACCEPT, request, params);
}

static void on_decided(void *ctx, struct rpc_request *request, const msgpack_object *params)
{
    on_request(ctx, ASK_DECIDED, request, params);
}

void answers_register(struct member *m)
{
    rpc_on_request(m->rpc, ask_method(ASK_PREPARE), on_prepare, m);
    rpc_on_request(m->rpc, ask_method(ASK_ACCEPT), on_accept, m);
    rpc_on_request(m->rpc, ask_method(ASK_DECIDED), on_decided, m);
}

/* attempts: what this member proposes, and whom it asks. */
#include "env/memory.h"
#include "paxos/inside.h"

#define CALL_MS 1000u  /* without an answer: it counts as none */
#define REST_MS_MIN 8u /* after a first failure; drawn from half to one and a half of it */
#define REST_DOUBLINGS_MAX 5u
#define TELL_TRIES_MAX 4u /* DECIDED is sent so often to one who does not answer */
#define TELL_AGAIN_MS 50u

static void send_call(struct ask_call *c);

static replica_id own_id(const struct member *m)
{
    return (replica_id)m->self + 1;
}

/* -- calls --------------------------------------------------------------------------------- */

static void call_free(struct ask_call *c)
{
    rpc_call_cancel(&c->call);
    env_timer_stop(&c->again);
    DL_DELETE(c->agreement->calls, c);
    payload_unref(c->request.value);
    free(c);
}

static void on_again(struct env_timer *timer)
{
    send_call(container_of(timer, struct ask_call, again));
}

static struct ask_call *call_new(struct agreement *a, enum ask ask, size_t to,
                                 struct payload *value)
{
    struct ask_call *c = sf_calloc(1, sizeof *c);
    c->agreement = a;
    c->request = (struct request){.ask = ask,
                                  .seq = a->instance.seq,
                                  .from = (uint32_t)a->member->self,
                                  .to = (uint32_t)to,
                                  .value = value != NULL ? payload_ref(value) : NULL};
    if (ask != ASK_DECIDED)
        c->request.ballot = a->instance.attempt.ballot;
    env_timer_init(a->member->env, &c->again, on_again);
    DL_APPEND(a->calls, c);
    return c;
}

/* To all others but those whose bit is set. */
static void ask_others(struct agreement *a, enum ask ask, struct payload *value, uint32_t but)
{
    struct member *m = a->member;
    for (size_t i = 0; i < m->count; i++) {
        if (i != m->self && !(but >> i & 1u))
            send_call(call_new(a, ask, i, value));
    }
}

void attempts_tell(struct agreement *a, uint32_t told)
{
    ask_others(a, ASK_DECIDED, a->instance.decided, told);
}

/* -- an attempt ---------------------------------------------------------------------------- */

static void rest(struct agreement *a)
{
    unsigned doublings = a->instance.attempt.failures - 1;
    if (doublings > REST_DOUBLINGS_MAX)
        doublings = REST_DOUBLINGS_MAX;
    uint64_t mean_ns = (REST_MS_MIN * ENV_MS_NS) << doublings;
    env_timer_start_ns(&a->rest, mean_ns / 2 + env_random_below(a->member->env, mean_ns));
}

static void take_step(struct agreement *a, enum attempt_step step)
{
    switch (step) {
    case ATTEMPT_WAITS:
        return;
    case ATTEMPT_ACCEPTS:
        ask_others(a, ASK_ACCEPT, attempt_value(&a->instance), 0);
        answers_ask_self(a, ASK_ACCEPT, attempt_value(&a->instance));
        return;
    case ATTEMPT_WINS:
        member_learn(a, attempt_value(&a->instance), 0);
        return;
    case ATTEMPT_FAILS:
        rest(a);
        return;
    }
}

void attempts_begin(struct agreement *a)
{
    attempt_begin(&a->instance, own_id(a->member));
    answers_ask_self(a, ASK_PREPARE, NULL);
}

static void on_rest_over(struct env_timer *timer)
{
    attempts_begin(container_of(timer, struct agreement, rest));
}

static bool is_current(const struct agreement *a, uint64_t ballot, enum attempt_state state)
{
    return a->instance.attempt.state == state && a->instance.attempt.ballot == ballot;
}

/* The own promise comes first; then the others are asked, and it counts like theirs. */
void attempts_note_self(struct member *m, const struct held *held)
{
    struct agreement *a = member_find(m, held->seq);
    bool to_prepare = held->ask == ASK_PREPARE;
    if (a == NULL)
        return;
    if (to_prepare && is_current(a, held->ballot, ATTEMPT_PROMISING)) {
        attempt_prepare(&a->instance);
        ask_others(a, ASK_PREPARE, NULL, 0);
    }
    take_step(
        a, attempt_note(&a->instance, to_prepare, held->ballot, m->self, m->count, &held->answer));
}

/* -- answers ------------------------------------------------------------------------------- */

/* One that was told is asked again if it did not answer; after some time it has to ask itself. */
static bool is_told_again(struct ask_call *c, int status)
{
    if (c->request.ask != ASK_DECIDED || status == SF_OK || c->tries >= TELL_TRIES_MAX)
        return false;
    env_timer_start_ms(&c->again, (uint64_t)TELL_AGAIN_MS << c->tries);
    return true;
}

static void note_answer(struct member *m, const struct request *request, size_t from,
                        const struct answer *answer)
{
    struct agreement *a = member_find(m, request->seq);
    if (a == NULL || request->ask == ASK_DECIDED)
        return;
    if (answer != NULL && answer->verdict == VERDICT_DECIDED) {
        member_learn(a, answer->value, 1u << from);
        return;
    }
    take_step(a, attempt_note(&a->instance, request->ask == ASK_PREPARE, request->ballot, from,
                              m->count, answer));
}

static void on_answer(struct rpc_call *call, int status, const msgpack_object *result)
{
    struct ask_call *c = container_of(call, struct ask_call, call);
    struct member *m = c->agreement->member;
    struct request request = c->request;
    size_t from = c->request.to;
    struct answer answer = {0};
    struct done done;
    if (status == SF_OK)
        status = answer_unpack(result, m->count, &answer, &done);
    if (is_told_again(c, status))
        return;
    c->request.value = NULL; /* `request` has it */
    call_free(c);
    if (status == SF_OK)
        member_hear_done(m, &done);
    note_answer(m, &request, from, status == SF_OK ? &answer : NULL);
    answer_deinit(&answer);
    payload_unref(request.value);
}

static void send_call(struct ask_call *c)
{
    struct member *m = c->agreement->member;
    const char *method = ask_method(c->request.ask);
    struct buffer params = {0};
    c->tries++;
    c->request.done = m->done;
    rpc_begin_request(&params, method);
    request_pack(&params, &c->request);
    rpc_call_start(m->rpc, &c->call, m->addresses[c->request.to], method, &params, CALL_MS,
                   on_answer);
}

/* -- life ---------------------------------------------------------------------------------- */

void attempts_init(struct agreement *a)
{
    env_timer_init(a->member->env, &a->rest, on_rest_over);
}

void attempts_deinit(struct agreement *a)
{
    env_timer_stop(&a->rest);
    while (a->calls != NULL)
        call_free(a->calls);
}

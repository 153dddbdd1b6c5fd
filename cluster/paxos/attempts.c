/* attempts: what this member proposes, and what it makes of the answers. */
#include "paxos/inside.h"

#define REST_MS_MIN 8u /* after a first failure; drawn from half to one and a half of it */
#define REST_DOUBLINGS_MAX 5u

static replica_id own_id(const struct member *m)
{
    return (replica_id)m->self + 1;
}

void attempts_tell(struct agreement *a, uint32_t told)
{
    calls_ask_others(a, ASK_DECIDED, a->instance.decided, told);
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
        calls_ask_others(a, ASK_ACCEPT, attempt_value(&a->instance), 0);
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
        calls_ask_others(a, ASK_PREPARE, NULL, 0);
    }
    take_step(
        a, attempt_note(&a->instance, to_prepare, held->ballot, m->self, m->count, &held->answer));
}

/* -- answers ------------------------------------------------------------------------------- */

void attempts_note_answer(struct member *m, const struct request *request,
                          const struct answer *answer)
{
    struct agreement *a = member_find(m, request->seq);
    if (a == NULL || request->ask == ASK_DECIDED)
        return;
    if (answer != NULL && answer->verdict == VERDICT_DECIDED) {
        member_learn(a, answer->value, 1u << request->to);
        return;
    }
    take_step(a, attempt_note(&a->instance, request->ask == ASK_PREPARE, request->ballot,
                              request->to, m->count, answer));
}

/* -- life ---------------------------------------------------------------------------------- */

void attempts_init(struct agreement *a)
{
    env_timer_init(a->member->env, &a->rest, on_rest_over);
}

void attempts_deinit(struct agreement *a)
{
    env_timer_stop(&a->rest);
    calls_deinit(a);
}

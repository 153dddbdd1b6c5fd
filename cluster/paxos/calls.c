/* calls: requests to the other members.
 *
 * The happy path is: packed and sent -> answered -> the attempt that asked is told. It can fail by:
 * no answer within a time, which is longer the more often that happened (a long value takes its time
 * on a slow way), or the connection's end; for an attempt that counts as silence, and DECIDED is sent
 * again some times. Values may be long and instances many, so at most so many bytes are under way to
 * each member: what comes then waits its turn, and is dropped if nobody wants it any more. */
#include "env/memory.h"
#include "paxos/inside.h"

#define CALL_MS 1000u /* without an answer; doubled each time */
#define CALL_DOUBLINGS_MAX 4u
#define TELL_TRIES_MAX 4u /* DECIDED is sent so often to one who does not answer */
#define TELL_AGAIN_MS 50u
#define UNDER_WAY_BYTES_MAX PAXOS_VALUE_BYTES_MAX /* to one member; the first call's aside */
#define SMALL_BYTES_MAX 1024u                     /* may overtake those that wait */

static size_t bytes_of(const struct ask_call *c)
{
    return c->request.value != NULL ? c->request.value->bytes : 0;
}

static struct way *way_of(const struct ask_call *c)
{
    return &c->agreement->member->ways[c->request.to];
}

/* -- sending ------------------------------------------------------------------------------- */

static void on_answer(struct rpc_call *call, int status, const msgpack_object *result);

static uint64_t time_to_answer_ms(const struct ask_call *c)
{
    bool tells = c->request.ask == ASK_DECIDED;
    unsigned doublings = tells ? c->tries - 1 : c->agreement->instance.attempt.silences;
    return (uint64_t)CALL_MS << (doublings < CALL_DOUBLINGS_MAX ? doublings : CALL_DOUBLINGS_MAX);
}

static void transmit(struct ask_call *c)
{
    struct member *m = c->agreement->member;
    const char *method = ask_method(c->request.ask);
    struct buffer params = {0};
    c->state = CALL_UNDER_WAY;
    way_of(c)->bytes += bytes_of(c);
    c->tries++;
    c->request.done = m->done;
    rpc_begin_request(&params, method);
    request_pack(&params, &c->request);
    rpc_call_start(m->rpc, &c->call, m->addresses[c->request.to], method, &params,
                   time_to_answer_ms(c), on_answer);
}

static bool has_room(const struct way *way, const struct ask_call *c)
{
    return way->bytes == 0 || way->bytes + bytes_of(c) <= UNDER_WAY_BYTES_MAX;
}

static void send_call(struct ask_call *c)
{
    struct way *way = way_of(c);
    bool may_go = way->waiting == NULL || bytes_of(c) <= SMALL_BYTES_MAX;
    if (may_go && has_room(way, c)) {
        transmit(c);
        return;
    }
    c->state = CALL_WAITING;
    DL_APPEND2(way->waiting, c, wait_prev, wait_next);
}

/* The attempt that wanted to ask this is over. */
static bool is_stale(const struct ask_call *c)
{
    const struct attempt *attempt = &c->agreement->instance.attempt;
    bool prepares = c->request.ask == ASK_PREPARE;
    if (c->request.ask == ASK_DECIDED)
        return false;
    return attempt->state != (prepares ? ATTEMPT_PREPARING : ATTEMPT_ACCEPTING) ||
           attempt->ballot != c->request.ballot;
}

/* It waits no more, or is not under way any more. */
static void leave(struct ask_call *c)
{
    struct way *way = way_of(c);
    if (c->state == CALL_UNDER_WAY)
        way->bytes -= bytes_of(c);
    else if (c->state == CALL_WAITING)
        DL_DELETE2(way->waiting, c, wait_prev, wait_next);
    c->state = CALL_RESTING;
}

static void destroy(struct ask_call *c)
{
    rpc_call_cancel(&c->call);
    env_timer_stop(&c->again);
    DL_DELETE(c->agreement->calls, c);
    payload_unref(c->request.value);
    free(c);
}

static void send_waiting(struct way *way)
{
    while (way->waiting != NULL && has_room(way, way->waiting)) {
        struct ask_call *first = way->waiting;
        leave(first);
        if (is_stale(first))
            destroy(first);
        else
            transmit(first);
    }
}

/* -- calls --------------------------------------------------------------------------------- */

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

void calls_ask_others(struct agreement *a, enum ask ask, struct payload *value, uint32_t but)
{
    struct member *m = a->member;
    for (size_t i = 0; i < m->count; i++) {
        if (i != m->self && !(but >> i & 1u))
            send_call(call_new(a, ask, i, value));
    }
}

void calls_deinit(struct agreement *a)
{
    while (a->calls != NULL) {
        struct ask_call *c = a->calls;
        struct way *way = way_of(c);
        leave(c);
        destroy(c);
        send_waiting(way);
    }
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

static void on_answer(struct rpc_call *call, int status, const msgpack_object *result)
{
    struct ask_call *c = container_of(call, struct ask_call, call);
    struct member *m = c->agreement->member;
    struct way *way = way_of(c);
    struct request request = c->request;
    struct answer answer = {0};
    struct done done;
    if (status == SF_OK)
        status = answer_unpack(result, m->count, &answer, &done);
    leave(c);
    if (!is_told_again(c, status)) {
        request.value = NULL; /* it goes with the call */
        destroy(c);
    }
    send_waiting(way);
    if (status == SF_OK)
        member_hear_done(m, &done);
    attempts_note_answer(m, &request, status == SF_OK ? &answer : NULL);
    answer_deinit(&answer);
}

/* The session of a shard.
 *
 *   made on first use -> opening -> open -> expired, or dropped when unused for long, or closed
 *
 * An id is the client's name and a random number for each opening: were it the client's for ever, a
 * session that is opened again could be one that still exists, with numbers that were used. */
#include "client/inner.h"

#include "client/lease.h"

static void pump(struct session *session);

/* -- life ---------------------------------------------------------------------------------- */

static struct session *session_new(struct client *client, uint32_t shard)
{
    struct session *session = sf_calloc(1, sizeof *session);
    session->client = client;
    session->shard = shard;
    session->next_sequence = 1;
    session->current = true;
    uint64_t id[2] = {client->holder, env_random(client->env)};
    static_assert(sizeof id == CLIENT_ID_BYTES, "a client id is 128 bits");
    for (size_t i = 0; i < sizeof id; i++)
        session->id[i] = (uint8_t)(id[i / 8] >> (8 * (i % 8)));
    HASH_ADD(hh, client->current, shard, sizeof session->shard, session);
    DL_APPEND(client->sessions, session);
    if (!env_timer_is_armed(&client->sweep))
        env_timer_start_ms(&client->sweep, SESSION_SWEEP_MS);
    return session;
}

static void session_retire(struct session *session)
{
    if (!session->current)
        return;
    session->current = false;
    HASH_DEL(session->client->current, session);
}

static void session_free(struct session *session)
{
    sf_assert(!session->flight && !session->queue);
    session_retire(session);
    router_cancel(&session->open_call);
    DL_DELETE(session->client->sessions, session);
    free(session);
}

/* Says good-bye without waiting; the cluster would drop it in an hour anyway. */
static void session_close(struct session *session)
{
    if (session->number != 0) {
        struct kv_request request = {.op.kind = KV_SESSION_CLOSE,
                                     .session.session = session->number,
                                     .session.first_incomplete = session->next_sequence};
        router_send_once(session->client->router, &request, session->shard);
    }
    session_free(session);
}

void session_free_all(struct client *client)
{
    while (client->sessions) {
        if (client->sessions->current)
            session_close(client->sessions);
        else
            session_free(client->sessions);
    }
}

static bool session_is_old(const struct session *session)
{
    return !session->flight && !session->queue &&
           env_now_ms(session->client->env) - session->used_ms >= SESSION_IDLE_MS_MAX;
}

void session_sweep(struct client *client)
{
    struct session *session, *next;
    DL_FOREACH_SAFE(client->sessions, session, next)
    {
        if (session->current && session_is_old(session))
            session_close(session);
    }
}

/* The session for new operations of a shard. One that was not used for long may be unknown by now,
 * and the sweep need not have run: a blocking clerk's loop stands still between calls. */
static struct session *session_of(struct client *client, uint32_t shard)
{
    struct session *session;
    HASH_FIND(hh, client->current, &shard, sizeof shard, session);
    if (session && session_is_old(session)) {
        session_close(session);
        session = NULL;
    }
    return session ? session : session_new(client, shard);
}

/* -- opening ------------------------------------------------------------------------------- */

static void fail_queue(struct session *session, int status)
{
    while (session->queue) {
        struct op *op = session->queue;
        DL_DELETE(session->queue, op);
        op->session = NULL;
        op_fail(op, status);
    }
}

void session_fence_all(struct client *client)
{
    struct session *session, *next;
    DL_FOREACH_SAFE(client->sessions, session, next)
    {
        session_retire(session);
        router_cancel(&session->open_call);
        fail_queue(session, SF_FENCED);
        if (!session->flight)
            session_free(session);
    }
}

static void open_on_done(struct router_call *call, int status, const struct kv_reply *reply)
{
    struct session *session = container_of(call, struct session, open_call);
    int result = status == SF_OK ? reply->status : status;
    if (result == SF_OK && reply->session == 0)
        result = SF_PROTOCOL;
    if (result == SF_OK) {
        session->number = reply->session;
        session->used_ms = env_now_ms(session->client->env);
        pump(session);
        return;
    }
    if (result == SF_FENCED)
        lease_fenced(session->client, session->client->epoch); /* that frees the session */
    else
        fail_queue(session, result);
}

static void session_open(struct session *session)
{
    session->open_call = (struct router_call){.on_done = open_on_done, .shard = session->shard};
    session->open_call.request.op =
        (struct kv_op){.kind = KV_SESSION_OPEN, .data = slice_of(session->id, sizeof session->id)};
    router_send(session->client->router, &session->open_call);
}

/* -- numbers ------------------------------------------------------------------------------- */

uint64_t session_first_incomplete(const struct session *session)
{
    return session->flight ? session->flight->sequence : session->next_sequence;
}

static bool window_has_room(const struct session *session)
{
    return session->next_sequence - session_first_incomplete(session) < session->client->window;
}

static void pump(struct session *session)
{
    while (session->queue && session->number != 0 && window_has_room(session)) {
        struct op *op = session->queue;
        DL_DELETE(session->queue, op);
        op->sequence = session->next_sequence++;
        DL_APPEND(session->flight, op);
        op_transmit(op);
    }
}

void session_enqueue(struct client *client, struct op *op)
{
    struct session *session = session_of(client, op->shard);
    session->used_ms = env_now_ms(client->env);
    op->session = session;
    DL_APPEND(session->queue, op);
    if (session->number != 0)
        pump(session);
    else if (!session->open_call.open)
        session_open(session);
}

void session_unqueue(struct op *op)
{
    struct session *session = op->session;
    DL_DELETE(session->queue, op);
    op->session = NULL;
    if (!session->queue)
        router_cancel(&session->open_call); /* a later one opens with the same id */
}

void session_leave(struct op *op)
{
    struct session *session = op->session;
    DL_DELETE(session->flight, op);
    op->session = NULL;
    session->used_ms = env_now_ms(session->client->env);
    if (session->current)
        pump(session);
    else if (!session->flight)
        session_free(session);
}

void session_expire(struct session *session)
{
    if (!session->current)
        return;
    session_retire(session);
    struct op *queue = session->queue, *op, *next;
    session->queue = NULL;
    DL_FOREACH_SAFE(queue, op, next)
    {
        DL_DELETE(queue, op);
        session_enqueue(session->client, op);
    }
}

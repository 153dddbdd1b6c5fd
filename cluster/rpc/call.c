/* Calls that go out, and notifications.
 *
 * The happy path is: rpc_call_start -> a connection -> conn_send -> a reply finds the call by its
 * id -> call_finish. It can fail by: no connection, a full queue, a message too big (on_done is due
 * a millisecond later), the connection's end, the time being over. */
#include <string.h>
#include <utlist.h>

#include "rpc/endpoint.h"

struct rpc_call *call_find(struct rpc *rpc, uint32_t id)
{
    struct rpc_call *call = NULL;
    HASH_FIND(hh, rpc->calls, &id, sizeof id, call);
    return call;
}

static uint32_t fresh_id(struct rpc *rpc)
{
    do
        rpc->last_id++;
    while (call_find(rpc, rpc->last_id));
    return rpc->last_id;
}

void call_detach(struct rpc_call *call)
{
    struct rpc_conn *conn = call->conn;
    env_timer_stop(&call->timer);
    if (!conn) {
        DL_DELETE(call->rpc->failing, call);
        return;
    }
    if (call->waiting)
        conn_unqueue(conn, call->waiting);
    call->waiting = NULL;
    call->conn = NULL;
    HASH_DEL(call->rpc->calls, call);
    DL_DELETE(conn->calls, call);
}

void rpc_call_cancel(struct rpc_call *call)
{
    if (call->open) {
        call_detach(call);
        call->open = false;
    }
}

void call_finish(struct rpc_call *call, int status, const msgpack_object *result)
{
    call_detach(call);
    call->open = false;
    call->on_done(call, status, result);
}

/* -- failing ------------------------------------------------------------------------------- */

static void add_to_failing(struct rpc_call *call, int status)
{
    struct rpc *rpc = call->rpc;
    call->status = status;
    call->id = rpc->failing_round;
    DL_APPEND(rpc->failing, call);
    if (!env_timer_is_armed(&rpc->failing_timer))
        env_timer_start_ms(&rpc->failing_timer, FAIL_DELAY_MS);
}

void call_fail_later(struct rpc_call *call, int status)
{
    call_detach(call);
    add_to_failing(call, status);
}

void call_on_failing(struct env_timer *timer)
{
    struct rpc *rpc = container_of(timer, struct rpc, failing_timer);
    /* What fails from now on is due in the next round. */
    uint32_t round = rpc->failing_round++;
    while (rpc->failing && rpc->failing->id == round)
        call_finish(rpc->failing, rpc->failing->status, NULL);
}

static void call_on_timeout(struct env_timer *timer)
{
    struct rpc_call *call = container_of(timer, struct rpc_call, timer);
    call_finish(call, call->sent ? SF_UNKNOWN : SF_UNREACHABLE, NULL);
}

/* -- starting ------------------------------------------------------------------------------ */

static void call_init(struct rpc *rpc, struct rpc_call *call,
                      void (*on_done)(struct rpc_call *, int, const msgpack_object *))
{
    sf_assert(!call->open);
    memset(call, 0, sizeof *call);
    call->rpc = rpc;
    call->on_done = on_done;
    call->open = true;
    env_timer_init(rpc->env, &call->timer, call_on_timeout);
}

static int admit(const struct rpc_conn *conn, const struct buffer *message)
{
    if (message->n > SF_MESSAGE_BYTES_MAX)
        return SF_TOO_BIG;
    return conn_is_full(conn) ? SF_OVERLOADED : SF_OK;
}

static void call_put(struct rpc_conn *conn, struct rpc_call *call, const char *method,
                     struct buffer *params, uint64_t timeout_ms)
{
    call->id = fresh_id(conn->rpc);
    frame_request(params, call->id, method);
    int status = admit(conn, params);
    if (status != SF_OK) {
        buffer_deinit(params);
        add_to_failing(call, status);
        return;
    }
    call->conn = conn;
    HASH_ADD(hh, conn->rpc->calls, id, sizeof call->id, call);
    DL_APPEND(conn->calls, call);
    if (timeout_ms > 0)
        env_timer_start_ms(&call->timer, timeout_ms);
    conn_send(conn, params, call);
}

void call_start_on(struct rpc_conn *conn, struct rpc_call *call, const char *method,
                   struct buffer *params, uint64_t timeout_ms,
                   void (*on_done)(struct rpc_call *, int, const msgpack_object *))
{
    call_init(conn->rpc, call, on_done);
    call_put(conn, call, method, params, timeout_ms);
}

/* conn: NULL: it cannot leave. */
static void start_on(struct rpc_conn *conn, struct rpc_call *call, const char *method,
                     struct buffer *params, uint64_t timeout_ms)
{
    if (conn) {
        call_put(conn, call, method, params, timeout_ms);
    } else {
        buffer_deinit(params);
        add_to_failing(call, SF_UNREACHABLE);
    }
}

void rpc_call_start(struct rpc *rpc, struct rpc_call *call, const char *address, const char *method,
                    struct buffer *params, uint64_t timeout_ms,
                    void (*on_done)(struct rpc_call *call, int status,
                                    const msgpack_object *result))
{
    call_init(rpc, call, on_done);
    start_on(conn_to(rpc, address), call, method, params, timeout_ms);
}

void rpc_call_start_peer(struct rpc *rpc, struct rpc_call *call, rpc_peer peer, const char *method,
                         struct buffer *params, uint64_t timeout_ms,
                         void (*on_done)(struct rpc_call *call, int status,
                                         const msgpack_object *result))
{
    call_init(rpc, call, on_done);
    start_on(conn_find_peer(rpc, peer), call, method, params, timeout_ms);
}

rpc_peer rpc_way_to(struct rpc *rpc, const char *address, rpc_peer back)
{
    const struct rpc_conn *own = conn_to(rpc, address);
    const struct rpc_conn *theirs = conn_find_peer(rpc, back);
    if (own && own->state == CONN_OPEN)
        return own->peer;
    if (theirs && theirs->state == CONN_OPEN)
        return back;
    return own ? own->peer : 0;
}

/* -- notifications ------------------------------------------------------------------------- */

static void notify_on(struct rpc *rpc, struct rpc_conn *conn, const char *method,
                      struct buffer *params)
{
    frame_notification(params, method);
    if (conn && admit(conn, params) == SF_OK) {
        conn_send(conn, params, NULL);
    } else {
        rpc->stats.dropped++;
        buffer_deinit(params);
    }
}

void rpc_notify(struct rpc *rpc, const char *address, const char *method, struct buffer *params)
{
    notify_on(rpc, conn_to(rpc, address), method, params);
}

void rpc_notify_peer(struct rpc *rpc, rpc_peer peer, const char *method, struct buffer *params)
{
    notify_on(rpc, conn_find_peer(rpc, peer), method, params);
}

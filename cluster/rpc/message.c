/* Messages that came in: taken apart, and handed to what they are for. */
#include "rpc/endpoint.h"

#include <limits.h>

#define METHOD_BYTES_MAX                                                                           \
    256u /* longer than any of ours: a method we do not know has an answer too */

/* The next object, whatever it is; NULL where there is none. */
static const msgpack_object *take_object(struct cursor *c)
{
    const msgpack_object *object = unpack_left(c) > 0 ? c->at : NULL;
    unpack_skip(c);
    return object;
}

static const msgpack_object *take_params(struct cursor *c)
{
    const msgpack_object *params = take_object(c);
    c->bad = c->bad || params->type != MSGPACK_OBJECT_ARRAY;
    return params;
}

/* [id, method, params] */
static bool handle_request(struct rpc_conn *conn, struct cursor *c)
{
    uint32_t id = (uint32_t)unpack_u64(c, UINT32_MAX);
    struct slice method = unpack_bin(c, METHOD_BYTES_MAX);
    const msgpack_object *params = take_params(c);
    if (!unpack_done(c))
        return false;
    conn->rpc->stats.requests++;
    request_dispatch(conn, id, method, params);
    return true;
}

/* The error field of a reply: ours is [code, text]; what others send says only that it failed. */
static int status_of(const msgpack_object *error)
{
    if (error->type == MSGPACK_OBJECT_NIL)
        return SF_OK;
    struct cursor c = unpack_object(error);
    int64_t code = unpack_i64(&c);
    return unpack_ok(&c) && code < SF_OK && code >= INT_MIN ? (int)code : SF_PROTOCOL;
}

/* [id, error, result]. Nobody may be waiting any more: it came twice, or too late. */
static bool handle_reply(struct rpc_conn *conn, struct cursor *c)
{
    uint32_t id = (uint32_t)unpack_u64(c, UINT32_MAX);
    const msgpack_object *error = take_object(c);
    const msgpack_object *result = take_object(c);
    if (!unpack_done(c))
        return false;
    conn->rpc->stats.replies++;
    struct rpc_call *call = call_find(conn->rpc, id);
    if (call && call->conn == conn && call->sent) {
        int status = status_of(error);
        call_finish(call, status, status == SF_OK ? result : NULL);
    }
    return true;
}

/* [method, params] */
static bool handle_notification(struct rpc_conn *conn, struct cursor *c)
{
    struct slice method = unpack_bin(c, METHOD_BYTES_MAX);
    const msgpack_object *params = take_params(c);
    if (!unpack_done(c))
        return false;
    conn->rpc->stats.notifications++;
    struct rpc_method *entry = method_find(conn->rpc, method);
    if (entry && entry->notified)
        entry->notified(entry->notified_ctx, conn->peer, params);
    return true;
}

bool message_handle(struct rpc_conn *conn, struct slice bytes)
{
    struct unpacked *message = &conn->rpc->message;
    if (unpack_again(message, bytes) != SF_OK)
        return false;
    struct cursor c = unpack_root(message);
    switch (unpack_u64(&c, FRAME_NOTIFICATION)) {
    case FRAME_REQUEST:
        return handle_request(conn, &c);
    case FRAME_REPLY:
        return handle_reply(conn, &c);
    case FRAME_NOTIFICATION:
    default:
        return handle_notification(conn, &c);
    }
}

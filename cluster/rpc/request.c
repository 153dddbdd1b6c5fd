/* Requests that came in: each is handed to its method's handler and answered once, then or later.
 */
#include <stdlib.h>
#include <utlist.h>

#include "env/memory.h"
#include "rpc/endpoint.h"

static struct rpc_request *request_new(struct rpc_conn *conn, uint32_t id)
{
    struct rpc_request *request = sf_calloc(1, sizeof *request);
    request->rpc = conn->rpc;
    request->peer = conn->peer;
    request->id = id;
    DL_APPEND(conn->rpc->requests, request);
    conn->unanswered++;
    if (conn->unanswered >= UNANSWERED_MAX && !conn->paused) {
        conn->paused = true;
        conn_read_or_not(conn);
    }
    return request;
}

void request_free(struct rpc_request *request)
{
    DL_DELETE(request->rpc->requests, request);
    free(request);
}

void request_dispatch(struct rpc_conn *conn, uint32_t id, struct slice method,
                      const msgpack_object *params)
{
    struct rpc_method *entry = method_find(conn->rpc, method);
    struct rpc_request *request = request_new(conn, id);
    if (entry && entry->handler)
        entry->handler(entry->handler_ctx, request, params);
    else
        rpc_reply_error(request, SF_NO_METHOD, NULL);
}

/* Sends the answer if the connection is still there, and ends the request. */
static void answer(struct rpc_request *request, struct buffer *message)
{
    struct rpc_conn *conn = conn_find_peer(request->rpc, request->peer);
    request_free(request);
    if (!conn) {
        buffer_deinit(message);
        return;
    }
    conn_request_ended(conn);
    conn_send(conn, message, NULL);
}

void rpc_reply(struct rpc_request *request, struct buffer *result)
{
    frame_reply(result, request->id);
    if (result->n > SF_MESSAGE_BYTES_MAX) {
        buffer_deinit(result);
        rpc_reply_error(request, SF_TOO_BIG, NULL);
        return;
    }
    answer(request, result);
}

void rpc_reply_error(struct rpc_request *request, int error, const char *text)
{
    struct buffer message = {0};
    sf_assert(error < SF_OK);
    frame_error(&message, request->id, error, text ? text : sf_error_text(error));
    answer(request, &message);
}

rpc_peer rpc_request_peer(const struct rpc_request *request)
{
    return request->peer;
}

bool rpc_request_is_crowded(const struct rpc_request *request)
{
    struct rpc *rpc = request->rpc;
    const struct rpc_conn *own = conn_find_peer(rpc, request->peer);
    struct rpc_conn *most;
    if (own == NULL)
        return false;
    if (!conn_is_clients(own))
        return conn_queued_bytes(own) >= rpc->options.unread_bytes_max;
    if (conn_unread_is_too_much(rpc))
        return true;
    return conn_queued_bytes(own) > 0 &&
           conn_unread_by_clients(rpc, &most) >= rpc->options.unread_bytes_max;
}

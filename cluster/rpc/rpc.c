/* The endpoint itself: its life, its methods, its listener. */
#include "rpc/rpc.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "env/memory.h"
#include "rpc/endpoint.h"

struct rpc *rpc_new(struct env *env, const struct rpc_options *options)
{
    struct rpc *rpc = sf_calloc(1, sizeof *rpc);
    rpc->env = env;
    rpc->options = *options;
    if (rpc->options.queue_bytes_max == 0)
        rpc->options.queue_bytes_max = QUEUE_BYTES_DEFAULT;
    if (rpc->options.conns_max == 0)
        rpc->options.conns_max = CONNS_DEFAULT;
    if (rpc->options.in_bytes_max == 0)
        rpc->options.in_bytes_max = IN_BYTES_DEFAULT;
    if (rpc->options.unread_bytes_max == 0)
        rpc->options.unread_bytes_max = UNREAD_BYTES_DEFAULT;
    env_timer_init(env, &rpc->unread_timer, conn_on_unread);
    intake_init(rpc);
    env_timer_init(env, &rpc->failing_timer, call_on_failing);
    rpc_on_request(rpc, "hello", hello_on_request, rpc);
    return rpc;
}

static void free_methods(struct rpc *rpc)
{
    struct rpc_method *method, *next;
    HASH_ITER(hh, rpc->methods, method, next)
    {
        HASH_DEL(rpc->methods, method);
        free(method);
    }
}

void rpc_free(struct rpc *rpc)
{
    if (rpc->listener)
        env_listener_close(rpc->listener);
    while (rpc->conns)
        conn_free(rpc->conns);
    while (rpc->failing)
        rpc_call_cancel(rpc->failing);
    while (rpc->requests)
        request_free(rpc->requests);
    env_timer_stop(&rpc->failing_timer);
    env_timer_stop(&rpc->unread_timer);
    env_timer_stop(&rpc->intake.timer);
    free_methods(rpc);
    unpack_close(&rpc->message);
    free(rpc);
}

int rpc_listen(struct rpc *rpc, const char *address)
{
    sf_assert(!rpc->listener);
    return env_listen(rpc->env, address, conn_on_accept, rpc, &rpc->listener);
}

const char *rpc_address(const struct rpc *rpc)
{
    return rpc->listener ? env_listener_address(rpc->listener) : NULL;
}

struct rpc_method *method_find(struct rpc *rpc, struct slice name)
{
    struct rpc_method *method = NULL;
    HASH_FIND(hh, rpc->methods, name.p, name.n, method);
    return method;
}

static struct rpc_method *method_of(struct rpc *rpc, const char *name)
{
    struct rpc_method *method = method_find(rpc, slice_str(name));
    if (!method) {
        sf_assert(strlen(name) <= FRAME_METHOD_BYTES_MAX);
        method = sf_calloc(1, sizeof *method);
        method->name = name;
        HASH_ADD_KEYPTR(hh, rpc->methods, name, strlen(name), method);
    }
    return method;
}

void rpc_on_request(struct rpc *rpc, const char *method, rpc_handler *handler, void *ctx)
{
    struct rpc_method *entry = method_of(rpc, method);
    entry->handler = handler;
    entry->handler_ctx = ctx;
}

void rpc_on_notification(struct rpc *rpc, const char *method, rpc_notified *handler, void *ctx)
{
    struct rpc_method *entry = method_of(rpc, method);
    entry->notified = handler;
    entry->notified_ctx = ctx;
}

void rpc_on_lost(struct rpc *rpc, void (*on_lost)(void *ctx, const char *address), void *ctx)
{
    rpc->on_lost = on_lost;
    rpc->on_lost_ctx = ctx;
}

void rpc_begin_request(struct buffer *b, const char *method)
{
    frame_begin(b, FRAME_REQUEST, method);
}

void rpc_begin_notification(struct buffer *b, const char *method)
{
    frame_begin(b, FRAME_NOTIFICATION, method);
}

void rpc_begin_reply(struct buffer *b)
{
    frame_begin(b, FRAME_REPLY, NULL);
}

void rpc_stats(const struct rpc *rpc, struct rpc_stats *out)
{
    struct rpc_conn *most;
    *out = rpc->stats;
    out->in_bytes = rpc->intake.bytes;
    out->unread_bytes = conn_unread_by_clients(rpc, &most);
}

/* One call to the masters. The happy path is: try -> [status, leader, payload] -> done. It can fail
 * by: a master that does not lead (its hint or the next one), silence (the next one), overload (a
 * pause), the deadline. After a whole round without an answer there is a pause. */
#include <stdlib.h>
#include <string.h>

#include "router/inner.h"

static void master_try(struct router_master *call);

static const char *method_of(const struct router_master *call)
{
    if (!call->op)
        return "master.query";
    switch (call->op->kind) {
    case MASTER_JOIN:
        return "master.join";
    case MASTER_LEAVE:
        return "master.leave";
    case MASTER_MOVE:
        return "master.move";
    }
    sf_assert(false); /* the caller's op has no kind */
    return "";
}

/* -- the ways to wait ---------------------------------------------------------------------- */

static void master_close(struct router_master *call)
{
    env_timer_stop(&call->timer);
    rpc_call_cancel(&call->rpc_call);
    buffer_deinit(&call->params);
    DL_DELETE(call->router->master_calls, call);
    call->open = false;
}

static void master_end(struct router_master *call, int failure)
{
    call->failure = failure;
    env_timer_start_ms(&call->timer, 0);
}

static void master_expire(struct router_master *call)
{
    if (!call->sent)
        master_end(call, SF_UNREACHABLE);
    else
        master_end(call, call->op ? SF_UNKNOWN : SF_TIMEOUT);
}

static void master_pause(struct router_master *call)
{
    uint64_t pause = router_pause_ms(call->router, call->attempt++);
    call->misses = 0;
    env_timer_start_ms(&call->timer,
                       router_until_deadline_ms(call->router, pause, call->deadline_ms));
}

static void master_on_timer(struct env_timer *timer)
{
    struct router_master *call = container_of(timer, struct router_master, timer);
    if (call->failure == SF_OK) {
        master_try(call);
        return;
    }
    master_close(call);
    call->on_done(call, call->failure, NULL, NULL);
}

/* -- answers ------------------------------------------------------------------------------- */

/* The master that was asked is not the one. The hint may lie outside the list that we were given:
 * a user need not name all masters. */
static void master_try_another(struct router_master *call, const char *hint)
{
    struct router *router = call->router;
    bool hinted = strcmp(hint, call->address) != 0 && env_address_is_valid(hint);
    if (hinted) {
        memcpy(router->master_leader, hint, strlen(hint) + 1);
    } else if (router->master_leader[0] == 0 || strcmp(router->master_leader, call->address) == 0) {
        router->master_leader[0] = 0;
        router->master_next = (unsigned)((router->master_next + 1) % router->master_count);
    }
    if (++call->misses > router->master_count)
        master_pause(call);
    else
        master_try(call);
}

static void master_done(struct router_master *call, int status, const struct config *config,
                        const struct master_reply *reply)
{
    if (status == SF_OK)
        memcpy(call->router->master_leader, call->address, sizeof call->address);
    master_close(call);
    call->on_done(call, status, config, reply);
}

static void master_on_payload(struct router_master *call, struct cursor *c)
{
    struct config *config = NULL;
    struct master_reply reply = {0};
    int error = call->op ? codec_unpack_master_reply(c, &reply) : codec_unpack_config(c, &config);
    if (error == SF_OK && !unpack_done(c))
        error = SF_PROTOCOL;
    master_done(call, error, error == SF_OK ? config : NULL,
                error == SF_OK && call->op ? &reply : NULL);
    config_free(config);
}

static void master_on_result(struct router_master *call, const msgpack_object *result)
{
    struct cursor c = unpack_object(result);
    char leader[SF_ADDRESS_BYTES_MAX] = "";
    int64_t status = unpack_i64(&c);
    unpack_str(&c, leader, sizeof leader);
    if (!unpack_ok(&c))
        master_done(call, SF_PROTOCOL, NULL, NULL);
    else if (status == SF_OK)
        master_on_payload(call, &c);
    else if (status == SF_NOT_LEADER)
        master_try_another(call, leader);
    else
        master_pause(call);
}

/* Perhaps only this client cannot reach it: the others may pass it on. */
static void master_on_silence(struct router_master *call)
{
    call->router->master_forward_until_ms = env_now_ms(call->router->env) + ROUTER_FORWARD_MS;
    master_try_another(call, "");
}

static void master_on_rpc(struct rpc_call *rpc_call, int status, const msgpack_object *result)
{
    struct router_master *call = container_of(rpc_call, struct router_master, rpc_call);
    if (status != SF_UNREACHABLE && status != SF_OVERLOADED)
        call->sent = true;
    call->silences += status == SF_UNKNOWN || status == SF_CLOSED;
    if (status == SF_OK)
        master_on_result(call, result);
    else if (status == SF_UNREACHABLE || status == SF_UNKNOWN || status == SF_CLOSED)
        master_on_silence(call);
    else if (status == SF_OVERLOADED)
        master_pause(call);
    else
        master_done(call, status, NULL, NULL);
}

/* -- sending ------------------------------------------------------------------------------- */

static void master_try(struct router_master *call)
{
    struct router *router = call->router;
    if (router->master_count == 0 || router_is_past(router, call->deadline_ms)) {
        master_expire(call);
        return;
    }
    const char *address =
        router->master_leader[0] ? router->master_leader : router->masters[router->master_next];
    memcpy(call->address, address, strlen(address) + 1);
    struct buffer params = {0};
    bool forward = env_now_ms(router->env) < router->master_forward_until_ms;
    pack_array(&params, forward ? 2 : 1);
    buffer_append(&params, call->params.p, call->params.n);
    if (forward)
        pack_bool(&params, true);
    uint64_t patience_ms = router_try_ms(router, call->silences, params.n, call->deadline_ms);
    rpc_call_start(router->rpc, &call->rpc_call, call->address, method_of(call), &params,
                   patience_ms, master_on_rpc);
}

void router_master_send(struct router *router, struct router_master *call)
{
    sf_assert(!call->open);
    call->router = router;
    call->rpc_call = (struct rpc_call){0};
    call->timer = (struct env_timer){0};
    env_timer_init(router->env, &call->timer, master_on_timer);
    call->params = (struct buffer){0};
    if (call->op)
        codec_pack_master_op(&call->params, call->op);
    else
        pack_i64(&call->params, call->num);
    call->attempt = call->silences = call->misses = 0;
    call->failure = SF_OK;
    call->sent = false;
    call->open = true;
    DL_APPEND(router->master_calls, call);
    master_try(call);
}

void router_master_cancel(struct router_master *call)
{
    if (call->open)
        master_close(call);
}

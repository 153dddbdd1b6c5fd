/* One kv request on its way.
 *
 * The happy path is: try -> sent -> a group's word -> done. It can fail by: no Config or no owner
 * (placing), a replica that does not lead (the hinted or the next one, at once; after a whole round
 * a pause), silence (the same), an overloaded leader (a pause), a group that does not serve the
 * shard (placing), the deadline (ending).
 *
 *   IDLE -> SENT <-> PAUSED        PLACING -> SENT | PAUSED | ENDING
 *           SENT  -> PLACING       any     -> ENDING -> IDLE
 */
#include <stdlib.h>
#include <string.h>

#include "env/mark.h"
#include "router/inner.h"

static void call_try(struct router_call *call);

/* -- the ways to wait ---------------------------------------------------------------------- */

static void call_close(struct router_call *call)
{
    env_timer_stop(&call->timer);
    rpc_call_cancel(&call->rpc_call);
    DL_DELETE(call->router->calls, call);
    call->state = ROUTER_CALL_IDLE;
    call->open = false;
}

/* on_done with `failure`, from the timer (R1). */
static void call_end(struct router_call *call, int failure)
{
    call->failure = failure;
    call->state = ROUTER_CALL_ENDING;
    env_timer_start_ms(&call->timer, 0);
}

static void call_expire(struct router_call *call)
{
    call->refusal = SF_OK;
    call_end(call, call->sends > 0 ? SF_UNKNOWN : SF_TIMEOUT);
}

static void call_pause(struct router_call *call)
{
    uint64_t pause = router_pause_ms(call->router, call->attempt++);
    call->misses = 0;
    call->state = ROUTER_CALL_PAUSED;
    env_timer_start_ms(&call->timer,
                       router_until_deadline_ms(call->router, pause, call->deadline_ms));
}

/* Nobody serves the shard under the Config that was used: a newer one is needed. */
static void call_misplaced(struct router_call *call)
{
    struct router *router = call->router;
    uint64_t now_num = router->config ? router->config->num : ROUTER_NO_CONFIG;
    if (now_num != call->config_num) {
        call_try(call);
    } else if (router_fetch(router)) {
        call->state = ROUTER_CALL_PLACING;
        if (call->deadline_ms != 0)
            env_timer_start_ms(&call->timer,
                               router_until_deadline_ms(router, UINT32_MAX, call->deadline_ms));
    } else {
        call_pause(call);
    }
}

/* The group that was asked is not the one. Where the call named it, its caller decides, once it can
 * see a newer Config. */
static void call_misplaced_at(struct router_call *call, int word)
{
    if (call->gid != 0)
        call->refusal = word;
    call_misplaced(call);
}

void router_calls_placed(struct router *router)
{
    struct router_call *call;
    DL_FOREACH(router->calls, call)
    {
        if (call->state != ROUTER_CALL_PLACING)
            continue;
        env_timer_stop(&call->timer);
        if (router->config && router->config->num != call->config_num)
            call_try(call);
        else
            call_pause(call);
    }
}

static void call_on_timer(struct env_timer *timer)
{
    struct router_call *call = container_of(timer, struct router_call, timer);
    if (call->state != ROUTER_CALL_ENDING) {
        call_try(call);
        return;
    }
    struct kv_reply refusal = {.status = call->refusal};
    if (router_config(call->router))
        refusal.config_num = call->router->config->num;
    call_close(call);
    call->on_done(call, call->failure, call->failure == SF_OK ? &refusal : NULL);
}

/* -- answers ------------------------------------------------------------------------------- */

static struct route *call_route(struct router_call *call)
{
    struct route *route;
    HASH_FIND(hh, call->router->routes, &call->request.target.gid, sizeof(group_id), route);
    return route;
}

static const struct group *call_group(struct router_call *call)
{
    return config_find_group(call->router->config, call->request.target.gid);
}

/* The replica that was asked is not the one: the next is `hinted`, where that is one of the group
 * and another one, else the next in order. Others may have found out in the meantime. */
static void call_try_another(struct router_call *call, const char *hinted)
{
    const struct group *group = call_group(call);
    struct route *route = call_route(call);
    if (!group || route->config_num != call->config_num) {
        call_try(call);
        return;
    }
    if (route->leader == call->replica) {
        route->leader = (unsigned)((call->replica + 1) % group->address_count);
        route->leader_known = false;
    }
    for (unsigned i = 0; i < group->address_count; i++) {
        if (i != call->replica && strcmp(group->addresses[i], hinted) == 0) {
            SF_MARK("router: hint to the leader followed");
            route->leader = i;
            route->leader_known = true;
        }
    }
    if (++call->misses >= group->address_count)
        call_pause(call);
    else
        call_try(call);
}

/* No answer from a replica. Perhaps only this client can't reach it: the others may pass it on. Or
 * the whole group is gone for good, and the shard has moved: only a newer Config would tell. */
static void call_on_silence(struct router_call *call)
{
    router_refresh(call->router);
    struct route *route = call_route(call);
    route->forward_until_ms = env_now_ms(call->router->env) + ROUTER_FORWARD_MS;
    call_try_another(call, "");
}

static void call_done(struct router_call *call, int status, const struct kv_reply *reply)
{
    struct route *route = call_route(call);
    if (status == SF_OK && route->config_num == call->config_num) {
        route->leader = call->replica;
        route->leader_known = true;
    }
    call_close(call);
    call->on_done(call, status, reply);
}

/* True: the word only says to ask again, and that is under way. The send counts even where the word
 * says that it left no trace: a second copy of the message may be under way, which is admitted. */
static bool call_asks_again(struct router_call *call, int word, const char *hint)
{
    switch (word) {
    case SF_NOT_LEADER:
        call_try_another(call, hint);
        return true;
    case SF_OVERLOADED:
    case SF_LOCKED:
    case SF_NOT_YET:
    case SF_BUSY:
    case SF_SESSIONS_FULL:
        call_pause(call);
        return true;
    case SF_WRONG_GROUP:
    case SF_NO_GROUP:
    case SF_MISMATCH:
        call_misplaced_at(call, word);
        return true;
    default:
        return false;
    }
}

static void call_on_result(struct router_call *call, const msgpack_object *result)
{
    struct kv_reply reply = {0};
    int error = kv_reply_unpack(result, &reply);
    if (error != SF_OK)
        call_done(call, SF_PROTOCOL, NULL);
    else if (!call_asks_again(call, reply.status, reply.leader))
        call_done(call, SF_OK, &reply);
    kv_reply_free(&reply);
}

static void call_on_rpc(struct rpc_call *rpc_call, int status, const msgpack_object *result)
{
    struct router_call *call = container_of(rpc_call, struct router_call, rpc_call);
    if (status == SF_OK) {
        call_on_result(call, result);
    } else if (status == SF_UNREACHABLE) {
        call->sends--;
        call_on_silence(call);
    } else if (status == SF_UNKNOWN || status == SF_CLOSED) {
        call->silences++;
        call_on_silence(call);
    } else {
        if (status == SF_OVERLOADED)
            call->sends--; /* it never left: rpc's own queue was full */
        if (!call_asks_again(call, status, ""))
            call_done(call, status, NULL);
    }
}

/* -- sending ------------------------------------------------------------------------------- */

/* Bytes that are asked for by number. */
static uint64_t bytes_wanted(const struct kv_op *op)
{
    if (op->kind != KV_GET_RANGE)
        return 0;
    return op->length < SF_VALUE_BYTES_MAX ? op->length : SF_VALUE_BYTES_MAX;
}

static void call_transmit(struct router_call *call, const struct group *group)
{
    struct router *router = call->router;
    struct route *route = router_route(router, group);
    call->replica = route->leader;
    call->request.target =
        (struct kv_target){.gid = group->gid,
                           .group_identity = route->identity,
                           .shard = call->shard,
                           .forward = env_now_ms(router->env) < route->forward_until_ms};
    if (call->before_send)
        call->before_send(call);
    struct buffer params = {0};
    kv_request_pack(&params, &call->request);
    if (params.n > SF_MESSAGE_BYTES_MAX - 256) { /* leaves room for the RPC's envelope */
        buffer_deinit(&params);
        call_end(call, SF_TOO_BIG);
        return;
    }
    uint64_t bytes = params.n + bytes_wanted(&call->request.op);
    uint64_t patience_ms = router_try_ms(router, call->silences, bytes, call->deadline_ms);
    if (call->request.op.kind == KV_LOCK_AWAIT)
        patience_ms += KV_AWAIT_MS;
    call->state = ROUTER_CALL_SENT;
    call->sends++;
    rpc_call_start(router->rpc, &call->rpc_call, group->addresses[call->replica],
                   kv_method_name(call->request.op.kind), &params, patience_ms, call_on_rpc);
}

static void call_try(struct router_call *call)
{
    struct router *router = call->router;
    const struct config *config = router->config;
    if (router_is_past(router, call->deadline_ms)) {
        call_expire(call);
        return;
    }
    if (call->refusal != SF_OK) {
        call_end(call, SF_OK);
        return;
    }
    if (call->may_send && !call->may_send(call)) {
        call_pause(call);
        return;
    }
    call->config_num = config ? config->num : ROUTER_NO_CONFIG;
    if (!config) {
        call_misplaced(call);
        return;
    }
    if (call->gid == 0 && call->shard >= config->shard_count) {
        call_end(call, SF_NO_SHARD);
        return;
    }
    group_id gid = call->gid != 0 ? call->gid : config->shards[call->shard];
    const struct group *group = gid != 0 ? config_find_group(config, gid) : NULL;
    if (group)
        call_transmit(call, group);
    else if (call->gid != 0)
        call_end(call, SF_NO_GROUP);
    else
        call_misplaced(call);
}

void router_send(struct router *router, struct router_call *call)
{
    sf_assert(!call->open);
    call->router = router;
    call->rpc_call = (struct rpc_call){0};
    call->timer = (struct env_timer){0};
    env_timer_init(router->env, &call->timer, call_on_timer);
    call->attempt = call->silences = call->misses = call->sends = 0;
    call->failure = call->refusal = SF_OK;
    call->config_num = ROUTER_NO_CONFIG;
    call->open = true;
    DL_APPEND(router->calls, call);
    call_try(call);
}

void router_cancel(struct router_call *call)
{
    if (call->open)
        call_close(call);
}

/* -- farewells ----------------------------------------------------------------------------- */

static void farewell_on_done(struct rpc_call *rpc_call, int status, const msgpack_object *result)
{
    struct farewell *farewell = container_of(rpc_call, struct farewell, rpc_call);
    (void)status; /* nobody waits for it, and what it says good-bye to ends by itself too */
    (void)result;
    DL_DELETE(farewell->router->farewells, farewell);
    free(farewell);
}

void router_send_once(struct router *router, const struct kv_request *request, uint32_t shard)
{
    const struct config *config = router->config;
    if (!config || shard >= config->shard_count || config->shards[shard] == 0)
        return;
    const struct group *group = config_find_group(config, config->shards[shard]);
    const struct route *route = group ? router_route(router, group) : NULL;
    if (!route || !route->leader_known)
        return;
    struct kv_request once = *request;
    once.target = (struct kv_target){
        .gid = group->gid, .group_identity = route->identity, .shard = shard, .forward = true};
    struct buffer params = {0};
    kv_request_pack(&params, &once);
    struct farewell *farewell = sf_calloc(1, sizeof *farewell);
    farewell->router = router;
    DL_APPEND(router->farewells, farewell);
    rpc_call_start(router->rpc, &farewell->rpc_call, group->addresses[route->leader],
                   kv_method_name(once.op.kind), &params, ROUTER_TRY_MS_MIN, farewell_on_done);
}

size_t router_once_count(const struct router *router)
{
    size_t count = 0;
    const struct farewell *farewell;
    DL_COUNT(router->farewells, farewell, count);
    return count;
}

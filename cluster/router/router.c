#include <stdlib.h>
#include <string.h>

#include "router/inner.h"

/* -- time ---------------------------------------------------------------------------------- */

static uint64_t doubled(uint64_t first, unsigned times, uint64_t limit)
{
    uint64_t value = first;
    while (times-- > 0 && value < limit)
        value *= 2;
    return value < limit ? value : limit;
}

uint64_t router_pause_ms(struct router *router, unsigned attempt)
{
    uint64_t whole = doubled(ROUTER_PAUSE_MS_MIN, attempt, ROUTER_PAUSE_MS_MAX);
    return whole - env_random_below(router->env, whole / 2 + 1);
}

uint64_t router_until_deadline_ms(struct router *router, uint64_t delay_ms, uint64_t deadline_ms)
{
    uint64_t now = env_now_ms(router->env);
    if (deadline_ms == 0 || now + delay_ms <= deadline_ms)
        return delay_ms;
    return deadline_ms > now ? deadline_ms - now : 0;
}

uint64_t router_try_ms(struct router *router, unsigned silences, uint64_t bytes,
                       uint64_t deadline_ms)
{
    uint64_t whole = doubled(ROUTER_TRY_MS_MIN, silences, ROUTER_TRY_MS_MAX);
    whole += env_random_below(router->env, whole / 4) + bytes / ROUTER_TRY_BYTES_PER_MS;
    uint64_t left = router_until_deadline_ms(router, whole, deadline_ms);
    return left > 0 ? left : 1;
}

bool router_is_past(struct router *router, uint64_t deadline_ms)
{
    return deadline_ms != 0 && env_now_ms(router->env) >= deadline_ms;
}

/* -- the Config ---------------------------------------------------------------------------- */

const struct config *router_config(const struct router *router)
{
    return router->config;
}

static void tell_waiters(struct env_timer *timer)
{
    struct router *router = container_of(timer, struct router, tell_waiters);
    if (!router->config) {
        router_fetch(router);
        return;
    }
    while (router->waiters) {
        struct router_waiter *waiter = router->waiters;
        DL_DELETE(router->waiters, waiter);
        waiter->waits = false;
        waiter->on_config(waiter);
    }
}

void router_await_config(struct router *router, struct router_waiter *waiter)
{
    sf_assert(!waiter->waits);
    waiter->waits = true;
    DL_APPEND(router->waiters, waiter);
    if (router->config)
        env_timer_start_ms(&router->tell_waiters, 0);
    else
        router_fetch(router);
}

void router_await_cancel(struct router *router, struct router_waiter *waiter)
{
    if (!waiter->waits)
        return;
    waiter->waits = false;
    DL_DELETE(router->waiters, waiter);
}

static void fetch_on_done(struct router_master *fetch, int status, const struct config *config,
                          const struct master_reply *reply)
{
    struct router *router = fetch->router;
    (void)reply;
    if (status == SF_OK && (!router->config || config->num > router->config->num)) {
        config_free(router->config);
        router->config = config_copy(config);
    }
    router_calls_placed(router);
    if (router->waiters)
        env_timer_start_ms(&router->tell_waiters, router->config ? 0 : ROUTER_REFUSED_MS);
}

bool router_fetch(struct router *router)
{
    if (router->master_count == 0)
        return false;
    if (router->fetch.open)
        return true;
    router->fetch = (struct router_master){.on_done = fetch_on_done, .num = -1};
    router_master_send(router, &router->fetch);
    return true;
}

void router_refresh(struct router *router)
{
    (void)router_fetch(router); /* false: a fixed Config has no newer one */
}

/* -- groups -------------------------------------------------------------------------------- */

struct route *router_route(struct router *router, const struct group *group)
{
    struct route *route;
    HASH_FIND(hh, router->routes, &group->gid, sizeof group->gid, route);
    if (!route) {
        route = sf_calloc(1, sizeof *route);
        route->gid = group->gid;
        HASH_ADD(hh, router->routes, gid, sizeof route->gid, route);
    }
    if (route->identity == 0 || route->config_num != router->config->num) {
        uint64_t identity = group_identity(group);
        if (identity != route->identity) {
            route->identity = identity;
            route->leader = (unsigned)env_random_below(router->env, group->address_count);
            route->leader_known = false;
            route->forward_until_ms = 0;
        }
        route->config_num = router->config->num;
    }
    return route;
}

/* -- life ---------------------------------------------------------------------------------- */

static struct router *make(struct env *env, struct rpc *rpc)
{
    struct router *router = sf_calloc(1, sizeof *router);
    router->env = env;
    router->rpc = rpc;
    env_timer_init(env, &router->tell_waiters, tell_waiters);
    return router;
}

struct router *router_new(struct env *env, struct rpc *rpc, const char *const *masters,
                          size_t master_count)
{
    sf_assert(master_count > 0);
    struct router *router = make(env, rpc);
    router->masters = sf_calloc(master_count, sizeof *router->masters);
    router->master_count = master_count;
    router->master_next = (unsigned)env_random_below(env, master_count);
    for (size_t i = 0; i < master_count; i++) {
        sf_assert(strlen(masters[i]) < SF_ADDRESS_BYTES_MAX);
        memcpy(router->masters[i], masters[i], strlen(masters[i]) + 1);
    }
    return router;
}

struct router *router_new_static(struct env *env, struct rpc *rpc, const struct config *config)
{
    struct router *router = make(env, rpc);
    router->config = config_copy(config);
    return router;
}

void router_free(struct router *router)
{
    env_timer_stop(&router->tell_waiters);
    while (router->calls)
        router_cancel(router->calls);
    while (router->master_calls)
        router_master_cancel(router->master_calls);
    while (router->waiters)
        router_await_cancel(router, router->waiters);
    struct farewell *farewell, *next_farewell;
    DL_FOREACH_SAFE(router->farewells, farewell, next_farewell)
    {
        rpc_call_cancel(&farewell->rpc_call);
        free(farewell);
    }
    struct route *route, *next_route;
    HASH_ITER(hh, router->routes, route, next_route)
    {
        HASH_DEL(router->routes, route);
        free(route);
    }
    config_free(router->config);
    free(router->masters);
    free(router);
}

#include "client/inner.h"
#include "client/head_cache.h"
#include "client/lease.h"
#include "client/scan.h"
#include "client/touch.h"
#include "router/finish.h"

/* -- life ---------------------------------------------------------------------------------- */

static void on_config(struct router_waiter *waiter)
{
    struct client *client = container_of(waiter, struct client, waiter);
    while (client->starting) {
        struct op *op = client->starting;
        DL_DELETE(client->starting, op);
        op_begin(op);
    }
}

static void on_sweep(struct env_timer *timer)
{
    struct client *client = container_of(timer, struct client, sweep);
    session_sweep(client);
    if (client->sessions)
        env_timer_start_ms(&client->sweep, SESSION_SWEEP_MS);
}

struct client *client_new(struct env *env, struct router *router)
{
    struct client *client = sf_calloc(1, sizeof *client);
    client->env = env;
    client->router = router;
    client->waiter.on_config = on_config;
    client->window = SF_SESSION_OPEN_MAX;
    env_timer_init(env, &client->sweep, on_sweep);
    lease_init(client);
    id_pool_init(&client->ids, client);
    client->forgetter = forgetter_new(router);
    client->heads = head_cache_new();
    return client;
}

void client_free(struct client *client)
{
    value_free_all(client);
    scan_free_all(client);
    touch_free_all(client);
    id_pool_deinit(&client->ids);
    op_free_all(client);
    lock_free_all(client);
    lease_deinit(client);
    forgetter_free(client->forgetter);
    session_free_all(client);
    router_await_cancel(client->router, &client->waiter);
    env_timer_stop(&client->sweep);
    head_cache_free(client->heads);
    free(client);
}

void client_limit_window(struct client *client, unsigned window)
{
    sf_assert(window >= 1 && window <= SF_SESSION_OPEN_MAX);
    client->window = window;
}

struct router *client_router(struct client *client)
{
    return client->router;
}

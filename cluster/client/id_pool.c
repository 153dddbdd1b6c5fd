#include "client/inner.h"

static void pool_ask(struct id_pool *pool);

static void finish(struct id_pool *pool, struct client_id *request, int status, uint64_t id)
{
    DL_DELETE(pool->queue, request);
    request->state = NULL;
    request->on_id(request, status, id);
}

static void pool_serve(struct id_pool *pool)
{
    while (pool->queue && pool->left > 0) {
        uint64_t id = pool->next++;
        pool->left--;
        finish(pool, pool->queue, SF_OK, id);
    }
    if (pool->queue && !pool->asks)
        pool_ask(pool);
}

/* -- blocks -------------------------------------------------------------------------------- */

static void ask_on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct id_pool *pool = container_of(call, struct id_pool, call);
    pool->asks = false;
    if (status == SF_OK) {
        pool->next = reply->ids_first;
        pool->left = pool->op.length;
        if (pool->block < ID_BLOCK_MAX)
            pool->block *= 2;
        pool_serve(pool);
        return;
    }
    /* Only those that waited for this block: a callback may ask again. */
    uint64_t round = pool->round++;
    while (pool->queue && pool->queue->round <= round)
        finish(pool, pool->queue, status, 0);
}

static void pool_ask(struct id_pool *pool)
{
    uint64_t tag = env_random(pool->client->env);
    memcpy(pool->key, &tag, sizeof pool->key);
    pool->op = (struct kv_op){.kind = KV_NEW_IDS,
                              .space = KV_INTERNAL,
                              .key = slice_of(pool->key, sizeof pool->key),
                              .length = pool->block};
    pool->call = (struct client_call){.on_done = ask_on_done, .op = &pool->op};
    pool->asks = true;
    client_submit(pool->client, &pool->call);
}

/* -- requests ------------------------------------------------------------------------------ */

/* The earliest moment at which the pool itself has something to do. */
static void pool_arm(struct id_pool *pool)
{
    uint64_t due = UINT64_MAX;
    const struct client_id *request;
    DL_FOREACH(pool->queue, request)
    {
        if (request->deadline_ms != 0 && request->deadline_ms < due)
            due = request->deadline_ms;
    }
    if (pool->queue && pool->left > 0)
        due = 0;
    if (due == UINT64_MAX) {
        env_timer_stop(&pool->timer);
        return;
    }
    uint64_t now = env_now_ms(pool->client->env);
    env_timer_start_ms(&pool->timer, due > now ? due - now : 0);
}

static struct client_id *find_late(struct id_pool *pool)
{
    uint64_t now = env_now_ms(pool->client->env);
    struct client_id *request;
    DL_FOREACH(pool->queue, request)
    {
        if (request->deadline_ms != 0 && request->deadline_ms <= now)
            return request;
    }
    return NULL;
}

static void pool_on_timer(struct env_timer *timer)
{
    struct id_pool *pool = container_of(timer, struct id_pool, timer);
    pool_serve(pool);
    for (struct client_id *late = find_late(pool); late; late = find_late(pool))
        finish(pool, late, SF_TIMEOUT, 0);
    pool_arm(pool);
}

void client_new_id(struct client *client, struct client_id *request)
{
    struct id_pool *pool = &client->ids;
    request->state = pool;
    request->round = pool->round;
    request->deadline_ms =
        request->timeout_ms != 0 ? env_now_ms(client->env) + request->timeout_ms : 0;
    DL_APPEND(pool->queue, request);
    if (pool->left == 0 && !pool->asks)
        pool_ask(pool);
    pool_arm(pool);
}

void client_new_id_cancel(struct client_id *request)
{
    struct id_pool *pool = request->state;
    if (!pool)
        return;
    DL_DELETE(pool->queue, request);
    request->state = NULL;
    pool_arm(pool);
}

void id_pool_init(struct id_pool *pool, struct client *client)
{
    pool->client = client;
    pool->block = ID_BLOCK_MIN;
    env_timer_init(client->env, &pool->timer, pool_on_timer);
}

void id_pool_deinit(struct id_pool *pool)
{
    if (pool->asks)
        client_cancel(&pool->call);
    while (pool->queue)
        client_new_id_cancel(pool->queue);
    env_timer_stop(&pool->timer);
}

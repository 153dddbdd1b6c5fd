/* Forgets, gathered for a moment, one request a shard. */
#include "router/finish.h"
#include "router/inner.h"

#define GATHER_MS 200u
#define TRY_MS 5000u

struct batch {
    struct batch *prev, *next;
    struct forgetter *forgetter;
    uint32_t shard;
    struct kv_number numbers[KV_NUMBERS_MAX];
    size_t count;
    struct router_call call; /* open once it is sent */
};

struct forgetter {
    struct router *router;
    struct batch *gathering; /* at most one a shard */
    struct batch *sent;
    struct env_timer timer; /* armed while something is gathered */
};

static void on_done(struct router_call *call, int status, const struct kv_reply *reply)
{
    struct batch *batch = container_of(call, struct batch, call);
    (void)status; /* a leader that still holds an outcome after a while sees to it */
    (void)reply;
    DL_DELETE(batch->forgetter->sent, batch);
    free(batch);
}

static struct kv_op op_of(const struct batch *batch)
{
    return (struct kv_op){
        .kind = KV_FORGET, .numbers = batch->numbers, .number_count = batch->count};
}

static void batch_send(struct batch *batch)
{
    struct forgetter *forgetter = batch->forgetter;
    DL_DELETE(forgetter->gathering, batch);
    DL_APPEND(forgetter->sent, batch);
    batch->call = (struct router_call){.on_done = on_done,
                                       .request.op = op_of(batch),
                                       .shard = batch->shard,
                                       .deadline_ms = env_now_ms(forgetter->router->env) + TRY_MS};
    router_send(forgetter->router, &batch->call);
}

static void on_timer(struct env_timer *timer)
{
    struct forgetter *forgetter = container_of(timer, struct forgetter, timer);
    while (forgetter->gathering != NULL)
        batch_send(forgetter->gathering);
}

struct forgetter *forgetter_new(struct router *router)
{
    struct forgetter *forgetter = sf_calloc(1, sizeof *forgetter);
    forgetter->router = router;
    env_timer_init(router->env, &forgetter->timer, on_timer);
    return forgetter;
}

static struct batch *batch_of(struct forgetter *forgetter, uint32_t shard)
{
    struct batch *batch;
    DL_FOREACH(forgetter->gathering, batch)
    {
        if (batch->shard == shard)
            return batch;
    }
    batch = sf_calloc(1, sizeof *batch);
    batch->forgetter = forgetter;
    batch->shard = shard;
    DL_APPEND(forgetter->gathering, batch);
    return batch;
}

void forgetter_add(struct forgetter *forgetter, const struct kv_number *number)
{
    struct batch *batch = batch_of(forgetter, number->shard);
    batch->numbers[batch->count++] = *number;
    if (batch->count == KV_NUMBERS_MAX)
        batch_send(batch);
    else if (!env_timer_is_armed(&forgetter->timer))
        env_timer_start_ms(&forgetter->timer, GATHER_MS);
}

static void say_goodbye(struct batch *batch)
{
    const struct kv_request request = {.op = op_of(batch)};
    router_send_once(batch->forgetter->router, &request, batch->shard);
    DL_DELETE(batch->forgetter->gathering, batch);
    free(batch);
}

void forgetter_free(struct forgetter *forgetter)
{
    if (forgetter == NULL)
        return;
    env_timer_stop(&forgetter->timer);
    while (forgetter->gathering != NULL)
        say_goodbye(forgetter->gathering);
    while (forgetter->sent != NULL) {
        struct batch *batch = forgetter->sent;
        router_cancel(&batch->call);
        DL_DELETE(forgetter->sent, batch);
        free(batch);
    }
    free(forgetter);
}

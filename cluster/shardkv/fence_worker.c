#include "shardkv/fence_worker.h"

#include <stdlib.h>
#include <utlist.h>

#include "env/memory.h"
#include "shardkv/service.h"

#define LOOKS_A_LEASE 4u /* how often it is looked at in the time of one */
#define FENCES_MAX 16u   /* holders at a time */
#define WINDOW 16u       /* shards that are asked at a time, for one of them */

struct fence;

/* One request of a fence. */
struct order {
    struct fence *fence;
    struct router_call call;
};

/* A holder being fenced, for a copy in which its lease has ended. */
struct fence {
    struct fence *prev, *next;
    struct fence_worker *worker;
    struct shard_copy copy;
    uint64_t holder;
    uint32_t next_shard, shard_count; /* those below next_shard were asked */
    unsigned open;                    /* orders under way */
    bool releases;                    /* all shards have confirmed */
    struct order orders[WINDOW];
};

struct fence_worker {
    struct kv_machine *machine;
    struct env_timer timer; /* armed while it leads */
    uint64_t applied;       /* index, at the last look */
    struct fence *fences;
    size_t fence_count;
};

static struct env *env_of(const struct fence_worker *worker)
{
    return shardkv_env(worker->machine->service);
}

/* -- fencing ------------------------------------------------------------------------------- */

static void fence_end(struct fence *fence)
{
    for (size_t i = 0; i < WINDOW; i++)
        router_cancel(&fence->orders[i].call);
    fence->worker->fence_count--;
    DL_DELETE(fence->worker->fences, fence);
    free(fence);
}

static void order_on_done(struct router_call *call, int status, const struct kv_reply *reply);

static void order_send(struct order *order, enum kv_kind kind, uint32_t shard)
{
    struct fence *fence = order->fence;
    order->call = (struct router_call){.on_done = order_on_done,
                                       .request.op = {.kind = kind, .ids_first = fence->holder},
                                       .shard = shard};
    fence->open++;
    router_send(shardkv_router(fence->worker->machine->service), &order->call);
}

static void order_on_done(struct router_call *call, int status, const struct kv_reply *reply)
{
    struct order *order = container_of(call, struct order, call);
    struct fence *fence = order->fence;
    fence->open--;
    if (status != SF_OK || reply->status != SF_OK || fence->releases) {
        fence_end(fence); /* done; or the next look begins anew */
        return;
    }
    if (fence->next_shard < fence->shard_count) {
        order_send(order, KV_FENCE, fence->next_shard++);
    } else if (fence->open == 0) {
        fence->releases = true;
        order_send(order, KV_RELEASE, fence->copy.shard);
    }
}

static bool is_being_fenced(const struct fence_worker *worker, uint64_t holder, uint32_t shard)
{
    const struct fence *fence;
    DL_FOREACH(worker->fences, fence)
    {
        if (fence->holder == holder && fence->copy.shard == shard)
            return true;
    }
    return false;
}

static void begin(struct fence_worker *worker, struct shard_copy copy, uint64_t holder)
{
    struct fence *fence = sf_calloc(1, sizeof(*fence));
    fence->worker = worker;
    fence->copy = copy;
    fence->holder = holder;
    fence->shard_count = shards_count(worker->machine->shards);
    DL_APPEND(worker->fences, fence);
    worker->fence_count++;
    for (size_t i = 0; i < WINDOW && fence->next_shard < fence->shard_count; i++) {
        fence->orders[i].fence = fence;
        order_send(&fence->orders[i], KV_FENCE, fence->next_shard++);
    }
}

/* -- looking ------------------------------------------------------------------------------- */

struct look {
    struct fence_worker *worker;
    struct shard_copy copy;
    uint64_t now_ms;
    bool begins;  /* to lead: what was seen before does not count */
    bool went_on; /* an entry was applied since the last look */
    bool has_any;
};

static void look_at_lease(void *ctx, struct range_lease *lease)
{
    struct look *look = ctx;
    uint64_t lease_ms = look->worker->machine->limits.lease_ns / ENV_MS_NS;
    look->has_any = true;
    if (look->begins || lease->seen_ms == 0) {
        lease->seen_ms = look->now_ms;
        lease->looks = 0;
    } else {
        lease->looks += look->went_on;
    }
    bool has_ended = lease->looks >= LOOKS_A_LEASE && look->now_ms - lease->seen_ms >= lease_ms;
    if (!has_ended || look->worker->fence_count >= FENCES_MAX ||
        is_being_fenced(look->worker, lease->holder, look->copy.shard))
        return;
    begin(look->worker, look->copy, lease->holder);
}

/* What cannot be read stays; whoever applies the next entry here will say so. */
static void look_in_shard(void *ctx, uint32_t shard, uint64_t home)
{
    struct look *look = ctx;
    struct range_table *table;
    look->copy = (struct shard_copy){.shard = shard, .home = home};
    if (machine_ranges(look->worker->machine, look->copy, &table) == SF_OK)
        range_table_each_lease(table, look_at_lease, look);
}

static void look_at_all(struct fence_worker *worker, bool begins)
{
    uint64_t applied = replica_applied(worker->machine->base.replica);
    struct look look = {.worker = worker,
                        .now_ms = env_now_ms(env_of(worker)),
                        .begins = begins,
                        .went_on = applied > worker->applied};
    worker->applied = applied;
    shards_each_serving(worker->machine->shards, look_in_shard, &look);
    if (look.has_any && !begins)
        machine_tick(worker->machine);
}

static void arm(struct fence_worker *worker)
{
    env_timer_start_ns(&worker->timer, worker->machine->limits.lease_ns / LOOKS_A_LEASE);
}

static void on_timer(struct env_timer *timer)
{
    struct fence_worker *worker = container_of(timer, struct fence_worker, timer);
    arm(worker);
    look_at_all(worker, false);
}

/* -- life ---------------------------------------------------------------------------------- */

struct fence_worker *fence_worker_new(struct kv_machine *machine)
{
    struct fence_worker *worker = sf_calloc(1, sizeof(*worker));
    worker->machine = machine;
    env_timer_init(shardkv_env(machine->service), &worker->timer, on_timer);
    return worker;
}

static void stop(struct fence_worker *worker)
{
    env_timer_stop(&worker->timer);
    while (worker->fences != NULL)
        fence_end(worker->fences);
}

void fence_worker_lead(struct fence_worker *worker, bool leads)
{
    stop(worker);
    if (!leads)
        return;
    look_at_all(worker, true);
    arm(worker);
}

void fence_worker_free(struct fence_worker *worker)
{
    if (worker == NULL)
        return;
    stop(worker);
    free(worker);
}

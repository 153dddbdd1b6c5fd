#include "client/lease.h"

#include "client/lock.h"

#define LEASE_MS 3000u /* until a server says how long one is */
#define RENEWALS 3u    /* in the time of one */

/* A shard in which this client may have locks. */
struct lease {
    struct client *client;
    uint32_t shard;
    bool used; /* since the last RENEW was sent */
    struct router_call renew;
    struct lease *prev, *next;
};

static void lease_free(struct lease *lease)
{
    router_cancel(&lease->renew);
    DL_DELETE(lease->client->leases, lease);
    free(lease);
}

static void renewed_on_done(struct router_call *call, int status, const struct kv_reply *reply)
{
    struct lease *lease = container_of(call, struct lease, renew);
    struct client *client = lease->client;
    if (status != SF_OK)
        return;
    if (reply->status == SF_FENCED) {
        lease_fenced(client, client->epoch);
    } else if (reply->status == SF_OK) {
        lease_learn(client, reply->ids_first);
        if (reply->old_length == 0 && !lease->used)
            lease_free(lease);
    }
}

static void lease_renew(struct lease *lease)
{
    if (lease->renew.open)
        return;
    lease->used = false;
    lease->renew =
        (struct router_call){.on_done = renewed_on_done,
                             .request.op = {.kind = KV_RENEW, .ids_first = lease->client->holder},
                             .shard = lease->shard};
    router_send(lease->client->router, &lease->renew);
}

static void arm(struct client *client)
{
    env_timer_start_ms(&client->renewal, client->lease_ms / RENEWALS);
}

static void on_timer(struct env_timer *timer)
{
    struct client *client = container_of(timer, struct client, renewal);
    struct lease *lease;
    DL_FOREACH(client->leases, lease)
    lease_renew(lease);
    if (client->leases)
        arm(client);
}

/* Something of it was sent, so there is a Config. */
void lease_use(struct client *client, const struct kv_op *op)
{
    const struct config *config = router_config(client->router);
    struct lease *lease;
    uint32_t shard = kv_op_shard(op, config->routing, config->shard_count);
    DL_FOREACH(client->leases, lease)
    {
        if (lease->shard == shard) {
            lease->used = true;
            return;
        }
    }
    lease = sf_calloc(1, sizeof *lease);
    lease->client = client;
    lease->shard = shard;
    lease->used = true;
    DL_APPEND(client->leases, lease);
    if (!env_timer_is_armed(&client->renewal))
        arm(client);
}

void lease_learn(struct client *client, uint64_t lease_ms)
{
    if (lease_ms >= RENEWALS)
        client->lease_ms = lease_ms;
}

static uint64_t new_name(struct env *env)
{
    uint64_t name = env_random(env);
    return name != 0 ? name : 1;
}

void lease_fenced(struct client *client, uint64_t epoch)
{
    if (epoch != client->epoch)
        return;
    client->holder = new_name(client->env);
    client->epoch++;
    while (client->leases)
        lease_free(client->leases);
    session_fence_all(client);
    if (client->on_fenced)
        client->on_fenced(client->fence_ctx);
}

void client_watch_fence(struct client *client, void (*on_fenced)(void *ctx), void *ctx)
{
    client->on_fenced = on_fenced;
    client->fence_ctx = ctx;
}

void lease_init(struct client *client)
{
    client->holder = new_name(client->env);
    client->lease_ms = LEASE_MS;
    env_timer_init(client->env, &client->renewal, on_timer);
}

void lease_deinit(struct client *client)
{
    env_timer_stop(&client->renewal);
    while (client->leases)
        lease_free(client->leases);
}

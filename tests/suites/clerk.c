#include "suites/clerk.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "env/memory.h"
#include "suites/fiber.h"
#include "suites/suite.h"

#define TEXTS 16u
#define TEXT_BYTES_MAX 256u

struct clerk {
    struct system *system;
    struct clerk *next; /* in system->clerks */
    struct sim_node *node;
    struct rpc *rpc; /* these three: NULL while it is not in use */
    struct router *router;
    struct client *client;
    struct fiber *caller; /* waits for the open call, or NULL */
    bool done;
    struct linear_history *history;
    uint32_t number;
    size_t event; /* of the open call in the history */
    /* The open call. */
    struct client_call call;
    struct kv_op op;
    struct buffer key, data;
    int status;
    struct buffer result;
    uint64_t old_length;
    struct rpc_call ask;
    struct router_master master;
    struct master_op master_op;
    uint64_t client_hi, client_lo, sequence; /* of the masters' duplicate detection */
    struct config *config;
};

/* -- processes ----------------------------------------------------------------------------- */

static struct clerk *clerk_of(struct system *system, const struct sim_node *node)
{
    struct clerk *clerk = system->clerks;
    while (clerk->node != node)
        clerk = clerk->next;
    return clerk;
}

static void boot(void *ctx, struct sim_node *node, struct env *env)
{
    const struct rpc_options options = {.role = "client"};
    struct system *system = ctx;
    struct clerk *clerk = clerk_of(system, node);
    clerk->rpc = rpc_new(env, &options);
    if (system->config != NULL)
        clerk->router = router_new_static(env, clerk->rpc, system->config);
    else
        clerk->router = router_new(env, clerk->rpc, system->masters, system->master_count);
    clerk->client = client_new(env, clerk->router);
    clerk->client_hi = env_random(env);
    clerk->client_lo = env_random(env);
    clerk->sequence = 0;
}

static void halt(void *ctx, struct sim_node *node)
{
    struct clerk *clerk = clerk_of(ctx, node);
    router_master_cancel(&clerk->master);
    rpc_call_cancel(&clerk->ask);
    client_free(clerk->client);
    router_free(clerk->router);
    rpc_free(clerk->rpc);
    clerk->client = NULL;
    clerk->router = NULL;
    clerk->rpc = NULL;
}

static struct clerk *clerk_make(struct system *system)
{
    const struct sim_program program = {.boot = boot, .halt = halt, .ctx = system};
    struct clerk *clerk = sf_calloc(1, sizeof *clerk);
    size_t count = 0;
    for (struct clerk **end = &system->clerks;; end = &(*end)->next, count++) {
        if (*end != NULL)
            continue;
        *end = clerk;
        break;
    }
    clerk->system = system;
    clerk->node = sim_node_new(system->sim, text("clerk-%zu", count), &program);
    return clerk;
}

struct clerk *clerk_new(struct system *system)
{
    struct clerk *clerk = system->clerks;
    while (clerk != NULL && clerk->client != NULL)
        clerk = clerk->next;
    if (clerk == NULL)
        clerk = clerk_make(system);
    for (size_t i = 0; i < system->server_count; i++)
        clerk_link(clerk, &system->servers[i], true);
    clerk->history = NULL;
    clerk->caller = NULL;
    sim_node_start(clerk->node);
    return clerk;
}

void clerk_free(struct clerk *clerk)
{
    sim_node_stop(clerk->node);
}

void clerks_free(struct system *system)
{
    while (system->clerks != NULL) {
        struct clerk *clerk = system->clerks;
        sim_node_crash(clerk->node);
        system->clerks = clerk->next;
        buffer_deinit(&clerk->key);
        buffer_deinit(&clerk->data);
        buffer_deinit(&clerk->result);
        master_op_free(&clerk->master_op);
        config_free(clerk->config);
        free(clerk);
    }
}

struct clerk *clerk_next(const struct clerk *clerk)
{
    return clerk->next;
}

void clerk_link(struct clerk *clerk, const struct server *server, bool linked)
{
    struct net *net = clerk->system->net;
    net_link(net, clerk->node, server->node, linked);
    net_link(net, server->node, clerk->node, linked);
}

void clerk_link_only(struct clerk *clerk, struct server *const *servers, size_t count)
{
    for (size_t i = 0; i < clerk->system->server_count; i++)
        clerk_link(clerk, &clerk->system->servers[i], false);
    for (size_t i = 0; i < count; i++)
        clerk_link(clerk, servers[i], true);
}

void clerk_note(struct clerk *clerk, struct linear_history *history, uint32_t number)
{
    clerk->history = history;
    clerk->number = number;
}

/* -- one call ------------------------------------------------------------------------------ */

static void begin(struct clerk *clerk)
{
    sf_assert(clerk->caller == NULL && clerk->client != NULL);
    clerk->caller = fiber_self();
    clerk->done = false;
}

static void wait(struct clerk *clerk)
{
    while (!clerk->done)
        fiber_park();
    clerk->caller = NULL;
}

static void finish(struct clerk *clerk, int status)
{
    clerk->status = status;
    clerk->done = true;
    fiber_wake(clerk->caller);
}

static void note_call(struct clerk *clerk)
{
    struct linear_call called = {.client = clerk->number,
                                 .time_ns = sim_now_ns(clerk->system->sim),
                                 .key = clerk->op.key,
                                 .argument = clerk->op.data};
    if (clerk->history == NULL)
        return;
    if (clerk->op.kind == KV_GET)
        called.kind = LINEAR_GET;
    else
        called.kind = clerk->op.kind == KV_PUT ? LINEAR_PUT : LINEAR_APPEND;
    if (clerk->op.kind == KV_APPEND)
        called.flags = clerk->op.flags & KV_WANT_OLD ? LINEAR_HAS_OLD : LINEAR_HAS_LENGTH;
    clerk->event = linear_called(clerk->history, &called);
}

static void note_return(struct clerk *clerk)
{
    const struct linear_return ret = {.time_ns = sim_now_ns(clerk->system->sim),
                                      .status = clerk->status,
                                      .result = buffer_slice(&clerk->result),
                                      .number = clerk->old_length + clerk->op.data.n};
    if (clerk->history != NULL)
        linear_returned(clerk->history, clerk->event, &ret);
}

static void on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct clerk *clerk = container_of(call, struct clerk, call);
    buffer_clear(&clerk->result);
    clerk->old_length = 0;
    if (reply != NULL) {
        buffer_append(&clerk->result, reply->data.p, reply->data.n);
        clerk->old_length = reply->old_length;
    }
    finish(clerk, status);
}

/* Any number of tries, until it is done. */
static void call(struct clerk *clerk, enum kv_kind kind, const char *key, struct slice data,
                 unsigned flags)
{
    begin(clerk);
    buffer_set(&clerk->key, slice_str(key));
    buffer_set(&clerk->data, data);
    clerk->op = (struct kv_op){.kind = kind,
                               .key = buffer_slice(&clerk->key),
                               .data = buffer_slice(&clerk->data),
                               .flags = flags};
    clerk->call = (struct client_call){.on_done = on_done, .op = &clerk->op};
    note_call(clerk);
    client_submit(clerk->client, &clerk->call);
    wait(clerk);
    check(clerk->status == SF_OK || (kind == KV_GET && clerk->status == SF_NOT_FOUND),
          "%s of key %s: %s", kv_method_name(kind), key, sf_error_text(clerk->status));
    note_return(clerk);
}

bool clerk_get(struct clerk *clerk, const char *key, struct buffer *value)
{
    call(clerk, KV_GET, key, slice_of(NULL, 0), 0);
    if (value != NULL)
        buffer_set(value, buffer_slice(&clerk->result));
    return clerk->status == SF_OK;
}

void clerk_put(struct clerk *clerk, const char *key, struct slice value)
{
    call(clerk, KV_PUT, key, value, 0);
}

void clerk_put_text(struct clerk *clerk, const char *key, const char *value)
{
    clerk_put(clerk, key, slice_str(value));
}

uint64_t clerk_append(struct clerk *clerk, const char *key, struct slice value, struct buffer *old)
{
    call(clerk, KV_APPEND, key, value, old != NULL ? KV_WANT_OLD : 0);
    if (old != NULL)
        buffer_set(old, buffer_slice(&clerk->result));
    return clerk->old_length + value.n;
}

void clerk_append_text(struct clerk *clerk, const char *key, const char *value)
{
    (void)clerk_append(clerk, key, slice_str(value), NULL);
}

void clerk_put_hash(struct clerk *clerk, const char *key, struct slice value, struct buffer *old)
{
    call(clerk, KV_PUT_HASH, key, value, 0);
    if (old != NULL)
        buffer_set(old, buffer_slice(&clerk->result));
}

/* -- checks -------------------------------------------------------------------------------- */

void clerk_check(struct clerk *clerk, const char *key, struct slice value)
{
    struct buffer got = {0};
    (void)clerk_get(clerk, key, &got);
    check(slice_equal(buffer_slice(&got), value), "key %s: got \"%.*s\", expected \"%.*s\"", key,
          (int)(got.n < 200 ? got.n : 200), (const char *)got.p,
          (int)(value.n < 200 ? value.n : 200), (const char *)value.p);
    buffer_deinit(&got);
}

void clerk_check_text(struct clerk *clerk, const char *key, const char *value)
{
    clerk_check(clerk, key, slice_str(value));
}

/* -- one request to one server ------------------------------------------------------------- */

#define ASK_MS 1000u

static void on_asked(struct rpc_call *ask, int status, const msgpack_object *result)
{
    struct clerk *clerk = container_of(ask, struct clerk, ask);
    struct kv_reply reply;
    if (status == SF_OK)
        status = kv_reply_unpack(result, &reply);
    if (status == SF_OK) {
        status = reply.status;
        buffer_set(&clerk->result, reply.data);
        kv_reply_free(&reply);
    }
    finish(clerk, status);
}

int clerk_ask(struct clerk *clerk, const struct server *server, const struct kv_request *request,
              struct buffer *value)
{
    struct buffer params = {0};
    begin(clerk);
    buffer_clear(&clerk->result);
    kv_request_pack(&params, request);
    rpc_call_start(clerk->rpc, &clerk->ask, server->address, kv_method_name(request->op.kind),
                   &params, ASK_MS, on_asked);
    wait(clerk);
    buffer_set(value, buffer_slice(&clerk->result));
    return clerk->status;
}

/* -- the masters --------------------------------------------------------------------------- */

static void on_master(struct router_master *master, int status, const struct config *config,
                      const struct master_reply *reply)
{
    struct clerk *clerk = container_of(master, struct clerk, master);
    if (status == SF_OK && master->op != NULL)
        status = reply->status;
    else if (status == SF_OK)
        clerk->config = config_copy(config);
    finish(clerk, status);
}

static void ask_masters(struct clerk *clerk, const struct master_op *op, int64_t num)
{
    clerk->master = (struct router_master){.on_done = on_master, .op = op, .num = num};
    router_master_send(clerk->router, &clerk->master);
    wait(clerk);
}

/* op: without what names the client; its arrays are taken. */
static int operate(struct clerk *clerk, struct master_op op)
{
    begin(clerk);
    master_op_free(&clerk->master_op);
    op.client_hi = clerk->client_hi;
    op.client_lo = clerk->client_lo;
    op.sequence = ++clerk->sequence;
    clerk->master_op = op;
    ask_masters(clerk, &clerk->master_op, 0);
    return clerk->status;
}

int clerk_join(struct clerk *clerk, const struct group *groups, size_t count)
{
    struct master_op op = {.kind = MASTER_JOIN, .group_count = count};
    op.groups = sf_calloc(count, sizeof *op.groups);
    for (size_t i = 0; i < count; i++) {
        op.groups[i] = groups[i];
        op.groups[i].addresses =
            sf_memdup(groups[i].addresses, groups[i].address_count * sizeof *groups[i].addresses);
    }
    return operate(clerk, op);
}

int clerk_leave(struct clerk *clerk, const group_id *gids, size_t count)
{
    const struct master_op op = {
        .kind = MASTER_LEAVE, .gids = sf_memdup(gids, count * sizeof *gids), .gid_count = count};
    return operate(clerk, op);
}

int clerk_move(struct clerk *clerk, uint32_t shard, group_id gid)
{
    return operate(clerk, (struct master_op){.kind = MASTER_MOVE, .shard = shard, .gid = gid});
}

struct config *clerk_query(struct clerk *clerk, int64_t num)
{
    begin(clerk);
    config_free(clerk->config);
    clerk->config = NULL;
    ask_masters(clerk, NULL, num);
    check(clerk->status == SF_OK, "Query(%" PRId64 "): %s", num, sf_error_text(clerk->status));
    struct config *config = clerk->config;
    clerk->config = NULL;
    return config;
}

/* -- text ---------------------------------------------------------------------------------- */

const char *text(const char *format, ...)
{
    static char places[TEXTS][TEXT_BYTES_MAX];
    static size_t next;
    char *place = places[next++ % TEXTS];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(place, TEXT_BYTES_MAX, format, arguments);
    va_end(arguments);
    return place;
}

#include "storm/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "env/memory.h"
#include "linear/linear.h"

#define FINAL_READ_MS 120000u

struct worker {
    struct load *load;
    struct load_client *client;
    uint32_t number;
    uint64_t count; /* of values and parts of values that it wrote */
    struct client_call call;
    struct kv_op op;
    char key[8], text[24]; /* of op */
    size_t event;          /* number of the operation in the history */
    struct env_timer pause;
    bool busy;
};

struct load_client {
    struct load *load;
    struct sim_node *node;
    struct env *env;
    struct rpc *rpc;
    struct router *router;
    struct client *client;
};

struct load {
    struct cluster *cluster;
    struct load_options options;
    struct load_client clients[LOAD_CLIENTS];
    struct worker workers[LOAD_WORKERS];
    struct linear_history *history;
    uint64_t answered;
    bool running;
};

/* -- operations ---------------------------------------------------------------------------- */

static void note_answer(struct worker *w, int status, const struct kv_reply *reply)
{
    struct linear_return ret = {.time_ns = sim_now_ns(w->load->cluster->sim), .status = status};
    if (w->op.kind == KV_GET || w->op.kind == KV_APPEND)
        ret.result = reply->data;
    w->load->answered++;
    linear_returned(w->load->history, w->event, &ret);
}

static void on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct worker *w = container_of(call, struct worker, call);
    struct env *env = w->client->env;
    bool may_miss = w->op.kind == KV_GET || w->op.kind == KV_DELETE;
    if (status == SF_OK || (status == SF_NOT_FOUND && may_miss))
        note_answer(w, status, reply);
    else if (status == SF_TIMEOUT)
        linear_forget(w->load->history, w->event);
    else
        sf_assert(status == SF_UNKNOWN);
    w->busy = false;
    if (w->load->running)
        env_timer_start_ms(&w->pause, env_random_below(env, w->load->options.pause_ms_max + 1));
}

static uint32_t kind_in_history(enum kv_kind kind)
{
    if (kind == KV_PUT)
        return LINEAR_PUT;
    if (kind == KV_APPEND)
        return LINEAR_APPEND;
    return kind == KV_DELETE ? LINEAR_DELETE : LINEAR_GET;
}

static void submit(struct worker *w, uint32_t key, enum kv_kind kind, uint64_t timeout_ms)
{
    struct linear_call called = {.client = w->number, .kind = kind_in_history(kind)};
    snprintf(w->key, sizeof w->key, "%" PRIu32, key);
    snprintf(w->text, sizeof w->text, "%" PRIu32 ".%" PRIu64 ";", w->number, ++w->count);
    w->op = (struct kv_op){.kind = kind, .key = slice_str(w->key)};
    if (kind == KV_PUT || kind == KV_APPEND)
        w->op.data = slice_str(w->text);
    if (kind == KV_APPEND) {
        w->op.flags = KV_WANT_OLD;
        called.flags = LINEAR_HAS_OLD;
    }
    called.time_ns = sim_now_ns(w->load->cluster->sim);
    called.key = w->op.key;
    called.argument = w->op.data;
    w->event = linear_called(w->load->history, &called);
    w->call = (struct client_call){.on_done = on_done, .op = &w->op, .timeout_ms = timeout_ms};
    w->busy = true;
    client_submit(w->client->client, &w->call);
}

static enum kv_kind any_kind(struct env *env)
{
    uint64_t kind = env_random_below(env, 20);
    if (kind < 9)
        return KV_GET;
    if (kind < 17)
        return KV_APPEND;
    return kind < 19 ? KV_PUT : KV_DELETE;
}

static void act(struct env_timer *timer)
{
    struct worker *w = container_of(timer, struct worker, pause);
    struct env *env = w->client->env;
    uint64_t timeout_ms = 0;
    if (w->busy || !w->load->running)
        return;
    if (env_random_below(env, 1000) < w->load->options.timeouts)
        timeout_ms = 1000 + env_random_below(env, 2000);
    uint32_t key = (uint32_t)env_random_below(env, LOAD_KEYS);
    submit(w, key, any_kind(env), timeout_ms);
}

/* -- processes ----------------------------------------------------------------------------- */

static struct load_client *client_of(struct load *load, const struct sim_node *node)
{
    struct load_client *client = load->clients;
    while (client->node != node)
        client++;
    return client;
}

static void boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct load *load = ctx;
    struct load_client *client = client_of(load, node);
    const struct rpc_options options = {.role = "client"};
    const char *const *masters = (const char *const *)load->cluster->master_addresses;
    client->env = env;
    client->rpc = rpc_new(env, &options);
    client->router = router_new(env, client->rpc, masters, CLUSTER_MASTERS);
    client->client = client_new(env, client->router);
}

static void halt(void *ctx, struct sim_node *node)
{
    struct load *load = ctx;
    struct load_client *client = client_of(load, node);
    for (size_t i = 0; i < LOAD_WORKERS; i++)
        if (load->workers[i].client == client)
            env_timer_stop(&load->workers[i].pause);
    client_free(client->client);
    router_free(client->router);
    rpc_free(client->rpc);
}

struct load *load_new(struct cluster *cluster, const struct load_options *options)
{
    struct load *load = sf_calloc(1, sizeof *load);
    const struct sim_program program = {.boot = boot, .halt = halt, .ctx = load};
    load->cluster = cluster;
    load->options = *options;
    load->history = linear_history_new();
    for (size_t i = 0; i < LOAD_CLIENTS; i++) {
        char name[16];
        snprintf(name, sizeof name, "client-%zu", i + 1);
        load->clients[i].load = load;
        load->clients[i].node = sim_node_new(cluster->sim, name, &program);
        sim_node_start(load->clients[i].node);
    }
    for (uint32_t i = 0; i < LOAD_WORKERS; i++) {
        struct worker *w = &load->workers[i];
        w->load = load;
        w->client = &load->clients[i % LOAD_CLIENTS];
        w->number = i;
        env_timer_init(w->client->env, &w->pause, act);
    }
    return load;
}

void load_free(struct load *load)
{
    linear_history_free(load->history);
    free(load);
}

/* -- running ------------------------------------------------------------------------------- */

void load_begin(struct load *load)
{
    load->running = true;
    for (size_t i = 0; i < LOAD_WORKERS; i++)
        env_timer_start_ms(&load->workers[i].pause, 0);
}

static bool is_idle(void *ctx)
{
    const struct load *load = ctx;
    for (size_t i = 0; i < LOAD_WORKERS; i++)
        if (load->workers[i].busy)
            return false;
    return true;
}

static bool wait_idle(struct load *load, uint64_t limit_ms)
{
    return sim_run_until(load->cluster->sim, is_idle, load, limit_ms * ENV_MS_NS);
}

bool load_end(struct load *load, uint64_t limit_ms)
{
    load->running = false;
    return wait_idle(load, limit_ms);
}

bool load_touch(struct load *load, uint32_t key, uint64_t limit_ms)
{
    sf_assert(!load->running && is_idle(load));
    submit(&load->workers[0], key, KV_APPEND, 0);
    return wait_idle(load, limit_ms);
}

uint64_t load_answered(const struct load *load)
{
    return load->answered;
}

/* -- judging ------------------------------------------------------------------------------- */

void load_check(struct load *load)
{
    struct buffer report = {0};
    for (uint32_t key = 0; key < LOAD_KEYS; key++) {
        submit(&load->workers[0], key, KV_GET, 0);
        sf_assert(wait_idle(load, FINAL_READ_MS));
    }
    enum linear_verdict verdict = linear_check(load->history, &linear_register, 0, &report);
    if (verdict != LINEAR_LEGAL)
        fprintf(stderr, "%s\n%.*s\n", linear_verdict_name(verdict), (int)report.n,
                (const char *)report.p);
    buffer_deinit(&report);
    sf_assert(verdict == LINEAR_LEGAL);
}

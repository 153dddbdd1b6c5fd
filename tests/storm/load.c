#include "storm/load_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/mark.h"
#include "env/memory.h"
#include "witness/witness.h"

#define FINAL_READ_MS 120000u

/* -- workers ------------------------------------------------------------------------------- */

uint64_t worker_random(struct worker *w, uint64_t limit)
{
    return env_random_below(w->client->env, limit);
}

uint64_t worker_timeout_ms(struct worker *w)
{
    if (worker_random(w, 1000) >= w->load->options.timeouts)
        return 0;
    return 1000 + worker_random(w, 2000);
}

void worker_done(struct worker *w)
{
    uint64_t max_ms = w->load->options.pause_ms_max + w->role->pause_ms;
    w->busy = false;
    if (w->load->running)
        env_timer_start_ms(&w->pause, worker_random(w, max_ms + 1));
}

static void act(struct env_timer *timer)
{
    struct worker *w = container_of(timer, struct worker, pause);
    if (!w->busy && w->load->running)
        w->role->act(w);
}

/* -- processes ----------------------------------------------------------------------------- */

/* NULL: no client that is alive runs there. */
static struct load_client *find_client(struct load *load, const struct sim_node *node)
{
    for (unsigned i = 0; i < load->client_count; i++)
        if (load->clients[i].node == node)
            return &load->clients[i];
    return NULL;
}

static struct load_client *client_of(struct load *load, const struct sim_node *node)
{
    struct load_client *client = load->clients;
    while (client->node != node)
        client++;
    return client;
}

static void on_fenced(void *ctx)
{
    struct load_client *client = ctx;
    client->fenced++;
}

static void boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct load *load = ctx;
    struct load_client *client = client_of(load, node);
    const struct rpc_options options = {.role = "client"};
    const char *const *masters = (const char *const *)load->cluster->master_addresses;
    client->env = env;
    client->rpc = rpc_new(env, &options);
    client->router = router_new(env, client->rpc, masters, load->cluster->masters.count);
    client->client = client_new(env, client->router);
    client_watch_fence(client->client, on_fenced, client);
    if (load->options.window != 0)
        client_limit_window(client->client, load->options.window);
    for (unsigned i = 0; i < load->worker_count; i++) {
        struct worker *w = &load->workers[i];
        if (w->client != client)
            continue;
        env_timer_init(env, &w->pause, act);
        locking_boot(w, env);
    }
}

static void halt(void *ctx, struct sim_node *node)
{
    struct load *load = ctx;
    struct load_client *client = client_of(load, node);
    for (unsigned i = 0; i < load->worker_count; i++) {
        struct worker *w = &load->workers[i];
        if (w->client != client)
            continue;
        env_timer_stop(&w->pause);
        locking_halt(w);
        w->large.keys_left += (w->busy && w->large.kind != VALUE_READ) || !w->large.known;
        w->busy = w->large.known = false;
    }
    client_free(client->client);
    router_free(client->router);
    rpc_free(client->rpc);
}

/* A client that begins is a machine of its own: nothing that was meant for another reaches it. */
static void begin_life(struct load *load, struct load_client *client)
{
    const struct sim_program program = {.boot = boot, .halt = halt, .ctx = load};
    char name[24];
    client->life = ++load->lives;
    snprintf(name, sizeof name, "client-%u", (unsigned)client->life);
    client->node = sim_node_new(load->cluster->sim, name, &program);
    sim_node_start(client->node);
}

void load_kill_client(struct load *load)
{
    struct sim *sim = load->cluster->sim;
    struct load_client *client = &load->clients[sim_random_below(sim, load->client_count)];
    if (load->lives >= LOAD_LIVES_MAX)
        return;
    sim_node_crash(client->node);
    begin_life(load, client);
    for (unsigned i = 0; load->running && i < load->worker_count; i++)
        if (load->workers[i].client == client)
            env_timer_start_ms(&load->workers[i].pause, 0);
}

void load_freeze_client(struct load *load, uint64_t ms)
{
    unsigned locks = load->client_count - load->options.clients;
    if (locks == 0)
        return;
    uint64_t i = load->options.clients + sim_random_below(load->cluster->sim, locks);
    SF_MARK("swarm: a client with locks is frozen");
    sim_node_pause(load->clients[i].node, ms * ENV_MS_NS);
}

/* -- life ---------------------------------------------------------------------------------- */

static struct sim_verdict watch(void *ctx, const struct sim_message *message)
{
    struct load *load = ctx;
    const struct load_client *from = find_client(load, message->from);
    const struct load_client *to = find_client(load, message->to);
    if (message->bytes.n > 0 && (from || to))
        witness_heard(load->cluster->witness, from ? from->life : to->life, from != NULL,
                      message->bytes);
    return (struct sim_verdict){.fate = SIM_DELIVER};
}

static void add_workers(struct load *load, unsigned count, const struct role *role)
{
    unsigned first = role == &load_lock ? load->options.clients : 0;
    unsigned clients = role == &load_lock ? load->client_count - first : load->options.clients;
    for (unsigned i = 0; i < count; i++) {
        sf_assert(load->worker_count < LOAD_WORKERS_MAX);
        struct worker *w = &load->workers[load->worker_count];
        w->load = load;
        w->role = role;
        w->number = load->worker_count++;
        w->client = &load->clients[first + w->number % clients];
    }
}

static void fill_in(struct load_options *o)
{
    o->clients = o->clients ? o->clients : 2;
    o->registers = o->registers ? o->registers : 6;
    sf_assert(o->clients <= LOAD_CLIENTS_MAX);
}

struct load *load_new(struct cluster *cluster, const struct load_options *options)
{
    struct load *load = sf_calloc(1, sizeof *load);
    load->cluster = cluster;
    load->options = *options;
    fill_in(&load->options);
    unsigned locks = load->options.lock;
    load->client_count =
        load->options.clients + (locks < LOAD_LOCK_CLIENTS_MAX ? locks : LOAD_LOCK_CLIENTS_MAX);
    load->history = linear_history_new();
    if (cluster->witness)
        sim_on_message(cluster->sim, watch, load);
    add_workers(load, load->options.registers, &load_register);
    add_workers(load, load->options.wide, &load_wide);
    add_workers(load, load->options.large, &load_large);
    load->log.cutter = &load->workers[load->worker_count];
    add_workers(load, load->options.log, &load_log);
    add_workers(load, load->options.lock, &load_lock);
    for (unsigned i = 0; i < load->client_count; i++) {
        load->clients[i].load = load;
        begin_life(load, &load->clients[i]);
    }
    return load;
}

void load_free(struct load *load)
{
    for (unsigned i = 0; i < load->worker_count; i++) {
        buffer_deinit(&load->workers[i].data);
        buffer_deinit(&load->workers[i].large.data);
    }
    linear_history_free(load->history);
    free(load);
}

/* -- running ------------------------------------------------------------------------------- */

void load_begin(struct load *load)
{
    load->running = true;
    for (unsigned i = 0; i < load->worker_count; i++)
        env_timer_start_ms(&load->workers[i].pause, 0);
}

static bool is_idle(void *ctx)
{
    const struct load *load = ctx;
    for (unsigned i = 0; i < load->worker_count; i++)
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
    register_submit(&load->workers[0], key, KV_APPEND, 0);
    return wait_idle(load, limit_ms);
}

uint64_t load_answered(const struct load *load)
{
    return load->answered;
}

/* -- judging ------------------------------------------------------------------------------- */

void load_read_all(struct load *load)
{
    for (uint32_t key = 0; key < LOAD_KEYS; key++) {
        register_submit(&load->workers[0], key, KV_GET, 0);
        sf_assert(wait_idle(load, FINAL_READ_MS));
    }
    for (unsigned i = 0; i < load->worker_count; i++) {
        if (load->workers[i].role->check)
            load->workers[i].role->check(&load->workers[i]);
        sf_assert(wait_idle(load, FINAL_READ_MS));
    }
}

void load_search(const struct load *load)
{
    struct buffer report = {0};
    enum linear_verdict verdict = linear_check(load->history, &linear_register, 0, &report);
    if (verdict != LINEAR_LEGAL)
        fprintf(stderr, "%.*s\n", (int)report.n, (const char *)report.p);
    buffer_deinit(&report);
    sf_assert(verdict == LINEAR_LEGAL);
}

#include "storm/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "env/memory.h"

#define TOKEN_BYTES_MAX 24u
#define FINAL_READ_MS 120000u

/* One operation, as its client saw it. */
struct event {
    uint32_t key;
    bool append;                 /* else a read */
    bool answered;               /* else its outcome is unknown */
    uint64_t begin_ns;           /* submitted */
    uint64_t end_ns;             /* answered or given up; UINT64_MAX: neither */
    char *value;                 /* answered: the value that was seen */
    char token[TOKEN_BYTES_MAX]; /* append: what it adds; "": it had no effect */
};

struct worker {
    struct load *load;
    struct load_client *client;
    unsigned number;
    uint64_t count; /* of its appends */
    struct client_call call;
    struct kv_op op;
    char key[8], token[TOKEN_BYTES_MAX]; /* of op */
    size_t event;                        /* position of the present one */
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
    struct event *events;
    size_t event_count, event_cap;
    uint64_t answered[LOAD_KEYS];
    bool running;
};

/* -- operations ---------------------------------------------------------------------------- */

static struct event *new_event(struct load *load)
{
    if (load->event_count == load->event_cap) {
        load->event_cap = load->event_cap * 2 + 256;
        load->events = sf_realloc(load->events, load->event_cap * sizeof *load->events);
    }
    struct event *event = &load->events[load->event_count++];
    *event = (struct event){.begin_ns = sim_now_ns(load->cluster->sim), .end_ns = UINT64_MAX};
    return event;
}

static char *text_of(struct slice bytes)
{
    char *text = sf_malloc(bytes.n + 1);
    if (bytes.n > 0)
        memcpy(text, bytes.p, bytes.n);
    text[bytes.n] = 0;
    return text;
}

static void on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct worker *w = container_of(call, struct worker, call);
    struct load *load = w->load;
    struct event *event = &load->events[w->event];
    bool seen = status == SF_OK || (status == SF_NOT_FOUND && !event->append);
    event->end_ns = sim_now_ns(load->cluster->sim);
    event->answered = seen;
    sf_assert(seen || status == SF_UNKNOWN || status == SF_TIMEOUT);
    if (seen) {
        event->value = text_of(status == SF_OK ? reply->data : slice_str(""));
        load->answered[event->key]++;
    } else if (status == SF_TIMEOUT) {
        event->token[0] = 0;
    }
    w->busy = false;
    if (load->running)
        env_timer_start_ms(&w->pause,
                           env_random_below(w->client->env, load->options.pause_ms_max + 1));
}

static void submit(struct worker *w, uint32_t key, bool append, uint64_t timeout_ms)
{
    struct event *event = new_event(w->load);
    w->event = w->load->event_count - 1;
    event->key = key;
    event->append = append;
    snprintf(w->key, sizeof w->key, "%" PRIu32, key);
    w->op = (struct kv_op){.kind = append ? KV_APPEND : KV_GET, .key = slice_str(w->key)};
    if (append) {
        snprintf(w->token, sizeof w->token, "%u.%" PRIu64 ";", w->number, ++w->count);
        memcpy(event->token, w->token, sizeof event->token);
        w->op.flags = KV_WANT_OLD;
        w->op.data = slice_str(w->token);
    }
    w->call = (struct client_call){.on_done = on_done, .op = &w->op, .timeout_ms = timeout_ms};
    w->busy = true;
    client_submit(w->client->client, &w->call);
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
    submit(w, key, env_random_below(env, 2) == 0, timeout_ms);
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
    client->env = env;
    client->rpc = rpc_new(env, &options);
    client->router = router_new(
        env, client->rpc, (const char *const *)load->cluster->master_addresses, CLUSTER_MASTERS);
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
    for (size_t i = 0; i < LOAD_CLIENTS; i++) {
        char name[16];
        snprintf(name, sizeof name, "client-%zu", i + 1);
        load->clients[i].load = load;
        load->clients[i].node = sim_node_new(cluster->sim, name, &program);
        sim_node_start(load->clients[i].node);
    }
    for (unsigned i = 0; i < LOAD_WORKERS; i++) {
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
    for (size_t i = 0; i < load->event_count; i++)
        free(load->events[i].value);
    free(load->events);
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

bool load_end(struct load *load, uint64_t limit_ms)
{
    load->running = false;
    return sim_run_until(load->cluster->sim, is_idle, load, limit_ms * ENV_MS_NS);
}

uint64_t load_answered_on(const struct load *load, uint32_t key)
{
    return load->answered[key];
}

uint64_t load_answered(const struct load *load)
{
    uint64_t sum = 0;
    for (uint32_t key = 0; key < LOAD_KEYS; key++)
        sum += load->answered[key];
    return sum;
}

/* One operation outside the load's own rhythm; the worker must be idle. */
bool load_touch(struct load *load, uint32_t key, uint64_t limit_ms)
{
    struct worker *w = &load->workers[0];
    sf_assert(!load->running);
    if (!w->busy)
        submit(w, key, true, 0);
    return sim_run_until(load->cluster->sim, is_idle, load, limit_ms * ENV_MS_NS);
}

/* -- checking ------------------------------------------------------------------------------ */

/* An append or a read in the order that the final value tells. */
struct placed {
    const struct event *event;
    size_t at; /* bytes of the value that were there before it */
};

static const char *read_final(struct load *load, uint32_t key)
{
    struct worker *w = &load->workers[0];
    submit(w, key, false, 0);
    sf_assert(sim_run_until(load->cluster->sim, is_idle, load, FINAL_READ_MS * ENV_MS_NS));
    const struct event *event = &load->events[w->event];
    sf_assert(event->answered);
    return event->value;
}

static bool is_beginning(const char *value, const char *of)
{
    return strncmp(value, of, strlen(value)) == 0;
}

/* Position of the token in the value; tokens end with ';', so a match must begin after one. */
static const char *find_token(const char *value, const char *token)
{
    const char *at = strstr(value, token);
    while (at && at != value && at[-1] != ';')
        at = strstr(at + 1, token);
    return at;
}

/* Where an append took effect: SIZE_MAX: nowhere. */
static size_t place_append(const struct event *event, const char *final)
{
    const char *at = event->token[0] ? find_token(final, event->token) : NULL;
    if (!at) {
        sf_assert(!event->answered);
        return SIZE_MAX;
    }
    sf_assert(!find_token(at + 1, event->token)); /* once */
    size_t place = (size_t)(at - final);
    if (event->answered)
        sf_assert(strlen(event->value) == place && is_beginning(event->value, final));
    return place;
}

static size_t place(const struct event *event, const char *final)
{
    if (event->append)
        return place_append(event, final);
    if (!event->answered)
        return SIZE_MAX;
    sf_assert(is_beginning(event->value, final));
    return strlen(event->value);
}

/* By place; at one place reads come before the append that goes on there, and in the order in which
 * they began, for they saw the same. */
static int by_place(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    if (x->event->append != y->event->append)
        return x->event->append ? 1 : -1;
    if (x->event->begin_ns != y->event->begin_ns)
        return x->event->begin_ns < y->event->begin_ns ? -1 : 1;
    return 0;
}

/* What was answered before something else began is not placed after it. */
static void check_real_time(const struct placed *placed, size_t count)
{
    uint64_t newest_begin_ns = 0; /* of what is placed before */
    for (size_t i = 0; i < count; i++) {
        const struct event *event = placed[i].event;
        if (event->answered)
            sf_assert(event->end_ns >= newest_begin_ns);
        if (event->begin_ns > newest_begin_ns)
            newest_begin_ns = event->begin_ns;
    }
}

static void check_key(struct load *load, uint32_t key)
{
    const char *final = read_final(load, key);
    struct placed *placed = sf_calloc(load->event_count, sizeof *placed);
    size_t count = 0, bytes = 0;
    for (size_t i = 0; i < load->event_count; i++) {
        const struct event *event = &load->events[i];
        size_t at = event->key == key ? place(event, final) : SIZE_MAX;
        if (at == SIZE_MAX)
            continue;
        placed[count++] = (struct placed){.event = event, .at = at};
        bytes += strlen(event->token);
    }
    sf_assert(bytes == strlen(final)); /* nothing else is in it */
    qsort(placed, count, sizeof *placed, by_place);
    check_real_time(placed, count);
    free(placed);
}

void load_check(struct load *load)
{
    for (uint32_t key = 0; key < LOAD_KEYS; key++)
        check_key(load, key);
}

#include "txn/bank.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "env/memory.h"
#include "shardkv/machine.h"
#include "txn/bank_model.h"

#define FINAL_MS 120000u
#define RESTART_MS 300u

/* In shards 0, 1, 2, 3, 0 and 5. */
static const char *const keys[BANK_ACCOUNTS] = {"0", "1", "2", "3", "10", "5"};

struct account { /* as a worker saw it */
    uint64_t version, token, money;
};

/*  RESTING -> LOOKING (each account that it wants) -> MOVING -> RESTING */
struct worker {
    struct bank *bank;
    struct bank_client *client;
    uint32_t number;
    uint64_t count; /* of values that it wrote */
    struct client_call call;
    struct kv_op op, parts[BANK_ACCOUNTS];
    char texts[BANK_ACCOUNTS][40];
    unsigned wanted[BANK_ACCOUNTS]; /* accounts */
    size_t wanted_count, looked;
    uint64_t hold; /* by which it looks and moves; 0: none */
    bool all;      /* it wants to see all accounts at one moment, and changes none */
    struct account seen[BANK_ACCOUNTS]; /* of wanted */
    size_t event;
    struct env_timer pause;
    bool busy;
};

struct bank_client {
    struct bank *bank;
    struct sim_node *node;
    struct env *env;
    struct rpc *rpc;
    struct router *router;
    struct client *client;
};

struct bank {
    struct cluster *cluster;
    struct bank_options options;
    struct bank_client clients[BANK_CLIENTS];
    struct worker workers[BANK_WORKERS];
    struct linear_history *history;
    uint64_t transfers, snapshots;
    bool running, opening;
};

/* -- the history --------------------------------------------------------------------------- */

static uint64_t now_ns(const struct bank *bank)
{
    return sim_now_ns(bank->cluster->sim);
}

static void note_call(struct worker *w, enum bank_kind kind, const struct buffer *argument)
{
    struct linear_call called = {.client = w->number,
                                 .kind = kind,
                                 .time_ns = now_ns(w->bank),
                                 .key = slice_str("bank"),
                                 .argument = buffer_slice(argument)};
    w->event = linear_called(w->bank->history, &called);
}

static void note_return(struct worker *w, struct slice result)
{
    struct linear_return ret = {.time_ns = now_ns(w->bank), .status = SF_OK, .result = result};
    linear_returned(w->bank->history, w->event, &ret);
}

/* -- actions ------------------------------------------------------------------------------- */

static void rest(struct worker *w)
{
    w->busy = false;
    if (w->bank->running)
        env_timer_start_ms(&w->pause,
                           env_random_below(w->client->env, w->bank->options.pause_ms_max + 1));
}

static void submit(struct worker *w,
                   void (*on_done)(struct client_call *, int, const struct kv_reply *))
{
    uint64_t timeout_ms = 0;
    if (!w->bank->opening && env_random_below(w->client->env, 1000) < w->bank->options.timeouts)
        timeout_ms = 1000 + env_random_below(w->client->env, 2000);
    w->op.hold = w->hold;
    w->call = (struct client_call){.on_done = on_done, .op = &w->op, .timeout_ms = timeout_ms};
    w->busy = true;
    client_submit(w->client->client, &w->call);
}

static void move_on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct worker *w = container_of(call, struct worker, call);
    bool was_late = status == SF_PRECONDITION || status == SF_TIMEOUT;
    if (status == SF_OK) {
        sf_assert(reply->reply_count == (w->all ? 0 : w->wanted_count));
        w->bank->transfers += !w->all;
        w->bank->snapshots += w->all;
        note_return(w, slice_of(NULL, 0));
    } else if (was_late) {
        linear_forget(w->bank->history, w->event);
    } else {
        sf_assert(status == SF_UNKNOWN);
    }
    rest(w);
}

static void check_sum(const struct worker *w)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < w->wanted_count; i++)
        sum += w->seen[i].money;
    sf_assert(sum == BANK_ACCOUNTS * BANK_MONEY);
}

static void all_on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct worker *w = container_of(call, struct worker, call);
    if (status == SF_OK)
        check_sum(w);
    move_on_done(call, status, reply);
}

static uint64_t token_of(struct slice value)
{
    return value.n == 0 ? 0 : bytes_hash(value);
}

static struct kv_pre pre_of(const struct account *seen)
{
    if (seen->version == 0)
        return (struct kv_pre){.kind = KV_PRE_ABSENT};
    return (struct kv_pre){.kind = KV_PRE_VERSION, .id = seen->version};
}

/* What the account is to hold: amounts go from the first to the others. */
static uint64_t money_after(const struct worker *w, size_t i)
{
    uint64_t amount = 1 + (w->count + w->number) % 5;
    uint64_t total = amount * (w->wanted_count - 1);
    if (w->bank->opening)
        return BANK_MONEY;
    return i == 0 ? w->seen[0].money - total : w->seen[i].money + amount;
}

static void put_part(struct worker *w, size_t i, struct buffer *argument)
{
    const struct account *seen = &w->seen[i];
    uint64_t after = seen->token;
    w->parts[i] = (struct kv_op){.kind = w->all ? KV_STAT : KV_PUT,
                                 .key = slice_str(keys[w->wanted[i]]),
                                 .pre = pre_of(seen)};
    if (!w->all) {
        snprintf(w->texts[i], sizeof w->texts[i], "%" PRIu64 " %" PRIu32 ".%" PRIu64,
                 money_after(w, i), w->number, w->count * BANK_ACCOUNTS + i);
        w->parts[i].data = slice_str(w->texts[i]);
        after = token_of(w->parts[i].data);
    }
    buffer_put_u8(argument, (uint8_t)w->wanted[i]);
    buffer_put_u64(argument, seen->token);
    buffer_put_u64(argument, after);
}

static void move(struct worker *w)
{
    struct buffer argument = {0};
    w->count++;
    for (size_t i = 0; i < w->wanted_count; i++)
        put_part(w, i, &argument);
    w->op = (struct kv_op){.kind = KV_MINI};
    w->op.checks = w->all ? w->parts : NULL;
    w->op.check_count = w->all ? w->wanted_count : 0;
    w->op.ops = w->all ? NULL : w->parts;
    w->op.op_count = w->all ? 0 : w->wanted_count;
    note_call(w, BANK_MOVE, &argument);
    buffer_deinit(&argument);
    submit(w, w->all ? all_on_done : move_on_done);
}

static void look(struct worker *w);

static void look_on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct worker *w = container_of(call, struct worker, call);
    struct account *seen = &w->seen[w->looked];
    struct buffer result = {0};
    if (status != SF_OK && status != SF_NOT_FOUND) {
        sf_assert(status == SF_TIMEOUT);
        rest(w);
        return;
    }
    char text[40] = {0};
    memcpy(text, reply->data.p, reply->data.n < sizeof text ? reply->data.n : sizeof text - 1);
    *seen = (struct account){.version = status == SF_OK ? reply->stat.version : 0,
                             .token = token_of(reply->data),
                             .money = strtoull(text, NULL, 10)};
    buffer_put_u64(&result, seen->token);
    note_return(w, buffer_slice(&result));
    buffer_deinit(&result);
    if (++w->looked < w->wanted_count)
        look(w);
    else if (w->wanted_count > 1)
        move(w);
    else
        rest(w);
}

static void look(struct worker *w)
{
    struct buffer argument = {0};
    unsigned account = w->wanted[w->looked];
    buffer_put_u8(&argument, (uint8_t)account);
    note_call(w, BANK_LOOK, &argument);
    buffer_deinit(&argument);
    w->op = (struct kv_op){.kind = KV_GET, .key = slice_str(keys[account])};
    submit(w, look_on_done);
}

/* So many different accounts, in any order. */
static void want(struct worker *w, size_t count)
{
    unsigned accounts[BANK_ACCOUNTS];
    for (unsigned i = 0; i < BANK_ACCOUNTS; i++)
        accounts[i] = i;
    for (size_t i = 0; i < count; i++) {
        size_t k = i + (size_t)env_random_below(w->client->env, BANK_ACCOUNTS - i);
        w->wanted[i] = accounts[k];
        accounts[k] = accounts[i];
    }
    w->wanted_count = count;
    w->looked = 0;
}

static void act(struct env_timer *timer)
{
    struct worker *w = container_of(timer, struct worker, pause);
    uint64_t kind = env_random_below(w->client->env, 10);
    if (w->busy || !w->bank->running)
        return;
    w->all = kind == 0;
    w->hold = env_random_below(w->client->env, 2) == 0 ? 0 : env_random(w->client->env) | 1;
    want(w, kind == 0 ? BANK_ACCOUNTS : kind == 1 ? 1 : kind < 8 ? 2 : 3);
    look(w);
}

/* -- processes ----------------------------------------------------------------------------- */

static struct bank_client *client_of(struct bank *bank, const struct sim_node *node)
{
    struct bank_client *client = bank->clients;
    while (client->node != node)
        client++;
    return client;
}

static void boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct bank *bank = ctx;
    struct bank_client *client = client_of(bank, node);
    const struct rpc_options options = {.role = "client"};
    const char *const *masters = (const char *const *)bank->cluster->master_addresses;
    client->env = env;
    client->rpc = rpc_new(env, &options);
    client->router = router_new(env, client->rpc, masters, CLUSTER_MASTERS);
    client->client = client_new(env, client->router);
    for (size_t i = 0; i < BANK_WORKERS; i++) {
        struct worker *w = &bank->workers[i];
        if (w->client != client)
            continue;
        w->call = (struct client_call){0};
        env_timer_init(env, &w->pause, act);
        rest(w);
    }
}

static void halt(void *ctx, struct sim_node *node)
{
    struct bank *bank = ctx;
    struct bank_client *client = client_of(bank, node);
    for (size_t i = 0; i < BANK_WORKERS; i++) {
        if (bank->workers[i].client != client)
            continue;
        env_timer_stop(&bank->workers[i].pause);
        bank->workers[i].busy = false;
    }
    client_free(client->client);
    router_free(client->router);
    rpc_free(client->rpc);
}

struct bank *bank_new(struct cluster *cluster, const struct bank_options *options)
{
    struct bank *bank = sf_calloc(1, sizeof *bank);
    const struct sim_program program = {.boot = boot, .halt = halt, .ctx = bank};
    bank->cluster = cluster;
    bank->options = *options;
    bank->history = linear_history_new();
    for (uint32_t i = 0; i < BANK_WORKERS; i++) {
        bank->workers[i].bank = bank;
        bank->workers[i].client = &bank->clients[i % BANK_CLIENTS];
        bank->workers[i].number = i;
    }
    for (size_t i = 0; i < BANK_CLIENTS; i++) {
        char name[16];
        snprintf(name, sizeof name, "teller-%zu", i + 1);
        bank->clients[i].bank = bank;
        bank->clients[i].node = sim_node_new(cluster->sim, name, &program);
        sim_node_start(bank->clients[i].node);
    }
    return bank;
}

void bank_free(struct bank *bank)
{
    linear_history_free(bank->history);
    free(bank);
}

struct restart {
    struct bank *bank;
    struct sim_node *node;
};

static void restart(void *ctx)
{
    struct restart *r = ctx;
    if (!sim_node_is_up(r->node))
        sim_node_start(r->node);
    free(r);
}

void bank_crash_client(struct bank *bank, unsigned which)
{
    struct sim_node *node = bank->clients[which].node;
    if (!sim_node_is_up(node))
        return;
    struct restart *r = sf_calloc(1, sizeof *r);
    *r = (struct restart){.bank = bank, .node = node};
    sim_node_crash(node);
    sim_after_ns(bank->cluster->sim, RESTART_MS * ENV_MS_NS, restart, r);
}

/* -- running ------------------------------------------------------------------------------- */

static bool is_idle(void *ctx)
{
    const struct bank *bank = ctx;
    for (size_t i = 0; i < BANK_WORKERS; i++)
        if (bank->workers[i].busy)
            return false;
    return true;
}

static bool wait_idle(struct bank *bank, uint64_t limit_ms)
{
    return sim_run_until(bank->cluster->sim, is_idle, bank, limit_ms * ENV_MS_NS);
}

void bank_open(struct bank *bank)
{
    struct worker *w = &bank->workers[0];
    bank->opening = true;
    want(w, BANK_ACCOUNTS);
    look(w);
    sf_assert(wait_idle(bank, FINAL_MS));
    bank->opening = false;
    sf_assert(bank->transfers == 1);
}

void bank_begin(struct bank *bank)
{
    bank->running = true;
    for (size_t i = 0; i < BANK_WORKERS; i++)
        rest(&bank->workers[i]);
}

bool bank_end(struct bank *bank, uint64_t limit_ms)
{
    bank->running = false;
    for (size_t i = 0; i < BANK_CLIENTS; i++)
        if (!sim_node_is_up(bank->clients[i].node))
            sim_node_start(bank->clients[i].node);
    return wait_idle(bank, limit_ms);
}

uint64_t bank_transfers(const struct bank *bank)
{
    return bank->transfers;
}

/* -- judging ------------------------------------------------------------------------------- */

void bank_check(struct bank *bank)
{
    struct buffer report = {0};
    struct worker *w = &bank->workers[0];
    uint64_t before = bank->snapshots;
    bank->options.timeouts = 0;
    w->all = true;
    want(w, BANK_ACCOUNTS);
    look(w);
    sf_assert(wait_idle(bank, FINAL_MS));
    sf_assert(bank->snapshots == before + 1);
    enum linear_verdict verdict = linear_check(bank->history, &bank_model, 0, &report);
    if (verdict != LINEAR_LEGAL)
        fprintf(stderr, "%s\n%.*s\n", linear_verdict_name(verdict), (int)report.n,
                (const char *)report.p);
    buffer_deinit(&report);
    sf_assert(verdict == LINEAR_LEGAL);
}

static bool is_prepared_key(struct slice key)
{
    return key.n > KEYS_COPY_BYTES &&
           (key.p[KEYS_COPY_BYTES] == 'p' || key.p[KEYS_COPY_BYTES] == 'q');
}

static bool node_is_clean(const struct cluster_node *n)
{
    bool clean = true;
    struct kv_machine *machine = container_of(n->machine, struct kv_machine, base);
    if (replica_settle(n->replica) != SF_OK || machine->waiting.queues != NULL)
        return false;
    struct store_iter *iter =
        store_iter_new(replica_space(n->replica), NULL, slice_str("S"), slice_str("T"));
    for (; clean && store_iter_valid(iter); store_iter_next(iter))
        clean = !is_prepared_key(store_iter_key(iter));
    store_iter_free(iter);
    return clean;
}

bool bank_is_clean(struct cluster *cluster)
{
    for (size_t i = 0; i < CLUSTER_GROUPS; i++)
        for (size_t k = 0; k < CLUSTER_REPLICAS; k++)
            if (cluster->groups[i].nodes[k].replica && !node_is_clean(&cluster->groups[i].nodes[k]))
                return false;
    return true;
}

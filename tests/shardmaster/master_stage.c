#include "shardmaster/master_stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"

#define CALL_MS 300u
#define PAUSE_MS 50u
#define WAIT_MS 120000u

/* -- the stage ----------------------------------------------------------------------------- */

static struct env *client_env;
static struct rpc *client_rpc;
static uint64_t clients_made;

static void boot_clients(void *ctx, struct sim_node *node, struct env *env)
{
    const struct rpc_options options = {.cluster_id = 0, .role = "client"};
    (void)ctx;
    (void)node;
    client_env = env;
    client_rpc = rpc_new(env, &options);
}

static void halt_clients(void *ctx, struct sim_node *node)
{
    (void)ctx;
    (void)node;
    rpc_free(client_rpc);
}

static struct machine *make(struct stage_node *node)
{
    (void)node;
    return shardmaster_new();
}

static void before_start(struct stage_node *node)
{
    shardmaster_serve(node->machine);
}

struct stage_options master_stage_options(size_t count)
{
    return (struct stage_options){.count = count,
                                  .make = make,
                                  .before_start = before_start,
                                  .flush_ms = 300,
                                  .slack_bytes = 2048,
                                  .chunk_bytes = 2000,
                                  .shard_count = 10};
}

struct stage *master_stage_up(uint64_t seed, const struct stage_options *options)
{
    const struct sim_program program = {.boot = boot_clients, .halt = halt_clients};
    struct stage *stage = stage_new(seed, options);
    clients_made = 0;
    stage_start_all(stage);
    sim_node_start(sim_node_new(stage->sim, "clients", &program));
    sf_assert(stage_wait_leader(stage, 20000) != NULL);
    return stage;
}

void master_stage_free(struct stage *stage)
{
    stage_free(stage);
}

struct group master_group(group_id gid, char (*address)[SF_ADDRESS_BYTES_MAX])
{
    snprintf(*address, sizeof *address, "g%llu:1", (unsigned long long)gid);
    return (struct group){.gid = gid, .address_count = 1, .addresses = address};
}

/* -- a client ------------------------------------------------------------------------------ */

struct master_client {
    struct stage *stage;
    struct rpc_call call;
    struct env_timer pause;
    struct master_op op;
    bool querying, busy;
    int64_t num;
    size_t target; /* the master it asks */
    uint64_t id, sequence;
    struct master_reply reply;
    struct config *config;
};

static void send_call(struct master_client *client);

static void pause_over(struct env_timer *timer)
{
    send_call(container_of(timer, struct master_client, pause));
}

struct master_client *client_new(struct stage *stage)
{
    struct master_client *client = sf_calloc(1, sizeof *client);
    client->stage = stage;
    client->id = ++clients_made;
    env_timer_init(client_env, &client->pause, pause_over);
    return client;
}

void client_free(struct master_client *client)
{
    rpc_call_cancel(&client->call);
    env_timer_stop(&client->pause);
    config_free(client->config);
    free(client);
}

static bool take_payload(struct master_client *client, struct cursor *c)
{
    if (!client->querying)
        return codec_unpack_master_reply(c, &client->reply) == SF_OK && unpack_done(c);
    config_free(client->config);
    client->config = NULL;
    return codec_unpack_config(c, &client->config) == SF_OK && unpack_done(c);
}

static void try_next(struct master_client *client, const char *leader)
{
    client->target = (client->target + 1) % client->stage->options.count;
    for (size_t i = 0; i < client->stage->options.count; i++)
        if (strcmp(client->stage->nodes[i].address, leader) == 0)
            client->target = i;
    env_timer_start_ms(&client->pause, PAUSE_MS);
}

static void on_answer(struct rpc_call *call, int status, const msgpack_object *result)
{
    struct master_client *client = container_of(call, struct master_client, call);
    char leader[SF_ADDRESS_BYTES_MAX] = "";
    if (status == SF_OK) {
        struct cursor c = unpack_object(result);
        status = (int)unpack_i64(&c);
        unpack_str(&c, leader, sizeof leader);
        sf_assert(unpack_ok(&c));
        sf_assert(status == SF_OK ? take_payload(client, &c) : unpack_is_nil(&c));
    }
    if (status == SF_OK)
        client->busy = false;
    else
        try_next(client, leader);
}

static const char *method_of(const struct master_client *client)
{
    static const char *const names[] = {[MASTER_JOIN] = "master.join",
                                        [MASTER_LEAVE] = "master.leave",
                                        [MASTER_MOVE] = "master.move"};
    return client->querying ? "master.query" : names[client->op.kind];
}

static void send_call(struct master_client *client)
{
    struct buffer params = {0};
    pack_array(&params, 1);
    if (client->querying)
        pack_i64(&params, client->num);
    else
        codec_pack_master_op(&params, &client->op);
    rpc_call_start(client_rpc, &client->call, client->stage->nodes[client->target].address,
                   method_of(client), &params, CALL_MS, on_answer);
}

static void begin(struct master_client *client)
{
    sf_assert(!client->busy);
    client->busy = true;
    env_timer_start_ms(&client->pause, 0);
}

void client_operate(struct master_client *client, const struct master_op *op)
{
    client->op = *op;
    client->op.client_hi = 77;
    client->op.client_lo = client->id;
    client->op.sequence = ++client->sequence;
    client_repeat(client);
}

void client_repeat(struct master_client *client)
{
    client->querying = false;
    begin(client);
}

void client_query(struct master_client *client, int64_t num)
{
    client->querying = true;
    client->num = num;
    begin(client);
}

bool client_is_idle(const struct master_client *client)
{
    return !client->busy;
}

static bool is_idle(void *ctx)
{
    return client_is_idle(ctx);
}

void client_wait(struct master_client *client)
{
    sf_assert(sim_run_until(client->stage->sim, is_idle, client, WAIT_MS * ENV_MS_NS));
}

const struct master_reply *client_reply(const struct master_client *client)
{
    return &client->reply;
}

const struct config *client_config(const struct master_client *client)
{
    return client->config;
}

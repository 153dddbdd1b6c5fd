#include "ctl/session.h"

#include <stdlib.h>
#include <string.h>

#include "env/log.h"
#include "env/memory.h"
#include "env/uv_env.h"

static int take_masters(struct session *s, const struct ctl_options *options)
{
    const char *bad = "";
    if (!options->masters || !options->masters[0])
        return fail_usage("name the shardmasters: --masters HOST:PORT,... or SHARDFS_MASTERS");
    if (router_parse_addresses(options->masters, &s->masters, &s->master_count, &bad) != SF_OK)
        return fail_usage("'%s' is not a list HOST:PORT,HOST:PORT,... (look at '%s')",
                          options->masters, bad);
    return 0;
}

static int connect_to(struct session *s, const struct ctl_options *options)
{
    if (uv_env_new(&s->env) != SF_OK)
        return fail("the event loop cannot be made");
    struct rpc_options rpc_options = {.role = "client"};
    s->rpc = rpc_new(s->env, &rpc_options);
    s->router = router_new(s->env, s->rpc, (const char *const *)s->masters, s->master_count);
    s->client = client_new(s->env, s->router);
    struct tree_options tree_options = {.timeout_ms = s->timeout_ms};
    s->tree = tree_new(s->env, s->client, &tree_options);
    int status = session_query(s, -1, &s->config);
    if (status == SF_OK)
        return 0;
    return fail("no shardmaster answers at %s (%s): is the cluster up?", options->masters,
                sf_error_text(status));
}

int session_open(struct session *s, const struct ctl_options *options)
{
    memset(s, 0, sizeof *s);
    log_level_min = LOG_LEVEL_ERROR;
    s->timeout_ms = (uint64_t)options->timeout_s * 1000;
    int exit_status = take_masters(s, options);
    if (exit_status == 0)
        exit_status = connect_to(s, options);
    if (exit_status != 0)
        session_close(s);
    return exit_status;
}

struct pause {
    struct env_timer timer;
    bool done;
};

static void on_pause(struct env_timer *timer)
{
    container_of(timer, struct pause, timer)->done = true;
}

void session_pause(struct session *s, uint64_t ms)
{
    struct pause pause = {.done = false};
    env_timer_init(s->env, &pause.timer, on_pause);
    env_timer_start_ms(&pause.timer, ms);
    session_wait(s, &pause.done);
}

void session_close(struct session *s)
{
    config_free(s->config);
    if (s->tree)
        tree_free(s->tree);
    if (s->client)
        client_free(s->client);
    if (s->router)
        router_free(s->router);
    if (s->env)
        session_pause(s, 1); /* what was said last leaves */
    if (s->rpc)
        rpc_free(s->rpc);
    if (s->env)
        uv_env_free(s->env);
    for (size_t i = 0; i < s->master_count; i++)
        free(s->masters[i]);
    free(s->masters);
}

void session_wait(struct session *s, const bool *done)
{
    while (!*done)
        uv_env_run_once(s->env);
}

static uint64_t deadline(const struct session *s)
{
    return s->timeout_ms > 0 ? env_now_ms(s->env) + s->timeout_ms : 0;
}

struct master_wait {
    struct router_master call;
    bool done;
    int status;
    struct config **config;
    struct master_reply *reply;
};

static void on_master(struct router_master *call, int status, const struct config *config,
                      const struct master_reply *reply)
{
    struct master_wait *wait = container_of(call, struct master_wait, call);
    wait->done = true;
    wait->status = status;
    if (status == SF_OK && wait->config)
        *wait->config = config_copy(config);
    if (status == SF_OK && wait->reply)
        *wait->reply = *reply;
}

int session_query(struct session *s, int64_t num, struct config **out)
{
    struct master_wait wait = {.config = out};
    wait.call.on_done = on_master;
    wait.call.num = num;
    wait.call.deadline_ms = deadline(s);
    router_master_send(s->router, &wait.call);
    session_wait(s, &wait.done);
    return wait.status;
}

int session_master(struct session *s, const struct master_op *op, struct master_reply *reply)
{
    struct master_wait wait = {.reply = reply};
    wait.call.on_done = on_master;
    wait.call.op = op;
    wait.call.deadline_ms = deadline(s);
    router_master_send(s->router, &wait.call);
    session_wait(s, &wait.done);
    return wait.status;
}

struct rpc_wait {
    struct rpc_call call;
    bool done;
    int status;
    struct unpacked *result;
};

/* The result is borrowed: it is packed again, and opened on bytes of its own. */
static void on_rpc(struct rpc_call *call, int status, const msgpack_object *result)
{
    struct rpc_wait *wait = container_of(call, struct rpc_wait, call);
    wait->done = true;
    wait->status = status;
    if (status != SF_OK)
        return;
    wait->result->zone = msgpack_zone_new(MSGPACK_ZONE_CHUNK_SIZE);
    sf_assert(wait->result->zone);
    msgpack_sbuffer copy;
    msgpack_sbuffer_init(&copy);
    msgpack_packer packer;
    msgpack_packer_init(&packer, &copy, msgpack_sbuffer_write);
    msgpack_pack_object(&packer, *result);
    void *bytes = msgpack_zone_malloc(wait->result->zone, copy.size);
    sf_assert(bytes);
    memcpy(bytes, copy.data, copy.size);
    size_t at = 0;
    if (msgpack_unpack(bytes, copy.size, &at, wait->result->zone, &wait->result->root) !=
        MSGPACK_UNPACK_SUCCESS)
        wait->status = SF_PROTOCOL;
    msgpack_sbuffer_destroy(&copy);
    if (wait->status != SF_OK)
        unpack_close(wait->result);
}

int session_rpc(struct session *s, const char *address, const char *method, struct buffer *params,
                uint64_t timeout_ms, struct unpacked *result)
{
    struct rpc_wait wait = {.result = result};
    rpc_call_start(s->rpc, &wait.call, address, method, params, timeout_ms, on_rpc);
    session_wait(s, &wait.done);
    return wait.status;
}

struct walk_wait {
    bool done;
    int status;
};

static void on_walked(struct tree_walk *walk, int status)
{
    struct walk_wait *wait = walk->ctx;
    wait->done = true;
    wait->status = status;
}

int session_walk(struct session *s, struct tree_walk *walk)
{
    struct walk_wait wait = {false, SF_OK};
    walk->ctx = &wait;
    walk->on_done = on_walked;
    tree_walk(s->tree, walk);
    session_wait(s, &wait.done);
    return wait.status;
}

static void on_tree(struct tree_call *call, int status)
{
    struct walk_wait *wait = call->ctx;
    wait->done = true;
    wait->status = status;
}

int session_tree(struct session *s, struct tree_call *call)
{
    struct walk_wait wait = {false, SF_OK};
    call->ctx = &wait;
    call->on_done = on_tree;
    tree_submit(s->tree, call);
    session_wait(s, &wait.done);
    return wait.status;
}

struct value_wait {
    struct value_call call;
    bool done;
    int status;
    struct buffer *data;
};

static void on_value(struct value_call *call, int status, const struct kv_stat *stat,
                     struct slice data)
{
    struct value_wait *wait = container_of(call, struct value_wait, call);
    (void)stat;
    wait->done = true;
    wait->status = status;
    if (status == SF_OK && wait->data)
        buffer_set(wait->data, data);
}

int session_value(struct session *s, struct value_call *call, struct buffer *data)
{
    struct value_wait wait = {.call = *call, .data = data};
    wait.call.on_done = on_value;
    wait.call.timeout_ms = s->timeout_ms;
    value_submit(s->client, &wait.call);
    session_wait(s, &wait.done);
    return wait.status;
}

void session_new_master_op(struct session *s, struct master_op *op, enum master_kind kind)
{
    *op = (struct master_op){
        .kind = kind,
        .client_hi = env_random(s->env),
        .client_lo = env_random(s->env),
        .sequence = 1,
    };
}

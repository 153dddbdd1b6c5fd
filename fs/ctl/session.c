#include "ctl/session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "env/log.h"
#include "env/memory.h"
#include "env/uv_env.h"

/* -- opening and closing --------------------------------------------------------------------- */

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

int session_connect(struct session *s, const struct ctl_options *options)
{
    static const struct rpc_options rpc_options = {.role = "client"};
    memset(s, 0, sizeof *s);
    log_level_min = LOG_LEVEL_ERROR;
    s->timeout_ms = (uint64_t)options->timeout_s * 1000;
    int exit_status = take_masters(s, options);
    if (exit_status != 0)
        return exit_status;
    if (uv_env_new(&s->env) != SF_OK)
        return fail("the event loop cannot be made");
    struct tree_options tree_options = {
        .uid = getuid(), .gid = getgid(), .timeout_ms = s->timeout_ms};
    s->rpc = rpc_new(s->env, &rpc_options);
    s->router = router_new(s->env, s->rpc, (const char *const *)s->masters, s->master_count);
    s->client = client_new(s->env, s->router);
    s->tree = tree_new(s->env, s->client, &tree_options);
    return 0;
}

int session_fail_masters(const char *masters, int status)
{
    switch (status) {
    case SF_UNREACHABLE:
        return fail("no shardmaster answers at %s: is the cluster up?", masters);
    case SF_TIMEOUT:
        return fail("the shardmasters at %s did not answer in time: does a majority of them run?",
                    masters);
    case SF_NO_METHOD:
        return fail("what answers at %s is no shardmaster", masters);
    default:
        return fail("the shardmasters at %s: %s", masters, sf_error_text(status));
    }
}

int session_open(struct session *s, const struct ctl_options *options)
{
    int exit_status = session_connect(s, options);
    if (exit_status == 0) {
        int status = session_query(s, -1, &s->config);
        if (status != SF_OK)
            exit_status = session_fail_masters(options->masters, status);
    }
    if (exit_status != 0)
        session_close(s);
    return exit_status;
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
    memset(s, 0, sizeof *s);
}

/* -- waiting --------------------------------------------------------------------------------- */

void session_wait(struct session *s, const bool *done)
{
    while (!*done)
        uv_env_run_once(s->env);
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

/* -- masters --------------------------------------------------------------------------------- */

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

static int await_master(struct session *s, struct master_wait *wait)
{
    wait->call.on_done = on_master;
    wait->call.deadline_ms = s->timeout_ms > 0 ? env_now_ms(s->env) + s->timeout_ms : 0;
    router_master_send(s->router, &wait->call);
    session_wait(s, &wait->done);
    return wait->status;
}

int session_query(struct session *s, int64_t num, struct config **out)
{
    struct master_wait wait = {.config = out};
    wait.call.num = num;
    return await_master(s, &wait);
}

int session_master(struct session *s, const struct master_op *op, struct master_reply *reply)
{
    struct master_wait wait = {.reply = reply};
    wait.call.op = op;
    return await_master(s, &wait);
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

/* -- one server ------------------------------------------------------------------------------ */

struct rpc_wait {
    struct rpc_call call;
    bool done;
    int status;
};

static void on_rpc(struct rpc_call *call, int status, const msgpack_object *result)
{
    struct rpc_wait *wait = container_of(call, struct rpc_wait, call);
    (void)result;
    wait->done = true;
    wait->status = status;
}

int session_rpc(struct session *s, const char *address, const char *method, struct buffer *params)
{
    struct rpc_wait wait = {.done = false};
    rpc_call_start(s->rpc, &wait.call, address, method, params, s->timeout_ms, on_rpc);
    session_wait(s, &wait.done);
    return wait.status;
}

/* -- names ----------------------------------------------------------------------------------- */

struct tree_wait {
    bool done;
    int status;
    struct buffer *data; /* NULL: nobody wants it */
};

static void on_open(void *ctx)
{
    *(bool *)ctx = true;
}

static void on_walked(struct tree_walk *walk, int status)
{
    *(struct tree_wait *)walk->ctx = (struct tree_wait){.done = true, .status = status};
}

int session_walk(struct session *s, struct tree_walk *walk)
{
    struct tree_wait wait = {.done = false};
    walk->ctx = &wait;
    walk->on_done = on_walked;
    tree_walk(s->tree, walk);
    session_wait(s, &wait.done);
    return wait.status;
}

static void on_tree(struct tree_call *call, int status)
{
    struct tree_wait *wait = call->ctx;
    wait->done = true;
    wait->status = status;
    if (status == SF_OK && wait->data)
        buffer_set(wait->data, call->data);
}

int session_tree(struct session *s, struct tree_call *call)
{
    return session_tree_data(s, call, NULL);
}

int session_tree_data(struct session *s, struct tree_call *call, struct buffer *data)
{
    struct tree_wait wait = {.data = data};
    call->ctx = &wait;
    call->on_done = on_tree;
    tree_submit(s->tree, call);
    session_wait(s, &wait.done);
    return wait.status;
}

static bool no_entry(struct tree_call *call, struct slice name, const struct tree_inode *inode)
{
    (void)call;
    (void)name;
    (void)inode;
    return true;
}

int session_learn_root(struct session *s)
{
    struct tree_call list = {.kind = TREE_READDIR,
                             .place = {.ino = TREE_ROOT, .is_directory = true},
                             .on_entry = no_entry,
                             .length = 1};
    bool done = false;
    tree_open(s->tree, on_open, &done);
    session_wait(s, &done);
    return session_tree(s, &list);
}

/* -- keys ------------------------------------------------------------------------------------ */

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
    uint64_t bytes = call->kind == VALUE_READ ? call->length : call->data.n;
    wait.call.on_done = on_value;
    if (s->timeout_ms > 0)
        wait.call.timeout_ms = s->timeout_ms + (bytes >> 20) * 1000;
    value_submit(s->client, &wait.call);
    session_wait(s, &wait.done);
    return wait.status;
}

struct kv_wait {
    struct client_call call;
    bool done;
    int status;
    struct kv_stat *stat;
    struct buffer *data;
};

static void on_kv(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct kv_wait *wait = container_of(call, struct kv_wait, call);
    wait->done = true;
    wait->status = status;
    if (status == SF_OK && wait->stat) {
        *wait->stat = reply->stat;
        wait->stat->attr = slice_of(NULL, 0);
    }
    if (status == SF_OK && wait->data)
        buffer_set(wait->data, reply->data);
}

int session_kv(struct session *s, const struct kv_op *op, struct kv_stat *stat, struct buffer *data)
{
    struct kv_wait wait = {.stat = stat, .data = data};
    wait.call.on_done = on_kv;
    wait.call.op = op;
    wait.call.timeout_ms = s->timeout_ms;
    client_submit(s->client, &wait.call);
    session_wait(s, &wait.done);
    return wait.status;
}

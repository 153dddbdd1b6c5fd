/* The public clerk: a client with a loop of its own. Blocking calls are asynchronous ones and turns
 * of the loop until they are done. */
#include "shardfs/clerk.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include <uv.h>

#include "client/client.h"
#include "client/scan.h"
#include "env/memory.h"
#include "env/uv_env.h"

#define CLOSE_MS_MAX 100u
#define HOPS_MAX                                                                                   \
    16u /* keys that one call goes on with, before it says that they change too often */
#define POLL_MS_MAX 10 /* input may lead to output that only the next turn sends */

struct clerk {
    struct env *env;
    struct rpc *rpc;
    struct router *router;
    struct client *client;
    uint64_t timeout_ms;
    struct clerk_call *calls;
    size_t open_count;
    struct env_timer wake; /* lets a turn end without waiting */
    bool is_fresh;         /* something was started since the last turn */
};

/* Someone waits for this call within clerk_do. */
struct blocking {
    struct clerk_result result;
    bool done;
};

struct clerk_call {
    struct clerk *clerk;
    void (*on_done)(void *ctx, const struct clerk_result *result); /* NULL: `blocking` is set */
    void *ctx;
    struct blocking *blocking; /* takes the result over */
    struct clerk_result result;
    struct clerk_request request; /* of a call that is no transaction */
    uint64_t deadline_ms;         /* of that; 0: none */
    struct buffer led_to;         /* the key that a reference led to ... */
    enum kv_space space;          /* ... and where it is */
    bool is_led;
    unsigned hops;
    /* One of these is open. */
    struct value_call value;
    struct scan_call scan;
    struct client_call kv;
    struct kv_op op;
    struct kv_op *parts; /* of a transaction, checks first; else NULL */
    struct clerk_call *prev, *next;
};

/* -- small things --------------------------------------------------------------------------- */

struct clerk_bytes clerk_bytes(const void *p, size_t n)
{
    return (struct clerk_bytes){p, n};
}

struct clerk_bytes clerk_text(const char *text)
{
    return (struct clerk_bytes){text, strlen(text)};
}

const char *clerk_error_name(int error)
{
    return sf_error_name(error);
}

const char *clerk_error_text(int error)
{
    return sf_error_text(error);
}

static struct slice slice_from(struct clerk_bytes bytes)
{
    return slice_of(bytes.p, bytes.n);
}

static void call_free(struct clerk_call *call)
{
    buffer_deinit(&call->led_to);
    free(call->parts);
    free(call);
}

/* -- opening -------------------------------------------------------------------------------- */

static void nothing(struct env_timer *timer)
{
    (void)timer;
}

int clerk_open(const char *masters, const struct clerk_options *options, struct clerk **out)
{
    static const struct rpc_options rpc_options = {.role = "client"};
    char **addresses;
    size_t count;
    struct env *env;
    int error = router_parse_addresses(masters, &addresses, &count, NULL);
    if (error != SF_OK)
        return error;
    error = uv_env_new(&env);
    if (error == SF_OK) {
        struct clerk *clerk = sf_calloc(1, sizeof *clerk);
        clerk->env = env;
        clerk->rpc = rpc_new(env, &rpc_options);
        clerk->router = router_new(env, clerk->rpc, (const char *const *)addresses, count);
        clerk->client = client_new(env, clerk->router);
        clerk->timeout_ms = options ? options->timeout_ms : 0;
        env_timer_init(env, &clerk->wake, nothing);
        *out = clerk;
    }
    for (size_t i = 0; i < count; i++)
        free(addresses[i]);
    free(addresses);
    return error;
}

/* The sessions' farewells have left, or there was time enough. */
static void say_goodbye(struct clerk *clerk)
{
    uint64_t end_ms = env_now_ms(clerk->env) + CLOSE_MS_MAX;
    env_timer_start_ms(&clerk->wake, CLOSE_MS_MAX);
    while (router_once_count(clerk->router) > 0 && env_now_ms(clerk->env) < end_ms)
        uv_env_run_once(clerk->env);
}

void clerk_close(struct clerk *clerk)
{
    if (!clerk)
        return;
    client_free(clerk->client);
    while (clerk->calls) {
        struct clerk_call *call = clerk->calls;
        DL_DELETE(clerk->calls, call);
        call_free(call);
    }
    say_goodbye(clerk);
    env_timer_stop(&clerk->wake);
    router_free(clerk->router);
    rpc_free(clerk->rpc);
    uv_env_free(clerk->env);
    free(clerk);
}

/* -- results -------------------------------------------------------------------------------- */

void clerk_result_free(struct clerk_result *result)
{
    for (size_t i = 0; i < result->part_count; i++)
        clerk_result_free(&result->parts[i]);
    free(result->parts);
    free(result->data);
    free(result->names);
    *result = (struct clerk_result){0};
}

static struct clerk_stat stat_from(const struct kv_stat *stat)
{
    return (struct clerk_stat){.kind = (enum clerk_record)stat->kind,
                               .version = stat->version,
                               .created = stat->created,
                               .length = stat->length,
                               .mtime_ns = stat->mtime_ns,
                               .ctime_ns = stat->ctime_ns};
}

static void set_data(struct clerk_result *result, struct slice data)
{
    result->data = sf_malloc(data.n + 1);
    if (data.n > 0)
        memcpy(result->data, data.p, data.n);
    result->data[data.n] = 0;
    result->length = data.n;
}

/* The array, and behind it the bytes of the names, in one allocation. */
static void set_names(struct clerk_result *result, const struct scan_call *scan)
{
    size_t bytes = scan->count * sizeof *result->names;
    for (size_t i = 0; i < scan->count; i++)
        bytes += scan->entries[i].name.n + 1;
    result->names = sf_malloc(bytes);
    result->name_count = scan->count;
    result->more = scan->more;
    char *to = (char *)(result->names + scan->count);
    for (size_t i = 0; i < scan->count; i++) {
        const struct kv_entry *entry = &scan->entries[i];
        result->names[i] = (struct clerk_name){
            .name = to, .name_bytes = entry->name.n, .stat = stat_from(&entry->stat)};
        if (entry->name.n > 0)
            memcpy(to, entry->name.p, entry->name.n);
        to[entry->name.n] = 0;
        to += entry->name.n + 1;
    }
}

/* -- calls ---------------------------------------------------------------------------------- */

static void call_end(struct clerk_call *call, int status, struct slice data)
{
    struct clerk *clerk = call->clerk;
    call->result.status = status;
    set_data(&call->result, data);
    DL_DELETE(clerk->calls, call);
    clerk->open_count--;
    if (call->on_done) {
        call->on_done(call->ctx, &call->result);
        clerk_result_free(&call->result);
    } else {
        call->blocking->result = call->result;
        call->blocking->done = true;
    }
    call_free(call);
}

static void call_answer(struct clerk_call *call, int status, const struct kv_stat *stat,
                        struct slice data);

static void value_on_done(struct value_call *value, int status, const struct kv_stat *stat,
                          struct slice data)
{
    struct clerk_call *call = container_of(value, struct clerk_call, value);
    call->result.old_length = value->old_length;
    call_answer(call, status, stat, data);
}

static void kv_on_done(struct client_call *kv, int status, const struct kv_reply *reply)
{
    static const struct kv_stat nothing;
    struct clerk_call *call = container_of(kv, struct clerk_call, kv);
    call_answer(call, status, reply ? &reply->stat : &nothing,
                status == SF_OK ? reply->data : slice_of(NULL, 0));
}

static void scan_on_done(struct scan_call *scan, int status)
{
    struct clerk_call *call = container_of(scan, struct clerk_call, scan);
    if (status == SF_OK)
        set_names(&call->result, scan);
    call_end(call, status, slice_of(NULL, 0));
}

static struct kv_pre pre_from(struct clerk_condition condition)
{
    static const enum kv_pre_kind kinds[] = {[CLERK_ALWAYS] = KV_PRE_NONE,
                                             [CLERK_IF_ABSENT] = KV_PRE_ABSENT,
                                             [CLERK_IF_EXISTS] = KV_PRE_EXISTS,
                                             [CLERK_IF_VERSION] = KV_PRE_VERSION,
                                             [CLERK_IF_CREATED] = KV_PRE_CREATED};
    bool known = (size_t)condition.kind < sizeof kinds / sizeof *kinds;
    /* A kind that is none is refused by the check of the operation. */
    return (struct kv_pre){.kind = known ? kinds[condition.kind] : (enum kv_pre_kind)UINT8_MAX,
                           .id = condition.id};
}

static struct slice key_of(const struct clerk_call *call)
{
    return call->is_led ? buffer_slice(&call->led_to) : slice_from(call->request.key);
}

/* What a reference leads to is not made by a change that finds it gone. */
static struct kv_pre pre_of(const struct clerk_call *call)
{
    struct kv_pre pre = pre_from(call->request.condition);
    if (call->is_led && pre.kind == KV_PRE_NONE)
        pre.kind = KV_PRE_EXISTS;
    return pre;
}

static uint64_t left_ms(const struct clerk_call *call)
{
    uint64_t now_ms = env_now_ms(call->clerk->env);
    if (call->deadline_ms == 0)
        return 0;
    return call->deadline_ms > now_ms ? call->deadline_ms - now_ms : 1;
}

static void start_value(struct clerk_call *call, enum value_kind kind)
{
    const struct clerk_request *request = &call->request;
    call->value = (struct value_call){.on_done = value_on_done,
                                      .kind = kind,
                                      .space = call->space,
                                      .key = key_of(call),
                                      .pre = pre_of(call),
                                      .data = slice_from(request->data),
                                      .flags = request->wants_old ? KV_WANT_OLD : 0u,
                                      .offset = request->offset,
                                      .length = request->length,
                                      .timeout_ms = left_ms(call)};
    value_submit(call->clerk->client, &call->value);
}

static void start_kv(struct clerk_call *call, enum kv_kind kind)
{
    call->op = (struct kv_op){.kind = kind,
                              .space = call->space,
                              .key = key_of(call),
                              .pre = pre_of(call),
                              .data = slice_from(call->request.data)};
    call->kv =
        (struct client_call){.on_done = kv_on_done, .op = &call->op, .timeout_ms = left_ms(call)};
    client_submit(call->clerk->client, &call->kv);
}

/* -- references ------------------------------------------------------------------------------ */

static void dispatch(struct clerk_call *call);

static bool may_hop(struct clerk_call *call)
{
    if (++call->hops <= HOPS_MAX)
        return true;
    call_end(call, SF_BUSY, slice_of(NULL, 0));
    return false;
}

/* What a reference led to is gone: so is the reference. */
static void start_again(struct clerk_call *call)
{
    call->is_led = false;
    call->space = KV_PLAIN;
    if (may_hop(call))
        dispatch(call);
}

static void on_reference(struct client_call *kv, int status, const struct kv_reply *reply)
{
    struct clerk_call *call = container_of(kv, struct clerk_call, kv);
    struct slice key;
    if (status == SF_NOT_FOUND || (status == SF_OK && reply->stat.kind != RECORD_REFERENCE)) {
        start_again(call);
        return;
    }
    if (status == SF_OK && !kv_reference(reply->data, &call->space, &key))
        status = SF_CORRUPT;
    if (status != SF_OK) {
        call_end(call, status, slice_of(NULL, 0));
        return;
    }
    buffer_set(&call->led_to, key);
    call->is_led = true;
    if (may_hop(call))
        dispatch(call);
}

/* Asks for the key as it is: a reference. */
static void look(struct clerk_call *call)
{
    call->op = (struct kv_op){.kind = KV_STAT, .space = call->space, .key = key_of(call)};
    call->kv =
        (struct client_call){.on_done = on_reference, .op = &call->op, .timeout_ms = left_ms(call)};
    client_submit(call->clerk->client, &call->kv);
}

/* The answer says of a reference what was asked of the value that it leads to. */
static bool is_about_reference(const struct clerk_call *call, int status,
                               const struct kv_stat *stat)
{
    if (status == SF_IS_REFERENCE)
        return true;
    if (stat->kind != RECORD_REFERENCE || call->request.condition.kind == CLERK_IF_ABSENT)
        return false;
    return status == SF_PRECONDITION || (status == SF_OK && call->request.kind == CLERK_STAT);
}

static void call_answer(struct clerk_call *call, int status, const struct kv_stat *stat,
                        struct slice data)
{
    bool is_gone = call->is_led &&
                   (status == SF_NOT_FOUND || (status == SF_PRECONDITION && stat->created == 0));
    bool is_reference = is_about_reference(call, status, stat);
    if (is_reference && call->request.kind != CLERK_DELETE) {
        look(call);
    } else if (is_gone) {
        start_again(call);
    } else {
        call->result.stat = stat_from(stat);
        call_end(call, is_reference ? SF_IS_REFERENCE : status, data);
    }
}

/* -- transactions --------------------------------------------------------------------------- */

static void set_parts(struct clerk_result *result, const struct kv_reply *reply)
{
    result->parts = sf_calloc(reply->reply_count, sizeof *result->parts);
    result->part_count = reply->reply_count;
    for (size_t i = 0; i < reply->reply_count; i++) {
        const struct kv_reply *part = &reply->replies[i];
        result->parts[i].stat = stat_from(&part->stat);
        result->parts[i].old_length = part->old_length;
        set_data(&result->parts[i], part->data);
    }
}

static void transaction_on_done(struct client_call *kv, int status, const struct kv_reply *reply)
{
    struct clerk_call *call = container_of(kv, struct clerk_call, kv);
    if (reply && status == SF_OK)
        set_parts(&call->result, reply);
    if (reply && status != SF_OK && reply->reply_count > 0) {
        call->result.failed = (size_t)reply->failed;
        call->result.stat = stat_from(&reply->replies[0].stat);
    }
    call_end(call, status, slice_of(NULL, 0));
}

/* What may be in one; any other is refused by the check of the operation. */
static enum kv_kind kind_of_part(enum clerk_kind kind)
{
    static const enum kv_kind kinds[] = {[CLERK_PUT] = KV_PUT,
                                         [CLERK_APPEND] = KV_APPEND,
                                         [CLERK_PUT_HASH] = KV_PUT_HASH,
                                         [CLERK_SET_RANGE] = KV_SET_RANGE,
                                         [CLERK_DELETE] = KV_DELETE};
    bool known = (size_t)kind < sizeof kinds / sizeof *kinds && kinds[kind] != 0;
    return known ? kinds[kind] : KV_KIND_LIMIT;
}

static struct kv_op part_of(const struct clerk_request *request)
{
    bool wants_old = request->kind == CLERK_APPEND && request->wants_old;
    return (struct kv_op){.kind = kind_of_part(request->kind),
                          .key = slice_from(request->key),
                          .pre = pre_from(request->condition),
                          .data = slice_from(request->data),
                          .offset = request->offset,
                          .flags = wants_old ? KV_WANT_OLD : 0u};
}

static void start_transaction(struct clerk_call *call, const struct clerk_transaction *t)
{
    size_t count = t->check_count + t->op_count;
    if (t->check_count > SF_MINI_OPS_MAX || t->op_count > SF_MINI_OPS_MAX)
        count = 0; /* the counts alone are refused then */
    call->parts = sf_calloc(count + 1, sizeof *call->parts);
    for (size_t i = 0; i < count; i++)
        call->parts[i] = i < t->check_count
                             ? (struct kv_op){.kind = KV_STAT,
                                              .key = slice_from(t->checks[i].key),
                                              .pre = pre_from(t->checks[i].condition)}
                             : part_of(&t->ops[i - t->check_count]);
    call->op = (struct kv_op){.kind = KV_MINI,
                              .checks = call->parts,
                              .check_count = t->check_count,
                              .ops = call->parts + (count > 0 ? t->check_count : 0),
                              .op_count = t->op_count};
    uint64_t timeout_ms = t->timeout_ms != 0 ? t->timeout_ms : call->clerk->timeout_ms;
    call->kv = (struct client_call){
        .on_done = transaction_on_done, .op = &call->op, .timeout_ms = timeout_ms};
    client_submit(call->clerk->client, &call->kv);
}

/* -- dispatching ---------------------------------------------------------------------------- */

static void start_scan(struct clerk_call *call)
{
    const struct clerk_request *request = &call->request;
    call->scan =
        (struct scan_call){.on_done = scan_on_done,
                           .prefix = slice_from(request->key),
                           .after = slice_from(request->data),
                           .limit = request->length <= SF_SCAN_MAX ? (uint32_t)request->length : 0,
                           .timeout_ms = left_ms(call)};
    scan_submit(call->clerk->client, &call->scan);
}

static void dispatch(struct clerk_call *call)
{
    switch (call->request.kind) {
    case CLERK_GET:
        start_value(call, VALUE_GET);
        return;
    case CLERK_GET_RANGE:
        start_value(call, VALUE_READ);
        return;
    case CLERK_STAT:
        start_value(call, VALUE_STAT);
        return;
    case CLERK_PUT:
        start_value(call, VALUE_PUT);
        return;
    case CLERK_APPEND:
        start_value(call, VALUE_APPEND);
        return;
    case CLERK_PUT_HASH:
        start_kv(call, KV_PUT_HASH);
        return;
    case CLERK_SET_RANGE:
        start_value(call, VALUE_WRITE);
        return;
    case CLERK_SET_LENGTH:
        start_value(call, VALUE_TRUNCATE);
        return;
    case CLERK_PUNCH_RANGE:
        start_value(call, VALUE_PUNCH);
        return;
    case CLERK_DELETE:
        start_kv(call, KV_DELETE);
        return;
    case CLERK_SCAN:
        start_scan(call);
        return;
    }
    start_kv(call, KV_KIND_LIMIT); /* which is refused */
}

static struct clerk_call *call_new(struct clerk *clerk)
{
    struct clerk_call *call = sf_calloc(1, sizeof *call);
    call->clerk = clerk;
    DL_APPEND(clerk->calls, call);
    clerk->open_count++;
    clerk->is_fresh = true;
    return call;
}

static void call_start(struct clerk_call *call, const struct clerk_request *request)
{
    uint64_t timeout_ms = request->timeout_ms != 0 ? request->timeout_ms : call->clerk->timeout_ms;
    call->request = *request;
    if (timeout_ms != 0)
        call->deadline_ms = env_now_ms(call->clerk->env) + timeout_ms;
    dispatch(call);
}

struct clerk_call *clerk_start(struct clerk *clerk, const struct clerk_request *request,
                               void (*on_done)(void *ctx, const struct clerk_result *result),
                               void *ctx)
{
    struct clerk_call *call = call_new(clerk);
    call->on_done = on_done;
    call->ctx = ctx;
    call_start(call, request);
    return call;
}

struct clerk_call *
clerk_start_transaction(struct clerk *clerk, const struct clerk_transaction *transaction,
                        void (*on_done)(void *ctx, const struct clerk_result *result), void *ctx)
{
    struct clerk_call *call = call_new(clerk);
    call->on_done = on_done;
    call->ctx = ctx;
    start_transaction(call, transaction);
    return call;
}

void clerk_cancel(struct clerk_call *call)
{
    struct clerk *clerk = call->clerk;
    value_cancel(&call->value);
    scan_cancel(&call->scan);
    client_cancel(&call->kv);
    DL_DELETE(clerk->calls, call);
    clerk->open_count--;
    clerk->is_fresh = true; /* what was sent is being settled */
    call_free(call);
}

/* -- turns ---------------------------------------------------------------------------------- */

size_t clerk_open_count(const struct clerk *clerk)
{
    return clerk->open_count;
}

int clerk_fd(const struct clerk *clerk)
{
    return uv_backend_fd(uv_env_loop(clerk->env));
}

int clerk_timeout_ms(struct clerk *clerk)
{
    if (clerk->is_fresh)
        return 0;
    struct uv_loop_s *loop = uv_env_loop(clerk->env);
    uv_update_time(loop);
    int wait = uv_backend_timeout(loop);
    if (clerk->open_count > 0 && (wait < 0 || wait > POLL_MS_MAX))
        return POLL_MS_MAX;
    return wait;
}

void clerk_turn(struct clerk *clerk)
{
    clerk->is_fresh = false;
    env_timer_start_ms(&clerk->wake, 0);
    uv_env_run_once(clerk->env);
    env_timer_stop(&clerk->wake);
}

void clerk_wait(struct clerk *clerk)
{
    clerk->is_fresh = false;
    uv_env_run_once(clerk->env);
}

/* -- blocking calls ------------------------------------------------------------------------- */

static int wait_for(struct clerk *clerk, struct blocking *blocking, struct clerk_result *result)
{
    while (!blocking->done)
        clerk_wait(clerk);
    int status = blocking->result.status;
    if (result)
        *result = blocking->result;
    else
        clerk_result_free(&blocking->result);
    return status;
}

int clerk_do(struct clerk *clerk, const struct clerk_request *request, struct clerk_result *result)
{
    struct blocking blocking = {.done = false};
    struct clerk_call *call = call_new(clerk);
    call->blocking = &blocking;
    call_start(call, request);
    return wait_for(clerk, &blocking, result);
}

int clerk_transact(struct clerk *clerk, const struct clerk_transaction *transaction,
                   struct clerk_result *result)
{
    struct blocking blocking = {.done = false};
    struct clerk_call *call = call_new(clerk);
    call->blocking = &blocking;
    start_transaction(call, transaction);
    return wait_for(clerk, &blocking, result);
}

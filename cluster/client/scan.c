/* The happy path is: the Config -> a SCAN to each group -> all answered -> the merged page. It can
 * fail by: no Config yet, a shard that no group has, a group that lost a shard meanwhile (all again
 * after a pause, under a newer Config), the deadline. */
#include "client/scan.h"

#include "client/inner.h"

#define SCAN_PAUSE_MS_MIN 10u
#define SCAN_PAUSE_MS_MAX 1000u

/* One group's part of a page. */
struct part {
    struct scan_op *op;
    struct client_call call;
    struct kv_op kv;
    uint32_t *shards;
    struct kv_entry *entries;
    uint8_t *bytes; /* that the entries point to */
    size_t count;
    bool more, open;
};

struct scan_op {
    struct client *client;
    struct scan_call *call;
    uint64_t deadline_ms;
    uint64_t pause_ms; /* the next one */
    struct part *parts;
    size_t part_count, open;
    bool again; /* some group has not all of its shards any more */
    int failure;
    struct kv_entry *page; /* of all parts; their bytes */
    struct router_waiter waiter;
    struct env_timer timer;
    struct scan_op *prev, *next;
};

static void scan_begin(struct scan_op *op);

/* -- ends ---------------------------------------------------------------------------------- */

static void parts_free(struct scan_op *op)
{
    for (size_t i = 0; i < op->part_count; i++) {
        struct part *part = &op->parts[i];
        if (part->open)
            client_cancel(&part->call);
        free(part->bytes);
        free(part->entries);
        free(part->shards);
    }
    free(op->parts);
    op->parts = NULL;
    op->part_count = op->open = 0;
}

static void scan_close(struct scan_op *op)
{
    DL_DELETE(op->client->scans, op);
    env_timer_stop(&op->timer);
    router_await_cancel(op->client->router, &op->waiter);
    op->call->state = NULL;
}

static void scan_free(struct scan_op *op)
{
    parts_free(op);
    free(op->page);
    free(op);
}

static void scan_end(struct scan_op *op, int status)
{
    scan_close(op);
    op->call->on_done(op->call, status);
    scan_free(op);
}

static void scan_pause(struct scan_op *op)
{
    uint64_t now = env_now_ms(op->client->env);
    uint64_t left = op->deadline_ms > now ? op->deadline_ms - now : 0;
    uint64_t pause = op->pause_ms;
    parts_free(op);
    router_refresh(op->client->router);
    if (op->pause_ms < SCAN_PAUSE_MS_MAX)
        op->pause_ms *= 2;
    env_timer_start_ms(&op->timer, op->deadline_ms != 0 && left < pause ? left : pause);
}

/* -- the page ------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
    const struct kv_entry *x = a, *y = b;
    return slice_compare(x->name, y->name);
}

/* A part that has more names may have some right after its last one: the page ends there. */
static size_t names_up_to_bounds(const struct scan_op *op, size_t count)
{
    for (size_t i = 0; i < op->part_count; i++) {
        const struct part *part = &op->parts[i];
        if (!part->more || part->count == 0)
            continue;
        struct slice last = part->entries[part->count - 1].name;
        while (count > 0 && slice_compare(op->page[count - 1].name, last) > 0)
            count--;
    }
    return count;
}

static void deliver(struct scan_op *op)
{
    size_t total = 0, at = 0;
    bool more = false;
    for (size_t i = 0; i < op->part_count; i++) {
        total += op->parts[i].count;
        more = more || op->parts[i].more;
    }
    op->page = sf_calloc(total, sizeof *op->page);
    for (size_t i = 0; i < op->part_count; i++) {
        const struct part *part = &op->parts[i];
        if (part->count > 0)
            memcpy(op->page + at, part->entries, part->count * sizeof *part->entries);
        at += part->count;
    }
    qsort(op->page, total, sizeof *op->page, by_name);
    size_t count = names_up_to_bounds(op, total);
    if (count > op->call->limit)
        count = op->call->limit;
    op->call->entries = op->page;
    op->call->count = count;
    op->call->more = more || count < total;
    scan_end(op, SF_OK);
}

/* -- the parts ----------------------------------------------------------------------------- */

/* Copies the bytes to *to, which goes on behind them. */
static struct slice copy_to(uint8_t **to, struct slice from)
{
    struct slice copy = slice_of(*to, from.n);
    if (from.n > 0)
        memcpy(*to, from.p, from.n);
    *to += from.n;
    return copy;
}

static void part_take(struct part *part, const struct kv_reply *reply)
{
    size_t bytes = 0;
    for (size_t i = 0; i < reply->entry_count; i++) {
        const struct kv_entry *from = &reply->entries[i];
        bytes += from->name.n + from->stat.attr.n + from->data.n;
    }
    part->entries = sf_calloc(reply->entry_count, sizeof *part->entries);
    uint8_t *to = part->bytes = sf_malloc(bytes);
    part->count = reply->entry_count;
    part->more = reply->more;
    for (size_t i = 0; i < reply->entry_count; i++) {
        struct kv_entry *entry = &part->entries[i];
        *entry = reply->entries[i];
        entry->name = copy_to(&to, entry->name);
        entry->stat.attr = copy_to(&to, entry->stat.attr);
        entry->data = copy_to(&to, entry->data);
    }
}

static void part_on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct part *part = container_of(call, struct part, call);
    struct scan_op *op = part->op;
    part->open = false;
    op->open--;
    if (status == SF_OK && reply->more && reply->entry_count == 0)
        status = SF_PROTOCOL; /* nobody knows what would be missing */
    if (status == SF_OK && reply->stat.mtime_ns > op->call->changed_ns)
        op->call->changed_ns = reply->stat.mtime_ns;
    if (status == SF_OK)
        part_take(part, reply);
    else if (status == SF_WRONG_GROUP || status == SF_NO_GROUP || status == SF_MISMATCH)
        op->again = true;
    else
        op->failure = status;
    if (op->open > 0)
        return;
    if (op->failure != SF_OK)
        scan_end(op, op->failure);
    else if (op->again)
        scan_pause(op);
    else
        deliver(op);
}

/* Names are spread evenly. */
static uint64_t part_limit(const struct scan_op *op)
{
    uint64_t limit = op->call->limit, parts = op->part_count;
    uint64_t share = limit / parts + limit / (4 * parts) + 8;
    return op->call->may_be_short && share < limit ? share : limit;
}

static void part_send(struct scan_op *op, struct part *part, const struct config *config,
                      group_id gid)
{
    uint64_t now = env_now_ms(op->client->env);
    size_t count = 0;
    part->op = op;
    part->shards = sf_calloc(config->shard_count, sizeof *part->shards);
    for (uint32_t shard = 0; shard < config->shard_count; shard++) {
        if (config->shards[shard] == gid)
            part->shards[count++] = shard;
    }
    if (count == 0)
        return;
    part->kv = (struct kv_op){.kind = KV_SCAN,
                              .key = op->call->prefix,
                              .data = op->call->after,
                              .length = part_limit(op),
                              .shards = part->shards,
                              .shard_count = count};
    part->call = (struct client_call){.on_done = part_on_done, .op = &part->kv, .gid = gid};
    if (op->deadline_ms != 0)
        part->call.timeout_ms = op->deadline_ms > now ? op->deadline_ms - now : 1;
    part->open = true;
    op->open++;
    client_submit(op->client, &part->call);
}

static bool all_shards_have_groups(const struct config *config)
{
    for (uint32_t shard = 0; shard < config->shard_count; shard++) {
        if (config->shards[shard] == 0)
            return false;
    }
    return true;
}

static void scan_begin(struct scan_op *op)
{
    const struct config *config = router_config(op->client->router);
    if (!config) {
        if (!op->waiter.waits)
            router_await_config(op->client->router, &op->waiter);
        return;
    }
    if (!all_shards_have_groups(config)) {
        scan_pause(op);
        return;
    }
    op->again = false;
    op->failure = SF_OK;
    op->part_count = config->group_count;
    op->parts = sf_calloc(op->part_count, sizeof *op->parts);
    for (size_t i = 0; i < op->part_count; i++)
        part_send(op, &op->parts[i], config, config->groups[i].gid);
}

/* -- entry points -------------------------------------------------------------------------- */

static void scan_on_config(struct router_waiter *waiter)
{
    struct scan_op *op = container_of(waiter, struct scan_op, waiter);
    env_timer_stop(&op->timer);
    scan_begin(op);
}

static void scan_on_timer(struct env_timer *timer)
{
    struct scan_op *op = container_of(timer, struct scan_op, timer);
    if (op->deadline_ms != 0 && env_now_ms(op->client->env) >= op->deadline_ms)
        scan_end(op, SF_TIMEOUT);
    else if (op->failure != SF_OK)
        scan_end(op, op->failure);
    else
        scan_begin(op);
}

void scan_submit(struct client *client, struct scan_call *call)
{
    struct scan_op *op = sf_calloc(1, sizeof *op);
    op->client = client;
    op->call = call;
    op->pause_ms = SCAN_PAUSE_MS_MIN;
    if (call->timeout_ms != 0)
        op->deadline_ms = env_now_ms(client->env) + call->timeout_ms;
    op->waiter.on_config = scan_on_config;
    env_timer_init(client->env, &op->timer, scan_on_timer);
    DL_APPEND(client->scans, op);
    call->state = op;
    call->entries = NULL;
    call->count = 0;
    call->more = false;
    call->changed_ns = 0;
    if (call->limit == 0 || call->limit > SF_SCAN_MAX) {
        op->failure = SF_INVALID;
        env_timer_start_ms(&op->timer, 0);
        return;
    }
    if (!router_config(client->router) && call->timeout_ms != 0)
        env_timer_start_ms(&op->timer, call->timeout_ms);
    scan_begin(op);
}

void scan_cancel(struct scan_call *call)
{
    struct scan_op *op = call->state;
    if (!op)
        return;
    scan_close(op);
    scan_free(op);
}

void scan_free_all(struct client *client)
{
    while (client->scans)
        scan_cancel(client->scans->call);
}

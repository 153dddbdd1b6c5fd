/* Workers that do everything that there is to do with a few keys. What comes of it is the witness's
 * to judge; here only statuses that no such operation can have are refused. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "storm/load_inside.h"

#define PLAIN_KEYS 16u
#define INTERNAL_KEYS 6u
#define SMALL_BYTES 200u
#define LARGE_BYTES 40000u /* more than a block of a head */
#define TRIES_MAX 40u      /* to find a key of the same shard */

/* -- keys and bytes ------------------------------------------------------------------------ */

/* Keys that every routing spreads, apart from those of the registers. */
static void choose_key(struct worker *w, struct kv_op *op, char *key, size_t bytes)
{
    uint64_t number = worker_random(w, PLAIN_KEYS + INTERNAL_KEYS);
    if (number < PLAIN_KEYS && w->load->cluster->options.routing == ROUTING_NUMBER) {
        snprintf(key, bytes, "%" PRIu64, 100 + number);
    } else if (number < PLAIN_KEYS) {
        snprintf(key, bytes, "%c-%" PRIu64, (char)('a' + number), number % 3);
    } else {
        snprintf(key, bytes, "tag%" PRIu64 "0000-internal", number);
        op->space = KV_INTERNAL;
    }
    op->key = slice_str(key);
}

static uint32_t shard_of(const struct worker *w, const struct kv_op *op)
{
    const struct cluster *cluster = w->load->cluster;
    return kv_op_shard(op, cluster->options.routing, cluster->shard_count);
}

/* Fresh bytes, mostly few; no two writes have the same. */
static struct slice make_bytes(struct worker *w)
{
    char text[32];
    size_t bytes = (size_t)worker_random(w, SMALL_BYTES);
    if (worker_random(w, 16) == 0)
        bytes = (size_t)worker_random(w, LARGE_BYTES);
    int n = snprintf(text, sizeof text, "<%" PRIu64 ".%" PRIu64 ">", w->client->life, ++w->count);
    buffer_clear(&w->data);
    while (w->data.n < bytes)
        buffer_append(&w->data, text, (size_t)n);
    return buffer_slice(&w->data);
}

/* -- one operation ------------------------------------------------------------------------- */

static void choose_pre(struct worker *w, struct kv_op *op)
{
    uint64_t kind = worker_random(w, 16);
    if (kind == 0)
        op->pre.kind = KV_PRE_ABSENT;
    else if (kind < 3)
        op->pre.kind = KV_PRE_EXISTS;
    else if (kind < 5)
        op->pre = (struct kv_pre){KV_PRE_VERSION, w->seen_version};
    else if (kind == 5)
        op->pre = (struct kv_pre){KV_PRE_CREATED, w->seen_created};
}

static void choose_put(struct worker *w, struct kv_op *op)
{
    op->data = make_bytes(w);
    if (worker_random(w, 12) == 0)
        op->record_kind = worker_random(w, 2) == 0 ? RECORD_DIRECTORY : RECORD_REFERENCE;
    if (op->record_kind != 0)
        op->data = slice_str("elsewhere");
    if (worker_random(w, 4) == 0) {
        op->flags |= KV_HAS_ATTR | KV_HAS_MTIME;
        op->attr = slice_str("attr");
        op->mtime_ns = worker_random(w, 1000000);
        op->after_ns = worker_random(w, 1ull << 61); /* up to the year 2043 */
    }
}

static void choose_length(struct worker *w, struct kv_op *op)
{
    op->length = worker_random(w, worker_random(w, 8) == 0 ? LARGE_BYTES : SMALL_BYTES);
    if (worker_random(w, 4) == 0)
        op->flags |= KV_LENGTH_MAX;
}

static void choose_adds(struct worker *w, struct kv_op *op)
{
    op->add_count = 1 + (size_t)worker_random(w, 3);
    for (size_t i = 0; i < op->add_count; i++)
        op->adds[i] = (struct kv_add){.slot = (uint32_t)worker_random(w, KV_SLOTS_MAX),
                                      .is_max = worker_random(w, 2) == 0,
                                      .value = worker_random(w, 1000)};
}

static void choose_attr(struct worker *w, struct kv_op *op)
{
    op->flags |= KV_HAS_ATTR;
    op->attr = slice_str(worker_random(w, 2) == 0 ? "one" : "another");
}

/* The fields that a mutation of this kind uses. */
static void fill_in(struct worker *w, struct kv_op *op)
{
    if (op->kind == KV_PUT)
        choose_put(w, op);
    else if (op->kind == KV_SET_LENGTH)
        choose_length(w, op);
    else if (op->kind == KV_ADD)
        choose_adds(w, op);
    else if (op->kind == KV_SET_ATTR)
        choose_attr(w, op);
    else if (op->kind == KV_APPEND || op->kind == KV_PUT_HASH || op->kind == KV_SET_RANGE)
        op->data = make_bytes(w);
    if (op->kind == KV_APPEND && worker_random(w, 2) == 0)
        op->flags |= KV_WANT_OLD;
    if ((op->kind == KV_PUT || op->kind == KV_DELETE) && worker_random(w, 2) == 0)
        op->flags |= KV_ANY_KIND;
    if (op->kind == KV_SET_RANGE || op->kind == KV_PUNCH_RANGE || op->kind == KV_GET_RANGE)
        op->offset = worker_random(w, 2 * SMALL_BYTES);
    if (op->kind == KV_PUNCH_RANGE || op->kind == KV_GET_RANGE)
        op->length = 1 + worker_random(w, SMALL_BYTES);
}

static enum kv_kind any_kind(struct worker *w)
{
    static const enum kv_kind kinds[] = {
        KV_GET,        KV_GET,         KV_GET_RANGE, KV_STAT,      KV_PUT,    KV_PUT,
        KV_APPEND,     KV_APPEND,      KV_PUT_HASH,  KV_SET_RANGE, KV_ADD,    KV_SET_LENGTH,
        KV_SET_LENGTH, KV_PUNCH_RANGE, KV_SET_ATTR,  KV_DELETE,    KV_DELETE,
    };
    return kinds[worker_random(w, sizeof kinds / sizeof kinds[0])];
}

static void choose_single(struct worker *w)
{
    w->op = (struct kv_op){.kind = any_kind(w)};
    choose_key(w, &w->op, w->key, sizeof w->key);
    choose_pre(w, &w->op);
    fill_in(w, &w->op);
}

/* -- several of one shard ------------------------------------------------------------------ */

/* Another key of the shard; or the same one again. */
static void choose_neighbour(struct worker *w, struct kv_op *op, uint32_t shard, char *key,
                             size_t bytes)
{
    for (unsigned i = 0; i < TRIES_MAX; i++) {
        op->space = KV_PLAIN;
        choose_key(w, op, key, bytes);
        if (shard_of(w, op) == shard)
            return;
    }
    op->space = w->parts[0].space;
    op->key = w->parts[0].key;
}

static void choose_change(struct worker *w, struct kv_op *op)
{
    static const enum kv_kind kinds[] = {KV_PUT, KV_APPEND, KV_ADD, KV_DELETE, KV_SET_ATTR};
    op->kind = kinds[worker_random(w, sizeof kinds / sizeof kinds[0])];
    fill_in(w, op);
    if (op->data.n > 0)
        op->data = slice_str(w->text); /* all parts share it */
}

/* The first of them names the shard. */
static void choose_checks(struct worker *w, size_t count)
{
    for (size_t i = 0; i < count; i++)
        w->parts[i].kind = KV_STAT;
    if (count > 0)
        choose_pre(w, &w->parts[0]);
    if (count > 1)
        w->parts[1] = (struct kv_op){.kind = KV_STAT,
                                     .flags = KV_PREFIX_EMPTY,
                                     .key = slice_str(worker_random(w, 4) == 0 ? "a" : "zz")};
}

static void choose_mini(struct worker *w)
{
    size_t checks = (size_t)worker_random(w, 3);
    size_t ops = 1 + (size_t)worker_random(w, PARTS_MAX - 2);
    memset(w->parts, 0, sizeof w->parts);
    snprintf(w->text, sizeof w->text, "(%" PRIu64 ".%" PRIu64 ")", w->client->life, ++w->count);
    bool wide = checks < 2 && worker_random(w, 2) == 0;
    choose_key(w, &w->parts[0], w->part_keys[0], sizeof w->part_keys[0]);
    uint32_t shard = shard_of(w, &w->parts[0]);
    for (size_t i = 1; i < checks + ops; i++) {
        if (wide)
            choose_key(w, &w->parts[i], w->part_keys[i], sizeof w->part_keys[i]);
        else
            choose_neighbour(w, &w->parts[i], shard, w->part_keys[i], sizeof w->part_keys[i]);
    }
    for (size_t i = checks; i < checks + ops; i++)
        choose_change(w, &w->parts[i]);
    choose_checks(w, checks);
    w->op = (struct kv_op){.kind = KV_MINI,
                           .checks = w->parts,
                           .check_count = checks,
                           .ops = w->parts + checks,
                           .op_count = ops};
}

/* A fresh number for a hold as a rule for a read, and the same again for what changes something. */
static void choose_hold(struct worker *w)
{
    if (!kv_may_hold(w->op.kind) || worker_random(w, 3) != 0)
        return;
    if (kv_is_read(w->op.kind) && worker_random(w, 4) != 0)
        w->hold = 1 + worker_random(w, UINT64_MAX);
    w->op.hold = w->hold;
}

/* -- acting -------------------------------------------------------------------------------- */

static bool may_be(int status)
{
    switch (status) {
    case SF_OK:
    case SF_NOT_FOUND:
    case SF_PRECONDITION:
    case SF_IS_DIRECTORY:
    case SF_IS_REFERENCE:
    case SF_NOT_EMPTY:
    case SF_TOO_BIG:
    case SF_TIMEOUT:
    case SF_UNKNOWN:
    case SF_NO_SPACE:
    case SF_LOCKED:
        return true;
    default:
        return false;
    }
}

static void on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct worker *w = container_of(call, struct worker, call);
    sf_assert(may_be(status));
    if (reply && reply->stat.kind != 0) {
        w->seen_version = reply->stat.version;
        w->seen_created = reply->stat.created;
    }
    w->load->answered += status != SF_TIMEOUT && status != SF_UNKNOWN;
    worker_done(w);
}

static void on_scanned(struct scan_call *scan, int status)
{
    struct worker *w = container_of(scan, struct worker, scan);
    sf_assert(status == SF_OK || status == SF_TIMEOUT);
    w->load->answered += status == SF_OK;
    worker_done(w);
}

static void list_names(struct worker *w)
{
    snprintf(w->key, sizeof w->key, "%c", (char)('a' + worker_random(w, PLAIN_KEYS)));
    w->scan = (struct scan_call){.on_done = on_scanned,
                                 .limit = 1 + (uint32_t)worker_random(w, 20),
                                 .timeout_ms = worker_timeout_ms(w)};
    if (worker_random(w, 2) == 0)
        w->scan.after = slice_str(w->key);
    scan_submit(w->client->client, &w->scan);
}

static void wide_act(struct worker *w)
{
    uint64_t what = worker_random(w, 16);
    w->busy = true;
    if (what == 0) {
        list_names(w);
        return;
    }
    if (what < 4)
        choose_mini(w);
    else
        choose_single(w);
    choose_hold(w);
    const char *wrong = "";
    int status = kv_op_check(&w->op, &wrong);
    sf_assert(status == SF_OK);
    w->call =
        (struct client_call){.on_done = on_done, .op = &w->op, .timeout_ms = worker_timeout_ms(w)};
    client_submit(w->client->client, &w->call);
}

const struct role load_wide = {.act = wide_act};

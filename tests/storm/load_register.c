/* Workers on registers: what they do and see goes into the history. */
#include <inttypes.h>
#include <stdio.h>

#include "storm/load_inside.h"

static void note_answer(struct worker *w, int status, const struct kv_reply *reply)
{
    struct linear_return ret = {.time_ns = sim_now_ns(w->load->cluster->sim), .status = status};
    if (w->op.kind == KV_GET || w->op.kind == KV_APPEND)
        ret.result = reply->data;
    w->load->answered++;
    linear_returned(w->load->history, w->event, &ret);
}

/* A full disk refuses, and leaves no trace. But a second copy of the message may be admitted later:
 * the fate of what was refused so is as open as that of UNKNOWN. */
static void on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct worker *w = container_of(call, struct worker, call);
    bool may_miss = w->op.kind == KV_GET || w->op.kind == KV_DELETE;
    if (status == SF_OK || (status == SF_NOT_FOUND && may_miss))
        note_answer(w, status, reply);
    else if (status == SF_TIMEOUT)
        linear_forget(w->load->history, w->event);
    else
        sf_assert(status == SF_UNKNOWN || status == SF_NO_SPACE);
    worker_done(w);
}

static uint32_t kind_in_history(enum kv_kind kind)
{
    if (kind == KV_PUT)
        return LINEAR_PUT;
    if (kind == KV_APPEND)
        return LINEAR_APPEND;
    return kind == KV_DELETE ? LINEAR_DELETE : LINEAR_GET;
}

void register_submit(struct worker *w, uint32_t key, enum kv_kind kind, uint64_t timeout_ms)
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

static enum kv_kind any_kind(struct worker *w)
{
    uint64_t kind = worker_random(w, 20);
    if (kind < 9)
        return KV_GET;
    if (kind < 17)
        return KV_APPEND;
    return kind < 19 ? KV_PUT : KV_DELETE;
}

static void act(struct worker *w)
{
    uint64_t timeout_ms = worker_timeout_ms(w);
    uint32_t key = (uint32_t)worker_random(w, LOAD_KEYS);
    register_submit(w, key, any_kind(w), timeout_ms);
}

const struct role load_register = {.act = act};

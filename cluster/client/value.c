#include "client/value.h"

#include "env/mark.h"

/* -- ends ---------------------------------------------------------------------------------- */

uint64_t value_now_ms(const struct value_op *op)
{
    return env_now_ms(op->client->env);
}

/* Stops everything that is under way. */
static void value_close(struct value_op *op)
{
    DL_DELETE(op->client->values, op);
    env_timer_stop(&op->timer);
    env_timer_stop(&op->fan_timer);
    if (op->head_open)
        client_cancel(&op->head_call);
    client_new_id_cancel(&op->id_request);
    fan_free(op->fan);
    op->fan = NULL;
    op->call->state = NULL;
    value_append_left(op);
}

static void value_free(struct value_op *op)
{
    for (size_t i = 0; i < VALUE_COPIES_MAX; i++)
        buffer_deinit(&op->copies[i].bytes);
    value_mini_free(op);
    buffer_deinit(&op->attr);
    buffer_deinit(&op->bytes);
    free(op);
}

static void value_end(struct value_op *op, int status, struct slice data)
{
    struct value_call *call = op->call;
    value_close(op);
    op->stat.attr = buffer_slice(&op->attr);
    call->on_done(call, status, &op->stat, data);
    value_free(op);
}

void value_finish(struct value_op *op, struct slice data)
{
    value_end(op, SF_OK, data);
}

void value_fail(struct value_op *op, int status)
{
    if (status == SF_TIMEOUT && op->changed)
        status = SF_UNKNOWN;
    if (status == SF_UNKNOWN && !op->changed)
        status = SF_TIMEOUT;
    value_end(op, status, slice_of(NULL, 0));
}

static void fail_now(struct value_op *op)
{
    value_fail(op, op->failure);
}

void value_fail_soon(struct value_op *op, int status)
{
    op->failure = status;
    op->timer_then = fail_now;
    env_timer_start_ms(&op->timer, 0);
}

static void value_on_timer(struct env_timer *timer)
{
    struct value_op *op = container_of(timer, struct value_op, timer);
    op->timer_then(op);
}

/* -- what is known ------------------------------------------------------------------------- */

static void learn(struct value_op *op, const struct kv_stat *stat)
{
    op->stat = *stat;
    buffer_set(&op->attr, stat->attr);
    op->stat.attr = slice_of(NULL, 0);
    op->tail = tail_of(stat);
    op->head_ms = value_now_ms(op);
    op->alive_ms = op->head_asked_ms;
    op->is_hint = false;
    head_cache_put(op->client->heads, op->call->space, op->call->key, stat, op->alive_ms);
}

bool value_take_hint(struct value_op *op, uint64_t age_ms_max)
{
    const struct head *head = head_cache_find(op->client->heads, op->call->space, op->call->key);
    if (!head || value_now_ms(op) - head->seen_ms > age_ms_max)
        return false;
    if (op->pre.kind == KV_PRE_ABSENT || op->pre.kind == KV_PRE_VERSION ||
        (op->pre.kind == KV_PRE_CREATED && op->pre.id != head->created))
        return false;
    op->stat = (struct kv_stat){.kind = RECORD_VALUE,
                                .version = head->version,
                                .created = head->created,
                                .length = head->length};
    op->tail = head->tail;
    op->head_ms = op->alive_ms = head->seen_ms;
    op->is_hint = true;
    return true;
}

bool value_pre_holds(const struct value_op *op, const struct kv_stat *stat)
{
    bool exists = stat->created != 0;
    switch (op->pre.kind) {
    case KV_PRE_NONE:
        return true;
    case KV_PRE_ABSENT:
        return !exists;
    case KV_PRE_EXISTS:
        return exists;
    case KV_PRE_VERSION:
        return exists && stat->version == op->pre.id;
    case KV_PRE_CREATED:
        return exists && stat->created == op->pre.id;
    }
    return false;
}

void value_pin(struct value_op *op)
{
    if (op->pre.kind == KV_PRE_NONE || op->pre.kind == KV_PRE_EXISTS)
        op->pre = (struct kv_pre){.kind = KV_PRE_CREATED, .id = op->stat.created};
}

bool value_may_start_again(struct value_op *op, int status, const struct kv_reply *reply)
{
    enum kv_pre_kind asked = op->call->pre.kind;
    bool other_file = status == SF_NOT_FOUND ||
                      (status == SF_PRECONDITION && reply && !value_pre_holds(op, &reply->stat));
    if (!other_file || op->pre.kind != KV_PRE_CREATED ||
        (asked != KV_PRE_NONE && asked != KV_PRE_EXISTS))
        return false;
    op->pre = op->call->pre;
    return true;
}

bool value_is_plain(struct value_op *op, const struct kv_stat *stat)
{
    if (stat->kind == RECORD_VALUE)
        return true;
    value_fail(op, stat->kind == RECORD_DIRECTORY ? SF_IS_DIRECTORY : SF_IS_REFERENCE);
    return false;
}

/* -- the head ------------------------------------------------------------------------------ */

uint64_t value_left_ms(const struct value_op *op)
{
    if (op->deadline_ms == 0)
        return 0;
    uint64_t now = value_now_ms(op);
    return op->deadline_ms > now ? op->deadline_ms - now : 1;
}

void value_head_answered(struct value_op *op, int status, const struct kv_reply *reply)
{
    bool mutation = !kv_is_read(op->head_op.kind);
    if (mutation && op->head_op.kind != KV_INTENT && (status == SF_OK || status == SF_UNKNOWN))
        op->changed = true;
    if (reply && reply->stat.created != 0)
        learn(op, &reply->stat);
    else if (status == SF_NOT_FOUND)
        head_cache_forget(op->client->heads, op->call->space, op->call->key);
    if (mutation && status == SF_OK && op->head_op.kind != KV_INTENT) {
        op->pre = (struct kv_pre){.kind = KV_PRE_CREATED, .id = op->stat.created};
        touch_clear(op->client, op->call->space, op->call->key);
    }
}

static void head_on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct value_op *op = container_of(call, struct value_op, head_call);
    op->head_open = false;
    value_head_answered(op, status, reply);
    op->head_then(op, status, reply);
}

void value_head_send(struct value_op *op,
                     void (*then)(struct value_op *op, int status, const struct kv_reply *reply))
{
    sf_assert(!op->head_open);
    op->head_op.space = op->call->space;
    op->head_op.key = op->call->key;
    op->head_op.pre = op->pre;
    op->head_then = then;
    op->head_open = true;
    op->head_asked_ms = value_now_ms(op);
    op->head_call = (struct client_call){
        .on_done = head_on_done, .op = &op->head_op, .timeout_ms = value_left_ms(op)};
    client_submit(op->client, &op->head_call);
}

void value_head_stat(struct value_op *op,
                     void (*then)(struct value_op *op, int status, const struct kv_reply *reply))
{
    op->head_op = (struct kv_op){.kind = KV_STAT};
    value_head_send(op, then);
}

static void create_on_done(struct value_op *op, int status, const struct kv_reply *reply)
{
    (void)reply;
    if (status != SF_OK)
        value_fail(op, status);
    else if (value_is_plain(op, &op->stat))
        op->create_then(op);
}

void value_head_create(struct value_op *op, void (*then)(struct value_op *op))
{
    op->create_then = then;
    op->head_op = (struct kv_op){.kind = KV_SET_RANGE};
    value_head_send(op, create_on_done);
}

void value_part_set_tail(struct kv_op *part, const struct tail *tail)
{
    sf_assert(tail->count <= SF_TAIL_MAX);
    part->flags |= KV_HAS_TAIL;
    part->tail_count = tail->count;
    memcpy(part->tail, tail->entries, tail->count * sizeof *tail->entries);
}

void value_part_set_if_tail(struct kv_op *part, const struct tail *tail)
{
    sf_assert(tail->count <= SF_TAIL_MAX);
    part->flags |= KV_IF_TAIL;
    part->if_tail_count = tail->count;
    memcpy(part->if_tail, tail->entries, tail->count * sizeof *tail->entries);
}

void value_set_tail(struct value_op *op, const struct tail *tail)
{
    value_part_set_tail(&op->head_op, tail);
}

void value_set_if_tail(struct value_op *op, const struct tail *tail)
{
    value_part_set_if_tail(&op->head_op, tail);
}

/* -- extents ------------------------------------------------------------------------------- */

/* The run is over: what it changed is known (V2). */
static void fan_close(struct value_op *op)
{
    op->fan_open = false;
    env_timer_stop(&op->fan_timer);
    if (op->fan->touched && !op->fan_hidden)
        op->changed = true;
}

static void fan_on_done(struct fan *fan, int status)
{
    struct value_op *op = fan->owner;
    fan_close(op);
    if (op->fan_ask && op->head_open) { /* nobody needs the answer any more */
        client_cancel(&op->head_call);
        op->head_open = false;
    }
    if (status == SF_OK)
        op->fan_then(op);
    else
        value_fail(op, status);
}

static void fan_run(struct value_op *op, const struct fan_work *work, uint64_t from, uint64_t end,
                    uint64_t send_until_ms)
{
    sf_assert(!op->fan_open);
    if (!op->fan)
        op->fan = fan_new(op->client, op);
    op->fan->deadline_ms = op->deadline_ms;
    op->fan->send_until_ms = send_until_ms;
    op->fan_open = true;
    fan_start(op->fan, work, from, end, fan_on_done);
}

void value_fan_run(struct value_op *op, const struct fan_work *work, uint64_t from, uint64_t end,
                   void (*then)(struct value_op *op))
{
    op->fan_then = then;
    op->fan_ask = NULL;
    fan_run(op, work, from, end, 0);
}

static void fan_on_timer(struct env_timer *timer)
{
    struct value_op *op = container_of(timer, struct value_op, fan_timer);
    SF_MARK("value: a long write asks whether its ids are alive");
    op->fan_ask(op);
}

/* Half of the time that there is is for the answer. */
static void fan_watch(struct value_op *op)
{
    uint64_t at_ms = op->alive_ms + VALUE_SEND_MS / 2, now_ms = value_now_ms(op);
    env_timer_start_ms(&op->fan_timer, at_ms > now_ms ? at_ms - now_ms : 0);
}

void value_fan_write_run(struct value_op *op, const struct fan_work *work, uint64_t from,
                         uint64_t end, void (*then)(struct value_op *op),
                         void (*ask)(struct value_op *op))
{
    op->fan_then = then;
    op->fan_ask = ask;
    fan_run(op, work, from, end, op->alive_ms + VALUE_SEND_MS);
    fan_watch(op);
}

void value_fan_go_on(struct value_op *op)
{
    op->fan->send_until_ms = op->alive_ms + VALUE_SEND_MS;
    fan_watch(op);
}

void value_fan_stop(struct value_op *op)
{
    if (!op->fan_open)
        return;
    fan_cancel(op->fan);
    fan_close(op);
}

static bool write_prepare(struct fan *fan, struct fan_piece *piece)
{
    struct value_op *op = fan->owner;
    uint64_t id = tail_id(&op->fan_tail, piece->extent);
    sf_assert(id != 0);
    piece->op.kind = KV_SET_RANGE;
    piece->op.offset = piece->at;
    piece->op.data = slice_of(op->call->data.p + (piece->offset - op->offset), piece->n);
    fan_set_key(piece, id);
    return true;
}

static int write_answered(struct fan *fan, struct fan_piece *piece, int status,
                          const struct kv_reply *reply)
{
    (void)fan;
    (void)piece;
    (void)reply;
    return status;
}

const struct fan_work value_fan_write = {write_prepare, write_answered};

/* -- ids ----------------------------------------------------------------------------------- */

static void id_on_done(struct client_id *request, int status, uint64_t id)
{
    struct value_op *op = container_of(request, struct value_op, id_request);
    if (status == SF_OK)
        op->id_then(op, id);
    else
        value_fail(op, status);
}

void value_id_get(struct value_op *op, void (*then)(struct value_op *op, uint64_t id))
{
    op->id_then = then;
    op->id_request = (struct client_id){.on_id = id_on_done, .timeout_ms = value_left_ms(op)};
    client_new_id(op->client, &op->id_request);
}

/* -- entry points -------------------------------------------------------------------------- */

static void value_begin(struct value_op *op)
{
    switch (op->call->kind) {
    case VALUE_GET:
    case VALUE_READ:
        value_read_begin(op);
        return;
    case VALUE_PUT:
        value_put_begin(op);
        return;
    case VALUE_WRITE:
    case VALUE_PUNCH:
        value_write_begin(op);
        return;
    case VALUE_APPEND:
        value_append_begin(op);
        return;
    case VALUE_TRUNCATE:
        value_truncate_begin(op);
        return;
    case VALUE_GROW:
        value_grow_begin(op);
        return;
    case VALUE_STAT:
        value_stat_begin(op);
        return;
    case VALUE_SEEK_DATA:
    case VALUE_SEEK_HOLE:
        value_seek_begin(op);
        return;
    }
    value_fail_soon(op, SF_INVALID);
}

static bool takes_data(enum value_kind kind)
{
    return kind == VALUE_PUT || kind == VALUE_WRITE || kind == VALUE_APPEND;
}

static bool takes_offset(enum value_kind kind)
{
    return kind == VALUE_READ || kind == VALUE_WRITE || kind == VALUE_PUNCH ||
           kind == VALUE_SEEK_DATA || kind == VALUE_SEEK_HOLE;
}

/* The bytes that the call names; an end that cannot be is saturated. */
static void set_range(struct value_op *op, const struct value_call *call)
{
    uint64_t n = takes_data(call->kind) ? call->data.n : call->length;
    op->offset = takes_offset(call->kind) ? call->offset : 0;
    op->end = op->offset <= UINT64_MAX - n ? op->offset + n : UINT64_MAX;
}

void value_submit(struct client *client, struct value_call *call)
{
    struct value_op *op = sf_calloc(1, sizeof *op);
    op->client = client;
    op->call = call;
    op->pre = call->pre;
    op->deadline_ms = call->timeout_ms != 0 ? env_now_ms(client->env) + call->timeout_ms : 0;
    env_timer_init(client->env, &op->timer, value_on_timer);
    env_timer_init(client->env, &op->fan_timer, fan_on_timer);
    DL_APPEND(client->values, op);
    call->state = op;
    set_range(op, call);
    bool may_grow =
        takes_data(call->kind) || call->kind == VALUE_TRUNCATE || call->kind == VALUE_GROW;
    if (may_grow && op->end > SF_FILE_BYTES_MAX)
        value_fail_soon(op, SF_TOO_BIG);
    else
        value_begin(op);
}

bool value_call_was_sent(const struct value_call *call)
{
    const struct value_op *op = call->state;
    if (!op)
        return false;
    if (op->changed || (op->head_open && client_call_was_sent(&op->head_call)))
        return true;
    for (unsigned i = 0; op->fan_open && !op->fan_hidden && i < FAN_WIDTH; i++) {
        const struct fan_piece *piece = &op->fan->pieces[i];
        if (piece->open && client_call_was_sent(&piece->call))
            return true;
    }
    return op->fan_open && !op->fan_hidden && op->fan->touched;
}

void value_cancel(struct value_call *call)
{
    struct value_op *op = call->state;
    if (!op)
        return;
    value_close(op);
    value_free(op);
}

void value_free_all(struct client *client)
{
    while (client->values)
        value_cancel(client->values->call);
}

#include "client/fan.h"

#include <stdlib.h>

#include "client/inner.h"

void fan_set_key(struct fan_piece *piece, uint64_t data_id)
{
    kv_extent_key(data_id, piece->extent, piece->key);
    piece->op.space = KV_INTERNAL;
    piece->op.key = slice_of(piece->key, sizeof piece->key);
}

/* -- one piece ----------------------------------------------------------------------------- */

static void piece_on_done(struct client_call *call, int status, const struct kv_reply *reply);

static void piece_send(struct fan *fan, struct fan_piece *piece)
{
    uint64_t timeout_ms = 0;
    if (fan->deadline_ms != 0) {
        uint64_t now = env_now_ms(fan->client->env);
        timeout_ms = fan->deadline_ms > now ? fan->deadline_ms - now : 1;
    }
    piece->call =
        (struct client_call){.on_done = piece_on_done, .op = &piece->op, .timeout_ms = timeout_ms};
    if (fan->send_until_ms != 0)
        piece->call.send_until_ms = &fan->send_until_ms;
    client_submit(fan->client, &piece->call);
}

/* The next piece of the range that needs work, in this slot. False: there is none. */
static bool piece_cut(struct fan *fan, struct fan_piece *piece)
{
    while (fan->next < fan->end) {
        piece->offset = fan->next;
        piece->extent = fan->next / SF_EXTENT_BYTES;
        piece->at = (uint32_t)(fan->next % SF_EXTENT_BYTES);
        uint64_t left = fan->end - fan->next, room = SF_EXTENT_BYTES - piece->at;
        piece->n = (uint32_t)(left < room ? left : room);
        fan->next += piece->n;
        piece->op = (struct kv_op){0};
        if (fan->work->prepare(fan, piece))
            return true;
    }
    return false;
}

static void fan_fill(struct fan *fan)
{
    for (unsigned i = 0; i < FAN_WIDTH; i++) {
        struct fan_piece *piece = &fan->pieces[i];
        if (piece->open || !piece_cut(fan, piece))
            continue;
        piece->open = true;
        fan->open++;
        piece_send(fan, piece);
    }
}

static void piece_on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct fan_piece *piece = container_of(call, struct fan_piece, call);
    struct fan *fan = piece->fan;
    if (!kv_is_read(piece->op.kind) && status != SF_TIMEOUT)
        fan->touched = true;
    int result = fan->work->answered(fan, piece, status, reply);
    if (result == FAN_MORE) {
        piece_send(fan, piece);
        return;
    }
    piece->open = false;
    fan->open--;
    if (result == SF_OK)
        fan_fill(fan);
    else
        fan_cancel(fan);
    if (fan->open == 0)
        fan->on_done(fan, result);
}

/* -- the whole ----------------------------------------------------------------------------- */

static void fan_on_timer(struct env_timer *timer)
{
    struct fan *fan = container_of(timer, struct fan, timer);
    fan->on_done(fan, SF_OK);
}

struct fan *fan_new(struct client *client, void *owner)
{
    struct fan *fan = sf_calloc(1, sizeof *fan);
    fan->client = client;
    fan->owner = owner;
    env_timer_init(client->env, &fan->timer, fan_on_timer);
    for (unsigned i = 0; i < FAN_WIDTH; i++)
        fan->pieces[i].fan = fan;
    return fan;
}

void fan_start(struct fan *fan, const struct fan_work *work, uint64_t from, uint64_t end,
               void (*on_done)(struct fan *fan, int status))
{
    sf_assert(fan->open == 0 && !env_timer_is_armed(&fan->timer));
    sf_assert(from >= SF_EXTENT_BYTES || from >= end);
    fan->work = work;
    fan->next = from;
    fan->end = end;
    fan->on_done = on_done;
    fan->touched = false;
    fan_fill(fan);
    if (fan->open == 0)
        env_timer_start_ms(&fan->timer, 0);
}

void fan_cancel(struct fan *fan)
{
    for (unsigned i = 0; i < FAN_WIDTH; i++) {
        struct fan_piece *piece = &fan->pieces[i];
        if (!piece->open)
            continue;
        fan->touched = fan->touched || client_call_was_sent(&piece->call);
        client_cancel(&piece->call);
        piece->open = false;
    }
    fan->open = 0;
    env_timer_stop(&fan->timer);
}

void fan_free(struct fan *fan)
{
    if (!fan)
        return;
    fan_cancel(fan);
    for (unsigned i = 0; i < FAN_WIDTH; i++)
        buffer_deinit(&fan->pieces[i].bytes);
    free(fan);
}

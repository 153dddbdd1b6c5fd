/* The happy path is: marked -> a second later, or when somebody waits, sent -> answered -> gone. It
 * can fail by: no answer in time; then those who wait are told and it stays marked. Or by: the value
 * is not there; then it is lost, until somebody takes that. */
#include "client/touch.h"

#include "client/head_cache.h"
#include "client/inner.h"

struct touch_waiter {
    void (*on_done)(void *ctx);
    void *ctx;
    struct touch_waiter *prev, *next;
};

struct touch {
    struct client *client;
    struct buffer key; /* one byte space, then the key */
    uint64_t created;
    struct client_call call;
    struct kv_op op;
    struct env_timer timer; /* armed unless `sent` */
    struct touch_waiter *waiters;
    uint64_t sent_ms;
    bool marked;  /* the head is behind; false: it only tells its waiters */
    bool sent;    /* call is open, for what was marked before */
    bool cleared; /* since it was sent: the head knows, whatever the answer is */
    bool lost;    /* neither marked nor sent */
    UT_hash_handle hh;
};

static void touch_on_timer(struct env_timer *timer);

static struct touch *lookup(struct client *client, enum kv_space space, struct slice key, bool make)
{
    if (!client->touches && !make)
        return NULL;
    struct buffer whole = {0};
    struct touch *touch;
    buffer_put_u8(&whole, (uint8_t)space);
    buffer_append(&whole, key.p, key.n);
    HASH_FIND(hh, client->touches, whole.p, whole.n, touch);
    if (touch || !make) {
        buffer_deinit(&whole);
        return touch;
    }
    touch = sf_calloc(1, sizeof *touch);
    touch->client = client;
    touch->key = whole;
    env_timer_init(client->env, &touch->timer, touch_on_timer);
    HASH_ADD_KEYPTR(hh, client->touches, touch->key.p, touch->key.n, touch);
    return touch;
}

static void touch_free(struct touch *touch)
{
    struct touch_waiter *waiter, *next;
    HASH_DEL(touch->client->touches, touch);
    if (touch->sent)
        client_cancel(&touch->call);
    env_timer_stop(&touch->timer);
    DL_FOREACH_SAFE(touch->waiters, waiter, next)
    free(waiter);
    buffer_deinit(&touch->key);
    free(touch);
}

/* Tells those who wait. The touch goes, or is tried again in a while. */
static void touch_end(struct touch *touch)
{
    struct touch_waiter *waiters = touch->waiters, *waiter, *next;
    touch->waiters = NULL;
    if (touch->marked || touch->lost)
        env_timer_start_ms(&touch->timer, touch->marked ? TOUCH_LAZY_MS : TOUCH_LOST_MS);
    else
        touch_free(touch);
    DL_FOREACH_SAFE(waiters, waiter, next)
    {
        waiter->on_done(waiter->ctx);
        free(waiter);
    }
}

static void touch_on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct touch *touch = container_of(call, struct touch, call);
    touch->sent = false;
    if (status == SF_OK) /* an append names the version that this has made */
        head_cache_put(touch->client->heads, touch->op.space, touch->op.key, &reply->stat,
                       touch->sent_ms);
    if (status == SF_TIMEOUT || status == SF_UNKNOWN || status == SF_NO_SPACE)
        touch->marked = true; /* any other answer: done, or the value is another by now */
    bool is_elsewhere =
        status == SF_PRECONDITION || status == SF_NOT_FOUND || status == SF_IS_REFERENCE;
    touch->lost = is_elsewhere && !touch->marked && !touch->cleared;
    touch_end(touch);
}

static void touch_on_timer(struct env_timer *timer)
{
    struct touch *touch = container_of(timer, struct touch, timer);
    if (!touch->marked) {
        touch->lost = touch->lost && touch->waiters;
        touch_end(touch);
        return;
    }
    /* A change of length by nothing: the head notes the time. */
    touch->op = (struct kv_op){.kind = KV_SET_LENGTH,
                               .space = (enum kv_space)touch->key.p[0],
                               .flags = KV_LENGTH_MAX,
                               .key = slice_of(touch->key.p + 1, touch->key.n - 1),
                               .pre = {.kind = KV_PRE_CREATED, .id = touch->created}};
    touch->call = (struct client_call){
        .on_done = touch_on_done, .op = &touch->op, .timeout_ms = TOUCH_TRY_MS};
    touch->marked = touch->cleared = false;
    touch->sent = true;
    touch->sent_ms = env_now_ms(touch->client->env);
    client_submit(touch->client, &touch->call);
}

void touch_mark(struct client *client, enum kv_space space, struct slice key, uint64_t created)
{
    struct touch *touch = lookup(client, space, key, true);
    touch->created = created;
    touch->marked = true;
    if (!touch->sent && (touch->lost || !env_timer_is_armed(&touch->timer)))
        env_timer_start_ms(&touch->timer, TOUCH_LAZY_MS);
    touch->lost = false;
}

void touch_clear(struct client *client, enum kv_space space, struct slice key)
{
    struct touch *touch = lookup(client, space, key, false);
    if (!touch || touch->lost)
        return;
    touch->marked = false;
    touch->cleared = true;
    if (!touch->sent && !touch->waiters)
        touch_free(touch);
}

bool touch_is_behind(struct client *client, enum kv_space space, struct slice key,
                     uint64_t *created)
{
    const struct touch *touch = lookup(client, space, key, false);
    if (!touch || !(touch->marked || touch->sent))
        return false;
    *created = touch->created;
    return true;
}

bool touch_take_lost(struct client *client, uint64_t created)
{
    struct touch *touch = client->touches;
    while (touch && !(touch->lost && touch->created == created))
        touch = touch->hh.next;
    if (!touch)
        return false;
    touch->lost = false;
    if (!touch->waiters)
        touch_free(touch);
    return true;
}

void touch_free_all(struct client *client)
{
    while (client->touches)
        touch_free(client->touches);
}

void value_sync_mtime(struct client *client, enum kv_space space, struct slice key,
                      void (*on_done)(void *ctx), void *ctx)
{
    struct touch *touch = lookup(client, space, key, true);
    struct touch_waiter *waiter = sf_calloc(1, sizeof *waiter);
    waiter->on_done = on_done;
    waiter->ctx = ctx;
    DL_APPEND(touch->waiters, waiter);
    if (!touch->sent)
        env_timer_start_ms(&touch->timer, 0);
}

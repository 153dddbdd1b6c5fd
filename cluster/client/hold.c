#include "client/inner.h"

static void put_key(struct buffer *to, const struct kv_op *op)
{
    buffer_clear(to);
    buffer_put_u8(to, (uint8_t)op->space);
    buffer_append(to, op->key.p, op->key.n);
}

static struct hold *lookup(struct client *client, const struct buffer *key)
{
    struct hold *hold;
    HASH_FIND(hh, client->holds, key->p, key->n, hold);
    return hold;
}

/* The operations of a mini, or the one operation itself. */
static const struct kv_op *parts_of(const struct kv_op *op, size_t *count)
{
    *count = op->kind == KV_MINI ? op->op_count : 1;
    return op->kind == KV_MINI ? op->ops : op;
}

struct hold *hold_find(struct client *client, const struct kv_op *op)
{
    if (!client->holds)
        return NULL;
    size_t count;
    const struct kv_op *parts = parts_of(op, &count);
    struct buffer key = {0};
    struct hold *hold = NULL;
    for (size_t i = 0; i < count && !hold; i++) {
        put_key(&key, &parts[i]);
        hold = lookup(client, &key);
    }
    buffer_deinit(&key);
    return hold;
}

static struct hold *take(struct client *client, const struct kv_op *op)
{
    struct buffer key = {0};
    put_key(&key, op);
    struct hold *hold = lookup(client, &key);
    if (hold) {
        buffer_deinit(&key);
    } else {
        hold = sf_calloc(1, sizeof *hold);
        hold->key = key;
        HASH_ADD_KEYPTR(hh, client->holds, hold->key.p, hold->key.n, hold);
    }
    hold->count++;
    return hold;
}

void hold_take(struct client *client, const struct kv_op *op, struct hold ***holds, size_t *count)
{
    const struct kv_op *parts = parts_of(op, count);
    *holds = sf_calloc(*count, sizeof **holds);
    for (size_t i = 0; i < *count; i++)
        (*holds)[i] = take(client, &parts[i]);
}

static void hold_free(struct client *client, struct hold *hold)
{
    HASH_DEL(client->holds, hold);
    buffer_deinit(&hold->key);
    free(hold);
}

static void give(struct client *client, struct hold *hold)
{
    if (--hold->count > 0)
        return;
    struct op *waiters = hold->waiters, *op, *next;
    hold_free(client, hold);
    DL_FOREACH_SAFE(waiters, op, next)
    {
        DL_DELETE(waiters, op);
        op_begin(op);
    }
}

void hold_give(struct client *client, struct hold **holds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        give(client, holds[i]);
    free(holds);
}

void hold_free_all(struct client *client)
{
    while (client->holds)
        hold_free(client, client->holds);
}

/* A minitransaction of a value's head and some of its extents, as one step of an operation. */
#include "client/value.h"

#define CHECKS_MAX VALUE_COPIES_MAX
#define OPS_MAX (2 * VALUE_COPIES_MAX)

struct value_mini {
    struct kv_op checks[CHECKS_MAX], ops[OPS_MAX];
    uint8_t keys[CHECKS_MAX + OPS_MAX][KV_EXTENT_KEY_BYTES];
    size_t check_count, op_count, key_count;
    size_t head_last; /* position in ops of the last one on the head; OPS_MAX: none */
    void (*then)(struct value_op *op, int status, const struct kv_reply *head);
};

void value_mini_begin(struct value_op *op)
{
    if (!op->mini)
        op->mini = sf_calloc(1, sizeof *op->mini);
    op->mini->check_count = op->mini->op_count = op->mini->key_count = 0;
    op->mini->head_last = OPS_MAX;
}

void value_mini_free(struct value_op *op)
{
    free(op->mini);
}

/* -- parts --------------------------------------------------------------------------------- */

static void set_extent(struct value_mini *mini, struct kv_op *part, uint64_t data_id,
                       uint64_t extent)
{
    uint8_t *key = mini->keys[mini->key_count++];
    kv_extent_key(data_id, extent, key);
    *part = (struct kv_op){.space = KV_INTERNAL, .key = slice_of(key, KV_EXTENT_KEY_BYTES)};
}

struct kv_op *value_mini_check(struct value_op *op, uint64_t data_id, uint64_t extent)
{
    sf_assert(op->mini->check_count < CHECKS_MAX);
    struct kv_op *part = &op->mini->checks[op->mini->check_count++];
    set_extent(op->mini, part, data_id, extent);
    part->kind = KV_STAT;
    return part;
}

static struct kv_op *add_op(struct value_mini *mini)
{
    sf_assert(mini->op_count < OPS_MAX);
    return &mini->ops[mini->op_count++];
}

struct kv_op *value_mini_extent(struct value_op *op, uint64_t data_id, uint64_t extent)
{
    struct kv_op *part = add_op(op->mini);
    set_extent(op->mini, part, data_id, extent);
    return part;
}

struct kv_op *value_mini_head(struct value_op *op)
{
    op->mini->head_last = op->mini->op_count;
    struct kv_op *part = add_op(op->mini);
    *part = (struct kv_op){.space = op->call->space, .key = op->call->key, .pre = op->pre};
    return part;
}

/* -- the step ------------------------------------------------------------------------------ */

static bool is_of_head(const struct value_op *op, const struct kv_op *part)
{
    return part->space == op->call->space && slice_equal(part->key, op->call->key);
}

static const struct kv_reply *head_reply(const struct value_op *op, int status,
                                         const struct kv_reply *reply)
{
    const struct value_mini *mini = op->mini;
    if (!reply || reply->reply_count == 0)
        return NULL;
    if (status == SF_OK)
        return mini->head_last < reply->reply_count ? &reply->replies[mini->head_last] : NULL;
    uint64_t failed = reply->failed;
    bool is_op = failed >= mini->check_count && failed - mini->check_count < mini->op_count;
    return is_op && is_of_head(op, &mini->ops[failed - mini->check_count]) ? &reply->replies[0]
                                                                           : NULL;
}

static void on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct value_op *op = container_of(call, struct value_op, head_call);
    const struct kv_reply *head = head_reply(op, status, reply);
    op->head_open = false;
    value_head_answered(op, status, head);
    op->mini->then(op, status, head);
}

void value_mini_send(struct value_op *op, bool answers_conflict,
                     void (*then)(struct value_op *op, int status, const struct kv_reply *head))
{
    struct value_mini *mini = op->mini;
    sf_assert(!op->head_open);
    mini->then = then;
    op->head_op = (struct kv_op){.kind = KV_MINI,
                                 .checks = mini->checks,
                                 .check_count = mini->check_count,
                                 .ops = mini->ops,
                                 .op_count = mini->op_count};
    op->head_open = true;
    op->head_asked_ms = value_now_ms(op);
    op->head_call = (struct client_call){.on_done = on_done,
                                         .op = &op->head_op,
                                         .timeout_ms = value_left_ms(op),
                                         .answers_conflict = answers_conflict};
    client_submit(op->client, &op->head_call);
}

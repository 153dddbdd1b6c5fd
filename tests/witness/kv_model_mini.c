/* Several operations of one shard, all or none. */
#include "witness/kv_model_inside.h"

static bool has_prefix_keys(const struct doing *doing, const struct kv_op *check)
{
    for (struct kv_model_key *key = doing->model->keys; key != NULL; key = key->hh.next) {
        struct slice name = slice_of(key->name.p + 1, key->name.n - 1);
        if (key->shard == doing->shard && key->now != NULL && key->space == check->space &&
            slice_has_prefix(name, check->key))
            return true;
    }
    return false;
}

static bool slot_is_zero(const struct value *value, uint64_t slot)
{
    size_t at = (size_t)slot * 8;
    for (size_t i = at; value != NULL && i < at + 8 && i < value->head.n; i++)
        if (value->head.p[i] != 0)
            return false;
    return true;
}

static void check_part(const struct doing *doing, const struct kv_op *check, struct kv_reply *reply)
{
    const struct kv_model_key *key =
        kv_model_key_of(doing->model, doing->shard, check->space, check->key);
    *reply = (struct kv_reply){.status = kvm_precondition(key->now, check)};
    if (reply->status == SF_OK && (check->flags & KV_PREFIX_EMPTY) && has_prefix_keys(doing, check))
        reply->status = SF_NOT_EMPTY;
    if (reply->status == SF_OK && (check->flags & KV_IF_SLOT_ZERO) &&
        !slot_is_zero(key->now, check->offset))
        reply->status = SF_NOT_EMPTY;
    if (key->now != NULL)
        kvm_value_stat(key->now, &reply->stat);
}

/* Parts are numbered through, checks first. */
static void do_part(const struct doing *doing, const struct kv_op *mini, size_t number,
                    struct kv_reply *reply)
{
    if (number < mini->check_count)
        check_part(doing, &mini->checks[number], reply);
    else
        kvm_operate_any(doing, &mini->ops[number - mini->check_count], reply);
}

/* Does one part after the other until one fails; how many were done. */
static size_t do_parts(const struct doing *doing, const struct kv_op *mini,
                       struct kv_reply *replies)
{
    size_t count = mini->check_count + mini->op_count, bytes = 0, done = 0;
    for (; done < count; done++) {
        struct kv_reply part;
        do_part(doing, mini, done, &part);
        bytes += part.data.n;
        if (bytes > SF_VALUE_BYTES_MAX)
            part = (struct kv_reply){.status = SF_TOO_BIG};
        if (done >= mini->check_count)
            replies[done - mini->check_count] = part;
        if (part.status != SF_OK) {
            replies[0] = part;
            break;
        }
    }
    return done;
}

void kvm_mini_run(struct mini *mini, const struct doing *doing, const struct kv_op *op)
{
    const struct kv_model_shard *shard = doing->shard;
    mini->counters = shard->counters;
    mini->intent_count = shard->intent_count;
    mini->intents = sf_memdup(shard->intents, shard->intent_count * sizeof *shard->intents);
    mini->reply = (struct kv_reply){.replies = mini->replies, .reply_count = op->op_count};
    size_t done = do_parts(doing, op, mini->replies);
    if (done == op->check_count + op->op_count)
        return;
    mini->reply.status = mini->replies[0].status;
    mini->reply.reply_count = 1;
    mini->reply.failed = done;
}

void kvm_mini_end(struct mini *mini, const struct doing *doing, bool undo)
{
    struct kv_model_shard *shard = doing->shard;
    if (undo) {
        shard->counters = mini->counters;
        shard->intent_count = mini->intent_count;
        if (mini->intent_count > 0)
            memcpy(shard->intents, mini->intents, mini->intent_count * sizeof *shard->intents);
    }
    free(mini->intents);
}

bool kvm_mini_execute(const struct doing *doing, const struct kv_op *op, struct buffer *reply)
{
    struct mini mini;
    kvm_mini_run(&mini, doing, op);
    bool undo = mini.reply.status != SF_OK;
    kvm_mini_end(&mini, doing, undo);
    kv_reply_pack(reply, &mini.reply);
    return undo;
}

#include "client/txn_parts.h"

/* -- taking apart -------------------------------------------------------------------------- */

static const struct kv_op *part_at(const struct kv_op *mini, size_t i)
{
    return i < mini->check_count ? &mini->checks[i] : &mini->ops[i - mini->check_count];
}

static bool spans_shards(const struct kv_op *op)
{
    return (op->flags & KV_PREFIX_EMPTY) && op->space == KV_PLAIN;
}

enum txn_place txn_place_of(const struct kv_op *mini, const struct config *config, uint32_t *shard)
{
    size_t count = mini->check_count + mini->op_count;
    bool found = false, spans = false, many = false;
    uint32_t first = kv_op_shard(mini, config->routing, config->shard_count);
    for (size_t i = 0; i < count; i++) {
        const struct kv_op *op = part_at(mini, i);
        uint32_t own = kv_op_shard(op, config->routing, config->shard_count);
        if (spans_shards(op)) {
            spans = true;
            continue;
        }
        many = many || (found && own != first);
        first = found ? first : own;
        found = true;
    }
    *shard = first;
    if (!many)
        return TXN_ONE_SHARD;
    return spans ? TXN_NOT_SUPPORTED : TXN_MANY_SHARDS;
}

/* The part of this shard, in its place among those that are there. */
static struct txn_part *find_or_make(struct txn *txn, uint32_t shard)
{
    size_t at = 0;
    while (at < txn->count && txn->parts[at].shard < shard)
        at++;
    if (at < txn->count && txn->parts[at].shard == shard)
        return &txn->parts[at];
    memmove(&txn->parts[at + 1], &txn->parts[at], (txn->count - at) * sizeof *txn->parts);
    txn->parts[at] = (struct txn_part){.txn = txn, .shard = shard};
    txn->count++;
    return &txn->parts[at];
}

static void add(struct txn_part *part, const struct kv_op *op, size_t place, bool is_check)
{
    part->place[part->check_count + part->op_count] = (uint8_t)place;
    if (is_check)
        part->checks[part->check_count++] = *op;
    else
        part->ops[part->op_count++] = *op;
}

void txn_parts_make(struct txn *txn, const struct kv_op *mini, const struct config *config)
{
    size_t count = mini->check_count + mini->op_count;
    txn->parts = sf_calloc(count + 1, sizeof *txn->parts);
    for (size_t i = 0; i < count; i++)
        (void)find_or_make(txn,
                           kv_op_shard(part_at(mini, i), config->routing, config->shard_count));
    for (size_t i = 0; i < txn->count; i++) {
        txn->parts[i].checks = sf_calloc(mini->check_count + 1, sizeof(struct kv_op));
        txn->parts[i].ops = sf_calloc(mini->op_count + 1, sizeof(struct kv_op));
    }
    for (size_t i = 0; i < count; i++) {
        const struct kv_op *op = part_at(mini, i);
        uint32_t shard = kv_op_shard(op, config->routing, config->shard_count);
        add(find_or_make(txn, shard), op, i, i < mini->check_count);
    }
}

/* -- answers ------------------------------------------------------------------------------- */

static void drop_reply(struct txn_part *part)
{
    if (part->has_reply)
        kv_reply_free(&part->reply);
    part->has_reply = false;
    unpack_close(&part->unpacked);
    part->unpacked = (struct unpacked){0};
    buffer_clear(&part->kept);
}

void txn_part_reset(struct txn_part *part)
{
    drop_reply(part);
    part->refusal = SF_OK;
    part->is_uncertain = part->was_told = false;
}

void txn_part_keep(struct txn_part *part, const struct kv_reply *reply)
{
    drop_reply(part);
    kv_reply_pack(&part->kept, reply);
    part->has_reply = unpack_open(buffer_slice(&part->kept), &part->unpacked) == SF_OK &&
                      kv_reply_unpack(&part->unpacked.root, &part->reply) == SF_OK;
    sf_assert(part->has_reply); /* it was unpacked before */
}

void txn_parts_free(struct txn *txn)
{
    for (size_t i = 0; i < txn->count; i++) {
        drop_reply(&txn->parts[i]);
        buffer_deinit(&txn->parts[i].kept);
        free(txn->parts[i].checks);
        free(txn->parts[i].ops);
    }
    free(txn->parts);
}

/* -- the verdict --------------------------------------------------------------------------- */

/* What each operation answered, in the order of the whole. False: somebody no longer knows. */
static bool collect(struct txn *txn, struct kv_reply *reply)
{
    const struct kv_op *mini = txn->op->call->op;
    for (size_t i = 0; i < txn->count; i++) {
        const struct txn_part *part = &txn->parts[i];
        if (part->op_count == 0)
            continue;
        if (!part->has_reply || part->reply.reply_count != part->op_count)
            return false;
        for (size_t k = 0; k < part->op_count; k++)
            txn->replies[part->place[part->check_count + k] - mini->check_count] =
                part->reply.replies[k];
    }
    *reply = (struct kv_reply){.replies = txn->replies, .reply_count = mini->op_count};
    return true;
}

/* A no that says nothing of the transaction's own sense. */
static bool is_bad_luck(int status)
{
    return status == SF_CONFLICT || status == SF_ABANDONED || status == SF_SESSION_EXPIRED ||
           status == SF_STALE;
}

/* Position within the whole of what failed in a part. */
static size_t failed_place(const struct txn_part *part)
{
    size_t failed = (size_t)part->reply.failed;
    return failed < part->check_count + part->op_count ? part->place[failed] : 0;
}

/* The part whose failure is to be told: the first within the whole. NULL: all was bad luck. */
static const struct txn_part *find_reason(const struct txn *txn)
{
    const struct txn_part *reason = NULL;
    for (size_t i = 0; i < txn->count; i++) {
        const struct txn_part *part = &txn->parts[i];
        if (!part->has_reply || part->reply.fate != KV_FATE_ABORTED ||
            is_bad_luck(part->reply.status))
            continue;
        if (reason == NULL || failed_place(part) < failed_place(reason))
            reason = part;
    }
    return reason;
}

/* A no may be all that is left of a commit that was finished and forgotten by others, where the
 * session went too. One participant that tells otherwise is enough. */
bool txn_is_certain(const struct txn *txn)
{
    bool is_uncertain = false, evidence = false;
    for (size_t i = 0; i < txn->count; i++) {
        const struct txn_part *part = &txn->parts[i];
        bool said_no = part->has_reply && part->reply.fate == KV_FATE_ABORTED;
        if (part->has_reply && part->reply.fate == KV_FATE_COMMITTED)
            return false;
        is_uncertain = is_uncertain || part->is_uncertain;
        evidence = evidence || part->was_told || (said_no && !part->is_uncertain);
    }
    return !is_uncertain || evidence;
}

static int find_refusal(const struct txn *txn)
{
    for (size_t i = 0; i < txn->count; i++)
        if (txn->parts[i].refusal != SF_OK)
            return txn->parts[i].refusal;
    return SF_CONFLICT;
}

static int verdict_of_abort(struct txn *txn, struct kv_reply *reply)
{
    const struct txn_part *reason = find_reason(txn);
    if (!txn_is_certain(txn))
        return SF_UNKNOWN;
    *reply = (struct kv_reply){.status = reason ? reason->reply.status : find_refusal(txn)};
    if (reason && reason->reply.reply_count > 0) {
        reply->replies = reason->reply.replies;
        reply->reply_count = 1;
    }
    if (reason)
        reply->failed = failed_place(reason);
    return reply->status;
}

int txn_verdict(struct txn *txn, struct kv_reply *reply)
{
    if (txn->finish.decision == FINISH_ABORT)
        return verdict_of_abort(txn, reply);
    return collect(txn, reply) ? SF_OK : SF_UNKNOWN;
}

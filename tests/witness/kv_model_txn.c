/* Transactions over several shards: the fates of numbers, and the locks of what is prepared. */
#include "witness/kv_model_inside.h"

/* -- locks ---------------------------------------------------------------------------------- */

enum { WANTS_ADD = 1, WANTS_CHECK = 2, WANTS_WRITE = 4 };

/* What one part of an operation wants of one key, or of all with a prefix. */
struct want {
    unsigned how;
    const struct kv_op *part;
};

/* A condition on what an Add changes, or on what it leaves. */
static unsigned condition(const struct kv_op *op)
{
    bool version = op->pre.kind == KV_PRE_VERSION || op->pre.kind == KV_PRE_ABSENT;
    return version || (op->flags & KV_IF_SLOT_ZERO) ? WANTS_CHECK : WANTS_ADD;
}

static struct want want_of(const struct kv_op *part, bool is_check)
{
    unsigned how = WANTS_WRITE;
    if (!(part->flags & KV_PREFIX_EMPTY) && (is_check || part->kind == KV_ADD))
        how = condition(part) | (is_check ? 0u : WANTS_ADD);
    return (struct want){how, part};
}

static size_t wants_of(const struct kv_op *op, struct want *wants)
{
    size_t count = 0;
    if (op->kind != KV_MINI && op->kind != KV_PREPARE)
        wants[count++] = want_of(op, false);
    for (size_t i = 0; i < op->check_count; i++)
        wants[count++] = want_of(&op->checks[i], true);
    for (size_t i = 0; i < op->op_count; i++)
        wants[count++] = want_of(&op->ops[i], false);
    return count;
}

static bool meet(const struct kv_op *a, const struct kv_op *b)
{
    bool a_prefix = a->flags & KV_PREFIX_EMPTY, b_prefix = b->flags & KV_PREFIX_EMPTY;
    if (a->space != b->space)
        return false;
    return slice_equal(a->key, b->key) || (a_prefix && slice_has_prefix(b->key, a->key)) ||
           (b_prefix && slice_has_prefix(a->key, b->key));
}

static bool exclude(unsigned a, unsigned b)
{
    return ((a | b) & WANTS_WRITE) || ((a & WANTS_ADD) && (b & WANTS_CHECK)) ||
           ((a & WANTS_CHECK) && (b & WANTS_ADD));
}

static bool conflict(const struct kv_op *a, const struct kv_op *b)
{
    struct want of_a[SF_MINI_OPS_MAX], of_b[SF_MINI_OPS_MAX];
    size_t count_a = wants_of(a, of_a), count_b = wants_of(b, of_b);
    for (size_t i = 0; i < count_a; i++)
        for (size_t k = 0; k < count_b; k++)
            if (meet(of_a[i].part, of_b[k].part) && exclude(of_a[i].how, of_b[k].how))
                return true;
    return false;
}

static bool changes_keys(enum kv_kind kind)
{
    return (kind >= KV_PUT && kind <= KV_TAKE) || kind == KV_MINI || kind == KV_PREPARE;
}

bool kvm_is_locked(const struct kv_model_shard *shard, const struct kv_op *op)
{
    for (const struct txn *txn = shard->txns; txn != NULL && changes_keys(op->kind);
         txn = txn->hh.next)
        if (txn->fate == KV_FATE_PREPARED && conflict(op, &txn->op))
            return true;
    return false;
}

bool kvm_txn_has_session(const struct kv_model_shard *shard, uint64_t session)
{
    for (const struct txn *txn = shard->txns; txn != NULL; txn = txn->hh.next)
        if (txn->fate == KV_FATE_PREPARED && txn->name.session == session)
            return true;
    return false;
}

size_t kv_model_open_txns(const struct kv_model *model)
{
    size_t count = 0;
    for (uint32_t i = 0; i < model->options.shard_count; i++)
        count += HASH_COUNT(model->shards[i].txns);
    return count;
}

/* -- what is known of numbers --------------------------------------------------------------- */

static struct txn *find(const struct kv_model_shard *shard, uint64_t session, uint64_t sequence)
{
    const struct txn_name name = {session, sequence};
    struct txn *txn;
    HASH_FIND(hh, shard->txns, &name, sizeof name, txn);
    return txn;
}

static void txn_free(struct kv_model_shard *shard, struct txn *txn)
{
    HASH_DEL(shard->txns, txn);
    kv_op_free(&txn->op);
    unpack_close(&txn->unpacked);
    buffer_deinit(&txn->bytes);
    free(txn);
}

void kvm_txns_free(struct kv_model_shard *shard)
{
    while (shard->txns != NULL)
        txn_free(shard, shard->txns);
}

static void answer_fate(struct buffer *reply, int status, enum kv_fate fate)
{
    buffer_clear(reply);
    kv_reply_pack(reply, &(struct kv_reply){.status = status, .fate = fate});
}

static struct answer *find_answer(const struct kv_model_shard *shard, uint64_t session,
                                  uint64_t sequence)
{
    struct kv_model_session *owner = kvm_session_find(shard, session);
    return owner != NULL ? kvm_session_answer(owner, sequence) : NULL;
}

/* The record of the number says most. */
static void answer_record(const struct doing *doing, const struct kv_number *number,
                          enum kv_fate fate, struct buffer *reply)
{
    const struct answer *answer = find_answer(doing->shard, number->session, number->sequence);
    answer_fate(reply, SF_OK, fate);
    if (answer != NULL)
        buffer_set(reply, buffer_slice(&answer->reply));
}

/* Words that mean that it never will be prepared say so. */
static void say_no(struct buffer *reply)
{
    static const int words[] = {SF_STALE, SF_SESSION_EXPIRED, SF_ABANDONED};
    struct buffer b = {0};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        buffer_clear(&b);
        kvm_answer_status(&b, words[i]);
        if (slice_equal(buffer_slice(&b), buffer_slice(reply)))
            answer_fate(reply, words[i], KV_FATE_ABORTED);
    }
    buffer_deinit(&b);
}

static enum kv_fate fate_of(struct slice packed)
{
    struct unpacked unpacked;
    struct kv_reply reply;
    int status = unpack_open(packed, &unpacked);
    if (status == SF_OK)
        status = kv_reply_unpack(&unpacked.root, &reply);
    sf_assert(status == SF_OK);
    enum kv_fate fate = reply.fate;
    kv_reply_free(&reply);
    unpack_close(&unpacked);
    return fate;
}

/* -- prepare -------------------------------------------------------------------------------- */

static void keep_prepared(struct kv_model_shard *shard, const struct kv_session *asked,
                          const struct kv_op *op)
{
    struct txn *txn = sf_calloc(1, sizeof *txn);
    txn->name = (struct txn_name){asked->session, asked->sequence};
    txn->fate = KV_FATE_PREPARED;
    kv_op_pack(&txn->bytes, op);
    int status = unpack_open(buffer_slice(&txn->bytes), &txn->unpacked);
    struct cursor one = {.at = &txn->unpacked.root, .end = &txn->unpacked.root + 1};
    if (status == SF_OK)
        status = kv_op_unpack(&one, &txn->op);
    sf_assert(status == SF_OK);
    HASH_ADD(hh, shard->txns, name, sizeof txn->name, txn);
}

/* A yes needs that all of it would succeed; nothing is done yet. */
static void vote(const struct doing *doing, const struct kv_session *asked, const struct kv_op *op,
                 struct buffer *reply)
{
    struct mini mini;
    kvm_mini_run(&mini, doing, op);
    kvm_mini_end(&mini, doing, true);
    if (mini.reply.status == SF_OK) {
        keep_prepared(doing->shard, asked, op);
        answer_fate(reply, SF_OK, KV_FATE_PREPARED);
        return;
    }
    mini.reply.fate = KV_FATE_ABORTED;
    kv_reply_pack(reply, &mini.reply);
}

/* True: what was begun is to be undone. */
static bool prepare(struct doing *doing, const struct kv_session *asked, const struct kv_op *op,
                    struct buffer *reply)
{
    const struct kv_number own = {.session = asked->session, .sequence = asked->sequence};
    const struct txn *txn = find(doing->shard, own.session, own.sequence);
    struct kv_model_session *session;
    bool refused = op->flags & KV_REFUSED, waits = op->flags & KV_WAITS;
    if (txn != NULL) {
        answer_record(doing, &own, txn->fate, reply);
        return false;
    }
    if (!kvm_session_admits(doing, asked, asked->sequence, &session, reply)) {
        say_no(reply);
        return false;
    }
    bool locked = kvm_is_locked(doing->shard, op);
    if (locked && waits && !refused) {
        kvm_answer_status(reply, SF_LOCKED);
        return false;
    }
    doing->session = session->number;
    if (locked || refused)
        answer_fate(reply, SF_CONFLICT, KV_FATE_ABORTED);
    else
        vote(doing, asked, op, reply);
    kvm_session_keep_answer(session, asked->sequence, buffer_slice(reply));
    return true;
}

/* -- outcome -------------------------------------------------------------------------------- */

/* Who is told the outcome of a transaction is told what all its participants are told. */
static void check_outcome(const struct doing *doing, const struct txn *txn, bool commits)
{
    for (size_t i = 0; i < txn->op.number_count; i++) {
        const struct kv_number *n = &txn->op.numbers[i];
        const struct txn *other = find(&doing->model->shards[n->shard], n->session, n->sequence);
        if (other != NULL && commits)
            sf_assert(other->fate != KV_FATE_ABORTED);
        if (other != NULL && !commits)
            sf_assert(other->fate != KV_FATE_COMMITTED);
        if (other == NULL && commits) { /* forgotten since, or it never voted yes */
            const struct answer *a =
                find_answer(&doing->model->shards[n->shard], n->session, n->sequence);
            sf_assert(a == NULL || fate_of(buffer_slice(&a->reply)) == KV_FATE_COMMITTED);
        }
    }
}

static void commit(struct doing *doing, const struct txn *txn, struct buffer *reply)
{
    struct kv_op unchecked = txn->op;
    struct mini mini;
    unchecked.check_count = 0;
    doing->session = txn->name.session;
    kvm_mini_run(&mini, doing, &unchecked);
    sf_assert(mini.reply.status == SF_OK); /* as it was when it voted */
    kvm_mini_end(&mini, doing, false);
    mini.reply.fate = KV_FATE_COMMITTED;
    kv_reply_pack(reply, &mini.reply);
}

static void carry_out(struct doing *doing, struct txn *txn, bool commits, struct buffer *reply)
{
    struct answer *answer = find_answer(doing->shard, txn->name.session, txn->name.sequence);
    check_outcome(doing, txn, commits);
    if (commits)
        commit(doing, txn, reply);
    else
        answer_fate(reply, SF_ABANDONED, KV_FATE_ABORTED);
    txn->fate = commits ? KV_FATE_COMMITTED : KV_FATE_ABORTED;
    if (answer != NULL)
        buffer_set(&answer->reply, buffer_slice(reply));
}

static void outcome(struct doing *doing, const struct kv_op *op, struct buffer *reply)
{
    const struct kv_number *number = &op->numbers[0];
    struct txn *txn = find(doing->shard, number->session, number->sequence);
    if (txn != NULL && txn->fate == KV_FATE_PREPARED)
        carry_out(doing, txn, op->flags & KV_COMMITS, reply);
    else
        answer_record(doing, number, txn != NULL ? txn->fate : KV_FATE_NONE, reply);
}

static void ask(const struct doing *doing, const struct kv_op *op, struct buffer *reply)
{
    const struct kv_number *number = &op->numbers[0];
    const struct kv_session asked = {.session = number->session,
                                     .sequence = number->sequence,
                                     .first_incomplete = number->first_incomplete};
    const struct txn *txn = find(doing->shard, number->session, number->sequence);
    if (txn != NULL) {
        answer_fate(reply, SF_OK, txn->fate);
        return;
    }
    kvm_session_abandon(doing, &asked, number->sequence, reply);
    say_no(reply);
}

static void forget(const struct doing *doing, const struct kv_op *op, struct buffer *reply)
{
    for (size_t i = 0; i < op->number_count; i++) {
        struct txn *txn = find(doing->shard, op->numbers[i].session, op->numbers[i].sequence);
        if (txn != NULL && txn->fate != KV_FATE_PREPARED)
            txn_free(doing->shard, txn);
    }
    kvm_answer_status(reply, SF_OK);
}

bool kvm_txn_dispatch(struct doing *doing, const struct kv_session *asked, const struct kv_op *op,
                      struct buffer *reply)
{
    if (op->kind == KV_PREPARE)
        return prepare(doing, asked, op, reply);
    if (op->kind == KV_OUTCOME)
        outcome(doing, op, reply);
    else if (op->kind == KV_ASK)
        ask(doing, op, reply);
    else
        forget(doing, op, reply);
    return false;
}

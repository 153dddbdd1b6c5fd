#include "shardkv/txn.h"

#include "env/mark.h"
#include "shardkv/completion.h"
#include "shardkv/mini.h"
#include "shardkv/session.h"
#include "shardkv/trash.h"
#include "shardkv/txn_table.h"

/* Owns the intents of what is PREPARED (T8): no session ever has this number. */
#define HOLDER UINT64_MAX

static void answer_with(struct buffer *answer, int status, enum kv_fate fate)
{
    buffer_clear(answer);
    completion_pack(answer, &(struct kv_reply){.status = status, .fate = fate});
}

bool txn_is_locked(const struct access *access, const struct kv_op *op)
{
    struct lock_set set = {0};
    if (access->txns == NULL || !txn_table_has_locks(access->txns))
        return false;
    lock_set_of(&set, op);
    bool locked = txn_table_blocks(access->txns, &set);
    lock_set_deinit(&set);
    return locked;
}

static struct txn_entry *find(const struct access *access, const struct kv_number *number)
{
    return txn_table_find(access->txns, number->session, number->sequence);
}

/* What is known of a number that has, or had, a prepared record: its completion record says most;
 * where that is gone, its fate alone is left. */
static void answer_fate(struct access *access, const struct kv_number *number, enum kv_fate fate,
                        struct buffer *answer)
{
    buffer_clear(answer);
    if (!session_find_completion(access, number->session, number->sequence, answer))
        answer_with(answer, SF_OK, fate);
}

/* The words that mean no for ever (T2) say so. Returns the answer's status. */
static int mark_no(struct buffer *answer)
{
    struct slice rest;
    int status = completion_status(buffer_slice(answer), &rest);
    if (status == SF_STALE || status == SF_SESSION_EXPIRED || status == SF_ABANDONED)
        answer_with(answer, status, KV_FATE_ABORTED);
    return status;
}

/* -- prepare ------------------------------------------------------------------------------- */

static const struct kv_number *find_own(const struct request *request)
{
    for (size_t i = 0; i < request->op.number_count; i++) {
        const struct kv_number *number = &request->op.numbers[i];
        if (number->shard == request->shard && number->session == request->session.session &&
            number->sequence == request->session.sequence)
            return number;
    }
    return NULL;
}

static void give_intents(struct access *access, const struct kv_op *op)
{
    for (size_t i = 0; i < op->op_count; i++) {
        if (!(op->ops[i].flags & KV_HAS_INTENT))
            continue;
        intent_give(access, op->ops[i].ids_first, HOLDER);
        access->intents--;
    }
}

static void vote_yes(struct access *access, const struct request *request, struct buffer *answer)
{
    struct txn_record record = {.session = request->session.session,
                                .sequence = request->session.sequence,
                                .fate = KV_FATE_PREPARED,
                                .number_count = request->op.number_count};
    for (size_t i = 0; i < record.number_count; i++)
        record.numbers[i] = request->op.numbers[i];
    give_intents(access, &request->op);
    txn_record_put(access, &record, &request->op);
    (void)txn_table_add(access->txns, &record, &request->op);
    answer_with(answer, SF_OK, KV_FATE_PREPARED);
}

static void vote(struct access *access, const struct request *request, bool locked,
                 struct buffer *answer)
{
    struct kv_reply reply = {.status = SF_CONFLICT};
    if (!locked)
        mini_try(access, &request->op, &reply);
    if (reply.status == SF_OK) {
        vote_yes(access, request, answer);
        return;
    }
    reply.fate = KV_FATE_ABORTED;
    completion_pack(answer, &reply);
}

void txn_prepare(struct access *access, const struct request *request, struct buffer *answer)
{
    struct session session;
    const struct kv_number *own = find_own(request);
    if (own == NULL) {
        answer_with(answer, SF_INVALID, KV_FATE_NONE);
        return;
    }
    const struct txn_entry *entry = find(access, own);
    if (entry != NULL) {
        SF_MARK("txn: Prepare answered again");
        answer_fate(access, own, entry->record.fate, answer);
        return;
    }
    if (session_begin(access, &request->session, &session, answer) != SESSION_EXECUTE) {
        if (mark_no(answer) == SF_ABANDONED)
            SF_MARK("txn: late Prepare met a forced no");
        return;
    }
    bool refused = request->op.flags & KV_REFUSED;
    bool locked = refused || txn_is_locked(access, &request->op);
    if (locked && !refused && (request->op.flags & KV_WAITS)) {
        session_leave_open(access, &session);
        answer_with(answer, SF_LOCKED, KV_FATE_NONE);
        return;
    }
    if (refused)
        SF_MARK("txn: Prepare refused, it came out of turn");
    else if (locked)
        SF_MARK("txn: Prepare met a lock and voted no");
    vote(access, request, locked, answer);
    session_record(access, &session, own->sequence, buffer_slice(answer));
}

/* -- outcome ------------------------------------------------------------------------------- */

static void settle(struct access *access, struct txn_entry *entry, enum kv_fate fate)
{
    txn_record_settle(access, &entry->record, fate);
    txn_table_settled(access->txns, entry);
}

static size_t count_intents(const struct kv_op *op)
{
    size_t intents = 0;
    for (size_t i = 0; i < op->op_count; i++)
        intents += (op->ops[i].flags & KV_HAS_INTENT) != 0;
    return intents;
}

/* The operations succeeded at the vote, and since then nothing could come in between (T4). */
static void commit(struct access *access, struct txn_entry *entry, const struct kv_op *op,
                   struct buffer *answer)
{
    struct kv_reply reply;
    struct kv_op unchecked = *op;
    unchecked.check_count = 0;
    access->session = HOLDER;
    access->owner = entry->record.session;
    access->intents = (uint32_t)count_intents(op);
    mini_execute(access, &unchecked, &reply);
    if (reply.status != SF_OK)
        draft_fail(&access->draft, SF_CORRUPT);
    reply.fate = KV_FATE_COMMITTED;
    completion_pack(answer, &reply);
    settle(access, entry, KV_FATE_COMMITTED);
}

static void give_intents_back(struct access *access, uint64_t session, const struct kv_op *op)
{
    for (size_t i = 0; i < op->op_count; i++) {
        uint64_t data_id = op->ops[i].ids_first;
        if (!(op->ops[i].flags & KV_HAS_INTENT))
            continue;
        if (session_take_intent(access, session))
            intent_give(access, data_id, session);
        else
            intent_trash(access, data_id);
    }
}

static void carry_out(struct access *access, struct txn_entry *entry, bool commits,
                      struct buffer *answer)
{
    struct txn_op prepared = {0};
    uint64_t session = entry->record.session;
    int status = txn_op_load(&access->draft, access->copy, &entry->record, &prepared);
    if (status != SF_OK) {
        draft_fail(&access->draft, status);
        return;
    }
    if (commits) {
        commit(access, entry, &prepared.op, answer);
    } else {
        SF_MARK("txn: yes aborted");
        give_intents_back(access, session, &prepared.op);
        settle(access, entry, KV_FATE_ABORTED);
        answer_with(answer, SF_ABANDONED, KV_FATE_ABORTED);
    }
    session_replace_completion(access, session, entry->record.sequence, buffer_slice(answer));
    txn_op_deinit(&prepared);
}

void txn_outcome(struct access *access, const struct kv_op *op, struct buffer *answer)
{
    const struct kv_number *number = &op->numbers[0];
    struct txn_entry *entry = find(access, number);
    if (entry != NULL && entry->record.fate == KV_FATE_PREPARED) {
        carry_out(access, entry, op->flags & KV_COMMITS, answer);
    } else {
        SF_MARK("txn: outcome told again, or of what was not prepared");
        answer_fate(access, number, entry != NULL ? entry->record.fate : KV_FATE_NONE, answer);
    }
}

/* -- ask, forget --------------------------------------------------------------------------- */

void txn_ask(struct access *access, const struct kv_op *op, struct buffer *answer)
{
    const struct kv_number *number = &op->numbers[0];
    const struct txn_entry *entry = find(access, number);
    if (entry != NULL) {
        answer_with(answer, SF_OK, entry->record.fate);
        return;
    }
    struct kv_session asked = {.session = number->session,
                               .sequence = number->sequence,
                               .first_incomplete = number->first_incomplete};
    session_abandon(access, &asked, number->sequence, answer);
    (void)mark_no(answer);
}

void txn_forget(struct access *access, const struct kv_op *op, struct buffer *answer)
{
    for (size_t i = 0; i < op->number_count; i++) {
        struct txn_entry *entry = find(access, &op->numbers[i]);
        if (entry == NULL || entry->record.fate == KV_FATE_PREPARED)
            continue;
        txn_record_delete(access, &entry->record);
        txn_table_remove(access->txns, entry);
    }
    answer_with(answer, SF_OK, KV_FATE_NONE);
}

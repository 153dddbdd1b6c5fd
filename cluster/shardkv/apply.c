#include "shardkv/apply.h"

#include "shardkv/completion.h"
#include "shardkv/mini.h"
#include "shardkv/ops.h"
#include "shardkv/orphan.h"
#include "shardkv/range.h"
#include "shardkv/session.h"
#include "shardkv/txn.h"

#define ORPHANS_A_TICK_MAX 1024u /* of a shard that one tick reclaims */

static void execute(struct access *access, const struct kv_op *op, struct buffer *answer)
{
    struct kv_reply reply;
    if (op->kind == KV_MINI)
        mini_execute(access, op, &reply);
    else if (kv_is_lock(op->kind) && access->ranges == NULL)
        reply = (struct kv_reply){.status = SF_UNSUPPORTED};
    else if (op->kind == KV_LOCK)
        range_lock(access, op, &reply);
    else if (op->kind == KV_LOCK_CANCEL)
        range_cancel(access, op, &reply);
    else
        ops_execute(access, op, &reply);
    completion_pack(answer, &reply);
}

/* Deleting an internal record has the same outcome however often it is done, as its key is never
 * used again for something else. So whoever removes trash needs no session. */
static bool is_idempotent(const struct kv_op *op)
{
    return op->kind == KV_DELETE && op->space == KV_INTERNAL;
}

/* No effect, no trace: who waits for the answer puts the request back (pending.c). A leader that
 * knows all places in its queues (pending_locks.c) proposes nothing that comes to this. */
static void answer_locked(struct buffer *answer)
{
    completion_pack(answer, &(struct kv_reply){.status = SF_LOCKED});
}

static void execute_once(struct access *access, const struct request *request,
                         struct buffer *answer)
{
    struct session session;
    if (request->session.session == 0 && is_idempotent(&request->op)) {
        if (txn_is_locked(access, &request->op))
            answer_locked(answer);
        else
            execute(access, &request->op, answer);
        return;
    }
    if (session_begin(access, &request->session, &session, answer) != SESSION_EXECUTE)
        return;
    if (txn_is_locked(access, &request->op)) {
        session_leave_open(access, &session);
        answer_locked(answer);
        return;
    }
    execute(access, &request->op, answer);
    session_record(access, &session, request->session.sequence, buffer_slice(answer));
}

static void dispatch_txn(struct access *access, const struct request *request,
                         struct buffer *answer)
{
    const struct kv_op *op = &request->op;
    if (access->txns == NULL)
        completion_pack(answer, &(struct kv_reply){.status = SF_UNSUPPORTED});
    else if (op->kind == KV_PREPARE)
        txn_prepare(access, request, answer);
    else if (op->kind == KV_OUTCOME)
        txn_outcome(access, op, answer);
    else if (op->kind == KV_ASK)
        txn_ask(access, op, answer);
    else
        txn_forget(access, op, answer);
}

static void dispatch_holder(struct access *access, const struct kv_op *op, struct buffer *answer)
{
    struct kv_reply reply = {.status = SF_UNSUPPORTED};
    if (access->ranges != NULL && op->kind == KV_RENEW)
        range_renew(access, op->ids_first, &reply);
    else if (access->ranges != NULL && op->kind == KV_FENCE)
        range_fence(access, op->ids_first, &reply);
    else if (access->ranges != NULL)
        range_release(access, op->ids_first, &reply);
    completion_pack(answer, &reply);
}

static void dispatch(struct access *access, const struct request *request, struct buffer *answer)
{
    const struct kv_op *op = &request->op;
    struct kv_reply reply;
    if (op->kind == KV_ABANDON) {
        session_abandon(access, &request->session, op->length, answer);
        return;
    }
    if (kv_is_of_txn(op->kind)) {
        dispatch_txn(access, request, answer);
        return;
    }
    if (kv_is_of_holder(op->kind)) {
        dispatch_holder(access, op, answer);
        return;
    }
    if (op->kind != KV_SESSION_OPEN && op->kind != KV_SESSION_CLOSE) {
        execute_once(access, request, answer);
        return;
    }
    if (op->kind == KV_SESSION_OPEN)
        session_open(access, op->data, &reply);
    else
        session_close(access, request->session.session, &reply);
    completion_pack(answer, &reply);
}

int apply_request(const struct access_at *at, const struct request *request, struct buffer *answer)
{
    struct access access;
    struct buffer own = {0};
    int status = access_open(&access, at);
    if (status != SF_OK)
        return status;
    dispatch(&access, request, &own);
    status = access_close(&access);
    buffer_append(answer, own.p, own.n);
    buffer_deinit(&own);
    return status;
}

int apply_wants_tick(const struct space *space, struct shard_copy copy, bool *wants)
{
    struct access access;
    access_open_read(&access, space, NULL, copy);
    int status = access_load_meta(&access);
    if (status == SF_OK)
        *wants = access.meta.session_count > 0 || orphan_is_there(&access);
    int closed = access_close(&access);
    return status != SF_OK ? status : closed;
}

int apply_tick(const struct access_at *at, size_t *limit)
{
    struct access access;
    bool wants = at->ranges != NULL && range_table_has_leases(at->ranges);
    int status = wants ? SF_OK : apply_wants_tick(at->space, at->copy, &wants);
    if (status != SF_OK || !wants)
        return status;
    status = access_open(&access, at);
    if (status != SF_OK)
        return status;
    *limit -= session_drop_idle(&access, *limit);
    orphan_reclaim(&access, ORPHANS_A_TICK_MAX);
    return access_close(&access);
}

int apply_trash_done(const struct access_at *at, uint64_t number)
{
    struct access access;
    int status = access_open(&access, at);
    if (status != SF_OK)
        return status;
    trash_remove(&access, number);
    return access_close(&access);
}

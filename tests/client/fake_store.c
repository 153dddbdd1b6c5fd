#include "client/fake_store.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "client/fake_record.h"
#include "env/memory.h"

struct completion {
    uint64_t sequence;
    struct buffer reply;
    UT_hash_handle hh;
};

struct session {
    struct session_name name;
    uint8_t client[KV_CLIENT_BYTES];
    uint64_t first_incomplete;
    struct completion *completions;
    UT_hash_handle hh;
};

/* What a participant voted yes to; it locks its keys until the outcome. */
struct prepared {
    struct session_name owner;
    uint64_t sequence;
    struct buffer packed;
    struct unpacked unpacked;
    struct kv_op op; /* of `packed` */
    struct prepared *prev, *next;
};

struct fake_store *fake_store_new(uint32_t shard_count)
{
    struct fake_store *store = sf_calloc(1, sizeof *store);
    store->shard_count = shard_count;
    store->next_id = 1000;
    store->next_session = 1;
    return store;
}

/* -- minitransactions ----------------------------------------------------------------------- */

static const struct kv_op *part_of(const struct kv_op *mini, size_t i)
{
    return i < mini->check_count ? &mini->checks[i] : &mini->ops[i - mini->check_count];
}

static bool names_key(const struct kv_op *mini, const struct kv_op *op)
{
    for (size_t i = 0; i < mini->check_count + mini->op_count; i++) {
        const struct kv_op *part = part_of(mini, i);
        if (part->space == op->space && slice_equal(part->key, op->key))
            return true;
    }
    return false;
}

/* Does a transaction that is prepared hold a key of it? */
static bool is_locked(const struct fake_store *store, const struct kv_op *op)
{
    bool is_mini = op->kind == KV_MINI || op->kind == KV_PREPARE;
    size_t count = is_mini ? op->check_count + op->op_count : 1;
    const struct prepared *prepared;
    DL_FOREACH(store->prepared, prepared)
    {
        for (size_t i = 0; i < count; i++) {
            if (names_key(&prepared->op, is_mini ? part_of(op, i) : op))
                return true;
        }
    }
    return false;
}

/* Whether each part would succeed as things are; of parts on one key only the first may have a
 * condition. False: replies[0] says what failed. */
static bool mini_try(struct fake_store *store, const struct kv_op *mini, struct kv_reply *reply,
                     struct kv_reply *replies)
{
    for (size_t i = 0; i < mini->check_count + mini->op_count; i++) {
        const struct kv_op *part = part_of(mini, i);
        const struct record *record = record_find(store, part->space, part->key);
        int status = record_pre_holds(part, record) ? SF_OK : SF_PRECONDITION;
        if (status == SF_OK && i >= mini->check_count && !record && !record_is_made_by(part->kind))
            status = SF_NOT_FOUND;
        if (status == SF_OK)
            continue;
        replies[0] = (struct kv_reply){.status = status};
        if (record)
            replies[0].stat = record->stat;
        *reply =
            (struct kv_reply){.status = status, .replies = replies, .reply_count = 1, .failed = i};
        return false;
    }
    return true;
}

static void mini_run(struct fake_store *store, const struct kv_request *request, uint64_t now_ns,
                     struct kv_reply *reply, struct kv_reply *replies)
{
    const struct kv_op *mini = &request->op;
    struct buffer old = {0};
    for (size_t i = 0; i < mini->op_count; i++) {
        struct kv_request part = {
            .target = request->target, .session = request->session, .op = mini->ops[i]};
        replies[i] = (struct kv_reply){0};
        record_execute(store, &part, now_ns, &replies[i], &old);
        sf_assert(replies[i].status == SF_OK);
    }
    buffer_deinit(&old);
    *reply = (struct kv_reply){.replies = replies, .reply_count = mini->op_count};
}

static void prepared_free(struct fake_store *store, struct prepared *prepared)
{
    DL_DELETE(store->prepared, prepared);
    kv_op_free(&prepared->op);
    unpack_close(&prepared->unpacked);
    buffer_deinit(&prepared->packed);
    free(prepared);
}

static void prepared_add(struct fake_store *store, const struct kv_request *request)
{
    struct prepared *prepared = sf_calloc(1, sizeof *prepared);
    prepared->owner = (struct session_name){request->target.shard, request->session.session};
    prepared->sequence = request->session.sequence;
    kv_op_pack(&prepared->packed, &request->op);
    int error = unpack_open(buffer_slice(&prepared->packed), &prepared->unpacked);
    sf_assert(error == SF_OK);
    struct cursor one = {.at = &prepared->unpacked.root, .end = &prepared->unpacked.root + 1};
    error = kv_op_unpack(&one, &prepared->op);
    sf_assert(error == SF_OK);
    DL_APPEND(store->prepared, prepared);
}

static struct prepared *prepared_find(const struct fake_store *store,
                                      const struct kv_number *number)
{
    struct prepared *prepared;
    DL_FOREACH(store->prepared, prepared)
    {
        if (prepared->owner.shard == number->shard && prepared->owner.number == number->session &&
            prepared->sequence == number->sequence)
            break;
    }
    return prepared;
}

/* MINI, and PREPARE, whose vote it gives. */
static void on_mini(struct fake_store *store, const struct kv_request *request, uint64_t now_ns,
                    struct kv_reply *reply, struct kv_reply *replies)
{
    bool prepares = request->op.kind == KV_PREPARE;
    if (prepares && is_locked(store, &request->op)) {
        *reply = (struct kv_reply){.status = SF_CONFLICT, .fate = KV_FATE_ABORTED};
    } else if (!mini_try(store, &request->op, reply, replies)) {
        reply->fate = prepares ? KV_FATE_ABORTED : KV_FATE_NONE;
    } else if (prepares) {
        prepared_add(store, request);
        reply->fate = KV_FATE_PREPARED;
    } else {
        mini_run(store, request, now_ns, reply, replies);
    }
}

/* -- sessions ------------------------------------------------------------------------------ */

static struct session *session_find(struct fake_store *store, const struct kv_request *request)
{
    struct session_name name = {request->target.shard, request->session.session};
    struct session *session;
    HASH_FIND(hh, store->sessions, &name, sizeof name, session);
    return session;
}

static void completion_free(struct session *session, struct completion *completion)
{
    HASH_DEL(session->completions, completion);
    buffer_deinit(&completion->reply);
    free(completion);
}

static void session_free(struct fake_store *store, struct session *session)
{
    struct completion *completion, *next;
    HASH_ITER(hh, session->completions, completion, next)
    completion_free(session, completion);
    struct intent *intent, *next_intent;
    HASH_ITER(hh, store->intents, intent, next_intent)
    {
        if (memcmp(&intent->owner, &session->name, sizeof session->name) == 0) {
            HASH_DEL(store->intents, intent);
            free(intent);
        }
    }
    HASH_DEL(store->sessions, session);
    free(session);
}

static void session_open(struct fake_store *store, const struct kv_request *request,
                         struct kv_reply *reply)
{
    struct session *session, *next;
    HASH_ITER(hh, store->sessions, session, next)
    {
        if (session->name.shard == request->target.shard &&
            memcmp(session->client, request->op.data.p, KV_CLIENT_BYTES) == 0) {
            reply->session = session->name.number;
            return;
        }
    }
    session = sf_calloc(1, sizeof *session);
    session->name = (struct session_name){request->target.shard, store->next_session++};
    session->first_incomplete = 1;
    memcpy(session->client, request->op.data.p, KV_CLIENT_BYTES);
    HASH_ADD(hh, store->sessions, name, sizeof session->name, session);
    reply->session = session->name.number;
}

static void advance(struct session *session, uint64_t first_incomplete)
{
    struct completion *completion, *next;
    if (first_incomplete > session->first_incomplete)
        session->first_incomplete = first_incomplete;
    HASH_ITER(hh, session->completions, completion, next)
    {
        if (completion->sequence < session->first_incomplete)
            completion_free(session, completion);
    }
}

static void record_completion(struct session *session, uint64_t sequence,
                              const struct buffer *reply)
{
    struct completion *completion = sf_calloc(1, sizeof *completion);
    completion->sequence = sequence;
    buffer_set(&completion->reply, buffer_slice(reply));
    HASH_ADD(hh, session->completions, sequence, sizeof completion->sequence, completion);
}

static void answer(struct buffer *to, int status)
{
    struct kv_reply reply = {.status = status};
    kv_reply_pack(to, &reply);
}

/* True: the number was answered before, or is refused; the reply is packed. */
static bool is_answered(struct session *session, uint64_t sequence, struct buffer *reply)
{
    struct completion *completion;
    HASH_FIND(hh, session->completions, &sequence, sizeof sequence, completion);
    if (completion)
        buffer_set(reply, buffer_slice(&completion->reply));
    else if (sequence < session->first_incomplete)
        answer(reply, SF_STALE);
    else if (sequence >= session->first_incomplete + SF_SESSION_OPEN_MAX)
        answer(reply, SF_SESSIONS_FULL);
    else
        return false;
    return true;
}

static int add_intent(struct fake_store *store, const struct kv_request *request)
{
    struct session_name owner = {request->target.shard, request->session.session};
    if (request->op.flags & KV_HAS_INTENT)
        return intent_find(store, request->op.ids_first, &owner) ? SF_OK : SF_INTENT_GONE;
    struct intent *intent = sf_calloc(1, sizeof *intent);
    intent->data_id = request->op.ids_first;
    intent->owner = owner;
    HASH_ADD(hh, store->intents, data_id, sizeof intent->data_id, intent);
    return SF_OK;
}

static void mutate(struct fake_store *store, const struct kv_request *request, uint64_t now_ns,
                   struct buffer *packed)
{
    struct kv_reply reply = {0}, replies[SF_MINI_OPS_MAX];
    struct buffer old = {0};
    if (request->op.kind == KV_MINI || request->op.kind == KV_PREPARE) {
        on_mini(store, request, now_ns, &reply, replies);
    } else if (request->op.kind == KV_NEW_IDS) {
        reply.ids_first = store->next_id;
        store->next_id += request->op.length;
    } else if (request->op.kind == KV_INTENT) {
        reply.status = add_intent(store, request);
    } else {
        record_execute(store, request, now_ns, &reply, &old);
    }
    store->executed[request->op.kind]++;
    kv_reply_pack(packed, &reply);
    buffer_deinit(&old);
}

static void in_session(struct fake_store *store, const struct kv_request *request, uint64_t now_ns,
                       struct buffer *packed)
{
    struct session *session = session_find(store, request);
    bool abandons = request->op.kind == KV_ABANDON;
    uint64_t sequence = abandons ? request->op.length : request->session.sequence;
    if (!session) {
        answer(packed, SF_SESSION_EXPIRED);
        return;
    }
    advance(session, request->session.first_incomplete);
    if (is_answered(session, sequence, packed))
        return;
    if (abandons)
        answer(packed, SF_ABANDONED);
    else
        mutate(store, request, now_ns, packed);
    record_completion(session, sequence, packed);
}

/* Its completion record, from now on the outcome. */
static void replace_completion(struct session *session, uint64_t sequence,
                               const struct buffer *packed)
{
    struct completion *completion = NULL;
    if (session)
        HASH_FIND(hh, session->completions, &sequence, sizeof sequence, completion);
    if (completion)
        buffer_set(&completion->reply, buffer_slice(packed));
}

static struct session *session_of(struct fake_store *store, const struct kv_number *number)
{
    struct session_name name = {number->shard, number->session};
    struct session *session;
    HASH_FIND(hh, store->sessions, &name, sizeof name, session);
    return session;
}

static void outcome(struct fake_store *store, const struct kv_op *op, uint64_t now_ns,
                    struct buffer *packed)
{
    struct kv_reply reply = {.fate = KV_FATE_ABORTED}, replies[SF_MINI_OPS_MAX];
    struct session *session = session_of(store, &op->numbers[0]);
    struct prepared *prepared = prepared_find(store, &op->numbers[0]);
    if (!prepared) {
        if (!session || !is_answered(session, op->numbers[0].sequence, packed))
            kv_reply_pack(packed, &(struct kv_reply){0});
        return;
    }
    if (op->flags & KV_COMMITS) {
        struct kv_request request = {.target.shard = (uint32_t)prepared->owner.shard,
                                     .session.session = prepared->owner.number,
                                     .op = prepared->op};
        mini_run(store, &request, now_ns, &reply, replies);
        reply.fate = KV_FATE_COMMITTED;
    }
    kv_reply_pack(packed, &reply);
    replace_completion(session, prepared->sequence, packed);
    prepared_free(store, prepared);
}

/* What was not prepared so far will not be. */
static void ask(struct fake_store *store, const struct kv_op *op, struct buffer *packed)
{
    const struct kv_number *number = &op->numbers[0];
    struct session *session = session_of(store, number);
    struct kv_reply no = {.status = SF_ABANDONED, .fate = KV_FATE_ABORTED};
    if (prepared_find(store, number)) {
        kv_reply_pack(packed, &(struct kv_reply){.fate = KV_FATE_PREPARED});
    } else if (!session || number->sequence < session->first_incomplete) {
        kv_reply_pack(packed, &no);
    } else if (!is_answered(session, number->sequence, packed)) {
        kv_reply_pack(packed, &no);
        record_completion(session, number->sequence, packed);
    }
}

static void of_txn(struct fake_store *store, const struct kv_op *op, uint64_t now_ns,
                   struct buffer *packed)
{
    if (op->kind == KV_OUTCOME)
        outcome(store, op, now_ns, packed);
    else if (op->kind == KV_ASK)
        ask(store, op, packed);
    else
        kv_reply_pack(packed, &(struct kv_reply){0}); /* FORGET: completion records are enough */
}

void fake_store_execute(struct fake_store *store, const struct kv_request *request, uint64_t now_ns,
                        struct buffer *packed)
{
    struct kv_reply reply = {0};
    struct session *session;
    bool prepares = request->op.kind == KV_PREPARE;
    if (kv_is_of_txn(request->op.kind) && !prepares) {
        of_txn(store, &request->op, now_ns, packed);
    } else if (!prepares && is_locked(store, &request->op)) {
        answer(packed, SF_OVERLOADED); /* the client comes again: the fake of waiting */
    } else if (request->op.kind == KV_SCAN) {
        record_scan(store, &request->op, packed);
    } else if (kv_is_read(request->op.kind)) {
        record_execute(store, request, now_ns, &reply, NULL);
        kv_reply_pack(packed, &reply);
    } else if (request->op.kind == KV_SESSION_OPEN) {
        session_open(store, request, &reply);
        kv_reply_pack(packed, &reply);
    } else if (request->op.kind == KV_SESSION_CLOSE) {
        session = session_find(store, request);
        if (session)
            session_free(store, session);
        kv_reply_pack(packed, &reply);
    } else {
        in_session(store, request, now_ns, packed);
    }
}

/* -- the rest ------------------------------------------------------------------------------ */

void fake_store_expire_sessions(struct fake_store *store)
{
    while (store->sessions)
        session_free(store, store->sessions);
}

void fake_store_free(struct fake_store *store)
{
    fake_store_expire_sessions(store);
    while (store->prepared)
        prepared_free(store, store->prepared);
    while (store->records)
        record_free(store, store->records);
    sf_assert(!store->intents);
    free(store);
}

size_t fake_store_session_count(const struct fake_store *store)
{
    return HASH_COUNT(store->sessions);
}

uint64_t fake_store_executed(const struct fake_store *store, enum kv_kind kind)
{
    return store->executed[kind];
}

size_t fake_store_record_count(const struct fake_store *store, enum kv_space space)
{
    size_t count = 0;
    for (const struct record *record = store->records; record; record = record->hh.next)
        count += record->key.p[0] == (uint8_t)space;
    return count;
}

size_t fake_store_intent_count(const struct fake_store *store)
{
    return HASH_COUNT(store->intents);
}

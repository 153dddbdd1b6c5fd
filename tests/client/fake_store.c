#include "client/fake_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "env/memory.h"

struct record {
    struct buffer key; /* one byte space, then the key */
    struct buffer bytes, attr;
    struct kv_stat stat; /* attr unset */
    UT_hash_handle hh;
};

struct completion {
    uint64_t sequence;
    struct buffer reply;
    UT_hash_handle hh;
};

struct session_name {
    uint64_t shard, number;
};

struct session {
    struct session_name name;
    uint8_t client[KV_CLIENT_BYTES];
    uint64_t first_incomplete;
    struct completion *completions;
    UT_hash_handle hh;
};

struct intent {
    uint64_t data_id;
    struct session_name owner;
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

struct fake_store {
    uint32_t shard_count;
    struct prepared *prepared;
    struct record *records;
    struct session *sessions;
    struct intent *intents;
    uint64_t next_id, next_session;
    uint64_t executed[KV_KIND_LIMIT];
};

struct fake_store *fake_store_new(uint32_t shard_count)
{
    struct fake_store *store = sf_calloc(1, sizeof *store);
    store->shard_count = shard_count;
    store->next_id = 1000;
    store->next_session = 1;
    return store;
}

/* -- records ------------------------------------------------------------------------------- */

static struct record *record_find(struct fake_store *store, enum kv_space space, struct slice key)
{
    struct buffer whole = {0};
    struct record *record;
    buffer_put_u8(&whole, (uint8_t)space);
    buffer_append(&whole, key.p, key.n);
    HASH_FIND(hh, store->records, whole.p, whole.n, record);
    buffer_deinit(&whole);
    return record;
}

static struct record *record_new(struct fake_store *store, const struct kv_op *op)
{
    struct record *record = sf_calloc(1, sizeof *record);
    buffer_put_u8(&record->key, (uint8_t)op->space);
    buffer_append(&record->key, op->key.p, op->key.n);
    record->stat.kind = RECORD_VALUE;
    record->stat.created = store->next_id++;
    HASH_ADD_KEYPTR(hh, store->records, record->key.p, record->key.n, record);
    return record;
}

static void record_free(struct fake_store *store, struct record *record)
{
    HASH_DEL(store->records, record);
    buffer_deinit(&record->key);
    buffer_deinit(&record->bytes);
    buffer_deinit(&record->attr);
    free(record);
}

/* Fits the head's bytes to the length: zeros where it grew. */
static void record_resize(struct record *record, uint64_t length)
{
    size_t head = length < SF_VALUE_BYTES_MAX ? (size_t)length : SF_VALUE_BYTES_MAX;
    if (head > record->bytes.n) {
        size_t more = head - record->bytes.n;
        memset(buffer_grow(&record->bytes, more), 0, more);
    }
    record->bytes.n = head;
    record->stat.length = length;
}

static void set_tail(struct record *record, const struct kv_tail *tail, size_t count)
{
    memcpy(record->stat.tail, tail, count * sizeof *tail);
    record->stat.tail_count = count;
}

static struct slice head_range(const struct record *record, uint64_t offset, uint64_t length)
{
    if (offset >= record->bytes.n)
        return slice_of(NULL, 0);
    uint64_t left = record->bytes.n - offset;
    return slice_of(record->bytes.p + offset, (size_t)(length < left ? length : left));
}

/* -- operations on one key ----------------------------------------------------------------- */

static bool pre_holds(const struct kv_op *op, const struct record *record)
{
    switch (op->pre.kind) {
    case KV_PRE_NONE:
        break;
    case KV_PRE_ABSENT:
        if (record)
            return false;
        break;
    case KV_PRE_EXISTS:
        if (!record)
            return false;
        break;
    case KV_PRE_VERSION:
        if (!record || record->stat.version != op->pre.id)
            return false;
        break;
    case KV_PRE_CREATED:
        if (!record || record->stat.created != op->pre.id)
            return false;
        break;
    }
    if (!(op->flags & KV_IF_TAIL))
        return true;
    size_t count = record ? record->stat.tail_count : 0;
    return count == op->if_tail_count &&
           (count == 0 || memcmp(record->stat.tail, op->if_tail, count * sizeof *op->if_tail) == 0);
}

static bool makes_records(enum kv_kind kind)
{
    return kind == KV_PUT || kind == KV_APPEND || kind == KV_PUT_HASH || kind == KV_SET_RANGE ||
           kind == KV_SET_LENGTH;
}

/* NULL: there is none, or another's. */
static struct intent *find_intent(const struct fake_store *store, uint64_t data_id,
                                  const struct session_name *owner)
{
    struct intent *intent;
    HASH_FIND(hh, store->intents, &data_id, sizeof data_id, intent);
    return intent && memcmp(&intent->owner, owner, sizeof *owner) == 0 ? intent : NULL;
}

static int put(struct fake_store *store, struct record *record, const struct kv_op *op,
               struct session_name owner)
{
    if (op->flags & KV_HAS_INTENT) {
        struct intent *intent = find_intent(store, op->ids_first, &owner);
        if (!intent)
            return SF_INTENT_GONE;
        HASH_DEL(store->intents, intent);
        free(intent);
    }
    buffer_set(&record->bytes, op->data);
    record_resize(record, op->flags & KV_HAS_LENGTH ? op->length : op->data.n);
    set_tail(record, op->tail, op->tail_count);
    if (op->flags & KV_HAS_ATTR)
        buffer_set(&record->attr, op->attr);
    return SF_OK;
}

static void answer_old(const struct record *record, struct kv_reply *reply, struct buffer *old)
{
    buffer_set(old, buffer_slice(&record->bytes));
    reply->data = buffer_slice(old);
}

static uint32_t fnv_1a(uint32_t hash, struct slice bytes)
{
    for (size_t i = 0; i < bytes.n; i++)
        hash = (hash ^ bytes.p[i]) * 16777619u;
    return hash;
}

static int put_hash(struct record *record, const struct kv_op *op, struct kv_reply *reply,
                    struct buffer *old)
{
    char text[16];
    uint32_t hash = fnv_1a(fnv_1a(2166136261u, buffer_slice(&record->bytes)), op->data);
    answer_old(record, reply, old);
    snprintf(text, sizeof text, "%" PRIu32, hash);
    buffer_set(&record->bytes, slice_str(text));
    record_resize(record, strlen(text));
    return SF_OK;
}

static int append(struct record *record, const struct kv_op *op, struct kv_reply *reply,
                  struct buffer *old)
{
    uint64_t length = record->stat.length;
    if (length + op->data.n > SF_VALUE_BYTES_MAX)
        return SF_TOO_BIG;
    reply->old_length = length;
    if (op->flags & KV_WANT_OLD)
        answer_old(record, reply, old);
    buffer_append(&record->bytes, op->data.p, op->data.n);
    record->stat.length += op->data.n;
    return SF_OK;
}

static int set_range(struct record *record, const struct kv_op *op)
{
    uint64_t end = op->offset + op->data.n;
    if (op->data.n == 0)
        return SF_OK;
    if (end > record->stat.length)
        record_resize(record, end);
    memcpy(record->bytes.p + op->offset, op->data.p, op->data.n);
    return SF_OK;
}

static int set_length(struct record *record, const struct kv_op *op, struct kv_reply *reply)
{
    uint64_t length = op->length, old = record->stat.length;
    if ((op->flags & KV_LENGTH_MAX) && length < old)
        length = old;
    reply->old_length = old;
    if (op->flags & KV_HAS_TAIL)
        set_tail(record, op->tail, op->tail_count);
    else if (length < old && record->stat.tail_count > 0 && length > SF_VALUE_BYTES_MAX)
        return SF_INVALID;
    record_resize(record, length);
    return SF_OK;
}

static int punch_range(struct record *record, const struct kv_op *op)
{
    if (op->offset < record->bytes.n) {
        uint64_t left = record->bytes.n - op->offset;
        memset(record->bytes.p + op->offset, 0, op->length < left ? op->length : left);
    }
    return SF_OK;
}

static int change(struct fake_store *store, struct record *record, const struct kv_op *op,
                  struct session_name owner, struct kv_reply *reply, struct buffer *old)
{
    switch ((int)op->kind) {
    case KV_PUT:
        return put(store, record, op, owner);
    case KV_APPEND:
        return append(record, op, reply, old);
    case KV_PUT_HASH:
        return put_hash(record, op, reply, old);
    case KV_SET_RANGE:
        return set_range(record, op);
    case KV_SET_LENGTH:
        return set_length(record, op, reply);
    case KV_PUNCH_RANGE:
        return punch_range(record, op);
    case KV_SET_ATTR:
        buffer_set(&record->attr, op->attr);
        return SF_OK;
    default:
        return SF_UNSUPPORTED;
    }
}

static int read_record(const struct record *record, const struct kv_op *op, struct kv_reply *reply)
{
    if (op->kind == KV_GET)
        reply->data = buffer_slice(&record->bytes);
    else if (op->kind == KV_GET_RANGE)
        reply->data = head_range(record, op->offset, op->length);
    reply->partial = op->kind == KV_GET && record->stat.length > record->bytes.n;
    return SF_OK;
}

static void on_key(struct fake_store *store, const struct kv_request *request, uint64_t now_ns,
                   struct kv_reply *reply, struct buffer *old)
{
    const struct kv_op *op = &request->op;
    struct session_name owner = {request->target.shard, request->session.session};
    struct record *record = record_find(store, op->space, op->key);
    bool made = false;
    if (!pre_holds(op, record)) {
        reply->status = SF_PRECONDITION;
    } else if (!record && !makes_records(op->kind)) {
        reply->status = SF_NOT_FOUND;
    } else if (kv_is_read(op->kind)) {
        reply->status = read_record(record, op, reply);
    } else if (op->kind != KV_DELETE) {
        made = !record;
        record = record ? record : record_new(store, op);
        reply->status = change(store, record, op, owner, reply, old);
        if (reply->status == SF_OK) {
            record->stat.version = store->next_id++;
            record->stat.mtime_ns = record->stat.ctime_ns = now_ns;
        }
    }
    if (record)
        reply->stat = record->stat;
    if (record && kv_is_read(op->kind))
        reply->stat.attr = buffer_slice(&record->attr);
    bool gone = (op->kind == KV_DELETE || made) && record;
    if (gone && (op->kind == KV_DELETE ? reply->status == SF_OK : reply->status != SF_OK))
        record_free(store, record);
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
        int status = pre_holds(part, record) ? SF_OK : SF_PRECONDITION;
        if (status == SF_OK && i >= mini->check_count && !record && !makes_records(part->kind))
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
        on_key(store, &part, now_ns, &replies[i], &old);
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

/* -- SCAN ---------------------------------------------------------------------------------- */

static struct slice key_of(const struct record *record)
{
    return slice_of(record->key.p + 1, record->key.n - 1);
}

static int by_key(const struct record *a, const struct record *b)
{
    return slice_compare(buffer_slice(&a->key), buffer_slice(&b->key));
}

static bool is_in(const struct fake_store *store, const struct kv_op *op,
                  const struct record *record)
{
    struct slice key = key_of(record), name;
    if (record->key.p[0] != KV_PLAIN || !slice_has_prefix(key, op->key))
        return false;
    name = slice_of(key.p + op->key.n, key.n - op->key.n);
    if (op->data.n > 0 && slice_compare(name, op->data) <= 0)
        return false;
    uint32_t shard = placement_shard(placement_route(ROUTING_HASH, key), store->shard_count);
    for (size_t i = 0; i < op->shard_count; i++) {
        if (op->shards[i] == shard)
            return true;
    }
    return false;
}

static void scan(struct fake_store *store, const struct kv_op *op, struct buffer *packed)
{
    struct kv_entry *entries = sf_calloc((size_t)op->length, sizeof *entries);
    struct kv_reply reply = {.entries = entries};
    HASH_SORT(store->records, by_key);
    for (struct record *record = store->records; record; record = record->hh.next) {
        if (!is_in(store, op, record))
            continue;
        reply.more = reply.entry_count == op->length;
        if (reply.more)
            break;
        struct slice key = key_of(record);
        entries[reply.entry_count++] = (struct kv_entry){
            .name = slice_of(key.p + op->key.n, key.n - op->key.n), .stat = record->stat};
    }
    kv_reply_pack(packed, &reply);
    free(entries);
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
        return find_intent(store, request->op.ids_first, &owner) ? SF_OK : SF_INTENT_GONE;
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
        on_key(store, request, now_ns, &reply, &old);
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
        scan(store, &request->op, packed);
    } else if (kv_is_read(request->op.kind)) {
        on_key(store, request, now_ns, &reply, NULL);
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

/* Sessions: who may have a number executed, and what its answer was. */
#include "witness/kv_model_inside.h"

#define EVICTION_LOOKS 16 /* sessions looked at for one that owns nothing */

/* -- sessions ------------------------------------------------------------------------------ */

static void drop_answers(struct kv_model_session *session, uint64_t below)
{
    struct answer *answer, *next;
    HASH_ITER(hh, session->answers, answer, next)
    {
        if (answer->sequence >= below)
            continue;
        HASH_DEL(session->answers, answer);
        buffer_deinit(&answer->reply);
        free(answer);
    }
}

static void drop_session(struct kv_model_shard *shard, struct kv_model_session *session)
{
    for (size_t i = 0; i < shard->intent_count;) {
        if (shard->intents[i].session == session->number)
            shard->intents[i] = shard->intents[--shard->intent_count];
        else
            i++;
    }
    drop_answers(session, UINT64_MAX);
    HASH_DEL(shard->sessions, session);
    free(session);
}

struct kv_model_session *kvm_session_find(const struct kv_model_shard *shard, uint64_t number)
{
    struct kv_model_session *session;
    HASH_FIND(hh, shard->sessions, &number, sizeof number, session);
    return session;
}

static void use(const struct kv_model *model, const struct kv_model_shard *shard,
                struct kv_model_session *session)
{
    uint64_t age_ns = shard->counters.age_ns;
    if (age_ns - session->used_age_ns >= model->options.limits.session_step_ns)
        session->used_age_ns = age_ns;
}

static int by_use(const struct kv_model_session *a, const struct kv_model_session *b)
{
    if (a->used_age_ns != b->used_age_ns)
        return a->used_age_ns < b->used_age_ns ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* Intents, or the locks of a transaction. */
static bool owns_something(const struct kv_model_shard *shard,
                           const struct kv_model_session *session)
{
    for (size_t i = 0; i < shard->intent_count; i++)
        if (shard->intents[i].session == session->number)
            return true;
    return kvm_txn_has_session(shard, session->number);
}

/* The one that was idle longest goes; of the first few rather one that owns nothing. */
static void evict(struct kv_model_shard *shard)
{
    struct kv_model_session *session, *chosen;
    unsigned looks = 0;
    HASH_SORT(shard->sessions, by_use);
    chosen = shard->sessions;
    for (session = chosen; session != NULL && looks < EVICTION_LOOKS; session = session->hh.next) {
        looks++;
        if (!owns_something(shard, session)) {
            chosen = session;
            break;
        }
    }
    if (chosen != NULL)
        drop_session(shard, chosen);
}

static uint64_t find_or_open(const struct kv_model *model, struct kv_model_shard *shard,
                             struct slice client)
{
    struct kv_model_session *session;
    for (session = shard->sessions; session != NULL; session = session->hh.next) {
        if (memcmp(session->client, client.p, KV_CLIENT_BYTES) == 0) {
            use(model, shard, session);
            return session->number;
        }
    }
    if (HASH_COUNT(shard->sessions) >= model->options.limits.sessions_max)
        evict(shard);
    session = sf_calloc(1, sizeof *session);
    session->number = shard->counters.next_session++;
    session->first_incomplete = 1;
    session->used_age_ns = shard->counters.age_ns;
    memcpy(session->client, client.p, KV_CLIENT_BYTES);
    HASH_ADD(hh, shard->sessions, number, sizeof session->number, session);
    return session->number;
}

void kvm_session_open(const struct doing *doing, struct slice client, struct buffer *reply)
{
    struct reader r = reader_of(client);
    if (kvm_is_barred(doing->shard, reader_u64(&r))) {
        kvm_answer_status(reply, SF_FENCED);
        return;
    }
    uint64_t number = find_or_open(doing->model, doing->shard, client);
    kv_reply_pack(reply, &(struct kv_reply){.session = number});
}

void kvm_sessions_drop_of(struct kv_model_shard *shard, uint64_t holder)
{
    struct kv_model_session *session, *next;
    HASH_ITER(hh, shard->sessions, session, next)
    {
        struct reader r = reader_of(slice_of(session->client, sizeof session->client));
        if (reader_u64(&r) == holder)
            drop_session(shard, session);
    }
}

void kvm_session_close(const struct doing *doing, uint64_t number, struct buffer *reply)
{
    struct kv_model_session *session = kvm_session_find(doing->shard, number);
    if (session != NULL)
        drop_session(doing->shard, session);
    kvm_answer_status(reply, SF_OK);
}

void kvm_sessions_expire(const struct kv_model *model, struct kv_model_shard *shard)
{
    struct kv_model_session *session, *next;
    HASH_ITER(hh, shard->sessions, session, next)
    {
        uint64_t idle_ns = shard->counters.age_ns - session->used_age_ns;
        if (idle_ns >= model->options.limits.session_idle_ns)
            drop_session(shard, session);
    }
}

void kvm_sessions_free(struct kv_model_shard *shard)
{
    while (shard->sessions != NULL)
        drop_session(shard, shard->sessions);
}

/* -- numbers ------------------------------------------------------------------------------- */

struct answer *kvm_session_answer(const struct kv_model_session *session, uint64_t sequence)
{
    struct answer *answer;
    HASH_FIND(hh, session->answers, &sequence, sizeof sequence, answer);
    return answer;
}

/* May the number be executed? Else the reply is what has become of it. */
static bool is_new(const struct kv_model_session *session, uint64_t sequence, struct buffer *reply)
{
    const struct answer *answer = kvm_session_answer(session, sequence);
    if (sequence < session->first_incomplete)
        kvm_answer_status(reply, sequence == 0 ? SF_INVALID : SF_STALE);
    else if (answer != NULL)
        buffer_append(reply, answer->reply.p, answer->reply.n);
    else if (sequence - session->first_incomplete >= SF_SESSION_OPEN_MAX)
        kvm_answer_status(reply, SF_SESSIONS_FULL);
    else
        return true;
    return false;
}

bool kvm_session_admits(const struct doing *doing, const struct kv_session *asked,
                        uint64_t sequence, struct kv_model_session **session, struct buffer *reply)
{
    struct kv_model_session *found = *session = kvm_session_find(doing->shard, asked->session);
    if (found == NULL) {
        kvm_answer_status(reply, SF_SESSION_EXPIRED);
        return false;
    }
    if (asked->first_incomplete > found->first_incomplete) {
        drop_answers(found, asked->first_incomplete);
        found->first_incomplete = asked->first_incomplete;
    }
    use(doing->model, doing->shard, found);
    return is_new(found, sequence, reply);
}

void kvm_session_keep_answer(struct kv_model_session *session, uint64_t sequence,
                             struct slice reply)
{
    struct answer *answer = sf_calloc(1, sizeof *answer);
    answer->sequence = sequence;
    buffer_set(&answer->reply, reply);
    HASH_ADD(hh, session->answers, sequence, sizeof answer->sequence, answer);
}

void kvm_session_abandon(const struct doing *doing, const struct kv_session *asked,
                         uint64_t sequence, struct buffer *reply)
{
    struct kv_model_session *session;
    if (!kvm_session_admits(doing, asked, sequence, &session, reply))
        return;
    kvm_answer_status(reply, SF_ABANDONED);
    kvm_session_keep_answer(session, sequence, buffer_slice(reply));
}

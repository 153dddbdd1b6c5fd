/* Keys, sessions, and what an entry does. */
#include "env/env.h"
#include "witness/kv_model_inside.h"

#define GAP_NS_MAX (60 * ENV_SECOND_NS) /* by which one entry ages a shard at most */
#define EVICTION_LOOKS 16               /* sessions looked at for one without intents */

void *array_room(void *array, size_t count, size_t *cap, size_t bytes)
{
    if (count < *cap)
        return array;
    *cap = *cap * 2 + 8;
    return sf_realloc(array, *cap * bytes);
}

/* -- keys ---------------------------------------------------------------------------------- */

void value_unref(struct value *value)
{
    if (value == NULL || --value->references > 0)
        return;
    buffer_deinit(&value->attr);
    buffer_deinit(&value->head);
    free(value);
}

void value_stat(const struct value *value, struct kv_stat *stat)
{
    *stat = (struct kv_stat){.kind = value->kind,
                             .version = value->version,
                             .created = value->created,
                             .mtime_ns = value->shows ? value->shown_ns : value->changed_ns,
                             .ctime_ns = value->ctime_ns,
                             .length = value->length,
                             .tail_count = value->tail_count};
    memcpy(stat->tail, value->tail, value->tail_count * sizeof value->tail[0]);
}

struct kv_model_key *kv_model_key_of(struct kv_model *model, struct kv_model_shard *shard,
                                     enum kv_space space, struct slice name)
{
    struct kv_model_key *key;
    struct buffer b = {0};
    buffer_put_u8(&b, (uint8_t)space);
    buffer_append(&b, name.p, name.n);
    HASH_FIND(hh, model->keys, b.p, b.n, key);
    if (key != NULL) {
        buffer_deinit(&b);
        return key;
    }
    key = sf_calloc(1, sizeof *key);
    key->space = space;
    key->name = b;
    key->shard = shard;
    HASH_ADD_KEYPTR(hh, model->keys, key->name.p, key->name.n, key);
    return key;
}

void key_set(struct kv_model *model, struct kv_model_key *key, struct value *value)
{
    if (!key->touched) {
        key->touched = true;
        key->before = key->now;
        key->next_touched = model->touched;
        model->touched = key;
    } else if (key->now != NULL) {
        model->replaced = array_room(model->replaced, model->replaced_count, &model->replaced_cap,
                                     sizeof(struct value *));
        model->replaced[model->replaced_count++] = key->now;
    }
    key->now = value;
}

static void push_state(struct kv_model_key *key, uint64_t position)
{
    key->states = array_room(key->states, key->state_count, &key->state_cap, sizeof *key->states);
    key->states[key->state_count++] = (struct state){position, key->now};
    if (key->now != NULL)
        key->now->references++;
}

/* The entry is done. undo: none of it happened. */
static void settle_keys(struct kv_model *model, uint64_t position, bool undo)
{
    for (struct kv_model_key *key = model->touched; key != NULL; key = key->next_touched) {
        key->touched = false;
        if (undo) {
            value_unref(key->now);
            key->now = key->before;
        } else {
            value_unref(key->before);
            push_state(key, position);
        }
        key->before = NULL;
    }
    model->touched = NULL;
    while (model->replaced_count > 0)
        value_unref(model->replaced[--model->replaced_count]);
}

uint64_t shard_new_id(struct kv_model_shard *shard, uint64_t count)
{
    uint64_t first = (uint64_t)shard->number << 48 | shard->counters.next_id;
    shard->counters.next_id += count;
    return first;
}

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

static struct kv_model_session *find_session(const struct kv_model_shard *shard, uint64_t number)
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

static bool owns_intents(const struct kv_model_shard *shard, const struct kv_model_session *session)
{
    for (size_t i = 0; i < shard->intent_count; i++)
        if (shard->intents[i].session == session->number)
            return true;
    return false;
}

/* The one that was idle longest goes; of the first few rather one that owns no intents. */
static void evict(struct kv_model_shard *shard)
{
    struct kv_model_session *session, *chosen;
    unsigned looks = 0;
    HASH_SORT(shard->sessions, by_use);
    chosen = shard->sessions;
    for (session = chosen; session != NULL && looks < EVICTION_LOOKS; session = session->hh.next) {
        looks++;
        if (!owns_intents(shard, session)) {
            chosen = session;
            break;
        }
    }
    if (chosen != NULL)
        drop_session(shard, chosen);
}

static uint64_t open_session(const struct kv_model *model, struct kv_model_shard *shard,
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

/* -- one entry ----------------------------------------------------------------------------- */

static void advance_time(struct kv_model_shard *shard, uint64_t time_ns)
{
    struct counters *c = &shard->counters;
    if (c->last_time_ns != 0 && time_ns > c->last_time_ns) {
        uint64_t gap_ns = time_ns - c->last_time_ns;
        c->age_ns += gap_ns < GAP_NS_MAX ? gap_ns : GAP_NS_MAX;
    }
    c->last_time_ns = time_ns;
}

static void answer_status(struct buffer *reply, int status)
{
    kv_reply_pack(reply, &(struct kv_reply){.status = status});
}

static void add_intent(struct kv_model_shard *shard, uint64_t data_id, uint64_t session)
{
    for (size_t i = 0; i < shard->intent_count; i++)
        if (shard->intents[i].data_id == data_id)
            return;
    shard->intents =
        array_room(shard->intents, shard->intent_count, &shard->intent_cap, sizeof *shard->intents);
    shard->intents[shard->intent_count++] = (struct intent){data_id, session};
}

static void operate_any(const struct doing *doing, const struct kv_op *op, struct kv_reply *reply)
{
    *reply = (struct kv_reply){0};
    if (op->kind == KV_NEW_IDS)
        reply->ids_first = shard_new_id(doing->shard, op->length);
    else if (op->kind == KV_INTENT)
        add_intent(doing->shard, op->ids_first, doing->session);
    else
        operate(doing, op, reply);
}

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
    *reply = (struct kv_reply){.status = precondition(key->now, check)};
    if (reply->status == SF_OK && (check->flags & KV_PREFIX_EMPTY) && has_prefix_keys(doing, check))
        reply->status = SF_NOT_EMPTY;
    if (reply->status == SF_OK && (check->flags & KV_IF_SLOT_ZERO) &&
        !slot_is_zero(key->now, check->offset))
        reply->status = SF_NOT_EMPTY;
    if (key->now != NULL)
        value_stat(key->now, &reply->stat);
}

/* Parts are numbered through, checks first. */
static void do_part(const struct doing *doing, const struct kv_op *mini, size_t number,
                    struct kv_reply *reply)
{
    if (number < mini->check_count)
        check_part(doing, &mini->checks[number], reply);
    else
        operate_any(doing, &mini->ops[number - mini->check_count], reply);
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

/* All or nothing. True: nothing. */
static bool transact(const struct doing *doing, const struct kv_op *op, struct buffer *reply)
{
    struct kv_reply replies[SF_MINI_OPS_MAX];
    struct kv_model_shard *shard = doing->shard;
    struct counters counters = shard->counters;
    size_t intents = shard->intent_count;
    struct intent *kept = sf_memdup(shard->intents, intents * sizeof *kept);
    struct kv_reply whole = {.replies = replies, .reply_count = op->op_count};
    size_t done = do_parts(doing, op, replies);
    bool undo = done < op->check_count + op->op_count;
    if (undo) {
        whole.status = replies[0].status;
        whole.reply_count = 1;
        whole.failed = done;
        shard->counters = counters;
        shard->intent_count = intents;
        if (intents > 0)
            memcpy(shard->intents, kept, intents * sizeof *kept);
    }
    kv_reply_pack(reply, &whole);
    free(kept);
    return undo;
}

static bool execute(const struct doing *doing, const struct kv_op *op, struct buffer *reply)
{
    struct kv_reply single;
    if (op->kind == KV_MINI)
        return transact(doing, op, reply);
    operate_any(doing, op, &single);
    kv_reply_pack(reply, &single);
    return false;
}

/* May the number be executed in this session? Else the reply is what it has become of it. */
static bool is_new(const struct kv_model *model, struct kv_model_session *session,
                   uint64_t sequence, struct buffer *reply)
{
    struct answer *answer;
    HASH_FIND(hh, session->answers, &sequence, sizeof sequence, answer);
    if (sequence < session->first_incomplete)
        answer_status(reply, sequence == 0 ? SF_INVALID : SF_STALE);
    else if (answer != NULL)
        buffer_append(reply, answer->reply.p, answer->reply.n);
    else if (sequence - session->first_incomplete >= model->options.limits.session_open_max)
        answer_status(reply, SF_SESSIONS_FULL);
    else
        return true;
    return false;
}

static void keep_answer(struct kv_model_session *session, uint64_t sequence, struct slice reply)
{
    struct answer *answer = sf_calloc(1, sizeof *answer);
    answer->sequence = sequence;
    buffer_set(&answer->reply, reply);
    HASH_ADD(hh, session->answers, sequence, sizeof answer->sequence, answer);
}

/* Exactly once. True: what was begun is to be undone. */
static bool execute_once(struct doing *doing, const struct kv_session *asked,
                         const struct kv_op *op, struct buffer *reply)
{
    struct kv_model_session *session = find_session(doing->shard, asked->session);
    bool abandons = op->kind == KV_ABANDON, undo = false;
    uint64_t sequence = abandons ? op->length : asked->sequence;
    if (session == NULL) {
        answer_status(reply, SF_SESSION_EXPIRED);
        return false;
    }
    if (asked->first_incomplete > session->first_incomplete) {
        drop_answers(session, asked->first_incomplete);
        session->first_incomplete = asked->first_incomplete;
    }
    use(doing->model, doing->shard, session);
    if (!is_new(doing->model, session, sequence, reply))
        return false;
    doing->session = session->number;
    if (abandons)
        answer_status(reply, SF_ABANDONED);
    else
        undo = execute(doing, op, reply);
    keep_answer(session, sequence, buffer_slice(reply));
    return undo;
}

/* Sessions aside, what an entry does. True: what was begun is to be undone. */
static bool dispatch(struct doing *doing, const struct kv_session *asked, const struct kv_op *op,
                     struct buffer *reply)
{
    struct kv_model_shard *shard = doing->shard;
    if (op->kind == KV_SESSION_OPEN) {
        uint64_t number = open_session(doing->model, shard, op->data);
        kv_reply_pack(reply, &(struct kv_reply){.session = number});
        return false;
    }
    if (op->kind == KV_SESSION_CLOSE) {
        struct kv_model_session *session = find_session(shard, asked->session);
        if (session != NULL)
            drop_session(shard, session);
        answer_status(reply, SF_OK);
        return false;
    }
    if (asked->session == 0 && op->kind == KV_DELETE && op->space == KV_INTERNAL)
        return execute(doing, op, reply);
    return execute_once(doing, asked, op, reply);
}

static void note_plain_state(struct kv_model_shard *shard, uint64_t position)
{
    const struct counters *c = &shard->counters;
    size_t count = shard->plain_count;
    if (count > 0 && shard->plain[count - 1].version == c->plain_version)
        return;
    shard->plain =
        array_room(shard->plain, shard->plain_count, &shard->plain_cap, sizeof *shard->plain);
    shard->plain[shard->plain_count++] =
        (struct plain_state){position, c->plain_version, c->plain_time_ns};
}

void kv_model_mutate(struct kv_model *model, const struct kv_model_at *at,
                     const struct kv_session *asked, const struct kv_op *op, struct buffer *reply)
{
    struct kv_model_shard *shard = &model->shards[at->shard];
    struct doing doing = {.model = model, .shard = shard, .time_ns = at->time_ns};
    struct buffer own = {0};
    advance_time(shard, at->time_ns);
    bool undo = dispatch(&doing, asked, op, &own);
    settle_keys(model, at->position, undo);
    note_plain_state(shard, at->position);
    buffer_append(reply, own.p, own.n);
    buffer_deinit(&own);
}

void kv_model_age(struct kv_model *model, const struct kv_model_at *at)
{
    advance_time(&model->shards[at->shard], at->time_ns);
}

void kv_model_tick(struct kv_model *model, const struct kv_model_at *at)
{
    struct kv_model_shard *shard = &model->shards[at->shard];
    struct kv_model_session *session, *next;
    if (shard->sessions == NULL)
        return;
    advance_time(shard, at->time_ns);
    HASH_ITER(hh, shard->sessions, session, next)
    {
        uint64_t idle_ns = shard->counters.age_ns - session->used_age_ns;
        if (idle_ns >= model->options.limits.session_idle_ns)
            drop_session(shard, session);
    }
}

/* -- life ---------------------------------------------------------------------------------- */

struct kv_model *kv_model_new(const struct kv_model_options *options)
{
    struct kv_model *model = sf_calloc(1, sizeof *model);
    model->options = *options;
    model->shards = sf_calloc(options->shard_count, sizeof *model->shards);
    for (uint32_t i = 0; i < options->shard_count; i++)
        model->shards[i].number = i;
    return model;
}

static void free_key(struct kv_model *model, struct kv_model_key *key)
{
    HASH_DEL(model->keys, key);
    for (size_t i = 0; i < key->state_count; i++)
        value_unref(key->states[i].value);
    free(key->states);
    value_unref(key->now);
    buffer_deinit(&key->name);
    free(key);
}

void kv_model_free(struct kv_model *model)
{
    for (uint32_t i = 0; i < model->options.shard_count; i++) {
        struct kv_model_shard *shard = &model->shards[i];
        while (shard->sessions != NULL)
            drop_session(shard, shard->sessions);
        free(shard->intents);
        free(shard->plain);
    }
    while (model->keys != NULL)
        free_key(model, model->keys);
    free(model->replaced);
    free(model->shards);
    free(model);
}

void kv_model_create(struct kv_model *model, uint32_t shard, uint64_t num)
{
    struct kv_model_shard *s = &model->shards[shard];
    sf_assert(!s->exists);
    s->exists = true;
    s->counters.next_id = s->counters.next_session = (num << 32) + 1;
}

bool kv_model_has(const struct kv_model *model, uint32_t shard)
{
    return model->shards[shard].exists;
}

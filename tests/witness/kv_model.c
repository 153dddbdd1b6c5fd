/* Keys, and what an entry does. */
#include "env/env.h"
#include "witness/kv_model_inside.h"

#define GAP_NS_MAX (60 * ENV_SECOND_NS) /* by which one entry ages a shard at most */

void *kvm_array_room(void *array, size_t count, size_t *cap, size_t bytes)
{
    if (count < *cap)
        return array;
    *cap = *cap * 2 + 8;
    return sf_realloc(array, *cap * bytes);
}

/* -- keys ---------------------------------------------------------------------------------- */

void kvm_value_unref(struct value *value)
{
    if (value == NULL || --value->references > 0)
        return;
    buffer_deinit(&value->attr);
    buffer_deinit(&value->head);
    free(value);
}

void kvm_value_stat(const struct value *value, struct kv_stat *stat)
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

void kvm_key_set(struct kv_model *model, struct kv_model_key *key, struct value *value)
{
    if (!key->touched) {
        key->touched = true;
        key->before = key->now;
        key->next_touched = model->touched;
        model->touched = key;
    } else if (key->now != NULL) {
        model->replaced = kvm_array_room(model->replaced, model->replaced_count,
                                         &model->replaced_cap, sizeof(struct value *));
        model->replaced[model->replaced_count++] = key->now;
    }
    key->now = value;
}

static void push_state(struct kv_model_key *key, uint64_t position)
{
    key->states =
        kvm_array_room(key->states, key->state_count, &key->state_cap, sizeof *key->states);
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
            kvm_value_unref(key->now);
            key->now = key->before;
        } else {
            kvm_value_unref(key->before);
            push_state(key, position);
        }
        key->before = NULL;
    }
    model->touched = NULL;
    while (model->replaced_count > 0)
        kvm_value_unref(model->replaced[--model->replaced_count]);
}

uint64_t kvm_shard_new_id(struct kv_model_shard *shard, uint64_t count)
{
    uint64_t first = (uint64_t)shard->number << 48 | shard->counters.next_id;
    shard->counters.next_id += count;
    return first;
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

void kvm_answer_status(struct buffer *reply, int status)
{
    kv_reply_pack(reply, &(struct kv_reply){.status = status});
}

/* The session that an intent belongs to; 0: there is no such intent. */
static uint64_t intent_owner(const struct kv_model_shard *shard, uint64_t data_id)
{
    for (size_t i = 0; i < shard->intent_count; i++)
        if (shard->intents[i].data_id == data_id)
            return shard->intents[i].session;
    return 0;
}

static void add_intent(struct kv_model_shard *shard, uint64_t data_id, uint64_t session)
{
    if (intent_owner(shard, data_id) != 0)
        return;
    shard->intents = kvm_array_room(shard->intents, shard->intent_count, &shard->intent_cap,
                                    sizeof *shard->intents);
    shard->intents[shard->intent_count++] = (struct intent){data_id, session};
}

void kvm_operate_any(const struct doing *doing, const struct kv_op *op, struct kv_reply *reply)
{
    *reply = (struct kv_reply){0};
    if (op->kind == KV_NEW_IDS)
        reply->ids_first = kvm_shard_new_id(doing->shard, op->length);
    else if (op->kind == KV_INTENT && (op->flags & KV_HAS_INTENT))
        reply->status =
            intent_owner(doing->shard, op->ids_first) == doing->session ? SF_OK : SF_INTENT_GONE;
    else if (op->kind == KV_INTENT)
        add_intent(doing->shard, op->ids_first, doing->session);
    else if (kv_is_lock(op->kind))
        kvm_lock(doing, op, reply);
    else
        kvm_operate(doing, op, reply);
}

static bool execute(const struct doing *doing, const struct kv_op *op, struct buffer *reply)
{
    struct kv_reply single;
    if (op->kind == KV_MINI)
        return kvm_mini_execute(doing, op, reply);
    kvm_operate_any(doing, op, &single);
    kv_reply_pack(reply, &single);
    return false;
}

/* Exactly once. True: what was begun is to be undone. */
static bool execute_once(struct doing *doing, const struct kv_session *asked,
                         const struct kv_op *op, struct buffer *reply)
{
    struct kv_model_session *session;
    bool undo = false;
    if (!kvm_session_admits(doing, asked, asked->sequence, &session, reply))
        return false;
    if (kvm_is_locked(doing->shard, op)) {
        kvm_answer_status(reply, SF_LOCKED);
        return false;
    }
    doing->session = session->number;
    undo = execute(doing, op, reply);
    kvm_session_keep_answer(session, asked->sequence, buffer_slice(reply));
    return undo;
}

/* Removal of an internal key has the same outcome however often it is done, and needs no session. */
static bool remove_trash(struct doing *doing, const struct kv_op *op, struct buffer *reply)
{
    if (!kvm_is_locked(doing->shard, op))
        return execute(doing, op, reply);
    kvm_answer_status(reply, SF_LOCKED);
    return false;
}

/* What an entry does. True: what was begun is to be undone. */
static bool dispatch(struct doing *doing, const struct kv_session *asked, const struct kv_op *op,
                     struct buffer *reply)
{
    if (op->kind == KV_SESSION_OPEN)
        kvm_session_open(doing, op->data, reply);
    else if (op->kind == KV_SESSION_CLOSE)
        kvm_session_close(doing, asked->session, reply);
    else if (op->kind == KV_ABANDON)
        kvm_session_abandon(doing, asked, op->length, reply);
    else if (kv_is_of_holder(op->kind))
        kvm_holder(doing, op, reply);
    else if (kv_is_of_txn(op->kind))
        return kvm_txn_dispatch(doing, asked, op, reply);
    else if (asked->session == 0 && op->kind == KV_DELETE && op->space == KV_INTERNAL)
        return remove_trash(doing, op, reply);
    else
        return execute_once(doing, asked, op, reply);
    return false;
}

static void note_plain_state(struct kv_model_shard *shard, uint64_t position)
{
    const struct counters *c = &shard->counters;
    size_t count = shard->plain_count;
    if (count > 0 && shard->plain[count - 1].version == c->plain_version)
        return;
    shard->plain =
        kvm_array_room(shard->plain, shard->plain_count, &shard->plain_cap, sizeof *shard->plain);
    shard->plain[shard->plain_count++] =
        (struct plain_state){position, c->plain_version, c->plain_time_ns};
}

void kv_model_mutate(struct kv_model *model, const struct kv_model_at *at,
                     const struct kv_session *asked, const struct kv_op *op, struct buffer *reply)
{
    struct kv_model_shard *shard = &model->shards[at->shard];
    struct doing doing = {
        .model = model, .shard = shard, .time_ns = at->time_ns, .position = at->position};
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
    if (shard->sessions == NULL && !kvm_has_locks(shard))
        return;
    advance_time(shard, at->time_ns);
    kvm_sessions_expire(model, shard);
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
        kvm_value_unref(key->states[i].value);
    free(key->states);
    kvm_value_unref(key->now);
    buffer_deinit(&key->name);
    free(key);
}

void kv_model_free(struct kv_model *model)
{
    for (uint32_t i = 0; i < model->options.shard_count; i++) {
        struct kv_model_shard *shard = &model->shards[i];
        kvm_sessions_free(shard);
        kvm_txns_free(shard);
        kvm_locks_free(shard);
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

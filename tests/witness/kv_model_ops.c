/* The operations on one key. */
#include <inttypes.h>
#include <stdio.h>

#include "witness/kv_model_inside.h"

/* -- values --------------------------------------------------------------------------------- */

static size_t head_bytes(uint64_t length)
{
    return length < SF_VALUE_BYTES_MAX ? (size_t)length : SF_VALUE_BYTES_MAX;
}

/* Cuts, or grows with zeros. */
static void set_length(struct value *value, uint64_t length)
{
    size_t bytes = head_bytes(length), had = value->head.n;
    if (bytes > had)
        memset(buffer_grow(&value->head, bytes - had), 0, bytes - had);
    value->head.n = bytes;
    value->length = length;
}

static void set_tail(struct value *value, const struct kv_tail *tail, size_t count)
{
    for (size_t i = 0; i < count; i++)
        value->tail[i] = tail[i];
    value->tail_count = count;
}

static void set_bytes(struct value *value, struct slice bytes, uint64_t length)
{
    buffer_set(&value->head, bytes);
    set_length(value, length);
}

/* A copy to be changed; of an absent key an empty value. */
static struct value *value_copy(const struct value *from)
{
    struct value *value = sf_calloc(1, sizeof *value);
    value->kind = RECORD_VALUE;
    if (from != NULL) {
        *value = *from;
        value->attr = value->head = (struct buffer){0};
        buffer_set(&value->attr, buffer_slice(&from->attr));
        buffer_set(&value->head, buffer_slice(&from->head));
    }
    value->references = 1;
    return value;
}

/* -- changes: SF_OK, or why nothing is changed ---------------------------------------------- */

static bool take_intent(const struct doing *doing, uint64_t data_id)
{
    struct kv_model_shard *shard = doing->shard;
    for (size_t i = 0; i < shard->intent_count; i++) {
        if (shard->intents[i].data_id != data_id || shard->intents[i].session != doing->session)
            continue;
        shard->intents[i] = shard->intents[--shard->intent_count];
        return true;
    }
    return false;
}

static int put(const struct doing *doing, const struct kv_op *op, struct value *value)
{
    if ((op->flags & KV_HAS_INTENT) && !take_intent(doing, op->ids_first))
        return SF_INTENT_GONE;
    value->kind = op->record_kind != 0 ? op->record_kind : RECORD_VALUE;
    set_bytes(value, op->data, op->flags & KV_HAS_LENGTH ? op->length : op->data.n);
    set_tail(value, op->tail, op->flags & KV_HAS_TAIL ? op->tail_count : 0);
    if (op->flags & KV_HAS_ATTR)
        buffer_set(&value->attr, op->attr);
    return SF_OK;
}

static int append(const struct kv_op *op, struct value *value)
{
    if (value->length + op->data.n > SF_VALUE_BYTES_MAX)
        return SF_TOO_BIG;
    buffer_append(&value->head, op->data.p, op->data.n);
    value->length += op->data.n;
    return SF_OK;
}

static int put_hash(const struct kv_op *op, struct value *value)
{
    uint32_t hash = 2166136261u; /* FNV-1a, 32 bits */
    char text[16];
    if (value->length > SF_VALUE_BYTES_MAX)
        return SF_TOO_BIG;
    buffer_append(&value->head, op->data.p, op->data.n);
    for (size_t i = 0; i < value->head.n; i++)
        hash = (hash ^ value->head.p[i]) * 16777619u;
    snprintf(text, sizeof text, "%" PRIu32, hash);
    set_bytes(value, slice_str(text), strlen(text));
    set_tail(value, NULL, 0);
    return SF_OK;
}

static int set_range(const struct kv_op *op, struct value *value)
{
    uint64_t end = op->offset + op->data.n;
    if (op->data.n == 0)
        return SF_OK;
    if (end > value->length)
        set_length(value, end);
    memcpy(value->head.p + op->offset, op->data.p, op->data.n);
    return SF_OK;
}

static int cut_or_extend(const struct kv_op *op, struct value *value)
{
    uint64_t length = op->length;
    if ((op->flags & KV_LENGTH_MAX) && length < value->length)
        length = value->length;
    bool has_tail = op->flags & KV_HAS_TAIL, cuts = length < value->length;
    if (!has_tail && cuts && value->tail_count > 0 && length > SF_VALUE_BYTES_MAX)
        return SF_INVALID; /* the extent that is cut needs a new id */
    if (has_tail)
        set_tail(value, op->tail, op->tail_count);
    else if (cuts && length <= SF_VALUE_BYTES_MAX)
        set_tail(value, NULL, 0);
    set_length(value, length);
    return SF_OK;
}

static int punch(const struct kv_op *op, struct value *value)
{
    for (size_t i = (size_t)op->offset; i < value->head.n && i - op->offset < op->length; i++)
        value->head.p[i] = 0;
    return SF_OK;
}

static void add_one(const struct kv_add *term, struct value *value)
{
    uint64_t sum = 0;
    size_t at = term->slot * sizeof sum;
    if (value->length < at + sizeof sum)
        set_length(value, at + sizeof sum);
    for (size_t i = sizeof sum; i-- > 0;)
        sum = sum << 8 | value->head.p[at + i];
    if (!term->is_max)
        sum += term->value;
    else if (sum < term->value)
        sum = term->value;
    for (size_t i = 0; i < sizeof sum; i++)
        value->head.p[at + i] = (uint8_t)(sum >> 8 * i);
}

static int add(const struct kv_op *op, struct value *value)
{
    for (size_t i = 0; i < op->add_count; i++)
        add_one(&op->adds[i], value);
    return SF_OK;
}

static int change(const struct doing *doing, const struct kv_op *op, struct value *value)
{
    if (op->kind == KV_PUT)
        return put(doing, op, value);
    if (op->kind == KV_APPEND)
        return append(op, value);
    if (op->kind == KV_PUT_HASH)
        return put_hash(op, value);
    if (op->kind == KV_SET_RANGE)
        return set_range(op, value);
    if (op->kind == KV_SET_LENGTH)
        return cut_or_extend(op, value);
    if (op->kind == KV_PUNCH_RANGE)
        return punch(op, value);
    if (op->kind == KV_ADD)
        return add(op, value);
    sf_assert(op->kind == KV_SET_ATTR);
    if (op->flags & KV_HAS_ATTR)
        buffer_set(&value->attr, op->attr);
    return SF_OK;
}

/* -- around a change ------------------------------------------------------------------------ */

static bool creates(enum kv_kind kind)
{
    return kind == KV_PUT || kind == KV_APPEND || kind == KV_PUT_HASH || kind == KV_SET_RANGE ||
           kind == KV_SET_LENGTH;
}

static bool pre_holds(const struct value *value, const struct kv_pre *pre)
{
    switch (pre->kind) {
    case KV_PRE_ABSENT:
        return value == NULL;
    case KV_PRE_EXISTS:
        return value != NULL;
    case KV_PRE_VERSION:
        return value != NULL && value->version == pre->id;
    case KV_PRE_CREATED:
        return value != NULL && value->created == pre->id;
    case KV_PRE_NONE:
        break;
    }
    return true;
}

int kvm_precondition(const struct value *value, const struct kv_op *op)
{
    size_t count = value != NULL ? value->tail_count : 0;
    if (!pre_holds(value, &op->pre))
        return SF_PRECONDITION;
    if (!(op->flags & KV_IF_TAIL))
        return SF_OK;
    if (count != op->if_tail_count)
        return SF_PRECONDITION;
    for (size_t i = 0; i < count; i++)
        if (value->tail[i].first_extent != op->if_tail[i].first_extent ||
            value->tail[i].data_id != op->if_tail[i].data_id)
            return SF_PRECONDITION;
    return SF_OK;
}

/* Directory entries and references are not values: few operations take them. */
static int check_kind(const struct value *value, const struct kv_op *op)
{
    bool named = (op->flags & KV_ANY_KIND) &&
                 (op->pre.kind == KV_PRE_VERSION || op->pre.kind == KV_PRE_CREATED);
    if (value == NULL || value->kind == RECORD_VALUE || op->kind == KV_STAT ||
        op->kind == KV_SET_ATTR || op->kind == KV_ADD || op->kind == KV_TAKE)
        return SF_OK;
    if (named && (op->kind == KV_PUT || op->kind == KV_DELETE))
        return SF_OK;
    return value->kind == RECORD_REFERENCE ? SF_IS_REFERENCE : SF_IS_DIRECTORY;
}

static void note_plain(const struct doing *doing, const struct kv_op *op, uint64_t id)
{
    struct counters *c = &doing->shard->counters;
    if (op->space != KV_PLAIN)
        return;
    c->plain_version = id;
    c->plain_time_ns = doing->time_ns > c->plain_time_ns ? doing->time_ns : c->plain_time_ns + 1;
}

static void stamp(const struct doing *doing, const struct kv_op *op, bool is_new,
                  struct value *value)
{
    uint64_t later = (value->ctime_ns > op->after_ns ? value->ctime_ns : op->after_ns) + 1;
    value->version = kvm_shard_new_id(doing->shard, 1);
    if (is_new) {
        value->created = value->version;
        note_plain(doing, op, value->version);
    }
    if (op->flags & KV_HAS_CREATED)
        value->created = op->created;
    value->ctime_ns = doing->time_ns > later ? doing->time_ns : later;
    if (op->kind != KV_SET_ATTR) {
        value->changed_ns = value->ctime_ns;
        value->shows = false;
    }
    if (op->flags & KV_HAS_MTIME) {
        value->shows = true;
        value->shown_ns = op->mtime_ns;
    }
}

/* What the reply says of the value before. */
static void tell_before(const struct value *value, const struct kv_op *op, struct kv_reply *reply)
{
    bool wants = op->kind == KV_PUT_HASH || (op->kind == KV_APPEND && (op->flags & KV_WANT_OLD));
    if (value == NULL)
        return;
    if (wants)
        reply->data = buffer_slice(&value->head);
    if (op->kind == KV_APPEND || op->kind == KV_SET_LENGTH)
        reply->old_length = value->length;
}

static void remove_key(const struct doing *doing, const struct kv_op *op, struct kv_model_key *key)
{
    kvm_key_set(doing->model, key, NULL);
    note_plain(doing, op, kvm_shard_new_id(doing->shard, 1));
}

static void change_key(const struct doing *doing, const struct kv_op *op, struct kv_model_key *key,
                       struct kv_reply *reply)
{
    struct value *after = value_copy(key->now);
    reply->status = change(doing, op, after);
    if (reply->status != SF_OK) {
        kvm_value_unref(after);
        return;
    }
    kvm_check_guard(doing, op);
    tell_before(key->now, op, reply);
    stamp(doing, op, key->now == NULL, after);
    kvm_value_stat(after, &reply->stat);
    kvm_key_set(doing->model, key, after);
}

void kvm_operate(const struct doing *doing, const struct kv_op *op, struct kv_reply *reply)
{
    struct kv_model_key *key = kv_model_key_of(doing->model, doing->shard, op->space, op->key);
    *reply = (struct kv_reply){.status = kvm_precondition(key->now, op)};
    if (reply->status == SF_OK && key->now == NULL && !creates(op->kind))
        reply->status = SF_NOT_FOUND;
    if (reply->status == SF_OK)
        reply->status = check_kind(key->now, op);
    if (key->now != NULL)
        kvm_value_stat(key->now, &reply->stat);
    if (reply->status == SF_IS_DIRECTORY || reply->status == SF_IS_REFERENCE)
        reply->data = buffer_slice(&key->now->head);
    if (reply->status != SF_OK)
        return;
    if (op->kind == KV_DELETE || op->kind == KV_TAKE)
        remove_key(doing, op, key);
    else
        change_key(doing, op, key, reply);
}

#include "shardkv/ops.h"

/* Which records an operation takes. */
enum ops_takes {
    TAKES_VALUES,
    TAKES_NAMED, /* others too, with KV_ANY_KIND, where the precondition names the record */
    TAKES_ALL,
};

struct ops_rule {
    ops_function *run;
    bool creates; /* a key that is not there */
    enum ops_takes takes;
};

static const struct ops_rule rules[KV_KIND_LIMIT] = {
    [KV_GET] = {ops_get, false, TAKES_VALUES},
    [KV_GET_RANGE] = {ops_get_range, false, TAKES_VALUES},
    [KV_STAT] = {ops_stat, false, TAKES_ALL},
    [KV_PUT] = {ops_put, true, TAKES_NAMED},
    [KV_APPEND] = {ops_append, true, TAKES_VALUES},
    [KV_PUT_HASH] = {ops_put_hash, true, TAKES_VALUES},
    [KV_SET_RANGE] = {ops_set_range, true, TAKES_VALUES},
    [KV_SET_LENGTH] = {ops_set_length, true, TAKES_VALUES},
    [KV_PUNCH_RANGE] = {ops_punch_range, false, TAKES_VALUES},
    [KV_SET_ATTR] = {ops_set_attr, false, TAKES_ALL},
    [KV_ADD] = {ops_add, false, TAKES_ALL},
    [KV_DELETE] = {ops_delete, false, TAKES_NAMED},
    [KV_TAKE] = {ops_take, false, TAKES_ALL},
};

static bool pre_holds(const struct subject *subject)
{
    const struct kv_pre *pre = &subject->op->pre;
    switch (pre->kind) {
    case KV_PRE_NONE:
        return true;
    case KV_PRE_ABSENT:
        return !subject->found;
    case KV_PRE_EXISTS:
        return subject->found;
    case KV_PRE_VERSION:
        return subject->found && subject->record.version == pre->id;
    case KV_PRE_CREATED:
        return subject->found && subject->record.created == pre->id;
    }
    return false;
}

int ops_precondition(const struct subject *subject)
{
    const struct kv_op *op = subject->op;
    const struct record *record = &subject->record;
    if (!pre_holds(subject))
        return SF_PRECONDITION;
    if ((op->flags & KV_IF_TAIL) &&
        !record_tail_equal(record->tail, record->tail_count, op->if_tail, op->if_tail_count))
        return SF_PRECONDITION;
    return SF_OK;
}

static int check_takes(const struct subject *subject, enum ops_takes takes)
{
    const struct kv_op *op = subject->op;
    bool is_named = op->pre.kind == KV_PRE_VERSION || op->pre.kind == KV_PRE_CREATED;
    if (takes == TAKES_ALL || subject->record.kind == RECORD_VALUE)
        return SF_OK;
    if (takes == TAKES_NAMED && is_named && (op->flags & KV_ANY_KIND))
        return SF_OK;
    return subject->record.kind == RECORD_REFERENCE ? SF_IS_REFERENCE : SF_IS_DIRECTORY;
}

static int run(struct subject *subject, struct kv_reply *reply)
{
    const struct ops_rule *rule = &rules[subject->op->kind];
    int status = ops_precondition(subject);
    if (status == SF_OK && !subject->found && !rule->creates)
        status = SF_NOT_FOUND;
    if (status == SF_OK)
        status = check_takes(subject, rule->takes);
    return status == SF_OK ? rule->run(subject, reply) : status;
}

static void execute_on_record(struct access *access, const struct kv_op *op, struct kv_reply *reply)
{
    struct subject subject;
    subject_open(&subject, access, op);
    reply->status = run(&subject, reply);
    if (subject.found || reply->status == SF_OK)
        record_stat(&subject.record, &reply->stat);
    if (kv_is_read(op->kind))
        reply->stat.attr = access_copy(access, subject.record.attr);
    if (reply->status == SF_IS_DIRECTORY || reply->status == SF_IS_REFERENCE)
        (void)ops_stat(&subject, reply);
    subject_close(&subject);
}

static void execute_intent(struct access *access, const struct kv_op *op, struct kv_reply *reply)
{
    if (!(op->flags & KV_HAS_INTENT))
        intent_add(access, op->ids_first);
    else if (!intent_is_there(access, op->ids_first))
        reply->status = SF_INTENT_GONE;
}

void ops_execute(struct access *access, const struct kv_op *op, struct kv_reply *reply)
{
    *reply = (struct kv_reply){0};
    if (op->kind == KV_NEW_IDS)
        reply->ids_first = shard_new_ids(&access->meta, access->copy.shard, op->length);
    else if (op->kind == KV_INTENT)
        execute_intent(access, op, reply);
    else if (rules[op->kind].run == NULL)
        reply->status = SF_UNSUPPORTED;
    else
        execute_on_record(access, op, reply);
}

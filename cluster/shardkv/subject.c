#include "shardkv/subject.h"

#include <string.h>

static void remember_tail(struct subject *subject)
{
    subject->old_length = subject->record.length;
    subject->old_tail_count = subject->record.tail_count;
    memcpy(subject->old_tail, subject->record.tail,
           subject->record.tail_count * sizeof(subject->record.tail[0]));
}

void subject_open(struct subject *subject, struct access *access, const struct kv_op *op)
{
    subject->access = access;
    subject->op = op;
    subject->record = (struct record){.kind = RECORD_VALUE};
    keys_record(&subject->key, access->copy, op->space, op->key);
    subject->value = (struct draft_value){0};
    subject->found = draft_get(&access->draft, key_slice(&subject->key), &subject->value);
    if (subject->found && record_unpack(subject->value.bytes, &subject->record) != SF_OK) {
        draft_fail(&access->draft, SF_CORRUPT);
        subject->record = (struct record){.kind = RECORD_VALUE};
        subject->found = false;
    }
    remember_tail(subject);
    head_open(&subject->head, access, op->space, op->key, &subject->record);
}

void subject_close(struct subject *subject)
{
    draft_put_back(&subject->value);
}

/* The set of plain keys changed, under this id: a listing of the root shows it. */
static void note_plain_set(struct subject *subject, uint64_t id)
{
    struct shard_meta *meta = &subject->access->meta;
    if (subject->op->space != KV_PLAIN)
        return;
    meta->plain_version = id;
    if (subject->access->time_ns > meta->plain_time_ns)
        meta->plain_time_ns = subject->access->time_ns;
    else
        meta->plain_time_ns++;
}

static void set_times(struct subject *subject, enum subject_change change)
{
    struct record *record = &subject->record;
    uint64_t now = subject->access->time_ns;
    uint64_t before = record->ctime_ns, after = subject->op->after_ns;
    uint64_t latest = before > after ? before : after;
    record->ctime_ns = now > latest || latest == UINT64_MAX ? now : latest + 1;
    if (change == CHANGE_BYTES) {
        record->changed_ns = record->ctime_ns;
        record->shows = false;
    }
    if (subject->op->flags & KV_HAS_MTIME) {
        record->shows = true;
        record->shown_ns = subject->op->mtime_ns;
    }
}

static void lose_tail(struct subject *subject, const struct trash_extents *after)
{
    struct trash_extents before = {subject->old_length, subject->old_tail, subject->old_tail_count};
    trash_lost(subject->access, &before, after);
}

void subject_save(struct subject *subject, enum subject_change change)
{
    struct record *record = &subject->record;
    struct head *head = &subject->head;
    struct buffer b = {0};
    sf_assert(head->length == record_head_length(record));
    record->version = access_new_id(subject->access);
    if (!subject->found) {
        record->created = record->version;
        note_plain_set(subject, record->version);
    }
    if (subject->op->flags & KV_HAS_CREATED)
        record->created = subject->op->created;
    set_times(subject, change);
    lose_tail(subject, &(struct trash_extents){record->length, record->tail, record->tail_count});
    record->inline_bytes = slice_of(head->bytes, head_is_inline(head) ? head->length : 0);
    record_pack(&b, record);
    draft_put(&subject->access->draft, key_slice(&subject->key), buffer_slice(&b));
    buffer_deinit(&b);
}

void subject_remove(struct subject *subject, bool trash_tail)
{
    head_resize(&subject->head, 0);
    draft_delete(&subject->access->draft, key_slice(&subject->key));
    if (trash_tail)
        lose_tail(subject, &(struct trash_extents){0});
    note_plain_set(subject, access_new_id(subject->access));
}

void subject_resize(struct subject *subject, uint64_t length)
{
    subject->record.length = length;
    head_resize(&subject->head, record_head_length(&subject->record));
}

void subject_set_tail(struct subject *subject, const struct kv_tail *tail, size_t count)
{
    if (count > 0)
        memcpy(subject->record.tail, tail, count * sizeof(tail[0]));
    subject->record.tail_count = count;
}

struct slice subject_bytes(struct subject *subject)
{
    return head_get(&subject->head, 0, subject->head.length);
}

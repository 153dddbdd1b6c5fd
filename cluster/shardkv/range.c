#include "shardkv/range.h"

#include "shardkv/session.h"
#include "shardkv/txn_table.h"

/* A lease is written anew only where it is older than this part of it. */
#define RENEW_PARTS 8u

static uint64_t lease_ms(const struct access *access)
{
    return access->limits->lease_ns / 1000000u;
}

/* What every answer about locks says of the holder. */
static void tell(const struct access *access, uint64_t holder, struct kv_reply *reply)
{
    const struct range_lease *lease = range_table_lease(access->ranges, holder);
    reply->old_length = lease != NULL ? lease->count : 0;
    reply->ids_first = lease_ms(access);
}

/* The entry has changed the locks of the file: what had the holder before? The file may go. */
static void finish(struct access *access, struct range_file *file, uint64_t holder, bool had)
{
    bool has = range_locks_has(&file->locks, holder);
    range_table_save(access->ranges, &access->draft, file);
    range_table_settle(access->ranges, &access->draft, holder, had, has);
}

static void renew(struct access *access, uint64_t holder)
{
    range_table_renew(access->ranges, &access->draft, holder, access->meta.age_ns,
                      access->limits->lease_ns / RENEW_PARTS);
}

static void grant(struct access *access, struct range_file *file)
{
    if (range_locks_grant(&file->locks) > 0)
        range_table_moved(access->ranges);
}

/* -- LOCK ---------------------------------------------------------------------------------- */

static bool is_blocked(const struct range_file *file, const struct kv_lock *wanted)
{
    size_t before = wanted->flags & KV_LOCK_WAITS ? file->locks.waiting.count : 0;
    return range_locks_blocks(&file->locks, wanted, before);
}

/* flock(2): what is to be converted and cannot be at once is given back. */
static void give_back(struct access *access, struct range_file *file, const struct kv_lock *wanted)
{
    struct kv_lock nothing = *wanted;
    nothing.type = KV_LOCK_NONE;
    if (range_locks_set(&file->locks, &nothing) == SF_OK)
        grant(access, file);
}

static int wait_for(struct access *access, struct range_file *file, const struct kv_lock *wanted)
{
    if (!(wanted->flags & KV_LOCK_WAITS))
        return SF_LOCK_HELD;
    if (!(wanted->flags & KV_LOCK_CONVERTS) &&
        range_table_closes_circle(access->ranges, file, wanted))
        return SF_DEADLOCK;
    int status = range_locks_wait(&file->locks, wanted);
    return status == SF_OK ? SF_QUEUED : status;
}

static int lock(struct access *access, struct range_file *file, const struct kv_lock *wanted)
{
    bool blocked = wanted->type != KV_LOCK_NONE && is_blocked(file, wanted);
    if (blocked && (wanted->flags & KV_LOCK_CONVERTS)) {
        give_back(access, file, wanted);
        blocked = is_blocked(file, wanted);
    }
    if (blocked)
        return wait_for(access, file, wanted);
    int status = range_locks_set(&file->locks, wanted);
    if (status == SF_OK)
        grant(access, file);
    return status;
}

void range_lock(struct access *access, const struct kv_op *op, struct kv_reply *reply)
{
    struct kv_lock wanted;
    *reply = (struct kv_reply){.status = kv_lock_unpack(op->data, &wanted)};
    if (reply->status == SF_OK && range_is_barred(access, wanted.holder))
        reply->status = SF_FENCED;
    if (reply->status != SF_OK)
        return;
    struct range_file *file = range_table_make(access->ranges, op->key);
    bool had = range_locks_has(&file->locks, wanted.holder);
    renew(access, wanted.holder);
    reply->status = lock(access, file, &wanted);
    finish(access, file, wanted.holder, had);
    tell(access, wanted.holder, reply);
}

void range_cancel(struct access *access, const struct kv_op *op, struct kv_reply *reply)
{
    struct kv_lock asked;
    const struct kv_lock *waiting = NULL;
    *reply = (struct kv_reply){.status = kv_lock_unpack(op->data, &asked)};
    if (reply->status != SF_OK)
        return;
    struct range_file *file = range_table_find(access->ranges, op->key);
    if (file != NULL)
        waiting = range_locks_find(&file->locks, asked.holder, asked.ticket);
    if (waiting != NULL) {
        range_locks_leave(&file->locks, waiting);
        grant(access, file);
        range_table_moved(access->ranges); /* an AWAIT of its own may be there */
        finish(access, file, asked.holder, true);
    } else {
        reply->status = SF_NOT_FOUND;
    }
    tell(access, asked.holder, reply);
}

/* -- leases -------------------------------------------------------------------------------- */

void range_renew(struct access *access, uint64_t holder, struct kv_reply *reply)
{
    *reply = (struct kv_reply){0};
    if (range_is_barred(access, holder)) {
        reply->status = SF_FENCED;
        return;
    }
    if (range_table_lease(access->ranges, holder) != NULL)
        renew(access, holder);
    tell(access, holder, reply);
}

uint64_t range_holder_of(struct slice client_id)
{
    struct reader r = reader_of(client_id);
    return reader_u64(&r);
}

bool range_is_barred(struct access *access, uint64_t holder)
{
    struct key key;
    keys_barred(&key, access->copy, holder);
    return draft_has(&access->draft, key_slice(&key));
}

/* Of the sessions that went, does one still await the outcome of what it prepared? */
static bool awaits_outcome(const struct access *access, struct slice sessions)
{
    struct reader r = reader_of(sessions);
    while (reader_left(&r) > 0)
        if (access->txns != NULL && txn_table_has_session(access->txns, reader_u64(&r)))
            return true;
    return false;
}

void range_fence(struct access *access, uint64_t holder, struct kv_reply *reply)
{
    struct key key;
    struct draft_value value;
    struct buffer sessions = {0};
    keys_barred(&key, access->copy, holder);
    if (draft_get(&access->draft, key_slice(&key), &value)) {
        buffer_set(&sessions, value.bytes);
        draft_put_back(&value);
    } else {
        session_close_all(access, holder, &sessions);
        draft_put(&access->draft, key_slice(&key), buffer_slice(&sessions));
    }
    bool busy = awaits_outcome(access, buffer_slice(&sessions));
    *reply = (struct kv_reply){.status = busy ? SF_BUSY : SF_OK};
    buffer_deinit(&sessions);
}

void range_release(struct access *access, uint64_t holder, struct kv_reply *reply)
{
    *reply = (struct kv_reply){0};
    if (!range_is_barred(access, holder)) { /* nobody may do that who did not fence it before */
        reply->status = SF_INVALID;
        return;
    }
    range_table_drop_holder(access->ranges, &access->draft, holder);
}

/* -- reads --------------------------------------------------------------------------------- */

static void test(struct access *access, const struct range_file *file, const struct kv_lock *wanted,
                 struct kv_reply *reply)
{
    struct buffer b = {0};
    const struct kv_lock *found =
        file != NULL ? range_locks_in_the_way(&file->locks, wanted) : NULL;
    if (found == NULL)
        return;
    kv_lock_pack(&b, found);
    reply->data = access_copy(access, buffer_slice(&b));
    buffer_deinit(&b);
}

bool range_read(struct access *access, const struct range_table *table, const struct kv_op *op,
                struct kv_reply *reply)
{
    struct kv_lock asked;
    *reply = (struct kv_reply){.status = kv_lock_unpack(op->data, &asked)};
    if (reply->status != SF_OK)
        return true;
    const struct range_file *file = range_table_find(table, op->key);
    if (op->kind == KV_LOCK_TEST) {
        test(access, file, &asked, reply);
        return true;
    }
    if (file != NULL && range_locks_find(&file->locks, asked.holder, asked.ticket) != NULL) {
        reply->status = SF_QUEUED;
        return false;
    }
    if (range_is_barred(access, asked.holder))
        reply->status = SF_FENCED;
    return true;
}

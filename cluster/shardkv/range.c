#include "shardkv/range.h"

#include "env/mark.h"
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
        range_table_closes_circle(access->ranges, file, wanted)) {
        SF_MARK("locks: a circle is refused");
        return SF_DEADLOCK;
    }
    int status = range_locks_wait(&file->locks, wanted);
    return status == SF_OK ? SF_QUEUED : status;
}

static int lock(struct access *access, struct range_file *file, const struct kv_lock *wanted)
{
    bool blocked = wanted->type != KV_LOCK_NONE && is_blocked(file, wanted);
    if (blocked && (wanted->flags & KV_LOCK_CONVERTS)) {
        SF_MARK("locks: given back, as it could not be converted");
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
        SF_MARK("locks: granted, or gone, before it left the queue");
        reply->status = SF_NOT_FOUND;
    }
    tell(access, asked.holder, reply);
}

/* -- leases -------------------------------------------------------------------------------- */

void range_renew(struct access *access, uint64_t holder, struct kv_reply *reply)
{
    *reply = (struct kv_reply){0};
    if (range_is_barred(access, holder)) {
        SF_MARK("locks: a renewal meets that its client is barred");
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

struct search {
    struct access *access;
    bool found;
};

static void look_at_txn(void *ctx, struct txn_entry *entry)
{
    struct search *search = ctx;
    if (entry->record.fate == KV_FATE_PREPARED &&
        !session_is_there(search->access, entry->record.session))
        search->found = true;
}

/* Does what a session prepared await its outcome, which is gone? It may have been this holder's, also
 * where it went earlier: it was idle, or made room. */
static bool awaits_outcome(struct access *access)
{
    struct search search = {.access = access};
    if (access->txns != NULL)
        txn_table_each(access->txns, look_at_txn, &search);
    return search.found;
}

void range_fence(struct access *access, uint64_t holder, struct kv_reply *reply)
{
    struct key key;
    if (!range_is_barred(access, holder)) {
        session_close_all(access, holder);
        keys_barred(&key, access->copy, holder);
        draft_put(&access->draft, key_slice(&key), slice_of(NULL, 0));
    }
    bool busy = awaits_outcome(access);
    if (busy)
        SF_MARK("locks: a fence waits for a transaction");
    *reply = (struct kv_reply){.status = busy ? SF_BUSY : SF_OK};
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

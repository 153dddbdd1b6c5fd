#include "shardkv/range_table.h"

#include <stdlib.h>

#include "env/mark.h"
#include "env/memory.h"

#define VERSION 1u

struct range_table {
    struct copy_table base;
    struct range_file *files;
    struct range_lease *leases;
};

static struct range_table *table_of(struct copy_table *base)
{
    return container_of(base, struct range_table, base);
}

void range_table_moved(struct range_table *table)
{
    copy_table_mark(&table->base);
}

/* -- leases -------------------------------------------------------------------------------- */

struct range_lease *range_table_lease(const struct range_table *table, uint64_t holder)
{
    struct range_lease *lease = NULL;
    HASH_FIND(hh, table->leases, &holder, sizeof(holder), lease);
    return lease;
}

static struct range_lease *make_lease(struct range_table *table, uint64_t holder)
{
    struct range_lease *lease = sf_calloc(1, sizeof(*lease));
    lease->holder = holder;
    HASH_ADD(hh, table->leases, holder, sizeof(lease->holder), lease);
    return lease;
}

static void free_lease(struct range_table *table, struct range_lease *lease)
{
    HASH_DEL(table->leases, lease);
    free(lease);
}

static void delete_lease(struct range_table *table, struct draft *draft, struct range_lease *lease)
{
    struct key key;
    keys_lease(&key, table->base.copy, lease->holder);
    draft_delete(draft, key_slice(&key));
    free_lease(table, lease);
}

void range_table_renew(struct range_table *table, struct draft *draft, uint64_t holder,
                       uint64_t age_ns, uint64_t step_ns)
{
    struct key key;
    struct buffer b = {0};
    struct range_lease *lease = range_table_lease(table, holder);
    if (lease != NULL)
        lease->seen_ms = 0;
    if (lease != NULL && age_ns - lease->renewed_age_ns < step_ns)
        return;
    if (lease == NULL)
        lease = make_lease(table, holder);
    lease->renewed_age_ns = age_ns;
    keys_lease(&key, table->base.copy, holder);
    buffer_put_u64(&b, age_ns);
    draft_put(draft, key_slice(&key), buffer_slice(&b));
    buffer_deinit(&b);
}

void range_table_settle(struct range_table *table, struct draft *draft, uint64_t holder, bool had,
                        bool has)
{
    struct range_lease *lease = range_table_lease(table, holder);
    if (lease == NULL)
        return;
    lease->count += has;
    lease->count -= had;
    if (lease->count == 0)
        delete_lease(table, draft, lease);
}

bool range_table_has_leases(const struct range_table *table)
{
    return table->leases != NULL;
}

void range_table_each_lease(const struct range_table *table,
                            void (*visit)(void *ctx, struct range_lease *lease), void *ctx)
{
    for (struct range_lease *lease = table->leases; lease != NULL; lease = lease->hh.next)
        visit(ctx, lease);
}

/* -- files --------------------------------------------------------------------------------- */

struct range_file *range_table_find(const struct range_table *table, struct slice key)
{
    struct range_file *file = NULL;
    HASH_FIND(hh, table->files, key.p, key.n, file);
    return file;
}

struct range_file *range_table_make(struct range_table *table, struct slice key)
{
    struct range_file *file = range_table_find(table, key);
    if (file != NULL)
        return file;
    file = sf_calloc(1, sizeof(*file));
    file->key = slice_of(sf_memdup(key.p, key.n), key.n);
    HASH_ADD_KEYPTR(hh, table->files, file->key.p, file->key.n, file);
    return file;
}

static void file_free(struct range_table *table, struct range_file *file)
{
    HASH_DEL(table->files, file);
    range_locks_deinit(&file->locks);
    free((void *)(uintptr_t)file->key.p);
    free(file);
}

static void pack_file(struct buffer *b, const struct range_locks *locks)
{
    buffer_put_u8(b, VERSION);
    buffer_put_u16(b, (uint16_t)locks->held.count);
    for (size_t i = 0; i < locks->held.count; i++)
        kv_lock_pack(b, &locks->held.locks[i]);
    for (size_t i = 0; i < locks->waiting.count; i++)
        kv_lock_pack(b, &locks->waiting.locks[i]);
}

void range_table_save(struct range_table *table, struct draft *draft, struct range_file *file)
{
    struct key key;
    struct buffer b = {0};
    keys_locks(&key, table->base.copy, file->key);
    if (range_locks_is_empty(&file->locks)) {
        draft_delete(draft, key_slice(&key));
        file_free(table, file);
        return;
    }
    pack_file(&b, &file->locks);
    draft_put(draft, key_slice(&key), buffer_slice(&b));
    buffer_deinit(&b);
}

static size_t count_of(const struct range_table *table, uint64_t holder)
{
    size_t count = 0;
    for (const struct range_file *file = table->files; file != NULL; file = file->hh.next)
        count += range_locks_has(&file->locks, holder);
    return count;
}

void range_table_drop_holder(struct range_table *table, struct draft *draft, uint64_t holder)
{
    for (struct range_file *file = table->files, *next; file != NULL; file = next) {
        next = file->hh.next;
        if (!range_locks_drop(&file->locks, holder))
            continue;
        if (range_locks_grant(&file->locks) > 0)
            SF_MARK("locks: granted, as their holder was released");
        range_table_moved(table); /* also for what it waited for itself */
        range_table_save(table, draft, file);
    }
    if (range_table_lease(table, holder) != NULL)
        delete_lease(table, draft, range_table_lease(table, holder));
}

/* -- circles ------------------------------------------------------------------------------- */

/* Owners that a request waits for, directly or not. */
struct search {
    const struct range_table *table;
    const struct kv_lock *from;
    struct kv_lock *owners; /* all of them: which come first depends on the replica's hash tables */
    size_t count, room;
    bool closed;
};

static bool meet(void *ctx, const struct kv_lock *blocker)
{
    struct search *search = ctx;
    search->closed = range_locks_same_owner(blocker, search->from);
    for (size_t i = 0; i < search->count && !search->closed; i++)
        if (range_locks_same_owner(blocker, &search->owners[i]))
            return false;
    if (search->closed)
        return true;
    if (search->count == search->room) {
        search->room = search->room == 0 ? 16 : 2 * search->room;
        search->owners = sf_realloc(search->owners, search->room * sizeof(*search->owners));
    }
    search->owners[search->count++] = *blocker;
    return false;
}

/* Whom does this owner wait for, wherever it does? */
static void follow(struct search *search, const struct kv_lock *owner)
{
    const struct range_file *file = search->table->files;
    for (; file != NULL && !search->closed; file = file->hh.next) {
        const struct range_list *waiting = &file->locks.waiting;
        for (size_t i = 0; i < waiting->count && !search->closed; i++)
            if (range_locks_same_owner(&waiting->locks[i], owner))
                (void)range_locks_each_blocker(&file->locks, &waiting->locks[i], i, meet, search);
    }
}

bool range_table_closes_circle(const struct range_table *table, const struct range_file *file,
                               const struct kv_lock *wanted)
{
    struct search search = {.table = table, .from = wanted};
    (void)range_locks_each_blocker(&file->locks, wanted, file->locks.waiting.count, meet, &search);
    for (size_t i = 0; i < search.count && !search.closed; i++) {
        struct kv_lock owner = search.owners[i];
        follow(&search, &owner);
    }
    free(search.owners);
    return search.closed;
}

/* -- checks -------------------------------------------------------------------------------- */

static bool all_have_leases(const struct range_table *table, const struct range_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (range_table_lease(table, list->locks[i].holder) == NULL)
            return false;
    return true;
}

bool range_table_is_valid(const struct range_table *table)
{
    for (const struct range_file *file = table->files; file != NULL; file = file->hh.next)
        if (range_locks_is_empty(&file->locks) || !range_locks_is_valid(&file->locks) ||
            !all_have_leases(table, &file->locks.held) ||
            !all_have_leases(table, &file->locks.waiting))
            return false;
    for (const struct range_lease *lease = table->leases; lease != NULL; lease = lease->hh.next)
        if (lease->count == 0 || lease->count != count_of(table, lease->holder))
            return false;
    return true;
}

/* -- life ---------------------------------------------------------------------------------- */

static bool load_file(struct range_table *table, struct slice key, struct slice value)
{
    struct reader r = reader_of(value);
    struct kv_lock lock;
    if (reader_u8(&r) != VERSION)
        return false;
    SF_MARK("locks: read from a copy's records");
    size_t held = reader_u16(&r);
    struct range_file *file = range_table_make(table, key);
    for (size_t i = 0; reader_left(&r) > 0; i++) {
        if (kv_lock_unpack(reader_bytes(&r, KV_LOCK_BYTES), &lock) != SF_OK)
            return false;
        range_locks_restore(&file->locks, &lock, i < held);
    }
    return reader_ok(&r) && file->locks.held.count == held && !range_locks_is_empty(&file->locks);
}

static bool load_lease(struct range_table *table, struct slice key, struct slice value)
{
    struct reader r = reader_of(key), v = reader_of(value);
    uint64_t holder = reader_u64_big(&r);
    uint64_t renewed_age_ns = reader_u64(&v);
    if (!reader_done(&r) || !reader_done(&v))
        return false;
    struct range_lease *lease = make_lease(table, holder);
    lease->renewed_age_ns = renewed_age_ns;
    lease->count = count_of(table, holder);
    return lease->count > 0;
}

static int load_section(struct range_table *table, const struct space *space, char section,
                        bool (*load)(struct range_table *table, struct slice key,
                                     struct slice value))
{
    struct key prefix;
    keys_section(&prefix, table->base.copy, section);
    struct store_iter *iter = keys_iterate(space, &prefix);
    bool good = true;
    for (; good && store_iter_valid(iter); store_iter_next(iter))
        good = load(table, keys_rest(store_iter_key(iter)), store_iter_value(iter));
    int status = store_iter_status(iter);
    store_iter_free(iter);
    return status != SF_OK || good ? status : SF_CORRUPT;
}

static int load(struct copy_table *base, const struct space *space)
{
    struct range_table *table = table_of(base);
    int status = load_section(table, space, 'l', load_file);
    if (status == SF_OK)
        status = load_section(table, space, 'h', load_lease);
    return status;
}

static void empty(struct copy_table *base)
{
    struct range_table *table = table_of(base);
    while (table->files != NULL)
        file_free(table, table->files);
    while (table->leases != NULL)
        free_lease(table, table->leases);
}

static const struct copy_table_kind kind = {sizeof(struct range_table), load, empty};

struct copy_tables *range_tables_new(void)
{
    return copy_tables_new(&kind);
}

int range_tables_at(struct copy_tables *tables, const struct space *space, struct shard_copy copy,
                    struct range_table **out)
{
    struct copy_table *base;
    int status = copy_tables_at(tables, space, copy, &base);
    if (status == SF_OK)
        *out = table_of(base);
    return status;
}

#include "shardkv/txn_table.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "env/memory.h"

/* A key, or a prefix, that is held; how often in each mode. */
struct held {
    UT_hash_handle hh;
    unsigned adds, checks, writes;
    struct lock lock; /* modes: those that are held; key: within `bytes` */
    uint8_t bytes[];  /* u8 space, u8 is_prefix, key */
};

struct kept {
    struct txn_entry entry; /* first */
    UT_hash_handle hh;      /* by `name` */
    uint64_t name[2];       /* session, sequence */
};

struct txn_table {
    struct copy_table base;
    struct kept *kept;
    struct held *held;
    unsigned prefix_count; /* of those held */
};

static struct txn_table *table_of(struct copy_table *base)
{
    return container_of(base, struct txn_table, base);
}

/* -- locks --------------------------------------------------------------------------------- */

#define HEAD_BYTES 2u

static void name_of(struct key *name, const struct lock *lock)
{
    name->bytes[0] = (uint8_t)lock->space;
    name->bytes[1] = lock->is_prefix;
    if (lock->key.n > 0)
        memcpy(name->bytes + HEAD_BYTES, lock->key.p, lock->key.n);
    name->n = HEAD_BYTES + lock->key.n;
}

static struct held *find_held(const struct txn_table *table, const struct lock *lock)
{
    struct key name;
    struct held *held = NULL;
    name_of(&name, lock);
    HASH_FIND(hh, table->held, name.bytes, name.n, held);
    return held;
}

static struct held *make_held(struct txn_table *table, const struct lock *lock)
{
    struct key name;
    name_of(&name, lock);
    struct held *held = sf_calloc(1, sizeof(*held) + name.n);
    memcpy(held->bytes, name.bytes, name.n);
    held->lock = *lock;
    held->lock.modes = 0;
    held->lock.key = slice_of(held->bytes + HEAD_BYTES, lock->key.n);
    HASH_ADD_KEYPTR(hh, table->held, held->bytes, name.n, held);
    table->prefix_count += lock->is_prefix;
    return held;
}

static void count(struct held *held, unsigned modes, unsigned step)
{
    held->adds += modes & LOCK_ADD ? step : 0;
    held->checks += modes & LOCK_CHECK ? step : 0;
    held->writes += modes & LOCK_WRITE ? step : 0;
    held->lock.modes = (held->adds > 0 ? LOCK_ADD : 0u) | (held->checks > 0 ? LOCK_CHECK : 0u) |
                       (held->writes > 0 ? LOCK_WRITE : 0u);
}

static void take_locks(struct txn_table *table, const struct lock_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        struct held *held = find_held(table, &set->locks[i]);
        if (held == NULL)
            held = make_held(table, &set->locks[i]);
        count(held, set->locks[i].modes, 1);
    }
}

static void give_locks(struct txn_table *table, struct lock_set *set)
{
    if (set->count > 0)
        copy_table_mark(&table->base);
    for (size_t i = 0; i < set->count; i++) {
        struct held *held = find_held(table, &set->locks[i]);
        count(held, set->locks[i].modes, -1u);
        if (held->lock.modes != 0)
            continue;
        table->prefix_count -= held->lock.is_prefix;
        HASH_DEL(table->held, held);
        free(held);
    }
    lock_set_deinit(set);
}

static bool blocks_by_looking_at_all(const struct txn_table *table, const struct lock *lock)
{
    const struct held *held;
    for (held = table->held; held != NULL; held = held->hh.next)
        if (locks_conflict(&held->lock, lock))
            return true;
    return false;
}

static bool blocks(const struct txn_table *table, const struct lock *lock)
{
    if (lock->is_prefix || table->prefix_count > 0)
        return blocks_by_looking_at_all(table, lock);
    const struct held *held = find_held(table, lock);
    return held != NULL && lock_modes_conflict(held->lock.modes, lock->modes);
}

bool txn_table_has_locks(const struct txn_table *table)
{
    return table->held != NULL;
}

bool txn_table_blocks(const struct txn_table *table, const struct lock_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        if (blocks(table, &set->locks[i]))
            return true;
    return false;
}

/* -- records ------------------------------------------------------------------------------- */

struct txn_entry *txn_table_find(const struct txn_table *table, uint64_t session, uint64_t sequence)
{
    uint64_t name[2] = {session, sequence};
    struct kept *kept = NULL;
    HASH_FIND(hh, table->kept, name, sizeof(name), kept);
    return kept != NULL ? &kept->entry : NULL;
}

bool txn_table_has_session(const struct txn_table *table, uint64_t session)
{
    for (const struct kept *kept = table->kept; kept != NULL; kept = kept->hh.next)
        if (kept->name[0] == session && kept->entry.record.fate == KV_FATE_PREPARED)
            return true;
    return false;
}

void txn_table_each(const struct txn_table *table,
                    void (*visit)(void *ctx, struct txn_entry *entry), void *ctx)
{
    for (struct kept *kept = table->kept; kept != NULL; kept = kept->hh.next)
        visit(ctx, &kept->entry);
}

struct txn_entry *txn_table_add(struct txn_table *table, const struct txn_record *record,
                                const struct kv_op *op)
{
    struct kept *kept = sf_calloc(1, sizeof(*kept));
    kept->entry.record = *record;
    kept->name[0] = record->session;
    kept->name[1] = record->sequence;
    HASH_ADD(hh, table->kept, name, sizeof(kept->name), kept);
    if (record->fate == KV_FATE_PREPARED) {
        lock_set_of(&kept->entry.locks, op);
        take_locks(table, &kept->entry.locks);
    }
    return &kept->entry;
}

void txn_table_settled(struct txn_table *table, struct txn_entry *entry)
{
    entry->since_ms = 0;
    give_locks(table, &entry->locks);
}

void txn_table_remove(struct txn_table *table, struct txn_entry *entry)
{
    struct kept *kept = container_of(entry, struct kept, entry);
    give_locks(table, &entry->locks);
    HASH_DEL(table->kept, kept);
    free(kept);
}

/* -- life ---------------------------------------------------------------------------------- */

static int load_one(struct txn_table *table, struct draft *draft, const struct store_iter *iter)
{
    struct txn_record record;
    struct txn_op op = {0};
    int status = txn_record_unpack(store_iter_key(iter), store_iter_value(iter), &record);
    if (status == SF_OK && record.fate == KV_FATE_PREPARED)
        status = txn_op_load(draft, table->base.copy, &record, &op);
    if (status == SF_OK)
        (void)txn_table_add(table, &record, &op.op);
    txn_op_deinit(&op);
    return status;
}

static int load(struct copy_table *base, const struct space *space)
{
    struct txn_table *table = table_of(base);
    struct key prefix;
    struct draft draft;
    int status = SF_OK;
    draft_init_read(&draft, space, NULL);
    keys_section(&prefix, base->copy, 'p');
    struct store_iter *iter = keys_iterate(space, &prefix);
    for (; status == SF_OK && store_iter_valid(iter); store_iter_next(iter))
        status = load_one(table, &draft, iter);
    if (status == SF_OK)
        status = store_iter_status(iter);
    store_iter_free(iter);
    draft_deinit(&draft);
    return status;
}

static void empty(struct copy_table *base)
{
    struct txn_table *table = table_of(base);
    while (table->kept != NULL)
        txn_table_remove(table, &table->kept->entry);
}

static const struct copy_table_kind kind = {sizeof(struct txn_table), load, empty};

struct copy_tables *txn_tables_new(void)
{
    return copy_tables_new(&kind);
}

int txn_tables_at(struct copy_tables *tables, const struct space *space, struct shard_copy copy,
                  struct txn_table **out)
{
    struct copy_table *base;
    int status = copy_tables_at(tables, space, copy, &base);
    if (status == SF_OK)
        *out = table_of(base);
    return status;
}

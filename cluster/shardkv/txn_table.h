/* txn_table: the prepared records of one copy of a shard, and the locks that follow from them, in
 * memory.
 *
 *  T5  (txn.h) A table is a function of the copy's prepared records, as copy_table.h says. It is
 *      marked when locks were given back.
 *
 * Every replica has tables; only a leader looks at their ages.
 */
#ifndef SHARDKV_TXN_TABLE_H
#define SHARDKV_TXN_TABLE_H

#include "shardkv/copy_table.h"
#include "shardkv/lock_set.h"
#include "shardkv/txn_record.h"

struct txn_table; /* of one copy */

/* A prepared record. */
struct txn_entry {
    struct txn_record record;
    struct lock_set locks; /* held while it is PREPARED; else empty */
    uint64_t since_ms;     /* when this leader saw it under its fate first; 0: not yet */
    bool is_being_finished;
};

struct copy_tables *txn_tables_new(void);
/* copy_tables_at of them. */
SF_MUST_CHECK int txn_tables_at(struct copy_tables *tables, const struct space *space,
                                struct shard_copy copy, struct txn_table **out);

struct txn_entry *txn_table_find(const struct txn_table *table, uint64_t session,
                                 uint64_t sequence);                         /* NULL: none */
bool txn_table_has_session(const struct txn_table *table, uint64_t session); /* a PREPARED one */
/* Calls visit for each record; visit may not change the table. */
void txn_table_each(const struct txn_table *table,
                    void (*visit)(void *ctx, struct txn_entry *entry), void *ctx);
bool txn_table_has_locks(const struct txn_table *table);
/* Does any lock of the set conflict with one that is held? */
bool txn_table_blocks(const struct txn_table *table, const struct lock_set *set);

/* op: what the locks of a PREPARED one follow from. */
struct txn_entry *txn_table_add(struct txn_table *table, const struct txn_record *record,
                                const struct kv_op *op);
/* The entry's record has a fate now that holds no locks. */
void txn_table_settled(struct txn_table *table, struct txn_entry *entry);
void txn_table_remove(struct txn_table *table, struct txn_entry *entry);

#endif

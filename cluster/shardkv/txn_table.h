/* txn_table: the prepared records of one copy of a shard, and the locks that follow from them, in
 * memory.
 *
 *  T5  (txn.h) A table is a function of the copy's prepared records. It is read from the store when
 *      it is first asked for: after a restart, a snapshot, a hand-off. From then on each entry that
 *      changes records changes both. As nothing changes them but through the table, the store holds
 *      all of them at that moment, whatever may be pending of other kinds.
 *
 * Every replica has tables; only a leader looks at their ages.
 */
#ifndef SHARDKV_TXN_TABLE_H
#define SHARDKV_TXN_TABLE_H

#include "shardkv/lock_set.h"
#include "shardkv/txn_record.h"

struct txn_tables; /* of all the copies that a group serves */
struct txn_table;  /* of one copy */

/* A prepared record. */
struct txn_entry {
    struct txn_record record;
    struct lock_set locks; /* held while it is PREPARED; else empty */
    uint64_t since_ms;     /* when this leader saw it under its fate first; 0: not yet */
    bool is_being_finished;
};

struct txn_tables *txn_tables_new(void);
void txn_tables_free(struct txn_tables *tables);  /* NULL is allowed */
void txn_tables_clear(struct txn_tables *tables); /* the store holds another state now */
void txn_tables_drop(struct txn_tables *tables, uint32_t shard);
/* The table of a copy that is served; *out is valid until a clear or a drop. SF_CORRUPT, SF_IO. */
SF_MUST_CHECK int txn_tables_at(struct txn_tables *tables, const struct space *space,
                                struct shard_copy copy, struct txn_table **out);
/* Was this table read already? */
bool txn_tables_has(const struct txn_tables *tables, struct shard_copy copy);
/* A shard in which locks were given back since it was asked last; false: there is none. */
SF_MUST_CHECK bool txn_tables_take_freed(struct txn_tables *tables, uint32_t *shard);

size_t txn_table_count(const struct txn_table *table); /* records */
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

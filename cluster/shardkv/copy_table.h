/* copy_table: what a group keeps in memory beside each copy of a shard that it serves, of one kind
 * (txn_table.h, range_table.h): a function of the copy's records. It is read from the store when it
 * is first asked for: after a restart, a snapshot, a hand-off. From then on each entry that changes
 * records changes both. As nothing changes them but through the table, the store holds all of them
 * at that moment, whatever may be pending of other kinds.
 */
#ifndef SHARDKV_COPY_TABLE_H
#define SHARDKV_COPY_TABLE_H

#include <uthash.h>

#include "shardkv/keys.h"
#include "storage/store.h"

struct copy_tables; /* of all the copies that a group serves */

/* What is the same in a table of any kind, which begins with it. */
struct copy_table {
    UT_hash_handle hh; /* by copy.shard */
    struct copy_tables *tables;
    struct shard_copy copy;
    bool is_marked; /* counted in tables */
};

struct copy_table_kind {
    size_t bytes; /* of a whole table */
    /* Reads what the store has of table->copy into a table that is all-zero. SF_CORRUPT, SF_IO. */
    int (*load)(struct copy_table *table, const struct space *space);
    void (*empty)(struct copy_table *table); /* frees what it holds, also after load has failed */
};

struct copy_tables *copy_tables_new(const struct copy_table_kind *kind); /* static */
void copy_tables_free(struct copy_tables *tables);                       /* NULL is allowed */
void copy_tables_clear(struct copy_tables *tables); /* the store holds another state now */
void copy_tables_drop(struct copy_tables *tables, uint32_t shard);
/* The table of a copy that is served; *out is valid until a clear or a drop. SF_CORRUPT, SF_IO. */
SF_MUST_CHECK int copy_tables_at(struct copy_tables *tables, const struct space *space,
                                 struct shard_copy copy, struct copy_table **out);
/* Was this table read already? */
bool copy_tables_has(const struct copy_tables *tables, struct shard_copy copy);

/* Something in it became free: who asks for that is told of its shard, once. */
void copy_table_mark(struct copy_table *table);
/* A shard whose table is marked, and no longer is; false: there is none. */
SF_MUST_CHECK bool copy_tables_take_marked(struct copy_tables *tables, uint32_t *shard);

#endif

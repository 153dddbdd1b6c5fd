#include "shardkv/copy_table.h"

#include <stdlib.h>

#include "env/memory.h"

struct copy_tables {
    const struct copy_table_kind *kind;
    struct copy_table *tables; /* by shard */
    unsigned marked;           /* of them */
};

struct copy_tables *copy_tables_new(const struct copy_table_kind *kind)
{
    struct copy_tables *tables = sf_calloc(1, sizeof(*tables));
    tables->kind = kind;
    return tables;
}

static struct copy_table *find(const struct copy_tables *tables, uint32_t shard)
{
    struct copy_table *table = NULL;
    HASH_FIND(hh, tables->tables, &shard, sizeof(shard), table);
    return table;
}

static struct copy_table *add(struct copy_tables *tables, struct shard_copy copy)
{
    struct copy_table *table = sf_calloc(1, tables->kind->bytes);
    table->tables = tables;
    table->copy = copy;
    HASH_ADD(hh, tables->tables, copy.shard, sizeof(table->copy.shard), table);
    return table;
}

static void drop(struct copy_tables *tables, struct copy_table *table)
{
    tables->kind->empty(table);
    tables->marked -= table->is_marked;
    HASH_DEL(tables->tables, table);
    free(table);
}

void copy_tables_clear(struct copy_tables *tables)
{
    while (tables->tables != NULL)
        drop(tables, tables->tables);
}

void copy_tables_free(struct copy_tables *tables)
{
    if (tables == NULL)
        return;
    copy_tables_clear(tables);
    free(tables);
}

void copy_tables_drop(struct copy_tables *tables, uint32_t shard)
{
    struct copy_table *table = find(tables, shard);
    if (table != NULL)
        drop(tables, table);
}

bool copy_tables_has(const struct copy_tables *tables, struct shard_copy copy)
{
    const struct copy_table *table = find(tables, copy.shard);
    return table != NULL && table->copy.home == copy.home;
}

int copy_tables_at(struct copy_tables *tables, const struct space *space, struct shard_copy copy,
                   struct copy_table **out)
{
    struct copy_table *table = find(tables, copy.shard);
    if (table != NULL && table->copy.home != copy.home) {
        drop(tables, table);
        table = NULL;
    }
    if (table == NULL) {
        table = add(tables, copy);
        int status = tables->kind->load(table, space);
        if (status != SF_OK) {
            drop(tables, table);
            return status;
        }
    }
    *out = table;
    return SF_OK;
}

void copy_table_mark(struct copy_table *table)
{
    table->tables->marked += !table->is_marked;
    table->is_marked = true;
}

bool copy_tables_take_marked(struct copy_tables *tables, uint32_t *shard)
{
    if (tables->marked == 0)
        return false;
    struct copy_table *table = tables->tables;
    while (!table->is_marked)
        table = table->hh.next;
    table->is_marked = false;
    tables->marked--;
    *shard = table->copy.shard;
    return true;
}

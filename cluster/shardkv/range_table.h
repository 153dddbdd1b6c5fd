/* range_table: the locks on ranges of keys of one copy of a shard, and the leases of those who have
 * them, in memory.
 *
 *  G5  A table is a function of the copy's records ('l', 'h' of keys.h), as copy_table.h says. It is
 *      marked when a queue became shorter.
 *  G6  A holder has a lease in the copy exactly while it has a lock or waits for one there.
 *
 *   'l'  key        u8 version 1, u16 how many are held, then those and who waits, in order, each as
 *                   kv_lock_pack writes it
 *   'h'  holder     u64 age at which it was renewed
 */
#ifndef SHARDKV_RANGE_TABLE_H
#define SHARDKV_RANGE_TABLE_H

#include <uthash.h>

#include "shardkv/copy_table.h"
#include "shardkv/draft.h"
#include "shardkv/range_locks.h"

struct range_table; /* of one copy */

struct range_file {
    UT_hash_handle hh; /* by key */
    struct range_locks locks;
    struct slice key; /* owned */
};

struct range_lease {
    UT_hash_handle hh; /* by holder */
    uint64_t holder;
    uint64_t renewed_age_ns;
    size_t count;     /* G6: keys on which it has a lock, or waits for one; > 0 after an entry */
    uint64_t seen_ms; /* when this leader saw it so first; 0: not yet */
    unsigned looks;   /* of this leader since then, between which entries were applied */
};

struct copy_tables *range_tables_new(void);
/* copy_tables_at of them. */
SF_MUST_CHECK int range_tables_at(struct copy_tables *tables, const struct space *space,
                                  struct shard_copy copy, struct range_table **out);

/* -- locks --------------------------------------------------------------------------------- */

struct range_file *range_table_find(const struct range_table *table, struct slice key);
struct range_file *range_table_make(struct range_table *table, struct slice key);
/* The file's locks were changed: into the draft. Frees it where it is empty. */
void range_table_save(struct range_table *table, struct draft *draft, struct range_file *file);
/* Somebody does not wait any more: who asks for that is told. */
void range_table_moved(struct range_table *table);
/* Is there a way from who waits for whom back to the owner of this request, which would wait? */
bool range_table_closes_circle(const struct range_table *table, const struct range_file *file,
                               const struct kv_lock *wanted);
/* Everything that a holder has goes, and what that lets through is granted. */
void range_table_drop_holder(struct range_table *table, struct draft *draft, uint64_t holder);

/* -- leases -------------------------------------------------------------------------------- */

struct range_lease *range_table_lease(const struct range_table *table, uint64_t holder); /* NULL */
/* It is renewed at this age: written where that is later by step_ns, or new. */
void range_table_renew(struct range_table *table, struct draft *draft, uint64_t holder,
                       uint64_t age_ns, uint64_t step_ns);
/* The end of an entry on one key: had, has the holder something there? Its lease goes with the last
 * (G6). */
void range_table_settle(struct range_table *table, struct draft *draft, uint64_t holder, bool had,
                        bool has);
bool range_table_has_leases(const struct range_table *table);
/* Calls visit for each lease; visit may not change the table. */
void range_table_each_lease(const struct range_table *table,
                            void (*visit)(void *ctx, struct range_lease *lease), void *ctx);
/* G1 to G3 of all keys, and G6. */
bool range_table_is_valid(const struct range_table *table);

#endif

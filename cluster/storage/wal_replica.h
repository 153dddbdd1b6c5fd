/* wal_replica: which entries of each replica are in the log, and where.
 *
 * The same functions note what is being appended and what is found at replay; only replay leaves
 * holes on its way (S2 of wal_state.h holds throughout).
 */
#ifndef STORAGE_WAL_REPLICA_H
#define STORAGE_WAL_REPLICA_H

#include "storage/wal_state.h"

struct wal_replica *wal_replica_find(const struct wal *wal, uint64_t key); /* NULL: none */
struct wal_replica *wal_replica_get(struct wal *wal, uint64_t key);        /* made where missing */
void wal_replica_remove(struct wal *wal, struct wal_replica *replica);
void wal_replicas_free(struct wal *wal);

uint64_t wal_replica_last(const struct wal_replica *replica); /* the base where there are none */
/* The place of an entry of base_index < index <= last. */
struct wal_place *wal_replica_place(const struct wal_replica *replica, uint64_t index);

/* The newest record of this entry stands at `place`. base_index < index; beyond last + 1 only at
 * replay. */
void wal_replica_put(struct wal *wal, struct wal_replica *replica, uint64_t index,
                     struct wal_place place);
void wal_replica_truncate(struct wal *wal, struct wal_replica *replica, uint64_t from);
void wal_replica_reset(struct wal *wal, struct wal_replica *replica, uint64_t index, uint64_t term);
/* Entries up to index are not needed; base_index <= index. */
void wal_replica_cut(struct wal *wal, struct wal_replica *replica, uint64_t index, uint64_t term);

#endif

/* wal_replay: applies what is read from the log to what is known of its replicas. */
#ifndef STORAGE_WAL_REPLAY_H
#define STORAGE_WAL_REPLAY_H

#include "storage/wal_state.h"

/* Notes what this record says. SF_CORRUPT: no record like it was ever written. */
SF_MUST_CHECK int wal_replay_record(struct wal *wal, const struct wal_record *record);
/* Everything was replayed: reads the live entries into wal->restored.
 * SF_CORRUPT: *replica_key lacks the entry *index, or it cannot be read. SF_IO. */
SF_MUST_CHECK int wal_replay_end(struct wal *wal, uint64_t *replica_key, uint64_t *index);

#endif

/* wal_batch: records are laid out in batches, and batches are written and synced (group commit).
 *
 * The happy path is: wal_batch_add lays records out in the open batch; wal_batch_commit seals it,
 * writes it and asks for its sync; when that is done the next one follows, if there is one.
 * It can fail by: no space (the same bytes are written again each second), any other failed write
 * or a failed sync (the process ends).
 */
#ifndef STORAGE_WAL_BATCH_H
#define STORAGE_WAL_BATCH_H

#include "storage/wal_state.h"

/* Adds the record at the end of the log and says where it stands; record->position is ignored.
 * payload: NULL, or what the body is the content of; a reference may be taken. */
struct wal_place wal_batch_add(struct wal *wal, const struct wal_record *record,
                               struct payload *payload);
/* An open batch without a record, which only vouches. None may be there. */
void wal_batch_add_empty(struct wal *wal);
/* The newest segment becomes `number`, and its first batch opens, with room for one more record of
 * `need` bytes. */
void wal_batch_begin_segment(struct wal *wal, uint64_t number, size_t need);
size_t
wal_batch_head_bytes(const struct wal *wal); /* what a new segment begins with takes so much */
/* All that was added is written and synced as soon as can be. */
void wal_batch_commit(struct wal *wal);
/* Writes and syncs the one batch there is, before the loop runs. SF_NO_SPACE, SF_IO. */
SF_MUST_CHECK int wal_batch_commit_now(struct wal *wal);
void wal_batch_retry(struct env_timer *timer); /* on_fire of wal.retry */
void wal_batches_free(struct wal *wal);

#endif

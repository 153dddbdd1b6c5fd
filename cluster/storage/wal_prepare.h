/* wal_prepare: the file of the next segment is made ready before it is needed.
 *
 * Overwriting blocks that were written before costs half of what appending does (no blocks to
 * allocate, no size to change), so a new file is written over with zeros once, a slice at a time,
 * each synced on its own; a spare has been. A file bears its new name durably before anything is
 * written to it: so no number is ever used twice (wal_record.h).
 */
#ifndef STORAGE_WAL_PREPARE_H
#define STORAGE_WAL_PREPARE_H

#include "storage/wal_state.h"

bool wal_prepare_is_wanted(const struct wal *wal);
bool wal_prepare_is_ready(const struct wal *wal);
void wal_prepare_step(struct wal *wal); /* a slice of the work; wanted */
/* All of the work for this number at once, before the loop runs. SF_NO_SPACE, SF_IO. */
SF_MUST_CHECK int wal_prepare_now(struct wal *wal, uint64_t number);
/* Ready: gives the file away under the name of this segment. SF_IO, and then it is still ready. */
SF_MUST_CHECK int wal_prepare_take(struct wal *wal, uint64_t number, struct env_file **file);
void wal_prepare_deinit(struct wal *wal);

#endif

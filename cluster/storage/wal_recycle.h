/* wal_recycle: old segments are emptied and let go, oldest first.
 *
 * A segment is dead when no live entry is left in it: W4 of wal.h. Where the log has grown to more
 * than about twice what is live in it, the entries that keep the oldest segment alive are written
 * again at the end, a slice at a time. A FLOOR record then says which segment is the oldest that is
 * needed, and when it is synced the files before it become spares or go.
 */
#ifndef STORAGE_WAL_RECYCLE_H
#define STORAGE_WAL_RECYCLE_H

#include "storage/wal_state.h"

bool wal_recycle_is_wanted(const struct wal *wal);
void wal_recycle_step(struct wal *wal); /* a slice of the work; wanted */

#endif

/* reclaimer: gives the disk space of dropped ranges back, in the background.
 *
 * RocksDB drops what a range tombstone covers only where a compaction brings the two together,
 * which without new writes may be never. So each dropped range is compacted through all levels, one
 * after the other; the work is done on RocksDB's low-priority thread, and waited for on one of
 * ours, which starts with the first range.
 *
 * A range waits until a flush has made its tombstone a part of the files: the flush first takes
 * what was asked (reclaimer_take), and then says that it may begin (reclaimer_begin) or not yet.
 */
#ifndef STORAGE_RECLAIMER_H
#define STORAGE_RECLAIMER_H

#include <rocksdb/c.h>

#include "env/bytes.h"

struct reclaimer;
struct reclaim; /* a list of ranges */

struct reclaimer *reclaimer_new(rocksdb_t *db);   /* db: lent until reclaimer_free */
void reclaimer_free(struct reclaimer *reclaimer); /* ends a compaction that is under way */

/* These are safe for any thread. */
void reclaimer_ask(struct reclaimer *reclaimer, struct slice from, struct slice to);
struct reclaim *reclaimer_take(struct reclaimer *reclaimer);
/* Consumes the list. flushed: SF_OK; else it is taken again with the next flush. */
void reclaimer_begin(struct reclaimer *reclaimer, struct reclaim *list, int flushed);

#endif

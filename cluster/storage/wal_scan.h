/* wal_scan: reads the batches of one segment, record by record. */
#ifndef STORAGE_WAL_SCAN_H
#define STORAGE_WAL_SCAN_H

#include "storage/wal_record.h"

struct wal_scan {
    uint64_t cluster_hash;
    struct slice bytes; /* of the segment's file, all of them */
    uint64_t start;     /* position of the first */
    uint64_t limit;     /* where the content ends, 0: not known */
    /* Called for each valid record in order; anything but SF_OK ends the scan. */
    int (*visit)(void *ctx, const struct wal_record *record);
    void *ctx;

    uint64_t end; /* out: position after the last record that was visited, and after the zeros
                     behind it where it was the last of its batch */
};

/* SF_OK: the content ends at scan->end, as far as this file tells. SF_CORRUPT: there is a limit,
 * and before it no valid record at scan->end. Or what `visit` answered. */
SF_MUST_CHECK int wal_scan_run(struct wal_scan *scan);
/* The newest position that any batch of the segment at or after `from` vouches for; 0: there is
 * none. */
uint64_t wal_scan_vouched(const struct wal_scan *scan, uint64_t from);

#endif

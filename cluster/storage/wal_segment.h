/* wal_segment: the segments of the log and their files. */
#ifndef STORAGE_WAL_SEGMENT_H
#define STORAGE_WAL_SEGMENT_H

#include "storage/wal_state.h"

/* to: WAL_PATH_BYTES_MAX. kind: "wal" or "spare". */
void wal_segment_path(const struct wal *wal, const char *kind, uint64_t number, char *to);
void wal_path(const struct wal *wal, const char *name, char *to);

/* Makes what was done with names durable. SF_IO for any failure: it is final. */
SF_MUST_CHECK int wal_dir_sync(struct wal *wal);

struct wal_segment *wal_segment_newest(const struct wal *wal); /* NULL: none yet */
/* The segment in which this position lies; there must be one. */
struct wal_segment *wal_segment_at(const struct wal *wal, uint64_t position);
/* A new newest segment; its file is not looked at. */
struct wal_segment *wal_segment_add(struct wal *wal, uint64_t number, uint64_t bytes);
void wal_segment_free(struct wal_segment *segment); /* closes its file */

/* Opens the file of the newest segment that anything is written to: the prepared one, or where that
 * is not ready a new one; closes that of the segment before. SF_NO_SPACE, SF_IO. */
SF_MUST_CHECK int wal_segment_attach(struct wal *wal, struct wal_segment *segment);
/* Reads the record at `place` into `buffer`. SF_CORRUPT: it is not what was written. */
SF_MUST_CHECK int wal_segment_read(struct wal *wal, struct wal_place place, struct buffer *buffer,
                                   struct wal_record *out);

/* -- spare files --------------------------------------------------------------------------- */

/* The file of a segment that is not needed (or that never was one) becomes a spare where one is
 * wanted, else it is removed. */
void wal_spare_keep(struct wal *wal, uint64_t number, bool full_size);
bool wal_spare_take(struct wal *wal, char *path); /* WAL_PATH_BYTES_MAX; false: there is none */

#endif

/* wal_record: the bytes of the write-ahead log.
 *
 * The log is one endless string of bytes; a position is a 64-bit offset into it. It is cut into
 * segments, files of `unit` bytes each: segment k holds the positions from k * unit on and is the
 * file "wal-<k as 16 hex digits>" (numbers begin at 1; a segment that has to hold a record longer
 * than a unit is several units long, and the numbers it covers are left out). Numbers are never
 * used again: every opening of the log begins a new segment, after a file "copy" took the place of
 * the newest. Files "spare-<...>" were segments and will be again; "new" is a spare in the making.
 *
 * What is synced at once is a batch. A batch begins at a multiple of 4 KiB with a BATCH record, its
 * records follow without a gap, and zeros fill it up to the next multiple of 4 KiB. So a batch
 * never shares a page, let alone a sector, with one that is synced already: a torn write cannot
 * harm what was acknowledged, and the kernel never has to read a page in order to write a part of
 * it. The first batch of a segment begins with SEGMENT, then states hard state and cut of every
 * replica.
 *
 * Every record, little-endian:
 *   offset size
 *        0    8  checksum: XXH3-64 of all bytes after it, the body included; seed: cluster hash
 *        8    4  bytes of the body
 *       12    1  type
 *       13    1  flags
 *       14    2  0
 *       16    8  replica key; 0 in BATCH, SEGMENT and FLOOR
 *       24    8  position at which this record begins
 *       32    8  a
 *       40    8  b
 *       48    .  body
 *
 *   type          a                b                body
 *   1 BATCH       vouched position bytes of the batch, this record included, zeros not
 *   2 SEGMENT     floor            end of content of the previous segment; see below
 *   3 FLOOR       floor: the number of the oldest segment that is needed
 *   4 ENTRY       index            term             payload; flag 1: written again
 *   5 TRUNCATE    first index that goes
 *   6 RESET       index            term             the log is empty and begins after index
 *   7 HARD_STATE  term             vote
 *   8 CUT         index            term             entries up to index are not needed
 *   9 REMOVE                                        the replica is no more
 *
 * Body of SEGMENT:
 *   offset size
 *        0    8  "shardwal"
 *        8    4  format version, 1
 *       12    4  0
 *       16    8  cluster hash
 *       24    8  number of this segment
 *       32    8  bytes of a unit
 *       40    8  bytes of this segment, a multiple of the unit
 *       48    8  number of the previous segment, 0 for none
 *
 * Vouched position: everything below it was synced before this batch was written.
 */
#ifndef STORAGE_WAL_RECORD_H
#define STORAGE_WAL_RECORD_H

#include "env/bytes.h"

#define WAL_PAGE_BYTES 4096u
#define WAL_HEADER_BYTES 48u
#define WAL_BODY_BYTES_MAX (64u << 20)
#define WAL_FORMAT_VERSION 1u

enum wal_record_type {
    WAL_BATCH = 1,
    WAL_SEGMENT,
    WAL_FLOOR,
    WAL_ENTRY,
    WAL_TRUNCATE,
    WAL_RESET,
    WAL_HARD_STATE,
    WAL_CUT,
    WAL_REMOVE,
};

enum wal_record_flags { WAL_REWRITTEN = 1 };

struct wal_record {
    uint8_t type;  /* enum wal_record_type; read: any value */
    uint8_t flags; /* enum wal_record_flags */
    uint64_t replica_key;
    uint64_t position;
    uint64_t a, b;     /* see the table */
    struct slice body; /* borrowed */
};

/* What a segment says about itself and the one before it. */
struct wal_segment_head {
    uint32_t version;
    uint64_t cluster_hash;
    uint64_t number, unit, bytes; /* bytes: of the whole segment */
    uint64_t floor;               /* as of the segment's beginning */
    uint64_t previous;            /* number, 0: none */
    uint64_t previous_end;        /* position where its content ends */
};

size_t wal_record_bytes(const struct wal_record *record);
/* Writes wal_record_bytes. The body may stand at its place already. */
void wal_record_write(uint8_t *to, uint64_t cluster_hash, const struct wal_record *record);
/* Writes WAL_HEADER_BYTES: the record without its body, which will follow it on disk. */
void wal_record_write_head(uint8_t *to, uint64_t cluster_hash, const struct wal_record *record);
/* Reads the record that begins `from`. False: there is none that belongs to this position. */
SF_MUST_CHECK bool wal_record_read(struct slice from, uint64_t cluster_hash, uint64_t position,
                                   struct wal_record *out);

#define WAL_SEGMENT_BODY_BYTES 56u
/* body: WAL_SEGMENT_BODY_BYTES, to be filled; the record borrows it. */
struct wal_record wal_segment_head_record(const struct wal_segment_head *head, uint64_t position,
                                          uint8_t *body);
/* False: not a SEGMENT record. The version is not judged. */
SF_MUST_CHECK bool wal_segment_head_read(const struct wal_record *record,
                                         struct wal_segment_head *out);

/* The next multiple of a page. */
uint64_t wal_page_up(uint64_t position);

#endif

/* wal_chain: finds the segments of a log among the files of its directory.
 *
 * The newest file with a valid head is the newest segment; the last FLOOR in it names the oldest
 * that is needed; each head names the segment before it. Files that were made ready for a next
 * segment stand beside them, so do files that were not removed in time, and spares.
 */
#ifndef STORAGE_WAL_CHAIN_H
#define STORAGE_WAL_CHAIN_H

#include "storage/wal_scan.h"
#include "storage/wal_state.h"

/* A file "wal-<number>". */
struct wal_found {
    uint64_t number;
    uint64_t bytes; /* once its head was looked for */
    bool valid;     /* its head was read: */
    struct wal_segment_head head;
};

struct wal_chain {
    struct wal *wal;         /* whose `segments` and `unit` are filled in */
    char **why;              /* a message where anything fails, to be freed */
    struct wal_found *found; /* by number, ascending */
    size_t found_count;
    uint64_t *spares; /* numbers of files "spare-<number>" */
    size_t spare_count;
    size_t last;      /* index of the newest segment in `found` */
    uint64_t floor;   /* number of the oldest segment that is needed */
    uint64_t vouched; /* by a file after the newest segment, 0: none */
    uint64_t end;     /* position where the newest segment's content ends; 0: a new log */
};

/* Finds the segments; wal->segments stays empty where this is a new log. All but wal and why is 0
 * before. SF_CORRUPT, SF_MISMATCH, SF_IO. */
SF_MUST_CHECK int wal_chain_find(struct wal_chain *chain);
void wal_chain_deinit(struct wal_chain *chain);

bool wal_chain_has(const struct wal_chain *chain, uint64_t number); /* is it one of the segments? */
/* Prepares a scan of a whole segment; `content` will hold its bytes. SF_IO. */
SF_MUST_CHECK int wal_chain_scan(struct wal_chain *chain, uint64_t number, struct buffer *content,
                                 struct wal_scan *scan);
/* Is this file as long as a unit? False also where it cannot be looked at. */
bool wal_chain_is_full_size(struct wal_chain *chain, const char *path);

/* These fill in *why and return the error. */
int wal_chain_complain(struct wal_chain *chain, int error, const char *format, ...) SF_PRINTF(3, 4);
int wal_chain_complain_io(struct wal_chain *chain, int error, const char *path);
int wal_chain_damaged(struct wal_chain *chain, uint64_t number, uint64_t position);

#endif

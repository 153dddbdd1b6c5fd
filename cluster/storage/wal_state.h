/* wal_state: what the files of the WAL share.
 *
 * The path of a record: wal.c makes it and notes what it means (wal_replica); wal_batch lays it out
 * in a batch, at its final position, and later writes and syncs the batch; wal_segment finds the
 * file. wal_replay reads it all back. wal_tend does what has time: it makes the next segment ready
 * (wal_prepare), writes live entries of the oldest segment again and lets dead segments go
 * (wal_recycle), and vouches for the last batch once the log is idle.
 *
 *  S1  Segments stand in order of their numbers, the oldest that is needed first, the newest, in
 *      which records are laid out, last. Batches wait in order of their positions.
 *  S2  segment.live counts the entries whose newest record begins in it; live_bytes is the sum of
 *      their records' bytes over all segments.
 *  S3  At most one batch, the first, is being written or synced; synced <= its start.
 *  S4  A segment's file is let go only after the FLOOR record that excludes it is synced.
 */
#ifndef STORAGE_WAL_STATE_H
#define STORAGE_WAL_STATE_H

#include <stdlib.h>

#define uthash_fatal(message) abort()
#include <uthash.h>
#include <utlist.h>

#include "storage/wal.h"
#include "storage/wal_record.h"

#define WAL_UNIT_BYTES (16u << 20) /* of a segment; several times the longest entry */
#define WAL_UNIT_BYTES_MIN (64u << 10)
#define WAL_UNIT_BYTES_MAX (1u << 30)
#define WAL_PATH_BYTES_MAX 4096u

/* -- replicas ------------------------------------------------------------------------------ */

/* Where the newest record of an entry stands. */
struct wal_place {
    uint64_t position; /* 0: none (only while the log is replayed) */
    uint32_t bytes;    /* of the record */
};

/* What the log knows of one replica. */
struct wal_replica {
    uint64_t key;
    struct hard_state hard_state;
    uint64_t base_index, base_term;
    struct wal_place *places; /* of entries base_index + 1 ...: places[first .. first + count) */
    size_t first, count, cap;
    UT_hash_handle hh;
};

/* -- segments ------------------------------------------------------------------------------ */

struct wal_segment {
    struct wal_segment *prev, *next;
    uint64_t number;
    uint64_t start, end;   /* positions, multiples of the unit */
    uint64_t content_end;  /* where its content ends; of the newest one not known yet */
    size_t live;           /* S2 */
    struct env_file *file; /* NULL while it is not used */
    bool full_size;        /* one unit long and written over once: fit to be a spare */
};

/* -- batches ------------------------------------------------------------------------------- */

/* A long body, which is written from where it stands. */
struct wal_lent {
    size_t at;               /* its place: before this byte of the batch's own ones */
    struct payload *payload; /* a reference */
};

struct wal_batch {
    struct wal_batch *prev, *next;
    struct wal_segment *segment;
    uint64_t start;        /* position, a multiple of a page */
    struct buffer bytes;   /* begins with the place for its BATCH record; all but what is lent */
    struct wal_lent *lent; /* by `at`, rising */
    size_t lent_count, lent_cap;
    size_t lent_bytes;
    size_t content_bytes; /* sealed: bytes before the padding */
    bool sealed;          /* padded; nothing is added any more */
};

/* -- the next segment ---------------------------------------------------------------------- */

enum wal_prepare_phase {
    WAL_PREPARE_NONE,
    WAL_PREPARE_FILLING, /* "new" is written over, a slice at a time */
    WAL_PREPARE_READY,   /* the file bears its name, durably */
};

struct wal_prepare {
    enum wal_prepare_phase phase;
    struct env_file *file;
    uint64_t number; /* READY: in its name */
    uint64_t filled; /* FILLING: bytes written */
    uint8_t *zeros;  /* FILLING: a slice of them */
    bool syncing;    /* FILLING: a slice is being synced */
    bool starved;    /* no space for it; tried again later */
    struct env_sync sync;
};

/* ------------------------------------------------------------------------------------------ */

struct wal {
    struct env *env;
    char *dir;
    uint64_t cluster_hash;
    uint64_t unit; /* bytes of a segment */
    size_t spares_max;
    uint64_t (*unloaded_up_to)(void *ctx, uint64_t replica_key); /* of wal_options; may be NULL */
    void *unloaded_ctx;
    bool dead; /* env_fatal was called: nothing is done any more */

    struct wal_replica *replicas; /* by key */
    uint64_t live_bytes;          /* S2 */

    struct wal_segment *segments; /* S1 */
    struct wal_segment *retired;  /* dead; wait for S4 */
    uint64_t retired_floor;       /* position after the FLOOR record that excludes them */
    char **spares;                /* paths; spare_count <= spares_max */
    size_t spare_count;
    struct wal_prepare prepare;

    struct wal_batch *batches; /* S1; the last one is open unless it is sealed */
    struct wal_batch *idle;    /* one to be used again, or NULL */
    uint64_t position;         /* after the last record */
    uint64_t next_start;       /* where the next batch begins in the newest segment */
    uint64_t synced;
    uint64_t vouched; /* the newest position that a synced batch vouches for */
    bool wanted;      /* a commit was asked for and is not under way */
    bool writing;     /* S3 */
    bool full;        /* the device refused the first batch; `retry` is armed */
    struct env_sync sync;
    struct env_timer retry;
    struct env_timer tend;
    uint64_t tended; /* `synced` when `tend` was armed: did it move since? */

    void (*on_synced)(void *ctx, uint64_t position);
    void *on_synced_ctx;

    struct wal_restored *restored; /* found at open; NULL once freed */
    size_t restored_count;
};

/* Ends the process: nothing may be acknowledged any more. The caller returns at once. */
void wal_die(struct wal *wal, const char *why);

#endif

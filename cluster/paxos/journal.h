/* journal: what a member must not forget, kept in a log of cluster/storage.
 *
 * Each thing that is kept has a place: where its newest record stands in the log. A record takes the
 * place of the one before it; what no place points to is dead. The log is cut below the oldest
 * record that is alive, and where that is far behind the newest, it is written again: each turn at
 * most as many records as it wrote anyway. So there are at most about twice as many records as are
 * alive, and dead ones may stand there without what they were written beside.
 *
 * Invariant: places stand in the list in the order of their indices; each index is above the cut.
 */
#ifndef PAXOS_JOURNAL_H
#define PAXOS_JOURNAL_H

#include "storage/wal.h"

struct journal;

/* In its owner's storage, all-zero at first. Not moved while index is not 0. */
struct journal_place {
    struct journal_place *prev, *next;
    uint64_t index; /* in the log; 0: nothing is kept */
    int tag;        /* the owner's, for on_rewrite */
};

/* What the journal asks of its owner. */
struct journal_events {
    /* Everything appended before this position is durable. */
    void (*on_synced)(void *ctx, uint64_t position);
    /* The record at this place is to be written again, by journal_write. */
    void (*on_rewrite)(void *ctx, struct journal_place *place);
    void *ctx;
};

struct journal_options {
    const char *dir;      /* borrowed */
    uint64_t owner_hash;  /* whose it is; another's is refused */
    bool create;          /* where `dir` is missing or empty, a log is made */
    size_t segment_bytes; /* of a new log, 0: 16 MiB; simulations use small ones */
    struct journal_events events;
};

/* Opens the log. Blocks. SF_NOT_FOUND (there is none, and `create` is not said), SF_IN_USE,
 * SF_MISMATCH (another owner's, or other files are there), SF_EXISTS (a file), SF_CORRUPT,
 * SF_PERMISSION, SF_NO_SPACE, SF_IO; *why: NULL, or what is wrong, to be freed. */
SF_MUST_CHECK int journal_open(struct env *env, const struct journal_options *options,
                               struct journal **out, char **why);
void journal_close(struct journal *journal); /* NULL is allowed */
/* Once after opening: each record that is in the log, in order. The last one of a thing counts;
 * visit claims it by journal_keep. */
void journal_read(struct journal *journal,
                  void (*visit)(void *ctx, uint64_t index, struct slice bytes), void *ctx);
/* During _read: the record at `index` is this thing's newest. */
void journal_keep(struct journal *journal, struct journal_place *place, uint64_t index);

/* Bytes are copied. They are written at the end of the turn. */
void journal_write(struct journal *journal, struct journal_place *place, struct slice bytes);
/* Nothing is kept there any more. */
void journal_drop(struct journal *journal, struct journal_place *place);
/* What was written until now is durable when on_synced says this position. */
uint64_t journal_position(const struct journal *journal);
uint64_t journal_synced(const struct journal *journal);

#endif

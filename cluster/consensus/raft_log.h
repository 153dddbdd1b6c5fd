/* raft_log: the entries that a replica holds, and how far each kind of progress has come.
 *
 *       base      listed     commit      persisted    taken      last
 *   -----|----------|----------|------------|-----------|----------|
 *   store| applied, or being   | durable in | the WAL   | not yet  |
 *   only | applied by caller   | own WAL    | has it    | given out|
 *
 * (commit and persisted may stand in either order: a leader may learn from the others that an entry
 * is committed before its own disk has it.)
 *
 * Marks. An update that gives something to the WAL carries a mark, a number that rises by one. When
 * the caller returns it, all that updates up to it gave out is durable: but not what was
 * truncated since and came again in a later update. So a truncation cuts what older marks vouch
 * for.
 *
 * Invariants
 *  L1  base <= listed <= min(commit, persisted); commit <= last; persisted <= taken <= last.
 *  L2  Terms never fall along the log, base_term included.
 *  L3  Nothing at or below commit is ever truncated.
 *  L4  Marks rise, and what they vouch for lies within [persisted at the time, taken].
 */
#ifndef CONSENSUS_RAFT_LOG_H
#define CONSENSUS_RAFT_LOG_H

#include "consensus/consensus.h"

/* Something that was given to the WAL and is not known to be durable. */
struct raft_mark {
    uint64_t number;
    uint64_t last; /* once it is durable, entries up to here are */
};

struct raft_log {
    struct entry *ring; /* ring_cap is 0 or a power of two; the oldest entry is at start */
    size_t ring_cap, start, count;
    size_t bytes; /* of the payloads held */
    uint64_t base_index, base_term;
    uint64_t listed;        /* entries up to here were listed as committed */
    uint64_t commit;        /* known to be committed */
    uint64_t persisted;     /* durable in the own WAL */
    uint64_t taken;         /* given to the WAL */
    uint64_t truncate_from; /* the WAL has to drop entries from here on first; 0: none */
    struct raft_mark *marks;
    size_t mark_count, mark_cap;
    uint64_t mark_newest;    /* number of the last mark given out */
    uint64_t mark_persisted; /* marks up to this number came back */
};

/* restore may be NULL. References of its payloads are taken. */
void raft_log_init(struct raft_log *log, const struct consensus_restore *restore);
void raft_log_deinit(struct raft_log *log);

uint64_t raft_log_last(const struct raft_log *log);
uint64_t raft_log_last_term(const struct raft_log *log);
const struct entry *raft_log_at(const struct raft_log *log,
                                uint64_t index); /* base < index <= last */
bool raft_log_term_at(const struct raft_log *log, uint64_t index, uint64_t *term);
/* Does it hold an entry of this index and term, or is that its base? */
bool raft_log_matches(const struct raft_log *log, uint64_t index, uint64_t term);
/* Is a log that ends at (index, term) at least as complete as this one? Source: Raft, section
 * 5.4.1. */
bool raft_log_admits(const struct raft_log *log, uint64_t index, uint64_t term);
/* The largest index <= `index` that this log holds with a term <= `term`: the last place where it
 * can match a log that has (index, term). Raft, end of section 5.3. At the base it stops looking,
 * and an index below that is the answer itself. */
uint64_t raft_log_match_hint(const struct raft_log *log, uint64_t index, uint64_t term);

/* Adds the next entry; its payload's reference is taken. */
void raft_log_append(struct raft_log *log, uint64_t term, struct payload *payload);
void raft_log_truncate(struct raft_log *log, uint64_t from); /* drops entries >= from; > commit */
void raft_log_commit(struct raft_log *log, uint64_t index);  /* forward only; capped at last */
/* Forgets entries up to index (<= listed). */
void raft_log_compact(struct raft_log *log, uint64_t index);
/* The log begins after (index, term), a snapshot that is durable. What it holds after a matching
 * entry stays and has to be given to the WAL again. index >= listed. */
void raft_log_restart(struct raft_log *log, uint64_t index, uint64_t term);

/* A copy of the `count` entries from `first` on, with references of their own. NULL for 0. */
struct entry *raft_log_copy(const struct raft_log *log, uint64_t first, size_t count);
/* How many entries from `first` on fit into one message of bytes_max (the first entry aside), and
 * their payload bytes. */
size_t raft_log_batch(const struct raft_log *log, uint64_t first, size_t bytes_max, size_t *bytes);

bool raft_log_has_untaken(const struct raft_log *log); /* a truncation or entries for the WAL */
/* Moves truncation and entries for the WAL into the update. */
void raft_log_take_untaken(struct raft_log *log, struct consensus_update *update);
/* The mark of an update that gives something to the WAL, after _take_untaken. */
uint64_t raft_log_mark(struct raft_log *log);
void raft_log_persisted(struct raft_log *log, uint64_t mark);

uint64_t raft_log_listable(const struct raft_log *log); /* committed and persisted up to here */
void raft_log_list_committed(struct raft_log *log, struct consensus_update *update);

bool raft_log_is_valid(const struct raft_log *log); /* L1, L2, L4; O(n) */

#endif

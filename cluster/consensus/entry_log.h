/* entry_log: the entries that a replica holds, and how far each kind of progress has come.
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
 * truncated or replaced since and came again in a later update. So a truncation and a replacement
 * cut what older marks vouch for.
 *
 * Invariants
 *  L1  base <= listed <= min(commit, persisted); commit <= last; persisted <= taken <= last;
 *      unloaded <= listed.
 *  L2  All that the WAL has to be given lies in (taken, changed]; taken <= changed <= last.
 *  L3  Nothing at or below commit is ever truncated or replaced.
 *  L4  Marks rise, and what they vouch for lies within [persisted at the time, taken].
 */
#ifndef CONSENSUS_ENTRY_LOG_H
#define CONSENSUS_ENTRY_LOG_H

#include "consensus/consensus.h"

/* Something that was given to the WAL and is not known to be durable. */
struct log_mark {
    uint64_t number;
    uint64_t last; /* once it is durable, entries up to here are */
};

struct entry_log {
    struct entry *ring; /* ring_cap is 0 or a power of two; the oldest entry is at start */
    size_t ring_cap, start, count;
    size_t bytes; /* of the payloads held; unloaded ones have none */
    uint64_t base_index, base_term;
    uint64_t unloaded;      /* payloads up to here are, later ones are not */
    uint64_t listed;        /* entries up to here were listed as committed */
    uint64_t commit;        /* known to be committed */
    uint64_t persisted;     /* durable in the own WAL */
    uint64_t taken;         /* given to the WAL, as they are now */
    uint64_t changed;       /* the last one that the WAL has to be given; taken where it has all */
    uint64_t truncate_from; /* the WAL has to drop entries from here on first; 0: none */
    struct log_mark *marks;
    size_t mark_count, mark_cap;
    uint64_t mark_newest;    /* number of the last mark given out */
    uint64_t mark_persisted; /* marks up to this number came back */
};

/* restore may be NULL. References of its payloads are taken. */
void entry_log_init(struct entry_log *log, const struct consensus_restore *restore);
void entry_log_deinit(struct entry_log *log);

uint64_t entry_log_last(const struct entry_log *log);
uint64_t entry_log_last_term(const struct entry_log *log);
const struct entry *entry_log_at(const struct entry_log *log,
                                 uint64_t index); /* base < index <= last */
bool entry_log_term_at(const struct entry_log *log, uint64_t index, uint64_t *term);
/* Does it hold an entry of this index and term, or is that its base? */
bool entry_log_matches(const struct entry_log *log, uint64_t index, uint64_t term);

/* Adds the next entry; its payload's reference is taken. */
void entry_log_append(struct entry_log *log, uint64_t term, struct payload *payload);
void entry_log_truncate(struct entry_log *log, uint64_t from); /* drops entries >= from; > commit */
/* Another entry takes the place of the one at `index`; what follows stays. commit < index <= last.
 * The payload's reference is taken. */
void entry_log_replace(struct entry_log *log, uint64_t index, uint64_t term,
                       struct payload *payload);
void entry_log_commit(struct entry_log *log, uint64_t index); /* forward only; capped at last */
/* Forgets entries up to index (<= listed). */
void entry_log_compact(struct entry_log *log, uint64_t index);
/* Entries up to index (<= listed) lose their payloads. */
void entry_log_unload(struct entry_log *log, uint64_t index);
/* The log begins after (index, term), a snapshot that is durable. keeps: what it holds above index
 * stays and has to be given to the WAL again; else nothing stays. index >= listed. */
void entry_log_restart(struct entry_log *log, uint64_t index, uint64_t term, bool keeps);

/* A copy of the `count` entries from `first` on, with references of their own. NULL for 0. */
struct entry *entry_log_copy(const struct entry_log *log, uint64_t first, size_t count);
/* How many entries from `first` on fit into one message of bytes_max (the first entry aside), and
 * their payload bytes. */
size_t entry_log_batch(const struct entry_log *log, uint64_t first, size_t bytes_max,
                       size_t *bytes);

bool entry_log_has_untaken(const struct entry_log *log); /* a truncation or entries for the WAL */
/* Moves truncation and entries for the WAL into the update. */
void entry_log_take_untaken(struct entry_log *log, struct consensus_update *update);
/* The mark of an update that gives something to the WAL, after _take_untaken. */
uint64_t entry_log_mark(struct entry_log *log);
void entry_log_persisted(struct entry_log *log, uint64_t mark);

uint64_t entry_log_listable(const struct entry_log *log); /* committed and persisted up to here */
void entry_log_list_committed(struct entry_log *log, struct consensus_update *update);

/* The first entry that may still change: above commit. last + 1 where there is none. */
uint64_t entry_log_open(const struct entry_log *log);
bool entry_log_is_valid(const struct entry_log *log); /* L1, L2, L4; O(entries above commit) */

#endif

/* raft_log: what Raft asks of a log (entry_log.h) because its terms never fall from one entry to
 * the next. Source: Ongaro and Ousterhout (2014), sections 5.3 and 5.4.1. */
#ifndef CONSENSUS_RAFT_LOG_H
#define CONSENSUS_RAFT_LOG_H

#include "consensus/entry_log.h"

/* Is a log that ends at (index, term) at least as complete as this one? */
bool raft_log_admits(const struct entry_log *log, uint64_t index, uint64_t term);
/* The largest index <= `index` that this log holds with a term <= `term`: the last place where it
 * can match a log that has (index, term). At the base it stops looking, and an index below that is
 * the answer itself. */
uint64_t raft_log_match_hint(const struct entry_log *log, uint64_t index, uint64_t term);
/* Do terms never fall along the log, base_term included? Looks at what is above commit. */
bool raft_log_terms_rise(const struct entry_log *log);

#endif

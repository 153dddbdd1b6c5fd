#include "consensus/raft_log.h"

bool raft_log_admits(const struct entry_log *log, uint64_t index, uint64_t term)
{
    uint64_t last_term = entry_log_last_term(log);
    return term > last_term || (term == last_term && index >= entry_log_last(log));
}

uint64_t raft_log_match_hint(const struct entry_log *log, uint64_t index, uint64_t term)
{
    uint64_t last = entry_log_last(log);
    index = index < last ? index : last;
    while (index > log->base_index && entry_log_at(log, index)->term > term)
        index--;
    return index;
}

bool raft_log_terms_rise(const struct entry_log *log)
{
    uint64_t term = 0, first = entry_log_open(log);
    if (!entry_log_term_at(log, first - 1, &term))
        return false;
    for (uint64_t index = first; index <= entry_log_last(log); index++) {
        if (entry_log_at(log, index)->term < term)
            return false;
        term = entry_log_at(log, index)->term;
    }
    return true;
}

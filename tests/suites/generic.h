/* generic: the runs that most cases of the kvraft suite are: clients on a group of servers, for
 * three iterations, while the network and the servers fail.
 *
 * Client c uses key c: it appends its elements, and what it reads must be what it built. In a
 * linearizable run all share the keys, and the history is judged at the end.
 */
#ifndef TESTS_SUITES_GENERIC_H
#define TESTS_SUITES_GENERIC_H

#include "suites/clerk.h"

struct generic {
    size_t servers, clients;
    bool unreliable, restarts, partitions, linear;
    int64_t log_limit; /* NEVER */
};

void generic_run(const struct generic *generic);

/* One group of so many servers, started; all shards are its own. */
struct system *solo_new(size_t servers, int64_t log_limit, enum net_model model);
/* Cuts the servers in two: bit i of `side` says where server i is. */
void solo_partition(struct system *system, unsigned side);
/* The most that a server has. */
uint64_t solo_log_bytes(const struct system *system);
uint64_t solo_snapshot_bytes(const struct system *system);
/* log_limit: logs are at most eight times as big; NEVER: none was cut. */
void solo_check_sizes(const struct system *system, int64_t log_limit);

/* The history must be linearizable; not to know it is a failure. */
void check_history(const struct linear_history *history);

/* 5 clients append 10 elements each to key "k"; then all are there. want_old: and no client gets
 * its own element as part of the old value. */
void solo_append_to_one_key(struct system *system, bool want_old);

#endif

/* load: clients of a cluster that work on it all at once.
 *
 *   registers  workers that put, append, delete and read the same few keys; what they saw must be
 *              linearizable, key by key (linear/linear.h)
 *   wide       workers that do everything that there is to do with one key, or several of one shard,
 *              and list names; the witness judges them
 *   large      workers, each with a long value of its own, which it writes, cuts and reads back
 *   log        workers that append to the same long value, and one that cuts it
 *   lock       workers that lock ranges of a few keys, and write what the locks guard, on clients of
 *              their own, which may be frozen for longer than a lease
 *
 * Where the cluster has a witness, every answer to any of them is judged by the logs.
 */
#ifndef TESTS_STORM_LOAD_H
#define TESTS_STORM_LOAD_H

#include "storm/cluster.h"

#define LOAD_CLIENTS_MAX 4u
#define LOAD_LOCK_CLIENTS_MAX 3u
#define LOAD_WORKERS_MAX 32u
#define LOAD_LIVES_MAX 64u /* of all clients together */
#define LOAD_KEYS                                                                                  \
    12u /* registers: key k is its number in decimal; with ROUTING_NUMBER in shard k % shards */

struct load;

/* 0: the default in brackets. */
struct load_options {
    unsigned clients;                           /* [2] */
    unsigned registers, wide, large, log, lock; /* workers [6, 0, 0, 0, 0] */
    unsigned window;                            /* client_limit_window [not called] */
    uint64_t pause_ms_max;                      /* between two operations of a worker */
    unsigned timeouts; /* per mille of operations that have a deadline of 1 to 3 s */
};

struct load *load_new(struct cluster *cluster, const struct load_options *options);
void load_begin(struct load *load);
/* No new operations; true when the last one has ended. */
bool load_end(struct load *load, uint64_t limit_ms);
/* A client is killed, with all that it had under way, and another takes its place. Nothing where
 * too many died before. */
void load_kill_client(struct load *load);
/* A client that locks is frozen for so long. Nothing where there is none. */
void load_freeze_client(struct load *load, uint64_t ms);
/* One append to the key, before load_begin or after load_end. Was it answered in time? */
bool load_touch(struct load *load, uint32_t key, uint64_t limit_ms);
uint64_t load_answered(const struct load *load); /* operations */
/* After load_end: reads every key once more. */
void load_read_all(struct load *load);
/* Searches for a linear order of what the registers' workers saw; fails if there is none, and if the
 * search runs out of steps. */
void load_search(const struct load *load);
void load_free(struct load *load); /* after cluster_free, which ends its processes */

#endif

/* load: clients of a cluster that put, append, delete and read keys all at once; what they saw must
 * be linearizable (linear/linear.h), key by key.
 */
#ifndef TESTS_STORM_LOAD_H
#define TESTS_STORM_LOAD_H

#include "storm/cluster.h"

#define LOAD_CLIENTS 2u
#define LOAD_WORKERS 6u /* of all clients together */
#define LOAD_KEYS 12u   /* key k is its number in decimal, and lies in shard k % CLUSTER_SHARDS */

struct load;

struct load_options {
    uint64_t pause_ms_max; /* between two operations of a worker */
    unsigned timeouts;     /* per mille of operations that have a deadline of 1 to 3 s */
};

struct load *load_new(struct cluster *cluster, const struct load_options *options);
void load_begin(struct load *load);
/* No new operations; true when the last one has ended. */
bool load_end(struct load *load, uint64_t limit_ms);
/* One append to the key, before load_begin or after load_end. Was it answered in time? */
bool load_touch(struct load *load, uint32_t key, uint64_t limit_ms);
uint64_t load_answered(const struct load *load); /* operations */
/* After load_end: reads every key once more, and judges all that was seen. */
void load_check(struct load *load);
void load_free(struct load *load); /* after cluster_free, which ends its processes */

#endif

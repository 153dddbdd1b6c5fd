/* load: clients of a cluster that append to keys and read them, and the check of what they saw.
 *
 * Every append adds a token of its own, "worker.number;". The final value of a key therefore tells
 * in which order its appends happened, and a history is linearizable exactly if
 *   - every append that was answered is in the final value once, one whose outcome is unknown at
 * most once, and nothing else is;
 *   - every answer (an append gives the value before it, a read the value) is a beginning of the
 * final value, an append's the one that ends where its token begins;
 *   - what was answered before something else began comes before it.
 * No search is needed.
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
/* After load_end: reads every key once more, and checks all that was seen. */
void load_check(struct load *load);
void load_free(struct load *load); /* after sim_free or before; the nodes are the cluster's */

uint64_t load_answered(const struct load *load); /* operations */
uint64_t load_answered_on(const struct load *load, uint32_t key);
/* One append to the key, from outside the load's rhythm (before load_begin or after load_end). Was
 * it answered in time? Until it is, it is the only one that may be under way. */
bool load_touch(struct load *load, uint32_t key, uint64_t limit_ms);

#endif

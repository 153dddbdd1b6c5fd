/* bank: clients that move money between accounts in different shards and groups, all at once, and
 * look at one account or at all of them. Whatever they saw must have one order, in which each
 * happened between its call and its answer (linear/linear.h, on the state of all accounts
 * together): strict serializability. The sum never changes.
 */
#ifndef TESTS_TXN_BANK_H
#define TESTS_TXN_BANK_H

#include "storm/cluster.h"

#define BANK_CLIENTS 3u
#define BANK_WORKERS 6u /* of all clients together */
#define BANK_ACCOUNTS 6u
#define BANK_MONEY 100u /* in each account at first */

struct bank;

struct bank_options {
    uint64_t pause_ms_max; /* between two actions of a worker */
    unsigned timeouts;     /* per mille of transfers that have a deadline of 1 to 3 s */
};

/* Its processes are nodes of the cluster's simulation. */
struct bank *bank_new(struct cluster *cluster, const struct bank_options *options);
void bank_free(struct bank *bank); /* after cluster_free, which ends its processes */
/* Opens the accounts; waits. */
void bank_open(struct bank *bank);
void bank_begin(struct bank *bank);
/* One client loses power, and starts anew a moment later; what was open is never answered. */
void bank_crash_client(struct bank *bank, unsigned which);
/* No new actions; true when the last one has ended. */
bool bank_end(struct bank *bank, uint64_t limit_ms);
/* Reads all accounts once more, and judges all that was seen. */
void bank_check(struct bank *bank);
uint64_t bank_transfers(const struct bank *bank); /* that were answered OK */

/* No group has a prepared record or a lock, on any replica. */
bool bank_is_clean(struct cluster *cluster);

#endif

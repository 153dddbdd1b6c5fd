/* lease: what this client is called, and the shards that hear of it while it has locks there
 * (lock.h, K2 and K3). */
#ifndef CLIENT_LEASE_H
#define CLIENT_LEASE_H

#include "client/inner.h"

void lease_init(struct client *client);
void lease_deinit(struct client *client);
/* This operation may have locked something: its shard hears of us until it says that it has nothing
 * of ours. */
void lease_use(struct client *client, const struct kv_op *op);
void lease_learn(struct client *client, uint64_t lease_ms); /* how long one is */
/* The cluster has barred who we were in this epoch. */
void lease_fenced(struct client *client, uint64_t epoch);

#endif

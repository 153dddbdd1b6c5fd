/* locker: a client of a simulated cluster that locks ranges, on a node of its own. */
#ifndef TESTS_LOCKS_LOCKER_H
#define TESTS_LOCKS_LOCKER_H

#include "client/lock.h"
#include "storm/cluster.h"

#define LOCKER_LEASE_MS 3000u
#define LOCKER_KEY_BYTES 9u
#define LOCKER_LIMIT_MS 120000u

struct locker {
    struct cluster *cluster;
    struct sim_node *node;
    struct rpc *rpc;
    struct router *router;
    struct client *client; /* NULL while it is down */
    unsigned fenced;       /* how often it learnt that it lost its locks */
};

/* A request for a lock, or an operation on a record, and what became of it. */
struct asked {
    struct lock_call lock;
    struct client_call call;
    struct kv_op op;
    uint8_t key[LOCKER_KEY_BYTES];
    bool open;
    int status;
    uint64_t number; /* GET: what stood there; 0: nothing */
    uint8_t value[8];
    void (*then)(struct asked *asked); /* when it has ended; may be NULL */
    void *ctx;
};

/* A cluster whose leases are LOCKER_LEASE_MS. The groups are the first two, which have joined. */
struct cluster *locker_cluster(uint64_t seed);
void locker_start(struct locker *locker, struct cluster *cluster, const char *name);

/* The lock of this file; which of them, decides on its shard. */
void locker_ask(struct locker *locker, struct asked *asked, unsigned file, struct kv_lock lock);
/* The same with a time limit. */
void locker_ask_for(struct locker *locker, struct asked *asked, unsigned file, struct kv_lock lock,
                    uint64_t timeout_ms);
void locker_get(struct locker *locker, struct asked *asked, const char *key);
void locker_put(struct locker *locker, struct asked *asked, const char *key, uint64_t number);
/* Until it has ended: its status. */
int locker_wait(struct locker *locker, struct asked *asked);

/* The whole file, for this owner. */
struct kv_lock locker_whole(enum kv_lock_type type, uint64_t owner, bool waits);
/* Has no replica a lock or a lease in any shard? */
bool locker_is_clean(struct cluster *cluster);

#endif

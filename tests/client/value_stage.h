/* value_stage: processes with a client each on a whole simulated cluster, and weather for it. */
#ifndef TESTS_CLIENT_VALUE_STAGE_H
#define TESTS_CLIENT_VALUE_STAGE_H

#include "client/client.h"
#include "storm/cluster.h"

/* A node with a client of the masters. */
struct value_user {
    struct cluster *cluster;
    struct sim_node *node;
    struct rpc *rpc; /* these: only while it is up */
    struct router *router;
    struct client *client;
};

/* Starts them, named "u0" and so on. They stay where they are until the cluster is freed. */
void value_users_start(struct cluster *cluster, struct value_user *users, unsigned count);

/* Storms that end by themselves: an operation that waits in one comes to its end after it. */
struct weather {
    struct cluster *cluster;
    uint64_t gap_ms; /* between two strokes, at most */
    uint64_t end_ns; /* of the storm */
    bool blows;
};
/* One of up to so many milliseconds begins, unless one blows. */
void weather_blow(struct weather *weather, uint64_t ms_max);

#endif

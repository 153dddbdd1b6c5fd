/* value_stage: processes with a client each on a whole simulated cluster. */
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

#endif

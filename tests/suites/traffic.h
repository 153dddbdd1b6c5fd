/* traffic: what a message on the wire is, by a look at its first bytes. */
#ifndef TESTS_SUITES_TRAFFIC_H
#define TESTS_SUITES_TRAFFIC_H

#include "env/bytes.h"

enum traffic {
    TRAFFIC_CALL,         /* a request; its sender waits for the answer */
    TRAFFIC_ANSWER,       /* to a call */
    TRAFFIC_PEER_REQUEST, /* between replicas, as a notification: APPEND, HEARTBEAT, VOTE ... */
    TRAFFIC_PEER_ANSWER,  /* likewise: their replies */
};

enum traffic traffic_of(struct slice message);
/* It asks something of its receiver: what the network models call an RPC is one of these and its
 * answer. */
bool traffic_is_request(enum traffic traffic);

#endif

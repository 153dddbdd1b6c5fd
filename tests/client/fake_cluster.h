/* fake_cluster: servers that speak the kv and master methods in the simulator, over one fake_store.
 *
 * Nodes "m0".. are masters at port 1000, "g<gid>r<i>" the replicas of a group at port 2000. The
 * Config changes at once for all. What a test may set at any time stands in the struct.
 */
#ifndef TESTS_CLIENT_FAKE_CLUSTER_H
#define TESTS_CLIENT_FAKE_CLUSTER_H

#include "client/client.h"
#include "client/fake_store.h"
#include "sim/sim.h"

#define FAKE_GROUPS_MAX 3u
#define FAKE_REPLICAS 3u
#define FAKE_MASTERS 3u

struct fake_cluster;

struct fake_server {
    struct fake_cluster *cluster;
    struct sim_node *node;
    char address[SF_ADDRESS_BYTES_MAX];
    group_id gid;   /* 0: a master */
    unsigned index; /* of the replica in its group */
    struct rpc *rpc;
    uint64_t requests; /* that reached it */
};

struct fake_cluster {
    struct sim *sim;
    struct fake_store *store;
    struct config *config;
    struct fake_server masters[FAKE_MASTERS];
    struct fake_server replicas[FAKE_GROUPS_MAX][FAKE_REPLICAS]; /* group gid at [gid - 1] */
    /* For tests to set. */
    unsigned leader[FAKE_GROUPS_MAX]; /* index; FAKE_REPLICAS: none */
    unsigned master_leader;
    bool gives_hints;
    bool forwards;         /* replicas that do not lead serve requests that ask for it */
    uint32_t lose_replies; /* per mille: executed, and the reply is lost */
    int refusal;           /* a status for the next `refusals` kv requests */
    unsigned refusals;
    uint64_t serves_config_max; /* groups do not know Configs above this number */
};

/* Starts all nodes, with Config 0 of so many shards. */
struct fake_cluster *fake_cluster_new(uint64_t seed, uint32_t shard_count);
void fake_cluster_free(struct fake_cluster *cluster);
void fake_cluster_join(struct fake_cluster *cluster, group_id gid);
void fake_cluster_leave(struct fake_cluster *cluster, group_id gid);
uint64_t fake_cluster_requests(const struct fake_cluster *cluster); /* of kv, in all */

/* A node with a client of the masters. */
struct fake_client {
    struct fake_cluster *cluster;
    struct sim_node *node;
    struct rpc *rpc;
    struct router *router;
    struct client *client;
};
struct fake_client *fake_client_new(struct fake_cluster *cluster, const char *name);
void fake_client_free(struct fake_client *fake); /* before the cluster */

/* Blocking calls: run the simulation until the answer is there. */
struct fake_answer {
    int status;
    bool has_reply;
    uint64_t old_length;
    struct kv_stat stat; /* attr unset */
    struct buffer data;
};
#define FAKE_LIMIT_MS 120000u /* of virtual time: then the test fails */
void fake_submit(struct fake_client *fake, const struct kv_op *op, uint64_t timeout_ms,
                 struct fake_answer *answer);
void fake_answer_deinit(struct fake_answer *answer);

struct kv_op fake_op(enum kv_kind kind, const char *key, const char *data); /* plain space */

#endif

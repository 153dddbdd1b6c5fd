/* cluster: a whole simulated cluster: masters, groups of shardkv, an operator and clients, each
 * process on a node of its own; and the checks that hold after every event.
 *
 *   - at most one leader a term, in every replica group
 *   - at every index of a group's log, every replica applies the same entry
 *   - every table of shard copies is well formed (shards_check), and over all groups, as of what
 *     any of their replicas has applied, a shard has at most one keeper (S7 of shards.h)
 *   - a shard's keeper changes only to a later tenure
 */
#ifndef TESTS_STORM_CLUSTER_H
#define TESTS_STORM_CLUSTER_H

#include "replica/replica.h"
#include "router/router.h"
#include "sim/sim.h"

#define CLUSTER_MASTERS 3u
#define CLUSTER_REPLICAS 3u
#define CLUSTER_GROUPS                                                                             \
    6u /* groups that may join: lives of gid 1, 2 and 3; the masters not counted */
#define CLUSTER_SHARDS 10u
#define CLUSTER_GID_LIVES 3u /* group i has gid i % 3 + 1 */

struct cluster;
struct cluster_group;

/* A server process and its node. */
struct cluster_node {
    struct cluster_group *group;
    struct sim_node *sim_node;
    char address[SF_ADDRESS_BYTES_MAX];
    bool create;     /* its directory may be made: until it served once */
    struct env *env; /* these: NULL while it is down */
    struct store *store;
    struct host *host;
    struct replica *replica;
    struct machine *machine;
    struct shardkv *shardkv; /* NULL on masters */
    uint64_t seen_applied;
    char *refusal; /* why the last boot failed, or NULL */
};

/* What some replica of a group applied at an index. */
struct cluster_mark {
    bool known;
    uint64_t term, hash;
};

struct cluster_group {
    struct cluster *cluster;
    struct group group; /* gid 0: the masters */
    uint64_t identity;
    struct cluster_node nodes[CLUSTER_REPLICAS];
    struct cluster_mark *marks; /* by index */
    size_t mark_cap;
    replica_id *leaders; /* by term; 0: none seen */
    size_t leader_cap;
    /* As of the highest index that any of its replicas has applied. */
    uint64_t applied, config_num;
    uint64_t kept[CLUSTER_SHARDS]; /* gained of the tenure that is keeper; 0: none */
    bool serving[CLUSTER_SHARDS];
    uint32_t holding; /* copies that are not gone: all states */
};

struct cluster_options {
    size_t chunk_bytes;    /* of hand-off */
    uint64_t flush_ms;     /* of every store */
    size_t slack_bytes;    /* of every log */
    size_t snapshot_bytes; /* a chunk of a snapshot */
};

struct cluster {
    struct sim *sim;
    struct cluster_options options;
    struct cluster_group masters;
    struct cluster_group groups[CLUSTER_GROUPS];
    char *master_addresses[CLUSTER_MASTERS];
    uint64_t gained_max[CLUSTER_SHARDS]; /* highest tenure that ever was keeper */
    /* The operator. */
    struct sim_node *operator_node;
    struct env *operator_env;
    struct rpc *operator_rpc;
    struct router *operator_router;
    struct router_master operation;
    struct master_op op;
    uint64_t operations; /* begun */
    struct group op_groups[CLUSTER_GROUPS];
    group_id op_gids[CLUSTER_GROUPS];
    int op_status;
    struct config *config; /* the newest that the operator was told of; NULL: none */
};

struct cluster *cluster_new(uint64_t seed, const struct cluster_options *options);
void cluster_free(struct cluster *cluster);

/* Masters and these groups begin (bits by position); the masters have a leader. */
void cluster_start(struct cluster *cluster, unsigned groups);
void cluster_group_start(struct cluster_group *group); /* those of its nodes that are down */
void cluster_group_crash(struct cluster_group *group); /* those that are up */
struct cluster_node *cluster_leader(struct cluster_group *group); /* or NULL */

/* What the operator does; one at a time, waited for (in virtual time) until the masters answered. A
 * false answer is the masters' refusal (the group has joined already, ...).
 * which: bits by position in cluster->groups. */
bool cluster_join(struct cluster *cluster, unsigned which);
bool cluster_leave(struct cluster *cluster, unsigned which);
bool cluster_move(struct cluster *cluster, uint32_t shard, unsigned group);
/* The newest Config there is; borrowed until the next operation. */
const struct config *cluster_query(struct cluster *cluster);
/* Join, leave or move whatever comes, without waiting; nothing where one is under way. */
void cluster_reconfigure(struct cluster *cluster);
bool cluster_operating(const struct cluster *cluster);

void cluster_run_ms(struct cluster *cluster, uint64_t ms);
bool cluster_run_until(struct cluster *cluster, bool (*done)(struct cluster *cluster),
                       uint64_t limit_ms);

/* No message gets from any replica of one group to any of the other. */
void cluster_cut(struct cluster_group *from, struct cluster_group *to);
/* One fault: a crash, a start, a cut (one way, too), spoilt messages, a whole group's power. */
void cluster_fault(struct cluster *cluster);
void cluster_calm(struct cluster *cluster); /* everything is healed and up */

/* Do the owners of the newest Config serve all shards, and does nobody hold anything else? */
bool cluster_is_settled(struct cluster *cluster);
/* After that: all replicas of each group come to hold the same state. */
void cluster_check_replicas(struct cluster *cluster);
/* The bytes that stand under 'S' in the store of the replica that is most advanced. */
uint64_t cluster_data_bytes(struct cluster_group *group);

#endif

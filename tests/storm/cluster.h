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
#include "shardkv/limits.h"
#include "sim/faulty_store.h"

/* What a cluster has where its options do not say. */
#define CLUSTER_MASTERS 3u
#define CLUSTER_REPLICAS 3u
#define CLUSTER_GROUPS 6u /* that may join: lives of gid 1, 2 and 3; the masters not counted */
#define CLUSTER_GIDS 3u   /* group i has gid i % 3 + 1 */
#define CLUSTER_SHARDS 10u

#define CLUSTER_GROUPS_MAX 8u
#define CLUSTER_REPLICAS_MAX 5u
#define CLUSTER_NODES_MAX ((CLUSTER_GROUPS_MAX + 1) * CLUSTER_REPLICAS_MAX)
#define CLUSTER_SHARDS_MAX 16u
#define CLUSTER_PLAN_MAX 8u

struct cluster;
struct cluster_group;
struct witness;

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
    struct shardkv *shardkv;        /* NULL on masters */
    struct machine_ops machine_ops; /* those of its machine, watched */
    const struct machine_ops *honest_ops;
    struct faulty_store faulty; /* what its store does wrong */
    /* What its machine did last, and what was looked at. The machine may be one entry ahead of
     * replica_applied, while the store is busy; what it did may be seen, for it is committed. */
    uint64_t done, seen;
    bool weak;     /* of a minority of its group, drawn at first: the others do without it */
    bool left_out; /* nothing is expected of it any more */
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
    enum consensus_engine engine;
    unsigned count; /* of replicas */
    struct cluster_node nodes[CLUSTER_REPLICAS_MAX];
    bool absent;                /* it never comes up, whatever starts its nodes */
    struct cluster_mark *marks; /* by index */
    size_t mark_cap;
    replica_id *leaders; /* by term; 0: none seen */
    size_t leader_cap;
    /* As of the highest index that any of its replicas has applied. */
    uint64_t applied, config_num;
    uint64_t shown;                    /* to the witness: all entries up to this index */
    uint64_t kept[CLUSTER_SHARDS_MAX]; /* gained of the tenure that is keeper; 0: none */
    bool serving[CLUSTER_SHARDS_MAX];
    uint32_t holding; /* copies that are not gone: all states */
};

/* 0 is what stands above, or what a server has by itself. */
struct cluster_options {
    unsigned masters, groups, gids;
    unsigned replicas[CLUSTER_GROUPS_MAX];
    enum consensus_engine master_engine, engines[CLUSTER_GROUPS_MAX]; /* 0: seeds_engine() */
    uint32_t shards;
    enum routing routing; /* 0: ROUTING_NUMBER */
    bool witness;         /* every mutation is one of a load's (load.h) */
    /* Limits of every server. */
    size_t chunk_bytes;    /* of hand-off */
    uint64_t flush_ms;     /* of the store */
    size_t slack_bytes;    /* of the log */
    size_t snapshot_bytes; /* a chunk of a snapshot */
    uint32_t spares;       /* segments of the log */
    size_t apply_bytes, inflight_max, inflight_bytes, proposals_max, log_bytes_max;
    struct shardkv_limits limits; /* chunk_bytes aside; all of them or none */
};

/* An operation of the operator. */
struct cluster_plan {
    enum master_kind kind;
    unsigned which; /* of JOIN, LEAVE: bits by position in cluster->groups; of MOVE: a position */
    uint32_t shard;
};

struct cluster {
    struct sim *sim;
    struct cluster_options options;
    struct cluster_group masters;
    struct cluster_group groups[CLUSTER_GROUPS_MAX];
    unsigned group_count;
    uint32_t shard_count;
    char *master_addresses[CLUSTER_REPLICAS_MAX];
    uint64_t gained_max[CLUSTER_SHARDS_MAX]; /* highest tenure that ever was keeper */
    bool rots;               /* disks of weak nodes may have rotted: those refuse, perhaps */
    struct witness *witness; /* is shown what is applied; NULL: none */
    /* The operator. */
    struct sim_node *operator_node;
    struct env *operator_env;
    struct rpc *operator_rpc;
    struct router *operator_router;
    struct router_master operation;
    struct master_op op;
    uint64_t operations; /* begun */
    struct group op_groups[CLUSTER_GROUPS_MAX];
    group_id op_gids[CLUSTER_GROUPS_MAX];
    int op_status;
    struct cluster_plan plan[CLUSTER_PLAN_MAX]; /* what follows, at once */
    size_t plan_count;
    struct config *config; /* the newest that the operator was told of; NULL: none */
};

struct cluster *cluster_new(uint64_t seed, const struct cluster_options *options);
void cluster_free(struct cluster *cluster);

/* Masters and these groups begin (bits by position); the masters have a leader. */
void cluster_start(struct cluster *cluster, unsigned groups);
void cluster_node_start(struct cluster_node *node); /* if it is down */
void cluster_group_start(struct cluster_group *group);
void cluster_start_all(struct cluster *cluster);                  /* those of absent groups aside */
void cluster_group_crash(struct cluster_group *group);            /* those that are up */
struct cluster_node *cluster_leader(struct cluster_group *group); /* or NULL */

/* What the operator does; one at a time, waited for (in virtual time) until the masters answered. A
 * false answer is the masters' refusal (the group has joined already, ...).
 * which: bits by position in cluster->groups. */
bool cluster_join(struct cluster *cluster, unsigned which);
bool cluster_leave(struct cluster *cluster, unsigned which);
bool cluster_move(struct cluster *cluster, uint32_t shard, unsigned group);
/* The newest Config there is; borrowed until the next operation. */
const struct config *cluster_query(struct cluster *cluster);
/* The groups that the newest Config names, as the operator knows it; bits by position. */
unsigned cluster_groups_in(const struct cluster *cluster);
/* Each of these with a chance of one in three. one_life: none whose gid is in the Config. */
unsigned cluster_groups_some(struct cluster *cluster, unsigned of, bool one_life);
/* To be done as soon as what is under way and what was added before is done; dropped where too
 * much waits. */
void cluster_plan_add(struct cluster *cluster, struct cluster_plan plan);
/* Join, leave or move whatever comes, without waiting; nothing where one is under way. */
void cluster_reconfigure(struct cluster *cluster);
bool cluster_operating(const struct cluster *cluster);

void cluster_run_ms(struct cluster *cluster, uint64_t ms);
bool cluster_run_until(struct cluster *cluster, bool (*done)(struct cluster *cluster),
                       uint64_t limit_ms);

/* No message gets from any replica of one group to any of the other. */
void cluster_cut(struct cluster_group *from, struct cluster_group *to);
enum cluster_fault {
    CLUSTER_CRASH, /* or a start, of a node that is down */
    CLUSTER_POWER_CUT,
    CLUSTER_BLACKOUT,
    CLUSTER_TRANSFER, /* of a lead */
    CLUSTER_CUT,      /* two nodes; or everything is healed */
    CLUSTER_CUT_GROUPS,
    CLUSTER_PART_GROUPS,  /* in one of the five shapes */
    CLUSTER_SPOIL,        /* messages, from now on; or no more */
    CLUSTER_CRASH_MOVING, /* in the middle of a snapshot */
    CLUSTER_FILL_STORE,   /* for a while */
    CLUSTER_LOSE_STORE,   /* of a weak node */
    CLUSTER_FAULT_LIMIT
};
void cluster_strike(struct cluster *cluster, enum cluster_fault fault);
void cluster_fault(struct cluster *cluster); /* any of the first eight */
/* All servers but those of absent groups; classes: the number of each one's group. Both have
 * CLUSTER_NODES_MAX places. Returns how many there are. */
size_t cluster_servers(struct cluster *cluster, struct sim_node **nodes, uint8_t *classes);
/* From now on so many per million of the sectors rot that weak nodes read, and so many per mille of
 * all writes to stores are refused for a moment. */
void cluster_spoil_disks(struct cluster *cluster, uint32_t rot_ppm, uint32_t busy);
void cluster_calm(struct cluster *cluster); /* everything is healed and up */

/* Do the owners of the newest Config serve all shards, and does nobody hold anything else? */
bool cluster_is_settled(struct cluster *cluster);
/* After that: all replicas of each group that are not left out come to hold the same state. */
void cluster_check_replicas(struct cluster *cluster);
/* Of each replica that is up: what it keeps in memory of locks is what its records say (G5, G6). */
void cluster_check_locks(struct cluster *cluster);
/* The bytes that stand under 'S' in the store of the replica that is most advanced. */
uint64_t cluster_data_bytes(struct cluster_group *group);

#endif

/* system: the processes of a case: servers with their replicas, on a network of some model.
 *
 * After every applied entry: each replica of a group applies the same entry at the same index.
 *
 * What the handouts call the persisted state of a server is, of ours: its log, the records of
 * entries that are not cut away and those of its hard state and its cut; and its snapshot, which is
 * the content of its store once the log does not reach back to the first entry any more. Bytes are
 * counted as they are written.
 */
#ifndef TESTS_SUITES_SYSTEM_H
#define TESTS_SUITES_SYSTEM_H

#include "replica/replica.h"
#include "router/router.h"
#include "sim/sim.h"
#include "suites/net.h"

#define SYSTEM_SERVERS_MAX 16u
#define SERVER_REPLICAS_MAX 8u
#define SYSTEM_GROUPS_MAX 16u
#define NEVER (-1) /* as a log limit: the store is never flushed, and the log never cut */

struct system;

enum server_role { SERVER_KV, SERVER_MASTER, SERVER_OTHER };

struct system_options {
    enum net_model model;
    uint32_t shard_count;
    enum routing routing;
    /* Of SERVER_OTHER. */
    struct machine *(*make_machine)(void *ctx, size_t server);
    void *ctx;
};

struct server_replica {
    struct system_group *group;
    struct replica *replica; /* NULL while the server is down, as machine */
    struct machine *machine;
};

struct server {
    struct system *system;
    size_t number; /* in system->servers */
    enum server_role role;
    struct sim_node *node;
    char address[SF_ADDRESS_BYTES_MAX];
    int64_t log_limit; /* bytes; NEVER */
    bool create;       /* its directory may be made: until it served once */
    struct store *store;
    struct host *host; /* NULL while it is down */
    struct shardkv *shardkv;
    struct server_replica replicas[SERVER_REPLICAS_MAX];
    size_t replica_count;
    uint64_t log_bytes, snapshot_bytes; /* while it is down: as they were last */
};

struct system_group {
    struct group group;
    struct server *servers[SF_REPLICAS_MAX]; /* in the order of its addresses */
    uint64_t *applied; /* by index: hash of what was applied there; 0: nothing yet */
    size_t applied_cap;
};

struct system {
    struct sim *sim;
    struct net *net;
    struct system_options options;
    size_t segment_bytes; /* of the servers' logs; drawn */
    struct server servers[SYSTEM_SERVERS_MAX];
    size_t server_count;
    struct system_group groups[SYSTEM_GROUPS_MAX];
    size_t group_count;
    const char *masters[SF_REPLICAS_MAX]; /* addresses */
    size_t master_count;
    struct config *config; /* of static placement; else NULL */
    struct clerk *clerks;  /* all that were made */
};

/* In the simulation of the running case; freed at its end. */
struct system *system_new(const struct system_options *options);

/* A server is made down. log_limit: above so many bytes of log it makes its state durable, and cuts
 * the log. */
struct server *system_add_server(struct system *system, const char *name, enum server_role role,
                                 int64_t log_limit);
/* A group of these servers' replicas. gid 0: the masters. */
struct system_group *system_add_group(struct system *system, group_id gid, struct server **servers,
                                      size_t count);
/* There are no masters: the shards are spread over the groups added so far. With as many groups as
 * shards, shard i is the i-th group's in the order of gids. */
void system_place(struct system *system);

void server_start(struct server *server);
/* The process ends at once; mostly its machine loses power, too. */
void server_crash(struct server *server);
bool server_is_up(const struct server *server);
struct replica *server_replica(const struct server *server); /* the only one; NULL while down */
/* Links both ways. */
void server_link(const struct server *a, const struct server *b, bool linked);

uint64_t server_log_bytes(const struct server *server);
uint64_t server_snapshot_bytes(const struct server *server);
uint64_t server_store_bytes(const struct server *server); /* keys and values in its store, now */

/* The server that leads the group, as far as anyone can tell; NULL: nobody. */
struct server *group_leader(const struct system_group *group);
void group_start(struct system_group *group);
void group_crash(struct system_group *group);

#endif

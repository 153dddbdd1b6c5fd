/* replica: engine + WAL + store = one replicated state machine; and host, the process around its
 * replicas.
 *
 * The host runs the turn: drain inputs -> step -> append to the WAL, one sync -> send what waited
 * for it -> apply -> reply.
 *
 * Within its process a replica has a key, from 1 in the order of adding, which the identity file
 * keeps. Its spaces in the store are {replica key, generation}; the space {0, 0} is the host's own:
 *   "R" u64 replica key (big-endian)   applied {generation, index, term, time, installed}
 *
 * Entry payload (envelope): u8 version = 1, u8 kind (0 no-op, 1 body), u64 time_ns, body.
 */
#ifndef REPLICA_REPLICA_H
#define REPLICA_REPLICA_H

#include "consensus/consensus.h"
#include "placement/placement.h"
#include "replica/machine.h"
#include "rpc/rpc.h"
#include "storage/store.h"
#include "storage/wal.h"

/* -- one replica --------------------------------------------------------------------------- */

/* What the machine and the service above it may ask of their replica. */

/* A proposal under way, in its owner's storage. */
struct replica_proposal {
    /* SF_OK: applied; reply is what the machine answered (borrowed until return).
     * SF_NOT_LEADER: this replica lost the lead first; the entry may still be committed by another.
     */
    void (*on_done)(struct replica_proposal *proposal, int status, struct slice reply);
    struct replica *replica; /* from here on the replica's own */
    struct replica_proposal *prev, *next;
    uint64_t index, term;
    bool open;
};

/* Proposes body (copied). on_done never fires before return. Where it returns an error on_done
 * never fires: SF_NOT_LEADER, SF_OVERLOADED, SF_TOO_BIG (above 4 MiB). `proposal` may be NULL:
 * nobody waits. */
SF_MUST_CHECK int replica_propose(struct replica *replica, struct slice body,
                                  struct replica_proposal *proposal);
void replica_proposal_forget(struct replica_proposal *proposal); /* on_done will not fire */

/* A linearizable read: on_done fires when everything committed before the call is applied here
 * (SF_OK: read the store in that same callback), or with SF_NOT_LEADER. */
struct replica_read {
    void (*on_done)(struct replica_read *read, int status);
    struct replica *replica; /* from here on the replica's own */
    struct replica_read *prev, *next;
    uint64_t id, index;
    bool open, passed;
};
SF_MUST_CHECK int replica_read(struct replica *replica, struct replica_read *read);
void replica_read_forget(struct replica_read *read);

bool replica_leads(const struct replica *replica); /* and has applied an entry of its own term */
uint64_t replica_term(const struct replica *replica);
uint64_t replica_applied(const struct replica *replica);
const struct space *replica_space(const struct replica *replica);
/* What is applied and not yet in the store: to be given to store_get. */
const struct store_batch *replica_pending(const struct replica *replica);
/* Brings everything that is applied into the store, for who iterates over it. SF_BUSY: the store
 * does not take it now. */
SF_MUST_CHECK int replica_settle(struct replica *replica);
const char *replica_leader_address(const struct replica *replica); /* "" where unknown */
/* The connection to the leader, for what is passed on to it; 0: unknown, or this is it. */
rpc_peer replica_leader_way(struct replica *replica);
group_id replica_gid(const struct replica *replica);
uint64_t
replica_group_identity(const struct replica *replica); /* group_identity of its addresses */
uint32_t replica_shard_count(const struct replica *replica); /* as the identity says */
enum routing replica_routing(const struct replica *replica);
struct env *replica_env(const struct replica *replica);
struct rpc *replica_rpc(const struct replica *replica);
/* May a leader admit another mutation now? SF_OK, SF_NOT_LEADER, SF_OVERLOADED, SF_NO_SPACE (some
 * replica of the group is below its reserve of disk space; what only frees space is still
 * admitted). */
int replica_admits(const struct replica *replica);
/* Begins to hand leadership to the member at this address. SF_NOT_LEADER, SF_INVALID (no member).
 */
SF_MUST_CHECK int replica_transfer(struct replica *replica, const char *address);
/* For a machine that cannot read its own state: ends the process. Returns in simulation only; what
 * is being applied is not written then, and the machine is not called again. */
void replica_fatal(struct replica *replica, const char *why);

/* -- the process --------------------------------------------------------------------------- */

struct host;

struct host_options {
    const char *dir;        /* its own directory: "wal/", "store/" and "identity" stand in it */
    const char *listen;     /* HOST:PORT */
    const char *role;       /* static: "shardkv", "shardmaster" */
    uint64_t cluster_id;    /* not 0 */
    bool create;            /* an empty directory may become a replica's */
    struct store *store;    /* open; stays the caller's. To be closed after host_free and, on
                               libuv, after uv_env_free: a flush may still run in it */
    struct wal_options wal; /* cluster_hash is filled in by the host */
    uint32_t tick_ms;       /* 0: 20 ms */
    uint32_t heartbeat_ticks, election_ticks; /* 0: 5 and 50 (100 ms, 1 to 2 s) */
    uint64_t flush_ms, flush_bytes; /* flush the store every so often, or when the log grew so much;
                                       0: 5 s and 8 MiB */
    size_t slack_bytes; /* log kept in memory below the applied index for slow followers; 0: 4 MiB
                         */
    uint64_t lag_bytes; /* log kept on disk below the durable applied index for a follower that
                           lacks it, or gets a snapshot; 0: 512 MiB */
    uint64_t reserve_bytes; /* free disk space below which NO_SPACE is answered; 0: 256 MiB */
    size_t chunk_bytes;     /* of a snapshot; 0: 1 MiB */
    size_t apply_bytes;     /* applied in one turn, and what may wait to be written; 0: 1 MiB */
    size_t inflight_max, inflight_bytes; /* messages and bytes under way to a follower; 0: 128, 4
                                            MiB */
    size_t proposals_max;                /* open; above it a leader admits nothing; 0: 8,192 */
    size_t log_bytes_max; /* of entries in memory: above it, while entries wait to be applied, a
                             leader admits nothing and a follower takes no more; 0: 20 MiB */
};

/* A replica to be hosted. The group's identity is in the directory; on a directory that is another
 * replica's it is refused. */
struct replica_options {
    struct group group;           /* gid (0: the shardmasters) and all addresses; copied */
    const char *address;          /* which of them this replica is */
    enum consensus_engine engine; /* 0: as the directory says; Raft in a new one */
    uint32_t shard_count;    /* part of the identity. 0: as the directory says; SF_SHARDS_DEFAULT in
                                a new one */
    enum routing routing;    /* likewise; ROUTING_HASH in a new one */
    struct machine *machine; /* taken; freed with the host */
};

/* Checks the directory, opens the WAL, listens. *why, on failure, is a message to show (to be
 * freed). SF_IN_USE, SF_MISMATCH, SF_NOT_FOUND (empty and no --create), SF_CORRUPT, SF_ADDRESS,
 * SF_IO. */
SF_MUST_CHECK int host_new(struct env *env, const struct host_options *options, struct host **out,
                           char **why);
/* Also SF_UNSUPPORTED (engine). A group that is new to a directory with others in it is added only
 * with `create`, after the others. */
SF_MUST_CHECK int host_add(struct host *host, const struct replica_options *options,
                           struct replica **out, char **why);
/* All replicas are added: begins to serve. */
void host_start(struct host *host);
void host_free(struct host *host);
struct rpc *host_rpc(struct host *host);
struct replica *host_find(struct host *host, group_id gid);

/* For the checkers of the simulation. */
void replica_consensus_status(const struct replica *replica, struct consensus_status *out);
/* Called for each entry that a replica applies; a simulation's checker. NULL: none. */
extern void (*replica_on_apply)(const struct replica *replica, const struct entry *entry);

#endif

/* identity: whose a directory is. A text file, "identity", replaced as a whole and made durable
 * before anything is served:
 *
 *   shardfs-directory 1
 *   cluster 00000000deadbeef
 *   role shardkv
 *   replica 1 gid 100 id 2 engine raft shards 64 routing hash group 127.0.0.1:7001,127.0.0.1:7002
 *
 * One line for each replica: its key in the store and the WAL, then what never changes.
 */
#ifndef REPLICA_IDENTITY_H
#define REPLICA_IDENTITY_H

#include "consensus/consensus.h"
#include "env/env.h"
#include "placement/placement.h"

#define IDENTITY_REPLICAS_MAX 64u
#define IDENTITY_ROLE_BYTES 32u

struct identity_replica {
    uint64_t key;       /* 1.. in the order of adding */
    struct group group; /* owned */
    replica_id self;    /* which of the addresses: position + 1 */
    enum consensus_engine engine;
    uint32_t shard_count;
    enum routing routing;
};

struct identity {
    bool exists; /* the file was there */
    uint64_t cluster_id;
    char role[IDENTITY_ROLE_BYTES];
    struct identity_replica *replicas;
    size_t replica_count;
};

/* Reads DIR/identity; where there is none, *out says so. SF_CORRUPT, SF_IO; *why as of host_new. */
SF_MUST_CHECK int identity_read(struct env *env, const char *dir, struct identity *out, char **why);
SF_MUST_CHECK int identity_write(struct env *env, const char *dir, const struct identity *identity);
void identity_deinit(struct identity *identity);

/* Is the directory this process's, or may it become so? Reads it into *out. SF_NOT_FOUND (it is
 * empty and `create` was not said), SF_MISMATCH (another cluster or role, or something else is in
 * it). */
SF_MUST_CHECK int identity_claim(struct env *env, const char *dir, const struct identity *wanted,
                                 bool create, struct identity *out, char **why);
/* The same for one replica within it; engine, shard_count and routing 0 take what the directory
 * says.
 * may_add: the directory may get another one. SF_OK: *found is its line, or NULL where it is to be
 * added. */
SF_MUST_CHECK int identity_match(const struct identity *identity, const char *dir,
                                 const struct identity_replica *wanted, bool may_add,
                                 const struct identity_replica **found, char **why);
/* Adds a copy, with the next key; the line. */
const struct identity_replica *identity_add(struct identity *identity,
                                            const struct identity_replica *wanted);

const char *identity_address(const struct identity_replica *replica);
void identity_copy_group(struct group *to, const struct group *from);
/* Of everything that all members of the group must have said alike: gid, the addresses in their
 * order, engine, shards, routing. */
uint64_t identity_likeness(const struct identity_replica *replica);

#endif

/* probe: what servers say of themselves and of their replicas (method "host.status"). Many are
 * asked at once, so that one which is down costs its second only once. */
#ifndef CTL_PROBE_H
#define CTL_PROBE_H

#include "ctl/session.h"

struct probe_replica {
    group_id gid;
    uint64_t replica, term, commit, applied;
    uint32_t shard_count;
    uint64_t generation; /* of its state: grows with every snapshot that it installed */
    bool leads;
    char engine[16];
    char routing[16];
    uint64_t config;                   /* newest Config applied; of a master: the newest there is */
    uint64_t serving, moving, holding; /* shardkv: shards */
    size_t address_count;
    char (*addresses)[SF_ADDRESS_BYTES_MAX]; /* of its group; owned */
};

struct probe {
    const char *address; /* filled in by the caller; borrowed */
    int status;          /* SF_OK: it answered; else why not */
    uint64_t cluster_id;
    char role[16];                  /* "shardmaster", "shardkv" */
    uint64_t disk_free, disk_total; /* bytes */
    bool low_space;                 /* below its reserve: the group refuses what needs space */
    struct probe_replica *replicas; /* owned */
    size_t replica_count;
    /* probe_all's own */
    struct rpc_call call;
    struct probe_batch *batch;
};

/* Asks all of them, for at most a second or two. Each: free with probe_all_deinit. */
void probe_all(struct session *s, struct probe *probes, size_t count);
void probe_all_deinit(struct probe *probes, size_t count);
/* The same for the addresses of a group; room for group->address_count. */
void probe_group(struct session *s, const struct group *group, struct probe *probes);
/* The masters that were named: an array of s->master_count, to be freed after probe_all_deinit. */
struct probe *probe_masters(struct session *s);
/* Was the Config that these masters gave told by servers of a static cluster? */
bool cluster_is_static(struct session *s);
/* NULL: it did not answer, or has no replica of this group. */
const struct probe_replica *probe_find(const struct probe *probe, group_id gid);
/* Which of them says that it leads the group; NULL: none. */
const struct probe *probe_leader(const struct probe *probes, size_t count, group_id gid);

#endif

/* probe: what one server says of itself and of its replicas (method "host.status"). */
#ifndef CTL_PROBE_H
#define CTL_PROBE_H

#include "ctl/session.h"

struct probe_replica {
    group_id gid;
    uint64_t replica, term, commit, applied;
    bool leads;
    char engine[16];
    char leader[SF_ADDRESS_BYTES_MAX];
    uint64_t disk_free, disk_total;    /* bytes */
    uint64_t config;                   /* shardkv: newest Config applied */
    uint64_t serving, moving, holding; /* shardkv: shards */
    size_t address_count;
    char (*addresses)[SF_ADDRESS_BYTES_MAX]; /* of its group; owned */
};

struct probe {
    int status; /* SF_OK: it answered; else why not */
    uint64_t cluster_id;
    uint64_t disk_free, disk_total; /* bytes */
    bool low_space;                 /* below its reserve: the group refuses what needs space */
    struct probe_replica *replicas; /* owned */
    size_t replica_count;
};

/* Asks one address, for at most a second or two. */
void probe_run(struct session *s, const char *address, struct probe *out);
void probe_deinit(struct probe *probe);
const struct probe_replica *probe_find(const struct probe *probe, group_id gid);

#endif

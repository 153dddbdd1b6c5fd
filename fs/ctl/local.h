/* local: a cluster of server processes on this machine, under one directory.
 *
 *   DIR/cluster        what it is made of (local_config.c), written once
 *   DIR/env            to source: PATH and SHARDFS_MASTERS
 *   DIR/NAME/          a server's own directory; NAME is master-1.. or group-GID-1..
 *   DIR/run/NAME.pid   the process that was started for it
 *   DIR/run/lock       held by an `up` or `down` that works
 *   DIR/log/NAME.log   what it said
 *   DIR/mnt            where quickstart.sh mounts
 *
 * Nothing restarts a server that ends; a second `up` starts what is missing.
 */
#ifndef CTL_LOCAL_H
#define CTL_LOCAL_H

#include <stdio.h>
#include <sys/types.h>

#include "ctl/command.h"
#include "placement/placement.h"

#define LOCAL_PATH_MAX 4096u
#define LOCAL_GROUPS_MAX 17u /* the masters and 16 groups */
#define LOCAL_FIRST_GID 100u

struct local {
    char dir[LOCAL_PATH_MAX / 2];      /* absolute */
    char programs[LOCAL_PATH_MAX / 2]; /* directory of the programs */
    uint64_t cluster_id;
    uint32_t shards;
    char routing[16];
    bool joined; /* the groups were joined once; after that it is the operator's matter */
    size_t group_count;
    struct group groups[LOCAL_GROUPS_MAX]; /* [0]: the masters, gid 0; addresses owned */
    int lock;
};

/* One server of the cluster. */
struct local_server {
    char name[64];
    const struct group *group;
    size_t replica; /* index of its address */
};

/* -- local_config.c: the file DIR/cluster --------------------------------------------------- */

/* Reads it; makes a new one from the options. Exit status; the line is printed. */
SF_MUST_CHECK int local_load(struct local *local, const char *dir);
SF_MUST_CHECK int local_create(struct local *local, const struct ctl_options *options);
SF_MUST_CHECK int local_save(const struct local *local);
SF_MUST_CHECK int local_save_env(const struct local *local);
void local_deinit(struct local *local);
/* "A:1,B:2" of a group. */
void local_addresses(const struct group *group, char *to, size_t size);
void local_server(const struct local *local, size_t group, size_t replica,
                  struct local_server *out);
/* snprintf that must fit; a path that does not is a failure of the caller's checks. */
void local_path(char *to, const struct local *local, const char *format, ...) SF_PRINTF(3, 4);

/* -- local_process.c ------------------------------------------------------------------------ */

/* Its pid, 0 where it does not run. */
pid_t local_pid(const struct local *local, const struct local_server *server);
/* Starts it in the background. Exit status. */
SF_MUST_CHECK int local_start(const struct local *local, const struct local_server *server);
/* SIGTERM; SIGKILL after ten seconds. Returns when it has ended. */
void local_stop(const struct local *local, const struct local_server *server);
/* The last line that it logged, "" if none. */
void local_last_words(const struct local *local, const struct local_server *server, char *to,
                      size_t size);

#endif

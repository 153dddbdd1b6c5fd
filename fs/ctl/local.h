/* local: a cluster of server processes on this machine, under one directory.
 *
 *   DIR/cluster        what it is made of (local_config.c)
 *   DIR/env            to source: PATH and SHARDFS_MASTERS
 *   DIR/NAME/          a server's own directory; NAME is master-1.. or group-GID-1..
 *   DIR/run/NAME.pid   the process that was started for it
 *   DIR/run/lock       held by an `up` or `down` that works
 *   DIR/log/NAME.log   what it said
 *   DIR/mnt            where quickstart.sh mounts
 *
 * Nothing restarts a server that ends; a second `up` starts what is missing. An `up` that was
 * interrupted, anywhere, goes on where it was when it is called again.
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
#define LOCAL_SERVERS_MAX (LOCAL_GROUPS_MAX * SF_REPLICAS_MAX)

/* One server of the cluster. */
struct local_server {
    char name[64];
    const struct group *group;
    size_t replica; /* index of its address */
    /* Where it was started by this call. */
    pid_t pid;     /* 0: it was not */
    long log_from; /* its words stand in the log from here on */
};

struct local {
    char dir[LOCAL_PATH_MAX / 2];      /* absolute */
    char programs[LOCAL_PATH_MAX / 2]; /* directory of the programs */
    uint64_t cluster_id;
    uint32_t shards;
    char routing[16];
    char engine[16]; /* of every group, the masters too */
    /* Every server was there once, and the groups have joined: who leads, and which groups there
     * are, is the operator's matter from then on, and a server whose data is gone is lost. */
    bool joined;
    size_t group_count;
    struct group groups[LOCAL_GROUPS_MAX]; /* [0]: the masters, gid 0; addresses owned */
    size_t server_count;
    struct local_server servers[LOCAL_SERVERS_MAX];
    int lock; /* -1: not held */
};

/* Functions that return an int return an exit status: 0, or another after the line is printed. */

/* -- local_dir.c: the directory itself ------------------------------------------------------- */

/* Makes it where it is missing; a directory with anything else in it is refused. Locks it. */
SF_MUST_CHECK int local_open_new(struct local *local, const char *dir);
/* Only where a cluster is. */
SF_MUST_CHECK int local_open_old(struct local *local, const char *dir);
bool local_has_cluster(const struct local *local);
void local_deinit(struct local *local);
/* DIR/...: snprintf that must fit; local_open_* made sure that it does. */
void local_path(char *to, const struct local *local, const char *format, ...) SF_PRINTF(3, 4);

/* -- local_config.c: the file DIR/cluster ---------------------------------------------------- */

SF_MUST_CHECK int local_load(struct local *local);
/* A new one of what the options say, on free ports. */
SF_MUST_CHECK int local_create(struct local *local, const struct ctl_options *options);
/* Does what was loaded agree with the options? */
SF_MUST_CHECK int local_compare(const struct local *local, const struct ctl_options *options);
SF_MUST_CHECK int local_save(const struct local *local);
SF_MUST_CHECK int local_save_env(const struct local *local);
/* "A:1,B:2" of a group. */
void local_addresses(const struct group *group, char *to, size_t size);

/* -- local_process.c ------------------------------------------------------------------------- */

/* Its pid, 0 where it does not run. One that ends just now is waited for. */
pid_t local_pid(const struct local *local, const struct local_server *server);
/* It was a replica once, and its directory says nothing of that. */
bool local_is_lost(const struct local *local, const struct local_server *server);
/* Starts it in the background: the program runs when this returns. */
SF_MUST_CHECK int local_start(const struct local *local, struct local_server *server);
/* SIGTERM to all of them; SIGKILL after ten seconds. Returns when they have ended; how many ran. */
size_t local_stop_all(const struct local *local);
/* Prints why it ended. Returns EXIT_FAILED. */
int local_fail_ended(const struct local *local, const struct local_server *server);

/* -- local_ready.c --------------------------------------------------------------------------- */

/* Until every server answers, every group has a leader, the groups have joined, and each of them
 * serves its shards. */
SF_MUST_CHECK int local_make_ready(struct local *local);

#endif

/* local: a cluster of server processes on this machine, under one directory.
 *
 *   DIR/cluster        what it is made of (local_config.c)
 *   DIR/env            to source: PATH and SHARDFS_MASTERS
 *   DIR/NAME/          a server's own directory; NAME is master-1.. or group-GID-1.., in a static
 *                      cluster server-1..
 *   DIR/run/NAME.pid   the process that was started for it
 *   DIR/run/lock       held by an `up` or `down` that works
 *   DIR/log/NAME.log   what it said
 *   DIR/mnt            where quickstart.sh mounts
 *
 * A static cluster has no masters: its groups own their shards for ever. It is one group, or a ring
 * of N servers with N shards, shard s on the servers s, s + 1, ... s + R - 1 (modulo N), a group
 * each, so that a server holds R replicas.
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
#define LOCAL_GROUPS_MAX 17u /* the masters and 16 groups; without masters 16 */
#define LOCAL_FIRST_GID 100u
#define LOCAL_SERVERS_MAX (LOCAL_GROUPS_MAX * SF_REPLICAS_MAX)

/* One server of the cluster. */
struct local_server {
    char name[64];
    char address[SF_ADDRESS_BYTES_MAX];
    const struct group *group; /* that it is of; in a ring the first of them */
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
    bool is_static;
    /* Every server was there once, and the groups have joined (or need not): which groups there are
     * is the operator's matter from then on, and a server whose data is gone is lost. */
    bool joined;
    size_t group_count;
    /* The masters, gid 0, come first where there are any. Addresses owned. */
    struct group groups[LOCAL_GROUPS_MAX];
    size_t server_count;
    struct local_server servers[LOCAL_SERVERS_MAX];
    int lock; /* -1: not held */
};

/* Index of the first group that is not the masters. */
static inline size_t local_first_group(const struct local *local)
{
    return local->is_static ? 0 : 1;
}

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
/* Does what was loaded agree with the options? */
SF_MUST_CHECK int local_compare(const struct local *local, const struct ctl_options *options);
SF_MUST_CHECK int local_save(const struct local *local);
SF_MUST_CHECK int local_save_env(const struct local *local);
/* Servers that the addresses of the groups stand for, with their names. */
void local_find_servers(struct local *local);
/* "A:1,B:2" of a group; of those that clients are told: the masters, else all servers. */
void local_addresses(const struct group *group, char *to, size_t size);
void local_contacts(const struct local *local, char *to, size_t size);

/* -- local_new.c ----------------------------------------------------------------------------- */

/* Do the options for a new one fit together? */
SF_MUST_CHECK int local_check_new(const struct ctl_options *options);
/* A new one of what they say, on free ports. */
SF_MUST_CHECK int local_create(struct local *local, const struct ctl_options *options);

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

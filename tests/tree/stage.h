/* stage: trees over a whole simulated cluster (masters, two groups, real logs and stores): each
 * user is a process on a node of its own, with a client and a tree.
 */
#ifndef TESTS_TREE_STAGE_H
#define TESTS_TREE_STAGE_H

#include "storm/weather.h"
#include "tree/tree.h"

#define STAGE_USERS 3u
#define STAGE_LIMIT_MS 300000u /* of virtual time for one call: then the test fails */

struct user {
    struct cluster *cluster;
    struct sim_node *node;
    struct rpc *rpc; /* these: only while its process runs */
    struct router *router;
    struct client *client;
    struct tree *tree;
    uint64_t renew_ms; /* of its orphans */
};

struct stage {
    struct cluster *cluster;
    struct weather weather;
    struct user users[STAGE_USERS];
};

/* Masters and all groups run; these have joined (bits by position). */
struct stage *stage_new(uint64_t seed, unsigned groups);
/* The same, with sessions that are dropped when they were idle for so long. */
struct stage *stage_new_forgetful(uint64_t seed, unsigned groups, uint64_t idle_ms);
void stage_free(struct stage *stage);
void stage_run_ms(struct stage *stage, uint64_t ms);
/* Perhaps a storm begins, if there is none: faults and moving shards, for some seconds. It ends
 * with a cluster that works, if not at once. */
void stage_maybe_storm(struct stage *stage);
void stage_await_calm(struct stage *stage);

/* A call that is under way. */
struct waiting {
    struct tree_call call; /* filled in by the caller, but for on_done */
    bool done;
    int status;
};
void user_submit(struct user *user, struct waiting *waiting);
/* Submits and waits; the status. */
int user_call(struct user *user, struct waiting *waiting);
/* The process ends and another begins. */
void user_crash(struct user *user);
/* Its client hears that it was taken for dead: none of its sessions is good for anything any more. */
void user_fence(struct user *user);

/* A place by the id of its directory and a name. */
struct tree_place place_of(uint64_t directory, const char *name);
/* One call of this kind on a name, with usual modes; *inode (may be NULL) is its result. */
int user_do(struct user *user, enum tree_kind kind, uint64_t directory, const char *name,
            struct tree_inode *inode);
/* GETATTR of a directory. */
int user_stat_directory(struct user *user, uint64_t id, struct tree_inode *inode);
/* Past the tree: one operation of the store; the status. *data (may be NULL) gets its data. */
int user_raw(struct user *user, const struct kv_op *op, struct buffer *data);
/* Is there a record of this key? Then *data (may be NULL) gets what a reference or a directory has as
 * content. */
bool user_read_record(struct user *user, enum kv_space space, struct slice key,
                      struct buffer *data);
bool user_has_record(struct user *user, enum kv_space space, struct slice key);

#endif

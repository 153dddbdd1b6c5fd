/* mount: one FUSE session over a tree, on one libuv loop.
 *
 *  M1  Every request gets exactly one reply, on every path: what waits for the tree is a struct
 *      request, and request.c or its `then` answers it.
 *  M2  A node's lookup count is the number of entries delivered for it less what FORGET took back;
 *      an entry whose reply failed was not delivered (nodes.c).
 *  M3  Nothing blocks the loop: what needs the cluster waits in a struct request.
 *  M4  The root's attributes and statfs are answered from memory, so they never wait.
 *  M5  Nothing is answered as done that was not done. What is not there is refused.
 *  M6  Attributes go to the kernel only in the reply to the request that read them.
 *  M7, M8  Locks: locks.h.
 *  M9  The kernel removes or moves a directory only where it has the right one in mind: RMDIR and
 *      RENAME ask for what it was shown at the name last, and else it has to look again.
 *  M10 The kernel never counts a file's links down to none while it has one: it takes one off by
 *      itself when a removal is answered, so a look-up shows one more meanwhile.
 *  M11 A file that OPEN and CREATE answer is there, or kept (T7): one that this mount may be removing
 *      is looked at again when that has ended, or, where it was given up, is settled.
 */
#ifndef MOUNT_MOUNT_H
#define MOUNT_MOUNT_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include "env/env.h"
#include "mount/nodes.h"
#include "mount/options.h"
#include "tree/tree.h"

struct uv_loop_s;
struct lock_loose;
struct lock_owner;
struct lock_wait;
struct request;

struct locks {
    struct lock_owner *owners; /* who may have locks */
    struct lock_wait *waits;   /* requests about locks under way */
    struct lock_loose *loose;  /* changes that were given up */
    uint64_t opens;            /* files opened so far: the next one's handle */
    size_t lost;               /* owners whose locks are */
};

/* What was asked of the tree so far, by kind (enum tree_kind), for .shardfs/stats. */
struct mount_stats {
    uint64_t calls[TREE_KIND_LIMIT], errors[TREE_KIND_LIMIT];
    uint64_t read_bytes, written_bytes;
};

struct mount {
    struct env *env;
    struct uv_loop_s *loop;
    struct tree *tree;
    const struct mount_options *options;
    struct fuse_session *session;
    struct nodes nodes;
    struct mount_stats stats;
    struct control *control;      /* control.c */
    struct request *requests;     /* those that wait for the tree */
    struct locks locks;           /* locks.h */
    struct dir_handle *dirs;      /* those that are open */
    struct env_timer dying_check; /* request.c; armed while some caller has a signal */
    struct fuse_buf receive;    /* the request that is being handled; a write may keep its memory */
    struct receiver *receiver;  /* loop.c */
    struct mend *mend;          /* mend.c */
    void (*on_live)(void *ctx); /* called once, when the mount is live */
    void (*on_ended)(void *ctx); /* called once, when it was unmounted or the session ended */
    void *ctx;
};

/* Mounts on options->mountpoint and begins to serve. SF_IO: the log says why not; nothing is mounted
 * then. */
SF_MUST_CHECK int mount_start(struct mount *mount, struct env *env, struct uv_loop_s *loop,
                              struct tree *tree, const struct mount_options *options);
/* Unmounts (also where that is busy: lazily), answers what still waits, frees. */
void mount_stop(struct mount *mount);

/* The handlers, by file. */
void handlers_names(struct fuse_lowlevel_ops *ops);
void handlers_attr(struct fuse_lowlevel_ops *ops);
void handlers_data(struct fuse_lowlevel_ops *ops);
void handlers_dir(struct fuse_lowlevel_ops *ops);
void handlers_xattr(struct fuse_lowlevel_ops *ops);
void handlers_locks(struct fuse_lowlevel_ops *ops);
/* -- control.c: the directory .shardfs -------------------------------------------------------- */

#define CONTROL_NAME ".shardfs"
/* Replaces the handlers by such as answer for .shardfs and pass on everything else. */
void control_wrap(struct fuse_lowlevel_ops *ops);
void control_start(struct mount *mount);
void control_stop(struct mount *mount);

/* The directories that are still open when the session ends. */
void dirs_free(struct mount *mount);

/* The errno (positive) of an SF_* error. */
int mount_errno(int status);

/* -- loop.c: from the session's descriptor to the handlers ----------------------------------- */

SF_MUST_CHECK int loop_start(struct mount *mount);
void loop_stop(struct mount *mount);

/* -- mend.c: bits that this libfuse cannot ask for ------------------------------------------- */

/* After fuse_session_mount. SF_IO. */
SF_MUST_CHECK int mend_start(struct mount *mount);
void mend_stop(struct mount *mount);

#endif

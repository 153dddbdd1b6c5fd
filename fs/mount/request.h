/* request: a FUSE request that waits for the tree.
 *
 * A signal to its caller ends it with EINTR where nothing was sent that may change something and two
 * seconds have brought no answer; else it waits for the answer, or for the time limit, since a program
 * that repeats an interrupted append would append twice. A caller that is being killed does not
 * wait. */
#ifndef MOUNT_REQUEST_H
#define MOUNT_REQUEST_H

#include "mount/mount.h"

struct dir_handle;

struct request {
    struct mount *mount;
    fuse_req_t fuse;
    struct request *prev, *next; /* in mount->requests */
    struct tree_call call;
    void (*then)(struct request *r, int status); /* replies, and ends with request_end */
    uint64_t asked;                              /* nodes->sent when it was submitted last */
    uint64_t unsettled;                          /* tree_unsettled then */
    struct tree_inode inode;                     /* kept from an earlier step */
    struct fuse_file_info file;
    struct dir_handle *dir;
    struct request **slot; /* that names this request; emptied when it ends. May be NULL */
    bool plus;
    bool submitted;          /* on_interrupt may cancel it */
    bool only_asks;          /* F_GETLK, which is no call of the tree */
    bool interrupted;        /* its caller has a signal, and waits for the answer all the same */
    uint64_t interrupted_ms; /* since when; env's clock */
    fuse_ino_t node_id;
    bool parked;              /* OPEN, CREATE: it waits for what was given up (M11) ... */
    uint64_t parked_until_ms; /* ... so long, by env's clock; 0: for ever */
    struct node *opening; /* OPEN: counted as one of its handles, until it is one. May be NULL */
    uint64_t removing;    /* UNLINK, RENAME: the inode that loses a name by it, or 0 */
    size_t size;
    off_t offset;
    void *kept; /* memory that call.data points into; freed with the request */
    char name[TREE_NAME_BYTES_MAX + 1];
    char to_name[TREE_NAME_BYTES_MAX + 1]; /* RENAME; of an extended attribute */
};

/* A request for this kernel request, not yet waiting. */
struct request *request_new(fuse_req_t fuse);
/* Its place: a copy of the node's, with the name in the request's own memory. */
void request_place(struct request *r, fuse_ino_t node_id);
/* Its place: the entry `name` of a directory. False: the name is too long; the reply was sent and
 * the request is gone. */
SF_MUST_CHECK bool request_entry(struct request *r, fuse_ino_t directory, const char *name);
/* What is made in this directory gets its group, and a directory its set-group-id bit too, if it has
 * that bit itself. */
void request_inherit(struct request *r, fuse_ino_t directory);
/* Has its caller a SIGKILL pending? Then nobody will look at the answer. */
bool caller_is_dying(fuse_req_t fuse);
uint32_t caller_process(fuse_req_t fuse); /* whose thread it is; 0: nobody's that can be seen */
bool caller_is_admin(fuse_req_t fuse);    /* CAP_SYS_ADMIN */

/* M11: is the inode at r's place there, as its last step found it, whatever this mount is removing? */
bool request_is_still_there(const struct request *r, const struct node *node);
/* Else: asks for its attributes, as soon as nothing comes any more of removals that were given up. */
void request_look_again(struct request *r, void (*then)(struct request *r, int status));
/* Something that was given up is settled: those go on that waited for it. */
void requests_settled(struct mount *mount);

/* Submits r->call of this kind. */
void request_submit(struct request *r, enum tree_kind kind,
                    void (*then)(struct request *r, int status));
/* Frees it: the reply was sent. */
void request_end(struct request *r);
void request_fail(struct request *r, int status); /* replies the error, and ends */
void request_interrupt(struct request *r);        /* the same with EINTR, whatever it waits for */
/* Its caller has a signal: it ends with EINTR as soon as that turns out to be a SIGKILL, or, where
 * the tree has it and nothing was sent that may change something, two seconds later. */
void request_watch(struct request *r);
/* Replies with the attributes of the inode r->node_id, and ends. */
void request_reply_attr(struct request *r, const struct tree_inode *inode);
/* Replies with the entry at r's place (it becomes a node), and ends. */
void request_reply_entry(struct request *r, const struct tree_inode *inode);

void requests_init(struct mount *mount);
/* Answers everything that waits; the session is ending. */
void requests_abort(struct mount *mount);

/* One handle of it less. */
void request_close_node(struct mount *mount, struct node *node);
/* This inode loses a name by the request from now on, in place of another, until the request ends. */
void request_removes(struct request *r, uint64_t ino);

void request_stat(const struct mount *mount, const struct tree_inode *inode, struct stat *out);
/* An entry for the kernel, found by this request's last step: remembers the node. */
struct node *request_make_entry(struct request *r, const struct tree_inode *inode,
                                uint64_t directory, struct slice name,
                                struct fuse_entry_param *out);

#endif

/* request: a FUSE request that waits for the tree. */
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
    struct tree_inode inode;                     /* kept from an earlier step */
    struct fuse_file_info file;
    struct dir_handle *dir;
    struct request **slot; /* that names this request; emptied when it ends. May be NULL */
    bool plus;
    fuse_ino_t node_id;
    size_t size;
    off_t offset;
    bool interrupted;
    void *kept; /* memory that call.data points into; freed with the request */
    char name[TREE_NAME_BYTES_MAX + 1], to_name[TREE_NAME_BYTES_MAX + 1];
};

/* A request for this kernel request, not yet waiting. */
struct request *request_new(fuse_req_t fuse);
/* Its place: a copy of the node's, with the name in the request's own memory. */
void request_place(struct request *r, fuse_ino_t node_id);
/* Its place: the entry `name` of a directory. False: the name is too long; the reply was sent and
 * the request is gone. */
SF_MUST_CHECK bool request_entry(struct request *r, fuse_ino_t directory, const char *name);
/* Submits r->call of this kind. */
void request_submit(struct request *r, enum tree_kind kind,
                    void (*then)(struct request *r, int status));
/* Frees it: the reply was sent. */
void request_end(struct request *r);
void request_fail(struct request *r, int status); /* replies the error, and ends */
/* Replies with the entry at r's place (it becomes a node), and ends. */
void request_reply_entry(struct request *r, const struct tree_inode *inode);
/* Answers everything that waits; the session is ending. */
void requests_abort(struct mount *mount);

void request_stat(const struct mount *mount, const struct tree_inode *inode, struct stat *out);
/* An entry for the kernel: remembers the node. */
struct node *request_make_entry(struct mount *mount, const struct tree_inode *inode,
                                uint64_t directory, struct slice name,
                                struct fuse_entry_param *out);

#endif

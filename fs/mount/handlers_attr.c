/* getattr, setattr, statfs. */
#include <errno.h>
#include <time.h>

#include "mount/request.h"

static void attr_then(struct request *r, int status)
{
    struct stat stat;
    if (status != SF_OK) {
        request_fail(r, status);
        return;
    }
    request_stat(r->mount, &r->call.inode, &stat);
    fuse_reply_attr(r->fuse, &stat, r->mount->options->attr_timeout_s);
    request_end(r);
}

static void handle_getattr(fuse_req_t fuse, fuse_ino_t node_id, struct fuse_file_info *file)
{
    struct request *r = request_new(fuse);
    (void)file;
    request_place(r, node_id);
    request_submit(r, TREE_GETATTR, attr_then);
}

static uint64_t ns_of(struct timespec time)
{
    return (uint64_t)((int64_t)time.tv_sec * 1000000000 + time.tv_nsec);
}

static void take_changes(struct request *r, const struct stat *attr, int to_set)
{
    struct tree_call *call = &r->call;
    uint64_t now = env_wall_ns(r->mount->env);
    if (to_set & FUSE_SET_ATTR_MODE) {
        call->set |= TREE_SET_MODE;
        call->mode = attr->st_mode;
    }
    if (to_set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) {
        call->set |= TREE_SET_OWNER;
        call->uid = to_set & FUSE_SET_ATTR_UID ? attr->st_uid : UINT32_MAX;
        call->gid = to_set & FUSE_SET_ATTR_GID ? attr->st_gid : UINT32_MAX;
    }
    if (to_set & FUSE_SET_ATTR_SIZE) {
        call->set |= TREE_SET_SIZE;
        call->size = (uint64_t)attr->st_size;
    }
    if (to_set & FUSE_SET_ATTR_ATIME) {
        call->set |= TREE_SET_ATIME;
        call->atime_ns = to_set & FUSE_SET_ATTR_ATIME_NOW ? now : ns_of(attr->st_atim);
    }
    if (to_set & FUSE_SET_ATTR_MTIME) {
        call->set |= TREE_SET_MTIME;
        call->mtime_ns = to_set & FUSE_SET_ATTR_MTIME_NOW ? now : ns_of(attr->st_mtim);
    }
}

static void handle_setattr(fuse_req_t fuse, fuse_ino_t node_id, struct stat *attr, int to_set,
                           struct fuse_file_info *file)
{
    struct request *r = request_new(fuse);
    (void)file;
    request_place(r, node_id);
    take_changes(r, attr, to_set);
    /* Nothing of what is kept was asked for (a ctime alone): say what is. */
    request_submit(r, r->call.set ? TREE_SETATTR : TREE_GETATTR, attr_then);
}

/* Finite numbers also while the cluster has not answered: as large as they can be. */
static void statfs_then(struct request *r, int status)
{
    struct statvfs out = {.f_bsize = 4096, .f_frsize = 4096, .f_namemax = TREE_NAME_BYTES_MAX};
    const struct tree_space *space = &r->call.space;
    if (status != SF_OK) {
        request_fail(r, status);
        return;
    }
    uint64_t unknown = 1ull << 50;
    out.f_blocks = (space->known ? space->total_bytes : unknown) / out.f_frsize;
    out.f_bfree = (space->known ? space->free_bytes : unknown) / out.f_frsize;
    out.f_bavail = out.f_bfree;
    out.f_files = 1ull << 40;
    out.f_ffree = 1ull << 40;
    out.f_favail = out.f_ffree;
    fuse_reply_statfs(r->fuse, &out);
    request_end(r);
}

static void handle_statfs(fuse_req_t fuse, fuse_ino_t node_id)
{
    struct request *r = request_new(fuse);
    (void)node_id;
    request_submit(r, TREE_STATFS, statfs_then);
}

void handlers_attr(struct fuse_lowlevel_ops *ops)
{
    ops->getattr = handle_getattr;
    ops->setattr = handle_setattr;
    ops->statfs = handle_statfs;
}

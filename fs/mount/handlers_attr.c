/* getattr, setattr, statfs. */
#include <errno.h>
#include <time.h>

#include "mount/request.h"

static void attr_then(struct request *r, int status)
{
    if (status != SF_OK) {
        request_fail(r, status);
        return;
    }
    nodes_see(nodes_at(&r->mount->nodes, r->node_id), &r->call.inode);
    request_reply_attr(r, &r->call.inode);
}

static void handle_getattr(fuse_req_t fuse, fuse_ino_t node_id, struct fuse_file_info *file)
{
    struct request *r = request_new(fuse);
    (void)file;
    request_place(r, node_id);
    const struct node *node = nodes_at(&r->mount->nodes, node_id);
    if (node->removed_ns == 0) {
        request_submit(r, TREE_GETATTR, attr_then);
        return;
    }
    struct tree_inode inode = nodes_removed_inode(node);
    request_reply_attr(r, &inode);
}

/* False: the moment does not fit, before 1677 or after 2262. */
static bool take_time(struct timespec time, bool is_now, const struct mount *mount, uint64_t *out)
{
    const int64_t second = 1000000000;
    if (is_now) {
        *out = env_wall_ns(mount->env);
        return true;
    }
    if (time.tv_sec > INT64_MAX / second - 1 || time.tv_sec < INT64_MIN / second + 1)
        return false;
    *out = (uint64_t)(time.tv_sec * second + time.tv_nsec);
    return true;
}

static bool take_times(struct request *r, const struct stat *attr, int to_set)
{
    struct tree_call *call = &r->call;
    if (to_set & FUSE_SET_ATTR_ATIME) {
        call->set |= TREE_SET_ATIME;
        if (!take_time(attr->st_atim, to_set & FUSE_SET_ATTR_ATIME_NOW, r->mount, &call->atime_ns))
            return false;
    }
    if (to_set & FUSE_SET_ATTR_MTIME) {
        call->set |= TREE_SET_MTIME;
        if (!take_time(attr->st_mtim, to_set & FUSE_SET_ATTR_MTIME_NOW, r->mount, &call->mtime_ns))
            return false;
    }
    return true;
}

static void take_rest(struct tree_call *call, const struct stat *attr, int to_set)
{
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
}

static void handle_setattr(fuse_req_t fuse, fuse_ino_t node_id, struct stat *attr, int to_set,
                           struct fuse_file_info *file)
{
    struct request *r = request_new(fuse);
    (void)file;
    request_place(r, node_id);
    take_rest(&r->call, attr, to_set);
    if (!take_times(r, attr, to_set)) {
        request_fail(r, SF_INVALID);
        return;
    }
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

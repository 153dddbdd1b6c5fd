/* What is not there yet is refused, so that no program believes it was done. Record locks and flock
 * are refused here because the kernel would otherwise grant them within this mount alone. */
#include <errno.h>

#include "mount/mount.h"

static void handle_getlk(fuse_req_t fuse, fuse_ino_t node_id, struct fuse_file_info *file,
                         struct flock *lock)
{
    (void)node_id;
    (void)file;
    (void)lock;
    fuse_reply_err(fuse, EOPNOTSUPP);
}

static void handle_setlk(fuse_req_t fuse, fuse_ino_t node_id, struct fuse_file_info *file,
                         struct flock *lock, int wait)
{
    (void)wait;
    handle_getlk(fuse, node_id, file, lock);
}

static void handle_flock(fuse_req_t fuse, fuse_ino_t node_id, struct fuse_file_info *file,
                         int operation)
{
    (void)operation;
    handle_getlk(fuse, node_id, file, NULL);
}

void handlers_refused(struct fuse_lowlevel_ops *ops)
{
    ops->getlk = handle_getlk;
    ops->setlk = handle_setlk;
    ops->flock = handle_flock;
}

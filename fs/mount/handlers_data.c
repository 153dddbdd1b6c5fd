/* create, open, read, write, fallocate, lseek, flush, fsync, release.
 *
 * Every file is opened direct_io: each read(2) and write(2) is one request, so that a read sees
 * every write that returned before it, from any mount. There is nothing to flush. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "env/memory.h"
#include "mount/locks.h"

#define WRITE_COPY_MAX (64u << 10) /* a smaller write is copied, a larger one keeps the buffer */

/* FLUSH comes at every close, also of who only reads: it may have locks. */
static void set_file(struct request *r)
{
    r->file.direct_io = 1;
    r->file.fh = locks_new_handle(r->mount);
}

/* What a change of the bytes takes away (enum tree_set): by anybody but root the mode bits that run
 * a program as somebody else, by everybody the capability. */
static unsigned drops(const struct request *r)
{
    const struct node *node = nodes_at(&r->mount->nodes, r->node_id);
    unsigned set = node->has_capability ? TREE_DROP_CAPABILITY : 0;
    return r->call.uid != 0 && node->is_privileged ? set | TREE_DROP_PRIVILEGES : set;
}

static void reply_create(struct request *r)
{
    struct fuse_entry_param entry;
    struct node *node =
        request_make_entry(r, &r->inode, r->call.place.directory, r->call.place.name, &entry);
    node->opens++;
    set_file(r);
    if (fuse_reply_create(r->fuse, &entry, &r->file) != 0) {
        request_close_node(r->mount, node);
        nodes_forget(&r->mount->nodes, node, 1);
    }
    request_end(r);
}

static void confirm_create(struct request *r);

static void create_confirmed_then(struct request *r, int status)
{
    if (status == SF_OK)
        confirm_create(r);
    else
        request_fail(r, status);
}

/* A file that is open is kept when its last name goes; but an unlink that began before did not know
 * that it would be open. So that has to end, and then the file is looked at again. Where it is gone
 * the kernel looks up the name again, for ESTALE. */
static void confirm_create(struct request *r)
{
    const struct node *node = nodes_find(&r->mount->nodes, r->inode.ino);
    if (!node || request_is_still_there(r, node)) {
        reply_create(r);
        return;
    }
    r->call.place.ino = r->inode.ino;
    r->call.place.is_apart = node->is_apart;
    request_look_again(r, create_confirmed_then);
}

static void create_truncated_then(struct request *r, int status)
{
    if (status != SF_OK) {
        request_fail(r, status);
        return;
    }
    r->inode = r->call.inode;
    confirm_create(r);
}

static void create_then(struct request *r, int status)
{
    if (status == SF_OK && S_ISDIR(r->call.inode.mode))
        status = SF_IS_DIRECTORY;
    else if (status == SF_OK && !S_ISREG(r->call.inode.mode))
        status = SF_STALE_FILE; /* made since the kernel looked: it looks again */
    if (status != SF_OK) {
        request_fail(r, status);
        return;
    }
    r->inode = r->call.inode;
    if (r->call.created || !(r->file.flags & O_TRUNC) || r->inode.size == 0) {
        confirm_create(r);
        return;
    }
    r->call.place.ino = r->inode.ino;
    r->call.place.is_apart = r->inode.is_apart;
    r->call.set = TREE_SET_SIZE;
    r->call.size = 0;
    request_submit(r, TREE_SETATTR, create_truncated_then);
}

static void handle_create(fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode,
                          struct fuse_file_info *file)
{
    struct request *r = request_new(fuse);
    if (!request_entry(r, parent, name))
        return;
    r->file = *file;
    r->call.mode = mode & 07777;
    request_inherit(r, parent);
    r->call.exclusive = file->flags & O_EXCL;
    request_submit(r, TREE_CREATE, create_then);
}

/* As confirm_create. */
static void open_then(struct request *r, int status)
{
    if (status == SF_OK && !request_is_still_there(r, r->opening)) {
        request_look_again(r, open_then);
        return;
    }
    if (status != SF_OK) {
        request_fail(r, status);
        return;
    }
    set_file(r);
    if (fuse_reply_open(r->fuse, &r->file) == 0)
        r->opening = NULL;
    request_end(r);
}

static void handle_open(fuse_req_t fuse, fuse_ino_t node_id, struct fuse_file_info *file)
{
    struct request *r = request_new(fuse);
    r->opening = nodes_at(&r->mount->nodes, node_id);
    r->opening->opens++;
    request_place(r, node_id);
    r->file = *file;
    if (!(file->flags & O_TRUNC)) { /* the lookup before has found it; reads and writes name it */
        r->asked = r->opening->placed;
        open_then(r, SF_OK);
        return;
    }
    r->call.set = TREE_SET_SIZE | drops(r);
    r->call.size = 0;
    r->call.bare = true;
    request_submit(r, TREE_SETATTR, open_then);
}

static void read_then(struct request *r, int status)
{
    if (status != SF_OK) {
        request_fail(r, status);
        return;
    }
    fuse_reply_buf(r->fuse, (const char *)r->call.data.p, r->call.data.n);
    request_end(r);
}

static void handle_read(fuse_req_t fuse, fuse_ino_t node_id, size_t size, off_t offset,
                        struct fuse_file_info *file)
{
    struct request *r = request_new(fuse);
    (void)file;
    request_place(r, node_id);
    r->call.offset = (uint64_t)offset;
    r->call.length = size;
    request_submit(r, TREE_READ, read_then);
}

static void write_then(struct request *r, int status)
{
    if (status != SF_OK) {
        request_fail(r, status);
        return;
    }
    fuse_reply_write(r->fuse, r->call.data.n);
    request_end(r);
}

/* The bytes must outlive this call: the whole receive buffer is kept where that saves a copy. */
static void keep_data(struct request *r, const char *bytes, size_t size)
{
    struct mount *mount = r->mount;
    if (size <= WRITE_COPY_MAX) {
        r->kept = sf_memdup(bytes, size);
        r->call.data = slice_of(r->kept, size);
        return;
    }
    r->kept = mount->receive.mem;
    mount->receive.mem = NULL;
    r->call.data = slice_of(bytes, size);
}

/* O_APPEND: the offset is the kernel's guess; the server knows where the end is. A page that was
 * written through a mapping has its place. */
static void send_write(struct request *r)
{
    bool append = (r->file.flags & O_APPEND) && !r->file.writepage;
    request_submit(r, append ? TREE_APPEND : TREE_WRITE, write_then);
}

static void dropped_then(struct request *r, int status)
{
    if (status != SF_OK) {
        request_fail(r, status);
        return;
    }
    nodes_see(nodes_at(&r->mount->nodes, r->node_id), &r->call.inode);
    send_write(r);
}

/* As much as there is room for is written; where there is none, it is EFBIG. */
static void cut_at_limit(struct request *r)
{
    uint64_t offset = r->call.offset;
    if (offset < SF_FILE_BYTES_MAX && r->call.data.n > SF_FILE_BYTES_MAX - offset)
        r->call.data.n = SF_FILE_BYTES_MAX - offset;
}

static void handle_write(fuse_req_t fuse, fuse_ino_t node_id, const char *bytes, size_t size,
                         off_t offset, struct fuse_file_info *file)
{
    struct request *r = request_new(fuse);
    request_place(r, node_id);
    keep_data(r, bytes, size);
    r->file = *file;
    r->call.offset = (uint64_t)offset;
    cut_at_limit(r);
    r->call.set = drops(r);
    if (r->call.set != 0)
        request_submit(r, TREE_SETATTR, dropped_then);
    else
        send_write(r);
}

static void allocated_then(struct request *r, int status)
{
    request_fail(r, status); /* SF_OK: errno 0, which is success */
}

/* The kernel lets no other modes through than these, and others that are refused. */
static void handle_fallocate(fuse_req_t fuse, fuse_ino_t node_id, int mode, off_t offset,
                             off_t length, struct fuse_file_info *file)
{
    const int zero = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
    (void)file;
    if (mode & ~(zero | FALLOC_FL_KEEP_SIZE)) {
        fuse_reply_err(fuse, EOPNOTSUPP);
        return;
    }
    struct request *r = request_new(fuse);
    request_place(r, node_id);
    r->call.offset = (uint64_t)offset;
    r->call.length = (uint64_t)length;
    r->call.allocate = (mode & zero ? TREE_ALLOCATE_ZERO : 0u) |
                       (mode & FALLOC_FL_KEEP_SIZE ? TREE_ALLOCATE_KEEP_SIZE : 0u);
    request_submit(r, TREE_ALLOCATE, allocated_then);
}

static void sought_then(struct request *r, int status)
{
    if (status != SF_OK) {
        request_fail(r, status);
        return;
    }
    if (r->call.offset == VALUE_FOUND_NONE)
        fuse_reply_err(r->fuse, ENXIO);
    else
        fuse_reply_lseek(r->fuse, (off_t)r->call.offset);
    request_end(r);
}

/* The kernel asks for SEEK_DATA and SEEK_HOLE alone. */
static void handle_lseek(fuse_req_t fuse, fuse_ino_t node_id, off_t offset, int whence,
                         struct fuse_file_info *file)
{
    (void)file;
    if (offset < 0 || (whence != SEEK_DATA && whence != SEEK_HOLE)) {
        fuse_reply_err(fuse, offset < 0 ? ENXIO : EINVAL);
        return;
    }
    struct request *r = request_new(fuse);
    request_place(r, node_id);
    r->call.offset = (uint64_t)offset;
    r->call.seek_hole = whence == SEEK_HOLE;
    request_submit(r, TREE_SEEK, sought_then);
}

static void done_then(struct request *r, int status)
{
    request_fail(r, status == SF_STALE_FILE ? SF_OK : status);
}

static void sync_time(struct request *r)
{
    request_submit(r, TREE_FSYNC, done_then);
}

/* What write(2) acknowledged is durable: only a lazy mtime is brought up to date, where somebody
 * wrote. A file that is gone has none. */
static void flushed_then(struct request *r)
{
    if ((r->file.flags & O_ACCMODE) == O_RDONLY)
        request_fail(r, SF_OK);
    else
        sync_time(r);
}

static void handle_flush(fuse_req_t fuse, fuse_ino_t node_id, struct fuse_file_info *file)
{
    struct request *r = request_new(fuse);
    r->file = *file;
    request_place(r, node_id);
    locks_flush(r, file->lock_owner, flushed_then);
}

static void handle_fsync(fuse_req_t fuse, fuse_ino_t node_id, int data_only,
                         struct fuse_file_info *file)
{
    struct request *r = request_new(fuse);
    (void)data_only;
    (void)file;
    request_place(r, node_id);
    sync_time(r);
}

static void handle_release(fuse_req_t fuse, fuse_ino_t node_id, struct fuse_file_info *file)
{
    struct mount *mount = fuse_req_userdata(fuse);
    locks_release(mount, file->fh);
    request_close_node(mount, nodes_at(&mount->nodes, node_id));
    fuse_reply_err(fuse, 0);
}

void handlers_data(struct fuse_lowlevel_ops *ops)
{
    ops->create = handle_create;
    ops->open = handle_open;
    ops->read = handle_read;
    ops->write = handle_write;
    ops->fallocate = handle_fallocate;
    ops->lseek = handle_lseek;
    ops->flush = handle_flush;
    ops->fsync = handle_fsync;
    ops->release = handle_release;
}

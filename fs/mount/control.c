/* .shardfs: a directory in the root that is in no listing, with files about this mount and its
 * cluster. A layer around the handlers: what is about its nodes or its name is answered here, from
 * memory, and all else passed on. Nothing of it can be changed (EPERM; EACCES for an open).
 *
 * A file's text is made when it is opened, and belongs to the handle. As in /proc its size is 0. A
 * plain key of the same name is not seen in the mount; shardctl has it. */
#include "mount/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "env/memory.h"
#include "mount/request.h"

/* Above all ids, whose shard is below SF_SHARDS_MAX. */
#define CONTROL_INO 0xffff000000000001ull

struct control_node {
    const char *name;
    void (*text)(const struct mount *mount, struct buffer *to); /* NULL: the directory */
};

enum { CONTROL_DIRECTORY, CONTROL_FIRST_FILE, CONTROL_COUNT = CONTROL_FIRST_FILE + 3 };

/* An open file. */
struct control_text {
    struct control_text *prev, *next;
    struct buffer bytes;
};

struct control {
    struct control_node nodes[CONTROL_COUNT]; /* the kernel's node id is the address of one */
    struct control_text *texts;
    uint64_t begun_ns; /* the time of all of them */
};

static struct fuse_lowlevel_ops inner; /* what is wrapped: the same for every session */

void control_start(struct mount *mount)
{
    static const struct control_node nodes[CONTROL_COUNT] = {
        {CONTROL_NAME, NULL},
        {"config", control_config},
        {"stats", control_stats},
        {"members", control_members},
    };
    mount->control = sf_calloc(1, sizeof *mount->control);
    memcpy(mount->control->nodes, nodes, sizeof nodes);
    mount->control->begun_ns = env_wall_ns(mount->env);
}

static void text_free(struct control *control, struct control_text *text)
{
    DL_DELETE(control->texts, text);
    buffer_deinit(&text->bytes);
    free(text);
}

void control_stop(struct mount *mount)
{
    while (mount->control && mount->control->texts)
        text_free(mount->control, mount->control->texts);
    free(mount->control);
    mount->control = NULL;
}

/* -- nodes ----------------------------------------------------------------------------------- */

static struct control *control_of(fuse_req_t fuse)
{
    const struct mount *mount = fuse_req_userdata(fuse);
    return mount->control;
}

/* Its number among the nodes; CONTROL_COUNT: it is none. */
static size_t number_of(fuse_req_t fuse, fuse_ino_t node_id)
{
    const struct control *control = control_of(fuse);
    for (size_t i = 0; i < CONTROL_COUNT; i++) {
        if (node_id == (uintptr_t)&control->nodes[i])
            return i;
    }
    return CONTROL_COUNT;
}

static bool is_control(fuse_req_t fuse, fuse_ino_t node_id)
{
    return number_of(fuse, node_id) < CONTROL_COUNT;
}

/* The node of this name; CONTROL_COUNT: there is none. */
static size_t find(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
    const struct control *control = control_of(fuse);
    if (parent == FUSE_ROOT_ID)
        return strcmp(name, CONTROL_NAME) == 0 ? CONTROL_DIRECTORY : CONTROL_COUNT;
    size_t i = CONTROL_FIRST_FILE;
    while (i < CONTROL_COUNT && strcmp(control->nodes[i].name, name) != 0)
        i++;
    return i;
}

/* Is the entry in the directory, or is it the directory's own? */
static bool is_entry(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
    return is_control(fuse, parent) ||
           (parent == FUSE_ROOT_ID && find(fuse, parent, name) < CONTROL_COUNT);
}

static void fill_stat(fuse_req_t fuse, size_t number, struct stat *out)
{
    const struct mount *mount = fuse_req_userdata(fuse);
    uint64_t time_ns = mount->control->begun_ns;
    struct tree_inode inode = {
        .ino = CONTROL_INO + number,
        .mode = number == CONTROL_DIRECTORY ? S_IFDIR | 0555 : S_IFREG | 0444,
        .uid = getuid(),
        .gid = getgid(),
        .links = number == CONTROL_DIRECTORY ? 2 : 1,
        .atime_ns = time_ns,
        .mtime_ns = time_ns,
        .ctime_ns = time_ns,
    };
    request_stat(mount, &inode, out);
}

static void fill_entry(fuse_req_t fuse, size_t number, struct fuse_entry_param *out)
{
    const struct mount *mount = fuse_req_userdata(fuse);
    *out = (struct fuse_entry_param){
        .ino = (uintptr_t)&mount->control->nodes[number],
        .attr_timeout = mount->options->attr_timeout_s,
        .entry_timeout = mount->options->entry_timeout_s,
    };
    fill_stat(fuse, number, &out->attr);
}

static void control_lookup(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
    struct fuse_entry_param entry;
    if (!is_entry(fuse, parent, name)) {
        inner.lookup(fuse, parent, name);
        return;
    }
    size_t number = find(fuse, parent, name);
    if (number == CONTROL_COUNT) {
        fuse_reply_err(fuse, ENOENT);
        return;
    }
    fill_entry(fuse, number, &entry);
    fuse_reply_entry(fuse, &entry);
}

/* They live as long as the mount, so nobody counts their lookups. */
static void control_forget(fuse_req_t fuse, fuse_ino_t node_id, uint64_t lookups)
{
    if (is_control(fuse, node_id))
        fuse_reply_none(fuse);
    else
        inner.forget(fuse, node_id, lookups);
}

static void control_forget_multi(fuse_req_t fuse, size_t count, struct fuse_forget_data *forgets)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_control(fuse, forgets[i].ino))
            forgets[kept++] = forgets[i];
    }
    inner.forget_multi(fuse, kept, forgets);
}

static void control_getattr(fuse_req_t fuse, fuse_ino_t node_id, struct fuse_file_info *file)
{
    const struct mount *mount = fuse_req_userdata(fuse);
    struct stat stat;
    if (!is_control(fuse, node_id)) {
        inner.getattr(fuse, node_id, file);
        return;
    }
    fill_stat(fuse, number_of(fuse, node_id), &stat);
    fuse_reply_attr(fuse, &stat, mount->options->attr_timeout_s);
}

/* -- files ----------------------------------------------------------------------------------- */

static void control_open(fuse_req_t fuse, fuse_ino_t node_id, struct fuse_file_info *file)
{
    struct mount *mount = fuse_req_userdata(fuse);
    size_t number = number_of(fuse, node_id);
    if (number == CONTROL_COUNT) {
        inner.open(fuse, node_id, file);
        return;
    }
    if ((file->flags & O_ACCMODE) != O_RDONLY || file->flags & O_TRUNC) {
        fuse_reply_err(fuse, EACCES);
        return;
    }
    struct control_text *text = sf_calloc(1, sizeof *text);
    mount->control->nodes[number].text(mount, &text->bytes);
    DL_APPEND(mount->control->texts, text);
    file->fh = (uintptr_t)text;
    file->direct_io = file->noflush = 1;
    if (fuse_reply_open(fuse, file) != 0)
        text_free(mount->control, text);
}

/* The part of the bytes that was asked for. */
static void reply_part(fuse_req_t fuse, const struct buffer *bytes, size_t size, off_t offset)
{
    size_t from = offset < 0 || (uint64_t)offset > bytes->n ? bytes->n : (size_t)offset;
    size_t n = bytes->n - from < size ? bytes->n - from : size;
    fuse_reply_buf(fuse, (const char *)slice_part(buffer_slice(bytes), from, n).p, n);
}

static void control_read(fuse_req_t fuse, fuse_ino_t node_id, size_t size, off_t offset,
                         struct fuse_file_info *file)
{
    const struct control_text *text = (const struct control_text *)(uintptr_t)file->fh;
    if (is_control(fuse, node_id))
        reply_part(fuse, &text->bytes, size, offset);
    else
        inner.read(fuse, node_id, size, offset, file);
}

static void control_release(fuse_req_t fuse, fuse_ino_t node_id, struct fuse_file_info *file)
{
    if (!is_control(fuse, node_id)) {
        inner.release(fuse, node_id, file);
        return;
    }
    text_free(control_of(fuse), (struct control_text *)(uintptr_t)file->fh);
    fuse_reply_err(fuse, 0);
}

/* -- the directory --------------------------------------------------------------------------- */

static void control_opendir(fuse_req_t fuse, fuse_ino_t node_id, struct fuse_file_info *file)
{
    if (is_control(fuse, node_id))
        fuse_reply_open(fuse, file);
    else
        inner.opendir(fuse, node_id, file);
}

static void control_releasedir(fuse_req_t fuse, fuse_ino_t node_id, struct fuse_file_info *file)
{
    if (is_control(fuse, node_id))
        fuse_reply_err(fuse, 0);
    else
        inner.releasedir(fuse, node_id, file);
}

/* Entry `at`: ".", "..", then the files. Returns its size, more than `room` where it did not fit. */
static size_t add_entry(fuse_req_t fuse, size_t at, bool plus, char *to, size_t room)
{
    struct fuse_entry_param entry = {.attr = {.st_ino = TREE_ROOT, .st_mode = S_IFDIR}};
    const char *name = at == 0 ? "." : "..";
    off_t next = (off_t)at + 1;
    if (at != 1)
        fill_entry(fuse, at == 0 ? 0 : at - 1, &entry);
    if (at >= 2)
        name = control_of(fuse)->nodes[at - 1].name;
    else
        entry.ino = 0; /* the kernel takes no lookup for the dots */
    return plus ? fuse_add_direntry_plus(fuse, to, room, name, &entry, next)
                : fuse_add_direntry(fuse, to, room, name, &entry.attr, next);
}

static void list(fuse_req_t fuse, size_t size, off_t offset, bool plus)
{
    char *bytes = sf_malloc(size);
    size_t used = 0;
    for (size_t at = offset < 0 ? 0 : (size_t)offset; at < 1 + CONTROL_COUNT; at++) {
        size_t n = add_entry(fuse, at, plus, bytes + used, size - used);
        if (n > size - used)
            break;
        used += n;
    }
    fuse_reply_buf(fuse, bytes, used);
    free(bytes);
}

static void control_readdir(fuse_req_t fuse, fuse_ino_t node_id, size_t size, off_t offset,
                            struct fuse_file_info *file)
{
    if (is_control(fuse, node_id))
        list(fuse, size, offset, false);
    else
        inner.readdir(fuse, node_id, size, offset, file);
}

static void control_readdirplus(fuse_req_t fuse, fuse_ino_t node_id, size_t size, off_t offset,
                                struct fuse_file_info *file)
{
    if (is_control(fuse, node_id))
        list(fuse, size, offset, true);
    else
        inner.readdirplus(fuse, node_id, size, offset, file);
}

static void control_listxattr(fuse_req_t fuse, fuse_ino_t node_id, size_t size)
{
    if (!is_control(fuse, node_id))
        inner.listxattr(fuse, node_id, size);
    else if (size == 0)
        fuse_reply_xattr(fuse, 0);
    else
        fuse_reply_buf(fuse, NULL, 0);
}

/* -- what is refused ------------------------------------------------------------------------- */

/* Where `is_ours` holds the answer is `error`; else the inner handler's. */
#define REFUSE(name, error, is_ours, parameters, arguments)                                        \
    static void control_##name parameters                                                          \
    {                                                                                              \
        if (is_ours)                                                                               \
            fuse_reply_err(fuse, error);                                                           \
        else                                                                                       \
            inner.name arguments;                                                                  \
    }

REFUSE(setattr, EPERM, is_control(fuse, id),
       (fuse_req_t fuse, fuse_ino_t id, struct stat *attr, int set, struct fuse_file_info *file),
       (fuse, id, attr, set, file))
REFUSE(setxattr, EPERM, is_control(fuse, id),
       (fuse_req_t fuse, fuse_ino_t id, const char *name, const char *value, size_t n, int flags),
       (fuse, id, name, value, n, flags))
REFUSE(getxattr, ENODATA, is_control(fuse, id),
       (fuse_req_t fuse, fuse_ino_t id, const char *name, size_t n), (fuse, id, name, n))
REFUSE(removexattr, EPERM, is_control(fuse, id), (fuse_req_t fuse, fuse_ino_t id, const char *name),
       (fuse, id, name))
REFUSE(getlk, EOPNOTSUPP, is_control(fuse, id),
       (fuse_req_t fuse, fuse_ino_t id, struct fuse_file_info *file, struct flock *lock),
       (fuse, id, file, lock))
REFUSE(setlk, EOPNOTSUPP, is_control(fuse, id),
       (fuse_req_t fuse, fuse_ino_t id, struct fuse_file_info *file, struct flock *lock, int wait),
       (fuse, id, file, lock, wait))
REFUSE(flock, EOPNOTSUPP, is_control(fuse, id),
       (fuse_req_t fuse, fuse_ino_t id, struct fuse_file_info *file, int operation),
       (fuse, id, file, operation))
REFUSE(lseek, EINVAL, is_control(fuse, id),
       (fuse_req_t fuse, fuse_ino_t id, off_t offset, int whence, struct fuse_file_info *file),
       (fuse, id, offset, whence, file))
REFUSE(fsync, EINVAL, is_control(fuse, id),
       (fuse_req_t fuse, fuse_ino_t id, int data_only, struct fuse_file_info *file),
       (fuse, id, data_only, file))
REFUSE(flush, 0, is_control(fuse, id),
       (fuse_req_t fuse, fuse_ino_t id, struct fuse_file_info *file), (fuse, id, file))
REFUSE(mkdir, EPERM, is_entry(fuse, parent, name),
       (fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode),
       (fuse, parent, name, mode))
REFUSE(mknod, EPERM, is_entry(fuse, parent, name),
       (fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode, dev_t device),
       (fuse, parent, name, mode, device))
REFUSE(symlink, EPERM, is_entry(fuse, parent, name),
       (fuse_req_t fuse, const char *target, fuse_ino_t parent, const char *name),
       (fuse, target, parent, name))
REFUSE(link, EPERM, is_control(fuse, id) || is_entry(fuse, parent, name),
       (fuse_req_t fuse, fuse_ino_t id, fuse_ino_t parent, const char *name),
       (fuse, id, parent, name))
REFUSE(create, EPERM, is_entry(fuse, parent, name),
       (fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode,
        struct fuse_file_info *file),
       (fuse, parent, name, mode, file))
REFUSE(unlink, EPERM, is_entry(fuse, parent, name),
       (fuse_req_t fuse, fuse_ino_t parent, const char *name), (fuse, parent, name))
REFUSE(rmdir, EPERM, is_entry(fuse, parent, name),
       (fuse_req_t fuse, fuse_ino_t parent, const char *name), (fuse, parent, name))
REFUSE(rename, EPERM, is_entry(fuse, parent, name) || is_entry(fuse, to_parent, to_name),
       (fuse_req_t fuse, fuse_ino_t parent, const char *name, fuse_ino_t to_parent,
        const char *to_name, unsigned flags),
       (fuse, parent, name, to_parent, to_name, flags))

/* write and fallocate need an open for writing, readlink a symlink: they cannot come. */
void control_wrap(struct fuse_lowlevel_ops *ops)
{
    inner = *ops;
    ops->lookup = control_lookup;
    ops->forget = control_forget;
    ops->forget_multi = control_forget_multi;
    ops->getattr = control_getattr;
    ops->setattr = control_setattr;
    ops->open = control_open;
    ops->read = control_read;
    ops->release = control_release;
    ops->opendir = control_opendir;
    ops->readdir = control_readdir;
    ops->readdirplus = control_readdirplus;
    ops->releasedir = control_releasedir;
    ops->setxattr = control_setxattr;
    ops->getxattr = control_getxattr;
    ops->listxattr = control_listxattr;
    ops->removexattr = control_removexattr;
    ops->getlk = control_getlk;
    ops->setlk = control_setlk;
    ops->flock = control_flock;
    ops->lseek = control_lseek;
    ops->fsync = control_fsync;
    ops->flush = control_flush;
    ops->mkdir = control_mkdir;
    ops->mknod = control_mknod;
    ops->symlink = control_symlink;
    ops->link = control_link;
    ops->create = control_create;
    ops->unlink = control_unlink;
    ops->rmdir = control_rmdir;
    ops->rename = control_rename;
}

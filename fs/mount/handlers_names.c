/* lookup, forget, mkdir, mknod, symlink, readlink, link, unlink, rmdir, rename. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "env/memory.h"
#include "mount/request.h"

static void entry_then(struct request *r, int status)
{
    if (status != SF_OK)
        request_fail(r, status);
    else
        request_reply_entry(r, &r->call.inode);
}

static void looked_up_then(struct request *r, int status)
{
    const struct tree_place *asked = &r->call.place;
    struct node_place place = {
        .directory = asked->directory, .name = asked->name, .asked = r->asked};
    if (status == SF_NOT_FOUND)
        nodes_vacate(&r->mount->nodes, &place);
    entry_then(r, status);
}

static void handle_lookup(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
    struct request *r = request_new(fuse);
    if (!request_entry(r, parent, name))
        return;
    r->call.guess =
        nodes_directory_at(&r->mount->nodes, r->call.place.directory, r->call.place.name);
    request_submit(r, TREE_LOOKUP, looked_up_then);
}

static void forget_one(struct mount *mount, fuse_ino_t node_id, uint64_t lookups)
{
    nodes_forget(&mount->nodes, nodes_at(&mount->nodes, node_id), lookups);
}

static void handle_forget(fuse_req_t fuse, fuse_ino_t node_id, uint64_t lookups)
{
    forget_one(fuse_req_userdata(fuse), node_id, lookups);
    fuse_reply_none(fuse);
}

static void handle_forget_multi(fuse_req_t fuse, size_t count, struct fuse_forget_data *forgets)
{
    for (size_t i = 0; i < count; i++)
        forget_one(fuse_req_userdata(fuse), forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(fuse);
}

static void handle_mkdir(fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct request *r = request_new(fuse);
    if (!request_entry(r, parent, name))
        return;
    r->call.mode = S_IFDIR | mode;
    request_inherit(r, parent);
    request_submit(r, TREE_MKDIR, entry_then);
}

static void make_file(struct request *r, fuse_ino_t parent, mode_t mode)
{
    r->call.mode = mode;
    r->call.exclusive = true;
    request_inherit(r, parent);
    request_submit(r, TREE_CREATE, entry_then);
}

/* The kernel asks for regular files, fifos, sockets and devices alone. */
static void handle_mknod(fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode,
                         dev_t device)
{
    struct request *r = request_new(fuse);
    if (!request_entry(r, parent, name))
        return;
    r->call.device = (uint32_t)device;
    make_file(r, parent, mode);
}

static void handle_symlink(fuse_req_t fuse, const char *target, fuse_ino_t parent, const char *name)
{
    struct request *r = request_new(fuse);
    if (!request_entry(r, parent, name))
        return;
    r->kept = sf_strdup(target);
    r->call.data = slice_str(r->kept);
    make_file(r, parent, S_IFLNK | 0777);
}

static void readlink_then(struct request *r, int status)
{
    char target[TREE_TARGET_BYTES_MAX + 1];
    if (status != SF_OK) {
        request_fail(r, status);
        return;
    }
    memcpy(target, r->call.data.p, r->call.data.n);
    target[r->call.data.n] = 0;
    fuse_reply_readlink(r->fuse, target);
    request_end(r);
}

static void handle_readlink(fuse_req_t fuse, fuse_ino_t node_id)
{
    struct request *r = request_new(fuse);
    request_place(r, node_id);
    request_submit(r, TREE_READLINK, readlink_then);
}

static void linked_then(struct request *r, int status)
{
    struct fuse_entry_param entry;
    if (status != SF_OK) {
        request_fail(r, status);
        return;
    }
    struct node *node =
        request_make_entry(r, &r->call.inode, r->call.to_directory, r->call.to_name, &entry);
    if (fuse_reply_entry(r->fuse, &entry) != 0)
        nodes_forget(&r->mount->nodes, node, 1);
    request_end(r);
}

/* False: the name is too long; the reply was sent and the request is gone. */
static bool take_target(struct request *r, fuse_ino_t directory, const char *name)
{
    if (strlen(name) > TREE_NAME_BYTES_MAX) {
        request_fail(r, SF_NAME_TOO_LONG);
        return false;
    }
    strcpy(r->to_name, name);
    r->call.to_directory = nodes_at(&r->mount->nodes, directory)->ino;
    r->call.to_name = slice_str(r->to_name);
    return true;
}

static void handle_link(fuse_req_t fuse, fuse_ino_t node_id, fuse_ino_t to_parent,
                        const char *to_name)
{
    struct request *r = request_new(fuse);
    request_place(r, node_id);
    if (take_target(r, to_parent, to_name))
        request_submit(r, TREE_LINK, linked_then);
}

static void done_then(struct request *r, int status)
{
    request_fail(r, status); /* SF_OK: errno 0, which is success */
}

/* Asked of the inode that loses a name, before it does. */
static bool is_open(struct tree_call *call, uint64_t ino)
{
    struct request *r = container_of(call, struct request, call);
    const struct node *node = nodes_find(&r->mount->nodes, ino);
    request_removes(r, ino);
    return node && nodes_may_be_open(node);
}

/* A file that lost its last name and is open lives in its inode's own record. */
static void dropped_then(struct request *r, int status)
{
    struct node *node = NULL;
    if (status == SF_OK && r->call.orphan != 0)
        node = nodes_find(&r->mount->nodes, r->call.orphan);
    if (node)
        node->is_apart = true;
    done_then(r, status);
}

static void handle_unlink(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
    struct request *r = request_new(fuse);
    if (!request_entry(r, parent, name))
        return;
    r->call.is_open = is_open;
    request_submit(r, TREE_UNLINK, dropped_then);
}

/* The kernel remembers that it moved or removed what it takes to be at a name. Where that is a
 * directory, and another mount has changed the name since it was looked up, it would refuse every use
 * of a directory that is still there, or take it for one above another. So the change asks for that
 * directory, and else the kernel has to look again, which ESTALE makes it do. */
static uint64_t taken_to_be_at(const struct request *r, uint64_t directory, struct slice name)
{
    return nodes_directory_at(&r->mount->nodes, directory, name);
}

static void note_removed(struct request *r, uint64_t ino)
{
    nodes_removed(&r->mount->nodes, ino, env_wall_ns(r->mount->env));
}

static void removed_then(struct request *r, int status)
{
    if (status == SF_OK)
        note_removed(r, r->call.inode.ino);
    done_then(r, status);
}

static void handle_rmdir(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
    struct request *r = request_new(fuse);
    if (!request_entry(r, parent, name))
        return;
    r->call.place.ino = taken_to_be_at(r, r->call.place.directory, r->call.place.name);
    request_submit(r, TREE_RMDIR, removed_then);
}

static void renamed_then(struct request *r, int status)
{
    const struct tree_call *call = &r->call;
    struct nodes *nodes = &r->mount->nodes;
    struct node_place from = {
        .directory = call->place.directory, .name = call->place.name, .asked = ++nodes->sent};
    struct node_place to = {
        .directory = call->to_directory, .name = call->to_name, .asked = nodes->sent};
    if (status == SF_OK) {
        nodes_moved(nodes, call->inode.ino, &to);
        if (call->exchange)
            nodes_moved(nodes, call->target_ino, &from);
        else
            note_removed(r, call->target_ino);
    }
    dropped_then(r, status);
}

static void handle_rename(fuse_req_t fuse, fuse_ino_t parent, const char *name,
                          fuse_ino_t to_parent, const char *to_name, unsigned flags)
{
    if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE)) {
        fuse_reply_err(fuse, EINVAL);
        return;
    }
    struct request *r = request_new(fuse);
    if (!request_entry(r, parent, name) || !take_target(r, to_parent, to_name))
        return;
    r->call.no_replace = flags & RENAME_NOREPLACE;
    r->call.exchange = flags & RENAME_EXCHANGE;
    r->call.is_open = is_open;
    r->call.place.ino = taken_to_be_at(r, r->call.place.directory, r->call.place.name);
    r->call.to_ino = taken_to_be_at(r, r->call.to_directory, r->call.to_name);
    request_submit(r, TREE_RENAME, renamed_then);
}

void handlers_names(struct fuse_lowlevel_ops *ops)
{
    ops->lookup = handle_lookup;
    ops->forget = handle_forget;
    ops->forget_multi = handle_forget_multi;
    ops->mkdir = handle_mkdir;
    ops->mknod = handle_mknod;
    ops->symlink = handle_symlink;
    ops->readlink = handle_readlink;
    ops->link = handle_link;
    ops->unlink = handle_unlink;
    ops->rmdir = handle_rmdir;
    ops->rename = handle_rename;
}

/* opendir, readdir, readdirplus, releasedir, fsyncdir.
 *
 * A handle knows by number every name that it gave since its listing began, and holds the page that
 * was read last. What an offset says: 0 the start, 1 behind ".", 2 + n behind n names; so a place
 * is found again by the name before it, whatever has come or gone since.
 *
 * Attributes are given only with the request that read them. The kernel takes those of a reply for
 * newer than what it learnt before the request, and would cut a file that has grown since an older
 * page was read, with what is dirty in its mappings. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <utlist.h>

#include "env/memory.h"
#include "mount/request.h"

#define PAGE_ENTRIES 1024u
#define FIRST_OFFSET 2u       /* to ask with for name number 0 */
#define PLUS_BYTES_USUAL 176u /* of an entry with attributes and a name of 24 bytes */

struct dir_name {
    size_t at, bytes; /* in the handle's names */
};

struct dir_handle {
    struct dir_handle *prev, *next; /* in mount->dirs */
    struct buffer names;
    struct dir_name *known; /* by number: those that were given, then the rest of the page */
    size_t known_count, known_room;
    size_t given; /* names 0 .. given - 1 were given */

    bool loaded;               /* there is a page */
    size_t behind;             /* it was asked for behind so many names ... */
    size_t first;              /* ... and its first name has this number */
    bool end;                  /* nothing comes behind it */
    struct tree_inode *inodes; /* of known[first] and so on */
    size_t inodes_room;
    struct request *reading; /* the request that waits for a page; NULL: none */
};

static struct dir_handle *handle_of(const struct fuse_file_info *file)
{
    return (struct dir_handle *)(uintptr_t)file->fh;
}

static void handle_free(struct mount *mount, struct dir_handle *dir)
{
    DL_DELETE(mount->dirs, dir);
    buffer_deinit(&dir->names);
    free(dir->known);
    free(dir->inodes);
    free(dir);
}

void dirs_free(struct mount *mount)
{
    while (mount->dirs)
        handle_free(mount, mount->dirs);
}

static void handle_opendir(fuse_req_t fuse, fuse_ino_t node_id, struct fuse_file_info *file)
{
    struct mount *mount = fuse_req_userdata(fuse);
    struct dir_handle *dir = sf_calloc(1, sizeof *dir);
    (void)node_id;
    DL_APPEND(mount->dirs, dir);
    file->fh = (uint64_t)(uintptr_t)dir;
    if (fuse_reply_open(fuse, file) != 0)
        handle_free(mount, dir);
}

static void handle_releasedir(fuse_req_t fuse, fuse_ino_t node_id, struct fuse_file_info *file)
{
    struct dir_handle *dir = handle_of(file);
    (void)node_id;
    if (dir->reading)
        request_interrupt(dir->reading);
    handle_free(fuse_req_userdata(fuse), dir);
    fuse_reply_err(fuse, 0);
}

static void handle_fsyncdir(fuse_req_t fuse, fuse_ino_t node_id, int data_only,
                            struct fuse_file_info *file)
{
    (void)node_id;
    (void)data_only;
    (void)file;
    fuse_reply_err(fuse, 0); /* every change of a directory is durable when it is answered */
}

/* -- pages ---------------------------------------------------------------------------------- */

/* From the start again: what is there now. */
static void forget_all(struct dir_handle *dir)
{
    buffer_clear(&dir->names);
    dir->known_count = dir->given = 0;
    dir->loaded = false;
}

/* What was read and never given has no number yet. */
static void drop_page(struct dir_handle *dir)
{
    dir->loaded = false;
    if (dir->known_count > dir->given)
        dir->names.n = dir->known[dir->given].at;
    dir->known_count = dir->given;
}

static bool on_entry(struct tree_call *call, struct slice name, const struct tree_inode *inode)
{
    struct dir_handle *dir = container_of(call, struct request, call)->dir;
    size_t at = dir->known_count - dir->first;
    if (call->place.ino == TREE_ROOT && slice_equal(name, slice_str(CONTROL_NAME)))
        return true; /* a key of this name is not to be seen here */
    if (dir->known_count == dir->known_room) {
        dir->known_room = dir->known_room > 0 ? 2 * dir->known_room : 64;
        dir->known = sf_realloc(dir->known, dir->known_room * sizeof *dir->known);
    }
    if (at == dir->inodes_room) {
        dir->inodes_room = at > 0 ? 2 * at : 64;
        dir->inodes = sf_realloc(dir->inodes, dir->inodes_room * sizeof *dir->inodes);
    }
    dir->inodes[at] = *inode;
    dir->known[dir->known_count++] = (struct dir_name){.at = dir->names.n, .bytes = name.n};
    buffer_append(&dir->names, name.p, name.n);
    return true;
}

static struct slice name_of(const struct dir_handle *dir, size_t number)
{
    return slice_of(dir->names.p + dir->known[number].at, dir->known[number].bytes);
}

static void page_then(struct request *r, int status);

static void read_page(struct request *r, size_t behind)
{
    struct dir_handle *dir = r->dir;
    drop_page(dir);
    dir->behind = behind;
    dir->first = dir->known_count;
    if (behind > 0) { /* a copy: the names grow while the page comes in */
        struct slice after = name_of(dir, behind - 1);
        memcpy(r->to_name, after.p, after.n);
        r->call.after = slice_of(r->to_name, after.n);
    }
    r->call.length = r->plus ? r->size / PLUS_BYTES_USUAL + 1 : PAGE_ENTRIES;
    r->call.on_entry = on_entry;
    request_submit(r, TREE_READDIR, page_then);
}

/* Where in the page the name comes that stands behind so many. False: not in this page. */
static bool find_in_page(const struct dir_handle *dir, size_t behind, size_t *number)
{
    if (!dir->loaded)
        return false;
    *number = behind == dir->behind ? dir->first : behind;
    return behind == dir->behind || (behind > dir->first && behind <= dir->known_count);
}

/* -- filling a reply ------------------------------------------------------------------------ */

struct filling {
    struct request *r;
    char *bytes;
    size_t used, room;
};

/* False: no room for it. */
static bool add(struct filling *f, const char *name, struct fuse_entry_param *entry, off_t next)
{
    fuse_req_t fuse = f->r->fuse;
    char *to = f->bytes + f->used;
    size_t room = f->room - f->used;
    size_t size = f->r->plus ? fuse_add_direntry_plus(fuse, to, room, name, entry, next)
                             : fuse_add_direntry(fuse, to, room, name, &entry->attr, next);
    if (size > room)
        return false;
    f->used += size;
    return true;
}

static bool add_dots(struct filling *f, uint64_t *offset)
{
    const struct node *node = nodes_at(&f->r->mount->nodes, f->r->node_id);
    struct fuse_entry_param entry = {.ino = 0};
    entry.attr.st_mode = S_IFDIR;
    if (*offset == 0) {
        entry.attr.st_ino = node->ino;
        if (!add(f, ".", &entry, 1))
            return false;
        *offset = 1;
    }
    if (*offset == 1) {
        entry.attr.st_ino = node->parent ? node->parent : TREE_ROOT;
        if (!add(f, "..", &entry, 2))
            return false;
        *offset = 2;
    }
    return true;
}

/* Does it come as a look-up? Else the kernel looks it up where it needs to. */
static bool is_entry(const struct request *r, const struct tree_inode *inode, bool fresh)
{
    return r->plus && fresh && inode->version != 0;
}

static bool add_name(struct filling *f, size_t number, bool fresh)
{
    struct request *r = f->r;
    struct dir_handle *dir = r->dir;
    const struct tree_inode *inode = &dir->inodes[number - dir->first];
    struct fuse_entry_param entry = {.ino = 0};
    struct node *node = NULL;
    char name[TREE_NAME_BYTES_MAX + 1];
    struct slice bytes = name_of(dir, number);
    memcpy(name, bytes.p, bytes.n);
    name[bytes.n] = 0;
    if (is_entry(r, inode, fresh)) {
        node = request_make_entry(r, inode, r->call.place.ino, bytes, &entry);
    } else {
        entry.attr.st_ino = inode->ino;
        entry.attr.st_mode = inode->mode;
    }
    if (add(f, name, &entry, (off_t)(FIRST_OFFSET + number + 1)))
        return true;
    if (node)
        nodes_forget(&r->mount->nodes, node, 1);
    return false;
}

/* Returns the number behind the last that was added. */
static size_t add_names(struct filling *f, size_t number, bool fresh)
{
    struct dir_handle *dir = f->r->dir;
    while (number < dir->known_count && add_name(f, number, fresh))
        number++;
    if (dir->given < number)
        dir->given = number;
    return number;
}

/* The reply was not delivered: M2. */
static void take_back(struct request *r, size_t number, size_t end, bool fresh)
{
    struct nodes *nodes = &r->mount->nodes;
    for (; number < end; number++) {
        const struct tree_inode *inode = &r->dir->inodes[number - r->dir->first];
        if (is_entry(r, inode, fresh))
            nodes_forget(nodes, nodes_find(nodes, inode->ino), 1);
    }
}

static void reply(struct request *r, size_t number, bool fresh)
{
    struct filling f = {.r = r, .room = r->size, .bytes = sf_malloc(r->size)};
    uint64_t offset = (uint64_t)r->offset;
    size_t end = number;
    if (add_dots(&f, &offset))
        end = add_names(&f, number, fresh);
    if (fuse_reply_buf(r->fuse, f.bytes, f.used) != 0)
        take_back(r, number, end, fresh);
    free(f.bytes);
    request_end(r);
}

/* -- the requests --------------------------------------------------------------------------- */

static void page_then(struct request *r, int status)
{
    struct dir_handle *dir = r->dir;
    if (status != SF_OK) {
        drop_page(dir);
        request_fail(r, status);
        return;
    }
    if (!r->call.end && dir->known_count == dir->first) { /* there was that key alone */
        r->call.after = slice_str(CONTROL_NAME);
        request_submit(r, TREE_READDIR, page_then);
        return;
    }
    dir->loaded = true;
    dir->end = r->call.end;
    sf_assert(dir->end || dir->known_count > dir->first); /* as tree.h promises */
    reply(r, dir->first, true);
}

static void serve(struct request *r, size_t behind)
{
    struct dir_handle *dir = r->dir;
    size_t number;
    bool found = find_in_page(dir, behind, &number);
    bool is_end = found && dir->end && number == dir->known_count;
    bool some = found && !r->plus && number < dir->known_count;
    if (is_end || some)
        reply(r, number, false);
    else
        read_page(r, behind);
}

static void read_dir(fuse_req_t fuse, fuse_ino_t node_id, size_t size, off_t offset,
                     struct fuse_file_info *file, bool plus)
{
    struct dir_handle *dir = handle_of(file);
    size_t behind = offset > (off_t)FIRST_OFFSET ? (size_t)offset - FIRST_OFFSET : 0;
    if (dir->reading || offset < 0 || behind > dir->given) {
        /* The kernel reads an open directory by one request at a time. */
        fuse_reply_err(fuse, dir->reading ? EBUSY : EINVAL);
        return;
    }
    struct request *r = request_new(fuse);
    request_place(r, node_id);
    r->dir = dir;
    r->size = size;
    r->offset = offset;
    r->plus = plus;
    r->slot = &dir->reading;
    dir->reading = r;
    if (offset == 0)
        forget_all(dir);
    serve(r, behind);
}

static void handle_readdir(fuse_req_t fuse, fuse_ino_t node_id, size_t size, off_t offset,
                           struct fuse_file_info *file)
{
    read_dir(fuse, node_id, size, offset, file, false);
}

static void handle_readdirplus(fuse_req_t fuse, fuse_ino_t node_id, size_t size, off_t offset,
                               struct fuse_file_info *file)
{
    read_dir(fuse, node_id, size, offset, file, true);
}

void handlers_dir(struct fuse_lowlevel_ops *ops)
{
    ops->opendir = handle_opendir;
    ops->readdir = handle_readdir;
    ops->readdirplus = handle_readdirplus;
    ops->releasedir = handle_releasedir;
    ops->fsyncdir = handle_fsyncdir;
}

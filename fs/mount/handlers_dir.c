/* opendir, readdir, readdirplus, releasedir, fsyncdir.
 *
 * A handle holds one page of names. An entry's offset is its number in this handle's reading of the
 * directory, from 3 on ("." is 1, ".." is 2); for each page that was read the handle keeps the name
 * it began behind, so that a seek back finds the place again whatever has changed since. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "env/memory.h"
#include "mount/request.h"

#define PAGE_ENTRIES 1024u
#define FIRST_OFFSET 2u /* offset to ask with for entry number 0 */

struct dir_entry {
    struct tree_inode inode;
    size_t name_at, name_bytes; /* in the page's names */
};

struct dir_mark {
    uint64_t number; /* of the first entry of the page */
    size_t name_bytes;
    char name[TREE_NAME_BYTES_MAX]; /* that the page begins behind; empty: the start */
};

struct dir_handle {
    struct dir_entry *entries; /* the page */
    size_t count, room;
    struct buffer names;
    uint64_t first;         /* number of entries[0] */
    bool loaded, end;       /* there is a page; nothing comes behind it */
    struct dir_mark *marks; /* ascending */
    size_t mark_count;
    struct request
        *reading; /* the request that waits for a page; others of this handle are refused */
};

static struct dir_handle *handle_of(const struct fuse_file_info *file)
{
    return (struct dir_handle *)(uintptr_t)file->fh;
}

static void handle_free(struct dir_handle *dir)
{
    buffer_deinit(&dir->names);
    free(dir->entries);
    free(dir->marks);
    free(dir);
}

static void handle_opendir(fuse_req_t fuse, fuse_ino_t node_id, struct fuse_file_info *file)
{
    struct dir_handle *dir = sf_calloc(1, sizeof *dir);
    (void)node_id;
    file->fh = (uint64_t)(uintptr_t)dir;
    if (fuse_reply_open(fuse, file) != 0)
        handle_free(dir);
}

static void handle_releasedir(fuse_req_t fuse, fuse_ino_t node_id, struct fuse_file_info *file)
{
    (void)node_id;
    handle_free(handle_of(file));
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

/* -- pages --------------------------------------------------------------------------------- */

static bool on_entry(struct tree_call *call, struct slice name, const struct tree_inode *inode)
{
    struct dir_handle *dir = container_of(call, struct request, call)->dir;
    if (dir->count == dir->room) {
        dir->room = dir->room > 0 ? 2 * dir->room : 64;
        dir->entries = sf_realloc(dir->entries, dir->room * sizeof *dir->entries);
    }
    dir->entries[dir->count++] =
        (struct dir_entry){.inode = *inode, .name_at = dir->names.n, .name_bytes = name.n};
    buffer_append(&dir->names, name.p, name.n);
    return true;
}

static struct slice name_of(const struct dir_handle *dir, const struct dir_entry *entry)
{
    return slice_of(dir->names.p + entry->name_at, entry->name_bytes);
}

/* The mark of the page that holds entry `number`, or of the page behind the present one. */
static const struct dir_mark *mark_for(struct dir_handle *dir, uint64_t number)
{
    if (dir->loaded && dir->count > 0 && number >= dir->first + dir->count) {
        struct slice last = name_of(dir, &dir->entries[dir->count - 1]);
        dir->marks = sf_realloc(dir->marks, (dir->mark_count + 1) * sizeof *dir->marks);
        struct dir_mark *mark = &dir->marks[dir->mark_count];
        mark->number = dir->first + dir->count;
        mark->name_bytes = last.n;
        memcpy(mark->name, last.p, last.n);
        if (dir->mark_count == 0 || dir->marks[dir->mark_count - 1].number < mark->number)
            dir->mark_count++;
    }
    const struct dir_mark *found = NULL;
    for (size_t i = 0; i < dir->mark_count && dir->marks[i].number <= number; i++)
        found = &dir->marks[i];
    return found;
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

static bool add_dots(struct filling *f, const char *name, uint64_t ino, off_t next)
{
    struct fuse_entry_param entry = {.ino = 0};
    entry.attr.st_ino = ino;
    entry.attr.st_mode = S_IFDIR;
    return add(f, name, &entry, next);
}

static bool add_entry(struct filling *f, const struct dir_entry *found, off_t next)
{
    struct request *r = f->r;
    struct fuse_entry_param entry = {.ino = 0};
    struct node *node = NULL;
    char name[TREE_NAME_BYTES_MAX + 1];
    struct slice bytes = name_of(r->dir, found);
    memcpy(name, bytes.p, bytes.n);
    name[bytes.n] = 0;
    if (f->r->plus && found->inode.version != 0) {
        node = request_make_entry(r->mount, &found->inode, r->call.place.ino, bytes, &entry);
    } else { /* the kernel looks it up where it needs to */
        entry.attr.st_ino = found->inode.ino;
        entry.attr.st_mode = found->inode.mode;
    }
    if (add(f, name, &entry, next))
        return true;
    if (node)
        nodes_forget(&r->mount->nodes, node, 1);
    return false;
}

/* Adds what is known from the request's offset on. True: the reply is complete, or something is in
 * it; false: a page must be read first. */
static bool fill(struct filling *f)
{
    struct request *r = f->r;
    struct dir_handle *dir = r->dir;
    uint64_t at = (uint64_t)r->offset;
    const struct node *node = nodes_at(&r->mount->nodes, r->node_id);
    if (at == 0 && !add_dots(f, ".", node->ino, (off_t)++at))
        return true;
    if (at == 1 && !add_dots(f, "..", node->directory ? node->directory : TREE_ROOT, (off_t)++at))
        return true;
    uint64_t number = at - FIRST_OFFSET;
    bool within = dir->loaded && number >= dir->first && number <= dir->first + dir->count;
    while (within && number < dir->first + dir->count) {
        if (!add_entry(f, &dir->entries[number - dir->first], (off_t)(++at)))
            return true;
        number++;
    }
    return f->used > 0 || (within && dir->end);
}

static void read_page(struct request *r, uint64_t number);

static void serve(struct request *r)
{
    struct filling f = {.r = r, .room = r->size};
    f.bytes = sf_malloc(r->size);
    if (fill(&f)) {
        fuse_reply_buf(r->fuse, f.bytes, f.used);
        request_end(r);
    } else {
        read_page(r, (uint64_t)r->offset > FIRST_OFFSET ? (uint64_t)r->offset - FIRST_OFFSET : 0);
    }
    free(f.bytes);
}

static void page_then(struct request *r, int status)
{
    struct dir_handle *dir = r->dir;
    if (status != SF_OK) {
        dir->loaded = false;
        request_fail(r, status);
        return;
    }
    dir->loaded = true;
    dir->end = r->call.end;
    sf_assert(dir->end || dir->count > 0); /* as tree.h promises */
    serve(r);
}

static void read_page(struct request *r, uint64_t number)
{
    struct dir_handle *dir = r->dir;
    const struct dir_mark *mark = mark_for(dir, number);
    dir->first = mark ? mark->number : 0;
    r->call.after = mark ? slice_of(mark->name, mark->name_bytes) : slice_of(NULL, 0);
    r->call.length = PAGE_ENTRIES;
    r->call.on_entry = on_entry;
    dir->count = 0;
    dir->loaded = false;
    buffer_clear(&dir->names);
    request_submit(r, TREE_READDIR, page_then);
}

static void read_dir(fuse_req_t fuse, fuse_ino_t node_id, size_t size, off_t offset,
                     struct fuse_file_info *file, bool plus)
{
    struct dir_handle *dir = handle_of(file);
    if (dir->reading) { /* two threads read one open directory: the kernel serialises that */
        fuse_reply_err(fuse, EBUSY);
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
    if (offset == 0) { /* from the start: what is there now */
        dir->loaded = dir->end = false;
        dir->mark_count = 0;
    }
    serve(r);
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

#include "worker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "env/memory.h"

#define TOKEN_BYTES 8u

static void wrong(struct worker *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void wrong(struct worker *w, const char *format, ...)
{
    va_list args;
    if (w->wrong[0])
        return;
    va_start(args, format);
    vsnprintf(w->wrong, sizeof w->wrong, format, args);
    va_end(args);
}

void worker_init(struct worker *w)
{
    for (unsigned i = 0; i < DIRS_MAX; i++)
        w->dirs[i] = -1;
    w->kept = -1;
}

static void close_all(struct worker *w)
{
    for (unsigned i = 0; i < DIRS_MAX; i++) {
        if (w->dirs[i] >= 0)
            close(w->dirs[i]);
        w->dirs[i] = -1;
    }
}

void worker_deinit(struct worker *w)
{
    close_all(w);
    if (w->walked)
        tree_unref(w->walked);
}

static const char *name_of(unsigned name)
{
    static const char *const names[NAMES_MAX] = {"n0", "n1", "n2", "n3", "n4", "n5"};
    return names[name];
}

static void token_text(uint32_t token, char text[TOKEN_BYTES + 1])
{
    snprintf(text, TOKEN_BYTES + 1, "%08x", token);
}

/* What was written, or 0; of anything else a number that nobody wrote. */
static uint64_t token_of(const char *text, size_t n)
{
    char copy[TOKEN_BYTES + 1] = "", *end;
    if (n == 0)
        return 0;
    memcpy(copy, text, n < TOKEN_BYTES ? n : TOKEN_BYTES);
    uint64_t token = strtoul(copy, &end, 16);
    return n == TOKEN_BYTES && *end == 0 && token != 0 ? token : UINT64_MAX;
}

/* -- events --------------------------------------------------------------------------------- */

static uint64_t tick(struct worker *w)
{
    return atomic_fetch_add(w->clock, 1);
}

static struct event *begin(struct worker *w, enum event_kind kind, const struct op *op)
{
    struct event *e = &w->events[w->event_count++];
    *e = (struct event){
        .kind = kind, .worker = (uint8_t)w->number, .mount = (uint8_t)w->mount, .call = tick(w)};
    if (op) {
        e->dir = op->dir;
        e->name = op->name;
        e->dir2 = op->dir2;
        e->name2 = op->name2;
        e->number = op->number;
    }
    return e;
}

static bool end(struct worker *w, struct event *e, long result)
{
    e->error = result < 0 ? errno : 0;
    e->returned = tick(w);
    return result >= 0;
}

static enum type type_of(mode_t mode)
{
    return S_ISREG(mode)   ? TYPE_FILE
           : S_ISLNK(mode) ? TYPE_SYMLINK
           : S_ISDIR(mode) ? TYPE_DIRECTORY
                           : TYPE_NONE;
}

static void set_attributes(struct event *e, const struct stat *st)
{
    e->ino = st->st_ino;
    e->type = type_of(st->st_mode);
    e->links = (unsigned)st->st_nlink;
    e->size = (uint64_t)st->st_size;
}

/* Which file was opened. 0: it is gone already, by another mount. */
static uint64_t identify(struct worker *w, int fd)
{
    struct stat st;
    struct event *e = begin(w, EVENT_ATTR, NULL);
    if (end(w, e, fstat(fd, &st))) {
        set_attributes(e, &st);
        return e->ino;
    }
    w->event_count--;
    if (e->error != ESTALE || !w->rules->several)
        wrong(w, "fstat of a file just opened: %s", strerror(e->error));
    return 0;
}

static void read_open(struct worker *w, int fd, uint64_t ino)
{
    char text[2 * TOKEN_BYTES];
    struct event *e = begin(w, EVENT_READ, NULL);
    ssize_t n = pread(fd, text, sizeof text, 0);
    e->ino = ino;
    if (end(w, e, n))
        e->content = token_of(text, (size_t)n);
}

static void write_open(struct worker *w, int fd, uint64_t ino, uint32_t token)
{
    char text[TOKEN_BYTES + 1];
    token_text(token, text);
    struct event *e = begin(w, EVENT_WRITE, NULL);
    ssize_t n = pwrite(fd, text, TOKEN_BYTES, 0);
    e->ino = ino;
    e->content = token;
    if (end(w, e, n) && n != TOKEN_BYTES)
        wrong(w, "a write of %u bytes wrote %zd", TOKEN_BYTES, n);
}

static void close_file(struct worker *w, int fd)
{
    if (close(fd) != 0 && errno != ESTALE)
        wrong(w, "close: %s", strerror(errno));
}

/* Its descriptor, or -1; *ino as identify says. */
static int open_file(struct worker *w, enum event_kind kind, const struct op *op, int flags,
                     uint64_t *ino)
{
    struct event *e = begin(w, kind, op);
    int fd =
        openat(w->dirs[op->dir], name_of(op->name), O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0644);
    if (!end(w, e, fd))
        return -1;
    e->ino = *ino = identify(w, fd);
    return fd;
}

/* -- operations ----------------------------------------------------------------------------- */

static void do_write(struct worker *w, const struct op *op, enum event_kind kind, int flags)
{
    uint64_t ino;
    int fd = open_file(w, kind, op, flags, &ino);
    if (fd < 0)
        return;
    if (ino != 0)
        write_open(w, fd, ino, op->token);
    close_file(w, fd);
}

static void do_read(struct worker *w, const struct op *op)
{
    uint64_t ino;
    int fd = open_file(w, EVENT_OPEN, op, 0, &ino);
    if (fd < 0)
        return;
    if (ino != 0)
        read_open(w, fd, ino);
    close_file(w, fd);
}

static void do_keep(struct worker *w, const struct op *op)
{
    if (w->kept >= 0)
        do_read(w, op);
    else
        w->kept = open_file(w, EVENT_OPEN, op, 0, &w->kept_ino);
}

void worker_finish(struct worker *w)
{
    if (w->kept < 0)
        return;
    if (w->kept_ino != 0) {
        struct stat st;
        read_open(w, w->kept, w->kept_ino);
        struct event *e = begin(w, EVENT_ATTR, NULL);
        e->ino = w->kept_ino;
        if (end(w, e, fstat(w->kept, &st)))
            set_attributes(e, &st);
    }
    close_file(w, w->kept);
    w->kept = -1;
}

static void do_stat(struct worker *w, const struct op *op)
{
    struct stat st;
    struct event *e = begin(w, EVENT_NAME, op);
    if (!end(w, e, fstatat(w->dirs[op->dir], name_of(op->name), &st, AT_SYMLINK_NOFOLLOW)))
        return;
    set_attributes(e, &st);
    struct event *attributes = &w->events[w->event_count++];
    *attributes = *e;
    attributes->kind = EVENT_ATTR;
}

static void do_symlink(struct worker *w, const struct op *op)
{
    char text[TOKEN_BYTES + 1];
    token_text(op->token, text);
    struct event *e = begin(w, EVENT_SYMLINK, op);
    e->content = op->token;
    end(w, e, symlinkat(text, w->dirs[op->dir], name_of(op->name)));
}

static void do_readlink(struct worker *w, const struct op *op)
{
    char text[2 * TOKEN_BYTES];
    struct event *e = begin(w, EVENT_READLINK, op);
    ssize_t n = readlinkat(w->dirs[op->dir], name_of(op->name), text, sizeof text);
    if (end(w, e, n))
        e->content = token_of(text, (size_t)n);
}

static void do_link(struct worker *w, const struct op *op)
{
    struct event *from = begin(w, EVENT_FROM, op);
    bool done =
        end(w, from,
            linkat(w->dirs[op->dir], name_of(op->name), w->dirs[op->dir2], name_of(op->name2), 0));
    struct event *link = done ? &w->events[w->event_count++] : from;
    *link = *from;
    link->kind = EVENT_LINK;
}

static void do_rename(struct worker *w, const struct op *op)
{
    struct event *e = begin(w, EVENT_RENAME, op);
    e->flags = op->flags;
    end(w, e,
        renameat2(w->dirs[op->dir], name_of(op->name), w->dirs[op->dir2], name_of(op->name2),
                  op->flags));
}

static void do_remove(struct worker *w, const struct op *op, enum event_kind kind, int flags)
{
    struct event *e = begin(w, kind, op);
    end(w, e, unlinkat(w->dirs[op->dir], name_of(op->name), flags));
}

static void do_mkdir(struct worker *w, const struct op *op)
{
    struct event *e = begin(w, EVENT_MKDIR, op);
    end(w, e, mkdirat(w->dirs[op->dir], name_of(op->name), 0755));
}

/* -- listing -------------------------------------------------------------------------------- */

static enum type type_of_entry(const struct dirent64 *entry)
{
    return type_of((mode_t)DTTOIF(entry->d_type));
}

/* Which of the names it is; NAMES_MAX: none. */
static unsigned find_name(const char *name)
{
    unsigned n = 0;
    while (n < NAMES_MAX && strcmp(name_of(n), name) != 0)
        n++;
    return n;
}

/* Those of one getdents, which are all: so few fit in one page, which is read at one moment. */
static void take_entries(struct worker *w, struct seen_entry list[NAMES_MAX], const char *from,
                         long bytes)
{
    for (long at = 0; at < bytes;) {
        struct dirent64 entry;
        memcpy(&entry, from + at, offsetof(struct dirent64, d_name));
        const char *name = from + at + offsetof(struct dirent64, d_name);
        unsigned n = find_name(name);
        at += entry.d_reclen;
        if (n < NAMES_MAX && list[n].type != TYPE_NONE)
            wrong(w, "a listing has '%s' twice", name);
        if (n < NAMES_MAX)
            list[n] = (struct seen_entry){entry.d_ino, type_of_entry(&entry)};
        else if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
            wrong(w, "a listing has '%s', which nobody made", name);
    }
}

static void do_list(struct worker *w, const struct op *op)
{
    char entries[4096];
    int fd = w->dirs[op->dir];
    struct event *e = begin(w, EVENT_LIST, op);
    long n = lseek(fd, 0, SEEK_SET) == 0 ? (long)getdents64(fd, entries, sizeof entries) : -1;
    if (end(w, e, n))
        take_entries(w, e->list, entries, n);
}

void worker_do(struct worker *w, const struct op *op)
{
    if (op->pauses)
        (void)sched_yield();
    switch (op->kind) {
    case OP_CREATE:
        do_write(w, op, EVENT_CREATE, O_CREAT | O_EXCL);
        break;
    case OP_OPEN_CREATE:
        do_write(w, op, EVENT_OPEN_CREATE, O_CREAT);
        break;
    case OP_READ:
        do_read(w, op);
        break;
    case OP_WRITE:
        do_write(w, op, EVENT_OPEN, 0);
        break;
    case OP_KEEP:
        do_keep(w, op);
        break;
    case OP_STAT:
        do_stat(w, op);
        break;
    case OP_MKDIR:
        do_mkdir(w, op);
        break;
    case OP_SYMLINK:
        do_symlink(w, op);
        break;
    case OP_READLINK:
        do_readlink(w, op);
        break;
    case OP_UNLINK:
        do_remove(w, op, EVENT_UNLINK, 0);
        break;
    case OP_RMDIR:
        do_remove(w, op, EVENT_RMDIR, AT_REMOVEDIR);
        break;
    case OP_LINK:
        do_link(w, op);
        break;
    case OP_RENAME:
        do_rename(w, op);
        break;
    case OP_LIST:
        do_list(w, op);
        break;
    }
}

/* -- the walk ------------------------------------------------------------------------------- */

struct walk {
    struct worker *worker;
    struct tree *tree;
    unsigned links[OBJECTS_MAX]; /* as stat says */
};

/* The object of that inode, if it was met. */
static unsigned met(const struct tree *tree, uint64_t ino)
{
    for (unsigned i = 0; i < tree->count; i++) {
        if (tree->objects[i].type != TYPE_NONE && tree->objects[i].ino == ino)
            return i;
    }
    return NO_OBJECT;
}

static unsigned add_object(struct walk *walk, const struct stat *st)
{
    struct tree *tree = walk->tree;
    bool is_dir = S_ISDIR(st->st_mode);
    if (is_dir && tree->dirs == DIRS_MAX) {
        wrong(walk->worker, "more than %u directories", DIRS_MAX);
        return NO_OBJECT;
    }
    unsigned object = is_dir ? tree->dirs++ : tree->count++;
    tree->objects[object].type = (uint8_t)type_of(st->st_mode);
    tree->objects[object].ino = st->st_ino;
    walk->links[object] = (unsigned)st->st_nlink;
    return object;
}

static void walk_content(struct walk *walk, int dir, const char *name, unsigned object)
{
    char text[2 * TOKEN_BYTES];
    struct object *o = &walk->tree->objects[object];
    ssize_t n = -1;
    if (o->type == TYPE_SYMLINK)
        n = readlinkat(dir, name, text, sizeof text);
    int fd = o->type == TYPE_FILE ? openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (fd >= 0) {
        n = pread(fd, text, sizeof text, 0);
        close(fd);
    }
    if (n < 0)
        wrong(walk->worker, "the content of %s, inode %llu: %s", name, (unsigned long long)o->ino,
              strerror(errno));
    else
        o->content = token_of(text, (size_t)n);
}

/* Opens it, and looks whose child it says it is. */
static void walk_into(struct walk *walk, unsigned parent, const char *name, unsigned object)
{
    struct worker *w = walk->worker;
    struct stat up;
    w->dirs[object] = openat(w->dirs[parent], name, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (w->dirs[object] < 0 || fstatat(w->dirs[object], "..", &up, 0) != 0)
        wrong(w, "directory %s: %s", name, strerror(errno));
    else if (up.st_ino != walk->tree->objects[parent].ino)
        wrong(w, "'..' of %s is inode %llu, not its parent %llu", name,
              (unsigned long long)up.st_ino, (unsigned long long)walk->tree->objects[parent].ino);
}

static void walk_entry(struct walk *walk, unsigned dir, unsigned n, const struct seen_entry *seen)
{
    struct worker *w = walk->worker;
    const char *name = name_of(n);
    struct stat st;
    if (fstatat(w->dirs[dir], name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        wrong(w, "%s is listed, and stat says %s", name, strerror(errno));
        return;
    }
    if (st.st_ino != seen->ino || type_of(st.st_mode) != seen->type)
        wrong(w, "%s is listed as inode %llu of type %d; stat says %llu, %d", name,
              (unsigned long long)seen->ino, (int)seen->type, (unsigned long long)st.st_ino,
              (int)type_of(st.st_mode));
    unsigned object = met(walk->tree, st.st_ino);
    if (object != NO_OBJECT && S_ISDIR(st.st_mode)) {
        wrong(w, "directory %s, inode %llu, is met twice", name, (unsigned long long)st.st_ino);
        return;
    }
    bool is_new = object == NO_OBJECT;
    if (is_new)
        object = add_object(walk, &st);
    walk->tree->entry[dir][n] = (uint8_t)object;
    if (is_new && S_ISDIR(st.st_mode) && object != NO_OBJECT)
        walk_into(walk, dir, name, object);
    else if (is_new && object != NO_OBJECT)
        walk_content(walk, w->dirs[dir], name, object);
}

static void walk_directory(struct walk *walk, unsigned dir)
{
    struct worker *w = walk->worker;
    struct seen_entry list[NAMES_MAX] = {{0}};
    char entries[4096];
    long bytes;
    while ((bytes = (long)getdents64(w->dirs[dir], entries, sizeof entries)) > 0)
        take_entries(w, list, entries, bytes);
    if (bytes < 0)
        wrong(w, "listing directory inode %llu: %s",
              (unsigned long long)walk->tree->objects[dir].ino, strerror(errno));
    for (unsigned n = 0; n < NAMES_MAX && !w->wrong[0]; n++) {
        if (list[n].type != TYPE_NONE)
            walk_entry(walk, dir, n, &list[n]);
    }
}

static void check_links(const struct walk *walk)
{
    for (unsigned i = walk->worker->rules->base_is_root ? 1 : 0; i < walk->tree->count; i++) {
        if (walk->tree->objects[i].type == TYPE_NONE)
            continue;
        unsigned links = tree_links(walk->tree, i);
        if (links != walk->links[i])
            wrong(walk->worker, "inode %llu has %u links, and says %u",
                  (unsigned long long)walk->tree->objects[i].ino, links, walk->links[i]);
    }
}

static bool walk_base(struct walk *walk)
{
    struct worker *w = walk->worker;
    struct stat st;
    w->dirs[0] = open(w->path, O_DIRECTORY | O_CLOEXEC);
    if (w->dirs[0] < 0 || fstat(w->dirs[0], &st) != 0) {
        wrong(w, "%s: %s", w->path, strerror(errno));
        return false;
    }
    walk->tree->objects[0].ino = st.st_ino;
    walk->links[0] = (unsigned)st.st_nlink;
    return true;
}

void worker_walk(struct worker *w)
{
    struct walk walk = {.worker = w, .tree = tree_new()};
    close_all(w);
    if (w->walked)
        tree_unref(w->walked);
    w->walked = walk.tree;
    if (!walk_base(&walk))
        return;
    for (unsigned d = 0; d < walk.tree->dirs && !w->wrong[0]; d++)
        walk_directory(&walk, d);
    if (!w->wrong[0])
        check_links(&walk);
    tree_begin(walk.tree);
}

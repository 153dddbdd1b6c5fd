#include "sim/disk.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "env/env.h"
#include "env/memory.h"

#define NAMES_MIN 8

/* A file's creation (to), renaming (from, to) or removal (from), not durable yet. */
struct name_change {
    char *from, *to;
    struct inode *inode; /* counted */
    char *dir;           /* whose sync makes it durable */
    struct name_change *prev, *next;
};

/* -- paths --------------------------------------------------------------------------------- */

static char *path_clean(const char *path)
{
    char *clean = sf_strdup(path);
    size_t n = 0;
    for (const char *p = path; *p != 0; p++) {
        if (*p != '/' || n == 0 || clean[n - 1] != '/')
            clean[n++] = *p;
    }
    if (n > 1 && clean[n - 1] == '/')
        n--;
    clean[n] = 0;
    return clean;
}

/* "a/b" -> "a", "/a" -> "/", "a" -> "". To be freed. */
static char *path_parent(const char *path)
{
    char *parent = sf_strdup(path);
    char *slash = strrchr(parent, '/');
    if (slash == NULL)
        parent[0] = 0;
    else
        slash[slash == parent] = 0;
    return parent;
}

static const char *path_last(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static bool path_is_in(const char *path, const char *dir)
{
    char *parent = path_parent(path);
    bool is_in = path[0] != 0 && strcmp(path, dir) != 0 && strcmp(parent, dir) == 0;
    free(parent);
    return is_in;
}

/* -- names --------------------------------------------------------------------------------- */

static struct disk_name *names_find(const struct disk_names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->list[i].path, path) == 0)
            return &names->list[i];
    }
    return NULL;
}

static void names_remove(struct disk_names *names, const char *path)
{
    struct disk_name *name = names_find(names, path);
    if (name == NULL)
        return;
    free(name->path);
    inode_release(name->inode);
    size_t i = (size_t)(name - names->list);
    names->count--;
    memmove(name, name + 1, (names->count - i) * sizeof *name);
}

static void names_set(struct disk_names *names, const char *path, struct inode *inode)
{
    inode_hold(inode);
    names_remove(names, path);
    if (names->count == names->cap) {
        names->cap = names->cap == 0 ? NAMES_MIN : names->cap * 2;
        names->list = sf_realloc(names->list, names->cap * sizeof *names->list);
    }
    names->list[names->count++] = (struct disk_name){.path = sf_strdup(path), .inode = inode};
}

static void names_clear(struct disk_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        free(names->list[i].path);
        inode_release(names->list[i].inode);
    }
    names->count = 0;
}

static void names_deinit(struct disk_names *names)
{
    names_clear(names);
    free(names->list);
    *names = (struct disk_names){0};
}

static void names_apply(struct disk_names *names, const struct name_change *change)
{
    if (change->from != NULL)
        names_remove(names, change->from);
    if (change->to != NULL)
        names_set(names, change->to, change->inode);
}

/* -- changes of names ---------------------------------------------------------------------- */

static void change_free(struct sim_disk *disk, struct name_change *change)
{
    DL_DELETE(disk->changes, change);
    free(change->from);
    free(change->to);
    free(change->dir);
    inode_release(change->inode);
    free(change);
}

static void change_names(struct sim_disk *disk, const char *from, const char *to,
                         struct inode *inode)
{
    struct name_change *change = sf_calloc(1, sizeof *change);
    change->from = from == NULL ? NULL : sf_strdup(from);
    change->to = to == NULL ? NULL : sf_strdup(to);
    change->dir = path_parent(to == NULL ? from : to);
    change->inode = inode;
    inode_hold(inode);
    DL_APPEND(disk->changes, change);
    names_apply(&disk->now, change);
}

/* Makes durable what was done in a directory, up to and including `last` (NULL: all of it). */
static void commit_names(struct sim_disk *disk, const char *dir, const struct name_change *last)
{
    struct name_change *change, *next;
    bool reached = false;
    DL_FOREACH_SAFE(disk->changes, change, next)
    {
        if (reached || strcmp(change->dir, dir) != 0)
            continue;
        reached = change == last;
        names_apply(&disk->durable, change);
        change_free(disk, change);
    }
}

/* The creation of this file, if it is not durable yet. */
static struct name_change *creation_of(const struct sim_disk *disk, const struct inode *inode)
{
    struct name_change *change;
    DL_FOREACH(disk->changes, change)
    {
        if (change->inode == inode && change->from == NULL)
            return change;
    }
    return NULL;
}

void disk_deinit(struct sim_disk *disk)
{
    while (disk->changes != NULL)
        change_free(disk, disk->changes);
    names_deinit(&disk->now);
    names_deinit(&disk->durable);
}

/* -- files --------------------------------------------------------------------------------- */

static bool dir_exists(const struct sim_disk *disk, const char *path)
{
    if (strcmp(path, "/") == 0 || path[0] == 0)
        return true;
    const struct disk_name *name = names_find(&disk->now, path);
    return name != NULL && inode_is_dir(name->inode);
}

static bool parent_exists(const struct sim_disk *disk, const char *path)
{
    char *parent = path_parent(path);
    bool exists = dir_exists(disk, parent);
    free(parent);
    return exists;
}

static int create(struct sim_disk *disk, const char *path, struct inode **out)
{
    if (!parent_exists(disk, path))
        return SF_NOT_FOUND;
    if (disk->full)
        return SF_NO_SPACE;
    struct inode *inode = inode_new(false);
    change_names(disk, NULL, path, inode);
    *out = inode;
    return SF_OK;
}

static int open_clean(struct sim_disk *disk, const char *path, unsigned flags, struct inode **out)
{
    const struct disk_name *name = names_find(&disk->now, path);
    if (name == NULL)
        return (flags & ENV_FILE_CREATE) != 0 ? create(disk, path, out) : SF_NOT_FOUND;
    if ((flags & ENV_FILE_EXCLUSIVE) != 0)
        return SF_EXISTS;
    if (inode_is_dir(name->inode))
        return SF_INVALID;
    inode_hold(name->inode);
    *out = name->inode;
    return SF_OK;
}

int disk_open(struct sim_disk *disk, const char *path, unsigned flags, struct inode **out)
{
    char *clean = path_clean(path);
    int status = open_clean(disk, clean, flags, out);
    free(clean);
    return status;
}

int disk_sync(struct sim_disk *disk, struct inode *inode, uint64_t mark)
{
    if (disk->fail_sync) {
        disk->fail_sync = false;
        return SF_IO;
    }
    inode_commit(inode, mark);
    struct name_change *creation = creation_of(disk, inode);
    if (creation != NULL) {
        char *dir = sf_strdup(creation->dir);
        commit_names(disk, dir, creation);
        free(dir);
    }
    return SF_OK;
}

static int rename_clean(struct sim_disk *disk, const char *from, const char *to)
{
    struct disk_name *name = names_find(&disk->now, from);
    const struct disk_name *replaced = names_find(&disk->now, to);
    if (name == NULL || !parent_exists(disk, to))
        return SF_NOT_FOUND;
    if (inode_is_dir(name->inode) || (replaced != NULL && inode_is_dir(replaced->inode)))
        return SF_INVALID;
    if (name != replaced)
        change_names(disk, from, to, name->inode);
    return SF_OK;
}

int disk_rename(struct sim_disk *disk, const char *from, const char *to)
{
    char *clean_from = path_clean(from), *clean_to = path_clean(to);
    int status = rename_clean(disk, clean_from, clean_to);
    free(clean_from);
    free(clean_to);
    return status;
}

uint64_t disk_used_bytes(const struct sim_disk *disk)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < disk->now.count; i++)
        bytes += inode_size(disk->now.list[i].inode);
    return bytes;
}

int disk_damage(struct sim_disk *disk, const char *path, uint64_t offset)
{
    char *clean = path_clean(path);
    const struct disk_name *name = names_find(&disk->now, clean);
    free(clean);
    return name != NULL && inode_damage(name->inode, offset) ? SF_OK : SF_NOT_FOUND;
}

/* -- directories --------------------------------------------------------------------------- */

static int dir_create_clean(struct sim_disk *disk, const char *path)
{
    if (dir_exists(disk, path))
        return SF_OK;
    if (names_find(&disk->now, path) != NULL)
        return SF_EXISTS;
    char *parent = path_parent(path);
    int status = dir_create_clean(disk, parent);
    free(parent);
    if (status != SF_OK)
        return status;
    struct inode *inode = inode_new(true);
    names_set(&disk->now, path, inode);
    names_set(&disk->durable, path, inode);
    inode_release(inode);
    return SF_OK;
}

int disk_dir_create(struct sim_disk *disk, const char *path)
{
    char *clean = path_clean(path);
    int status =
        disk->full && !dir_exists(disk, clean) ? SF_NO_SPACE : dir_create_clean(disk, clean);
    free(clean);
    return status;
}

bool disk_dir_exists(const struct sim_disk *disk, const char *path)
{
    char *clean = path_clean(path);
    bool exists = dir_exists(disk, clean);
    free(clean);
    return exists;
}

/* Copies, since the visitor may create and remove. */
static size_t names_in(const struct sim_disk *disk, const char *dir, char **names)
{
    size_t count = 0;
    for (size_t i = 0; i < disk->now.count; i++) {
        const char *path = disk->now.list[i].path;
        if (path_is_in(path, dir))
            names[count++] = sf_strdup(path_last(path));
    }
    return count;
}

int disk_dir_list(const struct sim_disk *disk, const char *path,
                  void (*visit)(void *ctx, const char *name), void *ctx, struct random *random)
{
    char *clean = path_clean(path);
    if (!dir_exists(disk, clean)) {
        free(clean);
        return SF_NOT_FOUND;
    }
    char **names = sf_calloc(disk->now.count, sizeof *names);
    for (size_t left = names_in(disk, clean, names); left > 0; left--) {
        size_t i = (size_t)random_below(random, left);
        visit(ctx, names[i]);
        free(names[i]);
        names[i] = names[left - 1];
    }
    free(names);
    free(clean);
    return SF_OK;
}

int disk_dir_sync(struct sim_disk *disk, const char *path)
{
    char *clean = path_clean(path);
    int status = dir_exists(disk, clean) ? SF_OK : SF_NOT_FOUND;
    if (status == SF_OK)
        commit_names(disk, clean, NULL);
    free(clean);
    return status;
}

static bool dir_is_empty(const struct sim_disk *disk, const char *path)
{
    for (size_t i = 0; i < disk->now.count; i++) {
        if (path_is_in(disk->now.list[i].path, path))
            return false;
    }
    return true;
}

/* The files that it once held go for good with it. */
static void remove_dir(struct sim_disk *disk, const char *path)
{
    commit_names(disk, path, NULL);
    names_remove(&disk->now, path);
    names_remove(&disk->durable, path);
}

int disk_remove(struct sim_disk *disk, const char *path)
{
    char *clean = path_clean(path);
    const struct disk_name *name = names_find(&disk->now, clean);
    int status = SF_OK;
    if (name == NULL)
        status = SF_NOT_FOUND;
    else if (!inode_is_dir(name->inode))
        change_names(disk, clean, NULL, name->inode);
    else if (!dir_is_empty(disk, clean))
        status = SF_NOT_EMPTY;
    else
        remove_dir(disk, clean);
    free(clean);
    return status;
}

/* -- power cut ----------------------------------------------------------------------------- */

static size_t changes_in(const struct sim_disk *disk, const char *dir)
{
    size_t count = 0;
    const struct name_change *change;
    DL_FOREACH(disk->changes, change)
    count += strcmp(change->dir, dir) == 0;
    return count;
}

/* Keeps a prefix of what was done in the directory of the oldest change, forgets the rest of it. */
static void settle_first_dir(struct sim_disk *disk, struct random *random)
{
    char *dir = sf_strdup(disk->changes->dir);
    uint64_t kept = random_below(random, changes_in(disk, dir) + 1);
    struct name_change *change, *next;
    DL_FOREACH_SAFE(disk->changes, change, next)
    {
        if (strcmp(change->dir, dir) != 0)
            continue;
        if (kept > 0) {
            kept--;
            names_apply(&disk->durable, change);
        }
        change_free(disk, change);
    }
    free(dir);
}

void disk_power_cut(struct sim_disk *disk, struct random *random)
{
    while (disk->changes != NULL)
        settle_first_dir(disk, random);
    names_clear(&disk->now);
    for (size_t i = 0; i < disk->durable.count; i++) {
        const struct disk_name *name = &disk->durable.list[i];
        names_set(&disk->now, name->path, name->inode);
    }
    for (size_t i = 0; i < disk->now.count; i++)
        inode_power_cut(disk->now.list[i].inode, random);
}

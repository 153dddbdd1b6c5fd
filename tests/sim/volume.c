#include "sim/volume.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "env/env.h"
#include "env/memory.h"

#define NAMES_MIN 8

/* A file's creation (to), renaming (from, to) or removal (from), not durable yet. */
struct name_change {
    char *from, *to;
    struct vfile *file; /* counted */
    char *dir;          /* whose sync makes it durable */
    bool lost;          /* drawn at a power cut */
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

static struct volume_name *names_find(const struct volume_names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->list[i].path, path) == 0)
            return &names->list[i];
    }
    return NULL;
}

static void names_remove(struct volume_names *names, const char *path)
{
    struct volume_name *name = names_find(names, path);
    if (name == NULL)
        return;
    free(name->path);
    vfile_release(name->file);
    size_t i = (size_t)(name - names->list);
    names->count--;
    memmove(name, name + 1, (names->count - i) * sizeof *name);
}

static void names_set(struct volume_names *names, const char *path, struct vfile *file)
{
    vfile_hold(file);
    names_remove(names, path);
    if (names->count == names->cap) {
        names->cap = names->cap == 0 ? NAMES_MIN : names->cap * 2;
        names->list = sf_realloc(names->list, names->cap * sizeof *names->list);
    }
    names->list[names->count++] = (struct volume_name){.path = sf_strdup(path), .file = file};
}

static void names_clear(struct volume_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        free(names->list[i].path);
        vfile_release(names->list[i].file);
    }
    names->count = 0;
}

static void names_deinit(struct volume_names *names)
{
    names_clear(names);
    free(names->list);
    *names = (struct volume_names){0};
}

static void names_apply(struct volume_names *names, const struct name_change *change)
{
    if (change->from != NULL)
        names_remove(names, change->from);
    if (change->to != NULL)
        names_set(names, change->to, change->file);
}

/* -- changes of names ---------------------------------------------------------------------- */

static void change_free(struct volume *volume, struct name_change *change)
{
    DL_DELETE(volume->changes, change);
    free(change->from);
    free(change->to);
    free(change->dir);
    vfile_release(change->file);
    free(change);
}

static void change_names(struct volume *volume, const char *from, const char *to,
                         struct vfile *file)
{
    struct name_change *change = sf_calloc(1, sizeof *change);
    change->from = from == NULL ? NULL : sf_strdup(from);
    change->to = to == NULL ? NULL : sf_strdup(to);
    change->dir = path_parent(to == NULL ? from : to);
    change->file = file;
    vfile_hold(file);
    DL_APPEND(volume->changes, change);
    names_apply(&volume->now, change);
}

/* Makes durable what was done in a directory. */
static void commit_names(struct volume *volume, const char *dir)
{
    struct name_change *change, *next;
    DL_FOREACH_SAFE(volume->changes, change, next)
    {
        if (strcmp(change->dir, dir) != 0)
            continue;
        names_apply(&volume->durable, change);
        change_free(volume, change);
    }
}

void volume_deinit(struct volume *volume)
{
    while (volume->changes != NULL)
        change_free(volume, volume->changes);
    names_deinit(&volume->now);
    names_deinit(&volume->durable);
}

/* -- files --------------------------------------------------------------------------------- */

static bool dir_exists(const struct volume *volume, const char *path)
{
    if (strcmp(path, "/") == 0 || path[0] == 0)
        return true;
    const struct volume_name *name = names_find(&volume->now, path);
    return name != NULL && vfile_is_dir(name->file);
}

static bool parent_exists(const struct volume *volume, const char *path)
{
    char *parent = path_parent(path);
    bool exists = dir_exists(volume, parent);
    free(parent);
    return exists;
}

static int create(struct volume *volume, const char *path, struct vfile **out)
{
    if (!parent_exists(volume, path))
        return SF_NOT_FOUND;
    if (volume->full)
        return SF_NO_SPACE;
    struct vfile *file = vfile_new(false);
    change_names(volume, NULL, path, file);
    *out = file;
    return SF_OK;
}

static int open_clean(struct volume *volume, const char *path, unsigned flags, struct vfile **out)
{
    const struct volume_name *name = names_find(&volume->now, path);
    if (name == NULL)
        return (flags & ENV_FILE_CREATE) != 0 ? create(volume, path, out) : SF_NOT_FOUND;
    if ((flags & ENV_FILE_EXCLUSIVE) != 0)
        return SF_EXISTS;
    if (vfile_is_dir(name->file))
        return SF_INVALID;
    vfile_hold(name->file);
    *out = name->file;
    return SF_OK;
}

int volume_open(struct volume *volume, const char *path, unsigned flags, struct vfile **out)
{
    char *clean = path_clean(path);
    int status = open_clean(volume, clean, flags, out);
    free(clean);
    return status;
}

int volume_write(struct volume *volume, struct vfile *file, uint64_t offset, struct slice bytes,
                 struct random *random)
{
    size_t n = bytes.n;
    if (volume->full)
        n = n == 0 ? 0 : (size_t)random_below(random, n);
    vfile_write(file, offset, slice_of(bytes.p, n));
    return volume->full ? SF_NO_SPACE : SF_OK;
}

int volume_sync(struct volume *volume, struct vfile *file, uint64_t mark, struct random *random)
{
    if (volume->fail_sync) {
        volume->fail_sync = false;
        vfile_commit_failed(file, mark, random);
        return SF_IO;
    }
    vfile_commit(file, mark);
    return SF_OK;
}

static int rename_clean(struct volume *volume, const char *from, const char *to)
{
    struct volume_name *name = names_find(&volume->now, from);
    const struct volume_name *replaced = names_find(&volume->now, to);
    if (name == NULL || !parent_exists(volume, to))
        return SF_NOT_FOUND;
    if (vfile_is_dir(name->file) || (replaced != NULL && vfile_is_dir(replaced->file)))
        return SF_INVALID;
    if (name != replaced)
        change_names(volume, from, to, name->file);
    return SF_OK;
}

int volume_rename(struct volume *volume, const char *from, const char *to)
{
    char *clean_from = path_clean(from), *clean_to = path_clean(to);
    int status = rename_clean(volume, clean_from, clean_to);
    free(clean_from);
    free(clean_to);
    return status;
}

uint64_t volume_used_bytes(const struct volume *volume)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < volume->now.count; i++)
        bytes += vfile_size(volume->now.list[i].file);
    return bytes;
}

bool volume_has_unsynced(const struct volume *volume)
{
    bool has = volume->changes != NULL;
    for (size_t i = 0; i < volume->now.count && !has; i++)
        has = vfile_has_unsynced(volume->now.list[i].file);
    return has;
}

int volume_damage(struct volume *volume, const char *path, uint64_t offset)
{
    char *clean = path_clean(path);
    const struct volume_name *name = names_find(&volume->now, clean);
    free(clean);
    return name != NULL && vfile_damage(name->file, offset) ? SF_OK : SF_NOT_FOUND;
}

/* -- directories --------------------------------------------------------------------------- */

static int dir_create_clean(struct volume *volume, const char *path)
{
    if (dir_exists(volume, path))
        return SF_OK;
    if (names_find(&volume->now, path) != NULL)
        return SF_EXISTS;
    char *parent = path_parent(path);
    int status = dir_create_clean(volume, parent);
    free(parent);
    if (status != SF_OK)
        return status;
    struct vfile *file = vfile_new(true);
    names_set(&volume->now, path, file);
    names_set(&volume->durable, path, file);
    vfile_release(file);
    return SF_OK;
}

int volume_dir_create(struct volume *volume, const char *path)
{
    char *clean = path_clean(path);
    int status =
        volume->full && !dir_exists(volume, clean) ? SF_NO_SPACE : dir_create_clean(volume, clean);
    free(clean);
    return status;
}

bool volume_dir_exists(const struct volume *volume, const char *path)
{
    char *clean = path_clean(path);
    bool exists = dir_exists(volume, clean);
    free(clean);
    return exists;
}

/* Copies, since the visitor may create and remove. */
static size_t names_in(const struct volume *volume, const char *dir, char **names)
{
    size_t count = 0;
    for (size_t i = 0; i < volume->now.count; i++) {
        const char *path = volume->now.list[i].path;
        if (path_is_in(path, dir))
            names[count++] = sf_strdup(path_last(path));
    }
    return count;
}

int volume_dir_list(const struct volume *volume, const char *path,
                    void (*visit)(void *ctx, const char *name), void *ctx, struct random *random)
{
    char *clean = path_clean(path);
    if (!dir_exists(volume, clean)) {
        free(clean);
        return SF_NOT_FOUND;
    }
    char **names = sf_calloc(volume->now.count, sizeof *names);
    for (size_t left = names_in(volume, clean, names); left > 0; left--) {
        size_t i = (size_t)random_below(random, left);
        visit(ctx, names[i]);
        free(names[i]);
        names[i] = names[left - 1];
    }
    free(names);
    free(clean);
    return SF_OK;
}

int volume_dir_sync(struct volume *volume, const char *path)
{
    char *clean = path_clean(path);
    int status = dir_exists(volume, clean) ? SF_OK : SF_NOT_FOUND;
    if (status == SF_OK)
        commit_names(volume, clean);
    free(clean);
    return status;
}

static bool dir_is_empty(const struct volume *volume, const char *path)
{
    for (size_t i = 0; i < volume->now.count; i++) {
        if (path_is_in(volume->now.list[i].path, path))
            return false;
    }
    return true;
}

/* The files that it once held go for good with it. */
static void remove_dir(struct volume *volume, const char *path)
{
    commit_names(volume, path);
    names_remove(&volume->now, path);
    names_remove(&volume->durable, path);
}

int volume_remove(struct volume *volume, const char *path)
{
    char *clean = path_clean(path);
    const struct volume_name *name = names_find(&volume->now, clean);
    int status = SF_OK;
    if (name == NULL)
        status = SF_NOT_FOUND;
    else if (!vfile_is_dir(name->file))
        change_names(volume, clean, NULL, name->file);
    else if (!dir_is_empty(volume, clean))
        status = SF_NOT_EMPTY;
    else
        remove_dir(volume, clean);
    free(clean);
    return status;
}

/* -- power cut ----------------------------------------------------------------------------- */

#define IN_ORDER_PER_MILLE 500 /* of power cuts keep a prefix of what was done in a directory */

static size_t changes_in(const struct volume *volume, const char *dir)
{
    size_t count = 0;
    const struct name_change *change;
    DL_FOREACH(volume->changes, change)
    count += strcmp(change->dir, dir) == 0;
    return count;
}

/* Keeps a prefix of what was done in the directory of the oldest change, forgets the rest of it. */
static void settle_first_dir(struct volume *volume, struct random *random)
{
    char *dir = sf_strdup(volume->changes->dir);
    uint64_t kept = random_below(random, changes_in(volume, dir) + 1);
    struct name_change *change, *next;
    DL_FOREACH_SAFE(volume->changes, change, next)
    {
        if (strcmp(change->dir, dir) != 0)
            continue;
        if (kept > 0) {
            kept--;
            names_apply(&volume->durable, change);
        }
        change_free(volume, change);
    }
    free(dir);
}

static bool same_path(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static bool rests_on(const struct name_change *change, const struct name_change *earlier)
{
    return change->file == earlier->file || same_path(change->from, earlier->from) ||
           same_path(change->from, earlier->to) || same_path(change->to, earlier->from) ||
           same_path(change->to, earlier->to);
}

static bool rests_on_lost(const struct volume *volume, const struct name_change *change)
{
    const struct name_change *earlier = volume->changes;
    while (earlier != change && !(earlier->lost && rests_on(change, earlier)))
        earlier = earlier->next;
    return earlier != change;
}

/* Keeps any of them that does not rest on one that is lost. */
static void settle_each(struct volume *volume, struct random *random)
{
    struct name_change *change;
    DL_FOREACH(volume->changes, change)
    {
        change->lost = random_chance(random, 500) || rests_on_lost(volume, change);
        if (!change->lost)
            names_apply(&volume->durable, change);
    }
    while (volume->changes != NULL)
        change_free(volume, volume->changes);
}

void volume_power_cut(struct volume *volume, struct random *random)
{
    if (volume->changes != NULL && !random_chance(random, IN_ORDER_PER_MILLE))
        settle_each(volume, random);
    while (volume->changes != NULL)
        settle_first_dir(volume, random);
    names_clear(&volume->now);
    for (size_t i = 0; i < volume->durable.count; i++) {
        const struct volume_name *name = &volume->durable.list[i];
        names_set(&volume->now, name->path, name->file);
    }
    for (size_t i = 0; i < volume->now.count; i++)
        vfile_power_cut(volume->now.list[i].file, random);
}

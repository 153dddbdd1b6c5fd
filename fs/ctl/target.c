#include "ctl/target.h"

#include <string.h>
#include <unistd.h>

/* -- messages -------------------------------------------------------------------------------- */

int target_fail(const char *name, int status)
{
    const char *what = name[0] ? name : "the empty key";
    switch (status) {
    case SF_NOT_FOUND:
    case SF_STALE_FILE:
        return fail("%s: no such key", what);
    case SF_PRECONDITION:
        return fail("%s: it was replaced or deleted meanwhile; try again", what);
    case SF_IS_DIRECTORY:
        return fail("%s: is a directory", what);
    case SF_NOT_DIRECTORY:
        return fail("%s: a part of this name is a file, not a directory", what);
    case SF_NOT_EMPTY:
        return fail("%s: the directory is not empty", what);
    case SF_INVALID:
        return fail_usage("%s: '.' and '..' are no names here (the keys of these names are %%2E "
                          "and %%2E%%2E)",
                          what);
    case SF_LINKS:
        return fail("%s: more than %u symbolic links on the way", what, TREE_LINKS_MAX);
    case SF_NAME_TOO_LONG:
        return fail_usage("%.40s...: a name in the mount has at most %u bytes (--key takes keys of "
                          "up to %u)",
                          what, TREE_NAME_BYTES_MAX, SF_KEY_BYTES_MAX);
    case SF_TIMEOUT:
        return fail("%s: %s (see 'shardctl status')", what, sf_error_text(status));
    default:
        return fail("%s: %s", what, sf_error_text(status));
    }
}

static bool is_key(const struct ctl_options *options)
{
    return options->given & CTL_KEY;
}

/* One of its parts is "." or "..". */
static bool has_dots(const char *name)
{
    while (*name) {
        size_t n = strcspn(name, "/");
        if ((n == 1 || n == 2) && strspn(name, ".") >= n)
            return true;
        name += n + (name[n] == '/');
    }
    return false;
}

int target_check(const struct ctl_options *options, const char *name)
{
    size_t n = strlen(name);
    if (is_key(options) && n > SF_KEY_BYTES_MAX)
        return fail_usage("this key has %zu bytes; a key has at most %u", n, SF_KEY_BYTES_MAX);
    if (!is_key(options) && n == 0)
        return fail_usage("the NAME is empty: it is the name in the mount, as 'color' or "
                          "'docs/a.txt'");
    if (!is_key(options) && has_dots(name))
        return target_fail(name, SF_INVALID);
    return 0;
}

bool target_names_root(const struct ctl_options *options, const char *name)
{
    return !is_key(options) && name[strspn(name, "/")] == 0;
}

/* Whatever it leads to has to be a directory. */
static bool ends_as_directory(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && name[n - 1] == '/';
}

int target_check_file(const struct ctl_options *options, const char *name)
{
    int exit_status = target_check(options, name);
    if (exit_status == 0 && !is_key(options) && ends_as_directory(name))
        exit_status = fail_usage("%s: a name that ends in '/' is a directory's", name);
    return exit_status;
}

/* -- finding --------------------------------------------------------------------------------- */

static void take_key(const char *name, struct target *target)
{
    target->key_bytes = strlen(name);
    memcpy(target->key, name, target->key_bytes);
    target->space = KV_PLAIN;
}

/* A key of the root is one operation, whoever replaced it before; a file below it, or one of several
 * names, is named by its inode too, for another could have taken its name. */
static int take_place(struct target *target)
{
    if (target->place.name.n == 0)
        return SF_IS_DIRECTORY;
    if (target->place.directory != TREE_ROOT || target->place.is_apart)
        target->pre = (struct kv_pre){KV_PRE_CREATED, target->place.ino};
    return tree_record_key(&target->place, &target->space, target->key, &target->key_bytes);
}

/* A copy of what the walk has found. */
static void take_walk(const struct tree_walk *walk, struct target *target)
{
    target->place = walk->place;
    target->inode = walk->inode;
    if (walk->place.name.n > TREE_NAME_BYTES_MAX) /* no such name is ever found */
        target->place.name.n = 0;
    if (target->place.name.n > 0)
        memcpy(target->last_name, walk->place.name.p, target->place.name.n);
    target->place.name.p = (const uint8_t *)target->last_name;
}

static int find(struct session *s, const struct ctl_options *options, const char *name,
                bool no_follow, struct target *out)
{
    *out = (struct target){.name = name};
    if (is_key(options)) {
        take_key(name, out);
        return 0;
    }
    struct tree_walk walk = {.path = slice_str(name), .no_follow = no_follow};
    int status = session_walk(s, &walk);
    if (status == SF_OK && !walk.place.is_directory && ends_as_directory(name))
        status = SF_NOT_DIRECTORY;
    out->is_walked = true;
    take_walk(&walk, out);
    if (status == SF_OK && out->place.name.n > 0)
        status = take_place(out);
    return status == SF_OK ? 0 : target_fail(name, status);
}

int target_find(struct session *s, const struct ctl_options *options, const char *name,
                struct target *out)
{
    return find(s, options, name, true, out);
}

int target_to_list(struct session *s, const struct ctl_options *options, const char *name,
                   struct target *out)
{
    return find(s, options, name, false, out);
}

int target_open(struct session *s, const struct ctl_options *options, const char *name,
                struct target *out)
{
    int exit_status = target_check(options, name);
    if (exit_status == 0)
        exit_status = session_open(s, options);
    if (exit_status != 0)
        return exit_status;
    exit_status = target_to_list(s, options, name, out);
    if (exit_status != 0)
        session_close(s);
    return exit_status;
}

int target_to_read(struct session *s, const struct ctl_options *options, const char *name,
                   struct target *out)
{
    int exit_status = target_to_list(s, options, name, out);
    if (exit_status == 0 && out->is_walked && out->place.is_directory)
        return target_fail(name, SF_IS_DIRECTORY);
    return exit_status;
}

static int create_file(struct session *s, struct tree_place *place)
{
    struct tree_call create = {.kind = TREE_CREATE, .place = *place};
    create.mode = 0644;
    create.uid = getuid();
    create.gid = getgid();
    int status = session_tree(s, &create);
    place->ino = create.inode.ino;
    place->is_apart = create.inode.is_apart;
    return status;
}

int target_to_write(struct session *s, const struct ctl_options *options, const char *name,
                    struct target *out)
{
    *out = (struct target){.name = name};
    if (is_key(options)) {
        take_key(name, out);
        return 0;
    }
    struct tree_walk walk = {.path = slice_str(name),
                             .make_parents = true,
                             .mode = 0755,
                             .uid = getuid(),
                             .gid = getgid()};
    int status = session_walk(s, &walk);
    take_walk(&walk, out);
    if (status == SF_OK && walk.place.is_directory)
        status = SF_IS_DIRECTORY;
    if (status == SF_NOT_FOUND && walk.place.name.n > 0)
        status = walk.place.directory == TREE_ROOT ? SF_OK : create_file(s, &out->place);
    if (status == SF_OK)
        status = take_place(out);
    return status == SF_OK ? 0 : target_fail(name, status);
}

/* walk: from a path to the place of its last name, one lookup a name and a read more a symlink.
 *
 * `rest` is what is not resolved yet, call.place the directory that has been reached and the name
 * in it that is looked at. A symlink's target is put in front of the rest. */
#include "tree/tree.h"

#include <string.h>
#include <sys/stat.h>

static void step(struct tree_walk *walk);

static struct slice skip_slashes(struct slice path)
{
    while (path.n > 0 && path.p[0] == '/')
        path = slice_of(path.p + 1, path.n - 1);
    return path;
}

/* The next name of the path, which is taken off it. Empty: there is none. */
static struct slice take_name(struct slice *path)
{
    struct slice from = skip_slashes(*path);
    size_t n = 0;
    while (n < from.n && from.p[n] != '/')
        n++;
    *path = slice_of(from.p + n, from.n - n);
    return slice_of(from.p, n);
}

static bool is_last(const struct tree_walk *walk)
{
    return skip_slashes(walk->rest).n == 0;
}

static void submit(struct tree_walk *walk, enum tree_kind kind)
{
    walk->call.kind = kind;
    tree_submit(walk->tree, &walk->call);
}

/* The walk ends with what the last lookup found or missed. */
static void finish(struct tree_walk *walk, int status)
{
    walk->place = walk->call.place;
    walk->place.ino = 0;
    if (status == SF_NOT_FOUND && !is_last(walk))
        walk->place.name = slice_of(NULL, 0);
    if (status == SF_OK) {
        walk->inode = walk->call.inode;
        walk->place.ino = walk->inode.ino;
        walk->place.is_directory = S_ISDIR(walk->inode.mode);
        walk->place.is_apart = walk->inode.is_apart;
    }
    walk->on_done(walk, status);
}

/* -- directories ----------------------------------------------------------------------------- */

static void on_itself(struct tree_call *call, int status)
{
    struct tree_walk *walk = container_of(call, struct tree_walk, call);
    finish(walk, status == SF_STALE_FILE ? SF_NOT_FOUND : status);
}

static void on_lower(struct tree_call *call, int status)
{
    struct tree_walk *walk = container_of(call, struct tree_walk, call);
    if (status != SF_OK) {
        on_itself(call, status);
        return;
    }
    call->place.directory = call->inode.parent;
    step(walk);
}

/* The directory that was reached, by its id. */
static void look_at_directory(struct tree_walk *walk,
                              void (*then)(struct tree_call *call, int status))
{
    walk->call.on_done = then;
    walk->call.place.name = slice_of(NULL, 0);
    walk->call.place.is_directory = true;
    walk->call.place.ino = walk->call.place.directory;
    submit(walk, TREE_GETATTR);
}

/* -- symlinks -------------------------------------------------------------------------------- */

static void on_target(struct tree_call *call, int status)
{
    struct tree_walk *walk = container_of(call, struct tree_walk, call);
    struct slice target = call->data, rest = walk->rest;
    if (status == SF_OK && ++walk->links > TREE_LINKS_MAX)
        status = SF_LINKS;
    if (status == SF_OK && target.n + rest.n > sizeof walk->text)
        status = SF_NAME_TOO_LONG;
    if (status != SF_OK) {
        finish(walk, status);
        return;
    }
    bool is_absolute = target.p[0] == '/';
    if (rest.n > 0) /* it begins with a '/', and may lie in the same text */
        memmove(walk->text + target.n, rest.p, rest.n);
    memcpy(walk->text, target.p, target.n);
    walk->rest = slice_of(walk->text, target.n + rest.n);
    if (is_absolute)
        call->place.directory = TREE_ROOT;
    step(walk);
}

static bool is_followed(const struct tree_walk *walk)
{
    return S_ISLNK(walk->call.inode.mode) && (walk->rest.n > 0 || !walk->no_follow);
}

/* -- names ----------------------------------------------------------------------------------- */

static void on_found(struct tree_call *call, int status)
{
    struct tree_walk *walk = container_of(call, struct tree_walk, call);
    if (status == SF_NOT_FOUND && !is_last(walk) && walk->make_parents &&
        call->kind == TREE_LOOKUP) {
        call->mode = walk->mode;
        call->uid = walk->uid;
        call->gid = walk->gid;
        submit(walk, TREE_MKDIR);
    } else if (status == SF_EXISTS && call->kind == TREE_MKDIR) { /* made by another meanwhile */
        submit(walk, TREE_LOOKUP);
    } else if (status == SF_OK && is_followed(walk)) {
        call->on_done = on_target;
        call->place.ino = call->inode.ino;
        call->place.is_apart = call->inode.is_apart;
        submit(walk, TREE_READLINK);
    } else if (status != SF_OK || is_last(walk)) {
        finish(walk, status);
    } else if (!S_ISDIR(call->inode.mode)) {
        finish(walk, SF_NOT_DIRECTORY);
    } else {
        call->place.directory = call->inode.ino;
        step(walk);
    }
}

/* "." and ".." are in targets; a path of the command line has none. */
static void step(struct tree_walk *walk)
{
    struct tree_call *call = &walk->call;
    struct slice name;
    do {
        name = take_name(&walk->rest);
    } while (slice_equal(name, slice_str(".")));
    if (name.n == 0) {
        look_at_directory(walk, on_itself);
    } else if (slice_equal(name, slice_str(".."))) {
        look_at_directory(walk, on_lower);
    } else {
        call->on_done = on_found;
        call->place = (struct tree_place){.directory = call->place.directory, .name = name};
        submit(walk, TREE_LOOKUP);
    }
}

void tree_walk(struct tree *tree, struct tree_walk *walk)
{
    memset(&walk->call, 0, sizeof walk->call);
    memset(&walk->place, 0, sizeof walk->place);
    walk->tree = tree;
    walk->rest = walk->path;
    walk->links = 0;
    walk->call.place.directory = TREE_ROOT;
    step(walk);
}

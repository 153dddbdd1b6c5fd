/* walk: from a path to the place of its last name, one lookup a name. */
#include "tree/tree.h"

#include <stdlib.h>
#include <string.h>

static void step(struct tree_walk *walk);

/* The name at walk->at, and where the next one begins. */
static struct slice name_at(const struct tree_walk *walk, size_t *next)
{
    size_t from = walk->at, to;
    while (from < walk->path.n && walk->path.p[from] == '/')
        from++;
    for (to = from; to < walk->path.n && walk->path.p[to] != '/'; to++)
        continue;
    *next = to;
    while (*next < walk->path.n && walk->path.p[*next] == '/')
        ++*next;
    return slice_of(walk->path.p + from, to - from);
}

static void finish(struct tree_walk *walk, int status)
{
    if (status == SF_OK) {
        walk->inode = walk->call.inode;
        walk->place.ino = walk->inode.ino;
        walk->place.is_directory = (walk->inode.mode & 0170000) == 0040000;
    }
    walk->on_done(walk, status);
}

static void on_found(struct tree_call *call, int status)
{
    struct tree_walk *walk = container_of(call, struct tree_walk, call);
    size_t next;
    struct slice name = name_at(walk, &next);
    bool last = next == walk->path.n;
    if (status == SF_NOT_FOUND && !last && walk->make_parents && call->kind == TREE_LOOKUP) {
        call->kind = TREE_MKDIR;
        call->mode = walk->mode;
        call->uid = walk->uid;
        call->gid = walk->gid;
        tree_submit(walk->tree, call);
        return;
    }
    if (status == SF_EXISTS && call->kind == TREE_MKDIR) { /* made by another meanwhile */
        call->kind = TREE_LOOKUP;
        tree_submit(walk->tree, call);
        return;
    }
    walk->place.directory = call->place.directory;
    walk->place.name = status == SF_NOT_FOUND && !last ? slice_of(NULL, 0) : name;
    if (last || status != SF_OK) {
        finish(walk, status);
        return;
    }
    if ((call->inode.mode & 0170000) != 0040000) {
        finish(walk, SF_NOT_DIRECTORY);
        return;
    }
    call->place.directory = call->inode.ino;
    walk->at = next;
    step(walk);
}

static void step(struct tree_walk *walk)
{
    size_t next;
    walk->call.on_done = on_found;
    walk->call.place.name = name_at(walk, &next);
    walk->call.kind = TREE_LOOKUP;
    if (walk->call.place.name.n == 0) { /* the path names the root itself */
        walk->call.kind = TREE_GETATTR;
        walk->call.place.is_directory = true;
        walk->call.place.ino = TREE_ROOT;
    }
    tree_submit(walk->tree, &walk->call);
}

void tree_walk(struct tree *tree, struct tree_walk *walk)
{
    memset(&walk->call, 0, sizeof walk->call);
    memset(&walk->place, 0, sizeof walk->place);
    walk->tree = tree;
    walk->at = 0;
    walk->call.place.directory = TREE_ROOT;
    step(walk);
}

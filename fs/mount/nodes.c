#include "mount/nodes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "env/memory.h"

#define ROOT_ID 1u /* FUSE_ROOT_ID */
/* The kernel counts when the caller of the answered request runs next. */
#define COUNTING_NS 100000000u

void nodes_init(struct nodes *nodes)
{
    static char no_name[1];
    memset(nodes, 0, sizeof *nodes);
    nodes->root.ino = TREE_ROOT;
    nodes->root.is_directory = true;
    nodes->root.lookups = 1;
    nodes->root.name = no_name;
}

static void leave_place(struct nodes *nodes, struct node *node)
{
    if (!node->place)
        return;
    HASH_DELETE(hh_place, nodes->by_place, node);
    free(node->place);
    node->place = NULL;
}

static size_t place_bytes(struct slice name)
{
    return sizeof(uint64_t) + name.n;
}

static void place_write(char *to, uint64_t directory, struct slice name)
{
    memcpy(to, &directory, sizeof directory);
    memcpy(to + sizeof directory, name.p, name.n);
}

static struct node *find_place(const struct nodes *nodes, uint64_t directory, struct slice name)
{
    char place[sizeof directory + TREE_NAME_BYTES_MAX];
    struct node *node = NULL;
    place_write(place, directory, name);
    HASH_FIND(hh_place, nodes->by_place, place, place_bytes(name), node);
    return node;
}

void nodes_vacate(struct nodes *nodes, const struct node_place *place)
{
    struct node *node = find_place(nodes, place->directory, place->name);
    if (node && node->placed <= place->asked)
        leave_place(nodes, node);
}

static void take_place(struct nodes *nodes, struct node *node)
{
    struct slice name = slice_str(node->name);
    leave_place(nodes, node);
    if (!node->is_directory || name.n == 0 || find_place(nodes, node->directory, name))
        return;
    node->place = sf_malloc(place_bytes(name));
    place_write(node->place, node->directory, name);
    HASH_ADD_KEYPTR(hh_place, nodes->by_place, node->place, place_bytes(name), node);
}

uint64_t nodes_directory_at(const struct nodes *nodes, uint64_t directory, struct slice name)
{
    const struct node *node = find_place(nodes, directory, name);
    return node ? node->ino : 0;
}

static void node_free(struct nodes *nodes, struct node *node)
{
    leave_place(nodes, node);
    HASH_DEL(nodes->by_ino, node);
    free(node->name);
    free(node);
}

void nodes_deinit(struct nodes *nodes)
{
    struct node *node, *next;
    HASH_ITER(hh, nodes->by_ino, node, next)
    {
        node_free(nodes, node);
    }
}

struct node *nodes_at(struct nodes *nodes, uint64_t node_id)
{
    return node_id == ROOT_ID ? &nodes->root : (struct node *)(uintptr_t)node_id;
}

uint64_t nodes_id(const struct nodes *nodes, const struct node *node)
{
    return node == &nodes->root ? ROOT_ID : (uint64_t)(uintptr_t)node;
}

struct node *nodes_find(const struct nodes *nodes, uint64_t ino)
{
    struct node *node = NULL;
    HASH_FIND(hh, nodes->by_ino, &ino, sizeof ino, node);
    return node;
}

static void set_place(struct nodes *nodes, struct node *node, const struct node_place *place)
{
    sf_assert(place->name.n <= TREE_NAME_BYTES_MAX);
    node->is_apart = node->is_apart || place->is_apart; /* that never ends */
    if (place->name.n > 0 && find_place(nodes, place->directory, place->name) != node)
        nodes_vacate(nodes, place);
    if (place->asked < node->placed || (place->name.n == 0 && node->name))
        return;
    node->placed = place->asked;
    bool is_same = node->name && slice_equal(place->name, slice_str(node->name));
    if (is_same && node->directory == place->directory && (node->place || !node->is_directory))
        return;
    node->directory = place->directory;
    char *name = sf_malloc(place->name.n + 1); /* place->name may be the node's own */
    memcpy(name, place->name.p, place->name.n);
    name[place->name.n] = 0;
    free(node->name);
    node->name = name;
    take_place(nodes, node);
}

void nodes_see(struct node *node, const struct tree_inode *inode)
{
    uint32_t mode = inode->mode;
    bool runs_as_group = (mode & S_ISGID) && (mode & S_IXGRP);
    node->is_privileged = S_ISREG(mode) && ((mode & S_ISUID) || runs_as_group);
    node->has_capability = inode->has_capability;
    node->gives_group = S_ISDIR(mode) && (mode & S_ISGID);
    node->mode = mode;
    node->uid = inode->uid;
    node->gid = inode->gid;
    if (S_ISDIR(mode))
        node->parent = inode->parent;
}

struct node *nodes_remember(struct nodes *nodes, const struct tree_inode *inode,
                            const struct node_place *place)
{
    struct node *node = nodes_find(nodes, inode->ino);
    if (!node) {
        node = sf_calloc(1, sizeof *node);
        node->ino = inode->ino;
        node->is_directory = S_ISDIR(inode->mode);
        HASH_ADD(hh, nodes->by_ino, ino, sizeof node->ino, node);
    }
    node->lookups++;
    nodes_see(node, inode);
    set_place(nodes, node, place);
    return node;
}

static bool opens_unheard(const struct node *node)
{
    uint32_t mode = node->mode;
    return S_ISFIFO(mode) || S_ISSOCK(mode) || S_ISCHR(mode) || S_ISBLK(mode);
}

bool nodes_may_be_open(const struct node *node)
{
    return node->opens > 0 || opens_unheard(node);
}

void nodes_forget(struct nodes *nodes, struct node *node, uint64_t lookups)
{
    if (node == &nodes->root)
        return;
    node->lookups -= lookups < node->lookups ? lookups : node->lookups;
    if (node->lookups > 0)
        return;
    if (opens_unheard(node) && nodes->on_forgotten)
        nodes->on_forgotten(nodes, node->ino);
    node_free(nodes, node);
}

void nodes_moved(struct nodes *nodes, uint64_t ino, const struct node_place *place)
{
    struct node *node = nodes_find(nodes, ino);
    if (!node)
        return;
    set_place(nodes, node, place);
    node->parent = place->directory;
}

void nodes_removed(struct nodes *nodes, uint64_t ino, uint64_t time_ns)
{
    struct node *node = nodes_find(nodes, ino);
    if (!node || !node->is_directory)
        return;
    leave_place(nodes, node);
    node->removed_ns = time_ns;
}

void nodes_removal_begins(struct nodes *nodes, uint64_t ino)
{
    struct node *node = nodes_find(nodes, ino);
    if (node)
        node->removals++;
}

void nodes_removal_ends(struct nodes *nodes, uint64_t ino, uint64_t now_ns)
{
    struct node *node = nodes_find(nodes, ino);
    if (!node || node->removals == 0) /* it was not known yet when that began */
        return;
    node->removals--;
    node->removal_ended = nodes->sent;
    node->removal_ended_ns = now_ns;
}

bool nodes_is_still_there(const struct node *node, uint64_t asked)
{
    return node->removals == 0 && asked > node->removal_ended;
}

bool nodes_loses_name(const struct node *node, uint64_t now_ns)
{
    uint64_t ended = node->removal_ended_ns;
    return node->removals > 0 || (ended != 0 && now_ns - ended < COUNTING_NS);
}

struct tree_inode nodes_removed_inode(const struct node *node)
{
    return (struct tree_inode){
        .ino = node->ino,
        .mode = node->mode,
        .uid = node->uid,
        .gid = node->gid,
        .atime_ns = node->removed_ns,
        .mtime_ns = node->removed_ns,
        .ctime_ns = node->removed_ns,
    };
}

struct tree_place nodes_place(const struct node *node)
{
    return (struct tree_place){
        .directory = node->directory,
        .name = slice_str(node->name),
        .ino = node->ino,
        .is_directory = node->is_directory,
        .is_apart = node->is_apart,
    };
}

#include "mount/nodes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "env/memory.h"

#define ROOT_ID 1u /* FUSE_ROOT_ID */

void nodes_init(struct nodes *nodes)
{
    memset(nodes, 0, sizeof *nodes);
    nodes->root.ino = TREE_ROOT;
    nodes->root.is_directory = true;
    nodes->root.lookups = 1;
}

void nodes_deinit(struct nodes *nodes)
{
    struct node *node, *next;
    HASH_ITER(hh, nodes->by_ino, node, next)
    {
        HASH_DEL(nodes->by_ino, node);
        free(node);
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

static void set_place(struct node *node, uint64_t directory, struct slice name)
{
    sf_assert(name.n <= TREE_NAME_BYTES_MAX);
    node->directory = directory;
    node->name_bytes = name.n;
    memcpy(node->name, name.p, name.n);
    node->name[name.n] = 0;
}

struct node *nodes_remember(struct nodes *nodes, const struct tree_inode *inode, uint64_t directory,
                            struct slice name)
{
    struct node *node = NULL;
    HASH_FIND(hh, nodes->by_ino, &inode->ino, sizeof inode->ino, node);
    if (!node) {
        node = sf_calloc(1, sizeof *node);
        node->ino = inode->ino;
        HASH_ADD(hh, nodes->by_ino, ino, sizeof node->ino, node);
    }
    node->is_directory = S_ISDIR(inode->mode);
    node->lookups++;
    set_place(node, directory, name);
    return node;
}

void nodes_forget(struct nodes *nodes, struct node *node, uint64_t lookups)
{
    if (node == &nodes->root)
        return;
    sf_assert(lookups <= node->lookups);
    node->lookups -= lookups;
    if (node->lookups > 0)
        return;
    HASH_DEL(nodes->by_ino, node);
    free(node);
}

void nodes_moved(struct nodes *nodes, uint64_t directory, struct slice name, uint64_t to_directory,
                 struct slice to_name)
{
    struct node *node, *next;
    HASH_ITER(hh, nodes->by_ino, node, next)
    {
        if (node->directory == directory &&
            slice_equal(slice_of(node->name, node->name_bytes), name))
            set_place(node, to_directory, to_name);
    }
}

struct tree_place nodes_place(const struct node *node)
{
    return (struct tree_place){
        .directory = node->directory,
        .name = slice_of(node->name, node->name_bytes),
        .ino = node->ino,
        .is_directory = node->is_directory,
    };
}

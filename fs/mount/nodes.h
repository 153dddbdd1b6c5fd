/* nodes: the inodes that the kernel knows, and where each lives.
 *
 * A node is found by its inode number; the kernel's node id is its address (the root's is 1). It
 * lives as long as the kernel holds lookups of it. */
#ifndef MOUNT_NODES_H
#define MOUNT_NODES_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "tree/tree.h"

struct node {
    uint64_t ino;
    bool is_directory;
    uint64_t directory; /* id of the directory that holds its entry */
    char name[TREE_NAME_BYTES_MAX + 1];
    size_t name_bytes;
    uint64_t lookups; /* entries delivered and not yet forgotten */
    UT_hash_handle hh;
};

struct nodes {
    struct node *by_ino;
    struct node root;
};

void nodes_init(struct nodes *nodes);
void nodes_deinit(struct nodes *nodes);
/* By the kernel's node id, which it got from us. */
struct node *nodes_at(struct nodes *nodes, uint64_t node_id);
uint64_t nodes_id(const struct nodes *nodes, const struct node *node);
/* The node of an inode that was just found at this place (which becomes its place), with one lookup
 * more. The caller gives it back with nodes_forget where the reply is not delivered. */
struct node *nodes_remember(struct nodes *nodes, const struct tree_inode *inode, uint64_t directory,
                            struct slice name);
void nodes_forget(struct nodes *nodes, struct node *node, uint64_t lookups);
/* This mount renamed what lived at the first place. */
void nodes_moved(struct nodes *nodes, uint64_t directory, struct slice name, uint64_t to_directory,
                 struct slice to_name);
/* The place, its name borrowed from the node. */
struct tree_place nodes_place(const struct node *node);

#endif

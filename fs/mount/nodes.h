/* nodes: the inodes that the kernel knows, and where each lives.
 *
 * A node is found by its inode number; the kernel's node id is its address (the root's is 1). It
 * lives as long as the kernel holds lookups of it.
 *
 * Answers come in another order than questions, and pages of a listing grow old. So each request
 * has a number, in the order in which they were sent, and a node is moved to the place that an
 * answer shows only if its question was sent after whatever placed the node last. */
#ifndef MOUNT_NODES_H
#define MOUNT_NODES_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "tree/tree.h"

struct node {
    uint64_t ino;
    uint64_t directory; /* id of the directory that holds its entry */
    uint64_t placed;    /* number of the request that placed it */
    uint64_t lookups;   /* entries delivered and not yet forgotten */
    char *name;         /* of its entry; owned, with a 0 */
    char *place;        /* of a directory: its key in `by_place`; owned */
    bool is_directory;
    bool is_apart;  /* a file that has had several names: the last two are one of them */
    uint64_t opens; /* handles of it */
    /* Requests under way that take a name of it away, and when the last one ended: after which
     * request, and at what time. */
    uint64_t removals, removal_ended, removal_ended_ns;
    /* As last seen: */
    bool is_privileged;  /* a file with mode bits that a write by others takes away ... */
    bool has_capability; /* ... with an xattr that every write takes away */
    bool gives_group;    /* a directory whose group goes to what is made in it: `gid` */
    uint32_t mode, uid, gid;
    uint64_t parent;     /* of a directory: the id of the one above it */
    uint64_t removed_ns; /* when this mount removed the directory; 0: it did not */
    UT_hash_handle hh, hh_place;
};

struct nodes {
    struct node *by_ino;
    struct node *by_place; /* directories, those that were found there last */
    struct node root;
    uint64_t sent; /* requests so far */
    /* The kernel does not know a node any more that it may have had open unheard. NULL: nobody asks. */
    void (*on_forgotten)(struct nodes *nodes, uint64_t ino);
};

/* Where an inode was found, by the request of this number. */
struct node_place {
    uint64_t directory;
    struct slice name; /* at most TREE_NAME_BYTES_MAX; empty: not known, it stays */
    uint64_t asked;
    bool is_apart;
};

void nodes_init(struct nodes *nodes);
void nodes_deinit(struct nodes *nodes);
/* By the kernel's node id, which it got from us. */
struct node *nodes_at(struct nodes *nodes, uint64_t node_id);
uint64_t nodes_id(const struct nodes *nodes, const struct node *node);
/* The node of an inode that was found, with one lookup more. The caller gives it back with
 * nodes_forget where the reply is not delivered. */
struct node *nodes_remember(struct nodes *nodes, const struct tree_inode *inode,
                            const struct node_place *place);
void nodes_forget(struct nodes *nodes, struct node *node, uint64_t lookups);
/* Takes note of the mode and group that an answer shows. */
void nodes_see(struct node *node, const struct tree_inode *inode);
/* The inode is found at this place from now on, if the kernel knows it. */
void nodes_moved(struct nodes *nodes, uint64_t ino, const struct node_place *place);
/* NULL: the kernel does not know it. */
struct node *nodes_find(const struct nodes *nodes, uint64_t ino);
/* May programs have it open? The kernel does not say when it opens or closes a fifo, a socket or a
 * device, but knows the node as long as it is open: so these count as open until they are forgotten. */
bool nodes_may_be_open(const struct node *node);
/* No directory was found at this place. */
void nodes_vacate(struct nodes *nodes, const struct node_place *place);
/* The directory that was found last at this place, which the kernel takes to be there; 0: none. */
uint64_t nodes_directory_at(const struct nodes *nodes, uint64_t directory, struct slice name);
/* This mount removed the inode; of a directory it is remembered, if the kernel knows it. */
void nodes_removed(struct nodes *nodes, uint64_t ino, uint64_t time_ns);
/* A request that takes a name of this inode away begins to do so, and has been answered, at this time
 * of the monotonic clock. */
void nodes_removal_begins(struct nodes *nodes, uint64_t ino);
void nodes_removal_ends(struct nodes *nodes, uint64_t ino, uint64_t now_ns);
/* It was there when a request of this number found it: has this mount taken no name away since? */
bool nodes_is_still_there(const struct node *node, uint64_t asked);
/* May the kernel still have to count a removed name off? */
bool nodes_loses_name(const struct node *node, uint64_t now_ns);
/* A directory that this mount removed, as one in which somebody still stands sees it. */
struct tree_inode nodes_removed_inode(const struct node *node);
/* The place, its name borrowed from the node. */
struct tree_place nodes_place(const struct node *node);

#endif

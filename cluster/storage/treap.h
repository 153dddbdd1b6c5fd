/* treap: an ordered map whose versions share what they have in common.
 *
 * A map is a pointer to its root, NULL the empty one. Whoever holds a root owns a reference to it;
 * a change consumes the caller's reference and returns the new root. Nodes that somebody else holds
 * too are copied on the way, so a version never changes as long as anybody holds it.
 *
 *  T1  Keys ascend in order; no two are equal.
 *  T2  A node's priority, the hash of its key, is at least that of its children; equal ones stand
 *      in key order. So the shape depends on the content alone, and the expected depth of n keys
 *      is below 2 ln n, whatever the order in which they came.
 *  T3  A node is changed in place only by who holds its one reference, through nodes that are
 *      referenced once themselves.
 *
 * Not safe for more than one thread. Source: Seidel and Aragon, "Randomized search trees" (1996).
 */
#ifndef STORAGE_TREAP_H
#define STORAGE_TREAP_H

#include "env/bytes.h"

/* A key with its value. Immutable; counted. */
struct treap_item {
    uint32_t references;
    uint32_t key_bytes, value_bytes;
    uint8_t data[]; /* the key, then the value */
};

struct treap_item *treap_item_new(struct slice key, struct slice value);
struct treap_item *treap_item_ref(struct treap_item *item);
void treap_item_unref(struct treap_item *item);
struct slice treap_item_key(const struct treap_item *item);
struct slice treap_item_value(const struct treap_item *item);

struct treap; /* a node */

struct treap *treap_ref(struct treap *root); /* NULL is allowed, as everywhere here */
void treap_unref(struct treap *root);

struct treap_item *treap_find(const struct treap *root, struct slice key); /* borrowed, or NULL */
/* Adds the item in the place of any of the same key; takes a reference of its own. */
struct treap *treap_put(struct treap *root, struct treap_item *item);
struct treap *treap_delete(struct treap *root, struct slice key);
struct treap *treap_delete_range(struct treap *root, struct slice from, struct slice to); /* [, ) */

#define TREAP_DEPTH_MAX 192u /* beyond any reach: 2 ln n is 50 for the keys of 32 GiB of nodes */

/* A walk in ascending order through a root that somebody holds. */
struct treap_cursor {
    const struct treap *path[TREAP_DEPTH_MAX]; /* nodes still to be visited, the next one last */
    size_t depth;
};

void treap_seek(struct treap_cursor *cursor, const struct treap *root, struct slice key);
struct treap_item *treap_cursor_item(const struct treap_cursor *cursor); /* NULL at the end */
void treap_cursor_next(struct treap_cursor *cursor);                     /* not at the end */

#endif

#include "storage/treap.h"

#include <stdlib.h>
#include <string.h>

#include "env/memory.h"

struct treap {
    uint32_t references;
    uint64_t priority; /* T2 */
    struct treap_item *item;
    struct treap *left, *right;
};

/* -- items --------------------------------------------------------------------------------- */

struct treap_item *treap_item_new(struct slice key, struct slice value)
{
    sf_assert(key.n <= UINT32_MAX && value.n <= UINT32_MAX);
    struct treap_item *item = sf_malloc(sizeof *item + key.n + value.n);
    item->references = 1;
    item->key_bytes = (uint32_t)key.n;
    item->value_bytes = (uint32_t)value.n;
    if (key.n > 0)
        memcpy(item->data, key.p, key.n);
    if (value.n > 0)
        memcpy(item->data + key.n, value.p, value.n);
    return item;
}

struct treap_item *treap_item_ref(struct treap_item *item)
{
    item->references++;
    return item;
}

void treap_item_unref(struct treap_item *item)
{
    if (--item->references == 0)
        free(item);
}

struct slice treap_item_key(const struct treap_item *item)
{
    return slice_of(item->data, item->key_bytes);
}

struct slice treap_item_value(const struct treap_item *item)
{
    return slice_of(item->data + item->key_bytes, item->value_bytes);
}

/* -- nodes --------------------------------------------------------------------------------- */

struct treap *treap_ref(struct treap *root)
{
    if (root != NULL)
        root->references++;
    return root;
}

void treap_unref(struct treap *root)
{
    if (root == NULL || --root->references > 0)
        return;
    treap_unref(root->left);
    treap_unref(root->right);
    treap_item_unref(root->item);
    free(root);
}

static struct slice key_of(const struct treap *node)
{
    return treap_item_key(node->item);
}

/* The same node, or a copy of it that can be changed (T3). */
static struct treap *own(struct treap *node)
{
    if (node->references == 1)
        return node;
    struct treap *copy = sf_malloc(sizeof *copy);
    *copy = *node;
    copy->references = 1;
    treap_item_ref(copy->item);
    treap_ref(copy->left);
    treap_ref(copy->right);
    node->references--;
    return copy;
}

/* Does a key of this priority stand above the node? (T2) */
static bool stands_above(uint64_t priority, struct slice key, const struct treap *node)
{
    if (priority != node->priority)
        return priority > node->priority;
    return slice_compare(key, key_of(node)) < 0;
}

/* Divides into keys < key and keys >= key. */
static void split(struct treap *root, struct slice key, struct treap **below, struct treap **above)
{
    if (root == NULL) {
        *below = *above = NULL;
        return;
    }
    root = own(root);
    if (slice_compare(key_of(root), key) < 0) {
        split(root->right, key, &root->right, above);
        *below = root;
    } else {
        split(root->left, key, below, &root->left);
        *above = root;
    }
}

/* Every key of `below` is less than every key of `above`. */
static struct treap *join(struct treap *below, struct treap *above)
{
    if (below == NULL || above == NULL)
        return below == NULL ? above : below;
    if (stands_above(below->priority, key_of(below), above)) {
        below = own(below);
        below->right = join(below->right, above);
        return below;
    }
    above = own(above);
    above->left = join(below, above->left);
    return above;
}

/* -- the map ------------------------------------------------------------------------------- */

struct treap_item *treap_find(const struct treap *root, struct slice key)
{
    while (root != NULL) {
        int order = slice_compare(key, key_of(root));
        if (order == 0)
            return root->item;
        root = order < 0 ? root->left : root->right;
    }
    return NULL;
}

static struct treap *put(struct treap *root, struct treap_item *item, uint64_t priority)
{
    struct slice key = treap_item_key(item);
    if (root == NULL || stands_above(priority, key, root)) {
        struct treap *node = sf_malloc(sizeof *node);
        *node = (struct treap){.references = 1, .priority = priority, .item = item};
        split(root, key, &node->left, &node->right);
        return node;
    }
    root = own(root);
    int order = slice_compare(key, key_of(root));
    if (order == 0) {
        treap_item_unref(root->item);
        root->item = item;
    } else if (order < 0) {
        root->left = put(root->left, item, priority);
    } else {
        root->right = put(root->right, item, priority);
    }
    return root;
}

struct treap *treap_put(struct treap *root, struct treap_item *item)
{
    return put(root, treap_item_ref(item), bytes_hash(treap_item_key(item)));
}

static struct treap *delete_present(struct treap *root, struct slice key)
{
    root = own(root);
    int order = slice_compare(key, key_of(root));
    if (order < 0) {
        root->left = delete_present(root->left, key);
    } else if (order > 0) {
        root->right = delete_present(root->right, key);
    } else {
        struct treap *rest = join(root->left, root->right);
        root->left = root->right = NULL;
        treap_unref(root);
        return rest;
    }
    return root;
}

struct treap *treap_delete(struct treap *root, struct slice key)
{
    return treap_find(root, key) == NULL ? root : delete_present(root, key);
}

struct treap *treap_delete_range(struct treap *root, struct slice from, struct slice to)
{
    struct treap *below, *within, *above;
    if (slice_compare(from, to) >= 0)
        return root;
    split(root, from, &below, &within);
    split(within, to, &within, &above);
    treap_unref(within);
    return join(below, above);
}

/* -- the walk ------------------------------------------------------------------------------ */

static void push(struct treap_cursor *cursor, const struct treap *node)
{
    sf_assert(cursor->depth < TREAP_DEPTH_MAX);
    cursor->path[cursor->depth++] = node;
}

void treap_seek(struct treap_cursor *cursor, const struct treap *root, struct slice key)
{
    cursor->depth = 0;
    while (root != NULL) {
        if (slice_compare(key_of(root), key) < 0) {
            root = root->right;
        } else {
            push(cursor, root);
            root = root->left;
        }
    }
}

struct treap_item *treap_cursor_item(const struct treap_cursor *cursor)
{
    return cursor->depth == 0 ? NULL : cursor->path[cursor->depth - 1]->item;
}

void treap_cursor_next(struct treap_cursor *cursor)
{
    sf_assert(cursor->depth > 0);
    const struct treap *node = cursor->path[--cursor->depth]->right;
    for (; node != NULL; node = node->left)
        push(cursor, node);
}

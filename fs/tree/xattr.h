/* xattr: a list of extended attributes as it stands in a record's attr (pure).
 *
 * Entries in the order in which they were made, each name once, none empty:
 *   u8 bytes of the name (1..255), u16 bytes of the value (little-endian), name, value
 */
#ifndef TREE_XATTR_H
#define TREE_XATTR_H

#include "env/bytes.h"

struct xattr {
    struct slice name, value; /* borrowed from the list */
};

/* Takes the first entry off the list. False: there is none, or it is damaged (then the list is not
 * empty). */
bool xattr_next(struct slice *list, struct xattr *out);
bool xattr_list_is_valid(struct slice list);
/* False: no such name. */
bool xattr_find(struct slice list, struct slice name, struct slice *value);
/* Appends the list to `out`, without this name. */
void xattr_copy_without(struct slice list, struct slice name, struct buffer *out);
/* Appends an entry. name.n <= 255, value.n <= 65535. */
void xattr_append(struct buffer *list, struct slice name, struct slice value);
/* Appends every name, each with a 0 behind it. */
void xattr_names(struct slice list, struct buffer *out);

#endif

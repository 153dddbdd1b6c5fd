/* attr: a record's opaque attributes, as the file system writes them, and the inode they make.
 *
 *   offset  bytes  what (little-endian)
 *   0       1      version: 1, or 2 where there is more than version 1 has room for
 *   1       1      flags: 1 the atime was set; else it is the mtime. 2 of a file: it has moved, and
 *                  there is a record that says where to (tree.h, T6)
 *   2       4      mode: type and permission bits
 *   6       4      uid
 *   10      4      gid
 *   14      4      link count of a file
 *   18      8      atime, ns since 1970, signed
 *   26      8      of a directory: id of its parent; else 0
 *   version 2 alone:
 *   34      4      of a device node: its number, as the kernel's 32-bit one; else 0
 *   38      ...    extended attributes (xattr.h), to the end
 *
 * A record without attr (made by a clerk) is a 0644 file of the mounting user.
 */
#ifndef TREE_ATTR_H
#define TREE_ATTR_H

#include "tree/tree.h"

struct attr {
    uint32_t mode, uid, gid, links;
    bool has_atime;
    bool has_moved;    /* flag 2 */
    uint64_t atime_ns; /* valid where has_atime */
    uint64_t parent;
    uint32_t device;
    struct slice xattrs; /* a list (xattr.h); borrowed */
};

/* Replaces what `out` holds; attr->xattrs may not point into it. SF_NO_SPACE: more than
 * SF_ATTR_BYTES_MAX; out is as it was. */
SF_MUST_CHECK int attr_encode(const struct attr *attr, struct buffer *out);
/* out->xattrs points into `bytes`. SF_BAD_ATTR: damaged, or written by a newer version. */
SF_MUST_CHECK int attr_decode(struct slice bytes, struct attr *out);
bool attr_is_newer(struct slice bytes); /* of what does not decode: the latter */
/* Of bytes that are damaged: all but the extended attributes and the set-id bits, if no more than what
 * stands behind them is, and they are those of a directory or of a file, as is asked. Else false, and
 * *out is as it was. */
bool attr_salvage(struct slice bytes, bool of_directory, struct attr *out);

/* The attributes of a file's record, be it one without attr. out->xattrs points into stat->attr.
 * SF_BAD_ATTR. */
SF_MUST_CHECK int attr_of_file(const struct kv_stat *stat, uint32_t uid, uint32_t gid,
                               struct attr *out);
/* What a file's record says; a record without attr belongs to uid and gid. SF_BAD_ATTR. */
SF_MUST_CHECK int attr_file_inode(const struct kv_stat *stat, uint32_t uid, uint32_t gid,
                                  struct tree_inode *out);
/* What a directory's own record says; slots is its value. SF_BAD_ATTR. */
SF_MUST_CHECK int attr_directory_inode(uint64_t id, const struct kv_stat *stat, struct slice slots,
                                       struct tree_inode *out);

#define DIRECTORY_SLOT_ENTRIES 0u
#define DIRECTORY_SLOT_SUBDIRECTORIES 1u

#endif

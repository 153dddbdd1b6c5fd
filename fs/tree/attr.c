#include "tree/attr.h"

#include <sys/stat.h>

#include "tree/xattr.h"

#define ATTR_LONG_BYTES 38u /* before the xattrs */
#define VERSION_PLAIN 1u
#define VERSION_LONG 2u     /* with device and xattrs */
#define VERSION_TO_COME 16u /* they grow by one: what says more is no version */
#define FLAG_ATIME 1u
#define FLAG_MOVED 2u

int attr_encode(const struct attr *attr, struct buffer *out)
{
    bool is_long = attr->device != 0 || attr->xattrs.n > 0;
    if (is_long && attr->xattrs.n > SF_ATTR_BYTES_MAX - ATTR_LONG_BYTES)
        return SF_NO_SPACE;
    buffer_clear(out);
    buffer_put_u8(out, is_long ? VERSION_LONG : VERSION_PLAIN);
    buffer_put_u8(
        out, (uint8_t)((attr->has_atime ? FLAG_ATIME : 0) | (attr->has_moved ? FLAG_MOVED : 0)));
    buffer_put_u32(out, attr->mode);
    buffer_put_u32(out, attr->uid);
    buffer_put_u32(out, attr->gid);
    buffer_put_u32(out, attr->links);
    buffer_put_u64(out, attr->atime_ns);
    buffer_put_u64(out, attr->parent);
    if (is_long) {
        buffer_put_u32(out, attr->device);
        buffer_append(out, attr->xattrs.p, attr->xattrs.n);
    }
    return SF_OK;
}

/* What stands before the extended attributes. False: it is damaged. */
static bool read_fixed(struct reader *r, struct attr *attr)
{
    uint8_t version = reader_u8(r), flags = reader_u8(r);
    *attr = (struct attr){.has_atime = flags & FLAG_ATIME, .has_moved = flags & FLAG_MOVED};
    attr->mode = reader_u32(r);
    attr->uid = reader_u32(r);
    attr->gid = reader_u32(r);
    attr->links = reader_u32(r);
    attr->atime_ns = reader_u64(r);
    attr->parent = reader_u64(r);
    if (version == VERSION_LONG)
        attr->device = reader_u32(r);
    bool known = version == VERSION_PLAIN || version == VERSION_LONG;
    return reader_ok(r) && known && (flags & ~(FLAG_ATIME | FLAG_MOVED)) == 0;
}

int attr_decode(struct slice bytes, struct attr *out)
{
    struct reader r = reader_of(bytes);
    struct attr attr;
    if (!read_fixed(&r, &attr))
        return SF_BAD_ATTR;
    if (bytes.p[0] == VERSION_LONG)
        attr.xattrs = reader_bytes(&r, reader_left(&r));
    if (!reader_done(&r) || !xattr_list_is_valid(attr.xattrs))
        return SF_BAD_ATTR;
    *out = attr;
    return SF_OK;
}

bool attr_is_newer(struct slice bytes)
{
    return bytes.n > 0 && bytes.p[0] > VERSION_LONG && bytes.p[0] <= VERSION_TO_COME;
}

static void inode_fill(const struct attr *attr, const struct kv_stat *stat, struct tree_inode *out)
{
    struct slice value;
    *out = (struct tree_inode){
        .mode = attr->mode,
        .uid = attr->uid,
        .gid = attr->gid,
        .links = attr->links,
        .device = attr->device,
        .parent = attr->parent,
        .has_capability = xattr_find(attr->xattrs, slice_str(TREE_XATTR_CAPABILITY), &value),
        .version = stat->version,
        .atime_ns = attr->has_atime ? attr->atime_ns : stat->mtime_ns,
        .mtime_ns = stat->mtime_ns,
        .ctime_ns = stat->ctime_ns,
    };
}

/* Those that a file's record may have. */
static bool is_file_type(uint32_t mode)
{
    return S_ISREG(mode) || S_ISLNK(mode) || S_ISFIFO(mode) || S_ISSOCK(mode) || S_ISCHR(mode) ||
           S_ISBLK(mode);
}

/* The head's bytes, and all behind it but what lies before the first extent with an id. */
static uint64_t stored_bytes(const struct kv_stat *stat)
{
    uint64_t head = stat->length < SF_VALUE_BYTES_MAX ? stat->length : SF_VALUE_BYTES_MAX;
    if (stat->tail_count == 0)
        return head;
    uint64_t first = stat->tail[0].first_extent * SF_EXTENT_BYTES;
    return stat->length > first ? head + (stat->length - first) : head;
}

bool attr_salvage(struct slice bytes, bool of_directory, struct attr *out)
{
    struct reader r = reader_of(bytes);
    struct attr attr;
    if (!read_fixed(&r, &attr))
        return false;
    if (!(of_directory ? S_ISDIR(attr.mode) : is_file_type(attr.mode)))
        return false;
    attr.mode &= ~(uint32_t)(S_ISUID | S_ISGID);
    *out = attr;
    return true;
}

int attr_of_file(const struct kv_stat *stat, uint32_t uid, uint32_t gid, struct attr *out)
{
    struct attr attr = {.mode = S_IFREG | 0644, .uid = uid, .gid = gid, .links = 1};
    if (stat->attr.n > 0 && attr_decode(stat->attr, &attr) != SF_OK)
        return SF_BAD_ATTR;
    if (!is_file_type(attr.mode))
        return SF_BAD_ATTR;
    *out = attr;
    return SF_OK;
}

int attr_file_inode(const struct kv_stat *stat, uint32_t uid, uint32_t gid, struct tree_inode *out)
{
    struct attr attr;
    if (attr_of_file(stat, uid, gid, &attr) != SF_OK)
        return SF_BAD_ATTR;
    inode_fill(&attr, stat, out);
    out->ino = stat->created;
    out->size = stat->length;
    out->stored = stored_bytes(stat);
    return SF_OK;
}

static uint64_t slot_of(struct slice slots, size_t slot)
{
    struct reader r = reader_of(slots);
    (void)reader_bytes(&r, slot * 8);
    return reader_u64(&r); /* absent: 0 */
}

int attr_directory_inode(uint64_t id, const struct kv_stat *stat, struct slice slots,
                         struct tree_inode *out)
{
    struct attr attr;
    if (attr_decode(stat->attr, &attr) != SF_OK || !S_ISDIR(attr.mode))
        return SF_BAD_ATTR;
    inode_fill(&attr, stat, out);
    out->ino = id;
    out->links = 2 + (uint32_t)slot_of(slots, DIRECTORY_SLOT_SUBDIRECTORIES);
    out->size = slot_of(slots, DIRECTORY_SLOT_ENTRIES);
    return SF_OK;
}

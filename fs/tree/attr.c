#include "tree/attr.h"

#include <string.h>
#include <sys/stat.h>

#define ATTR_VERSION 1u
#define FLAG_ATIME 1u

void attr_encode(const struct attr *attr, uint8_t out[ATTR_BYTES])
{
    struct buffer b = {0};
    buffer_put_u8(&b, ATTR_VERSION);
    buffer_put_u8(&b, attr->has_atime ? FLAG_ATIME : 0);
    buffer_put_u32(&b, attr->mode);
    buffer_put_u32(&b, attr->uid);
    buffer_put_u32(&b, attr->gid);
    buffer_put_u32(&b, attr->links);
    buffer_put_u64(&b, attr->atime_ns);
    buffer_put_u64(&b, attr->parent);
    sf_assert(b.n == ATTR_BYTES);
    memcpy(out, b.p, ATTR_BYTES);
    buffer_deinit(&b);
}

int attr_decode(struct slice bytes, struct attr *out)
{
    struct reader r = reader_of(bytes);
    uint8_t version = reader_u8(&r), flags = reader_u8(&r);
    struct attr attr = {.has_atime = flags & FLAG_ATIME};
    attr.mode = reader_u32(&r);
    attr.uid = reader_u32(&r);
    attr.gid = reader_u32(&r);
    attr.links = reader_u32(&r);
    attr.atime_ns = reader_u64(&r);
    attr.parent = reader_u64(&r);
    if (!reader_done(&r) || version != ATTR_VERSION || (flags & ~FLAG_ATIME) != 0)
        return SF_BAD_ATTR;
    *out = attr;
    return SF_OK;
}

static void inode_fill(const struct attr *attr, const struct kv_stat *stat, struct tree_inode *out)
{
    *out = (struct tree_inode){
        .mode = attr->mode,
        .uid = attr->uid,
        .gid = attr->gid,
        .links = attr->links,
        .version = stat->version,
        .atime_ns = attr->has_atime ? attr->atime_ns : stat->mtime_ns,
        .mtime_ns = stat->mtime_ns,
        .ctime_ns = stat->ctime_ns,
    };
}

int attr_file_inode(const struct kv_stat *stat, uint32_t uid, uint32_t gid, struct tree_inode *out)
{
    struct attr attr = {.mode = S_IFREG | 0644, .uid = uid, .gid = gid, .links = 1};
    if (stat->attr.n > 0 && attr_decode(stat->attr, &attr) != SF_OK)
        return SF_BAD_ATTR;
    if (S_ISDIR(attr.mode))
        return SF_BAD_ATTR;
    inode_fill(&attr, stat, out);
    out->ino = stat->created;
    out->size = stat->length;
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

/* SETATTR: size first (where the caller sets it), then mode, owner and times, which are a read and
 * a conditional write of the attributes, tried again when another change came between. */
#include "tree/op.h"

#include <sys/stat.h>

static void read_attr(struct op *op);

/* The attributes that the record will have: what it has, changed as the call says. */
static int changed_attr(struct op *op, const struct kv_reply *reply, struct attr *attr)
{
    const struct tree_call *call = op->call;
    *attr = (struct attr){.mode = S_IFREG | 0644,
                          .uid = op->tree->options.uid,
                          .gid = op->tree->options.gid,
                          .links = 1};
    if (reply->stat.attr.n > 0 && attr_decode(reply->stat.attr, attr) != SF_OK)
        return SF_BAD_ATTR;
    if (call->set & TREE_SET_MODE)
        attr->mode = (attr->mode & S_IFMT) | (call->mode & ~(uint32_t)S_IFMT);
    if (call->set & TREE_SET_OWNER) {
        attr->uid = call->uid != UINT32_MAX ? call->uid : attr->uid;
        attr->gid = call->gid != UINT32_MAX ? call->gid : attr->gid;
    }
    if (call->set & TREE_SET_ATIME)
        attr->atime_ns = call->atime_ns;
    return SF_OK;
}

static bool is_directory(const struct op *op)
{
    return op->call->place.is_directory;
}

static int result_inode(struct op *op, const struct kv_stat *stat, struct slice slots)
{
    if (is_directory(op))
        return attr_directory_inode(op->call->place.ino, stat, slots, &op->call->inode);
    return op_file_inode(op, stat);
}

static void on_result(struct op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_OK)
        status = result_inode(op, &reply->stat, reply->data);
    op_finish(op, status == SF_NOT_FOUND ? SF_STALE_FILE : status);
}

static void on_written(struct op *op, int status, const struct kv_reply *reply)
{
    (void)reply;
    if (status == SF_PRECONDITION && op_may_retry(op))
        read_attr(op);
    else if (status == SF_OK)
        op_stat(op, is_directory(op) ? &op->directory : &op->entry, on_result);
    else if (status != SF_PRECONDITION)
        op_finish(op, status == SF_NOT_FOUND ? SF_STALE_FILE : status);
}

static void on_read(struct op *op, int status, const struct kv_reply *reply)
{
    const struct tree_call *call = op->call;
    struct attr attr;
    if (status == SF_OK && !is_directory(op) &&
        (reply->stat.kind != RECORD_VALUE || reply->stat.created != call->place.ino))
        status = SF_NOT_FOUND;
    if (status == SF_OK)
        status = changed_attr(op, reply, &attr);
    if (status != SF_OK) {
        op_finish(op, status == SF_NOT_FOUND ? SF_STALE_FILE : status);
        return;
    }
    attr_encode(&attr, op->attr);
    op_kv(&op->kv, KV_SET_ATTR, is_directory(op) ? &op->directory : &op->entry);
    op->kv.pre = (struct kv_pre){KV_PRE_VERSION, reply->stat.version};
    op->kv.attr = slice_of(op->attr, ATTR_BYTES);
    op->kv.flags = KV_HAS_ATTR;
    if (call->set & TREE_SET_MTIME) {
        op->kv.flags |= KV_HAS_MTIME;
        op->kv.mtime_ns = call->mtime_ns;
    }
    op_send(op, on_written);
}

static void read_attr(struct op *op)
{
    op_stat(op, is_directory(op) ? &op->directory : &op->entry, on_read);
}

static void on_truncated(struct op *op, int status, const struct kv_stat *stat, struct slice data)
{
    (void)stat;
    (void)data;
    if (status == SF_PRECONDITION || status == SF_NOT_FOUND)
        status = SF_STALE_FILE;
    if (status != SF_OK)
        op_finish(op, status);
    else if (op->call->set == TREE_SET_SIZE)
        op_stat(op, &op->entry, on_result);
    else
        read_attr(op);
}

int setattr_start(struct op *op)
{
    const struct tree_call *call = op->call;
    const struct tree_place *place = &call->place;
    if (place->is_directory && place->ino == TREE_ROOT)
        return SF_UNSUPPORTED; /* the root has no record; it belongs to the mounting user */
    if (place->is_directory && (call->set & TREE_SET_SIZE))
        return SF_IS_DIRECTORY;
    if (call->set & TREE_SET_SIZE && call->size > SF_FILE_BYTES_MAX)
        return SF_FILE_TOO_BIG;
    if (place->is_directory)
        key_of_directory(place->ino, &op->directory);
    int status =
        place->is_directory ? SF_OK : key_of_entry(place->directory, place->name, &op->entry);
    if (status != SF_OK)
        return status;
    if (call->set & TREE_SET_SIZE) {
        op->value = (struct value_call){.length = call->size, .pre = {KV_PRE_CREATED, place->ino}};
        op_value(op, VALUE_TRUNCATE, &op->entry, on_truncated);
    } else {
        read_attr(op);
    }
    return SF_OK;
}

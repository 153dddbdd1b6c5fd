/* SETATTR: size first (where the caller sets it), then mode, owner and times, which are a read and
 * a conditional write of the attributes, tried again when another change came between. The read is
 * saved where the record is as it was seen last. The root's
 * own record is made by the first that sets something. */
#include "tree/op.h"

#include <sys/stat.h>

#include "client/touch.h"
#include "tree/xattr.h"

static void read_attr(struct op *op);

static bool is_directory(const struct op *op)
{
    return op->call->place.is_directory;
}

static bool is_root(const struct op *op)
{
    return is_directory(op) && op->call->place.ino == TREE_ROOT;
}

/* attr's list, with or without an entry of this name, as op->xattrs. */
static void replace_xattr(struct op *op, struct attr *attr, struct slice name,
                          const struct slice *value)
{
    buffer_clear(&op->xattrs);
    xattr_copy_without(attr->xattrs, name, &op->xattrs);
    if (value)
        xattr_append(&op->xattrs, name, *value);
    attr->xattrs = buffer_slice(&op->xattrs);
}

static int changed_xattrs(struct op *op, struct attr *attr)
{
    const struct tree_call *call = op->call;
    struct slice old;
    bool removes = call->set & TREE_REMOVE_XATTR;
    bool is_there = xattr_find(attr->xattrs, call->xattr, &old);
    if (is_there && call->xattr_must == TREE_XATTR_ABSENT)
        return SF_EXISTS;
    if (!is_there && (removes || call->xattr_must == TREE_XATTR_THERE))
        return SF_NO_XATTR;
    replace_xattr(op, attr, call->xattr, removes ? NULL : &call->data);
    return SF_OK;
}

static void changed_mode(const struct tree_call *call, struct attr *attr)
{
    if (call->set & TREE_SET_MODE)
        attr->mode = (attr->mode & S_IFMT) | (call->mode & ~(uint32_t)S_IFMT);
    if (call->set & TREE_DROP_PRIVILEGES)
        attr->mode &= ~(uint32_t)(attr->mode & S_IXGRP ? S_ISUID | S_ISGID : S_ISUID);
}

/* The attributes that the record will have: what it has, changed as the call says. */
static int changed_attr(struct op *op, struct slice bytes, struct attr *attr)
{
    const struct tree_call *call = op->call;
    *attr = (struct attr){.mode = is_root(op) ? S_IFDIR | 0755 : S_IFREG | 0644,
                          .uid = op->tree->options.uid,
                          .gid = op->tree->options.gid,
                          .links = 1};
    if (bytes.n > 0 && attr_decode(bytes, attr) != SF_OK)
        return SF_BAD_ATTR;
    changed_mode(call, attr);
    if (call->set & TREE_SET_OWNER) {
        attr->uid = call->uid != UINT32_MAX ? call->uid : attr->uid;
        attr->gid = call->gid != UINT32_MAX ? call->gid : attr->gid;
    }
    if (call->set & TREE_SET_ATIME) {
        attr->has_atime = true;
        attr->atime_ns = call->atime_ns;
    }
    if (call->set & TREE_DROP_CAPABILITY)
        replace_xattr(op, attr, slice_str(TREE_XATTR_CAPABILITY), NULL);
    return call->set & (TREE_SET_XATTR | TREE_REMOVE_XATTR) ? changed_xattrs(op, attr) : SF_OK;
}

/* The inode by a stat whose attributes are op->attr; a directory's slots are in op->keep. */
static int result_inode(struct op *op, const struct kv_stat *found)
{
    struct kv_stat stat = *found;
    stat.attr = buffer_slice(&op->attr);
    if (is_root(op)) {
        int status = root_learn(op->tree->root, &stat);
        root_inode(op->tree->root, &op->call->inode);
        return status;
    }
    if (is_directory(op))
        return attr_directory_inode(op->call->place.ino, &stat, buffer_slice(&op->keep),
                                    &op->call->inode);
    return op_file_inode(op, &stat);
}

/* The next change of the same file need not read it. */
static void remember(struct op *op, const struct kv_reply *reply)
{
    struct kv_stat stat = reply->stat;
    stat.attr = buffer_slice(&op->attr);
    if (!is_directory(op))
        recent_note(op->tree->recent, op->kv.space, op->kv.key, &stat, slice_of(NULL, 0));
}

static void on_written(struct op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_PRECONDITION) {
        if (op_may_retry(op))
            read_attr(op);
        return;
    }
    if (status == SF_OK) {
        remember(op, reply);
        status = result_inode(op, &reply->stat);
    }
    locate_finish(op, status);
}

/* What makes the root's record where it is absent, or changes it. Its mtime is written each time:
 * what it says is what was in force when it was written, which is after all changes of names that are
 * known, also of shards whose clocks are ahead of its own. */
static void prepare_root(struct op *op, bool is_there)
{
    op->kv.flags |= KV_HAS_MTIME;
    op->kv.after_ns = root_names_ns(op->tree->root);
    if (!(op->call->set & TREE_SET_MTIME))
        op->kv.mtime_ns = root_mtime_ns(op->tree->root);
    if (is_there)
        return;
    op->kv.kind = KV_PUT;
    op->kv.pre = (struct kv_pre){KV_PRE_ABSENT, 0};
    op->kv.record_kind = RECORD_DIRECTORY;
}

/* The record is as `stat` says; the root's may be absent (all zero). Else nothing is sent. */
static int send_attr(struct op *op, const struct kv_stat *stat)
{
    const struct tree_call *call = op->call;
    struct attr attr;
    int status = changed_attr(op, stat->attr, &attr);
    if (status != SF_OK)
        return status;
    op_kv(&op->kv, KV_SET_ATTR, is_directory(op) ? &op->directory : &op->entry);
    status = op_set_attr(op, &op->kv, &attr);
    if (status != SF_OK)
        return status;
    op->kv.pre = (struct kv_pre){KV_PRE_VERSION, stat->version};
    if (call->set & TREE_SET_MTIME) {
        op->kv.flags |= KV_HAS_MTIME;
        op->kv.mtime_ns = call->mtime_ns;
    }
    if (is_root(op))
        prepare_root(op, stat->version != 0);
    op_send(op, on_written);
    return SF_OK;
}

static void write_attr(struct op *op, const struct kv_stat *stat)
{
    int status = send_attr(op, stat);
    if (status != SF_OK)
        op_finish(op, status);
}

static void on_directory(struct op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_NOT_FOUND && is_root(op)) {
        write_attr(op, &(const struct kv_stat){0});
        return;
    }
    if (status != SF_OK) {
        locate_finish(op, status);
        return;
    }
    buffer_set(&op->keep, reply->data);
    write_attr(op, &reply->stat);
}

static void on_held(struct op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_OK && reply->stat.created != op->call->place.ino)
        status = SF_PRECONDITION;
    if (status == SF_OK && reply->stat.kind != RECORD_VALUE)
        status = SF_IS_REFERENCE;
    if (status == SF_OK)
        write_attr(op, &reply->stat);
    else
        locate_finish(op, status);
}

static void on_file(struct op *op, int status, const struct kv_stat *stat, struct slice data)
{
    (void)data;
    if (status != SF_OK)
        locate_finish(op, status);
    else if (op_hold(op) != 0)
        op_stat_held(op, &op->entry, on_held); /* only now: a lazy mtime would meet the hold */
    else
        write_attr(op, stat);
}

/* Once: the attributes are changed as they were seen last, if they still are. What cannot be changed
 * so may be possible by now. */
static bool write_recalled(struct op *op)
{
    struct kv_stat stat;
    struct slice content;
    uint64_t created;
    bool is_first = !op->has_recalled;
    op->has_recalled = true;
    if (!is_first || !op_recall(op, &op->entry, &stat, &content))
        return false;
    bool is_it = stat.kind == RECORD_VALUE && stat.created == op->call->place.ino;
    if (!is_it ||
        touch_is_behind(op->tree->client, op->entry.space, key_slice(&op->entry), &created))
        return false;
    return send_attr(op, &stat) == SF_OK;
}

/* A file's lazy mtime comes first, so that it does not undo one that is set. */
static void read_attr(struct op *op)
{
    if (is_directory(op))
        op_stat_held(op, &op->directory, on_directory);
    else if (!write_recalled(op))
        op_file_stat(op, on_file);
}

static void on_resized(struct op *op, int status, const struct kv_stat *stat, struct slice data)
{
    (void)data;
    if (status == SF_OK)
        status = op_file_inode(op, stat);
    locate_finish(op, status);
}

/* What comes after the size. */
static void set_others(struct op *op)
{
    if (op->call->set == TREE_SET_SIZE)
        op_file_stat(op, on_resized);
    else
        read_attr(op);
}

static void on_truncated(struct op *op, int status, const struct kv_stat *stat, struct slice data)
{
    (void)stat;
    (void)data;
    op->is_resized = status == SF_OK;
    if (status != SF_OK || (op->call->set == TREE_SET_SIZE && op->call->bare))
        locate_finish(op, status);
    else
        set_others(op);
}

static int set_directory(struct op *op)
{
    const struct tree_call *call = op->call;
    if (call->set & TREE_SET_SIZE)
        return SF_IS_DIRECTORY;
    key_of_directory(call->place.ino, &op->directory);
    read_attr(op);
    return SF_OK;
}

int setattr_start(struct op *op)
{
    const struct tree_call *call = op->call;
    if (call->set & TREE_SET_XATTR && call->data.n > SF_ATTR_BYTES_MAX)
        return SF_NO_SPACE;
    if (is_directory(op))
        return set_directory(op);
    if (call->set & TREE_SET_SIZE && call->size > SF_FILE_BYTES_MAX)
        return SF_FILE_TOO_BIG;
    int status = locate_begin(op);
    if (status != SF_OK)
        return status;
    if ((call->set & TREE_SET_SIZE) && !op->is_resized) {
        op_value_begin(op);
        op->value.length = call->size;
        op_value(op, VALUE_TRUNCATE, &op->entry, on_truncated);
    } else {
        set_others(op);
    }
    return SF_OK;
}

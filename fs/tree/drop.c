/* UNLINK, and the part of any change that takes a name of a file away (drop.h). */
#include "tree/drop.h"

#include "tree/op.h"

void drop_deinit(struct drop *drop)
{
    buffer_deinit(&drop->bytes);
    buffer_deinit(&drop->written);
}

static int take_attr(struct op *op, const struct kv_stat *stat)
{
    struct drop *drop = &op->drop;
    const struct tree_options *options = &op->tree->options;
    struct kv_stat kept = *stat;
    buffer_set(&drop->bytes, stat->attr);
    kept.attr = buffer_slice(&drop->bytes);
    return attr_of_file(&kept, options->uid, options->gid, &drop->attr);
}

static void on_inode(struct op *op, int status, const struct kv_reply *reply)
{
    struct drop *drop = &op->drop;
    if (status == SF_OK && reply->stat.kind != RECORD_VALUE)
        status = SF_BAD_ATTR;
    if (status == SF_OK) {
        drop->version = reply->stat.version;
        status = take_attr(op, &reply->stat);
    } else if (status == SF_NOT_FOUND) {
        status = SF_OK;
    }
    drop->then(op, status);
}

/* What cannot be read in a file's attributes is no reason to keep it: it goes as it is. */
static void on_file(struct op *op, const struct kv_stat *stat)
{
    struct drop *drop = &op->drop;
    drop->ino = stat->created;
    key_of_inode(drop->ino, &drop->inode);
    drop->has_moved = take_attr(op, stat) == SF_OK && drop->attr.has_moved;
    drop->then(op, SF_OK);
}

static void on_entry(struct op *op, int status, const struct kv_reply *reply)
{
    struct drop *drop = &op->drop;
    if (status != SF_OK) {
        drop->then(op, status);
        return;
    }
    drop->stat = reply->stat;
    drop->stat.attr = slice_of(NULL, 0);
    if (reply->stat.kind == RECORD_VALUE) {
        on_file(op, &reply->stat);
        return;
    }
    bool is_reference = reply->stat.kind == RECORD_REFERENCE;
    status = is_reference ? key_inode_of_reference(reply->data, &drop->ino)
                          : key_directory_id(reply->data, &drop->ino);
    if (status == SF_OK && is_reference) {
        key_of_inode(drop->ino, &drop->inode);
        op_stat(op, &drop->inode, on_inode);
        return;
    }
    drop->then(op, status);
}

void drop_look(struct op *op, const struct key *entry, void (*then)(struct op *op, int status))
{
    struct drop *drop = &op->drop;
    drop->entry = *entry;
    drop->ino = drop->version = 0;
    drop->has_moved = false;
    drop->then = then;
    op_stat(op, &drop->entry, on_entry);
}

/* One name less; with the last one the file goes. */
static void count_down(struct op *op, struct drop *drop)
{
    struct kv_op *kv;
    if (drop->version == 0) {
        op_mini_check(op, &drop->inode)->pre.kind = KV_PRE_ABSENT;
        return;
    }
    if (drop->attr.links <= 1) {
        kv = op_mini_add(op, KV_DELETE, &drop->inode);
    } else {
        drop->attr.links--;
        kv = op_mini_add(op, KV_SET_ATTR, &drop->inode);
        int status = attr_encode(&drop->attr, &drop->written);
        sf_assert(status == SF_OK); /* as long as it was */
        kv->attr = buffer_slice(&drop->written);
        kv->flags = KV_HAS_ATTR;
    }
    kv->pre = (struct kv_pre){KV_PRE_VERSION, drop->version};
}

void drop_name(struct op *op, struct drop *drop)
{
    op_mini_add(op, KV_DELETE, &drop->entry)->pre =
        (struct kv_pre){KV_PRE_VERSION, drop->stat.version};
    if (drop->stat.kind == RECORD_REFERENCE)
        count_down(op, drop);
    else if (drop->has_moved)
        op_mini_add(op, KV_DELETE, &drop->inode)->pre =
            (struct kv_pre){KV_PRE_CREATED, drop->ino};
}

/* -- unlink ---------------------------------------------------------------------------------- */

static void on_looked(struct op *op, int status);

static void on_unlinked(struct op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_PRECONDITION) {
        if (op_may_retry(op))
            drop_look(op, &op->entry, on_looked);
        return;
    }
    if (status == SF_OK && op->call->place.directory == TREE_ROOT)
        root_touched(op->tree->root, reply->replies[0].stat.mtime_ns);
    op_finish(op, status);
}

static void on_looked(struct op *op, int status)
{
    const struct tree_place *place = &op->call->place;
    if (status == SF_OK && op->drop.stat.kind == RECORD_DIRECTORY)
        status = SF_IS_DIRECTORY;
    if (status == SF_OK && place->ino != 0 && place->ino != op->drop.ino)
        status = SF_STALE_FILE;
    if (status != SF_OK) {
        op_finish(op, status);
        return;
    }
    op_mini_begin(op);
    drop_name(op, &op->drop);
    op_count_above(op, -1, 0);
    op_mini_send(op, on_unlinked);
}

int unlink_start(struct op *op)
{
    const struct tree_place *place = &op->call->place;
    int status = key_of_entry(place->directory, place->name, &op->entry);
    if (status == SF_OK)
        drop_look(op, &op->entry, on_looked);
    return status;
}

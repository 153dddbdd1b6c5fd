/* RMDIR, and the end of a removal that somebody else began.
 *
 * rmdir removes the live and empty directory's record, in its own shard, then the entry, on its
 * version. From the first step on the directory is gone for everyone: whoever meets the entry
 * without its record finishes the second step. */
#include "tree/op.h"

/* Sends op->ops[0], a Delete of the entry, with the counts of a directory below the root. */
static void send_removal(struct op *op, int subdirectories, op_step *then)
{
    uint64_t parent = op->call->place.directory;
    if (parent == TREE_ROOT) {
        op->kv = op->ops[0];
        op_send(op, then);
        return;
    }
    key_of_directory(parent, &op->directory);
    op_count(&op->ops[1], &op->directory, -1, -subdirectories);
    op_send_mini(op, 0, 2, then);
}

static void on_entry_removed(struct op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_OK && op->call->place.directory == TREE_ROOT)
        root_touched(op->tree->root, reply->stat.mtime_ns);
    /* Another finished it, or the parent went with it: either way the entry is gone. */
    bool gone = status == SF_PRECONDITION || status == SF_NOT_FOUND || status == SF_OK;
    op_finish(op, gone ? op->outcome : status);
}

void remove_dead_entry(struct op *op, int outcome)
{
    op->outcome = outcome;
    op_kv(&op->ops[0], KV_DELETE, &op->entry);
    op->ops[0].pre = op->pre;
    send_removal(op, 1, on_entry_removed);
}

static void on_record_removed(struct op *op, int status, const struct kv_reply *reply)
{
    (void)reply;
    if (status == SF_OK)
        remove_dead_entry(op, SF_OK);
    else if (status == SF_PRECONDITION || status == SF_NOT_FOUND)
        remove_dead_entry(op, SF_NOT_FOUND); /* another rmdir came first */
    else
        op_finish(op, status);
}

static void on_record(struct op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_NOT_FOUND) {
        remove_dead_entry(op, SF_NOT_FOUND);
        return;
    }
    if (status != SF_OK) {
        op_finish(op, status);
        return;
    }
    key_of_directory(op->child, &op->directory);
    key_of_entries(op->child, &op->to_entry);
    op_kv(&op->checks[0], KV_STAT, &op->to_entry);
    op->checks[0].flags = KV_PREFIX_EMPTY;
    op_kv(&op->ops[0], KV_DELETE, &op->directory);
    op->ops[0].pre = (struct kv_pre){KV_PRE_CREATED, reply->stat.created};
    op_send_mini(op, 1, 1, on_record_removed);
}

static void on_entry(struct op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_OK && reply->stat.kind != RECORD_DIRECTORY)
        status = SF_NOT_DIRECTORY;
    if (status == SF_OK)
        status = key_directory_id(reply->data, &op->child);
    if (status == SF_OK && op->call->place.ino != 0 && op->call->place.ino != op->child)
        status = SF_STALE_FILE;
    if (status != SF_OK) {
        op_finish(op, status);
        return;
    }
    op->call->inode.ino = op->child;
    op->pre = (struct kv_pre){KV_PRE_VERSION, reply->stat.version};
    key_of_directory(op->child, &op->directory);
    op_stat(op, &op->directory, on_record);
}

int rmdir_start(struct op *op)
{
    int status = key_of_entry(op->call->place.directory, op->call->place.name, &op->entry);
    if (status == SF_OK)
        op_stat(op, &op->entry, on_entry);
    return status;
}

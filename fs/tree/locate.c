/* locate: where a file is that a call names by its inode (T4, T6).
 *
 * A call is tried where its place says. Where that inode is not there, its inode's record tells
 * where it is, and the whole call is begun again there: whatever changes a file names its inode, so
 * nothing was done. Each kind needs to know one key only: locate_begin gives it, locate_finish takes
 * the end. */
#include "tree/op.h"

int locate_begin(struct op *op)
{
    const struct tree_place *place = &op->call->place;
    if (op->is_located)
        return SF_OK;
    if (!place->is_apart)
        return key_of_entry(place->directory, place->name, &op->entry);
    key_of_inode(place->ino, &op->entry);
    return SF_OK;
}

bool locate_is_elsewhere(int status)
{
    return status == SF_PRECONDITION || status == SF_NOT_FOUND || status == SF_IS_REFERENCE ||
           status == SF_IS_DIRECTORY;
}

/* The caller learns where its file is now. */
static void finish(struct op *op, int status)
{
    struct tree_call *call = op->call;
    if (op->is_located && status != SF_STALE_FILE) {
        call->has_moved = true;
        call->place_now = key_place(&op->entry, op->tree->name_now);
        call->place_now.ino = call->place.ino;
    }
    op_finish(op, status);
}

/* Where it was looked for, at its inode's own record; else where a reference leads. */
static int follow(struct op *op, const struct kv_reply *reply)
{
    if (reply->stat.kind != RECORD_REFERENCE) {
        key_of_inode(op->call->place.ino, &op->entry);
        return SF_OK;
    }
    /* It was not there, and is still said to be. */
    if (op->is_located && reply->stat.version == op->located_version)
        return SF_STALE_FILE;
    op->located_version = reply->stat.version;
    return key_of_reference(reply->data, &op->entry);
}

static void on_inode_record(struct op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_OK)
        status = follow(op, reply);
    if (status != SF_OK) {
        finish(op, status == SF_NOT_FOUND ? SF_STALE_FILE : status);
        return;
    }
    op->is_located = true;
    if (op_may_retry(op))
        op_start(op);
}

void locate_finish(struct op *op, int status)
{
    const struct tree_place *place = &op->call->place;
    bool is_gone = place->is_directory || (status == SF_NOT_FOUND && key_is_of_inode(&op->entry));
    if (!locate_is_elsewhere(status) || is_gone) {
        finish(op, locate_is_elsewhere(status) ? SF_STALE_FILE : status);
        return;
    }
    key_of_inode(place->ino, &op->directory);
    op_stat(op, &op->directory, on_inode_record);
}

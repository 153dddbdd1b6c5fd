/* CREATE: a file, whatever its type, is one log entry: a Put that must find nothing, below the root
 * together with the count of the directory, which must be there. */
#include "tree/op.h"

#include <sys/stat.h>

enum { MADE_ENTRY }; /* place in the minitransaction */

static void on_created(struct op *op, int status, const struct kv_reply *reply)
{
    struct tree_call *call = op->call;
    if (status == SF_PRECONDITION)
        status = SF_EXISTS;
    if (status == SF_EXISTS && !call->exclusive) {
        lookup_entry(op);
        return;
    }
    if (status == SF_OK) {
        struct kv_stat stat = reply->replies[MADE_ENTRY].stat;
        stat.attr = buffer_slice(&op->attr);
        recent_note(op->tree->recent, op->entry.space, key_slice(&op->entry), &stat, call->data);
        status = op_file_inode(op, &stat);
        call->created = status == SF_OK;
        if (call->place.directory == TREE_ROOT)
            root_touched(op->tree->root, stat.mtime_ns);
    }
    op_finish(op, status); /* NOT_FOUND: the directory is gone */
}

int create_start(struct op *op)
{
    const struct tree_call *call = op->call;
    int status = key_of_entry(call->place.directory, call->place.name, &op->entry);
    if (status != SF_OK)
        return status;
    uint32_t type = call->mode & S_IFMT;
    struct attr attr = {.mode = (type != 0 ? type : S_IFREG) | (call->mode & 07777),
                        .uid = call->uid,
                        .gid = call->gid,
                        .links = 1,
                        .device = call->device};
    op_mini_begin(op);
    struct kv_op *put = op_mini_add(op, KV_PUT, &op->entry);
    put->pre.kind = KV_PRE_ABSENT;
    put->data = call->data;
    status = op_set_attr(op, put, &attr);
    if (status != SF_OK)
        return status;
    op_count_above(op, 1, 0);
    op_mini_send(op, on_created);
    return SF_OK;
}

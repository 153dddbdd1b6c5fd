/* MKDIR and RMDIR. A directory's entry and its own record are made, and go, in one minitransaction,
 * with the counts of the directory that holds the entry. */
#include "tree/op.h"

#include <sys/stat.h>

static void touch_above(struct op *op, const struct kv_reply *reply)
{
    if (op->call->place.directory == TREE_ROOT)
        root_touched(op->tree->root, reply->replies[0].stat.ctime_ns);
}

/* -- MKDIR --------------------------------------------------------------------------------- */

enum { MADE_ENTRY, MADE_RECORD }; /* places in the minitransaction */

static void on_made(struct op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_PRECONDITION)
        status = reply->failed == MADE_ENTRY ? SF_EXISTS : SF_CORRUPT; /* ids are fresh */
    if (status == SF_OK) {
        struct kv_stat stat = reply->replies[MADE_RECORD].stat;
        stat.attr = buffer_slice(&op->attr);
        status = attr_directory_inode(op->child, &stat, slice_of(NULL, 0), &op->call->inode);
        touch_above(op, reply);
    }
    op_finish(op, status);
}

static void put_entry(struct op *op)
{
    struct kv_op *entry = op_mini_add(op, KV_PUT, &op->entry);
    for (size_t i = 0; i < 8; i++)
        op->id_bytes[i] = (uint8_t)(op->child >> (8 * i));
    entry->pre.kind = KV_PRE_ABSENT;
    entry->record_kind = RECORD_DIRECTORY;
    entry->data = slice_of(op->id_bytes, 8);
}

static int put_record(struct op *op)
{
    const struct tree_call *call = op->call;
    struct attr attr = {.mode = S_IFDIR | (call->mode & 07777),
                        .uid = call->uid,
                        .gid = call->gid,
                        .links = 2,
                        .parent = call->place.directory};
    key_of_directory(op->child, &op->own);
    struct kv_op *own = op_mini_add(op, KV_PUT, &op->own);
    own->pre.kind = KV_PRE_ABSENT;
    own->record_kind = RECORD_DIRECTORY;
    return op_set_attr(op, own, &attr);
}

static void on_id(struct op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_OK) {
        op->child = reply->ids_first;
        op_mini_begin(op);
        put_entry(op);
        status = put_record(op);
    }
    if (status != SF_OK) {
        op_finish(op, status);
        return;
    }
    op_count_above(op, 1, 1);
    op_mini_send(op, on_made);
}

int mkdir_start(struct op *op)
{
    int status = key_of_entry(op->call->place.directory, op->call->place.name, &op->entry);
    if (status == SF_OK)
        op_new_id(op, on_id);
    return status;
}

/* -- RMDIR --------------------------------------------------------------------------------- */

static void look(struct op *op);

static void on_removed(struct op *op, int status, const struct kv_reply *reply)
{
    /* Another was first; or its own record is not there, or there is something in it. */
    bool is_in_doubt = status == SF_NOT_FOUND || status == SF_NOT_EMPTY;
    bool has_changed = status == SF_PRECONDITION || is_in_doubt;
    if (status == SF_NOT_FOUND && op_dangles(op, op->stat.version)) {
        op_finish(op, SF_CORRUPT);
        return;
    }
    if (status == SF_NOT_EMPTY && op_stays_full(op, op->stat.version)) {
        op_finish(op, status);
        return;
    }
    if (has_changed) {
        if (op_may_retry(op))
            look(op);
        return;
    }
    if (status == SF_OK)
        touch_above(op, reply);
    op_finish(op, status);
}

void remove_directory(struct op *op, const struct key *entry, uint64_t version, uint64_t id)
{
    key_of_entries(id, &op->below);
    key_of_directory(id, &op->own);
    op_mini_check(op, &op->below)->flags = KV_PREFIX_EMPTY;
    op_mini_add(op, KV_DELETE, entry)->pre = (struct kv_pre){KV_PRE_VERSION, version};
    op_mini_add(op, KV_TAKE, &op->own); /* it has no tail to be trashed */
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
    op->stat = reply->stat;
    op->call->inode.ino = op->child;
    op_mini_begin(op);
    remove_directory(op, &op->entry, reply->stat.version, op->child);
    op_count_above(op, -1, -1);
    op_mini_send(op, on_removed);
}

static void look(struct op *op)
{
    op_stat_held(op, &op->entry, on_entry);
}

int rmdir_start(struct op *op)
{
    int status = key_of_entry(op->call->place.directory, op->call->place.name, &op->entry);
    if (status == SF_OK)
        look(op);
    return status;
}

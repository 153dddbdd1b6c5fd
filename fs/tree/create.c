/* CREATE and MKDIR.
 *
 * A file, whatever its type, is one log entry: a Put that must find nothing, below the root together with a check of
 * the directory's record and its count. A directory needs two shards: its own record first, then
 * the entry, create-only. A crash in between leaves a record that nothing leads to, never an entry
 * without a record. */
#include "tree/op.h"

#include <sys/stat.h>

/* Sends op->ops[0], a Put of the entry, with what a directory below the root adds to it. */
static void send_entry(struct op *op, int subdirectories, op_step *then)
{
    uint64_t parent = op->call->place.directory;
    if (parent == TREE_ROOT) {
        op->kv = op->ops[0];
        op_send(op, then);
        return;
    }
    key_of_directory(parent, &op->directory);
    op_kv(&op->checks[0], KV_STAT, &op->directory);
    op->checks[0].pre.kind = KV_PRE_EXISTS;
    op_count(&op->ops[1], &op->directory, 1, subdirectories);
    op_send_mini(op, 1, 2, then);
}

/* What a failed send_entry means: the directory is gone, or the entry is there. */
static int entry_failure(const struct op *op, int status, const struct kv_reply *reply)
{
    if (status != SF_PRECONDITION)
        return status;
    bool mini = op->call->place.directory != TREE_ROOT;
    return mini && reply->failed == 0 ? SF_NOT_FOUND : SF_EXISTS;
}

static const struct kv_stat *entry_stat(const struct op *op, const struct kv_reply *reply)
{
    return op->call->place.directory == TREE_ROOT ? &reply->stat : &reply->replies[0].stat;
}

static void put_entry(struct op *op, struct slice data)
{
    op_kv(&op->ops[0], KV_PUT, &op->entry);
    op->ops[0].pre.kind = KV_PRE_ABSENT;
    op->ops[0].data = data;
}

static void on_created(struct op *op, int status, const struct kv_reply *reply)
{
    struct tree_call *call = op->call;
    status = reply ? entry_failure(op, status, reply) : status;
    if (status == SF_EXISTS && !call->exclusive) {
        lookup_entry(op);
        return;
    }
    if (status == SF_OK) {
        struct kv_stat stat = *entry_stat(op, reply);
        stat.attr = buffer_slice(&op->attr);
        status = op_file_inode(op, &stat);
        call->created = status == SF_OK;
        if (call->place.directory == TREE_ROOT)
            root_touched(op->tree->root, stat.mtime_ns);
    }
    op_finish(op, status);
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
    put_entry(op, call->data);
    status = op_set_attr(op, &op->ops[0], &attr);
    if (status == SF_OK)
        send_entry(op, 0, on_created);
    return status;
}

/* -- directories --------------------------------------------------------------------------- */

static void on_record_removed(struct op *op, int status, const struct kv_reply *reply)
{
    (void)status; /* what is left behind, if so, is unreachable */
    (void)reply;
    op_finish(op, op->outcome);
}

static void on_entry_made(struct op *op, int status, const struct kv_reply *reply)
{
    status = reply ? entry_failure(op, status, reply) : status;
    if (status == SF_OK) {
        if (op->call->place.directory == TREE_ROOT)
            root_touched(op->tree->root, reply->stat.mtime_ns);
        op_finish(op, SF_OK);
        return;
    }
    if (!reply) { /* the entry may be there: its record must stay */
        op_finish(op, status);
        return;
    }
    op->outcome = status;
    key_of_directory(op->child, &op->to_entry);
    op_kv(&op->kv, KV_DELETE, &op->to_entry);
    op->kv.pre = (struct kv_pre){KV_PRE_CREATED, op->stat.created};
    op_send(op, on_record_removed);
}

static void on_record_made(struct op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_OK) {
        op->stat = reply->stat;
        struct kv_stat stat = reply->stat;
        stat.attr = buffer_slice(&op->attr);
        status = attr_directory_inode(op->child, &stat, slice_of(NULL, 0), &op->call->inode);
    }
    if (status != SF_OK) {
        op_finish(op, status);
        return;
    }
    for (size_t i = 0; i < 8; i++)
        op->id_bytes[i] = (uint8_t)(op->child >> (8 * i));
    put_entry(op, slice_of(op->id_bytes, 8));
    op->ops[0].record_kind = RECORD_DIRECTORY;
    send_entry(op, 1, on_entry_made);
}

static void on_id(struct op *op, int status, const struct kv_reply *reply)
{
    const struct tree_call *call = op->call;
    if (status != SF_OK) {
        op_finish(op, status);
        return;
    }
    op->child = reply->ids_first;
    struct attr attr = {.mode = S_IFDIR | (call->mode & 07777),
                        .uid = call->uid,
                        .gid = call->gid,
                        .links = 2,
                        .parent = call->place.directory};
    key_of_directory(op->child, &op->to_entry);
    op_kv(&op->kv, KV_PUT, &op->to_entry);
    op->kv.pre.kind = KV_PRE_ABSENT;
    op->kv.record_kind = RECORD_DIRECTORY;
    status = op_set_attr(op, &op->kv, &attr);
    if (status == SF_OK)
        op_send(op, on_record_made);
    else
        op_finish(op, status);
}

int mkdir_start(struct op *op)
{
    int status = key_of_entry(op->call->place.directory, op->call->place.name, &op->entry);
    if (status == SF_OK)
        op_new_id(op, on_id);
    return status;
}

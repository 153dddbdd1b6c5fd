/* READLINK, READ, WRITE, APPEND, FSYNC: the value of the file's record, which must still be this very file.
 */
#include <string.h>
#include <sys/stat.h>

#include "client/touch.h"
#include "tree/op.h"

/* The key, and a fresh value call that names the inode. */
static int prepare(struct op *op)
{
    op_value_begin(op);
    return locate_begin(op);
}

static int link_target(const struct op *op, const struct kv_reply *reply)
{
    struct attr attr;
    if (reply->stat.created != op->call->place.ino)
        return SF_PRECONDITION;
    if (attr_decode(reply->stat.attr, &attr) != SF_OK)
        return SF_BAD_ATTR;
    if (!S_ISLNK(attr.mode))
        return SF_INVALID;
    /* A clerk may have put anything there. */
    bool is_path = reply->data.n > 0 && !memchr(reply->data.p, 0, reply->data.n);
    return is_path && reply->data.n <= TREE_TARGET_BYTES_MAX ? SF_OK : SF_BAD_ATTR;
}

static void on_link(struct op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_OK)
        status = link_target(op, reply);
    op->call->data = status == SF_OK ? reply->data : slice_of(NULL, 0);
    locate_finish(op, status);
}

int readlink_start(struct op *op)
{
    int status = locate_begin(op);
    if (status != SF_OK)
        return status;
    op_kv(&op->kv, KV_GET, &op->entry);
    op_send(op, on_link);
    return SF_OK;
}

static void on_read(struct op *op, int status, const struct kv_stat *stat, struct slice data)
{
    (void)stat;
    op->call->data = status == SF_OK ? data : slice_of(NULL, 0);
    locate_finish(op, status);
}

int read_start(struct op *op)
{
    int status = prepare(op);
    if (status != SF_OK)
        return status;
    op->value.offset = op->call->offset;
    op->value.length = op->call->length;
    op_value(op, VALUE_READ, &op->entry, on_read);
    return SF_OK;
}

/* A mutation's stat has no attr: the inode carries what the record says without it. */
static void on_written(struct op *op, int status, const struct kv_stat *stat, struct slice data)
{
    (void)data;
    if (status == SF_OK) {
        op->call->inode = (struct tree_inode){
            .ino = stat->created,
            .size = stat->length,
            .version = stat->version,
            .mtime_ns = stat->mtime_ns,
            .ctime_ns = stat->ctime_ns,
        };
        op->call->old_length = op->value.old_length;
    }
    locate_finish(op, status);
}

/* An append learns only from the server where it would end. */
static void on_appended(struct op *op, int status, const struct kv_stat *stat, struct slice data)
{
    on_written(op, status == SF_TOO_BIG ? SF_FILE_TOO_BIG : status, stat, data);
}

static int write_value(struct op *op, enum value_kind kind, uint64_t offset)
{
    const struct tree_call *call = op->call;
    if (offset > SF_FILE_BYTES_MAX || call->data.n > SF_FILE_BYTES_MAX - offset)
        return SF_FILE_TOO_BIG;
    int status = prepare(op);
    if (status != SF_OK)
        return status;
    op->value.offset = offset;
    op->value.data = call->data;
    op_value(op, kind, &op->entry, kind == VALUE_APPEND ? on_appended : on_written);
    return SF_OK;
}

int write_start(struct op *op)
{
    return write_value(op, VALUE_WRITE, op->call->offset);
}

int append_start(struct op *op)
{
    return write_value(op, VALUE_APPEND, 0);
}

static void on_synced(struct op *op, int status, const struct kv_stat *stat, struct slice data)
{
    (void)stat;
    (void)data;
    if (locate_is_elsewhere(status)) /* so is what its head does not know */
        touch_clear(op->tree->client, op->entry.space, key_slice(&op->entry));
    locate_finish(op, status);
}

/* What was acknowledged is durable already; only an mtime may lag behind. It goes with the file, where
 * that has been moved. */
int fsync_start(struct op *op)
{
    struct client *client = op->tree->client;
    uint64_t created, ino = op->call->place.ino;
    int status = prepare(op);
    if (status != SF_OK)
        return status;
    if (touch_take_lost(client, ino) || op->is_located)
        touch_mark(client, op->entry.space, key_slice(&op->entry), ino);
    if (touch_is_behind(client, op->entry.space, key_slice(&op->entry), &created) && created == ino)
        op_file_stat(op, on_synced);
    return SF_OK;
}

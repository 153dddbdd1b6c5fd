/* RENAME within one shard: the record is read, then taken from its old key and put under the new
 * one in one minitransaction, on the versions that were read. */
#include "client/touch.h"
#include "tree/op.h"

#include <string.h>

#include "env/memory.h"

static void read_source(struct op *op);

static void on_moved(struct op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_PRECONDITION) {
        if (op_may_retry(op))
            read_source(op);
        return;
    }
    if (status == SF_OK && op->call->place.directory == TREE_ROOT)
        root_touched(op->tree->root, reply->replies[1].stat.mtime_ns);
    op_finish(op, status);
}

/* op->stat and op->keep hold the record; op->pre what the target must be. */
static void move(struct op *op)
{
    const struct kv_stat *stat = &op->stat;
    struct slice kept = buffer_slice(&op->keep);
    uint64_t parent = op->call->place.directory;
    op_kv(&op->ops[0], KV_TAKE, &op->entry);
    op->ops[0].pre = (struct kv_pre){KV_PRE_VERSION, stat->version};
    struct kv_op *put = &op->ops[1];
    op_kv(put, KV_PUT, &op->to_entry);
    put->pre = op->pre;
    put->record_kind = stat->kind;
    put->attr = slice_of(kept.p, stat->attr.n);
    put->data = slice_of(kept.p + stat->attr.n, kept.n - stat->attr.n);
    put->created = stat->created;
    put->mtime_ns = stat->mtime_ns;
    put->length = stat->length;
    put->tail_count = stat->tail_count;
    memcpy(put->tail, stat->tail, sizeof put->tail);
    put->flags = KV_HAS_ATTR | KV_HAS_CREATED | KV_HAS_MTIME | KV_HAS_LENGTH | KV_HAS_TAIL;
    if (parent == TREE_ROOT) {
        op_send_mini(op, 0, 2, on_moved);
        return;
    }
    key_of_directory(parent, &op->directory);
    op_kv(&op->checks[0], KV_STAT, &op->directory);
    op->checks[0].pre.kind = KV_PRE_EXISTS;
    /* The old name goes, the new one comes; where it replaces one, an entry is gone. */
    bool replaces = op->pre.kind != KV_PRE_ABSENT;
    op_count(&op->ops[2], &op->directory, replaces ? -1 : 0, 0);
    op_send_mini(op, 1, 3, on_moved);
}

static void on_target(struct op *op, int status, const struct kv_reply *reply)
{
    bool moves_directory = op->stat.kind == RECORD_DIRECTORY;
    op->pre = (struct kv_pre){KV_PRE_ABSENT, 0};
    if (status == SF_OK) {
        op->pre = (struct kv_pre){KV_PRE_VERSION, reply->stat.version};
        if (op->call->no_replace)
            status = SF_EXISTS;
        else if (reply->stat.kind == RECORD_DIRECTORY)
            /* Whether that directory is empty is known in its own shard only. */
            status = moves_directory ? SF_CROSS_DEVICE : SF_IS_DIRECTORY;
        else if (moves_directory)
            status = SF_NOT_DIRECTORY;
    } else if (status == SF_NOT_FOUND) {
        status = SF_OK;
    }
    if (status != SF_OK)
        op_finish(op, status);
    else
        move(op);
}

static void on_source(struct op *op, int status, const struct kv_reply *reply)
{
    uint64_t ino = op->call->place.ino;
    if (status == SF_OK && reply->stat.kind == RECORD_VALUE && ino != 0 &&
        reply->stat.created != ino)
        status = SF_NOT_FOUND;
    if (status != SF_OK) {
        op_finish(op, status);
        return;
    }
    op->stat = reply->stat;
    op->call->inode.ino = reply->stat.created;
    if (reply->stat.kind == RECORD_DIRECTORY)
        status = key_directory_id(reply->data, &op->call->inode.ino);
    if (status != SF_OK) {
        op_finish(op, status);
        return;
    }
    buffer_clear(&op->keep);
    buffer_append(&op->keep, reply->stat.attr.p, reply->stat.attr.n);
    buffer_append(&op->keep, reply->data.p, reply->data.n);
    op_stat(op, &op->to_entry, on_target);
}

/* A Get answers IS_DIRECTORY for a directory's entry; a Stat gives its bytes. */
static void on_got(struct op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_IS_DIRECTORY)
        op_stat(op, &op->entry, on_source);
    else
        on_source(op, status, reply);
}

static void read_source(struct op *op)
{
    op_kv(&op->kv, KV_GET, &op->entry);
    op_send(op, on_got);
}

/* Whatever came of it: the record is read now. */
static void on_touched(struct op *op, int status, const struct kv_stat *stat, struct slice data)
{
    (void)status;
    (void)stat;
    (void)data;
    read_source(op);
}

/* An mtime that this client left behind is written first: under the new name nobody would. */
static void begin(struct op *op)
{
    struct client *client = op->tree->client;
    uint64_t created;
    if (!touch_is_behind(client, op->entry.space, key_slice(&op->entry), &created)) {
        read_source(op);
        return;
    }
    op->value = (struct value_call){.pre = {KV_PRE_CREATED, created}};
    op_value(op, VALUE_STAT, &op->entry, on_touched);
}

static bool same_shard(const struct op *op)
{
    const struct config *config = router_config(client_router(op->tree->client));
    struct kv_op from, to;
    op_kv(&from, KV_STAT, &op->entry);
    op_kv(&to, KV_STAT, &op->to_entry);
    return config && kv_op_shard(&from, config->routing, config->shard_count) ==
                         kv_op_shard(&to, config->routing, config->shard_count);
}

static void on_same(struct op *op, int status, const struct kv_reply *reply)
{
    (void)reply;
    if (status == SF_OK && op->call->no_replace)
        status = SF_EXISTS;
    op_finish(op, status);
}

/* The first answer also brings the Config, so that the shards of two root names are known. */
static void on_source_exists(struct op *op, int status, const struct kv_reply *reply)
{
    (void)reply;
    if (status == SF_OK && !same_shard(op))
        status = SF_CROSS_DEVICE;
    if (status != SF_OK)
        op_finish(op, status);
    else
        begin(op);
}

int rename_start(struct op *op)
{
    const struct tree_call *call = op->call;
    if (call->to_directory != call->place.directory)
        return SF_CROSS_DEVICE;
    int status = key_of_entry(call->place.directory, call->place.name, &op->entry);
    if (status == SF_OK)
        status = key_of_entry(call->to_directory, call->to_name, &op->to_entry);
    if (status != SF_OK)
        return status;
    if (slice_equal(call->place.name, call->to_name))
        op_stat(op, &op->entry, on_same);
    else if (call->place.directory == TREE_ROOT)
        op_stat(op, &op->entry, on_source_exists);
    else
        begin(op);
    return SF_OK;
}

/* LINK: one name more for a file.
 *
 * The first time, the file moves from its name into its inode's own record, and the name becomes a
 * reference to that; later, the count in there grows. Both in one minitransaction with the new
 * name, whose parts are, in this order: what the first link moves, the inode's record, the new
 * name, and below the root the directory's count. */
#include <sys/stat.h>

#include "client/touch.h"
#include "tree/op.h"

enum { FIRST_REFERENCE = 1 }; /* in what the first link moves: behind the file that is taken */

static void look(struct op *op);

static bool is_below(const struct op *op)
{
    return op->call->to_directory != TREE_ROOT;
}

static size_t position_of_name(const struct op *op)
{
    return op->mini->op_count - (is_below(op) ? 2 : 1);
}

/* Who linked a file to its final name removes the first one. */
static void remember(struct op *op, const struct kv_stat *reference, const struct kv_stat *file)
{
    struct recent *recent = op->tree->recent;
    struct slice content = key_reference(&op->inode, op->reference);
    recent_note(recent, op->inode.space, key_slice(&op->inode), file, slice_of(NULL, 0));
    if (!key_is_of_inode(&op->entry))
        recent_note(recent, op->entry.space, key_slice(&op->entry), reference, content);
}

static void answer(struct op *op, const struct kv_reply *replies)
{
    size_t name = position_of_name(op);
    struct kv_stat stat = replies[name - 1].stat;
    stat.attr = buffer_slice(&op->attr);
    remember(op, &replies[FIRST_REFERENCE].stat, &stat);
    int status = op_file_inode(op, &stat);
    op->call->inode.is_apart = true;
    if (!is_below(op))
        root_touched(op->tree->root, replies[name].stat.mtime_ns);
    op_finish(op, status);
}

static void again(struct op *op, const struct kv_reply *reply)
{
    location_failed(&op->location, op_mini_failed(op, reply));
    if (op_may_retry(op))
        look(op);
}

static void on_linked(struct op *op, int status, const struct kv_reply *reply)
{
    size_t checks = op->mini->check_count;
    if (status == SF_OK)
        answer(op, reply->replies);
    else if (status != SF_PRECONDITION)
        op_finish(op, status);
    else if (reply->failed < checks)
        op_finish(op, SF_NOT_FOUND); /* the directory is gone */
    else if (reply->failed == checks + position_of_name(op))
        op_finish(op, SF_EXISTS);
    else
        again(op, reply);
}

static void put_reference(struct op *op, const struct key *key)
{
    struct kv_op *put = op_mini_add(op, KV_PUT, key);
    put->pre.kind = KV_PRE_ABSENT;
    put->record_kind = RECORD_REFERENCE;
    put->data = key_reference(&op->inode, op->reference);
    put->attr = buffer_slice(&op->type);
    put->flags = KV_HAS_ATTR;
}

/* The new name, with what a directory below the root adds to it. */
static void put_name(struct op *op)
{
    put_reference(op, &op->to_entry);
    if (!is_below(op))
        return;
    key_of_directory(op->call->to_directory, &op->directory);
    op_mini_check(op, &op->directory)->pre.kind = KV_PRE_EXISTS;
    op_count(op_mini_add(op, KV_ADD, &op->directory), &op->directory, 1, 0);
}

/* The file is as `stat` says, its bytes in `head`. It had one name. */
static void move_out(struct op *op, const struct kv_stat *stat, struct slice head, bool has_moved)
{
    struct kv_stat moved = *stat;
    moved.attr = buffer_slice(&op->attr);
    buffer_set(&op->keep, head);
    op_mini_add(op, KV_TAKE, &op->entry)->pre = (struct kv_pre){KV_PRE_VERSION, stat->version};
    put_reference(op, &op->entry);
    struct kv_op *old = NULL, *put;
    if (location_is_there(&op->location, has_moved)) {
        old = op_mini_add(op, KV_DELETE, &op->inode);
        old->pre = (struct kv_pre){KV_PRE_CREATED, stat->created};
    }
    put = op_mini_put_moved(op, &op->inode, &moved, buffer_slice(&op->keep));
    op->location.tried = old ? old : put;
}

static void count_up(struct op *op, const struct kv_stat *stat)
{
    struct kv_op *kv = op_mini_add(op, KV_SET_ATTR, &op->inode);
    kv->pre = (struct kv_pre){KV_PRE_VERSION, stat->version};
    kv->attr = buffer_slice(&op->attr);
    kv->flags = KV_HAS_ATTR;
}

/* op->attr: what the file will have; op->type: what its names have. */
static int prepare_attr(struct op *op, const struct kv_stat *stat, bool *has_moved)
{
    const struct tree_options *options = &op->tree->options;
    struct attr attr;
    int status = attr_of_file(stat, options->uid, options->gid, &attr);
    if (status != SF_OK)
        return status;
    *has_moved = attr.has_moved;
    if (attr.links == 0)
        return SF_NOT_FOUND;
    if (attr.links >= TREE_NAMES_MAX)
        return SF_MANY_NAMES;
    struct attr type = {.mode = attr.mode & S_IFMT};
    attr.links++;
    attr.has_moved = false;
    status = attr_encode(&attr, &op->attr);
    return status == SF_OK ? attr_encode(&type, &op->type) : status;
}

static void on_file(struct op *op, int status, const struct kv_reply *reply)
{
    bool has_moved = false;
    if (status == SF_OK && reply->stat.created != op->call->place.ino)
        status = SF_PRECONDITION;
    if (status != SF_OK) {
        locate_finish(op, status);
        return;
    }
    status = prepare_attr(op, &reply->stat, &has_moved);
    if (status != SF_OK) {
        op_finish(op, status);
        return;
    }
    key_of_inode(op->call->place.ino, &op->inode);
    op->location.tried = NULL;
    op_mini_begin(op);
    if (key_is_of_inode(&op->entry))
        count_up(op, &reply->stat);
    else
        move_out(op, &reply->stat, reply->data, has_moved);
    put_name(op);
    op_mini_send(op, on_linked);
}

static void look(struct op *op)
{
    if (key_is_of_inode(&op->entry))
        op_stat_held(op, &op->entry, on_file);
    else
        op_get_held(op, &op->entry, on_file);
}

/* Whatever came of it: the file is read now. */
static void on_touched(struct op *op, int status, const struct kv_stat *stat, struct slice data)
{
    (void)status;
    (void)stat;
    (void)data;
    look(op);
}

/* An mtime that this client left behind is written first: in its own record nobody would. */
int link_start(struct op *op)
{
    const struct tree_call *call = op->call;
    uint64_t created;
    if (call->place.is_directory)
        return SF_IS_DIRECTORY;
    int status = locate_begin(op);
    if (status == SF_OK)
        status = key_of_entry(call->to_directory, call->to_name, &op->to_entry);
    if (status != SF_OK)
        return status;
    if (touch_is_behind(op->tree->client, op->entry.space, key_slice(&op->entry), &created))
        op_file_stat(op, on_touched);
    else
        look(op);
    return SF_OK;
}

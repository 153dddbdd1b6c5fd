/* UNLINK, and the part of any change that takes a name of a file away (drop.h). */
#include "tree/drop.h"

#include "tree/op.h"

void drop_deinit(struct drop *drop)
{
    buffer_deinit(&drop->bytes);
    buffer_deinit(&drop->written);
}

bool location_is_there(const struct location *location, bool has_moved)
{
    return has_moved != location->is_in_doubt;
}

void location_failed(struct location *location, const struct kv_op *part)
{
    if (part == location->tried)
        location->is_in_doubt = !location->is_in_doubt;
}

void drop_failed(struct op *op, const struct kv_reply *reply)
{
    if (!op->drop.is_recalled) /* else it has not been looked at */
        location_failed(&op->drop.location, op_mini_failed(op, reply));
}

/* The file's attr, and the bytes of its record. */
static int take(struct op *op, const struct kv_stat *stat, struct slice head)
{
    struct drop *drop = &op->drop;
    const struct tree_options *options = &op->tree->options;
    struct kv_stat kept = *stat;
    buffer_set(&drop->bytes, stat->attr);
    buffer_append(&drop->bytes, head.p, head.n);
    struct slice both = buffer_slice(&drop->bytes);
    kept.attr = slice_part(both, 0, stat->attr.n);
    drop->head = slice_part(both, stat->attr.n, head.n);
    return attr_of_file(&kept, options->uid, options->gid, &drop->attr);
}

static bool is_open(const struct op *op, uint64_t ino)
{
    return op->call->is_open && op->call->is_open(op->call, ino);
}

static void on_inode(struct op *op, int status, const struct kv_reply *reply)
{
    struct drop *drop = &op->drop;
    if (status == SF_OK && reply->stat.kind != RECORD_VALUE)
        status = SF_BAD_ATTR;
    if (status == SF_OK) {
        drop->version = reply->stat.version;
        drop->is_open = is_open(op, drop->ino);
        status = take(op, &reply->stat, slice_of(NULL, 0));
    } else if (status == SF_NOT_FOUND) {
        status = SF_OK;
    }
    drop->then(op, status);
}

/* It lives at this name. What cannot be read in its attributes is no reason to keep it. */
static void take_file(struct op *op, const struct kv_stat *stat, struct slice head)
{
    struct drop *drop = &op->drop;
    drop->stat = *stat;
    drop->stat.attr = slice_of(NULL, 0);
    int status = take(op, stat, head);
    drop->has_moved = status == SF_OK && drop->attr.has_moved;
    drop->is_open = drop->is_open && status == SF_OK;
    drop->then(op, SF_OK);
}

static void on_bytes(struct op *op, int status, const struct kv_reply *reply)
{
    struct drop *drop = &op->drop;
    bool is_same = status == SF_OK && reply->stat.created == drop->ino;
    bool has_changed = status == SF_NOT_FOUND || status == SF_IS_REFERENCE ||
                       status == SF_IS_DIRECTORY || status == SF_OK;
    if (is_same)
        take_file(op, &reply->stat, reply->data);
    else if (!has_changed)
        drop->then(op, status);
    else if (op_may_retry(op))
        drop_look(op, &drop->entry, drop->then);
}

static void on_file(struct op *op, const struct kv_reply *reply)
{
    struct drop *drop = &op->drop;
    drop->ino = reply->stat.created;
    key_of_inode(drop->ino, &drop->inode);
    drop->is_open = is_open(op, drop->ino);
    if (!drop->is_open) {
        take_file(op, &reply->stat, slice_of(NULL, 0));
        return;
    }
    op_get_held(op, &drop->entry, on_bytes);
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
        on_file(op, reply);
        return;
    }
    bool is_reference = reply->stat.kind == RECORD_REFERENCE;
    status = is_reference ? key_inode_of_reference(reply->data, &drop->ino)
                          : key_directory_id(reply->data, &drop->ino);
    if (status == SF_OK && is_reference) {
        key_of_inode(drop->ino, &drop->inode);
        op_stat_held(op, &drop->inode, on_inode);
        return;
    }
    drop->then(op, status);
}

void drop_look(struct op *op, const struct key *entry, void (*then)(struct op *op, int status))
{
    struct drop *drop = &op->drop;
    if (entry != &drop->entry)
        drop->entry = *entry;
    drop->ino = drop->version = 0;
    drop->has_moved = drop->is_open = drop->is_recalled = false;
    drop->location.tried = NULL;
    drop->then = then;
    if (op_hold(op) != 0)
        op_stat_held(op, &drop->entry, on_entry);
    else
        op_stat_ahead(op, &drop->entry, on_entry);
}

/* Of a reference also what it leads to. */
static bool recall_inode(struct op *op, struct slice content)
{
    struct drop *drop = &op->drop;
    struct kv_stat stat;
    if (key_inode_of_reference(content, &drop->ino) != SF_OK)
        return false;
    key_of_inode(drop->ino, &drop->inode);
    if (!op_recall(op, &drop->inode, &stat, &content) || stat.kind != RECORD_VALUE)
        return false;
    drop->version = stat.version;
    return take(op, &stat, slice_of(NULL, 0)) == SF_OK;
}

bool drop_recall(struct op *op, const struct key *entry)
{
    struct drop *drop = &op->drop;
    struct kv_stat stat;
    struct slice content;
    drop->entry = *entry;
    if (!op_recall(op, entry, &stat, &content))
        return false;
    drop->stat = stat;
    drop->stat.attr = slice_of(NULL, 0);
    drop->ino = stat.created;
    bool is_known = stat.kind == RECORD_REFERENCE ? recall_inode(op, content)
                                                  : take(op, &stat, slice_of(NULL, 0)) == SF_OK;
    if (!is_known || is_open(op, drop->ino))
        return false;
    key_of_inode(drop->ino, &drop->inode);
    drop->has_moved = stat.kind == RECORD_VALUE && drop->attr.has_moved;
    drop->is_open = false;
    drop->is_recalled = true;
    return true;
}

/* The attributes with so many links. */
static struct slice attr_with(struct drop *drop, uint32_t links)
{
    drop->attr.links = links;
    drop->attr.has_moved = false;
    int status = attr_encode(&drop->attr, &drop->written);
    sf_assert(status == SF_OK); /* as long as it was */
    return buffer_slice(&drop->written);
}

/* One name less; with the last one the file goes, if it is not open. */
static void count_down(struct op *op, struct drop *drop)
{
    struct kv_op *kv;
    if (drop->version == 0) {
        op_mini_check(op, &drop->inode)->pre.kind = KV_PRE_ABSENT;
        return;
    }
    bool is_last = drop->attr.links <= 1;
    if (is_last && !drop->is_open) {
        kv = op_mini_add(op, KV_DELETE, &drop->inode);
    } else {
        kv = op_mini_add(op, KV_SET_ATTR, &drop->inode);
        kv->attr = attr_with(drop, is_last ? 0 : drop->attr.links - 1);
        kv->flags = KV_HAS_ATTR | (is_last ? KV_OWNED : 0u);
    }
    kv->pre = (struct kv_pre){KV_PRE_VERSION, drop->version};
    op->call->orphan = is_last && drop->is_open ? drop->ino : 0;
}

/* The record that says where it is goes with it. */
static void drop_location(struct op *op, struct drop *drop)
{
    struct kv_op *kv;
    if (location_is_there(&drop->location, drop->has_moved)) {
        kv = op_mini_add(op, KV_DELETE, &drop->inode);
        kv->pre = (struct kv_pre){KV_PRE_CREATED, drop->ino};
    } else {
        kv = op_mini_check(op, &drop->inode);
        kv->pre.kind = KV_PRE_ABSENT;
    }
    drop->location.tried = kv;
}

/* It moves to where no name leads. */
static void keep_file(struct op *op, struct drop *drop)
{
    struct kv_stat stat = drop->stat;
    stat.attr = attr_with(drop, 0);
    op_mini_put_moved(op, &drop->inode, &stat, drop->head)->flags |= KV_OWNED;
    op->call->orphan = drop->ino;
}

void drop_name(struct op *op, struct drop *drop)
{
    bool is_reference = drop->stat.kind == RECORD_REFERENCE;
    bool stays = !is_reference && drop->is_open;
    struct kv_op *kv = op_mini_add(op, stays ? KV_TAKE : KV_DELETE, &drop->entry);
    if (is_reference || stays)
        kv->pre = (struct kv_pre){KV_PRE_VERSION, drop->stat.version};
    else
        kv->pre = (struct kv_pre){KV_PRE_CREATED, drop->ino};
    if (is_reference)
        count_down(op, drop);
    else
        drop_location(op, drop);
    if (stays)
        keep_file(op, drop);
}

/* -- unlink ---------------------------------------------------------------------------------- */

static void on_looked(struct op *op, int status);

static void on_unlinked(struct op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_PRECONDITION) {
        drop_failed(op, reply);
        if (op_may_retry(op))
            drop_look(op, &op->entry, on_looked);
        return;
    }
    if (status == SF_OK && op->call->place.directory == TREE_ROOT)
        root_touched(op->tree->root, reply->replies[0].stat.ctime_ns);
    op_finish(op, status);
}

static void unlink_dropped(struct op *op)
{
    op_mini_begin(op);
    drop_name(op, &op->drop);
    op_count_above(op, -1, 0);
    op_mini_send(op, on_unlinked);
}

static void on_looked(struct op *op, int status)
{
    const struct tree_place *place = &op->call->place;
    if (status == SF_OK && op->drop.stat.kind == RECORD_DIRECTORY)
        status = SF_IS_DIRECTORY;
    if (status == SF_OK && place->ino != 0 && place->ino != op->drop.ino)
        status = SF_STALE_FILE;
    if (status == SF_OK)
        unlink_dropped(op);
    else
        op_finish(op, status);
}

int unlink_start(struct op *op)
{
    const struct tree_place *place = &op->call->place;
    int status = key_of_entry(place->directory, place->name, &op->entry);
    if (status != SF_OK)
        return status;
    bool is_known = drop_recall(op, &op->entry);
    if (is_known && (place->ino == 0 || place->ino == op->drop.ino))
        unlink_dropped(op);
    else
        drop_look(op, &op->entry, on_looked);
    return SF_OK;
}

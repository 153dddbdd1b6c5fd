/* LOOKUP and GETATTR: one read for a file, two for a directory, and for a name of a file that has had
 * several. The two are asked for at once where it is known which one was there last. */
#include "tree/op.h"

static void on_directory_record(struct op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_NOT_FOUND && !op_dangles(op, op->stat.version)) {
        lookup_entry(op); /* it was removed meanwhile, entry and all */
        return;
    }
    if (status == SF_NOT_FOUND)
        status = SF_CORRUPT;
    if (status == SF_OK)
        status = attr_directory_inode(op->child, &reply->stat, reply->data, &op->call->inode);
    op_finish(op, status);
}

/* Read at once with its entry: it was in this directory, and is there, each at some moment of the
 * call. Else it was moved meanwhile, and is read after its entry. */
static void on_directory_ahead(struct op *op, int status, const struct kv_reply *reply)
{
    struct tree_inode *inode = &op->call->inode;
    if (status == SF_OK)
        status = attr_directory_inode(op->child, &reply->stat, reply->data, inode);
    if (status == SF_OK && inode->parent == op->call->place.directory)
        op_finish(op, SF_OK);
    else
        op_stat(op, &op->directory, on_directory_record);
}

/* What CREATE met is gone again. */
static void create_again(struct op *op)
{
    if (!op_may_retry(op))
        return;
    int status = create_start(op);
    if (status != SF_OK)
        op_finish(op, status);
}

/* The last of its names may have gone since the entry was read: it is read again, and where it is
 * still the same, it leads nowhere. */
static void on_inode_record(struct op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_NOT_FOUND) {
        bool dangles = op_dangles(op, op->stat.version);
        if (dangles)
            op_finish(op, SF_CORRUPT);
        else if (op_may_retry(op))
            lookup_entry(op);
        return;
    }
    if (status == SF_OK && reply->stat.kind != RECORD_VALUE)
        status = SF_BAD_ATTR;
    if (status == SF_OK)
        status = op_file_inode(op, &reply->stat);
    op->call->inode.is_apart = true;
    op_finish(op, status);
}

/* Read at once with its name. Before the name became a reference this said where the file is. */
static void on_inode_ahead(struct op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_OK && reply->stat.kind == RECORD_VALUE)
        on_inode_record(op, status, reply);
    else
        op_stat(op, &op->directory, on_inode_record);
}

static void read_inode(struct op *op, const struct kv_reply *reply)
{
    op->stat = reply->stat;
    int status = key_inode_of_reference(reply->data, &op->child);
    if (status != SF_OK) {
        op_finish(op, status);
        return;
    }
    key_of_inode(op->child, &op->directory);
    op_stat_ahead(op, &op->directory, on_inode_ahead);
}

static void on_entry(struct op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_OK && reply->stat.kind == RECORD_REFERENCE) {
        read_inode(op, reply);
        return;
    }
    if (status == SF_OK && reply->stat.kind == RECORD_DIRECTORY) {
        op->stat = reply->stat;
        status = key_directory_id(reply->data, &op->child);
        if (status == SF_OK) {
            key_of_directory(op->child, &op->directory);
            op_stat_ahead(op, &op->directory, on_directory_ahead);
            return;
        }
    } else if (status == SF_OK) {
        status = op_file_inode(op, &reply->stat);
    } else if (status == SF_NOT_FOUND && op->call->kind == TREE_CREATE) {
        create_again(op);
        return;
    }
    op_finish(op, status);
}

void lookup_entry(struct op *op)
{
    op_stat(op, &op->entry, on_entry);
}

/* op->directory: what will have to be read behind the entry, if that is as it was. */
static bool guess_second(struct op *op)
{
    struct kv_stat stat;
    struct slice content;
    uint64_t id = op->call->guess;
    if (id != 0) {
        key_of_directory(id, &op->directory);
        return true;
    }
    bool is_known = op_recall(op, &op->entry, &stat, &content) && stat.kind == RECORD_REFERENCE &&
                    key_inode_of_reference(content, &id) == SF_OK;
    if (is_known)
        key_of_inode(id, &op->directory);
    return is_known;
}

int lookup_start(struct op *op)
{
    int status = key_of_entry(op->call->place.directory, op->call->place.name, &op->entry);
    if (status != SF_OK)
        return status;
    lookup_entry(op);
    if (guess_second(op))
        op_ahead(op, &op->directory);
    return SF_OK;
}

static void on_file(struct op *op, int status, const struct kv_stat *stat, struct slice data)
{
    (void)data;
    if (status == SF_OK)
        status = op_file_inode(op, stat);
    op->call->inode.is_apart = key_is_of_inode(&op->entry);
    locate_finish(op, status);
}

static void on_own_record(struct op *op, int status, const struct kv_reply *reply)
{
    if (status == SF_OK)
        status =
            attr_directory_inode(op->call->place.ino, &reply->stat, reply->data, &op->call->inode);
    op_finish(op, status == SF_NOT_FOUND ? SF_STALE_FILE : status);
}

int getattr_start(struct op *op)
{
    const struct tree_place *place = &op->call->place;
    if (place->is_directory && place->ino == TREE_ROOT) {
        root_inode(op->tree->root, &op->call->inode);
        return SF_OK;
    }
    if (place->is_directory) {
        key_of_directory(place->ino, &op->directory);
        op_stat(op, &op->directory, on_own_record);
        return SF_OK;
    }
    int status = locate_begin(op);
    if (status != SF_OK)
        return status;
    op_file_stat(op, on_file);
    return SF_OK;
}

/* READDIR: one Scan of a directory's shard; for the root one to each group, merged by key
 * (client/scan.h). */
#include "tree/op.h"

#include <sys/stat.h>

/* A listed entry's inode. What only its own record tells stays 0 (version 0): of a directory, of a
 * file that has had several names, and of one whose attributes cannot be read. */
static struct tree_inode listed_inode(struct op *op, const struct kv_entry *entry)
{
    struct tree_inode inode = {.ino = entry->stat.created, .mode = S_IFREG};
    uint64_t id;
    if (entry->stat.kind == RECORD_VALUE) {
        int status =
            attr_file_inode(&entry->stat, op->tree->options.uid, op->tree->options.gid, &inode);
        inode.version = status == SF_OK ? inode.version : 0;
    } else if (entry->stat.kind == RECORD_DIRECTORY &&
               key_directory_id(entry->data, &id) == SF_OK) {
        inode.ino = id;
        inode.mode = S_IFDIR;
    } else if (entry->stat.kind == RECORD_REFERENCE &&
               key_inode_of_reference(entry->data, &id) == SF_OK) {
        struct attr attr;
        inode.ino = id;
        inode.is_apart = true;
        if (attr_decode(entry->stat.attr, &attr) == SF_OK)
            inode.mode = attr.mode & S_IFMT;
    }
    return inode;
}

static uint32_t page_limit(const struct op *op)
{
    uint64_t wanted = op->call->length;
    return wanted == 0 || wanted > SF_SCAN_MAX ? SF_SCAN_MAX : (uint32_t)wanted;
}

/* -- below the root ------------------------------------------------------------------------ */

static void on_page(struct op *op, int status, const struct kv_reply *reply)
{
    struct tree_call *call = op->call;
    bool room = true;
    for (size_t i = 0; status == SF_OK && room && i < reply->entry_count; i++) {
        struct tree_inode inode = listed_inode(op, &reply->entries[i]);
        room = call->on_entry(call, reply->entries[i].name, &inode);
    }
    if (status == SF_OK && reply->more && reply->entry_count == 0)
        status = SF_PROTOCOL;
    call->end = status == SF_OK && room && !reply->more;
    op_finish(op, status);
}

static void scan_below(struct op *op)
{
    key_of_entries(op->call->place.ino, &op->directory);
    op_kv(&op->kv, KV_SCAN, &op->directory);
    op->kv.data = op->call->after;
    op->kv.length = page_limit(op);
    op_send(op, on_page);
}

/* -- the root ------------------------------------------------------------------------------ */

static void root_page(struct op *op);

static void deliver(struct op *op)
{
    struct tree_call *call = op->call;
    const struct scan_call *scan = &op->scan;
    char name[TREE_NAME_BYTES_MAX + 1];
    bool room = true, some = false;
    for (size_t i = 0; i < scan->count && room; i++) {
        const struct kv_entry *entry = &scan->entries[i];
        if (!tree_name_of_key(entry->name, name))
            continue;
        struct tree_inode inode = listed_inode(op, entry);
        room = call->on_entry(call, slice_str(name), &inode);
        some = true;
    }
    if (scan->more && !some) { /* a page of keys that have no name here: the next one */
        buffer_set(&op->keep, scan->entries[scan->count - 1].name);
        root_page(op);
        return;
    }
    call->end = room && !scan->more;
    op_finish(op, SF_OK);
}

static void on_names(struct scan_call *scan, int status)
{
    struct op *op = container_of(scan, struct op, scan);
    op->waits = OP_NOTHING;
    root_saw(op->tree->root, scan->changed_ns);
    if (status == SF_OK)
        deliver(op);
    else
        op_finish(op, status);
}

static void root_page(struct op *op)
{
    op->scan = (struct scan_call){.on_done = on_names,
                                  .after = buffer_slice(&op->keep),
                                  .limit = page_limit(op),
                                  .may_be_short = true,
                                  .timeout_ms = op_left_ms(op)};
    op->waits = OP_SCAN;
    scan_submit(op->tree->client, &op->scan);
}

static int root_start(struct op *op)
{
    struct slice after = op->call->after;
    size_t bytes = 0;
    if (after.n > 0) {
        int status = tree_key_of_name(after, buffer_grow(&op->keep, TREE_NAME_BYTES_MAX), &bytes);
        if (status != SF_OK)
            return status;
    }
    op->keep.n = bytes;
    root_page(op);
    return SF_OK;
}

int readdir_start(struct op *op)
{
    if (op->call->after.n > TREE_NAME_BYTES_MAX)
        return SF_NAME_TOO_LONG;
    if (op->call->place.ino == TREE_ROOT)
        return root_start(op);
    scan_below(op);
    return SF_OK;
}

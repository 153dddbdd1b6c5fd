/* READDIR: one Scan of a directory's shard; for the root one Scan to each group, merged by key.
 *
 * A page of the root ends where the first group's part ended that has more: beyond that name
 * another group's names may still be missing. Names are spread evenly, so each group is asked for
 * its share of the page and some more. */
#include "tree/op.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "env/memory.h"

#define CONFIG_RETRY_MS 50u

/* A name of the root that was read, waiting to be merged. */
struct found {
    uint8_t key[TREE_NAME_BYTES_MAX];
    size_t n;
    struct tree_inode inode;
};

/* What one group was asked for. */
struct part {
    struct scan *scan;
    struct client_call call;
    struct kv_op kv;
    uint32_t *shards;
    size_t shard_count;
};

struct scan {
    struct op *op;
    struct part *parts;
    size_t part_count;
    size_t waiting; /* parts that have not answered */
    int status;     /* the first failure */
    struct found *found;
    size_t found_count, found_room;
    bool more;             /* some group has more ... */
    struct buffer horizon; /* ... and all keys up to this one are known */
};

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

static uint64_t page_limit(const struct op *op)
{
    uint64_t wanted = op->call->length;
    return wanted == 0 || wanted > SF_SCAN_MAX ? SF_SCAN_MAX : wanted;
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

static void root_begin(struct op *op, int status, const struct kv_reply *reply);

/* Shards are between groups, or this Config is too old: all again, under a newer one. */
static void root_again(struct op *op)
{
    router_refresh(client_router(op->tree->client));
    if (op_is_late(op))
        op_finish(op, SF_TIMEOUT);
    else
        op_later(op, CONFIG_RETRY_MS, root_begin);
}

static int compare_found(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return slice_compare(slice_of(x->key, x->n), slice_of(y->key, y->n));
}

void scan_free(struct op *op)
{
    struct scan *scan = op->scan;
    for (size_t i = 0; i < scan->part_count; i++) {
        client_cancel(&scan->parts[i].call);
        free(scan->parts[i].shards);
    }
    free(scan->parts);
    buffer_deinit(&scan->horizon);
    free(scan->found);
    free(scan);
    op->scan = NULL;
}

static void deliver(struct op *op)
{
    struct tree_call *call = op->call;
    struct scan *scan = op->scan;
    uint64_t left = page_limit(op);
    bool room = true, some = false;
    if (scan->found_count > 0)
        qsort(scan->found, scan->found_count, sizeof *scan->found, compare_found);
    for (size_t i = 0; i < scan->found_count && room; i++) {
        struct found *found = &scan->found[i];
        char name[TREE_NAME_BYTES_MAX + 1];
        struct slice key = slice_of(found->key, found->n);
        if (scan->more && slice_compare(key, buffer_slice(&scan->horizon)) > 0)
            break;
        if (!tree_name_of_key(key, name))
            continue;
        room = left > 0 && call->on_entry(call, slice_str(name), &found->inode);
        left--;
        some = true;
    }
    if (scan->more && !some) { /* a page of keys that have no name here: the next one */
        buffer_set(&op->keep, buffer_slice(&scan->horizon));
        scan_free(op);
        root_begin(op, SF_OK, NULL);
        return;
    }
    call->end = room && !scan->more;
    op_finish(op, SF_OK);
}

static void keep_entry(struct scan *scan, const struct kv_entry *entry)
{
    if (entry->name.n == 0 || entry->name.n > TREE_NAME_BYTES_MAX)
        return; /* the mount has no name for it */
    if (scan->found_count == scan->found_room) {
        scan->found_room = scan->found_room > 0 ? 2 * scan->found_room : 64;
        scan->found = sf_realloc(scan->found, scan->found_room * sizeof *scan->found);
    }
    struct found *found = &scan->found[scan->found_count++];
    memcpy(found->key, entry->name.p, entry->name.n);
    found->n = entry->name.n;
    found->inode = listed_inode(scan->op, entry);
}

/* A group's page ends at `last`: names beyond it are not all known. */
static void lower_horizon(struct scan *scan, struct slice last)
{
    if (!scan->more || slice_compare(last, buffer_slice(&scan->horizon)) < 0)
        buffer_set(&scan->horizon, last);
    scan->more = true;
}

static void on_part(struct client_call *client, int status, const struct kv_reply *reply)
{
    struct part *part = container_of(client, struct part, call);
    struct scan *scan = part->scan;
    struct op *op = scan->op;
    if (status == SF_OK && reply->more && reply->entry_count == 0)
        status = SF_PROTOCOL;
    if (status == SF_OK) {
        root_saw(op->tree->root, reply->stat.mtime_ns);
        for (size_t i = 0; i < reply->entry_count; i++)
            keep_entry(scan, &reply->entries[i]);
        if (reply->more)
            lower_horizon(scan, reply->entries[reply->entry_count - 1].name);
    } else if (scan->status == SF_OK) {
        scan->status = status;
    }
    if (--scan->waiting > 0)
        return;
    op->waits = OP_NOTHING;
    status = scan->status;
    if (status == SF_OK) {
        deliver(op);
        return;
    }
    scan_free(op);
    if (status == SF_WRONG_GROUP || status == SF_NO_GROUP || status == SF_MISMATCH)
        root_again(op);
    else
        op_finish(op, status);
}

static void add_parts(struct scan *scan, const struct config *config)
{
    scan->parts = sf_calloc(config->group_count, sizeof *scan->parts);
    for (size_t g = 0; g < config->group_count; g++) {
        struct part *part = &scan->parts[scan->part_count];
        part->shards = sf_calloc(config->shard_count, sizeof *part->shards);
        for (uint32_t s = 0; s < config->shard_count; s++) {
            if (config->shards[s] == config->groups[g].gid)
                part->shards[part->shard_count++] = s;
        }
        if (part->shard_count == 0) {
            free(part->shards);
            continue;
        }
        part->scan = scan;
        part->call.gid = config->groups[g].gid;
        scan->part_count++;
    }
}

static uint64_t part_limit(uint64_t page, size_t parts)
{
    uint64_t share = page / parts + page / (4 * parts) + 8;
    return share < page ? share : page;
}

static void send_part(struct part *part)
{
    struct op *op = part->scan->op;
    part->kv = (struct kv_op){.kind = KV_SCAN, .space = KV_PLAIN};
    part->kv.data = buffer_slice(&op->keep);
    part->kv.length = part_limit(page_limit(op), part->scan->part_count);
    part->kv.shards = part->shards;
    part->kv.shard_count = part->shard_count;
    part->call.on_done = on_part;
    part->call.op = &part->kv;
    part->call.timeout_ms = op_left_ms(op);
    client_submit(op->tree->client, &part->call);
}

/* A listing without some shard's names would not be one. */
static bool all_shards_have_groups(const struct config *config)
{
    for (uint32_t s = 0; s < config->shard_count; s++) {
        if (config->shards[s] == 0)
            return false;
    }
    return true;
}

static void root_fan_out(struct op *op, const struct config *config)
{
    struct scan *scan = sf_calloc(1, sizeof *scan);
    scan->op = op;
    op->scan = scan;
    add_parts(scan, config);
    scan->waiting = scan->part_count;
    op->waits = OP_FAN_OUT;
    for (size_t i = 0; i < scan->part_count; i++)
        send_part(&scan->parts[i]);
}

static void root_begin(struct op *op, int status, const struct kv_reply *reply)
{
    (void)reply;
    const struct config *config = router_config(client_router(op->tree->client));
    if (status != SF_OK && status != SF_NOT_FOUND) {
        op_finish(op, status);
    } else if (config && all_shards_have_groups(config)) {
        root_fan_out(op, config);
    } else if (config) {
        root_again(op);
    } else { /* any request waits for the first Config */
        op->entry = (struct key){.space = KV_PLAIN, .bytes = ".", .n = 1};
        op_stat(op, &op->entry, root_begin);
    }
}

/* op->keep: the key to go on behind. */
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
    root_begin(op, SF_OK, NULL);
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

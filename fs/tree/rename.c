/* RENAME: both names are read, then all of it is changed in one minitransaction, on the versions that
 * were read; where one has changed meanwhile, all again. */
#include "tree/rename.h"

#include <stdlib.h>
#include <string.h>

#include "client/touch.h"
#include "env/memory.h"

bool rename_is_directory(const struct rename_side *side)
{
    return side->stat.kind == RECORD_DIRECTORY;
}

bool rename_stays_in_directory(const struct rename *rename)
{
    return rename->from.directory == rename->to.directory;
}

struct slice rename_attr(const struct rename_side *side)
{
    return slice_of(side->bytes.p, side->stat.attr.n);
}

static void side_deinit(struct rename_side *side)
{
    buffer_deinit(&side->bytes);
    buffer_deinit(&side->xattrs);
    buffer_deinit(&side->attr);
}

void rename_free(struct rename *rename)
{
    if (!rename)
        return;
    side_deinit(&rename->from);
    side_deinit(&rename->to);
    free(rename);
}

/* -- the end --------------------------------------------------------------------------------- */

static void begin(struct op *op);

static void again(struct op *op)
{
    if (op_may_retry(op))
        begin(op);
}

static void keep_file(struct rename_side *side, const struct kv_reply *reply)
{
    side->is_there = true;
    side->stat = reply->stat;
    side->ino = reply->stat.created;
    buffer_set(&side->bytes, reply->stat.attr);
    buffer_append(&side->bytes, reply->data.p, reply->data.n);
}

/* The root's names changed at the time that its records show. */
static void touch_root(struct op *op, const struct kv_reply *reply)
{
    const struct rename *r = op->rename;
    uint64_t latest_ns = 0;
    if (r->from.directory != TREE_ROOT && r->to.directory != TREE_ROOT)
        return;
    for (size_t i = 0; i < reply->reply_count; i++) {
        if (reply->replies[i].stat.ctime_ns > latest_ns)
            latest_ns = reply->replies[i].stat.ctime_ns;
    }
    root_touched(op->tree->root, latest_ns);
}

static void on_not_found(struct op *op, const struct kv_reply *reply)
{
    const struct rename *r = op->rename;
    bool is_gone = r->arrival && op_mini_failed(op, reply) == r->arrival;
    if (is_gone)
        op_finish(op, SF_NOT_FOUND); /* the directory that the name goes to */
    else if (op_dangles(op, r->to.is_there ? r->to.stat.version : r->from.stat.version))
        op_finish(op, SF_CORRUPT);
    else
        again(op);
}

/* Was it one of the two that are taken? */
static struct rename_side *overtaken(struct rename *r, const struct kv_op *failed)
{
    if (failed->kind != KV_TAKE)
        return NULL;
    if (failed->key.p == r->from.entry.bytes)
        return &r->from;
    return failed->key.p == r->to.entry.bytes ? &r->to : NULL;
}

static void on_overtaken(struct op *op, const struct kv_reply *reply)
{
    const struct kv_op *failed = op_mini_failed(op, reply);
    struct rename *r = op->rename;
    location_failed(&r->from.location, failed);
    location_failed(&r->to.location, failed);
    drop_failed(op, reply);
    r->busy = overtaken(r, failed);
    again(op);
}

static void on_moved(struct op *op, int status, const struct kv_reply *reply)
{
    struct rename *r = op->rename;
    if (status == SF_PRECONDITION) {
        on_overtaken(op, reply);
        return;
    }
    if (status == SF_NOT_FOUND) {
        on_not_found(op, reply);
        return;
    }
    if (status == SF_NOT_EMPTY && !op_stays_full(op, r->to.stat.version)) {
        again(op);
        return;
    }
    if (status == SF_OK) {
        touch_root(op, reply);
        op->call->inode.ino = r->from.ino;
        op->call->target_ino = r->to.is_there ? r->to.ino : 0;
    }
    op_finish(op, status);
}

static void send_all(struct op *op)
{
    int status = rename_make(op);
    if (status == SF_OK)
        op_mini_send(op, on_moved);
    else
        op_finish(op, status);
}

static void on_read_again(struct op *op, int status, const struct kv_reply *reply)
{
    struct rename_side *side = op->rename->busy;
    if (status == SF_OK && reply->stat.created == side->ino) {
        keep_file(side, reply);
        send_all(op);
    } else if (status == SF_OK || locate_is_elsewhere(status)) {
        again(op);
    } else {
        op_finish(op, status);
    }
}

/* A file that is written all the time is read a last time when everything else is known: it takes its
 * bytes along, so nobody may write it from then on. */
static void change(struct op *op)
{
    const struct rename_side *side = op->rename->busy;
    if (!side || side->stat.kind != RECORD_VALUE) {
        send_all(op);
        return;
    }
    op_get_held(op, &side->entry, on_read_again);
}

/* -- directories that come under another one ------------------------------------------------- */

static void read_own(struct op *op, struct rename_side *side, op_step *then)
{
    key_of_directory(side->ino, &side->own);
    op_stat_held(op, &side->own, then);
}

/* False: the call went another way. */
static bool keep_own(struct op *op, struct rename_side *side, int status,
                     const struct kv_reply *reply)
{
    if (status == SF_NOT_FOUND && !op_dangles(op, side->stat.version)) {
        again(op); /* it was removed */
        return false;
    }
    if (status == SF_NOT_FOUND)
        status = SF_CORRUPT;
    if (status == SF_OK)
        status = attr_decode(reply->stat.attr, &side->own_attr);
    if (status != SF_OK) {
        op_finish(op, status);
        return false;
    }
    buffer_set(&side->xattrs, side->own_attr.xattrs);
    side->own_attr.xattrs = buffer_slice(&side->xattrs);
    side->own_version = reply->stat.version;
    return true;
}

static void on_own_of_target(struct op *op, int status, const struct kv_reply *reply)
{
    if (keep_own(op, &op->rename->to, status, reply))
        change(op);
}

static void read_own_of_target(struct op *op)
{
    struct rename_side *to = &op->rename->to;
    if (op->call->exchange && rename_is_directory(to))
        read_own(op, to, on_own_of_target);
    else
        change(op);
}

static void on_own_of_source(struct op *op, int status, const struct kv_reply *reply)
{
    if (keep_own(op, &op->rename->from, status, reply))
        read_own_of_target(op);
}

static void on_topology(struct op *op, int status, const struct kv_reply *reply)
{
    struct rename_side *from = &op->rename->from;
    (void)reply;
    if (status == SF_BUSY)
        again(op);
    else if (status != SF_OK)
        op_finish(op, status);
    else if (rename_is_directory(from))
        read_own(op, from, on_own_of_source);
    else
        read_own_of_target(op);
}

/* -- the two names --------------------------------------------------------------------------- */

/* May this come there? */
static int judge(const struct op *op)
{
    const struct tree_call *call = op->call;
    const struct rename_side *from = &op->rename->from, *to = &op->rename->to;
    if (!from->is_there)
        return SF_NOT_FOUND;
    if (to->is_there && call->no_replace)
        return SF_EXISTS;
    if (call->exchange)
        return to->is_there ? SF_OK : SF_NOT_FOUND;
    if (!to->is_there || rename_is_directory(from) == rename_is_directory(to))
        return SF_OK;
    return rename_is_directory(to) ? SF_IS_DIRECTORY : SF_NOT_DIRECTORY;
}

/* Does the caller know what is at the target? */
static bool is_expected(const struct op *op)
{
    const struct rename_side *to = &op->rename->to;
    uint64_t ino = op->call->to_ino;
    return ino == 0 || (to->is_there && to->ino == ino);
}

static void on_checked(struct op *op, int status, const struct kv_reply *reply)
{
    (void)reply;
    if (status == SF_PRECONDITION || status == SF_NOT_FOUND)
        again(op);
    else
        op_finish(op, status != SF_OK ? status : op->outcome);
}

/* That the same lives there, whoever writes it. */
static void check(struct op *op, const struct rename_side *side)
{
    bool is_file = side->stat.kind == RECORD_VALUE;
    op_mini_check(op, &side->entry)->pre =
        is_file ? (struct kv_pre){KV_PRE_CREATED, side->ino}
                : (struct kv_pre){KV_PRE_VERSION, side->stat.version};
}

/* What is answered follows from both names, which were read one after the other: were they so at one
 * moment? */
static void finish_where_both_stand(struct op *op, int status)
{
    op->outcome = status;
    op_mini_begin(op);
    check(op, &op->rename->from);
    check(op, &op->rename->to);
    op_mini_send(op, on_checked);
}

static void go_on(struct op *op)
{
    const struct rename *r = op->rename;
    bool exchanges = op->call->exchange;
    int status = judge(op);
    if (status == SF_OK && !is_expected(op))
        status = SF_STALE_FILE;
    if (status == SF_OK && r->to.is_there && r->from.ino == r->to.ino) {
        op->call->inode.ino = 0; /* two names of one file: nothing is moved */
        finish_where_both_stand(op, SF_OK);
    } else if (status == SF_EXISTS || status == SF_IS_DIRECTORY || status == SF_NOT_DIRECTORY) {
        finish_where_both_stand(op, status);
    } else if (status != SF_OK) {
        op_finish(op, status);
    } else if (!rename_stays_in_directory(r) &&
               (rename_is_directory(&r->from) || (exchanges && rename_is_directory(&r->to)))) {
        topology_begin(op, on_topology);
    } else {
        change(op);
    }
}

/* What was read. A GET of what is no file says so, and brings its content all the same. */
static int keep(struct rename_side *side, int status, const struct kv_reply *reply)
{
    side->is_there = false;
    if (status == SF_NOT_FOUND)
        return SF_OK;
    if (status != SF_OK && status != SF_IS_DIRECTORY && status != SF_IS_REFERENCE)
        return status;
    keep_file(side, reply);
    if (reply->stat.kind == RECORD_DIRECTORY)
        return key_directory_id(reply->data, &side->ino);
    if (reply->stat.kind == RECORD_REFERENCE)
        return key_inode_of_reference(reply->data, &side->ino);
    return SF_OK;
}

static void on_target(struct op *op, int status, const struct kv_reply *reply)
{
    status = keep(&op->rename->to, status, reply);
    if (status == SF_OK)
        go_on(op);
    else
        op_finish(op, status);
}

/* The same of one that may have to go. */
static void on_looked(struct op *op, int status)
{
    struct rename_side *to = &op->rename->to;
    to->is_there = status == SF_OK;
    if (to->is_there) {
        to->stat = op->drop.stat;
        to->ino = op->drop.ino;
    }
    if (status == SF_OK || status == SF_NOT_FOUND)
        go_on(op);
    else
        op_finish(op, status);
}

static void on_source(struct op *op, int status, const struct kv_reply *reply)
{
    struct rename *r = op->rename;
    uint64_t ino = op->call->place.ino;
    status = keep(&r->from, status, reply);
    if (status == SF_OK && !r->from.is_there)
        status = SF_NOT_FOUND;
    if (status == SF_OK && ino != 0 && r->from.ino != ino)
        status = SF_STALE_FILE;
    if (status != SF_OK) {
        op_finish(op, status);
        return;
    }
    if (!op->call->exchange) {
        drop_look(op, &r->to.entry, on_looked);
        return;
    }
    op_get_held(op, &r->to.entry, on_target);
}

static void read_source(struct op *op)
{
    op->rename->has_topology = false;
    op_get_held(op, &op->rename->from.entry, on_source);
    if (op_hold(op) == 0 && !op->call->exchange)
        op_ahead(op, &op->rename->to.entry);
}

static void on_target_held(struct op *op, int status, const struct kv_reply *reply)
{
    (void)reply;
    if (status == SF_OK || status == SF_NOT_FOUND)
        read_source(op);
    else
        op_finish(op, status);
}

/* Two who want to hold the same two names take them in the same order. */
static void read_both(struct op *op)
{
    const struct rename *r = op->rename;
    if (op_hold(op) != 0 && op_holds_first(op, &r->to.entry, &r->from.entry))
        op_stat_held(op, &r->to.entry, on_target_held);
    else
        read_source(op);
}

/* Whatever came of it. */
static void on_touched(struct op *op, int status, const struct kv_stat *stat, struct slice data)
{
    (void)status;
    (void)stat;
    (void)data;
    begin(op);
}

/* An mtime that this client left behind is written first: under the new name nobody would. */
static void begin(struct op *op)
{
    struct rename *r = op->rename;
    struct client *client = op->tree->client;
    uint64_t created;
    while (r->settled < (op->call->exchange ? 2u : 1u)) {
        const struct rename_side *side = r->settled++ == 0 ? &r->from : &r->to;
        if (!touch_is_behind(client, side->entry.space, key_slice(&side->entry), &created))
            continue;
        op->value = (struct value_call){.pre = {KV_PRE_CREATED, created}};
        op_value(op, VALUE_STAT, &side->entry, on_touched);
        return;
    }
    read_both(op);
}

/* -- the beginning ---------------------------------------------------------------------------- */

static void on_same(struct op *op, int status, const struct kv_reply *reply)
{
    (void)reply;
    if (status == SF_OK && op->call->no_replace)
        status = SF_EXISTS;
    op_finish(op, status);
}

static bool is_same_name(const struct tree_call *call)
{
    return call->place.directory == call->to_directory &&
           slice_equal(call->place.name, call->to_name);
}

int rename_start(struct op *op)
{
    const struct tree_call *call = op->call;
    struct rename *r = op->rename = sf_calloc(1, sizeof *r);
    if (call->no_replace && call->exchange)
        return SF_INVALID;
    r->from.directory = call->place.directory;
    r->to.directory = call->to_directory;
    int status = key_of_entry(call->place.directory, call->place.name, &r->from.entry);
    if (status == SF_OK)
        status = key_of_entry(call->to_directory, call->to_name, &r->to.entry);
    if (status != SF_OK)
        return status;
    if (is_same_name(call))
        op_stat(op, &r->from.entry, on_same);
    else
        begin(op);
    return SF_OK;
}

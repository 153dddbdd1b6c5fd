/* The minitransaction of RENAME: what lives at the names is taken, and put under the other one;
 * what is replaced goes; directories count; files note where they live, and directories what is
 * above them. */
#include "tree/rename.h"

/* The name changes hands only if it still has what was found there. */
static void take(struct op *op, const struct rename_side *side)
{
    op_mini_add(op, KV_TAKE, &side->entry)->pre =
        (struct kv_pre){KV_PRE_VERSION, side->stat.version};
}

static struct slice data_of(const struct rename_side *side)
{
    size_t attr_bytes = side->stat.attr.n;
    return slice_part(buffer_slice(&side->bytes), attr_bytes, side->bytes.n - attr_bytes);
}

/* A file that lives at its name notes in its attributes, and in its inode's record, that it has
 * moved and where to (T6). */
static int locate(struct op *op, struct kv_op *put, struct rename_side *what,
                  const struct rename_side *at)
{
    const struct tree_options *options = &op->tree->options;
    struct kv_stat stat = what->stat;
    struct attr attr;
    stat.attr = rename_attr(what);
    int status = attr_of_file(&stat, options->uid, options->gid, &attr);
    if (status != SF_OK)
        return status;
    bool is_located = location_is_there(&what->location, attr.has_moved);
    attr.has_moved = true;
    status = attr_encode(&attr, &what->attr);
    if (status != SF_OK)
        return status;
    put->attr = buffer_slice(&what->attr);
    key_of_inode(what->ino, &what->inode);
    struct kv_op *note = op_mini_add(op, KV_PUT, &what->inode);
    note->pre =
        is_located ? (struct kv_pre){KV_PRE_CREATED, what->ino} : (struct kv_pre){KV_PRE_ABSENT, 0};
    note->record_kind = RECORD_REFERENCE;
    note->created = what->ino;
    note->flags = KV_HAS_CREATED;
    note->data = key_reference(&at->entry, what->reference);
    what->location.tried = note;
    return SF_OK;
}

static int put(struct op *op, struct rename_side *what, const struct rename_side *at)
{
    struct kv_stat stat = what->stat;
    stat.attr = rename_attr(what);
    struct kv_op *put = op_mini_put_moved(op, &at->entry, &stat, data_of(what));
    return stat.kind == RECORD_VALUE ? locate(op, put, what, at) : SF_OK;
}

/* A directory's own record learns what is above it. */
static int reparent(struct op *op, struct rename_side *what, uint64_t above)
{
    struct attr attr = what->own_attr;
    attr.parent = above;
    int status = attr_encode(&attr, &what->attr);
    if (status != SF_OK)
        return status;
    struct kv_op *set = op_mini_add(op, KV_SET_ATTR, &what->own);
    set->pre = (struct kv_pre){KV_PRE_VERSION, what->own_version};
    set->flags = KV_HAS_ATTR;
    set->attr = buffer_slice(&what->attr);
    return SF_OK;
}

/* NULL: the root, which does not count. */
static const struct kv_op *count(struct op *op, struct rename_side *side, int entries,
                                 int subdirectories)
{
    if (side->directory == TREE_ROOT)
        return NULL;
    key_of_directory(side->directory, &side->counted);
    struct kv_op *kv = op_mini_add(op, KV_ADD, &side->counted);
    op_count(kv, &side->counted, entries, subdirectories);
    return kv;
}

static void count_both(struct op *op)
{
    struct rename *r = op->rename;
    int comes = rename_is_directory(&r->from), goes = r->to.is_there && rename_is_directory(&r->to);
    int lost = op->call->exchange ? 0 : 1, replaced = op->call->exchange || r->to.is_there ? 1 : 0;
    if (rename_stays_in_directory(r)) { /* what is exchanged within it stays in it */
        bool drops = replaced && lost;
        r->arrival = count(op, &r->to, drops ? -1 : 0, drops ? -goes : 0);
        return;
    }
    int back = op->call->exchange ? goes : 0;
    r->arrival = count(op, &r->to, 1 - replaced, comes - goes);
    (void)count(op, &r->from, -lost, back - comes);
}

/* What must go so that the target's name is free. */
static void drop_target(struct op *op)
{
    const struct rename_side *to = &op->rename->to;
    if (rename_is_directory(to))
        remove_directory(op, &to->entry, to->stat.version, to->ino);
    else
        drop_name(op, &op->drop);
}

static int move_under(struct op *op, struct rename_side *what, const struct rename_side *at)
{
    return rename_is_directory(what) ? reparent(op, what, at->directory) : SF_OK;
}

static int exchange(struct op *op)
{
    struct rename *r = op->rename;
    take(op, &r->from);
    take(op, &r->to);
    int status = put(op, &r->from, &r->to);
    if (status == SF_OK)
        status = put(op, &r->to, &r->from);
    if (status == SF_OK && !rename_stays_in_directory(r))
        status = move_under(op, &r->to, &r->from);
    return status;
}

static int replace(struct op *op)
{
    struct rename *r = op->rename;
    take(op, &r->from);
    if (r->to.is_there)
        drop_target(op);
    return put(op, &r->from, &r->to);
}

int rename_make(struct op *op)
{
    struct rename *r = op->rename;
    op_mini_begin(op);
    r->from.location.tried = r->to.location.tried = NULL;
    int status = op->call->exchange ? exchange(op) : replace(op);
    if (status == SF_OK && !rename_stays_in_directory(r))
        status = move_under(op, &r->from, &r->to);
    if (status != SF_OK)
        return status;
    count_both(op);
    if (r->has_topology)
        topology_change(op);
    return SF_OK;
}

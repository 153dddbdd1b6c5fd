/* ALLOCATE and SEEK: the shape of a file, with or without its bytes.
 *
 * Nothing is stored for room that was asked for: it is zeros until it is written. So ALLOCATE makes
 * the file longer, which may be refused, then makes zeros of what is there, as far as each was asked
 * for. */
#include "tree/op.h"

static uint64_t range_end(const struct tree_call *call)
{
    return call->offset + call->length;
}

static void on_zeroed(struct op *op, int status, const struct kv_stat *stat, struct slice data)
{
    (void)stat;
    (void)data;
    locate_finish(op, status);
}

static void zero(struct op *op)
{
    op_value_begin(op);
    op->value.offset = op->call->offset;
    op->value.length = op->call->length;
    op_value(op, VALUE_PUNCH, &op->entry, on_zeroed);
}

static void on_grown(struct op *op, int status, const struct kv_stat *stat, struct slice data)
{
    (void)stat;
    (void)data;
    if (status == SF_OK && op->call->allocate & TREE_ALLOCATE_ZERO)
        zero(op);
    else
        locate_finish(op, status);
}

static void grow(struct op *op)
{
    op_value_begin(op);
    op->value.length = range_end(op->call);
    op_value(op, VALUE_GROW, &op->entry, on_grown);
}

static bool has_room(const struct op *op, uint64_t size)
{
    struct tree_space space = space_poll_now(op->tree->space);
    uint64_t end = range_end(op->call);
    return !space.known || end <= size || end - size <= space.free_bytes;
}

static void on_file(struct op *op, int status, const struct kv_stat *stat, struct slice data)
{
    bool keeps = op->call->allocate & TREE_ALLOCATE_KEEP_SIZE;
    (void)data;
    if (status == SF_OK && !has_room(op, stat->length))
        status = SF_NO_SPACE;
    if (status != SF_OK)
        locate_finish(op, status);
    else if (!keeps && range_end(op->call) > stat->length)
        grow(op);
    else if (op->call->allocate & TREE_ALLOCATE_ZERO)
        zero(op);
    else
        op_finish(op, SF_OK);
}

int allocate_start(struct op *op)
{
    const struct tree_call *call = op->call;
    bool only_zeros = call->allocate == (TREE_ALLOCATE_ZERO | TREE_ALLOCATE_KEEP_SIZE);
    int status = locate_begin(op);
    if (status != SF_OK)
        return status;
    bool too_big =
        call->offset > SF_FILE_BYTES_MAX || call->length > SF_FILE_BYTES_MAX - call->offset;
    if (too_big && !only_zeros)
        return SF_FILE_TOO_BIG;
    if (only_zeros)
        zero(op);
    else
        op_file_stat(op, on_file);
    return SF_OK;
}

static void on_found(struct op *op, int status, const struct kv_stat *stat, struct slice data)
{
    (void)stat;
    (void)data;
    if (status == SF_OK)
        op->call->offset = op->value.found;
    locate_finish(op, status);
}

int seek_start(struct op *op)
{
    const struct tree_call *call = op->call;
    int status = locate_begin(op);
    if (status != SF_OK)
        return status;
    op_value_begin(op);
    op->value.offset = call->offset;
    op_value(op, call->seek_hole ? VALUE_SEEK_HOLE : VALUE_SEEK_DATA, &op->entry, on_found);
    return SF_OK;
}

/* GETXATTR: one read of the record; the facts come from where it stands. */
#include "tree/op.h"

#include <inttypes.h>
#include <stdio.h>

#include "tree/xattr.h"

static const struct key *record_key(const struct op *op)
{
    return op->call->place.is_directory ? &op->directory : &op->entry;
}

static void answer_number(struct op *op, uint64_t number)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%" PRIu64, number);
    buffer_set(&op->tree->answer, slice_of(text, (size_t)n));
}

/* The root stands in all shards. */
static int answer_fact(struct op *op, struct slice fact, const struct kv_stat *stat)
{
    const struct config *config = router_config(client_router(op->tree->client));
    struct kv_op kv;
    if (!config || op->call->place.ino == TREE_ROOT)
        return SF_NO_XATTR;
    op_kv(&kv, KV_STAT, record_key(op));
    uint32_t shard = kv_op_shard(&kv, config->routing, config->shard_count);
    if (slice_equal(fact, slice_str("shard")))
        answer_number(op, shard);
    else if (slice_equal(fact, slice_str("group")))
        answer_number(op, config->shards[shard]);
    else if (slice_equal(fact, slice_str("version")))
        answer_number(op, stat->version);
    else
        return SF_NO_XATTR;
    return SF_OK;
}

static int answer_from(struct op *op, const struct kv_stat *stat)
{
    static const size_t prefix_bytes = sizeof TREE_XATTR_FACTS - 1;
    struct slice name = op->call->xattr, value;
    struct attr attr = {.mode = 0};
    if (slice_has_prefix(name, slice_str(TREE_XATTR_FACTS)))
        return answer_fact(op, slice_of(name.p + prefix_bytes, name.n - prefix_bytes), stat);
    if (stat->attr.n > 0 && attr_decode(stat->attr, &attr) != SF_OK)
        return SF_BAD_ATTR;
    if (name.n == 0)
        xattr_names(attr.xattrs, &op->tree->answer);
    else if (xattr_find(attr.xattrs, name, &value))
        buffer_set(&op->tree->answer, value);
    else
        return SF_NO_XATTR;
    return SF_OK;
}

static void on_record(struct op *op, int status, const struct kv_reply *reply)
{
    static const struct kv_stat nothing;
    struct tree_call *call = op->call;
    struct tree *tree = op->tree;
    const struct tree_place *place = &call->place;
    bool root_is_unset = status == SF_NOT_FOUND && place->ino == TREE_ROOT;
    bool other = status == SF_OK && !place->is_directory && reply->stat.created != place->ino;
    buffer_clear(&tree->answer);
    if (other)
        status = SF_PRECONDITION;
    else if (status == SF_OK || root_is_unset)
        status = answer_from(op, root_is_unset ? &nothing : &reply->stat);
    call->data = buffer_slice(&tree->answer);
    locate_finish(op, status);
}

int getxattr_start(struct op *op)
{
    const struct tree_place *place = &op->call->place;
    int status = SF_OK;
    if (place->is_directory)
        key_of_directory(place->ino, &op->directory);
    else
        status = locate_begin(op);
    if (status == SF_OK)
        op_stat(op, record_key(op), on_record);
    return status;
}

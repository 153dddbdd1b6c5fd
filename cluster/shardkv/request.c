#include "shardkv/request.h"

/* Opening a session may drop another one, the end of one looks for its intents, and a fence for all
 * of a client. */
static bool iterates(const struct kv_op *op)
{
    for (size_t i = 0; i < op->check_count; i++)
        if (op->checks[i].flags & KV_PREFIX_EMPTY)
            return true;
    return op->kind == KV_SESSION_OPEN || op->kind == KV_SESSION_CLOSE || op->kind == KV_FENCE;
}

void request_pack(struct buffer *b, const struct kv_request *request)
{
    buffer_put_u8(b, iterates(&request->op) ? ENTRY_SWEEP : ENTRY_REQUEST);
    buffer_put_u32(b, request->target.shard);
    buffer_put_u64(b, request->session.session);
    buffer_put_u64(b, request->session.sequence);
    buffer_put_u64(b, request->session.first_incomplete);
    kv_op_pack(b, &request->op);
}

int request_unpack(struct slice body, struct request *request)
{
    struct reader r = reader_of(body);
    unsigned kind = reader_u8(&r);
    bool mine = kind == ENTRY_REQUEST || kind == ENTRY_SWEEP;
    request->shard = reader_u32(&r);
    request->session.session = reader_u64(&r);
    request->session.sequence = reader_u64(&r);
    request->session.first_incomplete = reader_u64(&r);
    struct slice op = reader_bytes(&r, reader_left(&r));
    if (!reader_ok(&r) || !mine || request->shard >= SF_SHARDS_MAX)
        return SF_PROTOCOL;
    int status = unpack_open(op, &request->unpacked);
    if (status != SF_OK)
        return status;
    struct cursor one = {.at = &request->unpacked.root, .end = &request->unpacked.root + 1};
    status = kv_op_unpack(&one, &request->op);
    if (status != SF_OK)
        unpack_close(&request->unpacked);
    return status;
}

void request_deinit(struct request *request)
{
    kv_op_free(&request->op);
    unpack_close(&request->unpacked);
}

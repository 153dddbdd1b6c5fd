/* The shardmaster's mutations: what is decoded can be tried on a Config. */
#include "fuzz/fuzz_codec.h"

static void try_on_config(const struct master_op *op)
{
    struct config *config = config_new(10, ROUTING_HASH), *next = NULL;
    group_id which = 0;
    int status = SF_INVALID;
    if (op->kind == MASTER_JOIN)
        status = config_join(config, op->groups, op->group_count, &next, &which);
    if (op->kind == MASTER_LEAVE)
        status = config_leave(config, op->gids, op->gid_count, &next, &which);
    if (op->kind == MASTER_MOVE)
        status = config_move(config, op->shard, op->gid, &next);
    sf_assert(status == SF_OK || next == NULL);
    config_free(next);
    config_free(config);
}

static int again(struct cursor *c, struct buffer *b)
{
    struct master_op op;
    int status = codec_unpack_master_op(c, &op);
    if (status == SF_OK) {
        codec_pack_master_op(b, &op);
        try_on_config(&op);
        master_op_free(&op);
    }
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    fuzz_codec(slice_of(bytes, n), again);
    return 0;
}

void fuzz_seed(struct sample *s, struct buffer *b)
{
    struct master_op op;
    sample_master_op(s, &op);
    pack_array(b, 1);
    codec_pack_master_op(b, &op);
    master_op_free(&op);
}

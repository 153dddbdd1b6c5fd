/* Consensus messages. */
#include "fuzz/fuzz_codec.h"

static int again(struct cursor *c, struct buffer *b)
{
    struct consensus_msg msg;
    int status = codec_unpack_msg(c, &msg);
    if (status == SF_OK) {
        codec_pack_msg(b, &msg);
        consensus_msg_deinit(&msg);
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
    struct consensus_msg msg;
    sample_msg(s, &msg);
    pack_array(b, 1);
    codec_pack_msg(b, &msg);
    consensus_msg_deinit(&msg);
}

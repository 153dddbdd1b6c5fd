/* kv replies: what is decoded can be packed and gives itself again. */
#include "fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct unpacked u = {0}, again = {0};
    struct kv_reply reply, got;
    if (unpack_open(slice_of(bytes, n), &u) != SF_OK)
        return 0;
    if (kv_reply_unpack(&u.root, &reply) == SF_OK) {
        struct buffer once = {0}, twice = {0};
        kv_reply_pack(&once, &reply);
        sf_assert(unpack_open(buffer_slice(&once), &again) == SF_OK);
        sf_assert(kv_reply_unpack(&again.root, &got) == SF_OK);
        kv_reply_pack(&twice, &got);
        sf_assert(slice_equal(buffer_slice(&once), buffer_slice(&twice)));
        kv_reply_free(&got);
        kv_reply_free(&reply);
        unpack_close(&again);
        buffer_deinit(&once);
        buffer_deinit(&twice);
    }
    unpack_close(&u);
    return 0;
}

void fuzz_seed(struct sample *s, struct buffer *b)
{
    struct kv_reply reply;
    sample_reply(s, &reply);
    kv_reply_pack(b, &reply);
    kv_reply_free(&reply);
}

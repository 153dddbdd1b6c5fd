/* pack: whatever is measured is decoded, in one piece or many, and is no longer than it says. */
#include "fuzz/target.h"

static void check_feeding(struct slice bytes, long measured)
{
    struct pack_scan scan = {0};
    long fed = 0;
    for (size_t n = 0; n <= bytes.n && fed == 0; n++)
        fed = pack_scan_feed(&scan, slice_of(bytes.p, n));
    sf_assert(fed == measured);
    sf_assert(scan.objects <= PACK_OBJECTS_MAX && scan.depth <= PACK_DEPTH_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct unpacked u = {0};
    long length = pack_measure(slice_of(bytes, n));
    sf_assert(length <= (long)n);
    check_feeding(slice_of(bytes, n), length);
    if (length > 0) {
        sf_assert(unpack_open(slice_of(bytes, (size_t)length), &u) == SF_OK);
        sf_assert(unpack_open(slice_of(bytes, (size_t)length - 1), &u) != SF_OK);
        unpack_close(&u);
    }
    return 0;
}

void fuzz_seed(struct sample *s, struct buffer *b)
{
    struct kv_reply reply;
    sample_reply(s, &reply);
    kv_reply_pack(b, &reply);
    kv_reply_free(&reply);
}

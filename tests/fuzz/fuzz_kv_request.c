/* kv requests: what is decoded can be checked, routed and packed, and gives itself again. */
#include "fuzz/target.h"

/* Packs a request and unpacks it: the bytes must be the same from then on. */
static void check_again(const struct kv_request *request)
{
    struct buffer once = {0}, twice = {0};
    struct unpacked u = {0};
    struct kv_request got;
    kv_request_pack(&once, request);
    sf_assert(unpack_open(buffer_slice(&once), &u) == SF_OK);
    sf_assert(kv_request_unpack(&u.root, request->op.kind, &got) == SF_OK);
    kv_request_pack(&twice, &got);
    sf_assert(slice_equal(buffer_slice(&once), buffer_slice(&twice)));
    kv_request_free(&got);
    unpack_close(&u);
    buffer_deinit(&once);
    buffer_deinit(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct unpacked u = {0};
    if (unpack_open(slice_of(bytes, n), &u) != SF_OK)
        return 0;
    for (unsigned kind = KV_GET; kind < KV_KIND_LIMIT; kind++) {
        struct kv_request request;
        if (kv_request_unpack(&u.root, (enum kv_kind)kind, &request) != SF_OK)
            continue;
        if (kv_op_check(&request.op, NULL) == SF_OK)
            sf_assert(kv_op_shard(&request.op, ROUTING_HASH, 64) < 64);
        check_again(&request);
        kv_request_free(&request);
    }
    unpack_close(&u);
    return 0;
}

void fuzz_seed(struct sample *s, struct buffer *b)
{
    struct kv_request request;
    sample_request(s, &request);
    kv_request_pack(b, &request);
    kv_request_free(&request);
}

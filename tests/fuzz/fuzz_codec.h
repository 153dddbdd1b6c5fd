/* One body for the targets of codec.h: decode the element of an array, encode it, and again. */
#ifndef TESTS_FUZZ_CODEC_H
#define TESTS_FUZZ_CODEC_H

#include "fuzz/target.h"

/* Decodes the next element and packs it; SF_PROTOCOL and nothing packed where it is none. */
typedef int fuzz_again(struct cursor *c, struct buffer *b);

static inline int fuzz_decode(struct slice bytes, fuzz_again *again, struct buffer *b)
{
    struct unpacked u = {0};
    int status = unpack_open(bytes, &u);
    if (status != SF_OK)
        return status;
    struct cursor c = unpack_root(&u);
    pack_array(b, 1);
    status = again(&c, b);
    unpack_close(&u);
    return status;
}

static inline void fuzz_codec(struct slice bytes, fuzz_again *again)
{
    struct buffer once = {0}, twice = {0};
    if (fuzz_decode(bytes, again, &once) == SF_OK) {
        sf_assert(fuzz_decode(buffer_slice(&once), again, &twice) == SF_OK);
        sf_assert(slice_equal(buffer_slice(&once), buffer_slice(&twice)));
    }
    buffer_deinit(&once);
    buffer_deinit(&twice);
}

#endif

/* For libFuzzer: now and then a fresh well-formed input takes the place of the mutated one. */
#include <string.h>

#include "fuzz/target.h"

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t n, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t n, size_t max, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t n, size_t max, unsigned seed)
{
    if (seed % 32 != 0)
        return LLVMFuzzerMutate(bytes, n, max);
    struct sample s = {.state = seed + 1ull};
    struct buffer b = {0};
    fuzz_seed(&s, &b);
    if (b.n <= max) {
        memcpy(bytes, b.p, b.n);
        n = b.n;
    }
    buffer_deinit(&b);
    return n;
}

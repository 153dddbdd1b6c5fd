/* target: what a fuzz target defines. With a compiler that has libFuzzer the target is driven by
 * it; else driver.c feeds it damaged samples. Both begin from fuzz_seed, so nothing is kept in
 * files. */
#ifndef TESTS_FUZZ_TARGET_H
#define TESTS_FUZZ_TARGET_H

#include "proto/sample.h"

/* One input. Fails by sf_assert, or by what a sanitizer finds. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
/* Appends a well-formed input to an empty buffer. */
void fuzz_seed(struct sample *s, struct buffer *b);

#endif

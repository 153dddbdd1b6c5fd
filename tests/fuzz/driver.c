/* Drives a fuzz target without libFuzzer: well-formed inputs, damaged a little or a lot.
 *   TARGET [runs [seed]]      default 50000 runs
 *   TARGET FILE...            runs the files' content, to see a failure again */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/target.h"

static int run_file(const char *path)
{
    struct buffer b = {0};
    FILE *f = fopen(path, "rb");
    if (!f) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 1;
    }
    for (int c = getc(f); c != EOF; c = getc(f))
        buffer_put_u8(&b, (uint8_t)c);
    fclose(f);
    (void)LLVMFuzzerTestOneInput(b.p, b.n);
    buffer_deinit(&b);
    return 0;
}

static void run_samples(unsigned long runs, uint64_t seed)
{
    struct sample s = {.state = seed};
    struct buffer b = {0};
    for (unsigned long i = 0; i < runs; i++) {
        if (i % 4 == 0) { /* the others damage what is there already */
            buffer_clear(&b);
            fuzz_seed(&s, &b);
        } else {
            sample_damage(&s, &b);
        }
        (void)LLVMFuzzerTestOneInput(b.p, b.n);
    }
    buffer_deinit(&b);
}

int main(int argc, char **argv)
{
    char *end = NULL;
    unsigned long runs = argc > 1 ? strtoul(argv[1], &end, 10) : 50000;
    unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    int status = 0;
    if (end && *end != 0) {
        for (int i = 1; i < argc; i++)
            status |= run_file(argv[i]);
        return status;
    }
    run_samples(runs, seed ? seed : 1);
    return 0;
}

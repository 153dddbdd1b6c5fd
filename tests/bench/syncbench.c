/* syncbench: the device's own sync latency, beside which everything else is to be read.
 *
 *   syncbench DIR     p50 and p99 in microseconds of a 4 KiB write and fdatasync on written blocks
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 500
#define BYTES 4096

static double now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

int main(int argc, char **argv)
{
    static char block[BYTES], path[4096];
    static double took[ROUNDS];
    if (argc != 2) {
        fputs("usage: syncbench DIR\n", stderr);
        return 2;
    }
    snprintf(path, sizeof path, "%s/syncbench.%d", argv[1], (int)getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int bad = fd < 0;
    for (int i = 0; i < ROUNDS && !bad; i++)
        bad = pwrite(fd, block, BYTES, (off_t)i * BYTES) != BYTES;
    bad = bad || fdatasync(fd) != 0;
    for (int i = 0; i < ROUNDS && !bad; i++) {
        double start = now_us();
        bad = pwrite(fd, block, BYTES, (off_t)i * BYTES) != BYTES || fdatasync(fd) != 0;
        took[i] = now_us() - start;
    }
    if (bad)
        perror(path);
    unlink(path);
    if (bad)
        return 1;
    qsort(took, ROUNDS, sizeof took[0], by_size);
    printf("%.0f %.0f\n", took[ROUNDS / 2], took[ROUNDS * 99 / 100]);
    return 0;
}

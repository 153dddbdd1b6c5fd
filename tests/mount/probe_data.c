#include "mount/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int probe_find(int argc, char **argv)
{
    (void)argc;
    int fd = open(argv[0], O_RDONLY | O_CLOEXEC);
    probe_must(fd >= 0, argv[0]);
    int whence = strcmp(argv[1], "data") == 0 ? SEEK_DATA : SEEK_HOLE;
    off_t at = lseek(fd, strtoll(argv[2], NULL, 10), whence);
    if (at < 0)
        puts(errno == ENXIO ? "none" : strerror(errno));
    else
        printf("%lld\n", (long long)at);
    probe_must(close(fd) == 0, "close");
    return 0;
}

int probe_copy(int argc, char **argv)
{
    (void)argc;
    struct stat st;
    int from = open(argv[0], O_RDONLY | O_CLOEXEC);
    int to = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    probe_must(from >= 0 && to >= 0 && fstat(from, &st) == 0, "open");
    for (off_t left = st.st_size; left > 0;) {
        ssize_t n = copy_file_range(from, NULL, to, NULL, (size_t)left, 0);
        probe_must(n > 0, "copy_file_range");
        left -= n;
    }
    if (copy_file_range(from, NULL, to, NULL, 1, 0) != 0)
        probe_fail("copy_file_range goes on behind the end");
    probe_must(close(from) == 0 && close(to) == 0, "close");
    return 0;
}

static void write_and_read(int fd, uint8_t *bytes, size_t n, off_t at)
{
    static uint8_t back[20000];
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(i * 7 + (size_t)at);
    probe_must(pwrite(fd, bytes, n, at) == (ssize_t)n, "direct write");
    probe_must(pread(fd, back, n, at) == (ssize_t)n, "direct read");
    if (memcmp(bytes, back, n) != 0)
        probe_fail("%zu bytes at %lld are not those that were written", n, (long long)at);
}

int probe_direct(int argc, char **argv)
{
    (void)argc;
    uint8_t *memory = aligned_alloc(4096, 32768);
    int fd = open(argv[0], O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0644);
    probe_must(fd >= 0 && memory != NULL, argv[0]);
    write_and_read(fd, memory, 4096, 0);
    write_and_read(fd, memory, 8192, 1048576 - 4096);
    write_and_read(fd, memory + 3, 1001, 77);
    write_and_read(fd, memory + 1, 12345, 1048576 - 77);
    probe_must(close(fd) == 0, "close");
    free(memory);
    return 0;
}

int probe_limit(int argc, char **argv)
{
    (void)argc;
    off_t limit = strtoll(argv[1], NULL, 10);
    char text[] = "0123456789";
    int fd = open(argv[0], O_RDWR | O_CLOEXEC);
    probe_must(fd >= 0, argv[0]);
    ssize_t n = pwrite(fd, text, 10, limit - 4);
    if (n != 4)
        probe_fail("of 10 bytes, 4 before the limit, %zd are written", n);
    if (pwrite(fd, text, 1, limit) >= 0 || errno != EFBIG)
        probe_fail("a write at the limit: %s", strerror(errno));
    probe_must(pread(fd, text, 10, limit - 4) == 4 && memcmp(text, "0123", 4) == 0, "read");
    int end = open(argv[0], O_WRONLY | O_APPEND | O_CLOEXEC);
    if (write(end, text, 1) >= 0 || errno != EFBIG)
        probe_fail("an append at the limit: %s", strerror(errno));
    probe_must(close(end) == 0 && close(fd) == 0, "close");
    return 0;
}

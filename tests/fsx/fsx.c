/* shardfs_fsx: a stress test of one file, against a model of it in memory.
 *
 *   shardfs_fsx [--seed N] [--ops N] [--size BYTES] [--base OFFSET] [--limit] [--no-mmap]
 *               [--verbose] FILE
 *   shardfs_fsx ... --mounts DIR,DIR,... FILE
 *
 * Random reads, writes, appends, truncations down and up (of the open file and by its name), shared
 * and private mappings, fallocate in all its modes, searches for holes, copies within the file,
 * O_DIRECT, fsync, fdatasync, close and reopen. After each the file's size must be the model's; each
 * read must give its bytes, and now and then, and at the end, all of them are compared. When
 * something differs the last operations are printed with the first wrong range, and the command that
 * does it again. Exit status 1.
 *
 * --base: the file begins with a hole of so many bytes (a multiple of 4096), and all of this happens
 * behind it. --limit: no byte behind base + size can be, and each try of one must be EFBIG.
 *
 * --mounts: FILE below each of these directories is the same file, and each operation, and each look
 * at the size, goes through one of them that is drawn: what one was told is done, all others see.
 * Before a mapping is made the others' times of change are brought up to date (fsync), and this one's
 * attributes are looked at: so long may its pages be old. These are also looked at before a copy, of
 * which the kernel does no more than up to the end that it knows.
 *
 * An append on a file opened O_APPEND and a write at the end are both done. A file that others
 * write to at the same time is not for this program. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tester/tester.h"

#define LOG_LINES 40
#define LINE_BYTES 120

#define VIEWS_MAX 8
#define PATH_BYTES 4096
#define DIRECT_BYTES 4096u

struct view {
    char path[PATH_BYTES];
    int fd;
};

struct fsx {
    struct view views[VIEWS_MAX]; /* of the same file */
    size_t view_count;
    const char *mounts; /* as given; NULL: there is one view */
    const char *name;   /* as given */
    struct view *at;    /* through which the operation goes */
    uint64_t base;      /* where the model begins in the file */
    bool limit;
    uint8_t *model, *scratch, *direct;
    size_t size, size_max; /* from the base on */
    uint64_t seed, random, ops, done;
    bool mmap, verbose;
    char log[LOG_LINES][LINE_BYTES];
    char **argv; /* for the command that does it again */
};

static uint64_t draw(struct fsx *x)
{
    return tester_draw(&x->random);
}

static size_t below(struct fsx *x, size_t limit)
{
    return limit > 0 ? (size_t)(draw(x) % limit) : 0;
}

static off_t place(const struct fsx *x, size_t offset)
{
    return (off_t)(x->base + offset);
}

static void choose_view(struct fsx *x)
{
    x->at = &x->views[x->view_count > 1 ? below(x, x->view_count) : 0];
}

static void note(struct fsx *x, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(struct fsx *x, const char *format, ...)
{
    char *line = x->log[x->done % LOG_LINES];
    va_list args;
    int n = snprintf(line, LINE_BYTES, "%6" PRIu64 "  ", x->done);
    if (x->view_count > 1)
        n += snprintf(line + n, LINE_BYTES - (size_t)n, "[%zu] ", (size_t)(x->at - x->views));
    va_start(args, format);
    vsnprintf(line + n, LINE_BYTES - (size_t)n, format, args);
    va_end(args);
    if (x->verbose)
        puts(line);
}

static void give_up(struct fsx *x, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));
static void give_up(struct fsx *x, const char *format, ...)
{
    va_list args;
    uint64_t from = x->done >= LOG_LINES ? x->done - LOG_LINES + 1 : 0;
    printf("the last operations:\n");
    for (uint64_t i = from; i <= x->done; i++)
        puts(x->log[i % LOG_LINES]);
    printf("FAILED: ");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf(" (by way of %s)\n", x->at->path);
    tester_fail(x->argv);
}

/* Where `got` differs from the model at [offset, offset + n). */
static void compare(struct fsx *x, const char *what, const uint8_t *got, size_t offset, size_t n)
{
    if (memcmp(got, x->model + offset, n) == 0)
        return;
    size_t from = 0, to = n;
    while (got[from] == x->model[offset + from])
        from++;
    while (got[to - 1] == x->model[offset + to - 1])
        to--;
    give_up(x, "%s: bytes %zu to %zu are wrong; at %zu is 0x%02x, should be 0x%02x", what,
            offset + from, offset + to - 1, offset + from, got[from], x->model[offset + from]);
}

static void check_size(struct fsx *x)
{
    struct stat st;
    choose_view(x);
    if (fstat(x->at->fd, &st) != 0)
        give_up(x, "fstat: %s", strerror(errno));
    if (st.st_size != place(x, x->size))
        give_up(x, "fstat says %lld bytes, should be %lld", (long long)st.st_size,
                (long long)place(x, x->size));
    off_t end = lseek(x->at->fd, 0, SEEK_END);
    if (end != place(x, x->size))
        give_up(x, "lseek says %lld bytes, should be %lld", (long long)end,
                (long long)place(x, x->size));
}

static void read_at(struct fsx *x, const char *what, size_t offset, size_t n)
{
    ssize_t got = pread(x->at->fd, x->scratch, n, place(x, offset));
    if (got < 0)
        give_up(x, "%s: %s", what, strerror(errno));
    size_t expected = offset >= x->size ? 0 : x->size - offset < n ? x->size - offset : n;
    if ((size_t)got != expected)
        give_up(x, "%s of %zu at %zu gave %zd bytes, should be %zu", what, n, offset, got,
                expected);
    compare(x, what, x->scratch, offset, expected);
}

/* The kernel of this view knows how long the file is from here on. */
static void see_size(struct fsx *x)
{
    struct stat st;
    if (x->view_count > 1 && fstat(x->at->fd, &st) != 0)
        give_up(x, "fstat: %s", strerror(errno));
}

/* And what others wrote shows in its pages. */
static void catch_up(struct fsx *x)
{
    for (size_t i = 0; i < x->view_count && x->view_count > 1; i++)
        if (fsync(x->views[i].fd) != 0)
            give_up(x, "fsync: %s", strerror(errno));
    see_size(x);
}

/* -- the operations ------------------------------------------------------------------------ */

/* Mostly small, sometimes up to the largest. */
static size_t draw_length(struct fsx *x, size_t max)
{
    size_t limits[] = {1, 100, 4096, 70000, max};
    size_t limit = limits[below(x, 5)];
    return 1 + below(x, limit < max ? limit : max);
}

/* Often near a border of extents (1 MiB), where the mistakes are. */
static size_t draw_offset(struct fsx *x, size_t limit)
{
    if (limit > (1u << 20) && below(x, 3) == 0) {
        size_t border = (1 + below(x, limit >> 20)) << 20;
        size_t near = border - 3000 + below(x, 6000);
        return near < limit ? near : limit - 1;
    }
    return below(x, limit);
}

static void fill(struct fsx *x, uint8_t *to, size_t n)
{
    uint64_t bits = draw(x);
    for (size_t i = 0; i < n; i++) {
        to[i] = (uint8_t)(bits >> (8 * (i % 8)));
        if (i % 8 == 7)
            bits = bits * 6364136223846793005u + 1442695040888963407u;
    }
}

static void do_read(struct fsx *x)
{
    size_t offset = draw_offset(x, x->size + 5000), n = draw_length(x, x->size_max / 2);
    note(x, "read %zu at %zu", n, offset);
    read_at(x, "read", offset, n);
}

static void write_model(struct fsx *x, size_t offset, size_t n)
{
    if (offset > x->size)
        memset(x->model + x->size, 0, offset - x->size);
    fill(x, x->model + offset, n);
    if (offset + n > x->size)
        x->size = offset + n;
}

static void write_all(struct fsx *x, const char *what, size_t offset, size_t n, bool append)
{
    for (size_t done = 0; done < n;) {
        ssize_t put =
            append ? write(x->at->fd, x->model + offset + done, n - done)
                   : pwrite(x->at->fd, x->model + offset + done, n - done, place(x, offset + done));
        if (put <= 0)
            give_up(x, "%s: %s", what, put < 0 ? strerror(errno) : "0 bytes");
        done += (size_t)put;
    }
}

static void do_write(struct fsx *x)
{
    size_t offset = draw_offset(x, below(x, 4) == 0 ? x->size_max : x->size + 1);
    if (offset >= x->size_max)
        return;
    size_t n = draw_length(x, x->size_max - offset);
    note(x, "write %zu at %zu (size %zu)", n, offset, x->size);
    write_model(x, offset, n);
    write_all(x, "write", offset, n, false);
}

static void reopen(struct fsx *x, int flags)
{
    if (close(x->at->fd) != 0)
        give_up(x, "close: %s", strerror(errno));
    x->at->fd = open(x->at->path, O_RDWR | O_CLOEXEC | flags);
    if (x->at->fd < 0)
        give_up(x, "open: %s", strerror(errno));
}

static void do_append(struct fsx *x)
{
    size_t offset = x->size, n = draw_length(x, 200000);
    if (offset >= x->size_max || n > x->size_max - offset)
        return;
    note(x, "append %zu (size %zu)", n, offset);
    write_model(x, offset, n);
    reopen(x, O_APPEND);
    write_all(x, "append", offset, n, true);
    reopen(x, 0);
}

static void do_truncate(struct fsx *x)
{
    size_t size = below(x, 3) == 0 ? draw_offset(x, x->size_max) : draw_offset(x, x->size + 1);
    note(x, "truncate %zu to %zu", x->size, size);
    if (size > x->size)
        memset(x->model + x->size, 0, size - x->size);
    x->size = size;
    bool by_name = below(x, 2) == 0;
    if ((by_name ? truncate(x->at->path, place(x, size)) : ftruncate(x->at->fd, place(x, size))) !=
        0)
        give_up(x, "%s: %s", by_name ? "truncate" : "ftruncate", strerror(errno));
}

enum mapping { MAP_TO_READ, MAP_TO_WRITE, MAP_OWN_COPY };

/* Maps the pages around [offset, offset + n). */
static uint8_t *map_range(struct fsx *x, size_t offset, size_t n, enum mapping mapping,
                          size_t *bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), from = offset / page * page;
    int protection = mapping == MAP_TO_READ ? PROT_READ : PROT_READ | PROT_WRITE;
    int mode = mapping == MAP_OWN_COPY ? MAP_PRIVATE : MAP_SHARED;
    *bytes = offset + n - from;
    uint8_t *map = mmap(NULL, *bytes, protection, mode, x->at->fd, place(x, from));
    if (map == MAP_FAILED)
        give_up(x, "mmap of %zu at %zu: %s", *bytes, from, strerror(errno));
    return map;
}

/* What the last page has behind the end of the file must be zeros. */
static void check_page_end(struct fsx *x, const uint8_t *map, size_t offset, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), from = offset / page * page;
    if (offset + n != x->size)
        return;
    for (size_t at = x->size; at % page != 0; at++) {
        if (map[at - from] != 0)
            give_up(x, "byte %zu, behind the end in a mapped page, is 0x%02x", at, map[at - from]);
    }
}

static void do_map_read(struct fsx *x)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes;
    if (x->size == 0)
        return;
    size_t offset = draw_offset(x, x->size), n = draw_length(x, x->size - offset);
    note(x, "mapped read %zu at %zu", n, offset);
    catch_up(x);
    uint8_t *map = map_range(x, offset, n, MAP_TO_READ, &bytes);
    compare(x, "mapped read", map + offset % page, offset, n);
    check_page_end(x, map, offset, n);
    if (munmap(map, bytes) != 0)
        give_up(x, "munmap: %s", strerror(errno));
}

static void do_map_write(struct fsx *x)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes;
    if (x->size == 0)
        return;
    size_t offset = draw_offset(x, x->size), n = draw_length(x, x->size - offset);
    note(x, "mapped write %zu at %zu", n, offset);
    catch_up(x);
    write_model(x, offset, n);
    uint8_t *map = map_range(x, offset, n, MAP_TO_WRITE, &bytes);
    memcpy(map + offset % page, x->model + offset, n);
    if (msync(map, bytes, MS_SYNC) != 0)
        give_up(x, "msync: %s", strerror(errno));
    check_page_end(x, map, offset, n);
    if (munmap(map, bytes) != 0)
        give_up(x, "munmap: %s", strerror(errno));
}

/* What is written into a mapping of one's own stays there. */
static void do_map_private(struct fsx *x)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes;
    if (x->size == 0)
        return;
    size_t offset = draw_offset(x, x->size), n = draw_length(x, x->size - offset);
    note(x, "private mapping %zu at %zu", n, offset);
    catch_up(x);
    uint8_t *map = map_range(x, offset, n, MAP_OWN_COPY, &bytes);
    compare(x, "private mapping", map + offset % page, offset, n);
    memset(map + offset % page, 0x5a, n);
    if (munmap(map, bytes) != 0)
        give_up(x, "munmap: %s", strerror(errno));
    read_at(x, "read after a private mapping", offset, n);
}

static void allocate(struct fsx *x, const char *what, int mode, size_t offset, size_t n)
{
    note(x, "%s %zu at %zu (size %zu)", what, n, offset, x->size);
    if (fallocate(x->at->fd, mode, place(x, offset), (off_t)n) != 0)
        give_up(x, "%s: %s", what, strerror(errno));
}

static void grow_model(struct fsx *x, size_t size)
{
    if (size <= x->size)
        return;
    memset(x->model + x->size, 0, size - x->size);
    x->size = size;
}

static void zero_model(struct fsx *x, size_t offset, size_t n)
{
    size_t end = offset + n < x->size ? offset + n : x->size;
    if (offset < end)
        memset(x->model + offset, 0, end - offset);
}

static void do_punch(struct fsx *x)
{
    size_t offset = draw_offset(x, x->size + 5000), n = draw_length(x, x->size_max);
    zero_model(x, offset, n);
    allocate(x, "punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, n);
}

static void do_zero(struct fsx *x)
{
    size_t offset = draw_offset(x, x->size_max - 1), n = draw_length(x, x->size_max - offset);
    int keep = below(x, 2) == 0 ? FALLOC_FL_KEEP_SIZE : 0;
    zero_model(x, offset, n);
    if (!keep)
        grow_model(x, offset + n);
    allocate(x, keep ? "zero, keep size," : "zero", FALLOC_FL_ZERO_RANGE | keep, offset, n);
}

static void do_allocate(struct fsx *x)
{
    size_t offset = draw_offset(x, x->size_max - 1), n = draw_length(x, x->size_max - offset);
    int keep = below(x, 2) == 0 ? FALLOC_FL_KEEP_SIZE : 0;
    if (!keep)
        grow_model(x, offset + n);
    allocate(x, keep ? "allocate, keep size," : "allocate", keep, offset, n);
}

/* Where the next data or hole is; the size where there is none. */
static size_t seek(struct fsx *x, int whence, size_t offset)
{
    off_t at = lseek(x->at->fd, place(x, offset), whence);
    if (at < 0 && errno == ENXIO && (whence == SEEK_DATA || offset >= x->size))
        return x->size;
    if (at < place(x, offset) || at > place(x, x->size))
        give_up(x, "seek from %zu gives %lld: %s", offset, (long long)at, strerror(errno));
    return (size_t)(at - place(x, 0));
}

/* Every hole is zeros, and data and holes take turns up to the end. */
static void do_seek(struct fsx *x)
{
    size_t offset = below(x, 2) == 0 ? 0 : draw_offset(x, x->size + 1);
    note(x, "seek from %zu", offset);
    while (offset < x->size) {
        size_t data = seek(x, SEEK_DATA, offset);
        for (size_t i = offset; i < data; i++) {
            if (x->model[i] != 0)
                give_up(x, "a hole from %zu to %zu, where %zu is data", offset, data, i);
        }
        offset = seek(x, SEEK_HOLE, data);
        if (data < x->size && offset <= data)
            give_up(x, "a hole at %zu, where data begins at %zu", offset, data);
    }
}

static void do_copy(struct fsx *x)
{
    if (x->size < 2)
        return;
    size_t n = draw_length(x, x->size / 2), from = below(x, x->size - n + 1);
    if (x->size_max - n < from + n)
        return;
    size_t to = from + n + below(x, x->size_max - n - (from + n) + 1);
    note(x, "copy %zu from %zu to %zu (size %zu)", n, from, to, x->size);
    see_size(x);
    grow_model(x, to);
    memmove(x->model + to, x->model + from, n);
    x->size = to + n > x->size ? to + n : x->size;
    for (size_t done = 0; done < n;) {
        loff_t in = place(x, from + done), out = place(x, to + done);
        ssize_t put = copy_file_range(x->at->fd, &in, x->at->fd, &out, n - done, 0);
        if (put <= 0)
            give_up(x, "copy: %s", put < 0 ? strerror(errno) : "0 bytes");
        done += (size_t)put;
    }
}

static void do_sync(struct fsx *x)
{
    bool data = below(x, 2) == 0;
    note(x, data ? "fdatasync" : "fsync");
    if ((data ? fdatasync(x->at->fd) : fsync(x->at->fd)) != 0)
        give_up(x, "sync: %s", strerror(errno));
}

/* Whole blocks, in memory that is aligned, as any file system may ask. */
static void do_direct(struct fsx *x)
{
    size_t blocks = x->size_max / DIRECT_BYTES, block = below(x, blocks);
    size_t offset = block * DIRECT_BYTES, n = draw_length(x, x->size_max - offset);
    bool writes = below(x, 2) == 0;
    n = (n + DIRECT_BYTES - 1) / DIRECT_BYTES * DIRECT_BYTES;
    if (n > x->size_max - offset)
        n -= DIRECT_BYTES;
    note(x, "direct %s %zu at %zu (size %zu)", writes ? "write" : "read", n, offset, x->size);
    int fd = open(x->at->path, O_RDWR | O_DIRECT | O_CLOEXEC);
    if (fd < 0 && errno == EINVAL)
        return; /* some file systems have none */
    if (fd < 0)
        give_up(x, "open: %s", strerror(errno));
    if (writes) {
        write_model(x, offset, n);
        memcpy(x->direct, x->model + offset, n);
    }
    ssize_t done = writes ? pwrite(fd, x->direct, n, place(x, offset))
                          : pread(fd, x->direct, n, place(x, offset));
    size_t left = offset < x->size ? x->size - offset : 0, expected = left < n ? left : n;
    if (done < 0 || (size_t)done != expected)
        give_up(x, "direct: %zd bytes, should be %zu: %s", done, expected, strerror(errno));
    compare(x, "direct read", x->direct, offset, expected);
    if (close(fd) != 0)
        give_up(x, "close: %s", strerror(errno));
}

/* The hole in front. */
static void do_read_hole(struct fsx *x)
{
    size_t n = draw_length(x, x->size_max);
    if (x->base == 0)
        return;
    uint64_t most = x->base > n ? x->base - n : 0, offset = draw(x) % (most + 1);
    n = x->base - offset < n ? (size_t)(x->base - offset) : n;
    note(x, "read %zu of the hole in front at %" PRIu64, n, offset);
    ssize_t got = pread(x->at->fd, x->scratch, n, (off_t)offset);
    if (got < 0 || (size_t)got != n)
        give_up(x, "%zd bytes: %s", got, strerror(errno));
    for (size_t i = 0; i < n; i++)
        if (x->scratch[i] != 0)
            give_up(x, "byte %" PRIu64 " of the hole in front is 0x%02x", offset + i,
                    x->scratch[i]);
}

static void must_be_too_big(struct fsx *x, const char *what, bool failed)
{
    if (!failed || errno != EFBIG)
        give_up(x, "%s behind the limit: %s", what, failed ? strerror(errno) : "it succeeds");
}

static void do_beyond(struct fsx *x)
{
    off_t limit = place(x, x->size_max), far = limit + (off_t)below(x, 1u << 30);
    if (!x->limit)
        return;
    note(x, "beyond the limit, at %lld", (long long)far);
    must_be_too_big(x, "a write", pwrite(x->at->fd, "x", 1, far) < 0);
    must_be_too_big(x, "ftruncate", ftruncate(x->at->fd, far + 1) != 0);
    must_be_too_big(x, "truncate", truncate(x->at->path, far + 1) != 0);
    must_be_too_big(x, "fallocate", fallocate(x->at->fd, 0, limit - 1, far - limit + 2) != 0);
    must_be_too_big(x, "zeroing", fallocate(x->at->fd, FALLOC_FL_ZERO_RANGE, far, 1) != 0);
}

static void do_reopen(struct fsx *x)
{
    note(x, "close and open");
    reopen(x, 0);
}

static void do_compare(struct fsx *x)
{
    note(x, "compare all %zu", x->size);
    read_at(x, "compare", 0, x->size_max);
}

static void step(struct fsx *x)
{
    static void (*const operations[])(struct fsx *) = {
        do_read,        do_read,      do_read,     do_write,     do_write,
        do_write,       do_append,    do_truncate, do_map_read,  do_map_read,
        do_map_write,   do_map_write, do_sync,     do_reopen,    do_compare,
        do_punch,       do_zero,      do_allocate, do_seek,      do_copy,
        do_map_private, do_direct,    do_direct,   do_read_hole, do_beyond,
    };
    choose_view(x);
    void (*operation)(struct fsx *) = operations[below(x, sizeof operations / sizeof *operations)];
    if (!x->mmap &&
        (operation == do_map_read || operation == do_map_write || operation == do_map_private))
        operation = do_read;
    operation(x);
    check_size(x);
    x->done++;
}

/* -- the command line ----------------------------------------------------------------------- */

static void usage(void)
{
    fputs("usage: shardfs_fsx [--seed N] [--ops N] [--size BYTES] [--base OFFSET] [--limit]\n"
          "                   [--no-mmap] [--verbose] [--mounts DIR,DIR...] FILE\n",
          stderr);
    exit(2);
}

static uint64_t number(const char *text)
{
    uint64_t n;
    if (!tester_number(text, UINT64_MAX, &n))
        usage();
    return n;
}

static void take_options(struct fsx *x, int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},
        {"ops", required_argument, NULL, 'n'},
        {"size", required_argument, NULL, 'l'},
        {"no-mmap", no_argument, NULL, 'm'},
        {"verbose", no_argument, NULL, 'v'},
        {"mounts", required_argument, NULL, 'M'},
        {"base", required_argument, NULL, 'b'},
        {"limit", no_argument, NULL, 'L'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 's')
            x->seed = number(optarg);
        else if (option == 'n')
            x->ops = number(optarg);
        else if (option == 'l')
            x->size_max = (size_t)number(optarg);
        else if (option == 'b')
            x->base = number(optarg);
        else if (option == 'L')
            x->limit = true;
        else if (option == 'M')
            x->mounts = optarg;
        else if (option == 'm')
            x->mmap = false;
        else if (option == 'v')
            x->verbose = true;
        else
            usage();
    }
    if (optind + 1 != argc || x->size_max < 10000 || x->base % DIRECT_BYTES != 0)
        usage();
    x->name = argv[optind];
}

/* The file, below the first n bytes of `directory`, or by itself. */
static void add_view(struct fsx *x, const char *directory, size_t n)
{
    struct view *view = &x->views[x->view_count];
    if (x->view_count++ == VIEWS_MAX)
        usage();
    int length = directory ? snprintf(view->path, PATH_BYTES, "%.*s/%s", (int)n, directory, x->name)
                           : snprintf(view->path, PATH_BYTES, "%s", x->name);
    if (length < 0 || length >= PATH_BYTES)
        usage();
    x->at = view;
}

static void open_views(struct fsx *x)
{
    if (!x->mounts)
        add_view(x, NULL, 0);
    for (const char *at = x->mounts; at; at = *at == ',' ? at + 1 : NULL) {
        size_t n = strcspn(at, ",");
        add_view(x, at, n);
        at += n;
    }
    for (size_t i = 0; i < x->view_count; i++) {
        x->at = &x->views[i];
        int flags = i == 0 ? O_CREAT | O_TRUNC : 0;
        x->at->fd = open(x->at->path, O_RDWR | O_CLOEXEC | flags, 0644);
        if (x->at->fd < 0) {
            fprintf(stderr, "shardfs_fsx: %s: %s\n", x->at->path, strerror(errno));
            exit(1);
        }
    }
    if (x->base > 0 && ftruncate(x->at->fd, place(x, 0)) != 0)
        give_up(x, "ftruncate to %" PRIu64 ": %s", x->base, strerror(errno));
}

int main(int argc, char **argv)
{
    static struct fsx x = {.seed = 1, .ops = 1000, .size_max = 5u << 20, .mmap = true};
    x.argv = argv;
    take_options(&x, argc, argv);
    x.random = x.seed;
    x.model = calloc(1, x.size_max + 1);
    x.scratch = malloc(x.size_max + 1);
    x.direct = aligned_alloc(DIRECT_BYTES, (x.size_max / DIRECT_BYTES + 1) * DIRECT_BYTES);
    if (!x.model || !x.scratch || !x.direct) {
        fputs("shardfs_fsx: no memory\n", stderr);
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    open_views(&x);
    while (x.done < x.ops)
        step(&x);
    for (size_t i = 0; i < x.view_count; i++) {
        x.at = &x.views[i];
        do_compare(&x);
        close(x.at->fd);
    }
    free(x.model);
    free(x.scratch);
    free(x.direct);
    printf("%" PRIu64 " operations with seed %" PRIu64 ": all bytes right\n", x.ops, x.seed);
    return 0;
}

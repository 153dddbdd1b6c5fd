/* fsbench: what programs do in a directory, one thread, right after one another.
 *
 *   fsbench DIR [FILES [MIB]]
 *
 * In a directory of its own below DIR: creates, stats, lists with a stat of each, reads, renames and
 * unlinks FILES (5000) files of 100 bytes; then writes and reads MIB (256) MiB in pieces of 1 MiB,
 * the fsync at the end counted. Lines of `name value unit`. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PIECE (1u << 20)

static char path[4096];
static const char *base;

static void must(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "fsbench: %s %s: %s\n", what, path, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void name(const char *what, unsigned number)
{
    snprintf(path, sizeof path, "%s/%s%05u", base, what, number);
}

static void create_one(unsigned i)
{
    char text[100];
    memset(text, 'a' + (int)(i % 26), sizeof text);
    name("f", i);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    must(fd >= 0, "create");
    must(write(fd, text, sizeof text) == (ssize_t)sizeof text, "write");
    must(close(fd) == 0, "close");
}

static void stat_one(unsigned i)
{
    struct stat st;
    name("f", i);
    must(stat(path, &st) == 0 && st.st_size == 100, "stat");
}

static void read_one(unsigned i)
{
    char text[200];
    name("f", i);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    must(fd >= 0, "open");
    must(read(fd, text, sizeof text) == 100, "read");
    must(close(fd) == 0, "close");
}

static void rename_one(unsigned i)
{
    char old[sizeof path];
    name("f", i);
    memcpy(old, path, sizeof path);
    name("renamed", i);
    must(rename(old, path) == 0, "rename");
}

static void unlink_one(unsigned i)
{
    name("renamed", i);
    must(unlink(path) == 0, "unlink");
}

static void each(const char *what, void (*one)(unsigned i), unsigned count)
{
    double start = now();
    for (unsigned i = 0; i < count; i++)
        one(i);
    printf("%s %.0f files/s\n", what, count / (now() - start));
}

static void list(unsigned count)
{
    double start = now();
    unsigned listed = 0;
    DIR *dir = opendir(base);
    must(dir != NULL, "opendir");
    for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        struct stat st;
        must(fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0, "stat");
        listed += S_ISREG(st.st_mode);
    }
    must(closedir(dir) == 0 && listed == count, "list");
    printf("list %.0f files/s\n", count / (now() - start));
}

static void sequential(const char *what, int flags, unsigned mib)
{
    uint8_t *piece = malloc(PIECE);
    must(piece != NULL, "memory");
    memset(piece, 'x', PIECE);
    name("big", 0);
    double start = now();
    int fd = open(path, flags | O_CLOEXEC, 0644);
    must(fd >= 0, "open");
    for (unsigned i = 0; i < mib; i++)
        must((flags & O_CREAT ? write(fd, piece, PIECE) : read(fd, piece, PIECE)) == PIECE, what);
    must(!(flags & O_CREAT) || fsync(fd) == 0, "fsync");
    must(close(fd) == 0, "close");
    printf("%s %.1f MiB/s\n", what, mib / (now() - start));
    free(piece);
}

int main(int argc, char **argv)
{
    static char dir[4000];
    unsigned files = argc > 2 ? (unsigned)atoi(argv[2]) : 5000;
    unsigned mib = argc > 3 ? (unsigned)atoi(argv[3]) : 256;
    if (argc < 2 || argc > 4 || files == 0 || mib == 0) {
        fputs("usage: fsbench DIR [FILES [MIB]]\n", stderr);
        return 2;
    }
    snprintf(dir, sizeof dir, "%s/fsbench.%d", argv[1], (int)getpid());
    snprintf(path, sizeof path, "%s", dir);
    base = dir;
    must(mkdir(dir, 0755) == 0, "mkdir");
    setvbuf(stdout, NULL, _IOLBF, 0);
    each("create", create_one, files);
    each("stat", stat_one, files);
    list(files);
    each("read", read_one, files);
    each("rename", rename_one, files);
    each("unlink", unlink_one, files);
    sequential("write_seq", O_WRONLY | O_CREAT, mib);
    sequential("read_seq", O_RDONLY, mib);
    name("big", 0);
    must(unlink(path) == 0, "unlink");
    must(rmdir(dir) == 0, "rmdir");
    return 0;
}

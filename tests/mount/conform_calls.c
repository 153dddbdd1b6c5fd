#include "mount/conform.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "mount/probe.h"

static int number(const char *text)
{
    return (int)strtol(text, NULL, 0);
}

/* Each word of `flags` is a letter: r w + (access), c creat, x excl, t trunc, d directory,
 * n nonblock, l nofollow, a append, m noatime, D direct, s sync, p path. */
static int flags_of(const char *text)
{
    static const struct {
        char letter;
        int flag;
    } letters[] = {{'r', O_RDONLY},   {'w', O_WRONLY}, {'+', O_RDWR},      {'c', O_CREAT},
                   {'x', O_EXCL},     {'t', O_TRUNC},  {'d', O_DIRECTORY}, {'n', O_NONBLOCK},
                   {'l', O_NOFOLLOW}, {'a', O_APPEND}, {'m', O_NOATIME},   {'D', O_DIRECT},
                   {'s', O_SYNC},     {'p', O_PATH}};
    int flags = O_CLOEXEC;
    for (; *text; text++) {
        for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++)
            flags |= letters[i].letter == *text ? letters[i].flag : 0;
    }
    return flags;
}

int conform_open(char **argv)
{
    return open(argv[0], flags_of(argv[1]), 0644);
}

static int run_lstat(char **argv)
{
    struct stat st;
    return lstat(argv[0], &st);
}

static int run_statfs(char **argv)
{
    struct statfs st;
    return statfs(argv[0], &st);
}

static int run_access(char **argv)
{
    return faccessat(AT_FDCWD, argv[0], number(argv[1]), 0);
}

static int run_chdir(char **argv)
{
    return chdir(argv[0]);
}

static int run_chown(char **argv)
{
    return chown(argv[0], (uid_t)number(argv[1]), (gid_t)number(argv[2]));
}

static int run_lchown(char **argv)
{
    return lchown(argv[0], (uid_t)number(argv[1]), (gid_t)number(argv[2]));
}

/* NAME MODE: after a chown to nobody else the mode must be this; EDOM: it is not. */
static int run_mode_is(char **argv)
{
    struct stat st;
    if (stat(argv[0], &st) != 0)
        return -1;
    errno = EDOM;
    return (st.st_mode & 07777) == strtoul(argv[1], NULL, 8) ? 0 : -1;
}

static int run_chown_clears(char **argv)
{
    if (chown(argv[0], geteuid(), getegid()) != 0)
        return -1;
    return run_mode_is(argv);
}

static int run_write_clears(char **argv)
{
    int fd = open(argv[0], O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "y", 1) != 1)
        return -1;
    return run_mode_is(argv);
}

static int run_truncate_clears(char **argv)
{
    if (truncate(argv[0], 0) != 0)
        return -1;
    return run_mode_is(argv);
}

static int run_utimens_now(char **argv)
{
    return utimensat(AT_FDCWD, argv[0], NULL, 0);
}

static int run_utimens_nanoseconds(char **argv)
{
    const struct timespec times[2] = {{.tv_nsec = number(argv[1])}, {.tv_nsec = 0}};
    return utimensat(AT_FDCWD, argv[0], times, 0);
}

static int run_mknod_of(char **argv)
{
    return mknod(argv[0], (mode_t)strtoul(argv[1], NULL, 8), 0);
}

static int run_readlink_of(char **argv)
{
    char target[4096];
    return (int)readlink(argv[0], target, strtoul(argv[1], NULL, 10));
}

/* -- on descriptors: NAME FLAGS ... ------------------------------------------------------------ */

static int run_read_fd(char **argv)
{
    char byte;
    int fd = conform_open(argv);
    return fd < 0 ? -1 : (int)pread(fd, &byte, 1, number(argv[2]));
}

static int run_write_fd(char **argv)
{
    int fd = conform_open(argv);
    return fd < 0 ? -1 : (int)pwrite(fd, "y", 1, number(argv[2]));
}

static int run_readv_fd(char **argv)
{
    static struct iovec parts[UIO_MAXIOV + 1];
    int fd = conform_open(argv);
    return fd < 0 ? -1 : (int)readv(fd, parts, UIO_MAXIOV + 1);
}

static int run_ftruncate(char **argv)
{
    int fd = conform_open(argv);
    return fd < 0 ? -1 : ftruncate(fd, number(argv[2]));
}

static int run_lseek(char **argv)
{
    int fd = conform_open(argv);
    return fd < 0 || lseek(fd, number(argv[2]), number(argv[3])) < 0 ? -1 : 0;
}

static int run_getdents(char **argv)
{
    char bytes[4096];
    int fd = conform_open(argv);
    return fd < 0 ? -1 : (int)syscall(SYS_getdents64, fd, bytes, (unsigned)number(argv[2]));
}

/* NAME: a directory that is open is removed, and then read. */
static int run_getdents_removed(char **argv)
{
    char bytes[4096];
    int fd = open(argv[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || rmdir(argv[0]) != 0)
        return -1;
    return (int)syscall(SYS_getdents64, fd, bytes, sizeof bytes);
}

static int run_fsync(char **argv)
{
    int fd = conform_open(argv);
    return fd < 0 ? -1 : fsync(fd);
}

static int run_fchdir(char **argv)
{
    int fd = conform_open(argv);
    return fd < 0 ? -1 : fchdir(fd);
}

static int run_openat_file(char **argv)
{
    int fd = conform_open(argv);
    return fd < 0 ? -1 : openat(fd, "x", O_RDONLY | O_CLOEXEC);
}

/* NAME FLAGS rw|r: maps it shared. */
static int run_mmap(char **argv)
{
    int protection = PROT_READ | (strcmp(argv[2], "rw") == 0 ? PROT_WRITE : 0);
    int fd = conform_open(argv);
    return fd < 0 || mmap(NULL, 1, protection, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0;
}

/* FROM FLAGS TO FLAGS: one byte, of the same file one on itself. */
static int run_copy(char **argv)
{
    loff_t from = 0, to = 0;
    int in = conform_open(argv), out = conform_open(argv + 2);
    return in < 0 || out < 0 ? -1 : (int)copy_file_range(in, &from, out, &to, 1, 0);
}

/* A whole access control list: rw-r--r--. */
static int run_setacl(char **argv)
{
    static const unsigned char list[] = {2,    0, 0, 0,                          /* version */
                                         1,    0, 6, 0, 0xff, 0xff, 0xff, 0xff,  /* owner */
                                         4,    0, 4, 0, 0xff, 0xff, 0xff, 0xff,  /* group */
                                         0x20, 0, 4, 0, 0xff, 0xff, 0xff, 0xff}; /* others */
    return setxattr(argv[0], "system.posix_acl_access", list, sizeof list, 0);
}

static const struct conform_call calls[] = {
    {"setacl", 1, run_setacl},
    {"flags", 2, conform_open},
    {"lstat", 1, run_lstat},
    {"statfs", 1, run_statfs},
    {"access", 2, run_access},
    {"chdir", 1, run_chdir},
    {"chown", 3, run_chown},
    {"lchown", 3, run_lchown},
    {"chown_clears", 2, run_chown_clears},
    {"write_clears", 2, run_write_clears},
    {"truncate_clears", 2, run_truncate_clears},
    {"utimens_now", 1, run_utimens_now},
    {"utimens_nanoseconds", 2, run_utimens_nanoseconds},
    {"mknod_of", 2, run_mknod_of},
    {"readlink_of", 2, run_readlink_of},
    {"read_fd", 3, run_read_fd},
    {"write_fd", 3, run_write_fd},
    {"readv_fd", 2, run_readv_fd},
    {"ftruncate", 3, run_ftruncate},
    {"lseek", 4, run_lseek},
    {"getdents", 3, run_getdents},
    {"getdents_removed", 1, run_getdents_removed},
    {"fsync", 2, run_fsync},
    {"fchdir", 2, run_fchdir},
    {"openat_file", 2, run_openat_file},
    {"mmap", 3, run_mmap},
    {"copy", 4, run_copy},
};

/* An operation in a directory that was removed. */
static int in_removed(int argc, char **argv)
{
    if (mkdir("gone", 0755) != 0 || chdir("gone") != 0 || rmdir("../gone") != 0)
        return errno;
    return probe_operation(argc, argv);
}

static int run_one(const struct conform_call *of, size_t count, int argc, char **argv)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(of[i].name, argv[0]) == 0 && of[i].arguments == argc - 1)
            return of[i].run(argv + 1) < 0 ? errno : 0;
    }
    return -1;
}

int conform_operation(int argc, char **argv)
{
    size_t odd_count;
    const struct conform_call *odd = conform_odd(&odd_count);
    if (strcmp(argv[0], "in_removed") == 0)
        return in_removed(argc - 1, argv + 1);
    int error = run_one(calls, sizeof calls / sizeof calls[0], argc, argv);
    return error < 0 ? run_one(odd, odd_count, argc, argv) : error;
}

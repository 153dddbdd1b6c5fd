#include "mount/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each gets the arguments after the operation's name, and returns as the system call does. */
struct operation {
    const char *name;
    int arguments;
    int (*run)(char **argv);
};

static int on_open(const char *path, int flags, int (*then)(int fd))
{
    int fd = open(path, flags | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    int result = then ? then(fd) : 0;
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

static int run_mkdir(char **argv)
{
    return mkdir(argv[0], 0755);
}

static int run_rmdir(char **argv)
{
    return rmdir(argv[0]);
}

static int run_unlink(char **argv)
{
    return unlink(argv[0]);
}

static int run_rename(char **argv)
{
    return rename(argv[0], argv[1]);
}

static int run_rename_no_replace(char **argv)
{
    return renameat2(AT_FDCWD, argv[0], AT_FDCWD, argv[1], RENAME_NOREPLACE);
}

static int run_rename_exchange(char **argv)
{
    return renameat2(AT_FDCWD, argv[0], AT_FDCWD, argv[1], RENAME_EXCHANGE);
}

static int run_link(char **argv)
{
    return link(argv[0], argv[1]);
}

static int run_symlink(char **argv)
{
    return symlink(argv[0], argv[1]);
}

static int run_readlink(char **argv)
{
    char target[PATH_MAX];
    return (int)readlink(argv[0], target, sizeof target);
}

static int run_mkfifo(char **argv)
{
    return mkfifo(argv[0], 0644);
}

static int run_mknod(char **argv)
{
    return mknod(argv[0], S_IFREG | 0644, 0);
}

static int run_mkdev(char **argv)
{
    return mknod(argv[0], S_IFCHR | 0644, 0x103);
}

static int run_mksock(char **argv)
{
    return mknod(argv[0], S_IFSOCK | 0644, 0);
}

static int run_create(char **argv)
{
    return on_open(argv[0], O_WRONLY | O_CREAT | O_EXCL, NULL);
}

static int run_open(char **argv)
{
    return on_open(argv[0], O_RDONLY, NULL);
}

static int run_open_nofollow(char **argv)
{
    return on_open(argv[0], O_RDONLY | O_NOFOLLOW, NULL);
}

static int run_open_write(char **argv)
{
    return on_open(argv[0], O_WRONLY, NULL);
}

static int run_open_directory(char **argv)
{
    return on_open(argv[0], O_RDONLY | O_DIRECTORY, NULL);
}

static int run_tmpfile(char **argv)
{
    return on_open(argv[0], O_TMPFILE | O_RDWR, NULL);
}

static int run_stat(char **argv)
{
    struct stat st;
    return stat(argv[0], &st);
}

static int run_truncate(char **argv)
{
    return truncate(argv[0], strtoll(argv[1], NULL, 10));
}

static off_t write_at;

static int write_byte(int fd)
{
    return pwrite(fd, "x", 1, write_at) == 1 ? 0 : -1;
}

static int run_write_at(char **argv)
{
    write_at = strtoll(argv[1], NULL, 10);
    return on_open(argv[0], O_WRONLY, write_byte);
}

/* The value is `size` bytes of 'x'. */
static int set_xattr(char **argv, int flags)
{
    static char value[1 << 17];
    size_t size = strtoul(argv[2], NULL, 10);
    memset(value, 'x', sizeof value);
    return lsetxattr(argv[0], argv[1], value, size, flags);
}

static int run_setxattr(char **argv)
{
    return set_xattr(argv, 0);
}

static int run_createxattr(char **argv)
{
    return set_xattr(argv, XATTR_CREATE);
}

static int run_replacexattr(char **argv)
{
    return set_xattr(argv, XATTR_REPLACE);
}

/* Into so many bytes. */
static int run_getxattr(char **argv)
{
    char value[8192];
    return (int)lgetxattr(argv[0], argv[1], value, strtoul(argv[2], NULL, 10));
}

static int run_listxattr(char **argv)
{
    char names[8192];
    return (int)llistxattr(argv[0], names, strtoul(argv[1], NULL, 10));
}

static int run_removexattr(char **argv)
{
    return lremovexattr(argv[0], argv[1]);
}

static int flock_shared(int fd)
{
    return flock(fd, LOCK_SH | LOCK_NB);
}

static int run_flock(char **argv)
{
    return on_open(argv[0], O_RDWR, flock_shared);
}

static int lock_record(int fd, int command, short kind)
{
    struct flock lock = {.l_type = kind, .l_whence = SEEK_SET, .l_len = 1};
    return fcntl(fd, command, &lock);
}

static int set_lock(int fd)
{
    return lock_record(fd, F_SETLK, F_WRLCK);
}

static int get_lock(int fd)
{
    return lock_record(fd, F_GETLK, F_WRLCK);
}

static int set_ofd_lock(int fd)
{
    return lock_record(fd, F_OFD_SETLK, F_WRLCK);
}

static int run_setlk(char **argv)
{
    return on_open(argv[0], O_RDWR, set_lock);
}

static int run_getlk(char **argv)
{
    return on_open(argv[0], O_RDWR, get_lock);
}

static int run_ofd_setlk(char **argv)
{
    return on_open(argv[0], O_RDWR, set_ofd_lock);
}

static int flock_exclusive(int fd)
{
    return flock(fd, LOCK_EX | LOCK_NB);
}

static int set_bad_lock(int fd)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = -1, .l_len = 1};
    return fcntl(fd, F_SETLK, &lock);
}

static int run_setlk_bad(char **argv)
{
    return on_open(argv[0], O_RDWR, set_bad_lock);
}

static int run_setlk_readonly(char **argv)
{
    return on_open(argv[0], O_RDONLY, set_lock);
}

static int (*way_to_lock(const char *name))(int fd)
{
    if (strcmp(name, "setlk") == 0)
        return set_lock;
    if (strcmp(name, "ofd_setlk") == 0)
        return set_ofd_lock;
    return strcmp(name, "flock") == 0 ? flock_shared : flock_exclusive;
}

/* PATH HOW HOW: a process has locked it one way, and another tries the other. */
static int run_locked(char **argv)
{
    int ready[2], done[2], result = -1, error;
    char byte = 0;
    if (pipe(ready) != 0 || pipe(done) != 0)
        return -1;
    pid_t child = fork();
    if (child == 0) {
        int fd = open(argv[0], O_RDWR);
        close(done[1]);
        if (fd < 0 || way_to_lock(argv[1])(fd) != 0 || write(ready[1], "", 1) != 1)
            _exit(1);
        _exit(read(done[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(ready[1]);
    if (child > 0 && read(ready[0], &byte, 1) == 1)
        result = on_open(argv[0], O_RDWR, way_to_lock(argv[2]));
    else
        errno = EPROTO;
    error = errno;
    close(ready[0]);
    close(done[1]);
    close(done[0]);
    if (child > 0)
        waitpid(child, NULL, 0);
    errno = error;
    return result;
}

static char **allocation; /* MODE OFFSET LENGTH */

static int allocate(int fd)
{
    static const struct {
        const char *name;
        int mode;
    } modes[] = {
        {"plain", 0},
        {"keep", FALLOC_FL_KEEP_SIZE},
        {"punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE},
        {"zero", FALLOC_FL_ZERO_RANGE},
        {"zero_keep", FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE},
        {"collapse", FALLOC_FL_COLLAPSE_RANGE},
        {"insert", FALLOC_FL_INSERT_RANGE},
    };
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(modes[i].name, allocation[0]) == 0)
            return fallocate(fd, modes[i].mode, strtoll(allocation[1], NULL, 10),
                             strtoll(allocation[2], NULL, 10));
    }
    probe_fail("no mode '%s'", allocation[0]);
}

static int run_fallocate(char **argv)
{
    allocation = argv + 1;
    return on_open(argv[0], O_RDWR, allocate);
}

static int run_fallocate_readonly(char **argv)
{
    allocation = argv + 1;
    return on_open(argv[0], O_RDONLY, allocate);
}

static off_t seek_from;

static int seek_data(int fd)
{
    return lseek(fd, seek_from, SEEK_DATA) < 0 ? -1 : 0;
}

static int seek_hole(int fd)
{
    return lseek(fd, seek_from, SEEK_HOLE) < 0 ? -1 : 0;
}

static int run_seek_data(char **argv)
{
    seek_from = strtoll(argv[1], NULL, 10);
    return on_open(argv[0], O_RDONLY, seek_data);
}

static int run_seek_hole(char **argv)
{
    seek_from = strtoll(argv[1], NULL, 10);
    return on_open(argv[0], O_RDONLY, seek_hole);
}

static int run_chmod(char **argv)
{
    return chmod(argv[0], (mode_t)strtoul(argv[1], NULL, 8));
}

static int set_time(const char *path, time_t seconds)
{
    struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    return utimensat(AT_FDCWD, path, times, 0);
}

static int run_utimens(char **argv)
{
    return set_time(argv[0], strtoll(argv[1], NULL, 10));
}

static const struct operation operations[] = {
    {"mkdir", 1, run_mkdir},
    {"rmdir", 1, run_rmdir},
    {"unlink", 1, run_unlink},
    {"rename", 2, run_rename},
    {"rename_no_replace", 2, run_rename_no_replace},
    {"rename_exchange", 2, run_rename_exchange},
    {"link", 2, run_link},
    {"symlink", 2, run_symlink},
    {"readlink", 1, run_readlink},
    {"mkfifo", 1, run_mkfifo},
    {"mksock", 1, run_mksock},
    {"mknod", 1, run_mknod},
    {"mkdev", 1, run_mkdev},
    {"create", 1, run_create},
    {"open", 1, run_open},
    {"open_nofollow", 1, run_open_nofollow},
    {"open_write", 1, run_open_write},
    {"open_directory", 1, run_open_directory},
    {"tmpfile", 1, run_tmpfile},
    {"stat", 1, run_stat},
    {"truncate", 2, run_truncate},
    {"write_at", 2, run_write_at},
    {"setxattr", 3, run_setxattr},
    {"createxattr", 3, run_createxattr},
    {"replacexattr", 3, run_replacexattr},
    {"getxattr", 3, run_getxattr},
    {"listxattr", 2, run_listxattr},
    {"removexattr", 2, run_removexattr},
    {"flock", 1, run_flock},
    {"setlk", 1, run_setlk},
    {"getlk", 1, run_getlk},
    {"ofd_setlk", 1, run_ofd_setlk},
    {"setlk_bad", 1, run_setlk_bad},
    {"setlk_readonly", 1, run_setlk_readonly},
    {"locked", 3, run_locked},
    {"fallocate", 4, run_fallocate},
    {"fallocate_readonly", 4, run_fallocate_readonly},
    {"seek_data", 2, run_seek_data},
    {"seek_hole", 2, run_seek_hole},
    {"chmod", 2, run_chmod},
    {"utimens", 2, run_utimens},
};

int probe_operation(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        const struct operation *operation = &operations[i];
        if (strcmp(operation->name, argv[0]) != 0 || operation->arguments != argc - 1)
            continue;
        return operation->run(argv + 1) < 0 ? errno : 0;
    }
    return -1;
}

int probe_call(int argc, char **argv)
{
    int error = probe_operation(argc, argv);
    if (error < 0)
        probe_fail("no operation '%s' with %d arguments", argv[0], argc - 1);
    const char *name = error != 0 ? strerrorname_np(error) : "OK";
    puts(name ? name : "?");
    return 0;
}

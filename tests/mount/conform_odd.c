/* What programs seldom ask for: limits of a process, memory that is not there, flags, what runs. */
#include "mount/conform.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define LOCKS_MAX 1024 /* of a file, as fs/README.md has it */

static long long number(const char *text)
{
    return strtoll(text, NULL, 0);
}

static int not_what_it_should_be(void)
{
    errno = EDOM;
    return -1;
}

/* -- by names ----------------------------------------------------------------------------------- */

static int run_rename_flags(char **argv)
{
    return renameat2(AT_FDCWD, argv[0], AT_FDCWD, argv[1], (unsigned)number(argv[2]));
}

static int run_link_flags(char **argv)
{
    return linkat(AT_FDCWD, argv[0], AT_FDCWD, argv[1], (int)number(argv[2]));
}

/* NAME TO: a file that is open loses its name, and is to get another one. */
static int run_link_nameless(char **argv)
{
    char path[64];
    int fd = open(argv[0], O_RDONLY | O_CLOEXEC);
    if (fd < 0 || unlink(argv[0]) != 0)
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, path, AT_FDCWD, argv[1], AT_SYMLINK_FOLLOW);
}

static int run_unlink_flags(char **argv)
{
    return unlinkat(AT_FDCWD, argv[0], (int)number(argv[1]));
}

static struct timespec time_of(const char *text)
{
    if (strcmp(text, "now") == 0)
        return (struct timespec){.tv_nsec = UTIME_NOW};
    if (strcmp(text, "omit") == 0)
        return (struct timespec){.tv_nsec = UTIME_OMIT};
    return (struct timespec){.tv_sec = number(text)};
}

/* NAME ATIME MTIME: seconds, now or omit. */
static int run_utimens_both(char **argv)
{
    const struct timespec times[2] = {time_of(argv[1]), time_of(argv[2])};
    return utimensat(AT_FDCWD, argv[0], times, 0);
}

static int has_mode(const char *name, mode_t mode)
{
    struct stat st;
    if (stat(name, &st) != 0)
        return -1;
    return (st.st_mode & 07777) == mode ? 0 : not_what_it_should_be();
}

/* NAME MADE THEN: made with a mode, of which nothing may be missing but what THEN has not; that is
 * also what a chmod to the same mode leaves. */
static int run_made_with_mode(char **argv)
{
    mode_t made = (mode_t)strtoul(argv[1], NULL, 8), then = (mode_t)strtoul(argv[2], NULL, 8);
    int fd = open(argv[0], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, made);
    if (fd < 0 || has_mode(argv[0], then) != 0 || chmod(argv[0], made) != 0)
        return -1;
    return has_mode(argv[0], then);
}

/* -- what runs ---------------------------------------------------------------------------------- */

static int run_exec(char **argv)
{
    char *const none[] = {argv[0], NULL};
    return execve(argv[0], none, none + 1);
}

static bool copy_self(const char *to)
{
    static char bytes[1 << 16];
    int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    ssize_t n = -1;
    while (in >= 0 && out >= 0 && (n = read(in, bytes, sizeof bytes)) > 0) {
        if (write(out, bytes, (size_t)n) != n)
            return false;
    }
    return n == 0 && close(in) == 0 && close(out) == 0;
}

/* The program NAME, which reads from `input` until that ends; -1: it did not begin. */
static pid_t start_program(const char *name, const int input[2])
{
    int began[2];
    char byte;
    if (pipe2(began, O_CLOEXEC) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        close(input[1]);
        dup2(input[0], STDIN_FILENO);
        execl(name, name, "wait", NULL);
        _exit(write(began[1], "", 1) == 1 ? 1 : 2);
    }
    close(began[1]);
    ssize_t n = pid > 0 ? read(began[0], &byte, 1) : 1; /* nothing, once it runs */
    close(began[0]);
    return n == 0 ? pid : -1;
}

/* NAME open|truncate: a program of that name is made and runs, and somebody changes its file. */
static int run_running(char **argv)
{
    int input[2], result = -1;
    if (!copy_self(argv[0]) || pipe2(input, O_CLOEXEC) != 0)
        return not_what_it_should_be();
    pid_t pid = start_program(argv[0], input);
    if (pid < 0)
        return not_what_it_should_be();
    result =
        strcmp(argv[1], "open") == 0 ? open(argv[0], O_WRONLY | O_CLOEXEC) : truncate(argv[0], 0);
    int error = errno;
    close(input[1]);
    waitpid(pid, NULL, 0);
    errno = error;
    return result;
}

/* NAME: a program that somebody has open to change it. */
static int run_exec_written(char **argv)
{
    if (!copy_self(argv[0]) || open(argv[0], O_WRONLY) < 0)
        return not_what_it_should_be();
    return run_exec(argv);
}

/* -- on descriptors: NAME FLAGS ... ------------------------------------------------------------- */

/* WHAT NAME FLAGS, with memory that one may not touch. */
static int run_fault(char **argv)
{
    int fd = conform_open(argv + 1);
    void *none = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fd < 0 || none == MAP_FAILED)
        return -1;
    if (strcmp(argv[0], "read") == 0)
        return (int)read(fd, none, PAGE);
    if (strcmp(argv[0], "write") == 0)
        return (int)write(fd, none, PAGE);
    return (int)syscall(SYS_getdents64, fd, none, PAGE);
}

/* WHAT NAME FLAGS, where no file may have more than a page. */
static int run_limited(char **argv)
{
    const struct rlimit limit = {PAGE, PAGE};
    int fd = conform_open(argv + 1);
    if (fd < 0 || setrlimit(RLIMIT_FSIZE, &limit) != 0 || signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
        return -1;
    if (strcmp(argv[0], "write") == 0)
        return (int)pwrite(fd, "y", 1, PAGE);
    if (strcmp(argv[0], "truncate") == 0)
        return ftruncate(fd, PAGE + 1);
    return fallocate(fd, 0, PAGE, 1);
}

/* What is asked of a descriptor that has no more than a path. */
static int run_path_only(char **argv)
{
    char byte;
    int fd = open(argv[1], O_PATH | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (strcmp(argv[0], "read") == 0)
        return (int)read(fd, &byte, 1);
    if (strcmp(argv[0], "truncate") == 0)
        return ftruncate(fd, 0);
    if (strcmp(argv[0], "chmod") == 0)
        return fchmod(fd, 0644);
    if (strcmp(argv[0], "fallocate") == 0)
        return fallocate(fd, 0, 0, 1);
    struct stat st;
    return strcmp(argv[0], "stat") == 0 ? fstat(fd, &st) : fsync(fd);
}

static int run_fchmod(char **argv)
{
    int fd = conform_open(argv);
    return fd < 0 ? -1 : fchmod(fd, (mode_t)strtoul(argv[2], NULL, 8));
}

static int run_fchown(char **argv)
{
    int fd = conform_open(argv);
    return fd < 0 ? -1 : fchown(fd, (uid_t)number(argv[2]), (gid_t)number(argv[3]));
}

/* NAME FLAGS MODE: of one byte. */
static int run_fallocate_mode(char **argv)
{
    int fd = conform_open(argv);
    return fd < 0 ? -1 : fallocate(fd, (int)number(argv[2]), 0, 1);
}

/* NAME FLAGS LENGTH OFFSET */
static int run_mmap_at(char **argv)
{
    int fd = conform_open(argv);
    if (fd < 0)
        return -1;
    void *map =
        mmap(NULL, (size_t)number(argv[2]), PROT_READ, MAP_SHARED, fd, (off_t)number(argv[3]));
    return map == MAP_FAILED ? -1 : 0;
}

/* NAME OFFSET: what a mapping of two pages has there, as the kernel finds it for a pipe. */
static int run_mmap_look(char **argv)
{
    int fd = open(argv[0], O_RDONLY | O_CLOEXEC), out[2];
    char *map = fd < 0 ? MAP_FAILED : mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED || pipe2(out, O_CLOEXEC) != 0)
        return not_what_it_should_be();
    return (int)write(out[1], map + number(argv[1]), 1);
}

/* NAME: what is changed in a mapping of one's own is in no file. */
static int run_mmap_private(char **argv)
{
    char byte;
    int fd = open(argv[0], O_RDONLY | O_CLOEXEC);
    char *map = fd < 0 ? MAP_FAILED : mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return -1;
    map[0]++;
    if (msync(map, 1, MS_SYNC) != 0 || munmap(map, 1) != 0 || pread(fd, &byte, 1, 0) != 1)
        return -1;
    return byte == 'x' ? 0 : not_what_it_should_be();
}

/* FROM FLAGS TO FLAGS FROM-OFFSET TO-OFFSET LENGTH COPY-FLAGS */
static int run_copy_at(char **argv)
{
    loff_t from = number(argv[4]), to = number(argv[5]);
    int in = conform_open(argv), out = conform_open(argv + 2);
    if (in < 0 || out < 0)
        return -1;
    return (int)copy_file_range(in, &from, out, &to, (size_t)number(argv[6]),
                                (unsigned)number(argv[7]));
}

static int run_flock_how(char **argv)
{
    int fd = conform_open(argv);
    return fd < 0 ? -1 : flock(fd, (int)number(argv[2]));
}

/* NAME FLAGS posix|ofd r|w WHENCE START LENGTH PID */
static int run_lock(char **argv)
{
    struct flock lock = {.l_type = argv[3][0] == 'r' ? F_RDLCK : F_WRLCK,
                         .l_whence = (short)number(argv[4]),
                         .l_start = (off_t)number(argv[5]),
                         .l_len = (off_t)number(argv[6]),
                         .l_pid = (pid_t)number(argv[7])};
    int fd = conform_open(argv);
    return fd < 0 ? -1 : fcntl(fd, strcmp(argv[2], "ofd") == 0 ? F_OFD_SETLK : F_SETLK, &lock);
}

/* NAME: bytes apart from each other, until there are as many as may be. */
static int run_many_locks(char **argv)
{
    int fd = open(argv[0], O_RDWR | O_CLOEXEC);
    for (off_t i = 0; fd >= 0 && i <= LOCKS_MAX; i++) {
        struct flock lock = {.l_type = F_WRLCK, .l_start = 2 * i, .l_len = 1};
        if (fcntl(fd, F_SETLK, &lock) != 0)
            return i == LOCKS_MAX ? -1 : not_what_it_should_be();
    }
    return not_what_it_should_be();
}

/* NAME FLAGS FLAG, which is for preadv2 */
static int run_read_flags(char **argv)
{
    char byte;
    const struct iovec part = {&byte, 1};
    int fd = conform_open(argv);
    return fd < 0 ? -1 : (int)preadv2(fd, &part, 1, 0, (int)number(argv[2]));
}

static const struct conform_call odd[] = {
    {"rename_flags", 3, run_rename_flags},
    {"link_flags", 3, run_link_flags},
    {"link_nameless", 2, run_link_nameless},
    {"unlink_flags", 2, run_unlink_flags},
    {"utimens_both", 3, run_utimens_both},
    {"made_with_mode", 3, run_made_with_mode},
    {"exec", 1, run_exec},
    {"exec_written", 1, run_exec_written},
    {"running", 2, run_running},
    {"fault", 3, run_fault},
    {"limited", 3, run_limited},
    {"path_only", 2, run_path_only},
    {"fchmod", 3, run_fchmod},
    {"fchown", 4, run_fchown},
    {"fallocate_mode", 3, run_fallocate_mode},
    {"mmap_at", 4, run_mmap_at},
    {"mmap_look", 2, run_mmap_look},
    {"mmap_private", 1, run_mmap_private},
    {"copy_at", 8, run_copy_at},
    {"flock_how", 3, run_flock_how},
    {"lock", 8, run_lock},
    {"many_locks", 1, run_many_locks},
    {"read_flags", 3, run_read_flags},
};

const struct conform_call *conform_odd(size_t *count)
{
    *count = sizeof odd / sizeof odd[0];
    return odd;
}

/* mount_stage: runs one test script in a directory of its own, and leaves nothing behind.
 *
 *   mount_stage [--seconds N] SCRIPT [ARGUMENTS]
 *
 * The script gets STAGE, the directory. When it has ended, or N seconds (60) are over, or the stage
 * gets SIGTERM, SIGINT or SIGHUP:
 *
 *   1 every FUSE connection that is mounted below STAGE is aborted, so that nothing can hang in it
 *   2 every process that the script left is killed, by its pid: orphans become the stage's children
 *   3 what is mounted below STAGE is unmounted, and STAGE removed
 *
 * Exit status: the script's; 1 when it ran too long or FUSE is missing. On failure the logs in
 * STAGE are shown. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOG_BYTES_MAX 4000L /* shown of each log */
#define MOUNTS_MAX 64

static char stage[PATH_MAX];

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "mount_stage: %s: %s\n", what, why);
    return 1;
}

/* -- mounts -------------------------------------------------------------------------------- */

struct mounted {
    unsigned minor; /* number of the FUSE connection */
    bool is_fuse;
    char path[PATH_MAX];
};

/* One line of mountinfo: "36 35 0:45 / PATH OPTIONS [FIELDS] - TYPE SOURCE OPTIONS". */
static bool parse_mount(const char *line, struct mounted *out)
{
    unsigned major;
    const char *type = strstr(line, " - ");
    if (!type || sscanf(line, "%*d %*d %u:%u %*s %4095s", &major, &out->minor, out->path) != 3)
        return false;
    out->is_fuse = strncmp(type + 3, "fuse", 4) == 0;
    return strncmp(out->path, stage, strlen(stage)) == 0;
}

/* Those below the stage, the newest last. */
static size_t find_mounts(struct mounted *mounts, size_t max)
{
    char line[2 * PATH_MAX];
    size_t count = 0;
    FILE *file = fopen("/proc/self/mountinfo", "re");
    if (!file)
        return 0;
    while (count < max && fgets(line, sizeof line, file))
        count += parse_mount(line, &mounts[count]);
    fclose(file);
    return count;
}

static void abort_connection(unsigned minor)
{
    char path[64];
    snprintf(path, sizeof path, "/sys/fs/fuse/connections/%u/abort", minor);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) /* not mounted by us, or not root: the death of its process does the same */
        return;
    if (write(fd, "1", 1) != 1)
        (void)complain(path, strerror(errno));
    close(fd);
}

static void run_fusermount(const char *path)
{
    pid_t pid = fork();
    if (pid == 0) {
        execlp("fusermount3", "fusermount3", "-uz", path, (char *)NULL);
        _exit(127);
    }
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
}

static void abort_mounts(const struct mounted *mounts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (mounts[i].is_fuse)
            abort_connection(mounts[i].minor);
    }
}

static void unmount_all(const struct mounted *mounts, size_t count)
{
    while (count-- > 0) {
        if (umount2(mounts[count].path, MNT_DETACH) != 0 && errno == EPERM)
            run_fusermount(mounts[count].path);
    }
}

/* -- processes ----------------------------------------------------------------------------- */

/* Calls `each` with every child of this process. */
static void for_each_child(void (*each)(pid_t pid))
{
    DIR *dir = opendir("/proc");
    if (!dir)
        return;
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        char path[300], line[512];
        int parent;
        snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
        FILE *file = e->d_name[0] >= '1' && e->d_name[0] <= '9' ? fopen(path, "re") : NULL;
        if (!file)
            continue;
        const char *text = fgets(line, sizeof line, file);
        const char *name_end = text ? strrchr(text, ')') : NULL;
        if (name_end && sscanf(name_end, ") %*c %d", &parent) == 1 && parent == getpid())
            each(atoi(e->d_name));
        fclose(file);
    }
    closedir(dir);
}

static void kill_child(pid_t pid)
{
    (void)kill(pid, SIGKILL);
}

static void show_child(pid_t pid)
{
    char path[64], words[512];
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, words, sizeof words - 1) : -1;
    if (fd >= 0)
        close(fd);
    for (ssize_t i = 0; i < n; i++)
        words[i] = words[i] ? words[i] : ' ';
    words[n > 0 ? n : 0] = 0;
    fprintf(stderr, "  %d %s\n", (int)pid, words);
}

/* Children of those that die become ours, so it is done again until there is none. */
static void kill_all(void)
{
    do {
        for_each_child(kill_child);
    } while (waitpid(-1, NULL, 0) > 0 || errno == EINTR);
}

/* -- the directory ------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    if (remove(path) != 0)
        (void)complain(path, strerror(errno));
    return 0;
}

static void show_log(const char *path)
{
    char text[LOG_BYTES_MAX + 1];
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    fseek(file, size > LOG_BYTES_MAX ? size - LOG_BYTES_MAX : 0, SEEK_SET);
    size_t n = fread(text, 1, LOG_BYTES_MAX, file);
    text[n] = 0;
    if (n > 0)
        fprintf(stderr, "-- %s\n%s\n", path, text);
    fclose(file);
}

static int show_if_log(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    size_t n = strlen(path);
    (void)st;
    (void)where;
    if (kind == FTW_F && n > 4 && strcmp(path + n - 4, ".log") == 0)
        show_log(path);
    return 0;
}

/* A mount that is gone has no files for us; FTW_MOUNT keeps out of one that is not. */
static void clean_up(bool failed)
{
    struct mounted *mounts = calloc(MOUNTS_MAX, sizeof *mounts);
    size_t count = mounts ? find_mounts(mounts, MOUNTS_MAX) : 0;
    abort_mounts(mounts, count);
    kill_all();
    unmount_all(mounts, count);
    free(mounts);
    if (failed)
        (void)nftw(stage, show_if_log, 16, FTW_PHYS | FTW_MOUNT);
    (void)nftw(stage, remove_one, 16, FTW_PHYS | FTW_MOUNT | FTW_DEPTH);
}

/* -- the script ---------------------------------------------------------------------------- */

static pid_t start(char **argv, const sigset_t *old)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    (void)sigprocmask(SIG_SETMASK, old, NULL);
    (void)setpgid(0, 0); /* a Ctrl-C is for the stage, which then ends the script */
    setenv("STAGE", stage, 1);
    execvp(argv[0], argv);
    (void)complain(argv[0], strerror(errno));
    _exit(127);
}

static long left_ms(const struct timespec *end)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long left = (end->tv_sec - now.tv_sec) * 1000 + (end->tv_nsec - now.tv_nsec) / 1000000;
    return left > 0 ? left : 0;
}

/* Reaps until the script has ended. Its exit status; 1 where it was stopped. */
static int watch(pid_t script, const sigset_t *signals, unsigned seconds)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += seconds;
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid == script)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        if (pid > 0)
            continue;
        long ms = left_ms(&end);
        struct timespec rest = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
        int number = sigtimedwait(signals, NULL, &rest);
        if (number == SIGCHLD || (number < 0 && errno == EINTR))
            continue;
        fprintf(stderr, "mount_stage: %s; these processes still run:\n",
                number < 0 ? "it takes too long" : strsignal(number));
        for_each_child(show_child);
        return 1;
    }
}

/* A test that cannot mount has not passed. */
static int check_fuse(void)
{
    int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return complain("/dev/fuse", "mount tests need it, and it cannot be opened "
                                     "(modprobe fuse; in a container: --device /dev/fuse)");
    close(fd);
    return 0;
}

static int run(char **argv, unsigned seconds)
{
    const char *tmp = getenv("TMPDIR");
    char pattern[PATH_MAX];
    sigset_t signals, old;
    snprintf(pattern, sizeof pattern, "%s/shardfs-mount.XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(pattern) || !realpath(pattern, stage))
        return complain(pattern, strerror(errno));
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &signals, &old);
    pid_t script = start(argv, &old);
    int exit_status = script > 0 ? watch(script, &signals, seconds) : 1;
    clean_up(exit_status != 0);
    return exit_status;
}

int main(int argc, char **argv)
{
    unsigned seconds = 60;
    int at = 1;
    if (argc > 2 && strcmp(argv[1], "--seconds") == 0) {
        seconds = (unsigned)strtoul(argv[2], NULL, 10);
        at = 3;
    }
    if (at >= argc || seconds == 0) {
        fputs("usage: mount_stage [--seconds N] SCRIPT [ARGUMENTS]\n", stderr);
        return 2;
    }
    int exit_status = check_fuse();
    return exit_status != 0 ? exit_status : run(argv + at, seconds);
}

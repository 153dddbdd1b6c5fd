/* The process around the tests: it outlives them, and cleans up. As a subreaper it becomes the
 * parent of every server that `shardctl up` left, so it finds them all among its own children. */
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "process/stage.h"

static char scratch[STAGE_PATH_MAX];
static unsigned rounds = 1;

const char *stage_scratch(void)
{
    return scratch;
}

unsigned stage_rounds(void)
{
    return rounds;
}

/* -- cleaning up --------------------------------------------------------------------------- */

/* Kills the children of this process; false: there are none. */
static bool kill_children(void)
{
    char path[64];
    int pid;
    bool any = false;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "r");
    while (file && fscanf(file, "%d", &pid) == 1) {
        any = true;
        kill(pid, SIGKILL);
    }
    if (file)
        fclose(file);
    return any;
}

/* Their children become ours when they end: until there are none. */
static void kill_descendants(void)
{
    while (kill_children()) {
        struct timespec pause = {.tv_nsec = 5000000};
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
        nanosleep(&pause, NULL);
    }
}

/* /proc/mounts writes a blank as \040. */
static void unescape(char *path)
{
    char *to = path;
    for (const char *from = path; *from; to++) {
        bool blank = strncmp(from, "\\040", 4) == 0;
        *to = blank ? ' ' : *from;
        from += blank ? 4 : 1;
    }
    *to = 0;
}

/* As somebody other than root. */
static void unmount_own(char *path)
{
    char program[] = "fusermount3", lazily[] = "-uz";
    char *argv[] = {program, lazily, path, NULL};
    pid_t pid;
    if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) == 0)
        waitpid(pid, NULL, 0);
}

static void unmount_below(const char *dir)
{
    char line[4096], path[2048];
    FILE *mounts = fopen("/proc/mounts", "r");
    while (mounts && fgets(line, sizeof line, mounts)) {
        if (sscanf(line, "%*s %2047s", path) != 1 || strncmp(path, dir, strlen(dir)) != 0)
            continue;
        unescape(path);
        if (umount2(path, MNT_DETACH) != 0)
            unmount_own(path);
    }
    if (mounts)
        fclose(mounts);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

static void clean_up(void)
{
    kill_descendants();
    unmount_below(scratch);
    if (nftw(scratch, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0)
        fprintf(stderr, "%s cannot be removed: %s\n", scratch, strerror(errno));
}

/* -- running ------------------------------------------------------------------------------- */

static bool is_wanted(const char *name, char **names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return count == 0;
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* In the child. Exit status; a test that fails exits by itself. */
static int run_tests(const struct stage_test *tests, size_t count, char **names, size_t name_count)
{
    size_t ran = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_wanted(tests[i].name, names, name_count))
            continue;
        double start = seconds_now();
        printf("-- %s\n", tests[i].name);
        tests[i].run();
        printf("   ok, %.1f s\n", seconds_now() - start);
        ran++;
    }
    if (ran > 0)
        return 0;
    printf("there is no such test\n");
    return 2;
}

/* A server, or the tests: only a kill or a request to end may end it from outside. */
static bool has_crashed(int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL && WTERMSIG(status) != SIGTERM;
}

/* Collects what has ended. True: the tests have, with this exit status. */
static bool collect(pid_t tests, bool *crashed, int *exit_status)
{
    pid_t ended;
    int status;
    while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
        if (has_crashed(status)) {
            fprintf(stderr, "process %d was ended by signal %d\n", (int)ended, WTERMSIG(status));
            *crashed = true;
        }
        if (ended != tests)
            continue;
        *exit_status = WIFEXITED(status) && !*crashed ? WEXITSTATUS(status) : 1;
        return true;
    }
    return false;
}

/* Until the tests end, the time is over or a signal comes. Their exit status, or 1. */
static int watch(pid_t tests, const sigset_t *signals, unsigned seconds)
{
    double until = seconds_now() + seconds;
    bool crashed = false;
    for (;;) {
        struct timespec wait = {.tv_nsec = 200000000};
        int number = sigtimedwait(signals, NULL, &wait), exit_status;
        if (collect(tests, &crashed, &exit_status))
            return exit_status;
        if (number == SIGINT || number == SIGTERM || number == SIGHUP)
            return 1;
        if (seconds_now() > until) {
            fprintf(stderr, "the test did not end within %u s\n", seconds);
            return 1;
        }
    }
}

static void take_rounds(const char *text)
{
    unsigned long number = text ? strtoul(text, NULL, 10) : 0;
    if (number > 0)
        rounds = (unsigned)number;
}

int stage_main(int argc, char **argv, const struct stage_test *tests, size_t count,
               unsigned seconds)
{
    const char *base = getenv("TMPDIR");
    sigset_t signals, before;
    take_rounds(getenv("SHARDFS_PROCESS_ROUNDS"));
    if (argc > 2 && strcmp(argv[1], "--rounds") == 0) {
        take_rounds(argv[2]);
        argv += 2;
        argc -= 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    srandom((unsigned)getpid()); /* ports and moments; no run is like another */
    snprintf(scratch, sizeof scratch, "%s/shardfs-test.XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(scratch) || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        perror(scratch);
        return 1;
    }
    sigemptyset(&signals);
    for (const int *s = (const int[]){SIGINT, SIGTERM, SIGHUP, SIGCHLD, 0}; *s; s++)
        sigaddset(&signals, *s);
    sigprocmask(SIG_BLOCK, &signals, &before);
    pid_t child = fork();
    if (child == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        exit(run_tests(tests, count, argv + 1, (size_t)argc - 1));
    }
    int exit_status = child > 0 ? watch(child, &signals, seconds * rounds) : 1;
    clean_up();
    return exit_status;
}

#include "mount/probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

static void on_alarm(int number)
{
    (void)number; /* only to interrupt */
}

/* A SIGALRM so often, which does not end the program and restarts nothing. */
static void start_alarms(long every_us)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval often = {.it_interval.tv_usec = every_us, .it_value.tv_usec = every_us};
    probe_must(sigaction(SIGALRM, &action, NULL) == 0, "sigaction");
    probe_must(setitimer(ITIMER_REAL, &often, NULL) == 0, "setitimer");
}

static int run_read(int fd)
{
    char byte;
    return pread(fd, &byte, 1, 0) < 0 ? -1 : 0;
}

static int run_append(int fd)
{
    return write(fd, "x\n", 2) == 2 ? 0 : -1;
}

static int run_stat(int fd)
{
    struct stat st;
    return fstat(fd, &st);
}

static int run_list(int fd)
{
    DIR *dir = fdopendir(fd);
    if (!dir)
        return -1;
    errno = 0;
    while (readdir(dir))
        continue;
    int error = errno;
    closedir(dir);
    errno = error;
    return error == 0 ? 0 : -1;
}

struct way {
    const char *name;
    int flags;
    int (*run)(int fd);
};

static const struct way *find_way(const char *name)
{
    static const struct way ways[] = {{"read", O_RDONLY, run_read},
                                      {"append", O_WRONLY | O_APPEND, run_append},
                                      {"stat", O_RDONLY, run_stat},
                                      {"list", O_RDONLY | O_DIRECTORY, run_list}};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (strcmp(ways[i].name, name) == 0)
            return &ways[i];
    }
    probe_fail("no way '%s'", name);
}

int probe_interrupted(int argc, char **argv)
{
    (void)argc;
    const struct way *way = find_way(argv[0]);
    int fd = open(argv[1], way->flags | O_CLOEXEC);
    probe_must(fd >= 0, argv[1]);
    while (access(argv[2], F_OK) != 0)
        usleep(10000);
    start_alarms(300000);
    puts(way->run(fd) == 0 ? "OK" : strerrorname_np(errno));
    return 0;
}

int probe_alarmed(int argc, char **argv)
{
    char path[4096], to[4096], page[4096];
    unsigned rounds = probe_number(argv[1]);
    struct stat st;
    (void)argc;
    snprintf(path, sizeof path, "%s", probe_path(argv[0], "alarmed"));
    snprintf(to, sizeof to, "%s", probe_path(argv[0], "alarmed.to"));
    start_alarms(1000);
    for (unsigned i = 0; i < rounds; i++) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        probe_must(fd >= 0, "open");
        probe_must(pwrite(fd, "alarm", 5, 0) == 5 && pread(fd, page, 5, 0) == 5, "pread");
        struct flock lock = {.l_type = F_WRLCK};
        probe_must(fcntl(fd, F_GETLK, &lock) == 0, "F_GETLK");
        probe_must(fchmod(fd, 0640) == 0 && fstat(fd, &st) == 0 && close(fd) == 0, "fchmod");
        probe_must(rename(path, to) == 0 && stat(to, &st) == 0 && unlink(to) == 0, "rename");
        probe_must(mkdir(path, 0700) == 0 && rmdir(path) == 0, "mkdir");
    }
    return 0;
}

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

/* A SIGALRM every 300 ms, which does not end the program and restarts nothing. */
static void start_alarms(void)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval often = {.it_interval.tv_usec = 300000, .it_value.tv_usec = 300000};
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
    start_alarms();
    puts(way->run(fd) == 0 ? "OK" : strerrorname_np(errno));
    return 0;
}

/* appendbench: writers that append to one file at the same time, each by a name of its own for it.
 *
 *   appendbench LINES BYTES FILE...
 *
 * A process for each FILE opens it O_APPEND and writes LINES lines of BYTES bytes, one after the
 * other. Prints how many lines a second all of them wrote together. What is there before stays. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 65536

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void must(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "appendbench: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void append(const char *path, int lines, size_t bytes)
{
    static char line[LINE_MAX_BYTES];
    memset(line, 'x', bytes);
    line[bytes - 1] = '\n';
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    must(fd >= 0, path);
    for (int i = 0; i < lines; i++)
        must(write(fd, line, bytes) == (ssize_t)bytes, "append");
    must(close(fd) == 0, "close");
}

int main(int argc, char **argv)
{
    int lines = argc > 3 ? atoi(argv[1]) : 0, bytes = argc > 3 ? atoi(argv[2]) : 0,
        writers = argc - 3;
    if (lines <= 0 || bytes <= 0 || bytes > LINE_MAX_BYTES) {
        fputs("usage: appendbench LINES BYTES FILE...\n", stderr);
        return 2;
    }
    double start = now();
    for (int i = 0; i < writers; i++) {
        pid_t pid = fork();
        must(pid >= 0, "fork");
        if (pid == 0) {
            append(argv[3 + i], lines, (size_t)bytes);
            _exit(0);
        }
    }
    int status, failed = 0;
    for (int i = 0; i < writers; i++) {
        must(wait(&status) > 0, "wait");
        failed |= status;
    }
    must(!failed, "a writer failed");
    printf("%.0f\n", lines * (double)writers / (now() - start));
    return 0;
}

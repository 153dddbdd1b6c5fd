/* Locks of a process that is told what to do, one line at a time:
 *
 *   posix|ofd|posix-wait|ofd-wait read|write|unlock START LENGTH
 *   posix-test|ofd-test read|write START LENGTH      prints "free", or "TYPE START LENGTH PID"
 *   flock|flock-wait shared|exclusive|unlock
 *   open | close                                     a second descriptor
 *   fork                                             a child that keeps everything open
 *   put TEXT                                         at the beginning of the file
 *   make PATH                                        another file
 *   alarm                                            a signal, in a quarter of a second
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/time.h>
#include <unistd.h>

#include "mount/probe.h"

static const char *file;
static int fd, second = -1;

static void on_alarm(int number)
{
    (void)number;
}

static bool is(const char *text, const char *word)
{
    return strcmp(text, word) == 0;
}

static short type_of(const char *word)
{
    if (is(word, "read"))
        return F_RDLCK;
    return is(word, "write") ? F_WRLCK : F_UNLCK;
}

static void say(int result)
{
    puts(result < 0 ? strerrorname_np(errno) : "OK");
    fflush(stdout);
}

static const char *type_name(short type)
{
    return type == F_RDLCK ? "read" : "write";
}

static void test(int operation, struct flock *lock)
{
    if (fcntl(fd, operation, lock) < 0)
        say(-1);
    else if (lock->l_type == F_UNLCK)
        puts("free");
    else
        printf("%s %lld %lld %d\n", type_name(lock->l_type), (long long)lock->l_start,
               (long long)lock->l_len, (int)lock->l_pid);
    fflush(stdout);
}

/* False: it is no such line. */
static bool lock_range(const char *how, const char *type, long long start, long long length)
{
    struct flock lock = {
        .l_type = type_of(type), .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    if (is(how, "posix"))
        say(fcntl(fd, F_SETLK, &lock));
    else if (is(how, "posix-wait"))
        say(fcntl(fd, F_SETLKW, &lock));
    else if (is(how, "ofd"))
        say(fcntl(fd, F_OFD_SETLK, &lock));
    else if (is(how, "ofd-wait"))
        say(fcntl(fd, F_OFD_SETLKW, &lock));
    else if (is(how, "posix-test"))
        test(F_GETLK, &lock);
    else if (is(how, "ofd-test"))
        test(F_OFD_GETLK, &lock);
    else
        return false;
    return true;
}

static bool lock_file(const char *how, const char *type)
{
    int operation = is(type, "shared") ? LOCK_SH : is(type, "exclusive") ? LOCK_EX : LOCK_UN;
    if (is(how, "flock"))
        say(flock(fd, operation | LOCK_NB));
    else if (is(how, "flock-wait"))
        say(flock(fd, operation));
    else
        return false;
    return true;
}

static void start_child(void)
{
    pid_t child = fork();
    if (child == 0) {
        for (;;)
            pause();
    }
    printf("%d\n", (int)child);
    fflush(stdout);
}

static void set_alarm(void)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval timer = {.it_value.tv_usec = 250000};
    probe_must(sigaction(SIGALRM, &action, NULL) == 0, "sigaction");
    say(setitimer(ITIMER_REAL, &timer, NULL));
}

static void do_other(const char *what, const char *argument)
{
    if (is(what, "open"))
        say(second = open(file, O_RDONLY));
    else if (is(what, "close"))
        say(close(second));
    else if (is(what, "fork"))
        start_child();
    else if (is(what, "alarm"))
        set_alarm();
    else if (is(what, "make"))
        say(open(argument, O_WRONLY | O_CREAT, 0644));
    else if (is(what, "put"))
        say((int)pwrite(fd, argument, strlen(argument), 0));
    else
        probe_fail("'%s' is nothing that it does", what);
}

int probe_locks(int argc, char **argv)
{
    char line[200], what[40], argument[100];
    (void)argc;
    file = argv[0];
    probe_must((fd = open(file, O_RDWR | O_CREAT, 0644)) >= 0, file);
    while (fgets(line, sizeof line, stdin)) {
        long long start = 0, length = 0;
        argument[0] = 0;
        probe_must(sscanf(line, "%39s %99s %lld %lld", what, argument, &start, &length) >= 1, line);
        if (!lock_range(what, argument, start, length) && !lock_file(what, argument))
            do_other(what, argument);
    }
    return 0;
}

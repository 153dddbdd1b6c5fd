#include "mount/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int probe_append(int argc, char **argv)
{
    (void)argc;
    char line[200];
    unsigned count = probe_number(argv[2]);
    int fd = open(argv[0], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    probe_must(fd >= 0, argv[0]);
    for (unsigned i = 0; i < count; i++) {
        int n = snprintf(line, sizeof line, "%s %u %0*d\n", argv[1], i, (int)(i % 97) + 1, 0);
        probe_must(write(fd, line, (size_t)n) == n, "append");
    }
    probe_must(close(fd) == 0, "close");
    return 0;
}

/* -- two mounts ------------------------------------------------------------------------------ */

static int open_file(const char *directory, const char *name)
{
    const char *path = probe_path(directory, name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    probe_must(fd >= 0, path);
    return fd;
}

static void check_number(int fd, unsigned wanted, const char *where)
{
    char text[16] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    probe_must(n >= 0, "read");
    if (n != 8 || probe_number(text) != wanted)
        probe_fail("%s shows '%s' after %08u was written", where, text, wanted);
}

/* Every write is visible to a read, a stat and a look-up by the other that begin after it. */
int probe_ping_pong(int argc, char **argv)
{
    (void)argc;
    const char *dirs[2] = {argv[0], argv[1]};
    int fds[2] = {open_file(argv[0], "ping"), open_file(argv[1], "ping")};
    unsigned rounds = probe_number(argv[2]);
    char text[32];
    for (unsigned i = 0; i < rounds; i++) {
        int writer = (int)(i % 2), reader = 1 - writer;
        struct stat st;
        snprintf(text, sizeof text, "%08u", i);
        probe_must(pwrite(fds[writer], text, 8, 0) == 8, "write");
        check_number(fds[reader], i, dirs[reader]);
        snprintf(text, sizeof text, "ball%u", i);
        probe_must(close(open_file(dirs[writer], text)) == 0, "create");
        probe_must(stat(probe_path(dirs[reader], text), &st) == 0, "stat of what was made");
        probe_must(truncate(probe_path(dirs[reader], text), 10 + i) == 0, "truncate");
        probe_must(stat(probe_path(dirs[writer], text), &st) == 0, "stat");
        if (st.st_size != (off_t)(10 + i))
            probe_fail("the size is %lld, not %u", (long long)st.st_size, 10 + i);
        probe_must(unlink(probe_path(dirs[reader], text)) == 0, "unlink");
        if (stat(probe_path(dirs[writer], text), &st) == 0 || errno != ENOENT)
            probe_fail("what was removed is still there");
    }
    return 0;
}

struct racer {
    const char *directory;
    unsigned rounds;
    pthread_barrier_t *barrier;
    atomic_uint *won;
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    for (unsigned i = 0; i < racer->rounds; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/race%u", racer->directory, i);
        pthread_barrier_wait(racer->barrier);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd >= 0) {
            atomic_fetch_add(&racer->won[i], 1);
            close(fd);
        } else if (errno != EEXIST) {
            probe_fail("%s: %s", path, strerror(errno));
        }
    }
    return NULL;
}

int probe_excl_race(int argc, char **argv)
{
    (void)argc;
    unsigned rounds = probe_number(argv[2]);
    pthread_barrier_t barrier;
    pthread_t threads[4];
    struct racer racers[4];
    atomic_uint *won = calloc(rounds, sizeof *won);
    probe_must(won != NULL && pthread_barrier_init(&barrier, NULL, 4) == 0, "barrier");
    for (size_t i = 0; i < 4; i++) {
        racers[i] = (struct racer){argv[i % 2], rounds, &barrier, won};
        probe_must(pthread_create(&threads[i], NULL, race, &racers[i]) == 0, "thread");
    }
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < rounds; i++) {
        if (won[i] != 1)
            probe_fail("race %u was won %u times", i, won[i]);
    }
    free(won);
    return 0;
}

/* -- links ----------------------------------------------------------------------------------- */

struct linker {
    const char *file;
    unsigned number, rounds;
};

/* `file` is there all the time, so that each link succeeds. */
static void *link_and_unlink(void *arg)
{
    const struct linker *linker = arg;
    char name[4096];
    snprintf(name, sizeof name, "%s.%u", linker->file, linker->number);
    for (unsigned i = 0; i < linker->rounds; i++) {
        probe_must(link(linker->file, name) == 0, "link");
        probe_must(unlink(name) == 0, "unlink");
    }
    return NULL;
}

int probe_link_race(int argc, char **argv)
{
    (void)argc;
    enum { LINKERS = 2 };
    unsigned rounds = probe_number(argv[1]);
    pthread_t threads[LINKERS];
    struct linker linkers[LINKERS];
    struct stat stat_now;
    for (unsigned i = 0; i < LINKERS; i++) {
        linkers[i] = (struct linker){argv[0], i, rounds};
        probe_must(pthread_create(&threads[i], NULL, link_and_unlink, &linkers[i]) == 0, "thread");
    }
    for (unsigned i = 0; i < 3 * rounds; i++) {
        probe_must(stat(argv[0], &stat_now) == 0, "stat");
        if (stat_now.st_nlink < 1 || stat_now.st_nlink > 1 + LINKERS)
            probe_fail("%u links of 1 to %u", (unsigned)stat_now.st_nlink, 1 + LINKERS);
    }
    for (unsigned i = 0; i < LINKERS; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

/* -- mappings -------------------------------------------------------------------------------- */

/* The child answers each odd number with the next even one. */
static void map_child(atomic_uint *shared, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        while (atomic_load(shared) != 2 * i + 1)
            usleep(10);
        atomic_store(shared, 2 * i + 2);
    }
    _exit(0);
}

int probe_map(int argc, char **argv)
{
    (void)argc;
    const size_t bytes = 3u << 20, at = (1u << 20) + 4096;
    const unsigned rounds = 200;
    int fd = open(argv[0], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), status;
    probe_must(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0, argv[0]);
    uint8_t *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    probe_must(map != MAP_FAILED, "mmap");
    atomic_uint *shared = (atomic_uint *)(void *)(map + at);
    pid_t child = fork();
    if (child == 0)
        map_child(shared, rounds);
    for (unsigned i = 0; i < rounds; i++) {
        atomic_store(shared, 2 * i + 1);
        while (atomic_load(shared) != 2 * i + 2)
            usleep(10);
    }
    probe_must(waitpid(child, &status, 0) == child && status == 0, "the other process");
    uint32_t seen = 0;
    probe_must(msync(map, bytes, MS_SYNC) == 0, "msync");
    probe_must(pread(fd, &seen, sizeof seen, (off_t)at) == sizeof seen, "read");
    if (seen != 2 * rounds)
        probe_fail("read gives %u after msync of %u", seen, 2 * rounds);
    probe_must(munmap(map, bytes) == 0 && close(fd) == 0, "close");
    return 0;
}

/* -- a file that was replaced ---------------------------------------------------------------- */

/* Its descriptor goes on without a name, and never shows or changes the file that took its name. */
int probe_replaced(int argc, char **argv)
{
    (void)argc;
    char byte;
    struct stat st;
    int old = open_file(argv[0], "old"), fresh = open_file(argv[0], "new");
    probe_must(write(old, "old", 3) == 3 && write(fresh, "fresh", 5) == 5, "write");
    probe_must(fstat(old, &st) == 0, "fstat");
    ino_t ino = st.st_ino;
    probe_must(rename(probe_path(argv[0], "new"), probe_path(argv[0], "old")) == 0, "rename");
    probe_must(pread(old, &byte, 1, 0) == 1 && byte == 'o', "read");
    probe_must(pwrite(old, "x", 1, 6) == 1 && ftruncate(old, 9) == 0, "write");
    probe_must(fstat(old, &st) == 0, "fstat of the file that was replaced");
    if (st.st_size != 9 || st.st_nlink != 0 || st.st_ino != ino)
        probe_fail("the file that was replaced is not what it was");
    probe_must(fstat(fresh, &st) == 0, "fstat of the file that was renamed");
    if (st.st_size != 5 || pread(fresh, &byte, 1, 0) != 1 || byte != 'f')
        probe_fail("the file that was renamed is not what it was");
    probe_must(close(old) == 0 && close(fresh) == 0, "close");
    return 0;
}

/* -- times ----------------------------------------------------------------------------------- */

static void set_times(const char *path, struct timespec atime, struct timespec mtime)
{
    struct timespec times[2] = {atime, mtime};
    probe_must(utimensat(AT_FDCWD, path, times, 0) == 0, "utimensat");
}

static void check_time(struct timespec got, struct timespec wanted, const char *what)
{
    if (got.tv_sec != wanted.tv_sec || got.tv_nsec != wanted.tv_nsec)
        probe_fail("%s is %lld.%09ld, should be %lld.%09ld", what, (long long)got.tv_sec,
                   got.tv_nsec, (long long)wanted.tv_sec, wanted.tv_nsec);
}

static void check_times(const char *path, struct timespec atime, struct timespec mtime)
{
    struct stat st;
    probe_must(stat(path, &st) == 0, "stat");
    check_time(st.st_atim, atime, "atime");
    check_time(st.st_mtim, mtime, "mtime");
}

static bool before(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

int probe_times(int argc, char **argv)
{
    (void)argc;
    const char *path = argv[0];
    static const struct timespec moments[] = {
        {0, 0}, {0, 1}, {-1, 999999999}, {-86400, 0}, {2147483648, 1}, {4102444800, 123456789}};
    const size_t count = sizeof moments / sizeof moments[0];
    const struct timespec omit = {.tv_nsec = UTIME_OMIT}, now = {.tv_nsec = UTIME_NOW};
    struct stat st, later;
    for (size_t i = 0; i < count; i++) {
        struct timespec atime = moments[i], mtime = moments[(i + 1) % count];
        set_times(path, atime, mtime);
        check_times(path, atime, mtime);
        set_times(path, omit, atime);
        check_times(path, atime, atime);
        set_times(path, mtime, omit);
        check_times(path, mtime, atime);
    }
    set_times(path, now, now);
    probe_must(stat(path, &st) == 0, "stat");
    set_times(path, omit, omit);
    probe_must(stat(path, &later) == 0, "stat");
    check_time(later.st_mtim, st.st_mtim, "mtime");
    if (before(later.st_ctim, st.st_ctim))
        probe_fail("ctime goes backwards");
    return 0;
}

/* -- many requests at once ------------------------------------------------------------------- */

struct worker {
    const char *directory;
    unsigned number;
};

static void *work(void *arg)
{
    const struct worker *worker = arg;
    char path[4096], bytes[5000], back[5000];
    snprintf(path, sizeof path, "%s/many%u", worker->directory, worker->number);
    memset(bytes, (int)('a' + worker->number % 26), sizeof bytes);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    probe_must(fd >= 0, path);
    for (off_t i = 0; i < 5; i++) {
        off_t at = i * (off_t)sizeof bytes;
        probe_must(pwrite(fd, bytes, sizeof bytes, at) == sizeof bytes, "write");
        probe_must(pread(fd, back, sizeof back, at) == sizeof back, "read");
        if (memcmp(bytes, back, sizeof bytes) != 0)
            probe_fail("%s shows other bytes than were written", path);
    }
    probe_must(close(fd) == 0 && unlink(path) == 0, "unlink");
    return NULL;
}

int probe_many(int argc, char **argv)
{
    (void)argc;
    unsigned count = probe_number(argv[1]);
    pthread_t *threads = calloc(count, sizeof *threads);
    struct worker *workers = calloc(count, sizeof *workers);
    pthread_attr_t small;
    probe_must(threads && workers && pthread_attr_init(&small) == 0, "threads");
    probe_must(pthread_attr_setstacksize(&small, 256u << 10) == 0, "stack size");
    for (unsigned i = 0; i < count; i++) {
        workers[i] = (struct worker){argv[0], i};
        probe_must(pthread_create(&threads[i], &small, work, &workers[i]) == 0, "thread");
    }
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    free(workers);
    return 0;
}

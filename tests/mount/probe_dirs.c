#include "mount/probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *name_of(unsigned number)
{
    static char name[64];
    snprintf(name, sizeof name, "a name that is not too short %06u", number);
    return name;
}

int probe_fill(int argc, char **argv)
{
    (void)argc;
    unsigned count = probe_number(argv[1]);
    for (unsigned i = 0; i < count; i++) {
        const char *path = probe_path(argv[0], name_of(i));
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        probe_must(fd >= 0 && close(fd) == 0, path);
    }
    return 0;
}

static DIR *open_dir(const char *path)
{
    DIR *dir = opendir(path);
    probe_must(dir != NULL, path);
    return dir;
}

/* The next name that is none of the dots; NULL at the end. */
static const char *next_name(DIR *dir)
{
    const struct dirent *entry;
    do {
        errno = 0;
        entry = readdir(dir);
        probe_must(entry != NULL || errno == 0, "readdir");
    } while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    return entry ? entry->d_name : NULL;
}

int probe_dots(int argc, char **argv)
{
    (void)argc;
    DIR *dir = open_dir(argv[0]);
    const struct dirent *entry;
    do {
        entry = readdir(dir);
        probe_must(entry != NULL, "a listing has ..");
    } while (strcmp(entry->d_name, "..") != 0);
    printf("%llu\n", (unsigned long long)entry->d_ino);
    closedir(dir);
    return 0;
}

int probe_drain(int argc, char **argv)
{
    (void)argc;
    DIR *dir = open_dir(argv[0]);
    for (const char *name = next_name(dir); name; name = next_name(dir))
        probe_must(unlinkat(dirfd(dir), name, 0) == 0, name);
    closedir(dir);
    dir = open_dir(argv[0]);
    const char *left = next_name(dir);
    if (left)
        probe_fail("'%s' was passed over", left);
    closedir(dir);
    return 0;
}

/* -- seeking --------------------------------------------------------------------------------- */

struct listing {
    char **names;
    long *behind; /* telldir after each */
    size_t count;
};

static struct listing read_all(DIR *dir)
{
    struct listing all = {NULL, NULL, 0};
    for (const char *name = next_name(dir); name; name = next_name(dir)) {
        all.names = realloc(all.names, (all.count + 1) * sizeof *all.names);
        all.behind = realloc(all.behind, (all.count + 1) * sizeof *all.behind);
        probe_must(all.names && all.behind, "memory");
        all.names[all.count] = strdup(name);
        all.behind[all.count++] = telldir(dir);
    }
    return all;
}

static void listing_free(struct listing *all)
{
    for (size_t i = 0; i < all->count; i++)
        free(all->names[i]);
    free(all->names);
    free(all->behind);
}

static void expect_name(DIR *dir, const char *wanted)
{
    const char *name = next_name(dir);
    if (!name || !wanted ? name != wanted : strcmp(name, wanted) != 0)
        probe_fail("after a seek comes '%s', not '%s'", name ? name : "the end",
                   wanted ? wanted : "the end");
}

/* Every place is found again, from far away, and also when names before it have gone since. */
int probe_seek(int argc, char **argv)
{
    (void)argc;
    DIR *dir = open_dir(argv[0]);
    struct listing all = read_all(dir);
    if (all.count < 1500)
        probe_fail("there are only %zu names", all.count);
    for (size_t step = 0; step < all.count; step++) {
        size_t i = (step * 7919) % all.count;
        seekdir(dir, all.behind[i]);
        expect_name(dir, i + 1 < all.count ? all.names[i + 1] : NULL);
    }
    for (size_t i = 0; i < 100; i++) /* of the first page, half of what comes before number 200 */
        probe_must(unlinkat(dirfd(dir), all.names[2 * i], 0) == 0, "unlink");
    seekdir(dir, all.behind[all.count - 10]);
    expect_name(dir, all.names[all.count - 9]);
    seekdir(dir, all.behind[200]);
    expect_name(dir, all.names[201]);
    seekdir(dir, all.behind[20]); /* number 20 itself is gone */
    expect_name(dir, all.names[21]);
    expect_name(dir, all.names[23]);
    rewinddir(dir);
    struct listing again = read_all(dir);
    if (again.count != all.count - 100)
        probe_fail("%zu names after a rewind, should be %zu", again.count, all.count - 100);
    listing_free(&again);
    listing_free(&all);
    closedir(dir);
    return 0;
}

/* -- names that stay ------------------------------------------------------------------------- */

/* The number in a name that fill made; `limit` where it is none. */
static unsigned number_of(const char *name, unsigned limit)
{
    unsigned number;
    return sscanf(name, "a name that is not too short %u", &number) == 1 ? number : limit;
}

#define NUMBERS_MAX 100000u

/* What fill made is in each listing once, whatever else comes and goes. */
static unsigned count_made(const char *path)
{
    DIR *dir = open_dir(path);
    bool *seen = calloc(NUMBERS_MAX, sizeof *seen);
    unsigned found = 0;
    probe_must(seen != NULL, "memory");
    for (const char *name = next_name(dir); name; name = next_name(dir)) {
        unsigned number = number_of(name, NUMBERS_MAX);
        if (number >= NUMBERS_MAX)
            continue;
        if (seen[number])
            probe_fail("'%s' is listed twice", name);
        seen[number] = true;
        found++;
    }
    free(seen);
    closedir(dir);
    return found;
}

int probe_stable(int argc, char **argv)
{
    (void)argc;
    unsigned count = count_made(argv[0]);
    time_t end = time(NULL) + (time_t)probe_number(argv[1]);
    while (time(NULL) < end) {
        unsigned found = count_made(argv[0]);
        if (found != count)
            probe_fail("%u names are listed, should be %u", found, count);
    }
    return 0;
}

/* -- attributes in a listing ------------------------------------------------------------------ */

/* Grows a file in the middle of a listing, through a mapping: what the listing read before must not
 * cut it. */
static void grow_mapped(const char *path, size_t bytes)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    probe_must(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0, path);
    char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    probe_must(map != MAP_FAILED, "mmap");
    probe_must(close(fd) == 0, "close"); /* which would write what is dirty; the mapping stays */
    memset(map, 'x', bytes);
}

int probe_listed(int argc, char **argv)
{
    (void)argc;
    const size_t bytes = 8192;
    DIR *dir = open_dir(argv[0]);
    struct stat st;
    unsigned grown = 0;
    const char *first = next_name(dir);
    probe_must(first != NULL, "readdir");
    for (unsigned i = 0; i < 3000; i += 100, grown++)
        grow_mapped(probe_path(argv[0], name_of(i)), bytes);
    for (const char *name = next_name(dir); name; name = next_name(dir))
        probe_must(stat(probe_path(argv[0], name), &st) == 0, name);
    closedir(dir);
    sync();
    for (unsigned i = 0; i < 3000; i += 100) {
        char text[8192];
        const char *path = probe_path(argv[0], name_of(i));
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        probe_must(fd >= 0, path);
        ssize_t n = read(fd, text, sizeof text);
        if (n != (ssize_t)bytes || text[0] != 'x' || text[bytes - 1] != 'x')
            probe_fail("%s lost what was written to it while it was listed", path);
        close(fd);
    }
    return 0;
}

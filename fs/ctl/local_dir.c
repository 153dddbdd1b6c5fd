/* The directory of a local cluster: made, recognised, locked. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ctl/local.h"

#define LOCK_MS 300
#define LOCK_POLL_MS 10
#define NAME_ROOM 128u /* for what stands below the directory */

void local_path(char *to, const struct local *local, const char *format, ...)
{
    va_list args;
    int at = snprintf(to, LOCAL_PATH_MAX, "%s/", local->dir);
    va_start(args, format);
    int more = vsnprintf(to + at, LOCAL_PATH_MAX - (size_t)at, format, args);
    va_end(args);
    sf_assert(more >= 0 && (size_t)(at + more) < LOCAL_PATH_MAX);
}

bool local_has_cluster(const struct local *local)
{
    char path[LOCAL_PATH_MAX];
    local_path(path, local, "cluster");
    return access(path, F_OK) == 0;
}

void local_deinit(struct local *local)
{
    for (size_t i = 0; i < local->group_count; i++)
        free(local->groups[i].addresses);
    if (local->lock >= 0)
        close(local->lock);
}

/* -- making -------------------------------------------------------------------------------- */

static int make_dir(const char *path)
{
    if (mkdir(path, 0755) == 0 || errno == EEXIST)
        return 0;
    return fail("%s: %s", path, strerror(errno));
}

/* With its parents. */
static int make_dirs(const char *path)
{
    char part[LOCAL_PATH_MAX];
    int exit_status = 0;
    strcpy(part, path); /* check_new_path: it fits */
    for (char *p = part + 1; *p && exit_status == 0; p++) {
        if (*p != '/')
            continue;
        *p = 0;
        exit_status = make_dir(part);
        *p = '/';
    }
    return exit_status == 0 ? make_dir(part) : exit_status;
}

/* What an interrupted `up` leaves, and a mount point. */
static bool is_known_name(const char *name)
{
    static const char *const names[] = {".", "..", "run", "log", "mnt", "cluster.new", "env"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

static int check_foreign(const struct local *local)
{
    DIR *dir = opendir(local->dir);
    if (!dir)
        return fail("%s: %s", local->dir, strerror(errno));
    int exit_status = 0;
    for (const struct dirent *e = readdir(dir); e && exit_status == 0; e = readdir(dir)) {
        if (!is_known_name(e->d_name))
            exit_status = fail("%s is not empty (%s is in it) and holds no cluster: name a "
                               "directory of the cluster's own",
                               local->dir, e->d_name);
    }
    closedir(dir);
    return exit_status;
}

/* -- opening ------------------------------------------------------------------------------- */

static int find_programs(struct local *local)
{
    ssize_t n = readlink("/proc/self/exe", local->programs, sizeof local->programs - 1);
    if (n < 0)
        return fail("/proc/self/exe: %s", strerror(errno));
    local->programs[n] = 0;
    char *slash = strrchr(local->programs, '/');
    if (slash)
        *slash = 0;
    return 0;
}

/* The path goes into DIR/env, for a shell to read. */
static bool is_plain(const char *path)
{
    for (const char *p = path; *p; p++) {
        if (*p == '\'' || (unsigned char)*p < 0x20)
            return false;
    }
    return true;
}

static int check_path(const char *path)
{
    if (strlen(path) + NAME_ROOM < sizeof((struct local *)0)->dir && is_plain(path))
        return 0;
    return fail_usage("%s: this path is too long, or has a ' or a control character in it", path);
}

/* What can be said of it before it is made. */
static int check_new_path(const char *dir)
{
    char path[2 * LOCAL_PATH_MAX];
    int at = 0;
    if (dir[0] != '/') {
        if (!getcwd(path, LOCAL_PATH_MAX))
            return fail("the working directory: %s", strerror(errno));
        at = (int)strlen(path);
    }
    snprintf(path + at, sizeof path - (size_t)at, "%s%s", at > 0 ? "/" : "", dir);
    return check_path(path);
}

static int resolve(struct local *local, const char *dir)
{
    char real[LOCAL_PATH_MAX];
    memset(local, 0, sizeof *local);
    local->lock = -1;
    if (!realpath(dir, real))
        return fail("%s: %s", dir, strerror(errno));
    int exit_status = check_path(real);
    if (exit_status != 0)
        return exit_status;
    strcpy(local->dir, real);
    return find_programs(local);
}

static int lock_dir(struct local *local)
{
    char path[LOCAL_PATH_MAX];
    local_path(path, local, "run");
    int exit_status = make_dir(path);
    local_path(path, local, "log");
    if (exit_status == 0)
        exit_status = make_dir(path);
    if (exit_status != 0)
        return exit_status;
    local_path(path, local, "run/lock");
    local->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (local->lock < 0)
        return fail("%s: %s", path, strerror(errno));
    /* A child of one that was killed may hold it until it has become a server. */
    for (long waited = 0; waited <= LOCK_MS; waited += LOCK_POLL_MS) {
        struct timespec pause = {.tv_nsec = LOCK_POLL_MS * 1000000};
        if (flock(local->lock, LOCK_EX | LOCK_NB) == 0)
            return 0;
        nanosleep(&pause, NULL);
    }
    return fail("another 'shardctl up' or 'down' works in %s just now", local->dir);
}

int local_open_new(struct local *local, const char *dir)
{
    *local = (struct local){.lock = -1};
    int exit_status = check_new_path(dir);
    if (exit_status == 0)
        exit_status = make_dirs(dir);
    if (exit_status == 0)
        exit_status = resolve(local, dir);
    if (exit_status == 0 && !local_has_cluster(local))
        exit_status = check_foreign(local);
    return exit_status == 0 ? lock_dir(local) : exit_status;
}

int local_open_old(struct local *local, const char *dir)
{
    int exit_status = resolve(local, dir);
    if (exit_status == 0 && !local_has_cluster(local))
        exit_status = fail("there is no cluster in %s", local->dir);
    return exit_status == 0 ? lock_dir(local) : exit_status;
}

/* Files of the real machine: plain system calls on the loop thread. A sync blocks it too (a wake-up
 * across CPUs costs more than a fast disk's sync) and completes in a task of the same turn. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "env/memory.h"
#include "env/uv_process.h"

#define FILE_MODE 0600
#define DIR_MODE 0700

struct env_file {
    struct env *env;
    int fd;
    struct env_sync *done, *done_last; /* syncs whose owners have to be told */
    struct env_task telling;
    bool is_telling; /* the task runs */
    bool closed;     /* by its owner; freed by the task, where that is queued or runs */
};

struct env_lock {
    struct env *env;
    int fd;
};

/* -- files --------------------------------------------------------------------------------- */

/* What an owner syncs from within on_done is told in the next round of the turn. */
static void tell(struct env_task *task)
{
    struct env_file *file = container_of(task, struct env_file, telling);
    struct env_sync *done = file->done;
    file->done = NULL;
    file->is_telling = true;
    while (!file->closed && done != NULL) {
        struct env_sync *sync = done;
        done = sync->next;
        sync->on_done(sync, sync->status);
    }
    file->is_telling = false;
    if (file->closed && !task->queued)
        free(file);
}

static int open_flags(unsigned flags)
{
    int mode = (flags & ENV_FILE_READ_ONLY) != 0 ? O_RDONLY : O_RDWR;
    if ((flags & ENV_FILE_CREATE) != 0)
        mode |= O_CREAT;
    if ((flags & ENV_FILE_EXCLUSIVE) != 0)
        mode |= O_EXCL;
    return mode | O_CLOEXEC;
}

static int file_open(struct env *env, const char *path, unsigned flags, struct env_file **out)
{
    int fd = open(path, open_flags(flags), FILE_MODE);
    if (fd < 0)
        return uv_error_errno();
    struct env_file *file = sf_calloc(1, sizeof *file);
    file->env = env;
    file->fd = fd;
    file->telling.run = tell;
    *out = file;
    return SF_OK;
}

static void file_close(struct env_file *file)
{
    close(file->fd);
    file->closed = true;
    if (!file->telling.queued && !file->is_telling)
        free(file);
}

static int file_size(struct env_file *file, uint64_t *bytes)
{
    struct stat status;
    if (fstat(file->fd, &status) != 0)
        return uv_error_errno();
    *bytes = (uint64_t)status.st_size;
    return SF_OK;
}

static int file_read(struct env_file *file, uint64_t offset, void *to, size_t n, size_t *got)
{
    size_t done = 0;
    while (done < n) {
        ssize_t r = pread(file->fd, (char *)to + done, n - done, (off_t)(offset + done));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return uv_error_errno();
        if (r == 0)
            break;
        done += (size_t)r;
    }
    *got = done;
    return SF_OK;
}

static int file_write(struct env_file *file, uint64_t offset, const void *from, size_t n)
{
    size_t done = 0;
    while (done < n) {
        ssize_t r = pwrite(file->fd, (const char *)from + done, n - done, (off_t)(offset + done));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return uv_error_errno();
        done += (size_t)r;
    }
    return SF_OK;
}

static int file_truncate(struct env_file *file, uint64_t bytes)
{
    return ftruncate(file->fd, (off_t)bytes) == 0 ? SF_OK : uv_error_errno();
}

/* Whatever the reason: what was to be durable is not, and nothing can be known of it any more. */
static int file_sync_now(struct env_file *file)
{
    return fdatasync(file->fd) == 0 ? SF_OK : SF_IO;
}

static void file_sync(struct env_file *file, struct env_sync *sync)
{
    sync->status = file_sync_now(file);
    sync->next = NULL;
    if (file->done == NULL)
        file->done = sync;
    else
        file->done_last->next = sync;
    file->done_last = sync;
    env_defer(file->env, &file->telling);
}

/* -- directories --------------------------------------------------------------------------- */

static int dir_sync(struct env *env, const char *path)
{
    (void)env;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return uv_error_errno();
    int status = fsync(fd) == 0 ? SF_OK : SF_IO;
    close(fd);
    return status;
}

/* Syncs the directory that holds `path`. */
static int sync_parent(struct env *env, const char *path)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - path);
    if (slash == NULL)
        return dir_sync(env, ".");
    if (n == 0)
        return dir_sync(env, "/");
    memcpy(parent, path, n);
    parent[n] = 0;
    return dir_sync(env, parent);
}

static int make_one(struct env *env, const char *path)
{
    struct stat status;
    if (mkdir(path, DIR_MODE) == 0)
        return sync_parent(env, path);
    int error = uv_error_errno();
    if (error != SF_EXISTS)
        return error;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode) ? SF_OK : SF_EXISTS;
}

static int dir_create(struct env *env, const char *path)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n == 0 || n >= sizeof part)
        return SF_INVALID;
    memcpy(part, path, n);
    part[n] = 0;
    for (size_t i = 1; i < n; i++) {
        if (part[i] != '/' || part[i - 1] == '/')
            continue;
        part[i] = 0;
        int status = make_one(env, part);
        part[i] = '/';
        if (status != SF_OK)
            return status;
    }
    return make_one(env, part);
}

static int dir_list(struct env *env, const char *path, void (*visit)(void *ctx, const char *name),
                    void *ctx)
{
    (void)env;
    DIR *dir = opendir(path);
    if (dir == NULL)
        return uv_error_errno();
    const struct dirent *entry;
    errno = 0;
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            visit(ctx, entry->d_name);
        errno = 0;
    }
    int status = errno == 0 ? SF_OK : uv_error_errno();
    closedir(dir);
    return status;
}

static int dir_lock(struct env *env, const char *path, struct env_lock **out)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return uv_error_errno();
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int status = errno == EWOULDBLOCK ? SF_IN_USE : uv_error_errno();
        close(fd);
        return status;
    }
    struct env_lock *lock = sf_malloc(sizeof *lock);
    *lock = (struct env_lock){.env = env, .fd = fd};
    *out = lock;
    return SF_OK;
}

static void dir_unlock(struct env_lock *lock)
{
    close(lock->fd);
    free(lock);
}

static int file_rename(struct env *env, const char *from, const char *to)
{
    (void)env;
    return rename(from, to) == 0 ? SF_OK : uv_error_errno();
}

static int file_remove(struct env *env, const char *path)
{
    (void)env;
    return remove(path) == 0 ? SF_OK : uv_error_errno();
}

static int file_space(struct env *env, const char *path, uint64_t *free_bytes,
                      uint64_t *total_bytes)
{
    (void)env;
    struct statvfs status;
    if (statvfs(path, &status) != 0)
        return uv_error_errno();
    *free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
    *total_bytes = (uint64_t)status.f_blocks * status.f_frsize;
    return SF_OK;
}

void uv_file_ops(struct env_ops *ops)
{
    ops->file_open = file_open;
    ops->file_close = file_close;
    ops->file_size = file_size;
    ops->file_read = file_read;
    ops->file_write = file_write;
    ops->file_truncate = file_truncate;
    ops->file_sync = file_sync;
    ops->file_sync_now = file_sync_now;
    ops->dir_create = dir_create;
    ops->dir_list = dir_list;
    ops->dir_sync = dir_sync;
    ops->dir_lock = dir_lock;
    ops->dir_unlock = dir_unlock;
    ops->rename = file_rename;
    ops->remove = file_remove;
    ops->space = file_space;
}

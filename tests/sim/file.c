/* env's calls on files, over the volume of the process's node. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "env/memory.h"
#include "sim/world.h"

struct env_file {
    struct env *env;
    struct vfile *vfile;
    size_t refs; /* 1 while it is open, and its syncs under way */
    bool closed;
    bool read_only;
    struct env_file *prev, *next; /* in process->files while open */
};

struct env_lock {
    struct env *env;
    char *path;
    struct env_lock *prev, *next;
};

static struct volume *volume_of(struct env *env)
{
    return &process_of(env)->node->volume;
}

static bool is_dead(struct env *env)
{
    return process_of(env)->dead;
}

/* False: the process is dead. */
static bool passes(struct env *env, enum sim_point point)
{
    return !is_dead(env) && node_passes(process_of(env)->node, point);
}

/* -- files --------------------------------------------------------------------------------- */

static void file_release(struct env_file *file)
{
    if (--file->refs > 0)
        return;
    vfile_release(file->vfile);
    free(file);
}

static int file_open(struct env *env, const char *path, unsigned flags, struct env_file **out)
{
    struct vfile *vfile;
    if ((flags & ENV_FILE_CREATE) != 0 ? !passes(env, SIM_AT_NAME) : is_dead(env))
        return SF_IO;
    int status = volume_open(volume_of(env), path, flags, &vfile);
    if (status != SF_OK)
        return status;
    struct env_file *file = sf_calloc(1, sizeof *file);
    file->env = env;
    file->vfile = vfile;
    file->refs = 1;
    file->read_only = (flags & ENV_FILE_READ_ONLY) != 0;
    DL_APPEND(process_of(env)->files, file);
    *out = file;
    return SF_OK;
}

static void file_close(struct env_file *file)
{
    DL_DELETE(process_of(file->env)->files, file);
    file->closed = true;
    file_release(file);
}

static int file_size(struct env_file *file, uint64_t *bytes)
{
    if (is_dead(file->env))
        return SF_IO;
    *bytes = vfile_size(file->vfile);
    return SF_OK;
}

static int file_read(struct env_file *file, uint64_t offset, void *to, size_t n, size_t *got)
{
    if (is_dead(file->env))
        return SF_IO;
    struct process *process = process_of(file->env);
    if (process->node->rot_ppm > 0)
        vfile_rot(file->vfile, offset, n, process->node->rot_ppm, &process->sim->world);
    *got = vfile_read(file->vfile, offset, to, n);
    return SF_OK;
}

static int can_write(const struct env_file *file)
{
    if (!passes(file->env, SIM_AT_WRITE))
        return SF_IO;
    return file->read_only ? SF_PERMISSION : SF_OK;
}

static int file_write(struct env_file *file, uint64_t offset, const void *from, size_t n)
{
    int status = can_write(file);
    if (status != SF_OK)
        return status;
    return volume_write(volume_of(file->env), file->vfile, offset, slice_of(from, n),
                        &process_of(file->env)->sim->world);
}

static int file_truncate(struct env_file *file, uint64_t bytes)
{
    int status = can_write(file);
    if (status == SF_OK)
        vfile_truncate(file->vfile, bytes);
    return status;
}

/* -- syncs --------------------------------------------------------------------------------- */

struct sync_event {
    struct event event;
    struct env_file *file; /* counted */
    struct env_sync *sync; /* valid while the file is open */
    uint64_t mark;
};

static void sync_drop(struct event *event)
{
    struct sync_event *s = container_of(event, struct sync_event, event);
    file_release(s->file);
    free(s);
}

static int sync_volume(struct process *process, struct vfile *vfile, uint64_t mark)
{
    struct sim *sim = process->sim;
    struct volume *volume = &process->node->volume;
    if (random_chance_ppm(&sim->world, sim->faults.sync_fail_ppm))
        volume->fail_sync = true;
    return volume_sync(volume, vfile, mark, &sim->world);
}

static void sync_end(struct sync_event *s)
{
    struct env_file *file = s->file;
    struct process *process = process_of(file->env);
    if (!file->closed && process_enter(process)) {
        s->sync->status = sync_volume(process, file->vfile, s->mark);
        if (passes(file->env, SIM_AT_SYNCED))
            s->sync->on_done(s->sync, s->sync->status);
        process_leave(process);
    }
}

static void sync_run(struct event *event)
{
    struct sync_event *s = container_of(event, struct sync_event, event);
    const struct sim_node *node = process_of(s->file->env)->node;
    if (node->stalled_ns > node->sim->now_ns) {
        world_hold(node->sim, event, node->stalled_ns);
    } else {
        sync_end(s);
        sync_drop(event);
    }
}

static uint64_t sync_ns(struct sim *sim)
{
    const struct sim_faults *f = &sim->faults;
    uint64_t ns = random_between(&sim->world, f->sync_us_min * 1000ull, f->sync_us_max * 1000ull);
    if (random_chance(&sim->world, f->stall))
        ns += random_between(&sim->world, 0, f->stall_us_max * 1000ull);
    return ns;
}

static void file_sync(struct env_file *file, struct env_sync *sync)
{
    struct process *process = process_of(file->env);
    if (!passes(file->env, SIM_AT_SYNC))
        return;
    struct sync_event *s = sf_malloc(sizeof *s);
    *s = (struct sync_event){
        .event = {.kind = EVENT_SYNC,
                  .node = process->node->number,
                  .run = sync_run,
                  .drop = sync_drop},
        .file = file,
        .sync = sync,
        .mark = vfile_mark(file->vfile),
    };
    file->refs++;
    world_post(process->sim, &s->event, sync_ns(process->sim));
}

static int file_sync_now(struct env_file *file)
{
    if (!passes(file->env, SIM_AT_SYNC))
        return SF_IO;
    return sync_volume(process_of(file->env), file->vfile, vfile_mark(file->vfile));
}

/* -- directories --------------------------------------------------------------------------- */

static int file_dir_create(struct env *env, const char *path)
{
    return is_dead(env) ? SF_IO : volume_dir_create(volume_of(env), path);
}

static int file_dir_list(struct env *env, const char *path,
                         void (*visit)(void *ctx, const char *name), void *ctx)
{
    if (is_dead(env))
        return SF_IO;
    return volume_dir_list(volume_of(env), path, visit, ctx, &process_of(env)->sim->world);
}

static int file_dir_sync(struct env *env, const char *path)
{
    return is_dead(env) ? SF_IO : volume_dir_sync(volume_of(env), path);
}

static int file_dir_lock(struct env *env, const char *path, struct env_lock **out)
{
    struct process *process = process_of(env);
    struct env_lock *lock;
    if (process->dead)
        return SF_IO;
    if (!volume_dir_exists(volume_of(env), path))
        return SF_NOT_FOUND;
    DL_FOREACH(process->locks, lock)
    {
        if (strcmp(lock->path, path) == 0)
            return SF_IN_USE;
    }
    lock = sf_calloc(1, sizeof *lock);
    lock->env = env;
    lock->path = sf_strdup(path);
    DL_APPEND(process->locks, lock);
    *out = lock;
    return SF_OK;
}

static void file_dir_unlock(struct env_lock *lock)
{
    DL_DELETE(process_of(lock->env)->locks, lock);
    free(lock->path);
    free(lock);
}

static int file_rename(struct env *env, const char *from, const char *to)
{
    return !passes(env, SIM_AT_NAME) ? SF_IO : volume_rename(volume_of(env), from, to);
}

static int file_remove(struct env *env, const char *path)
{
    return !passes(env, SIM_AT_NAME) ? SF_IO : volume_remove(volume_of(env), path);
}

static int file_space(struct env *env, const char *path, uint64_t *free_bytes,
                      uint64_t *total_bytes)
{
    const struct volume *volume = volume_of(env);
    if (is_dead(env))
        return SF_IO;
    if (!volume_dir_exists(volume, path))
        return SF_NOT_FOUND;
    uint64_t used = volume_used_bytes(volume);
    *total_bytes = VOLUME_BYTES;
    *free_bytes = volume->full || used > VOLUME_BYTES ? 0 : VOLUME_BYTES - used;
    return SF_OK;
}

/* -- the end of a process ------------------------------------------------------------------ */

void file_process_buried(struct process *process)
{
    while (process->files != NULL)
        file_close(process->files);
    while (process->locks != NULL)
        file_dir_unlock(process->locks);
}

void file_ops(struct env_ops *ops)
{
    ops->file_open = file_open;
    ops->file_close = file_close;
    ops->file_size = file_size;
    ops->file_read = file_read;
    ops->file_write = file_write;
    ops->file_truncate = file_truncate;
    ops->file_sync = file_sync;
    ops->file_sync_now = file_sync_now;
    ops->dir_create = file_dir_create;
    ops->dir_list = file_dir_list;
    ops->dir_sync = file_dir_sync;
    ops->dir_lock = file_dir_lock;
    ops->dir_unlock = file_dir_unlock;
    ops->rename = file_rename;
    ops->remove = file_remove;
    ops->space = file_space;
}

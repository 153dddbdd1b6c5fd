#include "wal_rig.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <utlist.h>

#include "env/log.h"
#include "env/memory.h"

#define SYNC_NS_MAX (8 * ENV_MS_NS)

static char answer[1 << 16];

struct env_file {
    struct rig *rig;
    struct vfile *vfile;
};

/* A sync that was asked for, until it is done or its file is closed. */
struct rig_sync {
    struct env_sync *sync;
    struct env_file *file;
    uint64_t mark;
    uint64_t due_ns;
    struct rig_sync *prev, *next;
};

static struct rig *rig_of(struct env *env)
{
    return container_of(env, struct rig, env);
}

/* The disk is about to change. False: the power is gone. */
static bool change(struct rig *rig)
{
    if (!rig->dead && rig->changes_left == 0)
        rig->dead = true;
    if (rig->dead)
        return false;
    if (rig->changes_left != RIG_NEVER)
        rig->changes_left--;
    rig->changes++;
    return true;
}

/* -- the env ------------------------------------------------------------------------------- */

static uint64_t rig_now_ns(struct env *env)
{
    return rig_of(env)->now_ns;
}

static uint64_t rig_random(struct env *env)
{
    return random_next(&rig_of(env)->random);
}

static void rig_timer_arm(struct env *env, struct env_timer *timer)
{
    timer_heap_remove(&rig_of(env)->timers, timer);
    timer->sequence = rig_of(env)->sequence++;
    timer_heap_insert(&rig_of(env)->timers, timer);
}

static void rig_timer_stop(struct env *env, struct env_timer *timer)
{
    timer_heap_remove(&rig_of(env)->timers, timer);
}

static void rig_fatal(struct env *env, const char *why)
{
    struct rig *rig = rig_of(env);
    rig->dead = true;
    free(rig->fatal);
    rig->fatal = sf_strdup(why);
}

static int rig_file_open(struct env *env, const char *path, unsigned flags, struct env_file **out)
{
    struct rig *rig = rig_of(env);
    struct vfile *vfile;
    if ((flags & ENV_FILE_CREATE) != 0 ? !change(rig) : rig->dead)
        return SF_IO;
    int status = volume_open(&rig->volume, path, flags, &vfile);
    if (status != SF_OK)
        return status;
    struct env_file *file = sf_malloc(sizeof *file);
    *file = (struct env_file){.rig = rig, .vfile = vfile};
    *out = file;
    return SF_OK;
}

static void sync_free(struct rig *rig, struct rig_sync *sync)
{
    DL_DELETE(rig->syncs, sync);
    free(sync);
}

static void rig_file_close(struct env_file *file)
{
    struct rig_sync *sync, *next;
    DL_FOREACH_SAFE(file->rig->syncs, sync, next)
    {
        if (sync->file == file)
            sync_free(file->rig, sync);
    }
    vfile_release(file->vfile);
    free(file);
}

static int rig_file_size(struct env_file *file, uint64_t *bytes)
{
    *bytes = vfile_size(file->vfile);
    return file->rig->dead ? SF_IO : SF_OK;
}

static int rig_file_read(struct env_file *file, uint64_t offset, void *to, size_t n, size_t *got)
{
    struct rig *rig = file->rig;
    vfile_rot(file->vfile, offset, n, rig->rot_ppm, &rig->random);
    *got = vfile_read(file->vfile, offset, to, n);
    return rig->dead ? SF_IO : SF_OK;
}

static int rig_file_write(struct env_file *file, uint64_t offset, const void *from, size_t n)
{
    if (!change(file->rig))
        return SF_IO;
    return volume_write(&file->rig->volume, file->vfile, offset, slice_of(from, n),
                        &file->rig->random);
}

static int rig_file_truncate(struct env_file *file, uint64_t bytes)
{
    if (!change(file->rig))
        return SF_IO;
    vfile_truncate(file->vfile, bytes);
    return SF_OK;
}

static void rig_file_sync(struct env_file *file, struct env_sync *sync)
{
    struct rig_sync *asked = sf_calloc(1, sizeof *asked);
    asked->sync = sync;
    asked->file = file;
    asked->mark = vfile_mark(file->vfile);
    asked->due_ns = file->rig->now_ns + random_below(&file->rig->random, SYNC_NS_MAX);
    DL_APPEND(file->rig->syncs, asked);
}

static int sync_volume(struct rig *rig, struct vfile *vfile, uint64_t mark)
{
    if (rig->syncs_left > 0 && --rig->syncs_left == 0)
        rig->volume.fail_sync = true;
    return volume_sync(&rig->volume, vfile, mark, &rig->random);
}

static int rig_file_sync_now(struct env_file *file)
{
    if (!change(file->rig))
        return SF_IO;
    return sync_volume(file->rig, file->vfile, vfile_mark(file->vfile));
}

static int rig_dir_create(struct env *env, const char *path)
{
    return change(rig_of(env)) ? volume_dir_create(&rig_of(env)->volume, path) : SF_IO;
}

static int rig_dir_list(struct env *env, const char *path,
                        void (*visit)(void *ctx, const char *name), void *ctx)
{
    struct rig *rig = rig_of(env);
    return volume_dir_list(&rig->volume, path, visit, ctx, &rig->random);
}

static int rig_dir_sync(struct env *env, const char *path)
{
    return change(rig_of(env)) ? volume_dir_sync(&rig_of(env)->volume, path) : SF_IO;
}

static int rig_rename(struct env *env, const char *from, const char *to)
{
    return change(rig_of(env)) ? volume_rename(&rig_of(env)->volume, from, to) : SF_IO;
}

static int rig_remove(struct env *env, const char *path)
{
    return change(rig_of(env)) ? volume_remove(&rig_of(env)->volume, path) : SF_IO;
}

/* What the log has no use for is not there. */
static const struct env_ops rig_ops = {
    .now_ns = rig_now_ns,
    .random = rig_random,
    .timer_arm = rig_timer_arm,
    .timer_stop = rig_timer_stop,
    .fatal = rig_fatal,
    .file_open = rig_file_open,
    .file_close = rig_file_close,
    .file_size = rig_file_size,
    .file_read = rig_file_read,
    .file_write = rig_file_write,
    .file_truncate = rig_file_truncate,
    .file_sync = rig_file_sync,
    .file_sync_now = rig_file_sync_now,
    .dir_create = rig_dir_create,
    .dir_list = rig_dir_list,
    .dir_sync = rig_dir_sync,
    .rename = rig_rename,
    .remove = rig_remove,
};

/* -- life ---------------------------------------------------------------------------------- */

/* Disks that are full or gone are what these tests are about. */
static void drop_line(enum log_level level, const char *room, const char *text)
{
    (void)level, (void)room, (void)text;
}

struct rig *rig_new(uint64_t seed)
{
    struct rig *rig = sf_calloc(1, sizeof *rig);
    rig->env.ops = &rig_ops;
    rig->env.simulated = true;
    rig->changes_left = RIG_NEVER;
    rig->options = (struct wal_options){.cluster_hash = RIG_CLUSTER, .segment_bytes = 64u << 10};
    random_init(&rig->random, seed);
    log_sink = drop_line;
    return rig;
}

void rig_free(struct rig *rig)
{
    rig_close(rig);
    timer_heap_deinit(&rig->timers);
    volume_deinit(&rig->volume);
    free(rig->fatal);
    free(rig->why);
    free(rig);
}

static void on_synced(void *ctx, uint64_t position)
{
    struct rig *rig = ctx;
    if (rig->dead)
        return; /* too late for anybody to hear of it */
    assert_true(position > rig->acked);
    rig->acked = position;
}

int rig_try_open(struct rig *rig)
{
    free(rig->why);
    rig->why = NULL;
    int status = wal_open(&rig->env, RIG_DIR, &rig->options, &rig->wal, &rig->why);
    if (status != SF_OK) {
        rig->wal = NULL;
        return status;
    }
    rig->acked = wal_synced(rig->wal);
    wal_on_synced(rig->wal, on_synced, rig);
    return SF_OK;
}

bool rig_open(struct rig *rig)
{
    int status = rig_try_open(rig);
    if (status != SF_OK && !rig->dead)
        fail_msg("%s", rig->why);
    return status == SF_OK;
}

void rig_close(struct rig *rig)
{
    wal_close(rig->wal);
    rig->wal = NULL;
    assert_null(rig->syncs);
    assert_null(timer_heap_top(&rig->timers));
}

void rig_power_cut(struct rig *rig)
{
    rig_close(rig);
    volume_power_cut(&rig->volume, &rig->random);
    rig->dead = false;
    rig->changes_left = RIG_NEVER;
}

void rig_fail_sync(struct rig *rig, uint64_t nth)
{
    rig->syncs_left = nth;
    rig->volume.fail_sync = false;
}

/* -- time ---------------------------------------------------------------------------------- */

static struct rig_sync *next_sync(const struct rig *rig)
{
    struct rig_sync *sync, *first = rig->syncs;
    DL_FOREACH(rig->syncs, sync)
    {
        if (sync->due_ns < first->due_ns)
            first = sync;
    }
    return first;
}

static void run_sync(struct rig *rig, struct rig_sync *asked)
{
    struct env_sync *sync = asked->sync;
    rig->now_ns = asked->due_ns > rig->now_ns ? asked->due_ns : rig->now_ns;
    if (!change(rig))
        return;
    int status = sync_volume(rig, asked->file->vfile, asked->mark);
    sync_free(rig, asked);
    sync->on_done(sync, status);
}

static void run_timer(struct rig *rig, struct env_timer *timer)
{
    rig->now_ns = timer->due_ns > rig->now_ns ? timer->due_ns : rig->now_ns;
    timer_heap_remove(&rig->timers, timer);
    timer->on_fire(timer);
}

/* Runs what is due first. False: nothing is due by then, or the process is dead. */
static bool run_next(struct rig *rig, uint64_t until_ns)
{
    struct rig_sync *sync = next_sync(rig);
    struct env_timer *timer = timer_heap_top(&rig->timers);
    if (rig->dead)
        return false;
    if (sync != NULL && sync->due_ns <= until_ns &&
        (timer == NULL || sync->due_ns <= timer->due_ns)) {
        run_sync(rig, sync);
        return true;
    }
    if (timer == NULL || timer->due_ns > until_ns)
        return false;
    run_timer(rig, timer);
    return true;
}

void rig_run_ms(struct rig *rig, uint64_t ms)
{
    uint64_t until_ns = rig->now_ns + ms * ENV_MS_NS;
    while (run_next(rig, until_ns))
        ;
    rig->now_ns = until_ns > rig->now_ns ? until_ns : rig->now_ns;
}

bool rig_commit(struct rig *rig)
{
    uint64_t position = wal_position(rig->wal);
    wal_commit(rig->wal);
    while (rig->acked < position && run_next(rig, UINT64_MAX))
        ;
    return !rig->dead && rig->acked >= position;
}

/* -- entries ------------------------------------------------------------------------------- */

void rig_append(struct rig *rig, uint64_t key, uint64_t index, uint64_t term, const char *text)
{
    struct entry entry = {.index = index, .term = term, .payload = payload_new(slice_str(text))};
    wal_append(rig->wal, key, &entry);
    payload_unref(entry.payload);
}

void rig_append_bytes(struct rig *rig, uint64_t key, uint64_t index, uint64_t term, size_t bytes)
{
    struct entry entry = {.index = index, .term = term, .payload = payload_alloc(bytes)};
    memset(entry.payload->data, (int)('a' + index % 26), bytes);
    wal_append(rig->wal, key, &entry);
    payload_unref(entry.payload);
}

const char *rig_restored(struct rig *rig, uint64_t key)
{
    const struct wal_restored *r = wal_restored(rig->wal, key);
    if (r == NULL)
        return "nothing";
    size_t n =
        (size_t)snprintf(answer, sizeof answer, "%" PRIu64 "/%u %" PRIu64 ":%" PRIu64,
                         r->hard_state.term, r->hard_state.vote, r->base_index, r->base_term);
    for (size_t i = 0; i < r->entry_count && n < sizeof answer; i++) {
        struct slice body = payload_slice(r->entries[i].payload);
        n += (size_t)snprintf(answer + n, sizeof answer - n, " %" PRIu64 ":%" PRIu64 "=%.*s",
                              r->entries[i].index, r->entries[i].term, (int)body.n,
                              (const char *)body.p);
    }
    return answer;
}

/* -- files --------------------------------------------------------------------------------- */

#define NAMES_MAX 256u

struct names {
    char *list[NAMES_MAX];
    size_t count;
};

static void add_name(void *ctx, const char *name)
{
    struct names *names = ctx;
    assert_true(names->count < NAMES_MAX);
    names->list[names->count++] = sf_strdup(name);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

const char *rig_files(struct rig *rig)
{
    struct names names = {.count = 0};
    size_t n = 0;
    assert_int_equal(volume_dir_list(&rig->volume, RIG_DIR, add_name, &names, &rig->random), SF_OK);
    qsort(names.list, names.count, sizeof *names.list, by_text);
    answer[0] = 0;
    for (size_t i = 0; i < names.count; i++) {
        n += (size_t)snprintf(answer + n, sizeof answer - n, "%s%s", i == 0 ? "" : " ",
                              names.list[i]);
        free(names.list[i]);
    }
    return answer;
}

size_t rig_count(struct rig *rig, const char *prefix)
{
    size_t count = 0;
    const char *files = rig_files(rig);
    for (const char *at = strstr(files, prefix); at != NULL; at = strstr(at + 1, prefix))
        count++;
    return count;
}

static struct vfile *open_file(struct rig *rig, const char *name)
{
    char path[256];
    struct vfile *file;
    snprintf(path, sizeof path, "%s/%s", RIG_DIR, name);
    assert_int_equal(volume_open(&rig->volume, path, ENV_FILE_CREATE, &file), SF_OK);
    return file;
}

void rig_read(struct rig *rig, const char *name, struct buffer *to)
{
    struct vfile *file = open_file(rig, name);
    size_t n = (size_t)vfile_size(file);
    buffer_clear(to);
    assert_int_equal(vfile_read(file, 0, buffer_grow(to, n), n), n);
    vfile_release(file);
}

void rig_write(struct rig *rig, const char *name, struct slice bytes)
{
    struct vfile *file = open_file(rig, name);
    vfile_truncate(file, 0);
    vfile_write(file, 0, bytes);
    assert_int_equal(volume_sync(&rig->volume, file, vfile_mark(file), &rig->random), SF_OK);
    vfile_release(file);
}

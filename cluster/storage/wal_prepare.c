#include "storage/wal_prepare.h"

#include "env/log.h"
#include "env/mark.h"
#include "env/memory.h"
#include "storage/wal_segment.h"
#include "storage/wal_tend.h"

#define SLICE_BYTES (256u << 10)

static const char new_name[] = "new";

bool wal_prepare_is_ready(const struct wal *wal)
{
    return wal->prepare.phase == WAL_PREPARE_READY;
}

/* Not before half of the newest segment is used: an idle process need not write at all. */
bool wal_prepare_is_wanted(const struct wal *wal)
{
    return !wal_prepare_is_ready(wal) && !wal->prepare.syncing &&
           wal->next_start - wal_segment_newest(wal)->start > wal->unit / 2;
}

/* Gives the file at `from` the name of segment `number`, durably. */
static int name_file(struct wal *wal, const char *from, uint64_t number)
{
    char to[WAL_PATH_BYTES_MAX];
    wal_segment_path(wal, "wal", number, to);
    int status = env_rename(wal->env, from, to);
    if (status == SF_OK)
        status = wal_dir_sync(wal);
    return status;
}

static int prepare_spare(struct wal *wal, const char *path, uint64_t number)
{
    struct env_file *file;
    int status = env_file_open(wal->env, path, 0, &file);
    if (status != SF_OK)
        return status;
    status = name_file(wal, path, number);
    if (status != SF_OK) {
        env_file_close(file);
        return status;
    }
    SF_MARK("wal: segment recycled");
    wal->prepare = (struct wal_prepare){.phase = WAL_PREPARE_READY, .file = file, .number = number};
    return SF_OK;
}

static int fill_begin(struct wal *wal)
{
    char path[WAL_PATH_BYTES_MAX];
    struct env_file *file;
    wal_path(wal, new_name, path);
    int status = env_file_open(wal->env, path, ENV_FILE_CREATE, &file);
    if (status != SF_OK)
        return status;
    status = env_file_truncate(file, 0); /* what an earlier process left */
    if (status != SF_OK)
        env_file_close(file);
    else
        wal->prepare = (struct wal_prepare){
            .phase = WAL_PREPARE_FILLING, .file = file, .zeros = sf_calloc(1, SLICE_BYTES)};
    return status;
}

static int fill_slice(struct wal *wal)
{
    struct wal_prepare *prepare = &wal->prepare;
    uint64_t left = wal->unit - prepare->filled;
    size_t n = left < SLICE_BYTES ? (size_t)left : SLICE_BYTES;
    int status = env_file_write(prepare->file, prepare->filled, prepare->zeros, n);
    if (status == SF_OK)
        prepare->filled += n;
    return status;
}

static int fill_end(struct wal *wal, uint64_t number)
{
    char path[WAL_PATH_BYTES_MAX];
    wal_path(wal, new_name, path);
    int status = name_file(wal, path, number);
    if (status != SF_OK)
        return status;
    free(wal->prepare.zeros);
    wal->prepare.zeros = NULL;
    wal->prepare.number = number;
    wal->prepare.phase = WAL_PREPARE_READY;
    return SF_OK;
}

static void on_slice_synced(struct env_sync *sync, int status)
{
    struct wal *wal = container_of(sync, struct wal, prepare.sync);
    wal->prepare.syncing = false;
    if (status != SF_OK)
        wal_die(wal, "the sync of a new log segment failed");
    else
        wal_tend_arm(wal);
}

static int step(struct wal *wal)
{
    struct wal_prepare *prepare = &wal->prepare;
    uint64_t number = wal_segment_newest(wal)->end / wal->unit;
    char path[WAL_PATH_BYTES_MAX];
    int status;
    if (prepare->phase == WAL_PREPARE_NONE)
        return wal_spare_take(wal, path) ? prepare_spare(wal, path, number) : fill_begin(wal);
    if (prepare->filled == wal->unit)
        return fill_end(wal, number);
    status = fill_slice(wal);
    if (status == SF_OK) {
        prepare->syncing = true;
        prepare->sync.on_done = on_slice_synced;
        env_file_sync(prepare->file, &prepare->sync);
    }
    return status;
}

void wal_prepare_step(struct wal *wal)
{
    int status = step(wal);
    if (status == SF_NO_SPACE)
        SF_MARK("wal: no space for another segment");
    if (status == SF_NO_SPACE && !wal->prepare.starved)
        log_warn("wal", "%s: no space for another log segment", wal->dir);
    else if (status != SF_OK && status != SF_NO_SPACE)
        wal_die(wal, "a new log segment cannot be made");
    wal->prepare.starved = status == SF_NO_SPACE;
}

int wal_prepare_now(struct wal *wal, uint64_t number)
{
    char path[WAL_PATH_BYTES_MAX];
    if (wal_spare_take(wal, path))
        return prepare_spare(wal, path, number);
    int status = fill_begin(wal);
    while (status == SF_OK && wal->prepare.filled < wal->unit)
        status = fill_slice(wal);
    if (status == SF_OK)
        status = env_file_sync_now(wal->prepare.file);
    if (status == SF_OK)
        status = fill_end(wal, number);
    return status;
}

int wal_prepare_take(struct wal *wal, uint64_t number, struct env_file **file)
{
    char path[WAL_PATH_BYTES_MAX];
    struct wal_prepare *prepare = &wal->prepare;
    sf_assert(wal_prepare_is_ready(wal));
    if (prepare->number != number) {
        wal_segment_path(wal, "wal", prepare->number, path);
        int status = name_file(wal, path, number);
        if (status != SF_OK)
            return status;
    }
    *file = prepare->file;
    *prepare = (struct wal_prepare){.phase = WAL_PREPARE_NONE};
    return SF_OK;
}

void wal_prepare_deinit(struct wal *wal)
{
    env_file_close(wal->prepare.file);
    free(wal->prepare.zeros);
    wal->prepare = (struct wal_prepare){.phase = WAL_PREPARE_NONE};
}

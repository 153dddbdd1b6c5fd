#include "storage/wal_segment.h"

#include <inttypes.h>
#include <stdio.h>

#include "env/log.h"
#include "env/memory.h"
#include "storage/wal_prepare.h"

void wal_segment_path(const struct wal *wal, const char *kind, uint64_t number, char *to)
{
    snprintf(to, WAL_PATH_BYTES_MAX, "%s/%s-%016" PRIx64, wal->dir, kind, number);
}

void wal_path(const struct wal *wal, const char *name, char *to)
{
    snprintf(to, WAL_PATH_BYTES_MAX, "%s/%s", wal->dir, name);
}

int wal_dir_sync(struct wal *wal)
{
    return env_dir_sync(wal->env, wal->dir) == SF_OK ? SF_OK : SF_IO;
}

/* -- the list ------------------------------------------------------------------------------ */

struct wal_segment *wal_segment_newest(const struct wal *wal)
{
    return wal->segments == NULL ? NULL : wal->segments->prev;
}

struct wal_segment *wal_segment_at(const struct wal *wal, uint64_t position)
{
    struct wal_segment *segment = wal_segment_newest(wal);
    if (segment != NULL && position < wal->segments->end) /* recycling asks for many of these */
        segment = wal->segments;
    while (segment != NULL && position < segment->start)
        segment = segment == wal->segments ? NULL : segment->prev;
    sf_assert(segment != NULL);
    sf_assert(position < segment->end);
    return segment;
}

struct wal_segment *wal_segment_add(struct wal *wal, uint64_t number, uint64_t bytes)
{
    struct wal_segment *segment = sf_calloc(1, sizeof *segment);
    segment->number = number;
    segment->start = number * wal->unit;
    segment->end = segment->start + bytes;
    DL_APPEND(wal->segments, segment);
    return segment;
}

void wal_segment_free(struct wal_segment *segment)
{
    env_file_close(segment->file);
    free(segment);
}

/* -- files --------------------------------------------------------------------------------- */

static int segment_create(struct wal *wal, struct wal_segment *segment)
{
    char path[WAL_PATH_BYTES_MAX];
    wal_segment_path(wal, "wal", segment->number, path);
    int status =
        env_file_open(wal->env, path, ENV_FILE_CREATE | ENV_FILE_EXCLUSIVE, &segment->file);
    if (status == SF_OK)
        status = wal_dir_sync(wal);
    return status;
}

int wal_segment_attach(struct wal *wal, struct wal_segment *segment)
{
    int status;
    if (segment->file != NULL)
        return SF_OK;
    if (wal_prepare_is_ready(wal)) {
        status = wal_prepare_take(wal, segment->number, &segment->file);
        segment->full_size = segment->end - segment->start == wal->unit;
    } else {
        status = segment_create(wal, segment);
    }
    if (status == SF_OK && segment != wal->segments) {
        env_file_close(segment->prev->file);
        segment->prev->file = NULL;
    }
    return status;
}

int wal_segment_read(struct wal *wal, struct wal_place place, struct buffer *buffer,
                     struct wal_record *out)
{
    struct wal_segment *segment = wal_segment_at(wal, place.position);
    char path[WAL_PATH_BYTES_MAX];
    size_t got;
    int status = SF_OK;
    if (segment->file == NULL) {
        wal_segment_path(wal, "wal", segment->number, path);
        status = env_file_open(wal->env, path, ENV_FILE_READ_ONLY, &segment->file);
    }
    if (status != SF_OK)
        return status;
    buffer_clear(buffer);
    status = env_file_read(segment->file, place.position - segment->start,
                           buffer_grow(buffer, place.bytes), place.bytes, &got);
    if (status != SF_OK)
        return status;
    if (!wal_record_read(slice_of(buffer->p, got), wal->cluster_hash, place.position, out) ||
        out->type != WAL_ENTRY)
        return SF_CORRUPT;
    return SF_OK;
}

/* -- spare files --------------------------------------------------------------------------- */

void wal_spare_keep(struct wal *wal, uint64_t number, bool full_size)
{
    char from[WAL_PATH_BYTES_MAX], to[WAL_PATH_BYTES_MAX];
    int status;
    wal_segment_path(wal, "wal", number, from);
    if (full_size && wal->spare_count < wal->spares_max) {
        wal_segment_path(wal, "spare", number, to);
        status = env_rename(wal->env, from, to);
        if (status == SF_OK)
            wal->spares[wal->spare_count++] = sf_strdup(to);
    } else {
        status = env_remove(wal->env, from);
    }
    if (status != SF_OK) /* it only takes space; the next opening of the log tries again */
        log_warn("wal", "%s is not needed, but stays: %s", from, sf_error_text(status));
}

bool wal_spare_take(struct wal *wal, char *path)
{
    if (wal->spare_count == 0)
        return false;
    char *spare = wal->spares[--wal->spare_count];
    snprintf(path, WAL_PATH_BYTES_MAX, "%s", spare);
    free(spare);
    return true;
}

/* Opening the log: from the files of a directory to a log that can be appended to.
 *
 * The happy path is: list the files; the newest one with a valid head is the newest segment; the
 * last FLOOR in it names the oldest; the heads chain the segments between. Replay them in order,
 * sync the newest one, begin a new segment after it.
 *
 * It can fail by: a segment of the chain is missing or damaged; an invalid record stands below a
 * position that is vouched for (W5); entries are missing between those of a replica; another
 * cluster's or another version's log; no space for the new segment.
 */
#include "storage/wal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/log.h"
#include "env/memory.h"
#include "storage/wal_batch.h"
#include "storage/wal_prepare.h"
#include "storage/wal_replay.h"
#include "storage/wal_scan.h"
#include "storage/wal_segment.h"
#include "storage/wal_tend.h"

#define FILE_BYTES_MAX (4ull << 30)
#define SPARES_DEFAULT 1u
#define WHY_BYTES_MAX 1024u

/* A file "wal-<number>". */
struct found {
    uint64_t number;
    uint64_t bytes;
    bool valid; /* its head was read: */
    struct wal_segment_head head;
};

/* One opening. */
struct opening {
    struct wal *wal;
    char **why;
    struct found *found; /* by number, ascending */
    size_t found_count;
    uint64_t *spares; /* numbers of files "spare-<number>" */
    size_t spare_count;
    size_t last;      /* index of the newest segment */
    uint64_t floor;   /* number of the oldest segment that is needed */
    uint64_t vouched; /* by a file after the newest segment, 0: none */
    uint64_t end;     /* position where the newest segment's content ends */
};

static int complain(struct opening *o, int error, const char *format, ...) SF_PRINTF(3, 4);

static int complain(struct opening *o, int error, const char *format, ...)
{
    va_list args;
    char text[WHY_BYTES_MAX];
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    *o->why = sf_strdup(text);
    return error;
}

static int complain_io(struct opening *o, int error, const char *path)
{
    return complain(o, error, "%s: %s", path, sf_error_text(error));
}

/* -- the directory ------------------------------------------------------------------------- */

static bool number_of(const char *name, const char *kind, uint64_t *number)
{
    char expected[64];
    size_t n = strlen(kind);
    if (strncmp(name, kind, n) != 0 || name[n] != '-')
        return false;
    *number = strtoull(name + n + 1, NULL, 16);
    snprintf(expected, sizeof expected, "%s-%016" PRIx64, kind, *number);
    return strcmp(name, expected) == 0;
}

static void visit_name(void *ctx, const char *name)
{
    struct opening *o = ctx;
    uint64_t number;
    if (number_of(name, "wal", &number)) {
        o->found = sf_realloc(o->found, (o->found_count + 1) * sizeof *o->found);
        o->found[o->found_count++] = (struct found){.number = number};
    } else if (number_of(name, "spare", &number)) {
        o->spares = sf_realloc(o->spares, (o->spare_count + 1) * sizeof *o->spares);
        o->spares[o->spare_count++] = number;
    }
}

static int by_number(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static int list_files(struct opening *o)
{
    int status = env_dir_create(o->wal->env, o->wal->dir);
    if (status == SF_OK)
        status = env_dir_list(o->wal->env, o->wal->dir, visit_name, o);
    if (status != SF_OK)
        return complain_io(o, status, o->wal->dir);
    if (o->found_count > 0)
        qsort(o->found, o->found_count, sizeof *o->found, by_number);
    return SF_OK;
}

/* Reads `path` from its beginning, at most `max` bytes, and says how long the file is. */
static int read_file(struct opening *o, const char *path, uint64_t max, struct buffer *to,
                     uint64_t *bytes)
{
    struct env_file *file;
    size_t got = 0;
    int status = env_file_open(o->wal->env, path, ENV_FILE_READ_ONLY, &file);
    if (status != SF_OK)
        return complain_io(o, status, path);
    status = env_file_size(file, bytes);
    if (status == SF_OK && *bytes > FILE_BYTES_MAX)
        status = SF_TOO_BIG;
    if (status == SF_OK) {
        size_t n = (size_t)(*bytes < max ? *bytes : max);
        buffer_clear(to);
        status = env_file_read(file, 0, buffer_grow(to, n), n, &got);
        to->n = got;
    }
    env_file_close(file);
    return status == SF_OK ? SF_OK : complain_io(o, status, path);
}

/* -- heads --------------------------------------------------------------------------------- */

/* The SEGMENT record after the BATCH record at the beginning of the file. */
static bool head_at(struct slice bytes, uint64_t number, uint64_t unit, uint64_t cluster_hash,
                    struct wal_segment_head *head)
{
    struct wal_record batch, segment;
    uint64_t start = number * unit;
    return wal_record_read(bytes, cluster_hash, start, &batch) && batch.type == WAL_BATCH &&
           wal_record_read(slice_of(bytes.p + WAL_HEADER_BYTES, bytes.n - WAL_HEADER_BYTES),
                           cluster_hash, start + WAL_HEADER_BYTES, &segment) &&
           wal_segment_head_read(&segment, head) && head->number == number && head->unit == unit &&
           head->cluster_hash == cluster_hash;
}

static bool head_is_sound(const struct wal_segment_head *head)
{
    return head->unit >= WAL_UNIT_BYTES_MIN && head->unit <= WAL_UNIT_BYTES_MAX &&
           head->unit % WAL_PAGE_BYTES == 0 && head->bytes >= head->unit &&
           head->bytes % head->unit == 0 && head->floor <= head->number &&
           head->previous < head->number;
}

/* What the file says of itself, whether or not its checksums hold: where to look for them. */
static bool head_claims(struct slice bytes, struct wal_segment_head *claimed)
{
    struct wal_record record = {.type = WAL_SEGMENT};
    size_t at = 2 * WAL_HEADER_BYTES;
    if (bytes.n < at + WAL_SEGMENT_BODY_BYTES)
        return false;
    record.body = slice_of(bytes.p + at, WAL_SEGMENT_BODY_BYTES);
    return wal_segment_head_read(&record, claimed);
}

/* found->valid tells whether the file has a head of its own. SF_MISMATCH: it is not for us. */
static int read_head(struct opening *o, struct found *found)
{
    struct buffer page = {0};
    struct wal_segment_head claimed;
    char path[WAL_PATH_BYTES_MAX];
    wal_segment_path(o->wal, "wal", found->number, path);
    int status = read_file(o, path, WAL_PAGE_BYTES, &page, &found->bytes);
    struct slice bytes = buffer_slice(&page);
    if (status == SF_OK && head_claims(bytes, &claimed) &&
        head_at(bytes, found->number, claimed.unit, claimed.cluster_hash, &found->head)) {
        if (claimed.cluster_hash != o->wal->cluster_hash)
            status = complain(o, SF_MISMATCH, "%s: the log of another cluster", path);
        else if (claimed.version != WAL_FORMAT_VERSION || !head_is_sound(&claimed))
            status = complain(o, SF_MISMATCH, "%s: log format %u is not known here (%u is)", path,
                              claimed.version, WAL_FORMAT_VERSION);
        else
            found->valid = true;
    }
    buffer_deinit(&page);
    return status;
}

/* -- reading segments ---------------------------------------------------------------------- */

/* Prepares a scan of the whole file; `content` holds its bytes. */
static int scan_of(struct opening *o, uint64_t number, struct buffer *content,
                   struct wal_scan *scan)
{
    char path[WAL_PATH_BYTES_MAX];
    uint64_t bytes;
    wal_segment_path(o->wal, "wal", number, path);
    int status = read_file(o, path, FILE_BYTES_MAX, content, &bytes);
    if (status == SF_OK)
        *scan = (struct wal_scan){.cluster_hash = o->wal->cluster_hash,
                                  .bytes = buffer_slice(content),
                                  .start = number * o->wal->unit};
    return status;
}

static int damaged(struct opening *o, uint64_t number, uint64_t position)
{
    char path[WAL_PATH_BYTES_MAX];
    wal_segment_path(o->wal, "wal", number, path);
    return complain(o, SF_CORRUPT,
                    "%s: damaged at offset %" PRIu64 " (position %" PRIu64
                    " of the log): this is not what was synced there",
                    path, position - number * o->wal->unit, position);
}

/* No file has a valid head: this log was being made for the first time, and no file has anything
 * but a torn first batch, or something is wrong. */
static int check_fresh(struct opening *o, const struct found *found)
{
    struct buffer content = {0};
    struct wal_scan scan;
    int status = scan_of(o, found->number, &content, &scan);
    size_t at = WAL_PAGE_BYTES;
    while (status == SF_OK && at < content.n && content.p[at] == 0)
        at++;
    if (status == SF_OK && at < content.n)
        status = damaged(o, found->number, scan.start);
    buffer_deinit(&content);
    return status;
}

/* A file without a valid head was never used, unless some batch vouches for what it began with. */
static int check_unused(struct opening *o, const struct found *found)
{
    struct buffer content = {0};
    struct wal_scan scan;
    int status = scan_of(o, found->number, &content, &scan);
    if (status == SF_OK) {
        uint64_t vouched = wal_scan_vouched(&scan, scan.start);
        if (vouched > scan.start)
            status = damaged(o, found->number, scan.start);
        if (vouched > o->vouched)
            o->vouched = vouched;
    }
    buffer_deinit(&content);
    return status;
}

/* The newest file with a valid head; what stands after it was never used. */
static int find_last(struct opening *o, bool *any)
{
    int status = SF_OK;
    size_t i = o->found_count;
    *any = false;
    while (status == SF_OK && i > 0 && !*any) {
        struct found *found = &o->found[--i];
        status = read_head(o, found);
        if (found->valid)
            *any = true;
    }
    if (status != SF_OK)
        return status;
    if (*any) {
        o->last = i;
        o->wal->unit = o->found[i].head.unit;
        i++;
    }
    for (; i < o->found_count && status == SF_OK; i++)
        status = *any ? check_unused(o, &o->found[i]) : check_fresh(o, &o->found[i]);
    return status;
}

static int visit_floor(void *ctx, const struct wal_record *record)
{
    struct opening *o = ctx;
    if (record->type == WAL_SEGMENT || record->type == WAL_FLOOR)
        o->floor = record->a;
    return SF_OK;
}

/* Reads the newest segment for its floor and its end: the first invalid record, unless something
 * vouches for that (W5). */
static int read_last(struct opening *o)
{
    struct buffer content = {0};
    struct wal_scan scan;
    uint64_t number = o->found[o->last].number;
    int status = scan_of(o, number, &content, &scan);
    if (status == SF_OK) {
        scan.visit = visit_floor;
        scan.ctx = o;
        status = wal_scan_run(&scan);
        if (o->vouched > scan.end || wal_scan_vouched(&scan, scan.end) > scan.end)
            status = damaged(o, number, scan.end);
        o->end = scan.end;
    }
    buffer_deinit(&content);
    return status;
}

/* The file of the segment before `of`, with its head; NULL and a complaint where there is none. */
static struct found *find_previous(struct opening *o, const struct found *of, int *status)
{
    char path[WAL_PATH_BYTES_MAX];
    struct found key = {.number = of->head.previous};
    struct found *found = bsearch(&key, o->found, o->found_count, sizeof *o->found, by_number);
    wal_segment_path(o->wal, "wal", of->head.previous, path);
    if (found == NULL || key.number < o->floor) {
        *status = complain(o, SF_CORRUPT, "%s: this segment of the log is missing", path);
        return NULL;
    }
    *status = read_head(o, found);
    if (*status == SF_OK && (!found->valid || found->head.unit != o->wal->unit))
        *status = complain(o, SF_CORRUPT, "%s: damaged at offset 0: no valid head", path);
    return *status == SF_OK ? found : NULL;
}

/* Lists the segments from the newest back to the floor: S1. */
static int build_chain(struct opening *o)
{
    struct found *found = &o->found[o->last];
    uint64_t content_end = o->end;
    int status = SF_OK;
    for (;;) {
        struct wal_segment *segment = sf_calloc(1, sizeof *segment);
        segment->number = found->number;
        segment->start = found->number * o->wal->unit;
        segment->end = segment->start + found->head.bytes;
        segment->content_end = content_end;
        segment->full_size = found->bytes == o->wal->unit && found->head.bytes == o->wal->unit;
        DL_PREPEND(o->wal->segments, segment);
        if (found->number <= o->floor)
            return SF_OK;
        content_end = found->head.previous_end;
        found = find_previous(o, found, &status);
        if (found == NULL)
            return status;
    }
}

static int visit_record(void *ctx, const struct wal_record *record)
{
    return wal_replay_record(ctx, record);
}

static int replay_segment(struct opening *o, const struct wal_segment *segment)
{
    struct buffer content = {0};
    struct wal_scan scan;
    int status = scan_of(o, segment->number, &content, &scan);
    if (status == SF_OK) {
        scan.limit = segment->content_end;
        scan.visit = visit_record;
        scan.ctx = o->wal;
        status = wal_scan_run(&scan);
        if (status != SF_OK)
            status = damaged(o, segment->number, scan.end);
    }
    buffer_deinit(&content);
    return status;
}

static int replay(struct opening *o)
{
    uint64_t replica_key = 0, index = 0;
    int status = read_last(o);
    if (status == SF_OK)
        status = build_chain(o);
    struct wal_segment *segment;
    DL_FOREACH(o->wal->segments, segment)
    {
        if (status == SF_OK)
            status = replay_segment(o, segment);
    }
    if (status != SF_OK)
        return status;
    status = wal_replay_end(o->wal, &replica_key, &index);
    DL_FOREACH(o->wal->segments, segment)
    {
        env_file_close(segment->file);
        segment->file = NULL;
    }
    if (status != SF_OK)
        return complain(o, status,
                        "%s: entry %" PRIu64 " of replica %016" PRIx64
                        " is missing, though later ones are there",
                        o->wal->dir, index, replica_key);
    return SF_OK;
}

/* -- the new segment ----------------------------------------------------------------------- */

static bool is_in_chain(const struct wal *wal, uint64_t number)
{
    const struct wal_segment *segment;
    DL_FOREACH(wal->segments, segment)
    {
        if (segment->number == number)
            return true;
    }
    return false;
}

static bool has_full_size(struct opening *o, const char *path)
{
    struct buffer nothing = {0};
    uint64_t bytes = 0;
    int status = read_file(o, path, 0, &nothing, &bytes);
    buffer_deinit(&nothing);
    if (status != SF_OK) {
        free(*o->why);
        *o->why = NULL;
    }
    return status == SF_OK && bytes == o->wal->unit;
}

/* Files that are not needed become spares, or go. */
static void sort_out_files(struct opening *o)
{
    char path[WAL_PATH_BYTES_MAX];
    struct wal *wal = o->wal;
    for (size_t i = 0; i < o->spare_count; i++) {
        wal_segment_path(wal, "spare", o->spares[i], path);
        if (wal->spare_count < wal->spares_max && has_full_size(o, path))
            wal->spares[wal->spare_count++] = sf_strdup(path);
        else if (env_remove(wal->env, path) != SF_OK)
            log_warn("wal", "%s cannot be removed", path);
    }
    for (size_t i = 0; i < o->found_count; i++) {
        wal_segment_path(wal, "wal", o->found[i].number, path);
        if (!is_in_chain(wal, o->found[i].number))
            wal_spare_keep(wal, o->found[i].number, has_full_size(o, path));
    }
}

/* What was read may have come from memory that never reached the disk: the new segment's head will
 * vouch for it, so it is synced first. */
static int sync_last(struct opening *o)
{
    char path[WAL_PATH_BYTES_MAX];
    struct env_file *file;
    wal_segment_path(o->wal, "wal", wal_segment_newest(o->wal)->number, path);
    int status = env_file_open(o->wal->env, path, 0, &file);
    if (status == SF_OK) {
        status = env_file_sync_now(file);
        env_file_close(file);
    }
    return status == SF_OK ? SF_OK : complain_io(o, status, path);
}

static int begin(struct opening *o)
{
    struct wal *wal = o->wal;
    struct wal_segment *newest = wal_segment_newest(wal);
    uint64_t number = 1;
    int status = SF_OK;
    if (o->found_count > 0)
        number = o->found[o->found_count - 1].number + 1;
    if (newest != NULL) {
        if (number < newest->end / wal->unit)
            number = newest->end / wal->unit;
        status = sync_last(o);
    }
    if (status != SF_OK)
        return status;
    sort_out_files(o);
    wal->synced = o->end;
    wal_batch_begin_segment(wal, number, 0);
    status = wal_prepare_now(wal, number);
    if (status == SF_OK)
        status = wal_batch_commit_now(wal);
    return status == SF_OK ? SF_OK : complain_io(o, status, wal->dir);
}

/* -- opening ------------------------------------------------------------------------------- */

static struct wal *wal_new(struct env *env, const char *dir, const struct wal_options *options)
{
    struct wal *wal = sf_calloc(1, sizeof *wal);
    wal->env = env;
    wal->dir = sf_strdup(dir);
    wal->cluster_hash = options->cluster_hash;
    wal->unit = options->segment_bytes == 0 ? WAL_UNIT_BYTES : wal_page_up(options->segment_bytes);
    sf_assert(wal->unit >= WAL_UNIT_BYTES_MIN && wal->unit <= WAL_UNIT_BYTES_MAX);
    wal->spares_max = options->segments_spare == 0 ? SPARES_DEFAULT : options->segments_spare;
    wal->spares = sf_calloc(wal->spares_max, sizeof *wal->spares);
    env_timer_init(env, &wal->retry, wal_batch_retry);
    env_timer_init(env, &wal->tend, wal_tend_fire);
    return wal;
}

static int open_log(struct opening *o)
{
    bool any = false;
    int status = list_files(o);
    if (status == SF_OK)
        status = find_last(o, &any);
    if (status == SF_OK && any)
        status = replay(o);
    if (status == SF_OK)
        status = begin(o);
    return status;
}

int wal_open(struct env *env, const char *dir, const struct wal_options *options, struct wal **out,
             char **why)
{
    struct opening opening = {.wal = wal_new(env, dir, options), .why = why};
    int status = open_log(&opening);
    free(opening.found);
    free(opening.spares);
    if (status != SF_OK) {
        wal_close(opening.wal);
        return status;
    }
    wal_tend_arm(opening.wal);
    *out = opening.wal;
    return SF_OK;
}

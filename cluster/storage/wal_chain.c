#include "storage/wal_chain.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/mark.h"
#include "env/memory.h"
#include "storage/wal_segment.h"

#define FILE_BYTES_MAX (4ull << 30)
#define NUMBER_MAX (1ull << 40) /* no log was ever so long */
#define WHY_BYTES_MAX (WAL_PATH_BYTES_MAX + 256u)

int wal_chain_complain(struct wal_chain *chain, int error, const char *format, ...)
{
    va_list args;
    char text[WHY_BYTES_MAX];
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    *chain->why = sf_strdup(text);
    return error;
}

int wal_chain_complain_io(struct wal_chain *chain, int error, const char *path)
{
    return wal_chain_complain(chain, error, "%s: %s", path, sf_error_text(error));
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
    return strcmp(name, expected) == 0 && *number > 0 && *number < NUMBER_MAX;
}

static void visit_name(void *ctx, const char *name)
{
    struct wal_chain *chain = ctx;
    uint64_t number;
    if (number_of(name, "wal", &number)) {
        chain->found = sf_realloc(chain->found, (chain->found_count + 1) * sizeof *chain->found);
        chain->found[chain->found_count++] = (struct wal_found){.number = number};
    } else if (number_of(name, "spare", &number)) {
        chain->spares = sf_realloc(chain->spares, (chain->spare_count + 1) * sizeof *chain->spares);
        chain->spares[chain->spare_count++] = number;
    }
}

static int by_number(const void *a, const void *b)
{
    const struct wal_found *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static int list_files(struct wal_chain *chain)
{
    int status = env_dir_create(chain->wal->env, chain->wal->dir);
    if (status == SF_OK)
        status = env_dir_list(chain->wal->env, chain->wal->dir, visit_name, chain);
    if (status != SF_OK)
        return wal_chain_complain_io(chain, status, chain->wal->dir);
    if (chain->found_count > 0)
        qsort(chain->found, chain->found_count, sizeof *chain->found, by_number);
    return SF_OK;
}

/* Reads `path` from its beginning, at most `max` bytes, and says how long the file is. */
static int read_file(struct wal_chain *chain, const char *path, uint64_t max, struct buffer *to,
                     uint64_t *bytes)
{
    struct env_file *file;
    size_t got = 0;
    int status = env_file_open(chain->wal->env, path, ENV_FILE_READ_ONLY, &file);
    if (status != SF_OK)
        return wal_chain_complain_io(chain, status, path);
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
    return status == SF_OK ? SF_OK : wal_chain_complain_io(chain, status, path);
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
static int read_head(struct wal_chain *chain, struct wal_found *found)
{
    struct buffer page = {0};
    struct wal_segment_head claimed;
    char path[WAL_PATH_BYTES_MAX];
    wal_segment_path(chain->wal, "wal", found->number, path);
    int status = read_file(chain, path, WAL_PAGE_BYTES, &page, &found->bytes);
    struct slice bytes = buffer_slice(&page);
    if (status == SF_OK && head_claims(bytes, &claimed) &&
        head_at(bytes, found->number, claimed.unit, claimed.cluster_hash, &found->head)) {
        if (claimed.cluster_hash != chain->wal->cluster_hash)
            status = wal_chain_complain(chain, SF_MISMATCH, "%s: the log of another cluster", path);
        else if (claimed.version != WAL_FORMAT_VERSION || !head_is_sound(&claimed))
            status = wal_chain_complain(chain, SF_MISMATCH,
                                        "%s: log format %u is not known here (%u is)", path,
                                        claimed.version, WAL_FORMAT_VERSION);
        else
            found->valid = true;
    }
    buffer_deinit(&page);
    return status;
}

/* -- reading segments ---------------------------------------------------------------------- */

int wal_chain_scan(struct wal_chain *chain, uint64_t number, struct buffer *content,
                   struct wal_scan *scan)
{
    char path[WAL_PATH_BYTES_MAX];
    uint64_t bytes;
    wal_segment_path(chain->wal, "wal", number, path);
    int status = read_file(chain, path, FILE_BYTES_MAX, content, &bytes);
    if (status == SF_OK)
        *scan = (struct wal_scan){.cluster_hash = chain->wal->cluster_hash,
                                  .bytes = buffer_slice(content),
                                  .start = number * chain->wal->unit};
    return status;
}

int wal_chain_damaged(struct wal_chain *chain, uint64_t number, uint64_t position)
{
    char path[WAL_PATH_BYTES_MAX];
    wal_segment_path(chain->wal, "wal", number, path);
    SF_MARK("wal: damage found where it was synced");
    return wal_chain_complain(chain, SF_CORRUPT,
                              "%s: damaged at offset %" PRIu64 " (position %" PRIu64
                              " of the log): this is not what was synced there",
                              path, position - number * chain->wal->unit, position);
}

/* No file has a valid head: this log was being made for the first time, and no file has anything
 * but a torn first batch, or something is wrong. */
static int check_fresh(struct wal_chain *chain, const struct wal_found *found)
{
    struct buffer content = {0};
    struct wal_scan scan;
    int status = wal_chain_scan(chain, found->number, &content, &scan);
    size_t at = WAL_PAGE_BYTES;
    while (status == SF_OK && at < content.n && content.p[at] == 0)
        at++;
    if (status == SF_OK && at < content.n)
        status = wal_chain_damaged(chain, found->number, scan.start);
    buffer_deinit(&content);
    return status;
}

/* A file without a valid head was never used, unless some batch vouches for what it began with. */
static int check_unused(struct wal_chain *chain, const struct wal_found *found)
{
    struct buffer content = {0};
    struct wal_scan scan;
    int status = wal_chain_scan(chain, found->number, &content, &scan);
    if (status == SF_OK) {
        uint64_t vouched = wal_scan_vouched(&scan, scan.start);
        if (vouched > scan.start)
            status = wal_chain_damaged(chain, found->number, scan.start);
        if (vouched > chain->vouched)
            chain->vouched = vouched;
    }
    buffer_deinit(&content);
    return status;
}

/* The newest file with a valid head; what stands after it was never used. */
static int find_last(struct wal_chain *chain, bool *any)
{
    int status = SF_OK;
    size_t i = chain->found_count;
    *any = false;
    while (status == SF_OK && i > 0 && !*any) {
        struct wal_found *found = &chain->found[--i];
        status = read_head(chain, found);
        if (found->valid)
            *any = true;
    }
    if (status != SF_OK)
        return status;
    if (*any) {
        chain->last = i;
        chain->wal->unit = chain->found[i].head.unit;
        i++;
    }
    for (; i < chain->found_count && status == SF_OK; i++)
        status =
            *any ? check_unused(chain, &chain->found[i]) : check_fresh(chain, &chain->found[i]);
    return status;
}

static int visit_floor(void *ctx, const struct wal_record *record)
{
    struct wal_chain *chain = ctx;
    if (record->type == WAL_SEGMENT || record->type == WAL_FLOOR)
        chain->floor = record->a;
    return SF_OK;
}

/* Reads the newest segment for its floor and its end: the first invalid record, unless something
 * vouches for that (W5). */
static int read_last(struct wal_chain *chain)
{
    struct buffer content = {0};
    struct wal_scan scan;
    uint64_t number = chain->found[chain->last].number;
    int status = wal_chain_scan(chain, number, &content, &scan);
    if (status == SF_OK) {
        scan.visit = visit_floor;
        scan.ctx = chain;
        status = wal_scan_run(&scan);
        if (chain->vouched > scan.end || wal_scan_vouched(&scan, scan.end) > scan.end)
            status = wal_chain_damaged(chain, number, scan.end);
        chain->end = scan.end;
    }
    buffer_deinit(&content);
    return status;
}

/* The file of the segment before `of`, with its head; NULL and a complaint where there is none. */
static struct wal_found *find_previous(struct wal_chain *chain, const struct wal_found *of,
                                       int *status)
{
    char path[WAL_PATH_BYTES_MAX];
    struct wal_found key = {.number = of->head.previous};
    struct wal_found *found =
        bsearch(&key, chain->found, chain->found_count, sizeof *chain->found, by_number);
    wal_segment_path(chain->wal, "wal", of->head.previous, path);
    if (found == NULL || key.number < chain->floor) {
        *status =
            wal_chain_complain(chain, SF_CORRUPT, "%s: this segment of the log is missing", path);
        return NULL;
    }
    *status = read_head(chain, found);
    if (*status == SF_OK && (!found->valid || found->head.unit != chain->wal->unit))
        *status =
            wal_chain_complain(chain, SF_CORRUPT, "%s: damaged at offset 0: no valid head", path);
    return *status == SF_OK ? found : NULL;
}

/* Lists the segments from the newest back to the floor: S1. */
static int build_chain(struct wal_chain *chain)
{
    struct wal_found *found = &chain->found[chain->last];
    uint64_t content_end = chain->end;
    int status = SF_OK;
    for (;;) {
        struct wal_segment *segment = sf_calloc(1, sizeof *segment);
        segment->number = found->number;
        segment->start = found->number * chain->wal->unit;
        segment->end = segment->start + found->head.bytes;
        segment->content_end = content_end;
        segment->full_size =
            found->bytes == chain->wal->unit && found->head.bytes == chain->wal->unit;
        DL_PREPEND(chain->wal->segments, segment);
        if (found->number <= chain->floor)
            return SF_OK;
        content_end = found->head.previous_end;
        found = find_previous(chain, found, &status);
        if (found == NULL)
            return status;
    }
}

int wal_chain_find(struct wal_chain *chain)
{
    bool any = false;
    int status = list_files(chain);
    if (status == SF_OK)
        status = find_last(chain, &any);
    if (status == SF_OK && any)
        status = read_last(chain);
    if (status == SF_OK && any)
        status = build_chain(chain);
    return status;
}

void wal_chain_deinit(struct wal_chain *chain)
{
    free(chain->found);
    free(chain->spares);
}

bool wal_chain_has(const struct wal_chain *chain, uint64_t number)
{
    const struct wal_segment *segment;
    DL_FOREACH(chain->wal->segments, segment)
    {
        if (segment->number == number)
            return true;
    }
    return false;
}

bool wal_chain_is_full_size(struct wal_chain *chain, const char *path)
{
    struct env_file *file;
    uint64_t bytes = 0;
    if (env_file_open(chain->wal->env, path, ENV_FILE_READ_ONLY, &file) != SF_OK)
        return false;
    int status = env_file_size(file, &bytes);
    env_file_close(file);
    return status == SF_OK && bytes == chain->wal->unit;
}

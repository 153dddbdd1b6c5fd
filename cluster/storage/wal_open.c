/* Opening the log: from the files of a directory to a log that can be appended to.
 *
 * The happy path is: find the segments (wal_chain), replay them in order, sync the newest one, turn
 * what else there is into spares, begin a new segment.
 *
 * It can fail by: a segment of the chain is missing or damaged; an invalid record stands below a
 * position that is vouched for (W5); entries are missing between those of a replica; another
 * cluster's or another version's log; no space for the new segment.
 */
#include "storage/wal.h"

#include <inttypes.h>

#include "env/log.h"
#include "env/memory.h"
#include "storage/wal_batch.h"
#include "storage/wal_chain.h"
#include "storage/wal_prepare.h"
#include "storage/wal_replay.h"
#include "storage/wal_segment.h"
#include "storage/wal_tend.h"

#define SPARES_DEFAULT 4u

/* -- replay -------------------------------------------------------------------------------- */

static int visit_record(void *ctx, const struct wal_record *record)
{
    return wal_replay_record(ctx, record);
}

static int replay_segment(struct wal_chain *chain, const struct wal_segment *segment)
{
    struct buffer content = {0};
    struct wal_scan scan;
    int status = wal_chain_scan(chain, segment->number, &content, &scan);
    if (status == SF_OK) {
        scan.limit = segment->content_end;
        scan.visit = visit_record;
        scan.ctx = chain->wal;
        status = wal_scan_run(&scan);
        if (status != SF_OK)
            status = wal_chain_damaged(chain, segment->number, scan.end);
    }
    buffer_deinit(&content);
    return status;
}

static int replay(struct wal_chain *chain)
{
    uint64_t replica_key = 0, index = 0;
    int status = SF_OK;
    struct wal_segment *segment;
    DL_FOREACH(chain->wal->segments, segment)
    {
        if (status == SF_OK)
            status = replay_segment(chain, segment);
    }
    if (status != SF_OK)
        return status;
    status = wal_replay_end(chain->wal, &replica_key, &index);
    DL_FOREACH(chain->wal->segments, segment)
    {
        env_file_close(segment->file);
        segment->file = NULL;
    }
    if (status != SF_OK)
        return wal_chain_complain(chain, status,
                                  "%s: entry %" PRIu64 " of replica %016" PRIx64
                                  " is missing, though later ones are there",
                                  chain->wal->dir, index, replica_key);
    return SF_OK;
}

/* -- the new segment ----------------------------------------------------------------------- */

/* Files that are not needed become spares, or go. */
static void sort_out_files(struct wal_chain *chain)
{
    char path[WAL_PATH_BYTES_MAX];
    struct wal *wal = chain->wal;
    for (size_t i = 0; i < chain->spare_count; i++) {
        wal_segment_path(wal, "spare", chain->spares[i], path);
        if (wal->spare_count < wal->spares_max && wal_chain_is_full_size(chain, path))
            wal->spares[wal->spare_count++] = sf_strdup(path);
        else if (env_remove(wal->env, path) != SF_OK)
            log_warn("wal", "%s cannot be removed", path);
    }
    for (size_t i = 0; i < chain->found_count; i++) {
        wal_segment_path(wal, "wal", chain->found[i].number, path);
        if (!wal_chain_has(chain, chain->found[i].number))
            wal_spare_keep(wal, chain->found[i].number, wal_chain_is_full_size(chain, path));
    }
}

/* What was read may have come from memory that never reached the disk: the new segment's head will
 * vouch for it, so it is synced first. */
static int sync_last(struct wal_chain *chain)
{
    char path[WAL_PATH_BYTES_MAX];
    struct env_file *file;
    wal_segment_path(chain->wal, "wal", wal_segment_newest(chain->wal)->number, path);
    int status = env_file_open(chain->wal->env, path, 0, &file);
    if (status == SF_OK) {
        status = env_file_sync_now(file);
        env_file_close(file);
    }
    return status == SF_OK ? SF_OK : wal_chain_complain_io(chain, status, path);
}

static int begin(struct wal_chain *chain)
{
    struct wal *wal = chain->wal;
    struct wal_segment *newest = wal_segment_newest(wal);
    uint64_t number = 1;
    int status = SF_OK;
    if (chain->found_count > 0)
        number = chain->found[chain->found_count - 1].number + 1;
    if (newest != NULL) {
        if (number < newest->end / wal->unit)
            number = newest->end / wal->unit;
        status = sync_last(chain);
    }
    if (status != SF_OK)
        return status;
    sort_out_files(chain);
    wal->synced = chain->end;
    wal_batch_begin_segment(wal, number, 0);
    status = wal_prepare_now(wal, number);
    if (status == SF_OK)
        status = wal_batch_commit_now(wal);
    return status == SF_OK ? SF_OK : wal_chain_complain_io(chain, status, wal->dir);
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

int wal_open(struct env *env, const char *dir, const struct wal_options *options, struct wal **out,
             char **why)
{
    struct wal *wal = wal_new(env, dir, options);
    struct wal_chain chain = {.wal = wal, .why = why};
    int status = wal_chain_find(&chain);
    if (status == SF_OK)
        status = replay(&chain);
    if (status == SF_OK)
        status = begin(&chain);
    wal_chain_deinit(&chain);
    if (status != SF_OK) {
        wal_close(wal);
        return status;
    }
    wal_tend_arm(wal);
    *out = wal;
    return SF_OK;
}

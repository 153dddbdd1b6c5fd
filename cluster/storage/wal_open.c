/* Opening the log: from the files of a directory to a log that can be appended to.
 *
 * The happy path is: find the segments (wal_chain), replay them in order, put a durable copy in the
 * place of the newest one, turn what else there is into spares, begin a new segment.
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

/* What was read of the newest segment may have come from memory and never have reached the disk;
 * after a sync that failed the kernel even takes it for written, and no later sync will bring it
 * there. The new segment's head will vouch for it, so a copy takes the segment's place first. (To
 * write it again where it stands would put at risk what is durable.) */
static int copy_last(struct wal_chain *chain)
{
    char from[WAL_PATH_BYTES_MAX], to[WAL_PATH_BYTES_MAX];
    struct buffer content = {0};
    struct wal_scan scan;
    struct wal *wal = chain->wal;
    struct wal_segment *last = wal_segment_newest(wal);
    wal_path(wal, "copy", from);
    wal_segment_path(wal, "wal", last->number, to);
    int status = wal_chain_scan(chain, last->number, &content, &scan);
    if (status == SF_OK) {
        size_t n = (size_t)(chain->end - last->start);
        status = env_file_fill(wal->env, from, slice_of(content.p, n < content.n ? n : content.n));
        if (status == SF_OK)
            status = env_rename(wal->env, from, to);
        if (status == SF_OK)
            status = wal_dir_sync(wal);
        if (status != SF_OK)
            status = wal_chain_complain_io(chain, status, from);
    }
    last->full_size = false;
    buffer_deinit(&content);
    return status;
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
        status = copy_last(chain);
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
    wal->unloaded_up_to = options->unloaded_up_to;
    wal->unloaded_ctx = options->ctx;
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

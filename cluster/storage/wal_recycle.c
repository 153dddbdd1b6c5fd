#include "storage/wal_recycle.h"

#include <inttypes.h>

#include "env/log.h"
#include "env/mark.h"
#include "env/memory.h"
#include "storage/wal_batch.h"
#include "storage/wal_replica.h"
#include "storage/wal_segment.h"

#define SLICE_BYTES (64u << 10) /* written again in one step */
#define SEGMENTS_MIN 2u         /* so many are kept before anything is written again */

/* -- what there is to do ------------------------------------------------------------------- */

/* Is something durable in the segment after the oldest, so that the oldest can be let go? */
static bool oldest_is_behind(const struct wal *wal)
{
    return wal->segments != wal_segment_newest(wal) && wal->segments->next->start < wal->synced;
}

/* Does the log take much more space than what is live in it? */
static bool is_sparse(const struct wal *wal)
{
    size_t count = 0;
    const struct wal_segment *segment;
    DL_FOREACH(wal->segments, segment)
    {
        count++;
    }
    /* What a segment holds besides its head; at least a bit, however many replicas there are. */
    uint64_t least = wal->unit / 4, head = wal_batch_head_bytes(wal);
    uint64_t room = wal->unit > head + least ? wal->unit - head : least;
    return count > SEGMENTS_MIN + 2 * wal->live_bytes / room;
}

static bool oldest_may_go(const struct wal *wal)
{
    return oldest_is_behind(wal) && (wal->segments->live == 0 || is_sparse(wal));
}

/* S4 */
static bool retired_may_go(const struct wal *wal)
{
    return wal->retired != NULL && wal->synced >= wal->retired_floor;
}

bool wal_recycle_is_wanted(const struct wal *wal)
{
    return oldest_may_go(wal) || retired_may_go(wal);
}

/* -- writing again ------------------------------------------------------------------------- */

/* False: the process has ended. */
static bool rewrite(struct wal *wal, struct wal_replica *replica, uint64_t index,
                    struct buffer *buffer)
{
    struct wal_record record;
    struct wal_place place = *wal_replica_place(replica, index);
    int status = wal_segment_read(wal, place, buffer, &record);
    if (status == SF_OK && (record.replica_key != replica->key || record.a != index))
        status = SF_CORRUPT;
    if (status != SF_OK) {
        log_error("wal", "%s: entry at position %" PRIu64 ": %s", wal->dir, place.position,
                  sf_error_text(status));
        wal_die(wal, "an entry of the log that is still needed cannot be read");
        return false;
    }
    SF_MARK("wal: live record written again at the head");
    record.flags |= WAL_REWRITTEN;
    wal_replica_put(wal, replica, index, wal_batch_add(wal, &record, NULL));
    return true;
}

/* Writes entries of this replica that stand in the oldest segment again; returns the bytes. */
static size_t rewrite_replica(struct wal *wal, struct wal_replica *replica, size_t bytes_max,
                              struct buffer *buffer)
{
    uint64_t end = wal->segments->end, last = wal_replica_last(replica);
    size_t bytes = 0;
    for (uint64_t i = replica->base_index + 1; i <= last && bytes < bytes_max; i++) {
        if (wal->segments->live == 0)
            break;
        struct wal_place place = *wal_replica_place(replica, i);
        if (place.position >= end)
            continue;
        if (!rewrite(wal, replica, i, buffer))
            return bytes;
        bytes += place.bytes;
    }
    return bytes;
}

static void rewrite_slice(struct wal *wal)
{
    struct buffer buffer = {0};
    size_t bytes = 0;
    struct wal_replica *replica, *next;
    HASH_ITER(hh, wal->replicas, replica, next)
    {
        if (!wal->dead && bytes < SLICE_BYTES && wal->segments->live > 0)
            bytes += rewrite_replica(wal, replica, SLICE_BYTES - bytes, &buffer);
    }
    buffer_deinit(&buffer);
}

/* -- letting go ---------------------------------------------------------------------------- */

static void retire_dead(struct wal *wal)
{
    bool any = false;
    while (oldest_is_behind(wal) && wal->segments->live == 0) {
        struct wal_segment *dead = wal->segments;
        DL_DELETE(wal->segments, dead);
        DL_APPEND(wal->retired, dead);
        any = true;
    }
    if (any) {
        const struct wal_record floor = {.type = WAL_FLOOR, .a = wal->segments->number};
        wal_batch_add(wal, &floor, NULL);
        wal->retired_floor = wal->position;
    }
}

static void release_retired(struct wal *wal)
{
    struct wal_segment *segment, *next;
    DL_FOREACH_SAFE(wal->retired, segment, next)
    {
        uint64_t number = segment->number;
        bool full_size = segment->full_size;
        DL_DELETE(wal->retired, segment);
        wal_segment_free(segment);
        wal_spare_keep(wal, number, full_size);
    }
}

void wal_recycle_step(struct wal *wal)
{
    if (retired_may_go(wal))
        release_retired(wal);
    if (!oldest_may_go(wal))
        return;
    if (wal->segments->live > 0)
        rewrite_slice(wal);
    if (wal->dead)
        return;
    retire_dead(wal);
    wal_batch_commit(wal);
}

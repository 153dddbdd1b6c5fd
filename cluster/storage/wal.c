#include "storage/wal.h"

#include <stdlib.h>

#include "env/memory.h"
#include "storage/wal_batch.h"
#include "storage/wal_prepare.h"
#include "storage/wal_replica.h"
#include "storage/wal_segment.h"
#include "storage/wal_tend.h"

/* -- adding records ------------------------------------------------------------------------ */

/* A record is laid out before what it says is noted: the head of a segment that it makes necessary
 * must state what was so before it. */

void wal_append(struct wal *wal, uint64_t replica_key, const struct entry *entry)
{
    if (wal->dead)
        return;
    struct wal_record record = {.type = WAL_ENTRY,
                                .replica_key = replica_key,
                                .a = entry->index,
                                .b = entry->term,
                                .body = payload_slice(entry->payload)};
    struct wal_place place = wal_batch_add(wal, &record, entry->payload);
    struct wal_replica *replica = wal_replica_get(wal, replica_key);
    sf_assert(entry->index > replica->base_index);
    sf_assert(entry->index <= wal_replica_last(replica) + 1);
    wal_replica_put(wal, replica, entry->index, place);
}

static void add_mark(struct wal *wal, enum wal_record_type type, uint64_t replica_key, uint64_t a,
                     uint64_t b)
{
    const struct wal_record record = {
        .type = (uint8_t)type, .replica_key = replica_key, .a = a, .b = b};
    wal_batch_add(wal, &record, NULL);
}

void wal_hard_state(struct wal *wal, uint64_t replica_key, struct hard_state state)
{
    if (wal->dead)
        return;
    add_mark(wal, WAL_HARD_STATE, replica_key, state.term, state.vote);
    wal_replica_get(wal, replica_key)->hard_state = state;
}

void wal_truncate(struct wal *wal, uint64_t replica_key, uint64_t from_index)
{
    struct wal_replica *replica = wal_replica_find(wal, replica_key);
    if (wal->dead || replica == NULL || from_index > wal_replica_last(replica))
        return;
    sf_assert(from_index > replica->base_index);
    add_mark(wal, WAL_TRUNCATE, replica_key, from_index, 0);
    wal_replica_truncate(wal, replica, from_index);
    wal_tend_arm(wal);
}

void wal_reset(struct wal *wal, uint64_t replica_key, uint64_t index, uint64_t term)
{
    if (wal->dead)
        return;
    add_mark(wal, WAL_RESET, replica_key, index, term);
    wal_replica_reset(wal, wal_replica_get(wal, replica_key), index, term);
    wal_tend_arm(wal);
}

void wal_remove(struct wal *wal, uint64_t replica_key)
{
    struct wal_replica *replica = wal_replica_find(wal, replica_key);
    if (wal->dead || replica == NULL)
        return;
    add_mark(wal, WAL_REMOVE, replica_key, 0, 0);
    wal_replica_remove(wal, replica);
    wal_tend_arm(wal);
}

void wal_cut(struct wal *wal, uint64_t replica_key, uint64_t index, uint64_t term)
{
    struct wal_replica *replica = wal_replica_find(wal, replica_key);
    if (wal->dead || replica == NULL || index <= replica->base_index)
        return;
    sf_assert(index <= wal_replica_last(replica));
    add_mark(wal, WAL_CUT, replica_key, index, term);
    wal_replica_cut(wal, replica, index, term);
    wal_tend_arm(wal);
}

/* -- committing ---------------------------------------------------------------------------- */

void wal_commit(struct wal *wal)
{
    wal_batch_commit(wal);
}

void wal_on_synced(struct wal *wal, void (*on_synced)(void *ctx, uint64_t position), void *ctx)
{
    wal->on_synced = on_synced;
    wal->on_synced_ctx = ctx;
}

uint64_t wal_position(const struct wal *wal)
{
    return wal->position;
}

uint64_t wal_synced(const struct wal *wal)
{
    return wal->synced;
}

bool wal_is_full(const struct wal *wal)
{
    return wal->full || wal->prepare.starved;
}

uint64_t wal_live_bytes(const struct wal *wal)
{
    return wal->live_bytes;
}

void wal_die(struct wal *wal, const char *why)
{
    wal->dead = true;
    env_timer_stop(&wal->retry);
    env_timer_stop(&wal->tend);
    env_fatal(wal->env, why);
}

int wal_read(struct wal *wal, uint64_t replica_key, uint64_t index, struct payload **out)
{
    struct wal_replica *replica = wal_replica_find(wal, replica_key);
    if (replica == NULL || index <= replica->base_index || index > wal_replica_last(replica))
        return SF_NOT_FOUND;
    struct wal_place place = *wal_replica_place(replica, index);
    if (wal->dead || place.position >= wal->synced)
        return SF_BUSY;
    struct buffer buffer = {0};
    struct wal_record record;
    int status = wal_segment_read(wal, place, &buffer, &record);
    if (status == SF_OK && (record.replica_key != replica_key || record.a != index))
        status = SF_CORRUPT;
    if (status == SF_OK)
        *out = payload_new(record.body);
    buffer_deinit(&buffer);
    return status;
}

/* -- what was found at open ---------------------------------------------------------------- */

const struct wal_restored *wal_restored(const struct wal *wal, uint64_t replica_key)
{
    for (size_t i = 0; i < wal->restored_count; i++) {
        if (wal->restored[i].replica_key == replica_key)
            return &wal->restored[i];
    }
    return NULL;
}

void wal_restored_free(struct wal *wal)
{
    for (size_t i = 0; i < wal->restored_count; i++) {
        for (size_t j = 0; j < wal->restored[i].entry_count; j++)
            payload_unref(wal->restored[i].entries[j].payload);
        free(wal->restored[i].entries);
    }
    free(wal->restored);
    wal->restored = NULL;
    wal->restored_count = 0;
}

/* -- the end ------------------------------------------------------------------------------- */

static void segments_free(struct wal_segment *list)
{
    struct wal_segment *segment, *next;
    DL_FOREACH_SAFE(list, segment, next)
    {
        wal_segment_free(segment);
    }
}

void wal_close(struct wal *wal)
{
    if (wal == NULL)
        return;
    env_timer_stop(&wal->retry);
    env_timer_stop(&wal->tend);
    wal_prepare_deinit(wal);
    wal_restored_free(wal);
    wal_batches_free(wal);
    wal_replicas_free(wal);
    segments_free(wal->segments);
    segments_free(wal->retired);
    for (size_t i = 0; i < wal->spare_count; i++)
        free(wal->spares[i]);
    free(wal->spares);
    free(wal->dir);
    free(wal);
}

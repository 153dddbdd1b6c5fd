#include "storage/wal_replay.h"

#include "env/mark.h"
#include "env/memory.h"
#include "storage/wal_replica.h"
#include "storage/wal_segment.h"

/* Nobody holds so many entries of one replica. */
#define ENTRIES_MAX (1ull << 28)

static int replay_entry(struct wal *wal, const struct wal_record *record)
{
    struct wal_replica *replica = wal_replica_get(wal, record->replica_key);
    struct wal_place place = {.position = record->position,
                              .bytes = (uint32_t)wal_record_bytes(record)};
    if (record->a <= replica->base_index)
        return SF_OK; /* cut meanwhile, as a later head in the log already said */
    if (record->a - replica->base_index > ENTRIES_MAX)
        return SF_CORRUPT;
    wal_replica_put(wal, replica, record->a, place);
    return SF_OK;
}

static int replay_mark(struct wal *wal, const struct wal_record *record)
{
    struct wal_replica *replica = wal_replica_get(wal, record->replica_key);
    switch (record->type) {
    case WAL_TRUNCATE:
        if (record->a <= replica->base_index)
            return SF_CORRUPT;
        SF_MARK("wal: replay of a log whose end was cut off");
        wal_replica_truncate(wal, replica, record->a);
        return SF_OK;
    case WAL_RESET:
        SF_MARK("wal: replay of a log that a snapshot reset");
        wal_replica_reset(wal, replica, record->a, record->b);
        return SF_OK;
    case WAL_HARD_STATE:
        if (record->b > UINT32_MAX)
            return SF_CORRUPT;
        replica->hard_state = (struct hard_state){.term = record->a, .vote = (replica_id)record->b};
        return SF_OK;
    case WAL_CUT:
        if (record->a >= replica->base_index)
            wal_replica_cut(wal, replica, record->a, record->b);
        return SF_OK;
    case WAL_REMOVE:
        wal_replica_remove(wal, replica);
        return SF_OK;
    default:
        return SF_CORRUPT;
    }
}

int wal_replay_record(struct wal *wal, const struct wal_record *record)
{
    switch (record->type) {
    case WAL_BATCH:
        wal->vouched = record->a > wal->vouched ? record->a : wal->vouched;
        return SF_OK;
    case WAL_SEGMENT:
    case WAL_FLOOR:
        return SF_OK; /* looked at before the replay began */
    case WAL_ENTRY:
        return replay_entry(wal, record);
    default:
        return replay_mark(wal, record);
    }
}

/* -- what is handed out -------------------------------------------------------------------- */

static int restore_entry(struct wal *wal, struct wal_replica *replica, uint64_t index,
                         bool is_unloaded, struct buffer *buffer, struct entry *out)
{
    struct wal_record record;
    struct wal_place place = *wal_replica_place(replica, index);
    if (place.position == 0)
        return SF_CORRUPT;
    int status = wal_segment_read(wal, place, buffer, &record);
    if (status == SF_OK)
        *out = (struct entry){.index = index,
                              .term = record.b,
                              .payload = is_unloaded ? payload_new_unloaded(record.body.n)
                                                     : payload_new(record.body)};
    return status;
}

static int restore_replica(struct wal *wal, struct wal_replica *replica,
                           struct wal_restored *restored, struct buffer *buffer)
{
    *restored = (struct wal_restored){.replica_key = replica->key,
                                      .hard_state = replica->hard_state,
                                      .base_index = replica->base_index,
                                      .base_term = replica->base_term};
    restored->entries = sf_calloc(replica->count, sizeof *restored->entries);
    uint64_t unloaded =
        wal->unloaded_up_to == NULL ? 0 : wal->unloaded_up_to(wal->unloaded_ctx, replica->key);
    int status = SF_OK;
    while (status == SF_OK && restored->entry_count < replica->count) {
        uint64_t index = replica->base_index + 1 + restored->entry_count;
        status = restore_entry(wal, replica, index, index <= unloaded, buffer,
                               &restored->entries[restored->entry_count]);
        if (status == SF_OK)
            restored->entry_count++;
    }
    return status;
}

int wal_replay_end(struct wal *wal, uint64_t *replica_key, uint64_t *index)
{
    struct buffer buffer = {0};
    struct wal_replica *replica, *next;
    int status = SF_OK;
    wal->restored = sf_calloc(HASH_COUNT(wal->replicas), sizeof *wal->restored);
    HASH_ITER(hh, wal->replicas, replica, next)
    {
        if (status != SF_OK)
            break;
        struct wal_restored *restored = &wal->restored[wal->restored_count++];
        status = restore_replica(wal, replica, restored, &buffer);
        *replica_key = replica->key;
        *index = replica->base_index + 1 + restored->entry_count;
    }
    buffer_deinit(&buffer);
    return status;
}

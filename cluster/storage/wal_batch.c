#include "storage/wal_batch.h"

#include <string.h>

#include "env/log.h"
#include "env/mark.h"
#include "env/memory.h"
#include "storage/wal_segment.h"
#include "storage/wal_tend.h"

#define RETRY_MS 1000u
#define IDLE_BUFFER_BYTES_MAX (1u << 20) /* a larger one is not kept for the next batch */
#define LENT_BYTES_MIN 16384u            /* a body of so much is not copied */

static struct wal_batch *batch_last(const struct wal *wal)
{
    return wal->batches == NULL ? NULL : wal->batches->prev;
}

/* -- layout -------------------------------------------------------------------------------- */

static struct wal_batch *batch_open(struct wal *wal)
{
    struct wal_batch *batch = wal->idle == NULL ? sf_calloc(1, sizeof *batch) : wal->idle;
    wal->idle = NULL;
    batch->segment = wal_segment_newest(wal);
    batch->start = wal->next_start;
    batch->sealed = false;
    buffer_clear(&batch->bytes);
    memset(buffer_grow(&batch->bytes, WAL_HEADER_BYTES), 0, WAL_HEADER_BYTES);
    DL_APPEND(wal->batches, batch);
    return batch;
}

static size_t batch_bytes(const struct wal_batch *batch)
{
    return batch->bytes.n + batch->lent_bytes;
}

static void batch_seal(struct wal *wal, struct wal_batch *batch)
{
    batch->content_bytes = batch_bytes(batch);
    size_t padding = (size_t)(wal_page_up(batch->content_bytes) - batch->content_bytes);
    if (padding > 0)
        memset(buffer_grow(&batch->bytes, padding), 0, padding);
    batch->sealed = true;
    wal->next_start = batch->start + batch_bytes(batch);
}

static void batch_lend(struct wal_batch *batch, struct payload *payload)
{
    if (batch->lent_count == batch->lent_cap) {
        batch->lent_cap = batch->lent_cap == 0 ? 8 : batch->lent_cap * 2;
        batch->lent = sf_realloc(batch->lent, batch->lent_cap * sizeof *batch->lent);
    }
    batch->lent[batch->lent_count++] =
        (struct wal_lent){.at = batch->bytes.n, .payload = payload_ref(payload)};
    batch->lent_bytes += payload->bytes;
}

static void batch_give_back(struct wal_batch *batch)
{
    for (size_t i = 0; i < batch->lent_count; i++)
        payload_unref(batch->lent[i].payload);
    batch->lent_count = batch->lent_bytes = 0;
}

static struct wal_place batch_put(struct wal *wal, struct wal_batch *batch,
                                  struct wal_record record, struct payload *payload)
{
    size_t bytes = wal_record_bytes(&record);
    record.position = batch->start + batch_bytes(batch);
    if (payload != NULL && payload->bytes >= LENT_BYTES_MIN) {
        wal_record_write_head(buffer_grow(&batch->bytes, WAL_HEADER_BYTES), wal->cluster_hash,
                              &record);
        batch_lend(batch, payload);
    } else {
        wal_record_write(buffer_grow(&batch->bytes, bytes), wal->cluster_hash, &record);
    }
    wal->position = record.position + bytes;
    return (struct wal_place){.position = record.position, .bytes = (uint32_t)bytes};
}

/* W4: whatever is needed of older segments, entries aside, stands in the head. */
static void head_put_replicas(struct wal *wal, struct wal_batch *batch)
{
    struct wal_replica *r, *next;
    HASH_ITER(hh, wal->replicas, r, next)
    {
        const struct wal_record state = {.type = WAL_HARD_STATE,
                                         .replica_key = r->key,
                                         .a = r->hard_state.term,
                                         .b = r->hard_state.vote};
        const struct wal_record cut = {
            .type = WAL_CUT, .replica_key = r->key, .a = r->base_index, .b = r->base_term};
        batch_put(wal, batch, state, NULL);
        batch_put(wal, batch, cut, NULL);
    }
}

size_t wal_batch_head_bytes(const struct wal *wal)
{
    return WAL_HEADER_BYTES * 2 + WAL_SEGMENT_BODY_BYTES +
           (size_t)HASH_COUNT(wal->replicas) * 2 * WAL_HEADER_BYTES;
}

void wal_batch_begin_segment(struct wal *wal, uint64_t number, size_t need)
{
    struct wal_segment *previous = wal_segment_newest(wal);
    uint64_t bytes = wal_page_up(wal_batch_head_bytes(wal) + need);
    bytes = (bytes + wal->unit - 1) / wal->unit * wal->unit;
    struct wal_segment *segment = wal_segment_add(wal, number, bytes);
    struct wal_segment_head head = {.version = WAL_FORMAT_VERSION,
                                    .cluster_hash = wal->cluster_hash,
                                    .number = number,
                                    .unit = wal->unit,
                                    .bytes = bytes,
                                    .floor = wal->segments->number,
                                    .previous = previous == NULL ? 0 : previous->number,
                                    .previous_end = previous == NULL ? 0 : previous->content_end};
    uint8_t body[WAL_SEGMENT_BODY_BYTES];
    wal->next_start = segment->start;
    struct wal_batch *batch = batch_open(wal);
    batch_put(wal, batch, wal_segment_head_record(&head, 0, body), NULL);
    head_put_replicas(wal, batch);
}

static void next_segment(struct wal *wal, size_t need)
{
    struct wal_segment *newest = wal_segment_newest(wal);
    newest->content_end = wal->next_start;
    wal_batch_begin_segment(wal, newest->end / wal->unit, need);
}

/* The open batch, in which so many bytes more find room. */
static struct wal_batch *batch_with_room(struct wal *wal, size_t bytes)
{
    struct wal_batch *last = batch_last(wal);
    if (last != NULL && !last->sealed) {
        if (last->start + batch_bytes(last) + bytes <= last->segment->end)
            return last;
        batch_seal(wal, last);
        next_segment(wal, bytes);
    } else if (wal->next_start + WAL_HEADER_BYTES + bytes > wal_segment_newest(wal)->end) {
        next_segment(wal, bytes);
    } else {
        batch_open(wal);
    }
    return batch_last(wal);
}

struct wal_place wal_batch_add(struct wal *wal, const struct wal_record *record,
                               struct payload *payload)
{
    struct wal_batch *batch = batch_with_room(wal, wal_record_bytes(record));
    return batch_put(wal, batch, *record, payload);
}

void wal_batch_add_empty(struct wal *wal)
{
    sf_assert(wal->batches == NULL);
    batch_with_room(wal, 0);
}

/* -- group commit -------------------------------------------------------------------------- */

static void batch_free(struct wal_batch *batch)
{
    batch_give_back(batch);
    free(batch->lent);
    buffer_deinit(&batch->bytes);
    free(batch);
}

void wal_batches_free(struct wal *wal)
{
    struct wal_batch *batch, *next;
    DL_FOREACH_SAFE(wal->batches, batch, next)
    {
        batch_free(batch);
    }
    if (wal->idle != NULL)
        batch_free(wal->idle);
    wal->batches = wal->idle = NULL;
}

/* Writes its own bytes and what is lent in turn. */
static int batch_write_all(const struct wal_batch *batch)
{
    uint64_t offset = batch->start - batch->segment->start;
    size_t done = 0;
    for (size_t i = 0; i <= batch->lent_count; i++) {
        size_t end = i < batch->lent_count ? batch->lent[i].at : batch->bytes.n;
        int status =
            env_file_write(batch->segment->file, offset, batch->bytes.p + done, end - done);
        offset += end - done;
        done = end;
        if (status == SF_OK && i < batch->lent_count) {
            struct slice lent = payload_slice(batch->lent[i].payload);
            status = env_file_write(batch->segment->file, offset, lent.p, lent.n);
            offset += lent.n;
        }
        if (status != SF_OK)
            return status;
    }
    return SF_OK;
}

/* The same bytes every time: nothing is synced meanwhile (S3). */
static int batch_write(struct wal *wal, struct wal_batch *batch)
{
    struct wal_record head = {
        .type = WAL_BATCH, .position = batch->start, .a = wal->synced, .b = batch->content_bytes};
    wal_record_write(batch->bytes.p, wal->cluster_hash, &head);
    int status = wal_segment_attach(wal, batch->segment);
    return status == SF_OK ? batch_write_all(batch) : status;
}

/* The first batch is durable. */
static void batch_end(struct wal *wal)
{
    struct wal_batch *batch = wal->batches;
    DL_DELETE(wal->batches, batch);
    wal->vouched = wal->synced;
    wal->synced = batch->start + batch_bytes(batch);
    batch_give_back(batch);
    if (wal->idle == NULL && batch->bytes.cap <= IDLE_BUFFER_BYTES_MAX)
        wal->idle = batch;
    else
        batch_free(batch);
}

static void write_next(struct wal *wal);

static void on_batch_synced(struct env_sync *sync, int status)
{
    struct wal *wal = container_of(sync, struct wal, sync);
    wal->writing = false;
    if (status != SF_OK) {
        wal_die(wal, "the sync of the log failed");
        return;
    }
    batch_end(wal);
    if (wal->on_synced != NULL)
        wal->on_synced(wal->on_synced_ctx, wal->synced);
    if (wal->batches != NULL)
        SF_MARK("wal: records added while a batch was synced");
    wal->wanted = true; /* what was added meanwhile follows by itself */
    write_next(wal);
    wal_tend_arm(wal);
}

static void on_no_space(struct wal *wal)
{
    SF_MARK("wal: batch waits for space");
    if (!wal->full)
        log_warn("wal", "%s: no space left; nothing is acknowledged until there is", wal->dir);
    wal->full = true;
    env_timer_start_ms(&wal->retry, RETRY_MS);
}

static void write_next(struct wal *wal)
{
    struct wal_batch *batch = wal->batches;
    if (wal->dead || wal->writing || !wal->wanted || env_timer_is_armed(&wal->retry))
        return;
    wal->wanted = batch != NULL && batch != batch_last(wal);
    if (batch == NULL)
        return;
    if (!batch->sealed)
        batch_seal(wal, batch);
    int status = batch_write(wal, batch);
    if (status == SF_NO_SPACE) {
        on_no_space(wal);
    } else if (status != SF_OK) {
        wal_die(wal, "the log cannot be written");
    } else {
        wal->full = false;
        wal->writing = true;
        wal->sync.on_done = on_batch_synced;
        env_file_sync(batch->segment->file, &wal->sync);
    }
}

void wal_batch_commit(struct wal *wal)
{
    wal->wanted = true;
    write_next(wal);
}

void wal_batch_retry(struct env_timer *timer)
{
    wal_batch_commit(container_of(timer, struct wal, retry));
}

int wal_batch_commit_now(struct wal *wal)
{
    struct wal_batch *batch = wal->batches;
    sf_assert(batch != NULL && batch == batch_last(wal));
    batch_seal(wal, batch);
    int status = batch_write(wal, batch);
    if (status == SF_OK)
        status = env_file_sync_now(batch->segment->file);
    if (status == SF_OK)
        batch_end(wal);
    return status;
}

#include "storage/wal_scan.h"

#include "env/mark.h"
#include "shardfs/error.h"

static bool record_at(const struct wal_scan *scan, uint64_t position, struct wal_record *out)
{
    size_t offset = (size_t)(position - scan->start);
    if (offset >= scan->bytes.n)
        return false;
    return wal_record_read(slice_of(scan->bytes.p + offset, scan->bytes.n - offset),
                           scan->cluster_hash, position, out);
}

static bool batch_at(const struct wal_scan *scan, uint64_t position, struct wal_record *out)
{
    return record_at(scan, position, out) && out->type == WAL_BATCH && out->b >= WAL_HEADER_BYTES;
}

static int visit(struct wal_scan *scan, const struct wal_record *record)
{
    scan->end = record->position + wal_record_bytes(record);
    return scan->visit(scan->ctx, record);
}

/* The records of the batch whose head was just visited. *whole: all of them are there. */
static int scan_batch(struct wal_scan *scan, uint64_t batch_end, bool *whole)
{
    struct wal_record record;
    int status = SF_OK;
    while (status == SF_OK && scan->end < batch_end && scan->end != scan->limit) {
        if (!record_at(scan, scan->end, &record) ||
            wal_record_bytes(&record) > batch_end - scan->end)
            break;
        status = visit(scan, &record);
    }
    *whole = scan->end >= batch_end;
    if (!*whole && scan->limit == 0)
        SF_MARK("wal: torn batch at the end of the log");
    return status;
}

int wal_scan_run(struct wal_scan *scan)
{
    uint64_t position = scan->start;
    struct wal_record head;
    int status = SF_OK;
    bool whole = true;
    scan->end = position;
    while (status == SF_OK && whole && (scan->limit == 0 || position < scan->limit) &&
           batch_at(scan, position, &head)) {
        status = visit(scan, &head);
        if (status == SF_OK)
            status = scan_batch(scan, position + head.b, &whole);
        position = wal_page_up(scan->end);
    }
    if (whole)
        scan->end = position;
    if (status == SF_OK && scan->limit != 0 && scan->end < scan->limit)
        return SF_CORRUPT;
    return status;
}

uint64_t wal_scan_vouched(const struct wal_scan *scan, uint64_t from)
{
    uint64_t newest = 0, end = scan->start + scan->bytes.n;
    struct wal_record head;
    for (uint64_t position = wal_page_up(from); position < end; position += WAL_PAGE_BYTES) {
        if (batch_at(scan, position, &head) && head.a > newest)
            newest = head.a;
    }
    return newest;
}

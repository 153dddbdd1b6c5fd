#include "storage/wal_record.h"

#include <string.h>

#define CHECKSUM_BYTES 8u
static const char segment_magic[8] = {'s', 'h', 'a', 'r', 'd', 'w', 'a', 'l'};

static void put_le(uint8_t *to, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)(v >> (8 * i));
}

size_t wal_record_bytes(const struct wal_record *record)
{
    return WAL_HEADER_BYTES + record->body.n;
}

/* All but the checksum. */
static void put_head(uint8_t *to, const struct wal_record *record)
{
    sf_assert(record->body.n <= WAL_BODY_BYTES_MAX);
    put_le(to + 8, record->body.n, 4);
    to[12] = record->type;
    to[13] = record->flags;
    put_le(to + 14, 0, 2);
    put_le(to + 16, record->replica_key, 8);
    put_le(to + 24, record->position, 8);
    put_le(to + 32, record->a, 8);
    put_le(to + 40, record->b, 8);
}

void wal_record_write_head(uint8_t *to, uint64_t cluster_hash, const struct wal_record *record)
{
    put_head(to, record);
    struct slice covered = slice_of(to + CHECKSUM_BYTES, WAL_HEADER_BYTES - CHECKSUM_BYTES);
    put_le(to, bytes_hash_two(covered, record->body, cluster_hash), CHECKSUM_BYTES);
}

void wal_record_write(uint8_t *to, uint64_t cluster_hash, const struct wal_record *record)
{
    put_head(to, record);
    if (record->body.n > 0 && record->body.p != to + WAL_HEADER_BYTES)
        memcpy(to + WAL_HEADER_BYTES, record->body.p, record->body.n);
    struct slice covered = slice_of(to + CHECKSUM_BYTES, wal_record_bytes(record) - CHECKSUM_BYTES);
    put_le(to, bytes_hash_seed(covered, cluster_hash), CHECKSUM_BYTES);
}

bool wal_record_read(struct slice from, uint64_t cluster_hash, uint64_t position,
                     struct wal_record *out)
{
    struct reader r = reader_of(from);
    uint64_t checksum = reader_u64(&r);
    uint32_t body = reader_u32(&r);
    struct wal_record record = {.type = reader_u8(&r)};
    record.flags = reader_u8(&r);
    uint16_t zero = reader_u16(&r);
    record.replica_key = reader_u64(&r);
    record.position = reader_u64(&r);
    record.a = reader_u64(&r);
    record.b = reader_u64(&r);
    if (!reader_ok(&r) || record.position != position || zero != 0 || body > WAL_BODY_BYTES_MAX)
        return false;
    record.body = reader_bytes(&r, body);
    if (!reader_ok(&r))
        return false;
    struct slice covered =
        slice_of(from.p + CHECKSUM_BYTES, wal_record_bytes(&record) - CHECKSUM_BYTES);
    if (bytes_hash_seed(covered, cluster_hash) != checksum)
        return false;
    *out = record;
    return true;
}

struct wal_record wal_segment_head_record(const struct wal_segment_head *head, uint64_t position,
                                          uint8_t *body)
{
    memcpy(body, segment_magic, sizeof segment_magic);
    put_le(body + 8, head->version, 4);
    put_le(body + 12, 0, 4);
    put_le(body + 16, head->cluster_hash, 8);
    put_le(body + 24, head->number, 8);
    put_le(body + 32, head->unit, 8);
    put_le(body + 40, head->bytes, 8);
    put_le(body + 48, head->previous, 8);
    return (struct wal_record){.type = WAL_SEGMENT,
                               .position = position,
                               .a = head->floor,
                               .b = head->previous_end,
                               .body = slice_of(body, WAL_SEGMENT_BODY_BYTES)};
}

bool wal_segment_head_read(const struct wal_record *record, struct wal_segment_head *out)
{
    struct reader r = reader_of(record->body);
    struct slice magic = reader_bytes(&r, sizeof segment_magic);
    struct wal_segment_head head = {.version = reader_u32(&r)};
    uint32_t zero = reader_u32(&r);
    head.cluster_hash = reader_u64(&r);
    head.number = reader_u64(&r);
    head.unit = reader_u64(&r);
    head.bytes = reader_u64(&r);
    head.previous = reader_u64(&r);
    head.floor = record->a;
    head.previous_end = record->b;
    if (!reader_done(&r) || record->type != WAL_SEGMENT || zero != 0 ||
        memcmp(magic.p, segment_magic, sizeof segment_magic) != 0)
        return false;
    *out = head;
    return true;
}

uint64_t wal_page_up(uint64_t position)
{
    return (position + WAL_PAGE_BYTES - 1) / WAL_PAGE_BYTES * WAL_PAGE_BYTES;
}

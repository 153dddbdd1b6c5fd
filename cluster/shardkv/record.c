#include "shardkv/record.h"

#include <string.h>

#define RECORD_FORMAT 1u
#define RECORD_SHOWS 1u

void record_pack(struct buffer *b, const struct record *record)
{
    buffer_put_u8(b, RECORD_FORMAT);
    buffer_put_u8(b, (uint8_t)record->kind);
    buffer_put_u8(b, record->shows ? RECORD_SHOWS : 0);
    buffer_put_u64(b, record->version);
    buffer_put_u64(b, record->created);
    buffer_put_u64(b, record->changed_ns);
    buffer_put_u64(b, record->ctime_ns);
    if (record->shows)
        buffer_put_u64(b, record->shown_ns);
    buffer_put_u64(b, record->length);
    buffer_put_u8(b, (uint8_t)record->tail_count);
    for (size_t i = 0; i < record->tail_count; i++) {
        buffer_put_u64(b, record->tail[i].first_extent);
        buffer_put_u64(b, record->tail[i].data_id);
    }
    buffer_put_slice(b, record->attr);
    buffer_append(b, record->inline_bytes.p, record->inline_bytes.n);
}

static void unpack_tail(struct reader *r, struct record *record)
{
    record->tail_count = reader_u8(r);
    if (record->tail_count > SF_TAIL_MAX)
        r->bad = true;
    for (size_t i = 0; reader_ok(r) && i < record->tail_count; i++) {
        record->tail[i].first_extent = reader_u64(r);
        record->tail[i].data_id = reader_u64(r);
    }
}

static bool kind_is_known(enum record_kind kind)
{
    return kind >= RECORD_VALUE && kind <= RECORD_DIRECTORY;
}

int record_unpack(struct slice bytes, struct record *record)
{
    struct reader r = reader_of(bytes);
    bool known = reader_u8(&r) == RECORD_FORMAT;
    record->kind = (enum record_kind)reader_u8(&r);
    record->shows = (reader_u8(&r) & RECORD_SHOWS) != 0;
    record->version = reader_u64(&r);
    record->created = reader_u64(&r);
    record->changed_ns = reader_u64(&r);
    record->ctime_ns = reader_u64(&r);
    record->shown_ns = record->shows ? reader_u64(&r) : 0;
    record->length = reader_u64(&r);
    unpack_tail(&r, record);
    record->attr = reader_slice(&r, SF_ATTR_BYTES_MAX);
    if (!reader_ok(&r) || !known || !kind_is_known(record->kind))
        return SF_CORRUPT;
    size_t head = record_head_length(record);
    record->inline_bytes = reader_bytes(&r, head <= RECORD_INLINE_MAX ? head : 0);
    return reader_done(&r) ? SF_OK : SF_CORRUPT;
}

uint32_t record_head_length(const struct record *record)
{
    return record->length < SF_VALUE_BYTES_MAX ? (uint32_t)record->length : SF_VALUE_BYTES_MAX;
}

void record_stat(const struct record *record, struct kv_stat *stat)
{
    *stat = (struct kv_stat){.kind = record->kind,
                             .version = record->version,
                             .created = record->created,
                             .mtime_ns = record->shows ? record->shown_ns : record->changed_ns,
                             .ctime_ns = record->ctime_ns,
                             .length = record->length,
                             .tail_count = record->tail_count};
    memcpy(stat->tail, record->tail, record->tail_count * sizeof(record->tail[0]));
}

bool record_tail_equal(const struct kv_tail *a, size_t a_count, const struct kv_tail *b,
                       size_t b_count)
{
    if (a_count != b_count)
        return false;
    for (size_t i = 0; i < a_count; i++)
        if (a[i].first_extent != b[i].first_extent || a[i].data_id != b[i].data_id)
            return false;
    return true;
}

#include "shardkv/completion.h"

#include "env/memory.h"

enum completion_field {
    HAS_STAT = 1,
    HAS_DATA = 2,
    HAS_OLD_LENGTH = 4,
    HAS_IDS = 8,
    HAS_SESSION = 16,
    HAS_REPLIES = 32,
    HAS_FATE = 64,
};

#define STAT_KIND 0x0fu
#define STAT_NEW 0x10u      /* created == version */
#define STAT_ONE_TIME 0x20u /* ctime == mtime */
#define STAT_TAIL 0x40u

#define STATUS_BASE (-2000)

static unsigned fields_of(const struct kv_reply *reply)
{
    unsigned fields = 0;
    fields |= reply->stat.kind != 0 ? HAS_STAT : 0u;
    fields |= reply->data.n > 0 ? HAS_DATA : 0u;
    fields |= reply->old_length != 0 ? HAS_OLD_LENGTH : 0u;
    fields |= reply->ids_first != 0 ? HAS_IDS : 0u;
    fields |= reply->session != 0 ? HAS_SESSION : 0u;
    fields |= reply->reply_count > 0 || reply->failed != 0 ? HAS_REPLIES : 0u;
    fields |= reply->fate != KV_FATE_NONE ? HAS_FATE : 0u;
    return fields;
}

static void pack_stat(struct buffer *b, const struct kv_stat *stat)
{
    unsigned first = (unsigned)stat->kind & STAT_KIND;
    first |= stat->created == stat->version ? STAT_NEW : 0u;
    first |= stat->ctime_ns == stat->mtime_ns ? STAT_ONE_TIME : 0u;
    first |= stat->tail_count > 0 ? STAT_TAIL : 0u;
    buffer_put_u8(b, (uint8_t)first);
    buffer_put_u64(b, stat->version);
    if (!(first & STAT_NEW))
        buffer_put_u64(b, stat->created);
    buffer_put_u64(b, stat->mtime_ns);
    if (!(first & STAT_ONE_TIME))
        buffer_put_u64(b, stat->ctime_ns);
    buffer_put_u64(b, stat->length);
    if (!(first & STAT_TAIL))
        return;
    buffer_put_u8(b, (uint8_t)stat->tail_count);
    for (size_t i = 0; i < stat->tail_count; i++) {
        buffer_put_u64(b, stat->tail[i].first_extent);
        buffer_put_u64(b, stat->tail[i].data_id);
    }
}

static void pack_replies(struct buffer *b, const struct kv_reply *reply)
{
    sf_assert(reply->reply_count <= SF_MINI_OPS_MAX);
    buffer_put_u64(b, reply->failed);
    buffer_put_u8(b, (uint8_t)reply->reply_count);
    for (size_t i = 0; i < reply->reply_count; i++)
        completion_pack(b, &reply->replies[i]);
}

void completion_pack(struct buffer *b, const struct kv_reply *reply)
{
    unsigned fields = fields_of(reply);
    buffer_put_u8(b, (uint8_t)fields);
    buffer_put_u16(b, reply->status == SF_OK ? 0 : (uint16_t)(STATUS_BASE - reply->status));
    if (fields & HAS_STAT)
        pack_stat(b, &reply->stat);
    if (fields & HAS_DATA)
        buffer_put_slice(b, reply->data);
    if (fields & HAS_OLD_LENGTH)
        buffer_put_u64(b, reply->old_length);
    if (fields & HAS_IDS)
        buffer_put_u64(b, reply->ids_first);
    if (fields & HAS_SESSION)
        buffer_put_u64(b, reply->session);
    if (fields & HAS_FATE)
        buffer_put_u8(b, (uint8_t)reply->fate);
    if (fields & HAS_REPLIES)
        pack_replies(b, reply);
}

int completion_status(struct slice bytes, struct slice *rest)
{
    struct reader r = reader_of(bytes);
    (void)reader_u8(&r);
    unsigned status = reader_u16(&r);
    *rest = slice_of(r.p, reader_left(&r));
    return status == 0 ? SF_OK : STATUS_BASE - (int)status;
}

static void unpack_stat_tail(struct reader *r, struct kv_stat *stat)
{
    stat->tail_count = reader_u8(r);
    if (stat->tail_count > SF_TAIL_MAX) {
        stat->tail_count = 0;
        r->bad = true;
    }
    for (size_t i = 0; i < stat->tail_count; i++) {
        stat->tail[i].first_extent = reader_u64(r);
        stat->tail[i].data_id = reader_u64(r);
    }
}

static void unpack_stat(struct reader *r, struct kv_stat *stat)
{
    unsigned first = reader_u8(r);
    stat->kind = (enum record_kind)(first & STAT_KIND);
    stat->version = reader_u64(r);
    stat->created = first & STAT_NEW ? stat->version : reader_u64(r);
    stat->mtime_ns = reader_u64(r);
    stat->ctime_ns = first & STAT_ONE_TIME ? stat->mtime_ns : reader_u64(r);
    stat->length = reader_u64(r);
    if (first & STAT_TAIL)
        unpack_stat_tail(r, stat);
}

/* Everything but replies; the fields that were named. */
static unsigned unpack_flat(struct reader *r, struct kv_reply *reply)
{
    *reply = (struct kv_reply){0};
    unsigned fields = reader_u8(r), status = reader_u16(r);
    reply->status = status == 0 ? SF_OK : STATUS_BASE - (int)status;
    if (fields & HAS_STAT)
        unpack_stat(r, &reply->stat);
    if (fields & HAS_DATA)
        reply->data = reader_slice(r, SF_VALUE_BYTES_MAX);
    if (fields & HAS_OLD_LENGTH)
        reply->old_length = reader_u64(r);
    if (fields & HAS_IDS)
        reply->ids_first = reader_u64(r);
    if (fields & HAS_SESSION)
        reply->session = reader_u64(r);
    if (fields & HAS_FATE)
        reply->fate = (enum kv_fate)reader_u8(r);
    r->bad = r->bad || reply->fate > KV_FATE_ABORTED;
    return fields;
}

static void unpack_replies(struct reader *r, struct kv_reply *reply)
{
    reply->failed = reader_u64(r);
    size_t count = reader_u8(r);
    if (!reader_ok(r) || count > SF_MINI_OPS_MAX) {
        r->bad = true;
        return;
    }
    struct kv_reply *replies = sf_calloc(count, sizeof(*replies));
    for (size_t i = 0; i < count; i++)
        if (unpack_flat(r, &replies[i]) & HAS_REPLIES)
            r->bad = true;
    reply->replies = replies;
    reply->reply_count = count;
}

int completion_unpack(struct slice bytes, struct kv_reply *reply)
{
    struct reader r = reader_of(bytes);
    struct kv_reply got;
    if (unpack_flat(&r, &got) & HAS_REPLIES)
        unpack_replies(&r, &got);
    if (!reader_done(&r)) {
        kv_reply_free(&got);
        return SF_CORRUPT;
    }
    *reply = got;
    return SF_OK;
}

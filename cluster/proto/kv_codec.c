#include "proto/kv.h"

#include <stdlib.h>
#include <string.h>

#include "env/memory.h"

/* Strings within a message; what they may hold beyond that is kv_op_check's to say. */
#define BYTES_MAX SF_MESSAGE_BYTES_MAX
#define TAIL_ENTRY_BYTES 16u
#define OBJECTS_OF_AN_ADD 3u
#define OBJECTS_OF_AN_ENTRY 3u
#define OBJECTS_OF_A_NUMBER 4u
#define SCAN_REPLY_MAX (2 * SF_SCAN_MAX) /* a server may give a few more than were asked for */
#define NUMBER_MAX UINT64_MAX

/* The bits of kv.h's table: what follows, in this order. Those marked `bare` bring no object. */
enum op_field {
    OP_INTERNAL = 1 << 0, /* bare */
    OP_FLAGS = 1 << 1,
    OP_PRE = 1 << 2, /* two objects */
    OP_RECORD_KIND = 1 << 3,
    OP_DATA = 1 << 4,
    OP_ATTR = 1 << 5,
    OP_OFFSET = 1 << 6,
    OP_LENGTH = 1 << 7,
    OP_CREATED = 1 << 8,
    OP_MTIME = 1 << 9,
    OP_IDS = 1 << 10,
    OP_TAIL = 1 << 11,
    OP_IF_TAIL = 1 << 12,
    OP_ADDS = 1 << 13,
    OP_SHARDS = 1 << 14,
    OP_CHECKS = 1 << 15,
    OP_OPS = 1 << 16,
    OP_NUMBERS = 1 << 17,
    OP_AFTER = 1 << 18,
    OP_HOLD = 1 << 19,
    OP_FIELDS_LIMIT = 1 << 20,
    OP_NOT_NESTED =
        OP_SHARDS | OP_CHECKS | OP_OPS | OP_NUMBERS | OP_HOLD /* stand in no operation of a MINI */
};

enum reply_field {
    REPLY_PARTIAL = 1 << 0, /* bare */
    REPLY_MORE = 1 << 1,    /* bare */
    REPLY_STAT = 1 << 2,
    REPLY_OLD_LENGTH = 1 << 3,
    REPLY_IDS = 1 << 4,
    REPLY_SESSION = 1 << 5,
    REPLY_ENTRIES = 1 << 6,
    REPLY_REPLIES = 1 << 7,
    REPLY_FAILED = 1 << 8,
    REPLY_LEADER = 1 << 9,
    REPLY_CONFIG = 1 << 10,
    REPLY_FATE = 1 << 11,
    REPLY_FIELDS_LIMIT = 1 << 12
};

static unsigned bit_if(bool there, unsigned bit)
{
    return there ? bit : 0;
}

static size_t bit_count(unsigned bits)
{
    return (size_t)__builtin_popcount(bits);
}

/* free() for arrays that everybody else may only look at. */
static void release(const void *array)
{
    free((void *)(uintptr_t)array);
}

static void put_u64(struct buffer *b, bool there, uint64_t v)
{
    if (there)
        pack_u64(b, v);
}

static void put_bin(struct buffer *b, bool there, struct slice bytes)
{
    if (there)
        pack_bin(b, bytes);
}

static uint64_t get_u64(struct cursor *c, bool there)
{
    return there ? unpack_u64(c, NUMBER_MAX) : 0;
}

static struct slice get_bin(struct cursor *c, bool there)
{
    return there ? unpack_bin(c, BYTES_MAX) : (struct slice){0};
}

/* -- tails --------------------------------------------------------------------------------- */

static void put_tail(struct buffer *b, const struct kv_tail *tail, size_t count)
{
    pack_bin_begin(b, count * TAIL_ENTRY_BYTES);
    for (size_t i = 0; i < count; i++) {
        buffer_put_u64_big(b, tail[i].first_extent);
        buffer_put_u64_big(b, tail[i].data_id);
    }
}

static size_t get_tail(struct cursor *c, struct kv_tail *tail)
{
    struct reader r = reader_of(unpack_bin(c, SF_TAIL_MAX * TAIL_ENTRY_BYTES));
    size_t count = 0;
    while (reader_left(&r) >= TAIL_ENTRY_BYTES) {
        tail[count].first_extent = reader_u64_big(&r);
        tail[count].data_id = reader_u64_big(&r);
        count++;
    }
    c->bad = c->bad || !reader_done(&r);
    return count;
}

/* -- operations ---------------------------------------------------------------------------- */

static unsigned op_fields(const struct kv_op *op)
{
    return bit_if(op->space == KV_INTERNAL, OP_INTERNAL) | bit_if(op->flags != 0, OP_FLAGS) |
           bit_if(op->pre.kind != KV_PRE_NONE, OP_PRE) |
           bit_if(op->record_kind != 0, OP_RECORD_KIND) | bit_if(op->data.n > 0, OP_DATA) |
           bit_if(op->attr.n > 0, OP_ATTR) | bit_if(op->offset != 0, OP_OFFSET) |
           bit_if(op->length != 0, OP_LENGTH) | bit_if(op->created != 0, OP_CREATED) |
           bit_if(op->mtime_ns != 0, OP_MTIME) | bit_if(op->ids_first != 0, OP_IDS) |
           bit_if(op->tail_count > 0, OP_TAIL) | bit_if(op->if_tail_count > 0, OP_IF_TAIL) |
           bit_if(op->add_count > 0, OP_ADDS) | bit_if(op->shard_count > 0, OP_SHARDS) |
           bit_if(op->check_count > 0, OP_CHECKS) | bit_if(op->op_count > 0, OP_OPS) |
           bit_if(op->number_count > 0, OP_NUMBERS) | bit_if(op->after_ns != 0, OP_AFTER) |
           bit_if(op->hold != 0, OP_HOLD);
}

static size_t op_objects(unsigned fields)
{
    size_t head = 3; /* kind, fields, key */
    return head + bit_count(fields & ~(unsigned)OP_INTERNAL) + ((fields & OP_PRE) ? 1 : 0);
}

static void put_adds(struct buffer *b, const struct kv_op *op)
{
    pack_array(b, op->add_count * OBJECTS_OF_AN_ADD);
    for (size_t i = 0; i < op->add_count; i++) {
        pack_u64(b, op->adds[i].slot);
        pack_bool(b, op->adds[i].is_max);
        pack_u64(b, op->adds[i].value);
    }
}

static void put_shards(struct buffer *b, const struct kv_op *op)
{
    pack_array(b, op->shard_count);
    for (size_t i = 0; i < op->shard_count; i++)
        pack_u64(b, op->shards[i]);
}

static void put_numbers(struct buffer *b, const struct kv_op *op)
{
    pack_array(b, op->number_count * OBJECTS_OF_A_NUMBER);
    for (size_t i = 0; i < op->number_count; i++) {
        pack_u64(b, op->numbers[i].shard);
        pack_u64(b, op->numbers[i].session);
        pack_u64(b, op->numbers[i].sequence);
        pack_u64(b, op->numbers[i].first_incomplete);
    }
}

static void put_ops(struct buffer *b, const struct kv_op *ops, size_t count)
{
    pack_array(b, count);
    for (size_t i = 0; i < count; i++)
        kv_op_pack(b, &ops[i]);
}

/* The fields that are lists. */
static void put_op_lists(struct buffer *b, const struct kv_op *op, unsigned fields)
{
    if (fields & OP_TAIL)
        put_tail(b, op->tail, op->tail_count);
    if (fields & OP_IF_TAIL)
        put_tail(b, op->if_tail, op->if_tail_count);
    if (fields & OP_ADDS)
        put_adds(b, op);
    if (fields & OP_SHARDS)
        put_shards(b, op);
    if (fields & OP_CHECKS)
        put_ops(b, op->checks, op->check_count);
    if (fields & OP_OPS)
        put_ops(b, op->ops, op->op_count);
    if (fields & OP_NUMBERS)
        put_numbers(b, op);
}

void kv_op_pack(struct buffer *b, const struct kv_op *op)
{
    unsigned fields = op_fields(op);
    pack_array(b, op_objects(fields));
    pack_u64(b, op->kind);
    pack_u64(b, fields);
    pack_bin(b, op->key);
    put_u64(b, fields & OP_FLAGS, op->flags);
    put_u64(b, fields & OP_PRE, op->pre.kind);
    put_u64(b, fields & OP_PRE, op->pre.id);
    put_u64(b, fields & OP_RECORD_KIND, op->record_kind);
    put_bin(b, fields & OP_DATA, op->data);
    put_bin(b, fields & OP_ATTR, op->attr);
    put_u64(b, fields & OP_OFFSET, op->offset);
    put_u64(b, fields & OP_LENGTH, op->length);
    put_u64(b, fields & OP_CREATED, op->created);
    put_u64(b, fields & OP_MTIME, op->mtime_ns);
    put_u64(b, fields & OP_IDS, op->ids_first);
    put_op_lists(b, op, fields);
    put_u64(b, fields & OP_AFTER, op->after_ns);
    put_u64(b, fields & OP_HOLD, op->hold);
}

static void get_adds(struct cursor *c, struct kv_op *op)
{
    struct cursor adds = unpack_array(c, KV_ADDS_MAX * OBJECTS_OF_AN_ADD);
    while (unpack_left(&adds) > 0) {
        struct kv_add *add = &op->adds[op->add_count++];
        add->slot = (uint32_t)unpack_u64(&adds, UINT32_MAX);
        add->is_max = unpack_bool(&adds);
        add->value = unpack_u64(&adds, NUMBER_MAX);
    }
    unpack_end(c, &adds);
}

static void get_shards(struct cursor *c, struct kv_op *op)
{
    struct cursor from = unpack_array(c, SF_SHARDS_MAX);
    uint32_t *shards = sf_calloc(unpack_left(&from), sizeof *shards);
    op->shards = shards;
    while (unpack_left(&from) > 0)
        shards[op->shard_count++] = (uint32_t)unpack_u64(&from, SF_SHARDS_MAX - 1);
    unpack_end(c, &from);
}

static void get_numbers(struct cursor *c, struct kv_op *op)
{
    struct cursor from = unpack_array(c, KV_NUMBERS_MAX * OBJECTS_OF_A_NUMBER);
    struct kv_number *numbers =
        sf_calloc(unpack_left(&from) / OBJECTS_OF_A_NUMBER + 1, sizeof *numbers);
    op->numbers = numbers;
    while (unpack_left(&from) >= OBJECTS_OF_A_NUMBER) {
        struct kv_number *number = &numbers[op->number_count++];
        number->shard = (uint32_t)unpack_u64(&from, SF_SHARDS_MAX - 1);
        number->session = unpack_u64(&from, NUMBER_MAX);
        number->sequence = unpack_u64(&from, NUMBER_MAX);
        number->first_incomplete = unpack_u64(&from, NUMBER_MAX);
    }
    unpack_end(c, &from);
}

static void get_op(struct cursor *c, struct kv_op *op, unsigned refused);

static void get_ops(struct cursor *c, const struct kv_op **out, size_t *count)
{
    struct cursor from = unpack_array(c, SF_MINI_OPS_MAX);
    struct kv_op *ops = sf_calloc(unpack_left(&from), sizeof *ops);
    *out = ops;
    while (unpack_left(&from) > 0)
        get_op(&from, &ops[(*count)++], OP_NOT_NESTED);
    unpack_end(c, &from);
}

static void get_op_lists(struct cursor *c, struct kv_op *op, unsigned fields)
{
    if (fields & OP_TAIL)
        op->tail_count = get_tail(c, op->tail);
    if (fields & OP_IF_TAIL)
        op->if_tail_count = get_tail(c, op->if_tail);
    if (fields & OP_ADDS)
        get_adds(c, op);
    if (fields & OP_SHARDS)
        get_shards(c, op);
    if (fields & OP_CHECKS)
        get_ops(c, &op->checks, &op->check_count);
    if (fields & OP_OPS)
        get_ops(c, &op->ops, &op->op_count);
    if (fields & OP_NUMBERS)
        get_numbers(c, op);
}

static unsigned get_fields(struct cursor *c, unsigned refused)
{
    unsigned fields = (unsigned)unpack_u64(c, OP_FIELDS_LIMIT - 1);
    c->bad = c->bad || (fields & refused) != 0;
    return c->bad ? 0 : fields;
}

/* *op is all-zero. Where c is bad afterwards, *op may hold arrays still. */
static void get_op(struct cursor *c, struct kv_op *op, unsigned refused)
{
    struct cursor from = unpack_array(c, op_objects(OP_FIELDS_LIMIT - 1));
    op->kind = (enum kv_kind)unpack_u64(&from, KV_KIND_LIMIT - 1);
    unsigned fields = get_fields(&from, refused);
    op->space = (fields & OP_INTERNAL) ? KV_INTERNAL : KV_PLAIN;
    op->key = unpack_bin(&from, BYTES_MAX);
    op->flags = (fields & OP_FLAGS) ? (unsigned)unpack_u64(&from, UINT32_MAX) : 0;
    if (fields & OP_PRE) {
        op->pre.kind = (enum kv_pre_kind)unpack_u64(&from, KV_PRE_CREATED);
        op->pre.id = unpack_u64(&from, NUMBER_MAX);
    }
    if (fields & OP_RECORD_KIND)
        op->record_kind = (enum record_kind)unpack_u64(&from, RECORD_DIRECTORY);
    op->data = get_bin(&from, fields & OP_DATA);
    op->attr = get_bin(&from, fields & OP_ATTR);
    op->offset = get_u64(&from, fields & OP_OFFSET);
    op->length = get_u64(&from, fields & OP_LENGTH);
    op->created = get_u64(&from, fields & OP_CREATED);
    op->mtime_ns = get_u64(&from, fields & OP_MTIME);
    op->ids_first = get_u64(&from, fields & OP_IDS);
    get_op_lists(&from, op, fields);
    op->after_ns = get_u64(&from, fields & OP_AFTER);
    op->hold = get_u64(&from, fields & OP_HOLD);
    unpack_end(c, &from);
    c->bad = c->bad || op->kind == 0;
}

int kv_op_unpack(struct cursor *c, struct kv_op *op)
{
    memset(op, 0, sizeof *op);
    get_op(c, op, 0);
    if (unpack_ok(c))
        return SF_OK;
    kv_op_free(op);
    return SF_PROTOCOL;
}

void kv_op_free(struct kv_op *op)
{
    /* What stands within a MINI owns nothing. */
    release(op->shards);
    release(op->checks);
    release(op->ops);
    release(op->numbers);
    memset(op, 0, sizeof *op);
}

/* -- requests ------------------------------------------------------------------------------ */

#define OBJECTS_OF_A_REQUEST 8u

void kv_request_pack(struct buffer *b, const struct kv_request *request)
{
    pack_array(b, OBJECTS_OF_A_REQUEST);
    pack_u64(b, request->target.gid);
    pack_u64(b, request->target.group_identity);
    pack_u64(b, request->target.shard);
    pack_bool(b, request->target.forward);
    pack_u64(b, request->session.session);
    pack_u64(b, request->session.sequence);
    pack_u64(b, request->session.first_incomplete);
    kv_op_pack(b, &request->op);
}

/* [key]: what a stranger's client may send. */
static void get_plain_request(struct cursor *c, enum kv_kind kind, struct kv_request *request)
{
    request->target.forward = true;
    request->target.shard = KV_SHARD_OF_KEY;
    request->op.kind = kind;
    request->op.key = unpack_bin(c, BYTES_MAX);
}

static void get_request(struct cursor *c, enum kv_kind kind, struct kv_request *request)
{
    request->target.gid = unpack_u64(c, NUMBER_MAX);
    request->target.group_identity = unpack_u64(c, NUMBER_MAX);
    request->target.shard = (uint32_t)unpack_u64(c, UINT32_MAX);
    request->target.forward = unpack_bool(c);
    request->session.session = unpack_u64(c, NUMBER_MAX);
    request->session.sequence = unpack_u64(c, NUMBER_MAX);
    request->session.first_incomplete = unpack_u64(c, NUMBER_MAX);
    get_op(c, &request->op, OP_FIELDS_LIMIT);
    c->bad = c->bad || request->op.kind != kind;
}

int kv_request_unpack(const msgpack_object *params, enum kv_kind kind, struct kv_request *request)
{
    struct cursor c = unpack_object(params);
    memset(request, 0, sizeof *request);
    if ((kind == KV_GET || kind == KV_STAT) && unpack_left(&c) == 1)
        get_plain_request(&c, kind, request);
    else
        get_request(&c, kind, request);
    if (unpack_done(&c))
        return SF_OK;
    kv_request_free(request);
    return SF_PROTOCOL;
}

void kv_request_free(struct kv_request *request)
{
    kv_op_free(&request->op);
    memset(request, 0, sizeof *request);
}

/* -- replies ------------------------------------------------------------------------------- */

#define OBJECTS_OF_A_STAT 8u

static void put_stat(struct buffer *b, const struct kv_stat *stat)
{
    pack_array(b, OBJECTS_OF_A_STAT);
    pack_u64(b, stat->kind);
    pack_u64(b, stat->version);
    pack_u64(b, stat->created);
    pack_u64(b, stat->mtime_ns);
    pack_u64(b, stat->ctime_ns);
    pack_u64(b, stat->length);
    put_tail(b, stat->tail, stat->tail_count);
    pack_bin(b, stat->attr);
}

static void get_stat(struct cursor *c, struct kv_stat *stat)
{
    struct cursor from = unpack_array(c, OBJECTS_OF_A_STAT);
    stat->kind = (enum record_kind)unpack_u64(&from, RECORD_DIRECTORY);
    stat->version = unpack_u64(&from, NUMBER_MAX);
    stat->created = unpack_u64(&from, NUMBER_MAX);
    stat->mtime_ns = unpack_u64(&from, NUMBER_MAX);
    stat->ctime_ns = unpack_u64(&from, NUMBER_MAX);
    stat->length = unpack_u64(&from, NUMBER_MAX);
    stat->tail_count = get_tail(&from, stat->tail);
    stat->attr = unpack_bin(&from, BYTES_MAX);
    unpack_end(c, &from);
}

static void put_entries(struct buffer *b, const struct kv_reply *reply)
{
    pack_array(b, reply->entry_count * OBJECTS_OF_AN_ENTRY);
    for (size_t i = 0; i < reply->entry_count; i++) {
        pack_bin(b, reply->entries[i].name);
        put_stat(b, &reply->entries[i].stat);
        pack_bin(b, reply->entries[i].data);
    }
}

static void get_entries(struct cursor *c, struct kv_reply *reply)
{
    struct cursor from = unpack_array(c, SCAN_REPLY_MAX * OBJECTS_OF_AN_ENTRY);
    size_t count = unpack_left(&from) / OBJECTS_OF_AN_ENTRY;
    struct kv_entry *entries = sf_calloc(count, sizeof *entries);
    reply->entries = entries;
    while (reply->entry_count < count) {
        struct kv_entry *entry = &entries[reply->entry_count++];
        entry->name = unpack_bin(&from, BYTES_MAX);
        get_stat(&from, &entry->stat);
        entry->data = unpack_bin(&from, BYTES_MAX);
    }
    unpack_end(c, &from);
}

static unsigned reply_fields(const struct kv_reply *reply)
{
    return bit_if(reply->partial, REPLY_PARTIAL) | bit_if(reply->more, REPLY_MORE) |
           bit_if(reply->stat.kind != 0, REPLY_STAT) |
           bit_if(reply->old_length != 0, REPLY_OLD_LENGTH) |
           bit_if(reply->ids_first != 0, REPLY_IDS) | bit_if(reply->session != 0, REPLY_SESSION) |
           bit_if(reply->entry_count > 0, REPLY_ENTRIES) |
           bit_if(reply->reply_count > 0, REPLY_REPLIES) |
           bit_if(reply->failed != 0, REPLY_FAILED) | bit_if(reply->leader[0] != 0, REPLY_LEADER) |
           bit_if(reply->config_num != 0, REPLY_CONFIG) | bit_if(reply->fate != 0, REPLY_FATE);
}

static size_t reply_objects(unsigned fields)
{
    size_t head = 3; /* status, data, fields */
    return head + bit_count(fields & ~(unsigned)(REPLY_PARTIAL | REPLY_MORE));
}

static void put_replies(struct buffer *b, const struct kv_reply *reply)
{
    pack_array(b, reply->reply_count);
    for (size_t i = 0; i < reply->reply_count; i++)
        kv_reply_pack(b, &reply->replies[i]);
}

#define REPLY_ROOM_BYTES 192u /* for what most have beside the data */

void kv_reply_pack(struct buffer *b, const struct kv_reply *reply)
{
    unsigned fields = reply_fields(reply);
    buffer_reserve(b, b->n + reply->data.n + REPLY_ROOM_BYTES);
    pack_array(b, reply_objects(fields));
    pack_i64(b, reply->status);
    pack_bin(b, reply->data);
    pack_u64(b, fields);
    if (fields & REPLY_STAT)
        put_stat(b, &reply->stat);
    put_u64(b, fields & REPLY_OLD_LENGTH, reply->old_length);
    put_u64(b, fields & REPLY_IDS, reply->ids_first);
    put_u64(b, fields & REPLY_SESSION, reply->session);
    if (fields & REPLY_ENTRIES)
        put_entries(b, reply);
    if (fields & REPLY_REPLIES)
        put_replies(b, reply);
    put_u64(b, fields & REPLY_FAILED, reply->failed);
    if (fields & REPLY_LEADER)
        pack_str(b, reply->leader);
    put_u64(b, fields & REPLY_CONFIG, reply->config_num);
    put_u64(b, fields & REPLY_FATE, reply->fate);
}

static void get_reply(struct cursor *c, struct kv_reply *reply, bool nested);

static void get_replies(struct cursor *c, struct kv_reply *reply)
{
    struct cursor from = unpack_array(c, SF_MINI_OPS_MAX);
    struct kv_reply *replies = sf_calloc(unpack_left(&from), sizeof *replies);
    reply->replies = replies;
    while (unpack_left(&from) > 0) {
        struct kv_reply *inner = &replies[reply->reply_count++];
        struct cursor fields = unpack_array(&from, reply_objects(REPLY_FIELDS_LIMIT - 1));
        get_reply(&fields, inner, true);
        unpack_end(&from, &fields);
    }
    unpack_end(c, &from);
}

static int get_status(struct cursor *c)
{
    int64_t status = unpack_i64(c);
    c->bad = c->bad || status > SF_OK || status < INT16_MIN;
    return c->bad ? SF_PROTOCOL : (int)status;
}

/* c is over the reply's own objects. */
static void get_reply(struct cursor *c, struct kv_reply *reply, bool nested)
{
    reply->status = get_status(c);
    reply->data = unpack_bin(c, BYTES_MAX);
    unsigned fields = (unsigned)unpack_u64(c, REPLY_FIELDS_LIMIT - 1);
    c->bad = c->bad || (nested && (fields & (REPLY_ENTRIES | REPLY_REPLIES)));
    if (c->bad)
        return;
    reply->partial = fields & REPLY_PARTIAL;
    reply->more = fields & REPLY_MORE;
    if (fields & REPLY_STAT)
        get_stat(c, &reply->stat);
    reply->old_length = get_u64(c, fields & REPLY_OLD_LENGTH);
    reply->ids_first = get_u64(c, fields & REPLY_IDS);
    reply->session = get_u64(c, fields & REPLY_SESSION);
    if (fields & REPLY_ENTRIES)
        get_entries(c, reply);
    if (fields & REPLY_REPLIES)
        get_replies(c, reply);
    reply->failed = get_u64(c, fields & REPLY_FAILED);
    if (fields & REPLY_LEADER)
        unpack_str(c, reply->leader, sizeof reply->leader);
    reply->config_num = get_u64(c, fields & REPLY_CONFIG);
    if (fields & REPLY_FATE)
        reply->fate = (enum kv_fate)unpack_u64(c, KV_FATE_ABORTED);
}

int kv_reply_unpack(const msgpack_object *result, struct kv_reply *reply)
{
    struct cursor c = unpack_object(result);
    memset(reply, 0, sizeof *reply);
    get_reply(&c, reply, false);
    if (unpack_done(&c))
        return SF_OK;
    kv_reply_free(reply);
    return SF_PROTOCOL;
}

void kv_reply_free(struct kv_reply *reply)
{
    /* What stands within a MINI's reply owns nothing. */
    release(reply->entries);
    release(reply->replies);
    memset(reply, 0, sizeof *reply);
}

#include "proto/pack.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "env/memory.h"

/* -- writing ------------------------------------------------------------------------------- */

static int packer_on_write(void *data, const char *bytes, size_t n)
{
    buffer_append(data, bytes, n);
    return 0;
}

static msgpack_packer packer_of(struct buffer *b)
{
    return (msgpack_packer){.data = b, .callback = packer_on_write};
}

void pack_nil(struct buffer *b)
{
    msgpack_packer packer = packer_of(b);
    msgpack_pack_nil(&packer);
}

void pack_bool(struct buffer *b, bool v)
{
    msgpack_packer packer = packer_of(b);
    if (v)
        msgpack_pack_true(&packer);
    else
        msgpack_pack_false(&packer);
}

void pack_u64(struct buffer *b, uint64_t v)
{
    msgpack_packer packer = packer_of(b);
    msgpack_pack_uint64(&packer, v);
}

void pack_i64(struct buffer *b, int64_t v)
{
    msgpack_packer packer = packer_of(b);
    msgpack_pack_int64(&packer, v);
}

void pack_bin_begin(struct buffer *b, size_t n)
{
    msgpack_packer packer = packer_of(b);
    msgpack_pack_bin(&packer, n);
}

void pack_bin(struct buffer *b, struct slice bytes)
{
    pack_bin_begin(b, bytes.n);
    buffer_append(b, bytes.p, bytes.n);
}

void pack_str(struct buffer *b, const char *text)
{
    msgpack_packer packer = packer_of(b);
    size_t n = strlen(text);
    msgpack_pack_str(&packer, n);
    buffer_append(b, text, n);
}

void pack_array(struct buffer *b, size_t count)
{
    msgpack_packer packer = packer_of(b);
    msgpack_pack_array(&packer, count);
}

void pack_map(struct buffer *b, size_t count)
{
    msgpack_packer packer = packer_of(b);
    msgpack_pack_map(&packer, count);
}

void pack_object(struct buffer *b, const msgpack_object *object)
{
    msgpack_packer packer = packer_of(b);
    msgpack_pack_object(&packer, *object);
}

/* -- measuring ----------------------------------------------------------------------------- */

/* What the first byte of an object says of the rest: after it stand `length_bytes` bytes that hold
 * a number, then `fixed` bytes, then as many bytes as the number says, or `inline_count` objects,
 * or as many objects as the number says (each counted `per` times: a map's entry is two objects).
 */
struct head {
    uint8_t length_bytes; /* 0, 1, 2, 4 */
    uint8_t fixed;
    uint8_t inline_count; /* objects or bytes announced in the first byte itself */
    uint8_t per;          /* 0: bytes follow; 1: an array's objects; 2: a map's */
    bool bad;             /* no object begins so */
};

/* The 32 first bytes from 0xc0 on, in the order of the MessagePack specification. */
static const struct head heads[32] = {
    /* nil, never used, false, true */
    {0},
    {.bad = true},
    {0},
    {0},
    /* bin 8, 16, 32 */
    {.length_bytes = 1},
    {.length_bytes = 2},
    {.length_bytes = 4},
    /* ext 8, 16, 32: a byte of type stands before the content */
    {.length_bytes = 1, .fixed = 1},
    {.length_bytes = 2, .fixed = 1},
    {.length_bytes = 4, .fixed = 1},
    /* float 32, 64 */
    {.fixed = 4},
    {.fixed = 8},
    /* uint 8, 16, 32, 64, int 8, 16, 32, 64 */
    {.fixed = 1},
    {.fixed = 2},
    {.fixed = 4},
    {.fixed = 8},
    {.fixed = 1},
    {.fixed = 2},
    {.fixed = 4},
    {.fixed = 8},
    /* fixext 1, 2, 4, 8, 16 */
    {.fixed = 2},
    {.fixed = 3},
    {.fixed = 5},
    {.fixed = 9},
    {.fixed = 17},
    /* str 8, 16, 32 */
    {.length_bytes = 1},
    {.length_bytes = 2},
    {.length_bytes = 4},
    /* array 16, 32 */
    {.length_bytes = 2, .per = 1},
    {.length_bytes = 4, .per = 1},
    /* map 16, 32 */
    {.length_bytes = 2, .per = 2},
    {.length_bytes = 4, .per = 2},
};

static struct head head_of(uint8_t first)
{
    if (first < 0x80 || first >= 0xe0) {
        return (struct head){0}; /* fixint */
    }
    if (first < 0x90) {
        return (struct head){.inline_count = first & 0x0f, .per = 2};
    }
    if (first < 0xa0) {
        return (struct head){.inline_count = first & 0x0f, .per = 1};
    }
    if (first < 0xc0) {
        return (struct head){.inline_count = first & 0x1f};
    }
    return heads[first - 0xc0];
}

static uint32_t number_big(const uint8_t *p, size_t bytes)
{
    uint32_t v = 0;
    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

/* An object ended: so do the containers of which it was the last one. */
static void scan_object_ended(struct pack_scan *scan)
{
    while (scan->depth > 0 && --scan->open[scan->depth - 1] == 0)
        scan->depth--;
    scan->done = scan->depth == 0;
}

/* A container of `count` objects begins. */
static int scan_container(struct pack_scan *scan, uint64_t count)
{
    if (count == 0) {
        scan_object_ended(scan);
        return SF_OK;
    }
    if (scan->depth == PACK_DEPTH_MAX || count > PACK_OBJECTS_MAX - scan->objects)
        return SF_TOO_BIG;
    scan->objects += count;
    scan->open[scan->depth++] = (uint32_t)count;
    return SF_OK;
}

/* Takes the object whose first byte is at offset. SF_OK: one step on. SF_NOT_YET: its length is not
 * all there. */
static int scan_object(struct pack_scan *scan, struct slice bytes)
{
    struct head head = head_of(bytes.p[scan->offset]);
    if (head.bad)
        return SF_PROTOCOL;
    if (bytes.n - scan->offset - 1 < head.length_bytes)
        return SF_NOT_YET;
    uint64_t count =
        head.inline_count + (uint64_t)number_big(bytes.p + scan->offset + 1, head.length_bytes);
    uint64_t end = scan->offset + 1u + head.length_bytes + head.fixed;
    end += head.per == 0 ? count : 0;
    if (end > SF_MESSAGE_BYTES_MAX)
        return SF_TOO_BIG;
    scan->offset = (size_t)end;
    if (head.per > 0)
        return scan_container(scan, count * head.per);
    scan_object_ended(scan);
    return SF_OK;
}

long pack_scan_feed(struct pack_scan *scan, struct slice bytes)
{
    static_assert(SF_MESSAGE_BYTES_MAX <= LONG_MAX, "a length fits the result");
    scan->objects = scan->objects > 0 ? scan->objects : 1;
    while (!scan->done && scan->offset < bytes.n) {
        int status = scan_object(scan, bytes);
        if (status == SF_NOT_YET)
            return 0;
        if (status)
            return status;
    }
    return scan->done && scan->offset <= bytes.n ? (long)scan->offset : 0;
}

long pack_measure(struct slice bytes)
{
    struct pack_scan scan = {0};
    return pack_scan_feed(&scan, bytes);
}

/* -- reading ------------------------------------------------------------------------------- */

#define ZONE_CHUNK_BYTES 4096u

int unpack_again(struct unpacked *u, struct slice bytes)
{
    if (u->zone)
        msgpack_zone_clear(u->zone);
    else
        u->zone = msgpack_zone_new(ZONE_CHUNK_BYTES);
    sf_assert(u->zone != NULL);
    size_t end = 0;
    msgpack_unpack_return result =
        msgpack_unpack((const char *)bytes.p, bytes.n, &end, u->zone, &u->root);
    if (result != MSGPACK_UNPACK_SUCCESS || end != bytes.n) {
        unpack_close(u);
        return SF_PROTOCOL;
    }
    return SF_OK;
}

int unpack_open(struct slice bytes, struct unpacked *out)
{
    long length = pack_measure(bytes);
    if (length < 0)
        return (int)length;
    if (length == 0 || (size_t)length != bytes.n)
        return SF_PROTOCOL;
    struct unpacked fresh = {0};
    int status = unpack_again(&fresh, bytes);
    if (status == SF_OK)
        *out = fresh;
    return status;
}

void unpack_close(struct unpacked *u)
{
    if (u->zone)
        msgpack_zone_free(u->zone);
    memset(u, 0, sizeof *u);
}

struct cursor unpack_object(const msgpack_object *array)
{
    if (array->type != MSGPACK_OBJECT_ARRAY) {
        return (struct cursor){.bad = true};
    }
    /* An empty array has no pointer worth adding to. */
    const msgpack_object *at = array->via.array.ptr;
    return (struct cursor){.at = at,
                           .end = array->via.array.size ? at + array->via.array.size : at};
}

struct cursor unpack_root(const struct unpacked *u)
{
    return unpack_object(&u->root);
}

size_t unpack_left(const struct cursor *c)
{
    return c->bad || c->at == c->end ? 0 : (size_t)(c->end - c->at);
}

/* The next element, taken; NULL, and the cursor is bad, where there is none. */
static const msgpack_object *take(struct cursor *c)
{
    if (unpack_left(c) == 0) {
        c->bad = true;
        return NULL;
    }
    return c->at++;
}

static const msgpack_object *take_type(struct cursor *c, msgpack_object_type type)
{
    const msgpack_object *o = take(c);
    if (o && o->type != type) {
        c->bad = true;
        return NULL;
    }
    return o;
}

bool unpack_is_nil(const struct cursor *c)
{
    return unpack_left(c) > 0 && c->at->type == MSGPACK_OBJECT_NIL;
}

void unpack_skip(struct cursor *c)
{
    (void)take(c);
}

void unpack_nil(struct cursor *c)
{
    (void)take_type(c, MSGPACK_OBJECT_NIL);
}

bool unpack_bool(struct cursor *c)
{
    const msgpack_object *o = take_type(c, MSGPACK_OBJECT_BOOLEAN);
    return o && o->via.boolean;
}

uint64_t unpack_u64(struct cursor *c, uint64_t max)
{
    const msgpack_object *o = take_type(c, MSGPACK_OBJECT_POSITIVE_INTEGER);
    if (!o || o->via.u64 > max) {
        c->bad = true;
        return 0;
    }
    return o->via.u64;
}

int64_t unpack_i64(struct cursor *c)
{
    const msgpack_object *o = take(c);
    if (o && o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        return o->via.i64;
    if (!o || o->type != MSGPACK_OBJECT_POSITIVE_INTEGER || o->via.u64 > INT64_MAX) {
        c->bad = true;
        return 0;
    }
    return (int64_t)o->via.u64;
}

struct slice unpack_bin(struct cursor *c, size_t max)
{
    const msgpack_object *o = take(c);
    if (!o || (o->type != MSGPACK_OBJECT_BIN && o->type != MSGPACK_OBJECT_STR) ||
        o->via.bin.size > max) {
        c->bad = true;
        return (struct slice){0};
    }
    /* msgpack-c gives bin and str the same shape. */
    return slice_of(o->via.bin.ptr, o->via.bin.size);
}

void unpack_str(struct cursor *c, char *to, size_t size)
{
    struct slice text = unpack_bin(c, size - 1);
    if (text.n > 0 && memchr(text.p, 0, text.n)) {
        c->bad = true;
        text.n = 0;
    }
    if (text.n > 0)
        memcpy(to, text.p, text.n);
    to[text.n] = 0;
}

struct cursor unpack_array(struct cursor *c, size_t max)
{
    const msgpack_object *o = take_type(c, MSGPACK_OBJECT_ARRAY);
    if (!o || o->via.array.size > max) {
        c->bad = true;
        return (struct cursor){.bad = true};
    }
    return unpack_object(o);
}

void unpack_end(struct cursor *c, const struct cursor *inner)
{
    c->bad = c->bad || !unpack_done(inner);
}

bool unpack_ok(const struct cursor *c)
{
    return !c->bad;
}

bool unpack_done(const struct cursor *c)
{
    return !c->bad && c->at == c->end;
}

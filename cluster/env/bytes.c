#include "env/bytes.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "env/memory.h"

#define BUFFER_BYTES_MIN 64
#define BUFFER_BYTES_LARGE                                                                         \
    (256u << 10) /* from here on it grows by an eighth, not by itself again */

/* -- slice --------------------------------------------------------------------------------- */

struct slice slice_of(const void *p, size_t n)
{
    return (struct slice){.p = p, .n = n};
}

struct slice slice_str(const char *text)
{
    return slice_of(text, strlen(text));
}

bool slice_equal(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

int slice_compare(struct slice a, struct slice b)
{
    size_t common = a.n < b.n ? a.n : b.n;
    int order = common == 0 ? 0 : memcmp(a.p, b.p, common);
    if (order != 0)
        return order;
    return (a.n > b.n) - (a.n < b.n);
}

bool slice_has_prefix(struct slice whole, struct slice prefix)
{
    return whole.n >= prefix.n && slice_equal(slice_of(whole.p, prefix.n), prefix);
}

struct slice slice_part(struct slice whole, size_t from, size_t n)
{
    sf_assert(from <= whole.n && n <= whole.n - from);
    return n > 0 ? slice_of(whole.p + from, n) : slice_of(NULL, 0);
}

/* -- buffer -------------------------------------------------------------------------------- */

void buffer_deinit(struct buffer *b)
{
    sf_free(b->p);
    *b = (struct buffer){0};
}

void buffer_clear(struct buffer *b)
{
    b->n = 0;
}

void buffer_reserve(struct buffer *b, size_t cap)
{
    if (cap <= b->cap)
        return;
    b->p = sf_realloc(b->p, cap);
    b->cap = cap;
}

uint8_t *buffer_grow(struct buffer *b, size_t bytes)
{
    sf_assert(bytes <= SIZE_MAX / 4 - b->n);
    size_t need = b->n + bytes;
    if (need > b->cap || b->p == NULL) {
        size_t cap = b->cap + (b->cap < BUFFER_BYTES_LARGE ? b->cap : b->cap / 8);
        if (cap < BUFFER_BYTES_MIN)
            cap = BUFFER_BYTES_MIN;
        buffer_reserve(b, cap < need ? need : cap);
    }
    uint8_t *unset = b->p + b->n;
    b->n = need;
    return unset;
}

void buffer_append(struct buffer *b, const void *p, size_t n)
{
    if (n > 0)
        memcpy(buffer_grow(b, n), p, n);
}

void buffer_set(struct buffer *b, struct slice from)
{
    buffer_clear(b);
    buffer_append(b, from.p, from.n);
}

struct slice buffer_slice(const struct buffer *b)
{
    return slice_of(b->p, b->n);
}

uint8_t *buffer_take(struct buffer *b, size_t *n)
{
    uint8_t *bytes = b->p;
    *n = b->n;
    *b = (struct buffer){0};
    return bytes;
}

/* -- integers ------------------------------------------------------------------------------ */

static void store_little(uint8_t *to, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)(v >> (8 * i));
}

static void store_big(uint8_t *to, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[bytes - 1 - i] = (uint8_t)(v >> (8 * i));
}

static uint64_t load_little(const uint8_t *from, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; i++)
        v |= (uint64_t)from[i] << (8 * i);
    return v;
}

static uint64_t load_big(const uint8_t *from, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | from[i];
    return v;
}

void buffer_put_u8(struct buffer *b, uint8_t v)
{
    *buffer_grow(b, 1) = v;
}

void buffer_put_u16(struct buffer *b, uint16_t v)
{
    store_little(buffer_grow(b, sizeof v), v, sizeof v);
}

void buffer_put_u32(struct buffer *b, uint32_t v)
{
    store_little(buffer_grow(b, sizeof v), v, sizeof v);
}

void buffer_put_u64(struct buffer *b, uint64_t v)
{
    store_little(buffer_grow(b, sizeof v), v, sizeof v);
}

void buffer_put_u16_big(struct buffer *b, uint16_t v)
{
    store_big(buffer_grow(b, sizeof v), v, sizeof v);
}

void buffer_put_u32_big(struct buffer *b, uint32_t v)
{
    store_big(buffer_grow(b, sizeof v), v, sizeof v);
}

void buffer_put_u64_big(struct buffer *b, uint64_t v)
{
    store_big(buffer_grow(b, sizeof v), v, sizeof v);
}

void buffer_put_slice(struct buffer *b, struct slice s)
{
    sf_assert(s.n <= UINT32_MAX);
    buffer_put_u32(b, (uint32_t)s.n);
    buffer_append(b, s.p, s.n);
}

/* -- reader -------------------------------------------------------------------------------- */

struct reader reader_of(struct slice s)
{
    static const uint8_t nothing[1];
    const uint8_t *p = s.n == 0 ? nothing : s.p;
    return (struct reader){.p = p, .end = p + s.n};
}

size_t reader_left(const struct reader *r)
{
    return (size_t)(r->end - r->p);
}

/* The next n bytes, or NULL, after which every get fails: a value behind a bad one means nothing.
 */
static const uint8_t *take(struct reader *r, size_t n)
{
    if (r->bad || reader_left(r) < n) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *bytes = r->p;
    r->p += n;
    return bytes;
}

static uint64_t take_little(struct reader *r, size_t bytes)
{
    const uint8_t *p = take(r, bytes);
    return p == NULL ? 0 : load_little(p, bytes);
}

static uint64_t take_big(struct reader *r, size_t bytes)
{
    const uint8_t *p = take(r, bytes);
    return p == NULL ? 0 : load_big(p, bytes);
}

uint8_t reader_u8(struct reader *r)
{
    return (uint8_t)take_little(r, sizeof(uint8_t));
}

uint16_t reader_u16(struct reader *r)
{
    return (uint16_t)take_little(r, sizeof(uint16_t));
}

uint32_t reader_u32(struct reader *r)
{
    return (uint32_t)take_little(r, sizeof(uint32_t));
}

uint64_t reader_u64(struct reader *r)
{
    return take_little(r, sizeof(uint64_t));
}

uint16_t reader_u16_big(struct reader *r)
{
    return (uint16_t)take_big(r, sizeof(uint16_t));
}

uint32_t reader_u32_big(struct reader *r)
{
    return (uint32_t)take_big(r, sizeof(uint32_t));
}

uint64_t reader_u64_big(struct reader *r)
{
    return take_big(r, sizeof(uint64_t));
}

struct slice reader_bytes(struct reader *r, size_t n)
{
    const uint8_t *p = take(r, n);
    return slice_of(p, p == NULL ? 0 : n);
}

struct slice reader_slice(struct reader *r, size_t max)
{
    size_t n = reader_u32(r);
    if (n > max) {
        r->bad = true;
        return slice_of(NULL, 0);
    }
    return reader_bytes(r, n);
}

bool reader_ok(const struct reader *r)
{
    return !r->bad;
}

bool reader_done(const struct reader *r)
{
    return !r->bad && r->p == r->end;
}

/* -- hash ---------------------------------------------------------------------------------- */

uint64_t bytes_hash(struct slice s)
{
    return XXH3_64bits(s.p, s.n);
}

uint64_t bytes_hash_seed(struct slice s, uint64_t seed)
{
    return XXH3_64bits_withSeed(s.p, s.n, seed);
}

uint64_t bytes_hash_two(struct slice a, struct slice b, uint64_t seed)
{
    XXH3_state_t *state = XXH3_createState();
    sf_assert(state != NULL);
    (void)XXH3_64bits_reset_withSeed(state, seed); /* these fail only without a state */
    (void)XXH3_64bits_update(state, a.p, a.n);
    (void)XXH3_64bits_update(state, b.p, b.n);
    uint64_t hash = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    return hash;
}

/* Byte strings: a slice that borrows, a buffer that owns, a bounded reader, a writer.
 *
 * The fixed formats on disk (WAL records, store records, the envelope of a log entry) are written
 * and read with these, little-endian unless a name says big. Every get of a reader can fail: the
 * first failure sets `bad`, later gets give zeros, and the caller tests `reader_ok` once at the
 * end.
 */
#ifndef ENV_BYTES_H
#define ENV_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "env/assert.h"

/* Borrowed bytes. `p` may be NULL only where n is 0. */
struct slice {
    const uint8_t *p;
    size_t n;
};

struct slice slice_of(const void *p, size_t n);
struct slice slice_str(const char *text); /* without the terminating 0 */
bool slice_equal(struct slice a, struct slice b);
int slice_compare(struct slice a, struct slice b); /* memcmp order, shorter first */
bool slice_has_prefix(struct slice whole, struct slice prefix);
/* The bytes [from, from + n) of it, which it has; of none NULL, from wherever. */
struct slice slice_part(struct slice whole, size_t from, size_t n);

/* Owned, growing bytes. All-zero is a valid empty buffer. */
struct buffer {
    uint8_t *p;
    size_t n;   /* bytes in use, n <= cap */
    size_t cap; /* bytes allocated */
};

void buffer_deinit(struct buffer *b);                 /* frees; leaves it empty */
void buffer_clear(struct buffer *b);                  /* n = 0, keeps the memory */
void buffer_reserve(struct buffer *b, size_t cap);    /* memory for so many bytes, no more */
uint8_t *buffer_grow(struct buffer *b, size_t bytes); /* n += bytes; the new, unset part */
void buffer_append(struct buffer *b, const void *p, size_t n);
void buffer_set(struct buffer *b, struct slice from); /* replaces the content */
struct slice buffer_slice(const struct buffer *b);    /* borrowed until the buffer changes */
uint8_t *buffer_take(struct buffer *b, size_t *n); /* gives the memory away (free()), empties b */

void buffer_put_u8(struct buffer *b, uint8_t v);
void buffer_put_u16(struct buffer *b, uint16_t v);
void buffer_put_u32(struct buffer *b, uint32_t v);
void buffer_put_u64(struct buffer *b, uint64_t v);
void buffer_put_u16_big(struct buffer *b, uint16_t v);
void buffer_put_u32_big(struct buffer *b, uint32_t v);
void buffer_put_u64_big(struct buffer *b, uint64_t v);
void buffer_put_slice(struct buffer *b, struct slice s); /* u32 length, then the bytes */

struct reader {
    const uint8_t *p;   /* next byte */
    const uint8_t *end; /* p <= end */
    bool bad;           /* a get went past the end or over a limit */
};

struct reader reader_of(struct slice s);
size_t reader_left(const struct reader *r);
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
uint16_t reader_u16_big(struct reader *r);
uint32_t reader_u32_big(struct reader *r);
uint64_t reader_u64_big(struct reader *r);
struct slice reader_bytes(struct reader *r, size_t n);   /* borrowed from what is read */
struct slice reader_slice(struct reader *r, size_t max); /* u32 length <= max, then bytes */
bool reader_ok(const struct reader *r);                  /* nothing failed so far */
SF_MUST_CHECK bool reader_done(const struct reader *r);  /* ok and nothing is left */

/* XXH3-64 of the bytes: checksums on disk, routing. */
uint64_t bytes_hash(struct slice s);
uint64_t bytes_hash_seed(struct slice s, uint64_t seed);
uint64_t bytes_hash_two(struct slice a, struct slice b, uint64_t seed); /* of one after the other */

#endif

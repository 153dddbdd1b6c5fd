/* pack: MessagePack, written into a buffer and read through a bounded cursor (msgpack-c inside).
 *
 * Writing: pack_* append one object each. Reading: bytes -> unpack_open, which measures the object
 * with a bounded scan (length, depth, count of objects) before msgpack-c decodes it -> a cursor
 * over an array's elements. Each unpack_* takes the next element; one that is missing or of another
 * type or out of range sets `bad`; the caller tests unpack_done (nothing left) or unpack_ok at the
 * end.
 */
#ifndef PROTO_PACK_H
#define PROTO_PACK_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "env/bytes.h"
#include "shardfs/error.h"
#include "shardfs/limits.h"

void pack_nil(struct buffer *b);
void pack_bool(struct buffer *b, bool v);
void pack_u64(struct buffer *b, uint64_t v);
void pack_i64(struct buffer *b, int64_t v);
void pack_bin(struct buffer *b, struct slice bytes);
void pack_str(struct buffer *b, const char *text);
void pack_array(struct buffer *b, size_t count); /* then that many objects */
void pack_map(struct buffer *b, size_t count);   /* then twice that many objects */

#define PACK_DEPTH_MAX 16u
#define PACK_OBJECTS_MAX 200000u

/* Length of the first whole object in the bytes.
 * > 0: its length. 0: not yet complete, and within the limits so far. < 0: SF_PROTOCOL, SF_TOO_BIG
 * (longer than SF_MESSAGE_BYTES_MAX, deeper than PACK_DEPTH_MAX or more than PACK_OBJECTS_MAX).
 * Work is bounded by the bytes given; no allocation. */
long pack_measure(struct slice bytes);

/* A decoded object and the memory it stands in. bin and str point into the bytes it was opened on.
 */
struct unpacked {
    msgpack_zone *zone;
    msgpack_object root;
};

/* Exactly one object, nothing after it. SF_PROTOCOL, SF_TOO_BIG. */
SF_MUST_CHECK int unpack_open(struct slice bytes, struct unpacked *out);
void unpack_close(struct unpacked *u);

struct cursor {
    const msgpack_object *at, *end;
    bool bad;
};

struct cursor unpack_root(const struct unpacked *u);      /* over the root array */
struct cursor unpack_object(const msgpack_object *array); /* bad if it is no array */
size_t unpack_left(const struct cursor *c);
bool unpack_is_nil(const struct cursor *c); /* the next one; takes nothing */
void unpack_skip(struct cursor *c);
bool unpack_bool(struct cursor *c);
uint64_t unpack_u64(struct cursor *c, uint64_t max);
int64_t unpack_i64(struct cursor *c);
struct slice unpack_bin(struct cursor *c, size_t max);    /* bin or str; borrowed */
void unpack_str(struct cursor *c, char *to, size_t size); /* with a 0; no 0 inside */
struct cursor unpack_array(struct cursor *c, size_t max); /* a cursor over the next, an array */
bool unpack_ok(const struct cursor *c);
SF_MUST_CHECK bool unpack_done(const struct cursor *c); /* ok and nothing left */

#endif

/* pack: MessagePack, written into a buffer and read through a bounded cursor (msgpack-c inside).
 *
 * Writing: pack_* append one object each. Reading: bytes -> unpack_open, which measures the object
 * with a bounded scan (length, depth, count of objects) before msgpack-c decodes it -> a cursor
 * over an array's elements. Each unpack_* takes the next element; one that is missing or of another
 * type or out of range sets `bad`, and from then on every unpack_* gives zeros; the caller tests
 * unpack_done (nothing left) or unpack_ok at the end.
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

/* Integers take the shortest form, so the same value always gives the same bytes. */
void pack_nil(struct buffer *b);
void pack_bool(struct buffer *b, bool v);
void pack_u64(struct buffer *b, uint64_t v);
void pack_i64(struct buffer *b, int64_t v);
void pack_bin(struct buffer *b, struct slice bytes);
void pack_bin_begin(struct buffer *b, size_t n); /* then n bytes, appended as they are */
void pack_str(struct buffer *b, const char *text);
void pack_array(struct buffer *b, size_t count);                  /* then that many objects */
void pack_map(struct buffer *b, size_t count);                    /* then twice that many objects */
void pack_object(struct buffer *b, const msgpack_object *object); /* as it was unpacked */

#define PACK_DEPTH_MAX 16u       /* arrays and maps within each other */
#define PACK_OBJECTS_MAX 200000u /* in one message, containers and map keys counted too */

/* A scan over the framing of one object, which may stop for want of bytes and go on later: its work
 * is proportional to the objects it meets, never to the bytes within strings, and nothing is looked
 * at twice. All-zero: at the beginning of an object.
 * Invariant: depth <= PACK_DEPTH_MAX, objects <= PACK_OBJECTS_MAX, open[i] >= 1 for i < depth. */
struct pack_scan {
    size_t offset;  /* bytes of the object known so far; may lie beyond the bytes seen */
    size_t objects; /* objects counted so far, those that a container announced included */
    unsigned depth; /* containers that are open */
    uint32_t open[PACK_DEPTH_MAX]; /* objects still to come in each */
    bool done;                     /* offset is the object's length */
};

/* Goes on with the bytes of the object, from its first byte: those given before, and more.
 * Returns as pack_measure; after a result other than 0, scan is to be zeroed. */
long pack_scan_feed(struct pack_scan *scan, struct slice bytes);

/* Length of the first whole object in the bytes.
 * > 0: its length. 0: not yet complete, and within the limits so far. < 0: SF_PROTOCOL, SF_TOO_BIG
 * (longer than SF_MESSAGE_BYTES_MAX, deeper than PACK_DEPTH_MAX or more than PACK_OBJECTS_MAX).
 * Work is bounded by the bytes given; no allocation. */
long pack_measure(struct slice bytes);

/* A decoded object and the memory it stands in. bin and str point into the bytes it was opened on.
 * All-zero: nothing is open. */
struct unpacked {
    msgpack_zone *zone;
    msgpack_object root;
};

/* Exactly one object, nothing after it. SF_PROTOCOL, SF_TOO_BIG. */
SF_MUST_CHECK int unpack_open(struct slice bytes, struct unpacked *out);
/* Decodes into what *u held before (all-zero the first time) and keeps its memory, so that a small
 * object costs no allocation. bytes: one object, measured already. SF_PROTOCOL, and *u is empty. */
SF_MUST_CHECK int unpack_again(struct unpacked *u, struct slice bytes);
void unpack_close(struct unpacked *u); /* also where nothing is open */

struct cursor {
    const msgpack_object *at, *end;
    bool bad;
};

struct cursor unpack_root(const struct unpacked *u);      /* over the root array */
struct cursor unpack_object(const msgpack_object *array); /* bad if it is no array */
size_t unpack_left(const struct cursor *c);               /* elements; 0 where it is bad */
bool unpack_is_nil(const struct cursor *c);               /* the next one; takes nothing */
void unpack_skip(struct cursor *c);
void unpack_nil(struct cursor *c);
bool unpack_bool(struct cursor *c);
uint64_t unpack_u64(struct cursor *c, uint64_t max);
int64_t unpack_i64(struct cursor *c);
struct slice unpack_bin(struct cursor *c, size_t max);    /* bin or str; borrowed */
void unpack_str(struct cursor *c, char *to, size_t size); /* with a 0; no 0 inside */
struct cursor unpack_array(struct cursor *c, size_t max); /* a cursor over the next, an array */
/* The cursor `inner`, taken from c by unpack_array, must be used up: else c is bad. */
void unpack_end(struct cursor *c, const struct cursor *inner);
bool unpack_ok(const struct cursor *c);
SF_MUST_CHECK bool unpack_done(const struct cursor *c); /* ok and nothing left */

#endif

/* record: the header of one key as it stands in the store (keys.h, section 'r').
 *
 * Little-endian:
 *   offset size
 *        0    1  format = 1
 *        1    1  kind (enum record_kind)
 *        2    1  flags: 1 = a shown time follows the ctime
 *        3    8  version
 *       11    8  created
 *       19    8  changed: time of the last change of the bytes
 *       27    8  ctime: time of the last change of any kind
 *      [35    8  shown: the mtime that was set]
 *        .    8  length of the whole value
 *        .    1  number of tail entries, then {u64 first extent, u64 data id} each
 *        .  4+n  attr
 *        .    n  the head's bytes, only where the head has at most RECORD_INLINE_MAX; else blocks
 *
 *  R1  changed_ns grows strictly with every change of the bytes, ctime_ns >= changed_ns with every
 *      change of any kind, whatever the clocks say; also from what it was moved from (kv.h, after_ns).
 *  R2  The head is the first min(length, SF_VALUE_BYTES_MAX) bytes of the value.
 */
#ifndef SHARDKV_RECORD_H
#define SHARDKV_RECORD_H

#include "env/bytes.h"
#include "proto/kv.h"

#define RECORD_INLINE_MAX 4096u

struct record {
    enum record_kind kind;
    uint64_t version, created;
    uint64_t changed_ns, ctime_ns; /* R1 */
    bool shows;                    /* shown_ns is what is shown as mtime */
    uint64_t shown_ns;
    uint64_t length; /* of the whole value */
    struct kv_tail tail[SF_TAIL_MAX];
    size_t tail_count;
    struct slice attr; /* borrowed, as inline_bytes */
    struct slice
        inline_bytes; /* the head where record_head_length <= RECORD_INLINE_MAX; else empty */
};

void record_pack(struct buffer *b, const struct record *record);
/* attr and inline_bytes point into `bytes`. SF_CORRUPT: *record is of no use then. */
SF_MUST_CHECK int record_unpack(struct slice bytes, struct record *record);

uint32_t record_head_length(const struct record *record); /* R2 */
/* Without attr; tail included. */
void record_stat(const struct record *record, struct kv_stat *stat);
bool record_tail_equal(const struct kv_tail *a, size_t a_count, const struct kv_tail *b,
                       size_t b_count);

#endif

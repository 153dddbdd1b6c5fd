/* head: the bytes of a record that stand with it, the first MiB of its value.
 *
 *  H1  At most RECORD_INLINE_MAX bytes stand in the record header itself, more in blocks of
 *      HEAD_BLOCK_BYTES. One of the two, decided by the length alone.
 *  H2  Zeros at a block's end may be missing, and so may a block of zeros.
 *  H3  Nothing is stored beyond the head's length. So what a shrink cut reads as zeros after a
 *      growth.
 *
 * A read or a change of a range touches only the blocks of the range.
 */
#ifndef SHARDKV_HEAD_H
#define SHARDKV_HEAD_H

#include "shardkv/access.h"
#include "shardkv/record.h"

#define HEAD_BLOCK_BYTES 32768u

struct head {
    struct access *access;
    enum kv_space space;
    struct slice key;                 /* the user key; lent */
    uint32_t length;                  /* <= SF_VALUE_BYTES_MAX */
    uint8_t bytes[RECORD_INLINE_MAX]; /* the head itself where it is inline (H1) */
};

/* The head of a stored record; record NULL: of one that is not there, of length 0. */
void head_open(struct head *head, struct access *access, enum kv_space space, struct slice key,
               const struct record *record);
bool head_is_inline(const struct head *head);

/* Fills `to`; offset + n <= length. */
void head_read(struct head *head, uint32_t offset, uint32_t n, uint8_t *to);
/* The same into memory of the access. */
struct slice head_get(struct head *head, uint32_t offset, uint32_t n);
/* offset + data.n <= length. */
void head_write(struct head *head, uint32_t offset, struct slice data);
void head_zero(struct head *head, uint32_t offset, uint32_t n); /* offset + n <= length */
/* Cuts, or grows with zeros. */
void head_resize(struct head *head, uint32_t length);
/* The whole content becomes data, then zeros up to length; data.n <= length. */
void head_replace(struct head *head, struct slice data, uint32_t length);

#endif

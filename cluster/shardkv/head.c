#include "shardkv/head.h"

#include <assert.h>
#include <string.h>

static_assert(RECORD_INLINE_MAX <= HEAD_BLOCK_BYTES, "what becomes inline stands in one block");
static_assert(SF_VALUE_BYTES_MAX % HEAD_BLOCK_BYTES == 0, "a full head is whole blocks");

static uint32_t block_count(uint32_t length)
{
    return (length + HEAD_BLOCK_BYTES - 1) / HEAD_BLOCK_BYTES;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void block_key(const struct head *head, uint32_t block, struct key *key)
{
    keys_block(key, head->access->copy, head->space, head->key, block);
}

/* The stored bytes of a block into `to` (a whole block's room); how many there are. */
static uint32_t block_load(struct head *head, uint32_t block, uint8_t *to)
{
    struct key key;
    struct draft_value value;
    block_key(head, block, &key);
    if (!draft_get(&head->access->draft, key_slice(&key), &value))
        return 0;
    size_t stored = value.bytes.n;
    if (stored > HEAD_BLOCK_BYTES) {
        draft_fail(&head->access->draft, SF_CORRUPT);
        stored = 0;
    }
    if (stored > 0)
        memcpy(to, value.bytes.p, stored);
    draft_put_back(&value);
    return (uint32_t)stored;
}

static void block_store(struct head *head, uint32_t block, const uint8_t *bytes, uint32_t n)
{
    struct key key;
    block_key(head, block, &key);
    if (n > 0)
        draft_put(&head->access->draft, key_slice(&key), slice_of(bytes, n));
    else
        draft_delete(&head->access->draft, key_slice(&key));
}

static void blocks_delete(struct head *head, uint32_t from, uint32_t to)
{
    for (uint32_t block = from; block < to; block++)
        block_store(head, block, NULL, 0);
}

/* One block's part of a range. */
struct piece {
    uint32_t block;
    uint32_t offset; /* within the block */
    uint32_t n;
};

/* The piece of [at, end) that begins at `at`; at < end. */
static struct piece piece_at(uint32_t at, uint32_t end)
{
    struct piece piece = {.block = at / HEAD_BLOCK_BYTES, .offset = at % HEAD_BLOCK_BYTES};
    piece.n = least(end - at, HEAD_BLOCK_BYTES - piece.offset);
    return piece;
}

void head_open(struct head *head, struct access *access, enum kv_space space, struct slice key,
               const struct record *record)
{
    head->access = access;
    head->space = space;
    head->key = key;
    head->length = record != NULL ? record_head_length(record) : 0;
    if (record != NULL && head_is_inline(head) && head->length > 0)
        memcpy(head->bytes, record->inline_bytes.p, head->length);
}

bool head_is_inline(const struct head *head)
{
    return head->length <= RECORD_INLINE_MAX;
}

static void piece_read(struct head *head, struct piece piece, uint8_t *to)
{
    struct key key;
    struct draft_value value;
    size_t have = 0;
    block_key(head, piece.block, &key);
    if (draft_get(&head->access->draft, key_slice(&key), &value)) {
        if (value.bytes.n > piece.offset)
            have = least((uint32_t)value.bytes.n - piece.offset, piece.n);
        if (have > 0)
            memcpy(to, value.bytes.p + piece.offset, have);
        draft_put_back(&value);
    }
    memset(to + have, 0, piece.n - have);
}

void head_read(struct head *head, uint32_t offset, uint32_t n, uint8_t *to)
{
    sf_assert(offset <= head->length && n <= head->length - offset);
    if (n == 0)
        return;
    if (head_is_inline(head)) {
        memcpy(to, head->bytes + offset, n);
        return;
    }
    for (uint32_t at = offset, end = offset + n; at < end;) {
        struct piece piece = piece_at(at, end);
        piece_read(head, piece, to + (at - offset));
        at += piece.n;
    }
}

struct slice head_get(struct head *head, uint32_t offset, uint32_t n)
{
    uint8_t *bytes = access_alloc(head->access, n);
    head_read(head, offset, n, bytes);
    return slice_of(bytes, n);
}

/* Bytes of the block that lie within the head. */
static uint32_t block_length(const struct head *head, uint32_t block)
{
    return least(head->length - block * HEAD_BLOCK_BYTES, HEAD_BLOCK_BYTES);
}

static void piece_write(struct head *head, struct piece piece, const uint8_t *from)
{
    uint8_t bytes[HEAD_BLOCK_BYTES];
    if (piece.offset == 0 && piece.n == block_length(head, piece.block)) {
        block_store(head, piece.block, from, piece.n);
        return;
    }
    uint32_t stored = block_load(head, piece.block, bytes);
    uint32_t end = piece.offset + piece.n;
    if (stored < piece.offset)
        memset(bytes + stored, 0, piece.offset - stored);
    memcpy(bytes + piece.offset, from, piece.n);
    block_store(head, piece.block, bytes, stored > end ? stored : end);
}

void head_write(struct head *head, uint32_t offset, struct slice data)
{
    sf_assert(offset <= head->length && data.n <= head->length - offset);
    if (data.n == 0)
        return;
    if (head_is_inline(head)) {
        memcpy(head->bytes + offset, data.p, data.n);
        return;
    }
    for (uint32_t at = offset, end = offset + (uint32_t)data.n; at < end;) {
        struct piece piece = piece_at(at, end);
        piece_write(head, piece, data.p + (at - offset));
        at += piece.n;
    }
}

static void piece_zero(struct head *head, struct piece piece)
{
    uint8_t bytes[HEAD_BLOCK_BYTES];
    uint32_t end = piece.offset + piece.n;
    uint32_t stored = block_load(head, piece.block, bytes);
    if (stored <= piece.offset)
        return;
    if (stored <= end) {
        block_store(head, piece.block, bytes, piece.offset);
        return;
    }
    memset(bytes + piece.offset, 0, piece.n);
    block_store(head, piece.block, bytes, stored);
}

void head_zero(struct head *head, uint32_t offset, uint32_t n)
{
    sf_assert(offset <= head->length && n <= head->length - offset);
    if (head_is_inline(head)) {
        memset(head->bytes + offset, 0, n);
        return;
    }
    for (uint32_t at = offset, end = offset + n; at < end;) {
        struct piece piece = piece_at(at, end);
        if (piece.offset == 0 && piece.n == block_length(head, piece.block))
            block_store(head, piece.block, NULL, 0);
        else
            piece_zero(head, piece);
        at += piece.n;
    }
}

/* Cuts a head of blocks to one of fewer bytes, still of blocks. */
static void cut_blocks(struct head *head, uint32_t length)
{
    uint8_t bytes[HEAD_BLOCK_BYTES];
    uint32_t last = length / HEAD_BLOCK_BYTES, keep = length % HEAD_BLOCK_BYTES;
    blocks_delete(head, block_count(length), block_count(head->length));
    if (keep > 0 && block_load(head, last, bytes) > keep)
        block_store(head, last, bytes, keep);
}

static void blocks_to_inline(struct head *head, uint32_t length)
{
    uint8_t bytes[RECORD_INLINE_MAX];
    head_read(head, 0, length, bytes);
    blocks_delete(head, 0, block_count(head->length));
    memcpy(head->bytes, bytes, length);
}

void head_resize(struct head *head, uint32_t length)
{
    sf_assert(length <= SF_VALUE_BYTES_MAX);
    bool was_inline = head_is_inline(head), is_inline = length <= RECORD_INLINE_MAX;
    if (was_inline && is_inline && length > head->length)
        memset(head->bytes + head->length, 0, length - head->length);
    else if (was_inline && !is_inline && head->length > 0)
        block_store(head, 0, head->bytes, head->length);
    else if (!was_inline && is_inline)
        blocks_to_inline(head, length);
    else if (!was_inline && length < head->length)
        cut_blocks(head, length);
    head->length = length;
}

void head_replace(struct head *head, struct slice data, uint32_t length)
{
    sf_assert(data.n <= length && length <= SF_VALUE_BYTES_MAX);
    bool is_inline = length <= RECORD_INLINE_MAX;
    uint32_t kept = is_inline ? 0 : block_count((uint32_t)data.n);
    if (!head_is_inline(head))
        blocks_delete(head, kept, block_count(head->length));
    head->length = length;
    if (is_inline)
        memset(head->bytes, 0, length);
    for (uint32_t block = 0; block < kept; block++) {
        uint32_t at = block * HEAD_BLOCK_BYTES;
        block_store(head, block, data.p + at, least((uint32_t)data.n - at, HEAD_BLOCK_BYTES));
    }
    if (is_inline && data.n > 0)
        memcpy(head->bytes, data.p, data.n);
}

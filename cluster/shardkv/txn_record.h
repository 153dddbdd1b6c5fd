/* txn_record: a transaction that one participant prepared, as it stands in the shard's copy.
 *
 *   'p'  session, sequence          u8 format = 1, u8 fate, u8 count, count x {u32 shard, u64
 *                                   session, u64 sequence, u64 first incomplete}, u32 bytes of the
 *                                   operation
 *   'q'  session, sequence, block   TXN_BLOCK_BYTES of the operation (a PREPARE as kv_op_pack
 *                                   writes it); only while it is PREPARED
 *
 * Blocks, so that each pair fits where any other does: in an entry of hand-off.
 */
#ifndef SHARDKV_TXN_RECORD_H
#define SHARDKV_TXN_RECORD_H

#include "shardkv/access.h"

#define TXN_BLOCK_BYTES (256u << 10)

struct txn_record {
    uint64_t session, sequence;
    enum kv_fate fate;
    uint32_t op_bytes; /* 0 unless it is PREPARED */
    struct kv_number numbers[SF_MINI_OPS_MAX];
    size_t number_count;
};

void txn_record_pack(struct buffer *b, const struct txn_record *record);
/* store_key: of section 'p'. SF_CORRUPT. */
SF_MUST_CHECK int txn_record_unpack(struct slice store_key, struct slice value,
                                    struct txn_record *record);

/* Writes record and operation; record->op_bytes becomes the operation's. */
void txn_record_put(struct access *access, struct txn_record *record, const struct kv_op *op);
/* The same record under its new fate, without the operation. */
void txn_record_settle(struct access *access, struct txn_record *record, enum kv_fate fate);
void txn_record_delete(struct access *access, const struct txn_record *record);

/* The operation of one that is PREPARED. */
struct txn_op {
    struct kv_op op;
    struct unpacked unpacked;
    struct buffer bytes;
};
/* SF_CORRUPT, SF_IO: nothing is held then. *out is all-zero before. */
SF_MUST_CHECK int txn_op_load(struct draft *draft, struct shard_copy copy,
                              const struct txn_record *record, struct txn_op *out);
void txn_op_deinit(struct txn_op *op);

#endif

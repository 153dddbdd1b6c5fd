#include "shardkv/txn_record.h"

#define FORMAT 1u

void txn_record_pack(struct buffer *b, const struct txn_record *record)
{
    buffer_put_u8(b, FORMAT);
    buffer_put_u8(b, (uint8_t)record->fate);
    buffer_put_u8(b, (uint8_t)record->number_count);
    for (size_t i = 0; i < record->number_count; i++) {
        const struct kv_number *number = &record->numbers[i];
        buffer_put_u32(b, number->shard);
        buffer_put_u64(b, number->session);
        buffer_put_u64(b, number->sequence);
        buffer_put_u64(b, number->first_incomplete);
    }
    buffer_put_u32(b, record->op_bytes);
}

int txn_record_unpack(struct slice store_key, struct slice value, struct txn_record *record)
{
    struct reader key = reader_of(keys_rest(store_key)), r = reader_of(value);
    struct txn_record got = {.session = reader_u64_big(&key), .sequence = reader_u64_big(&key)};
    bool known = reader_u8(&r) == FORMAT;
    got.fate = (enum kv_fate)reader_u8(&r);
    got.number_count = reader_u8(&r);
    if (!known || got.number_count > SF_MINI_OPS_MAX || got.fate > KV_FATE_ABORTED)
        return SF_CORRUPT;
    for (size_t i = 0; i < got.number_count; i++) {
        got.numbers[i].shard = reader_u32(&r);
        got.numbers[i].session = reader_u64(&r);
        got.numbers[i].sequence = reader_u64(&r);
        got.numbers[i].first_incomplete = reader_u64(&r);
    }
    got.op_bytes = reader_u32(&r);
    if (!reader_done(&key) || !reader_done(&r) || got.op_bytes > SF_MESSAGE_BYTES_MAX)
        return SF_CORRUPT;
    *record = got;
    return SF_OK;
}

static void put(struct access *access, const struct txn_record *record)
{
    struct key key;
    struct buffer b = {0};
    keys_prepared(&key, access->copy, record->session, record->sequence);
    txn_record_pack(&b, record);
    draft_put(&access->draft, key_slice(&key), buffer_slice(&b));
    buffer_deinit(&b);
}

static uint32_t block_count(const struct txn_record *record)
{
    return (record->op_bytes + TXN_BLOCK_BYTES - 1) / TXN_BLOCK_BYTES;
}

static void block_key(struct key *key, struct shard_copy copy, const struct txn_record *record,
                      uint32_t block)
{
    keys_prepared_block(key, copy, record->session, record->sequence, block);
}

void txn_record_put(struct access *access, struct txn_record *record, const struct kv_op *op)
{
    struct buffer b = {0};
    struct key key;
    kv_op_pack(&b, op);
    record->op_bytes = (uint32_t)b.n;
    for (uint32_t i = 0; i < block_count(record); i++) {
        size_t at = (size_t)i * TXN_BLOCK_BYTES, left = b.n - at;
        block_key(&key, access->copy, record, i);
        draft_put(&access->draft, key_slice(&key),
                  slice_of(b.p + at, left < TXN_BLOCK_BYTES ? left : TXN_BLOCK_BYTES));
    }
    buffer_deinit(&b);
    put(access, record);
}

static void delete_blocks(struct access *access, const struct txn_record *record)
{
    struct key key;
    for (uint32_t i = 0; i < block_count(record); i++) {
        block_key(&key, access->copy, record, i);
        draft_delete(&access->draft, key_slice(&key));
    }
}

void txn_record_settle(struct access *access, struct txn_record *record, enum kv_fate fate)
{
    delete_blocks(access, record);
    record->op_bytes = 0;
    record->fate = fate;
    put(access, record);
}

void txn_record_delete(struct access *access, const struct txn_record *record)
{
    struct key key;
    delete_blocks(access, record);
    keys_prepared(&key, access->copy, record->session, record->sequence);
    draft_delete(&access->draft, key_slice(&key));
}

/* -- the operation ------------------------------------------------------------------------- */

static int load_blocks(struct draft *draft, struct shard_copy copy, const struct txn_record *record,
                       struct buffer *out)
{
    for (uint32_t i = 0; i < block_count(record); i++) {
        struct key key;
        struct draft_value value;
        block_key(&key, copy, record, i);
        if (!draft_get(draft, key_slice(&key), &value))
            return draft->error != SF_OK ? draft->error : SF_CORRUPT;
        buffer_append(out, value.bytes.p, value.bytes.n);
        draft_put_back(&value);
    }
    return out->n == record->op_bytes ? SF_OK : SF_CORRUPT;
}

int txn_op_load(struct draft *draft, struct shard_copy copy, const struct txn_record *record,
                struct txn_op *out)
{
    int status = load_blocks(draft, copy, record, &out->bytes);
    if (status == SF_OK && unpack_open(buffer_slice(&out->bytes), &out->unpacked) != SF_OK)
        status = SF_CORRUPT;
    if (status == SF_OK) {
        struct cursor one = {.at = &out->unpacked.root, .end = &out->unpacked.root + 1};
        if (kv_op_unpack(&one, &out->op) != SF_OK)
            status = SF_CORRUPT;
    }
    if (status != SF_OK)
        txn_op_deinit(out);
    return status;
}

void txn_op_deinit(struct txn_op *op)
{
    kv_op_free(&op->op);
    unpack_close(&op->unpacked);
    buffer_deinit(&op->bytes);
    *op = (struct txn_op){0};
}

#include "shardmaster/clients.h"

#define ID_BYTES 16u
#define AGE_KEY_BYTES (1u + 8u + ID_BYTES)

static void put_id(struct buffer *key, const struct master_op *op)
{
    buffer_put_u64_big(key, op->client_hi);
    buffer_put_u64_big(key, op->client_lo);
}

static void client_key(struct buffer *key, const struct master_op *op)
{
    buffer_clear(key);
    buffer_put_u8(key, 'd');
    put_id(key, op);
}

static void age_key(struct buffer *key, const struct master_op *op, uint64_t time_ns)
{
    buffer_clear(key);
    buffer_put_u8(key, 't');
    buffer_put_u64_big(key, time_ns);
    put_id(key, op);
}

/* -- one record ---------------------------------------------------------------------------- */

static int decode(struct slice bytes, struct client_record *out)
{
    struct reader r = reader_of(bytes);
    struct client_record record = {.sequence = reader_u64(&r)};
    record.time_ns = reader_u64(&r);
    record.reply.status = (int)(int32_t)reader_u32(&r);
    record.reply.which = reader_u64(&r);
    record.reply.config_num = reader_u64(&r);
    if (!reader_done(&r))
        return SF_CORRUPT;
    *out = record;
    return SF_OK;
}

static void encode(struct buffer *value, const struct client_record *record)
{
    buffer_put_u64(value, record->sequence);
    buffer_put_u64(value, record->time_ns);
    buffer_put_u32(value, (uint32_t)record->reply.status);
    buffer_put_u64(value, record->reply.which);
    buffer_put_u64(value, record->reply.config_num);
}

int clients_find(const struct space *space, const struct master_op *op, struct client_record *out)
{
    struct buffer key = {0};
    struct store_value value;
    client_key(&key, op);
    int status = store_get(space, NULL, buffer_slice(&key), &value);
    buffer_deinit(&key);
    if (status != SF_OK)
        return status;
    status = decode(value.bytes, out);
    store_unpin(&value);
    return status;
}

/* -- how many there are -------------------------------------------------------------------- */

static int read_count(const struct space *space, uint32_t *out)
{
    struct store_value value;
    int status = store_get(space, NULL, slice_str("k"), &value);
    *out = 0;
    if (status != SF_OK)
        return status == SF_NOT_FOUND ? SF_OK : status;
    struct reader r = reader_of(value.bytes);
    *out = reader_u32(&r);
    bool good = reader_done(&r);
    store_unpin(&value);
    return good ? SF_OK : SF_CORRUPT;
}

static void put_count(struct store_batch *batch, uint32_t count)
{
    struct buffer value = {0};
    buffer_put_u32(&value, count);
    store_batch_put(batch, slice_str("k"), buffer_slice(&value));
    buffer_deinit(&value);
}

static int drop_oldest(const struct space *space, struct store_batch *batch)
{
    struct store_iter *iter = store_iter_new(space, NULL, slice_str("t"), slice_str("u"));
    int status = store_iter_status(iter);
    if (store_iter_valid(iter) && store_iter_key(iter).n == AGE_KEY_BYTES) {
        struct buffer key = {0};
        struct slice age = store_iter_key(iter);
        buffer_put_u8(&key, 'd');
        buffer_append(&key, age.p + 9, ID_BYTES);
        store_batch_delete(batch, age);
        store_batch_delete(batch, buffer_slice(&key));
        buffer_deinit(&key);
    } else if (status == SF_OK) {
        status = SF_CORRUPT;
    }
    store_iter_free(iter);
    return status;
}

/* Makes room for one more. */
static int count_in(const struct space *space, struct store_batch *batch, uint32_t max)
{
    uint32_t count = 0;
    int status = read_count(space, &count);
    if (status != SF_OK)
        return status;
    if (count >= max)
        return drop_oldest(space, batch);
    put_count(batch, count + 1);
    return SF_OK;
}

int clients_note(const struct space *space, struct store_batch *batch, const struct master_op *op,
                 const struct client_record *record, uint32_t max)
{
    struct buffer key = {0}, value = {0};
    struct client_record old;
    int status = clients_find(space, op, &old);
    if (status == SF_OK) {
        age_key(&key, op, old.time_ns);
        store_batch_delete(batch, buffer_slice(&key));
    } else if (status == SF_NOT_FOUND) {
        status = count_in(space, batch, max);
    }
    if (status == SF_OK) {
        encode(&value, record);
        client_key(&key, op);
        store_batch_put(batch, buffer_slice(&key), buffer_slice(&value));
        age_key(&key, op, record->time_ns);
        store_batch_put(batch, buffer_slice(&key), slice_of(NULL, 0));
    }
    buffer_deinit(&key);
    buffer_deinit(&value);
    return status;
}

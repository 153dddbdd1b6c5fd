#include "shardmaster/history.h"

#include "proto/codec.h"

static void config_key(struct buffer *key, uint64_t num)
{
    buffer_put_u8(key, 'c');
    buffer_put_u64_big(key, num);
}

static int decode(struct slice bytes, struct config **out)
{
    struct unpacked u;
    if (unpack_open(bytes, &u) != SF_OK)
        return SF_CORRUPT;
    struct cursor c = unpack_root(&u);
    int status = codec_unpack_config(&c, out);
    if (status == SF_OK && !unpack_done(&c)) {
        config_free(*out);
        status = SF_CORRUPT;
    }
    unpack_close(&u);
    return status == SF_OK ? SF_OK : SF_CORRUPT;
}

int history_get(const struct space *space, uint64_t num, struct config **out)
{
    struct buffer key = {0};
    struct store_value value;
    config_key(&key, num);
    int status = store_get(space, NULL, buffer_slice(&key), &value);
    buffer_deinit(&key);
    if (status != SF_OK)
        return status;
    status = decode(value.bytes, out);
    store_unpin(&value);
    return status;
}

int history_newest(const struct space *space, const struct config *zero, struct config **out)
{
    struct store_value value;
    int status = store_get(space, NULL, slice_str("n"), &value);
    if (status == SF_NOT_FOUND) {
        *out = config_copy(zero);
        return SF_OK;
    }
    if (status != SF_OK)
        return status;
    struct reader r = reader_of(value.bytes);
    uint64_t num = reader_u64(&r);
    bool good = reader_done(&r);
    store_unpin(&value);
    status = good ? history_get(space, num, out) : SF_CORRUPT;
    return status == SF_NOT_FOUND ? SF_CORRUPT : status;
}

void history_put(struct store_batch *batch, const struct config *config)
{
    struct buffer key = {0}, value = {0};
    config_key(&key, config->num);
    pack_array(&value, 1);
    codec_pack_config(&value, config);
    store_batch_put(batch, buffer_slice(&key), buffer_slice(&value));
    buffer_clear(&value);
    buffer_put_u64(&value, config->num);
    store_batch_put(batch, slice_str("n"), buffer_slice(&value));
    buffer_deinit(&key);
    buffer_deinit(&value);
}

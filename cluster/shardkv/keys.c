#include "shardkv/keys.h"

#include <assert.h>
#include <string.h>

#include "storage/store.h"

static_assert(SF_SHARDS_MAX <= UINT16_MAX, "a shard is two bytes of a key");
static_assert(SF_KEY_BYTES_MAX <= UINT16_MAX, "a key's length is two bytes of a block's key");
static_assert(KEYS_BYTES_MAX <= STORE_KEY_BYTES_MAX, "the store takes every key");

static void put_big(struct key *key, uint64_t value, size_t bytes)
{
    sf_assert(key->n + bytes <= KEYS_BYTES_MAX);
    for (size_t i = 0; i < bytes; i++)
        key->bytes[key->n + i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
    key->n += bytes;
}

static void put_bytes(struct key *key, struct slice s)
{
    sf_assert(s.n <= KEYS_BYTES_MAX - key->n);
    if (s.n > 0)
        memcpy(key->bytes + key->n, s.p, s.n);
    key->n += s.n;
}

void keys_copy_from(struct key *key, struct shard_copy copy)
{
    key->n = 0;
    put_big(key, 'S', 1);
    put_big(key, copy.shard, 2);
    put_big(key, copy.home, 8);
}

void keys_copy_to(struct key *key, struct shard_copy copy)
{
    keys_copy_from(key, copy);
    keys_after_prefix(key);
}

void keys_section(struct key *key, struct shard_copy copy, char section)
{
    keys_copy_from(key, copy);
    put_big(key, (uint8_t)section, 1);
}

void keys_record(struct key *key, struct shard_copy copy, enum kv_space space,
                 struct slice user_key)
{
    keys_section(key, copy, 'r');
    put_big(key, (uint64_t)space, 1);
    put_bytes(key, user_key);
}

void keys_owner(struct key *key, struct shard_copy copy, enum kv_space space, struct slice user_key)
{
    keys_section(key, copy, 'o');
    put_big(key, (uint64_t)space, 1);
    put_bytes(key, user_key);
}

void keys_block(struct key *key, struct shard_copy copy, enum kv_space space, struct slice user_key,
                uint32_t block)
{
    keys_section(key, copy, 'b');
    put_big(key, (uint64_t)space, 1);
    put_big(key, user_key.n, 2);
    put_bytes(key, user_key);
    put_big(key, block, 4);
}

void keys_completion(struct key *key, struct shard_copy copy, uint64_t session, uint64_t sequence)
{
    keys_section(key, copy, 'c');
    put_big(key, session, 8);
    put_big(key, sequence, 8);
}

void keys_barred(struct key *key, struct shard_copy copy, uint64_t holder)
{
    keys_section(key, copy, 'f');
    put_big(key, holder, 8);
}

void keys_lease(struct key *key, struct shard_copy copy, uint64_t holder)
{
    keys_section(key, copy, 'h');
    put_big(key, holder, 8);
}

void keys_locks(struct key *key, struct shard_copy copy, struct slice user_key)
{
    keys_section(key, copy, 'l');
    put_bytes(key, user_key);
}

void keys_client(struct key *key, struct shard_copy copy, struct slice client_id)
{
    keys_section(key, copy, 'i');
    put_bytes(key, client_id);
}

void keys_meta(struct key *key, struct shard_copy copy)
{
    keys_section(key, copy, 'm');
}

void keys_intent(struct key *key, struct shard_copy copy, uint64_t data_id)
{
    keys_section(key, copy, 'n');
    put_big(key, data_id, 8);
}

void keys_prepared(struct key *key, struct shard_copy copy, uint64_t session, uint64_t sequence)
{
    keys_section(key, copy, 'p');
    put_big(key, session, 8);
    put_big(key, sequence, 8);
}

void keys_prepared_block(struct key *key, struct shard_copy copy, uint64_t session,
                         uint64_t sequence, uint32_t block)
{
    keys_section(key, copy, 'q');
    put_big(key, session, 8);
    put_big(key, sequence, 8);
    put_big(key, block, 4);
}

void keys_session(struct key *key, struct shard_copy copy, uint64_t session)
{
    keys_section(key, copy, 's');
    put_big(key, session, 8);
}

void keys_trash(struct key *key, struct shard_copy copy, uint64_t number)
{
    keys_section(key, copy, 't');
    put_big(key, number, 8);
}

void keys_idle(struct key *key, struct shard_copy copy, uint64_t used_age_ns, uint64_t session)
{
    keys_section(key, copy, 'u');
    put_big(key, used_age_ns, 8);
    put_big(key, session, 8);
}

void keys_after_prefix(struct key *key)
{
    while (key->n > 0 && key->bytes[key->n - 1] == 0xff)
        key->n--;
    sf_assert(key->n > 0);
    key->bytes[key->n - 1]++;
}

struct store_iter *keys_iterate(const struct space *space, const struct key *prefix)
{
    struct key to = *prefix;
    keys_after_prefix(&to);
    return store_iter_new(space, NULL, key_slice(prefix), key_slice(&to));
}

static struct slice skip_bytes(struct slice store_key, size_t skip)
{
    if (store_key.n <= skip)
        return slice_of(NULL, 0);
    return slice_of(store_key.p + skip, store_key.n - skip);
}

struct slice keys_section_and_rest(struct slice store_key)
{
    return skip_bytes(store_key, KEYS_COPY_BYTES);
}

struct slice keys_rest(struct slice store_key)
{
    return skip_bytes(store_key, KEYS_COPY_BYTES + 1);
}

struct slice keys_user_key(struct slice record_key)
{
    struct slice rest = keys_rest(record_key);
    sf_assert(rest.n >= 1);
    return slice_of(rest.p + 1, rest.n - 1);
}

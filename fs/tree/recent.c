/* A table without chains: what comes to the place of another takes it. */
#include "tree/recent.h"

#include <stdlib.h>

#include "env/memory.h"

struct slot {
    enum kv_space space;
    enum record_kind kind;
    uint64_t version, created;
    struct buffer bytes; /* key, attr, content; empty: nothing is here */
    size_t key_bytes, attr_bytes;
};

struct recent {
    struct slot slots[RECENT_MAX];
};

struct recent *recent_new(void)
{
    return sf_calloc(1, sizeof(struct recent));
}

void recent_free(struct recent *recent)
{
    for (size_t i = 0; i < RECENT_MAX; i++)
        buffer_deinit(&recent->slots[i].bytes);
    free(recent);
}

static size_t place_of(enum kv_space space, struct slice key)
{
    return bytes_hash_seed(key, (uint64_t)space) % RECENT_MAX;
}

static bool is_of(const struct slot *slot, enum kv_space space, struct slice key)
{
    return slot->bytes.n > 0 && slot->space == space &&
           slice_equal(slice_of(slot->bytes.p, slot->key_bytes), key);
}

void recent_forget(struct recent *recent, enum kv_space space, struct slice key)
{
    struct slot *slot = &recent->slots[place_of(space, key)];
    if (is_of(slot, space, key))
        buffer_clear(&slot->bytes);
}

void recent_note(struct recent *recent, enum kv_space space, struct slice key,
                 const struct kv_stat *stat, struct slice content)
{
    struct slot *slot = &recent->slots[place_of(space, key)];
    if (stat->kind == RECORD_VALUE)
        content.n = 0;
    if (stat->kind == RECORD_DIRECTORY || key.n + stat->attr.n + content.n > RECENT_BYTES_MAX) {
        recent_forget(recent, space, key);
        return;
    }
    buffer_clear(&slot->bytes);
    slot->space = space;
    slot->kind = stat->kind;
    slot->version = stat->version;
    slot->created = stat->created;
    slot->key_bytes = key.n;
    slot->attr_bytes = stat->attr.n;
    buffer_append(&slot->bytes, key.p, key.n);
    buffer_append(&slot->bytes, stat->attr.p, stat->attr.n);
    buffer_append(&slot->bytes, content.p, content.n);
}

bool recent_find(const struct recent *recent, enum kv_space space, struct slice key,
                 struct kv_stat *stat, struct slice *content)
{
    const struct slot *slot = &recent->slots[place_of(space, key)];
    if (!is_of(slot, space, key))
        return false;
    const uint8_t *attr = slot->bytes.p + slot->key_bytes;
    size_t behind_key = slot->bytes.n - slot->key_bytes;
    *stat = (struct kv_stat){.kind = slot->kind,
                             .version = slot->version,
                             .created = slot->created,
                             .attr = slice_of(attr, slot->attr_bytes)};
    *content = slice_of(attr + slot->attr_bytes, behind_key - slot->attr_bytes);
    return true;
}

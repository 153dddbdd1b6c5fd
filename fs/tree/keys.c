#include "tree/op.h"

#include <string.h>

#define SECTION_DIRECTORY 'd'
#define SECTION_ENTRY 'e'
#define SECTION_INODE 'i'
#define SECTION_LOCKS 'l' /* of fcntl(2); there is no record */
#define SECTION_FLOCK 'f' /* of flock(2) */
#define ID_COUNTER_BITS 48u /* of an id; above them stands the shard that issued it */

static void internal_key(struct key *out, uint64_t id, uint8_t section, struct slice name)
{
    out->space = KV_INTERNAL;
    for (size_t i = 0; i < 8; i++)
        out->bytes[i] = (uint8_t)(id >> (56 - 8 * i));
    out->bytes[8] = section;
    if (name.n > 0)
        memcpy(out->bytes + 9, name.p, name.n);
    out->n = 9 + name.n;
}

int key_of_entry(uint64_t directory, struct slice name, struct key *out)
{
    if (directory == TREE_ROOT) {
        out->space = KV_PLAIN;
        return tree_key_of_name(name, out->bytes, &out->n);
    }
    if (name.n == 0 || memchr(name.p, '/', name.n) || memchr(name.p, 0, name.n))
        return SF_INVALID;
    if (name.n > TREE_NAME_BYTES_MAX)
        return SF_NAME_TOO_LONG;
    internal_key(out, directory, SECTION_ENTRY, name);
    return SF_OK;
}

void key_of_directory(uint64_t id, struct key *out)
{
    internal_key(out, id, SECTION_DIRECTORY, slice_of(NULL, 0));
}

void key_of_entries(uint64_t id, struct key *out)
{
    internal_key(out, id, SECTION_ENTRY, slice_of(NULL, 0));
}

void key_of_topology(struct key *out)
{
    static const char tag[] = "topology";
    static_assert(sizeof tag == 8 + 1 && ('t' << 8) + 'o' >= SF_SHARDS_MAX, "a tag, and no id's");
    out->space = KV_INTERNAL;
    out->n = sizeof tag - 1;
    memcpy(out->bytes, tag, out->n);
}

/* Where the number was issued. */
static void key_of_number(struct key *out, uint64_t ino, uint8_t section)
{
    struct key number;
    internal_key(&number, ino, section, slice_of(NULL, 0));
    internal_key(out, ino >> ID_COUNTER_BITS, section, slice_of(number.bytes, 8));
}

void key_of_inode(uint64_t ino, struct key *out)
{
    key_of_number(out, ino, SECTION_INODE);
}

bool key_inode(enum kv_space space, struct slice key, uint64_t *ino)
{
    if (space != KV_INTERNAL || key.n != 9 + 8 || key.p[8] != SECTION_INODE)
        return false;
    struct reader r = reader_of(slice_of(key.p + 9, 8));
    *ino = reader_u64_big(&r);
    return true;
}

bool key_is_of_inode(const struct key *key)
{
    uint64_t ino;
    return key_inode(key->space, key_slice(key), &ino);
}

void key_of_locks(uint64_t ino, bool flock, struct key *out)
{
    key_of_number(out, ino, flock ? SECTION_FLOCK : SECTION_LOCKS);
}

struct slice key_reference(const struct key *key, uint8_t bytes[REFERENCE_BYTES_MAX])
{
    bytes[0] = (uint8_t)key->space;
    memcpy(bytes + 1, key->bytes, key->n);
    return slice_of(bytes, 1 + key->n);
}

int key_of_reference(struct slice data, struct key *out)
{
    enum kv_space space;
    struct slice key;
    if (!kv_reference(data, &space, &key))
        return SF_BAD_ATTR;
    size_t most = space == KV_PLAIN ? TREE_NAME_BYTES_MAX : KEY_BYTES_MAX;
    if (key.n > most || (space == KV_INTERNAL && key.n < 9))
        return SF_BAD_ATTR;
    out->space = space;
    out->n = key.n;
    memcpy(out->bytes, key.p, key.n);
    return SF_OK;
}

int key_inode_of_reference(struct slice data, uint64_t *ino)
{
    struct key key;
    if (key_of_reference(data, &key) != SF_OK || !key_inode(key.space, key_slice(&key), ino))
        return SF_BAD_ATTR;
    return SF_OK;
}

struct tree_place key_place(const struct key *key, char name[TREE_NAME_BYTES_MAX + 1])
{
    if (key_is_of_inode(key))
        return (struct tree_place){.is_apart = true};
    struct tree_place place = {.directory = TREE_ROOT};
    if (key->space == KV_INTERNAL) {
        struct reader r = reader_of(slice_of(key->bytes, 8));
        place.directory = reader_u64_big(&r);
        memcpy(name, key->bytes + 9, key->n - 9);
        name[key->n - 9] = 0;
    } else if (!tree_name_of_key(key_slice(key), name)) {
        name[0] = 0;
    }
    place.name = slice_str(name);
    return place;
}

int tree_record_key(const struct tree_place *place, enum kv_space *space, uint8_t *key,
                    size_t *bytes)
{
    struct key found;
    int status = SF_OK;
    if (place->is_apart)
        key_of_inode(place->ino, &found);
    else
        status = key_of_entry(place->directory, place->name, &found);
    if (status != SF_OK)
        return status;
    *space = found.space;
    *bytes = found.n;
    memcpy(key, found.bytes, found.n);
    return SF_OK;
}

struct slice key_slice(const struct key *key)
{
    return slice_of(key->bytes, key->n);
}

int key_directory_id(struct slice data, uint64_t *id)
{
    struct reader r = reader_of(data);
    uint64_t found = reader_u64(&r);
    if (!reader_done(&r) || found <= TREE_ROOT)
        return SF_BAD_ATTR;
    *id = found;
    return SF_OK;
}

#include "shardkv/chain.h"

#include <stdlib.h>
#include <string.h>

#include "env/memory.h"

void owner_deinit(struct owner *owner)
{
    free(owner->group.addresses);
    *owner = (struct owner){0};
}

bool owner_is(const struct owner *owner, group_id gid, uint64_t identity)
{
    return owner->group.gid == gid && owner->identity == identity;
}

static void owner_init(struct owner *owner, const struct group *group, uint64_t lost)
{
    size_t bytes = group->address_count * sizeof group->addresses[0];
    owner->group.gid = group->gid;
    owner->group.address_count = group->address_count;
    owner->group.addresses = sf_memdup(group->addresses, bytes);
    owner->identity = group_identity(&owner->group);
    owner->lost = lost;
}

void group_put(struct buffer *b, const struct group *group)
{
    buffer_put_u64(b, group->gid);
    buffer_put_u8(b, (uint8_t)group->address_count);
    for (size_t i = 0; i < group->address_count; i++)
        buffer_put_slice(b, slice_str(group->addresses[i]));
}

static void address_get(struct reader *r, char to[SF_ADDRESS_BYTES_MAX])
{
    struct slice text = reader_slice(r, SF_ADDRESS_BYTES_MAX - 1);
    if (!reader_ok(r))
        return;
    if (text.n == 0 || memchr(text.p, 0, text.n) != NULL) {
        r->bad = true;
        return;
    }
    memcpy(to, text.p, text.n);
    to[text.n] = 0;
}

bool group_get(struct reader *r, struct group *group)
{
    char addresses[SF_REPLICAS_MAX][SF_ADDRESS_BYTES_MAX] = {0};
    group_id gid = reader_u64(r);
    size_t count = reader_u8(r);
    if (gid == 0 || count == 0 || count > SF_REPLICAS_MAX)
        r->bad = true;
    for (size_t i = 0; i < count && reader_ok(r); i++)
        address_get(r, addresses[i]);
    if (!reader_ok(r))
        return false;
    group->gid = gid;
    group->address_count = count;
    group->addresses = sf_memdup(addresses, count * sizeof addresses[0]);
    return true;
}

void owner_put(struct buffer *b, const struct owner *owner)
{
    group_put(b, &owner->group);
    buffer_put_u64(b, owner->lost);
}

bool owner_get(struct reader *r, struct owner *owner)
{
    struct group group;
    if (!group_get(r, &group))
        return false;
    uint64_t lost = reader_u64(r);
    if (lost == 0)
        r->bad = true;
    if (reader_ok(r))
        owner_init(owner, &group, lost);
    free(group.addresses);
    return reader_ok(r);
}

void chain_deinit(struct chain *chain)
{
    for (size_t i = 0; i < chain->count; i++)
        owner_deinit(&chain->owners[i]);
    free(chain->owners);
    *chain = (struct chain){0};
}

void chain_add(struct chain *chain, const struct group *group, uint64_t lost)
{
    sf_assert(chain->count < CHAIN_MAX);
    sf_assert(chain->count == 0 || lost < chain->owners[chain->count - 1].lost);
    chain->owners = sf_realloc(chain->owners, (chain->count + 1) * sizeof *chain->owners);
    owner_init(&chain->owners[chain->count++], group, lost);
}

void chain_copy(struct chain *to, const struct chain *from)
{
    for (size_t i = 0; i < from->count; i++)
        chain_add(to, &from->owners[i].group, from->owners[i].lost);
}

size_t chain_find(const struct chain *chain, group_id gid, uint64_t identity)
{
    size_t at = 0;
    while (at < chain->count && !owner_is(&chain->owners[at], gid, identity))
        at++;
    return at;
}

void chain_put(struct buffer *b, const struct chain *chain)
{
    buffer_put_u8(b, (uint8_t)chain->count);
    for (size_t i = 0; i < chain->count; i++)
        owner_put(b, &chain->owners[i]);
}

bool chain_get(struct reader *r, struct chain *chain)
{
    *chain = (struct chain){0};
    size_t count = reader_u8(r);
    if (count > CHAIN_MAX)
        r->bad = true;
    for (size_t i = 0; i < count && reader_ok(r); i++) {
        struct owner owner = {0};
        if (!owner_get(r, &owner))
            break;
        if (i > 0 && owner.lost >= chain->owners[i - 1].lost)
            r->bad = true;
        else
            chain_add(chain, &owner.group, owner.lost);
        owner_deinit(&owner);
    }
    if (!reader_ok(r))
        chain_deinit(chain);
    return reader_ok(r);
}

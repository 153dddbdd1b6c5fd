/* Routes: from a key to a number, from a number to a shard. */
#include "placement/placement.h"

#include <string.h>

static const struct {
    enum routing routing;
    const char *name;
} names[] = {
    {ROUTING_HASH, "hash"},
    {ROUTING_FIRST_BYTE, "first-byte"},
    {ROUTING_NUMBER, "number"},
};

bool routing_parse(const char *text, enum routing *out)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i].name) == 0) {
            *out = names[i].routing;
            return true;
        }
    }
    return false;
}

const char *routing_name(enum routing routing)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].routing == routing)
            return names[i].name;
    }
    return "?";
}

/* The decimal number that the whole key spells, modulo 2^64; 0 where it spells none. */
static uint64_t number_of(struct slice key)
{
    uint64_t number = 0;
    for (size_t i = 0; i < key.n; i++) {
        if (key.p[i] < '0' || key.p[i] > '9')
            return 0;
        number = number * 10 + (uint64_t)(key.p[i] - '0');
    }
    return number;
}

uint64_t placement_route(enum routing routing, struct slice plain_key)
{
    switch (routing) {
    case ROUTING_HASH:
        return bytes_hash(plain_key);
    case ROUTING_FIRST_BYTE:
        return plain_key.n > 0 ? plain_key.p[0] : 0;
    case ROUTING_NUMBER:
        return number_of(plain_key);
    }
    sf_assert(false);
    return 0;
}

uint64_t placement_route_internal(struct slice internal_key)
{
    struct reader r = reader_of(internal_key);
    return reader_u64_big(&r);
}

uint32_t placement_shard(uint64_t route, uint32_t shard_count)
{
    sf_assert(shard_count > 0);
    return (uint32_t)(route % shard_count);
}

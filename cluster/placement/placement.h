/* placement: which group owns which shard, as a value (pure).
 *
 * A Config is immutable once made. Config 0 has no groups. The functions that make the next Config
 * are pure: the same arguments give the same result on every replica.
 */
#ifndef PLACEMENT_PLACEMENT_H
#define PLACEMENT_PLACEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "env/assert.h"
#include "env/bytes.h"
#include "shardfs/error.h"
#include "shardfs/limits.h"

typedef uint64_t group_id; /* 0: no group */

enum routing {
    ROUTING_HASH = 1,       /* XXH3-64 of the key */
    ROUTING_FIRST_BYTE = 2, /* the key's first byte; 0 for the empty key */
    ROUTING_NUMBER = 3,     /* the number that the key spells in decimal digits, modulo 2^64; 0 where
                               it spells none: no digits, or anything beside them */
};

/* "hash", "first-byte", "number". False for any other text. */
bool routing_parse(const char *text, enum routing *out);
const char *routing_name(enum routing routing);

struct group {
    group_id gid;
    size_t address_count;                    /* 1..SF_REPLICAS_MAX */
    char (*addresses)[SF_ADDRESS_BYTES_MAX]; /* in the order given: replica i + 1 is at [i] */
};

struct config {
    uint64_t num;
    uint32_t shard_count; /* 1..SF_SHARDS_MAX */
    enum routing routing;
    group_id *shards;     /* shard_count owners; 0: none */
    struct group *groups; /* sorted by gid */
    size_t group_count;   /* 0..SF_GROUPS_MAX */
};

struct config *config_new(uint32_t shard_count, enum routing routing); /* Config 0 */
struct config *config_copy(const struct config *config);
void config_free(struct config *config); /* NULL is allowed */
bool config_equal(const struct config *a, const struct config *b);
const struct group *config_find_group(const struct config *config, group_id gid);
/* A number that stands for a group's set of addresses, whatever their order. Never 0. A group is
 * its gid and this. */
uint64_t group_identity(const struct group *group);

/* The route of a plain key, and the shard of a route. For an internal key the route is its first 8
 * bytes, big-endian (its tag); shorter internal keys are refused where they enter. */
uint64_t placement_route(enum routing routing, struct slice plain_key);
uint64_t placement_route_internal(struct slice internal_key);
uint32_t placement_shard(uint64_t route, uint32_t shard_count);

/* The next Config after `from`: num + 1, rebalanced as evenly as possible (owned shards differ by
 * at most 1 between groups) with as few moves as possible. *out is the caller's; untouched on
 * failure.
 * Join:  SF_GROUP_EXISTS, SF_INVALID (gid 0, a gid twice in the call, no or too many addresses, an
 *        address twice in a group, as in a ring with more replicas than servers), *which names the
 *        group; SF_TOO_BIG. That an address stands in another group too is for the operator's tool
 *        to refuse: here a group's addresses are only data.
 * Leave: SF_NO_GROUP (*which names it).
 * Move:  SF_NO_SHARD, SF_NO_GROUP. To the present owner: SF_OK with *out = NULL, no new Config. */
SF_MUST_CHECK int config_join(const struct config *from, const struct group *groups, size_t count,
                              struct config **out, group_id *which);
SF_MUST_CHECK int config_leave(const struct config *from, const group_id *gids, size_t count,
                               struct config **out, group_id *which);
SF_MUST_CHECK int config_move(const struct config *from, uint32_t shard, group_id gid,
                              struct config **out);

#endif

/* config_history: the Configs that a leader has seen, and the walk back through them.
 *
 * A cache in memory: what is missing is fetched from the masters again. Configs never change, so
 * what is here is right whatever its age.
 */
#ifndef SHARDKV_CONFIG_HISTORY_H
#define SHARDKV_CONFIG_HISTORY_H

#include "placement/placement.h"
#include "shardkv/chain.h"

#define HISTORY_CONFIGS_MAX 256u /* kept; the one fetched first goes first */

struct history;

/* Configs up to and including `floor` have no owners: 0, or more for a static placement. */
struct history *history_new(uint64_t floor);
void history_free(struct history *history);                             /* NULL is allowed */
void history_add(struct history *history, const struct config *config); /* copied; known: nothing */
const struct config *history_find(const struct history *history, uint64_t num); /* or NULL */

/* Walks from Config number `at` down over the owners of one shard. */
struct owner_walk {
    uint32_t shard;
    uint64_t at; /* the Config to be looked at next */
};

/* The next owner: the group that owns the shard in Config `at`, or in the next one below that has
 * an owner. A group comes again for each Config in which it owns the shard.
 *   *group  borrowed until the history changes
 *   *lost   one above the Config it was found in
 * SF_OK; SF_NOT_FOUND: nobody owned it before; SF_NOT_YET: Config walk->at is missing, fetch it and
 * ask again. */
SF_MUST_CHECK int owner_walk_next(struct owner_walk *walk, const struct history *history,
                                  const struct group **group, uint64_t *lost);

#endif

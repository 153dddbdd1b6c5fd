#include "shardkv/config_history.h"

#include <stdlib.h>
#include <uthash.h>

#include "env/memory.h"

struct seen {
    uint64_t num;
    struct config *config;
    UT_hash_handle hh;
};

struct history {
    uint64_t floor;
    struct seen *seen; /* hash by num, in order of arrival */
};

struct history *history_new(uint64_t floor)
{
    struct history *history = sf_calloc(1, sizeof *history);
    history->floor = floor;
    return history;
}

static void forget(struct history *history, struct seen *seen)
{
    HASH_DEL(history->seen, seen);
    config_free(seen->config);
    free(seen);
}

void history_free(struct history *history)
{
    if (!history)
        return;
    while (history->seen)
        forget(history, history->seen);
    free(history);
}

const struct config *history_find(const struct history *history, uint64_t num)
{
    struct seen *seen = NULL;
    HASH_FIND(hh, history->seen, &num, sizeof num, seen);
    return seen ? seen->config : NULL;
}

void history_add(struct history *history, const struct config *config)
{
    if (history_find(history, config->num))
        return;
    if (HASH_COUNT(history->seen) >= HISTORY_CONFIGS_MAX)
        forget(history, history->seen);
    struct seen *seen = sf_calloc(1, sizeof *seen);
    seen->num = config->num;
    seen->config = config_copy(config);
    HASH_ADD(hh, history->seen, num, sizeof seen->num, seen);
}

int owner_walk_next(struct owner_walk *walk, const struct history *history,
                    const struct group **group, uint64_t *lost)
{
    for (; walk->at > history->floor; walk->at--) {
        const struct config *config = history_find(history, walk->at);
        if (!config)
            return SF_NOT_YET;
        const struct group *owner = NULL;
        if (walk->shard < config->shard_count && config->shards[walk->shard] != 0)
            owner = config_find_group(config, config->shards[walk->shard]);
        if (owner) {
            *group = owner;
            *lost = walk->at + 1;
            walk->at--;
            return SF_OK;
        }
    }
    return SF_NOT_FOUND;
}

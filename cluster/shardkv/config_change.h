/* config_change: what the next Config means for one group: the shards that it gains and loses.
 *
 * Pure. Made by the leader from the Config and the history, carried by a log entry, applied by
 * every replica of the group to its table at the same point of the log.
 */
#ifndef SHARDKV_CONFIG_CHANGE_H
#define SHARDKV_CONFIG_CHANGE_H

#include "shardkv/config_history.h"
#include "shardkv/shards.h"

struct gain {
    uint32_t shard;
    bool first;         /* nobody ever owned it: it starts empty */
    struct chain chain; /* its earlier owners, newest first; at least the last one */
};

struct config_change {
    uint64_t num;
    struct gain *gains;
    size_t gain_count;
    uint32_t *losses;
    size_t loss_count;
};

void config_change_deinit(struct config_change *change);

/* Does this Config name the group, with these very addresses? A group begins at the first that
 * does. */
bool config_names(const struct config *config, group_id gid, uint64_t identity);

/* The change from the table's newest Config to `config`, which is the next one (or the first that
 * names the group). The chain of a gain ends with the last owner; where this group itself waits for
 * or keeps an older copy, with the last before that copy.
 * SF_OK; SF_NOT_YET: Config *missing of the history is needed first, nothing was made. */
SF_MUST_CHECK int config_change_make(struct config_change *change, const struct shards *shards,
                                     const struct config *config, const struct history *history,
                                     uint64_t *missing);

/* As bytes: u64 num; u16 count of groups, each as group_put has it; u32 count of gains, each
 * {u16 shard, u8 first, u8 owners, {u16 position among the groups, u64 lost} each};
 * u32 count of losses, u16 each. A group's addresses stand there once, however many shards it had.
 */
void config_change_put(struct buffer *b, const struct config_change *change);
/* False: it breaks the form or a limit; *change is empty then. */
SF_MUST_CHECK bool config_change_get(struct reader *r, uint32_t shard_count,
                                     struct config_change *change);

/* Applies it: gains and losses, and the number. SF_OK; SF_STALE: another Config is due; SF_INVALID:
 * it does not fit the table. Nothing is changed then. */
int config_change_apply(struct shards *shards, struct store_batch *batch,
                        const struct config_change *change);

#endif

/* model: some groups' tables of shard copies, a history of Configs, and messages and proposals that
 * may come late, twice, out of order or never; no replicas, no time. What a leader would do is
 * drawn at random from what it is allowed to do.
 *
 * Every shard holds a counter, which only a group that serves it may raise; a write that does not
 * find the value that was written last is a shard served twice or served without its data.
 */
#ifndef TESTS_SHARDKV_HANDOFF_MODEL_H
#define TESTS_SHARDKV_HANDOFF_MODEL_H

#include "shardkv/shards_inside.h"

#define MODEL_SHARDS 2u
#define MODEL_GROUPS 5u
#define MODEL_CONFIGS_MAX 128u

struct model_group {
    struct group group; /* gid 1..3, and two more lives of 1 and 2 at other addresses */
    uint64_t identity;
    bool up;
    struct store_image *image;
    struct store *store;
    struct space space;
    struct shards *shards;
    struct model_entry *entries; /* proposed, not yet in the log; may get there in any order */
};

struct model {
    uint64_t seed;
    struct model_group groups[MODEL_GROUPS];
    struct config *configs[MODEL_CONFIGS_MAX]; /* by number; [0] has no groups */
    uint64_t config_num;
    struct history *history;
    struct model_message *messages;  /* under way */
    uint64_t counters[MODEL_SHARDS]; /* what was written last */
    uint64_t writes;
};

struct model *model_new(uint64_t seed);
void model_free(struct model *model);
uint64_t model_random_below(struct model *model, uint64_t limit);

/* The masters make one Config: a random join, leave or move. */
void model_reconfigure(struct model *model);
/* Something happens, somewhere; then the invariants of all groups are checked. */
void model_step(struct model *model);
/* No more Configs: every group that is up comes to the newest, and messages come and go until
 * nothing moves. False: something still does. */
bool model_settle(struct model *model);
/* At most one keeper of every shard, over all groups; each table is well formed and equal to what
 * is in its store. */
void model_check(struct model *model);
/* After model_settle, all groups up: the owners serve everything, no group holds anything else. */
void model_check_settled(struct model *model);

/* Direct ways for tests that tell a story. i: index into groups. */
void model_join(struct model *model, size_t i);
void model_leave(struct model *model, size_t i);
void model_move(struct model *model, uint32_t shard, size_t i);
void model_catch_up(struct model *model, size_t i); /* applies every Config there is */
void model_write(struct model *model, size_t i, uint32_t shard);
enum row_state model_state(const struct model *model, size_t i,
                           uint32_t shard); /* newest; 0: none */

#endif

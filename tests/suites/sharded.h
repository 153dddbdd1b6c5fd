/* sharded: three masters and three groups of three servers: the stage of the sharded suites. The
 * model of what the keys hold is the stage's own. */
#ifndef TESTS_SUITES_SHARDED_H
#define TESTS_SUITES_SHARDED_H

#include "suites/clerk.h"

#define SHARD_GROUPS 3u
#define SHARD_COUNT 10u
#define SHARD_KEYS_MAX 32u

struct sharded {
    struct system *system;
    struct clerk *clerk;                                 /* the test's own client */
    struct clerk *operator;                              /* who joins and leaves */
    struct system_group *masters, *groups[SHARD_GROUPS]; /* gids 100, 101, 102 */
    int64_t log_limit;                                   /* of the groups */
    size_t key_count;
    struct buffer values[SHARD_KEYS_MAX]; /* of keys "0", "1", ... */
};

void sharded_begin(struct sharded *stage, enum net_model model, int64_t log_limit);
void sharded_end(struct sharded *stage);

/* Bits of `which`: positions of groups. They wait for the masters only. */
void sharded_join(struct sharded *stage, unsigned which);
void sharded_leave(struct sharded *stage, unsigned which);
/* Which shards belong to the group, as bits, in the newest Config. */
unsigned sharded_of_group(struct sharded *stage, size_t group);
unsigned shard_of_key(const char *key); /* the position */

/* -- values -------------------------------------------------------------------------------- */

/* Puts keys "0" .. count - 1, each a random text of so many letters. */
void sharded_put(struct sharded *stage, size_t count, size_t letters);
void sharded_check(struct sharded *stage);
/* Appends a random text to key i, as this clerk. */
void sharded_append(struct sharded *stage, struct clerk *clerk, size_t key, size_t letters);
/* Each key is checked and then appended to. */
void sharded_check_and_append(struct sharded *stage, size_t letters);

/* -- clients ------------------------------------------------------------------------------- */

/* Each key has a client that appends to it, with a pause after each time. */
struct appenders {
    struct sharded *stage;
    size_t letters;
    uint64_t pause_ms;
    bool stop;
    struct appender {
        struct appenders *all;
        size_t key;
        struct fiber *fiber;
    } each[SHARD_KEYS_MAX];
};
void appenders_begin(struct appenders *appenders, struct sharded *stage, size_t letters,
                     uint64_t pause_ms);
void appenders_end(struct appenders *appenders); /* stops them and waits for their last answers */

/* A fresh client for each key asks for it once. A wrong answer fails. */
struct getters {
    struct sharded *stage;
    size_t answered;
    struct getter {
        struct getters *all;
        size_t key;
        struct fiber *fiber;
    } each[SHARD_KEYS_MAX];
};
void getters_begin(struct getters *getters, struct sharded *stage);
size_t getters_count(struct getters *getters); /* those answered until for 2 s nobody is */
void getters_join(struct getters *getters);    /* waits for all */

#endif

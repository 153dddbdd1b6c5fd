/* masters: what the two suites of the shardmaster share: three masters, and checks of a Config. */
#ifndef TESTS_SUITES_MASTERS_H
#define TESTS_SUITES_MASTERS_H

#include "suites/clerk.h"

#define MASTERS 3u
#define MASTER_SHARDS 10u

/* Three masters, which begin to run. Every other seed cuts their logs often. */
struct system *masters_new(enum net_model model);

/* Addresses are words in a text: "x y z". */
struct named_group {
    group_id gid;
    const char *addresses;
};

/* The status of the Join. */
int masters_try_join(struct clerk *clerk, const struct named_group *groups, size_t count);
/* What a suite does not expect to be refused. */
void masters_join(struct clerk *clerk, const struct named_group *groups, size_t count);
void masters_leave(struct clerk *clerk, const group_id *gids, size_t count);
void masters_join_one(struct clerk *clerk, group_id gid, const char *addresses);
void masters_leave_one(struct clerk *clerk, group_id gid);

/* The newest Config has exactly these groups, each shard belongs to one of them, and none owns two
 * more than another. */
void masters_check(struct clerk *clerk, const group_id *gids, size_t count);
/* The group's addresses are exactly these, in this order. */
void masters_check_addresses(struct clerk *clerk, group_id gid, const char *addresses);
/* No shard that `after` gives to a group of `before` came from another one of them. */
void masters_check_minimal(const struct config *before, const struct config *after);
void masters_check_equal(const struct config *a, const struct config *b);

/* A case that both generations have: moves every shard between two groups that it joins. */
void masters_move_case(struct clerk *clerk);

#endif

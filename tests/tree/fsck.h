/* fsck: the check (tree/check.h) by a user of a stage, as what ends a test: whatever was done to the
 * names, all records fit each other. */
#ifndef TESTS_TREE_FSCK_H
#define TESTS_TREE_FSCK_H

#include "tree/check.h"
#include "tree/stage.h"

#define FSCK_WRONG_MAX 32u

struct fsck {
    unsigned wrong[FSCK_WRONG_MAX]; /* findings of each enum check_wrong */
    struct check_result result;
    struct user *user;
    void (*watch)(void *ctx, const struct check_counts *counts); /* after each page; may be NULL */
    void *ctx;
};

/* Looks at everything; each finding is printed. The test fails if it can't. */
struct fsck user_fsck(struct user *user, bool repair);
struct fsck user_fsck_watched(struct user *user, bool repair,
                              void (*watch)(void *ctx, const struct check_counts *counts),
                              void *ctx);
/* Nothing is wrong; but while others work some may stay unsettled. */
void user_expect_no_alarm(struct user *user);
/* Nothing is wrong, and nothing unsettled. */
void user_expect_fits(struct user *user);

#endif

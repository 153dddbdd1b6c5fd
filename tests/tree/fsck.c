#include "tree/fsck.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct wait {
    const bool *done;
};

static bool is_done(void *ctx)
{
    return *((const struct wait *)ctx)->done;
}

static void on_wait(void *ctx, const bool *done)
{
    const struct fsck *fsck = ctx;
    struct wait wait = {done};
    assert_true(
        sim_run_until(fsck->user->cluster->sim, is_done, &wait, STAGE_LIMIT_MS * ENV_MS_NS));
}

static void on_finding(void *ctx, const struct check_finding *finding)
{
    struct fsck *fsck = ctx;
    fsck->wrong[finding->wrong]++;
    print_message("    %.*s; %s\n", (int)finding->text.n, (const char *)finding->text.p,
                  finding->how ? finding->how : "found");
}

static void on_progress(void *ctx, const struct check_counts *counts)
{
    const struct fsck *fsck = ctx;
    assert_true(counts->shards_done <= counts->shards);
    if (fsck->watch)
        fsck->watch(fsck->ctx, counts);
}

struct fsck user_fsck(struct user *user, bool repair)
{
    return user_fsck_watched(user, repair, NULL, NULL);
}

struct fsck user_fsck_watched(struct user *user, bool repair,
                              void (*watch)(void *ctx, const struct check_counts *counts),
                              void *ctx)
{
    struct fsck fsck = {.user = user, .watch = watch, .ctx = ctx};
    struct check_host host = {.env = sim_node_env(user->node),
                              .client = user->client,
                              .timeout_ms = STAGE_LIMIT_MS / 2,
                              .uid = 7,
                              .gid = 8,
                              .repair = repair,
                              .ctx = &fsck,
                              .wait = on_wait,
                              .on_finding = on_finding,
                              .on_progress = on_progress};
    assert_int_equal(check_run(&host, &fsck.result), SF_OK);
    return fsck;
}

void user_expect_no_alarm(struct user *user)
{
    assert_int_equal(user_fsck(user, false).result.left, 0);
}

void user_expect_fits(struct user *user)
{
    struct fsck fsck = user_fsck(user, false);
    assert_int_equal(fsck.result.left, 0);
    assert_int_equal(fsck.result.unsettled, 0);
}

/* kill -9 and SIGSTOP under load: nothing that was acknowledged is lost, nothing happens twice. */
#include <signal.h>
#include <stdio.h>

#include "process/load.h"
#include "process/stage.h"

/* Enough to show that all keys of all groups are served. */
#define WELL 500u
#define WELL_MS 20000u

static void restart(struct stage *stage, struct load *load)
{
    load_must_run(load, stage, STAGE_WORDS("shardctl", "up", "--dir", stage->dir));
    stage_may_all_be_down(stage, false);
    load_must_make_progress(load, WELL, WELL_MS);
}

static void test_one_of_each(void)
{
    struct stage stage;
    stage_open(&stage, "one", NULL);
    struct load *load =
        load_new(stage.masters, &(struct load_options){.long_values = true, .timeout_ms = 10000});
    for (unsigned round = 0; round < 3 * stage_rounds(); round++) {
        load_run(load, 500);
        for (const char *const *group = STAGE_WORDS("master", "group-100", "group-101"); *group;
             group++) {
            char name[64];
            snprintf(name, sizeof name, "%s-%u", *group, 1 + round % 3);
            stage_kill(&stage, name);
        }
        load_must_make_progress(load, WELL, WELL_MS);
        restart(&stage, load);
    }
    load_verify(load);
    load_free(load);
    stage_close(&stage);
}

static void test_groups(void)
{
    struct stage stage;
    stage_open(&stage, "group", NULL);
    struct load *load = load_new(stage.masters, NULL);
    for (unsigned round = 0; round < stage_rounds(); round++) {
        load_run(load, 1000);
        stage_kill_all(&stage, round % 2 == 0 ? "group-100" : "group-101");
        load_must_make_progress(load, WELL / 10, WELL_MS); /* the other group serves */
        load_run(load, 3500);
        restart(&stage, load);

        stage_kill(&stage, "master-1"); /* a majority: who knows the Config needs them not */
        stage_kill(&stage, "master-2");
        load_must_make_progress(load, WELL, WELL_MS);
        restart(&stage, load);
    }
    load_verify(load);
    load_free(load);
    stage_close(&stage);
}

static void test_everything(void)
{
    struct stage stage;
    stage_open(&stage, "all", NULL);
    struct load *load = load_new(stage.masters, &(struct load_options){.long_values = true});
    for (unsigned round = 0; round < 2 * stage_rounds(); round++) {
        load_run(load, 1500);
        stage_kill_all(&stage, "");
        load_run(load, round % 2 == 0 ? 100 : 4000);
        restart(&stage, load);
    }
    load_verify(load);
    load_free(load);
    stage_close(&stage);
}

/* A leader that stands still and wakes up must not answer from what it believed. */
static void test_frozen_leaders(void)
{
    static const char *const groups[] = {"master", "group-100", "group-101"};
    struct stage stage;
    stage_open(&stage, "frozen", NULL);
    struct load *load = load_new(stage.masters, &(struct load_options){.timeout_ms = 10000});
    for (unsigned round = 0; round < 3 * stage_rounds(); round++) {
        const char *group = groups[round % 3], *leader = stage_leader(&stage, group);
        if (!leader[0])
            stage_fail("nobody leads %s", group);
        load_run(load, 500);
        stage_signal(&stage, leader, SIGSTOP);
        load_run(load, 3000);
        load_must_make_progress(load, WELL, WELL_MS);
        stage_signal(&stage, leader, SIGCONT);
        load_must_make_progress(load, WELL, WELL_MS);
    }
    load_verify(load);
    load_free(load);
    stage_close(&stage);
}

int main(int argc, char **argv)
{
    static const struct stage_test tests[] = {
        {"one", test_one_of_each},
        {"group", test_groups},
        {"all", test_everything},
        {"frozen", test_frozen_leaders},
    };
    return stage_main(argc, argv, tests, sizeof tests / sizeof tests[0], 180);
}

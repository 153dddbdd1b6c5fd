/* Groups join, leave, are drained and killed, and shards move, under load. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process/load.h"
#include "process/stage.h"

#define WELL 500u
#define WELL_MS 30000u

static void ctl(struct load *load, const struct stage *stage, const char *const *words)
{
    load_must_run(load, stage, words);
}

/* `shardctl join` with the addresses of a group that `up` made. */
static void join(struct load *load, struct stage *stage, const char *gid)
{
    const char *words[STAGE_WORDS_MAX + 1] = {"shardctl", "join", gid};
    char prefix[32];
    size_t count = 3;
    snprintf(prefix, sizeof prefix, "group-%s-", gid);
    for (size_t i = 0; i < stage->server_count; i++) {
        if (strncmp(stage->servers[i].name, prefix, strlen(prefix)) == 0)
            words[count++] = stage->servers[i].address;
    }
    words[count] = NULL;
    ctl(load, stage, words);
}

static void up(struct load *load, struct stage *stage)
{
    ctl(load, NULL, STAGE_WORDS("shardctl", "up", "--dir", stage->dir));
    stage_may_all_be_down(stage, false);
}

static void move_some(struct load *load, struct stage *stage, unsigned from, const char *gid)
{
    for (unsigned shard = from; shard < from + 8; shard++) {
        char number[16];
        snprintf(number, sizeof number, "%u", shard);
        ctl(load, stage, STAGE_WORDS("shardctl", "move", number, gid));
    }
}

static void finish(struct load *load, struct stage *stage)
{
    load_must_make_progress(load, WELL, WELL_MS);
    load_verify(load);
    load_free(load);
    stage_close(stage);
}

/* A timeout that none may reach: every shard is served again within it. */
static const struct load_options patient = {.timeout_ms = 20000, .long_values = true};

static void test_groups_come_and_go(void)
{
    struct stage stage;
    stage_open(&stage, "go", STAGE_WORDS("--groups", "3"));
    struct load *load = load_new(stage.masters, &patient);
    for (unsigned round = 0; round < stage_rounds(); round++) {
        load_must_make_progress(load, WELL, WELL_MS);
        ctl(load, &stage, STAGE_WORDS("shardctl", "leave", "100"));
        move_some(load, &stage, 8 * round % 56, "102");
        join(load, &stage, "100");
        move_some(load, &stage, 8 * (round + 1) % 56, "100");
        ctl(load, &stage, STAGE_WORDS("shardctl", "leave", "101", "102"));
        join(load, &stage, "101");
        join(load, &stage, "102");
        load_must_make_progress(load, WELL, WELL_MS);
        ctl(load, &stage, STAGE_WORDS("shardctl", "drain", "101"));
        stage_kill_all(&stage, "group-101"); /* as drain said that one may */
        load_must_make_progress(load, WELL, WELL_MS);
        up(load, &stage);
        join(load, &stage, "101");
    }
    if (load_unknown(load) > 0)
        stage_fail("%" PRIu64 " operations took longer than 20 s", load_unknown(load));
    finish(load, &stage);
}

/* The old owner, then the new one, dies in the middle of a hand-over. */
static void test_kill_while_moving(void)
{
    struct stage stage;
    stage_open(&stage, "dying", STAGE_WORDS("--groups", "2"));
    struct load *load = load_new(stage.masters, &(struct load_options){.long_values = true});
    for (unsigned round = 0; round < 2 * stage_rounds(); round++) {
        const char *victim = round % 2 == 0 ? "group-100" : "group-101";
        load_run(load, 1000);
        ctl(load, &stage, STAGE_WORDS("shardctl", "leave", "100"));
        load_run(load, 5 * (round % 10));
        stage_kill_all(&stage, victim);
        load_run(load, 500);
        up(load, &stage);
        load_must_make_progress(load, WELL, WELL_MS);
        join(load, &stage, "100");
        load_run(load, 5 * (round % 10));
        stage_kill_all(&stage, victim);
        up(load, &stage);
    }
    finish(load, &stage);
}

static void test_transfer(void)
{
    struct stage stage;
    stage_open(&stage, "lead", NULL);
    struct load *load = load_new(stage.masters, &patient);
    for (unsigned round = 0; round < 6 * stage_rounds(); round++) {
        char name[64];
        const char *gid = round % 2 == 0 ? "100" : "101";
        snprintf(name, sizeof name, "group-%s-%u", gid, 1 + round / 2 % 3);
        ctl(load, &stage,
            STAGE_WORDS("shardctl", "transfer", gid, stage_find(&stage, name)->address));
        load_must_make_progress(load, WELL / 5, WELL_MS);
    }
    finish(load, &stage);
}

int main(int argc, char **argv)
{
    static const struct stage_test tests[] = {
        {"come-and-go", test_groups_come_and_go},
        {"kill-while-moving", test_kill_while_moving},
        {"transfer", test_transfer},
    };
    return stage_main(argc, argv, tests, sizeof tests / sizeof tests[0], 180);
}

/* What names cost: requests to the cluster, and entries in the groups' logs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "env/log.h"
#include "rpc/rpc.h"
#include "sim/seeds.h"
#include "tree/stage.h"

#define SETTLE_MS 30000u /* sessions are open; nothing of earlier calls is under way */
#define FILES 1000u

static struct seeds seeds;

struct cost {
    uint64_t answers, entries;
};

static struct cost so_far(struct stage *stage)
{
    struct rpc_stats stats;
    struct cost cost = {0};
    rpc_stats(stage->users[0].rpc, &stats);
    cost.answers = stats.replies;
    for (unsigned i = 0; i < stage->cluster->group_count; i++)
        cost.entries += stage->cluster->groups[i].applied;
    return cost;
}

static void costs(struct stage *stage, struct waiting *waiting, uint64_t answers, uint64_t entries)
{
    struct cost before, after;
    stage_run_ms(stage, SETTLE_MS);
    before = so_far(stage);
    assert_int_equal(user_call(&stage->users[0], waiting), SF_OK);
    after = so_far(stage);
    assert_int_equal(after.answers - before.answers, answers);
    assert_int_equal(after.entries - before.entries, entries);
}

static void call_costs(struct stage *stage, enum tree_kind kind, uint64_t directory,
                       const char *name, struct cost cost)
{
    struct waiting waiting = {
        .call = {
            .kind = kind, .place = place_of(directory, name), .mode = 0644, .exclusive = true}};
    costs(stage, &waiting, cost.answers, cost.entries);
}

/* Within a directory: both names are read, and what changes is in one shard. */
static void renaming_costs(struct stage *stage, uint64_t directory)
{
    for (unsigned i = 0; i < 2; i++) { /* the first time it notes that it has moved */
        struct waiting waiting = {.call = {.kind = TREE_RENAME,
                                           .place = place_of(directory, i == 0 ? "a" : "b"),
                                           .to_directory = directory,
                                           .to_name = slice_str(i == 0 ? "b" : "a")}};
        if (i == 0)
            assert_int_equal(user_do(&stage->users[0], TREE_CREATE, directory, "a", NULL), SF_OK);
        costs(stage, &waiting, 3, 1);
    }
}

/* So many of these calls, one after the other; a rename goes to and fro. */
static uint64_t calls_take_ns(struct stage *stage, struct tree_call call)
{
    struct sim *sim = stage->cluster->sim;
    uint64_t start_ns = sim_now_ns(sim);
    for (unsigned i = 0; i < 100; i++) {
        struct waiting waiting = {.call = call};
        assert_int_equal(user_call(&stage->users[0], &waiting), SF_OK);
        struct slice name = call.place.name;
        if (call.kind == TREE_RENAME) {
            call.place.name = call.to_name;
            call.to_name = name;
        }
    }
    return sim_now_ns(sim) - start_ns;
}

/* Name and directory are read one after the other, or, where it is known which one it will be, at
 * once. */
static void a_guess_saves_a_round(struct stage *stage, const char *name)
{
    struct tree_inode found;
    struct tree_call lookup = {.kind = TREE_LOOKUP, .place = place_of(TREE_ROOT, name)};
    assert_int_equal(user_do(&stage->users[0], TREE_LOOKUP, TREE_ROOT, name, &found), SF_OK);
    uint64_t usual_ns = calls_take_ns(stage, lookup);
    lookup.guess = found.ino;
    assert_true(calls_take_ns(stage, lookup) < usual_ns * 3 / 4);
}

/* A rename reads both names at once: it takes one read and one change. */
static void renaming_reads_once(struct stage *stage, uint64_t directory, const char *name)
{
    struct tree_inode found;
    struct tree_call lookup = {.kind = TREE_LOOKUP, .place = place_of(directory, name)};
    struct tree_call set = {.kind = TREE_SETATTR, .place = lookup.place, .set = TREE_SET_MODE};
    struct tree_call rename = {.kind = TREE_RENAME,
                               .place = lookup.place,
                               .to_directory = directory,
                               .to_name = slice_str("renamed")};
    assert_int_equal(user_do(&stage->users[0], TREE_LOOKUP, directory, name, &found), SF_OK);
    set.place.ino = found.ino;
    uint64_t read_ns = calls_take_ns(stage, lookup), change_ns = calls_take_ns(stage, set);
    assert_true(calls_take_ns(stage, rename) < change_ns + read_ns * 7 / 4);
}

/* One who has just seen the file need not read it, and then not for the next change either; where it
 * has changed since, he does. */
static void setting_costs(struct stage *stage, uint64_t directory, const char *name)
{
    struct waiting set = {.call = {.kind = TREE_SETATTR,
                                   .place = place_of(directory, name),
                                   .set = TREE_SET_MODE,
                                   .mode = 0600}};
    struct tree_inode found;
    assert_int_equal(user_do(&stage->users[0], TREE_LOOKUP, directory, name, &found), SF_OK);
    set.call.place.ino = found.ino;
    for (unsigned i = 0; i < 3; i++)
        costs(stage, &set, 1, 1);
    assert_int_equal(user_call(&stage->users[1], &set), SF_OK);
    costs(stage, &set, 3, 2);
    struct waiting write = {
        .call = {.kind = TREE_WRITE, .place = set.call.place, .data = slice_str("text")}};
    costs(stage, &write, 1, 1);
    costs(stage, &set, 2, 1);
}

static bool count_entry(struct tree_call *call, struct slice name, const struct tree_inode *inode)
{
    (void)name;
    assert_true(inode->version != 0); /* with its attributes */
    (*(unsigned *)call->ctx)++;
    return true;
}

static void listing_costs(struct stage *stage, uint64_t directory)
{
    char name[16];
    unsigned count = 0;
    for (unsigned i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "file %u", i);
        assert_int_equal(user_do(&stage->users[0], TREE_CREATE, directory, name, NULL), SF_OK);
    }
    struct waiting waiting = {.call = {.kind = TREE_READDIR,
                                       .place = {.ino = directory, .is_directory = true},
                                       .on_entry = count_entry,
                                       .length = FILES,
                                       .ctx = &count}};
    costs(stage, &waiting, 1, 0);
    assert_int_equal(count, FILES);
}

static void names_cost_little(void **state)
{
    struct stage *stage = stage_new(seeds.first, 3);
    struct user *user = &stage->users[0];
    struct tree_inode made;
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t in = i == 0 ? TREE_ROOT : made.ino;
        /* The sessions are opened by these. */
        assert_int_equal(user_do(user, TREE_MKDIR, in, "directory", &made), SF_OK);
        assert_int_equal(user_do(user, TREE_CREATE, in, "file", NULL), SF_OK);
        assert_int_equal(user_do(user, TREE_UNLINK, in, "file", NULL), SF_OK);
        call_costs(stage, TREE_CREATE, in, "file", (struct cost){1, 1});
        call_costs(stage, TREE_LOOKUP, in, "file", (struct cost){1, 0});
        call_costs(stage, TREE_LOOKUP, in, "directory", (struct cost){2, 0});
        setting_costs(stage, in, "file");
        call_costs(stage, TREE_UNLINK, in, "file", (struct cost){1, 1}); /* it was just looked at */
    }
    a_guess_saves_a_round(stage, "directory");
    renaming_costs(stage, made.ino);
    renaming_reads_once(stage, made.ino, "a");
    assert_int_equal(user_do(user, TREE_UNLINK, made.ino, "a", NULL), SF_OK);
    listing_costs(stage, made.ino);
    stage_free(stage);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_cost_little)};
    seeds = seeds_parse(argc, argv, 1);
    log_level_min = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Repairs on a tree where names go back and forth such that no look ever sees them: each look reads a
 * directory of many pages, and in between what stands behind comes to the front. Nothing is lost.
 *
 *   tree_check_moving_test [--seeds N] [--seed FIRST]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "env/log.h"
#include "sim/seeds.h"
#include "tree/fsck.h"
#include "tree/op.h"
#include "tree/stage.h"

#define MIB (1ull << 20)
#define FILLERS 16384u /* names between front and back: 16 pages */
#define FILLERS_AT_ONCE 32u
#define PAGE_RECORDS 900u /* more at once are a page of that directory */
#define DATA_ID 501u
#define RUNS 2u

static struct seeds seeds;

/* What moves: a name of a file that has two, a directory, a long file. */
enum thing { THING_NAME, THING_DIRECTORY, THING_LONG, THINGS };

struct mover {
    struct tree_call call;
    struct tree *tree;
    char names[2][8]; /* front, back */
    bool busy, is_back;
    unsigned moves;
};

struct scene {
    struct stage *stage;
    struct user *user;
    uint64_t wide, directory, names, file;
    struct mover movers[THINGS];
    uint64_t records; /* of the look, so far */
};

/* -- raw records ----------------------------------------------------------------------------- */

struct raw {
    struct client_call call;
    bool done;
    int status;
};

static void raw_on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct raw *raw = container_of(call, struct raw, call);
    (void)reply;
    raw->done = true;
    raw->status = status;
}

static bool raw_is_done(void *ctx)
{
    return ((const struct raw *)ctx)->done;
}

static void must(struct scene *scene, const struct kv_op *op)
{
    struct raw raw = {.call = {.on_done = raw_on_done, .op = op}};
    client_submit(scene->user->client, &raw.call);
    assert_true(
        sim_run_until(scene->stage->cluster->sim, raw_is_done, &raw, STAGE_LIMIT_MS * ENV_MS_NS));
    assert_int_equal(raw.status, SF_OK);
}

static void count(struct scene *scene, int entries)
{
    struct key key;
    struct kv_op op;
    key_of_directory(scene->wide, &key);
    op_count(&op, &key, entries, 0);
    must(scene, &op);
}

static struct key entry_of(uint64_t directory, const char *name)
{
    struct key key;
    assert_int_equal(key_of_entry(directory, slice_str(name), &key), SF_OK);
    return key;
}

static void fill(struct scene *scene)
{
    for (unsigned i = 0; i < FILLERS; i += FILLERS_AT_ONCE) {
        struct key keys[FILLERS_AT_ONCE];
        struct kv_op ops[FILLERS_AT_ONCE];
        for (unsigned j = 0; j < FILLERS_AT_ONCE; j++) {
            char name[16];
            snprintf(name, sizeof name, "m%06u", i + j);
            keys[j] = entry_of(scene->wide, name);
            ops[j] =
                (struct kv_op){.kind = KV_PUT, .space = keys[j].space, .key = key_slice(&keys[j])};
        }
        must(scene, &(struct kv_op){.kind = KV_MINI,
                                    .space = ops[0].space,
                                    .key = ops[0].key,
                                    .ops = ops,
                                    .op_count = FILLERS_AT_ONCE});
    }
    count(scene, FILLERS);
}

static struct key extent_of(uint64_t extent)
{
    struct key key = {.space = KV_INTERNAL, .n = KV_EXTENT_KEY_BYTES};
    kv_extent_key(DATA_ID, extent, key.bytes);
    return key;
}

static void make_long(struct scene *scene, const char *name)
{
    struct key at = entry_of(scene->wide, name);
    struct kv_op put = {.kind = KV_PUT,
                        .space = at.space,
                        .key = key_slice(&at),
                        .flags = KV_HAS_LENGTH | KV_HAS_TAIL,
                        .length = 3 * MIB,
                        .tail = {{1, DATA_ID}},
                        .tail_count = 1};
    must(scene, &put);
    count(scene, 1);
    for (uint64_t i = 1; i <= 2; i++) {
        struct key key = extent_of(i);
        must(scene, &(struct kv_op){.kind = KV_PUT,
                                    .space = key.space,
                                    .key = key_slice(&key),
                                    .data = slice_str("bytes")});
    }
}

/* -- the movers ------------------------------------------------------------------------------ */

static void on_moved(struct tree_call *call, int status)
{
    struct mover *mover = container_of(call, struct mover, call);
    assert_int_equal(status, SF_OK);
    mover->busy = false;
    mover->is_back = !mover->is_back;
    mover->moves++;
}

static void move(struct scene *scene, bool back)
{
    for (size_t i = 0; i < THINGS; i++) {
        struct mover *mover = &scene->movers[i];
        if (mover->busy || mover->is_back == back)
            continue;
        mover->busy = true;
        mover->call = (struct tree_call){.kind = TREE_RENAME,
                                         .place = place_of(scene->wide, mover->names[!back]),
                                         .to_directory = scene->wide,
                                         .to_name = slice_str(mover->names[back]),
                                         .on_done = on_moved};
        tree_submit(mover->tree, &mover->call);
    }
}

/* The front was read: there they go. The look is over: back again. */
static void on_page(void *ctx, const struct check_counts *counts)
{
    struct scene *scene = ctx;
    if (counts->records < scene->records)
        scene->records = 0;
    if (counts->records >= scene->records + PAGE_RECORDS)
        move(scene, false);
    if (counts->shards_done == counts->shards)
        move(scene, true);
    scene->records = counts->records;
}

static bool all_rest(void *ctx)
{
    const struct scene *scene = ctx;
    for (size_t i = 0; i < THINGS; i++)
        if (scene->movers[i].busy)
            return false;
    return true;
}

/* -- the runs -------------------------------------------------------------------------------- */

static uint64_t make(struct scene *scene, enum tree_kind kind, uint64_t directory, const char *name)
{
    struct tree_inode inode;
    assert_int_equal(user_do(scene->user, kind, directory, name, &inode), SF_OK);
    return inode.ino;
}

static void make_names(struct scene *scene, const char *name)
{
    struct waiting link = {
        .call = {.kind = TREE_LINK, .to_directory = TREE_ROOT, .to_name = slice_str("other name")}};
    scene->names = make(scene, TREE_CREATE, scene->wide, name);
    link.call.place = place_of(scene->wide, name);
    link.call.place.ino = scene->names;
    assert_int_equal(user_call(scene->user, &link), SF_OK);
}

static void scene_open(struct scene *scene, uint64_t seed)
{
    *scene = (struct scene){.stage = stage_new(seed, 3)};
    scene->user = &scene->stage->users[0];
    scene->wide = make(scene, TREE_MKDIR, TREE_ROOT, "wide");
    fill(scene);
    for (size_t i = 0; i < THINGS; i++) {
        struct mover *mover = &scene->movers[i];
        mover->tree = scene->stage->users[1].tree;
        mover->is_back = true;
        snprintf(mover->names[0], sizeof mover->names[0], "a%zu", i);
        snprintf(mover->names[1], sizeof mover->names[1], "z%zu", i);
    }
    make_names(scene, scene->movers[THING_NAME].names[1]);
    scene->directory =
        make(scene, TREE_MKDIR, scene->wide, scene->movers[THING_DIRECTORY].names[1]);
    make_long(scene, scene->movers[THING_LONG].names[1]);
}

static struct tree_inode find(struct scene *scene, enum thing thing)
{
    struct tree_inode inode;
    assert_int_equal(user_do(scene->user, TREE_LOOKUP, scene->wide,
                             scene->movers[thing].names[scene->movers[thing].is_back], &inode),
                     SF_OK);
    return inode;
}

static void expect_all_there(struct scene *scene)
{
    struct key inode;
    assert_int_equal(find(scene, THING_NAME).links, 2);
    assert_int_equal(find(scene, THING_DIRECTORY).ino, scene->directory);
    struct tree_inode file = find(scene, THING_LONG);
    assert_int_equal(file.size, 3 * MIB);
    key_of_inode(file.ino, &inode);
    assert_true(user_has_record(scene->user, inode.space, key_slice(&inode)));
    for (uint64_t i = 1; i <= 2; i++) {
        struct key key = extent_of(i);
        assert_true(user_has_record(scene->user, key.space, key_slice(&key)));
    }
}

static void run_seed(uint64_t seed)
{
    struct scene scene;
    scene_open(&scene, seed);
    user_expect_fits(scene.user);
    for (unsigned i = 0; i < RUNS; i++) {
        struct fsck fsck = user_fsck_watched(scene.user, true, on_page, &scene);
        assert_true(fsck.result.unsettled > 0); /* they were missed */
        assert_int_equal(fsck.result.repaired + fsck.result.left, 0);
        assert_true(
            sim_run_until(scene.stage->cluster->sim, all_rest, &scene, STAGE_LIMIT_MS * ENV_MS_NS));
        expect_all_there(&scene);
    }
    for (size_t i = 0; i < THINGS; i++)
        assert_true(scene.movers[i].moves >= 4 * RUNS);
    user_expect_fits(scene.user);
    stage_free(scene.stage);
}

static void names_that_no_look_sees_are_not_lost(void **state)
{
    (void)state;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        run_seed(seed);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_that_no_look_sees_are_not_lost)};
    seeds = seeds_parse(argc, argv, 2);
    log_level_min = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

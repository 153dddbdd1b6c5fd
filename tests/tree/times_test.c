/* Times where the groups' clocks differ by minutes: a file's ctime grows with every change, and a
 * write makes its mtime later, also where the file has just moved to a group whose clock is slow.
 *
 *   tree_times_test [--seed FIRST]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "env/log.h"
#include "sim/seeds.h"
#include "tree/fsck.h"
#include "tree/stage.h"

#define DIRECTORIES 6u
#define SKEW_NS (600 * ENV_MS_NS * 1000) /* of one group's clocks */

static struct seeds seeds;

struct scene {
    struct stage *stage;
    struct user *user;
    uint64_t directories[DIRECTORIES];
    uint64_t mtime_ns, ctime_ns; /* as they were seen last */
};

/* In the root, under this number: its shard, as the stage's cluster routes. */
static struct tree_inode make(struct scene *scene, enum tree_kind kind, unsigned number)
{
    struct tree_inode made;
    char name[8];
    snprintf(name, sizeof name, "%u", number);
    assert_int_equal(user_do(scene->user, kind, TREE_ROOT, name, &made), SF_OK);
    return made;
}

/* The clocks of group `ahead` are ahead. The directories are spread over both. */
static void scene_open(struct scene *scene, unsigned ahead)
{
    uint64_t slow = 0, quick = 0;
    *scene = (struct scene){.stage = stage_new(seeds.first, 3)};
    scene->user = &scene->stage->users[0];
    struct cluster_group *group = &scene->stage->cluster->groups[ahead];
    for (unsigned i = 0; i < group->count; i++)
        sim_clock_step(group->nodes[i].sim_node, SKEW_NS);
    for (unsigned i = 0; i < DIRECTORIES; i++) {
        struct tree_inode made = make(scene, TREE_MKDIR, i);
        scene->directories[i] = made.ino;
        slow = slow == 0 || made.ctime_ns < slow ? made.ctime_ns : slow;
        quick = made.ctime_ns > quick ? made.ctime_ns : quick;
    }
    assert_true(quick - slow > SKEW_NS / 2);
}

static void scene_close(struct scene *scene)
{
    user_expect_fits(scene->user);
    stage_free(scene->stage);
}

/* The file has changed since it was seen; its bytes too, or it shows the mtime that it had. */
static void expect_later(struct scene *scene, const struct tree_place *place, bool is_written)
{
    struct waiting stat = {.call = {.kind = TREE_GETATTR, .place = *place}};
    assert_int_equal(user_call(scene->user, &stat), SF_OK);
    const struct tree_inode *now = &stat.call.inode;
    assert_true(now->ctime_ns > scene->ctime_ns);
    assert_true(is_written ? now->mtime_ns > scene->mtime_ns : now->mtime_ns == scene->mtime_ns);
    assert_true(!is_written || now->mtime_ns == now->ctime_ns);
    scene->mtime_ns = now->mtime_ns;
    scene->ctime_ns = now->ctime_ns;
}

static struct tree_place create(struct scene *scene, uint64_t in, const char *name)
{
    struct tree_inode made;
    struct tree_place place = place_of(in, name);
    assert_int_equal(user_do(scene->user, TREE_CREATE, in, name, &made), SF_OK);
    place.ino = made.ino;
    scene->mtime_ns = made.mtime_ns;
    scene->ctime_ns = made.ctime_ns;
    return place;
}

static void writes(struct scene *scene, const struct tree_place *place)
{
    struct waiting write = {
        .call = {.kind = TREE_WRITE, .place = *place, .data = slice_str("bytes")}};
    assert_int_equal(user_call(scene->user, &write), SF_OK);
    expect_later(scene, place, true);
}

/* LINK or RENAME to the name "f" of a directory. */
static void moves(struct scene *scene, enum tree_kind kind, struct tree_place *place, uint64_t to)
{
    struct waiting call = {
        .call = {.kind = kind, .place = *place, .to_directory = to, .to_name = slice_str("f")}};
    assert_int_equal(user_call(scene->user, &call), SF_OK);
    if (kind == TREE_RENAME)
        place->directory = to;
    expect_later(scene, place, false);
    writes(scene, place);
}

static bool is_open(struct tree_call *call, uint64_t ino)
{
    (void)call;
    (void)ino;
    return true;
}

/* The last name goes, and the file is open. */
static void unlinks(struct scene *scene, const struct tree_place *place)
{
    struct waiting unlink = {.call = {.kind = TREE_UNLINK, .place = *place, .is_open = is_open}};
    assert_int_equal(user_call(scene->user, &unlink), SF_OK);
    assert_int_equal(unlink.call.orphan, place->ino);
    expect_later(scene, place, false);
    writes(scene, place);
    tree_closed(scene->user->tree, place->ino);
    while (tree_orphan_count(scene->user->tree) > 0)
        assert_true(sim_step(scene->stage->cluster->sim));
}

static void each_pair(struct scene *scene, void (*act)(struct scene *, uint64_t, uint64_t))
{
    for (unsigned i = 0; i < DIRECTORIES; i++)
        for (unsigned j = 0; j < DIRECTORIES; j++)
            if (i != j)
                act(scene, scene->directories[i], scene->directories[j]);
}

/* A rename; the last name of what is open; the first further name, whose record is where the file
 * was made. */
static void move_and_unlink(struct scene *scene, uint64_t from, uint64_t to)
{
    struct tree_place place = create(scene, from, "f");
    moves(scene, TREE_RENAME, &place, to);
    unlinks(scene, &place);
    place = create(scene, from, "f");
    moves(scene, TREE_RENAME, &place, to);
    moves(scene, TREE_LINK, &place, from);
    assert_int_equal(user_do(scene->user, TREE_UNLINK, from, "f", NULL), SF_OK);
    expect_later(scene, &place, false);
    assert_int_equal(user_do(scene->user, TREE_UNLINK, to, "f", NULL), SF_OK);
}

static void exchange(struct scene *scene, uint64_t from, uint64_t to)
{
    (void)create(scene, to, "f");
    struct tree_place place = create(scene, from, "f");
    struct waiting call = {.call = {.kind = TREE_RENAME,
                                    .place = place,
                                    .to_directory = to,
                                    .to_name = slice_str("f"),
                                    .exchange = true}};
    assert_int_equal(user_call(scene->user, &call), SF_OK);
    place.directory = to;
    expect_later(scene, &place, false);
    writes(scene, &place);
    assert_int_equal(user_do(scene->user, TREE_UNLINK, from, "f", NULL), SF_OK);
    assert_int_equal(user_do(scene->user, TREE_UNLINK, to, "f", NULL), SF_OK);
}

static void a_file_that_moves_gets_later(void **state)
{
    struct scene scene;
    (void)state;
    scene_open(&scene, 0);
    each_pair(&scene, move_and_unlink);
    each_pair(&scene, exchange);
    scene_close(&scene);
}

static struct tree_inode set_root(struct scene *scene, unsigned set)
{
    struct waiting call = {.call = {.kind = TREE_SETATTR,
                                    .place = {.ino = TREE_ROOT, .is_directory = true},
                                    .set = set,
                                    .mode = 0755,
                                    .mtime_ns = 1000}};
    assert_int_equal(user_call(scene->user, &call), SF_OK);
    return call.call.inode;
}

/* The root's names are where clocks differ; its own record is where they are behind, or ahead. */
static void root_sets(unsigned ahead)
{
    struct scene scene;
    struct tree_inode before, after;
    scene_open(&scene, ahead);
    tree_root_inode(scene.user->tree, &before);
    after = set_root(&scene, TREE_SET_MTIME);
    assert_int_equal(after.mtime_ns, 1000);
    assert_true(after.ctime_ns > before.ctime_ns);
    before = set_root(&scene, TREE_SET_MODE);
    assert_int_equal(before.mtime_ns, 1000);
    assert_true(before.ctime_ns > after.ctime_ns);
    for (unsigned i = 0; i < DIRECTORIES; i++) {
        (void)make(&scene, TREE_CREATE, DIRECTORIES + i);
        tree_root_inode(scene.user->tree, &after);
        assert_true(after.mtime_ns > before.mtime_ns && after.ctime_ns > before.ctime_ns);
        before = after;
    }
    scene_close(&scene);
}

static void the_root_shows_what_was_set_last(void **state)
{
    (void)state;
    root_sets(0);
    root_sets(1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_moves_gets_later),
        cmocka_unit_test(the_root_shows_what_was_set_last),
    };
    seeds = seeds_parse(argc, argv, 1);
    log_level_min = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

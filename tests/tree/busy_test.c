/* Names of a file that others write all the time: what takes one away needs no pause of theirs.
 *
 *   tree_busy_test [--seed FIRST]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "env/log.h"
#include "sim/seeds.h"
#include "tree/fsck.h"
#include "tree/op.h"
#include "tree/stage.h"

#define WRITERS 4u
#define CHANGES 200u

static struct seeds seeds;

/* Writes its own 8 bytes of a file, greater numbers each time, and never pauses until that is gone. */
struct writer {
    struct waiting waiting;
    struct user *user;
    uint64_t number;
};

struct scene {
    struct stage *stage;
    struct user *user;
    uint64_t in; /* the directory that all of it is in */
    struct writer writers[WRITERS];
};

static struct scene scene_open(void)
{
    struct scene scene = {.stage = stage_new(seeds.first, 3)};
    struct tree_inode made;
    scene.user = &scene.stage->users[0];
    assert_int_equal(user_do(scene.user, TREE_MKDIR, TREE_ROOT, "in", &made), SF_OK);
    scene.in = made.ino;
    return scene;
}

static void scene_close(struct scene *scene)
{
    user_expect_fits(scene->user);
    stage_free(scene->stage);
}

/* -- who writes -------------------------------------------------------------------------------- */

static void on_written(struct tree_call *call, int status)
{
    struct writer *writer = container_of(call, struct writer, waiting.call);
    writer->waiting.status = status;
    writer->waiting.done = status != SF_OK;
    writer->number++;
    if (status == SF_OK)
        tree_submit(writer->user->tree, call);
}

static bool all_write(void *ctx)
{
    const struct scene *scene = ctx;
    bool all = true;
    for (unsigned i = 0; i < WRITERS; i++)
        all = all && scene->writers[i].number > 1;
    return all;
}

static bool none_writes(void *ctx)
{
    const struct scene *scene = ctx;
    bool none = true;
    for (unsigned i = 0; i < WRITERS; i++)
        none = none && scene->writers[i].waiting.done;
    return none;
}

static void await(struct scene *scene, bool (*is_so)(void *ctx))
{
    assert_true(
        sim_run_until(scene->stage->cluster->sim, is_so, scene, STAGE_LIMIT_MS * ENV_MS_NS));
}

/* The other users, half of the writers each, write the file until it is gone. */
static void begin_writing(struct scene *scene, struct tree_place place)
{
    for (unsigned i = 0; i < WRITERS; i++) {
        struct writer *writer = &scene->writers[i];
        *writer = (struct writer){.user = &scene->stage->users[1 + i % 2]};
        writer->waiting.call = (struct tree_call){
            .kind = TREE_WRITE,
            .place = place,
            .offset = i * sizeof writer->number,
            .data = slice_of((const uint8_t *)&writer->number, sizeof writer->number),
            .on_done = on_written};
        tree_submit(writer->user->tree, &writer->waiting.call);
    }
    await(scene, all_write);
}

static void await_stale(struct scene *scene)
{
    await(scene, none_writes);
    for (unsigned i = 0; i < WRITERS; i++)
        assert_int_equal(scene->writers[i].waiting.status, SF_STALE_FILE);
}

/* -- what is changed meanwhile ------------------------------------------------------------------ */

/* How often it was tried again. */
static unsigned retries_of(struct scene *scene, struct waiting *waiting)
{
    unsigned retries = 0;
    user_submit(scene->user, waiting);
    while (!waiting->done) {
        const struct op *op = waiting->call.state;
        retries = op ? op->retries : retries;
        assert_true(sim_step(scene->stage->cluster->sim));
    }
    assert_int_equal(waiting->status, SF_OK);
    return retries;
}

static struct tree_place make(struct scene *scene, const char *name)
{
    struct tree_inode made;
    struct tree_place place = place_of(scene->in, name);
    assert_int_equal(user_do(scene->user, TREE_CREATE, scene->in, name, &made), SF_OK);
    place.ino = made.ino;
    return place;
}

/* By unlink and by a rename over it; one that has moved, and one that has not. */
static void a_written_file_goes_at_once(void **state)
{
    struct scene scene = scene_open();
    struct waiting move = {.call = {.kind = TREE_RENAME,
                                    .place = place_of(scene.in, "old"),
                                    .to_directory = scene.in,
                                    .to_name = slice_str("f")}};
    (void)state;
    for (unsigned i = 0; i < CHANGES; i++) {
        struct tree_place place = make(&scene, i & 1 ? "old" : "f");
        struct waiting change = {.call = {.kind = TREE_UNLINK, .place = place_of(scene.in, "f")}};
        if (i & 1)
            assert_int_equal(user_call(scene.user, &move), SF_OK);
        place.name = slice_str("f");
        begin_writing(&scene, place);
        if (i & 2) {
            make(&scene, "old");
            change = move;
        }
        assert_int_equal(retries_of(&scene, &change), 0);
        await_stale(&scene);
        if (i & 2)
            assert_int_equal(user_do(scene.user, TREE_UNLINK, scene.in, "f", NULL), SF_OK);
    }
    scene_close(&scene);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_written_file_goes_at_once),
    };
    seeds = seeds_parse(argc, argv, 1);
    log_level_min = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

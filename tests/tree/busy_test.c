/* Names and attributes of a file that others write all the time. What takes its name away needs no
 * pause of theirs; what moves or changes it needs a moment between two writes, and gets it after a few
 * tries, by a hold, however many write. So does what moves or changes a directory in which names come
 * and go.
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
#define CHANGES 120u
#define TRIES_MAX (OP_HOLD_AFTER + 2u)

static struct seeds seeds;

/* Appends numbers to a file, 0 and up, and never pauses until that is gone, or it is told to. */
struct writer {
    struct waiting waiting;
    struct user *user;
    char name[8]; /* where the file was last */
    uint64_t number;
    bool stops;
};

struct scene {
    struct stage *stage;
    struct user *user;
    uint64_t in; /* the directory that all of it is in */
    struct writer writers[WRITERS];
    unsigned writer_count;
    struct waiting reading;
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

static void go_to(struct writer *writer, struct slice name)
{
    assert_true(name.n <= sizeof writer->name);
    if (name.n > 0)
        memcpy(writer->name, name.p, name.n);
    writer->waiting.call.place.name = slice_of((const uint8_t *)writer->name, name.n);
}

static void on_written(struct tree_call *call, int status)
{
    struct writer *writer = container_of(call, struct writer, waiting.call);
    writer->waiting.status = status;
    writer->waiting.done = status != SF_OK || writer->stops;
    if (writer->waiting.done)
        return;
    if (call->has_moved) {
        call->place = call->place_now;
        go_to(writer, call->place.name);
    }
    writer->number++;
    tree_submit(writer->user->tree, call);
}

static bool all_write(void *ctx)
{
    const struct scene *scene = ctx;
    bool all = true;
    for (unsigned i = 0; i < scene->writer_count; i++)
        all = all && scene->writers[i].number > 1;
    return all;
}

static bool none_writes(void *ctx)
{
    const struct scene *scene = ctx;
    bool none = true;
    for (unsigned i = 0; i < scene->writer_count; i++)
        none = none && scene->writers[i].waiting.done;
    return none;
}

static void await(struct scene *scene, bool (*is_so)(void *ctx))
{
    assert_true(
        sim_run_until(scene->stage->cluster->sim, is_so, scene, STAGE_LIMIT_MS * ENV_MS_NS));
}

/* The other users, half of the writers each, write the file until it is gone. */
static void begin_writing(struct scene *scene, struct tree_place place, unsigned count)
{
    scene->writer_count = count;
    for (unsigned i = 0; i < count; i++) {
        struct writer *writer = &scene->writers[i];
        *writer = (struct writer){.user = &scene->stage->users[1 + i % 2]};
        writer->waiting.call = (struct tree_call){
            .kind = TREE_APPEND,
            .place = place,
            .data = slice_of((const uint8_t *)&writer->number, sizeof writer->number),
            .on_done = on_written};
        go_to(writer, place.name);
        tree_submit(writer->user->tree, &writer->waiting.call);
    }
    await(scene, all_write);
}

static void await_stale(struct scene *scene)
{
    await(scene, none_writes);
    for (unsigned i = 0; i < scene->writer_count; i++)
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

/* 0, 1, 2 and so on, as many as were written. */
static void on_read(struct tree_call *call, int status)
{
    struct waiting *read = container_of(call, struct waiting, call);
    uint64_t number;
    assert_int_equal(status, SF_OK);
    assert_int_equal(call->data.n, *(const uint64_t *)call->ctx * sizeof number);
    for (uint64_t i = 0; i * sizeof number < call->data.n; i++) {
        memcpy(&number, call->data.p + i * sizeof number, sizeof number);
        assert_int_equal(number, i);
    }
    read->done = true;
}

static bool is_done(void *ctx)
{
    return ((const struct scene *)ctx)->reading.done;
}

/* All that was appended is in the file, in its order and once, wherever it was when that came. */
static void stop_writing(struct scene *scene, struct tree_place place)
{
    uint64_t count;
    assert_int_equal(scene->writer_count, 1);
    scene->writers[0].stops = true;
    await(scene, none_writes);
    count = scene->writers[0].number + 1;
    scene->reading = (struct waiting){.call = {.kind = TREE_READ,
                                               .place = place,
                                               .length = SF_VALUE_BYTES_MAX,
                                               .ctx = &count,
                                               .on_done = on_read}};
    tree_submit(scene->user->tree, &scene->reading.call);
    await(scene, is_done);
}

/* Each change of a kind that needs a moment in which nobody writes. */
static struct waiting moment(const struct scene *scene, struct tree_place file, unsigned which)
{
    static const char *const names[] = {"a", "b"};
    struct waiting change = {.call = {.place = file}};
    struct tree_call *call = &change.call;
    switch (which % 6) {
    case 0: /* there and back */
    case 1:
        call->kind = TREE_RENAME;
        call->place = place_of(scene->in, names[which % 6]);
        call->to_name = slice_str(names[1 - which % 6]);
        break;
    case 2:
        call->kind = TREE_RENAME;
        call->place = place_of(scene->in, "other");
        call->to_name = slice_str("a");
        call->exchange = true;
        break;
    case 3:
        call->kind = TREE_RENAME;
        call->place = place_of(scene->in, "a");
        call->to_name = slice_str("other");
        call->exchange = true;
        break;
    default:
        call->kind = TREE_SETATTR;
        call->set = TREE_SET_MODE;
        call->mode = 0600 + which % 64;
    }
    call->to_directory = scene->in;
    return change;
}

static void a_written_file_changes_its_name_and_mode(void **state)
{
    struct scene scene = scene_open();
    struct tree_place file = make(&scene, "a");
    (void)state;
    make(&scene, "other");
    begin_writing(&scene, file, 1);
    for (unsigned i = 0; i < CHANGES / 2; i++) {
        struct waiting change = moment(&scene, file, i);
        assert_true(retries_of(&scene, &change) <= TRIES_MAX);
    }
    stop_writing(&scene, file);
    scene_close(&scene);
}

/* However many write it, and they go on writing, each of them. */
static void a_file_that_many_write_changes_its_name_and_mode(void **state)
{
    struct scene scene = scene_open();
    struct tree_place file = make(&scene, "a");
    unsigned overtaken = 0;
    (void)state;
    make(&scene, "other");
    begin_writing(&scene, file, WRITERS);
    for (unsigned i = 0; i < CHANGES / 4; i++) {
        struct waiting change = moment(&scene, file, i);
        unsigned retries = retries_of(&scene, &change);
        overtaken += retries >= OP_HOLD_AFTER;
        assert_true(retries <= TRIES_MAX);
        for (unsigned k = 0; k < WRITERS; k++)
            scene.writers[k].number = 0;
        await(&scene, all_write);
    }
    assert_true(overtaken > 0);
    for (unsigned i = 0; i < WRITERS; i++)
        scene.writers[i].stops = true;
    await(&scene, none_writes);
    scene_close(&scene);
}

/* So do its names come and go. */
static void a_file_that_many_write_gets_names_and_loses_them(void **state)
{
    struct scene scene = scene_open();
    struct tree_place file = make(&scene, "a");
    struct waiting unlink = {.call = {.kind = TREE_UNLINK, .place = place_of(scene.in, "b")}};
    struct waiting link = {
        .call = {
            .kind = TREE_LINK, .place = file, .to_directory = scene.in, .to_name = slice_str("b")}};
    (void)state;
    begin_writing(&scene, file, WRITERS);
    for (unsigned i = 0; i < CHANGES / 8; i++) {
        assert_true(retries_of(&scene, &link) <= TRIES_MAX);
        assert_true(retries_of(&scene, &unlink) <= TRIES_MAX);
    }
    for (unsigned i = 0; i < WRITERS; i++)
        scene.writers[i].stops = true;
    await(&scene, none_writes);
    scene_close(&scene);
}

/* From the first further name on it lives apart. */
static void a_written_file_gets_names_and_loses_them(void **state)
{
    struct scene scene = scene_open();
    struct tree_place file = make(&scene, "a");
    struct waiting unlink = {.call = {.kind = TREE_UNLINK, .place = place_of(scene.in, "b")}};
    struct waiting link = {
        .call = {
            .kind = TREE_LINK, .place = file, .to_directory = scene.in, .to_name = slice_str("b")}};
    (void)state;
    begin_writing(&scene, file, 1);
    for (unsigned i = 0; i < CHANGES / 4; i++) {
        assert_true(retries_of(&scene, &link) <= TRIES_MAX);
        assert_true(retries_of(&scene, &unlink) <= TRIES_MAX);
    }
    stop_writing(&scene, file);
    scene_close(&scene);
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
        begin_writing(&scene, place, WRITERS);
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

/* -- a directory --------------------------------------------------------------------------------- */

/* A name in it comes, and goes, all the time. */
static void on_changed(struct tree_call *call, int status)
{
    struct writer *writer = container_of(call, struct writer, waiting.call);
    assert_int_equal(status, SF_OK);
    writer->waiting.done = writer->stops && call->kind == TREE_UNLINK;
    if (writer->waiting.done)
        return;
    call->kind = call->kind == TREE_CREATE ? TREE_UNLINK : TREE_CREATE;
    writer->number++;
    tree_submit(writer->user->tree, call);
}

static void begin_changing(struct scene *scene)
{
    struct writer *writer = &scene->writers[0];
    scene->writer_count = 1;
    *writer = (struct writer){.user = &scene->stage->users[1]};
    writer->waiting.call = (struct tree_call){.kind = TREE_CREATE,
                                              .place = place_of(scene->in, "name"),
                                              .mode = 0644,
                                              .exclusive = true,
                                              .on_done = on_changed};
    tree_submit(writer->user->tree, &writer->waiting.call);
    await(scene, all_write);
}

/* It changes its mode, and goes to another directory and back. */
static void a_busy_directory_changes_its_mode_and_parent(void **state)
{
    struct scene scene = scene_open();
    struct tree_inode up;
    (void)state;
    assert_int_equal(user_do(scene.user, TREE_MKDIR, TREE_ROOT, "up", &up), SF_OK);
    struct waiting chmod = {.call = {.kind = TREE_SETATTR,
                                     .place = {.ino = scene.in, .is_directory = true},
                                     .set = TREE_SET_MODE}};
    begin_changing(&scene);
    for (unsigned i = 0; i < CHANGES / 2; i++) {
        struct waiting move = {.call = {.kind = TREE_RENAME,
                                        .place = place_of(i & 1 ? up.ino : TREE_ROOT, "in"),
                                        .to_directory = i & 1 ? TREE_ROOT : up.ino,
                                        .to_name = slice_str("in")}};
        chmod.call.mode = 0700 + i % 64;
        assert_true(retries_of(&scene, &chmod) <= TRIES_MAX);
        assert_int_equal(chmod.call.inode.mode & 0777, chmod.call.mode);
        assert_true(retries_of(&scene, &move) <= TRIES_MAX);
    }
    scene.writers[0].stops = true;
    await(&scene, none_writes);
    scene_close(&scene);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_written_file_goes_at_once),
        cmocka_unit_test(a_written_file_changes_its_name_and_mode),
        cmocka_unit_test(a_written_file_gets_names_and_loses_them),
        cmocka_unit_test(a_file_that_many_write_changes_its_name_and_mode),
        cmocka_unit_test(a_file_that_many_write_gets_names_and_loses_them),
        cmocka_unit_test(a_busy_directory_changes_its_mode_and_parent),
    };
    seeds = seeds_parse(argc, argv, 1);
    log_level_min = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

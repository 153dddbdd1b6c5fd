/* Every change of names is one minitransaction, often over several shards. Here the process that does
 * it ends after each event of the simulation: before and after each message. What is found then is
 * either all that was before or all that should be after, and nothing stays locked.
 *
 *   tree_steps_test [--seeds N] [--seed FIRST]
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

#define SETTLE_MS 2000u  /* what was on its way arrives; less than locks last */
#define STEPS_AT_ONCE 8u /* events between two crashes of the same change, at most */
#define DIRECTORIES 3u   /* the root, and two in it */
#define NAMES 2u

static struct seeds seeds;

static const char *const names[NAMES] = {"a", "b"};

enum what { NOTHING, A_FILE, A_DIRECTORY };

struct thing {
    enum what what;
    uint64_t ino;
};

/* What lives at each name. */
struct world {
    struct thing at[DIRECTORIES][NAMES];
};

/* A name: which directory, which of its names. */
struct spot {
    unsigned directory, name;
};

struct change {
    const char *title;
    enum tree_kind kind;
    struct spot from, to;     /* `to` of RENAME */
    enum what source, target; /* what is there before */
    bool exchange;
};

static const struct change changes[] = {
    {"create", TREE_CREATE, {1, 0}, {0, 0}, NOTHING, NOTHING, false},
    {"mkdir in the root", TREE_MKDIR, {0, 0}, {0, 0}, NOTHING, NOTHING, false},
    {"mkdir", TREE_MKDIR, {1, 0}, {0, 0}, NOTHING, NOTHING, false},
    {"rmdir in the root", TREE_RMDIR, {0, 0}, {0, 0}, A_DIRECTORY, NOTHING, false},
    {"rmdir", TREE_RMDIR, {1, 0}, {0, 0}, A_DIRECTORY, NOTHING, false},
    {"rename within", TREE_RENAME, {1, 0}, {1, 1}, A_FILE, NOTHING, false},
    {"rename across", TREE_RENAME, {1, 0}, {2, 1}, A_FILE, NOTHING, false},
    {"rename in the root", TREE_RENAME, {0, 0}, {0, 1}, A_FILE, A_FILE, false},
    {"rename over a file", TREE_RENAME, {1, 0}, {2, 0}, A_FILE, A_FILE, false},
    {"directory to the root", TREE_RENAME, {1, 0}, {0, 1}, A_DIRECTORY, NOTHING, false},
    {"directory over one", TREE_RENAME, {1, 0}, {2, 0}, A_DIRECTORY, A_DIRECTORY, false},
    {"directory over one within", TREE_RENAME, {2, 0}, {2, 1}, A_DIRECTORY, A_DIRECTORY, false},
    {"exchange files", TREE_RENAME, {0, 0}, {2, 1}, A_FILE, A_FILE, true},
    {"exchange file and directory", TREE_RENAME, {1, 0}, {2, 0}, A_FILE, A_DIRECTORY, true},
    {"exchange directories", TREE_RENAME, {1, 1}, {0, 0}, A_DIRECTORY, A_DIRECTORY, true},
};

struct run {
    struct stage *stage;
    struct user *user; /* who prepares, and looks */
    uint64_t ids[DIRECTORIES];
    unsigned crashes, befores, afters;
};

/* -- looking -------------------------------------------------------------------------------- */

static bool has_directory_record(struct user *user, uint64_t id)
{
    struct key key;
    key_of_directory(id, &key);
    return user_has_record(user, key.space, key_slice(&key));
}

static bool has_location(struct user *user, uint64_t ino, struct buffer *data)
{
    struct key key;
    key_of_inode(ino, &key);
    return user_read_record(user, key.space, key_slice(&key), data);
}

/* A file's location is the name where it is, or is not noted. */
static void check_location(struct user *user, uint64_t ino, uint64_t directory, const char *name)
{
    uint8_t bytes[REFERENCE_BYTES_MAX];
    struct key here;
    struct buffer data = {0};
    assert_int_equal(key_of_entry(directory, slice_str(name), &here), SF_OK);
    if (has_location(user, ino, &data))
        assert_true(slice_equal(buffer_slice(&data), key_reference(&here, bytes)));
    buffer_deinit(&data);
}

static void check_counts(struct run *run, const struct world *world, unsigned directory)
{
    struct tree_inode inode;
    unsigned entries = 0, directories = 0;
    for (unsigned i = 0; i < NAMES; i++) {
        entries += world->at[directory][i].what != NOTHING;
        directories += world->at[directory][i].what == A_DIRECTORY;
    }
    assert_int_equal(user_stat_directory(run->user, run->ids[directory], &inode), SF_OK);
    assert_int_equal(inode.size, entries);
    assert_int_equal(inode.links, 2 + directories);
}

static struct thing look_at(struct run *run, unsigned directory, unsigned name)
{
    struct tree_inode inode;
    uint64_t id = run->ids[directory];
    int status = user_do(run->user, TREE_LOOKUP, id, names[name], &inode);
    if (status == SF_NOT_FOUND)
        return (struct thing){NOTHING, 0};
    assert_int_equal(status, SF_OK);
    if (S_ISDIR(inode.mode))
        assert_int_equal(inode.parent, id);
    else
        check_location(run->user, inode.ino, id, names[name]);
    return (struct thing){S_ISDIR(inode.mode) ? A_DIRECTORY : A_FILE, inode.ino};
}

static void look(struct run *run, struct world *world)
{
    for (unsigned d = 0; d < DIRECTORIES; d++)
        for (unsigned n = 0; n < NAMES; n++)
            world->at[d][n] = look_at(run, d, n);
    for (unsigned d = 1; d < DIRECTORIES; d++)
        check_counts(run, world, d);
}

/* -- preparing ------------------------------------------------------------------------------ */

/* Whatever can be removed is not locked. No file leaves a location behind. */
static void clear(struct run *run, const struct world *world)
{
    for (unsigned d = 0; d < DIRECTORIES; d++)
        for (unsigned n = 0; n < NAMES; n++) {
            enum what what = world->at[d][n].what;
            uint64_t ino = world->at[d][n].ino;
            enum tree_kind kind = what == A_DIRECTORY ? TREE_RMDIR : TREE_UNLINK;
            if (what != NOTHING)
                assert_int_equal(user_do(run->user, kind, run->ids[d], names[n], NULL), SF_OK);
            if (what == A_FILE)
                assert_false(has_location(run->user, ino, NULL));
        }
}

static struct thing make(struct run *run, struct spot spot, enum what what)
{
    struct tree_inode inode = {.ino = 0};
    enum tree_kind kind = what == A_DIRECTORY ? TREE_MKDIR : TREE_CREATE;
    if (what != NOTHING)
        assert_int_equal(
            user_do(run->user, kind, run->ids[spot.directory], names[spot.name], &inode), SF_OK);
    return (struct thing){what, inode.ino};
}

static struct thing *thing_at(struct world *world, struct spot spot)
{
    return &world->at[spot.directory][spot.name];
}

static void prepare(struct run *run, const struct change *change, struct world *before)
{
    memset(before, 0, sizeof *before);
    *thing_at(before, change->from) = make(run, change->from, change->source);
    if (change->kind == TREE_RENAME)
        *thing_at(before, change->to) = make(run, change->to, change->target);
}

/* What should be after it; of a thing that is made, the number is not known. */
static struct world after(const struct change *change, const struct world *before)
{
    struct world world = *before;
    struct thing *from = thing_at(&world, change->from), *to = thing_at(&world, change->to);
    struct thing source = *from, target = *to;
    if (change->kind == TREE_RENAME) {
        *to = source;
        *from = change->exchange ? target : (struct thing){NOTHING, 0};
        return world;
    }
    enum what what = change->kind == TREE_MKDIR    ? A_DIRECTORY
                     : change->kind == TREE_CREATE ? A_FILE
                                                   : NOTHING;
    *from = (struct thing){what, 0};
    return world;
}

/* -- one crash ------------------------------------------------------------------------------ */

static bool is_same(const struct world *a, const struct world *b)
{
    for (unsigned d = 0; d < DIRECTORIES; d++)
        for (unsigned n = 0; n < NAMES; n++) {
            const struct thing *x = &a->at[d][n], *y = &b->at[d][n];
            bool known = x->ino != 0 && y->ino != 0;
            if (x->what != y->what || (known && x->ino != y->ino))
                return false;
        }
    return true;
}

/* Directories that are at no name any more have no record either. */
static void check_gone(struct run *run, const struct change *change, const struct world *before,
                       const struct world *found, uint64_t child)
{
    const struct thing *old[2] = {&before->at[change->from.directory][change->from.name],
                                  &before->at[change->to.directory][change->to.name]};
    const struct thing made = {A_DIRECTORY, child};
    const struct thing *all[3] = {old[0], old[1], change->kind == TREE_MKDIR ? &made : old[0]};
    for (unsigned i = 0; i < 3; i++) {
        bool is_there = false;
        if (all[i]->what != A_DIRECTORY || all[i]->ino == 0)
            continue;
        for (unsigned d = 0; d < DIRECTORIES; d++)
            for (unsigned n = 0; n < NAMES; n++)
                is_there = is_there || found->at[d][n].ino == all[i]->ino;
        assert_int_equal(has_directory_record(run->user, all[i]->ino), is_there);
    }
}

/* What has moved has noted where to, and what has not has not. What was replaced is gone. */
static void check_noted(struct run *run, const struct change *change, const struct world *before,
                        bool is_after)
{
    const struct thing *from = &before->at[change->from.directory][change->from.name];
    const struct thing *to = &before->at[change->to.directory][change->to.name];
    if (from->what == A_FILE)
        assert_int_equal(has_location(run->user, from->ino, NULL), is_after);
    if (change->kind == TREE_RENAME && to->what == A_FILE)
        assert_int_equal(has_location(run->user, to->ino, NULL), is_after && change->exchange);
}

/* Runs the call for so many events, then its process ends. True: it had answered before; with it. */
static bool run_and_crash(struct run *run, struct waiting *waiting, unsigned events,
                          uint64_t *child)
{
    struct user *user = &run->stage->users[0];
    user_submit(user, waiting);
    for (unsigned i = 0; i < events && !waiting->done; i++)
        assert_true(sim_step(run->stage->cluster->sim));
    const struct op *op = waiting->call.state;
    *child = op ? op->child : waiting->call.inode.ino;
    if (waiting->done)
        return true;
    user_crash(user);
    stage_run_ms(run->stage, SETTLE_MS);
    return false;
}

static bool crash_once(struct run *run, const struct change *change, unsigned events)
{
    struct world before, expected, found;
    struct waiting waiting = {.call = {.kind = change->kind,
                                       .mode = change->kind == TREE_MKDIR ? 0755 : 0644,
                                       .exclusive = true,
                                       .exchange = change->exchange,
                                       .to_directory = run->ids[change->to.directory],
                                       .to_name = slice_str(names[change->to.name])}};
    uint64_t child;
    prepare(run, change, &before);
    waiting.call.place = place_of(run->ids[change->from.directory], names[change->from.name]);
    expected = after(change, &before);
    bool finished = run_and_crash(run, &waiting, events, &child);
    if (finished)
        assert_int_equal(waiting.status, SF_OK);
    look(run, &found);
    bool is_before = is_same(&found, &before), is_after = is_same(&found, &expected);
    assert_true(is_before != is_after);
    assert_true(is_after || !finished);
    check_gone(run, change, &before, &found, child);
    check_noted(run, change, &before, is_after);
    clear(run, &found);
    run->crashes += !finished;
    run->befores += !finished && is_before;
    run->afters += !finished && is_after;
    return finished;
}

/* -- the runs ------------------------------------------------------------------------------- */

static void run_change(struct run *run, const struct change *change)
{
    unsigned events = 0;
    run->crashes = run->befores = run->afters = 0;
    while (!crash_once(run, change, events))
        events += 1 + (unsigned)sim_random_below(run->stage->cluster->sim, STEPS_AT_ONCE);
    print_message("  %s: %u crashes; %u before, %u after it\n", change->title, run->crashes,
                  run->befores, run->afters);
    assert_true(run->befores > 0);
}

static void run_seed(uint64_t seed)
{
    struct run run = {.stage = stage_new(seed, 3), .ids = {TREE_ROOT}};
    unsigned afters = 0;
    run.user = &run.stage->users[1];
    for (unsigned i = 1; i < DIRECTORIES; i++) {
        struct tree_inode inode;
        char name[8];
        snprintf(name, sizeof name, "d%u", i);
        assert_int_equal(user_do(run.user, TREE_MKDIR, TREE_ROOT, name, &inode), SF_OK);
        run.ids[i] = inode.ino;
    }
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        run_change(&run, &changes[i]);
        afters += run.afters;
    }
    assert_true(afters > 0); /* some were finished by others */
    user_expect_fits(run.user);
    stage_free(run.stage);
}

static void crashes_between_events(void **state)
{
    (void)state;
    seeds_each(&seeds, run_seed);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(crashes_between_events)};
    seeds = seeds_parse(argc, argv, 2);
    log_level_min = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

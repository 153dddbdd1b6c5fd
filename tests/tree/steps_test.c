/* mkdir and rmdir take several steps in two shards. Here the process that does them ends after each
 * event of the simulation: between the steps, before and after each message. What is left must be
 * right, or be made right by the next look.
 *
 *   tree_steps_test [--seeds N] [--seed FIRST]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "env/log.h"
#include "sim/seeds.h"
#include "tree/op.h"
#include "tree/stage.h"

#define SETTLE_MS 3000u  /* what was on its way arrives, and is given up */
#define STEPS_AT_ONCE 3u /* events between two crashes of the same operation, at most */

static struct seeds seeds;
static const char *program_name;

/* What the runs of one seed came across. */
struct seen {
    unsigned crashes, finished, left_record, left_entry;
};

static bool has_directory_record(struct user *user, uint64_t id)
{
    struct key key;
    key_of_directory(id, &key);
    return user_has_record(user, key.space, key_slice(&key));
}

static bool has_entry(struct user *user, uint64_t directory, const char *name)
{
    struct key key;
    assert_int_equal(key_of_entry(directory, slice_str(name), &key), SF_OK);
    return user_has_record(user, key.space, key_slice(&key));
}

/* A parent's counts are those of its entries. */
static void check_counts(struct user *user, uint64_t directory, uint64_t entries)
{
    struct tree_inode inode;
    if (directory == TREE_ROOT)
        return;
    assert_int_equal(user_stat_directory(user, directory, &inode), SF_OK);
    assert_int_equal(inode.size, entries);
    assert_int_equal(inode.links, 2 + entries);
}

/* It lives: things can be made in it, and it can be removed. */
static void check_alive(struct user *user, uint64_t parent, const char *name, uint64_t id)
{
    assert_int_equal(user_do(user, TREE_CREATE, id, "file", NULL), SF_OK);
    assert_int_equal(user_do(user, TREE_RMDIR, parent, name, NULL), SF_NOT_EMPTY);
    assert_int_equal(user_do(user, TREE_UNLINK, id, "file", NULL), SF_OK);
}

/* Runs the call for so many events, then its process ends. True: it had answered before; with it.
 */
static bool run_and_crash(struct stage *stage, struct waiting *waiting, unsigned events,
                          uint64_t *child)
{
    struct user *user = &stage->users[0];
    user_submit(user, waiting);
    for (unsigned i = 0; i < events && !waiting->done; i++)
        assert_true(sim_step(stage->cluster->sim));
    const struct op *op = waiting->call.state;
    *child = op ? op->child : 0;
    if (waiting->done)
        return true;
    user_crash(user);
    stage_run_ms(stage, SETTLE_MS);
    return false;
}

/* -- mkdir ---------------------------------------------------------------------------------- */

static void check_after_mkdir(struct stage *stage, uint64_t parent, const char *name,
                              uint64_t child, struct seen *seen)
{
    struct user *user = &stage->users[1];
    struct tree_inode inode;
    bool entry = has_entry(user, parent, name);
    bool record = child != 0 && has_directory_record(user, child);
    assert_true(record || !entry); /* T5 */
    seen->left_record += record && !entry;
    int status = user_do(user, TREE_LOOKUP, parent, name, &inode);
    assert_int_equal(status, entry ? SF_OK : SF_NOT_FOUND);
    check_counts(user, parent, entry ? 1 : 0);
    if (status == SF_OK)
        check_alive(user, parent, name, inode.ino);
    else /* nothing is in the way */
        assert_int_equal(user_do(user, TREE_MKDIR, parent, name, NULL), SF_OK);
    assert_int_equal(user_do(user, TREE_RMDIR, parent, name, NULL), SF_OK);
    check_counts(user, parent, 0);
}

static void crash_mkdir(struct stage *stage, uint64_t parent, struct seen *seen)
{
    uint64_t child;
    bool finished = false;
    for (unsigned events = 0; !finished;
         events += 1 + (unsigned)sim_random_below(stage->cluster->sim, STEPS_AT_ONCE)) {
        struct waiting waiting = {
            .call = {.kind = TREE_MKDIR, .place = place_of(parent, "new"), .mode = 0755}};
        finished = run_and_crash(stage, &waiting, events, &child);
        seen->crashes += !finished;
        if (finished) {
            assert_int_equal(waiting.status, SF_OK);
            child = waiting.call.inode.ino;
        }
        check_after_mkdir(stage, parent, "new", child, seen);
    }
    seen->finished++;
}

/* -- rmdir ---------------------------------------------------------------------------------- */

static void check_after_rmdir(struct stage *stage, uint64_t parent, const char *name,
                              uint64_t child, struct seen *seen)
{
    struct user *user = &stage->users[1];
    bool entry = has_entry(user, parent, name), record = has_directory_record(user, child);
    assert_true(entry || !record); /* T5 */
    seen->left_entry += entry && !record;
    int status = user_do(user, TREE_LOOKUP, parent, name, NULL);
    assert_int_equal(status, record ? SF_OK : SF_NOT_FOUND);
    if (status == SF_OK) {
        check_alive(user, parent, name, child);
        assert_int_equal(user_do(user, TREE_RMDIR, parent, name, NULL), SF_OK);
    } else { /* the look has finished it */
        assert_false(has_entry(user, parent, name));
    }
    check_counts(user, parent, 0);
}

static void crash_rmdir(struct stage *stage, uint64_t parent, struct seen *seen)
{
    bool finished = false;
    for (unsigned events = 0; !finished;
         events += 1 + (unsigned)sim_random_below(stage->cluster->sim, STEPS_AT_ONCE)) {
        struct tree_inode made;
        uint64_t child;
        assert_int_equal(user_do(&stage->users[1], TREE_MKDIR, parent, "old", &made), SF_OK);
        struct waiting waiting = {.call = {.kind = TREE_RMDIR, .place = place_of(parent, "old")}};
        finished = run_and_crash(stage, &waiting, events, &child);
        seen->crashes += !finished;
        if (finished)
            assert_int_equal(waiting.status, SF_OK);
        check_after_rmdir(stage, parent, "old", made.ino, seen);
    }
    seen->finished++;
}

/* -- the runs ------------------------------------------------------------------------------- */

static void run_seed(uint64_t seed)
{
    struct stage *stage = stage_new(seed, 3);
    struct seen seen = {0};
    struct tree_inode parent;
    assert_int_equal(user_do(&stage->users[1], TREE_MKDIR, TREE_ROOT, "parent", &parent), SF_OK);
    crash_mkdir(stage, TREE_ROOT, &seen);
    crash_rmdir(stage, TREE_ROOT, &seen);
    crash_mkdir(stage, parent.ino, &seen);
    crash_rmdir(stage, parent.ino, &seen);
    print_message("  %u crashes; a record was left %u times, an entry %u times\n", seen.crashes,
                  seen.left_record, seen.left_entry);
    assert_int_equal(seen.finished, 4);
    assert_true(seen.left_record > 0 && seen.left_entry > 0);
    stage_free(stage);
}

static void crashes_between_steps(void **state)
{
    (void)state;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed++) {
        print_message("seed %llu (again: %s --seed %llu)\n", (unsigned long long)seed, program_name,
                      (unsigned long long)seed);
        run_seed(seed);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(crashes_between_steps)};
    seeds = seeds_parse(argc, argv, 2);
    program_name = argv[0];
    log_level_min = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

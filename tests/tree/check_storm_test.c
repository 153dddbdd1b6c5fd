/* The check while others work: files, directories, further names and long files come, move and go on
 * few names, the cluster crashes, is cut, and shards move; nothing is found, then nor afterwards.
 *
 *   tree_check_storm_test [--seeds N] [--seed FIRST]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "env/log.h"
#include "sim/seeds.h"
#include "tree/fsck.h"
#include "tree/op.h"
#include "tree/stage.h"

#define WORKERS 6u
#define NAMES 4u
#define DIRECTORIES 4u /* the root, and three that stay */
#define CHECKS 8u
#define REPAIRS 4u
#define MIB (1ull << 20)

static struct seeds seeds;

struct storm;

/* One operation after the other. */
struct worker {
    struct storm *storm;
    struct tree_call call;
    char names[2][8];
    struct tree_place made; /* the file that it made last, where it was then; no ino: none */
    char made_name[8];
    bool idle;
};

struct storm {
    struct stage *stage;
    struct worker workers[WORKERS];
    uint64_t directories[DIRECTORIES];
    bool ends;
    unsigned done[TREE_KIND_LIMIT];
};

static uint64_t draw(struct storm *storm, uint64_t limit)
{
    return sim_random_below(storm->stage->cluster->sim, limit);
}

/* -- operations ------------------------------------------------------------------------------ */

static bool names_file(enum tree_kind kind)
{
    return kind == TREE_WRITE || kind == TREE_SETATTR || kind == TREE_LINK;
}

static void fill_data(struct worker *worker, enum tree_kind kind)
{
    struct tree_call *call = &worker->call;
    if (kind == TREE_WRITE) {
        call->data = slice_str("far behind");
        call->offset = draw(worker->storm, 4 * MIB);
    } else if (kind == TREE_SETATTR) {
        call->set = TREE_SET_SIZE;
        call->size = draw(worker->storm, 4 * MIB);
    }
    if (names_file(kind))
        call->place = worker->made; /* wherever it is now */
}

static void fill(struct worker *worker, enum tree_kind kind)
{
    struct storm *storm = worker->storm;
    for (size_t i = 0; i < 2; i++)
        snprintf(worker->names[i], sizeof worker->names[i], "n%u", (unsigned)draw(storm, NAMES));
    worker->call = (struct tree_call){.kind = kind, .mode = 0755, .exclusive = true};
    worker->call.place = place_of(storm->directories[draw(storm, DIRECTORIES)], worker->names[0]);
    worker->call.to_directory = storm->directories[draw(storm, DIRECTORIES)];
    worker->call.to_name = slice_str(worker->names[1]);
    worker->call.exchange = kind == TREE_RENAME && draw(storm, 4) == 0;
    fill_data(worker, kind);
}

static void work(struct worker *worker);

static void on_worked(struct tree_call *call, int status)
{
    struct worker *worker = container_of(call, struct worker, call);
    worker->storm->done[call->kind] += status == SF_OK;
    if (call->kind == TREE_CREATE && status == SF_OK) {
        memcpy(worker->made_name, worker->names[0], sizeof worker->made_name);
        worker->made = place_of(call->place.directory, worker->made_name);
        worker->made.ino = call->inode.ino;
    }
    work(worker);
}

static void work(struct worker *worker)
{
    static const enum tree_kind kinds[] = {TREE_CREATE, TREE_MKDIR,  TREE_UNLINK, TREE_RMDIR,
                                           TREE_RENAME, TREE_RENAME, TREE_LINK,   TREE_WRITE,
                                           TREE_WRITE,  TREE_SETATTR};
    struct storm *storm = worker->storm;
    worker->idle = storm->ends;
    if (storm->ends)
        return;
    enum tree_kind kind = kinds[draw(storm, sizeof kinds / sizeof *kinds)];
    fill(worker, names_file(kind) && worker->made.ino == 0 ? TREE_CREATE : kind);
    worker->call.on_done = on_worked;
    tree_submit(storm->stage->users[1].tree, &worker->call);
}

static bool all_idle(void *ctx)
{
    const struct storm *storm = ctx;
    for (size_t i = 0; i < WORKERS; i++)
        if (!storm->workers[i].idle)
            return false;
    return true;
}

/* -- damage among them ------------------------------------------------------------------------ */

struct raw {
    struct client_call call;
    int status;
    bool done;
};

static void raw_on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct raw *raw = container_of(call, struct raw, call);
    (void)reply;
    raw->status = status;
    raw->done = true;
}

static bool raw_is_done(void *ctx)
{
    return ((const struct raw *)ctx)->done;
}

/* A busy directory counts some entries too many: that is set right while it goes on changing. */
static void miscount_and_repair(struct storm *storm)
{
    struct key key;
    struct kv_op op;
    struct raw raw = {.call = {.on_done = raw_on_done, .op = &op}};
    struct user *user = &storm->stage->users[0];
    key_of_directory(storm->directories[1 + draw(storm, DIRECTORIES - 1)], &key);
    op_count(&op, &key, 1 + (int)draw(storm, 5), (int)draw(storm, 3));
    client_submit(user->client, &raw.call);
    assert_true(
        sim_run_until(storm->stage->cluster->sim, raw_is_done, &raw, STAGE_LIMIT_MS * ENV_MS_NS));
    assert_int_equal(raw.status, SF_OK);
    struct fsck fsck = user_fsck(user, true);
    assert_int_equal(fsck.wrong[CHECK_COUNTS], 1);
    assert_int_equal(fsck.result.repaired, 1);
    assert_int_equal(fsck.result.left, 0);
}

/* -- the runs -------------------------------------------------------------------------------- */

static void make_directories(struct storm *storm)
{
    storm->directories[0] = TREE_ROOT;
    for (size_t i = 1; i < DIRECTORIES; i++) {
        struct tree_inode inode;
        char name[8];
        snprintf(name, sizeof name, "d%zu", i);
        assert_int_equal(user_do(&storm->stage->users[0], TREE_MKDIR, TREE_ROOT, name, &inode),
                         SF_OK);
        storm->directories[i] = inode.ino;
    }
}

static void run_seed(uint64_t seed)
{
    struct storm storm = {.stage = stage_new(seed, 3)};
    struct user *user = &storm.stage->users[0];
    make_directories(&storm);
    for (size_t i = 0; i < WORKERS; i++) {
        storm.workers[i].storm = &storm;
        work(&storm.workers[i]);
    }
    for (unsigned i = 0; i < CHECKS; i++) {
        stage_maybe_storm(storm.stage);
        user_expect_no_alarm(user);
    }
    for (unsigned i = 0; i < REPAIRS; i++)
        miscount_and_repair(&storm);
    stage_await_calm(storm.stage);
    storm.ends = true;
    assert_true(
        sim_run_until(storm.stage->cluster->sim, all_idle, &storm, STAGE_LIMIT_MS * ENV_MS_NS));
    user_expect_fits(user);
    print_message("  %u creates, %u mkdirs, %u unlinks, %u renames, %u links, %u writes, %u cuts\n",
                  storm.done[TREE_CREATE], storm.done[TREE_MKDIR], storm.done[TREE_UNLINK],
                  storm.done[TREE_RENAME], storm.done[TREE_LINK], storm.done[TREE_WRITE],
                  storm.done[TREE_SETATTR]);
    assert_true(storm.done[TREE_RENAME] > 10 && storm.done[TREE_LINK] > 0 &&
                storm.done[TREE_WRITE] > 10);
    stage_free(storm.stage);
}

static void nothing_is_found_while_others_work(void **state)
{
    (void)state;
    seeds_each(&seeds, run_seed);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_found_while_others_work)};
    seeds = seeds_parse(argc, argv, 4);
    log_level_min = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

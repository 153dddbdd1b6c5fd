/* Directories are moved under one another by several users at once, in storms: whatever they do, every
 * directory stays on a way to the root, and is in the one above it.
 *
 *   tree_loop_test [--seeds N] [--seed FIRST]
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

#define DIRECTORIES 5u
#define ROUNDS 60u
#define DUELS 20u

static struct seeds seeds;

/* A directory keeps its name wherever it goes. */
struct forest {
    struct stage *stage;
    struct {
        char name[8];
        uint64_t id, parent;
    } at[DIRECTORIES];
    unsigned moved, refused;
};

static unsigned draw(struct forest *f, unsigned limit)
{
    return (unsigned)sim_random_below(f->stage->cluster->sim, limit);
}

static void plant(struct forest *f, uint64_t seed)
{
    *f = (struct forest){.stage = stage_new(seed, 3)};
    for (unsigned i = 0; i < DIRECTORIES; i++) {
        struct tree_inode inode;
        snprintf(f->at[i].name, sizeof f->at[i].name, "d%u", i);
        assert_int_equal(user_do(&f->stage->users[0], TREE_MKDIR, TREE_ROOT, f->at[i].name, &inode),
                         SF_OK);
        f->at[i].id = inode.ino;
        f->at[i].parent = TREE_ROOT;
    }
}

static uint64_t parent_of(const struct forest *f, uint64_t id)
{
    unsigned i = 0;
    while (i < DIRECTORIES && f->at[i].id != id)
        i++;
    assert_true(i < DIRECTORIES);
    return f->at[i].parent;
}

static void check_counts(struct forest *f, unsigned i, unsigned children)
{
    struct tree_inode inode;
    assert_int_equal(user_stat_directory(&f->stage->users[0], f->at[i].id, &inode), SF_OK);
    assert_int_equal(inode.size, children);
    assert_int_equal(inode.links, 2 + children);
}

/* Learns where all are. */
static void check(struct forest *f)
{
    struct user *user = &f->stage->users[0];
    struct tree_inode inode;
    for (unsigned i = 0; i < DIRECTORIES; i++) {
        assert_int_equal(user_stat_directory(user, f->at[i].id, &inode), SF_OK);
        f->at[i].parent = inode.parent;
        assert_int_equal(user_do(user, TREE_LOOKUP, inode.parent, f->at[i].name, &inode), SF_OK);
        assert_int_equal(inode.ino, f->at[i].id);
    }
    for (unsigned i = 0; i < DIRECTORIES; i++) {
        unsigned steps = 0, children = 0;
        for (uint64_t id = f->at[i].id; id != TREE_ROOT; id = parent_of(f, id))
            assert_true(steps++ < DIRECTORIES);
        for (unsigned k = 0; k < DIRECTORIES; k++)
            children += f->at[k].parent == f->at[i].id;
        check_counts(f, i, children);
    }
}

static struct tree_call move(const struct forest *f, unsigned which, uint64_t to)
{
    return (struct tree_call){.kind = TREE_RENAME,
                              .place = place_of(f->at[which].parent, f->at[which].name),
                              .to_directory = to,
                              .to_name = slice_str(f->at[which].name)};
}

/* All users at once, from one event to the next. */
static void run_round(struct forest *f)
{
    struct waiting waiting[STAGE_USERS];
    bool all;
    stage_maybe_storm(f->stage);
    for (unsigned u = 0; u < STAGE_USERS; u++) {
        unsigned which = draw(f, DIRECTORIES), to = draw(f, DIRECTORIES + 1);
        waiting[u].call = move(f, which, to == DIRECTORIES ? TREE_ROOT : f->at[to].id);
        user_submit(&f->stage->users[u], &waiting[u]);
        for (unsigned n = draw(f, 60); n > 0; n--)
            assert_true(sim_step(f->stage->cluster->sim));
    }
    do {
        assert_true(sim_step(f->stage->cluster->sim));
        all = true;
        for (unsigned u = 0; u < STAGE_USERS; u++)
            all = all && waiting[u].done;
    } while (!all);
    for (unsigned u = 0; u < STAGE_USERS; u++) {
        int status = waiting[u].status;
        assert_true(status == SF_OK || status == SF_INVALID || status == SF_NOT_FOUND);
        f->moved += status == SF_OK;
        f->refused += status == SF_INVALID;
    }
    check(f);
}

/* Of two moves that make a loop together one is done, and then the other can't. */
static void fight(struct forest *f, struct waiting waiting[2])
{
    user_submit(&f->stage->users[0], &waiting[0]);
    for (unsigned n = draw(f, 60); n > 0; n--)
        assert_true(sim_step(f->stage->cluster->sim));
    user_submit(&f->stage->users[1], &waiting[1]);
    while (!waiting[0].done || !waiting[1].done)
        assert_true(sim_step(f->stage->cluster->sim));
    assert_true((waiting[0].status == SF_OK) != (waiting[1].status == SF_OK));
    assert_true(waiting[0].status == SF_INVALID || waiting[1].status == SF_INVALID);
}

/* Each of two into the other. */
static void run_duel(struct forest *f, unsigned a, unsigned b)
{
    struct waiting waiting[2];
    for (unsigned i = 0; i < 2; i++) {
        unsigned own = i == 0 ? a : b, other = i == 0 ? b : a;
        waiting[i].call = move(f, own, TREE_ROOT);
        assert_int_equal(user_call(&f->stage->users[i], &waiting[i]), SF_OK);
        f->at[own].parent = TREE_ROOT;
        waiting[i].call = move(f, own, f->at[other].id);
    }
    fight(f, waiting);
    check(f);
}

static void make(struct forest *f, uint64_t in, const char *name, struct tree_inode *made)
{
    assert_int_equal(user_do(&f->stage->users[2], TREE_MKDIR, in, name, made), SF_OK);
}

static void removes(struct forest *f, uint64_t in, const char *name)
{
    assert_int_equal(user_do(&f->stage->users[2], TREE_RMDIR, in, name, NULL), SF_OK);
}

/* a/x and b change places, and b/y and a at the same time: both would put each of a and b into the
 * other. */
static void run_exchange_duel(struct forest *f)
{
    struct tree_inode a, b, x, y;
    make(f, TREE_ROOT, "a", &a);
    make(f, TREE_ROOT, "b", &b);
    make(f, a.ino, "x", &x);
    make(f, b.ino, "y", &y);
    struct waiting waiting[2] = {
        {.call = {.place = place_of(a.ino, "x"), .to_name = slice_str("b")}},
        {.call = {.place = place_of(b.ino, "y"), .to_name = slice_str("a")}}};
    for (unsigned i = 0; i < 2; i++) {
        waiting[i].call.kind = TREE_RENAME;
        waiting[i].call.to_directory = TREE_ROOT;
        waiting[i].call.exchange = true;
    }
    fight(f, waiting);
    bool first = waiting[0].status == SF_OK;
    struct tree_inode above;
    assert_int_equal(user_stat_directory(&f->stage->users[2], first ? b.ino : a.ino, &above),
                     SF_OK);
    assert_int_equal(above.parent, first ? a.ino : b.ino);
    assert_int_equal(user_stat_directory(&f->stage->users[2], first ? x.ino : y.ino, &above),
                     SF_OK);
    assert_int_equal(above.parent, TREE_ROOT);
    removes(f, first ? b.ino : a.ino, first ? "y" : "x");
    removes(f, first ? a.ino : b.ino, first ? "x" : "y");
    removes(f, TREE_ROOT, "a");
    removes(f, TREE_ROOT, "b");
}

static void run_seed(uint64_t seed)
{
    struct forest f;
    plant(&f, seed);
    for (unsigned i = 0; i < ROUNDS; i++)
        run_round(&f);
    stage_await_calm(f.stage);
    for (unsigned i = 0; i < DUELS; i++)
        run_duel(&f, draw(&f, 2), 2 + draw(&f, DIRECTORIES - 2));
    for (unsigned i = 0; i < DUELS; i++)
        run_exchange_duel(&f);
    print_message("  %u moved, %u refused\n", f.moved, f.refused);
    assert_true(f.moved > 0 && f.refused > 0);
    user_expect_fits(&f.stage->users[0]);
    stage_free(f.stage);
}

static void no_loop_ever(void **state)
{
    (void)state;
    seeds_each(&seeds, run_seed);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_loop_ever)};
    seeds = seeds_parse(argc, argv, 4);
    log_level_min = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Names against a model, while the cluster crashes, is cut, and shards move. Two users in turn
 * make, remove, rename, look up and list files and directories; each answer must be the model's.
 * Then the same names at once: of two that exclude each other one must win.
 *
 *   tree_model_test [--seeds N] [--seed FIRST]
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
#include "tree/stage.h"

#define STEPS 250u
#define RACES 40u
#define NAMES 6u
#define DIRECTORIES 5u /* the root, and four that come and go */

static struct seeds seeds;

/* -- the model ------------------------------------------------------------------------------ */

enum what { NOTHING, A_FILE, A_DIRECTORY };

struct named {
    enum what what;
    uint64_t ino;
};

/* A directory that was made at some time; a dead one has no entries. */
struct directory {
    uint64_t id; /* 0: not made yet */
    bool alive;
    uint64_t parent;
    struct named entries[NAMES];
};

struct model {
    struct stage *stage;
    struct user *user; /* of this step */
    struct directory directories[DIRECTORIES];
};

static const char *const names[NAMES] = {"a", "b", "c", "d", "e%2F", "long name with spaces"};

static unsigned draw(struct model *m, unsigned limit)
{
    return (unsigned)sim_random_below(m->stage->cluster->sim, limit);
}

static unsigned count(const struct directory *directory, enum what what)
{
    unsigned n = 0;
    for (unsigned i = 0; i < NAMES; i++)
        n += directory->entries[i].what == what;
    return n;
}

static bool is_empty(const struct directory *directory)
{
    return count(directory, NOTHING) == NAMES;
}

static struct directory *find(struct model *m, uint64_t id)
{
    unsigned i = 0;
    while (i < DIRECTORIES - 1 && m->directories[i].id != id)
        i++;
    assert_int_equal(m->directories[i].id, id);
    return &m->directories[i];
}

/* A directory to act in; it may be dead, but it was alive once. */
static struct directory *draw_directory(struct model *m)
{
    struct directory *directory;
    do {
        directory = &m->directories[draw(m, DIRECTORIES)];
    } while (directory->id == 0);
    return directory;
}

/* -- one operation of each kind, its answer compared ----------------------------------------- */

static int expected_make(const struct directory *in, const struct named *entry)
{
    if (!in->alive)
        return SF_NOT_FOUND;
    return entry->what == NOTHING ? SF_OK : SF_EXISTS;
}

static void do_create(struct model *m, struct directory *in, unsigned name)
{
    struct named *entry = &in->entries[name];
    struct tree_inode inode;
    int expected = expected_make(in, entry);
    assert_int_equal(user_do(m->user, TREE_CREATE, in->id, names[name], &inode), expected);
    if (expected == SF_OK)
        *entry = (struct named){A_FILE, inode.ino};
}

static void do_mkdir(struct model *m, struct directory *in, unsigned name)
{
    struct named *entry = &in->entries[name];
    struct directory *slot = &m->directories[1 + draw(m, DIRECTORIES - 1)];
    struct tree_inode inode;
    int expected = expected_make(in, entry);
    if (slot->alive && expected == SF_OK)
        return; /* enough directories */
    assert_int_equal(user_do(m->user, TREE_MKDIR, in->id, names[name], &inode), expected);
    if (expected != SF_OK)
        return;
    *entry = (struct named){A_DIRECTORY, inode.ino};
    *slot = (struct directory){.id = inode.ino, .alive = true, .parent = in->id};
}

static void do_unlink(struct model *m, struct directory *in, unsigned name)
{
    struct named *entry = &in->entries[name];
    int expected = entry->what == NOTHING  ? SF_NOT_FOUND
                   : entry->what == A_FILE ? SF_OK
                                           : SF_IS_DIRECTORY;
    assert_int_equal(user_do(m->user, TREE_UNLINK, in->id, names[name], NULL), expected);
    if (expected == SF_OK)
        entry->what = NOTHING;
}

static void do_rmdir(struct model *m, struct directory *in, unsigned name)
{
    struct named *entry = &in->entries[name];
    int expected = entry->what == NOTHING  ? SF_NOT_FOUND
                   : entry->what == A_FILE ? SF_NOT_DIRECTORY
                                           : SF_OK;
    if (expected == SF_OK && !is_empty(find(m, entry->ino)))
        expected = SF_NOT_EMPTY;
    assert_int_equal(user_do(m->user, TREE_RMDIR, in->id, names[name], NULL), expected);
    if (expected == SF_OK) {
        find(m, entry->ino)->alive = false;
        entry->what = NOTHING;
    }
}

/* Is `above` the directory `id`, or one above it? */
static bool is_above(struct model *m, uint64_t above, uint64_t id)
{
    while (id != above && id != TREE_ROOT)
        id = find(m, id)->parent;
    return id == above;
}

/* Two names that are about to change. */
struct pair {
    struct directory *in, *to_in;
    struct named *from, *to;
    bool no_replace, exchange;
};

/* Would a directory come under itself? */
static bool would_loop(struct model *m, const struct pair *p)
{
    bool goes = p->from->what == A_DIRECTORY && is_above(m, p->from->ino, p->to_in->id);
    bool comes = p->exchange && p->to->what == A_DIRECTORY && is_above(m, p->to->ino, p->in->id);
    return p->in != p->to_in && (goes || comes);
}

static int expected_over(struct model *m, const struct pair *p)
{
    bool both = p->from->what == p->to->what;
    if (p->exchange || p->to->what == NOTHING)
        return would_loop(m, p) ? SF_INVALID : SF_OK;
    if (!both)
        return p->to->what == A_DIRECTORY ? SF_IS_DIRECTORY : SF_NOT_DIRECTORY;
    if (would_loop(m, p))
        return SF_INVALID;
    return p->to->what == A_DIRECTORY && !is_empty(find(m, p->to->ino)) ? SF_NOT_EMPTY : SF_OK;
}

static int expected_rename(struct model *m, const struct pair *p)
{
    if (p->from->what == NOTHING || !p->to_in->alive)
        return SF_NOT_FOUND;
    if (p->to->what != NOTHING && p->no_replace)
        return SF_EXISTS;
    if (p->from == p->to)
        return SF_OK;
    return p->exchange && p->to->what == NOTHING ? SF_NOT_FOUND : expected_over(m, p);
}

static void settle_in(struct model *m, const struct named *what, const struct directory *in)
{
    if (what->what == A_DIRECTORY)
        find(m, what->ino)->parent = in->id;
}

static void apply_rename(struct model *m, const struct pair *p)
{
    struct named from = *p->from, to = *p->to;
    *p->to = from;
    settle_in(m, &from, p->to_in);
    p->from->what = NOTHING;
    if (p->exchange) {
        *p->from = to;
        settle_in(m, &to, p->in);
    } else if (to.what == A_DIRECTORY) {
        find(m, to.ino)->alive = false;
    }
}

static void do_rename(struct model *m, struct directory *in, unsigned name)
{
    unsigned to_name = draw(m, NAMES), flags = draw(m, 4);
    struct directory *to_in = draw(m, 2) == 0 ? in : draw_directory(m);
    struct pair p = {.in = in,
                     .to_in = to_in,
                     .from = &in->entries[name],
                     .to = &to_in->entries[to_name],
                     .no_replace = flags == 0,
                     .exchange = flags == 1};
    struct waiting waiting = {.call = {.kind = TREE_RENAME,
                                       .place = place_of(in->id, names[name]),
                                       .to_directory = to_in->id,
                                       .to_name = slice_str(names[to_name]),
                                       .no_replace = p.no_replace,
                                       .exchange = p.exchange}};
    int expected = expected_rename(m, &p);
    int status = user_call(m->user, &waiting);
    assert_int_equal(status, expected);
    if (status != SF_OK || p.from == p.to)
        return;
    assert_int_equal(waiting.call.inode.ino, p.from->ino);
    assert_int_equal(waiting.call.target_ino, p.to->what == NOTHING ? 0 : p.to->ino);
    apply_rename(m, &p);
}

static void do_lookup(struct model *m, struct directory *in, unsigned name)
{
    const struct named *entry = &in->entries[name];
    struct tree_inode inode;
    int status = user_do(m->user, TREE_LOOKUP, in->id, names[name], &inode);
    assert_int_equal(status, entry->what == NOTHING ? SF_NOT_FOUND : SF_OK);
    if (status != SF_OK)
        return;
    assert_int_equal(inode.ino, entry->ino);
    assert_int_equal(S_ISDIR(inode.mode), entry->what == A_DIRECTORY);
}

static void do_stat(struct model *m, struct directory *in, unsigned name)
{
    struct tree_inode inode;
    (void)name;
    if (in->id == TREE_ROOT)
        return;
    int status = user_stat_directory(m->user, in->id, &inode);
    assert_int_equal(status, in->alive ? SF_OK : SF_STALE_FILE);
    if (!in->alive)
        return;
    assert_int_equal(inode.size, NAMES - count(in, NOTHING));
    assert_int_equal(inode.links, 2 + count(in, A_DIRECTORY));
    assert_int_equal(inode.parent, in->parent);
}

/* -- listings ------------------------------------------------------------------------------- */

struct listing {
    struct waiting waiting;
    const struct directory *directory;
    bool seen[NAMES];
    char last[TREE_NAME_BYTES_MAX + 1];
};

static bool on_entry(struct tree_call *call, struct slice name, const struct tree_inode *inode)
{
    struct listing *listing = container_of(call, struct listing, waiting.call);
    unsigned i = 0;
    while (i < NAMES && !slice_equal(name, slice_str(names[i])))
        i++;
    assert_true(i < NAMES && !listing->seen[i]);
    listing->seen[i] = true;
    assert_int_equal(inode->ino, listing->directory->entries[i].ino);
    assert_int_equal(S_ISDIR(inode->mode), listing->directory->entries[i].what == A_DIRECTORY);
    memcpy(listing->last, name.p, name.n);
    listing->last[name.n] = 0;
    return true;
}

/* Page by page. */
static void do_list(struct model *m, struct directory *in, unsigned name)
{
    struct listing listing = {.directory = in};
    (void)name;
    do {
        listing.waiting.call = (struct tree_call){.kind = TREE_READDIR,
                                                  .on_entry = on_entry,
                                                  .place = {.ino = in->id},
                                                  .after = slice_str(listing.last),
                                                  .length = 1 + draw(m, NAMES)};
        assert_int_equal(user_call(m->user, &listing.waiting), SF_OK);
    } while (!listing.waiting.call.end);
    for (unsigned i = 0; i < NAMES; i++)
        assert_int_equal(listing.seen[i], in->entries[i].what != NOTHING);
}

/* -- the runs ------------------------------------------------------------------------------- */

static void step(struct model *m)
{
    static void (*const operations[])(struct model *, struct directory *, unsigned) = {
        do_create, do_create, do_mkdir,  do_mkdir,  do_unlink, do_rmdir,  do_rmdir,
        do_rename, do_rename, do_rename, do_rename, do_stat,   do_lookup, do_list,
    };
    m->user = &m->stage->users[draw(m, STAGE_USERS)];
    struct directory *in = draw_directory(m);
    operations[draw(m, sizeof operations / sizeof *operations)](m, in, draw(m, NAMES));
}

static void run_model(uint64_t seed)
{
    struct model m = {.stage = stage_new(seed, 3)};
    m.directories[0] = (struct directory){.id = TREE_ROOT, .alive = true};
    for (unsigned i = 0; i < STEPS; i++) {
        stage_maybe_storm(m.stage);
        step(&m);
    }
    stage_await_calm(m.stage);
    m.user = &m.stage->users[0];
    for (unsigned i = 0; i < DIRECTORIES; i++) {
        if (m.directories[i].id == 0)
            continue;
        do_list(&m, &m.directories[i], 0);
        do_stat(&m, &m.directories[i], 0);
    }
    user_expect_fits(m.user);
    stage_free(m.stage);
}

/* Both at once, in either order; then their answers. */
static void race(struct stage *stage, struct waiting *a, struct waiting *b)
{
    bool a_first = sim_random_below(stage->cluster->sim, 2);
    user_submit(&stage->users[!a_first], a_first ? b : a);
    for (uint64_t n = sim_random_below(stage->cluster->sim, 40); n > 0; n--)
        assert_true(sim_step(stage->cluster->sim));
    user_submit(&stage->users[a_first], a_first ? a : b);
    while (!a->done || !b->done)
        assert_true(sim_step(stage->cluster->sim));
}

/* Nothing is ever made in a directory that is removed (T3). */
static void race_create_with_rmdir(struct stage *stage, uint64_t parent)
{
    struct tree_inode made;
    assert_int_equal(user_do(&stage->users[0], TREE_MKDIR, parent, "d", &made), SF_OK);
    struct waiting rmdir = {.call = {.kind = TREE_RMDIR, .place = place_of(parent, "d")}};
    struct waiting create = {
        .call = {.kind = TREE_CREATE, .place = place_of(made.ino, "f"), .mode = 0644}};
    race(stage, &rmdir, &create);
    if (rmdir.status == SF_OK) {
        assert_int_equal(create.status, SF_NOT_FOUND);
        assert_int_equal(user_do(&stage->users[0], TREE_LOOKUP, parent, "d", NULL), SF_NOT_FOUND);
        return;
    }
    assert_int_equal(rmdir.status, SF_NOT_EMPTY);
    assert_int_equal(create.status, SF_OK);
    assert_int_equal(user_do(&stage->users[0], TREE_UNLINK, made.ino, "f", NULL), SF_OK);
    assert_int_equal(user_do(&stage->users[0], TREE_RMDIR, parent, "d", NULL), SF_OK);
}

/* Of two that make a name one does, and of two that remove it. */
static void race_same(struct stage *stage, uint64_t parent, enum tree_kind make,
                      enum tree_kind remove)
{
    struct waiting calls[2];
    for (unsigned i = 0; i < 2; i++)
        calls[i] = (struct waiting){
            .call = {
                .kind = make, .place = place_of(parent, "same"), .mode = 0755, .exclusive = true}};
    race(stage, &calls[0], &calls[1]);
    assert_true((calls[0].status == SF_OK) != (calls[1].status == SF_OK));
    assert_int_equal(calls[0].status == SF_OK ? calls[1].status : calls[0].status, SF_EXISTS);
    for (unsigned i = 0; i < 2; i++)
        calls[i] = (struct waiting){.call = {.kind = remove, .place = place_of(parent, "same")}};
    race(stage, &calls[0], &calls[1]);
    assert_true((calls[0].status == SF_OK) != (calls[1].status == SF_OK));
    assert_int_equal(calls[0].status == SF_OK ? calls[1].status : calls[0].status, SF_NOT_FOUND);
}

static void run_races(uint64_t seed)
{
    struct stage *stage = stage_new(seed, 3);
    struct tree_inode parent;
    assert_int_equal(user_do(&stage->users[0], TREE_MKDIR, TREE_ROOT, "p", &parent), SF_OK);
    for (unsigned i = 0; i < RACES; i++) {
        uint64_t in = i % 2 ? parent.ino : TREE_ROOT;
        race_create_with_rmdir(stage, in);
        race_same(stage, in, TREE_CREATE, TREE_UNLINK);
        race_same(stage, in, TREE_MKDIR, TREE_RMDIR);
    }
    assert_int_equal(user_stat_directory(&stage->users[1], parent.ino, &parent), SF_OK);
    assert_int_equal(parent.size, 0);
    assert_int_equal(parent.links, 2);
    user_expect_fits(&stage->users[0]);
    stage_free(stage);
}

static void names_survive_storms(void **state)
{
    (void)state;
    seeds_each(&seeds, run_model);
}

static void one_of_two_wins(void **state)
{
    (void)state;
    seeds_each(&seeds, run_races);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_survive_storms),
                                       cmocka_unit_test(one_of_two_wins)};
    seeds = seeds_parse(argc, argv, 4);
    log_level_min = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

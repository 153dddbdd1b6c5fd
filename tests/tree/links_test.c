/* Several names of one file, against a model: whatever two users do to names, in storms and in
 * races, and wherever the one that links or unlinks ends, each file has as many names as it says,
 * lives as long as it has one, and leaves nothing behind.
 *
 *   tree_links_test [--seeds N] [--seed FIRST]
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
#include "tree/hold.h"
#include "tree/op.h"
#include "tree/stage.h"

#define DIRECTORIES 3u /* the root and two others */
#define NAMES 4u       /* in each */
#define PLACES (DIRECTORIES * NAMES)
#define FILES 200u /* that were ever made */
#define STEPS 300u
#define ROUNDS 25u /* of races */
#define AT_ONCE 4u /* changes, ... */
#define RACERS 2u  /* ... of so many users */
#define SETTLE_MS 3000u
#define STEPS_AT_ONCE 3u

static struct seeds seeds;
static const char *const names[NAMES] = {"a", "b", "c", "e%2F"};

/* -- the model -------------------------------------------------------------------------------- */

struct file {
    uint64_t ino;
    unsigned names;
    uint8_t byte;            /* what it holds */
    uint64_t ctime_ns;       /* as it was seen last */
    struct tree_place place; /* where it was found once */
};

struct model {
    struct stage *stage;
    struct user *user;
    uint64_t directories[DIRECTORIES];
    struct file files[FILES];
    unsigned file_count;
    struct file *entries[PLACES]; /* NULL: nothing is there */
};

static unsigned draw(struct model *m, unsigned limit)
{
    return (unsigned)sim_random_below(m->stage->cluster->sim, limit);
}

static struct tree_place place_at(const struct model *m, unsigned at)
{
    return place_of(m->directories[at / NAMES], names[at % NAMES]);
}

static void model_begin(struct model *m, struct stage *stage)
{
    *m = (struct model){.stage = stage, .directories = {TREE_ROOT}};
    m->user = &m->stage->users[0];
    for (unsigned i = 1; i < DIRECTORIES; i++) {
        struct tree_inode made;
        const char *name = i == 1 ? "first" : "second";
        assert_int_equal(user_do(m->user, TREE_MKDIR, TREE_ROOT, name, &made), SF_OK);
        m->directories[i] = made.ino;
    }
}

static void model_open(struct model *m, uint64_t seed)
{
    model_begin(m, stage_new(seed, 3));
}

static struct waiting linking(const struct tree_place *from, const struct tree_place *to)
{
    return (struct waiting){
        .call = {
            .kind = TREE_LINK, .place = *from, .to_directory = to->directory, .to_name = to->name}};
}

static bool has_inode_record(struct user *user, uint64_t ino)
{
    struct key key;
    key_of_inode(ino, &key);
    return user_has_record(user, key.space, key_slice(&key));
}

/* -- one operation of each kind, its answer compared ------------------------------------------ */

static void do_create(struct model *m, unsigned at)
{
    struct tree_inode inode;
    struct tree_place place = place_at(m, at);
    char name[8];
    if (m->file_count == FILES)
        return;
    snprintf(name, sizeof name, "%s", names[at % NAMES]);
    int status = user_do(m->user, TREE_CREATE, place.directory, name, &inode);
    assert_int_equal(status, m->entries[at] ? SF_EXISTS : SF_OK);
    if (status != SF_OK)
        return;
    struct file *file = &m->files[m->file_count++];
    *file = (struct file){.ino = inode.ino, .names = 1, .place = place};
    file->place.ino = inode.ino;
    m->entries[at] = file;
}

static void do_link(struct model *m, unsigned at)
{
    struct tree_place to = place_at(m, at);
    struct file *file = &m->files[m->file_count ? draw(m, m->file_count) : 0];
    if (m->file_count == 0)
        return;
    struct waiting link = linking(&file->place, &to);
    int status = user_call(m->user, &link);
    if (file->names == 0) {
        assert_int_equal(status, SF_STALE_FILE);
        return;
    }
    assert_int_equal(status, m->entries[at] ? SF_EXISTS : SF_OK);
    if (status != SF_OK)
        return;
    m->entries[at] = file;
    assert_int_equal(link.call.inode.ino, file->ino);
    assert_int_equal(link.call.inode.links, ++file->names);
}

static void do_unlink(struct model *m, unsigned at)
{
    struct waiting unlink = {.call = {.kind = TREE_UNLINK, .place = place_at(m, at)}};
    int status = user_call(m->user, &unlink);
    assert_int_equal(status, m->entries[at] ? SF_OK : SF_NOT_FOUND);
    if (status != SF_OK)
        return;
    m->entries[at]->names--;
    m->entries[at] = NULL;
}

static struct waiting renaming(const struct model *m, unsigned at, unsigned to, bool exchange)
{
    struct tree_place target = place_at(m, to);
    return (struct waiting){.call = {.kind = TREE_RENAME,
                                     .place = place_at(m, at),
                                     .to_directory = target.directory,
                                     .to_name = target.name,
                                     .exchange = exchange}};
}

static void do_rename(struct model *m, unsigned at)
{
    unsigned to = draw(m, PLACES);
    bool exchange = draw(m, 3) == 0;
    struct waiting rename = renaming(m, at, to, exchange);
    struct file *from = m->entries[at], *old = m->entries[to];
    bool can = from && (old || !exchange);
    assert_int_equal(user_call(m->user, &rename), can ? SF_OK : SF_NOT_FOUND);
    if (!can || from == old)
        return; /* two names of one file: both stay */
    m->entries[to] = from;
    m->entries[at] = exchange ? old : NULL;
    if (old && !exchange)
        old->names--;
}

static void do_lookup(struct model *m, unsigned at)
{
    struct waiting lookup = {.call = {.kind = TREE_LOOKUP, .place = place_at(m, at)}};
    int status = user_call(m->user, &lookup);
    assert_int_equal(status, m->entries[at] ? SF_OK : SF_NOT_FOUND);
    if (status != SF_OK)
        return;
    const struct tree_inode *inode = &lookup.call.inode;
    assert_int_equal(inode->ino, m->entries[at]->ino);
    assert_int_equal(inode->links, m->entries[at]->names);
    m->entries[at]->place = place_at(m, at);
    m->entries[at]->place.ino = inode->ino;
    m->entries[at]->place.is_apart = inode->is_apart;
}

/* By where it was found once, as an open file is. */
static void do_write(struct model *m, unsigned at)
{
    uint8_t byte = (uint8_t)(1 + draw(m, 255));
    (void)at;
    if (m->file_count == 0)
        return;
    struct file *file = &m->files[draw(m, m->file_count)];
    struct waiting write = {
        .call = {.kind = TREE_WRITE, .place = file->place, .data = slice_of(&byte, 1)}};
    int status = user_call(m->user, &write);
    assert_int_equal(status, file->names > 0 ? SF_OK : SF_STALE_FILE);
    if (status == SF_OK)
        file->byte = byte;
}

static void do_chmod(struct model *m, unsigned at)
{
    (void)at;
    if (m->file_count == 0)
        return;
    struct file *file = &m->files[draw(m, m->file_count)];
    struct waiting chmod = {.call = {.kind = TREE_SETATTR,
                                     .place = file->place,
                                     .set = TREE_SET_MODE,
                                     .mode = 0600 + draw(m, 64)}};
    int status = user_call(m->user, &chmod);
    assert_int_equal(status, file->names > 0 ? SF_OK : SF_STALE_FILE);
    if (status == SF_OK)
        assert_int_equal(chmod.call.inode.links, file->names);
}

static void check_byte(struct model *m, struct file *file)
{
    struct waiting stat = {.call = {.kind = TREE_GETATTR, .place = file->place}};
    int status = user_call(m->user, &stat);
    assert_int_equal(status, file->names > 0 ? SF_OK : SF_STALE_FILE);
    if (status != SF_OK)
        return;
    assert_int_equal(stat.call.inode.ino, file->ino);
    assert_int_equal(stat.call.inode.links, file->names);
    assert_int_equal(stat.call.inode.size, file->byte != 0);
    assert_true(stat.call.inode.ctime_ns >= file->ctime_ns);
    file->ctime_ns = stat.call.inode.ctime_ns;
}

static void do_stat(struct model *m, unsigned at)
{
    (void)at;
    if (m->file_count > 0)
        check_byte(m, &m->files[draw(m, m->file_count)]);
}

/* -- listings --------------------------------------------------------------------------------- */

struct listing {
    struct waiting waiting;
    const struct model *m;
    unsigned directory, seen;
};

static bool on_entry(struct tree_call *call, struct slice name, const struct tree_inode *inode)
{
    struct listing *listing = container_of(call, struct listing, waiting.call);
    if (S_ISDIR(inode->mode))
        return true;
    unsigned i = 0;
    while (i < NAMES && !slice_equal(name, slice_str(names[i])))
        i++;
    assert_true(i < NAMES);
    const struct file *file = listing->m->entries[listing->directory * NAMES + i];
    assert_non_null(file);
    assert_int_equal(inode->ino, file->ino);
    assert_true(S_ISREG(inode->mode));
    assert_true(inode->version == 0 || inode->links == 1);
    listing->seen++;
    return true;
}

static unsigned count_names(const struct model *m, unsigned directory)
{
    unsigned count = 0;
    for (unsigned i = 0; i < NAMES; i++)
        count += m->entries[directory * NAMES + i] != NULL;
    return count;
}

static void do_list(struct model *m, unsigned at)
{
    struct listing listing = {.m = m, .directory = at / NAMES};
    listing.waiting.call = (struct tree_call){
        .kind = TREE_READDIR, .on_entry = on_entry, .place = {.ino = m->directories[at / NAMES]}};
    assert_int_equal(user_call(m->user, &listing.waiting), SF_OK);
    assert_true(listing.waiting.call.end);
    assert_int_equal(listing.seen, count_names(m, at / NAMES));
}

/* -- what is left ----------------------------------------------------------------------------- */

static void check_directories(struct model *m)
{
    for (unsigned i = 1; i < DIRECTORIES; i++) {
        struct tree_inode inode;
        assert_int_equal(user_stat_directory(m->user, m->directories[i], &inode), SF_OK);
        assert_int_equal(inode.size, count_names(m, i));
    }
}

static void remove_everything(struct model *m)
{
    for (unsigned at = 0; at < PLACES; at++)
        do_unlink(m, at);
    for (unsigned i = 0; i < m->file_count; i++)
        assert_false(has_inode_record(m->user, m->files[i].ino));
    check_directories(m);
}

/* -- one after the other, in any weather ------------------------------------------------------- */

static void run_model(uint64_t seed)
{
    static void (*const operations[])(struct model *, unsigned) = {
        do_create, do_create, do_link, do_link, do_link, do_unlink, do_unlink, do_rename,
        do_rename, do_lookup, do_list, do_stat, do_stat, do_write,  do_write,  do_chmod,
    };
    struct model m;
    model_open(&m, seed);
    for (unsigned i = 0; i < STEPS; i++) {
        stage_maybe_storm(m.stage);
        m.user = &m.stage->users[draw(&m, STAGE_USERS)];
        operations[draw(&m, sizeof operations / sizeof *operations)](&m, draw(&m, PLACES));
    }
    stage_await_calm(m.stage);
    for (unsigned i = 0; i < m.file_count; i++)
        check_byte(&m, &m.files[i]);
    for (unsigned at = 0; at < PLACES; at++)
        do_lookup(&m, at);
    user_expect_fits(&m.stage->users[0]);
    remove_everything(&m);
    stage_free(m.stage);
}

/* -- at once, and the one user ends in the midst of it ------------------------------------------ */

/* What is there, whoever made it. */
static void learn(struct model *m)
{
    for (unsigned i = 0; i < m->file_count; i++)
        m->files[i].names = 0;
    for (unsigned at = 0; at < PLACES; at++) {
        struct waiting lookup = {.call = {.kind = TREE_LOOKUP, .place = place_at(m, at)}};
        int status = user_call(m->user, &lookup);
        m->entries[at] = NULL;
        assert_true(status == SF_OK || status == SF_NOT_FOUND);
        for (unsigned i = 0; status == SF_OK && i < m->file_count; i++)
            if (m->files[i].ino == lookup.call.inode.ino)
                m->entries[at] = &m->files[i];
        if (status != SF_OK)
            continue;
        if (!m->entries[at]) {
            assert_true(m->file_count < FILES);
            m->entries[at] = &m->files[m->file_count++];
            *m->entries[at] = (struct file){.ino = lookup.call.inode.ino};
            m->entries[at]->place = place_at(m, at);
            m->entries[at]->place.ino = lookup.call.inode.ino;
        }
        m->entries[at]->names++;
    }
}

/* A file that lives at its only name: its inode's record, if there is one, says where that is. */
static void check_location(struct model *m, const struct file *file)
{
    uint8_t bytes[REFERENCE_BYTES_MAX];
    struct buffer found = {0};
    struct key key, here;
    key_of_inode(file->ino, &key);
    assert_int_equal(key_of_entry(file->place.directory, file->place.name, &here), SF_OK);
    if (user_read_record(m->user, key.space, key_slice(&key), &found))
        assert_true(slice_equal(buffer_slice(&found), key_reference(&here, bytes)));
    buffer_deinit(&found);
}

/* Each file has as many names as it says, and none is left that has none. */
static void check_counts(struct model *m)
{
    for (unsigned at = 0; at < PLACES; at++)
        do_lookup(m, at);
    for (unsigned i = 0; i < m->file_count; i++) {
        const struct file *file = &m->files[i];
        if (file->names == 0)
            assert_false(has_inode_record(m->user, file->ino));
        else if (file->names > 1 || file->place.is_apart)
            assert_true(has_inode_record(m->user, file->ino));
        else
            check_location(m, file);
    }
    check_directories(m);
}

static struct waiting draw_change(struct model *m)
{
    struct tree_place place = place_at(m, draw(m, PLACES)), to = place_at(m, draw(m, PLACES));
    unsigned what = draw(m, 7);
    if (what == 0 || m->file_count == 0)
        return (struct waiting){
            .call = {.kind = TREE_CREATE, .place = place, .mode = 0644, .exclusive = true}};
    if (what == 1 || what == 2)
        return (struct waiting){.call = {.kind = TREE_UNLINK, .place = place}};
    if (what == 3 || what == 4)
        return renaming(m, draw(m, PLACES), draw(m, PLACES), what == 4);
    return linking(&m->files[draw(m, m->file_count)].place, &to);
}

static bool is_answer(int status)
{
    return status == SF_OK || status == SF_EXISTS || status == SF_NOT_FOUND ||
           status == SF_STALE_FILE;
}

static void race(struct model *m, bool crashes)
{
    struct waiting calls[AT_ONCE];
    unsigned left = 200 + draw(m, 2000);
    for (unsigned i = 0; i < AT_ONCE; i++) {
        calls[i] = draw_change(m);
        user_submit(&m->stage->users[i % RACERS], &calls[i]);
        for (unsigned n = draw(m, 20); n > 0; n--)
            assert_true(sim_step(m->stage->cluster->sim));
    }
    bool others_done = false;
    while (!others_done || (!crashes && !(calls[0].done && calls[2].done))) {
        assert_true(sim_step(m->stage->cluster->sim));
        others_done = calls[1].done && calls[3].done;
        if (crashes && --left == 0)
            break;
    }
    if (crashes) {
        user_crash(&m->stage->users[0]);
        while (!(calls[1].done && calls[3].done))
            assert_true(sim_step(m->stage->cluster->sim));
    }
    for (unsigned i = 0; i < AT_ONCE; i++)
        assert_true((crashes && i % 2 == 0) || is_answer(calls[i].status));
}

static void run_races(uint64_t seed)
{
    struct model m;
    model_open(&m, seed);
    m.user = &m.stage->users[1];
    for (unsigned i = 0; i < ROUNDS; i++) {
        bool crashes = draw(&m, 3) == 0;
        race(&m, crashes);
        if (crashes)
            stage_run_ms(m.stage, SETTLE_MS);
        learn(&m);
        check_counts(&m);
    }
    user_expect_fits(&m.stage->users[0]);
    remove_everything(&m);
    stage_free(m.stage);
}

/* -- a user who ends after every event ---------------------------------------------------------- */

/* Runs the call for so many events, then its process ends. True: it had answered before. */
static bool run_and_crash(struct model *m, struct waiting *waiting, unsigned events)
{
    user_submit(&m->stage->users[0], waiting);
    for (unsigned i = 0; i < events && !waiting->done; i++)
        assert_true(sim_step(m->stage->cluster->sim));
    if (waiting->done)
        return true;
    user_crash(&m->stage->users[0]);
    stage_run_ms(m->stage, SETTLE_MS);
    return false;
}

/* The file at place 0 gets a name at `to`, which may be its second or third, again and again, and
 * loses it. */
static void crash_at(struct model *m, unsigned to, bool links)
{
    bool finished = false;
    for (unsigned events = 0; !finished; events += 1 + draw(m, STEPS_AT_ONCE)) {
        struct tree_place place = place_at(m, to);
        struct waiting waiting =
            links ? linking(&m->entries[0]->place, &place)
                  : (struct waiting){.call = {.kind = TREE_UNLINK, .place = place}};
        finished = run_and_crash(m, &waiting, events);
        if (finished)
            assert_int_equal(waiting.status, SF_OK);
        learn(m);
        assert_true(!finished || (m->entries[to] != NULL) == links);
        check_counts(m);
        if (finished)
            return;
        if (links && m->entries[to])
            do_unlink(m, to);
        else if (!links && !m->entries[to] && m->entries[0])
            do_link(m, to);
        else if (!links && !m->entries[to])
            do_create(m, to);
    }
}

static void run_crashes(uint64_t seed)
{
    struct model m;
    model_open(&m, seed);
    m.user = &m.stage->users[1];
    do_create(&m, 0);
    crash_at(&m, 1, true);
    crash_at(&m, NAMES, true);
    crash_at(&m, NAMES, false);
    crash_at(&m, 1, false);
    crash_at(&m, 0, false);
    user_expect_fits(&m.stage->users[0]);
    remove_everything(&m);
    stage_free(m.stage);
}

/* -- files that are open and have no name ------------------------------------------------------- */

static bool has_open = true;

static bool is_open(struct tree_call *call, uint64_t ino)
{
    (void)call;
    (void)ino;
    return has_open;
}

/* User 0 has the file at place 0 open, and takes its only name away. */
static struct tree_place make_orphan(struct model *m)
{
    struct waiting unlink = {
        .call = {.kind = TREE_UNLINK, .place = place_at(m, 0), .is_open = is_open}};
    m->user = &m->stage->users[0];
    struct tree_place place = m->entries[0]->place;
    assert_int_equal(user_call(m->user, &unlink), SF_OK);
    assert_int_equal(unlink.call.orphan, place.ino);
    assert_int_equal(user_do(m->user, TREE_LOOKUP, place.directory, names[0], NULL), SF_NOT_FOUND);
    m->entries[0] = NULL;
    return place;
}

static void expect_orphan(struct model *m, struct tree_place place)
{
    struct tree_place to = place_at(m, 0);
    struct waiting stat = {.call = {.kind = TREE_GETATTR, .place = place}};
    assert_int_equal(user_call(m->user, &stat), SF_OK);
    assert_int_equal(stat.call.inode.links, 0);
    struct waiting append = {
        .call = {.kind = TREE_APPEND, .place = place, .data = slice_str("more")}};
    assert_int_equal(user_call(m->user, &append), SF_OK);
    assert_int_equal(append.call.old_length, stat.call.inode.size);
    struct waiting link = linking(&place, &to);
    assert_int_equal(user_call(m->user, &link), SF_NOT_FOUND);
}

static void expect_gone(struct model *m, struct tree_place place)
{
    struct waiting stat = {.call = {.kind = TREE_GETATTR, .place = place}};
    m->user = &m->stage->users[1];
    assert_int_equal(user_call(m->user, &stat), SF_STALE_FILE);
    assert_false(has_inode_record(m->user, place.ino));
}

static void reclaim(struct model *m, struct tree_place place)
{
    struct user *user = m->user;
    tree_closed(user->tree, place.ino);
    while (tree_orphan_count(user->tree) > 0)
        assert_true(sim_step(user->cluster->sim));
    expect_gone(m, place);
}

/* In whatever shape it was when it lost its name. */
static void prepare(struct model *m, unsigned shape)
{
    struct tree_place to = place_at(m, 0);
    m->user = &m->stage->users[1];
    do_create(m, shape == 0 ? 0 : NAMES);
    struct file *file = &m->files[m->file_count - 1];
    if (shape == 1) {
        struct waiting link = linking(&file->place, &to);
        assert_int_equal(user_call(m->user, &link), SF_OK);
        assert_int_equal(user_do(m->user, TREE_UNLINK, m->directories[1], names[0], NULL), SF_OK);
    } else if (shape == 2) {
        struct waiting rename = {.call = {.kind = TREE_RENAME,
                                          .place = place_at(m, NAMES),
                                          .to_directory = to.directory,
                                          .to_name = to.name}};
        assert_int_equal(user_call(m->user, &rename), SF_OK);
    }
    m->entries[NAMES] = NULL;
    m->entries[0] = file;
    file->place = to;
    file->place.ino = file->ino;
}

#define IDLE_MS 160000u

static void run_orphans(uint64_t seed)
{
    struct model m;
    model_begin(&m, stage_new_forgetful(seed, 3, IDLE_MS));
    for (unsigned shape = 0; shape < 3; shape++) {
        prepare(&m, shape);
        struct tree_place place = make_orphan(&m);
        expect_orphan(&m, place);
        reclaim(&m, place);
        prepare(&m, shape);
        place = make_orphan(&m);
        for (unsigned i = 0; i < 3; i++) { /* nothing but the tree itself uses its session */
            stage_run_ms(m.stage, IDLE_MS);
            assert_true(has_inode_record(&m.stage->users[1], place.ino));
        }
        expect_orphan(&m, place);
        user_crash(&m.stage->users[0]);
        stage_run_ms(m.stage, 2 * IDLE_MS);
        expect_gone(&m, place);
    }
    stage_free(m.stage);
}

/* User 0 loses its sessions, which is noticed long before the next renewal, and an old one before
 * it would have gone by itself. */
static void run_fenced(uint64_t seed)
{
    struct model m;
    model_begin(&m, stage_new_forgetful(seed, 3, IDLE_MS));
    struct user *user = &m.stage->users[0];
    user->renew_ms = 100ull * IDLE_MS;
    user_crash(user);
    prepare(&m, 0);
    struct tree_place place = make_orphan(&m);
    stage_run_ms(m.stage, IDLE_MS / 10 * 7);
    user_fence(user);
    stage_run_ms(m.stage, IDLE_MS / 10 * 7);
    expect_orphan(&m, place);
    reclaim(&m, place);
    stage_free(m.stage);
}

/* Nobody waits for the answer to unlink any more, and the file is closed: either it keeps its name,
 * or it goes with it. True: the call had ended. */
static bool cancel_after(struct model *m, unsigned events, bool closes_first)
{
    struct waiting unlink = {
        .call = {.kind = TREE_UNLINK, .place = place_at(m, 0), .is_open = is_open}};
    struct user *user = &m->stage->users[0];
    struct tree_place place = m->entries[0]->place;
    user_submit(user, &unlink);
    for (unsigned i = 0; i < events && !unlink.done; i++)
        assert_true(sim_step(user->cluster->sim));
    has_open = !closes_first;
    tree_cancel(&unlink.call);
    has_open = true;
    stage_run_ms(m->stage, IDLE_MS / 5);
    if (!closes_first || unlink.done)
        tree_closed(user->tree, place.ino);
    while (tree_orphan_count(user->tree) > 0)
        stage_run_ms(m->stage, IDLE_MS / 10);
    learn(m);
    if (!m->entries[0])
        expect_gone(m, place);
    m->user = &m->stage->users[1];
    return unlink.done;
}

static void run_cancelled(uint64_t seed)
{
    struct model m;
    unsigned taken = 0;
    model_begin(&m, stage_new_forgetful(seed, 3, IDLE_MS));
    for (unsigned shape = 0; shape < 2; shape++) {
        bool finished = false;
        prepare(&m, shape);
        for (unsigned events = 0; !finished; events += 10 + draw(&m, 10)) {
            finished = cancel_after(&m, events, draw(&m, 2) == 0);
            taken += !m.entries[0];
            if (!m.entries[0] && !finished)
                prepare(&m, shape);
        }
    }
    assert_true(taken > 2); /* also where nobody heard of it */
    user_expect_fits(&m.stage->users[1]);
    stage_free(m.stage);
}

/* -- overtaken ----------------------------------------------------------------------------------- */

static void expect_names(struct model *m, unsigned at)
{
    uint64_t ino = m->entries[at]->ino;
    m->user = &m->stage->users[0];
    assert_int_equal(tree_orphan_count(m->user->tree), 0);
    for (unsigned closes = 0; closes < 2; closes++) {
        orphan_keep(m->user->tree, ino);
        if (closes)
            tree_closed(m->user->tree, ino);
        stage_run_ms(m->stage, IDLE_MS);
        assert_int_equal(tree_orphan_count(m->user->tree), 0);
    }
    user_crash(m->user);
    stage_run_ms(m->stage, 2 * IDLE_MS);
    m->user = &m->stage->users[1];
    do_lookup(m, at);
    check_counts(m);
}

/* User 0 has the file at 'b' open and replaces it; meanwhile user 1 moves that to 'c', and makes 'b'
 * a name of what is to replace it. So nothing is replaced, and the open file has its names. */
static void run_overtaken(uint64_t seed, bool has_two_names)
{
    struct model m;
    model_begin(&m, stage_new_forgetful(seed, 3, IDLE_MS));
    m.user = &m.stage->users[1];
    do_create(&m, 0);
    do_create(&m, 1);
    struct waiting rename = renaming(&m, 0, 1, false), moves = renaming(&m, 1, 2, false);
    struct tree_place b = place_at(&m, 1), d = place_at(&m, 3);
    struct waiting links = linking(&m.entries[0]->place, &b);
    rename.call.is_open = is_open;
    hold_submit(&m.stage->users[0], &rename);
    assert_int_equal(user_call(m.user, &moves), SF_OK);
    assert_int_equal(user_call(m.user, &links), SF_OK);
    learn(&m);
    links = linking(&m.entries[2]->place, &d);
    if (has_two_names)
        assert_int_equal(user_call(m.user, &links), SF_OK);
    assert_int_equal(hold_let_go(&m.stage->users[0], &rename), SF_OK);
    assert_int_equal(rename.call.orphan, 0);
    learn(&m);
    assert_int_equal(m.entries[2]->names, has_two_names ? 2 : 1);
    expect_names(&m, 2);
    user_expect_fits(&m.stage->users[0]);
    stage_free(m.stage);
}

/* -- what it costs ------------------------------------------------------------------------------ */

static unsigned cost_of(struct model *m, struct waiting *waiting)
{
    unsigned before = hold_submitted();
    assert_int_equal(user_call(m->user, waiting), SF_OK);
    return hold_submitted() - before;
}

static unsigned cost_of_lookup(struct model *m, unsigned at)
{
    struct waiting lookup = {.call = {.kind = TREE_LOOKUP, .place = place_at(m, at)}};
    return cost_of(m, &lookup);
}

static void run_costs(uint64_t seed)
{
    struct model m;
    model_open(&m, seed);
    for (unsigned at = 0; at < PLACES; at += NAMES) {
        do_create(&m, at);
        assert_int_equal(cost_of_lookup(&m, at), 1);
        struct tree_place before = m.entries[at]->place, to = place_at(&m, at + 1);
        struct waiting link = linking(&before, &to);
        assert_int_equal(cost_of(&m, &link), 2);
        assert_int_equal(cost_of_lookup(&m, at), 2);
        assert_int_equal(cost_of_lookup(&m, at + 1), 2);
        /* Who has it open finds it once, and goes there from then on. */
        struct waiting stat = {.call = {.kind = TREE_GETATTR, .place = before}};
        assert_int_equal(cost_of(&m, &stat), 3);
        assert_true(stat.call.has_moved && stat.call.place_now.is_apart);
        stat.call.place.is_apart = true;
        assert_int_equal(cost_of(&m, &stat), 1);
        assert_false(stat.call.has_moved);
    }
    struct waiting first = {.call = {.kind = TREE_LOOKUP, .place = place_of(TREE_ROOT, "first")}};
    assert_int_equal(cost_of(&m, &first), 2);
    stage_free(m.stage);
}

/* -- a time that lags behind ------------------------------------------------------------------- */

/* One user overwrites a byte beyond the first MiB, of which the head learns later; another gives the
 * file another name, or one more, before that. */
static void run_overwritten(struct model *m, bool is_link, bool is_late)
{
    static uint8_t bytes[(1u << 20) + 100];
    struct tree_place from = place_at(m, 0), to = place_at(m, 1);
    struct tree_inode made;
    assert_int_equal(user_do(m->user, TREE_CREATE, from.directory, names[0], &made), SF_OK);
    from.ino = made.ino;
    struct waiting write = {
        .call = {.kind = TREE_WRITE, .place = from, .data = slice_of(bytes, sizeof bytes)}};
    assert_int_equal(user_call(m->user, &write), SF_OK);
    stage_run_ms(m->stage, 2000);
    struct waiting before = {.call = {.kind = TREE_GETATTR, .place = from}};
    assert_int_equal(user_call(m->user, &before), SF_OK);
    write.call.offset = sizeof bytes - 1;
    write.call.data = slice_str("x");
    assert_int_equal(user_call(m->user, &write), SF_OK);
    struct waiting move = linking(&from, &to);
    move.call.kind = is_link ? TREE_LINK : TREE_RENAME;
    assert_int_equal(user_call(&m->stage->users[1], &move), SF_OK);
    if (is_late)
        stage_run_ms(m->stage, 5000);
    struct waiting sync = {.call = {.kind = TREE_FSYNC, .place = from}};
    assert_int_equal(user_call(m->user, &sync), SF_OK);
    struct waiting after = {.call = {.kind = TREE_LOOKUP, .place = to}};
    assert_int_equal(user_call(&m->stage->users[1], &after), SF_OK);
    assert_true(after.call.inode.mtime_ns > before.call.inode.mtime_ns);
    /* It is said once. */
    stage_run_ms(m->stage, 5000);
    assert_int_equal(user_call(m->user, &sync), SF_OK);
    before = after;
    assert_int_equal(user_call(&m->stage->users[1], &after), SF_OK);
    assert_int_equal(after.call.inode.mtime_ns, before.call.inode.mtime_ns);
}

/* -- the runs ----------------------------------------------------------------------------------- */

static void a_file_lives_as_long_as_it_has_a_name(void **state)
{
    (void)state;
    seeds_each(&seeds, run_model);
}

static void races_leave_true_counts(void **state)
{
    (void)state;
    seeds_each(&seeds, run_races);
}

static void crashes_leave_true_counts(void **state)
{
    (void)state;
    seeds_each(&seeds, run_crashes);
}

static void a_file_without_a_name_goes_with_its_user(void **state)
{
    (void)state;
    seeds_each(&seeds, run_orphans);
}

static void a_file_without_a_name_outlives_sessions(void **state)
{
    (void)state;
    seeds_each(&seeds, run_fenced);
}

static void a_file_goes_that_was_closed_unheard(void **state)
{
    (void)state;
    seeds_each(&seeds, run_cancelled);
}

static void run_both_overtaken(uint64_t seed)
{
    run_overtaken(seed, false);
    run_overtaken(seed, true);
}

static void a_file_that_got_a_name_is_no_orphan(void **state)
{
    (void)state;
    seeds_each(&seeds, run_both_overtaken);
}

static void a_further_name_costs_one_read_more(void **state)
{
    (void)state;
    run_costs(seeds.first);
}

static void the_time_of_a_change_goes_with_the_file(void **state)
{
    (void)state;
    for (unsigned shape = 0; shape < 4; shape++) {
        struct model m;
        model_open(&m, seeds.first + shape);
        run_overwritten(&m, shape & 1, shape & 2);
        stage_free(m.stage);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_further_name_costs_one_read_more),
        cmocka_unit_test(the_time_of_a_change_goes_with_the_file),
        cmocka_unit_test(a_file_lives_as_long_as_it_has_a_name),
        cmocka_unit_test(races_leave_true_counts),
        cmocka_unit_test(crashes_leave_true_counts),
        cmocka_unit_test(a_file_without_a_name_goes_with_its_user),
        cmocka_unit_test(a_file_without_a_name_outlives_sessions),
        cmocka_unit_test(a_file_goes_that_was_closed_unheard),
        cmocka_unit_test(a_file_that_got_a_name_is_no_orphan),
    };
    seeds = seeds_parse(argc, argv, 2);
    log_level_min = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

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
#include <cmocka.h>

#include "env/log.h"
#include "sim/seeds.h"
#include "tree/fsck.h"
#include "tree/hold.h"
#include "tree/links.h"

#define STEPS 300u
#define ROUNDS 25u /* of races */
#define AT_ONCE 4u /* changes, ... */
#define RACERS 2u  /* ... of so many users */
#define SETTLE_MS 3000u
#define STEPS_AT_ONCE 3u

static struct seeds seeds;

static void begin(struct links *m, uint64_t seed)
{
    links_begin(m, stage_new(seed, 3));
}

/* -- one after the other, in any weather ------------------------------------------------------- */

static void run_model(uint64_t seed)
{
    static void (*const operations[])(struct links *, unsigned) = {
        links_create, links_create, links_link,   links_link,   links_link, links_unlink,
        links_unlink, links_rename, links_rename, links_lookup, links_list, links_stat,
        links_stat,   links_write,  links_write,  links_chmod,
    };
    struct links m;
    begin(&m, seed);
    for (unsigned i = 0; i < STEPS; i++) {
        stage_maybe_storm(m.stage);
        m.user = &m.stage->users[links_draw(&m, STAGE_USERS)];
        operations[links_draw(&m, sizeof operations / sizeof *operations)](
            &m, links_draw(&m, LINKS_PLACES));
    }
    stage_await_calm(m.stage);
    for (unsigned i = 0; i < m.file_count; i++)
        links_check_byte(&m, &m.files[i]);
    for (unsigned at = 0; at < LINKS_PLACES; at++)
        links_lookup(&m, at);
    user_expect_fits(&m.stage->users[0]);
    links_remove_all(&m);
    stage_free(m.stage);
}

/* -- at once, and the one user ends in the midst of it ------------------------------------------ */

static struct waiting draw_change(struct links *m)
{
    struct tree_place place = links_place(m, links_draw(m, LINKS_PLACES)),
                      to = links_place(m, links_draw(m, LINKS_PLACES));
    unsigned what = links_draw(m, 7);
    if (what == 0 || m->file_count == 0)
        return (struct waiting){
            .call = {.kind = TREE_CREATE, .place = place, .mode = 0644, .exclusive = true}};
    if (what == 1 || what == 2)
        return (struct waiting){.call = {.kind = TREE_UNLINK, .place = place}};
    if (what == 3 || what == 4)
        return links_renaming(m, links_draw(m, LINKS_PLACES), links_draw(m, LINKS_PLACES),
                              what == 4);
    return links_linking(&m->files[links_draw(m, m->file_count)].place, &to);
}

static bool is_answer(int status)
{
    return status == SF_OK || status == SF_EXISTS || status == SF_NOT_FOUND ||
           status == SF_STALE_FILE;
}

static void race(struct links *m, bool crashes)
{
    struct waiting calls[AT_ONCE];
    unsigned left = 200 + links_draw(m, 2000);
    for (unsigned i = 0; i < AT_ONCE; i++) {
        calls[i] = draw_change(m);
        user_submit(&m->stage->users[i % RACERS], &calls[i]);
        for (unsigned n = links_draw(m, 20); n > 0; n--)
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
    struct links m;
    begin(&m, seed);
    m.user = &m.stage->users[1];
    for (unsigned i = 0; i < ROUNDS; i++) {
        bool crashes = links_draw(&m, 3) == 0;
        race(&m, crashes);
        if (crashes)
            stage_run_ms(m.stage, SETTLE_MS);
        links_learn(&m);
        links_check(&m);
    }
    user_expect_fits(&m.stage->users[0]);
    links_remove_all(&m);
    stage_free(m.stage);
}

/* -- a user who ends after every event ---------------------------------------------------------- */

/* Runs the call for so many events, then its process ends. True: it had answered before. */
static bool run_and_crash(struct links *m, struct waiting *waiting, unsigned events)
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
static void crash_at(struct links *m, unsigned to, bool links)
{
    bool finished = false;
    for (unsigned events = 0; !finished; events += 1 + links_draw(m, STEPS_AT_ONCE)) {
        struct tree_place place = links_place(m, to);
        struct waiting waiting =
            links ? links_linking(&m->entries[0]->place, &place)
                  : (struct waiting){.call = {.kind = TREE_UNLINK, .place = place}};
        finished = run_and_crash(m, &waiting, events);
        if (finished)
            assert_int_equal(waiting.status, SF_OK);
        links_learn(m);
        assert_true(!finished || (m->entries[to] != NULL) == links);
        links_check(m);
        if (finished)
            return;
        if (links && m->entries[to])
            links_unlink(m, to);
        else if (!links && !m->entries[to] && m->entries[0])
            links_link(m, to);
        else if (!links && !m->entries[to])
            links_create(m, to);
    }
}

static void run_crashes(uint64_t seed)
{
    struct links m;
    begin(&m, seed);
    m.user = &m.stage->users[1];
    links_create(&m, 0);
    crash_at(&m, 1, true);
    crash_at(&m, LINKS_NAMES, true);
    crash_at(&m, LINKS_NAMES, false);
    crash_at(&m, 1, false);
    crash_at(&m, 0, false);
    user_expect_fits(&m.stage->users[0]);
    links_remove_all(&m);
    stage_free(m.stage);
}

/* -- what it costs ------------------------------------------------------------------------------ */

static unsigned cost_of(struct links *m, struct waiting *waiting)
{
    unsigned before = hold_submitted();
    assert_int_equal(user_call(m->user, waiting), SF_OK);
    return hold_submitted() - before;
}

static unsigned cost_of_lookup(struct links *m, unsigned at)
{
    struct waiting lookup = {.call = {.kind = TREE_LOOKUP, .place = links_place(m, at)}};
    return cost_of(m, &lookup);
}

static void run_costs(uint64_t seed)
{
    struct links m;
    begin(&m, seed);
    for (unsigned at = 0; at < LINKS_PLACES; at += LINKS_NAMES) {
        links_create(&m, at);
        assert_int_equal(cost_of_lookup(&m, at), 1);
        struct tree_place before = m.entries[at]->place, to = links_place(&m, at + 1);
        struct waiting link = links_linking(&before, &to);
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
static void run_overwritten(struct links *m, bool is_link, bool is_late)
{
    static uint8_t bytes[(1u << 20) + 100];
    struct tree_place from = links_place(m, 0), to = links_place(m, 1);
    struct tree_inode made;
    assert_int_equal(user_do(m->user, TREE_CREATE, from.directory, links_names[0], &made), SF_OK);
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
    struct waiting move = links_linking(&from, &to);
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

static void a_further_name_costs_one_read_more(void **state)
{
    (void)state;
    run_costs(seeds.first);
}

static void the_time_of_a_change_goes_with_the_file(void **state)
{
    (void)state;
    for (unsigned shape = 0; shape < 4; shape++) {
        struct links m;
        begin(&m, seeds.first + shape);
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
    };
    seeds = seeds_parse(argc, argv, 2);
    log_level_min = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

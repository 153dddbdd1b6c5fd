/* Files that are open and lose their last name: they live on as long as their user, and go with it.
 *
 *   tree_orphans_test [--seeds N] [--seed FIRST]
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
#include "tree/op.h"

static struct seeds seeds;

/* -- files that are open and have no name ------------------------------------------------------- */

static bool has_open = true;

static bool is_open(struct tree_call *call, uint64_t ino)
{
    (void)call;
    (void)ino;
    return has_open;
}

/* User 0 has the file at place 0 open, and takes its only name away. */
static struct tree_place make_orphan(struct links *m)
{
    struct waiting unlink = {
        .call = {.kind = TREE_UNLINK, .place = links_place(m, 0), .is_open = is_open}};
    m->user = &m->stage->users[0];
    struct tree_place place = m->entries[0]->place;
    assert_int_equal(user_call(m->user, &unlink), SF_OK);
    assert_int_equal(unlink.call.orphan, place.ino);
    assert_int_equal(user_do(m->user, TREE_LOOKUP, place.directory, links_names[0], NULL),
                     SF_NOT_FOUND);
    m->entries[0] = NULL;
    return place;
}

static void expect_orphan(struct links *m, struct tree_place place)
{
    struct tree_place to = links_place(m, 0);
    struct waiting stat = {.call = {.kind = TREE_GETATTR, .place = place}};
    assert_int_equal(user_call(m->user, &stat), SF_OK);
    assert_int_equal(stat.call.inode.links, 0);
    struct waiting append = {
        .call = {.kind = TREE_APPEND, .place = place, .data = slice_str("more")}};
    assert_int_equal(user_call(m->user, &append), SF_OK);
    assert_int_equal(append.call.old_length, stat.call.inode.size);
    struct waiting link = links_linking(&place, &to);
    assert_int_equal(user_call(m->user, &link), SF_NOT_FOUND);
}

static void expect_gone(struct links *m, struct tree_place place)
{
    struct waiting stat = {.call = {.kind = TREE_GETATTR, .place = place}};
    m->user = &m->stage->users[1];
    assert_int_equal(user_call(m->user, &stat), SF_STALE_FILE);
    assert_false(links_has_inode_record(m->user, place.ino));
}

static void reclaim(struct links *m, struct tree_place place)
{
    struct user *user = m->user;
    tree_closed(user->tree, place.ino);
    while (tree_orphan_count(user->tree) > 0)
        assert_true(sim_step(user->cluster->sim));
    expect_gone(m, place);
}

/* In whatever shape it was when it lost its name. */
static void prepare(struct links *m, unsigned shape)
{
    struct tree_place to = links_place(m, 0);
    m->user = &m->stage->users[1];
    links_create(m, shape == 0 ? 0 : LINKS_NAMES);
    struct links_file *file = &m->files[m->file_count - 1];
    if (shape == 1) {
        struct waiting link = links_linking(&file->place, &to);
        assert_int_equal(user_call(m->user, &link), SF_OK);
        assert_int_equal(user_do(m->user, TREE_UNLINK, m->directories[1], links_names[0], NULL),
                         SF_OK);
    } else if (shape == 2) {
        struct waiting rename = {.call = {.kind = TREE_RENAME,
                                          .place = links_place(m, LINKS_NAMES),
                                          .to_directory = to.directory,
                                          .to_name = to.name}};
        assert_int_equal(user_call(m->user, &rename), SF_OK);
    }
    m->entries[LINKS_NAMES] = NULL;
    m->entries[0] = file;
    file->place = to;
    file->place.ino = file->ino;
}

#define IDLE_MS 40000u

static void run_orphans(uint64_t seed)
{
    struct links m;
    links_begin(&m, stage_new_forgetful(seed, 3, IDLE_MS));
    for (unsigned shape = 0; shape < 3; shape++) {
        prepare(&m, shape);
        struct tree_place place = make_orphan(&m);
        expect_orphan(&m, place);
        reclaim(&m, place);
        prepare(&m, shape);
        place = make_orphan(&m);
        for (unsigned i = 0; i < 3; i++) { /* nothing but the tree itself uses its session */
            stage_run_ms(m.stage, IDLE_MS);
            assert_true(links_has_inode_record(&m.stage->users[1], place.ino));
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
    struct links m;
    links_begin(&m, stage_new_forgetful(seed, 3, IDLE_MS));
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
static bool cancel_after(struct links *m, unsigned events, bool closes_first)
{
    struct waiting unlink = {
        .call = {.kind = TREE_UNLINK, .place = links_place(m, 0), .is_open = is_open}};
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
    links_learn(m);
    if (!m->entries[0])
        expect_gone(m, place);
    m->user = &m->stage->users[1];
    return unlink.done;
}

static void run_cancelled(uint64_t seed)
{
    struct links m;
    unsigned taken = 0;
    links_begin(&m, stage_new_forgetful(seed, 3, IDLE_MS));
    for (unsigned shape = 0; shape < 2; shape++) {
        bool finished = false;
        prepare(&m, shape);
        for (unsigned events = 0; !finished; events += 10 + links_draw(&m, 10)) {
            finished = cancel_after(&m, events, links_draw(&m, 2) == 0);
            taken += !m.entries[0];
            if (!m.entries[0] && !finished)
                prepare(&m, shape);
        }
    }
    assert_true(taken > 2); /* also where nobody heard of it */
    user_expect_fits(&m.stage->users[1]);
    stage_free(m.stage);
}

/* -- unknown ------------------------------------------------------------------------------------- */

/* No message of the user's arrives for so long. */
static void hold_up(const struct user *user, uint64_t ms)
{
    struct sim_node *nodes[CLUSTER_NODES_MAX];
    uint8_t classes[CLUSTER_NODES_MAX];
    size_t count = cluster_servers(user->cluster, nodes, classes);
    for (size_t i = 0; i < count; i++)
        sim_clog(user->cluster->sim, user->node, nodes[i], ms * ENV_MS_NS);
}

/* The unlink of a file that is open ends UNKNOWN, and is executed or not: it can be used while it is
 * open, and goes then, if it has no name. True: it had lost it. */
static bool unlink_unheard(struct links *m, unsigned shape)
{
    prepare(m, shape);
    struct waiting unlink = {
        .call = {.kind = TREE_UNLINK, .place = links_place(m, 0), .is_open = is_open}};
    struct user *user = &m->stage->users[0];
    struct tree_place place = m->entries[0]->place;
    user->tree->options.timeout_ms = 2000;
    user_submit(user, &unlink);
    while (!tree_call_was_sent(&unlink.call))
        assert_true(sim_step(user->cluster->sim));
    hold_up(user, 8000);
    while (!unlink.done)
        assert_true(sim_step(user->cluster->sim));
    assert_int_equal(unlink.status, SF_UNKNOWN);
    user->tree->options.timeout_ms = 0;
    stage_run_ms(m->stage, 20000);
    links_learn(m);
    m->user = user;
    bool is_gone = !m->entries[0];
    if (is_gone) {
        stage_run_ms(m->stage, 2 * IDLE_MS);
        expect_orphan(m, place);
    }
    tree_closed(user->tree, place.ino);
    while (tree_orphan_count(user->tree) > 0)
        stage_run_ms(m->stage, IDLE_MS / 10);
    if (is_gone)
        expect_gone(m, place);
    m->user = &m->stage->users[1];
    return is_gone;
}

static void run_unknown(uint64_t seed)
{
    struct links m;
    unsigned gone = 0;
    links_begin(&m, stage_new_forgetful(seed, 3, IDLE_MS));
    for (unsigned shape = 0; shape < 3; shape++) {
        gone += unlink_unheard(&m, shape);
        if (m.entries[0])
            assert_int_equal(
                user_do(m.user, TREE_UNLINK, links_place(&m, 0).directory, links_names[0], NULL),
                SF_OK);
        m.entries[0] = NULL;
    }
    assert_true(gone > 0);
    user_expect_fits(&m.stage->users[1]);
    stage_free(m.stage);
}

/* -- overtaken ----------------------------------------------------------------------------------- */

static void expect_names(struct links *m, unsigned at)
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
    links_lookup(m, at);
    links_check(m);
}

/* User 0 has the file at 'b' open and replaces it; meanwhile user 1 moves that to 'c', and makes 'b'
 * a name of what is to replace it. So nothing is replaced, and the open file has its names. */
static void run_overtaken(uint64_t seed, bool has_two_names)
{
    struct links m;
    links_begin(&m, stage_new_forgetful(seed, 3, IDLE_MS));
    m.user = &m.stage->users[1];
    links_create(&m, 0);
    links_create(&m, 1);
    struct waiting rename = links_renaming(&m, 0, 1, false),
                   moves = links_renaming(&m, 1, 2, false);
    struct tree_place b = links_place(&m, 1), d = links_place(&m, 3);
    struct waiting links = links_linking(&m.entries[0]->place, &b);
    rename.call.is_open = is_open;
    hold_submit(&m.stage->users[0], &rename);
    assert_int_equal(user_call(m.user, &moves), SF_OK);
    assert_int_equal(user_call(m.user, &links), SF_OK);
    links_learn(&m);
    links = links_linking(&m.entries[2]->place, &d);
    if (has_two_names)
        assert_int_equal(user_call(m.user, &links), SF_OK);
    assert_int_equal(hold_let_go(&m.stage->users[0], &rename), SF_OK);
    assert_int_equal(rename.call.orphan, 0);
    links_learn(&m);
    assert_int_equal(m.entries[2]->names, has_two_names ? 2 : 1);
    expect_names(&m, 2);
    user_expect_fits(&m.stage->users[0]);
    stage_free(m.stage);
}

/* -- the runs ----------------------------------------------------------------------------------- */

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

static void a_file_is_kept_whose_unlink_ends_unknown(void **state)
{
    (void)state;
    seeds_each(&seeds, run_unknown);
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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_without_a_name_goes_with_its_user),
        cmocka_unit_test(a_file_without_a_name_outlives_sessions),
        cmocka_unit_test(a_file_goes_that_was_closed_unheard),
        cmocka_unit_test(a_file_is_kept_whose_unlink_ends_unknown),
        cmocka_unit_test(a_file_that_got_a_name_is_no_orphan),
    };
    seeds = seeds_parse(argc, argv, 2);
    log_level_min = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Names that do not mean what they should: to the caller, who asks for an inode that is not there;
 * between what a call reads and its minitransaction; or by a damaged record of where a file lives.
 *
 *   tree_stale_test [--seed FIRST]
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
#include "tree/op.h"

static struct seeds seeds;

struct scene {
    struct stage *stage;
    struct user *user, *other;
    uint64_t in; /* the directory that all of it is in */
};

static struct scene scene_open(void)
{
    struct stage *stage = stage_new(seeds.first, 3);
    struct scene scene = {.stage = stage, .user = &stage->users[0], .other = &stage->users[1]};
    struct tree_inode made;
    assert_int_equal(user_do(scene.user, TREE_MKDIR, TREE_ROOT, "in", &made), SF_OK);
    scene.in = made.ino;
    return scene;
}

static void scene_close(struct scene *scene)
{
    user_expect_fits(scene->user);
    stage_free(scene->stage);
}

static uint64_t make(struct scene *scene, enum tree_kind kind, uint64_t in, const char *name)
{
    struct tree_inode made;
    assert_int_equal(user_do(scene->other, kind, in, name, &made), SF_OK);
    return made.ino;
}

static struct waiting renaming(const struct scene *scene, const char *from, const char *to)
{
    return (struct waiting){.call = {.kind = TREE_RENAME,
                                     .place = place_of(scene->in, from),
                                     .to_directory = scene->in,
                                     .to_name = slice_str(to)}};
}

static void moves(struct scene *scene, const char *from, const char *to)
{
    struct waiting rename = renaming(scene, from, to);
    assert_int_equal(user_call(scene->other, &rename), SF_OK);
}

/* 0: nothing is there. */
static uint64_t ino_at(struct scene *scene, const char *name)
{
    struct tree_inode found = {.ino = 0};
    int status = user_do(scene->user, TREE_LOOKUP, scene->in, name, &found);
    assert_true(status == SF_OK || status == SF_NOT_FOUND);
    return status == SF_OK ? found.ino : 0;
}

/* -- who asks for an inode -------------------------------------------------------------------- */

struct asked {
    const char *from, *to;
    char from_ino, to_ino; /* that of the directory of this name; 0: not said */
    bool exchange;
    int status;
};

/* 'a' and 'b' are empty directories, nothing is at 'c'. */
static const struct asked refused[] = {
    {"a", "b", 'b', 0, false, SF_STALE_FILE},   {"a", "b", 'a', 'a', false, SF_STALE_FILE},
    {"a", "b", 0, 'a', false, SF_STALE_FILE},   {"a", "c", 'b', 0, false, SF_STALE_FILE},
    {"a", "c", 'a', 'b', false, SF_STALE_FILE}, {"a", "c", 0, 'b', false, SF_STALE_FILE},
    {"a", "b", 'b', 0, true, SF_STALE_FILE},    {"a", "b", 'b', 'a', true, SF_STALE_FILE},
    {"a", "b", 'a', 'a', true, SF_STALE_FILE},  {"a", "b", 0, 'a', true, SF_STALE_FILE},
    {"a", "c", 'a', 'b', true, SF_NOT_FOUND},   {"c", "a", 'b', 0, false, SF_NOT_FOUND},
};

static void a_rename_moves_only_what_was_meant(void **state)
{
    struct scene scene = scene_open();
    uint64_t a = make(&scene, TREE_MKDIR, scene.in, "a");
    uint64_t b = make(&scene, TREE_MKDIR, scene.in, "b");
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const struct asked *asked = &refused[i];
        struct waiting rename = renaming(&scene, asked->from, asked->to);
        rename.call.exchange = asked->exchange;
        rename.call.place.ino = asked->from_ino == 'a' ? a : asked->from_ino == 'b' ? b : 0;
        rename.call.to_ino = asked->to_ino == 'a' ? a : asked->to_ino == 'b' ? b : 0;
        print_message("  %s to %s, row %zu\n", asked->from, asked->to, i);
        assert_int_equal(user_call(scene.user, &rename), asked->status);
        assert_true(ino_at(&scene, "a") == a && ino_at(&scene, "b") == b);
        assert_true(ino_at(&scene, "c") == 0);
    }
    struct waiting rename = renaming(&scene, "a", "b");
    rename.call.exchange = true;
    rename.call.place.ino = a;
    rename.call.to_ino = b;
    assert_int_equal(user_call(scene.user, &rename), SF_OK);
    assert_true(ino_at(&scene, "a") == b && ino_at(&scene, "b") == a);
    rename.call.exchange = false;
    rename.call.place.ino = b;
    rename.call.to_ino = a;
    assert_int_equal(user_call(scene.user, &rename), SF_OK);
    assert_true(ino_at(&scene, "a") == 0 && ino_at(&scene, "b") == b);
    scene_close(&scene);
}

/* -- between reading and changing -------------------------------------------------------------- */

static struct waiting removing(const struct scene *scene, const char *name)
{
    return (struct waiting){.call = {.kind = TREE_RMDIR, .place = place_of(scene->in, name)}};
}

/* User 0 removes the empty directory 'd'. Meanwhile another moves it to 'e' and fills it. */
static void a_directory_that_was_filled_elsewhere_is_in_nobodys_way(void **state)
{
    struct scene scene = scene_open();
    (void)state;
    for (unsigned again = 0; again < 2; again++) { /* another one comes to its name, or not */
        struct waiting rmdir = removing(&scene, "d");
        uint64_t d = make(&scene, TREE_MKDIR, scene.in, "d");
        hold_submit(scene.user, &rmdir);
        moves(&scene, "d", again ? "f" : "e");
        make(&scene, TREE_CREATE, d, "file");
        uint64_t other = again ? make(&scene, TREE_MKDIR, scene.in, "d") : 0;
        assert_int_equal(hold_let_go(scene.user, &rmdir), again ? SF_OK : SF_NOT_FOUND);
        assert_true(!again || rmdir.call.inode.ino == other);
        assert_true(ino_at(&scene, "d") == 0 && ino_at(&scene, again ? "f" : "e") == d);
    }
    scene_close(&scene);
}

/* The same with a directory that comes over it. */
static void nor_in_that_of_one_that_comes_to_its_name(void **state)
{
    struct scene scene = scene_open();
    (void)state;
    for (unsigned again = 0; again < 2; again++) {
        struct waiting rename = renaming(&scene, "s", "d");
        uint64_t s = make(&scene, TREE_MKDIR, scene.in, "s");
        uint64_t d = again ? ino_at(&scene, "d") : make(&scene, TREE_MKDIR, scene.in, "d");
        hold_submit(scene.user, &rename);
        moves(&scene, "d", again ? "f" : "e");
        make(&scene, TREE_CREATE, d, "file");
        uint64_t other = again ? make(&scene, TREE_MKDIR, scene.in, "d") : 0;
        assert_int_equal(hold_let_go(scene.user, &rename), SF_OK);
        assert_int_equal(rename.call.target_ino, other);
        assert_true(ino_at(&scene, "s") == 0 && ino_at(&scene, "d") == s);
        assert_true(ino_at(&scene, again ? "f" : "e") == d);
    }
    scene_close(&scene);
}

/* It is where it was: then it is in the way. */
static void a_directory_that_was_filled_stays(void **state)
{
    struct scene scene = scene_open();
    (void)state;
    for (unsigned renames = 0; renames < 2; renames++) {
        const char *name = renames ? "e" : "d";
        struct waiting change = renames ? renaming(&scene, "s", name) : removing(&scene, name);
        uint64_t d = make(&scene, TREE_MKDIR, scene.in, name);
        uint64_t s = renames ? make(&scene, TREE_MKDIR, scene.in, "s") : 0;
        hold_submit(scene.user, &change);
        make(&scene, TREE_CREATE, d, "file");
        assert_int_equal(hold_let_go(scene.user, &change), SF_NOT_EMPTY);
        assert_true(ino_at(&scene, name) == d && ino_at(&scene, "s") == s);
    }
    scene_close(&scene);
}

/* It is full when user 0 tries; when he tries again another has emptied it, and is about to remove it,
 * so many events ago: its own record may be gone already, and its entry not yet. */
static void a_directory_that_was_full_and_goes_is_no_damage(void **state)
{
    struct scene scene = scene_open();
    (void)state;
    for (unsigned events = 0; events < 120; events++) {
        bool renames = events % 2 == 1;
        struct waiting change = renames ? renaming(&scene, "s", "d") : removing(&scene, "d");
        struct waiting other = removing(&scene, "d");
        uint64_t d = make(&scene, TREE_MKDIR, scene.in, "d");
        if (renames)
            make(&scene, TREE_MKDIR, scene.in, "s");
        make(&scene, TREE_CREATE, d, "file");
        hold_submit(scene.user, &change);
        hold_go_on(scene.user);
        assert_int_equal(user_do(scene.other, TREE_UNLINK, d, "file", NULL), SF_OK);
        user_submit(scene.other, &other);
        for (unsigned i = 0; i < events; i++)
            assert_true(sim_step(scene.stage->cluster->sim));
        int status = hold_let_go(scene.user, &change);
        assert_true(status == SF_OK || (status == SF_NOT_FOUND && !renames));
        stage_run_ms(scene.stage, 1000);
        assert_true(other.done && (other.status == SF_OK || other.status == SF_NOT_FOUND));
        if (renames && ino_at(&scene, "d") != 0)
            assert_int_equal(user_do(scene.user, TREE_RMDIR, scene.in, "d", NULL), SF_OK);
    }
    scene_close(&scene);
}

/* -- a directory that is read at once with its name ------------------------------------------- */

static struct waiting looking_up(uint64_t in, const char *name, uint64_t guess)
{
    return (struct waiting){
        .call = {.kind = TREE_LOOKUP, .place = place_of(in, name), .guess = guess}};
}

static void a_guess_changes_no_answer(void **state)
{
    struct scene scene = scene_open();
    uint64_t d = make(&scene, TREE_MKDIR, scene.in, "d");
    uint64_t other = make(&scene, TREE_MKDIR, scene.in, "other");
    uint64_t file = make(&scene, TREE_CREATE, scene.in, "file");
    const uint64_t guesses[] = {0, d, other, file, d + 1000000};
    (void)state;
    for (size_t i = 0; i < sizeof guesses / sizeof *guesses; i++) {
        struct waiting waiting = looking_up(scene.in, "d", guesses[i]);
        assert_int_equal(user_call(scene.user, &waiting), SF_OK);
        assert_true(waiting.call.inode.ino == d && waiting.call.inode.parent == scene.in);
        waiting = looking_up(scene.in, "file", guesses[i]);
        assert_int_equal(user_call(scene.user, &waiting), SF_OK);
        assert_true(waiting.call.inode.ino == file);
        waiting = looking_up(scene.in, "d", guesses[i]);
        user_submit(scene.user, &waiting);
        tree_cancel(&waiting.call);
        waiting = looking_up(scene.in, "nothing", guesses[i]);
        assert_int_equal(user_call(scene.user, &waiting), SF_NOT_FOUND);
    }
    scene_close(&scene);
}

/* Its own record was read, and then its name. */
static void what_changes_between_its_record_and_its_name(void **state)
{
    struct scene scene = scene_open();
    uint64_t to = make(&scene, TREE_MKDIR, scene.in, "to");
    uint64_t d = make(&scene, TREE_MKDIR, scene.in, "d");
    struct waiting lookup = looking_up(to, "came", d), rename = renaming(&scene, "d", "came");
    (void)state;
    rename.call.to_directory = to;
    hold_submit_read(scene.user, &lookup);
    stage_run_ms(scene.stage, 1000);
    assert_int_equal(user_call(scene.other, &rename), SF_OK);
    assert_int_equal(hold_let_go(scene.user, &lookup), SF_OK);
    assert_true(lookup.call.inode.ino == d && lookup.call.inode.parent == to);

    struct waiting gone = looking_up(to, "came", d);
    hold_submit_read(scene.user, &gone);
    stage_run_ms(scene.stage, 1000);
    assert_int_equal(user_do(scene.other, TREE_RMDIR, to, "came", NULL), SF_OK);
    assert_int_equal(hold_let_go(scene.user, &gone), SF_NOT_FOUND);
    scene_close(&scene);
}

/* -- what is answered for two names ------------------------------------------------------------- */

/* A rename would change nothing, as things are. Before it says so, another takes away what is in its
 * way: then it is done. */
static void an_answer_for_two_names_is_of_one_moment(void **state)
{
    struct scene scene = scene_open();
    static const enum tree_kind kinds[][3] = {
        {TREE_CREATE, TREE_CREATE, TREE_UNLINK}, /* EXISTS */
        {TREE_CREATE, TREE_MKDIR, TREE_RMDIR},   /* IS_DIRECTORY */
        {TREE_MKDIR, TREE_CREATE, TREE_UNLINK},  /* NOT_DIRECTORY */
        {TREE_CREATE, TREE_LINK, TREE_UNLINK},   /* two names of one file */
    };
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t a = make(&scene, kinds[i][0], scene.in, "a");
        struct waiting rename = renaming(&scene, "a", "b"), link = rename;
        rename.call.no_replace = i == 0;
        link.call.kind = TREE_LINK;
        link.call.place.ino = a;
        if (kinds[i][1] == TREE_LINK)
            assert_int_equal(user_call(scene.other, &link), SF_OK);
        else
            make(&scene, kinds[i][1], scene.in, "b");
        hold_submit(scene.user, &rename);
        assert_int_equal(user_do(scene.other, kinds[i][2], scene.in, "b", NULL), SF_OK);
        assert_int_equal(hold_let_go(scene.user, &rename), SF_OK);
        assert_true(ino_at(&scene, "a") == 0 && ino_at(&scene, "b") == a);
        assert_int_equal(user_do(scene.user, kinds[i][0] == TREE_MKDIR ? TREE_RMDIR : TREE_UNLINK,
                                 scene.in, "b", NULL),
                         SF_OK);
    }
    scene_close(&scene);
}

/* -- what was seen last ------------------------------------------------------------------------ */

static int status_at(struct scene *scene, struct user *user, enum tree_kind kind, const char *name)
{
    return user_do(user, kind, scene->in, name, NULL);
}

/* User 0 has seen the file 'f'; then another does this, and user 0 removes 'f'. */
static void other_rewrites(struct scene *scene, uint64_t ino)
{
    struct waiting write = {
        .call = {.kind = TREE_WRITE, .place = place_of(scene->in, "f"), .data = slice_str("text")}};
    write.call.place.ino = ino;
    assert_int_equal(user_call(scene->other, &write), SF_OK);
}

static void other_replaces(struct scene *scene, uint64_t ino)
{
    (void)ino;
    assert_int_equal(status_at(scene, scene->other, TREE_UNLINK, "f"), SF_OK);
    make(scene, TREE_CREATE, scene->in, "f");
}

static void other_moves_and_back(struct scene *scene, uint64_t ino)
{
    (void)ino;
    moves(scene, "f", "g");
    moves(scene, "g", "f");
}

static void other_links(struct scene *scene, uint64_t ino)
{
    struct waiting link = {.call = {.kind = TREE_LINK,
                                    .place = place_of(scene->in, "f"),
                                    .to_directory = scene->in,
                                    .to_name = slice_str("second")}};
    link.call.place.ino = ino;
    if (ino_at(scene, "second") != 0)
        link.call.to_name = slice_str("third");
    assert_int_equal(user_call(scene->other, &link), SF_OK);
}

static void other_unlinks_second(struct scene *scene, uint64_t ino)
{
    (void)ino;
    assert_int_equal(status_at(scene, scene->other, TREE_UNLINK, "second"), SF_OK);
}

static void other_removes(struct scene *scene, uint64_t ino)
{
    (void)ino;
    assert_int_equal(status_at(scene, scene->other, TREE_UNLINK, "f"), SF_OK);
}

static void other_puts_a_directory(struct scene *scene, uint64_t ino)
{
    other_removes(scene, ino);
    make(scene, TREE_MKDIR, scene->in, "f");
}

static const struct {
    bool has_second; /* name of the file, when user 0 sees it */
    void (*does)(struct scene *scene, uint64_t ino);
    int status;
} behind_ones_back[] = {
    {false, other_rewrites, SF_OK},       {false, other_replaces, SF_OK},
    {false, other_moves_and_back, SF_OK}, {false, other_links, SF_OK},
    {false, other_removes, SF_NOT_FOUND}, {false, other_puts_a_directory, SF_IS_DIRECTORY},
    {true, other_rewrites, SF_OK},        {true, other_links, SF_OK},
    {true, other_unlinks_second, SF_OK},  {true, other_replaces, SF_OK},
    {true, other_removes, SF_NOT_FOUND},
};

static void an_unlink_removes_what_is_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof behind_ones_back / sizeof *behind_ones_back; i++) {
        struct scene scene = scene_open();
        print_message("  unlink, row %zu\n", i);
        uint64_t ino = make(&scene, TREE_CREATE, scene.in, "f");
        if (behind_ones_back[i].has_second)
            other_links(&scene, ino);
        assert_true(ino_at(&scene, "f") == ino);
        behind_ones_back[i].does(&scene, ino);
        int status = status_at(&scene, scene.user, TREE_UNLINK, "f");
        assert_int_equal(status, behind_ones_back[i].status);
        assert_true((ino_at(&scene, "f") != 0) == (status == SF_IS_DIRECTORY));
        scene_close(&scene);
    }
}

/* -- attributes that are changed as they were seen last */

static int set(struct user *user, const struct scene *scene, uint64_t ino, struct tree_call values)
{
    struct waiting waiting = {.call = values};
    waiting.call.kind = TREE_SETATTR;
    waiting.call.place = place_of(scene->in, "f");
    waiting.call.place.ino = ino;
    return user_call(user, &waiting);
}

static struct tree_call xattr_of(unsigned change, enum tree_xattr_must must)
{
    return (struct tree_call){.set = change,
                              .xattr = slice_str("user.a"),
                              .xattr_must = must,
                              .data = slice_str("value")};
}

static void attributes_keep_what_others_set(void **state)
{
    struct scene scene = scene_open();
    struct tree_inode found;
    const struct tree_call owner = {.set = TREE_SET_OWNER, .uid = 7, .gid = 8};
    const struct tree_call mode = {.set = TREE_SET_MODE, .mode = 0600};
    (void)state;
    assert_int_equal(user_do(scene.user, TREE_CREATE, scene.in, "f", &found), SF_OK);
    uint64_t f = found.ino;
    assert_int_equal(set(scene.other, &scene, f, mode), SF_OK);
    assert_int_equal(set(scene.user, &scene, f, owner), SF_OK);
    assert_int_equal(user_do(scene.other, TREE_LOOKUP, scene.in, "f", &found), SF_OK);
    assert_true((found.mode & 07777) == 0600 && found.uid == 7 && found.gid == 8);

    /* Refused only by what is there now. */
    struct tree_call add = xattr_of(TREE_SET_XATTR, TREE_XATTR_ABSENT);
    struct tree_call replace = xattr_of(TREE_SET_XATTR, TREE_XATTR_THERE);
    struct tree_call remove = xattr_of(TREE_REMOVE_XATTR, TREE_XATTR_ANY);
    assert_int_equal(set(scene.other, &scene, f, add), SF_OK);
    assert_int_equal(set(scene.user, &scene, f, add), SF_EXISTS);
    assert_int_equal(set(scene.other, &scene, f, remove), SF_OK);
    assert_int_equal(set(scene.user, &scene, f, replace), SF_NO_XATTR);
    assert_int_equal(set(scene.other, &scene, f, add), SF_OK);
    assert_int_equal(set(scene.user, &scene, f, remove), SF_OK);

    other_replaces(&scene, f);
    assert_int_equal(set(scene.user, &scene, f, owner), SF_STALE_FILE);
    scene_close(&scene);
}

/* -- where a file lives ------------------------------------------------------------------------ */

static bool has_inode_record(struct scene *scene, uint64_t ino)
{
    struct key key;
    key_of_inode(ino, &key);
    return user_has_record(scene->user, key.space, key_slice(&key));
}

/* A file at 'f': it has moved, and the record that says so is missing; or it has not, and there is
 * one. */
static uint64_t make_damaged(struct scene *scene, bool is_missing)
{
    uint64_t ino = make(scene, TREE_CREATE, scene->in, is_missing ? "old" : "f");
    uint8_t bytes[REFERENCE_BYTES_MAX];
    struct key inode, at;
    struct kv_op op;
    key_of_inode(ino, &inode);
    if (is_missing) {
        moves(scene, "old", "f");
        op_kv(&op, KV_DELETE, &inode);
        op.pre = (struct kv_pre){KV_PRE_CREATED, ino};
        op.flags = KV_ANY_KIND;
    } else {
        assert_int_equal(key_of_entry(scene->in, slice_str("f"), &at), SF_OK);
        op_kv(&op, KV_PUT, &inode);
        op.record_kind = RECORD_REFERENCE;
        op.created = ino;
        op.flags = KV_HAS_CREATED;
        op.data = key_reference(&at, bytes);
    }
    assert_int_equal(user_raw(scene->user, &op, NULL), SF_OK);
    assert_int_equal(has_inode_record(scene, ino), !is_missing);
    return ino;
}

static bool is_open(struct tree_call *call, uint64_t ino)
{
    (void)ino;
    return call->ctx != NULL;
}

static void drops(struct scene *scene, struct waiting *waiting, bool opens)
{
    for (unsigned missing = 0; missing < 2; missing++) {
        uint64_t ino = make_damaged(scene, missing);
        if (waiting->call.kind == TREE_RENAME)
            make(scene, TREE_CREATE, scene->in, "s");
        waiting->call.is_open = is_open;
        waiting->call.ctx = opens ? scene : NULL;
        assert_int_equal(user_call(scene->user, waiting), SF_OK);
        assert_int_equal(waiting->call.orphan, opens ? ino : 0);
        assert_int_equal(has_inode_record(scene, ino), opens);
        tree_closed(scene->user->tree, ino);
        while (tree_orphan_count(scene->user->tree) > 0)
            assert_true(sim_step(scene->stage->cluster->sim));
        assert_false(has_inode_record(scene, ino));
        if (waiting->call.kind == TREE_RENAME)
            assert_int_equal(user_do(scene->user, TREE_UNLINK, scene->in, "f", NULL), SF_OK);
    }
}

static void a_file_goes_whatever_is_said_of_its_place(void **state)
{
    struct scene scene = scene_open();
    struct waiting unlink = {.call = {.kind = TREE_UNLINK, .place = place_of(scene.in, "f")}};
    struct waiting rename = renaming(&scene, "s", "f");
    (void)state;
    drops(&scene, &unlink, false);
    drops(&scene, &unlink, true);
    drops(&scene, &rename, false);
    drops(&scene, &rename, true);
    scene_close(&scene);
}

static void and_gets_another_name_or_a_second(void **state)
{
    struct scene scene = scene_open();
    (void)state;
    for (unsigned shape = 0; shape < 4; shape++) {
        uint64_t ino = make_damaged(&scene, shape & 1);
        struct waiting call = renaming(&scene, "f", "g");
        call.call.kind = shape & 2 ? TREE_LINK : TREE_RENAME;
        call.call.place.ino = ino;
        assert_int_equal(user_call(scene.user, &call), SF_OK);
        assert_true(ino_at(&scene, "g") == ino && ino_at(&scene, "f") == (shape & 2 ? ino : 0));
        user_expect_fits(scene.user);
        assert_int_equal(user_do(scene.user, TREE_UNLINK, scene.in, "g", NULL), SF_OK);
        if (shape & 2)
            assert_int_equal(user_do(scene.user, TREE_UNLINK, scene.in, "f", NULL), SF_OK);
        assert_false(has_inode_record(&scene, ino));
    }
    scene_close(&scene);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rename_moves_only_what_was_meant),
        cmocka_unit_test(a_directory_that_was_filled_elsewhere_is_in_nobodys_way),
        cmocka_unit_test(nor_in_that_of_one_that_comes_to_its_name),
        cmocka_unit_test(a_directory_that_was_filled_stays),
        cmocka_unit_test(a_directory_that_was_full_and_goes_is_no_damage),
        cmocka_unit_test(a_guess_changes_no_answer),
        cmocka_unit_test(what_changes_between_its_record_and_its_name),
        cmocka_unit_test(an_answer_for_two_names_is_of_one_moment),
        cmocka_unit_test(an_unlink_removes_what_is_there),
        cmocka_unit_test(attributes_keep_what_others_set),
        cmocka_unit_test(a_file_goes_whatever_is_said_of_its_place),
        cmocka_unit_test(and_gets_another_name_or_a_second),
    };
    seeds = seeds_parse(argc, argv, 1);
    log_level_min = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The inodes that the kernel knows: lookup counts, and the place of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "mount/nodes.h"

static const struct tree_inode file = {.ino = 70, .mode = S_IFREG | 0644};

static struct node *see(struct nodes *nodes, const struct tree_inode *inode, uint64_t directory,
                        const char *name, uint64_t asked)
{
    struct node_place place = {directory, slice_str(name), asked, false};
    return nodes_remember(nodes, inode, &place);
}

static void expect_place(const struct node *node, uint64_t directory, const char *name)
{
    struct tree_place place = nodes_place(node);
    assert_int_equal(place.directory, directory);
    assert_true(slice_equal(place.name, slice_str(name)));
}

static void a_node_lives_as_long_as_it_is_counted(void **state)
{
    struct nodes nodes;
    (void)state;
    nodes_init(&nodes);
    struct node *node = see(&nodes, &file, 5, "a", 1);
    assert_ptr_equal(see(&nodes, &file, 5, "a", 2), node);
    assert_ptr_equal(nodes_at(&nodes, nodes_id(&nodes, node)), node);
    nodes_forget(&nodes, node, 1);
    assert_int_equal(node->lookups, 1);
    nodes_forget(&nodes, node, 1);
    assert_null(nodes.by_ino);
    node = see(&nodes, &file, 5, "a", 3);
    nodes_forget(&nodes, node, 100); /* more than it was given: all */
    assert_null(nodes.by_ino);
    see(&nodes, &file, 5, "a", 4);
    nodes_deinit(&nodes);
}

static uint64_t forgotten;

static void on_forgotten(struct nodes *nodes, uint64_t ino)
{
    (void)nodes;
    forgotten = ino;
}

static void what_is_opened_unheard_may_be_open_until_it_is_forgotten(void **state)
{
    static const uint32_t types[] = {S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFREG, S_IFLNK};
    struct nodes nodes;
    (void)state;
    nodes_init(&nodes);
    nodes.on_forgotten = on_forgotten;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const struct tree_inode inode = {.ino = 80 + i, .mode = types[i] | 0644};
        bool unheard = i < 4;
        struct node *node = see(&nodes, &inode, 5, "a", 1);
        see(&nodes, &inode, 5, "a", 2);
        assert_int_equal(nodes_may_be_open(node), unheard);
        forgotten = 0;
        nodes_forget(&nodes, node, 1);
        assert_int_equal(forgotten, 0);
        node->opens++;
        assert_true(nodes_may_be_open(node));
        node->opens--;
        nodes_forget(&nodes, node, 1);
        assert_int_equal(forgotten, unheard ? inode.ino : 0);
    }
    nodes_deinit(&nodes);
}

static void the_root_is_always_there(void **state)
{
    struct nodes nodes;
    (void)state;
    nodes_init(&nodes);
    struct node *root = nodes_at(&nodes, 1);
    assert_int_equal(root->ino, TREE_ROOT);
    assert_int_equal(nodes_id(&nodes, root), 1);
    nodes_forget(&nodes, root, 1000);
    assert_true(nodes_place(root).is_directory);
    nodes_deinit(&nodes);
}

static void the_directory_at_a_place_is_what_was_found_there_last(void **state)
{
    static const struct tree_inode dir = {.ino = 80, .mode = S_IFDIR | 0755};
    static const struct tree_inode other = {.ino = 81, .mode = S_IFDIR | 0755};
    struct node_place nothing = {5, slice_str("moved"), 0, false};
    struct nodes nodes;
    (void)state;
    nodes_init(&nodes);
    see(&nodes, &dir, 5, "d", 1);
    assert_int_equal(nodes_directory_at(&nodes, 5, slice_str("d")), 80);
    assert_int_equal(nodes_directory_at(&nodes, 6, slice_str("d")), 0);
    see(&nodes, &dir, 5, "moved", 2);
    assert_int_equal(nodes_directory_at(&nodes, 5, slice_str("d")), 0);
    assert_int_equal(nodes_directory_at(&nodes, 5, slice_str("moved")), 80);
    see(&nodes, &other, 5, "moved", 3);
    assert_int_equal(nodes_directory_at(&nodes, 5, slice_str("moved")), 81);
    see(&nodes, &file, 5, "moved", 4);
    assert_int_equal(nodes_directory_at(&nodes, 5, slice_str("moved")), 0);
    see(&nodes, &dir, 5, "moved", 5);
    see(&nodes, &file, 5, "moved", 6); /* where it had been seen before */
    assert_int_equal(nodes_directory_at(&nodes, 5, slice_str("moved")), 0);
    see(&nodes, &dir, 5, "moved", 8);
    see(&nodes, &file, 5, "moved", 7);
    see(&nodes, &other, 5, "moved", 7);
    nothing.asked = 7;
    nodes_vacate(&nodes, &nothing);
    assert_int_equal(nodes_directory_at(&nodes, 5, slice_str("moved")), 80);
    nothing.asked = 9;
    nodes_vacate(&nodes, &nothing);
    assert_int_equal(nodes_directory_at(&nodes, 5, slice_str("moved")), 0);
    nodes_deinit(&nodes);
}

static void an_older_question_moves_no_node(void **state)
{
    struct nodes nodes;
    (void)state;
    nodes_init(&nodes);
    struct node *node = see(&nodes, &file, 5, "a", 10);
    struct node_place moved = {6, slice_str("a much longer name"), 20, false};
    nodes_moved(&nodes, file.ino, &moved);
    expect_place(node, 6, "a much longer name");
    see(&nodes, &file, 5, "a", 15); /* a look-up that was sent before the rename was answered */
    expect_place(node, 6, "a much longer name");
    see(&nodes, &file, 7, "c", 21); /* another mount moved it since */
    expect_place(node, 7, "c");
    see(&nodes, &file, 7, "c", 22);
    moved.asked = 21;
    nodes_moved(&nodes, file.ino, &moved);
    expect_place(node, 7, "c");
    nodes_moved(&nodes, 999, &moved); /* one that the kernel does not know */
    nodes_moved(&nodes, file.ino, &(struct node_place){.asked = 23, .is_apart = true});
    expect_place(node, 7, "c"); /* it has no one place any more */
    assert_true(node->is_apart);
    nodes_deinit(&nodes);
}

static void a_place_may_be_the_nodes_own(void **state)
{
    struct nodes nodes;
    (void)state;
    nodes_init(&nodes);
    struct node *node = see(&nodes, &file, 5, "abc", 1);
    struct node_place part = {5, slice_of((const uint8_t *)node->name + 1, 2), 2, false};
    nodes_moved(&nodes, file.ino, &part);
    expect_place(node, 5, "bc");
    nodes_deinit(&nodes);
}

static void privileges_are_seen(void **state)
{
    static const struct {
        uint32_t mode;
        bool privileged;
    } cases[] = {{S_IFREG | 0755, false},
                 {S_IFREG | S_ISUID | 0644, true},
                 {S_IFREG | S_ISGID | 0755, true},
                 {S_IFREG | S_ISGID | 0644, false}, /* mandatory locking, once */
                 {S_IFDIR | S_ISGID | 0755, false}};
    struct node node = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct tree_inode inode = {.mode = cases[i].mode, .gid = 9};
        nodes_see(&node, &inode);
        assert_int_equal(node.is_privileged, cases[i].privileged);
        assert_int_equal(node.gives_group, S_ISDIR(cases[i].mode));
        assert_int_equal(node.gid, 9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_lives_as_long_as_it_is_counted),
        cmocka_unit_test(what_is_opened_unheard_may_be_open_until_it_is_forgotten),
        cmocka_unit_test(the_root_is_always_there),
        cmocka_unit_test(the_directory_at_a_place_is_what_was_found_there_last),
        cmocka_unit_test(an_older_question_moves_no_node),
        cmocka_unit_test(a_place_may_be_the_nodes_own),
        cmocka_unit_test(privileges_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Names of the root and keys correspond one to one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tree/op.h"

static void assert_pair(struct slice key, const char *name)
{
    char shown[TREE_NAME_BYTES_MAX + 1];
    uint8_t read[TREE_NAME_BYTES_MAX];
    size_t n;
    assert_true(tree_name_of_key(key, shown));
    assert_string_equal(shown, name);
    assert_int_equal(tree_key_of_name(slice_str(name), read, &n), SF_OK);
    assert_true(slice_equal(slice_of(read, n), key));
}

static void the_escapes_of_the_design(void **state)
{
    (void)state;
    assert_pair(slice_str("color"), "color");
    assert_pair(slice_str("a/b"), "a%2Fb");
    assert_pair(slice_of("a\0b", 3), "a%00b");
    assert_pair(slice_str("."), "%2E");
    assert_pair(slice_str(".."), "%2E%2E");
    assert_pair(slice_str("100%"), "100%");
    assert_pair(slice_str("%41"), "%41");
    assert_pair(slice_str("a%2Fb"), "a%252Fb");
    assert_pair(slice_str("a%252Fb"), "a%25252Fb");
    assert_pair(slice_str("%2E"), "%252E");
    assert_pair(slice_str("%2E%2E"), "%252E%2E");
    assert_pair(slice_str("a%2E"), "a%2E");
    assert_pair(slice_str("%25"), "%25");
    assert_pair(slice_str("..."), "...");
}

/* Every string over a small, nasty alphabet. */
static void every_name_is_one_key_and_every_key_one_name(void **state)
{
    static const char *pieces[] = {"%", "25", "2F", "2E", "00", ".", "a", "2"};
    (void)state;
    for (unsigned number = 0; number < 8u * 8 * 8 * 8 * 8 * 8; number++) {
        char text[32] = "", shown[TREE_NAME_BYTES_MAX + 1];
        uint8_t key[TREE_NAME_BYTES_MAX];
        size_t n;
        for (unsigned rest = number, i = 0; i < 6; rest /= 8, i++)
            strcat(text, pieces[rest % 8]);
        assert_int_equal(tree_key_of_name(slice_str(text), key, &n), SF_OK);
        assert_true(tree_name_of_key(slice_of(key, n), shown));
        assert_string_equal(shown, text);
    }
    srand(3);
    for (int round = 0; round < 200000; round++) {
        static const uint8_t bytes[] = {'%', '2', '5', 'F', 'E', '0', '.', '/', 0};
        uint8_t key[12], read[TREE_NAME_BYTES_MAX];
        char shown[TREE_NAME_BYTES_MAX + 1];
        size_t n = 1 + (size_t)rand() % sizeof key, back;
        for (size_t i = 0; i < n; i++)
            key[i] = bytes[(size_t)rand() % sizeof bytes];
        assert_true(tree_name_of_key(slice_of(key, n), shown));
        assert_null(strchr(shown, '/'));
        assert_int_equal(tree_key_of_name(slice_str(shown), read, &back), SF_OK);
        assert_true(slice_equal(slice_of(read, back), slice_of(key, n)));
    }
}

static void what_has_no_name_is_refused(void **state)
{
    char name[TREE_NAME_BYTES_MAX + 1];
    uint8_t key[TREE_NAME_BYTES_MAX + 1];
    size_t n;
    (void)state;
    memset(key, '/', sizeof key);
    assert_false(tree_name_of_key(slice_of(NULL, 0), name));
    assert_true(tree_name_of_key(slice_of(key, 85), name));
    assert_false(tree_name_of_key(slice_of(key, 86), name));
    memset(key, 'x', sizeof key);
    assert_true(tree_name_of_key(slice_of(key, 255), name));
    assert_false(tree_name_of_key(slice_of(key, 256), name));
    assert_int_equal(tree_key_of_name(slice_of(key, 256), key, &n), SF_NAME_TOO_LONG);
    assert_int_equal(tree_key_of_name(slice_str("a/b"), key, &n), SF_INVALID);
    assert_int_equal(tree_key_of_name(slice_str(""), key, &n), SF_INVALID);
}

static void assert_leads_back(const struct key *key)
{
    uint8_t bytes[REFERENCE_BYTES_MAX];
    struct key back;
    assert_int_equal(key_of_reference(key_reference(key, bytes), &back), SF_OK);
    assert_int_equal(back.space, key->space);
    assert_true(slice_equal(key_slice(&back), key_slice(key)));
}

static void a_reference_leads_to_its_key(void **state)
{
    char longest[TREE_NAME_BYTES_MAX + 1];
    uint8_t bytes[REFERENCE_BYTES_MAX + 1];
    struct key key;
    uint64_t ino;
    (void)state;
    memset(longest, 'x', sizeof longest);
    struct slice name = slice_of(longest, TREE_NAME_BYTES_MAX);
    assert_int_equal(key_of_entry(TREE_ROOT, name, &key), SF_OK);
    assert_leads_back(&key);
    assert_int_equal(key_inode_of_reference(key_reference(&key, bytes), &ino), SF_BAD_ATTR);
    assert_int_equal(key_of_entry(77, name, &key), SF_OK);
    assert_leads_back(&key);
    key_of_directory(77, &key);
    assert_int_equal(key_inode_of_reference(key_reference(&key, bytes), &ino), SF_BAD_ATTR);
    key_of_inode(0x1122334455667788, &key);
    assert_leads_back(&key);
    struct slice content = key_reference(&key, bytes);
    assert_int_equal(key_inode_of_reference(content, &ino), SF_OK);
    assert_int_equal(ino, 0x1122334455667788);
    for (size_t n = 0; n < content.n; n++) {
        assert_int_equal(key_inode_of_reference(slice_of(bytes, n), &ino), SF_BAD_ATTR);
        if (n < 1 + 9) /* less than a tag and a section */
            assert_int_equal(key_of_reference(slice_of(bytes, n), &key), SF_BAD_ATTR);
    }
    memset(bytes, 1, sizeof bytes);
    assert_int_equal(key_of_reference(slice_of(bytes, sizeof bytes), &key), SF_BAD_ATTR);
    bytes[0] = 2;
    assert_int_equal(key_of_reference(slice_of(bytes, 20), &key), SF_BAD_ATTR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_escapes_of_the_design),
        cmocka_unit_test(every_name_is_one_key_and_every_key_one_name),
        cmocka_unit_test(what_has_no_name_is_refused),
        cmocka_unit_test(a_reference_leads_to_its_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

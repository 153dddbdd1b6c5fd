/* The bytes of attributes: both versions, what is damaged, lists of extended attributes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "tree/attr.h"
#include "tree/xattr.h"

/* As version 1 has always stood in records. */
static const uint8_t version_1[34] = {
    1,    1,                                        /* version, an atime was set */
    0xa4, 0x81, 0,    0,                            /* 0100644 */
    1,    2,    0,    0,    3,    4,    0,    0,    /* uid 0x201, gid 0x403 */
    1,    0,    0,    0,                            /* links */
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* atime: 1 ns before 1970 */
};

static struct slice decoded_name(struct slice list, size_t at)
{
    struct xattr entry = {.name = {0}};
    for (size_t i = 0; i <= at; i++)
        assert_true(xattr_next(&list, &entry));
    return entry.name;
}

static void version_1_is_read_and_written_again(void **state)
{
    struct attr attr;
    struct buffer out = {0};
    (void)state;
    assert_int_equal(attr_decode(slice_of(version_1, sizeof version_1), &attr), SF_OK);
    assert_int_equal(attr.mode, S_IFREG | 0644);
    assert_int_equal(attr.uid, 0x201);
    assert_int_equal(attr.gid, 0x403);
    assert_int_equal(attr.links, 1);
    assert_true(attr.has_atime && attr.atime_ns == UINT64_MAX);
    assert_int_equal(attr.device, 0);
    assert_int_equal(attr.xattrs.n, 0);
    assert_int_equal(attr_encode(&attr, &out), SF_OK);
    assert_true(slice_equal(buffer_slice(&out), slice_of(version_1, sizeof version_1)));
    buffer_deinit(&out);
}

static void a_file_that_has_moved_says_so(void **state)
{
    struct attr attr;
    struct buffer out = {0};
    uint8_t moved[sizeof version_1];
    (void)state;
    memcpy(moved, version_1, sizeof moved);
    moved[1] = 3;
    assert_int_equal(attr_decode(slice_of(moved, sizeof moved), &attr), SF_OK);
    assert_true(attr.has_moved && attr.has_atime);
    assert_int_equal(attr_encode(&attr, &out), SF_OK);
    assert_true(slice_equal(buffer_slice(&out), slice_of(moved, sizeof moved)));
    moved[1] = 4;
    assert_int_equal(attr_decode(slice_of(moved, sizeof moved), &attr), SF_BAD_ATTR);
    buffer_deinit(&out);
}

static void the_long_form_holds_a_device_and_a_list(void **state)
{
    struct buffer list = {0}, bytes = {0};
    struct attr back, attr = {.mode = S_IFCHR | 0600, .links = 1, .device = 0x10203};
    struct slice value;
    (void)state;
    xattr_append(&list, slice_str("user.a"), slice_str("one"));
    xattr_append(&list, slice_str("trusted.b"), slice_of(NULL, 0));
    attr.xattrs = buffer_slice(&list);
    assert_int_equal(attr_encode(&attr, &bytes), SF_OK);
    assert_int_equal(bytes.p[0], 2);
    assert_int_equal(bytes.n, 38 + list.n);
    assert_int_equal(attr_decode(buffer_slice(&bytes), &back), SF_OK);
    assert_int_equal(back.device, 0x10203);
    assert_true(xattr_find(back.xattrs, slice_str("user.a"), &value));
    assert_true(slice_equal(value, slice_str("one")));
    assert_true(xattr_find(back.xattrs, slice_str("trusted.b"), &value));
    assert_int_equal(value.n, 0);
    assert_false(xattr_find(back.xattrs, slice_str("user."), &value));
    buffer_deinit(&list);
    buffer_deinit(&bytes);
}

static void whatever_is_cut_or_newer_is_refused(void **state)
{
    struct buffer list = {0}, bytes = {0};
    struct attr attr = {.mode = S_IFREG, .links = 1}, back;
    (void)state;
    xattr_append(&list, slice_str("user.a"), slice_str("one"));
    attr.xattrs = buffer_slice(&list);
    assert_int_equal(attr_encode(&attr, &bytes), SF_OK);
    for (size_t n = 0; n < bytes.n; n++) {
        if (n != 38) /* a long form without a list */
            assert_int_equal(attr_decode(slice_of(bytes.p, n), &back), SF_BAD_ATTR);
    }
    for (unsigned version = 0; version < 256; version++) {
        bytes.p[0] = (uint8_t)version;
        assert_int_equal(attr_decode(buffer_slice(&bytes), &back),
                         version == 2 ? SF_OK : SF_BAD_ATTR);
    }
    bytes.p[0] = 2;
    bytes.p[1] = 4; /* a flag that nobody knows */
    assert_int_equal(attr_decode(buffer_slice(&bytes), &back), SF_BAD_ATTR);
    buffer_deinit(&list);
    buffer_deinit(&bytes);
}

static void a_list_holds_each_name_once(void **state)
{
    struct buffer list = {0}, without = {0}, names = {0};
    (void)state;
    xattr_append(&list, slice_str("user.a"), slice_str("1"));
    xattr_append(&list, slice_str("user.b"), slice_str("2"));
    assert_true(xattr_list_is_valid(buffer_slice(&list)));
    assert_true(slice_equal(decoded_name(buffer_slice(&list), 1), slice_str("user.b")));
    xattr_names(buffer_slice(&list), &names);
    assert_true(slice_equal(buffer_slice(&names), slice_of("user.a\0user.b", 14)));
    xattr_copy_without(buffer_slice(&list), slice_str("user.a"), &without);
    assert_true(slice_equal(decoded_name(buffer_slice(&without), 0), slice_str("user.b")));
    xattr_append(&list, slice_str("user.a"), slice_str("3"));
    assert_false(xattr_list_is_valid(buffer_slice(&list)));
    assert_false(xattr_list_is_valid(slice_of("\0\0\0", 3))); /* an empty name */
    buffer_deinit(&list);
    buffer_deinit(&without);
    buffer_deinit(&names);
}

static void there_is_an_end_of_room(void **state)
{
    static const uint8_t zeros[SF_ATTR_BYTES_MAX];
    struct buffer list = {0}, bytes = {0};
    struct attr attr = {.mode = S_IFREG, .links = 1};
    (void)state;
    xattr_append(&list, slice_str("u"), slice_of(zeros, SF_ATTR_BYTES_MAX - 38 - 4));
    attr.xattrs = buffer_slice(&list);
    assert_int_equal(attr_encode(&attr, &bytes), SF_OK);
    assert_int_equal(bytes.n, SF_ATTR_BYTES_MAX);
    buffer_put_u8(&list, 0);
    attr.xattrs = buffer_slice(&list);
    assert_int_equal(attr_encode(&attr, &bytes), SF_NO_SPACE);
    assert_int_equal(bytes.n, SF_ATTR_BYTES_MAX);
    buffer_deinit(&list);
    buffer_deinit(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_1_is_read_and_written_again),
        cmocka_unit_test(a_file_that_has_moved_says_so),
        cmocka_unit_test(the_long_form_holds_a_device_and_a_list),
        cmocka_unit_test(whatever_is_cut_or_newer_is_refused),
        cmocka_unit_test(a_list_holds_each_name_once),
        cmocka_unit_test(there_is_an_end_of_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

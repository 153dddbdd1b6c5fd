/* Which locks an operation asks for, and which of them exclude each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shardkv/lock_set.h"

static struct lock_set set_of(const struct kv_op *op)
{
    struct lock_set set = {0};
    lock_set_of(&set, op);
    return set;
}

static bool conflict(const struct kv_op *a, const struct kv_op *b)
{
    struct lock_set x = set_of(a), y = set_of(b);
    bool found = lock_sets_conflict(&x, &y);
    assert_int_equal(lock_sets_conflict(&y, &x), found);
    lock_set_deinit(&x);
    lock_set_deinit(&y);
    return found;
}

static struct kv_op one(enum kv_kind kind, const char *key)
{
    return (struct kv_op){.kind = kind, .key = slice_str(key)};
}

/* A mini with this check alone. */
static struct kv_op mini_of(const struct kv_op *check)
{
    return (struct kv_op){.kind = KV_MINI, .checks = check, .check_count = 1};
}

static void modes_exclude_each_other_as_the_table_says(void **state)
{
    (void)state;
    static const unsigned modes[] = {LOCK_WRITE, LOCK_CHECK, LOCK_ADD, LOCK_READ};
    static const bool table[4][4] = {{true, true, true, true},
                                     {true, false, true, false},
                                     {true, true, false, false},
                                     {true, false, false, false}};
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 4; k++)
            assert_int_equal(lock_modes_conflict(modes[i], modes[k]), table[i][k]);
}

static void reads_and_scans_wait_only_for_exclusive_locks(void **state)
{
    (void)state;
    struct kv_op get = one(KV_GET, "dir/a"), scan = one(KV_SCAN, "dir/");
    struct kv_op put = one(KV_PUT, "dir/a"), add = one(KV_ADD, "dir/a");
    struct kv_op version = one(KV_STAT, "dir/a"), elsewhere = one(KV_PUT, "dir");
    version.pre.kind = KV_PRE_VERSION;
    struct kv_op check = mini_of(&version);
    assert_true(conflict(&get, &put));
    assert_true(conflict(&scan, &put));
    assert_false(conflict(&get, &add));
    assert_false(conflict(&scan, &add));
    assert_false(conflict(&get, &check));
    assert_false(conflict(&scan, &check));
    assert_false(conflict(&scan, &elsewhere));
}

static void add_takes_a_shared_lock_and_no_other_add_waits(void **state)
{
    (void)state;
    struct kv_op add = one(KV_ADD, "k"), exact = add, put = one(KV_PUT, "k");
    exact.pre.kind = KV_PRE_VERSION;
    assert_false(conflict(&add, &add));
    assert_true(conflict(&add, &exact));
    assert_true(conflict(&add, &put));
}

/* What an Add leaves as it is may be checked beside it; what it changes may not. */
static void a_check_excludes_adds_only_where_they_would_show(void **state)
{
    (void)state;
    struct kv_op add = one(KV_ADD, "k"), put = one(KV_PUT, "k"), check = one(KV_STAT, "k");
    struct kv_op mini = mini_of(&check);
    check.pre.kind = KV_PRE_CREATED;
    assert_false(conflict(&mini, &add));
    assert_true(conflict(&mini, &put));
    check.pre.kind = KV_PRE_EXISTS;
    assert_false(conflict(&mini, &add));
    check.flags = KV_IF_SLOT_ZERO;
    assert_true(conflict(&mini, &add));
    assert_false(conflict(&mini, &mini));
}

static void an_empty_prefix_excludes_what_is_below_it(void **state)
{
    (void)state;
    struct kv_op check = one(KV_STAT, "dir/"), mini = mini_of(&check);
    struct kv_op below = one(KV_PUT, "dir/a"), beside = one(KV_PUT, "dir0"), get = below;
    struct kv_op wider = one(KV_SCAN, "d"), other = one(KV_SCAN, "e");
    get.kind = KV_GET;
    check.flags = KV_PREFIX_EMPTY;
    assert_true(conflict(&mini, &below));
    assert_true(conflict(&mini, &get));
    assert_true(conflict(&mini, &wider));
    assert_false(conflict(&mini, &beside));
    assert_false(conflict(&mini, &other));
    below.space = KV_INTERNAL;
    assert_false(conflict(&mini, &below));
}

static void the_empty_key_is_a_key(void **state)
{
    (void)state;
    struct kv_op put = one(KV_PUT, ""), other = one(KV_PUT, "x");
    assert_true(conflict(&put, &put));
    assert_false(conflict(&put, &other));
}

static void what_is_not_about_keys_asks_for_nothing(void **state)
{
    (void)state;
    static const enum kv_kind kinds[] = {KV_NEW_IDS, KV_INTENT, KV_SESSION_OPEN, KV_ABANDON,
                                         KV_OUTCOME, KV_FORGET, KV_ASK};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct kv_op op = {.kind = kinds[i]};
        struct lock_set set = set_of(&op);
        assert_int_equal(set.count, 0);
        lock_set_deinit(&set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modes_exclude_each_other_as_the_table_says),
        cmocka_unit_test(reads_and_scans_wait_only_for_exclusive_locks),
        cmocka_unit_test(add_takes_a_shared_lock_and_no_other_add_waits),
        cmocka_unit_test(a_check_excludes_adds_only_where_they_would_show),
        cmocka_unit_test(an_empty_prefix_excludes_what_is_below_it),
        cmocka_unit_test(the_empty_key_is_a_key),
        cmocka_unit_test(what_is_not_about_keys_asks_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

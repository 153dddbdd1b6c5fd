#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "client/tail.h"

static struct tail make(size_t count, const struct kv_tail *entries)
{
    struct tail tail = {.count = count};
    memcpy(tail.entries, entries, count * sizeof *entries);
    return tail;
}

#define TAIL(...)                                                                                  \
    make(sizeof((struct kv_tail[]){__VA_ARGS__}) / sizeof(struct kv_tail),                         \
         (struct kv_tail[]){__VA_ARGS__})

static bool is(const struct tail *tail, struct tail expected)
{
    return tail_equal(tail, &expected);
}

static void an_extent_stands_under_the_last_entry_that_begins_before_it(void **state)
{
    struct tail tail = TAIL({2, 20}, {5, 50});
    (void)state;
    assert_int_equal(tail_id(&tail, 1), 0);
    assert_int_equal(tail_id(&tail, 2), 20);
    assert_int_equal(tail_id(&tail, 4), 20);
    assert_int_equal(tail_id(&tail, 5), 50);
    assert_int_equal(tail_id(&tail, 1000), 50);
}

static void a_gap_is_filled_from_the_first_extent_on(void **state)
{
    struct tail empty = {.count = 0}, late = TAIL({3, 30});
    (void)state;
    assert_true(tail_has_gap(&empty));
    assert_true(tail_fill_gap(&empty, 7));
    assert_int_equal(tail_id(&empty, 1), 7);
    assert_false(tail_has_gap(&empty));
    assert_true(tail_fill_gap(&late, 7));
    assert_int_equal(tail_id(&late, 2), 7);
    assert_int_equal(tail_id(&late, 3), 30);
}

static void a_cut_puts_everything_beyond_under_the_new_id(void **state)
{
    struct tail tail = TAIL({1, 10}, {4, 40}, {8, 80});
    struct tail empty = {.count = 0};
    (void)state;
    tail_cut(&tail, 6, 60);
    assert_true(is(&tail, TAIL({1, 10}, {4, 40}, {6, 60})));
    tail_cut(&tail, 4, 41);
    assert_true(is(&tail, TAIL({1, 10}, {4, 41})));
    tail_cut(&empty, 3, 30);
    assert_int_equal(empty.count, 0);
}

static void the_two_neighbours_with_the_fewest_extents_are_found(void **state)
{
    struct tail tail = TAIL({1, 10}, {100, 11}, {103, 12}, {105, 13}, {106, 14});
    uint64_t first = 0, end = 0;
    (void)state;
    assert_true(tail_find_pair(&tail, 200, &first, &end));
    assert_int_equal(first, 103);
    assert_int_equal(end, 106);
    assert_true(tail_find_pair(&tail, 105, &first, &end));
    assert_int_equal(first, 100);
    assert_int_equal(end, 105);
    assert_false(tail_find_pair(&tail, 102, &first, &end));
    tail = TAIL({1, 10}, {100, 11});
    assert_false(tail_find_pair(&tail, 200, &first, &end));
}

/* Three extents at a time, as a merge does. */
static void two_entries_become_one_step_by_step(void **state)
{
    struct tail tail = TAIL({1, 10}, {4, 11}, {9, 12}, {12, 13});
    (void)state;
    assert_true(tail_set(&tail, 4, 7, 99));
    assert_true(is(&tail, TAIL({1, 10}, {4, 99}, {7, 11}, {9, 12}, {12, 13})));
    assert_true(tail_set(&tail, 7, 10, 99));
    assert_true(is(&tail, TAIL({1, 10}, {4, 99}, {10, 12}, {12, 13})));
    assert_true(tail_set(&tail, 10, 12, 99));
    assert_true(is(&tail, TAIL({1, 10}, {4, 99}, {12, 13})));
    assert_true(tail_set(&tail, 1, 12, 98));
    assert_true(is(&tail, TAIL({1, 98}, {12, 13})));
}

static void a_full_tail_takes_only_what_needs_no_room(void **state)
{
    struct tail tail = {.count = SF_TAIL_MAX};
    (void)state;
    for (uint64_t i = 0; i < SF_TAIL_MAX; i++)
        tail.entries[i] = (struct kv_tail){.first_extent = 1 + 2 * i, .data_id = 10 + i};
    struct tail full = tail;
    assert_false(tail_set(&full, 5, 6, 99));
    full = tail;
    assert_true(tail_set(&full, 5, 7, 99));
    assert_int_equal(full.count, SF_TAIL_MAX);
    assert_true(tail_set(&full, 7, 11, 99));
    assert_int_equal(full.count, SF_TAIL_MAX - 2);
    assert_int_equal(tail_id(&full, 10), 99);
    assert_int_equal(tail_id(&full, 11), 15);
}

static void differences_are_found_extent_by_extent(void **state)
{
    struct tail a = TAIL({1, 10}, {4, 40}), b = TAIL({1, 10}, {6, 60}), c = TAIL({1, 10}, {4, 41});
    (void)state;
    assert_int_equal(tail_first_difference(&a, &b, 9), 4);
    assert_int_equal(tail_first_difference(&a, &b, 3), 4);
    assert_true(tail_same_ids(&a, &b, 1, 3));
    assert_false(tail_same_ids(&a, &b, 3, 4));
    assert_false(tail_same_ids(&a, &c, 5, 5));
    assert_true(tail_same_ids(&a, &a, 1, 1000000));
}

/* What tail_first_difference must say, the slow way. */
static void every_pair_of_short_tails_differs_where_the_ids_do(void **state)
{
    (void)state;
    for (uint64_t p = 1; p < 5; p++) {
        for (uint64_t q = 1; q < 5; q++) {
            struct tail a = TAIL({1, 1}, {1 + p, 2}), b = TAIL({1, 1}, {1 + q, 2});
            uint64_t slow = 1;
            while (slow <= 6 && tail_id(&a, slow) == tail_id(&b, slow))
                slow++;
            assert_int_equal(tail_first_difference(&a, &b, 6), slow);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_extent_stands_under_the_last_entry_that_begins_before_it),
        cmocka_unit_test(a_gap_is_filled_from_the_first_extent_on),
        cmocka_unit_test(a_cut_puts_everything_beyond_under_the_new_id),
        cmocka_unit_test(the_two_neighbours_with_the_fewest_extents_are_found),
        cmocka_unit_test(two_entries_become_one_step_by_step),
        cmocka_unit_test(a_full_tail_takes_only_what_needs_no_room),
        cmocka_unit_test(differences_are_found_extent_by_extent),
        cmocka_unit_test(every_pair_of_short_tails_differs_where_the_ids_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The table of shard copies: stories of single hand-offs, and random histories of whole clusters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shardkv_handoff/model.h"

static int set_up(void **state)
{
    *state = model_new(1);
    return 0;
}

static int tear_down(void **state)
{
    model_free(*state);
    return 0;
}

static void catch_up_all(struct model *model)
{
    for (size_t i = 0; i < MODEL_GROUPS; i++)
        if (model->groups[i].up)
            model_catch_up(model, i);
}

static void settle(struct model *model)
{
    assert_true(model_settle(model));
    model_check_settled(model);
}

static void only_a_shard_without_an_owner_ever_starts_empty(void **state)
{
    struct model *model = *state;
    model_join(model, 0);
    catch_up_all(model);
    assert_int_equal(model_state(model, 0, 0), ROW_SERVING);
    model_write(model, 0, 0);
    model_join(model, 1);
    model_move(model, 0, 1);
    catch_up_all(model);
    assert_int_equal(model_state(model, 0, 0), ROW_FROZEN);
    assert_int_equal(model_state(model, 1, 0), ROW_PULLING);
    settle(model);
    assert_int_equal(model_state(model, 0, 0), 0);
}

static void a_shard_given_to_nobody_thaws_where_it_was(void **state)
{
    struct model *model = *state;
    model_join(model, 0);
    catch_up_all(model);
    model_write(model, 0, 1);
    model_leave(model, 0);
    catch_up_all(model);
    assert_int_equal(model_state(model, 0, 1), ROW_FROZEN);
    model_join(model, 0);
    catch_up_all(model);
    assert_int_equal(model_state(model, 0, 1), ROW_SERVING);
    settle(model);
}

static void a_shard_that_returns_before_it_was_given_stays(void **state)
{
    struct model *model = *state;
    model_join(model, 0);
    model_join(model, 1);
    settle(model);
    model_move(model, 1, 0);
    settle(model);
    model_write(model, 0, 1);
    model_move(model, 1, 1);
    catch_up_all(model);
    assert_int_equal(model_state(model, 0, 1), ROW_FROZEN);
    model_move(model, 1, 0);
    model_catch_up(model, 0);
    assert_int_equal(model_state(model, 0, 1), ROW_SERVING);
    settle(model);
}

static void a_group_that_never_comes_up_is_passed_over(void **state)
{
    struct model *model = *state;
    model_join(model, 0);
    settle(model);
    model->groups[1].up = false;
    model_join(model, 1);
    model_move(model, 1, 1);
    model_write(model, 0, 1);
    model_join(model, 2);
    model_move(model, 1, 2);
    model_leave(model, 0);
    model_leave(model, 1);
    catch_up_all(model);
    for (unsigned i = 0; i < 20000 && model_state(model, 2, 1) != ROW_SERVING; i++)
        model_step(model);
    assert_int_equal(model_state(model, 2, 1), ROW_SERVING);
    model->groups[1].up = true;
    settle(model);
    assert_int_equal(model_state(model, 1, 1), 0);
}

static void a_gid_with_other_addresses_is_another_group(void **state)
{
    struct model *model = *state;
    model_join(model, 0);
    settle(model);
    model_leave(model, 0);
    model_join(model, 3); /* gid 1 again, on another host */
    model_catch_up(model, 0);
    assert_false(shards_serving(model->groups[0].shards, 0, NULL));
    settle(model);
    assert_int_equal(model_state(model, 3, 0), ROW_SERVING);
}

static void transfers_that_cross_do_not_deadlock(void **state)
{
    struct model *model = *state;
    model_join(model, 0);
    model_join(model, 1);
    model_move(model, 0, 0);
    model_move(model, 1, 1);
    settle(model);
    model_move(model, 0, 1);
    model_move(model, 1, 0);
    settle(model);
}

/* -- random histories ---------------------------------------------------------------------- */

static uint64_t seed_first = 1, seed_count = 300, seed_now;

static void random_history(uint64_t seed)
{
    struct model *model = model_new(seed);
    model_join(model, 0);
    settle(model);
    size_t late = 1 + model_random_below(model, MODEL_GROUPS - 1);
    model->groups[late].up = model_random_below(model, 2) == 0;
    for (unsigned i = 0; i < 4000; i++) {
        if (model_random_below(model, 50) == 0 && model->config_num < MODEL_CONFIGS_MAX - 8)
            model_reconfigure(model);
        model_step(model);
    }
    model->groups[late].up = true;
    settle(model);
    assert_true(model->writes > 0);
    model_free(model);
}

static void random_histories_keep_one_keeper_and_all_data(void **state)
{
    (void)state;
    for (seed_now = seed_first; seed_now < seed_first + seed_count; seed_now++)
        random_history(seed_now);
}

static void on_assert(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s; replay: shards_test --seed %llu\n", file, line, condition,
            (unsigned long long)seed_now);
    abort();
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--seed") == 0) {
        seed_first = strtoull(argv[2], NULL, 10);
        seed_count = 1;
    } else if (argc == 3 && strcmp(argv[1], "--seeds") == 0) {
        seed_count = strtoull(argv[2], NULL, 10);
    }
    sf_assert_handler = on_assert;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_a_shard_without_an_owner_ever_starts_empty, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_shard_given_to_nobody_thaws_where_it_was, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_shard_that_returns_before_it_was_given_stays, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_group_that_never_comes_up_is_passed_over, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_gid_with_other_addresses_is_another_group, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(transfers_that_cross_do_not_deadlock, set_up, tear_down),
        cmocka_unit_test(random_histories_keep_one_keeper_and_all_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

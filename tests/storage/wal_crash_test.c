/* The power is cut at every change of the disk of scripted runs, and at random ones of random runs;
 * whatever was acknowledged must be there, and nothing that was never appended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sim/seeds.h"
#include "wal_model.h"

#define SCRIPT_OPERATIONS 120u

/* Runs the script of this seed until it ends or the power goes; true: it ended. */
static bool run_script(struct model *model, struct rig *rig, size_t operations)
{
    for (size_t i = 0; i < operations && !rig->dead; i++)
        model_operate(model, rig);
    return !rig->dead;
}

/* The process died, but what it wrote is still in the kernel's memory: it counts once it was read.
 */
static void recover_from_kill(struct model *model, struct rig *rig)
{
    rig_close(rig);
    rig->dead = false;
    rig->changes_left = RIG_NEVER;
    assert_true(rig_open(rig));
    model_check(model, rig);
}

/* Opens after a power cut, which may be cut short a few times itself. */
static void recover(struct model *model, struct rig *rig, unsigned interruptions)
{
    rig_power_cut(rig);
    for (; interruptions > 0; interruptions--) {
        rig->changes_left = random_below(&rig->random, 12);
        if (rig_open(rig))
            break;
        rig_power_cut(rig);
    }
    rig->changes_left = RIG_NEVER;
    if (rig->wal == NULL)
        assert_true(rig_open(rig));
    model_check(model, rig);
}

static void script_with_cut_at(uint64_t seed, uint64_t change, bool *ended)
{
    struct rig *rig = rig_new(seed);
    struct model model;
    model_init(&model);
    rig->changes_left = change;
    *ended = rig_open(rig) && run_script(&model, rig, SCRIPT_OPERATIONS);
    recover(&model, rig, 0);
    assert_true(run_script(&model, rig, SCRIPT_OPERATIONS / 4));
    recover(&model, rig, 0);
    model_deinit(&model);
    rig_free(rig);
}

static void power_cut_at_every_change_of_scripted_runs(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        bool ended = false;
        for (uint64_t change = 0; !ended; change++)
            script_with_cut_at(seed, change, &ended);
    }
}

static void random_run(uint64_t seed)
{
    struct rig *rig = rig_new(seed);
    struct model model;
    model_init(&model);
    assert_true(rig_open(rig));
    for (unsigned life = 0; life < 4; life++) {
        if (random_below(&rig->random, 3) > 0)
            rig->changes_left = random_below(&rig->random, 150);
        run_script(&model, rig, 20 + (size_t)random_below(&rig->random, 200));
        if (random_below(&rig->random, 3) == 0)
            recover_from_kill(&model, rig);
        if (random_below(&rig->random, 3) == 0)
            run_script(&model, rig, (size_t)random_below(&rig->random, 5));
        recover(&model, rig, (unsigned)random_below(&rig->random, 3));
    }
    model_deinit(&model);
    rig_free(rig);
}

static struct seeds seeds;

static void random_runs_survive_random_power_cuts(void **state)
{
    (void)state;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed++) {
        print_message("\rseed %llu ", (unsigned long long)seed);
        random_run(seed);
    }
    print_message("\n");
}

int main(int argc, char **argv)
{
    seeds = seeds_parse(argc, argv, 3000); /* of the random runs */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_cut_at_every_change_of_scripted_runs),
        cmocka_unit_test(random_runs_survive_random_power_cuts),
    };
    return cmocka_run_group_tests_name("wal crashes", tests, NULL, NULL);
}

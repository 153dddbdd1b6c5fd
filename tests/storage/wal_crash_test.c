/* The power is cut at every change of the disk of scripted runs, and at random ones of random runs;
 * whatever was acknowledged must be there, and nothing that was never appended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Likewise, on a disk that is full at times. */
static void run_script_on_full_disk(struct model *model, struct rig *rig, size_t operations)
{
    for (size_t i = 0; i < operations && !rig->dead; i++) {
        if (random_below(&rig->random, 20) == 0)
            rig->volume.full = !rig->volume.full;
        model_operate(model, rig);
        if (random_below(&rig->random, 20) == 0)
            rig_run_ms(rig, 1500); /* the log tries again each second */
    }
    if (random_below(&rig->random, 2) == 0)
        rig->volume.full = false;
}

/* The process died, but what it wrote is still in the kernel's memory: it counts once it was read.
 * The disk may fail the first attempt to open the log. */
static void recover_from_kill(struct model *model, struct rig *rig)
{
    rig_close(rig);
    rig->dead = false;
    rig->changes_left = RIG_NEVER;
    rig->volume.fail_sync = random_below(&rig->random, 4) == 0;
    if (rig->volume.fail_sync)
        assert_int_equal(rig_try_open(rig), SF_IO);
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

/* A log cannot be opened on a full disk; no more is lost by it than by any end of the process. */
static void open_on_full_disk(struct model *model, struct rig *rig)
{
    if (!rig->volume.full)
        return;
    rig_close(rig);
    rig->dead = false;
    rig->changes_left = RIG_NEVER;
    assert_int_equal(rig_try_open(rig), SF_NO_SPACE);
    rig->volume.full = false;
    assert_true(rig_open(rig));
    model_check(model, rig);
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
        if (random_below(&rig->random, 4) == 0)
            rig_fail_sync(rig, 1 + random_below(&rig->random, 10));
        size_t operations = 20 + (size_t)random_below(&rig->random, 200);
        if (random_below(&rig->random, 3) == 0)
            run_script_on_full_disk(&model, rig, operations);
        else
            run_script(&model, rig, operations);
        rig_fail_sync(rig, 0);
        open_on_full_disk(&model, rig);
        if (random_below(&rig->random, 3) == 0)
            recover_from_kill(&model, rig);
        if (random_below(&rig->random, 3) == 0)
            run_script(&model, rig, (size_t)random_below(&rig->random, 5));
        recover(&model, rig, (unsigned)random_below(&rig->random, 3));
    }
    model_deinit(&model);
    rig_free(rig);
}

/* The batch whose sync failed is in the kernel's memory alone, and no later sync writes it: once the
 * next process has read it, it must be there after a power cut. */
static void what_a_failed_sync_left_in_memory_is_kept(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct rig *rig = rig_new(seed);
        struct model model;
        model_init(&model);
        assert_true(rig_open(rig));
        run_script(&model, rig, 30);
        rig_fail_sync(rig, 1);
        assert_false(run_script(&model, rig, 1000));
        recover_from_kill(&model, rig);
        recover(&model, rig, 0);
        model_deinit(&model);
        rig_free(rig);
    }
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

/* A disk that rots: what was acknowledged is there, or the log says that it is damaged and where. */
static bool survives_rot(uint64_t seed)
{
    struct rig *rig = rig_new(seed);
    struct model model;
    int status = SF_OK;
    model_init(&model);
    rig->rot_ppm = (uint32_t)(200u << seed % 6);
    for (unsigned life = 0; life < 6 && status == SF_OK; life++) {
        status = rig_try_open(rig);
        if (status == SF_OK) {
            model_check(&model, rig);
            run_script(&model, rig, 20 + (size_t)random_below(&rig->random, 200));
            rig_power_cut(rig);
        }
    }
    assert_true(status == SF_OK || status == SF_CORRUPT);
    assert_true(status == SF_OK || strstr(rig->why, RIG_DIR) != NULL);
    model_deinit(&model);
    rig_free(rig);
    return status == SF_OK;
}

static void rotten_disks_are_noticed(void **state)
{
    (void)state;
    uint64_t fine = 0;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed++) {
        print_message("\rseed %llu ", (unsigned long long)seed);
        fine += survives_rot(seed);
    }
    print_message("\n");
    assert_true(seeds.count < 100 || (fine > 0 && fine < seeds.count));
}

int main(int argc, char **argv)
{
    seeds = seeds_parse(argc, argv, 3000); /* of the random runs */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_cut_at_every_change_of_scripted_runs),
        cmocka_unit_test(what_a_failed_sync_left_in_memory_is_kept),
        cmocka_unit_test(random_runs_survive_random_power_cuts),
        cmocka_unit_test(rotten_disks_are_noticed),
    };
    return cmocka_run_group_tests_name("wal crashes", tests, NULL, NULL);
}

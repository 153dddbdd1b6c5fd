/* The write-ahead log: what it keeps, what it says, which files it leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "env/memory.h"
#include "wal_rig.h"

static int set_up(void **state)
{
    *state = rig_new(1);
    return 0;
}

static int tear_down(void **state)
{
    rig_free(*state);
    return 0;
}

static void reopen(struct rig *rig)
{
    rig_close(rig);
    assert_true(rig_open(rig));
}

/* -- what is kept -------------------------------------------------------------------------- */

static void a_new_log_holds_nothing(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_open(rig));
    assert_string_equal(rig_restored(rig, 1), "nothing");
    assert_int_equal(wal_synced(rig->wal), wal_position(rig->wal) / 4096 * 4096 + 4096);
    reopen(rig);
    assert_string_equal(rig_restored(rig, 1), "nothing");
}

static void committed_records_are_found_again(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_open(rig));
    wal_hard_state(rig->wal, 1, (struct hard_state){.term = 3, .vote = 2});
    rig_append(rig, 1, 1, 3, "one");
    rig_append(rig, 1, 2, 3, "");
    rig_append(rig, 9, 1, 7, "other");
    assert_true(rig_commit(rig));
    rig_append(rig, 1, 3, 4, "three");
    assert_true(rig_commit(rig));
    rig_append(rig, 1, 4, 4, "never committed");
    reopen(rig);
    assert_string_equal(rig_restored(rig, 1), "3/2 0:0 1:3=one 2:3= 3:4=three");
    assert_string_equal(rig_restored(rig, 9), "0/0 0:0 1:7=other");
    reopen(rig);
    assert_string_equal(rig_restored(rig, 1), "3/2 0:0 1:3=one 2:3= 3:4=three");
}

static void appending_at_an_index_replaces_that_entry_alone(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_open(rig));
    for (uint64_t i = 1; i <= 3; i++)
        rig_append(rig, 1, i, 1, "old");
    rig_append(rig, 1, 2, 5, "new");
    assert_true(rig_commit(rig));
    reopen(rig);
    assert_string_equal(rig_restored(rig, 1), "0/0 0:0 1:1=old 2:5=new 3:1=old");
}

static void truncation_takes_the_suffix_and_a_cut_the_prefix(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_open(rig));
    for (uint64_t i = 1; i <= 6; i++)
        rig_append(rig, 1, i, 1, "x");
    wal_truncate(rig->wal, 1, 5);
    rig_append(rig, 1, 5, 2, "y");
    wal_cut(rig->wal, 1, 3, 1);
    wal_cut(rig->wal, 1, 2, 1);
    assert_true(rig_commit(rig));
    reopen(rig);
    assert_string_equal(rig_restored(rig, 1), "0/0 3:1 4:1=x 5:2=y");
    wal_truncate(rig->wal, 1, 4);
    wal_truncate(rig->wal, 1, 9);
    assert_true(rig_commit(rig));
    reopen(rig);
    assert_string_equal(rig_restored(rig, 1), "0/0 3:1");
}

static void reset_and_remove_empty_a_replica(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_open(rig));
    rig_append(rig, 1, 1, 1, "x");
    rig_append(rig, 2, 1, 1, "x");
    wal_hard_state(rig->wal, 2, (struct hard_state){.term = 4, .vote = 1});
    wal_reset(rig->wal, 1, 100, 9);
    rig_append(rig, 1, 101, 9, "after");
    wal_remove(rig->wal, 2);
    assert_true(rig_commit(rig));
    assert_int_equal(wal_live_bytes(rig->wal), 48 + 5);
    reopen(rig);
    assert_string_equal(rig_restored(rig, 1), "0/0 100:9 101:9=after");
    assert_string_equal(rig_restored(rig, 2), "nothing");
    wal_restored_free(rig->wal);
    assert_string_equal(rig_restored(rig, 1), "nothing");
}

/* -- reading again --------------------------------------------------------------------------- */

static int read_again(struct rig *rig, uint64_t index, const char *content)
{
    struct payload *payload;
    int status = wal_read(rig->wal, 1, index, &payload);
    if (status != SF_OK)
        return status;
    assert_true(slice_equal(payload_slice(payload), slice_str(content)));
    payload_unref(payload);
    return SF_OK;
}

static void entries_are_read_again(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_open(rig));
    rig_append(rig, 1, 1, 1, "one");
    rig_append(rig, 1, 2, 1, "two");
    rig_append(rig, 1, 3, 2, "three");
    assert_int_equal(read_again(rig, 2, "two"), SF_BUSY);
    assert_true(rig_commit(rig));
    assert_int_equal(read_again(rig, 1, "one"), SF_OK);
    assert_int_equal(read_again(rig, 3, "three"), SF_OK);
    assert_int_equal(read_again(rig, 4, ""), SF_NOT_FOUND);
    rig_append(rig, 1, 2, 3, "another two");
    assert_int_equal(read_again(rig, 2, ""), SF_BUSY);
    assert_true(rig_commit(rig));
    assert_int_equal(read_again(rig, 2, "another two"), SF_OK);
    wal_cut(rig->wal, 1, 2, 3);
    assert_int_equal(read_again(rig, 2, ""), SF_NOT_FOUND);
    reopen(rig);
    wal_restored_free(rig->wal);
    assert_int_equal(read_again(rig, 3, "three"), SF_OK);
}

/* -- group commit -------------------------------------------------------------------------- */

static void what_is_added_during_a_sync_goes_with_the_next(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_open(rig));
    rig_append(rig, 1, 1, 1, "a");
    uint64_t first = wal_position(rig->wal);
    wal_commit(rig->wal);
    uint64_t changes = rig->changes;
    rig_append(rig, 1, 2, 1, "b");
    wal_commit(rig->wal);
    rig_append(rig, 1, 3, 1, "c");
    wal_commit(rig->wal);
    assert_int_equal(rig->changes, changes);
    assert_true(wal_synced(rig->wal) < first);
    rig_run_ms(rig, 20);
    assert_true(rig->acked >= wal_position(rig->wal));
    assert_int_equal(rig->changes, changes + 3); /* sync, write, sync */
}

static void a_commit_of_nothing_writes_nothing(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_open(rig));
    uint64_t changes = rig->changes;
    wal_commit(rig->wal);
    rig_run_ms(rig, 20);
    assert_int_equal(rig->changes, changes);
}

static void an_idle_log_vouches_once_for_its_last_batch(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_open(rig));
    rig_run_ms(rig, 1000);
    rig_append(rig, 1, 1, 1, "a");
    assert_true(rig_commit(rig));
    uint64_t changes = rig->changes;
    rig_run_ms(rig, 1000);
    assert_int_equal(rig->changes, changes + 2);
    rig_run_ms(rig, 10000);
    assert_int_equal(rig->changes, changes + 2);
}

/* -- segments ------------------------------------------------------------------------------ */

static void a_record_longer_than_a_segment_has_one_of_its_own(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_open(rig));
    rig_append(rig, 1, 1, 1, "before");
    rig_append_bytes(rig, 1, 2, 1, 300000);
    rig_append(rig, 1, 3, 1, "after");
    assert_true(rig_commit(rig));
    reopen(rig);
    const struct wal_restored *restored = wal_restored(rig->wal, 1);
    assert_int_equal(restored->entry_count, 3);
    assert_int_equal(payload_slice(restored->entries[1].payload).n, 300000);
    reopen(rig);
    assert_int_equal(wal_restored(rig->wal, 1)->entry_count, 3);
}

/* One replica writes and is cut behind; another holds two entries for ever. */
static void old_segments_are_recycled_past_a_slow_replica(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_open(rig));
    rig_append(rig, 2, 1, 1, "slow one");
    rig_append(rig, 2, 2, 1, "slow two");
    wal_hard_state(rig->wal, 2, (struct hard_state){.term = 8, .vote = 3});
    for (uint64_t i = 1; i <= 400; i++) {
        rig_append_bytes(rig, 1, i, 1, 6000);
        if (i > 4)
            wal_cut(rig->wal, 1, i - 4, 1);
        assert_true(rig_commit(rig));
        rig_run_ms(rig, 20);
        assert_true(rig_count(rig, "wal-") <= 5);
        assert_true(rig_count(rig, "spare-") <= 1);
    }
    reopen(rig);
    assert_string_equal(rig_restored(rig, 2), "8/3 0:0 1:1=slow one 2:1=slow two");
    assert_int_equal(wal_restored(rig->wal, 1)->base_index, 396);
    assert_int_equal(wal_restored(rig->wal, 1)->entry_count, 4);
}

static void opening_again_and_again_leaves_few_files(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_open(rig));
    for (uint64_t i = 1; i <= 60; i++) {
        rig_append(rig, 1, i, 1, "x");
        assert_true(rig_commit(rig));
        rig_run_ms(rig, 50);
        reopen(rig);
        assert_true(rig_count(rig, "wal-") <= 5);
    }
    assert_int_equal(wal_restored(rig->wal, 1)->entry_count, 60);
}

/* The heads alone take a third of each segment. */
static void many_replicas_share_the_log(void **state)
{
    struct rig *rig = *state;
    enum { REPLICAS = 220 };
    assert_true(rig_open(rig));
    for (uint64_t i = 1; i <= 30; i++) {
        for (uint64_t key = 1; key <= REPLICAS; key++) {
            rig_append(rig, key, i, key, "an entry of one of many");
            if (i > 3 && key > 1)
                wal_cut(rig->wal, key, i - 3, key);
        }
        wal_hard_state(rig->wal, i, (struct hard_state){.term = i, .vote = 1});
        assert_true(rig_commit(rig));
        rig_run_ms(rig, 200);
    }
    assert_true(rig_count(rig, "wal-") <= 8);
    reopen(rig);
    assert_int_equal(wal_restored(rig->wal, 1)->entry_count, 30);
    for (uint64_t key = 2; key <= REPLICAS; key++) {
        assert_int_equal(wal_restored(rig->wal, key)->entry_count, 3);
        assert_int_equal(wal_restored(rig->wal, key)->hard_state.term, key <= 30 ? key : 0);
    }
}

/* The file of the next segment is there in time, full of zeros or of what was. */
static void the_next_segment_is_made_ready_ahead(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_open(rig));
    for (uint64_t i = 1; i <= 9; i++) {
        rig_append_bytes(rig, 1, i, 1, 4000);
        assert_true(rig_commit(rig));
    }
    assert_int_equal(rig_count(rig, "wal-"), 1);
    rig_run_ms(rig, 100);
    assert_string_equal(rig_files(rig), "wal-0000000000000001 wal-0000000000000002");
    struct buffer file = {0};
    rig_read(rig, "wal-0000000000000002", &file);
    assert_int_equal(file.n, 65536);
    buffer_deinit(&file);
    for (uint64_t i = 10; i <= 18; i++) {
        rig_append_bytes(rig, 1, i, 1, 4000);
        assert_true(rig_commit(rig));
    }
    reopen(rig);
    assert_int_equal(wal_restored(rig->wal, 1)->entry_count, 18);
}

/* What the host does: everything again at once while the disk is slow. */
static void a_backlog_over_several_segments_is_committed_in_order(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_open(rig));
    for (uint64_t i = 1; i <= 60; i++) {
        rig_append_bytes(rig, 1, i, 1, 9000);
        if (i % 7 == 0)
            wal_commit(rig->wal);
    }
    assert_true(rig_commit(rig));
    rig_run_ms(rig, 500);
    rig_power_cut(rig);
    assert_true(rig_open(rig));
    assert_int_equal(wal_restored(rig->wal, 1)->entry_count, 60);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_log_holds_nothing),
        TEST(committed_records_are_found_again),
        TEST(appending_at_an_index_replaces_that_entry_alone),
        TEST(truncation_takes_the_suffix_and_a_cut_the_prefix),
        TEST(reset_and_remove_empty_a_replica),
        TEST(entries_are_read_again),
        TEST(what_is_added_during_a_sync_goes_with_the_next),
        TEST(a_commit_of_nothing_writes_nothing),
        TEST(an_idle_log_vouches_once_for_its_last_batch),
        TEST(a_record_longer_than_a_segment_has_one_of_its_own),
        TEST(old_segments_are_recycled_past_a_slow_replica),
        TEST(opening_again_and_again_leaves_few_files),
        TEST(many_replicas_share_the_log),
        TEST(the_next_segment_is_made_ready_ahead),
        TEST(a_backlog_over_several_segments_is_committed_in_order),
    };
    return cmocka_run_group_tests_name("wal", tests, NULL, NULL);
}

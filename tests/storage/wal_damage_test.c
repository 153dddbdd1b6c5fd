/* Disks that lie, fill up or fail: bytes that rot, files that vanish, torn tails, no space, a sync
 * that fails. Nothing wrong is ever handed out, and nothing that was synced is lost silently. */
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

/* -- a log to be damaged ------------------------------------------------------------------- */

#define FILES_MAX 8u
#define STATES_MAX 64u

/* The files of a small log, what it holds, and what it held after each of its records. */
struct sample {
    char *names[FILES_MAX];
    struct buffer files[FILES_MAX];
    size_t count;
    char *states[STATES_MAX]; /* of replica 1, then 2 */
    size_t state_count;
};

static char *state_of(struct rig *rig)
{
    char *one = sf_strdup(rig_restored(rig, 1)), *both;
    const char *two = rig_restored(rig, 2);
    both = sf_malloc(strlen(one) + strlen(two) + 2);
    sprintf(both, "%s|%s", one, two);
    free(one);
    return both;
}

static void sample_files(struct sample *sample, struct rig *rig)
{
    char *names = sf_strdup(rig_files(rig)), *save = NULL;
    for (char *name = strtok_r(names, " ", &save); name != NULL;
         name = strtok_r(NULL, " ", &save)) {
        assert_true(sample->count < FILES_MAX);
        sample->names[sample->count] = sf_strdup(name);
        sample->files[sample->count] = (struct buffer){0};
        rig_read(rig, name, &sample->files[sample->count++]);
    }
    free(names);
}

/* A rig whose disk holds these files. */
static struct rig *rig_of_sample(const struct sample *sample)
{
    struct rig *rig = rig_new(1);
    assert_int_equal(volume_dir_create(&rig->volume, RIG_DIR), SF_OK);
    for (size_t i = 0; i < sample->count; i++)
        rig_write(rig, sample->names[i], buffer_slice(&sample->files[i]));
    assert_int_equal(volume_dir_sync(&rig->volume, RIG_DIR), SF_OK);
    return rig;
}

/* One of the records of the sample's log, in a batch of its own every third time. */
static void sample_step(struct rig *rig, unsigned step)
{
    switch (step % 8) {
    case 0:
        wal_hard_state(rig->wal, 1, (struct hard_state){.term = 1 + step, .vote = 2});
        break;
    case 5:
        wal_cut(rig->wal, 1, step / 8 * 3 + 2, 7);
        break;
    case 6:
    case 7:
        rig_append(rig, 2, step / 8 * 2 + step % 8 - 5, 3, "another replica's");
        break;
    default:
        if (step % 8 <= 3)
            rig_append(rig, 1, step / 8 * 3 + step % 8, 7, "an entry of the first replica");
        else
            wal_hard_state(rig->wal, 2, (struct hard_state){.term = step, .vote = 1});
    }
    if (step % 3 == 2)
        assert_true(rig_commit(rig));
}

/* Two segments, so few that nothing is recycled; `vouched`: all of it is vouched for. The states
 * are those of ever longer runs. */
static void sample_init(struct sample *sample, unsigned steps, bool vouched)
{
    memset(sample, 0, sizeof *sample);
    for (unsigned length = 0; length <= steps; length++) {
        struct rig *rig = rig_new(1);
        assert_true(rig_open(rig));
        for (unsigned step = 0; step < length; step++) {
            sample_step(rig, step);
            if (step == steps / 2) {
                assert_true(rig_commit(rig));
                rig_close(rig);
                assert_true(rig_open(rig));
            }
        }
        assert_true(rig_commit(rig));
        if (vouched)
            rig_run_ms(rig, 1000);
        rig_close(rig);
        if (length == steps)
            sample_files(sample, rig);
        assert_true(rig_open(rig));
        sample->states[sample->state_count++] = state_of(rig);
        rig_free(rig);
    }
}

static void sample_deinit(struct sample *sample)
{
    for (size_t i = 0; i < sample->count; i++) {
        free(sample->names[i]);
        buffer_deinit(&sample->files[i]);
    }
    for (size_t i = 0; i < sample->state_count; i++)
        free(sample->states[i]);
}

/* Which of the states the log is in; fails if in none. */
static size_t sample_state(const struct sample *sample, struct rig *rig)
{
    char *state = state_of(rig);
    size_t i = sample->state_count;
    while (i > 0 && strcmp(sample->states[i - 1], state) != 0)
        i--;
    if (i == 0)
        fail_msg("never so: %s", state);
    free(state);
    return i - 1;
}

/* -- rot ----------------------------------------------------------------------------------- */

/* Opens the sample; SF_OK only in one of its states, and if `whole` in the last one. */
static int open_damaged(const struct sample *sample, size_t file, bool whole)
{
    struct rig *rig = rig_of_sample(sample);
    int status = rig_try_open(rig);
    if (status == SF_OK) {
        size_t state = sample_state(sample, rig);
        assert_true(!whole || state == sample->state_count - 1);
    } else {
        assert_int_equal(status, SF_CORRUPT);
        assert_non_null(strstr(rig->why, sample->names[file]));
        assert_non_null(strstr(rig->why, "damaged at offset"));
    }
    rig_free(rig);
    return status;
}

/* Offsets of records: each byte in them is under a checksum; the zeros between batches are not. */
static size_t batch_bytes(const struct buffer *file, size_t page)
{
    struct reader r = reader_of(slice_of(file->p + page, file->n - page));
    reader_bytes(&r, 12);
    bool is_batch = reader_u8(&r) == 1;
    reader_bytes(&r, 27);
    uint64_t bytes = reader_u64(&r);
    return is_batch && reader_ok(&r) ? (size_t)bytes : 0;
}

static void flip_all_of_batch(struct sample *sample, size_t file, size_t page, size_t bytes)
{
    for (size_t i = page; i < page + bytes; i++) {
        sample->files[file].p[i] ^= 0x10;
        assert_int_equal(open_damaged(sample, file, true), SF_CORRUPT);
        sample->files[file].p[i] ^= 0x10;
    }
}

static void rot_below_what_is_vouched_for_is_damage(void **state)
{
    (void)state;
    struct sample sample;
    size_t batches = 0;
    sample_init(&sample, 24, true);
    for (size_t file = 0; file < sample.count; file++) {
        for (size_t page = 0; page < sample.files[file].n; page += 4096) {
            size_t bytes = batch_bytes(&sample.files[file], page);
            bool last = file == sample.count - 1 && page + 4096 < sample.files[file].n &&
                        batch_bytes(&sample.files[file], page + 4096) == 0;
            if (bytes == 0 || last)
                continue; /* the last batch is the empty one that vouches for the others */
            flip_all_of_batch(&sample, file, page, bytes);
            batches++;
        }
    }
    assert_true(batches > 10);
    sample_deinit(&sample);
}

static void rot_above_what_is_vouched_for_is_cut(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, 24, false);
    size_t file = sample.count - 1, page = 0;
    while (batch_bytes(&sample.files[file], page + 4096) > 0)
        page += 4096;
    for (size_t i = 0; i < batch_bytes(&sample.files[file], page); i++) {
        sample.files[file].p[page + i] ^= 0x10;
        assert_int_equal(open_damaged(&sample, file, false), SF_OK);
        sample.files[file].p[page + i] ^= 0x10;
    }
    sample_deinit(&sample);
}

static void rot_between_batches_harms_nothing(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, 24, true);
    for (size_t file = 0; file < sample.count; file++) {
        for (size_t page = 0; page < sample.files[file].n; page += 4096) {
            size_t at = page + 4095;
            sample.files[file].p[at] ^= 0xff;
            assert_int_equal(open_damaged(&sample, file, true), SF_OK);
            sample.files[file].p[at] ^= 0xff;
        }
    }
    sample_deinit(&sample);
}

static void a_tail_torn_at_any_byte_is_cut(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, 24, false);
    size_t file = sample.count - 1, page = 0, last = sample.state_count - 1;
    while (batch_bytes(&sample.files[file], page + 4096) > 0)
        page += 4096;
    struct buffer *bytes = &sample.files[file];
    for (size_t end = page + batch_bytes(bytes, page); end-- > 0;) {
        bytes->p[end] = 0; /* zeros up to the end, as if it had never been written */
        struct rig *rig = rig_of_sample(&sample);
        assert_int_equal(rig_try_open(rig), SF_OK);
        size_t now = sample_state(&sample, rig);
        assert_true(now <= last);
        last = now;
        rig_free(rig);
    }
    sample_deinit(&sample);
}

static void a_file_cut_short_is_cut_or_damage(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, 24, false);
    for (size_t file = 0; file < sample.count; file++) {
        size_t n = sample.files[file].n;
        for (size_t shorter = 0; shorter < n; shorter += 509) {
            sample.files[file].n = shorter;
            struct rig *rig = rig_of_sample(&sample);
            int status = rig_try_open(rig);
            if (status == SF_OK)
                sample_state(&sample, rig);
            else
                assert_int_equal(status, SF_CORRUPT);
            rig_free(rig);
        }
        sample.files[file].n = n;
    }
    sample_deinit(&sample);
}

/* Many wrong bytes at once, and pages that stand at each other's places. */
static void a_scrambled_log_is_refused_or_right(void **state)
{
    (void)state;
    struct sample sample;
    struct random random;
    random_init(&random, 5);
    sample_init(&sample, 24, true);
    for (unsigned round = 0; round < 3000; round++) {
        struct rig *rig = rig_of_sample(&sample);
        const struct buffer *file = &sample.files[random_below(&random, sample.count)];
        struct buffer bad = {0};
        size_t pages = file->n / 4096 < 12 ? file->n / 4096 : 12;
        buffer_set(&bad, buffer_slice(file));
        for (uint64_t n = 1 + random_below(&random, 3); n > 0; n--) {
            size_t to = (size_t)random_below(&random, pages) * 4096;
            size_t from = (size_t)random_below(&random, pages) * 4096;
            if (random_below(&random, 2) == 0)
                memcpy(bad.p + to, file->p + from, 4096);
            else
                bad.p[to + random_below(&random, 200)] = (uint8_t)random_next(&random);
        }
        rig_write(rig, sample.names[file - sample.files], buffer_slice(&bad));
        int status = rig_try_open(rig);
        if (status == SF_OK)
            sample_state(&sample, rig);
        else
            assert_int_equal(status, SF_CORRUPT);
        buffer_deinit(&bad);
        rig_free(rig);
    }
    sample_deinit(&sample);
}

static void a_missing_segment_is_named(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, 24, true);
    for (size_t i = 0; i + 1 < sample.count && strncmp(sample.names[i + 1], "wal-", 4) == 0; i++) {
        char path[256];
        struct rig *rig = rig_of_sample(&sample);
        snprintf(path, sizeof path, "%s/%s", RIG_DIR, sample.names[i]);
        assert_int_equal(volume_remove(&rig->volume, path), SF_OK);
        assert_int_equal(rig_try_open(rig), SF_CORRUPT);
        assert_non_null(strstr(rig->why, sample.names[i]));
        rig_free(rig);
    }
    sample_deinit(&sample);
}

/* -- whose log ----------------------------------------------------------------------------- */

static void another_clusters_log_is_refused(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_open(rig));
    rig_close(rig);
    rig->options.cluster_hash++;
    assert_int_equal(rig_try_open(rig), SF_MISMATCH);
    assert_non_null(strstr(rig->why, "another cluster"));
    rig->options.cluster_hash--;
    assert_true(rig_open(rig));
}

static void a_log_keeps_the_segment_size_it_was_made_with(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_open(rig));
    rig_append(rig, 1, 1, 1, "a");
    assert_true(rig_commit(rig));
    rig_close(rig);
    rig->options.segment_bytes = 1u << 20;
    assert_true(rig_open(rig));
    assert_string_equal(rig_restored(rig, 1), "0/0 0:0 1:1=a");
    assert_true(wal_position(rig->wal) < 4 * 65536);
}

/* A number whose file may have been written to is left alone, or old and new bytes could mix. */
static void no_segment_number_is_used_twice(void **state)
{
    (void)state;
    bool ended = false;
    for (uint64_t change = 0; !ended; change++) {
        struct rig *rig = rig_new(change);
        uint64_t newest = 0;
        assert_true(rig_open(rig));
        rig_close(rig);
        rig->changes_left = change;
        ended = rig_open(rig);
        const char *last = strstr(rig_files(rig), "wal-0000000000000002");
        newest = last == NULL ? 1 : 2;
        rig_power_cut(rig);
        if (newest == 2 && strstr(rig_files(rig), "wal-0000000000000002") == NULL)
            newest = 1; /* its name was not durable yet, so nothing was written to it */
        assert_true(rig_open(rig));
        assert_true(wal_position(rig->wal) / 65536 > newest);
        rig_free(rig);
    }
}

/* -- a full disk --------------------------------------------------------------------------- */

static void without_space_nothing_is_acknowledged_until_there_is(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_open(rig));
    rig_append(rig, 1, 1, 1, "before");
    assert_true(rig_commit(rig));
    rig->volume.full = true;
    rig_append(rig, 1, 2, 1, "during");
    uint64_t synced = wal_synced(rig->wal);
    wal_commit(rig->wal);
    rig_run_ms(rig, 5000);
    assert_int_equal(wal_synced(rig->wal), synced);
    assert_true(wal_is_full(rig->wal));
    rig_append(rig, 1, 3, 1, "also");
    wal_commit(rig->wal);
    rig->volume.full = false;
    rig_run_ms(rig, 1100);
    assert_false(wal_is_full(rig->wal));
    assert_true(rig->acked >= wal_position(rig->wal));
    rig_power_cut(rig);
    assert_true(rig_open(rig));
    assert_string_equal(rig_restored(rig, 1), "0/0 0:0 1:1=before 2:1=during 3:1=also");
}

static void a_full_disk_while_a_segment_begins_is_waited_for(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_open(rig));
    for (uint64_t i = 1; i <= 40; i++) {
        rig->volume.full = true;
        rig_append_bytes(rig, 1, i, 1, 7000);
        wal_commit(rig->wal);
        rig_run_ms(rig, 10);
        assert_true(rig->acked < wal_position(rig->wal));
        rig->volume.full = false;
        rig_run_ms(rig, 3000);
        assert_true(rig->acked >= wal_position(rig->wal));
    }
    rig_power_cut(rig);
    assert_true(rig_open(rig));
    assert_int_equal(wal_restored(rig->wal, 1)->entry_count, 40);
}

static void opening_on_a_full_disk_says_so(void **state)
{
    struct rig *rig = *state;
    rig->volume.full = true;
    assert_int_equal(rig_try_open(rig), SF_NO_SPACE);
    assert_non_null(strstr(rig->why, "no space"));
    rig->volume.full = false;
    assert_true(rig_open(rig));
}

/* -- a failing disk ------------------------------------------------------------------------ */

static void a_failed_sync_ends_the_process(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_open(rig));
    rig->volume.fail_sync = true;
    rig_append(rig, 1, 1, 1, "a");
    assert_false(rig_commit(rig));
    assert_non_null(rig->fatal);
    uint64_t synced = wal_synced(rig->wal), changes = rig->changes;
    rig->dead = false; /* whatever is called now does nothing */
    rig_append(rig, 1, 2, 1, "b");
    wal_hard_state(rig->wal, 1, (struct hard_state){.term = 1});
    wal_cut(rig->wal, 1, 1, 1);
    wal_truncate(rig->wal, 1, 1);
    wal_reset(rig->wal, 1, 5, 1);
    wal_remove(rig->wal, 1);
    wal_commit(rig->wal);
    rig_run_ms(rig, 5000);
    assert_int_equal(wal_synced(rig->wal), synced);
    assert_int_equal(rig->changes, changes);
}

/* An entry that has to be written again has rotted meanwhile. */
static void rot_found_while_recycling_ends_the_process(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_open(rig));
    rig_append(rig, 2, 1, 1, "slow");
    assert_true(rig_commit(rig));
    assert_int_equal(volume_damage(&rig->volume, RIG_DIR "/wal-0000000000000001", 4096 + 48 + 50),
                     SF_OK);
    for (uint64_t i = 1; i <= 200 && rig->fatal == NULL; i++) {
        rig_append_bytes(rig, 1, i, 1, 6000);
        if (i > 1)
            wal_cut(rig->wal, 1, i - 1, 1);
        if (rig_commit(rig))
            rig_run_ms(rig, 20);
    }
    assert_non_null(rig->fatal);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rot_below_what_is_vouched_for_is_damage),
        cmocka_unit_test(rot_above_what_is_vouched_for_is_cut),
        cmocka_unit_test(rot_between_batches_harms_nothing),
        cmocka_unit_test(a_tail_torn_at_any_byte_is_cut),
        cmocka_unit_test(a_file_cut_short_is_cut_or_damage),
        cmocka_unit_test(a_scrambled_log_is_refused_or_right),
        cmocka_unit_test(a_missing_segment_is_named),
        TEST(another_clusters_log_is_refused),
        TEST(a_log_keeps_the_segment_size_it_was_made_with),
        cmocka_unit_test(no_segment_number_is_used_twice),
        TEST(without_space_nothing_is_acknowledged_until_there_is),
        TEST(a_full_disk_while_a_segment_begins_is_waited_for),
        TEST(opening_on_a_full_disk_says_so),
        TEST(a_failed_sync_ends_the_process),
        TEST(rot_found_while_recycling_ends_the_process),
    };
    return cmocka_run_group_tests_name("wal damage", tests, NULL, NULL);
}

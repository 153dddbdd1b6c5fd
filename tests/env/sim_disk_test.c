/* The simulated disk: what was synced is always there after a crash, and what was not is there only
 * as the rules of volume.h allow. */
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/env.h"
#include "sim/sim.h"
#include "sim/volume.h"

#define FILE_BYTES 8192
#define BLOCK_BYTES 1024

/* -- the volume, directly ------------------------------------------------------------------ */

static struct vfile *open_new(struct volume *v, const char *path)
{
    struct vfile *file;
    assert_int_equal(volume_open(v, path, ENV_FILE_CREATE, &file), SF_OK);
    return file;
}

static bool exists(struct volume *v, const char *path)
{
    struct vfile *file;
    if (volume_open(v, path, 0, &file) != SF_OK)
        return false;
    vfile_release(file);
    return true;
}

static void write_text(struct vfile *file, uint64_t offset, const char *text)
{
    vfile_write(file, offset, slice_str(text));
}

static bool reads(struct volume *v, const char *path, const char *text)
{
    struct vfile *file;
    char bytes[64];
    if (volume_open(v, path, 0, &file) != SF_OK)
        return false;
    size_t n = vfile_read(file, 0, bytes, sizeof bytes);
    vfile_release(file);
    return n == strlen(text) && memcmp(bytes, text, n) == 0;
}

/* Random writes and syncs to one file. Each byte of the file after a power cut must be the one that
 * was synced, or one that was written over it since. */
static void synced_bytes_survive(struct random *random, bool *anything_lost)
{
    struct volume v = {0};
    struct vfile *file = open_new(&v, "f");
    uint8_t synced[FILE_BYTES] = {0}, now[FILE_BYTES] = {0};
    bool written[FILE_BYTES][256] = {{false}}; /* since the sync */
    uint8_t zeros[FILE_BYTES] = {0};
    vfile_write(file, 0, slice_of(zeros, sizeof zeros));
    assert_int_equal(volume_sync(&v, file, vfile_mark(file)), SF_OK);
    uint64_t steps = random_below(random, 40);
    for (uint64_t step = 1; step <= steps; step++) {
        uint8_t block[BLOCK_BYTES];
        size_t n = 1 + (size_t)random_below(random, BLOCK_BYTES);
        size_t offset = (size_t)random_below(random, FILE_BYTES - n);
        memset(block, (int)step, n);
        vfile_write(file, offset, slice_of(block, n));
        memset(now + offset, (int)step, n);
        for (size_t i = offset; i < offset + n; i++)
            written[i][step] = true;
        if (random_chance(random, 200)) {
            assert_int_equal(volume_sync(&v, file, vfile_mark(file)), SF_OK);
            memcpy(synced, now, sizeof now);
            memset(written, 0, sizeof written);
        }
    }
    vfile_release(file);
    volume_power_cut(&v, random);

    assert_int_equal(volume_open(&v, "f", 0, &file), SF_OK);
    uint8_t left[FILE_BYTES];
    assert_int_equal(vfile_read(file, 0, left, sizeof left), FILE_BYTES);
    for (size_t i = 0; i < FILE_BYTES; i++) {
        assert_true(left[i] == synced[i] || written[i][left[i]]);
        *anything_lost = *anything_lost || left[i] != now[i];
    }
    vfile_release(file);
    volume_deinit(&v);
}

static void what_was_synced_survives_every_power_cut(void **state)
{
    (void)state;
    struct random random;
    int lossy = 0;
    random_init(&random, 1);
    for (int i = 0; i < 300; i++) {
        bool lost = false;
        synced_bytes_survive(&random, &lost);
        lossy += lost;
    }
    assert_in_range(lossy, 50, 299);
}

static void a_write_that_came_after_the_sync_began_may_be_lost(void **state)
{
    (void)state;
    int kept = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct random random;
        struct volume v = {0};
        random_init(&random, seed);
        struct vfile *file = open_new(&v, "f");
        write_text(file, 0, "one");
        uint64_t mark = vfile_mark(file);
        write_text(file, 3, "two");
        assert_int_equal(volume_sync(&v, file, mark), SF_OK);
        assert_true(reads(&v, "f", "onetwo"));
        vfile_release(file);
        volume_power_cut(&v, &random);
        assert_true(reads(&v, "f", "one") || reads(&v, "f", "onetwo"));
        kept += reads(&v, "f", "onetwo");
        volume_deinit(&v);
    }
    assert_in_range(kept, 10, 90);
}

/* Names: of three files, created one after the other, only a prefix may be left. */
static void names_survive_as_a_prefix(void **state)
{
    (void)state;
    int left_count[4] = {0};
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct random random;
        struct volume v = {0};
        random_init(&random, seed);
        assert_int_equal(volume_dir_create(&v, "d/e/"), SF_OK);
        vfile_release(open_new(&v, "d//e/1"));
        vfile_release(open_new(&v, "d/e/2"));
        vfile_release(open_new(&v, "d/e/3"));
        volume_power_cut(&v, &random);
        bool one = exists(&v, "d/e/1"), two = exists(&v, "d/e/2"), three = exists(&v, "d/e/3");
        assert_true(volume_dir_exists(&v, "d/e"));
        assert_true(!two || one);
        assert_true(!three || two);
        left_count[one + two + three]++;
        volume_deinit(&v);
    }
    for (int i = 0; i < 4; i++)
        assert_in_range(left_count[i], 20, 100);
}

static void synced_names_survive(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct random random;
        struct volume v = {0};
        random_init(&random, seed);
        struct vfile *file = open_new(&v, "a");
        write_text(file, 0, "text");
        assert_int_equal(volume_sync(&v, file, vfile_mark(file)), SF_OK);
        vfile_release(file);
        /* Renamed, and that is not synced: one of both names holds the text. */
        assert_int_equal(volume_rename(&v, "a", "b"), SF_OK);
        assert_false(exists(&v, "a"));
        volume_power_cut(&v, &random);
        assert_true(reads(&v, "a", "text") != reads(&v, "b", "text"));
        /* Removed and synced: gone for good. */
        if (exists(&v, "a"))
            assert_int_equal(volume_rename(&v, "a", "b"), SF_OK);
        assert_int_equal(volume_remove(&v, "b"), SF_OK);
        assert_int_equal(volume_dir_sync(&v, ""), SF_OK);
        volume_power_cut(&v, &random);
        assert_false(exists(&v, "a") || exists(&v, "b"));
        volume_deinit(&v);
    }
}

static void a_rename_replaces_atomically(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct random random;
        struct volume v = {0};
        random_init(&random, seed);
        struct vfile *old = open_new(&v, "f");
        write_text(old, 0, "old");
        assert_int_equal(volume_sync(&v, old, vfile_mark(old)), SF_OK);
        vfile_release(old);
        struct vfile *new = open_new(&v, "f.new");
        write_text(new, 0, "new");
        assert_int_equal(volume_sync(&v, new, vfile_mark(new)), SF_OK);
        vfile_release(new);
        assert_int_equal(volume_rename(&v, "f.new", "f"), SF_OK);
        volume_power_cut(&v, &random);
        assert_true(reads(&v, "f", "old") || reads(&v, "f", "new"));
        volume_deinit(&v);
    }
}

static void the_volume_refuses_what_is_wrong(void **state)
{
    (void)state;
    struct volume v = {0};
    struct vfile *file;
    assert_int_equal(volume_open(&v, "f", 0, &file), SF_NOT_FOUND);
    assert_int_equal(volume_open(&v, "no/f", ENV_FILE_CREATE, &file), SF_NOT_FOUND);
    vfile_release(open_new(&v, "f"));
    assert_int_equal(volume_open(&v, "f", ENV_FILE_CREATE | ENV_FILE_EXCLUSIVE, &file), SF_EXISTS);
    assert_int_equal(volume_dir_create(&v, "f"), SF_EXISTS);
    assert_int_equal(volume_dir_create(&v, "/d"), SF_OK);
    assert_int_equal(volume_open(&v, "/d", 0, &file), SF_INVALID);
    vfile_release(open_new(&v, "/d/f"));
    assert_int_equal(volume_remove(&v, "/d"), SF_NOT_EMPTY);
    assert_int_equal(volume_rename(&v, "nothing", "f"), SF_NOT_FOUND);
    assert_int_equal(volume_remove(&v, "nothing"), SF_NOT_FOUND);
    assert_int_equal(volume_dir_sync(&v, "nothing"), SF_NOT_FOUND);
    assert_int_equal(volume_damage(&v, "f", 0), SF_NOT_FOUND);
    assert_int_equal(volume_remove(&v, "/d/f"), SF_OK);
    assert_int_equal(volume_remove(&v, "/d"), SF_OK);
    assert_false(volume_dir_exists(&v, "/d"));
    volume_deinit(&v);
}

/* -- by env, in a process ------------------------------------------------------------------ */

struct writer {
    struct env *env;
    struct env_file *file;
    struct env_sync sync;
    int status, syncs;
};

static void writer_on_sync(struct env_sync *sync, int status)
{
    struct writer *w = container_of(sync, struct writer, sync);
    w->status = status;
    w->syncs++;
}

static void writer_boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct writer *w = ctx;
    (void)node;
    w->env = env;
    w->sync = (struct env_sync){.on_done = writer_on_sync};
    assert_int_equal(env_file_open(env, "f", ENV_FILE_CREATE, &w->file), SF_OK);
}

static void writer_halt(void *ctx, struct sim_node *node)
{
    struct writer *w = ctx;
    (void)node;
    env_file_close(w->file);
    w->file = NULL;
}

static void count_name(void *ctx, const char *name)
{
    assert_string_equal(name, "f");
    ++*(int *)ctx;
}

static void env_reaches_the_disk(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct writer w = {0};
        struct sim *sim = sim_new(seed);
        struct sim_program program = {writer_boot, writer_halt, &w};
        struct sim_node *node = sim_node_new(sim, "n", &program);
        char bytes[8];
        size_t got;
        uint64_t size, free_bytes, total_bytes;
        int names = 0;
        sim_node_start(node);
        assert_int_equal(env_file_write(w.file, 0, "abcd", 4), SF_OK);
        env_file_sync(w.file, &w.sync);
        assert_int_equal(env_file_write(w.file, 4, "efgh", 4), SF_OK);
        assert_int_equal(w.syncs, 0);
        sim_run_ns(sim, ENV_SECOND_NS);
        assert_int_equal(w.syncs, 1);
        assert_int_equal(w.status, SF_OK);
        sim_node_crash(node);

        sim_node_start(node);
        assert_int_equal(env_file_size(w.file, &size), SF_OK);
        assert_true(size == 4 || size == 8);
        assert_int_equal(env_file_read(w.file, 0, bytes, sizeof bytes, &got), SF_OK);
        assert_int_equal(got, size);
        assert_memory_equal(bytes, "abcdefgh", got);
        assert_int_equal(env_dir_list(w.env, "", count_name, &names), SF_OK);
        assert_int_equal(names, 1);
        assert_int_equal(env_space(w.env, "", &free_bytes, &total_bytes), SF_OK);
        assert_int_equal(total_bytes - free_bytes, size);

        /* A stop in good order keeps what was written, synced or not. */
        assert_int_equal(env_file_write(w.file, 0, "ABCDEFGH", 8), SF_OK);
        sim_node_stop(node);
        sim_node_start(node);
        assert_int_equal(env_file_read(w.file, 0, bytes, sizeof bytes, &got), SF_OK);
        assert_memory_equal(bytes, "ABCDEFGH", 8);
        sim_free(sim);
    }
}

static void disks_fail_as_told(void **state)
{
    (void)state;
    struct writer w = {0};
    struct sim *sim = sim_new(1);
    struct sim_program program = {writer_boot, writer_halt, &w};
    struct sim_node *node = sim_node_new(sim, "n", &program);
    uint64_t free_bytes, total_bytes;
    char byte;
    size_t got;
    sim_node_start(node);
    sim_disk_fill(node, true);
    assert_int_equal(env_file_write(w.file, 0, "x", 1), SF_NO_SPACE);
    assert_int_equal(env_space(w.env, "", &free_bytes, &total_bytes), SF_OK);
    assert_int_equal(free_bytes, 0);
    sim_disk_fill(node, false);
    assert_int_equal(env_file_write(w.file, 0, "x", 1), SF_OK);
    sim_disk_fail_sync(node);
    env_file_sync(w.file, &w.sync);
    sim_run_ns(sim, ENV_SECOND_NS);
    assert_int_equal(w.status, SF_IO);
    env_file_sync(w.file, &w.sync);
    sim_run_ns(sim, ENV_SECOND_NS);
    assert_int_equal(w.status, SF_OK);
    assert_int_equal(sim_disk_damage(node, "f", 0), SF_OK);
    assert_int_equal(env_file_read(w.file, 0, &byte, 1, &got), SF_OK);
    assert_int_equal((uint8_t)byte, (uint8_t) ~'x');
    assert_int_equal(sim_disk_damage(node, "f", 1), SF_NOT_FOUND);
    sim_free(sim);
}

static int calls_on(struct env *env, struct env_file *file)
{
    uint64_t size, total;
    size_t got;
    char byte;
    int names = 0;
    int status = env_file_truncate(file, 2);
    if (status == SF_OK)
        status = env_file_sync_now(file);
    if (status == SF_OK)
        status = env_file_size(file, &size);
    if (status == SF_OK)
        status = env_file_read(file, 0, &byte, 1, &got);
    if (status == SF_OK)
        status = env_rename(env, "f", "g");
    if (status == SF_OK)
        status = env_rename(env, "g", "f");
    if (status == SF_OK)
        status = env_dir_sync(env, "");
    if (status == SF_OK)
        status = env_dir_list(env, "", count_name, &names);
    if (status == SF_OK)
        status = env_space(env, "", &size, &total);
    return status;
}

/* Each call alone; none may do anything for a process that has died and was not halted yet. */
static void dead_halt(void *ctx, struct sim_node *node)
{
    struct writer *w = ctx;
    struct env_file *file;
    struct env_lock *lock;
    uint64_t size, total;
    size_t got;
    char byte;
    int names = 0;
    assert_int_equal(env_file_open(w->env, "f", 0, &file), SF_IO);
    assert_int_equal(env_file_size(w->file, &size), SF_IO);
    assert_int_equal(env_file_read(w->file, 0, &byte, 1, &got), SF_IO);
    assert_int_equal(env_file_write(w->file, 0, "x", 1), SF_IO);
    assert_int_equal(env_file_truncate(w->file, 0), SF_IO);
    assert_int_equal(env_file_sync_now(w->file), SF_IO);
    assert_int_equal(env_dir_create(w->env, "d"), SF_IO);
    assert_int_equal(env_dir_list(w->env, "", count_name, &names), SF_IO);
    assert_int_equal(env_dir_sync(w->env, ""), SF_IO);
    assert_int_equal(env_dir_lock(w->env, "", &lock), SF_IO);
    assert_int_equal(env_rename(w->env, "f", "g"), SF_IO);
    assert_int_equal(env_remove(w->env, "f"), SF_IO);
    assert_int_equal(env_space(w->env, "", &size, &total), SF_IO);
    env_file_sync(w->file, &w->sync);
    writer_halt(ctx, node);
}

static void the_dead_change_nothing(void **state)
{
    (void)state;
    struct writer w = {0};
    struct sim *sim = sim_new(4);
    struct sim_program program = {writer_boot, dead_halt, &w};
    struct sim_node *node = sim_node_new(sim, "n", &program);
    uint64_t size;
    sim_node_start(node);
    assert_int_equal(env_file_write(w.file, 0, "text", 4), SF_OK);
    assert_int_equal(calls_on(w.env, w.file), SF_OK);
    sim_node_crash(node);
    sim_run_ns(sim, ENV_SECOND_NS);
    assert_int_equal(w.syncs, 0);
    sim_node_start(node);
    assert_int_equal(env_file_size(w.file, &size), SF_OK);
    assert_int_equal(size, 2);
    assert_int_equal(env_remove(w.env, "f"), SF_OK);
    sim_free(sim);
}

static void a_closed_file_hears_of_no_sync(void **state)
{
    (void)state;
    struct writer w = {0};
    struct sim *sim = sim_new(2);
    struct sim_program program = {writer_boot, writer_halt, &w};
    struct sim_node *node = sim_node_new(sim, "n", &program);
    sim_node_start(node);
    env_file_sync(w.file, &w.sync);
    env_file_close(w.file);
    assert_int_equal(env_file_open(w.env, "f", 0, &w.file), SF_OK);
    sim_run_ns(sim, ENV_SECOND_NS);
    assert_int_equal(w.syncs, 0);
    sim_free(sim);
}

static void one_process_locks_a_directory_once(void **state)
{
    (void)state;
    struct writer w = {0};
    struct sim *sim = sim_new(3);
    struct sim_program program = {writer_boot, writer_halt, &w};
    struct sim_node *node = sim_node_new(sim, "n", &program);
    struct env_lock *lock, *again;
    sim_node_start(node);
    assert_int_equal(env_dir_lock(w.env, "d", &lock), SF_NOT_FOUND);
    assert_int_equal(env_dir_create(w.env, "d"), SF_OK);
    assert_int_equal(env_dir_lock(w.env, "d", &lock), SF_OK);
    assert_int_equal(env_dir_lock(w.env, "d", &again), SF_IN_USE);
    env_dir_unlock(lock);
    assert_int_equal(env_dir_lock(w.env, "d", &lock), SF_OK);
    /* The crash lets go of it. */
    sim_node_crash(node);
    sim_node_start(node);
    assert_int_equal(env_dir_lock(w.env, "d", &lock), SF_OK);
    sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_synced_survives_every_power_cut),
        cmocka_unit_test(a_write_that_came_after_the_sync_began_may_be_lost),
        cmocka_unit_test(names_survive_as_a_prefix),
        cmocka_unit_test(synced_names_survive),
        cmocka_unit_test(a_rename_replaces_atomically),
        cmocka_unit_test(the_volume_refuses_what_is_wrong),
        cmocka_unit_test(env_reaches_the_disk),
        cmocka_unit_test(disks_fail_as_told),
        cmocka_unit_test(the_dead_change_nothing),
        cmocka_unit_test(a_closed_file_hears_of_no_sync),
        cmocka_unit_test(one_process_locks_a_directory_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

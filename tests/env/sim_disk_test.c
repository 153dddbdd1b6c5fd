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
#define PAGE_BYTES 4096u
#define SECTOR_BYTES 512u

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

static void sync_file(struct volume *v, struct vfile *file, struct random *random)
{
    assert_int_equal(volume_sync(v, file, vfile_mark(file), random), SF_OK);
}

/* A new file of so many pages, all of this byte, durable with its name. */
static struct vfile *open_filled(struct volume *v, size_t pages, uint8_t byte,
                                 struct random *random)
{
    static uint8_t bytes[8 * PAGE_BYTES];
    struct vfile *file = open_new(v, "f");
    memset(bytes, byte, pages * PAGE_BYTES);
    vfile_write(file, 0, slice_of(bytes, pages * PAGE_BYTES));
    sync_file(v, file, random);
    assert_int_equal(volume_dir_sync(v, ""), SF_OK);
    return file;
}

/* Random writes and syncs to one file. After a power cut, a sector in which nothing was written
 * since the sync holds what was synced. */
static void synced_bytes_survive(struct random *random, bool *anything_lost)
{
    struct volume v = {0};
    uint8_t synced[FILE_BYTES] = {0}, now[FILE_BYTES] = {0}, left[FILE_BYTES];
    bool written[FILE_BYTES / SECTOR_BYTES] = {false}; /* since the sync */
    struct vfile *file = open_filled(&v, FILE_BYTES / PAGE_BYTES, 0, random);
    uint64_t steps = random_below(random, 20);
    for (uint64_t step = 1; step <= steps; step++) {
        uint8_t block[BLOCK_BYTES];
        size_t n = 1 + (size_t)random_below(random, BLOCK_BYTES);
        size_t offset = (size_t)random_below(random, FILE_BYTES - n);
        memset(block, (int)step, n);
        vfile_write(file, offset, slice_of(block, n));
        memset(now + offset, (int)step, n);
        for (size_t i = offset; i < offset + n; i++)
            written[i / SECTOR_BYTES] = true;
        if (random_chance(random, 200)) {
            sync_file(&v, file, random);
            memcpy(synced, now, sizeof now);
            memset(written, 0, sizeof written);
        }
    }
    volume_power_cut(&v, random);
    assert_int_equal(vfile_read(file, 0, left, sizeof left), FILE_BYTES);
    for (size_t i = 0; i < FILE_BYTES; i++)
        assert_true(written[i / SECTOR_BYTES] || left[i] == synced[i]);
    *anything_lost = memcmp(left, now, sizeof now) != 0;
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
    assert_in_range(lossy, 100, 299);
}

enum { OLD = 'o', NEW = 'n' };

static bool is_all(const uint8_t *bytes, size_t n, uint8_t byte)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != byte)
            return false;
    return true;
}

struct outcomes {
    int pages_old, pages_new, pages_garbled, old, new, zeros, noise; /* these four: sectors */
};

static void count_sectors(const uint8_t *page, struct outcomes *o)
{
    for (size_t i = 0; i < PAGE_BYTES; i += SECTOR_BYTES) {
        if (is_all(page + i, SECTOR_BYTES, OLD))
            o->old++;
        else if (is_all(page + i, SECTOR_BYTES, NEW))
            o->new ++;
        else if (is_all(page + i, SECTOR_BYTES, 0))
            o->zeros++;
        else
            o->noise++;
    }
}

static void each_page_is_kept_dropped_or_garbled_by_itself(void **state)
{
    (void)state;
    struct outcomes o = {0};
    int kinds_met = 0; /* runs in which pages came out in different ways */
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct random random;
        struct volume v = {0};
        uint8_t bytes[4 * PAGE_BYTES];
        random_init(&random, seed);
        struct vfile *file = open_filled(&v, 4, OLD, &random);
        memset(bytes, NEW, sizeof bytes);
        vfile_write(file, 0, slice_of(bytes, sizeof bytes));
        volume_power_cut(&v, &random);
        assert_int_equal(vfile_read(file, 0, bytes, sizeof bytes), sizeof bytes);
        struct outcomes before = o;
        for (size_t i = 0; i < sizeof bytes; i += PAGE_BYTES) {
            if (is_all(bytes + i, PAGE_BYTES, OLD)) {
                o.pages_old++;
            } else if (is_all(bytes + i, PAGE_BYTES, NEW)) {
                o.pages_new++;
            } else {
                o.pages_garbled++;
                count_sectors(bytes + i, &o);
            }
        }
        kinds_met += (o.pages_old > before.pages_old) + (o.pages_new > before.pages_new) +
                         (o.pages_garbled > before.pages_garbled) >
                     1;
        vfile_release(file);
        volume_deinit(&v);
    }
    assert_in_range(o.pages_old, 80, 300);
    assert_in_range(o.pages_new, 50, 300);
    assert_in_range(o.pages_garbled, 50, 300);
    assert_in_range(kinds_met, 30, 100);
    int quarter = o.pages_garbled * (int)(PAGE_BYTES / SECTOR_BYTES) / 4;
    assert_in_range(o.old, quarter / 2, quarter * 2);
    assert_in_range(o.new, quarter / 2, quarter * 2);
    assert_in_range(o.zeros, quarter / 2, quarter * 2);
    assert_in_range(o.noise, quarter / 2, quarter * 2);
}

static void a_page_may_be_as_it_was_in_between(void **state)
{
    (void)state;
    int between = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct random random;
        struct volume v = {0};
        uint8_t byte;
        random_init(&random, seed);
        struct vfile *file = open_filled(&v, 1, OLD, &random);
        for (uint8_t i = 1; i <= 3; i++)
            vfile_write(file, 0, slice_of(&i, 1));
        volume_power_cut(&v, &random);
        assert_int_equal(vfile_read(file, 0, &byte, 1), 1);
        between += byte == 1 || byte == 2;
        vfile_release(file);
        volume_deinit(&v);
    }
    assert_in_range(between, 10, 100);
}

static void a_truncation_is_there_or_lost(void **state)
{
    (void)state;
    int lost = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct random random;
        struct volume v = {0};
        uint8_t bytes[2 * PAGE_BYTES];
        random_init(&random, seed);
        struct vfile *file = open_filled(&v, 2, OLD, &random);
        vfile_truncate(file, 100);
        assert_int_equal(vfile_size(file), 100);
        volume_power_cut(&v, &random);
        uint64_t size = vfile_size(file);
        assert_true(size == 100 || size == sizeof bytes);
        assert_int_equal(vfile_read(file, 0, bytes, sizeof bytes), size);
        assert_true(is_all(bytes, (size_t)size, OLD));
        lost += size != 100;
        vfile_release(file);
        volume_deinit(&v);
    }
    assert_in_range(lost, 20, 80);
}

/* Two pages more: the file is as long as before, or as a whole page was, or as both. */
static void an_extension_may_be_lost_or_be_zeros(void **state)
{
    (void)state;
    int short_count = 0, zeros = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct random random;
        struct volume v = {0};
        uint8_t bytes[3 * PAGE_BYTES];
        random_init(&random, seed);
        struct vfile *file = open_filled(&v, 1, OLD, &random);
        memset(bytes, NEW, sizeof bytes);
        vfile_write(file, PAGE_BYTES, slice_of(bytes, 2 * PAGE_BYTES));
        volume_power_cut(&v, &random);
        uint64_t size = vfile_size(file);
        assert_in_range(size, PAGE_BYTES, sizeof bytes);
        assert_int_equal(vfile_read(file, 0, bytes, sizeof bytes), size);
        assert_true(is_all(bytes, PAGE_BYTES, OLD));
        short_count += size == PAGE_BYTES;
        zeros += size == sizeof bytes && is_all(bytes + PAGE_BYTES, PAGE_BYTES, 0);
        vfile_release(file);
        volume_deinit(&v);
    }
    assert_in_range(short_count, 10, 150);
    assert_in_range(zeros, 10, 100);
}

static void a_write_that_came_after_the_sync_began_may_be_lost(void **state)
{
    (void)state;
    int kept = 0, lost = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct random random;
        struct volume v = {0};
        random_init(&random, seed);
        struct vfile *file = open_new(&v, "f");
        write_text(file, 0, "one");
        uint64_t mark = vfile_mark(file);
        write_text(file, 3, "*two");
        assert_int_equal(volume_sync(&v, file, mark, &random), SF_OK);
        assert_int_equal(volume_dir_sync(&v, ""), SF_OK);
        assert_true(reads(&v, "f", "one*two"));
        vfile_release(file);
        volume_power_cut(&v, &random);
        kept += reads(&v, "f", "one*two");
        lost += reads(&v, "f", "one");
        volume_deinit(&v);
    }
    assert_in_range(kept, 10, 90);
    assert_in_range(lost, 10, 90);
}

/* Of three files, created one after the other, a prefix is left or any of them. */
static void names_survive_by_themselves(void **state)
{
    (void)state;
    int left_count[8] = {0};
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct random random;
        struct volume v = {0};
        random_init(&random, seed);
        assert_int_equal(volume_dir_create(&v, "d/e/"), SF_OK);
        vfile_release(open_new(&v, "d//e/1"));
        vfile_release(open_new(&v, "d/e/2"));
        vfile_release(open_new(&v, "d/e/3"));
        volume_power_cut(&v, &random);
        assert_true(volume_dir_exists(&v, "d/e"));
        left_count[exists(&v, "d/e/1") + 2 * exists(&v, "d/e/2") + 4 * exists(&v, "d/e/3")]++;
        volume_deinit(&v);
    }
    for (int i = 0; i < 8; i++)
        assert_in_range(left_count[i], 10, 150);
}

/* However a file was renamed, it has one name after it, and all names since the sync occur. */
static void a_file_keeps_one_name(void **state)
{
    (void)state;
    int named[4] = {0};
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct random random;
        struct volume v = {0};
        random_init(&random, seed);
        static const char *const names[] = {"a", "b", "c", "d"};
        vfile_release(open_new(&v, "a"));
        assert_int_equal(volume_dir_sync(&v, ""), SF_OK);
        for (size_t i = 0; i < 3; i++) {
            vfile_release(open_new(&v, "other"));
            assert_int_equal(volume_rename(&v, names[i], names[i + 1]), SF_OK);
        }
        volume_power_cut(&v, &random);
        int count = 0;
        for (size_t i = 0; i < 4; i++) {
            count += exists(&v, names[i]);
            named[i] += exists(&v, names[i]);
        }
        assert_int_equal(count, 1);
        volume_deinit(&v);
    }
    for (size_t i = 0; i < 4; i++)
        assert_in_range(named[i], 10, 150);
}

static void a_sync_of_a_file_does_not_keep_its_name(void **state)
{
    (void)state;
    int lost = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct random random;
        struct volume v = {0};
        random_init(&random, seed);
        struct vfile *file = open_new(&v, "f");
        write_text(file, 0, "text");
        sync_file(&v, file, &random);
        vfile_release(file);
        volume_power_cut(&v, &random);
        lost += !exists(&v, "f");
        assert_true(!exists(&v, "f") || reads(&v, "f", "text"));
        volume_deinit(&v);
    }
    assert_in_range(lost, 20, 80);
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
        sync_file(&v, file, &random);
        vfile_release(file);
        assert_int_equal(volume_dir_sync(&v, ""), SF_OK);
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
        sync_file(&v, old, &random);
        vfile_release(old);
        assert_int_equal(volume_dir_sync(&v, ""), SF_OK);
        struct vfile *new = open_new(&v, "f.new");
        write_text(new, 0, "new");
        sync_file(&v, new, &random);
        vfile_release(new);
        assert_int_equal(volume_rename(&v, "f.new", "f"), SF_OK);
        volume_power_cut(&v, &random);
        assert_true(reads(&v, "f", "old") || reads(&v, "f", "new"));
        volume_deinit(&v);
    }
}

/* -- failed syncs, full disks, rot --------------------------------------------------------- */

/* What a failed sync covered stays visible, and a later sync does not bring it to the disk, unless
 * it is written again. */
static void run_failed_sync(uint64_t seed, bool again, int *lost)
{
    struct random random;
    struct volume v = {0};
    uint8_t bytes[PAGE_BYTES];
    random_init(&random, seed);
    struct vfile *file = open_filled(&v, 1, OLD, &random);
    memset(bytes, NEW, sizeof bytes);
    vfile_write(file, 0, slice_of(bytes, sizeof bytes));
    v.fail_sync = true;
    assert_int_equal(volume_sync(&v, file, vfile_mark(file), &random), SF_IO);
    assert_int_equal(vfile_read(file, 0, bytes, sizeof bytes), sizeof bytes);
    assert_true(is_all(bytes, sizeof bytes, NEW));
    if (again)
        vfile_write(file, 0, slice_of(bytes, sizeof bytes));
    sync_file(&v, file, &random);
    volume_power_cut(&v, &random);
    assert_int_equal(vfile_read(file, 0, bytes, sizeof bytes), sizeof bytes);
    *lost += !is_all(bytes, sizeof bytes, NEW);
    vfile_release(file);
    volume_deinit(&v);
}

static void what_a_failed_sync_covered_may_be_lost_later(void **state)
{
    (void)state;
    int lost = 0, lost_again = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        run_failed_sync(seed, false, &lost);
        run_failed_sync(seed, true, &lost_again);
    }
    assert_in_range(lost, 30, 95);
    assert_int_equal(lost_again, 0);
}

static void a_full_disk_takes_a_part_at_most(void **state)
{
    (void)state;
    int parts = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct random random;
        struct volume v = {0};
        random_init(&random, seed);
        struct vfile *file = open_new(&v, "f");
        v.full = true;
        assert_int_equal(volume_write(&v, file, 0, slice_str("eight by"), &random), SF_NO_SPACE);
        assert_in_range(vfile_size(file), 0, 7);
        parts += vfile_size(file) > 0;
        v.full = false;
        assert_int_equal(volume_write(&v, file, 0, slice_str("eight by"), &random), SF_OK);
        assert_int_equal(vfile_size(file), 8);
        vfile_release(file);
        volume_deinit(&v);
    }
    assert_in_range(parts, 20, 50);
}

static size_t bits_that_differ(struct vfile *file, size_t n, uint8_t from)
{
    static uint8_t bytes[8 * PAGE_BYTES];
    size_t bits = 0;
    assert_int_equal(vfile_read(file, 0, bytes, n), n);
    for (size_t i = 0; i < n; i++)
        for (unsigned differ = bytes[i] ^ from; differ != 0; differ &= differ - 1)
            bits++;
    return bits;
}

static void sectors_rot_as_they_are_read_for_good(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct random random;
        struct volume v = {0};
        uint8_t byte = OLD;
        size_t n = 8 * PAGE_BYTES, last = 7 * PAGE_BYTES;
        random_init(&random, seed);
        struct vfile *file = open_filled(&v, 8, OLD, &random);
        vfile_rot(file, 0, n, 1000000, &random); /* spared: the newest sync made it durable */
        assert_int_equal(bits_that_differ(file, n, OLD), 0);
        vfile_write(file, last, slice_of(&byte, 1));
        sync_file(&v, file, &random);
        vfile_write(file, last + SECTOR_BYTES, slice_of(&byte, 1));
        vfile_rot(file, 0, n, 0, &random);
        assert_int_equal(bits_that_differ(file, n, OLD), 0);
        vfile_rot(file, last, 2 * SECTOR_BYTES, 1000000, &random); /* young, not durable yet */
        assert_int_equal(bits_that_differ(file, n, OLD), 0);
        vfile_rot(file, 0, last, 200000, &random);
        size_t rotten = bits_that_differ(file, n, OLD);
        assert_in_range(rotten, 2, 30);
        volume_power_cut(&v, &random);
        assert_int_equal(bits_that_differ(file, last, OLD), rotten);
        vfile_release(file);
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
        assert_int_equal(env_file_write(w.file, SECTOR_BYTES, "efgh", 4), SF_OK);
        assert_int_equal(w.syncs, 0);
        assert_int_equal(env_dir_sync(w.env, ""), SF_OK);
        sim_run_ns(sim, ENV_SECOND_NS);
        assert_int_equal(w.syncs, 1);
        assert_int_equal(w.status, SF_OK);
        sim_node_crash(node);

        sim_node_start(node);
        assert_int_equal(env_file_size(w.file, &size), SF_OK);
        assert_true(size == 4 || size == SECTOR_BYTES + 4);
        assert_int_equal(env_file_read(w.file, 0, bytes, 4, &got), SF_OK);
        assert_int_equal(got, 4);
        assert_memory_equal(bytes, "abcd", got);
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
        cmocka_unit_test(each_page_is_kept_dropped_or_garbled_by_itself),
        cmocka_unit_test(a_page_may_be_as_it_was_in_between),
        cmocka_unit_test(a_truncation_is_there_or_lost),
        cmocka_unit_test(an_extension_may_be_lost_or_be_zeros),
        cmocka_unit_test(names_survive_by_themselves),
        cmocka_unit_test(a_file_keeps_one_name),
        cmocka_unit_test(a_sync_of_a_file_does_not_keep_its_name),
        cmocka_unit_test(what_a_failed_sync_covered_may_be_lost_later),
        cmocka_unit_test(a_full_disk_takes_a_part_at_most),
        cmocka_unit_test(sectors_rot_as_they_are_read_for_good),
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

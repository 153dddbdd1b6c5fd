/* Disks that fill up: nothing is acknowledged any more, nothing is lost, and when space returns the
 * cluster goes on. On a tmpfs of the test's own, so it wants root; else it is skipped. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "process/load.h"
#include "process/stage.h"

#define MIB (1ull << 20)
#define RESERVE_MIB 256u /* below it a server refuses */
#define WELL 500u
#define WELL_MS 30000u
#define SKIPPED 77

struct disk {
    char dir[STAGE_PATH_MAX];
    char filler[STAGE_PATH_MAX + 16];
};

static void disk_mount(struct disk *disk)
{
    snprintf(disk->dir, sizeof disk->dir, "%.400s/disk", stage_scratch());
    snprintf(disk->filler, sizeof disk->filler, "%s/filler", disk->dir);
    if ((mkdir(disk->dir, 0700) != 0 && errno != EEXIST) ||
        mount("tmpfs", disk->dir, "tmpfs", 0, "size=900m") != 0)
        stage_fail("%s: %s", disk->dir, strerror(errno));
}

static void disk_unmount(const struct disk *disk)
{
    if (umount(disk->dir) != 0)
        stage_fail("%s: %s", disk->dir, strerror(errno));
}

static uint64_t disk_free(const struct disk *disk)
{
    struct statvfs st;
    if (statvfs(disk->dir, &st) != 0)
        stage_fail("%s: %s", disk->dir, strerror(errno));
    return (uint64_t)st.f_bavail * st.f_frsize;
}

/* Until so much is free, or a little less. */
static void disk_fill(const struct disk *disk, uint64_t leave_bytes)
{
    int fd = open(disk->filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    uint64_t size = 0;
    while (fd >= 0 && disk_free(disk) > leave_bytes) {
        uint64_t part = disk_free(disk) - leave_bytes;
        int error = posix_fallocate(fd, (off_t)size, (off_t)part);
        if (error == ENOSPC)
            continue; /* a server was faster */
        if (error != 0)
            stage_fail("%s: %s", disk->filler, strerror(error));
        size += part;
    }
    if (fd < 0 || close(fd) != 0)
        stage_fail("%s: %s", disk->filler, strerror(errno));
}

static void disk_empty(const struct disk *disk)
{
    if (unlink(disk->filler) != 0)
        stage_fail("%s: %s", disk->filler, strerror(errno));
}

/* -- what a full cluster does -------------------------------------------------------------- */

/* Until the writers are refused, and then for a while: nothing more is acknowledged. */
static void must_refuse(struct load *load)
{
    uint64_t refused = load_refused(load);
    for (unsigned waited = 0; load_refused(load) == refused; waited += 100) {
        if (waited > WELL_MS)
            stage_fail("nothing was refused on full disks");
        load_run(load, 100);
    }
    load_run(load, 2000); /* the other replicas and groups come to know it */
    uint64_t before = load_acknowledged(load);
    load_run(load, 1000);
    if (load_acknowledged(load) != before)
        stage_fail("%" PRIu64 " changes were acknowledged on full disks",
                   load_acknowledged(load) - before);
}

/* What an operator sees: one line and status 1; a delete, which frees space, goes through. */
static void check_operator(struct stage *stage)
{
    char *text;
    int exit_status = stage_run(stage, &text, STAGE_WORDS("shardctl", "put", "more", "x"));
    if (exit_status != 1 || !strstr(text, "no space"))
        stage_fail("put on full disks: status %d: %s", exit_status, text);
    free(text);
    stage_must(stage, STAGE_WORDS("shardctl", "get", "kept"));
    stage_must(stage, STAGE_WORDS("shardctl", "del", "dropped"));
    if (stage_run(stage, &text, STAGE_WORDS("shardctl", "status")) != 0 ||
        !strstr(text, "too little"))
        stage_fail("status says nothing of full disks: %s", text);
    free(text);
}

static const char *const small_cluster[] = {"--groups", "1", "--master-replicas", "1", NULL};

static struct load *begin_load(struct stage *stage)
{
    stage_must(stage, STAGE_WORDS("shardctl", "put", "kept", "x"));
    stage_must(stage, STAGE_WORDS("shardctl", "put", "dropped", "x"));
    struct load *load =
        load_new(stage->masters, &(struct load_options){.may_be_full = true, .long_values = true});
    load_must_make_progress(load, WELL, WELL_MS);
    return load;
}

/* A cluster with everything on the disk. */
static struct load *open_all(struct disk *disk, struct stage *stage)
{
    disk_mount(disk);
    stage_open(stage, "disk/cluster", small_cluster);
    return begin_load(stage);
}

/* A cluster with the group's data alone on the disk. */
static struct load *open_group(struct disk *disk, struct stage *stage)
{
    disk_mount(disk);
    stage_open(stage, "cluster", small_cluster);
    stage_must(NULL, STAGE_WORDS("shardctl", "down", "--dir", stage->dir));
    for (unsigned replica = 1; replica <= 3; replica++) {
        char line[3 * STAGE_PATH_MAX];
        snprintf(line, sizeof line,
                 "cd '%.400s' && mv group-100-%u '%.400s' && ln -s '%.400s'/group-100-%u .",
                 stage->dir, replica, disk->dir, disk->dir, replica);
        stage_must(NULL, STAGE_WORDS("sh", "-c", line));
    }
    stage_up(stage);
    return begin_load(stage);
}

static void finish(struct stage *stage, struct load *load, struct disk *disk)
{
    load_must_make_progress(load, WELL, WELL_MS);
    load_verify(load);
    load_free(load);
    stage_close(stage);
    disk_unmount(disk);
}

/* -- tests --------------------------------------------------------------------------------- */

/* Less is free than the reserve: refused before anything breaks. */
static void test_reserve(void)
{
    struct disk disk;
    struct stage stage;
    struct load *load = open_all(&disk, &stage);
    for (unsigned round = 0; round < stage_rounds(); round++) {
        disk_fill(&disk, (RESERVE_MIB - 56) * MIB);
        must_refuse(load);
        check_operator(&stage);
        stage_check_alive(&stage);
        disk_empty(&disk);
        load_must_make_progress(load, WELL, WELL_MS);
    }
    finish(&stage, load, &disk);
}

/* Nothing at all is left, between one write and the next. */
static void test_full(void)
{
    struct disk disk;
    struct stage stage;
    struct load *load = open_all(&disk, &stage);
    for (unsigned round = 0; round < stage_rounds(); round++) {
        disk_fill(&disk, 0);
        must_refuse(load);
        load_run(load, 6000); /* a flush of the store fails meanwhile */
        stage_check_alive(&stage);
        disk_empty(&disk);
        load_must_make_progress(load, WELL, WELL_MS);
    }
    finish(&stage, load, &disk);
}

/* Killed while nothing is left: whoever cannot start says why, and starts when there is space. */
static void test_restart_while_full(void)
{
    struct disk disk;
    struct stage stage;
    char *text;
    struct load *load = open_group(&disk, &stage);
    for (unsigned round = 0; round < stage_rounds(); round++) {
        load_run(load, 1000);
        disk_fill(&disk, 0);
        must_refuse(load);
        stage_kill_all(&stage, "group-100");
        disk_fill(&disk, 0);
        int exit_status = stage_run(NULL, &text, STAGE_WORDS("shardctl", "up", "--dir", stage.dir));
        printf("   up on full disks: status %d: %s", exit_status, text);
        if (exit_status != 0 && !strstr(text, "no space") && !strstr(text, "No space"))
            stage_fail("it says not why");
        free(text);
        disk_empty(&disk);
        load_must_run(load, NULL, STAGE_WORDS("shardctl", "up", "--dir", stage.dir));
        load_must_make_progress(load, WELL, WELL_MS);
    }
    stage_may_all_be_down(&stage, false);
    finish(&stage, load, &disk);
}

/* A cluster that is begun where there is no room for one: said at once; with space it is begun. */
static void test_begin_while_full(void)
{
    static const char *const leave_nothing = "MiB are free on its disk",
                             *const leave_little = "there is too little space in";
    struct disk disk;
    struct stage stage;
    char *text, dir[STAGE_PATH_MAX];
    disk_mount(&disk);
    snprintf(dir, sizeof dir, "%.400s/begin", disk.dir);
    for (unsigned step = 0; step < 2; step++) {
        const char *says = step == 0 ? leave_nothing : leave_little;
        disk_fill(&disk, step == 0 ? 20 * MIB : 200 * MIB);
        int exit_status = stage_run(
            NULL, &text,
            STAGE_WORDS("shardctl", "up", "--dir", dir, "--groups", "1", "--master-replicas", "1"));
        if (exit_status != 1 || !strstr(text, says))
            stage_fail("up without space: status %d, not '%s': %s", exit_status, says, text);
        free(text);
        disk_empty(&disk);
    }
    stage_open(&stage, "disk/begin", NULL);
    stage_must(&stage, STAGE_WORDS("shardctl", "put", "name", "value"));
    stage_close(&stage);
    disk_unmount(&disk);
}

int main(int argc, char **argv)
{
    static const struct stage_test tests[] = {
        {"reserve", test_reserve},
        {"full", test_full},
        {"restart-while-full", test_restart_while_full},
        {"begin-while-full", test_begin_while_full},
    };
    if (geteuid() != 0) {
        puts("skipped: mounting a tmpfs wants root");
        return SKIPPED;
    }
    return stage_main(argc, argv, tests, sizeof tests / sizeof tests[0], 180);
}

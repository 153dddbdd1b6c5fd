/* kill -9 while a server begins its life, starts again, or takes a snapshot: the next start goes
 * on.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process/load.h"
#include "process/stage.h"

#define WELL 500u
#define WELL_MS 30000u
#define BIRTH_MS 60u /* a first start takes about so long */

/* -- births -------------------------------------------------------------------------------- */

static bool has_identity(const char *dir)
{
    char path[STAGE_PATH_MAX];
    snprintf(path, sizeof path, "%.400s/identity", dir);
    return access(path, F_OK) == 0;
}

static pid_t start_alone(const char *dir, const char *address, const char *log)
{
    return stage_spawn(NULL, log,
                       STAGE_WORDS("shardkv", "--dir", dir, "--listen", address, "--cluster",
                                   "c0ffee", "--gid", "7", "--peers", address, "--masters",
                                   "127.0.0.1:1", has_identity(dir) ? NULL : "--create"));
}

/* A directory is killed half-made again and again, and becomes a replica all the same. */
static void test_births(void)
{
    char dir[STAGE_PATH_MAX], log[STAGE_PATH_MAX], address[64];
    snprintf(log, sizeof log, "%.400s/birth.log", stage_scratch());
    stage_free_address(address);
    for (unsigned round = 0; round < 20 * stage_rounds(); round++) {
        snprintf(dir, sizeof dir, "%.400s/birth-%u", stage_scratch(), round);
        for (unsigned attempt = 0; attempt < 3; attempt++) {
            pid_t pid = start_alone(dir, address, log);
            stage_pause_ms((unsigned)random() % BIRTH_MS);
            kill(pid, SIGKILL);
            if (stage_wait(pid) != 128 + SIGKILL)
                stage_fail("it ended by itself: %s", stage_read_file(log));
        }
        pid_t pid = start_alone(dir, address, log);
        stage_await_text(log, "serves group 7 as replica 1 of 1", 20000);
        kill(pid, SIGTERM);
        int exit_status = stage_wait(pid);
        if (exit_status != 0)
            stage_fail("status %d at SIGTERM: %s", exit_status, stage_read_file(log));
    }
}

/* -- restarts ------------------------------------------------------------------------------ */

/* `up` is called and what it starts is killed again at once. */
static void test_restarts(void)
{
    struct stage stage;
    stage_open(&stage, "restart", NULL);
    struct load *load = load_new(stage.masters, NULL);
    for (unsigned round = 0; round < 4 * stage_rounds(); round++) {
        load_run(load, 500);
        stage_kill_all(&stage, "group-100");
        pid_t up =
            stage_spawn(NULL, "/dev/null", STAGE_WORDS("shardctl", "up", "--dir", stage.dir));
        load_run(load, 20 + (unsigned)random() % BIRTH_MS);
        kill(up, SIGKILL);
        stage_wait(up);
        for (unsigned replica = 1; replica <= 3; replica++) {
            char name[64];
            snprintf(name, sizeof name, "group-100-%u", replica);
            if (stage_pid(&stage, name) != 0)
                stage_kill(&stage, name);
        }
        load_must_run(load, NULL, STAGE_WORDS("shardctl", "up", "--dir", stage.dir));
        load_must_make_progress(load, WELL, WELL_MS);
    }
    load_verify(load);
    load_free(load);
    stage_close(&stage);
}

/* -- snapshots ----------------------------------------------------------------------------- */

/* Enough for the logs to be cut below what a stopped replica has. Bytes that do not compress. */
static void write_bulk(struct load *load, const struct stage *stage)
{
    char path[STAGE_PATH_MAX], of[STAGE_PATH_MAX + 8], line[STAGE_PATH_MAX + 64];
    snprintf(path, sizeof path, "%.400s/bulk", stage_scratch());
    snprintf(of, sizeof of, "of=%s", path);
    stage_must(NULL, STAGE_WORDS("dd", "if=/dev/urandom", of, "bs=1M", "count=24", "status=none"));
    for (unsigned i = 0; i < 4; i++) {
        snprintf(line, sizeof line, "shardctl put bulk-%u <%s", i, path);
        load_must_run(load, stage, STAGE_WORDS("sh", "-c", line));
    }
}

/* Servers that keep little for a replica that is away. Beside shardctl stand those that it starts. */
static void use_servers_of_small_logs(char dir[STAGE_PATH_MAX])
{
    char line[5 * STAGE_PATH_MAX];
    snprintf(dir, STAGE_PATH_MAX, "%.400s/bin", stage_scratch());
    snprintf(line, sizeof line,
             "mkdir '%s' && cp \"$(command -v shardctl)\" \"$(command -v shardmaster)\" '%s' && "
             "printf '#!/bin/sh\\nexec %%s \"$@\" --lag 16\\n' \"$(command -v shardkv)\" "
             ">'%s/shardkv' && chmod 755 '%s/shardkv'",
             dir, dir, dir, dir);
    stage_must(NULL, STAGE_WORDS("sh", "-c", line));
    stage_use_programs(dir);
}

static unsigned long generation(struct stage *stage, const char *name)
{
    unsigned long number = 0;
    for (unsigned waited = 0; !stage_status(stage, name, "generation", &number); waited += 50) {
        if (waited > WELL_MS)
            stage_fail("%s says nothing of itself", name);
        stage_pause_ms(50);
    }
    return number;
}

static void await_generation(struct stage *stage, struct load *load, const char *name,
                             unsigned long beyond)
{
    for (unsigned waited = 0; generation(stage, name) <= beyond; waited += 100) {
        if (waited > 2 * WELL_MS)
            stage_fail("%s took no snapshot", name);
        load_run(load, 100);
    }
}

static void test_snapshots(void)
{
    static const char *const names[] = {"group-100-3", "group-101-3"};
    struct stage stage;
    char programs[STAGE_PATH_MAX];
    use_servers_of_small_logs(programs);
    stage_open(&stage, "snapshot", NULL);
    struct load *load = load_new(stage.masters, &(struct load_options){.timeout_ms = 10000});
    for (unsigned round = 0; round < stage_rounds(); round++) {
        unsigned long before[2] = {generation(&stage, names[0]), generation(&stage, names[1])};
        stage_kill(&stage, names[0]);
        stage_kill(&stage, names[1]);
        write_bulk(load, &stage);
        load_run(load, 7000); /* the stores are flushed every 5 s, and the logs cut then */
        for (unsigned kills = 0; kills < 5; kills++) {
            load_must_run(load, NULL, STAGE_WORDS("shardctl", "up", "--dir", stage.dir));
            load_run(load, (unsigned)random() % 150);
            stage_kill(&stage, names[0]);
            stage_kill(&stage, names[1]);
        }
        load_must_run(load, NULL, STAGE_WORDS("shardctl", "up", "--dir", stage.dir));
        for (unsigned i = 0; i < 2; i++)
            await_generation(&stage, load, names[i], before[i]);
    }
    /* What those two know must be all there is. */
    for (unsigned i = 0; i < 2; i++)
        load_must_run(load, &stage,
                      STAGE_WORDS("shardctl", "transfer", i == 0 ? "100" : "101",
                                  stage_find(&stage, names[i])->address));
    load_verify(load);
    load_free(load);
    stage_close(&stage);
    stage_use_programs(NULL);
}

int main(int argc, char **argv)
{
    static const struct stage_test tests[] = {
        {"births", test_births},
        {"restarts", test_restarts},
        {"snapshots", test_snapshots},
    };
    return stage_main(argc, argv, tests, sizeof tests / sizeof tests[0], 180);
}

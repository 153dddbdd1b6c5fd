/* Processes that hold replicas of several groups each, on one port, with one log and one store. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process/load.h"
#include "process/stage.h"

#define HOSTS 3u
#define GROUPS 3u
#define FIRST_GID 200u
#define WELL 500u
#define WELL_MS 20000u

struct hosts {
    struct stage stage; /* the masters, and a group that is drained at once */
    char addresses[HOSTS][64];
    pid_t pids[HOSTS];
    unsigned starts[HOSTS];
};

static void start(struct hosts *hosts, unsigned host, bool create)
{
    char dir[STAGE_PATH_MAX], log[STAGE_PATH_MAX], groups[GROUPS][256];
    const char *words[STAGE_WORDS_MAX + 1] = {"shardkv",
                                              "--dir",
                                              dir,
                                              "--listen",
                                              hosts->addresses[host],
                                              "--cluster",
                                              hosts->stage.cluster_id,
                                              "--masters",
                                              hosts->stage.masters};
    size_t count = 9;
    snprintf(dir, sizeof dir, "%.400s/host-%u", stage_scratch(), host);
    snprintf(log, sizeof log, "%.400s/host-%u.%u.log", stage_scratch(), host,
             hosts->starts[host]++);
    for (unsigned g = 0; g < GROUPS; g++) {
        snprintf(groups[g], sizeof groups[g], "%u=%s,%s,%s", FIRST_GID + g, hosts->addresses[0],
                 hosts->addresses[1], hosts->addresses[2]);
        words[count++] = "--replica";
        words[count++] = groups[g];
    }
    if (create)
        words[count++] = "--create";
    words[count] = NULL;
    hosts->pids[host] = stage_spawn(NULL, log, words);
    stage_await_text(log, "serves group 200 as replica", 20000);
}

static void hosts_open(struct hosts *hosts)
{
    stage_open(&hosts->stage, "hosts", STAGE_WORDS("--groups", "1"));
    memset(hosts->starts, 0, sizeof hosts->starts);
    for (unsigned host = 0; host < HOSTS; host++)
        stage_free_address(hosts->addresses[host]);
    for (unsigned host = 0; host < HOSTS; host++)
        start(hosts, host, true);
    for (unsigned g = 0; g < GROUPS; g++) {
        char gid[16];
        snprintf(gid, sizeof gid, "%u", FIRST_GID + g);
        stage_must(&hosts->stage, STAGE_WORDS("shardctl", "join", gid, hosts->addresses[0],
                                              hosts->addresses[1], hosts->addresses[2]));
    }
    stage_must(&hosts->stage, STAGE_WORDS("shardctl", "drain", "100"));
}

/* Each ends by itself when it is asked to. */
static void hosts_close(struct hosts *hosts)
{
    for (unsigned host = 0; host < HOSTS; host++)
        kill(hosts->pids[host], SIGTERM);
    for (unsigned host = 0; host < HOSTS; host++) {
        int exit_status = stage_wait(hosts->pids[host]);
        if (exit_status != 0)
            stage_fail("host %u: status %d at SIGTERM", host, exit_status);
    }
    stage_close(&hosts->stage);
}

static void kill_host(struct hosts *hosts, unsigned host)
{
    kill(hosts->pids[host], SIGKILL);
    if (stage_wait(hosts->pids[host]) != 128 + SIGKILL)
        stage_fail("host %u had ended by itself", host);
}

static void test_several_replicas(void)
{
    struct hosts hosts;
    hosts_open(&hosts);
    struct load *load = load_new(hosts.stage.masters, &(struct load_options){.long_values = true});
    for (unsigned round = 0; round < HOSTS * stage_rounds(); round++) {
        load_run(load, 500);
        kill_host(&hosts, round % HOSTS);
        load_must_make_progress(load, WELL, WELL_MS);
        start(&hosts, round % HOSTS, false);
    }
    for (unsigned host = 0; host < HOSTS; host++)
        kill_host(&hosts, host);
    for (unsigned host = 0; host < HOSTS; host++)
        start(&hosts, host, false);
    load_must_make_progress(load, WELL, WELL_MS);
    load_verify(load);
    load_free(load);
    hosts_close(&hosts);
}

int main(int argc, char **argv)
{
    static const struct stage_test tests[] = {{"several-replicas", test_several_replicas}};
    return stage_main(argc, argv, tests, sizeof tests / sizeof tests[0], 120);
}

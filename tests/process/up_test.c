/* `shardctl up` and `down` where things are not as they should be, and what a user sees of it. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process/stage.h"

#define SERVERS 9u

/* A shell line in the scratch directory must succeed. */
static void must(const struct stage *stage, const char *line)
{
    char whole[4096];
    snprintf(whole, sizeof whole, "cd '%.400s' && %s", stage_scratch(), line);
    stage_must(stage, STAGE_WORDS("sh", "-c", whole));
}

/* The program must end with this status and say this. */
static void expect(int exit_status, const char *says, const char *const *words)
{
    char *text;
    int got = stage_run(NULL, &text, words);
    if (got != exit_status || !strstr(text, says))
        stage_fail("%s: status %d, not %d and '%s': %s", words[1], got, exit_status, says, text);
    if (strchr(text, '\r'))
        stage_fail("progress on what is no terminal: %s", text);
    free(text);
}

static unsigned count_running(struct stage *stage)
{
    unsigned count = 0;
    for (size_t i = 0; i < stage->server_count; i++)
        count += stage_pid(stage, stage->servers[i].name) != 0;
    return count;
}

/* A path with blanks, named in another way each time; the file to source twice. */
static void test_paths(void)
{
    struct stage stage;
    stage_open(&stage, "a b/c d", NULL);
    must(NULL, "shardctl up --dir './a b/../a b/c d' | grep '9 servers run, 0 of them'");
    must(NULL, "cd 'a b' && shardctl up --dir 'c d' | grep '0 of them'");
    must(NULL, "PATH=/usr/bin:/bin && . 'a b/c d/env' && was=$PATH && . 'a b/c d/env' && "
               "test \"$PATH\" = \"$was\" && shardctl put name value && "
               "test \"$(shardctl get name)\" = value");
    must(NULL, "! shardctl down --dir 'a b'");
    stage_close(&stage);
}

/* The first command finds every shard served. */
static void test_ready(void)
{
    struct stage stage;
    stage_open(&stage, "ready", STAGE_WORDS("--groups", "3", "--shards", "128"));
    must(&stage, "shardctl status --json | jq -e '.served == 128 and (.replicas | length) == 12'");
    must(&stage, "shardctl query --json | jq -e '(.shards | length) == 128 and .num == 1'");
    must(&stage, "shardctl status | grep '128 shards are served'");
    stage_kill_all(&stage, "group-101");
    must(&stage, "shardctl status --json | jq -e '[.replicas[] | select(.role == \"down\").gid] == "
                 "[101, 101, 101]'");
    stage_up(&stage);
    must(&stage, "shardctl --timeout 5 status --json | jq -e '.served == 128'");
    /* One master named is enough to see all of them; the option goes before the environment. */
    must(&stage, "SHARDFS_MASTERS=127.0.0.1:1 shardctl --masters ${SHARDFS_MASTERS%%,*} status "
                 "--json | jq -e '[.replicas[] | select(.gid == 0)] | length == 3'");
    stage_close(&stage);
}

/* An operator looks at a cluster whose masters have no majority. */
static void test_headless(void)
{
    struct stage stage;
    stage_open(&stage, "headless", STAGE_WORDS("--groups", "1"));
    stage_kill(&stage, "master-1");
    stage_kill(&stage, "master-2");
    must(&stage, "! shardctl --timeout 2 status >table 2>line && "
                 "grep -q 'did not answer in time: does a majority of them run' line && "
                 "grep -q 'configuration 1 (there may be a newer one): 64 shards' table && "
                 "test $(grep -c ' down ' table) = 2 && grep -q ' leader ' table");
    must(&stage, "! shardctl --timeout 2 status --json 2>line >json && "
                 "jq -e '.current == false and .config == 1 and .served == 64' <json");
    stage_kill(&stage, "master-3");
    must(&stage, "! shardctl --timeout 2 status >table 2>line && test ! -s table && "
                 "grep -q 'no shardmaster answers at' line && test $(wc -l <line) = 1");
    stage_up(&stage);
    must(&stage, "shardctl status --json | jq -e '.current'");
    stage_close(&stage);
}

/* -- what is damaged ------------------------------------------------------------------------- */

/* A replica that lost its promises must not vote again: the others are started, it is not. */
static void test_lost_data(void)
{
    struct stage stage;
    stage_open(&stage, "lost", STAGE_WORDS("--groups", "1"));
    must(&stage, "shardctl put name value");
    stage_kill(&stage, "group-100-2");
    stage_kill(&stage, "group-100-3");
    must(&stage, "mv lost/group-100-2 away");
    expect(1, "group-100-2 has lost its data", STAGE_WORDS("shardctl", "up", "--dir", stage.dir));
    stage_find(&stage, "group-100-3")->may_be_down = false;
    stage_check_alive(&stage);
    must(&stage, "test ! -e lost/group-100-2 && test $(shardctl get name) = value");
    must(&stage, "mv away lost/group-100-2");
    expect(0, "1 of them started now", STAGE_WORDS("shardctl", "up", "--dir", stage.dir));
    stage_may_all_be_down(&stage, false);
    stage_close(&stage);
}

/* `sed` on the cluster's file gives one that `up` and `down` refuse, and touch nothing. */
static void refuse_file(const struct stage *stage, const char *edit)
{
    char line[STAGE_PATH_MAX];
    snprintf(line, sizeof line, "cp good damaged/cluster && sed -i '%s' damaged/cluster", edit);
    must(NULL, line);
    expect(1, "is damaged", STAGE_WORDS("shardctl", "up", "--dir", stage->dir));
    expect(1, "is damaged", STAGE_WORDS("shardctl", "down", "--dir", stage->dir));
}

static void test_damaged_file(void)
{
    static const char *const edits[] = {
        "/^cluster/d",
        "/^shards/d",
        "/^group 0/d",
        "s/^shards.*/shards 0/",
        "s/^shards.*/shards x/",
        "s/^shards.*/shards -4/",
        "/^group 100/d",
        "s/^group 100/group 0/",
        "s/^routing.*/routing/",
        "s/^routing.*/routing x/",
        "s/^engine.*/engine x/",
        "s/^joined.*/joined perhaps/",
        "s/127.0.0.1:/127.0.0.1;/",
        "$a word",
        "1i\\\n",
        "d",
    };
    struct stage stage;
    stage_open(&stage, "damaged", STAGE_WORDS("--groups", "1", "--master-replicas", "1"));
    must(NULL, "cp damaged/cluster good");
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++)
        refuse_file(&stage, edits[i]);
    must(NULL, "cp good damaged/cluster");
    stage_close(&stage);
}

static int hold_port(const char *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    in.sin_port = htons((uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10));
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&in, sizeof in) != 0 || listen(fd, 1) != 0)
        stage_fail("%s: %s", address, strerror(errno));
    return fd;
}

static void test_port_taken(void)
{
    struct stage stage;
    stage_open(&stage, "port", NULL);
    stage_must(NULL, STAGE_WORDS("shardctl", "down", "--dir", stage.dir));
    const char *address = stage_find(&stage, "group-100-2")->address;
    int fd = hold_port(address);
    char says[256];
    snprintf(says, sizeof says, "group-100-2 ended: shardkv: %s is in use by another process",
             address);
    expect(1, says, STAGE_WORDS("shardctl", "up", "--dir", stage.dir));
    close(fd);
    expect(0, "9 servers run, 1 of them started now",
           STAGE_WORDS("shardctl", "up", "--dir", stage.dir));
    stage_close(&stage);
}

static void test_two_at_once(void)
{
    struct stage stage;
    char out[2][STAGE_PATH_MAX];
    pid_t pids[2];
    stage_open(&stage, "two", NULL);
    stage_must(NULL, STAGE_WORDS("shardctl", "down", "--dir", stage.dir));
    for (unsigned i = 0; i < 2; i++) {
        snprintf(out[i], sizeof out[i], "%.400s/two-%u.out", stage_scratch(), i);
        pids[i] = stage_spawn(NULL, out[i], STAGE_WORDS("shardctl", "up", "--dir", stage.dir));
    }
    int a = stage_wait(pids[0]), b = stage_wait(pids[1]);
    char *refusal = stage_read_file(out[a == 0 ? 1 : 0]);
    if (a + b != 1 || !strstr(refusal, "another 'shardctl up' or 'down' works in"))
        stage_fail("two at once: status %d and %d: %s", a, b, refusal);
    free(refusal);
    stage_close(&stage); /* finds all of them running */
}

/* After a reboot the numbers of the pid files are other processes'. */
static void test_stale_pids(void)
{
    struct stage stage;
    char line[256];
    stage_open(&stage, "stale", NULL);
    stage_kill_all(&stage, "");
    snprintf(line, sizeof line, "for f in stale/run/*.pid; do echo %d >$f; done", (int)getpid());
    must(NULL, line);
    expect(0, "9 of them started now", STAGE_WORDS("shardctl", "up", "--dir", stage.dir));
    stage_may_all_be_down(&stage, false);

    stage_kill(&stage, "master-3"); /* down finds what is left, and nobody else */
    stage_kill_all(&stage, "group-101");
    snprintf(line, sizeof line, "echo %d >stale/run/master-3.pid", (int)getpid());
    must(NULL, line);
    expect(0, "5 servers stopped", STAGE_WORDS("shardctl", "down", "--dir", stage.dir));
    expect(0, "0 servers stopped", STAGE_WORDS("shardctl", "down", "--dir", stage.dir));
    stage_may_all_be_down(&stage, true);
    stage_close(&stage);
}

/* `up` is killed at any moment of its first run, again and again. */
static void test_interrupted(void)
{
    for (unsigned round = 0; round < 3 * stage_rounds(); round++) {
        struct stage stage;
        char name[32], dir[STAGE_PATH_MAX];
        snprintf(name, sizeof name, "interrupted-%u", round);
        snprintf(dir, sizeof dir, "%.400s/%s", stage_scratch(), name);
        for (unsigned kills = 0; kills < 4; kills++) {
            pid_t pid = stage_spawn(NULL, "/dev/null", STAGE_WORDS("shardctl", "up", "--dir", dir));
            stage_pause_ms((unsigned)random() % (kills < 2 ? 40 : 1200));
            kill(pid, SIGKILL);
            stage_wait(pid);
        }
        stage_open(&stage, name, NULL);
        if (count_running(&stage) != SERVERS)
            stage_fail("%u servers run", count_running(&stage));
        must(&stage, "shardctl put name value && test \"$(shardctl get name)\" = value");
        stage_close(&stage);
    }
}

/* On a terminal long work is seen; what stays on the screen is the result. */
static void test_progress(void)
{
    struct stage stage;
    stage_open(&stage, "progress", NULL);
    must(&stage,
         "shardctl put \"$(printf 'a\\033[2Jb\\nc')\" x && shardctl ls | wc -l | grep -q 2");
    must(&stage, "script -qec 'shardctl ls' /dev/null | grep -qF 'a\\033[2Jb\\nc'");
    must(&stage, "script -qec 'shardctl drain 101' /dev/null >drain.out && "
                 "grep -q 'still holds\\|waiting for its leader' drain.out && "
                 "grep -q 'group 101 holds nothing' drain.out");
    must(&stage, "script -qec 'shardctl down --dir progress' /dev/null >down.out && "
                 "grep -q 'stopping 9 servers' down.out && grep -q '9 servers stopped' down.out");
    stage_may_all_be_down(&stage, true);
    stage_close(&stage);
}

int main(int argc, char **argv)
{
    static const struct stage_test tests[] = {
        {"paths", test_paths},
        {"ready", test_ready},
        {"headless", test_headless},
        {"lost-data", test_lost_data},
        {"damaged-file", test_damaged_file},
        {"port-taken", test_port_taken},
        {"two-at-once", test_two_at_once},
        {"stale-pids", test_stale_pids},
        {"interrupted", test_interrupted},
        {"progress", test_progress},
    };
    return stage_main(argc, argv, tests, sizeof tests / sizeof tests[0], 180);
}

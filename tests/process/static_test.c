/* Clusters without shardmasters: one group, and a ring whose servers hold several replicas each. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process/load.h"
#include "process/stage.h"

#define WELL 500u
#define WELL_MS 20000u
#define ANSWER_MS 20000u

/* A shell line that must succeed. */
static void must(const struct stage *stage, const char *line)
{
    stage_must(stage, STAGE_WORDS("sh", "-c", line));
}

static void restart(struct stage *stage, struct load *load)
{
    load_must_run(load, stage, STAGE_WORDS("shardctl", "up", "--dir", stage->dir));
    stage_may_all_be_down(stage, false);
    load_must_make_progress(load, WELL, WELL_MS);
}

/* Each server is killed once while the others serve all shards, then all of them. */
static void kill_under_load(struct stage *stage)
{
    struct load *load =
        load_new(stage->masters, &(struct load_options){.long_values = true, .timeout_ms = 10000});
    size_t kills = stage->server_count > 1 ? stage->server_count * stage_rounds() : 0;
    for (size_t i = 0; i < kills; i++) {
        load_run(load, 300);
        stage_kill(stage, stage->servers[i % stage->server_count].name);
        load_must_make_progress(load, WELL, WELL_MS);
        restart(stage, load);
    }
    load_run(load, 300);
    stage_kill_all(stage, "");
    restart(stage, load);
    load_verify(load);
    load_free(load);
}

/* -- shapes ---------------------------------------------------------------------------------- */

static void test_ring(void)
{
    struct stage stage;
    stage_open(&stage, "ring", STAGE_WORDS("--static", "--servers", "4"));
    must(&stage, "shardctl status | grep '^static placement: 4 shards by hash, 4 groups; 4 shards "
                 "are served'");
    must(&stage,
         "shardctl status --json | jq -e '.static and .served == 4 and (.replicas | length) "
         "== 12 and ([.replicas[] | select(.role == \"leader\")] | length) == 4'");
    must(&stage, "shardctl query --json | jq -e '.shards == [1, 2, 3, 4] and "
                 ".groups[0].addresses[1:] == .groups[1].addresses[:2] and "
                 ".groups[3].addresses[1:] == .groups[0].addresses[:2]'");
    kill_under_load(&stage);
    stage_close(&stage);
}

/* Key 7 of 4 shards is in shard 3, what is no number in shard 0; and whoever reaches one server, of
 * whatever shard, reaches every key. */
static void test_numbers(void)
{
    struct stage stage;
    stage_open(&stage, "numbers",
               STAGE_WORDS("--static", "--servers", "4", "--replicas", "3", "--routing", "number"));
    must(&stage, "for k in 0 1 2 3 4 5 6 7; do shardctl put $k value-$k && shardctl stat $k | "
                 "grep -q \"^shard  *$((k % 4)), of group $((k % 4 + 1))$\" || exit 1; done");
    must(&stage,
         "for k in word 7b -1 1.5 '' 0x7; do shardctl put --key -- \"$k\" other && "
         "shardctl stat --key -- \"$k\" | grep -q '^shard  *0, of group 1$' || exit 1; done");
    stage_kill(&stage, "server-2");
    must(&stage, "alive=0; for m in $(echo $SHARDFS_MASTERS | tr , ' '); do "
                 "shardctl --masters $m query >query.out 2>&1 || continue; alive=$((alive + 1)); "
                 "for k in 0 1 2 3 4 5 6 7; do "
                 "test \"$(shardctl --masters $m get $k)\" = value-$k || exit 1; done; done; "
                 "rm query.out; test $alive = 3");
    must(&stage, "shardctl put 1 new && test \"$(shardctl get 1)\" = new && "
                 "shardctl ls | paste -sd ' ' | grep -x -- '-1 0 0x7 1 1.5 2 3 4 5 6 7 7b word'");
    stage_up(&stage);
    stage_close(&stage);
}

static void test_one_group(void)
{
    static const char *const engines[] = {"raft", "paxos"};
    for (size_t i = 0; i < 2; i++) {
        struct stage stage;
        stage_open(&stage, engines[i], STAGE_WORDS("--static", "--engine", engines[i]));
        must(&stage, "shardctl status --json | jq -e '.static and .served == 64 and "
                     "([.replicas[].gid] == [1, 1, 1])'");
        kill_under_load(&stage);
        stage_close(&stage);
    }
}

/* One server: exactly once across its restarts. */
static void test_solo(void)
{
    struct stage stage;
    stage_open(&stage, "solo", STAGE_WORDS("--static", "--replicas", "1"));
    if (stage.server_count != 1)
        stage_fail("%zu servers", stage.server_count);
    kill_under_load(&stage);
    stage_close(&stage);
}

/* -- what there is not ----------------------------------------------------------------------- */

/* One line, status 1, and the placement is what it was. */
static void test_refusals(void)
{
    static const char *const lines[] = {"join 9 127.0.0.1:1", "join --force 9 127.0.0.1:1",
                                        "leave 1", "move 0 2", "drain 1"};
    struct stage stage;
    char line[256];
    stage_open(&stage, "refusals", STAGE_WORDS("--static", "--servers", "3", "--replicas", "2"));
    must(&stage, "shardctl query --json | jq -e '[.groups[].addresses | length] == [2, 2, 2]'");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char *text;
        snprintf(line, sizeof line,
                 "before=$(shardctl query); shardctl %s; status=$?; "
                 "test \"$(shardctl query)\" = \"$before\" && exit $status",
                 lines[i]);
        int exit_status = stage_run(&stage, &text, STAGE_WORDS("sh", "-c", line));
        if (exit_status != 1 || !strstr(text, "this cluster is static: it has no shardmasters") ||
            strchr(text, '\n')[1] != 0)
            stage_fail("%s: status %d: %s", lines[i], exit_status, text);
        free(text);
    }
    must(&stage, "address=$(shardctl query --json | jq -r '.groups[1].addresses[1]') && "
                 "shardctl transfer 2 $address | grep \"$address leads group 2\"");
    stage_close(&stage);
}

/* -- engines that differ ---------------------------------------------------------------------- */

/* The group 7 at these addresses; the last of them on the other engine. stage: NULL, or whose
 * masters it asks. */
static void start_group(char addresses[3][64], pid_t pids[3], const struct stage *stage)
{
    char group[256], log[STAGE_PATH_MAX], dir[STAGE_PATH_MAX];
    for (unsigned i = 0; i < 3; i++)
        stage_free_address(addresses[i]);
    snprintf(group, sizeof group, "7=%s,%s,%s", addresses[0], addresses[1], addresses[2]);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(dir, sizeof dir, "%.400s/%s-%u", stage_scratch(), stage ? "odd" : "mixed", i);
        snprintf(log, sizeof log, "%.400s.log", dir);
        pids[i] = stage_spawn(
            NULL, log,
            STAGE_WORDS("shardkv", "--dir", dir, "--listen", addresses[i], "--cluster",
                        stage ? stage->cluster_id : "c0ffee", "--replica", group, "--create",
                        "--engine", i < 2 ? "raft" : "paxos", stage ? "--masters" : "--static",
                        stage ? stage->masters : group));
        stage_await_text(log, "serves group 7 as replica", ANSWER_MS);
    }
}

static void stop_group(const pid_t pids[3])
{
    for (unsigned i = 0; i < 3; i++)
        kill(pids[i], SIGTERM);
    for (unsigned i = 0; i < 3; i++) {
        if (stage_wait(pids[i]) != 0)
            stage_fail("a server does not end when it is asked to");
    }
}

/* Who was started on another engine is heard by nobody, and the log says why; the others go on. */
static void test_mixed_engines(void)
{
    char addresses[3][64], log[STAGE_PATH_MAX], line[512];
    pid_t pids[3];
    start_group(addresses, pids, NULL);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(log, sizeof log, "%.400s/mixed-%u.log", stage_scratch(), i);
        stage_await_text(log, "its addresses or their order, engine, shards or routing differ",
                         ANSWER_MS);
    }
    snprintf(line, sizeof line,
             "export SHARDFS_MASTERS=%s && shardctl put name value && "
             "test $(shardctl get name) = value && shardctl status --json | "
             "jq -e '[.replicas[].engine] == [\"raft\", \"raft\", \"paxos\"] "
             "and .replicas[2].role == \"follower\"'",
             addresses[2]);
    must(NULL, line);
    stop_group(pids);
}

static void test_mixed_join(void)
{
    struct stage stage;
    char addresses[3][64], *text;
    pid_t pids[3];
    stage_open(&stage, "join", STAGE_WORDS("--groups", "1", "--master-replicas", "1"));
    start_group(addresses, pids, &stage);
    int exit_status =
        stage_run(&stage, &text,
                  STAGE_WORDS("shardctl", "join", "7", addresses[0], addresses[1], addresses[2]));
    if (exit_status != 1 ||
        !strstr(text, "has engine paxos, another one raft: a group has one engine"))
        stage_fail("join: status %d: %s", exit_status, text);
    free(text);
    stop_group(pids);
    stage_close(&stage);
}

int main(int argc, char **argv)
{
    static const struct stage_test tests[] = {
        {"ring", test_ring},
        {"numbers", test_numbers},
        {"one-group", test_one_group},
        {"solo", test_solo},
        {"refusals", test_refusals},
        {"mixed-engines", test_mixed_engines},
        {"mixed-join", test_mixed_join},
    };
    return stage_main(argc, argv, tests, sizeof tests / sizeof tests[0], 240);
}

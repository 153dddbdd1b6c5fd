/* A cluster under test: its directory, its servers, its end. */
#include "process/stage.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GONE_MS 10000u

/* -- what `up` wrote ------------------------------------------------------------------------- */

static bool has_server(const struct stage *stage, const char *address)
{
    for (size_t i = 0; i < stage->server_count; i++) {
        if (strcmp(stage->servers[i].address, address) == 0)
            return true;
    }
    return false;
}

static void add_server(struct stage *stage, unsigned long gid, size_t replica, const char *address)
{
    if (stage->server_count == STAGE_SERVERS_MAX)
        stage_fail("%s has too many servers for a test", stage->dir);
    struct stage_server *server = &stage->servers[stage->server_count++];
    if (stage->is_static)
        snprintf(server->name, sizeof server->name, "server-%zu", stage->server_count);
    else if (gid == 0)
        snprintf(server->name, sizeof server->name, "master-%zu", replica);
    else
        snprintf(server->name, sizeof server->name, "group-%lu-%zu", gid, replica);
    snprintf(server->address, sizeof server->address, "%s", address);
}

static void take_group(struct stage *stage, char *line)
{
    char *save, *word = strtok_r(line, " ", &save);
    unsigned long gid = strtoul(strtok_r(NULL, " ", &save), NULL, 10);
    size_t at = strlen(stage->masters);
    for (size_t replica = 1; (word = strtok_r(NULL, " ", &save)); replica++) {
        if (has_server(stage, word))
            continue;
        add_server(stage, gid, replica, word);
        if (gid == 0 || stage->is_static)
            at += (size_t)snprintf(stage->masters + at, sizeof stage->masters - at, "%s%s",
                                   at > 0 ? "," : "", word);
    }
}

void stage_look(struct stage *stage)
{
    char path[STAGE_PATH_MAX], *save;
    snprintf(path, sizeof path, "%.400s/cluster", stage->dir);
    char *text = stage_read_file(path);
    if (!text)
        stage_fail("%s: %s", path, strerror(errno));
    stage->server_count = 0;
    stage->masters[0] = 0;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        sscanf(line, "cluster %23s", stage->cluster_id);
        stage->is_static |= strcmp(line, "placement static") == 0;
        if (strncmp(line, "group ", 6) == 0)
            take_group(stage, line);
    }
    free(text);
}

void stage_open(struct stage *stage, const char *name, const char *const *words)
{
    const char *line[STAGE_WORDS_MAX + 1] = {"shardctl", "up", "--dir", stage->dir};
    size_t count = 4;
    memset(stage, 0, sizeof *stage);
    snprintf(stage->dir, sizeof stage->dir, "%.400s/%s", stage_scratch(), name);
    while (words && *words && count < STAGE_WORDS_MAX)
        line[count++] = *words++;
    const char *engine = getenv("SHARDFS_PROCESS_ENGINE");
    if (engine != NULL && count + 2 <= STAGE_WORDS_MAX) {
        line[count++] = "--engine";
        line[count++] = engine;
    }
    stage_must(NULL, line);
    stage_look(stage);
}

void stage_up(struct stage *stage)
{
    stage_must(NULL, STAGE_WORDS("shardctl", "up", "--dir", stage->dir));
    stage_may_all_be_down(stage, false);
}

void stage_may_all_be_down(struct stage *stage, bool may)
{
    for (size_t i = 0; i < stage->server_count; i++)
        stage->servers[i].may_be_down = may;
}

/* -- the end --------------------------------------------------------------------------------- */

static void check_log(const struct stage *stage, const struct stage_server *server)
{
    static const char *const bad[] = {"Sanitizer", "runtime error", "assertion failed", "FATAL"};
    char path[STAGE_PATH_MAX];
    snprintf(path, sizeof path, "%.350s/log/%s.log", stage->dir, server->name);
    char *text = stage_read_file(path);
    for (size_t i = 0; text && i < sizeof bad / sizeof bad[0]; i++) {
        if (strstr(text, bad[i]))
            stage_fail("%s crashed:\n%s", server->name, text);
    }
    free(text);
}

void stage_check_alive(const struct stage *stage)
{
    for (size_t i = 0; i < stage->server_count; i++) {
        const struct stage_server *server = &stage->servers[i];
        char path[STAGE_PATH_MAX];
        if (server->may_be_down || stage_pid(stage, server->name) != 0)
            continue;
        snprintf(path, sizeof path, "%.350s/log/%s.log", stage->dir, server->name);
        char *text = stage_read_file(path);
        stage_fail("%s ended by itself:\n%s", server->name, text ? text : "");
    }
}

void stage_close(struct stage *stage)
{
    stage_check_alive(stage);
    stage_must(NULL, STAGE_WORDS("shardctl", "down", "--dir", stage->dir));
    for (size_t i = 0; i < stage->server_count; i++) {
        if (stage_pid(stage, stage->servers[i].name) != 0)
            stage_fail("%s runs after 'shardctl down'", stage->servers[i].name);
        check_log(stage, &stage->servers[i]);
    }
}

/* -- servers --------------------------------------------------------------------------------- */

struct stage_server *stage_find(struct stage *stage, const char *name)
{
    for (size_t i = 0; i < stage->server_count; i++) {
        if (strcmp(stage->servers[i].name, name) == 0)
            return &stage->servers[i];
    }
    stage_fail("there is no server %s", name);
}

/* It is there, and no zombie: as long as it ends, it still holds its files. Of several threads the
 * first may be a zombie while others end, and the system takes connections in its name. */
static bool runs(pid_t pid)
{
    char path[64], state = 'X';
    long threads = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    if (fscanf(
            file,
            "%*d (%*[^)]) %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld",
            &state, &threads) != 2)
        state = 'X';
    fclose(file);
    return (state != 'Z' && state != 'X') || threads > 1;
}

pid_t stage_pid(const struct stage *stage, const char *name)
{
    char path[STAGE_PATH_MAX];
    snprintf(path, sizeof path, "%.350s/run/%s.pid", stage->dir, name);
    char *text = stage_read_file(path);
    pid_t pid = text ? (pid_t)strtol(text, NULL, 10) : 0;
    free(text);
    return pid > 1 && runs(pid) ? pid : 0;
}

void stage_signal(struct stage *stage, const char *name, int number)
{
    pid_t pid = stage_pid(stage, name);
    if (pid == 0)
        stage_fail("%s does not run", name);
    if (kill(pid, number) != 0)
        stage_fail("%s (%d): %s", name, (int)pid, strerror(errno));
}

static void await_gone(struct stage *stage, const char *name)
{
    for (unsigned waited = 0; stage_pid(stage, name) != 0; waited++) {
        if (waited > GONE_MS)
            stage_fail("%s does not go", name);
        stage_pause_ms(1);
    }
}

void stage_kill(struct stage *stage, const char *name)
{
    stage_find(stage, name)->may_be_down = true;
    stage_signal(stage, name, SIGKILL);
    await_gone(stage, name);
}

void stage_kill_all(struct stage *stage, const char *prefix)
{
    for (size_t i = 0; i < stage->server_count; i++) {
        struct stage_server *server = &stage->servers[i];
        if (strncmp(server->name, prefix, strlen(prefix)) == 0) {
            server->may_be_down = true;
            stage_signal(stage, server->name, SIGKILL);
        }
    }
    for (size_t i = 0; i < stage->server_count; i++) {
        if (strncmp(stage->servers[i].name, prefix, strlen(prefix)) == 0)
            await_gone(stage, stage->servers[i].name);
    }
}

/* -- what it says of itself ------------------------------------------------------------------ */

/* Its row of `status --json`, within *text, which is to be freed. NULL: there is none. */
static const char *find_row(struct stage *stage, const struct stage_server *server, char **text)
{
    char head[128];
    unsigned long gid = 0;
    sscanf(server->name, "group-%lu", &gid);
    if (stage_run(stage, text, STAGE_WORDS("shardctl", "status", "--json")) != 0)
        stage_fail("status: %s", *text);
    snprintf(head, sizeof head, "\"gid\":%lu,\"address\":\"%s\",", gid, server->address);
    return strstr(*text, head);
}

static bool leads(struct stage *stage, const struct stage_server *server)
{
    char *text;
    const char *row = find_row(stage, server, &text);
    const char *role = row ? strstr(row, "\"role\":\"") : NULL;
    bool is_leader = role && strncmp(role, "\"role\":\"leader\"", 15) == 0;
    free(text);
    return is_leader;
}

const char *stage_leader(struct stage *stage, const char *group)
{
    for (size_t i = 0; i < stage->server_count; i++) {
        if (strncmp(stage->servers[i].name, group, strlen(group)) == 0 &&
            leads(stage, &stage->servers[i]))
            return stage->servers[i].name;
    }
    return "";
}

bool stage_status(struct stage *stage, const char *name, const char *field, unsigned long *out)
{
    char *text, quoted[64];
    const char *row = find_row(stage, stage_find(stage, name), &text);
    const char *end = row ? strchr(row, '}') : NULL;
    snprintf(quoted, sizeof quoted, "\"%s\":", field);
    const char *at = row ? strstr(row, quoted) : NULL;
    bool found = at && at < end;
    if (found)
        *out = strtoul(at + strlen(quoted), NULL, 10);
    free(text);
    return found;
}

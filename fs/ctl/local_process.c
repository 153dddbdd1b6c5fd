/* The server processes of a local cluster: started in sessions of their own, found again by their
 * pid file and their command line. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/local.h"

#define STOP_MS 10000
#define POLL_MS 20

/* Is this pid a process whose command line names the server's directory? */
static bool is_server(pid_t pid, const char *dir)
{
    char path[64], words[16384];
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, words, sizeof words - 1);
    close(fd);
    for (ssize_t at = 0; at < n; at += (ssize_t)strlen(words + at) + 1) {
        words[n] = 0;
        if (strcmp(words + at, dir) == 0)
            return true;
    }
    return false;
}

pid_t local_pid(const struct local *local, const struct local_server *server)
{
    char path[LOCAL_PATH_MAX], dir[LOCAL_PATH_MAX];
    int pid = 0;
    local_path(path, local, "run/%s.pid", server->name);
    local_path(dir, local, "%s", server->name);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    if (fscanf(file, "%d", &pid) != 1)
        pid = 0;
    fclose(file);
    return pid > 1 && is_server(pid, dir) ? pid : 0;
}

static int save_pid(const struct local *local, const struct local_server *server, pid_t pid)
{
    char path[LOCAL_PATH_MAX];
    local_path(path, local, "run/%s.pid", server->name);
    FILE *file = fopen(path, "w");
    if (!file)
        return fail("%s: %s", path, strerror(errno));
    fprintf(file, "%d\n", (int)pid);
    if (fclose(file) != 0)
        return fail("%s: %s", path, strerror(errno));
    return 0;
}

/* In the child: never returns. */
static void become(char **argv, const char *log)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (null < 0 || out < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
        dup2(out, STDERR_FILENO) < 0)
        _exit(127);
    setsid();
    execv(argv[0], argv);
    dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

#define ARGUMENTS_MAX 24

/* The words of a command line, and the texts that some of them point to. */
struct command_line {
    char *argv[ARGUMENTS_MAX];
    size_t argc;
    char program[LOCAL_PATH_MAX], dir[LOCAL_PATH_MAX], listen[SF_ADDRESS_BYTES_MAX];
    char peers[4096], masters[4096], gid[24], cluster[24], shards[16], routing[16];
};

static void add(struct command_line *line, const char *option, char *value)
{
    static char names[][16] = {"--dir",     "--listen", "--peers",   "--cluster", "--shards",
                               "--routing", "--gid",    "--masters", "--create"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], option) == 0)
            line->argv[line->argc++] = names[i];
    }
    if (value)
        line->argv[line->argc++] = value;
    sf_assert(line->argc < ARGUMENTS_MAX);
}

static bool has_identity(const char *dir)
{
    char path[LOCAL_PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/identity", dir);
    return access(path, F_OK) == 0;
}

static void make_command_line(const struct local *local, const struct local_server *server,
                              struct command_line *line)
{
    const struct group *group = server->group;
    memset(line, 0, sizeof *line);
    snprintf(line->program, sizeof line->program, "%s/%s", local->programs,
             group->gid == 0 ? "shardmaster" : "shardkv");
    local_path(line->dir, local, "%s", server->name);
    snprintf(line->listen, sizeof line->listen, "%s", group->addresses[server->replica]);
    local_addresses(group, line->peers, sizeof line->peers);
    local_addresses(&local->groups[0], line->masters, sizeof line->masters);
    snprintf(line->cluster, sizeof line->cluster, "%llx", (unsigned long long)local->cluster_id);
    snprintf(line->shards, sizeof line->shards, "%u", local->shards);
    snprintf(line->routing, sizeof line->routing, "%s", local->routing);
    snprintf(line->gid, sizeof line->gid, "%llu", (unsigned long long)group->gid);
    line->argv[line->argc++] = line->program;
    add(line, "--dir", line->dir);
    add(line, "--listen", line->listen);
    add(line, "--peers", line->peers);
    add(line, "--cluster", line->cluster);
    add(line, "--shards", line->shards);
    add(line, "--routing", line->routing);
    if (group->gid != 0) {
        add(line, "--gid", line->gid);
        add(line, "--masters", line->masters);
    }
    if (!has_identity(line->dir))
        add(line, "--create", NULL);
}

int local_start(const struct local *local, const struct local_server *server)
{
    char log[LOCAL_PATH_MAX];
    struct command_line line;
    make_command_line(local, server, &line);
    local_path(log, local, "log/%s.log", server->name);
    if (access(line.program, X_OK) != 0)
        return fail("%s: %s", line.program, strerror(errno));
    pid_t pid = fork();
    if (pid < 0)
        return fail("fork: %s", strerror(errno));
    if (pid == 0)
        become(line.argv, log);
    return save_pid(local, server, pid);
}

static void pause_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

void local_stop(const struct local *local, const struct local_server *server)
{
    char path[LOCAL_PATH_MAX];
    pid_t pid = local_pid(local, server);
    for (int waited = 0; pid != 0; waited += POLL_MS) {
        if (waited == 0)
            kill(pid, SIGTERM);
        if (waited == STOP_MS)
            kill(pid, SIGKILL);
        pause_ms(POLL_MS);
        pid = local_pid(local, server);
    }
    local_path(path, local, "run/%s.pid", server->name);
    unlink(path);
}

void local_last_words(const struct local *local, const struct local_server *server, char *to,
                      size_t size)
{
    char path[LOCAL_PATH_MAX], line[1024];
    to[0] = 0;
    local_path(path, local, "log/%s.log", server->name);
    FILE *file = fopen(path, "r");
    if (!file)
        return;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (line[0])
            snprintf(to, size, "%s", line);
    }
    fclose(file);
}

/* up and down: a local cluster as a whole. */
#include "ctl/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/probe.h"
#include "ctl/progress.h"

#define READY_MS 30000u /* for masters and leaders to come up */
#define POLL_MS 100u

/* -- the directory ------------------------------------------------------------------------- */

static int make_dir(const char *path)
{
    if (mkdir(path, 0755) == 0 || errno == EEXIST)
        return 0;
    return fail("%s: %s", path, strerror(errno));
}

/* With its parents. Exit status. */
static int make_dirs(const char *path)
{
    char part[LOCAL_PATH_MAX];
    int exit_status = 0;
    snprintf(part, sizeof part, "%s", path);
    for (char *p = part + 1; *p && exit_status == 0; p++) {
        if (*p != '/')
            continue;
        *p = 0;
        exit_status = make_dir(part);
        *p = '/';
    }
    return exit_status == 0 ? make_dir(part) : exit_status;
}

static int find_programs(struct local *local)
{
    ssize_t n = readlink("/proc/self/exe", local->programs, sizeof local->programs - 1);
    if (n < 0)
        return fail("/proc/self/exe: %s", strerror(errno));
    local->programs[n] = 0;
    char *slash = strrchr(local->programs, '/');
    if (slash)
        *slash = 0;
    return 0;
}

static int lock_dir(struct local *local)
{
    char path[LOCAL_PATH_MAX];
    local_path(path, local, "run/lock");
    local->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (local->lock < 0)
        return fail("%s: %s", path, strerror(errno));
    if (flock(local->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return fail("another 'shardctl up' or 'down' works in %s just now", local->dir);
}

static int open_dir(struct local *local, const char *dir)
{
    char path[LOCAL_PATH_MAX], real[LOCAL_PATH_MAX];
    memset(local, 0, sizeof *local);
    if (!realpath(dir, real))
        return fail("%s: %s", dir, strerror(errno));
    if (strlen(real) + 64 >= sizeof local->dir || strchr(real, '\''))
        return fail("%s: this path is too long, or has a ' in it", real);
    strcpy(local->dir, real);
    int exit_status = find_programs(local);
    local_path(path, local, "run");
    if (exit_status == 0)
        exit_status = make_dir(path);
    local_path(path, local, "log");
    if (exit_status == 0)
        exit_status = make_dir(path);
    return exit_status == 0 ? lock_dir(local) : exit_status;
}

static bool has_cluster(const struct local *local)
{
    char path[LOCAL_PATH_MAX];
    local_path(path, local, "cluster");
    return access(path, F_OK) == 0;
}

/* -- up ------------------------------------------------------------------------------------ */

typedef int each_server(struct local *local, const struct local_server *server, void *ctx);

static int for_each_server(struct local *local, each_server *visit, void *ctx)
{
    int exit_status = 0;
    for (size_t g = 0; g < local->group_count; g++) {
        for (size_t i = 0; i < local->groups[g].address_count && exit_status == 0; i++) {
            struct local_server server;
            local_server(local, g, i, &server);
            exit_status = visit(local, &server, ctx);
        }
    }
    return exit_status;
}

static int start_missing(struct local *local, const struct local_server *server, void *ctx)
{
    size_t *started = ctx;
    if (local_pid(local, server) != 0)
        return 0;
    ++*started;
    progress_show("starting %s", server->name);
    return local_start(local, server);
}

/* A server that was started and is gone has said why. */
static int still_runs(struct local *local, const struct local_server *server, void *ctx)
{
    char words[1024];
    (void)ctx;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;
    if (local_pid(local, server) != 0)
        return 0;
    local_last_words(local, server, words, sizeof words);
    return fail("%s ended: %s (see %s/log/%s.log)", server->name, words[0] ? words : "no word",
                local->dir, server->name);
}

static bool has_leader(struct session *s, const struct group *group)
{
    bool found = false;
    for (size_t i = 0; i < group->address_count && !found; i++) {
        struct probe probe;
        probe_run(s, group->addresses[i], &probe);
        const struct probe_replica *replica = probe_find(&probe, group->gid);
        found = replica && replica->leads;
        probe_deinit(&probe);
    }
    return found;
}

static int wait_leaders(struct local *local, struct session *s)
{
    uint64_t until = env_now_ms(s->env) + READY_MS;
    for (size_t g = 0; g < local->group_count;) {
        const struct group *group = &local->groups[g];
        if (has_leader(s, group)) {
            g++;
            continue;
        }
        int exit_status = for_each_server(local, still_runs, NULL);
        if (exit_status != 0)
            return exit_status;
        if (env_now_ms(s->env) > until)
            return fail("group %llu elected no leader in %u s (see %s/log)",
                        (unsigned long long)group->gid, READY_MS / 1000, local->dir);
        progress_show("waiting for a leader of group %llu", (unsigned long long)group->gid);
        session_pause(s, POLL_MS);
    }
    return 0;
}

static int join_groups(struct local *local, struct session *s)
{
    struct master_op op;
    struct master_reply reply = {0};
    session_new_master_op(s, &op, MASTER_JOIN);
    op.groups = local->groups + 1;
    op.group_count = local->group_count - 1;
    int status = session_master(s, &op, &reply);
    if (status == SF_OK)
        status = reply.status;
    /* Joined by an `up` that ended before it could note so. */
    if (status != SF_OK && status != SF_GROUP_EXISTS)
        return fail("the groups cannot join: %s", sf_error_text(status));
    local->joined = true;
    return local_save(local);
}

static int make_ready(struct local *local)
{
    struct session s;
    char masters[4096];
    struct ctl_options options = {.masters = masters, .timeout_s = READY_MS / 1000};
    local_addresses(&local->groups[0], masters, sizeof masters);
    int exit_status = session_open(&s, &options);
    if (exit_status != 0) {
        int ended = for_each_server(local, still_runs, NULL);
        return ended != 0 ? ended : exit_status;
    }
    exit_status = wait_leaders(local, &s);
    if (exit_status == 0 && !local->joined)
        exit_status = join_groups(local, &s);
    session_close(&s);
    return exit_status;
}

static int up(struct local *local, const struct ctl_options *options)
{
    size_t started = 0, servers = 0;
    int exit_status =
        has_cluster(local) ? local_load(local, local->dir) : local_create(local, options);
    if (exit_status == 0)
        exit_status = local_save_env(local);
    if (exit_status == 0)
        exit_status = for_each_server(local, start_missing, &started);
    if (exit_status == 0)
        exit_status = make_ready(local);
    progress_end();
    if (exit_status != 0)
        return exit_status;
    for (size_t g = 0; g < local->group_count; g++)
        servers += local->groups[g].address_count;
    printf("%zu servers run, %zu started now: %zu shardmasters, %zu groups\n", servers, started,
           local->groups[0].address_count, local->group_count - 1);
    printf("use them with: . %s/env\n", local->dir);
    return 0;
}

int command_up(const struct ctl_options *options, size_t argc, char **argv)
{
    struct local local;
    (void)argc;
    (void)argv;
    if (!options->dir)
        return fail_usage("usage: shardctl up --dir DIR");
    int exit_status = make_dirs(options->dir);
    if (exit_status != 0)
        return exit_status;
    exit_status = open_dir(&local, options->dir);
    if (exit_status == 0)
        exit_status = up(&local, options);
    local_deinit(&local);
    return exit_status;
}

/* -- down ---------------------------------------------------------------------------------- */

static int stop_one(struct local *local, const struct local_server *server, void *ctx)
{
    size_t *stopped = ctx;
    if (local_pid(local, server) == 0)
        return 0;
    progress_show("stopping %s", server->name);
    local_stop(local, server);
    ++*stopped;
    return 0;
}

int command_down(const struct ctl_options *options, size_t argc, char **argv)
{
    struct local local;
    size_t stopped = 0;
    (void)argc;
    (void)argv;
    if (!options->dir)
        return fail_usage("usage: shardctl down --dir DIR");
    int exit_status = open_dir(&local, options->dir);
    if (exit_status == 0)
        exit_status = local_load(&local, local.dir);
    if (exit_status == 0)
        exit_status = for_each_server(&local, stop_one, &stopped);
    progress_end();
    if (exit_status == 0)
        printf("%zu servers stopped; their data stays in %s\n", stopped, local.dir);
    local_deinit(&local);
    return exit_status;
}

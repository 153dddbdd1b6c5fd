/* shardfs: mounts a cluster's keys as a directory.
 *
 * The command returns when the mount is live: the process forks first (threads and loops do not
 * survive a fork), and the parent waits for one byte, or for the pipe's end, which means that the
 * child has said on standard error what is wrong. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "env/log.h"
#include "env/memory.h"
#include "env/uv_env.h"
#include "mount/mount.h"

#define MASTERS_MS 10000u /* for a master to answer, before anything is mounted */

struct program {
    struct mount_options options;
    struct env *env;
    struct rpc *rpc;
    struct router *router;
    struct client *client;
    struct tree *tree;
    struct mount mount;
    struct router_master query;
    int ready_fd; /* -1: nobody waits */
    int exit_status;
    bool ending;
};

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "shardfs: %s: %s\n", what, why);
    return 1;
}

/* -- where the log goes ---------------------------------------------------------------------- */

static void (*log_to_terminal)(enum log_level level, const char *room, const char *text);

/* Before the mount is live: as one who answers a command. */
static void log_plainly(enum log_level level, const char *room, const char *text)
{
    (void)level;
    (void)room;
    fprintf(stderr, "shardfs: %s\n", text);
}

/* In the background nobody sees a terminal. */
static void log_to_syslog(enum log_level level, const char *room, const char *text)
{
    static const int priorities[] = {LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERR};
    syslog(LOG_DAEMON | priorities[level], "%s: %s", room, text);
}

/* -- before anything is started -------------------------------------------------------------- */

static int complain_of_directory(const char *path)
{
    switch (errno) {
    case ENOENT:
        return complain(path, "there is no such directory to mount on");
    case ENOTDIR:
        return complain(path, "it is not a directory, so nothing can be mounted on it");
    case ENOTCONN:
        return complain(path, "a mount whose process died is here: unmount it first "
                              "(fusermount3 -u)");
    default:
        return complain(path, strerror(errno));
    }
}

/* Is the mount point a directory that is empty? Exit status. */
static int check_mountpoint(const struct mount_options *options)
{
    const char *path = options->mountpoint;
    DIR *dir = opendir(path);
    if (!dir)
        return complain_of_directory(path);
    int others = 0;
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir))
        others += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(dir);
    if (others > 0 && !options->nonempty)
        return complain(path, "the mount point is not empty, or mounted already "
                              "(-o nonempty mounts over it)");
    return 0;
}

/* -- life of the child ----------------------------------------------------------------------- */

static void end(struct program *p)
{
    if (p->ending)
        return;
    p->ending = true;
    uv_env_stop(p->env);
}

static void on_ended(void *ctx)
{
    end(ctx);
}

static void on_signal(void *ctx, int number)
{
    (void)number;
    end(ctx);
}

/* The parent may go, and with it the terminal. */
static void on_live(void *ctx)
{
    struct program *p = ctx;
    log_sink = p->options.foreground ? log_to_terminal : log_to_syslog;
    if (p->ready_fd < 0)
        return;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    setsid();
    if (chdir("/") != 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0 ||
        write(p->ready_fd, "1", 1) != 1)
        log_error("mount", "cannot detach from the terminal: %s", strerror(errno));
    close(null);
    close(p->ready_fd);
    p->ready_fd = -1;
}

static void complain_of_masters(const struct program *p, int status)
{
    const char *why = sf_error_text(status);
    if (status == SF_TIMEOUT || status == SF_UNREACHABLE)
        why = "no shardmaster answers: is the cluster up?";
    if (status == SF_NO_METHOD)
        why = "no shardmaster is there, but another server";
    complain(p->options.masters, why);
}

static void on_open(void *ctx)
{
    struct program *p = ctx;
    p->mount.on_live = on_live;
    p->mount.on_ended = on_ended;
    p->mount.ctx = p;
    if (mount_start(&p->mount, p->env, uv_env_loop(p->env), p->tree, &p->options) != SF_OK) {
        end(p); /* it has been said why */
        return;
    }
    p->exit_status = 0;
}

static void on_config(struct router_master *call, int status, const struct config *config,
                      const struct master_reply *reply)
{
    struct program *p = container_of(call, struct program, query);
    (void)config;
    (void)reply;
    if (status != SF_OK) {
        complain_of_masters(p, status);
        end(p);
        return;
    }
    tree_open(p->tree, on_open, p);
}

static void make_rooms(struct program *p, char **masters, size_t count)
{
    struct rpc_options rpc_options = {.role = "client"};
    struct tree_options tree_options = {.uid = getuid(), .gid = getgid()};
    p->rpc = rpc_new(p->env, &rpc_options);
    p->router = router_new(p->env, p->rpc, (const char *const *)masters, count);
    p->client = client_new(p->env, p->router);
    tree_options.timeout_ms = p->options.hard ? 0 : (uint64_t)p->options.timeo_s * 1000;
    tree_options.rpc = p->rpc;
    p->tree = tree_new(p->env, p->client, &tree_options);
}

static void free_rooms(struct program *p)
{
    mount_stop(&p->mount);
    tree_free(p->tree);
    client_free(p->client);
    router_master_cancel(&p->query);
    router_free(p->router);
    rpc_free(p->rpc);
}

static int serve(struct program *p, char **masters, size_t count)
{
    if (uv_env_new(&p->env) != SF_OK)
        return complain("event loop", "cannot be made");
    if (uv_env_on_signals(p->env, on_signal, p) != SF_OK) {
        uv_env_free(p->env);
        return complain("signals", "cannot be caught");
    }
    make_rooms(p, masters, count);
    p->query.on_done = on_config;
    p->query.num = -1;
    p->query.deadline_ms = env_now_ms(p->env) + MASTERS_MS;
    router_master_send(p->router, &p->query);
    uv_env_run(p->env);
    free_rooms(p);
    uv_env_free(p->env);
    return p->exit_status;
}

/* -- the parent ------------------------------------------------------------------------------ */

/* In the child returns -1; in the parent the exit status, once the child is live or has failed. */
static int detach(struct program *p)
{
    int ends[2], status;
    char byte;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return complain("pipe", strerror(errno));
    pid_t pid = fork();
    if (pid < 0)
        return complain("fork", strerror(errno));
    if (pid == 0) {
        close(ends[0]);
        p->ready_fd = ends[1];
        return -1;
    }
    close(ends[1]);
    ssize_t n = read(ends[0], &byte, 1);
    close(ends[0]);
    if (n == 1)
        return 0;
    if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) != 0)
        return WEXITSTATUS(status);
    return complain(p->options.mountpoint, "the process ended before the mount was live");
}

static int run(struct program *p, char **masters, size_t count)
{
    int exit_status = check_mountpoint(&p->options);
    if (exit_status != 0)
        return exit_status;
    exit_status = p->options.foreground ? -1 : detach(p);
    return exit_status >= 0 ? exit_status : serve(p, masters, count);
}

int main(int argc, char **argv)
{
    struct program p = {.ready_fd = -1, .exit_status = 1};
    const char *bad = "";
    char **masters = NULL;
    size_t count = 0;
    uv_env_open_standard_files();
    log_to_terminal = log_sink;
    log_sink = log_plainly;
    enum options_result parsed = mount_options_parse(&p.options, argc, argv);
    int exit_status = parsed == OPTIONS_DONE ? 0 : 2;
    if (parsed == OPTIONS_RUN) {
        if (router_parse_addresses(p.options.masters, &masters, &count, &bad) == SF_OK) {
            exit_status = run(&p, masters, count);
        } else {
            fprintf(stderr, "shardfs: '%s' is not a list HOST:PORT,HOST:PORT,... (look at '%s')\n",
                    p.options.masters, bad);
        }
    }
    for (size_t i = 0; i < count; i++)
        free(masters[i]);
    free(masters);
    mount_options_deinit(&p.options);
    return exit_status;
}

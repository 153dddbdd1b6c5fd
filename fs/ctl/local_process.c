/* The server processes of a local cluster: started in sessions of their own, found again by their
 * pid file and their command line. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ctl/local.h"

#define STOP_MS 10000
#define POLL_MS 10
#define ARGUMENTS_MAX (24 + 2 * LOCAL_GROUPS_MAX + 2 * SF_REPLICAS_MAX)
#define ADDRESSES_BYTES (LOCAL_GROUPS_MAX * SF_ADDRESS_BYTES_MAX) /* of a group, or a ring */
#define LINE_BYTES 65536u
#define FREE_MIB_MIN 64u   /* a server that begins makes files of 16 MiB */
#define WORDS_BYTES 16384u /* of a command line */

/* -- finding ------------------------------------------------------------------------------- */

enum found {
    FOUND_SERVER,
    FOUND_ENDING, /* somebody's end: without words already, its files not closed yet */
    FOUND_OTHER   /* nobody, or after a reboot somebody else who got this number */
};

static size_t count_threads(pid_t pid)
{
    char path[64];
    size_t count = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    for (const struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir))
        count += e->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return count;
}

/* The process has ended but for being waited for. Its first thread is a zombie before the others are
 * gone, and files and ports are closed with the last. */
static bool has_ended(pid_t pid)
{
    char path[64], state = 'X';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = 'X';
    if (file)
        fclose(file);
    return state == 'X' || (state == 'Z' && count_threads(pid) <= 1);
}

/* Was this process called with "--dir DIR"? */
static enum found look_at(pid_t pid, const char *dir)
{
    char path[64], words[WORDS_BYTES];
    const char *before = "";
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return FOUND_OTHER;
    ssize_t n = read(fd, words, sizeof words - 1);
    close(fd);
    if (n <= 0)
        return has_ended(pid) ? FOUND_OTHER : FOUND_ENDING;
    words[n] = 0;
    for (const char *word = words; word < words + n; word += strlen(word) + 1) {
        if (strcmp(before, "--dir") == 0 && strcmp(word, dir) == 0)
            return FOUND_SERVER;
        before = word;
    }
    return FOUND_OTHER;
}

static pid_t read_pid(const struct local *local, const struct local_server *server)
{
    char path[LOCAL_PATH_MAX];
    int pid = 0;
    local_path(path, local, "run/%s.pid", server->name);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%d", &pid) != 1)
        pid = 0;
    if (file)
        fclose(file);
    return pid > 1 ? pid : 0;
}

static void pause_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

pid_t local_pid(const struct local *local, const struct local_server *server)
{
    char dir[LOCAL_PATH_MAX];
    pid_t pid = read_pid(local, server);
    local_path(dir, local, "%s", server->name);
    enum found found = pid > 0 ? look_at(pid, dir) : FOUND_OTHER;
    for (long waited = 0; found == FOUND_ENDING && waited < STOP_MS; waited += POLL_MS) {
        pause_ms(POLL_MS);
        found = look_at(pid, dir);
    }
    return found == FOUND_SERVER ? pid : 0;
}

/* -- its command line ---------------------------------------------------------------------- */

struct command_line {
    char *argv[ARGUMENTS_MAX];
    size_t argc;
    char text[LINE_BYTES]; /* what they point to */
    size_t text_bytes;
};

/* One word. */
static void add(struct command_line *line, const char *format, ...) SF_PRINTF(2, 3);
static void add(struct command_line *line, const char *format, ...)
{
    char *word = line->text + line->text_bytes;
    va_list args;
    va_start(args, format);
    line->text_bytes +=
        (size_t)vsnprintf(word, sizeof line->text - line->text_bytes, format, args) + 1;
    va_end(args);
    sf_assert(line->text_bytes <= sizeof line->text);
    line->argv[line->argc++] = word;
    sf_assert(line->argc < ARGUMENTS_MAX);
}

static bool has_identity(const struct local *local, const struct local_server *server)
{
    char path[LOCAL_PATH_MAX];
    local_path(path, local, "%s/identity", server->name);
    return access(path, F_OK) == 0;
}

bool local_is_lost(const struct local *local, const struct local_server *server)
{
    return local->joined && !has_identity(local, server);
}

static bool holds_replica(const struct local_server *server, const struct group *group)
{
    for (size_t i = 0; i < group->address_count; i++) {
        if (strcmp(group->addresses[i], server->address) == 0)
            return true;
    }
    return false;
}

/* Which replicas it holds, and where it finds the other groups. */
static void add_static_groups(struct command_line *line, const struct local *local,
                              const struct local_server *server)
{
    char addresses[ADDRESSES_BYTES];
    for (size_t g = 0; g < local->group_count; g++) {
        const struct group *group = &local->groups[g];
        local_addresses(group, addresses, sizeof addresses);
        add(line, "--static");
        add(line, "%" PRIu64 "=%s", group->gid, addresses);
        if (!holds_replica(server, group))
            continue;
        add(line, "--replica");
        add(line, "%" PRIu64 "=%s", group->gid, addresses);
    }
}

static void add_group(struct command_line *line, const struct local *local,
                      const struct group *group)
{
    char addresses[ADDRESSES_BYTES];
    local_addresses(group, addresses, sizeof addresses);
    add(line, "--peers");
    add(line, "%s", addresses);
    if (group->gid == 0)
        return;
    local_contacts(local, addresses, sizeof addresses);
    add(line, "--gid");
    add(line, "%" PRIu64, group->gid);
    add(line, "--masters");
    add(line, "%s", addresses);
}

static void make_command_line(const struct local *local, const struct local_server *server,
                              struct command_line *line)
{
    line->argc = line->text_bytes = 0;
    add(line, "%s/%s", local->programs, server->group->gid == 0 ? "shardmaster" : "shardkv");
    add(line, "--dir");
    add(line, "%s/%s", local->dir, server->name);
    add(line, "--listen");
    add(line, "%s", server->address);
    add(line, "--cluster");
    add(line, "%" PRIx64, local->cluster_id);
    add(line, "--shards");
    add(line, "%u", local->shards);
    add(line, "--routing");
    add(line, "%s", local->routing);
    add(line, "--engine");
    add(line, "%s", local->engine);
    if (local->is_static)
        add_static_groups(line, local, server);
    else
        add_group(line, local, server->group);
    if (!has_identity(local, server))
        add(line, "--create");
    line->argv[line->argc] = NULL;
}

/* -- starting ------------------------------------------------------------------------------ */

/* In the child, so that no moment is left in which it runs and nobody could find it. */
static bool save_pid(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool good = fd >= 0 && dprintf(fd, "%d\n", (int)getpid()) > 0;
    return fd >= 0 && close(fd) == 0 && good;
}

/* What a child writes, or becomes. */
enum step { STEP_LOG, STEP_PID, STEP_PROGRAM, STEP_COUNT };

struct trouble {
    enum step step;
    int error; /* errno */
};

static bool redirect(const char *log)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    return null >= 0 && out >= 0 && dup2(null, STDIN_FILENO) >= 0 &&
           dup2(out, STDOUT_FILENO) >= 0 && dup2(out, STDERR_FILENO) >= 0;
}

/* In the child: never returns. */
static void become(char **argv, const char *const paths[STEP_COUNT], int tell)
{
    struct trouble trouble = {.step = STEP_LOG};
    (void)setsid(); /* cannot fail: a new child leads no process group */
    if (redirect(paths[STEP_LOG])) {
        trouble.step = STEP_PID;
        if (save_pid(paths[STEP_PID])) {
            trouble.step = STEP_PROGRAM;
            execv(argv[0], argv);
        }
    }
    trouble.error = errno;
    if (write(tell, &trouble, sizeof trouble) != (ssize_t)sizeof trouble)
        _exit(126);
    _exit(127);
}

static long file_size(const char *path)
{
    FILE *file = fopen(path, "r");
    long size = file && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : 0;
    if (file)
        fclose(file);
    return size;
}

/* The pipe ends when the child has become the program, or says why not. */
static int await_program(const char *const paths[STEP_COUNT], int from, pid_t pid)
{
    struct trouble trouble;
    ssize_t n;
    while ((n = read(from, &trouble, sizeof trouble)) < 0 && errno == EINTR)
        continue;
    if (n == 0)
        return 0;
    waitpid(pid, NULL, 0);
    if (n != (ssize_t)sizeof trouble)
        return fail("%s cannot be started: it ended", paths[STEP_PROGRAM]);
    return fail("%s cannot be %s: %s", paths[trouble.step],
                trouble.step == STEP_PROGRAM ? "started" : "written", strerror(trouble.error));
}

int local_start(const struct local *local, struct local_server *server)
{
    char log[LOCAL_PATH_MAX], pid_file[LOCAL_PATH_MAX];
    struct command_line line;
    int ends[2];
    make_command_line(local, server, &line);
    const char *paths[STEP_COUNT] = {log, pid_file, line.argv[0]};
    local_path(log, local, "log/%s.log", server->name);
    local_path(pid_file, local, "run/%s.pid", server->name);
    server->log_from = file_size(log);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return fail("pipe: %s", strerror(errno));
    server->pid = fork();
    if (server->pid == 0)
        become(line.argv, paths, ends[1]);
    close(ends[1]);
    int exit_status = server->pid > 0 ? await_program(paths, ends[0], server->pid)
                                      : fail("fork: %s", strerror(errno));
    close(ends[0]);
    return exit_status;
}

/* -- stopping ------------------------------------------------------------------------------ */

/* Signals those that run (0: none is sent); how many there are. */
static size_t signal_all(const struct local *local, int number)
{
    size_t count = 0;
    for (size_t i = 0; i < local->server_count; i++) {
        pid_t pid = local_pid(local, &local->servers[i]);
        if (pid == 0)
            continue;
        kill(pid, number);
        count++;
    }
    return count;
}

size_t local_stop_all(const struct local *local)
{
    char path[LOCAL_PATH_MAX];
    size_t count = signal_all(local, SIGTERM);
    for (int waited = 0; signal_all(local, 0) > 0; waited += POLL_MS) {
        if (waited == STOP_MS)
            signal_all(local, SIGKILL);
        pause_ms(POLL_MS);
    }
    for (size_t i = 0; i < local->server_count; i++) {
        local_path(path, local, "run/%s.pid", local->servers[i].name);
        unlink(path);
    }
    return count;
}

/* -- last words ---------------------------------------------------------------------------- */

/* The last line that it logged since it was started; "" if none. */
static void last_words(const char *log, long from, char *to, size_t size)
{
    char line[1024];
    to[0] = 0;
    FILE *file = fopen(log, "r");
    if (!file)
        return;
    if (fseek(file, from, SEEK_SET) == 0) {
        while (fgets(line, sizeof line, file)) {
            line[strcspn(line, "\n")] = 0;
            if (line[0])
                snprintf(to, size, "%s", line);
        }
    }
    fclose(file);
}

/* Where it could not even write why it ended. */
static void guess_words(const struct local *local, char *to, size_t size)
{
    struct statvfs disk;
    unsigned long long free_mib = UINT64_MAX;
    if (statvfs(local->dir, &disk) == 0)
        free_mib = disk.f_bavail * disk.f_frsize >> 20;
    if (free_mib < FREE_MIB_MIN)
        snprintf(to, size, "it said nothing; only %llu MiB are free on its disk", free_mib);
    else
        snprintf(to, size, "it said nothing");
}

int local_fail_ended(const struct local *local, const struct local_server *server)
{
    char log[LOCAL_PATH_MAX], words[1024], how[64] = "";
    int status;
    local_path(log, local, "log/%s.log", server->name);
    last_words(log, server->log_from, words, sizeof words);
    if (server->pid > 0 && waitpid(server->pid, &status, WNOHANG) == server->pid &&
        WIFSIGNALED(status))
        snprintf(how, sizeof how, " by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    if (!words[0])
        guess_words(local, words, sizeof words);
    return fail("%s ended%s: %s (all of it in %s)", server->name, how, words, log);
}

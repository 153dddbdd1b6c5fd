/* Programs that a test starts. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "process/stage.h"

void stage_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("   FAILED: ", stdout);
    vfprintf(stdout, format, args);
    fputc('\n', stdout);
    va_end(args);
    fflush(stdout);
    _exit(1); /* no leak check on the way: clients are still open */
}

void stage_pause_ms(unsigned ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

void stage_await_text(const char *path, const char *text, unsigned ms_max)
{
    for (unsigned waited = 0;; waited += 5) {
        char *content = stage_read_file(path);
        bool found = content && strstr(content, text);
        if (!found && waited > ms_max)
            stage_fail("%s does not say '%s':\n%s", path, text, content ? content : "(no file)");
        free(content);
        if (found)
            return;
        stage_pause_ms(5);
    }
}

void stage_free_address(char address[64])
{
    for (unsigned tries = 0; tries < 1000; tries++) {
        unsigned port = 10000 + (unsigned)(random() % 22000);
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool is_free = fd >= 0 && bind(fd, (struct sockaddr *)&in, sizeof in) == 0;
        close(fd);
        snprintf(address, 64, "127.0.0.1:%u", port);
        if (is_free)
            return;
    }
    stage_fail("no free port on 127.0.0.1");
}

char *stage_read_file(const char *path)
{
    struct stat st;
    FILE *file = fopen(path, "r");
    if (!file)
        return NULL;
    if (fstat(fileno(file), &st) != 0)
        stage_fail("%s: %s", path, strerror(errno));
    char *text = calloc(1, (size_t)st.st_size + 1);
    if (!text || (fread(text, 1, (size_t)st.st_size, file) == 0 && ferror(file)))
        stage_fail("%s cannot be read", path);
    fclose(file);
    return text;
}

static void redirect(const char *output)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0)
        _exit(126);
    if (!output)
        return;
    int fd = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
        _exit(126);
}

static const char *others; /* programs of this directory come first */

void stage_use_programs(const char *dir)
{
    others = dir;
}

/* In the child: never returns. */
static void become(const struct stage *stage, const char *output, const char *const *words)
{
    char path[4096], *argv[STAGE_WORDS_MAX + 1];
    size_t count = 0;
    for (; words[count]; count++) {
        if (count == STAGE_WORDS_MAX)
            _exit(126);
        argv[count] = strdup(words[count]);
    }
    argv[count] = NULL;
    redirect(output);
    if (stage)
        setenv("SHARDFS_MASTERS", stage->masters, 1);
    else
        unsetenv("SHARDFS_MASTERS");
    snprintf(path, sizeof path, "%s%s%s:%s", others ? others : "", others ? ":" : "", PROGRAMS_DIR,
             getenv("PATH"));
    setenv("PATH", path, 1); /* the programs of this build */
    execvp(argv[0], argv);
    fprintf(stderr, "%s: %s\n", words[0], strerror(errno));
    _exit(127);
}

pid_t stage_spawn(const struct stage *stage, const char *output, const char *const *words)
{
    fflush(stdout);
    if (output && strncmp(output, "/dev/", 5) != 0)
        unlink(output); /* what an earlier program said there is not taken for its words */
    pid_t pid = fork();
    if (pid < 0)
        stage_fail("fork: %s", strerror(errno));
    if (pid == 0)
        become(stage, output, words);
    return pid;
}

static int status_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int stage_wait(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            stage_fail("waitpid: %s", strerror(errno));
    }
    return status_of(status);
}

bool stage_has_ended(pid_t pid, int *status)
{
    int raw;
    pid_t got = waitpid(pid, &raw, WNOHANG);
    if (got < 0)
        stage_fail("waitpid: %s", strerror(errno));
    if (got == 0)
        return false;
    *status = status_of(raw);
    return true;
}

void stage_output_path(char path[STAGE_PATH_MAX])
{
    static unsigned number;
    snprintf(path, STAGE_PATH_MAX, "%.400s/output-%u", stage_scratch(), ++number);
}

void stage_take_output(const char *path, char **text)
{
    char *wrote = stage_read_file(path);
    unlink(path);
    if (text)
        *text = wrote;
    else
        free(wrote);
}

int stage_run(const struct stage *stage, char **text, const char *const *words)
{
    char output[STAGE_PATH_MAX];
    stage_output_path(output);
    int exit_status = stage_wait(stage_spawn(stage, output, words));
    stage_take_output(output, text);
    return exit_status;
}

void stage_fail_program(const char *const *words, int exit_status, const char *text)
{
    char line[1024] = "";
    for (size_t at = 0; *words && at < sizeof line; words++)
        at += (size_t)snprintf(line + at, sizeof line - at, "%s ", *words);
    stage_fail("%s: status %d: %s", line, exit_status, text);
}

void stage_must(const struct stage *stage, const char *const *words)
{
    char *text;
    int exit_status = stage_run(stage, &text, words);
    if (exit_status != 0)
        stage_fail_program(words, exit_status, text);
    free(text);
}

/* mount_conform DIR [UID]: does every row of conform_rows.c in the directory DIR, which is empty: as
 * whoever runs this, and where that is root and UID is given, as that user too, who gets DIR. Prints
 * the rows that fail, and how many were done. Exit status 1 where one failed. */
#include "mount/conform.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mount/probe.h"

#define TEXT_BYTES 16384
#define WORDS_MAX 16
#define NO_OPERATION 250 /* exit statuses of the child that are no errno */
#define NO_DIRECTORY 251

struct conform {
    const char *directory; /* within the present one */
    uid_t uid;             /* who does the calls */
    unsigned done, failed;
};

/* -- words ----------------------------------------------------------------------------------- */

static char *put_name(char *to, size_t bytes)
{
    memset(to, 'n', bytes);
    return to + bytes;
}

static char *put_path(char *to)
{
    for (int i = 0; i < 2100; i++, to += 2)
        memcpy(to, "./", 2);
    return to;
}

/* Words with %L, %M and %P written out. */
static void expand(const char *from, char *to)
{
    while (*from) {
        if (*from != '%') {
            *to++ = *from++;
            continue;
        }
        if (from[1] == 'P')
            to = put_path(to);
        else
            to = put_name(to, from[1] == 'L' ? 255 : 256);
        from += 2;
    }
    *to = 0;
}

static int split(char *text, char **words)
{
    int count = 0;
    char *save;
    for (char *word = strtok_r(text, " ", &save); word && count < WORDS_MAX;
         word = strtok_r(NULL, " ", &save))
        words[count++] = strcmp(word, "''") == 0 ? word + 2 : word;
    return count;
}

/* -- what a row needs ------------------------------------------------------------------------- */

static void make_file(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    probe_must(fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0, name);
}

static void make_kind(char kind, const char *name, const char *target)
{
    if (kind == 'd')
        probe_must(mkdir(name, 0755) == 0, name);
    else if (kind == 'f')
        make_file(name);
    else if (kind == 'l')
        probe_must(symlink(target, name) == 0, name);
    else
        probe_must(mknod(name, (kind == 'p' ? S_IFIFO : S_IFSOCK) | 0644, 0) == 0, name);
}

/* Modes come last of all: a directory may be closed by its own. */
static void make_word(const struct conform *c, char *word, bool modes)
{
    bool roots = word[0] == '@';
    char *name = word + (roots ? 3 : 2), kind = word[roots ? 1 : 0];
    char *mode = strchr(name, ','), *target = kind == 'l' ? strchr(name, '=') : NULL;
    if (mode)
        *mode++ = 0;
    if (target)
        *target++ = 0;
    if (modes) {
        if (mode)
            probe_must(chmod(name, (mode_t)strtoul(mode, NULL, 8)) == 0, name);
        return;
    }
    make_kind(kind, name, target);
    if (geteuid() == 0 && !roots)
        probe_must(lchown(name, c->uid, c->uid) == 0, name);
}

static void make_all(const struct conform *c, const char *made, bool modes)
{
    static char text[TEXT_BYTES];
    char *words[WORDS_MAX];
    expand(made, text);
    int count = split(text, words);
    for (int i = count; modes && i-- > 0;)
        make_word(c, words[i], true);
    for (int i = 0; !modes && i < count; i++)
        make_word(c, words[i], false);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    if (where->level == 0)
        return 0;
    return type == FTW_DP || type == FTW_D ? rmdir(path) : unlink(path);
}

static int open_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)where;
    return type == FTW_D || type == FTW_DNR ? chmod(path, 0755) : 0;
}

/* What the row has made and what the call has left. */
static void clean(const struct conform *c, const char *made)
{
    if (strchr(made, ',')) /* a directory may be closed */
        (void)nftw(c->directory, open_one, 16, FTW_PHYS);
    probe_must(nftw(c->directory, remove_one, 16, FTW_PHYS | FTW_DEPTH) == 0, c->directory);
}

/* -- a row ------------------------------------------------------------------------------------ */

/* The exit status of the child: 0, an errno, or what says that it did not come so far. */
static int do_call(const struct conform *c, const char *call)
{
    static char text[TEXT_BYTES];
    char *words[WORDS_MAX];
    if (chdir(c->directory) != 0)
        return NO_DIRECTORY;
    if (c->uid != geteuid() &&
        (setgroups(0, NULL) != 0 || setgid(c->uid) != 0 || setuid(c->uid) != 0))
        return NO_DIRECTORY;
    expand(call, text);
    int count = split(text, words), error = conform_operation(count, words);
    if (error < 0)
        error = probe_operation(count, words);
    return error < 0 ? NO_OPERATION : error;
}

static int run_call(const struct conform *c, const char *call)
{
    int status;
    pid_t pid = fork();
    probe_must(pid >= 0, "fork");
    if (pid == 0)
        _exit(do_call(c, call));
    probe_must(waitpid(pid, &status, 0) == pid, "waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : NO_OPERATION;
}

static const char *error_name(int error)
{
    if (error == NO_OPERATION || error == NO_DIRECTORY)
        return error == NO_OPERATION ? "no such operation" : "no way to begin";
    return error != 0 ? strerrorname_np(error) : "OK";
}

static void do_row(struct conform *c, const struct row *row)
{
    probe_must(chdir(c->directory) == 0, c->directory);
    make_all(c, row->made, false);
    make_all(c, row->made, true);
    probe_must(chdir("..") == 0, "..");
    int error = run_call(c, row->call);
    clean(c, row->made);
    c->done++;
    if (error == row->error)
        return;
    c->failed++;
    printf("as user %u, with '%s': '%s' gives %s, should be %s\n", (unsigned)c->uid, row->made,
           row->call, error_name(error), error_name(row->error));
}

/* Only root can make things of root's for others. */
static bool fits(const struct conform *c, const struct row *row)
{
    if (row->who != 'a' && (row->who == 'r') != (c->uid == 0))
        return false;
    return geteuid() == 0 || !strchr(row->made, '@');
}

static void do_rows(struct conform *c)
{
    probe_must(geteuid() != 0 || chown(c->directory, c->uid, c->uid) == 0, c->directory);
    for (size_t i = 0; i < row_count; i++) {
        if (fits(c, &rows[i]))
            do_row(c, &rows[i]);
    }
}

int main(int argc, char **argv)
{
    struct conform c = {.uid = geteuid()};
    char byte;
    if (argc == 2 && strcmp(argv[1], "wait") == 0) /* a program that runs (conform_odd.c) */
        return read(STDIN_FILENO, &byte, 1) == 0 ? 0 : 1;
    char *name = argc == 2 || argc == 3 ? strrchr(argv[1], '/') : NULL;
    if (!name) {
        fputs("usage: mount_conform PATH/DIR [UID]\n", stderr);
        return 2;
    }
    *name++ = 0;
    probe_must(chdir(argv[1]) == 0, argv[1]);
    c.directory = name;
    umask(0);
    do_rows(&c);
    if (argc == 3 && c.uid == 0) {
        c.uid = probe_number(argv[2]);
        do_rows(&c);
    }
    printf("%u calls, %u failed\n", c.done, c.failed);
    return c.failed > 0 ? 1 : 0;
}

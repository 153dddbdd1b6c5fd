/* stage: a cluster of real processes under a test, made by `shardctl up` in a directory of its own.
 *
 * A program of this room hands its table of tests to stage_main, which runs them in a child
 * process. When that ends, in whatever way, or the time is over, or a signal comes, every process
 * that descends from it is killed, and its directory is removed: nothing is left behind but the
 * exit status.
 */
#ifndef TESTS_PROCESS_STAGE_H
#define TESTS_PROCESS_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define STAGE_PATH_MAX 512u
#define STAGE_SERVERS_MAX 64u
#define STAGE_WORDS_MAX 48u /* of a command line */

struct stage_server {
    char name[64]; /* "master-1", "group-100-2"; "server-1" of a static cluster */
    char address[64];
    bool may_be_down; /* the test killed it, or expects it to end */
};

struct stage {
    char dir[STAGE_PATH_MAX]; /* of the cluster */
    char cluster_id[24];      /* as --cluster takes it */
    bool is_static;           /* `up --static`: there are no masters */
    char masters[512];        /* "A:1,B:2,C:3"; of a static cluster all servers */
    struct stage_server servers[STAGE_SERVERS_MAX];
    size_t server_count;
};

struct stage_test {
    const char *name;
    void (*run)(void);
};

/* main of a program: PROGRAM [--rounds N] [TEST...]. Runs the tests named, else all, for at most
 * `seconds` a round. Returns the exit status: 1 where a test failed or did not end. */
int stage_main(int argc, char **argv, const struct stage_test *tests, size_t count,
               unsigned seconds);
/* A directory that stage_main removes. The same for the whole program. */
const char *stage_scratch(void);
/* How often a test that goes in rounds goes round: --rounds, else SHARDFS_PROCESS_ROUNDS, else 1.
 */
unsigned stage_rounds(void);

/* Starts a cluster at scratch/NAME. words: further options of `shardctl up`, ended by NULL; or
 * NULL. A failure ends the test, as in all functions below. */
void stage_open(struct stage *stage, const char *name, const char *const *words);
/* What `up` wrote is read again: masters and servers. */
void stage_look(struct stage *stage);
/* `shardctl up` once more. Every server must run from then on. */
void stage_up(struct stage *stage);
/* Sets may_be_down of every server. */
void stage_may_all_be_down(struct stage *stage, bool may);
/* `shardctl down`; then no log may tell of a crash or a sanitizer's finding. */
void stage_close(struct stage *stage);
/* Every server runs, except those that may be down. */
void stage_check_alive(const struct stage *stage);

/* -- servers ------------------------------------------------------------------------------- */

struct stage_server *stage_find(struct stage *stage, const char *name);
pid_t stage_pid(const struct stage *stage, const char *name); /* 0: it does not run */
void stage_kill(struct stage *stage, const char *name);       /* SIGKILL; returns when it is gone */
void stage_signal(struct stage *stage, const char *name, int number);
/* All servers whose name begins so. */
void stage_kill_all(struct stage *stage, const char *prefix);
/* Name of the server that leads the group ("master", "group-100"), "" where none says so. */
const char *stage_leader(struct stage *stage, const char *group);
/* A number of its row in `shardctl status --json`; false where the server or the field is missing.
 */
bool stage_status(struct stage *stage, const char *name, const char *field, unsigned long *out);

/* -- programs ------------------------------------------------------------------------------ */

/* The words, ended by NULL; "shardctl", "shardkv" and so on are those of this build.
 * SHARDFS_MASTERS is the stage's (stage may be NULL: unset). Standard output and error go to the
 * file `output` (NULL: where the test's own go). */
pid_t stage_spawn(const struct stage *stage, const char *output, const char *const *words);
/* From now on programs of `dir` (borrowed; NULL: none) stand for those of this build. */
void stage_use_programs(const char *dir);
/* Waits for it. Exit status; 128 + the signal that ended it. */
int stage_wait(pid_t pid);
/* Has it ended? Then *status is as of stage_wait. */
bool stage_has_ended(pid_t pid, int *status);
/* Runs it to its end; *text (may be NULL) gets what it wrote, to be freed. */
int stage_run(const struct stage *stage, char **text, const char *const *words);
/* The same, and it must succeed. */
void stage_must(const struct stage *stage, const char *const *words);
/* A fresh name for a program's output, and what it wrote there: to *text (may be NULL). */
void stage_output_path(char path[STAGE_PATH_MAX]);
void stage_take_output(const char *path, char **text);
#define STAGE_WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Waits until the file holds the text. */
void stage_await_text(const char *path, const char *text, unsigned ms_max);
/* "127.0.0.1:PORT" with a port that is free just now, and none that a client may get. */
void stage_free_address(char address[64]);
void stage_pause_ms(unsigned ms);
/* The whole file, with a 0 behind it; NULL where there is none. To be freed. */
char *stage_read_file(const char *path);
/* Prints and ends the test's process with status 1. */
_Noreturn void stage_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void stage_fail_program(const char *const *words, int exit_status, const char *text);

#endif

/* command: the words that shardctl takes, and what each is called with. */
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "env/assert.h"

#define EXIT_USAGE 2
#define EXIT_FAILED 1

/* What stood before the command, and options that any command may have. */
struct ctl_options {
    const char *masters; /* --masters, else SHARDFS_MASTERS; NULL: neither */
    unsigned timeout_s;  /* --timeout; default 10 */
    bool json;           /* --json */
    bool force;          /* --force */
    bool full;           /* -l */
    const char *dir;     /* --dir */
    unsigned masters_count, groups_count, replicas_count; /* up: --masters-count ... */
    unsigned shards;
    const char *routing;
};

/* argv: the command's own arguments, without its name. Returns the exit status. */
typedef int command_run(const struct ctl_options *options, size_t argc, char **argv);

struct command {
    const char *name;
    const char *arguments; /* as in the usage line */
    const char *help;      /* one line */
    size_t argc_min, argc_max;
    command_run *run;
};

/* Finds it, checks the number of arguments, runs it. */
int command_main(int argc, char **argv);

/* "shardctl: text" on standard error; returns EXIT_FAILED or EXIT_USAGE. */
int fail(const char *format, ...) SF_PRINTF(1, 2);
int fail_usage(const char *format, ...) SF_PRINTF(1, 2);

command_run command_put, command_get, command_append, command_del;
command_run command_ls, command_stat;
command_run command_join, command_leave, command_move, command_transfer, command_drain;
command_run command_query, command_status;
command_run command_up, command_down;

#endif

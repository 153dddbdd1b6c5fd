/* command: the words that shardctl takes, and what each is called with. */
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "env/assert.h"

#define EXIT_USAGE 2
#define EXIT_FAILED 1

/* Which options were given; each command says which it takes. */
enum ctl_option {
    CTL_MASTERS = 1, /* --masters, --timeout: all commands that talk to a cluster */
    CTL_JSON = 2,
    CTL_FORCE = 4,
    CTL_FULL = 8, /* -l */
    CTL_KEY = 16, /* --key */
    CTL_DIR = 32,
    CTL_NEW = 64,    /* --shards and so on: what a new local cluster is made of */
    CTL_OLD = 128,   /* --old */
    CTL_HUMAN = 256, /* -h */
    CTL_REPAIR = 512,
};

struct ctl_options {
    unsigned given;      /* of enum ctl_option */
    const char *masters; /* --masters, else SHARDFS_MASTERS; NULL: neither */
    unsigned timeout_s;  /* --timeout; default 10; 0: none */
    const char *dir;     /* --dir; NULL: not given */
    /* up; 0 and NULL: not given */
    bool is_static;
    unsigned masters_count, groups_count, replicas_count;
    unsigned servers_count; /* of a static ring */
    unsigned shards;
    const char *routing; /* one that there is */
    const char *engine;  /* likewise */
};

/* argv: the command's own arguments, without its name. Returns the exit status. */
typedef int command_run(const struct ctl_options *options, size_t argc, char **argv);

struct command {
    const char *name;
    const char *arguments; /* as in the usage line */
    const char *help;      /* one line */
    size_t argc_min, argc_max;
    unsigned takes; /* of enum ctl_option */
    command_run *run;
};

/* Finds it, checks its options and the number of its arguments, runs it. */
int command_main(int argc, char **argv);

/* "shardctl: text" on standard error; returns EXIT_FAILED or EXIT_USAGE. */
int fail(const char *format, ...) SF_PRINTF(1, 2);
int fail_usage(const char *format, ...) SF_PRINTF(1, 2);
/* For standard output that could not be written, by errno. Does not return where its reader went
 * away. */
int fail_output(void);
/* Decimal digits and nothing else, min to max. False: the line, which calls it `what`, is printed.
 */
SF_MUST_CHECK bool take_number(const char *what, const char *text, uint64_t min, uint64_t max,
                               uint64_t *out);

command_run command_put, command_get, command_append, command_puthash, command_del;
command_run command_ls, command_stat, command_tree, command_du, command_df, command_fsck;
command_run command_join, command_leave, command_move, command_transfer, command_drain;
command_run command_query, command_status;
command_run command_up, command_down;

#endif

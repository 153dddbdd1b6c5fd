#include "ctl/command.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct command commands[] = {
    {"put", "NAME [VALUE]", "set a key; no VALUE: from standard input", 1, 2, command_put},
    {"get", "NAME", "write a key's bytes to standard output", 1, 1, command_get},
    {"append", "NAME [VALUE]", "append to a key; no VALUE: from standard input", 1, 2,
     command_append},
    {"del", "NAME", "delete a key", 1, 1, command_del},
    {"ls", "[-l] [NAME]", "list a directory, or the root", 0, 1, command_ls},
    {"stat", "NAME", "say what is known of a key", 1, 1, command_stat},
    {"join", "GID HOST:PORT...", "let a replica group take its share of the shards", 2, 10,
     command_join},
    {"leave", "GID...", "give the groups' shards to the others", 1, 64, command_leave},
    {"move", "SHARD GID", "give one shard to a group", 2, 2, command_move},
    {"query", "[NUM]", "show a configuration, the newest by default", 0, 1, command_query},
    {"transfer", "GID HOST:PORT", "let this replica lead its group", 2, 2, command_transfer},
    {"drain", "GID", "leave, and wait until the group holds no shard", 1, 1, command_drain},
    {"status", "", "show groups, replicas, leaders and shards", 0, 0, command_status},
    {"up", "--dir DIR", "run a local cluster, or start what is missing of it", 0, 0, command_up},
    {"down", "--dir DIR", "stop the local cluster", 0, 0, command_down},
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static void say(const char *format, va_list args)
{
    fputs("shardctl: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

int fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
    return EXIT_FAILED;
}

int fail_usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
    return EXIT_USAGE;
}

static void print_help(void)
{
    puts("usage: shardctl [OPTIONS] COMMAND [ARGUMENTS]\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        char usage[64];
        snprintf(usage, sizeof usage, "%s %s", commands[i].name, commands[i].arguments);
        printf("  %-24s %s\n", usage, commands[i].help);
    }
    puts("\n"
         "  --masters A,B,C    addresses of the shardmasters (else SHARDFS_MASTERS)\n"
         "  --timeout SECONDS  give up after so long (default 10; 0: never)\n"
         "  --json             query, status: print JSON\n"
         "  --force            join: also where the replicas do not answer as that group\n"
         "  --dir DIR          up, down: where the local cluster lives\n"
         "  --shards N --routing MODE --groups N --replicas N --master-replicas N\n"
         "                     up: what a new local cluster is made of\n"
         "                     (default 64 hash 2 3 3)\n"
         "  --help, --version\n\n"
         "NAME is the name in the mount: \"color\", \"docs/a.txt\".\n"
         "Exit status: 0; 1 it failed; 2 it was called wrongly.");
}

enum {
    OPTION_MASTERS = 256,
    OPTION_TIMEOUT,
    OPTION_JSON,
    OPTION_FORCE,
    OPTION_DIR,
    OPTION_SHARDS,
    OPTION_ROUTING,
    OPTION_GROUPS,
    OPTION_REPLICAS,
    OPTION_MASTER_REPLICAS,
    OPTION_HELP,
    OPTION_VERSION,
};

static const struct option long_options[] = {
    {"masters", required_argument, NULL, OPTION_MASTERS},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"json", no_argument, NULL, OPTION_JSON},
    {"force", no_argument, NULL, OPTION_FORCE},
    {"dir", required_argument, NULL, OPTION_DIR},
    {"shards", required_argument, NULL, OPTION_SHARDS},
    {"routing", required_argument, NULL, OPTION_ROUTING},
    {"groups", required_argument, NULL, OPTION_GROUPS},
    {"replicas", required_argument, NULL, OPTION_REPLICAS},
    {"master-replicas", required_argument, NULL, OPTION_MASTER_REPLICAS},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

/* A whole number from min to max; else the line is printed. */
static bool take_number(const char *name, const char *text, unsigned min, unsigned max,
                        unsigned *out)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || number < min || number > max) {
        fail_usage("%s takes a number from %u to %u, not '%s'", name, min, max, text);
        return false;
    }
    *out = (unsigned)number;
    return true;
}

/* False: the line is printed. */
static bool take_option(struct ctl_options *options, int option)
{
    switch (option) {
    case OPTION_MASTERS:
        options->masters = optarg;
        return true;
    case OPTION_TIMEOUT:
        return take_number("--timeout", optarg, 0, 86400, &options->timeout_s);
    case OPTION_JSON:
        options->json = true;
        return true;
    case OPTION_FORCE:
        options->force = true;
        return true;
    case OPTION_DIR:
        options->dir = optarg;
        return true;
    case OPTION_SHARDS:
        return take_number("--shards", optarg, 1, 4096, &options->shards);
    case OPTION_ROUTING:
        options->routing = optarg;
        return true;
    case OPTION_GROUPS:
        return take_number("--groups", optarg, 1, 16, &options->groups_count);
    case OPTION_REPLICAS:
        return take_number("--replicas", optarg, 1, 9, &options->replicas_count);
    case OPTION_MASTER_REPLICAS:
        return take_number("--master-replicas", optarg, 1, 9, &options->masters_count);
    case 'l':
        options->full = true;
        return true;
    default:
        fail_usage("see 'shardctl --help'"); /* getopt has said what is wrong */
        return false;
    }
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static int run_command(const struct ctl_options *options, size_t argc, char **argv)
{
    const struct command *command = find_command(argv[0]);
    if (!command)
        return fail_usage("there is no command '%s'; see 'shardctl --help'", argv[0]);
    argc--;
    argv++;
    if (argc < command->argc_min || argc > command->argc_max)
        return fail_usage("usage: shardctl %s %s", command->name, command->arguments);
    return command->run(options, argc, argv);
}

int command_main(int argc, char **argv)
{
    struct ctl_options options = {
        .masters = getenv("SHARDFS_MASTERS"),
        .timeout_s = 10,
        .masters_count = 3,
        .groups_count = 2,
        .replicas_count = 3,
        .shards = 64,
        .routing = "hash",
    };
    int option;
    while ((option = getopt_long(argc, argv, "l", long_options, NULL)) != -1) {
        if (option == OPTION_HELP) {
            print_help();
            return 0;
        }
        if (option == OPTION_VERSION) {
            puts("shardctl " SHARDFS_VERSION);
            return 0;
        }
        if (!take_option(&options, option))
            return EXIT_USAGE;
    }
    if (optind == argc)
        return fail_usage("which command? See 'shardctl --help'");
    return run_command(&options, (size_t)(argc - optind), argv + optind);
}

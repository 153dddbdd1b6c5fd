#include "ctl/command.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consensus/consensus.h"
#include "ctl/local.h"
#include "ctl/progress.h"
#include "ctl/text.h"
#include "env/uv_env.h"
#include "placement/placement.h"

static const struct command commands[] = {
    {"put", "NAME [VALUE]", "set a key; no VALUE: from standard input", 1, 2, CTL_MASTERS | CTL_KEY,
     command_put},
    {"get", "NAME", "write a key's bytes to standard output", 1, 1, CTL_MASTERS | CTL_KEY,
     command_get},
    {"append", "[--old] NAME [VALUE]", "append to a key; no VALUE: from standard input", 1, 2,
     CTL_MASTERS | CTL_KEY | CTL_OLD, command_append},
    {"puthash", "NAME [VALUE]", "value := hash(old value, VALUE); print the old value", 1, 2,
     CTL_MASTERS | CTL_KEY, command_puthash},
    {"del", "NAME", "delete a key, or an empty directory", 1, 1, CTL_MASTERS | CTL_KEY,
     command_del},
    {"ls", "[-l] [NAME]", "list a directory, or the root", 0, 1, CTL_MASTERS | CTL_FULL,
     command_ls},
    {"stat", "NAME", "say what is known of a key", 1, 1, CTL_MASTERS | CTL_KEY, command_stat},
    {"tree", "[NAME]", "draw a directory, or the root, and all below it", 0, 1, CTL_MASTERS,
     command_tree},
    {"du", "[-h] [NAME]", "say how much room files take, directory by directory", 0, 1,
     CTL_MASTERS | CTL_HUMAN, command_du},
    {"df", "[-h]", "say how much room there is, group by group", 0, 0, CTL_MASTERS | CTL_HUMAN,
     command_df},
    {"fsck", "[--repair]", "look whether all of the file system fits together", 0, 0,
     CTL_MASTERS | CTL_REPAIR, command_fsck},
    {"join", "GID HOST:PORT...", "let a replica group take its share of the shards", 2, SIZE_MAX,
     CTL_MASTERS | CTL_FORCE, command_join},
    {"leave", "GID...", "give the groups' shards to the others", 1, SF_GROUPS_MAX, CTL_MASTERS,
     command_leave},
    {"move", "SHARD GID", "give one shard to a group", 2, 2, CTL_MASTERS, command_move},
    {"query", "[NUM]", "show a configuration, the newest by default", 0, 1, CTL_MASTERS | CTL_JSON,
     command_query},
    {"transfer", "GID HOST:PORT", "let this replica lead its group", 2, 2, CTL_MASTERS,
     command_transfer},
    {"drain", "GID", "leave, and wait until the group holds no shard", 1, 1, CTL_MASTERS,
     command_drain},
    {"status", "", "show groups, replicas, leaders and shards", 0, 0, CTL_MASTERS | CTL_JSON,
     command_status},
    {"up", "--dir DIR", "run a local cluster, or start what is missing of it", 0, 0,
     CTL_DIR | CTL_NEW, command_up},
    {"down", "--dir DIR", "stop the local cluster", 0, 0, CTL_DIR, command_down},
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

/* -- messages ------------------------------------------------------------------------------ */

static void say(const char *format, va_list args) SF_PRINTF(1, 0);
static void say(const char *format, va_list args)
{
    progress_end();
    fputs("shardctl: ", stderr);
    text_vprintf(stderr, format, args);
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

int fail_output(void)
{
    int error = errno;
    if (error == EPIPE) { /* nobody reads on: the end of any program, though libuv's is ours */
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
    return fail("standard output: %s", strerror(error));
}

static void print_help(void)
{
    puts("usage: shardctl [OPTIONS] COMMAND [ARGUMENTS]\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        char usage[64];
        snprintf(usage, sizeof usage, "%s %s", commands[i].name, commands[i].arguments);
        printf("  %-28s %s\n", usage, commands[i].help);
    }
    puts("\n"
         "  --masters A,B,C    addresses of the shardmasters (else SHARDFS_MASTERS); of a static\n"
         "                     cluster, which has none: of any of its servers\n"
         "  --timeout SECONDS  give up a request after so long, and a second more for each MiB\n"
         "                     of data in it (default 10; 0: never)\n"
         "  --key              put, get, append, puthash, del, stat: NAME is the key itself, any\n"
         "                     bytes, not its name in the mount\n"
         "  -l                 ls: what is known of each\n"
         "  -h                 du, df: sizes as 23M, not in units of 1024 bytes\n"
         "  --repair           fsck: mend what is wrong; what nothing leads to comes to /lost+found\n"
         "  --old              append: print the value before (of at most 1 MiB in all)\n"
         "  --json             query, status: print JSON\n"
         "  --force            join: also where the replicas do not answer as that group\n"
         "  --dir DIR          up, down: where the local cluster lives\n"
         "  --shards N --routing MODE --groups N --replicas N --master-replicas N --engine NAME\n"
         "                     up: what a new local cluster is made of\n"
         "                     (default 64 hash 2 3 3 raft; the other engine is paxos)\n"
         "  --static           up: a new one without shardmasters, whose shards never move: one\n"
         "                     group of --replicas R servers, or\n"
         "  --servers N        a ring: shard s of N on the servers s, s + 1 ... s + R - 1; R is\n"
         "                     --replicas, 3 by default (--routing number: key 7 is in shard\n"
         "                     7 mod N, and what is no number in shard 0)\n"
         "  --help, --version\n\n"
         "NAME is the name in the mount: \"color\", \"docs/a.txt\". '--' ends the options: what\n"
         "follows may begin with '-'.\n"
         "Exit status: 0; 1 it failed; 2 it was called wrongly. Of fsck: 0 clean; 1 errors were\n"
         "found and all are repaired; 4 some are not; 8 it could not look at everything.");
}

/* -- options ------------------------------------------------------------------------------- */

enum {
    OPTION_MASTERS = 256,
    OPTION_TIMEOUT,
    OPTION_JSON,
    OPTION_FORCE,
    OPTION_REPAIR,
    OPTION_KEY,
    OPTION_OLD,
    OPTION_DIR,
    OPTION_STATIC,
    OPTION_SERVERS,
    OPTION_SHARDS,
    OPTION_ROUTING,
    OPTION_GROUPS,
    OPTION_REPLICAS,
    OPTION_MASTER_REPLICAS,
    OPTION_ENGINE,
    OPTION_HELP,
    OPTION_VERSION,
};

static const struct option long_options[] = {
    {"masters", required_argument, NULL, OPTION_MASTERS},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"json", no_argument, NULL, OPTION_JSON},
    {"force", no_argument, NULL, OPTION_FORCE},
    {"repair", no_argument, NULL, OPTION_REPAIR},
    {"key", no_argument, NULL, OPTION_KEY},
    {"old", no_argument, NULL, OPTION_OLD},
    {"static", no_argument, NULL, OPTION_STATIC},
    {"servers", required_argument, NULL, OPTION_SERVERS},
    {"dir", required_argument, NULL, OPTION_DIR},
    {"shards", required_argument, NULL, OPTION_SHARDS},
    {"routing", required_argument, NULL, OPTION_ROUTING},
    {"groups", required_argument, NULL, OPTION_GROUPS},
    {"replicas", required_argument, NULL, OPTION_REPLICAS},
    {"master-replicas", required_argument, NULL, OPTION_MASTER_REPLICAS},
    {"engine", required_argument, NULL, OPTION_ENGINE},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

bool take_number(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno != 0 || number < min || number > max) {
        if (max == UINT64_MAX)
            fail_usage("%s is a whole number from %llu, not '%s'", what, (unsigned long long)min,
                       text);
        else
            fail_usage("%s is a whole number from %llu to %llu, not '%s'", what,
                       (unsigned long long)min, (unsigned long long)max, text);
        return false;
    }
    *out = number;
    return true;
}

static bool take_small(const char *what, unsigned min, unsigned max, unsigned *out)
{
    uint64_t number;
    if (!take_number(what, optarg, min, max, &number))
        return false;
    *out = (unsigned)number;
    return true;
}

static bool take_routing(struct ctl_options *options)
{
    enum routing routing;
    options->routing = optarg;
    if (routing_parse(optarg, &routing))
        return true;
    fail_usage("--routing is hash, first-byte or number, not '%s'", optarg);
    return false;
}

static bool take_engine(struct ctl_options *options)
{
    enum consensus_engine engine;
    options->engine = optarg;
    if (consensus_engine_parse(optarg, &engine))
        return true;
    fail_usage("--engine is raft or paxos, not '%s'", optarg);
    return false;
}

/* What getopt_long did not like: the word before optind, or a letter within it. */
static int refuse_option(int option, char **argv)
{
    const char *word = argv[optind - 1];
    if (option == ':')
        return fail_usage("%s needs a value; see 'shardctl --help'", word);
    if (optopt >= OPTION_MASTERS)
        return fail_usage("%s: this option takes no value; see 'shardctl --help'", word);
    if (optopt == 0)
        return fail_usage("there is no option '%s'; see 'shardctl --help'", word);
    return fail_usage("there is no option '-%c'; see 'shardctl --help' (put '--' before a word "
                      "that begins with '-')",
                      optopt);
}

/* False: the line is printed. */
static bool take_value(struct ctl_options *options, int option)
{
    switch (option) {
    case OPTION_MASTERS:
        options->masters = optarg;
        return true;
    case OPTION_TIMEOUT:
        return take_small("--timeout", 0, 86400, &options->timeout_s);
    case OPTION_DIR:
        options->dir = optarg;
        return true;
    case OPTION_STATIC:
        options->is_static = true;
        return true;
    case OPTION_SERVERS:
        return take_small("--servers", 1, LOCAL_GROUPS_MAX - 1, &options->servers_count);
    case OPTION_SHARDS:
        return take_small("--shards", 1, SF_SHARDS_MAX, &options->shards);
    case OPTION_ROUTING:
        return take_routing(options);
    case OPTION_GROUPS:
        return take_small("--groups", 1, LOCAL_GROUPS_MAX - 1, &options->groups_count);
    case OPTION_REPLICAS:
        return take_small("--replicas", 1, SF_REPLICAS_MAX, &options->replicas_count);
    case OPTION_MASTER_REPLICAS:
        return take_small("--master-replicas", 1, SF_REPLICAS_MAX, &options->masters_count);
    case OPTION_ENGINE:
        return take_engine(options);
    default:
        return true;
    }
}

/* Which of enum ctl_option it is. */
static unsigned kind_of(int option)
{
    switch (option) {
    case OPTION_MASTERS:
    case OPTION_TIMEOUT:
        return CTL_MASTERS;
    case OPTION_JSON:
        return CTL_JSON;
    case OPTION_FORCE:
        return CTL_FORCE;
    case OPTION_REPAIR:
        return CTL_REPAIR;
    case 'l':
        return CTL_FULL;
    case 'h':
        return CTL_HUMAN;
    case OPTION_KEY:
        return CTL_KEY;
    case OPTION_OLD:
        return CTL_OLD;
    case OPTION_DIR:
        return CTL_DIR;
    default:
        return CTL_NEW;
    }
}

static const char *name_of(unsigned kinds)
{
    static const struct {
        unsigned kind;
        const char *name;
    } names[] = {{CTL_MASTERS, "--masters and --timeout"},
                 {CTL_JSON, "--json"},
                 {CTL_FORCE, "--force"},
                 {CTL_REPAIR, "--repair"},
                 {CTL_FULL, "-l"},
                 {CTL_HUMAN, "-h"},
                 {CTL_KEY, "--key"},
                 {CTL_OLD, "--old"},
                 {CTL_DIR, "--dir"},
                 {CTL_NEW, "options of a new cluster (--shards and so on)"}};
    size_t i = 0;
    while (!(names[i].kind & kinds))
        i++;
    return names[i].name;
}

/* -- commands ------------------------------------------------------------------------------ */

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
    if (options->given & ~command->takes)
        return fail_usage("'%s' does not take %s; see 'shardctl --help'", command->name,
                          name_of(options->given & ~command->takes));
    if (argc < command->argc_min)
        return fail_usage("'%s': an argument is missing; usage: shardctl %s %s", command->name,
                          command->name, command->arguments);
    if (argc > command->argc_max)
        return fail_usage("'%s': '%s' is one argument too many; usage: shardctl %s %s",
                          command->name, argv[command->argc_max], command->name,
                          command->arguments);
    return command->run(options, argc, argv);
}

/* Standard output is checked at the end: what did not get there is a failure. */
static int end(int exit_status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return exit_status;
    return exit_status != 0 ? exit_status : fail_output();
}

int command_main(int argc, char **argv)
{
    struct ctl_options options = {.masters = getenv("SHARDFS_MASTERS"), .timeout_s = 10};
    int option;
    uv_env_open_standard_files();
    opterr = 0; /* the line is ours */
    while ((option = getopt_long(argc, argv, ":lh", long_options, NULL)) != -1) {
        if (option == OPTION_HELP) {
            print_help();
            return end(0);
        }
        if (option == OPTION_VERSION) {
            puts("shardctl " SHARDFS_VERSION);
            return end(0);
        }
        if (option == '?' || option == ':')
            return refuse_option(option, argv);
        if (!take_value(&options, option))
            return EXIT_USAGE;
        options.given |= kind_of(option);
    }
    if (optind == argc)
        return fail_usage("which command? See 'shardctl --help'");
    return end(run_command(&options, (size_t)(argc - optind), argv + optind));
}

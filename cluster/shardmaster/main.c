/* The program shardmaster: one replica of the configuration service. */
#include <stdio.h>

#include "replica/server.h"
#include "shardmaster/shardmaster.h"

enum { OPTION_PEERS = SERVER_OPTION_LIMIT, OPTION_HELP, OPTION_VERSION };

static const struct option long_options[] = {
    SERVER_LONG_OPTIONS,
    {"peers", required_argument, NULL, OPTION_PEERS},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

struct master_program {
    const char *peers;
    struct group group;
};

static void print_help(void)
{
    fputs("Usage: shardmaster --dir DIR --listen HOST:PORT --peers A,B,C --cluster HEX [options]\n"
          "Serves one replica of a cluster's configuration, in the foreground.\n\n"
          "  --peers A,B,C        addresses of all shardmasters, --listen among them, in the same\n"
          "                       order for each of them\n" SERVER_HELP "  --help, --version\n",
          stdout);
}

static int add(void *ctx, const struct server_options *options, struct env *env, struct host *host,
               char **why)
{
    struct master_program *program = ctx;
    struct replica *replica = NULL;
    const struct replica_options replica_options = {.group = program->group,
                                                    .address = options->listen,
                                                    .engine = options->engine,
                                                    .shard_count = options->shard_count,
                                                    .routing = options->routing,
                                                    .machine = shardmaster_new()};
    (void)env;
    int status = host_add(host, &replica_options, &replica, why);
    if (status == SF_OK)
        shardmaster_serve(replica_options.machine);
    return status;
}

static int run(const struct server_options *options, struct master_program *master)
{
    const struct server_program program = {.add = add, .ctx = master};
    if (!server_check_options(options))
        return 2;
    if (master->peers == NULL) {
        fputs("shardmaster: --peers A,B,C is missing: the addresses of all shardmasters\n", stderr);
        return 2;
    }
    if (!server_parse_group(options, 0, master->peers, &master->group))
        return 2;
    int status = server_run(options, &program);
    server_group_deinit(&master->group);
    return status;
}

int main(int argc, char **argv)
{
    struct server_options options = {.program = "shardmaster"};
    struct master_program master = {0};
    int option;
    opterr = 0; /* the line is ours */
    while ((option = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        switch (option) {
        case '?':
        case ':':
            return server_refuse_option(&options, option, argv);
        case OPTION_PEERS:
            master.peers = optarg;
            break;
        case OPTION_HELP:
            print_help();
            return 0;
        case OPTION_VERSION:
            puts("shardmaster " SHARDFS_VERSION);
            return 0;
        default:
            if (server_take_option(&options, option, optarg) != SERVER_TAKEN)
                return 2; /* what is wrong was said */
        }
    }
    if (optind < argc) {
        fprintf(stderr, "shardmaster: \"%s\" is no option; see --help\n", argv[optind]);
        return 2;
    }
    return run(&options, &master);
}

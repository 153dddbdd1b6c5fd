/* server: what the programs `shardmaster` and `shardkv` have in common: options, the directory, the
 * disk store, the loop, signals, and the line that says that they are ready.
 *
 * A program's main: getopt_long over SERVER_LONG_OPTIONS and its own options, server_take_option
 * for each; server_check_options; server_run. All that goes wrong is said in one line on standard
 * error, "PROGRAM: what is wrong".
 */
#ifndef REPLICA_SERVER_H
#define REPLICA_SERVER_H

#include <getopt.h>

#include "replica/replica.h"

struct server_options {
    const char *program;          /* "shardmaster": its role, and its name in messages. Static */
    const char *dir;              /* --dir; borrowed from argv, as listen */
    const char *listen;           /* --listen HOST:PORT */
    uint64_t cluster_id;          /* --cluster HEX; 0: not given */
    uint32_t shard_count;         /* --shards; 0: not given */
    enum routing routing;         /* --routing; 0: not given */
    enum consensus_engine engine; /* --engine; 0: not given */
    uint64_t lag_mib;             /* --lag; 0: not given */
    bool create;                  /* --create */
    bool insecure;                /* --insecure */
};

enum server_option {
    SERVER_OPTION_DIR = 256,
    SERVER_OPTION_LISTEN,
    SERVER_OPTION_CLUSTER,
    SERVER_OPTION_SHARDS,
    SERVER_OPTION_ROUTING,
    SERVER_OPTION_ENGINE,
    SERVER_OPTION_LAG,
    SERVER_OPTION_CREATE,
    SERVER_OPTION_INSECURE,
    SERVER_OPTION_LIMIT /* a program's own long options begin here */
};

/* Elements of a struct option array. */
#define SERVER_LONG_OPTIONS                                                                        \
    {"dir", required_argument, NULL, SERVER_OPTION_DIR},                                           \
        {"listen", required_argument, NULL, SERVER_OPTION_LISTEN},                                 \
        {"cluster", required_argument, NULL, SERVER_OPTION_CLUSTER},                               \
        {"shards", required_argument, NULL, SERVER_OPTION_SHARDS},                                 \
        {"routing", required_argument, NULL, SERVER_OPTION_ROUTING},                               \
        {"engine", required_argument, NULL, SERVER_OPTION_ENGINE},                                 \
        {"lag", required_argument, NULL, SERVER_OPTION_LAG},                                       \
        {"create", no_argument, NULL, SERVER_OPTION_CREATE},                                       \
    {                                                                                              \
        "insecure", no_argument, NULL, SERVER_OPTION_INSECURE                                      \
    }

/* Their lines of a --help. */
#define SERVER_HELP                                                                                \
    "  --dir DIR            directory of this server's data\n"                                     \
    "  --listen HOST:PORT   address it serves on, as the others know it\n"                         \
    "  --cluster HEX        number of the cluster, 1 to 16 hexadecimal digits\n"                   \
    "  --shards N           shards of the cluster, fixed when it is created (default 64)\n"        \
    "  --routing MODE       hash, first-byte or number, fixed likewise (default hash)\n"           \
    "  --engine NAME        raft or paxos, fixed likewise for each group (default raft)\n"         \
    "  --lag MIB            log kept on disk for a replica that is away; one that missed more\n"   \
    "                       is sent all data (default 512)\n"                                      \
    "  --create             an empty or missing DIR becomes this server's\n"                       \
    "  --insecure           allow an address other than loopback: anyone who reaches it\n"         \
    "                       can read and change everything\n"

enum server_taken { SERVER_TAKEN, SERVER_NOT_MINE, SERVER_BAD };

/* `option` and `value` as getopt_long gave them. SERVER_BAD: the line is printed; exit with 2. */
enum server_taken server_take_option(struct server_options *options, int option, const char *value);
/* What getopt_long answered with '?' or ':' (opterr 0, a short option string that begins with ':').
 * Returns 2, the exit status, after the line. */
int server_refuse_option(const struct server_options *options, int option, char **argv);
/* Everything that must be given is there, and fits. False: the line is printed; exit with 2. */
SF_MUST_CHECK bool server_check_options(const struct server_options *options);
/* "A:1,B:2,C:3" as the group `gid`, which must contain `listen`. False: the line is printed; exit
 * with
 * 2. *out: free with server_group_deinit. */
SF_MUST_CHECK bool server_parse_group(const struct server_options *options, group_id gid,
                                      const char *text, struct group *out);
void server_group_deinit(struct group *group);

/* What the program puts on the host. */
struct server_program {
    /* Adds the replicas (host_add, with options->engine, shard_count and routing as they are: 0
     * takes the directory's) and registers what they serve. *why as of host_add. */
    int (*add)(void *ctx, const struct server_options *options, struct env *env, struct host *host,
               char **why);
    /* Frees what add made beside the host, before the host is freed. Also after a failed add. May
     * be NULL. */
    void (*stop)(void *ctx);
    void *ctx;
};

/* Serves until SIGTERM or SIGINT. Prints "PROGRAM ADDRESS serves group G as replica I of N ..." on
 * standard output once it listens. Returns the exit status: 0, or 1 after a line on standard error.
 */
SF_MUST_CHECK int server_run(const struct server_options *options,
                             const struct server_program *program);

#endif

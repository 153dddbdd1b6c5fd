/* The program shardkv: one process of the key/value service, with one replica or several of
 * different groups. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "replica/server.h"
#include "shardkv/shardkv.h"

#define LEASE_SECONDS_MAX 3600u
#define GROUPS_MAX 64u /* replicas of one process, groups of a static placement */

enum {
    OPTION_GID = SERVER_OPTION_LIMIT,
    OPTION_PEERS,
    OPTION_REPLICA,
    OPTION_MASTERS,
    OPTION_STATIC,
    OPTION_LEASE,
    OPTION_HELP,
    OPTION_VERSION
};

static const struct option long_options[] = {
    SERVER_LONG_OPTIONS,
    {"gid", required_argument, NULL, OPTION_GID},
    {"peers", required_argument, NULL, OPTION_PEERS},
    {"replica", required_argument, NULL, OPTION_REPLICA},
    {"masters", required_argument, NULL, OPTION_MASTERS},
    {"static", required_argument, NULL, OPTION_STATIC},
    {"lease", required_argument, NULL, OPTION_LEASE},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

/* Groups as they were given, "GID=A,B,C" each. */
struct group_texts {
    const char *texts[GROUPS_MAX];
    size_t count;
};

struct kv_program {
    const char *gid, *peers, *masters;
    struct group_texts replicas, fixed;
    struct group *groups; /* of the replicas, in their order */
    size_t group_count;
    char **master_addresses;
    size_t master_count;
    struct config *config; /* static placement; else NULL */
    struct shardkv_limits limits;
    struct shardkv *shardkv;
};

static void print_help(void)
{
    fputs(
        "Usage: shardkv --dir DIR --listen HOST:PORT --gid N --peers A,B,C --masters A,B,C\n"
        "               --cluster HEX [options]\n"
        "Serves one replica of a group of the key/value service, in the foreground.\n\n"
        "  --gid N              number of the group, from 1\n"
        "  --peers A,B,C        addresses of its replicas, --listen among them, in the same order\n"
        "                       for each of them\n"
        "  --replica N=A,B,C    in place of --gid and --peers, once for each group of which this\n"
        "                       process holds a replica\n"
        "  --masters A,B,C      addresses of the shardmasters\n"
        "  --static N=A,B,C     in place of --masters, once for each group there is: the shards\n"
        "                       are spread over them and never move\n"
        "  --lease SECONDS      a client that is not heard of for so long loses its file locks\n"
        "                       (default 30); the same for every server of the cluster, for ever\n"
        SERVER_HELP
        "  --help, --version\n",
        stdout);
}

static bool complain(const char *what, const char *text)
{
    fprintf(stderr, "shardkv: %s%s\n", what, text);
    return false;
}

/* -- groups -------------------------------------------------------------------------------- */

/* The number at the beginning of the text, which `stop` must follow. */
static bool parse_gid(const char *text, char stop, group_id *gid)
{
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9')
        return false;
    *gid = strtoull(text, &end, 10);
    return *gid != 0 && *end == stop;
}

static bool parse_group(const struct server_options *options, const char *text, struct group *out)
{
    group_id gid;
    if (!parse_gid(text, '=', &gid))
        return complain("a group is given as GID=HOST:PORT,HOST:PORT,..., not as ", text);
    return server_parse_group(options, gid, strchr(text, '=') + 1, out);
}

static bool parse_replicas(const struct server_options *options, struct kv_program *program)
{
    struct group_texts *texts = &program->replicas;
    program->groups = sf_calloc(GROUPS_MAX, sizeof(*program->groups));
    for (size_t i = 0; i < texts->count; i++) {
        if (!parse_group(options, texts->texts[i], &program->groups[i]))
            return false;
        program->group_count++;
        for (size_t j = 0; j < i; j++)
            if (program->groups[j].gid == program->groups[i].gid)
                return complain("--replica: this group is given twice: ", texts->texts[i]);
    }
    if (texts->count > 0)
        return program->gid == NULL && program->peers == NULL
                   ? true
                   : complain("--replica stands in place of --gid and --peers, not beside them",
                              "");
    if (program->gid == NULL || program->peers == NULL)
        return complain("--gid N and --peers A,B,C are missing: the group that it belongs to", "");
    group_id gid;
    if (!parse_gid(program->gid, 0, &gid))
        return complain("--gid: this is not a number from 1: ", program->gid);
    program->group_count = server_parse_group(options, gid, program->peers, program->groups);
    return program->group_count == 1;
}

/* -- placement ----------------------------------------------------------------------------- */

/* A group that need not contain --listen: parsed as if its first address were. */
static bool parse_other_group(const struct server_options *options, const char *text,
                              struct group *out)
{
    char first[SF_ADDRESS_BYTES_MAX];
    struct server_options as_first = *options;
    const char *begin = strchr(text, '=');
    size_t n = begin != NULL ? strcspn(begin + 1, ",") : 0;
    if (n == 0 || n >= sizeof(first))
        return complain("a group is given as GID=HOST:PORT,HOST:PORT,..., not as ", text);
    memcpy(first, begin + 1, n);
    first[n] = 0;
    as_first.listen = first;
    return parse_group(&as_first, text, out);
}

/* Every replica of this process is of a group that has its shards from here. */
static bool knows_own_groups(const struct kv_program *program)
{
    for (size_t i = 0; i < program->group_count; i++) {
        const struct group *own = &program->groups[i];
        const struct group *known = config_find_group(program->config, own->gid);
        if (known != NULL && group_identity(known) == group_identity(own))
            continue;
        fprintf(stderr, "shardkv: --static: group %" PRIu64 " of this process %s\n", own->gid,
                known == NULL ? "is not among them" : "stands there with other addresses");
        return false;
    }
    return true;
}

static bool make_config(const struct server_options *options, struct kv_program *program,
                        const struct group *groups)
{
    group_id which = 0;
    uint32_t shards = options->shard_count != 0 ? options->shard_count : SF_SHARDS_DEFAULT;
    enum routing routing = options->routing != 0 ? options->routing : ROUTING_HASH;
    struct config *none = config_new(shards, routing);
    int status = config_join(none, groups, program->fixed.count, &program->config, &which);
    config_free(none);
    if (status != SF_OK)
        return complain("--static: ", sf_error_text(status));
    return knows_own_groups(program);
}

static bool is_twice(const struct group *groups, size_t count)
{
    for (size_t i = 0; i + 1 < count; i++)
        if (groups[i].gid == groups[count - 1].gid)
            return true;
    return false;
}

static bool parse_static(const struct server_options *options, struct kv_program *program)
{
    const struct group_texts *texts = &program->fixed;
    struct group groups[GROUPS_MAX];
    size_t count = 0;
    bool good = true;
    while (good && count < texts->count) {
        good = parse_other_group(options, texts->texts[count], &groups[count]);
        count += good;
        if (good && is_twice(groups, count))
            good = complain("--static: this group is given twice: ", texts->texts[count - 1]);
    }
    good = good && make_config(options, program, groups);
    while (count > 0)
        server_group_deinit(&groups[--count]);
    return good;
}

static bool parse_placement(const struct server_options *options, struct kv_program *program)
{
    const char *bad = "";
    if (program->fixed.count > 0)
        return program->masters == NULL
                   ? parse_static(options, program)
                   : complain("--static stands in place of --masters, not beside it", "");
    if (program->masters == NULL)
        return complain("--masters A,B,C is missing: the addresses of the shardmasters", "");
    if (router_parse_addresses(program->masters, &program->master_addresses, &program->master_count,
                               &bad) != SF_OK)
        return complain("--masters: this is not an address HOST:PORT: ", bad);
    return true;
}

/* -- running ------------------------------------------------------------------------------- */

static int add(void *ctx, const struct server_options *options, struct env *env, struct host *host,
               char **why)
{
    struct kv_program *program = ctx;
    struct shardkv_options placement = {.masters = (const char *const *)program->master_addresses,
                                        .master_count = program->master_count,
                                        .config = program->config,
                                        .limits = &program->limits};
    program->shardkv = shardkv_new(env, host_rpc(host), &placement);
    for (size_t i = 0; i < program->group_count; i++) {
        struct replica *replica = NULL;
        const struct replica_options replica_options = {
            .group = program->groups[i],
            .address = options->listen,
            .engine = options->engine,
            .shard_count = options->shard_count,
            .routing = options->routing,
            .machine = shardkv_machine_new(program->shardkv, program->groups[i].gid)};
        int status = host_add(host, &replica_options, &replica, why);
        if (status != SF_OK)
            return status;
    }
    return SF_OK;
}

static void stop(void *ctx)
{
    struct kv_program *program = ctx;
    if (program->shardkv != NULL)
        shardkv_free(program->shardkv);
    program->shardkv = NULL;
}

static void program_deinit(struct kv_program *program)
{
    for (size_t i = 0; i < program->group_count; i++)
        server_group_deinit(&program->groups[i]);
    for (size_t i = 0; i < program->master_count; i++)
        free(program->master_addresses[i]);
    free(program->master_addresses);
    free(program->groups);
    config_free(program->config);
}

static int run(const struct server_options *options, struct kv_program *kv)
{
    const struct server_program program = {.add = add, .stop = stop, .ctx = kv};
    if (!server_check_options(options) || !parse_replicas(options, kv) ||
        !parse_placement(options, kv))
        return 2;
    return server_run(options, &program);
}

static bool add_text(struct group_texts *texts, const char *text)
{
    if (texts->count == GROUPS_MAX)
        return complain("more groups than one process takes: ", text);
    texts->texts[texts->count++] = text;
    return true;
}

static bool take_lease(struct shardkv_limits *limits, const char *text)
{
    char *end = NULL;
    unsigned long seconds = text[0] >= '0' && text[0] <= '9' ? strtoul(text, &end, 10) : 0;
    if (seconds < 1 || seconds > LEASE_SECONDS_MAX || *end != 0)
        return complain("--lease: this is not a number of seconds from 1 to 3600: ", text);
    limits->lease_ns = seconds * ENV_SECOND_NS;
    return true;
}

/* One option. False: what is wrong was said. */
static bool take_option(struct server_options *options, struct kv_program *program, int option)
{
    switch (option) {
    case OPTION_GID:
        program->gid = optarg;
        return true;
    case OPTION_PEERS:
        program->peers = optarg;
        return true;
    case OPTION_REPLICA:
        return add_text(&program->replicas, optarg);
    case OPTION_MASTERS:
        program->masters = optarg;
        return true;
    case OPTION_STATIC:
        return add_text(&program->fixed, optarg);
    case OPTION_LEASE:
        return take_lease(&program->limits, optarg);
    default:
        return server_take_option(options, option, optarg) == SERVER_TAKEN;
    }
}

int main(int argc, char **argv)
{
    struct server_options options = {.program = "shardkv"};
    struct kv_program program = {.limits = shardkv_limits_default};
    int option;
    opterr = 0; /* the line is ours */
    while ((option = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        if (option == OPTION_HELP) {
            print_help();
            return 0;
        }
        if (option == OPTION_VERSION) {
            puts("shardkv " SHARDFS_VERSION);
            return 0;
        }
        if (option == '?' || option == ':')
            return server_refuse_option(&options, option, argv);
        if (!take_option(&options, &program, option))
            return 2;
    }
    if (optind < argc) {
        fprintf(stderr, "shardkv: \"%s\" is no option; see --help\n", argv[optind]);
        return 2;
    }
    int status = run(&options, &program);
    program_deinit(&program);
    return status;
}

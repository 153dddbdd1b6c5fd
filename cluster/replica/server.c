#include "replica/server.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "env/uv_env.h"
#include "replica/identity.h"
#include "replica/inside.h"

#define LAG_MIB_MAX (1u << 20)

static void complain(const struct server_options *options, const char *format, ...) SF_PRINTF(2, 3);

static void complain(const struct server_options *options, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "%s: ", options->program);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

/* -- options ------------------------------------------------------------------------------- */

static bool parse_number(const char *text, int base, uint64_t max, uint64_t *out)
{
    char *end = NULL;
    size_t digits = strspn(text, base == 16 ? "0123456789abcdefABCDEF" : "0123456789");
    if (digits == 0 || digits > 20 || text[digits] != 0 || (base == 16 && digits > 16))
        return false;
    unsigned long long v = strtoull(text, &end, base);
    if (v == 0 || v > max)
        return false;
    *out = v;
    return true;
}

static enum server_taken take_cluster(struct server_options *options, const char *value)
{
    if (parse_number(value, 16, UINT64_MAX, &options->cluster_id))
        return SERVER_TAKEN;
    complain(options, "--cluster: \"%s\" is not 1 to 16 hexadecimal digits other than 0", value);
    return SERVER_BAD;
}

static enum server_taken take_shards(struct server_options *options, const char *value)
{
    uint64_t count = 0;
    if (parse_number(value, 10, SF_SHARDS_MAX, &count)) {
        options->shard_count = (uint32_t)count;
        return SERVER_TAKEN;
    }
    complain(options, "--shards: \"%s\" is not a number from 1 to %u", value, SF_SHARDS_MAX);
    return SERVER_BAD;
}

static enum server_taken take_routing(struct server_options *options, const char *value)
{
    if (routing_parse(value, &options->routing))
        return SERVER_TAKEN;
    complain(options, "--routing: \"%s\" is none of hash, first-byte, number", value);
    return SERVER_BAD;
}

static enum server_taken take_engine(struct server_options *options, const char *value)
{
    if (consensus_engine_parse(value, &options->engine))
        return SERVER_TAKEN;
    complain(options, "--engine: \"%s\" is none of raft, paxos", value);
    return SERVER_BAD;
}

static enum server_taken take_lag(struct server_options *options, const char *value)
{
    if (parse_number(value, 10, LAG_MIB_MAX, &options->lag_mib))
        return SERVER_TAKEN;
    complain(options, "--lag: \"%s\" is not a number of MiB from 1 to %u", value, LAG_MIB_MAX);
    return SERVER_BAD;
}

enum server_taken server_take_option(struct server_options *options, int option, const char *value)
{
    switch (option) {
    case SERVER_OPTION_DIR:
        options->dir = value;
        return SERVER_TAKEN;
    case SERVER_OPTION_LISTEN:
        options->listen = value;
        return SERVER_TAKEN;
    case SERVER_OPTION_CLUSTER:
        return take_cluster(options, value);
    case SERVER_OPTION_SHARDS:
        return take_shards(options, value);
    case SERVER_OPTION_ROUTING:
        return take_routing(options, value);
    case SERVER_OPTION_ENGINE:
        return take_engine(options, value);
    case SERVER_OPTION_LAG:
        return take_lag(options, value);
    case SERVER_OPTION_CREATE:
        options->create = true;
        return SERVER_TAKEN;
    case SERVER_OPTION_INSECURE:
        options->insecure = true;
        return SERVER_TAKEN;
    default:
        return SERVER_NOT_MINE;
    }
}

int server_refuse_option(const struct server_options *options, int option, char **argv)
{
    const char *word = argv[optind - 1];
    if (option == ':')
        complain(options, "%s needs a value; see --help", word);
    else if (optopt >= SERVER_OPTION_DIR)
        complain(options, "%s: this option takes no value; see --help", word);
    else
        complain(options, "\"%s\" is no option; see --help", word);
    return 2;
}

static bool address_fits(const char *address)
{
    const char *port = strrchr(address, ':');
    return env_address_is_valid(address) && strlen(address) < SF_ADDRESS_BYTES_MAX &&
           strtoul(port + 1, NULL, 10) != 0;
}

bool server_check_options(const struct server_options *options)
{
    if (options->dir == NULL || *options->dir == 0)
        complain(options, "--dir DIR is missing: the directory of this server's data");
    else if (options->listen == NULL)
        complain(options, "--listen HOST:PORT is missing: the address it serves on");
    else if (!address_fits(options->listen))
        complain(options, "--listen: \"%s\" is not an address HOST:PORT", options->listen);
    else if (options->cluster_id == 0)
        complain(options, "--cluster HEX is missing: the number of the cluster");
    else if (!options->insecure && !env_address_is_loopback(options->listen))
        complain(options,
                 "--listen: %s is not a loopback address, and nothing is authenticated yet: "
                 "say --insecure to serve there all the same",
                 options->listen);
    else
        return true;
    return false;
}

/* -- groups -------------------------------------------------------------------------------- */

static bool group_has(const struct group *group, const char *address)
{
    for (size_t i = 0; i < group->address_count; i++)
        if (strcmp(group->addresses[i], address) == 0)
            return true;
    return false;
}

static bool add_address(const struct server_options *options, struct group *group,
                        const char *address)
{
    if (!address_fits(address))
        complain(options, "\"%s\" is not an address HOST:PORT", address);
    else if (group_has(group, address))
        complain(options, "%s stands twice in one group", address);
    else if (group->address_count == SF_REPLICAS_MAX)
        complain(options, "a group has at most %u addresses", SF_REPLICAS_MAX);
    else {
        memcpy(group->addresses[group->address_count++], address, strlen(address) + 1);
        return true;
    }
    return false;
}

bool server_parse_group(const struct server_options *options, group_id gid, const char *text,
                        struct group *out)
{
    struct group group = {.gid = gid};
    char *copy = sf_strdup(text), *rest = copy;
    bool good = true;
    group.addresses = sf_calloc(SF_REPLICAS_MAX, sizeof *group.addresses);
    while (good && rest != NULL)
        good = add_address(options, &group, strsep(&rest, ","));
    if (good && !group_has(&group, options->listen)) {
        complain(options, "--listen %s is none of the group's addresses %s", options->listen, text);
        good = false;
    }
    free(copy);
    if (good)
        *out = group;
    else
        server_group_deinit(&group);
    return good;
}

void server_group_deinit(struct group *group)
{
    free(group->addresses);
    *group = (struct group){0};
}

/* -- running ------------------------------------------------------------------------------- */

struct server {
    const struct server_options *options;
    struct env *env;
    struct store *store;
    struct host *host;
};

/* Nobody comes: it is closed before the loop runs. */
static void on_accept(void *ctx, struct env_conn *conn)
{
    (void)ctx;
    env_conn_close(conn);
}

/* Before anything is made: may this process listen there? */
static int look_at_address(struct server *server, char **why)
{
    struct env_listener *listener = NULL;
    const char *address = server->options->listen;
    int status = env_listen(server->env, address, on_accept, NULL, &listener);
    if (status == SF_OK)
        env_listener_close(listener);
    else if (status == SF_IN_USE)
        *why = host_text("%s is in use by another process", address);
    else if (status == SF_ADDRESS)
        *why = host_text("cannot listen on %s: this machine has no such address", address);
    else
        *why = host_text("cannot listen on %s: %s", address, sf_error_text(status));
    return status;
}

/* The same of the directory: may it become ours? */
static int look_at_directory(struct server *server, char **why)
{
    const struct server_options *o = server->options;
    struct identity identity, wanted = {.cluster_id = o->cluster_id};
    snprintf(wanted.role, sizeof wanted.role, "%s", o->program);
    int status = identity_claim(server->env, o->dir, &wanted, o->create, &identity, why);
    if (status != SF_OK)
        return status;
    identity_deinit(&identity);
    status = env_dir_create(server->env, o->dir);
    if (status == SF_EXISTS)
        *why = host_text("%s is a file: --dir is a directory of this server's own", o->dir);
    else if (status == SF_NOT_FOUND)
        *why = host_text("%s cannot be made there", o->dir);
    else if (status != SF_OK)
        *why = host_text("%s cannot be made: %s", o->dir, sf_error_text(status));
    return status;
}

static int open_store(struct server *server, char **why)
{
    char *dir = host_text("%s/store", server->options->dir);
    int status = store_disk_open(dir, NULL, &server->store, why);
    free(dir);
    if (status == SF_IN_USE) {
        free(*why);
        *why = host_text("%s is in use by another process", server->options->dir);
    }
    return status;
}

static int open_host(struct server *server, char **why)
{
    const struct server_options *o = server->options;
    const struct host_options options = {.dir = o->dir,
                                         .listen = o->listen,
                                         .role = o->program,
                                         .cluster_id = o->cluster_id,
                                         .create = o->create,
                                         .store = server->store,
                                         .lag_bytes = o->lag_mib << 20};
    return host_new(server->env, &options, &server->host, why);
}

static void on_signal(void *ctx, int number)
{
    struct server *server = ctx;
    (void)number;
    uv_env_stop(server->env);
}

static void say_ready(const struct server *server)
{
    printf("%s %s serves", server->options->program, server->options->listen);
    for (const struct replica *r = server->host->replicas; r != NULL; r = r->next)
        printf("%s group %" PRIu64 " as replica %u of %zu", r == server->host->replicas ? "" : ",",
               r->identity.group.gid, r->identity.self, r->identity.group.address_count);
    printf("\n");
    fflush(stdout);
}

/* Up to the point where it serves. */
static int begin(struct server *server, const struct server_program *program, char **why)
{
    int status = look_at_address(server, why);
    if (status == SF_OK)
        status = look_at_directory(server, why);
    if (status == SF_OK)
        status = open_store(server, why);
    if (status == SF_OK)
        status = open_host(server, why);
    if (status == SF_OK)
        status = program->add(program->ctx, server->options, server->env, server->host, why);
    if (status == SF_OK)
        status = uv_env_on_signals(server->env, on_signal, server);
    if (status != SF_OK)
        return status;
    host_start(server->host);
    return SF_OK;
}

/* The env ends before the store: a flush may still run in it. */
static void end(struct server *server, const struct server_program *program)
{
    if (server->host != NULL && program->stop != NULL)
        program->stop(program->ctx);
    if (server->host != NULL)
        host_free(server->host);
    uv_env_free(server->env);
    if (server->store != NULL)
        store_close(server->store);
}

#define KEPT_LARGE_BYTES (6u << 20)

/* Large buffers come and go. Left to itself the heap keeps the room of the most there ever were:
 * 187 MiB in place of 154 at the most with 400 Gets of 1 MiB in flight. */
static void bound_heap(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, 128 << 10);
    (void)mallopt(M_TRIM_THRESHOLD, 4 << 20);
    sf_keep_large(KEPT_LARGE_BYTES);
}

int server_run(const struct server_options *options, const struct server_program *program)
{
    struct server server = {.options = options};
    char *why = NULL;
    bound_heap();
    if (options->insecure)
        complain(options, "warning: --insecure: whoever reaches %s can read and change everything",
                 options->listen);
    int status = uv_env_new(&server.env);
    if (status != SF_OK) {
        complain(options, "cannot start: %s", sf_error_text(status));
        return 1;
    }
    status = begin(&server, program, &why);
    if (status == SF_OK) {
        say_ready(&server);
        uv_env_run(server.env);
    } else {
        complain(options, "%s", why != NULL ? why : sf_error_text(status));
    }
    free(why);
    end(&server, program);
    return status == SF_OK ? 0 : 1;
}

/* The file DIR/cluster: one word and its values a line.
 *
 *   cluster HEX
 *   shards N
 *   routing MODE
 *   engine NAME
 *   placement static           where there are no masters
 *   group GID HOST:PORT...     the masters are group 0 and come first
 *   joined yes|no
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "consensus/consensus.h"
#include "ctl/local.h"
#include "env/env.h"
#include "env/memory.h"

void local_addresses(const struct group *group, char *to, size_t size)
{
    size_t at = 0;
    to[0] = 0;
    for (size_t i = 0; i < group->address_count && at < size; i++)
        at += (size_t)snprintf(to + at, size - at, "%s%s", i > 0 ? "," : "", group->addresses[i]);
    sf_assert(at < size);
}

void local_contacts(const struct local *local, char *to, size_t size)
{
    size_t at = 0;
    to[0] = 0;
    for (size_t i = 0; i < local->server_count && at < size; i++) {
        const struct local_server *server = &local->servers[i];
        if (local->is_static || server->group->gid == 0)
            at += (size_t)snprintf(to + at, size - at, "%s%s", at > 0 ? "," : "", server->address);
    }
    sf_assert(at < size);
}

static void name_server(const struct local *local, struct local_server *server, size_t replica)
{
    if (local->is_static)
        snprintf(server->name, sizeof server->name, "server-%zu", local->server_count);
    else if (server->group->gid == 0)
        snprintf(server->name, sizeof server->name, "master-%zu", replica + 1);
    else
        snprintf(server->name, sizeof server->name, "group-%llu-%zu",
                 (unsigned long long)server->group->gid, replica + 1);
}

static bool has_server(const struct local *local, const char *address)
{
    for (size_t i = 0; i < local->server_count; i++) {
        if (strcmp(local->servers[i].address, address) == 0)
            return true;
    }
    return false;
}

void local_find_servers(struct local *local)
{
    for (size_t g = 0; g < local->group_count; g++) {
        const struct group *group = &local->groups[g];
        for (size_t i = 0; i < group->address_count; i++) {
            if (has_server(local, group->addresses[i]))
                continue;
            struct local_server *server = &local->servers[local->server_count++];
            server->group = group;
            strcpy(server->address, group->addresses[i]);
            name_server(local, server, i);
        }
    }
}

/* -- reading ------------------------------------------------------------------------------- */

static bool parse_number(const char *text, int base, uint64_t max, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, base);
    return errno == 0 && *end == 0 && text[0] != '-' && *out <= max;
}

static bool has_gid(const struct local *local, group_id gid)
{
    for (size_t g = 0; g < local->group_count; g++) {
        if (local->groups[g].gid == gid)
            return true;
    }
    return false;
}

/* "GID A:1 B:2", GID read already. The masters, gid 0, come first. */
static bool take_group(struct local *local, const char *gid_text, char *save)
{
    group_id gid;
    bool is_first = local->group_count == 0;
    if (!parse_number(gid_text, 10, UINT64_MAX, &gid) || has_gid(local, gid) ||
        (gid == 0) != (is_first && !local->is_static) || local->group_count == LOCAL_GROUPS_MAX)
        return false;
    struct group *group = &local->groups[local->group_count++];
    group->gid = gid;
    group->addresses = sf_calloc(SF_REPLICAS_MAX, sizeof group->addresses[0]);
    for (char *word; (word = strtok_r(NULL, " \n", &save));) {
        if (group->address_count == SF_REPLICAS_MAX || !env_address_is_valid(word))
            return false;
        strcpy(group->addresses[group->address_count++], word);
    }
    return group->address_count > 0;
}

static bool take_line(struct local *local, char *line)
{
    enum routing routing;
    enum consensus_engine engine;
    uint64_t shards;
    char *save, *word = strtok_r(line, " \n", &save), *value = strtok_r(NULL, " \n", &save);
    if (!value)
        return false;
    if (strcmp(word, "group") == 0)
        return take_group(local, value, save);
    if (strcmp(word, "cluster") == 0)
        return parse_number(value, 16, UINT64_MAX, &local->cluster_id);
    if (strcmp(word, "joined") == 0) {
        local->joined = strcmp(value, "yes") == 0;
        return local->joined || strcmp(value, "no") == 0;
    }
    if (strcmp(word, "placement") == 0)
        return local->is_static = strcmp(value, "static") == 0;
    if (strcmp(word, "shards") == 0) {
        bool good = parse_number(value, 10, SF_SHARDS_MAX, &shards);
        local->shards = (uint32_t)shards;
        return good;
    }
    if (strcmp(word, "routing") == 0) {
        snprintf(local->routing, sizeof local->routing, "%s", value);
        return routing_parse(value, &routing);
    }
    snprintf(local->engine, sizeof local->engine, "%s", value);
    return strcmp(word, "engine") == 0 && consensus_engine_parse(value, &engine);
}

int local_load(struct local *local)
{
    char path[LOCAL_PATH_MAX], line[4096];
    local_path(path, local, "cluster");
    FILE *file = fopen(path, "r");
    if (!file)
        return fail("%s: %s", path, strerror(errno));
    bool good = true;
    strcpy(local->engine, consensus_engine_name(CONSENSUS_RAFT)); /* where the file is older */
    while (good && fgets(line, sizeof line, file))
        good = take_line(local, line);
    fclose(file);
    if (!good || local->cluster_id == 0 || local->shards == 0 || !local->routing[0] ||
        local->group_count <= local_first_group(local))
        return fail("%s is damaged: it does not describe a cluster", path);
    local_find_servers(local);
    return 0;
}

/* False: the line is printed. wanted 0: nothing was said. */
static bool agrees(const char *what, unsigned wanted, size_t is)
{
    if (wanted == 0 || wanted == is)
        return true;
    fail_usage("%s %u: this cluster was made with %zu, which stays", what, wanted, is);
    return false;
}

static bool agrees_in_kind(const struct local *local, const struct ctl_options *options)
{
    if (options->is_static == local->is_static)
        return true;
    if (options->is_static)
        fail_usage("--static: this cluster was made with shardmasters, which stay");
    else if (options->groups_count != 0 || options->masters_count != 0)
        fail_usage("--groups and --master-replicas: this cluster was made with --static");
    else
        return true;
    return false;
}

int local_compare(const struct local *local, const struct ctl_options *options)
{
    size_t first = local_first_group(local);
    if (!agrees_in_kind(local, options) || !agrees("--shards", options->shards, local->shards) ||
        !agrees("--groups", options->groups_count, local->group_count - first) ||
        !agrees("--replicas", options->replicas_count, local->groups[first].address_count) ||
        !agrees("--master-replicas", options->masters_count, local->groups[0].address_count) ||
        !agrees("--servers", options->servers_count, local->server_count))
        return EXIT_USAGE;
    if (options->routing && strcmp(options->routing, local->routing) != 0)
        return fail_usage("--routing %s: this cluster was made with %s, which stays",
                          options->routing, local->routing);
    if (options->engine && strcmp(options->engine, local->engine) != 0)
        return fail_usage("--engine %s: this cluster was made with %s, which stays",
                          options->engine, local->engine);
    return 0;
}

/* -- writing ------------------------------------------------------------------------------- */

static void write_cluster(const struct local *local, FILE *file)
{
    fprintf(file, "cluster %llx\nshards %u\nrouting %s\nengine %s\n",
            (unsigned long long)local->cluster_id, local->shards, local->routing, local->engine);
    if (local->is_static)
        fputs("placement static\n", file);
    for (size_t g = 0; g < local->group_count; g++) {
        fprintf(file, "group %llu", (unsigned long long)local->groups[g].gid);
        for (size_t i = 0; i < local->groups[g].address_count; i++)
            fprintf(file, " %s", local->groups[g].addresses[i]);
        fputc('\n', file);
    }
    fprintf(file, "joined %s\n", local->joined ? "yes" : "no");
}

/* Sourced twice, it does not make PATH longer. */
static void write_env(const struct local *local, FILE *file)
{
    char masters[4096];
    local_contacts(local, masters, sizeof masters);
    fprintf(file, "# The cluster in %s: source this file in a shell.\n", local->dir);
    fprintf(file, "export SHARDFS_MASTERS='%s'\n", masters);
    fprintf(file, "case \":$PATH:\" in\n*:'%s':*) ;;\n*) PATH='%s':$PATH ;;\nesac\nexport PATH\n",
            local->programs, local->programs);
}

static bool holds(const char *path, const char *text, size_t size)
{
    char *old = sf_malloc(size + 1);
    FILE *file = fopen(path, "r");
    bool same = file && fread(old, 1, size + 1, file) == size && memcmp(old, text, size) == 0;
    if (file)
        fclose(file);
    free(old);
    return same;
}

static bool write_file(const char *path, const char *text, size_t size)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    bool good =
        fwrite(text, 1, size, file) == size && fflush(file) == 0 && fsync(fileno(file)) == 0;
    return fclose(file) == 0 && good;
}

/* Written beside it, synced and renamed, so that a reader sees all of it or what was before. What
 * stands there already is left alone. */
static int replace_file(const struct local *local, const char *name,
                        void (*write)(const struct local *local, FILE *file))
{
    char path[LOCAL_PATH_MAX], fresh[LOCAL_PATH_MAX], *text = NULL;
    size_t size = 0;
    local_path(path, local, "%s", name);
    local_path(fresh, local, "%s.new", name);
    FILE *memory = open_memstream(&text, &size);
    sf_assert(memory);
    write(local, memory);
    fclose(memory);
    bool good =
        holds(path, text, size) || (write_file(fresh, text, size) && rename(fresh, path) == 0);
    int error = errno;
    free(text);
    if (good)
        return 0;
    unlink(fresh);
    return fail("%s cannot be written: %s", path, strerror(error));
}

int local_save(const struct local *local)
{
    return replace_file(local, "cluster", write_cluster);
}

int local_save_env(const struct local *local)
{
    return replace_file(local, "env", write_env);
}

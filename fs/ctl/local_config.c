/* The file DIR/cluster: one word and its values a line.
 *
 *   cluster HEX
 *   shards N
 *   routing MODE
 *   group GID HOST:PORT...     the masters are group 0 and come first
 *   joined yes|no
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/local.h"
#include "env/memory.h"

void local_path(char *to, const struct local *local, const char *format, ...)
{
    va_list args;
    int at = snprintf(to, LOCAL_PATH_MAX, "%s/", local->dir);
    va_start(args, format);
    int more = vsnprintf(to + at, LOCAL_PATH_MAX - (size_t)at, format, args);
    va_end(args);
    sf_assert(more >= 0 && (size_t)(at + more) < LOCAL_PATH_MAX);
}

void local_deinit(struct local *local)
{
    for (size_t i = 0; i < local->group_count; i++)
        free(local->groups[i].addresses);
    if (local->lock > 0)
        close(local->lock);
}

void local_addresses(const struct group *group, char *to, size_t size)
{
    size_t at = 0;
    to[0] = 0;
    for (size_t i = 0; i < group->address_count && at < size; i++)
        at += (size_t)snprintf(to + at, size - at, "%s%s", i > 0 ? "," : "", group->addresses[i]);
    sf_assert(at < size);
}

void local_server(const struct local *local, size_t group, size_t replica, struct local_server *out)
{
    out->group = &local->groups[group];
    out->replica = replica;
    if (group == 0)
        snprintf(out->name, sizeof out->name, "master-%zu", replica + 1);
    else
        snprintf(out->name, sizeof out->name, "group-%llu-%zu", (unsigned long long)out->group->gid,
                 replica + 1);
}

/* -- reading ------------------------------------------------------------------------------- */

static bool take_group_line(struct local *local, char *rest)
{
    char *save, *word = strtok_r(rest, " \n", &save);
    if (!word || local->group_count == LOCAL_GROUPS_MAX)
        return false;
    struct group *group = &local->groups[local->group_count++];
    group->gid = strtoull(word, NULL, 10);
    group->addresses = sf_calloc(SF_REPLICAS_MAX, sizeof group->addresses[0]);
    while ((word = strtok_r(NULL, " \n", &save))) {
        if (group->address_count == SF_REPLICAS_MAX || strlen(word) >= SF_ADDRESS_BYTES_MAX)
            return false;
        strcpy(group->addresses[group->address_count++], word);
    }
    return group->address_count > 0;
}

static bool take_line(struct local *local, char *line)
{
    unsigned long long number;
    char text[16];
    if (sscanf(line, "cluster %llx", &number) == 1)
        local->cluster_id = number;
    else if (sscanf(line, "shards %llu", &number) == 1)
        local->shards = (uint32_t)number;
    else if (sscanf(line, "routing %15s", text) == 1)
        strcpy(local->routing, text);
    else if (sscanf(line, "joined %15s", text) == 1)
        local->joined = strcmp(text, "yes") == 0;
    else if (strncmp(line, "group ", 6) == 0)
        return take_group_line(local, line + 6);
    else
        return false;
    return true;
}

int local_load(struct local *local, const char *dir)
{
    char path[LOCAL_PATH_MAX], line[4096];
    snprintf(path, sizeof path, "%s/cluster", dir);
    FILE *file = fopen(path, "r");
    if (!file)
        return fail("%s: %s", path, strerror(errno));
    bool good = true;
    while (good && fgets(line, sizeof line, file))
        good = take_line(local, line);
    fclose(file);
    if (good && local->cluster_id != 0 && local->group_count >= 2 && local->groups[0].gid == 0)
        return 0;
    return fail("%s is damaged: it does not describe a cluster", path);
}

/* -- making one ---------------------------------------------------------------------------- */

/* Lets the system pick ports of the loopback interface that are free: all are held at once, so that
 * they differ. Exit status. */
static int pick_ports(int *sockets, uint16_t *ports, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET};
        socklen_t size = sizeof address;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        sockets[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (sockets[i] < 0 || bind(sockets[i], (struct sockaddr *)&address, size) != 0 ||
            getsockname(sockets[i], (struct sockaddr *)&address, &size) != 0)
            return fail("no free port on 127.0.0.1: %s", strerror(errno));
        ports[i] = ntohs(address.sin_port);
    }
    return 0;
}

static void fill_groups(struct local *local, const struct ctl_options *options,
                        const uint16_t *ports)
{
    local->group_count = 1 + options->groups_count;
    for (size_t g = 0; g < local->group_count; g++) {
        struct group *group = &local->groups[g];
        group->gid = g == 0 ? 0 : LOCAL_FIRST_GID + g - 1;
        group->address_count = g == 0 ? options->masters_count : options->replicas_count;
        group->addresses = sf_calloc(SF_REPLICAS_MAX, sizeof group->addresses[0]);
        for (size_t i = 0; i < group->address_count; i++)
            snprintf(group->addresses[i], SF_ADDRESS_BYTES_MAX, "127.0.0.1:%u", *ports++);
    }
}

int local_create(struct local *local, const struct ctl_options *options)
{
    int sockets[LOCAL_GROUPS_MAX * SF_REPLICAS_MAX];
    uint16_t ports[LOCAL_GROUPS_MAX * SF_REPLICAS_MAX];
    enum routing routing;
    size_t count = options->masters_count + options->groups_count * options->replicas_count;
    if (!routing_parse(options->routing, &routing))
        return fail_usage("--routing is hash, first-byte or number, not '%s'", options->routing);
    if (getrandom(&local->cluster_id, sizeof local->cluster_id, 0) !=
        (ssize_t)sizeof local->cluster_id)
        return fail("no random number: %s", strerror(errno));
    local->cluster_id |= 1;
    local->shards = options->shards;
    snprintf(local->routing, sizeof local->routing, "%s", options->routing);
    memset(sockets, -1, sizeof sockets);
    int exit_status = pick_ports(sockets, ports, count);
    for (size_t i = 0; i < count && sockets[i] >= 0; i++)
        close(sockets[i]);
    if (exit_status != 0)
        return exit_status;
    fill_groups(local, options, ports);
    return local_save(local);
}

/* -- writing ------------------------------------------------------------------------------- */

static void write_cluster(const struct local *local, FILE *file)
{
    fprintf(file, "cluster %llx\nshards %u\nrouting %s\n", (unsigned long long)local->cluster_id,
            local->shards, local->routing);
    for (size_t g = 0; g < local->group_count; g++) {
        fprintf(file, "group %llu", (unsigned long long)local->groups[g].gid);
        for (size_t i = 0; i < local->groups[g].address_count; i++)
            fprintf(file, " %s", local->groups[g].addresses[i]);
        fputc('\n', file);
    }
    fprintf(file, "joined %s\n", local->joined ? "yes" : "no");
}

static void write_env(const struct local *local, FILE *file)
{
    char masters[4096];
    local_addresses(&local->groups[0], masters, sizeof masters);
    fprintf(file, "# source this: . %s/env\n", local->dir);
    fprintf(file, "export SHARDFS_MASTERS='%s'\n", masters);
    fprintf(file, "PATH='%s':$PATH\nexport PATH\n", local->programs);
}

/* Written beside it, synced and renamed, so that a reader sees all of it or what was before. */
static int replace_file(const struct local *local, const char *name,
                        void (*write)(const struct local *local, FILE *file))
{
    char path[LOCAL_PATH_MAX], fresh[LOCAL_PATH_MAX];
    local_path(path, local, "%s", name);
    local_path(fresh, local, "%s.new", name);
    FILE *file = fopen(fresh, "w");
    if (!file)
        return fail("%s: %s", fresh, strerror(errno));
    write(local, file);
    bool good = fflush(file) == 0 && fsync(fileno(file)) == 0;
    good = fclose(file) == 0 && good;
    if (good && rename(fresh, path) == 0)
        return 0;
    int error = errno;
    unlink(fresh);
    return fail("%s: %s", path, strerror(error));
}

int local_save(const struct local *local)
{
    return replace_file(local, "cluster", write_cluster);
}

int local_save_env(const struct local *local)
{
    return replace_file(local, "env", write_env);
}

/* A new cluster: what it is made of, on free ports. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "consensus/consensus.h"
#include "ctl/local.h"
#include "env/memory.h"

#define DEFAULT_GROUPS 2u
#define DEFAULT_REPLICAS 3u

/* -- ports --------------------------------------------------------------------------------- */

/* Ports that the system gives to outgoing connections begin here: a server that listens above it
 * could find its port taken after a restart. */
static unsigned first_ephemeral(void)
{
    unsigned first = 32768;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");
    if (file && fscanf(file, "%u", &first) != 1)
        first = 32768;
    if (file)
        fclose(file);
    return first;
}

static bool bind_port(int socket, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return bind(socket, (struct sockaddr *)&address, sizeof address) == 0;
}

/* A free port of the loopback interface, chosen at random; held by the socket. */
static bool pick_port(int *held, uint16_t *port)
{
    unsigned first = 10000, end = first_ephemeral(), draw;
    *held = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    for (unsigned tries = 0; *held >= 0 && end > first && tries < 1000; tries++) {
        if (getrandom(&draw, sizeof draw, 0) != (ssize_t)sizeof draw)
            return false;
        *port = (uint16_t)(first + draw % (end - first));
        if (bind_port(*held, *port))
            return true;
    }
    return false;
}

/* All are held at once, so that they differ. */
static int pick_ports(uint16_t *ports, size_t count)
{
    int sockets[LOCAL_SERVERS_MAX];
    size_t held = 0;
    bool good = true;
    while (good && held < count) {
        good = pick_port(&sockets[held], &ports[held]);
        held++;
    }
    int error = errno;
    while (held > 0)
        close(sockets[--held]);
    return good ? 0 : fail("no free port on 127.0.0.1: %s", strerror(error));
}

/* -- making one ---------------------------------------------------------------------------- */

static unsigned or_default(unsigned given, unsigned otherwise)
{
    return given != 0 ? given : otherwise;
}

/* How many servers of each kind, and what they hold. */
static size_t shape_groups(struct local *local, const struct ctl_options *options)
{
    unsigned masters = or_default(options->masters_count, DEFAULT_REPLICAS);
    unsigned groups = or_default(options->groups_count, DEFAULT_GROUPS);
    unsigned replicas = or_default(options->replicas_count, DEFAULT_REPLICAS);
    unsigned servers = options->servers_count; /* of a ring */
    if (servers != 0 && options->replicas_count == 0 && replicas > servers)
        replicas = servers;
    local->group_count = !local->is_static ? 1 + groups : or_default(servers, 1);
    for (size_t g = 0; g < local->group_count; g++) {
        struct group *group = &local->groups[g];
        bool is_masters = !local->is_static && g == 0;
        group->gid = local->is_static ? g + 1 : is_masters ? 0 : LOCAL_FIRST_GID + g - 1;
        group->address_count = is_masters ? masters : replicas;
        group->addresses = sf_calloc(SF_REPLICAS_MAX, sizeof group->addresses[0]);
    }
    return !local->is_static ? masters + groups * replicas : or_default(servers, replicas);
}

/* In a ring the group g lives on the servers g, g + 1, ... */
static void fill_addresses(struct local *local, const uint16_t *ports, size_t count)
{
    size_t next = 0;
    for (size_t g = 0; g < local->group_count; g++) {
        struct group *group = &local->groups[g];
        for (size_t i = 0; i < group->address_count; i++) {
            size_t server = local->is_static ? (g + i) % count : next++;
            snprintf(group->addresses[i], SF_ADDRESS_BYTES_MAX, "127.0.0.1:%u", ports[server]);
        }
    }
}

int local_check_new(const struct ctl_options *options)
{
    unsigned servers = options->servers_count;
    if (!options->is_static && servers != 0)
        return fail_usage("--servers goes with --static: so many servers in a ring");
    if (options->is_static && (options->groups_count != 0 || options->masters_count != 0))
        return fail_usage("--groups and --master-replicas do not go with --static, which has no "
                          "shardmasters");
    if (servers != 0 && options->replicas_count > servers)
        return fail_usage("--replicas %u: in a ring of %u servers a shard has at most %u replicas",
                          options->replicas_count, servers, servers);
    if (servers != 0 && options->shards != 0 && options->shards != servers)
        return fail_usage("--shards %u: a ring of %u servers has %u shards", options->shards,
                          servers, servers);
    return 0;
}

int local_create(struct local *local, const struct ctl_options *options)
{
    uint16_t ports[LOCAL_SERVERS_MAX];
    if (getrandom(&local->cluster_id, sizeof local->cluster_id, 0) !=
        (ssize_t)sizeof local->cluster_id)
        return fail("no random number: %s", strerror(errno));
    local->cluster_id |= 1; /* never 0 */
    local->is_static = options->is_static;
    local->shards =
        or_default(options->shards, or_default(options->servers_count, SF_SHARDS_DEFAULT));
    snprintf(local->routing, sizeof local->routing, "%s",
             options->routing ? options->routing : routing_name(ROUTING_HASH));
    snprintf(local->engine, sizeof local->engine, "%s",
             options->engine ? options->engine : consensus_engine_name(CONSENSUS_RAFT));
    size_t count = shape_groups(local, options);
    int exit_status = pick_ports(ports, count);
    if (exit_status != 0)
        return exit_status;
    fill_addresses(local, ports, count);
    local_find_servers(local);
    return local_save(local);
}

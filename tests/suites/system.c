#include "suites/system.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "replica/inside.h"
#include "shardkv/shardkv.h"
#include "shardmaster/shardmaster.h"
#include "storage/wal_record.h"
#include "suites/clerk.h"
#include "suites/suite.h"

#define CLUSTER_ID 7u
/* A sync of the disk takes from 0.1 ms up to one of these, drawn for the whole run: shorter than any
 * message takes, so that what waits for both waits for messages; and the other way round. */
#define SYNC_US_MIN 100u
#define SYNC_US_MAX 300u
#define SLOW_SYNC_US_MAX 5000u
/* Of the logs of a run: in every fourth one so small that they are recycled all the time. */
#define SEGMENT_BYTES (1u << 20)
#define SMALL_SEGMENT_BYTES (64u << 10)
#define SMALL_SEGMENTS_PERCENT 25u
#define LIMITED_FLUSH_MS 1000u
#define NEVER_MS (1000u * 3600u * 24u)

static struct system *system_now; /* replica_on_apply has no context of its own */

/* -- what is applied ----------------------------------------------------------------------- */

static uint64_t *applied_at(struct system_group *group, uint64_t index)
{
    if (index >= group->applied_cap) {
        size_t cap = (size_t)index * 2 + 64;
        group->applied = sf_realloc(group->applied, cap * sizeof *group->applied);
        memset(group->applied + group->applied_cap, 0,
               (cap - group->applied_cap) * sizeof *group->applied);
        group->applied_cap = cap;
    }
    return &group->applied[index];
}

static struct system_group *group_of(struct system *system, const struct replica *replica)
{
    struct system_group *group = system->groups;
    while (group->group.gid != replica_gid(replica))
        group++;
    return group;
}

static void on_apply(const struct replica *replica, const struct entry *entry)
{
    struct system_group *group = group_of(system_now, replica);
    uint64_t *applied = applied_at(group, entry->index);
    /* In Paxos each replica accepted it in a ballot of its own. */
    uint64_t term = suite_engine() == CONSENSUS_PAXOS ? 0 : entry->term;
    uint64_t hash = bytes_hash_seed(payload_slice(entry->payload), term) | 1;
    check(*applied == 0 || *applied == hash,
          "group %" PRIu64 ": two replicas apply different entries at %" PRIu64, group->group.gid,
          entry->index);
    *applied = hash;
}

/* -- measures ------------------------------------------------------------------------------ */

static uint64_t bytes_in(const struct space *space)
{
    uint64_t bytes = 0;
    struct store_iter *iter = store_iter_new(space, NULL, slice_of(NULL, 0), slice_of(NULL, 0));
    for (; store_iter_valid(iter); store_iter_next(iter))
        bytes += store_iter_key(iter).n + store_iter_value(iter).n;
    sf_assert(store_iter_status(iter) == SF_OK);
    store_iter_free(iter);
    return bytes;
}

/* Of one that runs: with everything that is applied. */
static uint64_t state_bytes(const struct server *server, struct replica *replica)
{
    int status = server_is_up(server) ? replica_settle(replica) : SF_OK;
    sf_assert(status == SF_OK || status == SF_BUSY);
    return bytes_in(replica_space(replica));
}

static bool has_snapshot(const struct replica *replica)
{
    struct consensus_status status;
    replica_consensus_status(replica, &status);
    return status.first > 1;
}

static void measure(struct server *server)
{
    if (server->host == NULL)
        return;
    server->log_bytes = wal_live_bytes(server->host->wal);
    server->snapshot_bytes = 0;
    for (size_t i = 0; i < server->replica_count; i++) {
        struct replica *replica = server->replicas[i].replica;
        if (replica == NULL)
            continue;
        server->log_bytes += 2 * WAL_HEADER_BYTES; /* hard state and cut */
        if (has_snapshot(replica))
            server->snapshot_bytes += state_bytes(server, replica);
    }
}

uint64_t server_log_bytes(const struct server *server)
{
    measure((struct server *)(uintptr_t)server);
    return server->log_bytes;
}

uint64_t server_snapshot_bytes(const struct server *server)
{
    measure((struct server *)(uintptr_t)server);
    return server->snapshot_bytes;
}

uint64_t server_store_bytes(const struct server *server)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < server->replica_count; i++)
        bytes += state_bytes(server, server->replicas[i].replica);
    return bytes;
}

/* -- processes ----------------------------------------------------------------------------- */

static const char *role_text(const struct server *server)
{
    return server->role == SERVER_MASTER ? "shardmaster" : "shardkv";
}

static int open_host(struct server *server, struct env *env, char **why)
{
    bool limited = server->log_limit != NEVER;
    const struct host_options options = {.dir = "data",
                                         .listen = server->address,
                                         .role = role_text(server),
                                         .cluster_id = CLUSTER_ID,
                                         .create = server->create,
                                         .store = server->store,
                                         .wal = {.segment_bytes = server->system->segment_bytes},
                                         .flush_ms = limited ? LIMITED_FLUSH_MS : NEVER_MS,
                                         .flush_bytes =
                                             limited ? (uint64_t)server->log_limit : UINT64_MAX / 2,
                                         .slack_bytes = limited ? 1 : 0,
                                         .lag_bytes = limited ? 6 : 0,
                                         .reserve_bytes = 1};
    return host_new(env, &options, &server->host, why);
}

static void make_service(struct server *server, struct env *env)
{
    const struct system *system = server->system;
    const struct shardkv_options options = {
        .masters = system->masters, .master_count = system->master_count, .config = system->config};
    if (server->role == SERVER_KV)
        server->shardkv = shardkv_new(env, host_rpc(server->host), &options);
}

static struct machine *make_machine(struct server *server, const struct server_replica *place)
{
    const struct system_options *o = &server->system->options;
    switch (server->role) {
    case SERVER_KV:
        return shardkv_machine_new(server->shardkv, place->group->group.gid);
    case SERVER_MASTER:
        return shardmaster_new();
    case SERVER_OTHER:
        return o->make_machine(o->ctx, server->number);
    }
    return NULL;
}

static int add_replicas(struct server *server, char **why)
{
    int status = SF_OK;
    for (size_t i = 0; i < server->replica_count && status == SF_OK; i++) {
        struct server_replica *place = &server->replicas[i];
        struct machine *machine = make_machine(server, place);
        const struct replica_options options = {.group = place->group->group,
                                                .address = server->address,
                                                .engine = suite_engine(),
                                                .shard_count = server->system->options.shard_count,
                                                .routing = server->system->options.routing,
                                                .machine = machine};
        status = host_add(server->host, &options, &place->replica, why);
        if (status == SF_OK)
            place->machine = machine;
        if (status == SF_OK && server->role == SERVER_MASTER)
            shardmaster_serve(machine);
    }
    return status;
}

static struct server *server_of(struct system *system, const struct sim_node *node)
{
    struct server *server = system->servers;
    while (server->node != node)
        server++;
    return server;
}

static void boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct server *server = server_of(ctx, node);
    char *why = NULL;
    server->store = store_memory_open(sim_node_image(node));
    int status = open_host(server, env, &why);
    if (status == SF_OK) {
        make_service(server, env);
        status = add_replicas(server, &why);
    }
    check(status == SF_OK, "%s does not start: %s", server->address, why);
    server->create = false;
    host_start(server->host);
}

static void halt(void *ctx, struct sim_node *node)
{
    struct server *server = server_of(ctx, node);
    measure(server);
    if (server->shardkv != NULL)
        shardkv_free(server->shardkv);
    if (server->host != NULL)
        host_free(server->host);
    store_close(server->store);
    server->store = NULL;
    server->host = NULL;
    server->shardkv = NULL;
    for (size_t i = 0; i < server->replica_count; i++) {
        server->replicas[i].replica = NULL;
        server->replicas[i].machine = NULL;
    }
}

/* -- life ---------------------------------------------------------------------------------- */

static void system_free(void *ctx)
{
    struct system *system = ctx;
    replica_on_apply = NULL;
    system_now = NULL;
    for (size_t i = 0; i < system->server_count; i++)
        sim_node_crash(system->servers[i].node);
    clerks_free(system);
    for (size_t i = 0; i < system->group_count; i++) {
        free(system->groups[i].group.addresses);
        free(system->groups[i].applied);
    }
    config_free(system->config);
    net_free(system->net);
    free(system);
}

struct system *system_new(const struct system_options *options)
{
    struct system *system = sf_calloc(1, sizeof *system);
    sf_assert(system_now == NULL);
    system->sim = suite_sim();
    system->net = net_new(system->sim, options->model);
    sim_faults(system->sim)->sync_us_min = SYNC_US_MIN;
    sim_faults(system->sim)->sync_us_max = suite_chance(50) ? SYNC_US_MAX : SLOW_SYNC_US_MAX;
    system->segment_bytes =
        suite_chance(SMALL_SEGMENTS_PERCENT) ? SMALL_SEGMENT_BYTES : SEGMENT_BYTES;
    system->options = *options;
    system_now = system;
    replica_on_apply = on_apply;
    suite_at_end(system_free, system);
    return system;
}

struct server *system_add_server(struct system *system, const char *name, enum server_role role,
                                 int64_t log_limit)
{
    const struct sim_program program = {.boot = boot, .halt = halt, .ctx = system};
    sf_assert(system->server_count < SYSTEM_SERVERS_MAX);
    struct server *server = &system->servers[system->server_count];
    server->system = system;
    server->number = system->server_count++;
    server->role = role;
    server->log_limit = log_limit;
    server->create = true;
    server->node = sim_node_new(system->sim, name, &program);
    snprintf(server->address, sizeof server->address, "%s:1", name);
    return server;
}

struct system_group *system_add_group(struct system *system, group_id gid, struct server **servers,
                                      size_t count)
{
    sf_assert(system->group_count < SYSTEM_GROUPS_MAX);
    struct system_group *group = &system->groups[system->group_count++];
    group->group = (struct group){.gid = gid, .address_count = count};
    group->group.addresses = sf_calloc(count, sizeof *group->group.addresses);
    for (size_t i = 0; i < count; i++) {
        struct server *server = servers[i];
        sf_assert(server->replica_count < SERVER_REPLICAS_MAX);
        server->replicas[server->replica_count++].group = group;
        group->servers[i] = server;
        memcpy(group->group.addresses[i], server->address, sizeof server->address);
        if (gid == 0)
            system->masters[system->master_count++] = server->address;
    }
    return group;
}

void system_place(struct system *system)
{
    struct group groups[SYSTEM_GROUPS_MAX];
    group_id which = 0;
    for (size_t i = 0; i < system->group_count; i++)
        groups[i] = system->groups[i].group;
    struct config *none = config_new(system->options.shard_count, system->options.routing);
    int status = config_join(none, groups, system->group_count, &system->config, &which);
    sf_assert(status == SF_OK);
    config_free(none);
}

void server_start(struct server *server)
{
    sim_node_start(server->node);
}

void server_crash(struct server *server)
{
    sim_node_crash(server->node);
}

bool server_is_up(const struct server *server)
{
    return sim_node_is_up(server->node);
}

struct replica *server_replica(const struct server *server)
{
    sf_assert(server->replica_count == 1);
    return server->replicas[0].replica;
}

void server_link(const struct server *a, const struct server *b, bool linked)
{
    net_link(a->system->net, a->node, b->node, linked);
    net_link(a->system->net, b->node, a->node, linked);
}

/* -- groups -------------------------------------------------------------------------------- */

static struct replica *replica_in(const struct system_group *group, const struct server *server)
{
    for (size_t i = 0; i < server->replica_count; i++)
        if (server->replicas[i].group == group)
            return server->replicas[i].replica;
    return NULL;
}

struct server *group_leader(const struct system_group *group)
{
    struct server *leader = NULL;
    uint64_t term = 0;
    for (size_t i = 0; i < group->group.address_count; i++) {
        const struct replica *replica = replica_in(group, group->servers[i]);
        if (replica != NULL && replica_leads(replica) && replica_term(replica) > term) {
            leader = group->servers[i];
            term = replica_term(replica);
        }
    }
    return leader;
}

void group_start(struct system_group *group)
{
    for (size_t i = 0; i < group->group.address_count; i++)
        if (!server_is_up(group->servers[i]))
            server_start(group->servers[i]);
}

void group_crash(struct system_group *group)
{
    for (size_t i = 0; i < group->group.address_count; i++)
        if (server_is_up(group->servers[i]))
            server_crash(group->servers[i]);
}

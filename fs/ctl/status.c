/* status: what every replica says of itself, as a table or as JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/json.h"
#include "ctl/probe.h"
#include "env/memory.h"

typedef unsigned long long ull;

/* The replicas, group by group: the masters (gid 0) first. Row i is probes[i]. */
struct table {
    const struct config *config;
    bool is_current; /* the masters' leader said so; else it is the newest that one of them knows */
    struct group masters; /* addresses owned */
    bool is_static;       /* there are none */
    struct probe *probes;
    group_id *gids;
    size_t count;
};

static const struct probe_replica *replica_of(const struct table *table, size_t row)
{
    return probe_find(&table->probes[row], table->gids[row]);
}

static const char *role_of(const struct table *table, size_t row)
{
    const struct probe_replica *replica = replica_of(table, row);
    if (table->probes[row].status != SF_OK)
        return "down";
    if (!replica)
        return "stranger"; /* somebody answers, but not as a replica of this group */
    return replica->leads ? "leader" : "follower";
}

static uint32_t count_owned(const struct config *config, group_id gid)
{
    uint32_t count = 0;
    for (uint32_t s = 0; s < config->shard_count; s++)
        count += config->shards[s] == gid;
    return count;
}

/* As the leaders say that know the newest Config. */
static uint64_t count_served(const struct table *table)
{
    uint64_t count = 0;
    for (size_t row = 0; row < table->count; row++) {
        const struct probe_replica *replica = replica_of(table, row);
        if (replica && replica->leads && replica->config >= table->config->num)
            count += replica->serving;
    }
    return count;
}

/* -- asking ---------------------------------------------------------------------------------- */

static void add_row(struct table *table, group_id gid, const char *address)
{
    table->gids[table->count] = gid;
    table->probes[table->count++].address = address;
}

static void add_group(struct table *table, const struct group *group)
{
    for (size_t i = 0; i < group->address_count; i++)
        add_row(table, group->gid, group->addresses[i]);
}

/* All masters, as one of them says: the user need not have named each. */
static void find_masters(struct session *s, struct group *out)
{
    struct probe *probes = probe_masters(s);
    *out = (struct group){.gid = 0};
    for (size_t i = 0; i < s->master_count && !out->addresses; i++) {
        const struct probe_replica *replica = probe_find(&probes[i], 0);
        if (!replica || replica->address_count == 0)
            continue;
        size_t bytes = replica->address_count * sizeof replica->addresses[0];
        out->address_count = replica->address_count;
        out->addresses = sf_memdup(replica->addresses, bytes);
    }
    probe_all_deinit(probes, s->master_count);
    free(probes);
}

/* Without their leader: the newest Config that one of them knows. False: none answers. */
static bool find_old_config(struct session *s)
{
    struct probe *probes = probe_masters(s);
    uint64_t num = 0;
    bool found = false;
    for (size_t i = 0; i < s->master_count; i++) {
        const struct probe_replica *replica = probe_find(&probes[i], 0);
        found = found || replica;
        num = replica && replica->config > num ? replica->config : num;
    }
    probe_all_deinit(probes, s->master_count);
    free(probes);
    return found && session_query(s, (int64_t)num, &s->config) == SF_OK;
}

static void table_fill(struct table *table, struct session *s, bool is_current)
{
    *table = (struct table){.config = s->config, .is_current = is_current};
    find_masters(s, &table->masters);
    table->is_static = !table->masters.addresses && cluster_is_static(s);
    size_t room = table->masters.address_count;
    for (size_t g = 0; g < s->config->group_count; g++)
        room += s->config->groups[g].address_count;
    table->probes = sf_calloc(room, sizeof *table->probes);
    table->gids = sf_calloc(room, sizeof *table->gids);
    add_group(table, &table->masters);
    for (size_t g = 0; g < s->config->group_count; g++)
        add_group(table, &s->config->groups[g]);
    probe_all(s, table->probes, table->count);
}

static void table_deinit(struct table *table)
{
    probe_all_deinit(table->probes, table->count);
    free(table->probes);
    free(table->gids);
    free(table->masters.addresses);
}

/* -- as a table ------------------------------------------------------------------------------ */

/* The texts of one row; "" where there is nothing to say. */
struct cells {
    char group[24], owns[16], engine[16], term[24], applied[24], serves[24], moving[24], disk[48];
};

static void print_cells(const struct cells *c, const char *address, const char *role, int width)
{
    printf("%-8s %5s  %-*s  %-8s %-6s %6s %10s %7s %7s  %s\n", c->group, c->owns, width, address,
           role, c->engine, c->term, c->applied, c->serves, c->moving, c->disk);
}

static void fill_cells(const struct table *table, size_t row, struct cells *c)
{
    const struct probe *probe = &table->probes[row];
    const struct probe_replica *r = replica_of(table, row);
    group_id gid = table->gids[row];
    memset(c, 0, sizeof *c);
    bool is_first = row == 0 || gid != table->gids[row - 1];
    if (is_first && gid == 0) {
        strcpy(c->group, "masters");
    } else if (is_first) {
        snprintf(c->group, sizeof c->group, "%llu", (ull)gid);
        snprintf(c->owns, sizeof c->owns, "%u", count_owned(table->config, gid));
    }
    if (!r)
        return;
    snprintf(c->engine, sizeof c->engine, "%s", r->engine);
    snprintf(c->term, sizeof c->term, "%llu", (ull)r->term);
    snprintf(c->applied, sizeof c->applied, "%llu", (ull)r->applied);
    snprintf(c->disk, sizeof c->disk, "%.1f GiB%s", (double)probe->disk_free / (1 << 30),
             probe->low_space ? ", too little: no writes" : "");
    if (gid == 0)
        return;
    snprintf(c->serves, sizeof c->serves, "%llu", (ull)r->serving);
    snprintf(c->moving, sizeof c->moving, "%llu", (ull)r->moving);
}

static void print_table(const struct table *table)
{
    static const struct cells head = {"GROUP",   "OWNS",   "ENGINE", "TERM",
                                      "APPLIED", "SERVES", "MOVING", "DISK FREE"};
    int width = (int)strlen("REPLICA");
    for (size_t row = 0; row < table->count; row++) {
        int n = (int)strlen(table->probes[row].address);
        width = n > width ? n : width;
    }
    if (table->is_static)
        printf("static placement");
    else
        printf("configuration %llu%s", (ull)table->config->num,
               table->is_current ? "" : " (there may be a newer one)");
    printf(": %u shards by %s, %zu groups; %llu shards are served\n\n", table->config->shard_count,
           routing_name(table->config->routing), table->config->group_count,
           (ull)count_served(table));
    print_cells(&head, "REPLICA", "ROLE", width);
    for (size_t row = 0; row < table->count; row++) {
        struct cells cells;
        fill_cells(table, row, &cells);
        print_cells(&cells, table->probes[row].address, role_of(table, row), width);
    }
}

/* -- as JSON --------------------------------------------------------------------------------- */

static void row_json(struct json *j, const struct table *table, size_t row)
{
    const struct probe *probe = &table->probes[row];
    const struct probe_replica *r = replica_of(table, row);
    json_open(j, NULL, '{');
    json_u64(j, "gid", table->gids[row]);
    json_text(j, "address", probe->address);
    json_text(j, "role", role_of(table, row));
    if (r) {
        json_text(j, "engine", r->engine);
        json_u64(j, "term", r->term);
        json_u64(j, "commit", r->commit);
        json_u64(j, "applied", r->applied);
        json_u64(j, "generation", r->generation);
        json_u64(j, "disk_free", probe->disk_free);
        json_u64(j, "disk_total", probe->disk_total);
        json_bool(j, "low_space", probe->low_space);
    }
    if (r && table->gids[row] != 0) {
        json_u64(j, "config", r->config);
        json_u64(j, "serving", r->serving);
        json_u64(j, "moving", r->moving);
        json_u64(j, "holding", r->holding);
    }
    json_close(j, '}');
}

static void print_json(const struct table *table)
{
    struct json j = {0, false};
    json_open(&j, NULL, '{');
    json_u64(&j, "config", table->config->num);
    json_bool(&j, "current", table->is_current);
    json_bool(&j, "static", table->is_static);
    json_u64(&j, "shards", table->config->shard_count);
    json_u64(&j, "served", count_served(table));
    json_text(&j, "routing", routing_name(table->config->routing));
    json_open(&j, "replicas", '[');
    for (size_t row = 0; row < table->count; row++)
        row_json(&j, table, row);
    json_close(&j, ']');
    json_close(&j, '}');
}

static void print_status(struct session *s, bool is_current, bool as_json)
{
    struct table table;
    table_fill(&table, s, is_current);
    if (as_json)
        print_json(&table);
    else
        print_table(&table);
    table_deinit(&table);
}

/* Where the masters have no leader, it is a failure and shows what is known all the same. */
int command_status(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    (void)argc;
    (void)argv;
    int exit_status = session_connect(&s, options);
    if (exit_status == 0) {
        int status = session_query(&s, -1, &s.config);
        if (status != SF_OK)
            exit_status = session_fail_masters(options->masters, status);
        if (status == SF_OK || find_old_config(&s))
            print_status(&s, status == SF_OK, options->given & CTL_JSON);
    }
    session_close(&s);
    return exit_status;
}

/* query and status: what is, as a table or as JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/json.h"
#include "ctl/probe.h"
#include "env/memory.h"

/* -- query --------------------------------------------------------------------------------- */

static void query_json(const struct config *config)
{
    struct json j = {0, false};
    json_open(&j, NULL, '{');
    json_u64(&j, "num", config->num);
    json_text(&j, "routing", routing_name(config->routing));
    json_open(&j, "shards", '[');
    for (uint32_t s = 0; s < config->shard_count; s++)
        json_u64(&j, NULL, config->shards[s]);
    json_close(&j, ']');
    json_open(&j, "groups", '[');
    for (size_t g = 0; g < config->group_count; g++) {
        const struct group *group = &config->groups[g];
        json_open(&j, NULL, '{');
        json_u64(&j, "gid", group->gid);
        json_open(&j, "addresses", '[');
        for (size_t i = 0; i < group->address_count; i++)
            json_text(&j, NULL, group->addresses[i]);
        json_close(&j, ']');
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_close(&j, '}');
}

/* "0-3,7": the shards of a group. */
static void print_shards(const struct config *config, group_id gid)
{
    const char *comma = "";
    for (uint32_t s = 0; s < config->shard_count; s++) {
        uint32_t from = s;
        if (config->shards[s] != gid)
            continue;
        while (s + 1 < config->shard_count && config->shards[s + 1] == gid)
            s++;
        printf(from == s ? "%s%u" : "%s%u-%u", comma, from, s);
        comma = ",";
    }
    puts(comma[0] ? "" : "none");
}

static void query_text(const struct config *config)
{
    printf("configuration %llu: %u shards by %s, %zu groups\n", (unsigned long long)config->num,
           config->shard_count, routing_name(config->routing), config->group_count);
    for (size_t g = 0; g < config->group_count; g++) {
        const struct group *group = &config->groups[g];
        printf("group %llu at", (unsigned long long)group->gid);
        for (size_t i = 0; i < group->address_count; i++)
            printf(" %s", group->addresses[i]);
        printf("\n  shards ");
        print_shards(config, group->gid);
    }
}

int command_query(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    struct config *config = NULL;
    int64_t num = -1;
    if (argc > 0) {
        char *end;
        num = strtoll(argv[0], &end, 10);
        if (!argv[0][0] || *end || num < -1)
            return fail_usage("NUM is the number of a configuration, not '%s'", argv[0]);
    }
    int exit_status = session_open(&s, options);
    if (exit_status != 0)
        return exit_status;
    int status = session_query(&s, num, &config);
    if (status != SF_OK)
        exit_status = fail("query: %s", sf_error_text(status));
    else if (options->json)
        query_json(config);
    else
        query_text(config);
    config_free(config);
    session_close(&s);
    return exit_status;
}

/* -- status -------------------------------------------------------------------------------- */

/* One row: a replica by its address. */
struct row {
    group_id gid; /* 0: the masters */
    const char *address;
    struct probe probe;
    const struct probe_replica *replica; /* NULL: it does not answer, or is not of the group */
};

static const char *role_of(const struct row *row)
{
    if (row->probe.status != SF_OK)
        return "down";
    if (!row->replica)
        return "stranger";
    return row->replica->leads ? "leader" : "follower";
}

static uint32_t owned(const struct config *config, group_id gid)
{
    uint32_t count = 0;
    for (uint32_t s = 0; s < config->shard_count; s++)
        count += config->shards[s] == gid;
    return count;
}

static void print_row(const struct row *row, const struct config *config, bool first)
{
    char group[32] = "", shards[32] = "-", moving[32] = "-", term[24] = "-", applied[24] = "-";
    char disk[32] = "-";
    const struct probe_replica *r = row->replica;
    if (first && row->gid == 0)
        snprintf(group, sizeof group, "masters");
    else if (first)
        snprintf(group, sizeof group, "%llu (%u)", (unsigned long long)row->gid,
                 owned(config, row->gid));
    if (r) {
        snprintf(term, sizeof term, "%llu", (unsigned long long)r->term);
        snprintf(applied, sizeof applied, "%llu", (unsigned long long)r->applied);
        snprintf(disk, sizeof disk, "%.1f GiB%s", (double)row->probe.disk_free / (1 << 30),
                 row->probe.low_space ? " LOW" : "");
    }
    if (r && row->gid != 0) {
        snprintf(shards, sizeof shards, "%llu", (unsigned long long)r->serving);
        snprintf(moving, sizeof moving, "%llu", (unsigned long long)r->moving);
    }
    printf("%-12s %-22s %-9s %8s %12s %7s %7s %12s\n", group, row->address, role_of(row), term,
           applied, shards, moving, disk);
}

static void row_json(struct json *j, const struct row *row)
{
    const struct probe_replica *r = row->replica;
    json_open(j, NULL, '{');
    json_u64(j, "gid", row->gid);
    json_text(j, "address", row->address);
    json_text(j, "role", role_of(row));
    if (r) {
        json_text(j, "engine", r->engine);
        json_u64(j, "term", r->term);
        json_u64(j, "commit", r->commit);
        json_u64(j, "applied", r->applied);
        json_u64(j, "config", r->config);
        json_u64(j, "serving", r->serving);
        json_u64(j, "moving", r->moving);
        json_u64(j, "disk_free", row->probe.disk_free);
        json_u64(j, "disk_total", row->probe.disk_total);
        json_bool(j, "low_space", row->probe.low_space);
    }
    json_close(j, '}');
}

static struct row *rows_new(struct session *s, size_t *count)
{
    size_t n = s->master_count;
    for (size_t g = 0; g < s->config->group_count; g++)
        n += s->config->groups[g].address_count;
    struct row *rows = sf_calloc(n, sizeof *rows);
    *count = 0;
    for (size_t i = 0; i < s->master_count; i++)
        rows[(*count)++].address = s->masters[i];
    for (size_t g = 0; g < s->config->group_count; g++) {
        const struct group *group = &s->config->groups[g];
        for (size_t i = 0; i < group->address_count; i++) {
            rows[*count].gid = group->gid;
            rows[(*count)++].address = group->addresses[i];
        }
    }
    for (size_t i = 0; i < *count; i++) {
        probe_run(s, rows[i].address, &rows[i].probe);
        rows[i].replica = probe_find(&rows[i].probe, rows[i].gid);
    }
    return rows;
}

static void status_text(const struct config *config, const struct row *rows, size_t count)
{
    printf("configuration %llu: %u shards by %s, %zu groups\n\n", (unsigned long long)config->num,
           config->shard_count, routing_name(config->routing), config->group_count);
    printf("%-12s %-22s %-9s %8s %12s %7s %7s %12s\n", "GROUP (OWNS)", "REPLICA", "ROLE", "TERM",
           "APPLIED", "SERVES", "MOVING", "DISK FREE");
    for (size_t i = 0; i < count; i++)
        print_row(&rows[i], config, i == 0 || rows[i].gid != rows[i - 1].gid);
}

static void status_json(const struct config *config, const struct row *rows, size_t count)
{
    struct json j = {0, false};
    json_open(&j, NULL, '{');
    json_u64(&j, "config", config->num);
    json_u64(&j, "shards", config->shard_count);
    json_text(&j, "routing", routing_name(config->routing));
    json_open(&j, "replicas", '[');
    for (size_t i = 0; i < count; i++)
        row_json(&j, &rows[i]);
    json_close(&j, ']');
    json_close(&j, '}');
}

int command_status(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    size_t count;
    (void)argc;
    (void)argv;
    int exit_status = session_open(&s, options);
    if (exit_status != 0)
        return exit_status;
    struct row *rows = rows_new(&s, &count);
    if (options->json)
        status_json(s.config, rows, count);
    else
        status_text(s.config, rows, count);
    for (size_t i = 0; i < count; i++)
        probe_deinit(&rows[i].probe);
    free(rows);
    session_close(&s);
    return 0;
}

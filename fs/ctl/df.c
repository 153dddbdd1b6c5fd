/* df: the room of each group, which is that of its fullest replica, and of all together. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/probe.h"
#include "ctl/text.h"
#include "env/memory.h"

typedef unsigned long long ull;

struct table {
    const struct config *config;
    bool human;
    struct tree_member *members; /* of all groups, in order */
    size_t count;
    struct tree_space sum;
    bool failed; /* a group does not answer; its line is printed */
};

static void cell(const struct table *table, uint64_t bytes, char out[TEXT_BYTES_MAX])
{
    if (table->human)
        text_of_bytes(bytes, out);
    else
        snprintf(out, TEXT_BYTES_MAX, "%llu", (ull)(bytes / 1024));
}

/* Rounded up, as df(1) does: what is nearly full is not shown as less than it is. */
static uint64_t percent_of(uint64_t part_bytes, uint64_t total_bytes)
{
    uint64_t part = part_bytes / 1024 + (part_bytes % 1024 > 0), total = total_bytes / 1024;
    return total > 0 ? part * 100 / total + (part * 100 % total > 0) : 0;
}

static void print_row(const struct table *table, const char *group, const char *replicas,
                      const struct tree_space *space)
{
    char total[TEXT_BYTES_MAX] = "-", used[TEXT_BYTES_MAX] = "-", left[TEXT_BYTES_MAX] = "-";
    char percent[24] = "-";
    if (space->known) {
        uint64_t taken = space->total_bytes - space->free_bytes;
        cell(table, space->total_bytes, total);
        cell(table, taken, used);
        cell(table, space->free_bytes, left);
        snprintf(percent, sizeof percent, "%llu%%", (ull)percent_of(taken, space->total_bytes));
    }
    printf("%-10s %8s %14s %14s %14s %5s\n", group, replicas, total, used, left, percent);
}

/* -- asking -------------------------------------------------------------------------------- */

static void take_member(struct tree_member *member, group_id gid, const struct probe *probe)
{
    const struct probe_replica *replica = probe_find(probe, gid);
    *member = (struct tree_member){.gid = gid, .answered = probe->status == SF_OK && replica};
    snprintf(member->address, sizeof member->address, "%s", probe->address);
    if (!member->answered)
        return;
    member->leads = replica->leads;
    member->total_bytes = probe->disk_total;
    member->free_bytes = probe->disk_free;
}

static size_t count_replicas(const struct config *config)
{
    size_t count = 0;
    for (size_t g = 0; g < config->group_count; g++)
        count += config->groups[g].address_count;
    return count;
}

static void table_fill(struct table *table, struct session *s)
{
    size_t room = count_replicas(s->config);
    struct probe *probes = sf_calloc(room, sizeof *probes);
    group_id *gids = sf_calloc(room, sizeof *gids);
    table->members = sf_calloc(room, sizeof *table->members);
    for (size_t g = 0; g < s->config->group_count; g++) {
        const struct group *group = &s->config->groups[g];
        for (size_t i = 0; i < group->address_count; i++) {
            gids[table->count] = group->gid;
            probes[table->count++].address = group->addresses[i];
        }
    }
    probe_all(s, probes, room);
    for (size_t i = 0; i < room; i++)
        take_member(&table->members[i], gids[i], &probes[i]);
    probe_all_deinit(probes, room);
    free(probes);
    free(gids);
}

/* -- printing ------------------------------------------------------------------------------ */

static void print_group(struct table *table, const struct group *group)
{
    char name[24], replicas[24];
    size_t answered = 0;
    struct tree_space space =
        tree_group_space(table->config, group->gid, table->members, table->count);
    for (size_t i = 0; i < table->count; i++)
        answered += table->members[i].gid == group->gid && table->members[i].answered;
    snprintf(name, sizeof name, "%llu", (ull)group->gid);
    snprintf(replicas, sizeof replicas, "%zu/%zu", answered, group->address_count);
    print_row(table, name, replicas, &space);
    tree_space_add(&table->sum, &space);
    table->failed |= !space.known;
}

static int print_table(struct table *table)
{
    printf("%-10s %8s %14s %14s %14s %5s\n", "GROUP", "REPLICAS",
           table->human ? "SIZE" : "1K-BLOCKS", "USED", "AVAILABLE", "USE%");
    for (size_t g = 0; g < table->config->group_count; g++)
        print_group(table, &table->config->groups[g]);
    print_row(table, "all", "", &table->sum);
    if (!table->failed)
        return 0;
    fflush(stdout);
    return fail("not every group answers: there is more than this sum (see 'shardctl status')");
}

int command_df(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    (void)argc;
    (void)argv;
    int exit_status = session_open(&s, options);
    if (exit_status != 0)
        return exit_status;
    struct table table = {.config = s.config, .human = options->given & CTL_HUMAN};
    table_fill(&table, &s);
    exit_status = print_table(&table);
    free(table.members);
    session_close(&s);
    return exit_status;
}

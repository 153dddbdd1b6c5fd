/* join: a group is let in, after a look at whether it is what the operator believes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/groups.h"
#include "env/memory.h"

typedef unsigned long long ull;

/* Exit status. *group owns its addresses either way. */
static int take_group(struct group *group, group_id gid, size_t count, char **addresses)
{
    *group = (struct group){.gid = gid};
    if (count > SF_REPLICAS_MAX)
        return fail_usage("a group has at most %u replicas, not %zu", SF_REPLICAS_MAX, count);
    group->address_count = count;
    group->addresses = sf_calloc(count, sizeof group->addresses[0]);
    for (size_t i = 0; i < count; i++) {
        if (!env_address_is_valid(addresses[i]) || strlen(addresses[i]) >= SF_ADDRESS_BYTES_MAX)
            return fail_usage("'%s' is not an address HOST:PORT", addresses[i]);
        strcpy(group->addresses[i], addresses[i]);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(addresses[k], addresses[i]) == 0)
                return fail_usage("'%s' is named twice", addresses[i]);
        }
    }
    return 0;
}

/* -- asking the replicas --------------------------------------------------------------------- */

/* The masters' cluster id; 0 where none of them says it just now. */
static uint64_t cluster_id(struct session *s)
{
    struct probe *probes = probe_masters(s);
    uint64_t id = 0;
    for (size_t i = 0; i < s->master_count && id == 0; i++)
        id = probes[i].cluster_id;
    probe_all_deinit(probes, s->master_count);
    free(probes);
    return id;
}

/* NULL, or what is wrong with the replica as one of this group. */
static const char *find_fault(const struct session *s, const struct probe *probe,
                              const struct group *group, uint64_t cluster)
{
    const struct probe_replica *replica = probe_find(probe, group->gid);
    if (probe->status != SF_OK)
        return "does not answer";
    if (cluster != 0 && probe->cluster_id != cluster)
        return "belongs to another cluster";
    if (!replica)
        return "has no replica of this group";
    struct group found = {replica->gid, replica->address_count, replica->addresses};
    if (replica->address_count != group->address_count ||
        group_identity(&found) != group_identity(group))
        return "knows this group with other addresses";
    if (replica->shard_count != s->config->shard_count ||
        strcmp(replica->routing, routing_name(s->config->routing)) != 0)
        return "was made for another number of shards or another routing";
    return NULL;
}

/* The group that has this address in the newest Config; NULL: none. */
static const struct group *find_owner(const struct config *config, const char *address)
{
    for (size_t g = 0; g < config->group_count; g++) {
        const struct group *group = &config->groups[g];
        for (size_t i = 0; i < group->address_count; i++) {
            if (strcmp(group->addresses[i], address) == 0)
                return group;
        }
    }
    return NULL;
}

/* A process may hold replicas of several groups, but it has to say so. Does a majority answer as
 * this group, and everybody that is in another one? Exit status; the line says who does not. */
static int judge(const struct session *s, const struct group *group, const struct probe *probes,
                 uint64_t cluster, bool force)
{
    const char *first = NULL, *why = NULL;
    size_t good = 0;
    for (size_t i = 0; i < group->address_count; i++) {
        const struct group *owner = find_owner(s->config, group->addresses[i]);
        const char *fault = find_fault(s, &probes[i], group, cluster);
        if (owner && fault)
            return fail("%s is in group %llu, and %s", group->addresses[i], (ull)owner->gid, fault);
        good += !fault;
        if (fault && !first) {
            first = group->addresses[i];
            why = fault;
        }
    }
    if (force || 2 * good > group->address_count)
        return 0;
    return fail("no majority of these addresses answers as group %llu (%s %s); start its replicas "
                "first, or use --force",
                (ull)group->gid, first, why);
}

/* Of those that answer. Exit status. */
static int compare_engines(const struct group *group, const struct probe *probes)
{
    const struct probe_replica *first = NULL;
    for (size_t i = 0; i < group->address_count; i++) {
        const struct probe_replica *replica = probe_find(&probes[i], group->gid);
        if (first && replica && strcmp(first->engine, replica->engine) != 0)
            return fail("the replica at %s has engine %s, another one %s: a group has one engine",
                        group->addresses[i], replica->engine, first->engine);
        first = first ? first : replica;
    }
    return 0;
}

static int check_group(struct session *s, const struct group *group, bool force)
{
    struct probe probes[SF_REPLICAS_MAX];
    if (config_find_group(s->config, group->gid))
        return fail("group %llu has joined already (see 'shardctl status')", (ull)group->gid);
    uint64_t cluster = cluster_id(s);
    probe_group(s, group, probes);
    int exit_status = judge(s, group, probes, cluster, force);
    if (exit_status == 0)
        exit_status = compare_engines(group, probes);
    probe_all_deinit(probes, group->address_count);
    return exit_status;
}

/* -- joining --------------------------------------------------------------------------------- */

static int join(struct session *s, struct group *group, bool force)
{
    struct master_op op;
    struct master_reply reply = {0};
    int exit_status = check_group(s, group, force);
    if (exit_status != 0)
        return exit_status;
    session_new_master_op(s, &op, MASTER_JOIN);
    op.groups = group;
    op.group_count = 1;
    exit_status = change_config(s, &op, "join", &reply);
    if (exit_status == 0)
        printf("configuration %llu: group %llu has joined\n", (ull)reply.config_num,
               (ull)group->gid);
    return exit_status;
}

int command_join(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    struct group group;
    group_id gid;
    if (!take_gid(argv[0], &gid))
        return EXIT_USAGE;
    int exit_status = take_group(&group, gid, argc - 1, argv + 1);
    if (exit_status == 0)
        exit_status = groups_open(&s, options, "join");
    if (exit_status == 0) {
        exit_status = join(&s, &group, options->given & CTL_FORCE);
        session_close(&s);
    }
    free(group.addresses);
    return exit_status;
}

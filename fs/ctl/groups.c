/* join, leave, move, transfer, drain: who owns what. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/probe.h"
#include "ctl/progress.h"
#include "env/memory.h"

#define DRAIN_POLL_MS 200u

/* False: the line is printed. */
static bool take_id(const char *what, const char *text, uint64_t min, uint64_t *out)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || strlen(text) > 18 || number < min) {
        fail_usage("%s is a whole number from %llu, not '%s'", what, (unsigned long long)min, text);
        return false;
    }
    *out = number;
    return true;
}

static int report(int status, const struct master_reply *reply, const char *what)
{
    if (status == SF_OK)
        status = reply->status;
    if (status == SF_OK) {
        printf("configuration %llu\n", (unsigned long long)reply->config_num);
        return 0;
    }
    if (reply->which != 0 && status != SF_UNKNOWN && status != SF_TIMEOUT)
        return fail("%s: group %llu: %s", what, (unsigned long long)reply->which,
                    sf_error_text(status));
    return fail("%s: %s", what, sf_error_text(status));
}

/* -- join ---------------------------------------------------------------------------------- */

/* False: the line is printed. *group owns its addresses either way. */
static bool take_group(struct group *group, group_id gid, size_t count, char **addresses)
{
    group->gid = gid;
    group->address_count = count;
    group->addresses = sf_calloc(count, sizeof group->addresses[0]);
    if (count > SF_REPLICAS_MAX) {
        fail_usage("a group has at most %u replicas", SF_REPLICAS_MAX);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!env_address_is_valid(addresses[i]) || strlen(addresses[i]) >= SF_ADDRESS_BYTES_MAX) {
            fail_usage("'%s' is not an address HOST:PORT", addresses[i]);
            return false;
        }
        strcpy(group->addresses[i], addresses[i]);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(addresses[k], addresses[i]) == 0) {
                fail_usage("'%s' is named twice", addresses[i]);
                return false;
            }
        }
    }
    return true;
}

/* Exit status. */
static int check_strangers(const struct config *config, const struct group *group)
{
    for (size_t g = 0; g < config->group_count; g++) {
        const struct group *other = &config->groups[g];
        if (other->gid == group->gid)
            return fail("group %llu has joined already (see 'shardctl status')",
                        (unsigned long long)other->gid);
        for (size_t i = 0; i < other->address_count * group->address_count; i++) {
            const char *address = group->addresses[i % group->address_count];
            if (strcmp(other->addresses[i / group->address_count], address) == 0)
                return fail("%s is in group %llu: a replica belongs to one group", address,
                            (unsigned long long)other->gid);
        }
    }
    return 0;
}

static bool same_group(const struct probe_replica *replica, const struct group *group)
{
    struct group found = {replica->gid, replica->address_count, replica->addresses};
    return replica->address_count == group->address_count &&
           group_identity(&found) == group_identity(group);
}

/* Does a majority answer as this group? Exit status; the line says who does not. */
static int check_majority(struct session *s, const struct group *group)
{
    size_t good = 0;
    char why[512] = "";
    for (size_t i = 0; i < group->address_count; i++) {
        struct probe probe;
        probe_run(s, group->addresses[i], &probe);
        const struct probe_replica *replica = probe_find(&probe, group->gid);
        const char *wrong = NULL;
        if (probe.status != SF_OK)
            wrong = "does not answer";
        else if (!replica)
            wrong = "is no replica of this group";
        else if (!same_group(replica, group))
            wrong = "knows this group with other addresses";
        good += !wrong;
        if (wrong && !why[0])
            snprintf(why, sizeof why, "%s %s", group->addresses[i], wrong);
        probe_deinit(&probe);
    }
    if (2 * good > group->address_count)
        return 0;
    return fail("no majority of these addresses answers as group %llu (%s); start its replicas "
                "first, or use --force",
                (unsigned long long)group->gid, why);
}

static int join(struct session *s, const struct group *group, bool force)
{
    int exit_status = check_strangers(s->config, group);
    if (exit_status == 0 && !force)
        exit_status = check_majority(s, group);
    if (exit_status != 0)
        return exit_status;
    struct master_op op;
    struct master_reply reply = {0};
    struct group copy = *group;
    session_new_master_op(s, &op, MASTER_JOIN);
    op.groups = &copy;
    op.group_count = 1;
    return report(session_master(s, &op, &reply), &reply, "join");
}

int command_join(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    struct group group;
    group_id gid;
    if (!take_id("GID", argv[0], 1, &gid))
        return EXIT_USAGE;
    int exit_status = EXIT_USAGE;
    if (take_group(&group, gid, argc - 1, argv + 1))
        exit_status = session_open(&s, options);
    else {
        free(group.addresses);
        return EXIT_USAGE;
    }
    if (exit_status == 0) {
        exit_status = join(&s, &group, options->force);
        session_close(&s);
    }
    free(group.addresses);
    return exit_status;
}

/* -- leave, move, transfer ----------------------------------------------------------------- */

int command_leave(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    group_id gids[64];
    for (size_t i = 0; i < argc; i++) {
        if (!take_id("GID", argv[i], 1, &gids[i]))
            return EXIT_USAGE;
    }
    int exit_status = session_open(&s, options);
    if (exit_status != 0)
        return exit_status;
    struct master_op op;
    struct master_reply reply = {0};
    session_new_master_op(&s, &op, MASTER_LEAVE);
    op.gids = gids;
    op.gid_count = argc;
    exit_status = report(session_master(&s, &op, &reply), &reply, "leave");
    session_close(&s);
    return exit_status;
}

int command_move(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    uint64_t shard;
    group_id gid;
    (void)argc;
    if (!take_id("SHARD", argv[0], 0, &shard) || !take_id("GID", argv[1], 1, &gid))
        return EXIT_USAGE;
    int exit_status = session_open(&s, options);
    if (exit_status != 0)
        return exit_status;
    if (shard >= s.config->shard_count) {
        exit_status = fail("there is no shard %llu: the cluster has 0 to %u",
                           (unsigned long long)shard, s.config->shard_count - 1);
    } else if (!config_find_group(s.config, gid)) {
        exit_status =
            fail("there is no group %llu (see 'shardctl status')", (unsigned long long)gid);
    } else {
        struct master_op op;
        struct master_reply reply = {0};
        session_new_master_op(&s, &op, MASTER_MOVE);
        op.shard = (uint32_t)shard;
        op.gid = gid;
        exit_status = report(session_master(&s, &op, &reply), &reply, "move");
    }
    session_close(&s);
    return exit_status;
}

/* The address of whoever says that it leads the group, or the one that is to lead now. */
static bool find_leader(struct session *s, const struct group *group, char *leader)
{
    for (size_t i = 0; i < group->address_count; i++) {
        struct probe probe;
        probe_run(s, group->addresses[i], &probe);
        const struct probe_replica *replica = probe_find(&probe, group->gid);
        bool leads = replica && replica->leads;
        probe_deinit(&probe);
        if (leads) {
            strcpy(leader, group->addresses[i]);
            return true;
        }
    }
    return false;
}

static int transfer(struct session *s, const struct group *group, const char *address)
{
    char leader[SF_ADDRESS_BYTES_MAX];
    struct buffer params = {0};
    struct unpacked result;
    if (!find_leader(s, group, leader))
        return fail("no replica of group %llu leads it just now", (unsigned long long)group->gid);
    if (strcmp(leader, address) == 0) {
        printf("%s leads group %llu already\n", address, (unsigned long long)group->gid);
        return 0;
    }
    pack_array(&params, 2);
    pack_u64(&params, group->gid);
    pack_str(&params, address);
    int status = session_rpc(s, leader, "replica.transfer", &params, s->timeout_ms, &result);
    if (status != SF_OK)
        return fail("transfer: %s", sf_error_text(status));
    unpack_close(&result);
    for (uint64_t waited = 0; s->timeout_ms == 0 || waited < s->timeout_ms; waited += 100) {
        if (find_leader(s, group, leader) && strcmp(leader, address) == 0) {
            printf("%s leads group %llu\n", address, (unsigned long long)group->gid);
            return 0;
        }
        session_pause(s, 100);
    }
    return fail("%s did not take the lead in time", address);
}

int command_transfer(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    group_id gid;
    (void)argc;
    if (!take_id("GID", argv[0], 1, &gid))
        return EXIT_USAGE;
    int exit_status = session_open(&s, options);
    if (exit_status != 0)
        return exit_status;
    const struct group *group = config_find_group(s.config, gid);
    size_t at = 0;
    while (group && at < group->address_count && strcmp(group->addresses[at], argv[1]) != 0)
        at++;
    if (!group)
        exit_status =
            fail("there is no group %llu (see 'shardctl status')", (unsigned long long)gid);
    else if (at == group->address_count)
        exit_status = fail("%s is no replica of group %llu", argv[1], (unsigned long long)gid);
    else
        exit_status = transfer(&s, group, argv[1]);
    session_close(&s);
    return exit_status;
}

/* -- drain --------------------------------------------------------------------------------- */

/* How many shards the group still holds, as its leader says, once it knows of the Config `num`.
 * False: nobody can say. */
static bool shards_held(struct session *s, const struct group *group, uint64_t num, uint64_t *held)
{
    for (size_t i = 0; i < group->address_count; i++) {
        struct probe probe;
        probe_run(s, group->addresses[i], &probe);
        const struct probe_replica *replica = probe_find(&probe, group->gid);
        bool known = replica && replica->leads && replica->config >= num;
        if (known)
            *held = replica->holding + replica->moving;
        probe_deinit(&probe);
        if (known)
            return true;
    }
    return false;
}

static int wait_drained(struct session *s, const struct group *group, uint64_t num)
{
    uint64_t held;
    for (;;) {
        bool known = shards_held(s, group, num, &held);
        if (known && held == 0)
            break;
        if (known)
            progress_show("group %llu still holds %llu shards", (unsigned long long)group->gid,
                          (unsigned long long)held);
        else
            progress_show("group %llu: waiting for its leader", (unsigned long long)group->gid);
        session_pause(s, DRAIN_POLL_MS);
    }
    progress_end();
    printf("group %llu holds nothing: its servers may be stopped\n",
           (unsigned long long)group->gid);
    return 0;
}

static int leave_one(struct session *s, group_id gid, struct master_reply *reply)
{
    struct master_op op;
    session_new_master_op(s, &op, MASTER_LEAVE);
    op.gids = &gid;
    op.gid_count = 1;
    return session_master(s, &op, reply);
}

int command_drain(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    group_id gid;
    (void)argc;
    if (!take_id("GID", argv[0], 1, &gid))
        return EXIT_USAGE;
    int exit_status = session_open(&s, options);
    if (exit_status != 0)
        return exit_status;
    const struct group *group = config_find_group(s.config, gid);
    struct master_reply reply = {0};
    if (!group)
        exit_status =
            fail("there is no group %llu (see 'shardctl status')", (unsigned long long)gid);
    else if (s.config->group_count == 1)
        exit_status = fail("group %llu is the last one: nobody could take its shards",
                           (unsigned long long)gid);
    else
        exit_status = report(leave_one(&s, gid, &reply), &reply, "drain");
    if (exit_status == 0)
        exit_status = wait_drained(&s, group, reply.config_num);
    session_close(&s);
    return exit_status;
}

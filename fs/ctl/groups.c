/* leave, move, transfer: who owns what, and who leads. */
#include "ctl/groups.h"

#include <stdio.h>
#include <string.h>

#define TRANSFER_POLL_MS 50u

typedef unsigned long long ull;

bool take_gid(const char *text, group_id *out)
{
    return take_number("GID", text, 1, UINT64_MAX, out);
}

const struct group *find_group(const struct session *s, group_id gid)
{
    const struct group *group = config_find_group(s->config, gid);
    if (!group)
        fail("there is no group %llu (see 'shardctl status')", (ull)gid);
    return group;
}

int groups_open(struct session *s, const struct ctl_options *options, const char *what)
{
    int exit_status = session_open(s, options);
    if (exit_status != 0 || !cluster_is_static(s))
        return exit_status;
    session_close(s);
    return fail("%s: this cluster is static: it has no shardmasters, and its shards never move",
                what);
}

int change_config(struct session *s, const struct master_op *op, const char *what,
                  struct master_reply *reply)
{
    int status = session_master(s, op, reply);
    if (status == SF_UNKNOWN)
        return fail("%s: no answer in time: it may or may not have happened (see 'shardctl query')",
                    what);
    if (status == SF_OK)
        status = reply->status;
    if (status == SF_OK)
        return 0;
    if (reply->which != 0)
        return fail("%s: group %llu: %s", what, (ull)reply->which, sf_error_text(status));
    return fail("%s: %s", what, sf_error_text(status));
}

/* -- leave ----------------------------------------------------------------------------------- */

static int leave(struct session *s, group_id *gids, size_t count)
{
    struct master_op op;
    struct master_reply reply = {0};
    session_new_master_op(s, &op, MASTER_LEAVE);
    op.gids = gids;
    op.gid_count = count;
    int exit_status = change_config(s, &op, "leave", &reply);
    if (exit_status == 0)
        printf("configuration %llu: they hand their shards over now; 'shardctl drain' waits for "
               "that\n",
               (ull)reply.config_num);
    return exit_status;
}

int command_leave(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    group_id gids[SF_GROUPS_MAX];
    for (size_t i = 0; i < argc; i++) {
        if (!take_gid(argv[i], &gids[i]))
            return EXIT_USAGE;
    }
    int exit_status = groups_open(&s, options, "leave");
    if (exit_status != 0)
        return exit_status;
    exit_status = leave(&s, gids, argc);
    session_close(&s);
    return exit_status;
}

/* -- move ------------------------------------------------------------------------------------ */

static int move(struct session *s, uint32_t shard, group_id gid)
{
    struct master_op op;
    struct master_reply reply = {0};
    session_new_master_op(s, &op, MASTER_MOVE);
    op.shard = shard;
    op.gid = gid;
    int exit_status = change_config(s, &op, "move", &reply);
    if (exit_status == 0)
        printf("configuration %llu: shard %u belongs to group %llu\n", (ull)reply.config_num, shard,
               (ull)gid);
    return exit_status;
}

int command_move(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    uint64_t shard;
    group_id gid;
    (void)argc;
    if (!take_number("SHARD", argv[0], 0, SF_SHARDS_MAX - 1, &shard) || !take_gid(argv[1], &gid))
        return EXIT_USAGE;
    int exit_status = groups_open(&s, options, "move");
    if (exit_status != 0)
        return exit_status;
    if (shard >= s.config->shard_count)
        exit_status = fail("there is no shard %llu: the cluster has 0 to %u", (ull)shard,
                           s.config->shard_count - 1);
    else if (!find_group(&s, gid))
        exit_status = EXIT_FAILED;
    else
        exit_status = move(&s, (uint32_t)shard, gid);
    session_close(&s);
    return exit_status;
}

/* -- transfer -------------------------------------------------------------------------------- */

/* The address in `group` of the replica that says that it leads; "" if none does. */
static const char *leader_of(struct session *s, const struct group *group)
{
    struct probe probes[SF_REPLICAS_MAX];
    probe_group(s, group, probes);
    const struct probe *leader = probe_leader(probes, group->address_count, group->gid);
    const char *address = leader ? leader->address : "";
    probe_all_deinit(probes, group->address_count);
    return address;
}

static int await_lead(struct session *s, const struct group *group, const char *address)
{
    uint64_t until = env_now_ms(s->env) + s->timeout_ms;
    while (strcmp(leader_of(s, group), address) != 0) {
        if (s->timeout_ms > 0 && env_now_ms(s->env) > until)
            return fail("%s did not take the lead of group %llu in time", address, (ull)group->gid);
        session_pause(s, TRANSFER_POLL_MS);
    }
    printf("%s leads group %llu\n", address, (ull)group->gid);
    return 0;
}

static int transfer(struct session *s, const struct group *group, const char *address)
{
    struct buffer params = {0};
    const char *leader = leader_of(s, group);
    if (!leader[0])
        return fail("no replica of group %llu leads it just now", (ull)group->gid);
    if (strcmp(leader, address) != 0) {
        pack_array(&params, 2);
        pack_u64(&params, group->gid);
        pack_str(&params, address);
        int status = session_rpc(s, leader, "replica.transfer", &params);
        if (status != SF_OK)
            return fail("transfer: %s: %s", leader, sf_error_text(status));
    }
    return await_lead(s, group, address);
}

/* The group's own text of the address; NULL: it has none such, and the line is printed. */
static const char *find_address(const struct group *group, const char *address)
{
    for (size_t i = 0; i < group->address_count; i++) {
        if (strcmp(group->addresses[i], address) == 0)
            return group->addresses[i];
    }
    fail("%s is no replica of group %llu (see 'shardctl query')", address, (ull)group->gid);
    return NULL;
}

int command_transfer(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    group_id gid;
    (void)argc;
    if (!take_gid(argv[0], &gid))
        return EXIT_USAGE;
    if (!env_address_is_valid(argv[1]))
        return fail_usage("'%s' is not an address HOST:PORT", argv[1]);
    int exit_status = session_open(&s, options);
    if (exit_status != 0)
        return exit_status;
    const struct group *group = find_group(&s, gid);
    const char *address = group ? find_address(group, argv[1]) : NULL;
    exit_status = address ? transfer(&s, group, address) : EXIT_FAILED;
    session_close(&s);
    return exit_status;
}

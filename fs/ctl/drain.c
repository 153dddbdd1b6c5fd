/* drain: a group leaves, and this waits until its servers are of no more use. It may be interrupted
 * and called again: of a group that has left already, the last Config that named it is looked up.
 */
#include <stdio.h>

#include "ctl/groups.h"
#include "ctl/progress.h"

#define POLL_MS 200u

typedef unsigned long long ull;

/* Sets *held to how many shards the group still holds, as its leader says, once that knows of the
 * Config `num`. False: nobody can say. */
static bool count_held(struct session *s, const struct group *group, uint64_t num, uint64_t *held)
{
    struct probe probes[SF_REPLICAS_MAX];
    probe_group(s, group, probes);
    const struct probe *leader = probe_leader(probes, group->address_count, group->gid);
    const struct probe_replica *replica = leader ? probe_find(leader, group->gid) : NULL;
    bool known = replica && replica->config >= num;
    if (known)
        *held = replica->holding;
    probe_all_deinit(probes, group->address_count);
    return known;
}

/* Exit status. takers: there are other groups. */
static int await_empty(struct session *s, const struct group *group, uint64_t num, bool takers)
{
    uint64_t held = 1;
    for (;;) {
        bool known = count_held(s, group, num, &held);
        if (known && held == 0)
            break;
        if (known && !takers)
            return fail("group %llu has left and holds %llu shards: there is no group to take them",
                        (ull)group->gid, (ull)held);
        if (known)
            progress_show("group %llu still holds %llu shards", (ull)group->gid, (ull)held);
        else
            progress_show("group %llu: waiting for its leader", (ull)group->gid);
        session_pause(s, POLL_MS);
    }
    progress_end();
    printf("group %llu holds nothing: its servers may be stopped\n", (ull)group->gid);
    return 0;
}

/* Config `num` becomes the session's. Exit status. */
static int look_back(struct session *s, uint64_t num)
{
    config_free(s->config);
    s->config = NULL;
    int status = session_query(s, (int64_t)num, &s->config);
    return status == SF_OK ? 0 : fail("query %llu: %s", (ull)num, sf_error_text(status));
}

/* Finds the group, and the number of the first Config without it. Exit status. */
static int find_left(struct session *s, group_id gid, uint64_t *left)
{
    int exit_status = 0;
    *left = 0;
    while (exit_status == 0 && !config_find_group(s->config, gid)) {
        *left = s->config->num;
        if (*left == 0)
            return fail("there never was a group %llu (see 'shardctl status')", (ull)gid);
        progress_show("looking for group %llu in configuration %llu", (ull)gid, (ull)*left - 1);
        exit_status = look_back(s, *left - 1);
    }
    progress_end();
    return exit_status;
}

static int leave(struct session *s, group_id gid, uint64_t *left)
{
    struct master_op op;
    struct master_reply reply = {0};
    if (s->config->group_count == 1)
        return fail("group %llu is the last one: nobody could take its shards", (ull)gid);
    session_new_master_op(s, &op, MASTER_LEAVE);
    op.gids = &gid;
    op.gid_count = 1;
    int exit_status = change_config(s, &op, "drain", &reply);
    *left = reply.config_num;
    return exit_status;
}

int command_drain(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    group_id gid;
    uint64_t left;
    (void)argc;
    if (!take_gid(argv[0], &gid))
        return EXIT_USAGE;
    int exit_status = groups_open(&s, options, "drain");
    if (exit_status != 0)
        return exit_status;
    bool takers = s.config->group_count > 0;
    exit_status = find_left(&s, gid, &left);
    if (exit_status == 0 && left == 0)
        exit_status = leave(&s, gid, &left);
    if (exit_status == 0)
        exit_status = await_empty(&s, config_find_group(s.config, gid), left, takers);
    session_close(&s);
    return exit_status;
}

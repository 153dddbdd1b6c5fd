/* From processes that run to a cluster that serves: every server answers, every group has a leader,
 * the groups have joined, and each serves what it owns. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/local.h"
#include "ctl/probe.h"
#include "ctl/progress.h"

#define READY_MS 60000u /* for each step, as long as nothing changes */
#define SPACE_MS 3000u  /* servers look at their disks every second */
#define POLL_MS 50u

struct ready {
    struct local *local;
    struct session session;
    struct probe probes[LOCAL_SERVERS_MAX]; /* of local->servers */
    struct config *config;                  /* the newest; NULL before the groups joined */
    uint64_t progress, progress_ms;         /* last seen, and when it changed */
    char lack[256];                         /* what the step waits for */
};

/* A step: is it done? Sets *progress to a number that grows as long as it is worth waiting, and
 * ready->lack to what is missing. */
typedef bool ready_step(struct ready *ready, uint64_t *progress);

/* -- steps --------------------------------------------------------------------------------- */

static bool all_answer(struct ready *ready, uint64_t *progress)
{
    for (size_t i = 0; i < ready->local->server_count; i++) {
        int status = ready->probes[i].status;
        *progress += status == SF_OK;
        if (status != SF_OK)
            snprintf(ready->lack, sizeof ready->lack, "%s does not answer (%s)",
                     ready->local->servers[i].name, sf_error_text(status));
    }
    progress_show("%" PRIu64 " of %zu servers answer", *progress, ready->local->server_count);
    return *progress == ready->local->server_count;
}

static const struct probe_replica *leader_of(struct ready *ready, const struct group *group)
{
    const struct probe *leader =
        probe_leader(ready->probes, ready->local->server_count, group->gid);
    return leader ? probe_find(leader, group->gid) : NULL;
}

static bool all_led(struct ready *ready, uint64_t *progress)
{
    for (size_t g = 0; g < ready->local->group_count; g++) {
        const struct group *group = &ready->local->groups[g];
        bool led = leader_of(ready, group) != NULL;
        *progress += led;
        if (!led)
            snprintf(ready->lack, sizeof ready->lack, "nobody leads %s %" PRIu64,
                     group->gid == 0 ? "the masters, group" : "group", group->gid);
    }
    progress_show("%" PRIu64 " of %zu groups have a leader", *progress, ready->local->group_count);
    return *progress == ready->local->group_count;
}

static uint32_t count_owned(const struct config *config, group_id gid)
{
    uint32_t count = 0;
    for (uint32_t s = 0; s < config->shard_count; s++)
        count += config->shards[s] == gid;
    return count;
}

/* Groups that an operator took away, or brought from elsewhere, are not waited for. */
static bool all_served(struct ready *ready, uint64_t *progress)
{
    uint64_t wanted = 0, served = 0;
    for (size_t g = local_first_group(ready->local); g < ready->local->group_count; g++) {
        const struct group *group = &ready->local->groups[g];
        const struct probe_replica *leader = leader_of(ready, group);
        uint32_t owned = count_owned(ready->config, group->gid);
        bool knows = leader && leader->config >= ready->config->num;
        uint64_t serves = knows ? leader->serving : 0;
        wanted += owned;
        served += serves < owned ? serves : owned;
        if (serves < owned)
            snprintf(ready->lack, sizeof ready->lack,
                     "group %" PRIu64 " serves %" PRIu64 " of its %u shards", group->gid, serves,
                     owned);
    }
    progress_show("%" PRIu64 " of %" PRIu64 " shards are served", served, wanted);
    *progress = served;
    return served >= wanted;
}

/* -- waiting ------------------------------------------------------------------------------- */

/* Prints a line for each server that was started and is gone. Exit status. */
static int check_ended(const struct local *local)
{
    int exit_status = 0;
    for (size_t i = 0; i < local->server_count; i++) {
        if (local_pid(local, &local->servers[i]) == 0)
            exit_status = local_fail_ended(local, &local->servers[i]);
    }
    return exit_status;
}

static void ask_all(struct ready *ready)
{
    const struct local *local = ready->local;
    probe_all_deinit(ready->probes, local->server_count);
    for (size_t i = 0; i < local->server_count; i++) {
        const struct local_server *server = &local->servers[i];
        ready->probes[i].address = server->address;
    }
    probe_all(&ready->session, ready->probes, local->server_count);
}

static int await(struct ready *ready, ready_step *step)
{
    ready->progress = 0;
    ready->progress_ms = env_now_ms(ready->session.env);
    for (;;) {
        uint64_t progress = 0;
        ask_all(ready);
        if (step(ready, &progress))
            return 0;
        int exit_status = check_ended(ready->local);
        if (exit_status != 0)
            return exit_status;
        uint64_t now_ms = env_now_ms(ready->session.env);
        if (progress != ready->progress)
            ready->progress_ms = now_ms;
        ready->progress = progress;
        if (now_ms - ready->progress_ms > READY_MS)
            return fail("%s after %u s (see 'shardctl status', and %s/log)", ready->lack,
                        READY_MS / 1000, ready->local->dir);
        session_pause(&ready->session, POLL_MS);
    }
}

/* -- joining ------------------------------------------------------------------------------- */

/* Is short of space, as it says; NULL: none. */
static const struct probe *find_full(const struct ready *ready)
{
    for (size_t i = 0; i < ready->local->server_count; i++) {
        if (ready->probes[i].low_space)
            return &ready->probes[i];
    }
    return NULL;
}

/* Who is short of space refuses to write, and so would be asked in vain. */
static int check_space(struct ready *ready)
{
    uint64_t until_ms = env_now_ms(ready->session.env) + SPACE_MS;
    const struct probe *full;
    while ((full = find_full(ready)) && env_now_ms(ready->session.env) < until_ms) {
        session_pause(&ready->session, POLL_MS);
        ask_all(ready);
    }
    if (!full)
        return 0;
    return fail("there is too little space in %s (%.1f GiB are free): the servers take no writes",
                ready->local->dir, (double)full->disk_free / (1 << 30));
}

static int join_groups(struct local *local, struct session *s)
{
    struct master_op op;
    struct master_reply reply = {0};
    session_new_master_op(s, &op, MASTER_JOIN);
    op.groups = local->groups + 1;
    op.group_count = local->group_count - 1;
    int status = session_master(s, &op, &reply);
    if (status == SF_OK)
        status = reply.status;
    /* Joined by an `up` that ended before it could note so. */
    if (status != SF_OK && status != SF_GROUP_EXISTS)
        return fail("the groups cannot join: %s", sf_error_text(status));
    return 0;
}

/* Everybody is there for the first time. */
static int begin(struct ready *ready)
{
    struct local *local = ready->local;
    int exit_status = check_space(ready);
    if (exit_status == 0 && !local->is_static)
        exit_status = join_groups(local, &ready->session);
    if (exit_status != 0)
        return exit_status;
    local->joined = true;
    return local_save(local);
}

static int find_config(struct ready *ready)
{
    int status = session_query(&ready->session, -1, &ready->config);
    return status == SF_OK ? 0 : fail("no configuration is known: %s", sf_error_text(status));
}

int local_make_ready(struct local *local)
{
    struct ready *ready = calloc(1, sizeof *ready);
    char masters[4096];
    struct ctl_options options = {.masters = masters, .timeout_s = READY_MS / 1000};
    local_contacts(local, masters, sizeof masters);
    sf_assert(ready);
    ready->local = local;
    int exit_status = session_connect(&ready->session, &options);
    if (exit_status == 0)
        exit_status = await(ready, all_answer);
    if (exit_status == 0)
        exit_status = await(ready, all_led);
    if (exit_status == 0 && !local->joined)
        exit_status = begin(ready);
    if (exit_status == 0)
        exit_status = find_config(ready);
    if (exit_status == 0)
        exit_status = await(ready, all_served);
    progress_end();
    probe_all_deinit(ready->probes, local->server_count);
    config_free(ready->config);
    session_close(&ready->session);
    free(ready);
    return exit_status;
}

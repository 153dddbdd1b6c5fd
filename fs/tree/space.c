/* space: how much room the cluster has, and who its members are, collected in the background so that
 * nobody waits for that.
 *
 * Every few seconds one replica after another is asked for its status; the cluster has as much room
 * as its groups together. */
#include "tree/op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "rpc/rpc.h"

#define POLL_MS 5000u
#define ANSWER_MS 2000u

/* Those that a round has asked so far, or all of a complete one. */
struct members {
    struct tree_member *all; /* owned */
    size_t count, room;
};

struct space_poll {
    struct tree *tree;
    struct env_timer timer;
    struct rpc_call call;
    size_t group, replica; /* who is being asked, by position in the Config ... */
    group_id gid;          /* ... and by name */
    char address[SF_ADDRESS_BYTES_MAX];
    struct tree_space latest;    /* the last complete round */
    struct members asked, known; /* the same of the members */
};

static void ask_next(struct space_poll *poll);

static const struct config *poll_config(const struct space_poll *poll)
{
    return router_config(client_router(poll->tree->client));
}

static const msgpack_object *map_find(const msgpack_object *map, const char *key)
{
    for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
        const msgpack_object *k = &map->via.map.ptr[i].key;
        if (k->type == MSGPACK_OBJECT_STR && k->via.str.size == strlen(key) &&
            memcmp(k->via.str.ptr, key, strlen(key)) == 0)
            return &map->via.map.ptr[i].val;
    }
    return NULL;
}

static bool map_u64(const msgpack_object *map, const char *key, uint64_t *out)
{
    const msgpack_object *value = map_find(map, key);
    if (!value || value->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return false;
    *out = value->via.u64;
    return true;
}

/* Does one of the process's replicas lead this group, and in which term? */
static void note_leader(const msgpack_object *result, struct tree_member *member)
{
    const msgpack_object *replicas = map_find(result, "replicas");
    for (uint32_t i = 0;
         replicas && replicas->type == MSGPACK_OBJECT_ARRAY && i < replicas->via.array.size; i++) {
        const msgpack_object *replica = &replicas->via.array.ptr[i];
        const msgpack_object *flag = map_find(replica, "leads");
        uint64_t its_gid;
        if (!map_u64(replica, "gid", &its_gid) || its_gid != member->gid)
            continue;
        member->leads = flag && flag->type == MSGPACK_OBJECT_BOOLEAN && flag->via.boolean;
        (void)map_u64(replica, "term", &member->term);
        return;
    }
}

static void note_member(struct space_poll *poll, int status, const msgpack_object *result)
{
    struct members *asked = &poll->asked;
    if (asked->count == asked->room) {
        asked->room = asked->room > 0 ? 2 * asked->room : 8;
        asked->all = sf_realloc(asked->all, asked->room * sizeof *asked->all);
    }
    struct tree_member *member = &asked->all[asked->count++];
    *member = (struct tree_member){.gid = poll->gid, .answered = status == SF_OK};
    strcpy(member->address, poll->address);
    if (status != SF_OK)
        return;
    note_leader(result, member);
    (void)map_u64(result, "disk_total", &member->total_bytes);
    (void)map_u64(result, "disk_free", &member->free_bytes);
}

static void on_answer(struct rpc_call *call, int status, const msgpack_object *result)
{
    struct space_poll *poll = container_of(call, struct space_poll, call);
    note_member(poll, status, result);
    poll->replica++;
    ask_next(poll);
}

/* Groups of the Config with a replica at this address. */
static uint64_t count_groups_at(const struct config *config, const char *address)
{
    uint64_t count = 0;
    for (size_t g = 0; g < config->group_count; g++) {
        const struct group *group = &config->groups[g];
        for (size_t i = 0; i < group->address_count; i++)
            count += strcmp(group->addresses[i], address) == 0;
    }
    return count > 0 ? count : 1;
}

struct tree_space tree_group_space(const struct config *config, group_id gid,
                                   const struct tree_member *members, size_t count)
{
    struct tree_space space = {.known = false};
    for (size_t i = 0; i < count; i++) {
        const struct tree_member *member = &members[i];
        if (member->gid != gid || !member->answered || member->total_bytes == 0)
            continue;
        uint64_t sharers = count_groups_at(config, member->address);
        uint64_t free_bytes = member->free_bytes / sharers;
        if (space.known && free_bytes >= space.free_bytes)
            continue;
        space.known = true;
        space.free_bytes = free_bytes;
        space.total_bytes = member->total_bytes / sharers;
    }
    return space;
}

static bool is_deposed(const struct tree_member *leader, const struct tree_member *members,
                       size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (members[i].gid == leader->gid && members[i].leads && members[i].term > leader->term)
            return true;
    return false;
}

void tree_one_leader(struct tree_member *members, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (members[i].leads && is_deposed(&members[i], members, count))
            members[i].leads = false;
}

void tree_space_add(struct tree_space *sum, const struct tree_space *part)
{
    sum->known |= part->known;
    sum->total_bytes += part->total_bytes;
    sum->free_bytes += part->free_bytes;
}

static struct tree_space sum_up(const struct space_poll *poll, const struct config *config)
{
    struct tree_space sum = {.known = false};
    for (size_t g = 0; g < config->group_count; g++) {
        struct tree_space part =
            tree_group_space(config, config->groups[g].gid, poll->asked.all, poll->asked.count);
        tree_space_add(&sum, &part);
    }
    return sum;
}

static void end_round(struct space_poll *poll)
{
    const struct config *config = poll_config(poll);
    struct members old = poll->known;
    struct tree_space sum = {.known = false};
    if (config)
        sum = sum_up(poll, config);
    if (sum.known)
        poll->latest = sum;
    poll->known = poll->asked;
    poll->asked = old;
    tree_one_leader(poll->known.all, poll->known.count);
}

static void ask_next(struct space_poll *poll)
{
    const struct config *config = poll_config(poll);
    while (config && poll->group < config->group_count &&
           poll->replica >= config->groups[poll->group].address_count) {
        poll->replica = 0;
        poll->group++;
    }
    if (!config || poll->group >= config->group_count) {
        end_round(poll);
        env_timer_start_ms(&poll->timer, POLL_MS);
        return;
    }
    const struct group *group = &config->groups[poll->group];
    struct buffer params = {0};
    poll->gid = group->gid;
    snprintf(poll->address, sizeof poll->address, "%s", group->addresses[poll->replica]);
    pack_array(&params, 0);
    rpc_call_start(poll->tree->options.rpc, &poll->call, poll->address, "host.status", &params,
                   ANSWER_MS, on_answer);
}

static void begin_round(struct env_timer *timer)
{
    struct space_poll *poll = container_of(timer, struct space_poll, timer);
    poll->group = poll->replica = 0;
    poll->asked.count = 0;
    ask_next(poll);
}

struct space_poll *space_poll_new(struct tree *tree)
{
    struct space_poll *poll = sf_calloc(1, sizeof *poll);
    poll->tree = tree;
    env_timer_init(tree->env, &poll->timer, begin_round);
    if (tree->options.rpc)
        env_timer_start_ms(&poll->timer, 100);
    return poll;
}

void space_poll_free(struct space_poll *poll)
{
    rpc_call_cancel(&poll->call);
    env_timer_stop(&poll->timer);
    free(poll->asked.all);
    free(poll->known.all);
    free(poll);
}

struct tree_space space_poll_now(const struct space_poll *poll)
{
    return poll->latest;
}

const struct tree_member *space_poll_members(const struct space_poll *poll, size_t *count)
{
    *count = poll->known.count;
    return poll->known.all;
}

int statfs_start(struct op *op)
{
    op->call->space = space_poll_now(op->tree->space);
    return SF_OK;
}

/* space: how much room the cluster has, and who its members are, collected in the background so that
 * nobody waits for that.
 *
 * Every few seconds one replica after another is asked for its status; a group has as much room as
 * its fullest replica, the cluster as much as its groups together. */
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
    uint64_t total, free;        /* of the present group: its fullest replica so far */
    struct tree_space sum;       /* of the groups before it, in this round */
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

/* Does one of the process's replicas lead this group? */
static bool leads(const msgpack_object *result, group_id gid)
{
    const msgpack_object *replicas = map_find(result, "replicas");
    for (uint32_t i = 0;
         replicas && replicas->type == MSGPACK_OBJECT_ARRAY && i < replicas->via.array.size; i++) {
        const msgpack_object *replica = &replicas->via.array.ptr[i];
        const msgpack_object *flag = map_find(replica, "leads");
        uint64_t its_gid;
        if (map_u64(replica, "gid", &its_gid) && its_gid == gid)
            return flag && flag->type == MSGPACK_OBJECT_BOOLEAN && flag->via.boolean;
    }
    return false;
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
    member->leads = leads(result, poll->gid);
    (void)map_u64(result, "disk_total", &member->total_bytes);
    (void)map_u64(result, "disk_free", &member->free_bytes);
}

static void on_answer(struct rpc_call *call, int status, const msgpack_object *result)
{
    struct space_poll *poll = container_of(call, struct space_poll, call);
    uint64_t total, free_bytes;
    note_member(poll, status, result);
    if (status == SF_OK && map_u64(result, "disk_total", &total) &&
        map_u64(result, "disk_free", &free_bytes) &&
        (poll->total == 0 || free_bytes < poll->free)) {
        poll->total = total;
        poll->free = free_bytes;
    }
    poll->replica++;
    ask_next(poll);
}

static void end_group(struct space_poll *poll)
{
    poll->sum.known |= poll->total > 0;
    poll->sum.total_bytes += poll->total;
    poll->sum.free_bytes += poll->free;
    poll->total = poll->free = 0;
    poll->replica = 0;
    poll->group++;
}

static void end_round(struct space_poll *poll)
{
    struct members old = poll->known;
    if (poll->sum.known)
        poll->latest = poll->sum;
    poll->known = poll->asked;
    poll->asked = old;
}

static void ask_next(struct space_poll *poll)
{
    const struct config *config = poll_config(poll);
    while (config && poll->group < config->group_count &&
           poll->replica >= config->groups[poll->group].address_count)
        end_group(poll);
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
    poll->total = poll->free = 0;
    poll->sum = (struct tree_space){0};
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

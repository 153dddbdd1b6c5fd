#include "ctl/probe.h"

#include <stdlib.h>
#include <string.h>

#include "env/memory.h"

#define PROBE_MS 1500u

struct probe_batch {
    size_t open;
    bool done;
};

/* -- the answer ------------------------------------------------------------------------------ */

static const msgpack_object *find(const msgpack_object *map, const char *key)
{
    for (uint32_t i = 0; map && map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
        const msgpack_object *k = &map->via.map.ptr[i].key;
        if (k->type == MSGPACK_OBJECT_STR && k->via.str.size == strlen(key) &&
            memcmp(k->via.str.ptr, key, strlen(key)) == 0)
            return &map->via.map.ptr[i].val;
    }
    return NULL;
}

static uint64_t find_u64(const msgpack_object *map, const char *key)
{
    const msgpack_object *value = find(map, key);
    return value && value->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? value->via.u64 : 0;
}

static bool find_bool(const msgpack_object *map, const char *key)
{
    const msgpack_object *value = find(map, key);
    return value && value->type == MSGPACK_OBJECT_BOOLEAN && value->via.boolean;
}

static void copy_text(const msgpack_object *text, char *to, size_t size)
{
    to[0] = 0;
    if (!text || text->type != MSGPACK_OBJECT_STR || text->via.str.size >= size)
        return;
    memcpy(to, text->via.str.ptr, text->via.str.size);
    to[text->via.str.size] = 0;
}

static void take_addresses(struct probe_replica *replica, const msgpack_object *array)
{
    if (!array || array->type != MSGPACK_OBJECT_ARRAY || array->via.array.size > SF_REPLICAS_MAX)
        return;
    replica->address_count = array->via.array.size;
    replica->addresses = sf_calloc(replica->address_count, sizeof replica->addresses[0]);
    for (size_t i = 0; i < replica->address_count; i++)
        copy_text(&array->via.array.ptr[i], replica->addresses[i], SF_ADDRESS_BYTES_MAX);
}

static void take_replica(struct probe_replica *replica, const msgpack_object *map)
{
    const msgpack_object *machine = find(map, "machine");
    const char *config = find_u64(map, "gid") == 0 ? "config_num" : "config";
    *replica = (struct probe_replica){
        .gid = find_u64(map, "gid"),
        .replica = find_u64(map, "replica"),
        .term = find_u64(map, "term"),
        .commit = find_u64(map, "commit"),
        .applied = find_u64(map, "applied"),
        .shard_count = (uint32_t)find_u64(map, "shard_count"),
        .generation = find_u64(map, "generation"),
        .leads = find_bool(map, "leads"),
        .config = find_u64(machine, config),
        .serving = find_u64(machine, "serving"),
        .moving = find_u64(machine, "moving"),
        .holding = find_u64(machine, "holding"),
    };
    copy_text(find(map, "engine"), replica->engine, sizeof replica->engine);
    copy_text(find(map, "routing"), replica->routing, sizeof replica->routing);
    take_addresses(replica, find(map, "addresses"));
}

static void take_status(struct probe *probe, const msgpack_object *map)
{
    const msgpack_object *replicas = find(map, "replicas");
    if (!replicas || replicas->type != MSGPACK_OBJECT_ARRAY) {
        probe->status = SF_PROTOCOL;
        return;
    }
    probe->cluster_id = find_u64(map, "cluster");
    copy_text(find(map, "role"), probe->role, sizeof probe->role);
    probe->disk_free = find_u64(map, "disk_free");
    probe->disk_total = find_u64(map, "disk_total");
    probe->low_space = find_bool(map, "disk_low");
    probe->replica_count = replicas->via.array.size;
    probe->replicas = sf_calloc(probe->replica_count, sizeof *probe->replicas);
    for (size_t i = 0; i < probe->replica_count; i++)
        take_replica(&probe->replicas[i], &replicas->via.array.ptr[i]);
}

static void on_status(struct rpc_call *call, int status, const msgpack_object *result)
{
    struct probe *probe = container_of(call, struct probe, call);
    probe->status = status;
    if (status == SF_OK)
        take_status(probe, result);
    probe->batch->done = --probe->batch->open == 0;
}

/* -- asking ---------------------------------------------------------------------------------- */

void probe_all(struct session *s, struct probe *probes, size_t count)
{
    struct probe_batch batch = {.open = count, .done = count == 0};
    for (size_t i = 0; i < count; i++) {
        struct buffer params = {0};
        probes[i] = (struct probe){.address = probes[i].address, .batch = &batch};
        pack_array(&params, 0);
        rpc_call_start(s->rpc, &probes[i].call, probes[i].address, "host.status", &params, PROBE_MS,
                       on_status);
    }
    session_wait(s, &batch.done);
    for (size_t i = 0; i < count; i++)
        probes[i].batch = NULL;
}

void probe_all_deinit(struct probe *probes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < probes[i].replica_count; k++)
            free(probes[i].replicas[k].addresses);
        free(probes[i].replicas);
        probes[i].replicas = NULL;
        probes[i].replica_count = 0;
    }
}

struct probe *probe_masters(struct session *s)
{
    struct probe *probes = sf_calloc(s->master_count, sizeof *probes);
    for (size_t i = 0; i < s->master_count; i++)
        probes[i].address = s->masters[i];
    probe_all(s, probes, s->master_count);
    return probes;
}

bool cluster_is_static(struct session *s)
{
    struct probe *probes = probe_masters(s);
    bool is_static = false;
    for (size_t i = 0; i < s->master_count; i++)
        is_static = is_static || strcmp(probes[i].role, "shardkv") == 0;
    probe_all_deinit(probes, s->master_count);
    free(probes);
    return is_static;
}

void probe_group(struct session *s, const struct group *group, struct probe *probes)
{
    for (size_t i = 0; i < group->address_count; i++)
        probes[i].address = group->addresses[i];
    probe_all(s, probes, group->address_count);
}

const struct probe_replica *probe_find(const struct probe *probe, group_id gid)
{
    for (size_t i = 0; i < probe->replica_count; i++) {
        if (probe->replicas[i].gid == gid)
            return &probe->replicas[i];
    }
    return NULL;
}

const struct probe *probe_leader(const struct probe *probes, size_t count, group_id gid)
{
    for (size_t i = 0; i < count; i++) {
        const struct probe_replica *replica = probe_find(&probes[i], gid);
        if (replica && replica->leads)
            return &probes[i];
    }
    return NULL;
}

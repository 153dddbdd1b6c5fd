#include "shardkv/service.h"

#include <stdio.h>
#include <stdlib.h>

#include "env/memory.h"
#include "router/finish.h"

const struct shardkv_limits shardkv_limits_default = {
    .session_idle_ns = 3600 * ENV_SECOND_NS,
    .session_step_ns = 60 * ENV_SECOND_NS,
    .sessions_max = SF_SESSIONS_MAX,
    .tick_ms = 60000,
    .lease_ns = 30 * ENV_SECOND_NS,
    .pending_max = 4096,
    .chunk_bytes = 512u << 10,
};

struct router *shardkv_router(struct shardkv *shardkv)
{
    return shardkv->router;
}

struct env *shardkv_env(struct shardkv *shardkv)
{
    return shardkv->env;
}

struct router *service_router(struct shardkv *service)
{
    return service->fixed == NULL ? service->router : NULL;
}

const struct config *service_fixed_config(struct shardkv *service)
{
    return service->fixed;
}

struct kv_machine *service_find(struct shardkv *service, group_id gid)
{
    struct kv_machine *machine = service->machines;
    while (machine != NULL && machine->gid != gid)
        machine = machine->next;
    return machine;
}

void service_forget(struct shardkv *service, struct kv_machine *machine)
{
    struct kv_machine **slot = &service->machines;
    pending_forget(service, machine);
    while (*slot != machine)
        slot = &(*slot)->next;
    *slot = machine->next;
    machine_detach(machine);
}

struct machine *shardkv_machine_new(struct shardkv *shardkv, group_id gid)
{
    struct kv_machine *machine = machine_new(shardkv, gid);
    machine->next = shardkv->machines;
    shardkv->machines = machine;
    return &machine->base;
}

void service_shard_lost(struct kv_machine *machine, uint32_t shard)
{
    pending_shard_lost(machine->service, machine, shard);
}

void service_lead_lost(struct kv_machine *machine)
{
    pending_lead_lost(machine->service, machine);
}

void service_locks_freed(struct kv_machine *machine, uint32_t shard)
{
    pending_locks_freed(machine, shard);
}

void service_ranges_moved(struct kv_machine *machine, uint32_t shard)
{
    pending_ranges_moved(machine, shard);
}

/* -- methods ------------------------------------------------------------------------------- */

static void refuse(struct rpc_request *rpc, int status, const char *what)
{
    char text[160];
    snprintf(text, sizeof(text), "%s: %s", what, sf_error_text(status));
    rpc_reply_error(rpc, status, text);
}

static void on_request(void *ctx, struct rpc_request *rpc, const msgpack_object *params)
{
    const struct service_method *method = ctx;
    struct kv_request request;
    const char *what = "params";
    int status = kv_request_unpack(params, method->kind, &request);
    if (status != SF_OK) {
        refuse(rpc, status, what);
        return;
    }
    status = kv_op_check(&request.op, &what);
    if (status != SF_OK)
        refuse(rpc, status, what);
    else
        pending_serve(method->service, rpc, &request);
    kv_request_free(&request);
}

static struct handoff *find_handoff(void *ctx, group_id gid)
{
    const struct kv_machine *machine = service_find(ctx, gid);
    return machine != NULL ? machine->handoff : NULL;
}

static void register_methods(struct shardkv *service)
{
    for (unsigned i = KV_GET; i < KV_KIND_LIMIT; i++) {
        enum kv_kind kind = (enum kv_kind)i;
        if (kv_method_name(kind) == NULL)
            continue;
        service->methods[i] = (struct service_method){service, kind};
        rpc_on_request(service->rpc, kv_method_name(kind), on_request, &service->methods[i]);
    }
    service->hosts = (struct handoff_hosts){.find = find_handoff, .ctx = service};
    handoff_serve(service->rpc, &service->hosts);
}

/* -- life ---------------------------------------------------------------------------------- */

struct shardkv *shardkv_new(struct env *env, struct rpc *rpc, const struct shardkv_options *options)
{
    struct shardkv *service = sf_calloc(1, sizeof(*service));
    service->env = env;
    service->rpc = rpc;
    service->limits = options->limits != NULL ? *options->limits : shardkv_limits_default;
    if (options->config != NULL) {
        service->fixed = config_copy(options->config);
        service->router = router_new_static(env, rpc, options->config);
        static_masters_serve(service);
    } else {
        service->router = router_new(env, rpc, options->masters, options->master_count);
    }
    service->forgetter = forgetter_new(service->router);
    register_methods(service);
    return service;
}

void shardkv_free(struct shardkv *shardkv)
{
    pending_forget(shardkv, NULL);
    while (shardkv->machines != NULL)
        service_forget(shardkv, shardkv->machines);
    forgetter_free(shardkv->forgetter);
    router_free(shardkv->router);
    config_free(shardkv->fixed);
    free(shardkv);
}

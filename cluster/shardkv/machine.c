#include "shardkv/machine.h"

#include <assert.h>
#include <stdlib.h>

#include "env/mark.h"
#include "env/memory.h"
#include "shardkv/apply.h"
#include "shardkv/cache.h"
#include "shardkv/completion.h"
#include "shardkv/fence_worker.h"
#include "shardkv/service.h"
#include "shardkv/trash_worker.h"
#include "shardkv/txn_worker.h"

#define TICK_DROPS_MAX 4096u /* sessions that one tick may drop in all shards */

static_assert(ENTRY_TRASH_DONE < SHARDS_ENTRY_FIRST, "the kinds of the two planes differ");

static struct kv_machine *machine_of(struct machine *base)
{
    return container_of(base, struct kv_machine, base);
}

static struct env *env_of(const struct kv_machine *machine)
{
    return replica_env(machine->base.replica);
}

/* A failing store cannot be answered: the entry must be applied. */
static void check_store(const struct kv_machine *machine, int status)
{
    if (status == SF_OK)
        return;
    env_fatal(env_of(machine), status == SF_CORRUPT ? "the state of a shard is damaged"
                                                    : "the state of a shard cannot be read");
}

/* -- the table of shards ------------------------------------------------------------------- */

static void on_create_empty(void *ctx, struct store_batch *batch, uint32_t shard, uint64_t home)
{
    (void)ctx;
    shard_create_empty(batch, shard, home);
}

static void on_lost(void *ctx, uint32_t shard, uint64_t home)
{
    struct kv_machine *machine = ctx;
    (void)home;
    copy_tables_drop(machine->txns, shard);
    copy_tables_drop(machine->ranges, shard);
    if (machine->service != NULL)
        service_shard_lost(machine, shard);
}

static void begin(struct kv_machine *machine)
{
    const struct replica *replica = machine->base.replica;
    struct shards_options table = {
        .gid = machine->gid,
        .group_identity = replica_group_identity(replica),
        .shard_count = replica_shard_count(replica),
        .routing = replica_routing(replica),
        .hooks = {.ctx = machine, .create_empty = on_create_empty, .lost = on_lost}};
    machine->shards = shards_new(&table);
    struct handoff_options moves = {.shards = machine->shards,
                                    .router = service_router(machine->service),
                                    .fixed = service_fixed_config(machine->service),
                                    .chunk_bytes = machine->limits.chunk_bytes};
    machine->handoff = handoff_new(&moves);
}

bool machine_serves(const struct kv_machine *machine, uint32_t shard, struct shard_copy *copy)
{
    *copy = (struct shard_copy){.shard = shard};
    return machine->shards != NULL && shards_serving(machine->shards, shard, &copy->home);
}

int machine_txns(const struct kv_machine *machine, struct shard_copy copy, struct txn_table **out)
{
    return txn_tables_at(machine->txns, &machine->space, copy, out);
}

int machine_ranges(const struct kv_machine *machine, struct shard_copy copy,
                   struct range_table **out)
{
    return range_tables_at(machine->ranges, &machine->space, copy, out);
}

uint64_t machine_config_num(const struct kv_machine *machine)
{
    return machine->shards != NULL ? shards_config_num(machine->shards) : 0;
}

/* -- applying ------------------------------------------------------------------------------ */

/* An entry being applied, and where its effects go. */
struct applying {
    struct kv_machine *machine;
    const struct machine_entry *entry;
    struct store_batch *batch;
    size_t drops_left; /* of a tick */
};

static struct access_at place(const struct applying *applying, struct shard_copy copy)
{
    struct txn_table *txns = NULL;
    struct range_table *ranges = NULL;
    check_store(applying->machine, machine_txns(applying->machine, copy, &txns));
    check_store(applying->machine, machine_ranges(applying->machine, copy, &ranges));
    return (struct access_at){.space = &applying->machine->space,
                              .batch = applying->batch,
                              .limits = &applying->machine->limits,
                              .cache = applying->machine->cache,
                              .txns = txns,
                              .ranges = ranges,
                              .copy = copy,
                              .time_ns = applying->entry->time_ns};
}

static void apply_mutation(const struct applying *applying, struct buffer *reply)
{
    struct request request;
    struct shard_copy copy;
    if (request_unpack(applying->entry->body, &request) != SF_OK) {
        completion_pack(reply, &(struct kv_reply){.status = SF_PROTOCOL});
        return;
    }
    if (machine_serves(applying->machine, request.shard, &copy)) {
        struct access_at at = place(applying, copy);
        struct slice rest;
        check_store(applying->machine, apply_request(&at, &request, reply));
        if (completion_status(buffer_slice(reply), &rest) == SF_LOCKED)
            buffer_append(reply, applying->entry->body.p, applying->entry->body.n);
    } else {
        SF_MARK("shardkv: shard lost between proposal and apply");
        completion_pack(reply, &(struct kv_reply){.status = SF_WRONG_GROUP});
    }
    request_deinit(&request);
}

static void tick_shard(void *ctx, uint32_t shard, uint64_t home)
{
    struct applying *applying = ctx;
    struct access_at at = place(applying, (struct shard_copy){.shard = shard, .home = home});
    check_store(applying->machine, apply_tick(&at, &applying->drops_left));
}

static void apply_removed_trash(const struct applying *applying)
{
    struct reader r = reader_of(applying->entry->body);
    struct shard_copy copy;
    (void)reader_u8(&r);
    uint32_t shard = reader_u32(&r);
    uint64_t home = reader_u64(&r);
    uint64_t number = reader_u64(&r);
    if (!reader_done(&r) || !machine_serves(applying->machine, shard, &copy) || copy.home != home)
        return;
    struct access_at at = place(applying, copy);
    check_store(applying->machine, apply_trash_done(&at, number));
}

static void on_apply(struct machine *base, const struct machine_entry *entry,
                     struct store_batch *batch, struct buffer *reply)
{
    struct kv_machine *machine = machine_of(base);
    struct applying applying = {machine, entry, batch, TICK_DROPS_MAX};
    unsigned kind = entry->body.n > 0 ? entry->body.p[0] : 0;
    if (kind >= SHARDS_ENTRY_FIRST && kind <= SHARDS_ENTRY_LAST)
        shards_apply(machine->shards, entry->body, batch, reply);
    else if (kind == ENTRY_TICK)
        shards_each_serving(machine->shards, tick_shard, &applying);
    else if (kind == ENTRY_TRASH_DONE)
        apply_removed_trash(&applying);
    else
        apply_mutation(&applying, reply);
}

static bool on_may_wait(struct machine *base, const struct machine_entry *entry)
{
    (void)base;
    return entry->body.n > 0 && entry->body.p[0] == ENTRY_REQUEST;
}

static void on_applied(struct machine *base, uint64_t index)
{
    struct kv_machine *machine = machine_of(base);
    (void)index;
    uint32_t shard;
    shards_applied(machine->shards);
    if (machine->service == NULL)
        return;
    handoff_applied(machine->handoff);
    while (copy_tables_take_marked(machine->txns, &shard))
        service_locks_freed(machine, shard);
    while (copy_tables_take_marked(machine->ranges, &shard))
        service_ranges_moved(machine, shard);
}

static void on_restored(struct machine *base, const struct space *space, uint64_t applied)
{
    struct kv_machine *machine = machine_of(base);
    (void)applied;
    machine->space = *space;
    cache_clear(machine->cache);
    copy_tables_clear(machine->txns);
    copy_tables_clear(machine->ranges);
    if (machine->shards == NULL)
        begin(machine);
    check_store(machine, shards_restored(machine->shards, space));
    handoff_restored(machine->handoff, base->replica);
}

/* -- leading ------------------------------------------------------------------------------- */

struct tick_wish {
    const struct kv_machine *machine;
    bool wanted;
};

static void ask_shard(void *ctx, uint32_t shard, uint64_t home)
{
    struct tick_wish *wish = ctx;
    bool wants = false;
    struct shard_copy copy = {.shard = shard, .home = home};
    if (!wish->wanted)
        check_store(wish->machine, apply_wants_tick(&wish->machine->space, copy, &wants));
    wish->wanted = wish->wanted || wants;
}

/* A shard's age grows with its entries only. Where there is something to expire, somebody must see
 * to it that time passes. */
static void on_tick(struct env_timer *timer)
{
    struct kv_machine *machine = container_of(timer, struct kv_machine, tick);
    struct tick_wish wish = {.machine = machine};
    env_timer_start_ms(timer, machine->limits.tick_ms);
    shards_each_serving(machine->shards, ask_shard, &wish);
    if (wish.wanted)
        machine_tick(machine);
}

void machine_tick(struct kv_machine *machine)
{
    uint8_t body = ENTRY_TICK;
    int status = replica_propose(machine->base.replica, slice_of(&body, 1), NULL);
    (void)status; /* who wants it tries again */
}

static void on_lead(struct machine *base, bool leads, uint64_t term)
{
    struct kv_machine *machine = machine_of(base);
    (void)term;
    if (machine->service == NULL)
        return;
    if (leads)
        env_timer_start_ms(&machine->tick, machine->limits.tick_ms);
    else
        env_timer_stop(&machine->tick);
    if (!leads)
        service_lead_lost(machine);
    handoff_lead(machine->handoff, leads);
    trash_worker_lead(machine->trash, leads);
    txn_worker_lead(machine->finisher, leads);
    fence_worker_lead(machine->fencer, leads);
}

/* -- life ---------------------------------------------------------------------------------- */

static void on_status(struct machine *base, struct buffer *out)
{
    shards_status(machine_of(base)->shards, out);
}

void machine_detach(struct kv_machine *machine)
{
    env_timer_stop(&machine->tick);
    handoff_free(machine->handoff);
    machine->handoff = NULL;
    trash_worker_free(machine->trash);
    machine->trash = NULL;
    txn_worker_free(machine->finisher);
    machine->finisher = NULL;
    fence_worker_free(machine->fencer);
    machine->fencer = NULL;
    machine->service = NULL;
}

static void on_free(struct machine *base)
{
    struct kv_machine *machine = machine_of(base);
    if (machine->service != NULL)
        service_forget(machine->service, machine);
    shards_free(machine->shards);
    cache_free(machine->cache);
    copy_tables_free(machine->txns);
    copy_tables_free(machine->ranges);
    free(machine);
}

static const struct machine_ops ops = {
    .restored = on_restored,
    .apply = on_apply,
    .may_wait = on_may_wait,
    .applied = on_applied,
    .lead = on_lead,
    .status = on_status,
    .free = on_free,
};

struct kv_machine *machine_new(struct shardkv *service, group_id gid)
{
    struct kv_machine *machine = sf_calloc(1, sizeof(*machine));
    machine->base.ops = &ops;
    machine->service = service;
    machine->gid = gid;
    machine->limits = service->limits;
    machine->trash = trash_worker_new(machine);
    machine->cache = cache_new();
    machine->txns = txn_tables_new();
    machine->finisher = txn_worker_new(machine);
    machine->ranges = range_tables_new();
    machine->fencer = fence_worker_new(machine);
    env_timer_init(shardkv_env(service), &machine->tick, on_tick);
    return machine;
}

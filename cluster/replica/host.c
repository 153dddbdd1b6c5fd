/* host: the process around its replicas: its directory, its WAL, its port, and the turn.
 *
 * The turn, at the end of each turn of the loop:
 *
 *   replica_step   every replica: the engine's updates -> records to the WAL, messages away or
 *                  held, committed entries into the queue, reads noted
 *   apply_run      every replica, together at most apply_bytes; replies; reads served
 *                  (these two again, as long as applying gave an engine something to do)
 *   wal_commit     once for all; where this process leads, after what it sent has left
 *
 * When the WAL says that it synced, what was held is released, which gives the engines new updates.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/log.h"
#include "env/memory.h"
#include "replica/inside.h"

#define DEFAULT_TICK_MS 20u
#define DEFAULT_HEARTBEAT_TICKS 5u
#define DEFAULT_ELECTION_TICKS 50u
#define DEFAULT_FLUSH_MS 5000u
#define DEFAULT_FLUSH_BYTES (8u << 20)
#define DEFAULT_SLACK_BYTES (4u << 20)
#define DEFAULT_LAG_BYTES (512ull << 20)
#define DEFAULT_RESERVE_BYTES (256ull << 20)
#define DEFAULT_CHUNK_BYTES (1u << 20)
#define DEFAULT_APPLY_BYTES (1u << 20)
#define DEFAULT_INFLIGHT 128u
#define DEFAULT_INFLIGHT_BYTES (4u << 20)
#define DEFAULT_PROPOSALS 8192u
#define DEFAULT_LOG_BYTES (20u << 20)
#define SPACE_CHECK_MS 1000u

char *host_text(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int n = vasprintf(&text, format, arguments);
    va_end(arguments);
    sf_assert(n >= 0);
    return text;
}

void host_fatal(struct host *host, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    host->dead = true;
    env_fatal(host->env, text);
}

/* -- the turn ------------------------------------------------------------------------------ */

static bool step_all(struct host *host)
{
    bool stepped = false;
    for (struct replica *r = host->replicas; r != NULL && !host->dead; r = r->next)
        stepped |= replica_step(r);
    return stepped;
}

static void commit_now(struct host *host)
{
    host->sent_entries = false;
    host->committed_position = wal_position(host->wal);
    wal_commit(host->wal);
}

/* A sync may block the loop. Where this process leads, its entries leave first: the sync comes at
 * the beginning of the next turn, and the followers' syncs run beside it. */
static void commit_log(struct host *host)
{
    if (wal_position(host->wal) == host->committed_position ||
        env_timer_is_armed(&host->commit_timer))
        return;
    if (host->sent_entries)
        env_timer_start_ms(&host->commit_timer, 0);
    else
        commit_now(host);
}

static void on_commit_time(struct env_timer *timer)
{
    commit_now(container_of(timer, struct host, commit_timer));
}

static void host_turn(struct env_hook *hook)
{
    struct host *host = container_of(hook, struct host, hook);
    size_t budget = host->options.apply_bytes;
    bool again = true;
    while (again && !host->dead) {
        again = step_all(host);
        if (host->dead)
            return;
        for (struct replica *r = host->replicas; r != NULL && !host->dead; r = r->next)
            apply_run(r, &budget);
        for (struct replica *r = host->replicas; r != NULL; r = r->next)
            again |= consensus_has_update(r->consensus);
    }
    if (host->dead)
        return;
    commit_log(host);
    flush_turn(host);
}

static void host_synced(void *ctx, uint64_t position)
{
    struct host *host = ctx;
    for (struct replica *r = host->replicas; r != NULL && !host->dead; r = r->next)
        replica_synced(r, position);
}

/* -- timers -------------------------------------------------------------------------------- */

static void host_tick(struct env_timer *timer)
{
    struct host *host = container_of(timer, struct host, tick);
    env_timer_start_ms(timer, host->options.tick_ms);
    for (struct replica *r = host->replicas; r != NULL; r = r->next)
        replica_tick(r);
}

static void look_at_disk(struct host *host)
{
    uint64_t free_bytes = 0, total_bytes = 0;
    int status = env_space(host->env, host->options.dir, &free_bytes, &total_bytes);
    if (status != SF_OK) {
        log_warn("host", "free space of %s is unknown: %s", host->options.dir,
                 sf_error_text(status));
        return;
    }
    bool low = free_bytes < host->options.reserve_bytes;
    if (low != host->low)
        log_warn("host", "%s: %" PRIu64 " MiB free, %s the reserve of %" PRIu64 " MiB",
                 host->options.dir, free_bytes >> 20, low ? "below" : "again above",
                 host->options.reserve_bytes >> 20);
    host->low = low;
    host->free_bytes = free_bytes;
    host->total_bytes = total_bytes;
}

static void host_space_check(struct env_timer *timer)
{
    struct host *host = container_of(timer, struct host, space_timer);
    env_timer_start_ms(timer, SPACE_CHECK_MS);
    look_at_disk(host);
}

/* -- life ---------------------------------------------------------------------------------- */

static void set_defaults(struct host_options *o)
{
    o->tick_ms = o->tick_ms ? o->tick_ms : DEFAULT_TICK_MS;
    o->heartbeat_ticks = o->heartbeat_ticks ? o->heartbeat_ticks : DEFAULT_HEARTBEAT_TICKS;
    o->election_ticks = o->election_ticks ? o->election_ticks : DEFAULT_ELECTION_TICKS;
    o->flush_ms = o->flush_ms ? o->flush_ms : DEFAULT_FLUSH_MS;
    o->flush_bytes = o->flush_bytes ? o->flush_bytes : DEFAULT_FLUSH_BYTES;
    o->slack_bytes = o->slack_bytes ? o->slack_bytes : DEFAULT_SLACK_BYTES;
    o->lag_bytes = o->lag_bytes ? o->lag_bytes : DEFAULT_LAG_BYTES;
    o->reserve_bytes = o->reserve_bytes ? o->reserve_bytes : DEFAULT_RESERVE_BYTES;
    o->chunk_bytes = o->chunk_bytes ? o->chunk_bytes : DEFAULT_CHUNK_BYTES;
    o->apply_bytes = o->apply_bytes ? o->apply_bytes : DEFAULT_APPLY_BYTES;
    o->inflight_max = o->inflight_max ? o->inflight_max : DEFAULT_INFLIGHT;
    o->inflight_bytes = o->inflight_bytes ? o->inflight_bytes : DEFAULT_INFLIGHT_BYTES;
    o->proposals_max = o->proposals_max ? o->proposals_max : DEFAULT_PROPOSALS;
    o->log_bytes_max = o->log_bytes_max ? o->log_bytes_max : DEFAULT_LOG_BYTES;
}

static int claim_directory(struct host *host, char **why)
{
    const struct host_options *o = &host->options;
    struct identity wanted = {.cluster_id = o->cluster_id};
    snprintf(wanted.role, sizeof wanted.role, "%s", o->role);
    int status = o->create ? env_dir_create(host->env, o->dir) : SF_OK;
    if (status == SF_OK)
        status = env_dir_lock(host->env, o->dir, &host->lock);
    if (status == SF_IN_USE)
        *why = host_text("%s is in use by another process", o->dir);
    else if (status == SF_NOT_FOUND)
        *why = host_text("%s is not there: say --create to begin a new server there", o->dir);
    else if (status != SF_OK)
        *why = host_text("%s cannot be used: %s", o->dir, sf_error_text(status));
    if (status != SF_OK)
        return status;
    return identity_claim(host->env, o->dir, &wanted, o->create, &host->identity, why);
}

/* What the store has is read in the log again only for a follower that lags. Where the store cannot
 * be read, opening the replica says so. */
static uint64_t stored_up_to(void *ctx, uint64_t replica_key)
{
    const struct host *host = ctx;
    struct applied applied;
    int status = applied_read(host->options.store, replica_key, false, &applied);
    return status == SF_OK ? applied.index : 0;
}

static int open_log(struct host *host, char **why)
{
    uint64_t cluster_id = host->options.cluster_id;
    struct wal_options options = host->options.wal;
    char *dir = host_text("%s/wal", host->options.dir);
    options.cluster_hash = bytes_hash(slice_of(&cluster_id, sizeof cluster_id));
    options.unloaded_up_to = stored_up_to;
    options.ctx = host;
    int status = wal_open(host->env, dir, &options, &host->wal, why);
    if (status == SF_OK) {
        wal_on_synced(host->wal, host_synced, host);
        host->committed_position = wal_position(host->wal);
    }
    free(dir);
    return status;
}

static int listen_on(struct host *host, char **why)
{
    const struct rpc_options options = {.cluster_id = host->options.cluster_id,
                                        .role = host->options.role};
    host->rpc = rpc_new(host->env, &options);
    int status = rpc_listen(host->rpc, host->options.listen);
    if (status == SF_IN_USE)
        *why = host_text("%s is in use by another process", host->options.listen);
    else if (status != SF_OK)
        *why = host_text("cannot listen on %s: %s", host->options.listen, sf_error_text(status));
    return status;
}

int host_new(struct env *env, const struct host_options *options, struct host **out, char **why)
{
    struct host *host = sf_calloc(1, sizeof *host);
    sf_assert(options->cluster_id != 0);
    host->env = env;
    host->options = *options;
    host->options.dir = sf_strdup(options->dir);
    host->options.listen = sf_strdup(options->listen);
    host->started_ns = env_now_ns(env);
    set_defaults(&host->options);
    flush_init(host);
    env_timer_init(env, &host->tick, host_tick);
    env_timer_init(env, &host->space_timer, host_space_check);
    env_timer_init(env, &host->commit_timer, on_commit_time);
    int status = claim_directory(host, why);
    if (status == SF_OK)
        status = open_log(host, why);
    if (status == SF_OK)
        status = listen_on(host, why);
    if (status != SF_OK) {
        host_free(host);
        return status;
    }
    *out = host;
    return SF_OK;
}

static bool all_are_hosted(const struct host *host)
{
    size_t count = 0;
    for (const struct replica *r = host->replicas; r != NULL; r = r->next)
        count++;
    return count == host->identity.replica_count;
}

/* A replica that is new to the identity file has left nothing anywhere. */
static int check_unused(struct host *host, uint64_t key, char **why)
{
    struct applied applied;
    int status = applied_read(host->options.store, key, false, &applied);
    if (status == SF_NOT_FOUND && wal_restored(host->wal, key) == NULL)
        return SF_OK;
    *why = host_text("%s holds the data of a replica that its identity file does not know",
                     host->options.dir);
    return SF_MISMATCH;
}

/* Finds the replica's line in the identity file, or adds it. */
static int find_identity(struct host *host, const struct identity_replica *wanted,
                         const struct identity_replica **found, char **why)
{
    const struct host_options *o = &host->options;
    bool may_add = o->create && all_are_hosted(host);
    int status = identity_match(&host->identity, o->dir, wanted, may_add, found, why);
    if (status != SF_OK || *found != NULL)
        return status;
    *found = identity_add(&host->identity, wanted);
    status = check_unused(host, (*found)->key, why);
    if (status != SF_OK)
        return status;
    status = identity_write(host->env, o->dir, &host->identity);
    if (status != SF_OK)
        *why = host_text("%s/identity cannot be written: %s", o->dir, sf_error_text(status));
    return status;
}

static replica_id position_in_group(const struct replica_options *options)
{
    for (size_t i = 0; i < options->group.address_count; i++)
        if (strcmp(options->group.addresses[i], options->address) == 0)
            return (replica_id)(i + 1);
    return 0;
}

static void append_replica(struct host *host, struct replica *replica)
{
    struct replica **end = &host->replicas;
    while (*end != NULL)
        end = &(*end)->next;
    *end = replica;
}

static int check_wanted(const struct replica_options *options,
                        const struct identity_replica *wanted, char **why)
{
    if (wanted->self == 0) {
        *why = host_text("%s is none of the addresses of group %" PRIu64, options->address,
                         options->group.gid);
        return SF_ADDRESS;
    }
    if (wanted->engine != 0 && !consensus_engine_is_built(wanted->engine)) {
        *why = host_text("engine %s is not built into this program",
                         consensus_engine_name(wanted->engine));
        return SF_UNSUPPORTED;
    }
    return SF_OK;
}

int host_add(struct host *host, const struct replica_options *options, struct replica **out,
             char **why)
{
    const struct identity_replica *found = NULL;
    const struct identity_replica wanted = {.group = options->group,
                                            .self = position_in_group(options),
                                            .engine = options->engine,
                                            .shard_count = options->shard_count,
                                            .routing = options->routing};
    int status = check_wanted(options, &wanted, why);
    if (status == SF_OK)
        status = find_identity(host, &wanted, &found, why);
    if (status != SF_OK) {
        options->machine->ops->free(options->machine);
        return status;
    }
    struct replica *replica = NULL;
    status = replica_new(host, found, options->machine, &replica, why);
    if (status != SF_OK)
        return status;
    append_replica(host, replica);
    *out = replica;
    return SF_OK;
}

void host_start(struct host *host)
{
    sf_assert(!host->started);
    host->started = true;
    wal_restored_free(host->wal);
    transport_register(host);
    install_register(host);
    status_register(host);
    look_at_disk(host);
    host->hook.run = host_turn;
    env_hook_add(host->env, &host->hook);
    env_timer_start_ms(&host->tick, host->options.tick_ms);
    env_timer_start_ms(&host->space_timer, SPACE_CHECK_MS);
    env_timer_start_ms(&host->flusher.timer, host->options.flush_ms);
}

void host_free(struct host *host)
{
    if (host->started)
        env_hook_remove(host->env, &host->hook);
    env_timer_stop(&host->tick);
    env_timer_stop(&host->space_timer);
    env_timer_stop(&host->commit_timer);
    while (host->replicas != NULL) {
        struct replica *next = host->replicas->next;
        replica_free(host->replicas);
        host->replicas = next;
    }
    flush_deinit(host);
    if (host->rpc != NULL)
        rpc_free(host->rpc);
    if (host->wal != NULL)
        wal_close(host->wal);
    if (host->lock != NULL)
        env_dir_unlock(host->lock);
    identity_deinit(&host->identity);
    free((char *)(uintptr_t)host->options.dir);
    free((char *)(uintptr_t)host->options.listen);
    free(host);
}

/* -- questions ----------------------------------------------------------------------------- */

struct rpc *host_rpc(struct host *host)
{
    return host->rpc;
}

struct replica *host_find(struct host *host, group_id gid)
{
    struct replica *r = host->replicas;
    while (r != NULL && r->identity.group.gid != gid)
        r = r->next;
    return r;
}

struct replica *host_find_message(struct host *host, group_id gid, uint64_t likeness, uint64_t from,
                                  uint64_t to)
{
    struct replica *r = host_find(host, gid);
    if (r != NULL && r->likeness == likeness && r->identity.self == to && from <= UINT32_MAX &&
        replica_peer(r, (replica_id)from) != NULL)
        return r;
    if (host->refused++ == 0)
        log_warn("host", "refused a message of replica %" PRIu64 " of group %" PRIu64 ": %s", from,
                 gid,
                 r == NULL ? "that group is not here"
                           : "its addresses or their order, engine, shards or routing differ");
    return NULL;
}

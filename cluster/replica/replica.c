/* replica: one member of a group: its life, the carrying out of updates, and the questions that the
 * machine above it asks. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "env/log.h"
#include "env/memory.h"
#include "replica/inside.h"

void (*replica_on_apply)(const struct replica *replica, const struct entry *entry);

/* -- life ---------------------------------------------------------------------------------- */

static void set_identity(struct replica *r, const struct identity_replica *identity)
{
    r->identity = *identity;
    identity_copy_group(&r->identity.group, &identity->group);
    r->likeness = identity_likeness(identity);
    r->group_identity = group_identity(&identity->group);
    for (replica_id id = 1; id <= identity->group.address_count; id++)
        if (id != identity->self)
            r->peers[r->peer_count++] =
                (struct peer){.id = id, .address = r->identity.group.addresses[id - 1]};
}

static struct consensus *make_engine(struct replica *r, const struct consensus_restore *restore)
{
    const struct host_options *o = &r->host->options;
    struct consensus_config config = {.engine = r->identity.engine,
                                      .self = r->identity.self,
                                      .peer_count = r->identity.group.address_count,
                                      .election_ticks = o->election_ticks,
                                      .heartbeat_ticks = o->heartbeat_ticks,
                                      .seed = env_random(r->host->env),
                                      .inflight_max = o->inflight_max,
                                      .inflight_bytes_max = o->inflight_bytes};
    for (size_t i = 0; i < config.peer_count; i++)
        config.peers[i] = (replica_id)(i + 1);
    return consensus_new(&config, restore);
}

int replica_new(struct host *host, const struct identity_replica *identity, struct machine *machine,
                struct replica **out, char **why)
{
    struct consensus_restore restore = {0};
    struct replica *r = sf_calloc(1, sizeof *r);
    r->host = host;
    r->machine = machine;
    machine->replica = r;
    set_identity(r, identity);
    apply_init(r);
    install_init(r);
    int status = restore_read(r, &restore, why);
    if (status != SF_OK) {
        replica_free(r);
        return status;
    }
    restore_drop_leftovers(r);
    r->consensus = make_engine(r, &restore);
    r->term = restore.hard_state.term;
    flush_begin_samples(r, &restore);
    r->batch = store_batch_new(&r->space);
    machine->ops->restored(machine, &r->space, r->applied.index);
    *out = r;
    return SF_OK;
}

void replica_free(struct replica *r)
{
    snapshot_send_stop_all(r);
    install_deinit(r);
    apply_deinit(r);
    held_deinit(r);
    r->machine->ops->free(r->machine);
    if (r->consensus != NULL)
        consensus_free(r->consensus);
    free(r->samples);
    free(r->identity.group.addresses);
    free(r);
}

/* -- carrying out -------------------------------------------------------------------------- */

static void append_to_log(struct replica *r, const struct consensus_update *u)
{
    struct wal *wal = r->host->wal;
    if (u->hard_state_changed)
        wal_hard_state(wal, r->identity.key, u->hard_state);
    if (u->truncate_from != 0)
        wal_truncate(wal, r->identity.key, u->truncate_from);
    for (size_t i = 0; i < u->entry_count; i++) {
        wal_append(wal, r->identity.key, &u->entries[i]);
        leader_note_time(r, u->entries[i].payload);
    }
}

static void send_now(struct replica *r, const struct consensus_update *u)
{
    for (size_t i = 0; i < u->message_count; i++) {
        const struct consensus_msg *msg = &u->messages[i];
        if (msg->after_sync)
            continue;
        transport_send(r, msg);
        r->host->sent_entries |= msg->entry_count > 0;
    }
}

static void carry_out(struct replica *r, struct consensus_update *u)
{
    append_to_log(r, u);
    send_now(r, u);
    held_add(r, u);
    leader_note(r, u);
    apply_push(r, u->committed, u->committed_count);
    reads_note(r, u->reads, u->read_count);
    for (size_t i = 0; i < u->snapshot_wanted_count; i++)
        snapshot_send_wanted(r, u->snapshot_wanted[i]);
    if (u->snapshot_offered.index != 0)
        install_offered(r, u->snapshot_offered.index, u->snapshot_offered.term,
                        u->snapshot_offered.from);
}

bool replica_is_behind(const struct replica *r)
{
    struct consensus_status status;
    if (r->queue.bytes > APPLY_QUEUE_BYTES_MAX)
        return true;
    if (r->queue.count == 0)
        return false; /* the log cannot become shorter by waiting for the store */
    consensus_status(r->consensus, &status);
    return status.log_bytes > r->host->options.log_bytes_max;
}

bool replica_step(struct replica *r)
{
    bool stepped = false;
    leader_propose_noop(r);
    reads_ask(r);
    while (consensus_has_update(r->consensus)) {
        struct consensus_update update;
        consensus_take(r->consensus, &update);
        carry_out(r, &update);
        consensus_update_deinit(&update);
        stepped = true;
    }
    held_release(r, wal_synced(r->host->wal));
    install_turn(r);
    return stepped;
}

void replica_synced(struct replica *r, uint64_t position)
{
    held_release(r, position);
}

void replica_tick(struct replica *r)
{
    consensus_tick(r->consensus);
    leader_yield(r);
    snapshot_send_needed(r);
}

void replica_fatal(struct replica *replica, const char *why)
{
    host_fatal(replica->host, "group %" PRIu64 ": %s", replica->identity.group.gid, why);
}

/* -- questions ----------------------------------------------------------------------------- */

struct peer *replica_peer(struct replica *r, replica_id id)
{
    for (size_t i = 0; i < r->peer_count; i++)
        if (r->peers[i].id == id)
            return &r->peers[i];
    return NULL;
}

bool replica_leads(const struct replica *replica)
{
    return replica->announced;
}

uint64_t replica_term(const struct replica *replica)
{
    return replica->term;
}

uint64_t replica_applied(const struct replica *replica)
{
    return replica->applied.index;
}

const struct space *replica_space(const struct replica *replica)
{
    return &replica->space;
}

const char *replica_leader_address(const struct replica *replica)
{
    const struct group *group = &replica->identity.group;
    bool soon = replica->leader == replica->identity.self && !replica->announced;
    if (replica->leader == 0 || replica->leader > group->address_count || soon)
        return "";
    return group->addresses[replica->leader - 1];
}

rpc_peer replica_leader_way(struct replica *replica)
{
    const struct peer *leader = replica_peer(replica, replica->leader);
    return leader != NULL ? transport_way(replica, leader) : 0;
}

group_id replica_gid(const struct replica *replica)
{
    return replica->identity.group.gid;
}

uint64_t replica_group_identity(const struct replica *replica)
{
    return replica->group_identity;
}

uint32_t replica_shard_count(const struct replica *replica)
{
    return replica->identity.shard_count;
}

enum routing replica_routing(const struct replica *replica)
{
    return replica->identity.routing;
}

struct env *replica_env(const struct replica *replica)
{
    return replica->host->env;
}

struct rpc *replica_rpc(const struct replica *replica)
{
    return replica->host->rpc;
}

void replica_consensus_status(const struct replica *replica, struct consensus_status *out)
{
    consensus_status(replica->consensus, out);
}

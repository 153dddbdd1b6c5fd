/* status: what an operator's tool asks a process.
 *
 *   host.status []                  -> map, see pack_host and pack_replica
 *   replica.transfer [gid, address] -> [], where the transfer began. Errors: SF_NO_GROUP,
 *                                   SF_NOT_LEADER, SF_INVALID (not a member)
 */
#include "proto/pack.h"
#include "replica/inside.h"

static void pack_field(struct buffer *b, const char *name, uint64_t v)
{
    pack_str(b, name);
    pack_u64(b, v);
}

static void pack_text(struct buffer *b, const char *name, const char *text)
{
    pack_str(b, name);
    pack_str(b, text);
}

static void pack_flag(struct buffer *b, const char *name, bool v)
{
    pack_str(b, name);
    pack_bool(b, v);
}

static void pack_addresses(struct buffer *b, const struct group *group)
{
    pack_str(b, "addresses");
    pack_array(b, group->address_count);
    for (size_t i = 0; i < group->address_count; i++)
        pack_str(b, group->addresses[i]);
}

static void pack_replica(struct buffer *b, const struct replica *r)
{
    struct consensus_status c;
    consensus_status(r->consensus, &c);
    pack_map(b, 19);
    pack_field(b, "gid", r->identity.group.gid);
    pack_addresses(b, &r->identity.group);
    pack_field(b, "replica", r->identity.self);
    pack_text(b, "engine", consensus_engine_name(r->identity.engine));
    pack_field(b, "shard_count", r->identity.shard_count);
    pack_text(b, "routing", routing_name(r->identity.routing));
    pack_flag(b, "leads", r->announced);
    pack_text(b, "leader", replica_leader_address(r));
    pack_field(b, "term", c.term);
    pack_field(b, "commit", c.commit);
    pack_field(b, "applied", r->applied.index);
    pack_field(b, "durable", r->durable);
    pack_field(b, "first", c.first);
    pack_field(b, "last", c.last);
    pack_field(b, "log_bytes", c.log_bytes);
    pack_field(b, "generation", r->applied.generation);
    pack_flag(b, "installing", r->install.state != INSTALL_IDLE || r->needs != 0);
    pack_field(b, "proposals", r->proposal_count);
    pack_str(b, "machine");
    r->machine->ops->status(r->machine, b);
}

static void pack_rpc(struct buffer *b, const struct host *host)
{
    struct rpc_stats stats;
    rpc_stats(host->rpc, &stats);
    pack_str(b, "rpc");
    pack_map(b, 13);
    pack_field(b, "requests", stats.requests);
    pack_field(b, "replies", stats.replies);
    pack_field(b, "notifications", stats.notifications);
    pack_field(b, "bad_messages", stats.bad_messages);
    pack_field(b, "dropped", stats.dropped);
    pack_field(b, "slow_peers", stats.slow_peers);
    pack_field(b, "crowded_out", stats.crowded_out);
    pack_field(b, "held_back", stats.held_back);
    pack_field(b, "stalled", stats.stalled);
    pack_field(b, "flooded", stats.flooded);
    pack_field(b, "in_bytes", stats.in_bytes);
    pack_field(b, "unread_bytes", stats.unread_bytes);
    pack_field(b, "refused", host->refused);
}

static void pack_host(struct buffer *b, const struct host *host)
{
    size_t count = 0;
    for (const struct replica *r = host->replicas; r != NULL; r = r->next)
        count++;
    pack_map(b, 10);
    pack_field(b, "cluster", host->options.cluster_id);
    pack_text(b, "version", SHARDFS_VERSION);
    pack_text(b, "role", host->options.role);
    pack_text(b, "address", host->options.listen);
    pack_field(b, "uptime_ms", (env_now_ns(host->env) - host->started_ns) / ENV_MS_NS);
    pack_field(b, "disk_free", host->free_bytes);
    pack_field(b, "disk_total", host->total_bytes);
    pack_flag(b, "disk_low", host->low);
    pack_rpc(b, host);
    pack_str(b, "replicas");
    pack_array(b, count);
    for (const struct replica *r = host->replicas; r != NULL; r = r->next)
        pack_replica(b, r);
}

static void on_status(void *ctx, struct rpc_request *request, const msgpack_object *params)
{
    struct buffer result = {0};
    struct cursor c = unpack_object(params);
    if (!unpack_done(&c)) {
        rpc_reply_error(request, SF_PROTOCOL, "host.status has no parameters");
        return;
    }
    pack_host(&result, ctx);
    rpc_reply(request, &result);
}

static void on_transfer(void *ctx, struct rpc_request *request, const msgpack_object *params)
{
    struct host *host = ctx;
    struct buffer result = {0};
    char address[SF_ADDRESS_BYTES_MAX] = "";
    struct cursor c = unpack_object(params);
    group_id gid = unpack_u64(&c, UINT64_MAX);
    unpack_str(&c, address, sizeof address);
    if (!unpack_done(&c)) {
        rpc_reply_error(request, SF_PROTOCOL, "replica.transfer has parameters [gid, address]");
        return;
    }
    struct replica *r = host_find(host, gid);
    int status = r == NULL ? SF_NO_GROUP : replica_transfer(r, address);
    if (status != SF_OK) {
        rpc_reply_error(request, status, NULL);
        return;
    }
    pack_array(&result, 0);
    rpc_reply(request, &result);
}

void status_register(struct host *host)
{
    rpc_on_request(host->rpc, "host.status", on_status, host);
    rpc_on_request(host->rpc, "replica.transfer", on_transfer, host);
}

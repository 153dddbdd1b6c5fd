/* replica_transport: consensus messages between the members of a group, as notifications
 *
 *   consensus [gid, likeness, from, to, low, needs, message]
 *
 *   likeness  hash of all that members must agree on (identity.h): another one's message is refused
 *   low       bool, the sender's disk is full or nearly so
 *   needs     the sender asks for a snapshot at this index or a later one; 0: it does not
 *
 * An answer goes back on the connection that the peer's last message came by; so does a request
 * while the peer's address cannot be reached. What cannot be sent is dropped: engines repeat.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "env/mark.h"
#include "env/memory.h"
#include "proto/codec.h"
#include "replica/inside.h"

#define METHOD "consensus"
#define LOW_BELIEVED_NS (5 * ENV_SECOND_NS)

/* -- sending ------------------------------------------------------------------------------- */

static bool is_answer(enum consensus_msg_type type)
{
    return type == MSG_PRE_VOTE_REPLY || type == MSG_VOTE_REPLY || type == MSG_APPEND_REPLY ||
           type == MSG_HEARTBEAT_REPLY || type == MSG_SNAPSHOT_REPLY || type == MSG_PROMISE ||
           type == MSG_ACCEPTED;
}

rpc_peer transport_way(struct replica *r, const struct peer *peer)
{
    return rpc_way_to(r->host->rpc, peer->address, peer->has_back ? peer->back : 0);
}

/* What is not in memory of the entries. False: it is not to be had, or not now. */
static bool load_entries(struct replica *r, const struct consensus_msg *msg)
{
    for (size_t i = 0; i < msg->entry_count; i++) {
        struct entry *entry = &msg->entries[i];
        struct payload *unloaded = entry->payload;
        if (!unloaded->is_unloaded)
            continue;
        int status = wal_read(r->host->wal, r->identity.key, entry->index, &entry->payload);
        if (status != SF_OK && status != SF_NOT_FOUND && status != SF_BUSY)
            host_fatal(r->host, "entry %" PRIu64 " in the log of %s cannot be read: %s",
                       entry->index, r->host->options.dir, sf_error_text(status));
        if (status != SF_OK)
            return false;
        payload_unref(unloaded);
        SF_MARK("replica: entry sent that was not in memory");
    }
    return true;
}

void transport_send(struct replica *r, const struct consensus_msg *msg)
{
    const struct peer *peer = replica_peer(r, msg->to);
    if (r->host->dead || !load_entries(r, msg))
        return;
    struct rpc *rpc = r->host->rpc;
    struct buffer params = {0};
    sf_assert(peer != NULL);
    rpc_begin_notification(&params, METHOD);
    pack_array(&params, 7);
    pack_u64(&params, r->identity.group.gid);
    pack_u64(&params, r->likeness);
    pack_u64(&params, r->identity.self);
    pack_u64(&params, msg->to);
    pack_bool(&params, replica_disk_is_low(r));
    pack_u64(&params, r->needs);
    codec_pack_msg(&params, msg);
    if (r->needs != 0)
        SF_MARK("replica: asks for a snapshot, its state is below its log");
    rpc_peer way = is_answer(msg->type) && peer->has_back ? peer->back : transport_way(r, peer);
    rpc_notify_peer(rpc, way, METHOD, &params);
}

/* -- receiving ----------------------------------------------------------------------------- */

static void note_peer(struct replica *r, struct peer *peer, rpc_peer back, bool low)
{
    peer->back = back;
    peer->has_back = true;
    peer->low_until_ns = low ? env_now_ns(r->host->env) + LOW_BELIEVED_NS : 0;
}

/* Entries for which there is no room count as lost on the way: their leader sends them again. */
static bool must_wait(const struct replica *r, const struct consensus_msg *msg)
{
    return msg->entry_count > 0 && replica_is_behind(r);
}

static void on_consensus(void *ctx, rpc_peer back, const msgpack_object *params)
{
    struct host *host = ctx;
    struct cursor c = unpack_object(params);
    struct consensus_msg msg;
    group_id gid = unpack_u64(&c, UINT64_MAX);
    uint64_t likeness = unpack_u64(&c, UINT64_MAX);
    uint64_t from = unpack_u64(&c, UINT64_MAX);
    uint64_t to = unpack_u64(&c, UINT64_MAX);
    bool low = unpack_bool(&c);
    uint64_t needs = unpack_u64(&c, UINT64_MAX);
    if (host->dead)
        return;
    if (!unpack_ok(&c)) {
        host->refused++;
        return;
    }
    struct replica *r = host_find_message(host, gid, likeness, from, to);
    if (r == NULL)
        return;
    if (codec_unpack_msg(&c, &msg) != SF_OK) {
        host->refused++;
        return;
    }
    if (unpack_done(&c) && msg.from == from && msg.to == to && msg.type != MSG_SNAPSHOT) {
        struct peer *peer = replica_peer(r, msg.from);
        note_peer(r, peer, back, low);
        peer->needs = needs;
        if (must_wait(r, &msg))
            SF_MARK("replica: entries not taken, the store is behind");
        else
            consensus_step(r->consensus, &msg);
    } else {
        host->refused++;
    }
    consensus_msg_deinit(&msg);
}

/* What is under way to the replicas at this address may be lost. */
static void on_lost(void *ctx, const char *address)
{
    struct host *host = ctx;
    for (struct replica *r = host->replicas; r != NULL; r = r->next)
        for (size_t i = 0; i < r->peer_count; i++)
            if (strcmp(r->peers[i].address, address) == 0)
                consensus_connection_lost(r->consensus, r->peers[i].id);
}

void transport_register(struct host *host)
{
    rpc_on_notification(host->rpc, METHOD, on_consensus, host);
    rpc_on_lost(host->rpc, on_lost, host);
}

/* -- what is held ---------------------------------------------------------------------------- */

static void move_message(struct held_messages *item, struct consensus_msg *msg)
{
    item->messages[item->message_count++] = *msg;
    msg->entries = NULL;
    msg->entry_count = 0;
}

void held_add(struct replica *r, struct consensus_update *u)
{
    size_t waiting = 0;
    for (size_t i = 0; i < u->message_count; i++)
        waiting += u->messages[i].after_sync;
    if (waiting == 0 && u->persist_mark == 0)
        return;
    struct held_messages *item = sf_calloc(1, sizeof *item);
    item->position = wal_position(r->host->wal);
    item->persist_mark = u->persist_mark;
    item->messages = sf_calloc(waiting, sizeof *item->messages);
    for (size_t i = 0; i < u->message_count; i++)
        if (u->messages[i].after_sync)
            move_message(item, &u->messages[i]);
    DL_APPEND(r->held, item);
}

static void free_item(struct held_messages *item)
{
    for (size_t i = 0; i < item->message_count; i++)
        consensus_msg_deinit(&item->messages[i]);
    free(item->messages);
    free(item);
}

void held_release(struct replica *r, uint64_t position)
{
    while (r->held != NULL && r->held->position <= position) {
        struct held_messages *item = r->held;
        DL_DELETE(r->held, item);
        for (size_t i = 0; i < item->message_count; i++)
            transport_send(r, &item->messages[i]);
        if (item->persist_mark != 0)
            consensus_persisted(r->consensus, item->persist_mark);
        free_item(item);
    }
}

void held_deinit(struct replica *r)
{
    while (r->held != NULL) {
        struct held_messages *item = r->held;
        DL_DELETE(r->held, item);
        free_item(item);
    }
}

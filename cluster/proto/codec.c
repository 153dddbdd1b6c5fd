#include "proto/codec.h"

#include <stdlib.h>
#include <string.h>

#include "env/memory.h"

#define NUMBER_MAX UINT64_MAX

/* -- consensus messages -------------------------------------------------------------------- */

#define OBJECTS_OF_AN_ENTRY 3u /* index, term, payload */
#define OBJECTS_OF_A_MSG 10u

enum msg_bits { MSG_REJECT = 1, MSG_TRANSFER = 2 };

static void put_entries(struct buffer *b, const struct consensus_msg *msg)
{
    pack_array(b, msg->entry_count * OBJECTS_OF_AN_ENTRY);
    for (size_t i = 0; i < msg->entry_count; i++) {
        pack_u64(b, msg->entries[i].index);
        pack_u64(b, msg->entries[i].term);
        pack_bin(b, payload_slice(msg->entries[i].payload));
    }
}

void codec_pack_msg(struct buffer *b, const struct consensus_msg *msg)
{
    pack_array(b, OBJECTS_OF_A_MSG);
    pack_u64(b, msg->type);
    pack_u64(b, msg->from);
    pack_u64(b, msg->to);
    pack_u64(b, msg->term);
    pack_u64(b, msg->index);
    pack_u64(b, msg->log_term);
    pack_u64(b, msg->commit);
    pack_u64(b, msg->context);
    pack_u64(b, (msg->reject ? (unsigned)MSG_REJECT : 0) |
                    (msg->transfer ? (unsigned)MSG_TRANSFER : 0));
    put_entries(b, msg);
}

static void get_entries(struct cursor *c, struct consensus_msg *msg)
{
    struct cursor from = unpack_array(c, CONSENSUS_BATCH_MAX * OBJECTS_OF_AN_ENTRY);
    size_t count = unpack_left(&from) / OBJECTS_OF_AN_ENTRY;
    if (count > 0)
        msg->entries = sf_calloc(count, sizeof *msg->entries);
    while (msg->entry_count < count) {
        struct entry *entry = &msg->entries[msg->entry_count++];
        entry->index = unpack_u64(&from, NUMBER_MAX);
        entry->term = unpack_u64(&from, NUMBER_MAX);
        entry->payload = payload_new(unpack_bin(&from, SF_MESSAGE_BYTES_MAX));
    }
    unpack_end(c, &from);
}

int codec_unpack_msg(struct cursor *c, struct consensus_msg *msg)
{
    struct cursor from = unpack_array(c, OBJECTS_OF_A_MSG);
    memset(msg, 0, sizeof *msg);
    msg->type = (enum consensus_msg_type)unpack_u64(&from, MSG_TYPE_LIMIT - 1);
    msg->from = (replica_id)unpack_u64(&from, SF_REPLICAS_MAX);
    msg->to = (replica_id)unpack_u64(&from, SF_REPLICAS_MAX);
    msg->term = unpack_u64(&from, NUMBER_MAX);
    msg->index = unpack_u64(&from, NUMBER_MAX);
    msg->log_term = unpack_u64(&from, NUMBER_MAX);
    msg->commit = unpack_u64(&from, NUMBER_MAX);
    msg->context = unpack_u64(&from, NUMBER_MAX);
    uint64_t bits = unpack_u64(&from, MSG_REJECT | MSG_TRANSFER);
    msg->reject = bits & MSG_REJECT;
    msg->transfer = bits & MSG_TRANSFER;
    get_entries(&from, msg);
    unpack_end(c, &from);
    c->bad = c->bad || msg->type == 0 || msg->from == 0 || msg->to == 0;
    if (unpack_ok(c))
        return SF_OK;
    consensus_msg_deinit(msg);
    memset(msg, 0, sizeof *msg);
    return SF_PROTOCOL;
}

/* -- groups and Configs -------------------------------------------------------------------- */

#define OBJECTS_OF_A_GROUP 2u  /* gid, addresses */
#define OBJECTS_OF_A_CONFIG 5u /* num, shard count, routing, owners, groups */

static void put_groups(struct buffer *b, const struct group *groups, size_t count)
{
    pack_array(b, count * OBJECTS_OF_A_GROUP);
    for (size_t i = 0; i < count; i++) {
        pack_u64(b, groups[i].gid);
        pack_array(b, groups[i].address_count);
        for (size_t j = 0; j < groups[i].address_count; j++)
            pack_str(b, groups[i].addresses[j]);
    }
}

static void get_addresses(struct cursor *c, struct group *group)
{
    struct cursor from = unpack_array(c, SF_REPLICAS_MAX);
    group->addresses = sf_calloc(unpack_left(&from), sizeof *group->addresses);
    while (unpack_left(&from) > 0)
        unpack_str(&from, group->addresses[group->address_count++], SF_ADDRESS_BYTES_MAX);
    unpack_end(c, &from);
}

static void get_groups(struct cursor *c, struct group **groups, size_t *group_count)
{
    struct cursor from = unpack_array(c, SF_GROUPS_MAX * OBJECTS_OF_A_GROUP);
    size_t count = unpack_left(&from) / OBJECTS_OF_A_GROUP;
    *groups = sf_calloc(count, sizeof **groups);
    while (*group_count < count) {
        struct group *group = &(*groups)[(*group_count)++];
        group->gid = unpack_u64(&from, NUMBER_MAX);
        get_addresses(&from, group);
    }
    unpack_end(c, &from);
}

void codec_pack_config(struct buffer *b, const struct config *config)
{
    pack_array(b, OBJECTS_OF_A_CONFIG);
    pack_u64(b, config->num);
    pack_u64(b, config->shard_count);
    pack_u64(b, config->routing);
    pack_array(b, config->shard_count);
    for (uint32_t i = 0; i < config->shard_count; i++)
        pack_u64(b, config->shards[i]);
    put_groups(b, config->groups, config->group_count);
}

/* Groups in order, each once, each with an address; every owner is one of them, or none. */
static bool config_is_sane(const struct config *config)
{
    for (size_t i = 0; i < config->group_count; i++) {
        group_id before = i > 0 ? config->groups[i - 1].gid : 0;
        if (config->groups[i].gid <= before || config->groups[i].address_count == 0)
            return false;
    }
    for (uint32_t i = 0; i < config->shard_count; i++) {
        if (config->shards[i] != 0 && !config_find_group(config, config->shards[i]))
            return false;
    }
    return true;
}

static void get_owners(struct cursor *c, struct config *config)
{
    struct cursor from = unpack_array(c, SF_SHARDS_MAX);
    c->bad = c->bad || unpack_left(&from) != config->shard_count;
    for (uint32_t i = 0; unpack_ok(c) && i < config->shard_count; i++)
        config->shards[i] = unpack_u64(&from, NUMBER_MAX);
    unpack_end(c, &from);
}

int codec_unpack_config(struct cursor *c, struct config **out)
{
    struct cursor from = unpack_array(c, OBJECTS_OF_A_CONFIG);
    uint64_t num = unpack_u64(&from, NUMBER_MAX);
    uint32_t shard_count = (uint32_t)unpack_u64(&from, SF_SHARDS_MAX);
    enum routing routing = (enum routing)unpack_u64(&from, ROUTING_NUMBER);
    if (!unpack_ok(&from) || shard_count == 0 || routing < ROUTING_HASH) {
        c->bad = true;
        return SF_PROTOCOL;
    }
    struct config *config = config_new(shard_count, routing);
    config->num = num;
    get_owners(&from, config);
    free(config->groups);
    get_groups(&from, &config->groups, &config->group_count);
    unpack_end(c, &from);
    c->bad = c->bad || !config_is_sane(config);
    if (!unpack_ok(c)) {
        config_free(config);
        return SF_PROTOCOL;
    }
    *out = config;
    return SF_OK;
}

/* -- calls to the shardmaster -------------------------------------------------------------- */

#define OBJECTS_OF_A_MASTER_OP 8u
#define OBJECTS_OF_A_MASTER_REPLY 3u

void codec_pack_master_op(struct buffer *b, const struct master_op *op)
{
    pack_array(b, OBJECTS_OF_A_MASTER_OP);
    pack_u64(b, op->kind);
    pack_u64(b, op->client_hi);
    pack_u64(b, op->client_lo);
    pack_u64(b, op->sequence);
    put_groups(b, op->groups, op->group_count);
    pack_array(b, op->gid_count);
    for (size_t i = 0; i < op->gid_count; i++)
        pack_u64(b, op->gids[i]);
    pack_u64(b, op->shard);
    pack_u64(b, op->gid);
}

static void get_gids(struct cursor *c, struct master_op *op)
{
    struct cursor from = unpack_array(c, SF_GROUPS_MAX);
    op->gids = sf_calloc(unpack_left(&from), sizeof *op->gids);
    while (unpack_left(&from) > 0)
        op->gids[op->gid_count++] = unpack_u64(&from, NUMBER_MAX);
    unpack_end(c, &from);
}

int codec_unpack_master_op(struct cursor *c, struct master_op *op)
{
    struct cursor from = unpack_array(c, OBJECTS_OF_A_MASTER_OP);
    memset(op, 0, sizeof *op);
    op->kind = (enum master_kind)unpack_u64(&from, MASTER_MOVE);
    op->client_hi = unpack_u64(&from, NUMBER_MAX);
    op->client_lo = unpack_u64(&from, NUMBER_MAX);
    op->sequence = unpack_u64(&from, NUMBER_MAX);
    get_groups(&from, &op->groups, &op->group_count);
    get_gids(&from, op);
    op->shard = (uint32_t)unpack_u64(&from, UINT32_MAX);
    op->gid = unpack_u64(&from, NUMBER_MAX);
    unpack_end(c, &from);
    c->bad = c->bad || op->kind == 0;
    if (unpack_ok(c))
        return SF_OK;
    master_op_free(op);
    return SF_PROTOCOL;
}

void master_op_free(struct master_op *op)
{
    for (size_t i = 0; i < op->group_count; i++)
        free(op->groups[i].addresses);
    free(op->groups);
    free(op->gids);
    memset(op, 0, sizeof *op);
}

void codec_pack_master_reply(struct buffer *b, const struct master_reply *reply)
{
    pack_array(b, OBJECTS_OF_A_MASTER_REPLY);
    pack_i64(b, reply->status);
    pack_u64(b, reply->which);
    pack_u64(b, reply->config_num);
}

int codec_unpack_master_reply(struct cursor *c, struct master_reply *reply)
{
    struct cursor from = unpack_array(c, OBJECTS_OF_A_MASTER_REPLY);
    struct master_reply got = {0};
    int64_t status = unpack_i64(&from);
    got.which = unpack_u64(&from, NUMBER_MAX);
    got.config_num = unpack_u64(&from, NUMBER_MAX);
    unpack_end(c, &from);
    c->bad = c->bad || status > SF_OK || status < INT16_MIN;
    if (!unpack_ok(c))
        return SF_PROTOCOL;
    got.status = (int)status;
    *reply = got;
    return SF_OK;
}

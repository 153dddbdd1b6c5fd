#include "proto/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"

uint64_t sample_number(struct sample *s)
{
    /* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators". */
    s->state ^= s->state >> 12;
    s->state ^= s->state << 25;
    s->state ^= s->state >> 27;
    return s->state * 2685821657736338717ull;
}

uint64_t sample_below(struct sample *s, uint64_t limit)
{
    return sample_number(s) % limit;
}

uint64_t sample_length_of_bits(struct sample *s)
{
    uint64_t bits = sample_below(s, 65);
    return bits == 0 ? 0 : sample_number(s) >> (64 - bits);
}

struct slice sample_bytes(struct sample *s, size_t max)
{
    static uint8_t pool[1 << 16];
    if (pool[1] == 0) {
        for (size_t i = 0; i < sizeof pool; i++)
            pool[i] = (uint8_t)(i * 131 + i / 256);
    }
    size_t n = (size_t)sample_below(s, max + 1);
    return slice_of(pool + sample_below(s, sizeof pool - n + 1), n);
}

static bool one_in(struct sample *s, uint64_t n)
{
    return sample_below(s, n) == 0;
}

/* -- operations ---------------------------------------------------------------------------- */

static size_t sample_tail(struct sample *s, struct kv_tail *tail)
{
    size_t count = (size_t)sample_below(s, one_in(s, 4) ? SF_TAIL_MAX + 1 : 3);
    uint64_t extent = 0;
    for (size_t i = 0; i < count; i++) {
        extent += 1 + sample_below(s, 1000);
        tail[i] = (struct kv_tail){.first_extent = extent, .data_id = sample_number(s)};
    }
    return count;
}

static void sample_place(struct sample *s, struct kv_op *op)
{
    op->space = one_in(s, 3) ? KV_INTERNAL : KV_PLAIN;
    op->key = sample_bytes(s, one_in(s, 8) ? SF_KEY_BYTES_MAX : 40);
    if (op->space == KV_INTERNAL && op->key.n < 8)
        op->key = slice_of("internal", 8);
    op->pre.kind = (enum kv_pre_kind)sample_below(s, KV_PRE_CREATED + 1);
    op->pre.id = op->pre.kind == KV_PRE_NONE ? 0 : sample_length_of_bits(s);
}

static void sample_put(struct sample *s, struct kv_op *op)
{
    op->flags = KV_HAS_ATTR | KV_HAS_CREATED | KV_HAS_MTIME | KV_HAS_INTENT;
    op->record_kind = (enum record_kind)sample_below(s, RECORD_DIRECTORY + 1);
    op->attr = sample_bytes(s, 200);
    op->created = sample_length_of_bits(s);
    op->mtime_ns = sample_length_of_bits(s);
    op->ids_first = sample_length_of_bits(s);
    op->after_ns = sample_length_of_bits(s) >> 1;
    if (one_in(s, 2)) {
        op->flags |= KV_HAS_LENGTH | KV_HAS_TAIL;
        op->length = op->data.n + sample_below(s, SF_FILE_BYTES_MAX / 2);
        op->tail_count = sample_tail(s, op->tail);
    }
}

static void sample_adds(struct sample *s, struct kv_op *op)
{
    op->add_count = (size_t)(1 + sample_below(s, KV_ADDS_MAX));
    for (size_t i = 0; i < op->add_count; i++) {
        op->adds[i].slot = (uint32_t)sample_below(s, KV_SLOTS_MAX);
        op->adds[i].is_max = one_in(s, 2);
        op->adds[i].value = sample_length_of_bits(s);
    }
}

/* An operation on one key that changes it: what may stand within a MINI. */
static void sample_mutation(struct sample *s, struct kv_op *op)
{
    op->kind = (enum kv_kind)(KV_PUT + sample_below(s, KV_TAKE - KV_PUT + 1));
    sample_place(s, op);
    op->data = sample_bytes(s, one_in(s, 10) ? 20000 : 100);
    if (op->kind == KV_PUT)
        sample_put(s, op);
    if ((op->kind == KV_PUT || op->kind == KV_DELETE) && one_in(s, 2))
        op->flags |= KV_ANY_KIND;
    if (op->kind == KV_ADD)
        sample_adds(s, op);
    if (op->kind == KV_SET_RANGE || op->kind == KV_PUNCH_RANGE)
        op->offset = sample_below(s, SF_VALUE_BYTES_MAX - op->data.n + 1);
    if (one_in(s, 4)) {
        op->flags |= KV_IF_TAIL;
        op->if_tail_count = sample_tail(s, op->if_tail);
    }
}

static void sample_scan(struct sample *s, struct kv_op *op)
{
    op->space = KV_PLAIN;
    op->data = sample_bytes(s, 50);
    op->length = 1 + sample_below(s, SF_SCAN_MAX);
    op->shard_count = (size_t)sample_below(s, 20);
    uint32_t *shards = sf_calloc(op->shard_count, sizeof *shards);
    for (size_t i = 0; i < op->shard_count; i++)
        shards[i] = (uint32_t)sample_below(s, SF_SHARDS_MAX);
    op->shards = shards;
}

static void sample_mini(struct sample *s, struct kv_op *op)
{
    op->check_count = (size_t)sample_below(s, 6);
    op->op_count = (size_t)(1 + sample_below(s, 6));
    struct kv_op *checks = sf_calloc(op->check_count, sizeof *checks);
    struct kv_op *ops = sf_calloc(op->op_count, sizeof *ops);
    for (size_t i = 0; i < op->check_count; i++) {
        checks[i].kind = KV_STAT;
        sample_place(s, &checks[i]);
        checks[i].flags = one_in(s, 3) ? KV_PREFIX_EMPTY : 0;
    }
    for (size_t i = 0; i < op->op_count; i++)
        sample_mutation(s, &ops[i]);
    op->checks = checks;
    op->ops = ops;
}

/* As many participants as an operation of this kind has. */
static void sample_numbers(struct sample *s, struct kv_op *op)
{
    size_t most = op->kind == KV_PREPARE ? SF_MINI_OPS_MAX : KV_NUMBERS_MAX;
    size_t count = 1;
    if (op->kind == KV_PREPARE || op->kind == KV_FORGET)
        count = (size_t)(1 + sample_below(s, most));
    struct kv_number *numbers = sf_calloc(count, sizeof *numbers);
    for (size_t i = 0; i < count; i++) {
        numbers[i].shard = (uint32_t)(i * 10 + sample_below(s, 10));
        numbers[i].session = 1 + sample_below(s, UINT64_MAX);
        numbers[i].sequence = 1 + sample_below(s, 1000);
        numbers[i].first_incomplete = sample_below(s, numbers[i].sequence + 1);
    }
    op->numbers = numbers;
    op->number_count = count;
}

static void sample_txn(struct sample *s, struct kv_op *op)
{
    sample_numbers(s, op);
    if (op->kind == KV_PREPARE) {
        op->flags = one_in(s, 2) ? KV_WAITS : 0;
        sample_mini(s, op);
    }
    if (op->kind == KV_OUTCOME)
        op->flags = one_in(s, 2) ? KV_COMMITS : 0;
}

static void sample_lock(struct sample *s, struct kv_op *op)
{
    static uint8_t pool[64][KV_LOCK_BYTES]; /* more than live at a time */
    static size_t used;
    struct buffer b = {0};
    struct kv_lock lock = {.type = (enum kv_lock_type)(1 + sample_below(s, KV_LOCK_EXCLUSIVE)),
                           .flags = (unsigned)sample_below(s, 8),
                           .holder = 1 + sample_below(s, UINT64_MAX),
                           .owner = sample_number(s),
                           .ticket = sample_length_of_bits(s),
                           .first = sample_below(s, 1000),
                           .last = UINT64_MAX - sample_below(s, 1000),
                           .pid = (uint32_t)sample_below(s, 1000)};
    uint8_t *to = pool[used++ % 64];
    kv_lock_pack(&b, &lock);
    memcpy(to, b.p, KV_LOCK_BYTES);
    buffer_deinit(&b);
    op->data = slice_of(to, KV_LOCK_BYTES);
    op->space = KV_INTERNAL;
    if (op->key.n < 8)
        op->key = slice_of("internal", 8);
}

/* The kinds that are neither a change of one key nor made of other operations. */
static void sample_other(struct sample *s, struct kv_op *op)
{
    sample_place(s, op);
    if (op->kind == KV_SESSION_OPEN)
        op->data = slice_of("sixteen bytes id", KV_CLIENT_BYTES);
    if (op->kind == KV_GET_RANGE)
        op->offset = sample_below(s, SF_FILE_BYTES_MAX);
    if (op->kind == KV_GET_RANGE || op->kind == KV_NEW_IDS || op->kind == KV_ABANDON)
        op->length = 1 + sample_below(s, KV_IDS_MAX);
    if (kv_is_lock(op->kind))
        sample_lock(s, op);
    if (kv_is_of_holder(op->kind))
        op->ids_first = 1 + sample_below(s, UINT64_MAX);
    if (op->kind == KV_INTENT) {
        op->flags = one_in(s, 2) ? KV_HAS_INTENT : 0;
        op->ids_first = sample_number(s);
    }
}

void sample_op(struct sample *s, struct kv_op *op)
{
    enum kv_kind kind;
    do {
        kind = (enum kv_kind)(KV_GET + sample_below(s, KV_KIND_LIMIT - KV_GET));
    } while (kv_method_name(kind) == NULL);
    if (kind >= KV_PUT && kind <= KV_TAKE) {
        do {
            memset(op, 0, sizeof *op);
            sample_mutation(s, op);
        } while (op->kind == KV_TAKE); /* not by itself */
        return;
    }
    memset(op, 0, sizeof *op);
    op->kind = kind;
    if (kind == KV_SCAN)
        sample_scan(s, op);
    else if (kind == KV_MINI)
        sample_mini(s, op);
    else if (kv_is_of_txn(kind))
        sample_txn(s, op);
    else
        sample_other(s, op);
}

void sample_request(struct sample *s, struct kv_request *request)
{
    memset(request, 0, sizeof *request);
    request->target.gid = sample_length_of_bits(s);
    request->target.group_identity = sample_number(s);
    request->target.shard = (uint32_t)sample_below(s, SF_SHARDS_MAX);
    request->target.forward = one_in(s, 2);
    request->session.session = sample_length_of_bits(s);
    request->session.sequence = sample_length_of_bits(s);
    request->session.first_incomplete = sample_length_of_bits(s);
    sample_op(s, &request->op);
}

/* -- replies ------------------------------------------------------------------------------- */

static void sample_stat(struct sample *s, struct kv_stat *stat)
{
    stat->kind = (enum record_kind)(RECORD_VALUE + sample_below(s, RECORD_DIRECTORY));
    stat->version = sample_length_of_bits(s);
    stat->created = sample_length_of_bits(s);
    stat->mtime_ns = sample_length_of_bits(s);
    stat->ctime_ns = sample_length_of_bits(s);
    stat->length = sample_length_of_bits(s);
    stat->tail_count = sample_tail(s, stat->tail);
    stat->attr = sample_bytes(s, 100);
}

static void sample_plain_reply(struct sample *s, struct kv_reply *reply)
{
    memset(reply, 0, sizeof *reply);
    reply->status = one_in(s, 2) ? SF_OK : SF_NOT_FOUND - (int)sample_below(s, 30);
    if (one_in(s, 2))
        sample_stat(s, &reply->stat);
    reply->data = sample_bytes(s, one_in(s, 8) ? 30000 : 60);
    reply->partial = one_in(s, 2);
    reply->old_length = one_in(s, 2) ? sample_length_of_bits(s) : 0;
    reply->ids_first = one_in(s, 2) ? sample_length_of_bits(s) : 0;
    reply->session = one_in(s, 2) ? sample_length_of_bits(s) : 0;
    if (one_in(s, 3))
        snprintf(reply->leader, sizeof reply->leader, "host%u:7000",
                 (unsigned)sample_below(s, 1000));
    reply->config_num = one_in(s, 2) ? sample_length_of_bits(s) : 0;
    reply->fate = (enum kv_fate)sample_below(s, KV_FATE_ABORTED + 1);
}

static void sample_entries(struct sample *s, struct kv_reply *reply)
{
    reply->entry_count = (size_t)sample_below(s, 30);
    struct kv_entry *entries = sf_calloc(reply->entry_count, sizeof *entries);
    for (size_t i = 0; i < reply->entry_count; i++) {
        entries[i].name = sample_bytes(s, 255);
        sample_stat(s, &entries[i].stat);
        entries[i].data = sample_bytes(s, 20);
    }
    reply->entries = entries;
    reply->more = one_in(s, 2);
}

void sample_reply(struct sample *s, struct kv_reply *reply)
{
    sample_plain_reply(s, reply);
    if (one_in(s, 3))
        sample_entries(s, reply);
    if (one_in(s, 3)) {
        reply->reply_count = (size_t)sample_below(s, SF_MINI_OPS_MAX + 1);
        struct kv_reply *replies = sf_calloc(reply->reply_count, sizeof *replies);
        for (size_t i = 0; i < reply->reply_count; i++)
            sample_plain_reply(s, &replies[i]);
        reply->replies = replies;
        reply->failed = sample_below(s, SF_MINI_OPS_MAX);
    }
}

/* -- the others ---------------------------------------------------------------------------- */

void sample_msg(struct sample *s, struct consensus_msg *msg)
{
    memset(msg, 0, sizeof *msg);
    msg->type = (enum consensus_msg_type)(MSG_PRE_VOTE + sample_below(s, MSG_TYPE_LIMIT - 1));
    msg->from = (replica_id)(1 + sample_below(s, SF_REPLICAS_MAX));
    msg->to = (replica_id)(1 + sample_below(s, SF_REPLICAS_MAX));
    msg->term = sample_length_of_bits(s);
    msg->index = sample_length_of_bits(s);
    msg->log_term = sample_length_of_bits(s);
    msg->commit = sample_length_of_bits(s);
    msg->context = sample_length_of_bits(s);
    msg->reject = one_in(s, 2);
    msg->transfer = one_in(s, 2);
    msg->entry_count = (size_t)sample_below(s, 20);
    msg->entries = sf_calloc(msg->entry_count, sizeof *msg->entries);
    for (size_t i = 0; i < msg->entry_count; i++) {
        msg->entries[i].index = msg->index + 1 + i;
        msg->entries[i].term = sample_length_of_bits(s);
        msg->entries[i].payload = payload_new(sample_bytes(s, 300));
    }
}

static void sample_group(struct sample *s, struct group *group, group_id gid)
{
    group->gid = gid;
    group->address_count = (size_t)(1 + sample_below(s, SF_REPLICAS_MAX));
    group->addresses = sf_calloc(group->address_count, sizeof *group->addresses);
    for (size_t i = 0; i < group->address_count; i++)
        snprintf(group->addresses[i], SF_ADDRESS_BYTES_MAX, "g%llu-%zu.example:%u",
                 (unsigned long long)gid, i, (unsigned)sample_below(s, 65536));
}

struct config *sample_config(struct sample *s)
{
    enum routing routing = (enum routing)(ROUTING_HASH + sample_below(s, ROUTING_NUMBER));
    struct config *config = config_new((uint32_t)(1 + sample_below(s, 100)), routing);
    config->num = sample_length_of_bits(s);
    config->group_count = (size_t)sample_below(s, 8);
    config->groups = sf_calloc(config->group_count, sizeof *config->groups);
    for (size_t i = 0; i < config->group_count; i++)
        sample_group(s, &config->groups[i], 1 + i * 1000 + sample_below(s, 1000));
    for (uint32_t i = 0; i < config->shard_count; i++) {
        if (config->group_count > 0 && !one_in(s, 5))
            config->shards[i] = config->groups[sample_below(s, config->group_count)].gid;
    }
    return config;
}

void sample_master_op(struct sample *s, struct master_op *op)
{
    memset(op, 0, sizeof *op);
    op->kind = (enum master_kind)(MASTER_JOIN + sample_below(s, MASTER_MOVE));
    op->client_hi = sample_number(s);
    op->client_lo = sample_number(s);
    op->sequence = sample_length_of_bits(s);
    op->group_count = (size_t)sample_below(s, 4);
    op->groups = sf_calloc(op->group_count, sizeof *op->groups);
    for (size_t i = 0; i < op->group_count; i++)
        sample_group(s, &op->groups[i], sample_length_of_bits(s));
    op->gid_count = (size_t)sample_below(s, 10);
    op->gids = sf_calloc(op->gid_count, sizeof *op->gids);
    for (size_t i = 0; i < op->gid_count; i++)
        op->gids[i] = sample_length_of_bits(s);
    op->shard = (uint32_t)sample_number(s);
    op->gid = sample_length_of_bits(s);
}

/* -- damage -------------------------------------------------------------------------------- */

static void damage_once(struct sample *s, struct buffer *b)
{
    size_t at = (size_t)sample_below(s, b->n);
    size_t other = (size_t)sample_below(s, b->n);
    uint8_t byte = b->p[at];
    switch (sample_below(s, 5)) {
    case 0:
        b->p[at] ^= (uint8_t)(1u << sample_below(s, 8));
        break;
    case 1:
        b->p[at] = (uint8_t)sample_number(s);
        break;
    case 2:
        b->p[at] = b->p[other];
        b->p[other] = byte;
        break;
    case 3:
        memmove(b->p + at, b->p + at + 1, b->n - at - 1);
        b->n--;
        break;
    default:
        buffer_grow(b, 1);
        memmove(b->p + at + 1, b->p + at, b->n - at - 1);
        break;
    }
}

void sample_damage(struct sample *s, struct buffer *b)
{
    for (uint64_t i = 1 + sample_below(s, 4); i > 0 && b->n > 0; i--)
        damage_once(s, b);
}

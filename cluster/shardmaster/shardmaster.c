/* shardmaster: the machine. An entry's body is an array of one operation, as on the wire.
 *
 *  M1  newest is what the store says; apply only stages, applied() adopts.
 *  M2  Config num + 1 is made from Config num alone, so every replica makes the same.
 *  M3  The reply of a client's operation is written in the batch of its effect.
 */
#include "shardmaster/shardmaster.h"

#include <stdlib.h>

#include "env/log.h"
#include "env/mark.h"
#include "env/memory.h"
#include "shardmaster/clients.h"
#include "shardmaster/history.h"
#include "shardmaster/inside.h"

struct shardmaster *shardmaster_of(struct machine *machine)
{
    return container_of(machine, struct shardmaster, machine);
}

/* The state is in the store; what cannot be read there cannot be gone on with. */
static void fatal(const struct shardmaster *m, int status)
{
    log_error("shardmaster", "the Configs cannot be read: %s", sf_error_text(status));
    replica_fatal(m->machine.replica, "the shardmaster's state cannot be read");
}

/* -- applying ------------------------------------------------------------------------------ */

static int next_config(const struct config *from, const struct master_op *op, struct config **out,
                       group_id *which)
{
    switch (op->kind) {
    case MASTER_JOIN:
        return config_join(from, op->groups, op->group_count, out, which);
    case MASTER_LEAVE:
        return config_leave(from, op->gids, op->gid_count, out, which);
    case MASTER_MOVE:
        *which = op->gid;
        return config_move(from, op->shard, op->gid, out);
    }
    return SF_INVALID;
}

/* Makes the Config that follows, and its reply. */
static void execute(struct shardmaster *m, const struct master_op *op, struct master_reply *reply)
{
    group_id which = 0;
    reply->status = next_config(m->newest, op, &m->staged, &which);
    reply->which = reply->status == SF_OK ? 0 : which;
    reply->config_num = m->staged != NULL ? m->staged->num : m->newest->num;
}

/* Does the duplicate table already have the answer? */
static int find_answer(struct shardmaster *m, const struct master_op *op,
                       struct master_reply *reply, bool *found)
{
    struct client_record record;
    *found = false;
    int status = clients_find(replica_space(m->machine.replica), op, &record);
    if (status == SF_NOT_FOUND)
        return SF_OK;
    if (status != SF_OK || op->sequence > record.sequence)
        return status;
    SF_MARK("shardmaster: operation answered from its record");
    *found = true;
    *reply = record.reply;
    if (op->sequence < record.sequence)
        *reply = (struct master_reply){.status = SF_STALE, .config_num = m->newest->num};
    return SF_OK;
}

static int apply_once(struct shardmaster *m, const struct machine_entry *entry,
                      const struct master_op *op, struct store_batch *batch,
                      struct master_reply *reply)
{
    bool found = false;
    int status = find_answer(m, op, reply, &found);
    if (status != SF_OK || found)
        return status;
    execute(m, op, reply);
    const struct client_record record = {
        .sequence = op->sequence, .time_ns = entry->time_ns, .reply = *reply};
    return clients_note(replica_space(m->machine.replica), batch, op, &record,
                        SHARDMASTER_CLIENTS_MAX);
}

static int decode(struct slice body, struct master_op *op)
{
    struct unpacked u;
    int status = unpack_open(body, &u);
    if (status != SF_OK)
        return status;
    struct cursor c = unpack_root(&u);
    status = codec_unpack_master_op(&c, op);
    if (status == SF_OK && !unpack_done(&c)) {
        master_op_free(op);
        status = SF_PROTOCOL;
    }
    unpack_close(&u);
    return status;
}

static void apply(struct machine *machine, const struct machine_entry *entry,
                  struct store_batch *batch, struct buffer *out)
{
    struct shardmaster *m = shardmaster_of(machine);
    struct master_reply reply = {.config_num = m->newest->num};
    struct master_op op;
    int status = SF_OK;
    reply.status = decode(entry->body, &op);
    if (reply.status == SF_OK) {
        if (op.client_hi == 0 && op.client_lo == 0)
            execute(m, &op, &reply);
        else
            status = apply_once(m, entry, &op, batch, &reply);
        master_op_free(&op);
    }
    if (status != SF_OK)
        fatal(m, status);
    else if (m->staged != NULL)
        history_put(batch, m->staged);
    codec_pack_master_reply(out, &reply);
}

static void applied(struct machine *machine, uint64_t index)
{
    struct shardmaster *m = shardmaster_of(machine);
    (void)index;
    if (m->staged == NULL)
        return;
    config_free(m->newest);
    m->newest = m->staged;
    m->staged = NULL;
}

/* -- the other duties of a machine --------------------------------------------------------- */

static void drop_configs(struct shardmaster *m)
{
    config_free(m->zero);
    config_free(m->newest);
    config_free(m->staged);
    m->zero = m->newest = m->staged = NULL;
}

static void restored(struct machine *machine, const struct space *space, uint64_t index)
{
    struct shardmaster *m = shardmaster_of(machine);
    (void)index;
    drop_configs(m);
    m->zero = config_new(replica_shard_count(machine->replica), replica_routing(machine->replica));
    int status = history_newest(space, m->zero, &m->newest);
    if (status == SF_OK)
        return;
    m->newest = config_copy(m->zero);
    fatal(m, status);
}

static void lead(struct machine *machine, bool leads, uint64_t term)
{
    (void)machine;
    (void)leads;
    (void)term;
}

static void status(struct machine *machine, struct buffer *out)
{
    const struct shardmaster *m = shardmaster_of(machine);
    pack_map(out, 2);
    pack_str(out, "config_num");
    pack_u64(out, m->newest->num);
    pack_str(out, "groups");
    pack_u64(out, m->newest->group_count);
}

static void machine_free(struct machine *machine)
{
    struct shardmaster *m = shardmaster_of(machine);
    service_deinit(m);
    drop_configs(m);
    free(m);
}

static const struct machine_ops shardmaster_ops = {
    .restored = restored,
    .apply = apply,
    .applied = applied,
    .lead = lead,
    .status = status,
    .free = machine_free,
};

struct machine *shardmaster_new(void)
{
    struct shardmaster *m = sf_calloc(1, sizeof *m);
    m->machine.ops = &shardmaster_ops;
    return &m->machine;
}

int shardmaster_config(const struct shardmaster *m, int64_t num, struct config **out)
{
    const struct config *known = NULL;
    if (num < 0 || (uint64_t)num >= m->newest->num)
        known = m->newest;
    else if (num == 0)
        known = m->zero;
    if (known == NULL)
        return history_get(replica_space(m->machine.replica), (uint64_t)num, out);
    *out = config_copy(known);
    return SF_OK;
}

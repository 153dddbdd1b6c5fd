/* LOCK_TEST and LOCK_AWAIT, at the leader.
 *
 * The happy path of an AWAIT is: its request still waits -> parked -> the entry that grants it is
 * applied here -> answered. It can fail by: KV_AWAIT_MS are over (QUEUED: its client asks again),
 * the shard is lost (WRONG_GROUP), the lead is lost (NOT_LEADER). Its place is in the shard's state:
 * none of that changes it. */
#include <utlist.h>

#include "shardkv/pending_inside.h"
#include "shardkv/range.h"

/* The answer as things are, packed into b. False: it has to wait, and b says so. */
static bool read_now(struct pending *p, struct buffer *b)
{
    struct access access;
    struct shard_copy copy;
    struct range_table *table = NULL;
    struct kv_reply reply = {.status = SF_WRONG_GROUP};
    const struct kv_machine *machine = p->machine;
    bool serves = machine_serves(machine, p->shard, &copy);
    int status = serves ? machine_ranges(machine, copy, &table) : SF_OK;
    if (!serves || status != SF_OK) {
        reply.status = serves ? status : SF_WRONG_GROUP;
        reply.config_num = machine_config_num(machine);
        kv_reply_pack(b, &reply);
        return true;
    }
    access_open_read(&access, &machine->space, replica_pending(machine->base.replica), copy);
    bool answered = range_read(&access, table, &p->request.op, &reply);
    kv_reply_pack(b, &reply);
    status = access_close(&access);
    if (status == SF_OK)
        return answered;
    buffer_clear(b);
    kv_reply_pack(b, &(struct kv_reply){.status = status});
    return true;
}

static void on_timer(struct env_timer *timer)
{
    struct pending *p = container_of(timer, struct pending, timer);
    struct buffer b = {0};
    (void)read_now(p, &b);
    pending_answer(p, &b);
}

void pending_read_ranges(struct pending *p)
{
    struct buffer b = {0};
    if (read_now(p, &b)) {
        pending_answer(p, &b);
        return;
    }
    buffer_deinit(&b);
    p->state = PENDING_PARKED; /* of which the queues are the limit: not counted */
    p->service->pending_count--;
    env_timer_init(p->service->env, &p->timer, on_timer);
    env_timer_start_ms(&p->timer, KV_AWAIT_MS);
}

void pending_ranges_moved(struct kv_machine *machine, uint32_t shard)
{
    struct pending *p, *next;
    DL_FOREACH_SAFE(machine->service->pending, p, next)
    {
        struct buffer b = {0};
        if (p->machine != machine || p->shard != shard || p->state != PENDING_PARKED)
            continue;
        if (read_now(p, &b))
            pending_answer(p, &b);
        else
            buffer_deinit(&b);
    }
}

/* Requests that wait for locks, at the leader.
 *
 * The happy path is: a lock is in the way -> in the queue of its shard -> locks are given back ->
 * a read is answered, a mutation is proposed. It can fail by: 10 s are over, or the queue is full
 * (LOCKED), the shard is lost (WRONG_GROUP), the lead is lost (NOT_LEADER). */
#include <utlist.h>

#include "shardkv/pending_inside.h"
#include "shardkv/request.h"
#include "shardkv/txn_worker.h"

#define RETRY_MS 10u

static uint64_t now_ms(const struct pending *p)
{
    return env_now_ms(p->service->env);
}

struct txn_table *pending_table(const struct kv_machine *machine, uint32_t shard)
{
    struct shard_copy copy;
    struct txn_table *table = NULL;
    if (!machine_serves(machine, shard, &copy) || machine_txns(machine, copy, &table) != SF_OK)
        return NULL;
    return table;
}

/* -- waiting ------------------------------------------------------------------------------- */

/* A read with a hold; of a mutation there is no copy. */
static bool takes_hold(const struct pending *p)
{
    return p->request.op.hold != 0;
}

static bool is_same(const struct pending *a, const struct pending *b)
{
    if (takes_hold(a) != takes_hold(b))
        return false;
    if (takes_hold(a))
        return a->hold == b->hold && lock_sets_conflict(&a->waiter.set, &b->waiter.set);
    return a->session.session != 0 && a->session.session == b->session.session &&
           a->session.sequence == b->session.sequence;
}

/* The client sent the same again: it is the newer request that will be heard. */
static void replace_older(struct pending *p)
{
    struct pending *other, *next;
    DL_FOREACH_SAFE(p->service->pending, other, next)
    {
        if (other == p || other->machine != p->machine || other->state != PENDING_WAITING ||
            other->waiter.reads || other->shard != p->shard || !is_same(p, other))
            continue;
        p->waiter.ticket = other->waiter.ticket;
        p->wait_until_ms = other->wait_until_ms;
        pending_finish(other, SF_BUSY);
        return;
    }
}

static void queue_up(struct pending *p)
{
    if (p->wait_until_ms == 0)
        p->wait_until_ms = now_ms(p) + LOCK_WAIT_MS;
    uint64_t left_ms = p->wait_until_ms > now_ms(p) ? p->wait_until_ms - now_ms(p) : 0;
    p->state = PENDING_WAITING;
    lock_queue_add(&p->machine->waiting, &p->waiter, WAITER_WAITING);
    env_timer_start_ms(&p->timer, left_ms);
    txn_worker_look_at(p->machine->finisher, p->waiter.shard);
}

static void wait_if_room(struct pending *p)
{
    if (lock_queue_is_full(&p->machine->waiting, p->waiter.shard))
        pending_finish(p, SF_LOCKED);
    else
        queue_up(p);
}

static void go_on(struct pending *p)
{
    env_timer_stop(&p->timer);
    if (!p->waiter.reads && takes_hold(p))
        pending_hold_granted(p);
    else if (!p->waiter.reads)
        pending_propose(p);
    else if (!pending_read_waits(p))
        pending_read(p);
}

void pending_locks_freed(struct kv_machine *machine, uint32_t shard)
{
    struct waiter *waiter;
    while (!lock_queue_is_empty(&machine->waiting, shard)) {
        const struct txn_table *table = pending_table(machine, shard);
        waiter = table != NULL ? lock_queue_take(&machine->waiting, table, shard) : NULL;
        if (waiter == NULL)
            return;
        go_on(container_of(waiter, struct pending, waiter));
    }
}

static void on_timer(struct env_timer *timer)
{
    struct pending *p = container_of(timer, struct pending, timer);
    struct kv_machine *machine = p->machine;
    uint32_t shard = p->waiter.shard;
    if (p->state == PENDING_RETRYING) {
        pending_propose(p);
        return;
    }
    pending_finish(p, SF_LOCKED);
    pending_locks_freed(machine, shard);
}

void pending_try_later(struct pending *p)
{
    p->state = PENDING_RETRYING;
    env_timer_init(p->service->env, &p->timer, on_timer);
    env_timer_start_ms(&p->timer, RETRY_MS);
}

/* -- reads --------------------------------------------------------------------------------- */

static bool is_blocked_in(struct pending *p, uint32_t shard)
{
    const struct txn_table *table = pending_table(p->machine, shard);
    if (table == NULL || !txn_table_has_locks(table))
        return false;
    if (p->waiter.set.count == 0)
        lock_set_of(&p->waiter.set, &p->request.op);
    p->waiter.shard = shard;
    return lock_queue_blocks(&p->machine->waiting, table, &p->waiter);
}

static bool is_read_blocked(struct pending *p)
{
    const struct kv_op *op = &p->request.op;
    for (size_t i = 0; i < op->shard_count; i++)
        if (is_blocked_in(p, op->shards[i]))
            return true;
    return op->shard_count == 0 && is_blocked_in(p, p->shard);
}

bool pending_read_waits(struct pending *p)
{
    p->waiter.reads = true;
    if (!is_read_blocked(p))
        return false;
    env_timer_init(p->service->env, &p->timer, on_timer);
    wait_if_room(p);
    return true;
}

/* -- mutations ----------------------------------------------------------------------------- */

enum turn { TURN_NOW, TURN_WAIT, TURN_REFUSED };

/* Is it prepared already? Then only its own locks would be in the way. */
static bool is_prepared(const struct txn_table *table, const struct pending *p)
{
    return txn_table_find(table, p->session.session, p->session.sequence) != NULL;
}

static enum turn turn_of_prepare(struct pending *p, const struct txn_table *table,
                                 const struct kv_op *op)
{
    struct lock_queues *queues = &p->machine->waiting;
    if (is_prepared(table, p))
        return TURN_NOW;
    p->waiter.stays = true;
    if (!(op->flags & KV_WAITS) && lock_queue_is_out_of_turn(queues, &p->waiter))
        return TURN_REFUSED;
    if ((op->flags & KV_WAITS) && lock_queue_blocks(queues, table, &p->waiter))
        return TURN_WAIT;
    lock_queue_add(queues, &p->waiter, WAITER_PROPOSED);
    return TURN_NOW;
}

static enum turn find_turn(struct pending *p, const struct txn_table *table, const struct kv_op *op)
{
    struct lock_queues *queues = &p->machine->waiting;
    bool is_free = !txn_table_has_locks(table) && lock_queue_is_empty(queues, p->shard);
    if (op->kind != KV_PREPARE && is_free)
        return TURN_NOW;
    lock_set_of(&p->waiter.set, op);
    if (op->kind == KV_PREPARE)
        return turn_of_prepare(p, table, op);
    return lock_queue_blocks(queues, table, &p->waiter) ? TURN_WAIT : TURN_NOW;
}

void pending_wait(struct pending *p)
{
    env_timer_init(p->service->env, &p->timer, on_timer);
    replace_older(p);
    wait_if_room(p);
}

void pending_write(struct pending *p, const struct kv_request *request)
{
    struct kv_request entry = *request;
    const struct txn_table *table = pending_table(p->machine, p->shard);
    p->session = request->session;
    p->is_of_txn = kv_is_of_txn(request->op.kind);
    p->hold = request->op.hold;
    p->waiter.ticket = p->hold != 0 ? pending_hold_ticket(p->machine, p->hold, p->shard) : 0;
    if (p->waiter.ticket == 0)
        p->waiter.ticket = ++p->service->tickets;
    p->waiter.shard = p->shard;
    enum turn turn = table != NULL ? find_turn(p, table, &request->op) : TURN_NOW;
    entry.op.flags |= turn == TURN_REFUSED ? KV_REFUSED : 0u;
    entry.op.hold = 0; /* it is this leader's alone */
    request_pack(&p->kept, &entry);
    if (turn == TURN_WAIT)
        pending_wait(p);
    else
        pending_propose(p);
}

void pending_put_back(struct pending *p, struct slice body)
{
    struct request request;
    buffer_set(&p->kept, body);
    if (p->waiter.set.count == 0 && request_unpack(buffer_slice(&p->kept), &request) == SF_OK) {
        lock_set_of(&p->waiter.set, &request.op);
        request_deinit(&request);
    }
    lock_queue_remove(&p->machine->waiting, &p->waiter);
    env_timer_init(p->service->env, &p->timer, on_timer);
    queue_up(p);
}

/* -- ending early -------------------------------------------------------------------------- */

void pending_lead_lost(struct shardkv *service, struct kv_machine *machine)
{
    struct pending *p, *next;
    DL_FOREACH_SAFE(service->pending, p, next)
    {
        if (p->machine == machine && (p->state == PENDING_WAITING || p->state == PENDING_RETRYING ||
                                      p->state == PENDING_PARKED || p->state == PENDING_DRAINING))
            pending_finish(p, SF_NOT_LEADER);
    }
    pending_hold_end_all(machine);
}

/* Holds, at the leader: a key is kept for who has read it and is about to change it by that.
 *
 * The happy path is: a read with a number comes in -> its turn, as if it were to change the key -> it
 * stands in the queue, HELD, and whoever would change the key after it waits -> what was proposed
 * before is applied -> the read is answered -> the mutation with the same number takes the hold's
 * place, is applied, and the hold ends. It can fail by: KV_HOLD_MS are over, the shard is lost, the
 * lead is lost. Then the hold is gone, and nobody hears of it: what was read may be overtaken, as
 * without one, which the mutation's own preconditions show.
 *
 * So a hold is worth time alone: no entry, no other replica, and nothing that is answered knows of it.
 *
 * Who holds a key and wants another waits for those alone who hold it already, or came before the
 * first one of its holds in that shard. Two who take theirs in the same order, that of shards first (as
 * Prepares do: client/txn.h, N3), never wait for each other; any others do no longer than a hold
 * stands. */
#include <stdlib.h>
#include <utlist.h>

#include "env/mark.h"
#include "env/memory.h"
#include "shardkv/pending_inside.h"

struct held {
    struct held *prev, *next; /* in machine->holds */
    struct kv_machine *machine;
    uint64_t number; /* not 0 */
    struct waiter waiter;
    struct env_timer timer;
    uint64_t since; /* what has a ticket above this was proposed later */
    size_t left;    /* mutations of the shard that were proposed before and are not applied yet */
};

static struct held *find_number(const struct kv_machine *machine, uint64_t number, uint32_t shard)
{
    struct held *held;
    DL_FOREACH(machine->holds, held)
    {
        if (held->number == number && held->waiter.shard == shard)
            return held;
    }
    return NULL;
}

/* What its number holds of its key already. */
static struct held *find_own(const struct pending *p)
{
    struct held *held;
    DL_FOREACH(p->machine->holds, held)
    {
        if (held->number == p->hold && held->waiter.shard == p->shard &&
            lock_sets_conflict(&held->waiter.set, &p->waiter.set))
            return held;
    }
    return NULL;
}

uint64_t pending_hold_ticket(const struct kv_machine *machine, uint64_t number, uint32_t shard)
{
    const struct held *held;
    uint64_t first = 0;
    DL_FOREACH(machine->holds, held)
    {
        bool is_its = held->number == number && held->waiter.shard == shard;
        if (is_its && (first == 0 || held->waiter.ticket < first))
            first = held->waiter.ticket;
    }
    return first;
}

/* -- the end of a hold ----------------------------------------------------------------------- */

/* Who waits for what was proposed before it waits no more. */
static void let_read(struct held *held)
{
    struct pending *p, *next;
    DL_FOREACH_SAFE(held->machine->service->pending, p, next)
    {
        if (p->state == PENDING_DRAINING && p->held == held)
            pending_ask(p);
    }
}

static void end(struct held *held)
{
    env_timer_stop(&held->timer);
    lock_queue_remove(&held->machine->waiting, &held->waiter);
    lock_set_deinit(&held->waiter.set);
    DL_DELETE(held->machine->holds, held);
    let_read(held);
    free(held);
}

static void on_timer(struct env_timer *timer)
{
    struct held *held = container_of(timer, struct held, timer);
    struct kv_machine *machine = held->machine;
    uint32_t shard = held->waiter.shard;
    SF_MARK("shardkv: a hold ended by time");
    end(held);
    pending_locks_freed(machine, shard);
}

void pending_hold_end(struct kv_machine *machine, uint64_t number, uint32_t shard)
{
    struct held *held;
    while ((held = find_number(machine, number, shard)) != NULL) {
        SF_MARK("shardkv: a hold ended by what it was taken for");
        end(held);
    }
    pending_locks_freed(machine, shard);
}

void pending_hold_end_shard(struct kv_machine *machine, uint32_t shard)
{
    struct held *held, *next;
    DL_FOREACH_SAFE(machine->holds, held, next)
    {
        if (held->waiter.shard == shard)
            end(held);
    }
}

void pending_hold_end_all(struct kv_machine *machine)
{
    while (machine->holds != NULL)
        end(machine->holds);
}

/* -- the beginning --------------------------------------------------------------------------- */

void pending_hold_drain(struct kv_machine *machine, uint32_t shard, uint64_t proposed)
{
    struct held *held, *next;
    DL_FOREACH_SAFE(machine->holds, held, next)
    {
        if (held->waiter.shard == shard && proposed <= held->since && --held->left == 0)
            let_read(held);
    }
}

static size_t count_proposed(const struct pending *p)
{
    size_t count = 0;
    const struct pending *other;
    DL_FOREACH(p->service->pending, other)
    {
        count += other->state == PENDING_WRITING && other->machine == p->machine &&
                 other->shard == p->shard;
    }
    return count;
}

/* It has its hold: reads what is there once the last mutation without one is applied. */
static void drain(struct pending *p, struct held *held)
{
    p->held = held;
    p->state = PENDING_DRAINING;
    if (held->left == 0)
        pending_ask(p);
}

void pending_hold_granted(struct pending *p)
{
    struct held *held = sf_calloc(1, sizeof(*held));
    held->machine = p->machine;
    held->number = p->hold;
    held->waiter =
        (struct waiter){.ticket = p->waiter.ticket, .shard = p->shard, .set = p->waiter.set};
    p->waiter.set = (struct lock_set){0}; /* for what the read itself may have to wait for */
    held->since = p->service->tickets;
    held->left = count_proposed(p);
    lock_queue_add(&p->machine->waiting, &held->waiter, WAITER_HELD);
    DL_APPEND(p->machine->holds, held);
    env_timer_init(p->service->env, &held->timer, on_timer);
    env_timer_start_ms(&held->timer, KV_HOLD_MS);
    drain(p, held);
}

/* In its turn: that of the other keys that its number holds in the shard, if any. */
static void take_turn(struct pending *p, const struct txn_table *table)
{
    struct lock_queues *queues = &p->machine->waiting;
    p->waiter.ticket = pending_hold_ticket(p->machine, p->hold, p->shard);
    if (p->waiter.ticket == 0)
        p->waiter.ticket = ++p->service->tickets;
    if (lock_queue_blocks(queues, table, &p->waiter) || lock_queue_is_full(queues, p->shard))
        pending_wait(p);
    else
        pending_hold_granted(p);
}

void pending_hold(struct pending *p)
{
    const struct txn_table *table = pending_table(p->machine, p->shard);
    p->hold = p->request.op.hold;
    p->waiter.shard = p->shard;
    if (table == NULL) {
        pending_ask(p);
        return;
    }
    lock_set_of(&p->waiter.set, &p->request.op);
    struct held *held = find_own(p);
    if (held != NULL)
        drain(p, held);
    else
        take_turn(p, table);
}

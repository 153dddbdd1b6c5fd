/* replica_apply: committed entries into the store, one batch an entry.
 *
 * The happy path is: queue's head -> the machine adds its effects to the batch -> the applied
 * record is added -> store_write -> the machine is told, who proposed it is answered, reads are
 * served. It can fail by: the store is busy or full (the batch waits for a timer and is written as
 * it is: R4), anything else (the process ends).
 */
#include <inttypes.h>
#include <stdlib.h>

#include "env/memory.h"
#include "replica/envelope.h"
#include "replica/inside.h"

/* -- the queue ----------------------------------------------------------------------------- */

static size_t entry_bytes(const struct entry *entry)
{
    return entry->payload->bytes + ENTRY_OVERHEAD_BYTES;
}

static struct entry *queue_at(const struct apply_queue *q, size_t i)
{
    return &q->ring[(q->head + i) % q->cap];
}

static void queue_grow(struct apply_queue *q)
{
    size_t cap = q->cap == 0 ? 64 : q->cap * 2;
    struct entry *ring = sf_calloc(cap, sizeof *ring);
    for (size_t i = 0; i < q->count; i++)
        ring[i] = *queue_at(q, i);
    free(q->ring);
    q->ring = ring;
    q->cap = cap;
    q->head = 0;
}

static void queue_pop(struct apply_queue *q)
{
    struct entry *first = queue_at(q, 0);
    q->bytes -= entry_bytes(first);
    payload_unref(first->payload);
    q->head = (q->head + 1) % q->cap;
    q->count--;
}

static uint64_t queue_last(const struct replica *r)
{
    const struct apply_queue *q = &r->queue;
    if (q->count > 0)
        return queue_at(q, q->count - 1)->index;
    return r->needs != 0 ? r->needs : r->applied.index;
}

void apply_push(struct replica *r, const struct entry *entries, size_t count)
{
    struct apply_queue *q = &r->queue;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].index <= r->applied.index)
            continue; /* an install went past it */
        sf_assert(entries[i].index == queue_last(r) + 1);
        if (q->count == q->cap)
            queue_grow(q);
        q->count++;
        *queue_at(q, q->count - 1) = entries[i];
        payload_ref(entries[i].payload);
        q->bytes += entry_bytes(&entries[i]);
    }
}

void apply_skip_to(struct replica *r, uint64_t index)
{
    while (r->queue.count > 0 && queue_at(&r->queue, 0)->index <= index)
        queue_pop(&r->queue);
    r->batch_waits = false;
}

/* -- one entry ----------------------------------------------------------------------------- */

/* Fills batch and reply with what the entry does. */
static void stage(struct replica *r, const struct entry *entry)
{
    struct envelope envelope;
    store_batch_clear(r->batch);
    buffer_clear(&r->reply);
    if (!envelope_open(entry->payload, &envelope)) {
        host_fatal(r->host, "entry %" PRIu64 " of group %" PRIu64 " is not of a form known here",
                   entry->index, r->identity.group.gid);
        return;
    }
    const struct machine_entry given = {.index = entry->index,
                                        .term = entry->term,
                                        .time_ns = envelope.time_ns,
                                        .body = envelope.body};
    if (envelope.kind == ENVELOPE_BODY)
        r->machine->ops->apply(r->machine, &given, r->batch, &r->reply);
    r->batch_waits = true;
    r->staged = (struct applied){.generation = r->applied.generation,
                                 .index = entry->index,
                                 .term = entry->term,
                                 .time_ns = envelope.time_ns};
    applied_put(r->batch, r->identity.key, &r->staged);
}

/* False: not now; a timer is set, or the process ends. */
static bool write_staged(struct replica *r)
{
    int status = store_write(r->host->options.store, r->batch);
    r->stalled = status;
    if (status == SF_OK)
        return true;
    if (status == SF_BUSY)
        env_timer_start_ms(&r->apply_timer, RETRY_BUSY_MS);
    else if (status == SF_NO_SPACE)
        env_timer_start_ms(&r->apply_timer, RETRY_NO_SPACE_MS);
    else
        host_fatal(r->host, "the store of %s cannot be written: %s", r->host->options.dir,
                   sf_error_text(status));
    return false;
}

/* The head's effects are in the store. */
static void finish(struct replica *r)
{
    struct entry entry = *queue_at(&r->queue, 0);
    payload_ref(entry.payload);
    queue_pop(&r->queue);
    r->batch_waits = false;
    r->applied = r->staged;
    r->host->applied_total++;
    flush_sample(r, &entry);
    if (replica_on_apply != NULL)
        replica_on_apply(r, &entry);
    r->machine->ops->applied(r->machine, entry.index);
    leader_applied(r, &entry);
    leader_announce(r);
    payload_unref(entry.payload);
}

static bool may_apply(const struct replica *r)
{
    return !r->host->dead && r->needs == 0 && !install_holds_apply(r) && r->queue.count > 0 &&
           r->stalled == SF_OK;
}

void apply_run(struct replica *r, size_t *budget)
{
    while (may_apply(r) && *budget > 0) {
        const struct entry *head = queue_at(&r->queue, 0);
        size_t bytes = entry_bytes(head);
        if (!r->batch_waits)
            stage(r, head);
        if (r->host->dead || !write_staged(r))
            break;
        finish(r);
        *budget -= bytes < *budget ? bytes : *budget;
    }
    if (may_apply(r) && !env_timer_is_armed(&r->apply_timer))
        env_timer_start_ms(&r->apply_timer, 0); /* the loop's other work comes first */
    reads_serve(r);
}

/* -- life ---------------------------------------------------------------------------------- */

/* The turn that follows goes on. */
static void apply_again(struct env_timer *timer)
{
    struct replica *r = container_of(timer, struct replica, apply_timer);
    r->stalled = SF_OK;
}

void apply_init(struct replica *r)
{
    env_timer_init(r->host->env, &r->apply_timer, apply_again);
}

void apply_deinit(struct replica *r)
{
    env_timer_stop(&r->apply_timer);
    while (r->queue.count > 0)
        queue_pop(&r->queue);
    free(r->queue.ring);
    buffer_deinit(&r->reply);
    if (r->batch != NULL)
        store_batch_free(r->batch);
}

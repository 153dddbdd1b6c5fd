/* replica_apply: committed entries into the store, many of them in one batch where they may wait.
 *
 * The happy path is: queue's head -> the machine adds its effects to the batch -> the machine is
 * told, who proposed it is answered, reads are served. The batch is written when it is large or has
 * waited for WRITE_MS; before and after an entry that may not wait; and when somebody needs the
 * store itself (replica_settle). Until then reads go through it (replica_pending). What is lost
 * with it in a crash is applied again from the log, which holds every entry that was answered.
 *
 * It can fail by: the store is busy or full (nothing more is applied, the batch is written again as
 * it is when a timer fires: R4), anything else (the process ends).
 */
#include <inttypes.h>
#include <stdlib.h>

#include "env/mark.h"
#include "env/memory.h"
#include "replica/envelope.h"
#include "replica/inside.h"

#define WRITE_MS 100u /* so long a batch waits for more, or until it has options.apply_bytes */

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
}

/* -- the batch ----------------------------------------------------------------------------- */

/* False: not now; a timer is set, or the process ends. */
static bool write_batch(struct replica *r)
{
    if (!r->unwritten)
        return true;
    if (r->host->dead || r->stalled != SF_OK || install_holds_apply(r))
        return false;
    applied_put(r->batch, r->identity.key, &r->staged);
    r->stalled = store_write(r->host->options.store, r->batch);
    if (r->stalled == SF_OK) {
        env_timer_stop(&r->write_timer);
        store_batch_clear(r->batch);
        r->unwritten = false;
    } else if (r->stalled == SF_BUSY) {
        env_timer_start_ms(&r->write_timer, RETRY_BUSY_MS);
    } else if (r->stalled == SF_NO_SPACE) {
        SF_MARK("replica: store full, nothing is applied");
        env_timer_start_ms(&r->write_timer, RETRY_NO_SPACE_MS);
    } else {
        host_fatal(r->host, "the store of %s cannot be written: %s", r->host->options.dir,
                   sf_error_text(r->stalled));
    }
    return r->stalled == SF_OK;
}

void apply_drop_batch(struct replica *r)
{
    env_timer_stop(&r->write_timer);
    store_batch_clear(r->batch);
    r->unwritten = false;
    r->head_staged = false;
    r->stalled = SF_OK;
}

const struct store_batch *replica_pending(const struct replica *replica)
{
    return replica->batch;
}

int replica_settle(struct replica *replica)
{
    /* A head that is staged and not finished would be in the store, and not in applied.index. */
    return !replica->head_staged && write_batch(replica) ? SF_OK : SF_BUSY;
}

/* -- one entry ----------------------------------------------------------------------------- */

/* Strictly increasing along the log, as its leader made it. On Paxos an entry of a leader that was
 * replaced may come after one of a later leader, which did not know of it. */
static uint64_t time_of(const struct replica *r, const struct envelope *envelope)
{
    uint64_t before = r->applied.time_ns;
    return envelope->time_ns > before ? envelope->time_ns : before + 1;
}

/* The head as the machine takes it. False: it is of no known form, and the process ends. */
static bool open_head(struct replica *r, struct envelope *envelope, struct machine_entry *given)
{
    const struct entry *head = queue_at(&r->queue, 0);
    if (!envelope_open(head->payload, envelope)) {
        host_fatal(r->host, "entry %" PRIu64 " of group %" PRIu64 " is not of a form known here",
                   head->index, r->identity.group.gid);
        return false;
    }
    *given = (struct machine_entry){.index = head->index,
                                    .term = head->term,
                                    .time_ns = time_of(r, envelope),
                                    .body = envelope->body};
    return true;
}

static bool may_wait(const struct replica *r, const struct envelope *envelope,
                     const struct machine_entry *given)
{
    const struct machine_ops *ops = r->machine->ops;
    return envelope->kind != ENVELOPE_BODY ||
           (ops->may_wait != NULL && ops->may_wait(r->machine, given));
}

/* Adds what the head does to the batch, and fills the reply. False: not now, or the end. */
static bool stage_head(struct replica *r)
{
    struct envelope envelope;
    struct machine_entry given;
    if (!open_head(r, &envelope, &given))
        return false;
    r->head_waits = may_wait(r, &envelope, &given);
    if (!r->head_waits && !write_batch(r))
        return false;
    buffer_clear(&r->reply);
    if (envelope.kind == ENVELOPE_BODY)
        r->machine->ops->apply(r->machine, &given, r->batch, &r->reply);
    if (r->host->dead)
        return false;
    r->staged = (struct applied){.generation = r->applied.generation,
                                 .index = given.index,
                                 .term = given.term,
                                 .time_ns = given.time_ns};
    r->head_staged = true;
    if (!r->unwritten)
        env_timer_start_ms(&r->write_timer, WRITE_MS);
    r->unwritten = true;
    return true;
}

/* The head's effects are in the store, or may wait in the batch. */
static void finish(struct replica *r)
{
    struct entry entry = *queue_at(&r->queue, 0);
    payload_ref(entry.payload);
    queue_pop(&r->queue);
    r->head_staged = false;
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

/* False: not now. */
static bool apply_head(struct replica *r)
{
    if (!r->head_staged && !stage_head(r))
        return false;
    if (!r->head_waits && !write_batch(r))
        return false;
    finish(r);
    if (store_batch_bytes(r->batch) >= r->host->options.apply_bytes)
        (void)write_batch(r); /* where that fails, nothing more is applied until it is done */
    return true;
}

void apply_run(struct replica *r, size_t *budget)
{
    while (may_apply(r) && *budget > 0) {
        size_t bytes = entry_bytes(queue_at(&r->queue, 0));
        if (!apply_head(r))
            break;
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
    (void)timer;
}

static void on_write_time(struct env_timer *timer)
{
    struct replica *r = container_of(timer, struct replica, write_timer);
    r->stalled = SF_OK;
    (void)write_batch(r); /* where that fails, the timer runs again */
}

void apply_init(struct replica *r)
{
    env_timer_init(r->host->env, &r->apply_timer, apply_again);
    env_timer_init(r->host->env, &r->write_timer, on_write_time);
}

void apply_deinit(struct replica *r)
{
    env_timer_stop(&r->apply_timer);
    env_timer_stop(&r->write_timer);
    while (r->queue.count > 0)
        queue_pop(&r->queue);
    free(r->queue.ring);
    buffer_deinit(&r->reply);
    if (r->batch != NULL)
        store_batch_free(r->batch);
}

/* snapshot_install: a follower takes the leader's state in place of its own.
 *
 *   state      what holds                              next, and by what
 *   IDLE       no snapshot is under way                RECEIVING: chunk 0 that the engine wants
 *   RECEIVING  chunks 0 .. next_sequence - 1 are       FLUSHING: the last chunk is written
 *              written under generation + 1            RECEIVING: chunk 0 of another snapshot
 *   FLUSHING   all of generation + 1 is written; the   FLIPPING: a flush ended
 *              engine leaves the log alone
 *   FLIPPING   all of generation + 1 is durable        SETTLING: the batch {applied record of the
 *                                                      new generation, the old one goes} is written
 *   SETTLING   the store, but not the memory, is in    IDLE: a flush ended; the log is reset, the
 *              the new generation                      machine reloads, the leader is told
 *
 * From FLUSHING on nothing is applied. A crash before the flip is durable leaves the old state and
 * a range of generation + 1, which the start drops; a crash after it is what replica_restore.c
 * calls an install that ended between its flip and the reset of the log.
 *
 * It can fail by: the store is full (the chunk is refused and the leader gives up for now), the
 * store is busy (the batch waits), the log reached the snapshot by itself meanwhile (refused).
 */
#include <stdlib.h>

#include "env/mark.h"
#include "env/memory.h"
#include "proto/codec.h"
#include "replica/inside.h"

#define METHOD "replica.snapshot"
#define PAIR_KEY_BYTES_MAX STORE_KEY_BYTES_MAX
#define PAIR_VALUE_BYTES_MAX SF_MESSAGE_BYTES_MAX

/* -- answers ------------------------------------------------------------------------------- */

static void answer(struct rpc_request **request, int status)
{
    struct buffer result = {0};
    if (*request == NULL)
        return;
    pack_array(&result, 1);
    pack_i64(&result, status);
    rpc_reply(*request, &result);
    *request = NULL;
}

static void drop_batch(struct install *in)
{
    if (in->batch != NULL)
        store_batch_free(in->batch);
    in->batch = NULL;
}

/* The snapshot that was being received is no more. */
static void give_up(struct replica *r, int status)
{
    struct install *in = &r->install;
    answer(&in->request, status);
    env_timer_stop(&in->retry);
    drop_batch(in);
    in->state = INSTALL_IDLE;
}

bool install_holds_apply(const struct replica *r)
{
    return r->install.state > INSTALL_RECEIVING;
}

/* -- the end ------------------------------------------------------------------------------- */

/* The log begins after the snapshot. Where the engine did not let go of it, the log holds the
 * snapshot's own entry and what follows, which may have been acknowledged: it stays. */
static void begin_log_after(struct replica *r)
{
    const struct applied *a = &r->applied;
    struct consensus_status log;
    if (!r->install.log_is_ours)
        return;
    r->install.log_is_ours = false;
    consensus_status(r->consensus, &log);
    restore_begin_log(r, log.last);
    consensus_snapshot_installed(r->consensus, a->index, a->term);
    r->unloaded = r->compacted = r->cut = a->index;
}

static struct applied flipped(const struct replica *r)
{
    const struct install *in = &r->install;
    return (struct applied){.generation = r->applied.generation + 1,
                            .index = in->index,
                            .term = in->term,
                            .time_ns = in->time_ns,
                            .installed = true};
}

static void adopt(struct replica *r)
{
    struct store *store = r->host->options.store;
    struct space old = r->space;
    r->applied = flipped(r);
    r->durable = r->applied.index;
    r->needs = 0;
    if (r->applied.time_ns > r->log_time_ns)
        r->log_time_ns = r->applied.time_ns;
    r->space = applied_space(store, r->identity.key, r->applied.generation);
    store_batch_free(r->batch);
    r->batch = store_batch_new(&r->space);
    apply_skip_to(r, r->applied.index);
    begin_log_after(r);
    flush_restart_samples(r);
    r->install.state = INSTALL_IDLE;
    SF_MARK("replica: snapshot installed");
    r->machine->ops->restored(r->machine, &r->space, r->applied.index);
    store_reclaim(&old, slice_of(NULL, 0), slice_of(NULL, 0));
    leader_skip_to(r, r->applied.index);
    answer(&r->install.request, SF_OK);
}

static bool is_durable(struct replica *r)
{
    struct applied now, wanted = flipped(r);
    int status = applied_read(r->host->options.store, r->identity.key, true, &now);
    return status == SF_OK && now.generation == wanted.generation && now.index == wanted.index &&
           now.term == wanted.term;
}

/* -- writing ------------------------------------------------------------------------------- */

static void write_batch(struct replica *r);

static void flip(struct replica *r)
{
    struct applied applied = flipped(r);
    r->install.state = INSTALL_FLIPPING;
    apply_drop_batch(r); /* it belongs to the old generation, and the log still has it */
    r->install.batch = store_batch_new(&r->space);
    applied_put(r->install.batch, r->identity.key, &applied);
    applied_drop_generation(r->install.batch, r->identity.key, r->applied.generation);
    write_batch(r);
}

static void on_flushed(struct flush_waiter *waiter)
{
    struct replica *r = container_of(waiter, struct replica, install.waiter);
    if (r->install.state == INSTALL_FLUSHING)
        flip(r);
    else if (is_durable(r))
        adopt(r);
    else
        host_fatal(r->host, "%s: a snapshot is not there after it was flushed",
                   r->host->options.dir);
}

/* The last chunk is written. The engine says no where its log brought the same meanwhile. */
static void begin_flushing(struct replica *r)
{
    struct install *in = &r->install;
    in->log_is_ours = consensus_snapshot_begin(r->consensus, in->index, in->term);
    if (!in->log_is_ours && r->needs == 0) {
        give_up(r, SF_GONE);
        return;
    }
    in->state = INSTALL_FLUSHING;
    flush_request(r->host, &in->waiter);
}

static void chunk_is_written(struct replica *r)
{
    struct install *in = &r->install;
    in->next_sequence++;
    if (in->last)
        begin_flushing(r);
    else
        answer(&in->request, SF_OK);
}

static void batch_is_written(struct replica *r)
{
    drop_batch(&r->install);
    if (r->install.state == INSTALL_RECEIVING) {
        chunk_is_written(r);
        return;
    }
    r->install.state = INSTALL_SETTLING;
    flush_request(r->host, &r->install.waiter);
}

static void write_batch(struct replica *r)
{
    struct install *in = &r->install;
    int status = store_write(r->host->options.store, in->batch);
    if (status == SF_OK)
        batch_is_written(r);
    else if (status == SF_BUSY)
        env_timer_start_ms(&in->retry, RETRY_BUSY_MS);
    else if (status == SF_NO_SPACE && in->state == INSTALL_RECEIVING)
        give_up(r, SF_NO_SPACE);
    else if (status == SF_NO_SPACE)
        env_timer_start_ms(&in->retry, RETRY_NO_SPACE_MS);
    else
        host_fatal(r->host, "the store of %s cannot be written: %s", r->host->options.dir,
                   sf_error_text(status));
}

static void on_retry(struct env_timer *timer)
{
    write_batch(container_of(timer, struct replica, install.retry));
}

/* -- chunks -------------------------------------------------------------------------------- */

/* False: the chunk breaks the form. */
static bool add_pairs(struct store_batch *batch, struct slice pairs)
{
    struct reader reader = reader_of(pairs);
    while (reader_left(&reader) > 0) {
        struct slice key = reader_slice(&reader, PAIR_KEY_BYTES_MAX);
        struct slice value = reader_slice(&reader, PAIR_VALUE_BYTES_MAX);
        if (!reader_ok(&reader))
            return false;
        store_batch_put(batch, key, value);
    }
    return true;
}

/* Receiving starts over with this chunk, which is number 0. */
static void begin(struct replica *r)
{
    struct install *in = &r->install;
    if (in->state != INSTALL_IDLE)
        SF_MARK("replica: another snapshot in place of one half received");
    give_up(r, SF_GONE);
    in->from = in->chunk.from;
    in->msg_term = in->chunk.msg_term;
    in->index = in->chunk.index;
    in->term = in->chunk.term;
    in->time_ns = in->chunk.time_ns;
    in->next_sequence = 0;
    in->state = INSTALL_RECEIVING;
}

static void store_chunk(struct replica *r)
{
    struct install *in = &r->install;
    struct install_chunk *chunk = &in->chunk;
    uint32_t generation = r->applied.generation + 1;
    struct space space = applied_space(r->host->options.store, r->identity.key, generation);
    in->batch = store_batch_new(&space);
    in->last = chunk->last;
    in->request = chunk->request;
    chunk->request = NULL;
    if (in->next_sequence == 0)
        applied_drop_generation(in->batch, r->identity.key, generation);
    if (add_pairs(in->batch, buffer_slice(&chunk->pairs)))
        write_batch(r);
    else
        give_up(r, SF_PROTOCOL);
}

static bool is_of_this_snapshot(const struct install *in)
{
    const struct install_chunk *c = &in->chunk;
    return in->state != INSTALL_IDLE && c->from == in->from && c->msg_term == in->msg_term &&
           c->index == in->index && c->term == in->term;
}

/* The chunk that came was wanted by the engine, or by us. */
static void take_chunk(struct replica *r)
{
    struct install *in = &r->install;
    struct install_chunk *c = &in->chunk;
    bool ours = is_of_this_snapshot(in);
    if (ours && c->sequence + 1 == in->next_sequence && !install_holds_apply(r)) {
        SF_MARK("replica: chunk of a snapshot came twice");
        answer(&c->request, SF_OK); /* it is stored; the answer was lost */
    } else if (install_holds_apply(r) || in->batch != NULL) {
        answer(&c->request, SF_BUSY);
    } else if (c->sequence == 0) {
        begin(r);
        store_chunk(r);
    } else if (ours && c->sequence == in->next_sequence) {
        store_chunk(r);
    } else {
        answer(&c->request, SF_GONE);
    }
}

/* A replica whose log begins above its state takes what its leader sends, though its engine, which
 * knows the log alone, wants nothing. */
static bool is_needed(const struct replica *r)
{
    const struct install_chunk *c = &r->install.chunk;
    struct consensus_status status;
    consensus_status(r->consensus, &status);
    return r->needs != 0 && c->index >= r->needs && c->msg_term == status.term;
}

/* The chunk that came is of a state that this replica has by now. */
static bool is_behind_us(const struct replica *r)
{
    return r->needs == 0 && r->applied.index >= r->install.chunk.index;
}

void install_offered(struct replica *r, uint64_t index, uint64_t term, replica_id from)
{
    const struct install_chunk *c = &r->install.chunk;
    r->install.offered = c->index == index && c->term == term && c->from == from;
}

void install_turn(struct replica *r)
{
    struct install *in = &r->install;
    if (in->chunk.request == NULL)
        return;
    if (in->offered || is_needed(r))
        take_chunk(r);
    else if (install_holds_apply(r))
        answer(&in->chunk.request, SF_BUSY); /* soon it will be behind us */
    else
        answer(&in->chunk.request, is_behind_us(r) ? SF_OK : SF_GONE);
    in->offered = false;
}

/* -- the request --------------------------------------------------------------------------- */

static void keep_chunk(struct replica *r, struct rpc_request *request,
                       const struct consensus_msg *msg, struct cursor *c)
{
    struct install_chunk *chunk = &r->install.chunk;
    answer(&chunk->request, SF_BUSY);
    r->install.offered = false;
    chunk->from = msg->from;
    chunk->msg_term = msg->term;
    chunk->index = msg->index;
    chunk->term = msg->log_term;
    chunk->sequence = unpack_u64(c, UINT64_MAX - 1);
    chunk->last = unpack_bool(c);
    chunk->time_ns = unpack_u64(c, UINT64_MAX);
    buffer_set(&chunk->pairs, unpack_bin(c, SF_MESSAGE_BYTES_MAX));
    if (!unpack_done(c) || msg->type != MSG_SNAPSHOT) {
        rpc_reply_error(request, SF_PROTOCOL, "this is no chunk of a snapshot");
        return;
    }
    chunk->request = request;
    consensus_step(r->consensus, msg);
}

static void on_snapshot(void *ctx, struct rpc_request *request, const msgpack_object *params)
{
    struct host *host = ctx;
    struct cursor c = unpack_object(params);
    struct consensus_msg msg;
    group_id gid = unpack_u64(&c, UINT64_MAX);
    uint64_t likeness = unpack_u64(&c, UINT64_MAX);
    uint64_t from = unpack_u64(&c, UINT64_MAX);
    uint64_t to = unpack_u64(&c, UINT64_MAX);
    struct replica *r = host_find_message(host, gid, likeness, from, to);
    if (!unpack_ok(&c) || r == NULL) {
        rpc_reply_error(request, SF_MISMATCH, "this is not the group's replica");
    } else if (codec_unpack_msg(&c, &msg) != SF_OK) {
        rpc_reply_error(request, SF_PROTOCOL, "this is no message");
    } else {
        keep_chunk(r, request, &msg, &c);
        consensus_msg_deinit(&msg);
    }
}

void install_register(struct host *host)
{
    rpc_on_request(host->rpc, METHOD, on_snapshot, host);
}

void install_init(struct replica *r)
{
    env_timer_init(r->host->env, &r->install.retry, on_retry);
    r->install.waiter.on_flushed = on_flushed;
}

void install_deinit(struct replica *r)
{
    env_timer_stop(&r->install.retry);
    flush_forget(r->host, &r->install.waiter);
    drop_batch(&r->install);
    buffer_deinit(&r->install.chunk.pairs);
}

/* snapshot_send: a leader gives its state to a follower that its log no longer reaches.
 *
 * The request, one for each chunk, one chunk under way at a time:
 *   replica.snapshot [gid, likeness, from, to, message, sequence, last, time_ns, pairs] -> [status]
 *   message   MSG_SNAPSHOT with the applied (index, log_term) that the view was taken at
 *   sequence  of the chunk, from 0
 *   time_ns   of the entry at index
 *   pairs     bin: u32 key length, key, u32 value length, value; ... (little-endian)
 *
 * The happy path is: a view of the store, then chunk after chunk, the same one again where no
 * answer came; the answer to the last one says that the follower holds all of it durably.
 * It can fail by: the lead is lost; the follower refuses (it has a newer state, or another snapshot
 * began); no answer for TRIES_MAX tries.
 */
#include <stdlib.h>

#include "env/mark.h"
#include "env/memory.h"
#include "proto/codec.h"
#include "replica/inside.h"

#define METHOD "replica.snapshot"
#define ANSWER_MS 2000u
#define PAUSE_MS 200u
#define TRIES_MAX 30u

struct snapshot_send {
    struct replica *replica;
    struct peer *peer;
    struct rpc_call call;
    struct env_timer pause; /* before the same chunk again */
    struct store_view *view;
    struct space space;
    struct buffer next; /* the key that the next chunk begins with */
    uint64_t index, log_term, time_ns;
    uint64_t sequence;
    struct buffer pairs; /* of the chunk under way */
    bool last;
    bool asked_by_engine; /* it wants to know how it ended */
    unsigned tries;       /* of this chunk */
};

static void send_chunk(struct snapshot_send *s);

/* -- end ----------------------------------------------------------------------------------- */

static void stop(struct snapshot_send *s)
{
    s->peer->send = NULL;
    rpc_call_cancel(&s->call);
    env_timer_stop(&s->pause);
    store_view_free(s->view);
    buffer_deinit(&s->next);
    buffer_deinit(&s->pairs);
    free(s);
}

static void end(struct snapshot_send *s, bool ok)
{
    struct replica *r = s->replica;
    replica_id id = s->peer->id;
    uint64_t index = s->index;
    bool asked = s->asked_by_engine;
    if (ok)
        s->peer->needs = 0;
    stop(s);
    if (asked)
        consensus_snapshot_ended(r->consensus, id, index, ok);
}

void snapshot_send_stop_all(struct replica *r)
{
    for (size_t i = 0; i < r->peer_count; i++)
        if (r->peers[i].send != NULL)
            stop(r->peers[i].send);
}

/* -- chunks -------------------------------------------------------------------------------- */

/* The next pairs, at least one where there are any. Each chunk has an iterator of its own: while one
 * lives, RocksDB keeps the memtables that there were when it was made. */
static int fill_chunk(struct snapshot_send *s)
{
    size_t limit = s->replica->host->options.chunk_bytes;
    struct store_iter *iter =
        store_iter_new(&s->space, s->view, buffer_slice(&s->next), slice_of(NULL, 0));
    buffer_clear(&s->pairs);
    for (; store_iter_valid(iter) && s->pairs.n < limit; store_iter_next(iter)) {
        buffer_put_slice(&s->pairs, store_iter_key(iter));
        buffer_put_slice(&s->pairs, store_iter_value(iter));
    }
    s->last = !store_iter_valid(iter);
    if (!s->last)
        buffer_set(&s->next, store_iter_key(iter));
    s->tries = 0;
    int status = store_iter_status(iter);
    store_iter_free(iter);
    return status;
}

static void send_next(struct snapshot_send *s)
{
    int status = fill_chunk(s);
    if (status == SF_OK)
        send_chunk(s);
    else
        host_fatal(s->replica->host, "the store of %s cannot be read: %s",
                   s->replica->host->options.dir, sf_error_text(status));
}

static int answer_status(const msgpack_object *result)
{
    struct cursor c = unpack_object(result);
    int64_t status = unpack_i64(&c);
    return unpack_done(&c) && status <= 0 && status > INT32_MIN ? (int)status : SF_PROTOCOL;
}

static bool is_worth_another_try(int status)
{
    return status == SF_UNKNOWN || status == SF_UNREACHABLE || status == SF_OVERLOADED ||
           status == SF_BUSY;
}

static void on_answer(struct rpc_call *call, int status, const msgpack_object *result)
{
    struct snapshot_send *s = container_of(call, struct snapshot_send, call);
    if (status == SF_OK)
        status = answer_status(result);
    if (is_worth_another_try(status) && s->tries < TRIES_MAX) {
        SF_MARK("replica: chunk of a snapshot sent again");
        env_timer_start_ms(&s->pause, PAUSE_MS);
    } else if (status != SF_OK || s->last) {
        if (status == SF_OK)
            SF_MARK("replica: snapshot sent");
        else
            SF_MARK("replica: snapshot refused");
        end(s, status == SF_OK);
    } else {
        s->sequence++;
        send_next(s);
    }
}

static void on_pause_over(struct env_timer *timer)
{
    send_chunk(container_of(timer, struct snapshot_send, pause));
}

static void pack_chunk(const struct snapshot_send *s, const struct consensus_msg *msg,
                       struct buffer *params)
{
    const struct replica *r = s->replica;
    pack_array(params, 9);
    pack_u64(params, r->identity.group.gid);
    pack_u64(params, r->likeness);
    pack_u64(params, r->identity.self);
    pack_u64(params, s->peer->id);
    codec_pack_msg(params, msg);
    pack_u64(params, s->sequence);
    pack_bool(params, s->last);
    pack_u64(params, s->time_ns);
    pack_bin(params, buffer_slice(&s->pairs));
}

static void send_chunk(struct snapshot_send *s)
{
    struct replica *r = s->replica;
    struct consensus_msg msg;
    struct buffer params = {0};
    s->tries++;
    if (consensus_snapshot_msg(r->consensus, s->peer->id, s->index, s->log_term, &msg) != SF_OK) {
        end(s, false);
        return;
    }
    rpc_begin_request(&params, METHOD);
    pack_chunk(s, &msg, &params);
    rpc_call_start_peer(r->host->rpc, &s->call, transport_way(r, s->peer), METHOD, &params,
                        ANSWER_MS, on_answer);
}

/* -- begin --------------------------------------------------------------------------------- */

/* Nothing where the store cannot take what is applied just now. */
static void begin(struct replica *r, struct peer *peer)
{
    if (replica_settle(r) != SF_OK)
        return;
    struct snapshot_send *s = sf_calloc(1, sizeof *s);
    s->replica = r;
    s->peer = peer;
    s->index = r->applied.index;
    s->log_term = r->applied.term;
    s->time_ns = r->applied.time_ns;
    s->view = store_view_new(r->host->options.store);
    s->space = r->space;
    env_timer_init(r->host->env, &s->pause, on_pause_over);
    peer->send = s;
    send_next(s);
}

void snapshot_send_wanted(struct replica *r, replica_id id)
{
    struct peer *peer = replica_peer(r, id);
    sf_assert(peer != NULL);
    if (peer->send == NULL && r->needs == 0 && !install_holds_apply(r))
        begin(r, peer);
    if (peer->send != NULL)
        peer->send->asked_by_engine = true;
    else
        consensus_snapshot_ended(r->consensus, id, r->applied.index, false);
}

void snapshot_send_needed(struct replica *r)
{
    if (!r->leads || r->needs != 0 || install_holds_apply(r))
        return;
    for (size_t i = 0; i < r->peer_count; i++) {
        struct peer *peer = &r->peers[i];
        if (peer->needs != 0 && peer->needs <= r->applied.index && peer->send == NULL) {
            SF_MARK("replica: snapshot for a follower that asks for it");
            begin(r, peer);
        }
    }
}

uint64_t snapshot_send_floor(const struct replica *r)
{
    uint64_t floor = UINT64_MAX;
    for (size_t i = 0; i < r->peer_count; i++)
        if (r->peers[i].send != NULL && r->peers[i].send->index < floor)
            floor = r->peers[i].send->index;
    return floor;
}

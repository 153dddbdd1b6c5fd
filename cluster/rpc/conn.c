/* Connections: dialled or accepted, opened, read, written, watched for silence, ended.
 *
 * The happy path is: conn_to dials -> on_open sends hello and what waited -> on_data cuts the bytes
 * into messages -> the peer closes, or the endpoint is freed. It can fail by: no address, a dial
 * that is refused or takes too long, bytes that are no message, silence, a peer that does not read.
 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "env/log.h"
#include "env/memory.h"
#include "rpc/endpoint.h"

static void conn_on_open(void *ctx);
static void conn_on_data(void *ctx, const uint8_t *bytes, size_t n);
static void conn_on_close(void *ctx, int reason);
static void conn_on_timer(struct env_timer *timer);
static void conn_on_resume(struct env_timer *timer);

static const struct env_conn_events events = {
    .on_open = conn_on_open,
    .on_data = conn_on_data,
    .on_close = conn_on_close,
};

/* -- life ---------------------------------------------------------------------------------- */

static struct rpc_conn *conn_new(struct rpc *rpc, enum conn_state state)
{
    struct rpc_conn *conn = sf_calloc(1, sizeof *conn);
    conn->rpc = rpc;
    conn->state = state;
    conn->peer = ++rpc->last_peer;
    env_timer_init(rpc->env, &conn->timer, conn_on_timer);
    env_timer_init(rpc->env, &conn->resume, conn_on_resume);
    HASH_ADD(hh_peer, rpc->by_peer, peer, sizeof conn->peer, conn);
    DL_APPEND(rpc->conns, conn);
    return conn;
}

static bool conn_is_outgoing(const struct rpc_conn *conn)
{
    return !conn->incoming;
}

bool conn_is_clients(const struct rpc_conn *conn)
{
    return conn->incoming && !conn->member && conn->state == CONN_OPEN;
}

/* Nothing of it is under way: no request, no call, nothing to be read. */
static bool conn_is_idle(const struct rpc_conn *conn)
{
    return conn->state == CONN_OPEN && conn->unanswered == 0 && !conn->calls &&
           conn_queued_bytes(conn) == 0;
}

/* Of those that came in, the one that was silent longest; NULL: none is idle. */
static struct rpc_conn *longest_idle(const struct rpc *rpc)
{
    struct rpc_conn *conn, *longest = NULL;
    DL_FOREACH(rpc->conns, conn)
    {
        if (conn->incoming && conn_is_idle(conn) &&
            (!longest || conn->heard_ms < longest->heard_ms))
            longest = conn;
    }
    return longest;
}

/* False: all that are there are at work. */
static bool make_room(struct rpc *rpc)
{
    if (rpc->incoming_count < rpc->options.conns_max)
        return true;
    rpc->stats.crowded_out++;
    struct rpc_conn *idle = longest_idle(rpc);
    if (idle)
        conn_end(idle, SF_UNKNOWN, 0);
    return idle != NULL;
}

void conn_on_accept(void *ctx, struct env_conn *accepted)
{
    struct rpc *rpc = ctx;
    if (!make_room(rpc)) {
        env_conn_close(accepted);
        return;
    }
    struct rpc_conn *conn = conn_new(rpc, CONN_OPEN);
    conn->incoming = true;
    conn->heard_ms = env_now_ms(rpc->env);
    rpc->incoming_count++;
    conn->conn = accepted;
    env_conn_accept(accepted, &events, conn);
}

static struct rpc_conn *conn_dial(struct rpc *rpc, const char *address)
{
    size_t n = strlen(address);
    if (n == 0 || n >= SF_ADDRESS_BYTES_MAX)
        return NULL;
    struct rpc_conn *conn = conn_new(rpc, CONN_DIALING);
    memcpy(conn->address, address, n + 1);
    HASH_ADD_KEYPTR(hh_address, rpc->by_address, conn->address, n, conn);
    conn->in_by_address = true;
    if (env_connect(rpc->env, address, &events, conn, &conn->conn) != SF_OK) {
        conn_end(conn, SF_UNREACHABLE, 0);
        return NULL;
    }
    env_timer_start_ms(&conn->timer, DIAL_MS);
    return conn;
}

struct rpc_conn *conn_to(struct rpc *rpc, const char *address)
{
    struct rpc_conn *conn = NULL;
    HASH_FIND(hh_address, rpc->by_address, address, strlen(address), conn);
    if (!conn)
        return conn_dial(rpc, address);
    return conn->state == CONN_ENDED ? NULL : conn;
}

struct rpc_conn *conn_find_peer(struct rpc *rpc, rpc_peer peer)
{
    struct rpc_conn *conn = NULL;
    HASH_FIND(hh_peer, rpc->by_peer, &peer, sizeof peer, conn);
    return conn;
}

void conn_unqueue(struct rpc_conn *conn, struct rpc_waiting *waiting)
{
    conn->waiting_bytes -= waiting->message.n;
    DL_DELETE(conn->waiting, waiting);
    buffer_deinit(&waiting->message);
    free(waiting);
}

static void forget_address(struct rpc_conn *conn)
{
    if (conn->in_by_address)
        HASH_DELETE(hh_address, conn->rpc->by_address, conn);
    conn->in_by_address = false;
}

/* The system's part of it goes, and its place among the peers. */
static void conn_disconnect(struct rpc_conn *conn)
{
    if (conn->conn)
        env_conn_close(conn->conn);
    conn->conn = NULL;
    HASH_DELETE(hh_peer, conn->rpc->by_peer, conn);
    env_timer_stop(&conn->timer);
    env_timer_stop(&conn->resume);
    conn->state = CONN_ENDED;
    conn->rpc->incoming_count -= conn->incoming;
    intake_forget(conn);
}

static int status_of_lost_call(const struct rpc_call *call, int status)
{
    return call->sent || status == SF_MISMATCH ? status : SF_UNREACHABLE;
}

void conn_end(struct rpc_conn *conn, int status, uint64_t back_off_ms)
{
    sf_assert(conn->state != CONN_ENDED);
    conn_disconnect(conn);
    rpc_call_cancel(&conn->hello);
    while (conn->calls) {
        struct rpc_call *call = conn->calls;
        call_fail_later(call, status_of_lost_call(call, status));
    }
    while (conn->waiting)
        conn_unqueue(conn, conn->waiting);
    if (back_off_ms == 0)
        forget_address(conn);
    env_timer_start_ms(&conn->timer, back_off_ms);
}

void conn_free(struct rpc_conn *conn)
{
    if (conn->state != CONN_ENDED)
        conn_disconnect(conn);
    while (conn->calls)
        rpc_call_cancel(conn->calls);
    while (conn->waiting)
        conn_unqueue(conn, conn->waiting);
    forget_address(conn);
    env_timer_stop(&conn->timer);
    DL_DELETE(conn->rpc->conns, conn);
    buffer_deinit(&conn->in);
    free(conn);
}

static void conn_on_close(void *ctx, int reason)
{
    struct rpc_conn *conn = ctx;
    (void)reason; /* what it means for a call depends on whether that had left */
    conn->conn = NULL;
    conn_end(conn, SF_UNKNOWN, conn->state == CONN_DIALING ? BACKOFF_MS : 0);
}

void conn_refuse(struct rpc_conn *conn)
{
    if (conn_is_outgoing(conn)) {
        conn_end(conn, SF_MISMATCH, MISMATCH_BACKOFF_MS);
        return;
    }
    conn->state = CONN_REFUSED;
    env_timer_start_ms(&conn->timer, LINGER_MS);
}

/* -- sending ------------------------------------------------------------------------------- */

size_t conn_queued_bytes(const struct rpc_conn *conn)
{
    if (conn->state == CONN_DIALING)
        return conn->waiting_bytes;
    return conn->state == CONN_ENDED ? 0 : env_conn_queued_bytes(conn->conn);
}

bool conn_is_full(const struct rpc_conn *conn)
{
    return conn_queued_bytes(conn) >= conn->rpc->options.queue_bytes_max;
}

/* Something went out that the peer will answer, now or with its next message. */
static void await(struct rpc_conn *conn)
{
    if (!conn_is_outgoing(conn) || conn->silent_since_ms != 0)
        return;
    conn->silent_since_ms = env_now_ms(conn->rpc->env);
    if (!env_timer_is_armed(&conn->timer))
        env_timer_start_ms(&conn->timer, PROBE_MS);
}

static void send_now(struct rpc_conn *conn, struct buffer *message)
{
    size_t n = 0;
    uint8_t *bytes = buffer_take(message, &n);
    conn->sent_bytes += n;
    env_conn_send(conn->conn, bytes, n);
    await(conn);
}

static void send_later(struct rpc_conn *conn, struct buffer *message, struct rpc_call *call)
{
    struct rpc_waiting *waiting = sf_calloc(1, sizeof *waiting);
    waiting->message = *message;
    waiting->call = call;
    *message = (struct buffer){0};
    conn->waiting_bytes += waiting->message.n;
    DL_APPEND(conn->waiting, waiting);
    if (call)
        call->waiting = waiting;
}

size_t conn_unread_by_clients(const struct rpc *rpc, struct rpc_conn **most)
{
    struct rpc_conn *conn;
    size_t unread = 0, largest = 0;
    *most = NULL;
    DL_FOREACH(rpc->conns, conn)
    {
        size_t queued = conn_is_clients(conn) ? conn_queued_bytes(conn) : 0;
        unread += queued;
        if (queued > largest) {
            largest = queued;
            *most = conn;
        }
    }
    return unread;
}

static void cut_off(struct rpc_conn *conn)
{
    conn->rpc->stats.slow_peers++;
    conn_end(conn, SF_UNKNOWN, 0);
}

/* What left of all that was sent on it. */
static uint64_t conn_taken(const struct rpc_conn *conn)
{
    return conn->sent_bytes - conn_queued_bytes(conn);
}

static void unread_watch(struct rpc *rpc, uint64_t now_ms)
{
    struct rpc_conn *conn;
    DL_FOREACH(rpc->conns, conn)
    {
        if (conn_is_clients(conn))
            conn->taken_seen = conn_taken(conn);
    }
    rpc->unread_watched_ms = now_ms;
    env_timer_start_ms(&rpc->unread_timer, UNREAD_PATIENCE_MS);
}

/* Of the clients that took nothing since they are watched, the one that leaves most; or NULL. */
static struct rpc_conn *unread_stalled(const struct rpc *rpc)
{
    struct rpc_conn *conn, *stalled = NULL;
    DL_FOREACH(rpc->conns, conn)
    {
        size_t queued = conn_is_clients(conn) ? conn_queued_bytes(conn) : 0;
        if (queued > 0 && conn->taken_seen == conn_taken(conn) &&
            (stalled == NULL || queued > conn_queued_bytes(stalled)))
            stalled = conn;
    }
    return stalled;
}

bool conn_unread_is_too_much(struct rpc *rpc)
{
    struct rpc_conn *most;
    size_t max = rpc->options.unread_bytes_max, unread = conn_unread_by_clients(rpc, &most);
    if (unread < max + max / 2)
        return false;
    if (!env_timer_is_armed(&rpc->unread_timer))
        unread_watch(rpc, env_now_ms(rpc->env));
    if (unread >= 2 * max)
        env_timer_start_ms(&rpc->unread_timer, 0); /* the turn's end may send it */
    return true;
}

/* Who reads slowly keeps its connection, who does not read loses it; and whoever it is where small
 * answers, which are never refused, come to too much. */
void conn_on_unread(struct env_timer *timer)
{
    struct rpc *rpc = container_of(timer, struct rpc, unread_timer);
    struct rpc_conn *most;
    size_t max = rpc->options.unread_bytes_max;
    uint64_t now = env_now_ms(rpc->env);
    while (conn_unread_by_clients(rpc, &most) >= 2 * max)
        cut_off(most);
    if (conn_unread_by_clients(rpc, &most) < max + max / 2)
        return;
    uint64_t watched = now - rpc->unread_watched_ms;
    if (watched < UNREAD_PATIENCE_MS) {
        env_timer_start_ms(timer, UNREAD_PATIENCE_MS - watched);
        return;
    }
    struct rpc_conn *stalled = unread_stalled(rpc);
    if (stalled != NULL)
        cut_off(stalled);
    unread_watch(rpc, now);
}

/* Answers wait for peers that do not read them: this one, or clients in all. */
static void limit_unread(struct rpc_conn *conn)
{
    if (conn_queued_bytes(conn) > 2 * conn->rpc->options.queue_bytes_max)
        cut_off(conn);
    else if (conn_is_clients(conn) && conn_queued_bytes(conn) > UNREAD_SMALL_BYTES)
        (void)conn_unread_is_too_much(conn->rpc);
}

void conn_send(struct rpc_conn *conn, struct buffer *message, struct rpc_call *call)
{
    if (conn->state == CONN_DIALING) {
        send_later(conn, message, call);
        return;
    }
    send_now(conn, message);
    if (call)
        call->sent = true;
    limit_unread(conn);
}

static void conn_on_open(void *ctx)
{
    struct rpc_conn *conn = ctx;
    conn->state = CONN_OPEN;
    conn->opened = true;
    env_timer_stop(&conn->timer);
    if (conn->rpc->options.cluster_id != 0)
        hello_send(conn);
    while (conn->waiting) {
        struct rpc_waiting *waiting = conn->waiting;
        struct buffer message = waiting->message;
        if (waiting->call) {
            waiting->call->waiting = NULL;
            waiting->call->sent = true;
        }
        waiting->message = (struct buffer){0};
        conn_unqueue(conn, waiting);
        send_now(conn, &message);
    }
    conn->waiting_bytes = 0;
}

/* -- receiving ----------------------------------------------------------------------------- */

static void end_for_bad_bytes(struct rpc_conn *conn)
{
    log_debug("rpc", "peer %llu sent what is no message", (unsigned long long)conn->peer);
    conn->rpc->stats.bad_messages++;
    conn_end(conn, SF_UNKNOWN, BACKOFF_MS);
}

/* Handles the whole messages at the front of `bytes`; how many bytes they were. Stops where the
 * connection ends or pauses. */
static size_t take_messages(struct rpc_conn *conn, struct slice bytes)
{
    size_t taken = 0;
    while (conn->state == CONN_OPEN && !conn->paused && taken < bytes.n) {
        struct slice left = slice_of(bytes.p + taken, bytes.n - taken);
        long n = pack_scan_feed(&conn->scan, left);
        if (n == 0)
            break;
        memset(&conn->scan, 0, sizeof conn->scan);
        if (n < 0 || !message_handle(conn, slice_of(left.p, (size_t)n))) {
            if (conn->state != CONN_ENDED)
                end_for_bad_bytes(conn);
            break;
        }
        taken += (size_t)n;
    }
    return taken;
}

static void take_from_buffer(struct rpc_conn *conn)
{
    struct buffer *in = &conn->in;
    size_t taken = take_messages(conn, buffer_slice(in));
    if (taken > 0) {
        memmove(in->p, in->p + taken, in->n - taken);
        in->n -= taken;
    }
    if (in->n == 0 && in->cap > IN_KEEP_BYTES)
        buffer_deinit(in);
    intake_note(conn, taken > 0);
}

/* The peer is alive. */
static void heard(struct rpc_conn *conn)
{
    conn->heard_ms = env_now_ms(conn->rpc->env);
    if (conn->silent_since_ms != 0)
        conn->silent_since_ms = conn->calls ? env_now_ms(conn->rpc->env) : 0;
}

static void conn_on_data(void *ctx, const uint8_t *bytes, size_t n)
{
    struct rpc_conn *conn = ctx;
    if (conn->state != CONN_OPEN)
        return; /* refused: nothing more is listened to */
    size_t taken = conn->in.n > 0 ? 0 : take_messages(conn, slice_of(bytes, n));
    if (taken < n && conn->state == CONN_OPEN) {
        intake_reserve(conn, n - taken);
        buffer_append(&conn->in, bytes + taken, n - taken);
        take_from_buffer(conn);
    }
    heard(conn);
}

void conn_read_or_not(struct rpc_conn *conn)
{
    env_conn_read_enable(conn->conn, !conn->paused && !conn->held_back);
}

static void conn_on_resume(struct env_timer *timer)
{
    struct rpc_conn *conn = container_of(timer, struct rpc_conn, resume);
    take_from_buffer(conn);
}

void conn_request_ended(struct rpc_conn *conn)
{
    conn->unanswered--;
    if (conn->paused && conn->unanswered <= UNANSWERED_MAX / 2) {
        conn->paused = false;
        conn_read_or_not(conn);
        env_timer_start_ms(&conn->resume, 0);
    }
}

/* -- silence ------------------------------------------------------------------------------- */

static void watch_silence(struct rpc_conn *conn)
{
    if (conn->silent_since_ms == 0)
        return; /* the next message that goes out starts the watch again */
    uint64_t silent_ms = env_now_ms(conn->rpc->env) - conn->silent_since_ms;
    if (silent_ms >= SILENCE_MS) {
        conn_end(conn, SF_UNKNOWN, 0);
        return;
    }
    if (silent_ms >= PROBE_MS)
        hello_send(conn);
    env_timer_start_ms(&conn->timer, (silent_ms < PROBE_MS ? PROBE_MS : SILENCE_MS) - silent_ms);
}

/* Nobody is on the stack who might be surprised. */
static void bury(struct rpc_conn *conn)
{
    struct rpc *rpc = conn->rpc;
    if (conn->opened && rpc->on_lost)
        rpc->on_lost(rpc->on_lost_ctx, conn->address);
    conn_free(conn);
}

static void conn_on_timer(struct env_timer *timer)
{
    struct rpc_conn *conn = container_of(timer, struct rpc_conn, timer);
    switch (conn->state) {
    case CONN_DIALING:
        conn_end(conn, SF_UNREACHABLE, BACKOFF_MS);
        break;
    case CONN_OPEN:
        watch_silence(conn);
        break;
    case CONN_REFUSED:
        conn_end(conn, SF_UNKNOWN, 0);
        break;
    case CONN_ENDED:
        bury(conn);
        break;
    }
}

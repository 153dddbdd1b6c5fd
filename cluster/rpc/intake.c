/* The intake: the memory for what clients have sent of messages that are not whole yet, bounded over
 * all of them.
 *
 * A message is handled when its last byte is here; until then it takes memory. While all of that is
 * more than in_bytes_max, only the connection whose long message began first is read, so that this
 * one at least comes to its end; the others are held back, and TCP holds back their senders. The
 * first one has HEAD_MS for the rest of its message, or it is closed: who stops in the middle does
 * not stop the others. A connection that brings it to half as much again is closed.
 *
 * Connections that this process dialled, and those of servers of its role, are not counted: what
 * comes on them was asked for, or is bounded by flow control, and no client may hold it up.
 */
#include <utlist.h>

#include "rpc/endpoint.h"

#define RESERVE_BYTES_MAX (SF_VALUE_BYTES_MAX + 65536u) /* at once, of what is announced */
#define SHORT_BYTES 16384u /* a message's part up to which its connection is read in any case */
#define HEAD_MS 3000u

/* -- holding back -------------------------------------------------------------------------- */

static void hold(struct rpc_conn *conn, bool back)
{
    struct intake *intake = &conn->rpc->intake;
    if (conn->held_back == back)
        return;
    conn->held_back = back;
    intake->held_back += back ? 1 : (size_t)-1;
    conn->rpc->stats.held_back += back;
    if (conn->conn)
        conn_read_or_not(conn);
}

/* The first one is read in any case, and while it is crowded no other. */
static void hold_all_but_first(struct rpc *rpc)
{
    struct intake *intake = &rpc->intake;
    struct rpc_conn *conn;
    DL_FOREACH2(intake->waiting, conn, intake_next)
    {
        hold(conn, intake->crowded && conn != intake->waiting);
    }
}

static void look(struct rpc *rpc)
{
    struct intake *intake = &rpc->intake;
    size_t max = rpc->options.in_bytes_max;
    intake->crowded = intake->bytes > (intake->crowded ? max / 4 * 3 : max);
    hold_all_but_first(rpc);
    if (intake->held_back == 0)
        env_timer_stop(&intake->timer);
    else if (!env_timer_is_armed(&intake->timer))
        env_timer_start_ms(&intake->timer, HEAD_MS);
}

/* -- the order ----------------------------------------------------------------------------- */

static void join(struct rpc_conn *conn)
{
    struct intake *intake = &conn->rpc->intake;
    conn->in_intake = true;
    DL_APPEND2(intake->waiting, conn, intake_prev, intake_next);
}

static void leave(struct rpc_conn *conn)
{
    struct intake *intake = &conn->rpc->intake;
    if (!conn->in_intake)
        return;
    if (conn == intake->waiting)
        env_timer_stop(&intake->timer); /* the next one's time begins */
    conn->in_intake = false;
    DL_DELETE2(intake->waiting, conn, intake_prev, intake_next);
    hold(conn, false);
}

static void count(struct rpc_conn *conn, size_t bytes)
{
    struct intake *intake = &conn->rpc->intake;
    intake->bytes += bytes - conn->in_counted;
    conn->in_counted = bytes;
}

static bool is_too_much(const struct rpc *rpc)
{
    size_t max = rpc->options.in_bytes_max;
    return rpc->intake.bytes > max + max / 2;
}

static void close_for(struct rpc_conn *conn, uint64_t *counter)
{
    (*counter)++;
    conn_end(conn, SF_UNKNOWN, 0);
}

static void on_head_time(struct env_timer *timer)
{
    struct rpc *rpc = container_of(timer, struct rpc, intake.timer);
    close_for(rpc->intake.waiting, &rpc->stats.stalled);
}

/* ------------------------------------------------------------------------------------------ */

void intake_init(struct rpc *rpc)
{
    env_timer_init(rpc->env, &rpc->intake.timer, on_head_time);
}

/* Room for the rest of the message, where its beginning tells how long that is: so it need not be moved
 * while it grows. Where there is not so much room, just for what comes now. */
void intake_reserve(struct rpc_conn *conn, size_t more)
{
    const struct rpc *rpc = conn->rpc;
    struct buffer *in = &conn->in;
    size_t n = in->n, want = conn->scan.offset;
    bool is_first = !conn_is_clients(conn) || conn == rpc->intake.waiting;
    if (!is_first && want > n + RESERVE_BYTES_MAX)
        want = n + RESERVE_BYTES_MAX;
    if (!is_first && rpc->intake.bytes - in->cap + want > rpc->options.in_bytes_max)
        want = n + more;
    buffer_reserve(in, want);
}

void intake_note(struct rpc_conn *conn, bool anew)
{
    struct rpc *rpc = conn->rpc;
    if (!conn_is_clients(conn))
        return;
    count(conn, conn->in.cap);
    bool waits = conn->in.n > SHORT_BYTES && !conn->paused;
    if (anew || !waits)
        leave(conn);
    if (waits && !conn->in_intake)
        join(conn);
    if (is_too_much(rpc) && conn->in.n > 0 && conn != rpc->intake.waiting)
        close_for(conn, &rpc->stats.flooded);
    else
        look(rpc);
}

void intake_forget(struct rpc_conn *conn)
{
    count(conn, 0);
    leave(conn);
    look(conn->rpc);
}

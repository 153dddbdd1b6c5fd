/* The simulated network.
 *
 * A link is one connection: two ends, each in a process, either of which may be gone. What travels
 * on it are units: a message (one env_conn_send), or the news that the sender closed. The happy
 * path: send -> outbox -> (the turn ends) dispatch -> event -> deliver -> on_data. A unit is lost
 * by chance, by a cut of its direction when it leaves or when it arrives, and where the receiving
 * end is gone; the last one is answered by a reset, so that a sender whose peer went unnoticed
 * learns it then.
 *
 *  N1  link->end[s] is the connection of side s (0 dialled, 1 accepted) while its owner has it.
 *  N2  Units of one direction that chance did not reorder arrive in the order in which they left:
 *      none is due before last_ns of its direction.
 *  N3  A connection hears nothing before on_open returned, nor after on_close.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "env/address.h"
#include "env/memory.h"
#include "sim/world.h"

#define UNREACHABLE_MS_MIN 200 /* until a dial into nothing is given up */
#define UNREACHABLE_MS_MAX 2000
#define SPLIT_PER_MILLE 60   /* of messages arrive in two parts, as TCP may do to any */
#define SILENT_PER_MILLE 500 /* of crashes that a peer learns of only when it next sends */

struct link {
    struct sim *sim;
    size_t refs; /* ends, units and events */
    struct env_conn *end[2];
    struct sim_node *node[2]; /* [1]: NULL where the name is unknown */
    uint16_t port;            /* that was dialled */
    uint64_t open_ns;         /* nothing reaches the one who dialled before */
    uint64_t last_ns[2];      /* arrival of the latest ordered unit, by the sender's side */
    size_t queued_bytes[2];   /* sent, and neither delivered nor lost, by the sender's side */
};

struct unit {
    struct event event;
    struct unit *next; /* in an outbox, an early list or an inbox */
    struct link *link;
    int from;       /* the sender's side */
    uint8_t *bytes; /* NULL: it closed */
    size_t n;
    bool is_copy; /* of a duplicated unit: not counted in queued_bytes */
    enum sim_fate fate;
};

struct env_conn {
    struct env *env;
    struct link *link;
    int side;
    const struct env_conn_events *events; /* NULL: not accepted yet */
    struct env_conn_events events_copy;
    void *ctx;
    bool open;
    bool paused;                     /* reading is off */
    bool read_queued;                /* a read event is on its way */
    bool ending;                     /* on_close runs */
    struct unit *early, *early_last; /* sent before it opened */
    struct unit *inbox, *inbox_last; /* arrived while paused */
    int close_reason;                /* to tell once the inbox is empty; 0: none */
    struct env_conn *prev, *next;    /* in process->conns */
};

struct env_listener {
    struct env *env;
    uint16_t port;
    char address[SF_ADDRESS_BYTES_MAX];
    void (*on_accept)(void *ctx, struct env_conn *conn);
    void *ctx;
    struct env_listener *prev, *next;
};

/* -- links and units ----------------------------------------------------------------------- */

static struct link *link_hold(struct link *link)
{
    link->refs++;
    return link;
}

static void link_release(struct link *link)
{
    if (--link->refs == 0)
        free(link);
}

static bool link_is_cut(const struct link *link, int from)
{
    const struct sim_node *a = link->node[from], *b = link->node[1 - from];
    return a == NULL || b == NULL || a->cut_to[b->number - 1];
}

/* Is this direction clogged? Then the event waits. */
static bool link_holds(const struct link *link, int from, struct event *event)
{
    struct sim *sim = link->sim;
    const struct sim_node *a = link->node[from], *b = link->node[1 - from];
    if (sim->clogged_ns <= sim->now_ns || a == NULL || b == NULL)
        return false;
    uint64_t until_ns = a->clogged_ns[b->number - 1];
    if (until_ns <= sim->now_ns)
        return false;
    world_hold(sim, event, until_ns);
    return true;
}

/* By chance, as something is sent. */
static void link_maybe_clog(struct link *link, int from)
{
    struct sim *sim = link->sim;
    const struct sim_faults *f = &sim->faults;
    if (link->node[1 - from] != NULL && random_chance(&sim->world, f->clog))
        sim_clog(sim, link->node[from], link->node[1 - from],
                 random_between(&sim->world, 0, f->clog_us_max * 1000ull));
}

static void unit_free(struct unit *unit)
{
    if (!unit->is_copy)
        unit->link->queued_bytes[unit->from] -= unit->n;
    link_release(unit->link);
    free(unit->bytes);
    free(unit);
}

static void unit_drop(struct event *event)
{
    unit_free(container_of(event, struct unit, event));
}

static void unit_run(struct event *event);

static struct unit *unit_new(struct link *link, int from, uint8_t *bytes, size_t n)
{
    struct unit *unit = sf_malloc(sizeof *unit);
    const struct sim_node *to = link->node[1 - from];
    *unit = (struct unit){
        .event = {.kind = bytes == NULL ? EVENT_CLOSE : EVENT_DATA,
                  .node = to == NULL ? 0 : to->number,
                  .what = bytes_hash(slice_of(bytes, n)),
                  .run = unit_run,
                  .drop = unit_drop},
        .link = link_hold(link),
        .from = from,
        .bytes = bytes,
        .n = n,
    };
    link->queued_bytes[from] += n;
    return unit;
}

static void list_add(struct unit **first, struct unit **last, struct unit *unit)
{
    unit->next = NULL;
    if (*first == NULL)
        *first = unit;
    else
        (*last)->next = unit;
    *last = unit;
}

static struct unit *list_pop(struct unit **first)
{
    struct unit *unit = *first;
    *first = unit->next;
    return unit;
}

static void list_free(struct unit **first)
{
    while (*first != NULL)
        unit_free(list_pop(first));
}

/* Delay until an ordered unit that leaves now arrives, on a way that takes `extra_ns` longer. */
static uint64_t ordered_delay_ns(struct link *link, int from, uint64_t extra_ns)
{
    struct sim *sim = link->sim;
    uint64_t at_ns = sim->now_ns + world_delay_ns(sim) + extra_ns;
    if (at_ns < link->last_ns[from])
        at_ns = link->last_ns[from];
    link->last_ns[from] = at_ns;
    return at_ns - sim->now_ns;
}

static uint64_t reordered_delay_ns(struct link *link, uint64_t extra_ns)
{
    struct sim *sim = link->sim;
    uint64_t delay_ns = world_delay_ns(sim) + extra_ns;
    uint64_t open_ns = link->open_ns < sim->now_ns ? 0 : link->open_ns - sim->now_ns;
    return delay_ns < open_ns ? open_ns : delay_ns;
}

static uint64_t slow_ns(struct sim *sim)
{
    return random_between(&sim->world, 0, sim->faults.slow_us_max * 1000ull);
}

static void dispatch_copy(const struct unit *unit)
{
    struct unit *copy = unit_new(unit->link, unit->from, sf_memdup(unit->bytes, unit->n), unit->n);
    copy->is_copy = true;
    unit->link->queued_bytes[unit->from] -= unit->n;
    uint64_t extra_ns = slow_ns(unit->link->sim);
    world_post(unit->link->sim, &copy->event, reordered_delay_ns(unit->link, extra_ns));
}

/* What the test's own model says. */
static struct sim_verdict judge(const struct link *link, int from, struct slice bytes)
{
    const struct sim *sim = link->sim;
    if (sim->judge == NULL)
        return (struct sim_verdict){.fate = SIM_DELIVER};
    const struct sim_message message = {.from = link->node[from],
                                        .to = link->node[1 - from],
                                        .by_dialler = from == 0,
                                        .bytes = bytes};
    return sim->judge(sim->judge_ctx, &message);
}

/* A unit leaves its machine. Only messages are reordered or doubled: TCP itself tells of the end.
 */
static void dispatch(struct unit *unit)
{
    struct link *link = unit->link;
    struct sim *sim = link->sim;
    const struct sim_faults *faults = &sim->faults;
    link_maybe_clog(link, unit->from);
    if (link_is_cut(link, unit->from) || random_chance(&sim->world, faults->loss)) {
        unit_free(unit);
        return;
    }
    struct sim_verdict verdict = {.fate = SIM_DELIVER};
    if (unit->bytes != NULL)
        verdict = judge(link, unit->from, slice_of(unit->bytes, unit->n));
    if (verdict.fate == SIM_LOSE) {
        unit_free(unit);
        return;
    }
    unit->fate = verdict.fate;
    if (unit->bytes != NULL && random_chance(&sim->world, faults->duplicate))
        dispatch_copy(unit);
    if (unit->bytes != NULL && random_chance(&sim->world, faults->reorder))
        world_post(sim, &unit->event, reordered_delay_ns(link, verdict.delay_ns + slow_ns(sim)));
    else if (verdict.overtaken)
        world_post(sim, &unit->event, reordered_delay_ns(link, verdict.delay_ns));
    else
        world_post(sim, &unit->event, ordered_delay_ns(link, unit->from, verdict.delay_ns));
}

void network_flush(struct process *process)
{
    if (process->dead) {
        list_free(&process->outbox);
        return;
    }
    while (process->outbox != NULL)
        dispatch(list_pop(&process->outbox));
}

/* -- ends ---------------------------------------------------------------------------------- */

static struct env_conn *conn_new(struct process *process, struct link *link, int side)
{
    struct env_conn *conn = sf_calloc(1, sizeof *conn);
    conn->env = &process->env;
    conn->link = link_hold(link);
    conn->side = side;
    link->end[side] = conn;
    DL_APPEND(process->conns, conn);
    return conn;
}

static void conn_set_events(struct env_conn *conn, const struct env_conn_events *events, void *ctx)
{
    conn->events_copy = *events;
    conn->events = &conn->events_copy;
    conn->ctx = ctx;
}

/* The link forgets this end. */
static void conn_detach(struct env_conn *conn)
{
    if (conn->link->end[conn->side] == conn)
        conn->link->end[conn->side] = NULL;
}

static void conn_free(struct env_conn *conn)
{
    conn_detach(conn);
    list_free(&conn->early);
    list_free(&conn->inbox);
    DL_DELETE(process_of(conn->env)->conns, conn);
    link_release(conn->link);
    free(conn);
}

/* Tells the owner that the connection ended, and frees it. */
static void conn_end(struct env_conn *conn, int reason)
{
    struct process *process = process_of(conn->env);
    conn_detach(conn);
    conn->ending = true;
    if (process_enter(process)) {
        conn->events->on_close(conn->ctx, reason);
        conn_free(conn);
        process_leave(process);
    }
}

/* Cuts a message in two, as TCP may do to any; the second part waits first in the inbox. */
static void unit_split(struct env_conn *conn, struct unit *unit)
{
    struct link *link = unit->link;
    size_t first = random_between(&link->sim->world, 1, unit->n - 1);
    size_t second = unit->n - first;
    struct unit *rest = unit_new(link, unit->from, sf_memdup(unit->bytes + first, second), second);
    link->queued_bytes[unit->from] -= second;
    rest->is_copy = unit->is_copy;
    unit->n = first;
    if (conn->inbox == NULL)
        conn->inbox_last = rest;
    rest->next = conn->inbox;
    conn->inbox = rest;
}

/* Hands over what waits until the owner pauses. False: the connection is gone. In its turn. */
static bool conn_drain(struct env_conn *conn)
{
    struct link *link = link_hold(conn->link);
    int side = conn->side;
    while (link->end[side] == conn && conn->inbox != NULL && !conn->paused) {
        struct unit *unit = list_pop(&conn->inbox);
        if (unit->n > 1 && random_chance(&link->sim->world, SPLIT_PER_MILLE))
            unit_split(conn, unit);
        conn->events->on_data(conn->ctx, unit->bytes, unit->n);
        unit_free(unit);
    }
    bool is_there = link->end[side] == conn;
    link_release(link);
    return is_there;
}

/* -- arrival ------------------------------------------------------------------------------- */

/* The receiver is no more: its machine answers so. */
static void bounce(struct unit *unit)
{
    int to = 1 - unit->from;
    if (unit->bytes != NULL && unit->link->end[unit->from] != NULL)
        dispatch(unit_new(unit->link, to, NULL, 0));
    unit_free(unit);
}

static void deliver_data(struct env_conn *conn, struct unit *unit)
{
    struct process *process = process_of(conn->env);
    list_add(&conn->inbox, &conn->inbox_last, unit);
    if (!conn->paused && process_enter(process)) {
        (void)conn_drain(conn);
        process_leave(process);
    }
}

static void deliver_close(struct env_conn *conn)
{
    int reason = conn->open ? SF_CLOSED : SF_UNREACHABLE;
    if (conn->inbox != NULL)
        conn->close_reason = reason;
    else
        conn_end(conn, reason);
}

/* Both ends learn that the connection is gone, one that is paused when it goes on. */
static void break_link(struct link *link)
{
    for (int side = 0; side < 2; side++) {
        if (link->end[side] == NULL)
            continue;
        if (sim_node_is_paused(link->node[side]))
            world_post(link->sim, &unit_new(link, 1 - side, NULL, 0)->event, 0);
        else
            deliver_close(link->end[side]);
    }
}

/* There is somebody to receive it. */
static void arrive(struct env_conn *conn, struct unit *unit)
{
    struct link *link = link_hold(unit->link);
    enum sim_fate fate = unit->fate;
    if (unit->bytes != NULL && fate != SIM_BREAK) {
        deliver_data(conn, unit);
    } else {
        if (fate != SIM_BREAK)
            deliver_close(conn);
        unit_free(unit);
    }
    if (fate == SIM_BREAK || fate == SIM_DELIVER_AND_BREAK)
        break_link(link);
    link_release(link);
}

static void unit_run(struct event *event)
{
    struct unit *unit = container_of(event, struct unit, event);
    struct env_conn *conn = unit->link->end[1 - unit->from];
    if (link_holds(unit->link, unit->from, event))
        return;
    if (link_is_cut(unit->link, unit->from))
        unit_free(unit);
    else if (conn == NULL)
        bounce(unit);
    else
        arrive(conn, unit);
}

/* -- reading on after a pause -------------------------------------------------------------- */

/* Something that happens to a link besides units. */
struct link_event {
    struct event event;
    struct link *link;
    int side;
};

static void link_event_drop(struct event *event)
{
    struct link_event *e = container_of(event, struct link_event, event);
    link_release(e->link);
    free(e);
}

static void link_post(struct link *link, int side, enum event_kind kind,
                      void (*run)(struct event *event), uint64_t delay_ns)
{
    struct link_event *e = sf_malloc(sizeof *e);
    *e = (struct link_event){
        .event = {.kind = kind,
                  .node = link->node[side] == NULL ? 0 : link->node[side]->number,
                  .run = run,
                  .drop = link_event_drop},
        .link = link_hold(link),
        .side = side,
    };
    world_post(link->sim, &e->event, delay_ns);
}

static void read_run(struct event *event)
{
    struct link_event *e = container_of(event, struct link_event, event);
    struct link *link = e->link;
    struct env_conn *conn = link->end[e->side];
    if (conn != NULL) {
        struct process *process = process_of(conn->env);
        bool goes_on = false;
        conn->read_queued = false;
        if (process_enter(process)) {
            goes_on = conn_drain(conn);
            process_leave(process);
        }
        /* The end of the turn may have closed it too. */
        if (goes_on && link->end[e->side] == conn && conn->inbox == NULL && conn->close_reason != 0)
            conn_end(conn, conn->close_reason);
    }
    link_event_drop(event);
}

static void network_conn_read_enable(struct env_conn *conn, bool enable)
{
    conn->paused = !enable;
    if (!enable || conn->inbox == NULL || conn->read_queued || process_of(conn->env)->dead)
        return;
    conn->read_queued = true;
    link_post(conn->link, conn->side, EVENT_READ, read_run, 0);
}

/* -- listening ----------------------------------------------------------------------------- */

static struct env_listener *listener_find(const struct process *process, uint16_t port)
{
    struct env_listener *listener;
    DL_FOREACH(process->listeners, listener)
    {
        if (listener->port == port)
            return listener;
    }
    return NULL;
}

static uint16_t pick_port(struct process *process)
{
    do
        process->node->next_port++;
    while (listener_find(process, process->node->next_port) != NULL);
    return process->node->next_port;
}

static int network_listen(struct env *env, const char *address,
                          void (*on_accept)(void *ctx, struct env_conn *conn), void *ctx,
                          struct env_listener **out)
{
    struct process *process = process_of(env);
    struct address parsed;
    if (process->dead)
        return SF_IO;
    if (address_parse(address, &parsed) != SF_OK || strcmp(parsed.host, process->node->name) != 0)
        return SF_ADDRESS;
    if (parsed.port == 0)
        parsed.port = pick_port(process);
    if (listener_find(process, parsed.port) != NULL)
        return SF_IN_USE;

    struct env_listener *listener = sf_calloc(1, sizeof *listener);
    listener->env = env;
    listener->port = parsed.port;
    listener->on_accept = on_accept;
    listener->ctx = ctx;
    snprintf(listener->address, sizeof listener->address, "%.240s:%" PRIu16, parsed.host,
             parsed.port);
    DL_APPEND(process->listeners, listener);
    *out = listener;
    return SF_OK;
}

static const char *network_listener_address(const struct env_listener *listener)
{
    return listener->address;
}

static void network_listener_close(struct env_listener *listener)
{
    DL_DELETE(process_of(listener->env)->listeners, listener);
    free(listener);
}

/* -- connecting ---------------------------------------------------------------------------- */

static void fail_run(struct event *event)
{
    struct link_event *e = container_of(event, struct link_event, event);
    struct env_conn *conn = e->link->end[0];
    if (conn != NULL)
        conn_end(conn, SF_UNREACHABLE);
    link_event_drop(event);
}

/* The answer of the other side reached the one who dialled. */
static void open_run(struct event *event)
{
    struct link_event *e = container_of(event, struct link_event, event);
    struct link *link = e->link;
    struct env_conn *conn = link->end[0];
    if (link_holds(link, 1, event))
        return;
    if (conn != NULL) {
        struct process *process = process_of(conn->env);
        conn->open = true;
        if (process_enter(process)) {
            while (conn->early != NULL)
                list_add(&process->outbox, &process->outbox_last, list_pop(&conn->early));
            conn->events->on_open(conn->ctx);
            process_leave(process);
        }
    } else if (link->end[1] != NULL) {
        dispatch(unit_new(link, 0, NULL, 0));
    }
    link_event_drop(event);
}

/* Whoever dialled is told that the connection is there. */
static void answer_dial(struct link *link)
{
    link_post(link, 0, EVENT_OPEN, open_run, ordered_delay_ns(link, 1, 0));
    link->open_ns = link->last_ns[1];
}

static void accept_link(struct link *link, struct env_listener *listener)
{
    struct process *process = process_of(listener->env);
    struct env_conn *conn = conn_new(process, link, 1);
    conn->open = true;
    if (process_enter(process)) {
        listener->on_accept(listener->ctx, conn);
        sf_assert(link->end[1] != conn || conn->events != NULL || process->dead);
        process_leave(process);
    }
}

static struct env_listener *dialled(const struct link *link)
{
    const struct sim_node *node = link->node[1];
    bool up = node != NULL && sim_node_is_up(node);
    return up ? listener_find(node->process, link->port) : NULL;
}

/* A process that was paused goes on and finds the connection. */
static void accept_run(struct event *event)
{
    struct link_event *e = container_of(event, struct link_event, event);
    struct env_listener *listener = dialled(e->link);
    if (e->link->end[0] != NULL && listener != NULL)
        accept_link(e->link, listener);
    else if (e->link->end[0] != NULL)
        dispatch(unit_new(e->link, 1, NULL, 0));
    link_event_drop(event);
}

static uint64_t unreachable_ns(struct sim *sim)
{
    return random_between(&sim->world, UNREACHABLE_MS_MIN, UNREACHABLE_MS_MAX) * ENV_MS_NS;
}

/* A dial arrives at its machine: accepted, refused at once, or lost without an answer. */
static void connect_run(struct event *event)
{
    struct link_event *e = container_of(event, struct link_event, event);
    struct link *link = e->link;
    struct sim *sim = link->sim;
    struct sim_node *node = link->node[1];
    if (link_holds(link, 0, event))
        return;
    struct env_listener *listener = dialled(link);
    struct sim_verdict verdict = {.fate = SIM_DELIVER};
    if (link->end[0] != NULL && node != NULL)
        verdict = judge(link, 0, slice_of(NULL, 0));
    if (link->end[0] == NULL) {
        /* Whoever dialled has given up. */
    } else if (verdict.fate != SIM_DELIVER) {
        link_post(link, 0, EVENT_CLOSE, fail_run, verdict.delay_ns);
    } else if (link_is_cut(link, 0) || link_is_cut(link, 1) || !sim_node_is_up(node) ||
               random_chance(&sim->world, sim->faults.loss)) {
        link_post(link, 0, EVENT_CLOSE, fail_run, unreachable_ns(sim));
    } else if (listener == NULL) {
        link_post(link, 0, EVENT_CLOSE, fail_run, world_delay_ns(sim));
    } else {
        answer_dial(link);
        if (sim_node_is_paused(node))
            link_post(link, 1, EVENT_ACCEPT, accept_run, 0);
        else
            accept_link(link, listener);
    }
    link_event_drop(event);
}

static int network_connect(struct env *env, const char *address,
                           const struct env_conn_events *events, void *ctx, struct env_conn **out)
{
    struct process *process = process_of(env);
    struct address parsed;
    if (address_parse(address, &parsed) != SF_OK)
        return SF_ADDRESS;

    struct link *link = sf_calloc(1, sizeof *link);
    link->sim = process->sim;
    link->node[0] = process->node;
    link->node[1] = node_find(process->sim, parsed.host);
    link->port = parsed.port;
    *out = conn_new(process, link, 0);
    conn_set_events(*out, events, ctx);
    if (process->dead)
        conn_detach(*out);
    else
        link_post(link, 1, EVENT_CONNECT, connect_run, ordered_delay_ns(link, 0, 0));
    return SF_OK;
}

static void network_conn_accept(struct env_conn *conn, const struct env_conn_events *events,
                                void *ctx)
{
    conn_set_events(conn, events, ctx);
}

/* -- sending, closing ---------------------------------------------------------------------- */

static void network_conn_send(struct env_conn *conn, uint8_t *bytes, size_t n)
{
    struct process *process = process_of(conn->env);
    if (process->dead || conn->ending || n == 0 || !node_passes(process->node, SIM_AT_SEND)) {
        free(bytes);
        return;
    }
    struct unit *unit = unit_new(conn->link, conn->side, bytes, n);
    if (conn->open)
        list_add(&process->outbox, &process->outbox_last, unit);
    else
        list_add(&conn->early, &conn->early_last, unit);
    process_touch(process);
}

static size_t network_conn_queued_bytes(const struct env_conn *conn)
{
    return conn->link->queued_bytes[conn->side];
}

static void network_conn_close(struct env_conn *conn)
{
    struct process *process = process_of(conn->env);
    if (conn->ending)
        return;
    if (!process->dead && conn->open) {
        struct unit *news = unit_new(conn->link, conn->side, NULL, 0);
        list_add(&process->outbox, &process->outbox_last, news);
        process_touch(process);
    }
    conn_free(conn);
}

/* -- the end of a process ------------------------------------------------------------------ */

void network_process_died(struct process *process)
{
    struct env_conn *conn;
    DL_FOREACH(process->conns, conn)
    {
        struct link *link = conn->link;
        conn_detach(conn);
        if (conn->open && !random_chance(&process->sim->world, SILENT_PER_MILLE))
            dispatch(unit_new(link, conn->side, NULL, 0));
    }
}

void network_process_buried(struct process *process)
{
    list_free(&process->outbox);
    while (process->conns != NULL)
        conn_free(process->conns);
    while (process->listeners != NULL)
        network_listener_close(process->listeners);
}

void network_ops(struct env_ops *ops)
{
    ops->listen = network_listen;
    ops->listener_address = network_listener_address;
    ops->listener_close = network_listener_close;
    ops->connect = network_connect;
    ops->conn_accept = network_conn_accept;
    ops->conn_send = network_conn_send;
    ops->conn_queued_bytes = network_conn_queued_bytes;
    ops->conn_read_enable = network_conn_read_enable;
    ops->conn_close = network_conn_close;
}

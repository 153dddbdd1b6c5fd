/* Connections of the real machine.
 *
 * The happy path of a dial is: connect -> (a name is looked up) -> dial_next -> on_connected ->
 * on_open. It can fail by: a name that nobody knows, every address refusing. A connection ends by
 * env_conn_close, or by uv_conn_fail, whose task tells the owner.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "env/address.h"
#include "env/log.h"
#include "env/memory.h"
#include "env/uv_process.h"

#define BACKLOG 511
#define KEEPALIVE_SECONDS 30
#define DIAL_MAX 8 /* addresses of one name that are tried */

struct env_conn {
    struct env *env;
    struct uv_socket *socket;
    struct lookup *lookup;                     /* NULL: none is under way */
    struct sockaddr_storage targets[DIAL_MAX]; /* to dial, in order */
    size_t target_count, target_next;
    const struct env_conn_events *events; /* NULL: not accepted yet */
    struct env_conn_events events_copy;
    void *ctx;
    struct env_task failing; /* tells the owner that it failed */
    bool open;
    bool failed; /* `failing` is queued or runs */
    bool closed; /* the owner is done with it, the queued task is not */
    bool paused;
    struct env_conn *prev, *next; /* in uv->conns until closed */
};

struct env_listener {
    struct env *env;
    uv_tcp_t tcp;
    char address[SF_ADDRESS_BYTES_MAX + 16];
    void (*on_accept)(void *ctx, struct env_conn *conn);
    void *ctx;
    struct env_listener *prev, *next; /* in uv->listeners */
};

/* A look-up of a name under way; it may outlive its connection. */
struct lookup {
    uv_getaddrinfo_t request;
    struct env_conn *conn; /* NULL: closed meanwhile */
};

/* -- addresses ----------------------------------------------------------------------------- */

/* A numeric address, without asking anybody. */
static bool parse_numeric(const struct address *address, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    return uv_ip4_addr(address->host, address->port, (struct sockaddr_in *)out) == 0 ||
           uv_ip6_addr(address->host, address->port, (struct sockaddr_in6 *)out) == 0;
}

/* Copies the addresses of a look-up; returns how many. */
static size_t copy_targets(const struct addrinfo *list, struct sockaddr_storage *targets)
{
    size_t count = 0;
    for (; list != NULL && count < DIAL_MAX; list = list->ai_next) {
        if (list->ai_addrlen > sizeof *targets)
            continue;
        memset(&targets[count], 0, sizeof *targets);
        memcpy(&targets[count++], list->ai_addr, list->ai_addrlen);
    }
    return count;
}

static int start_lookup(struct uv_env *uv, const struct address *address, uv_getaddrinfo_t *request,
                        uv_getaddrinfo_cb on_done)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    char port[8];
    snprintf(port, sizeof port, "%" PRIu16, address->port);
    return uv_getaddrinfo(&uv->loop, request, on_done, address->host, port, &hints);
}

/* -- connections --------------------------------------------------------------------------- */

static void run_failing(struct env_task *task);

static struct env_conn *conn_new(struct uv_env *uv)
{
    struct env_conn *conn = sf_calloc(1, sizeof *conn);
    conn->env = &uv->env;
    conn->failing.run = run_failing;
    conn->socket = uv_socket_new(uv, conn);
    DL_APPEND(uv->conns, conn);
    return conn;
}

static void conn_set_events(struct env_conn *conn, const struct env_conn_events *events, void *ctx)
{
    conn->events_copy = *events;
    conn->events = &conn->events_copy;
    conn->ctx = ctx;
}

/* Lets go of all but the memory. */
static void conn_release(struct env_conn *conn)
{
    DL_DELETE(uv_env_of(conn->env)->conns, conn);
    uv_socket_close(conn->socket);
    conn->socket = NULL;
    if (conn->lookup != NULL) {
        conn->lookup->conn = NULL;
        (void)uv_cancel((uv_req_t *)&conn->lookup->request);
    }
}

static void conn_close(struct env_conn *conn)
{
    if (conn->closed)
        return;
    conn->closed = true;
    conn_release(conn);
    if (!conn->failing.queued)
        free(conn);
}

static void run_failing(struct env_task *task)
{
    struct env_conn *conn = container_of(task, struct env_conn, failing);
    if (!conn->closed) {
        /* From here on a close by the owner, within on_close, does nothing. */
        conn->closed = true;
        conn_release(conn);
        conn->events->on_close(conn->ctx, conn->open ? SF_CLOSED : SF_UNREACHABLE);
    }
    free(conn);
}

void uv_conn_fail(struct env_conn *conn)
{
    if (conn->failed)
        return;
    conn->failed = true;
    (void)uv_read_stop((uv_stream_t *)&conn->socket->tcp);
    env_defer(conn->env, &conn->failing);
}

/* -- receiving ----------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct uv_socket *socket = container_of((uv_tcp_t *)handle, struct uv_socket, tcp);
    (void)suggested;
    *buf = uv_buf_init(socket->uv->read_buffer, sizeof socket->uv->read_buffer);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct uv_socket *socket = container_of((uv_tcp_t *)stream, struct uv_socket, tcp);
    struct env_conn *conn = socket->conn;
    if (conn == NULL || conn->failed)
        return;
    if (n > 0)
        conn->events->on_data(conn->ctx, (const uint8_t *)buf->base, (size_t)n);
    else if (n < 0)
        uv_conn_fail(conn);
}

static void start_reading(struct env_conn *conn)
{
    if (uv_read_start((uv_stream_t *)&conn->socket->tcp, on_alloc, on_read) != 0)
        uv_conn_fail(conn);
}

static void conn_read_enable(struct env_conn *conn, bool enable)
{
    if (conn->paused == !enable)
        return;
    conn->paused = !enable;
    if (!conn->open || conn->failed || conn->closed || conn->events == NULL)
        return;
    if (enable)
        start_reading(conn);
    else
        (void)uv_read_stop((uv_stream_t *)&conn->socket->tcp);
}

/* Latency matters more than small packets; and a peer whose machine is gone is noticed some time.
 */
static void conn_opened(struct env_conn *conn)
{
    conn->open = true;
    conn->socket->connected = true;
    (void)uv_tcp_nodelay(&conn->socket->tcp, 1);
    (void)uv_tcp_keepalive(&conn->socket->tcp, 1, KEEPALIVE_SECONDS);
}

static void conn_accept(struct env_conn *conn, const struct env_conn_events *events, void *ctx)
{
    conn_set_events(conn, events, ctx);
    if (!conn->paused)
        start_reading(conn);
}

/* -- dialling ------------------------------------------------------------------------------ */

static void dial_next(struct env_conn *conn);

static void on_connected(uv_connect_t *request, int status)
{
    struct uv_socket *socket = container_of(request, struct uv_socket, connect);
    struct env_conn *conn = socket->conn;
    if (conn == NULL || conn->failed)
        return;
    if (status != 0) {
        dial_next(conn);
        return;
    }
    conn_opened(conn);
    uv_socket_mark(socket);
    if (!conn->paused)
        start_reading(conn);
    conn->events->on_open(conn->ctx);
}

/* A handle whose connect failed cannot be used again. */
static void renew_socket(struct env_conn *conn)
{
    struct uv_socket *old = conn->socket;
    conn->socket = uv_socket_new(uv_env_of(conn->env), conn);
    uv_socket_move_queue(old, conn->socket);
    uv_socket_close(old);
}

static void dial_next(struct env_conn *conn)
{
    while (conn->target_next < conn->target_count) {
        const struct sockaddr_storage *target = &conn->targets[conn->target_next];
        if (conn->target_next++ > 0)
            renew_socket(conn);
        if (uv_tcp_connect(&conn->socket->connect, &conn->socket->tcp,
                           (const struct sockaddr *)target, on_connected) == 0)
            return;
    }
    uv_conn_fail(conn);
}

static void on_looked_up(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct lookup *lookup = container_of(request, struct lookup, request);
    struct env_conn *conn = lookup->conn;
    if (conn != NULL) {
        conn->lookup = NULL;
        conn->target_count = status == 0 ? copy_targets(list, conn->targets) : 0;
        dial_next(conn);
    }
    uv_freeaddrinfo(list);
    free(lookup);
}

static void look_up(struct env_conn *conn, const struct address *address)
{
    struct lookup *lookup = sf_calloc(1, sizeof *lookup);
    lookup->conn = conn;
    conn->lookup = lookup;
    if (start_lookup(uv_env_of(conn->env), address, &lookup->request, on_looked_up) != 0) {
        free(lookup);
        conn->lookup = NULL;
        uv_conn_fail(conn);
    }
}

static int conn_connect(struct env *env, const char *address, const struct env_conn_events *events,
                        void *ctx, struct env_conn **out)
{
    struct address parsed;
    if (address_parse(address, &parsed) != SF_OK)
        return SF_ADDRESS;
    struct env_conn *conn = conn_new(uv_env_of(env));
    conn_set_events(conn, events, ctx);
    conn->target_count = parse_numeric(&parsed, &conn->targets[0]) ? 1 : 0;
    if (conn->target_count > 0)
        dial_next(conn);
    else
        look_up(conn, &parsed);
    *out = conn;
    return SF_OK;
}

/* -- sending ------------------------------------------------------------------------------- */

static void conn_send(struct env_conn *conn, uint8_t *bytes, size_t n)
{
    if (conn->failed || conn->closed)
        free(bytes);
    else
        uv_socket_send(conn->socket, bytes, n);
}

static size_t conn_queued_bytes(const struct env_conn *conn)
{
    return conn->socket == NULL ? 0 : conn->socket->queued_bytes;
}

/* -- listening ----------------------------------------------------------------------------- */

static void on_connection(uv_stream_t *stream, int status)
{
    struct env_listener *listener = container_of((uv_tcp_t *)stream, struct env_listener, tcp);
    if (status != 0) {
        log_warn("env", "%s: cannot accept: %s", listener->address, uv_strerror(status));
        return;
    }
    struct uv_env *uv = uv_env_of(listener->env);
    struct env_conn *conn = conn_new(uv);
    struct uv_socket *socket = conn->socket;
    if (uv_accept(stream, (uv_stream_t *)&socket->tcp) != 0) {
        conn_close(conn);
        return;
    }
    conn_opened(conn);
    listener->on_accept(listener->ctx, conn);
    sf_assert(socket->conn == NULL || conn->events != NULL);
}

static void on_listener_closed(uv_handle_t *handle)
{
    free(container_of((uv_tcp_t *)handle, struct env_listener, tcp));
}

static void listener_close(struct env_listener *listener)
{
    DL_DELETE(uv_env_of(listener->env)->listeners, listener);
    uv_close((uv_handle_t *)&listener->tcp, on_listener_closed);
}

static const char *listener_address(const struct env_listener *listener)
{
    return listener->address;
}

/* The first address of HOST. Blocks where that is a name: at start-up only. */
static int resolve_now(struct uv_env *uv, const struct address *address,
                       struct sockaddr_storage *out)
{
    struct sockaddr_storage targets[DIAL_MAX];
    uv_getaddrinfo_t request;
    if (parse_numeric(address, out))
        return SF_OK;
    if (start_lookup(uv, address, &request, NULL) != 0)
        return SF_ADDRESS;
    size_t count = copy_targets(request.addrinfo, targets);
    uv_freeaddrinfo(request.addrinfo);
    if (count == 0)
        return SF_ADDRESS;
    *out = targets[0];
    return SF_OK;
}

/* Writes HOST as it was given with the port that is really bound. */
static int set_address(struct env_listener *listener, const struct address *address)
{
    struct sockaddr_storage bound;
    int length = sizeof bound;
    int status = uv_tcp_getsockname(&listener->tcp, (struct sockaddr *)&bound, &length);
    if (status != 0)
        return status;
    /* The port stands at the same place in both families. */
    uint16_t port = ntohs(((const struct sockaddr_in *)&bound)->sin_port);
    bool bracketed = strchr(address->host, ':') != NULL;
    snprintf(listener->address, sizeof listener->address, "%s%s%s:%" PRIu16, bracketed ? "[" : "",
             address->host, bracketed ? "]" : "", port);
    return 0;
}

static int bind_and_listen(struct env_listener *listener, const struct address *address,
                           const struct sockaddr_storage *where)
{
    int status = uv_tcp_bind(&listener->tcp, (const struct sockaddr *)where, 0);
    if (status == 0)
        status = uv_listen((uv_stream_t *)&listener->tcp, BACKLOG, on_connection);
    if (status == 0)
        status = set_address(listener, address);
    return status;
}

static int conn_listen(struct env *env, const char *address,
                       void (*on_accept)(void *ctx, struct env_conn *conn), void *ctx,
                       struct env_listener **out)
{
    struct uv_env *uv = uv_env_of(env);
    struct address parsed;
    struct sockaddr_storage where;
    if (address_parse(address, &parsed) != SF_OK || resolve_now(uv, &parsed, &where) != SF_OK)
        return SF_ADDRESS;

    struct env_listener *listener = sf_calloc(1, sizeof *listener);
    listener->env = env;
    listener->on_accept = on_accept;
    listener->ctx = ctx;
    int status = uv_tcp_init(&uv->loop, &listener->tcp);
    sf_assert(status == 0);
    DL_APPEND(uv->listeners, listener);
    status = bind_and_listen(listener, &parsed, &where);
    if (status != 0) {
        listener_close(listener);
        return uv_error_translate(status);
    }
    *out = listener;
    return SF_OK;
}

/* -- all ----------------------------------------------------------------------------------- */

void uv_conn_close_all(struct uv_env *uv)
{
    while (uv->conns != NULL)
        conn_close(uv->conns);
    while (uv->listeners != NULL)
        listener_close(uv->listeners);
}

void uv_conn_ops(struct env_ops *ops)
{
    ops->listen = conn_listen;
    ops->listener_address = listener_address;
    ops->listener_close = listener_close;
    ops->connect = conn_connect;
    ops->conn_accept = conn_accept;
    ops->conn_send = conn_send;
    ops->conn_queued_bytes = conn_queued_bytes;
    ops->conn_read_enable = conn_read_enable;
    ops->conn_close = conn_close;
}

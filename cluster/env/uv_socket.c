#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "env/memory.h"
#include "env/uv_process.h"

#define OUT_MIN 8
#define TRY_MAX 64 /* messages offered to the kernel in one call */

struct uv_socket *uv_socket_new(struct uv_env *uv, struct env_conn *conn)
{
    struct uv_socket *socket = sf_calloc(1, sizeof *socket);
    socket->uv = uv;
    socket->conn = conn;
    int status = uv_tcp_init(&uv->loop, &socket->tcp);
    sf_assert(status == 0);
    return socket;
}

/* -- the queue ----------------------------------------------------------------------------- */

void uv_socket_mark(struct uv_socket *socket)
{
    if (socket->unsent)
        return;
    socket->unsent = true;
    DL_APPEND(socket->uv->unsent, socket);
}

static void unmark_unsent(struct uv_socket *socket)
{
    if (!socket->unsent)
        return;
    socket->unsent = false;
    DL_DELETE(socket->uv->unsent, socket);
}

/* For one more message at the end: by moving all to the front once half of the space is free there,
 * else by more space. */
static void make_room(struct uv_socket *socket)
{
    if (socket->out_first + socket->out_count < socket->out_cap)
        return;
    if (socket->out_first > socket->out_cap / 2) {
        memmove(socket->out, socket->out + socket->out_first,
                socket->out_count * sizeof *socket->out);
        socket->out_first = 0;
        return;
    }
    socket->out_cap = socket->out_cap == 0 ? OUT_MIN : socket->out_cap * 2;
    socket->out = sf_realloc(socket->out, socket->out_cap * sizeof *socket->out);
}

void uv_socket_send(struct uv_socket *socket, uint8_t *bytes, size_t n)
{
    if (n == 0) {
        free(bytes);
        return;
    }
    make_room(socket);
    socket->out[socket->out_first + socket->out_count++] =
        (uv_buf_t){.base = (char *)bytes, .len = n};
    socket->queued_bytes += n;
    uv_socket_mark(socket);
}

/* Forgets the first `bytes` of the queue. */
static void consume(struct uv_socket *socket, size_t bytes)
{
    socket->queued_bytes -= bytes;
    bytes += socket->out_offset;
    while (socket->out_count > 0 && bytes >= socket->out[socket->out_first].len) {
        bytes -= socket->out[socket->out_first].len;
        sf_free(socket->out[socket->out_first].base);
        socket->out_first++;
        socket->out_count--;
    }
    socket->out_offset = bytes;
    if (socket->out_count == 0)
        socket->out_first = 0;
}

void uv_socket_move_queue(struct uv_socket *from, struct uv_socket *to)
{
    sf_assert(from->out_writing == 0 && from->out_offset == 0 && from->out_first == 0);
    sf_assert(to->out_cap == 0);
    to->out = from->out;
    to->out_count = from->out_count;
    to->out_cap = from->out_cap;
    to->queued_bytes = from->queued_bytes;
    from->out = NULL;
    from->out_count = from->out_cap = from->queued_bytes = 0;
}

static void drop_queue(struct uv_socket *socket)
{
    for (size_t i = 0; i < socket->out_count; i++)
        sf_free(socket->out[socket->out_first + i].base);
    free(socket->out);
    socket->out = NULL;
    socket->out_first = socket->out_count = socket->out_cap = 0;
}

/* Lets `use` see the queue without what is gone of its first message. */
static int with_rest(struct uv_socket *socket, size_t count,
                     int (*use)(struct uv_socket *socket, unsigned count))
{
    uv_buf_t *first = &socket->out[socket->out_first];
    uv_buf_t whole = *first;
    first->base += socket->out_offset;
    first->len -= socket->out_offset;
    int result = use(socket, (unsigned)count);
    *first = whole;
    return result;
}

static uv_stream_t *stream_of(struct uv_socket *socket)
{
    return (uv_stream_t *)&socket->tcp;
}

static int try_write(struct uv_socket *socket, unsigned count)
{
    return uv_try_write(stream_of(socket), socket->out + socket->out_first, count);
}

/* Writes until the kernel takes no more. 0, or the error that ends the connection. */
static int offer(struct uv_socket *socket)
{
    while (socket->out_count > 0) {
        size_t count = socket->out_count < TRY_MAX ? socket->out_count : TRY_MAX;
        int written = with_rest(socket, count, try_write);
        if (written == UV_EAGAIN || written == UV_ENOBUFS)
            return 0;
        if (written < 0)
            return written;
        consume(socket, (size_t)written);
    }
    return 0;
}

/* -- the rest, which libuv writes ---------------------------------------------------------- */

static void on_written(uv_write_t *request, int status)
{
    struct uv_socket *socket = container_of(request, struct uv_socket, write);
    size_t bytes = 0;
    for (size_t i = 0; i < socket->out_writing; i++)
        bytes += socket->out[socket->out_first + i].len;
    consume(socket, bytes - socket->out_offset);
    socket->out_writing = 0;
    if (status < 0 && socket->conn != NULL)
        uv_conn_fail(socket->conn);
    else if (socket->conn != NULL && socket->out_count > 0)
        uv_socket_mark(socket);
}

static int write_rest(struct uv_socket *socket, unsigned count)
{
    return uv_write(&socket->write, stream_of(socket), socket->out + socket->out_first, count,
                    on_written);
}

void uv_socket_flush(struct uv_socket *socket)
{
    unmark_unsent(socket);
    if (!socket->connected || socket->out_writing > 0 || socket->out_count == 0)
        return;
    int status = offer(socket);
    if (status == 0 && socket->out_count > 0) {
        size_t count = socket->out_count;
        status = with_rest(socket, count, write_rest);
        socket->out_writing = status == 0 ? count : 0;
    }
    if (status != 0)
        uv_conn_fail(socket->conn);
}

static void on_closed(uv_handle_t *handle)
{
    struct uv_socket *socket = container_of((uv_tcp_t *)handle, struct uv_socket, tcp);
    drop_queue(socket);
    free(socket);
}

/* An answer that says why a connection is refused should still leave; its loss harms nothing. */
void uv_socket_close(struct uv_socket *socket)
{
    unmark_unsent(socket);
    if (socket->connected && socket->out_writing == 0)
        (void)offer(socket);
    if (socket->out_writing == 0)
        drop_queue(socket);
    socket->conn = NULL;
    uv_close((uv_handle_t *)&socket->tcp, on_closed);
}

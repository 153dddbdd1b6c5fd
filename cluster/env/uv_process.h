/* uv_process: what the parts of uv_env share.
 *
 *   uv_env.c     life of the loop, turns, time, work, signals
 *   uv_conn.c    listeners and connections as env.h has them
 *   uv_socket.c  a TCP handle and its queue of outgoing bytes
 *   uv_file.c    files and directories
 *   uv_error.c   libuv's and the system's errors as SF_*
 *
 * A turn is run by the prepare handle, thus after all that the loop's iteration brought and before
 * it sleeps: due timers, then tasks and hooks, then the output of every socket that has some;
 * again, as long as that gave new tasks.
 */
#ifndef ENV_UV_PROCESS_H
#define ENV_UV_PROCESS_H

#include <uv.h>

#include "env/timer_heap.h"
#include "env/turn.h"
#include "env/uv_env.h"

#define UV_READ_BYTES 65536 /* of the one buffer that all connections read into */
#define UV_RANDOM_COUNT 64
#define UV_SIGNAL_COUNT 3

struct uv_env {
    struct env env;
    struct env_ops ops;
    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_timer_t alarm; /* ends the sleep when the first timer is due; does nothing itself */
    struct timer_heap timers;
    uint64_t sequence; /* of timers armed */
    struct turn turn;
    uint64_t now_ns; /* of this turn; 0: not read yet */
    uint64_t random[UV_RANDOM_COUNT];
    size_t random_left; /* unused ones, at the front */
    size_t works;       /* env_work under way */
    bool runs_once;     /* within uv_env_run_once */
    uv_signal_t signals[UV_SIGNAL_COUNT];
    void (*on_signal)(void *ctx, int number);
    void *on_signal_ctx;
    struct uv_socket *unsent; /* sockets with output that was not offered to the kernel yet */
    struct env_conn *conns;
    struct env_listener *listeners;
    char read_buffer[UV_READ_BYTES];
};

struct uv_env *uv_env_of(struct env *env);

/* -- uv_error.c ---------------------------------------------------------------------------- */

int uv_error_translate(int uv_error); /* of libuv's functions; 0 stays 0 */
int uv_error_errno(void);             /* of the system call that just failed */

/* -- uv_socket.c --------------------------------------------------------------------------- */

/* A TCP handle. It outlives its connection by the time that libuv needs to close it. */
struct uv_socket {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    struct uv_env *uv;
    struct env_conn *conn; /* NULL: closed by its owner */
    uv_buf_t *out; /* messages to send, in order: out[out_first .. out_first + out_count - 1] */
    size_t out_first, out_count, out_cap;
    size_t out_offset;  /* bytes of the first one that are gone */
    size_t out_writing; /* messages that libuv has; 0: no write is under way */
    size_t queued_bytes;
    bool unsent; /* in uv->unsent */
    bool connected;
    struct uv_socket *prev, *next; /* in uv->unsent */
};

struct uv_socket *uv_socket_new(struct uv_env *uv, struct env_conn *conn);
void uv_socket_send(struct uv_socket *socket, uint8_t *bytes, size_t n); /* bytes: taken */
void uv_socket_mark(struct uv_socket *socket); /* it is to be flushed at the turn's end */
/* To a socket that has sent nothing, from one that did not connect. */
void uv_socket_move_queue(struct uv_socket *from, struct uv_socket *to);
/* Offers the output to the kernel and leaves the rest to libuv. A failure ends its connection. */
void uv_socket_flush(struct uv_socket *socket);
/* Offers what waits to the kernel once, then closes; frees itself later. */
void uv_socket_close(struct uv_socket *socket);

/* -- uv_conn.c ----------------------------------------------------------------------------- */

/* The connection failed: its on_close follows in a task. */
void uv_conn_fail(struct env_conn *conn);
void uv_conn_close_all(struct uv_env *uv); /* connections and listeners whose owners forgot them */

void uv_conn_ops(struct env_ops *ops); /* fills in its part */

/* -- uv_file.c ----------------------------------------------------------------------------- */

void uv_file_ops(struct env_ops *ops); /* fills in its part */

#endif

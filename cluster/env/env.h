/* env: the only way from the cluster's code to the operating system.
 *
 * One struct env is one process as its code sees it: a clock, timers, randomness, connections,
 * files, and one loop thread. Two implementations: uv_env.h (libuv, the real machine) and
 * tests/sim (virtual time, many processes in one thread, faults, replay from a seed).
 *
 * Invariants, which both keep and every caller may rely on:
 *  E1  All callbacks run on the loop thread, and never inside the call that asked for them.
 *  E2  Each completion fires exactly once, unless its object was closed or freed first or the
 *      process has crashed (simulation): then never.
 *  E3  A turn is: drain inputs (timers, received bytes, deferred tasks, finished work), run the
 *      turn hooks, run what they deferred, write out what was sent. Hooks and deferred tasks
 *      alternate until neither has work, so a turn leaves nothing waiting.
 *  E4  Closing and freeing are synchronous for the caller: after env_conn_close, env_timer_stop
 *      or env_file_close no callback of that object fires. The env keeps what it still needs.
 *  E5  Strings and byte ranges passed in are borrowed until return, unless the comment says taken.
 *
 * Errors are SF_* of shardfs/error.h; translation from errno and UV_E* stays inside uv_env.
 */
#ifndef ENV_ENV_H
#define ENV_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "env/assert.h"
#include "env/bytes.h"
#include "shardfs/error.h"
#include "shardfs/limits.h"

struct env;
struct env_conn;
struct env_listener;
struct env_file;
struct env_lock;

/* A timer in its owner's storage. Zero-initialise, then env_timer_init. Armed at most once. */
struct env_timer {
    struct env *env;
    void (*on_fire)(struct env_timer *timer);
    uint64_t due_ns;   /* on the monotonic clock; valid while armed */
    uint64_t sequence; /* order of arming, breaks ties */
    size_t heap_slot;  /* 0 = not armed, else position in the env's heap + 1 */
};

/* Something to do later in the same turn, in its owner's storage. */
struct env_task {
    void (*run)(struct env_task *task);
    struct env_task *next;
    bool queued;
};

/* Called at the end of every turn of the loop, in order of registration. */
struct env_hook {
    void (*run)(struct env_hook *hook);
    struct env_hook *next;
};

/* Blocking work for another thread (a flush of the disk store). In simulation it runs inline,
 * a random while later. The owner keeps the storage until `done` ran. */
struct env_work {
    void (*work)(struct env_work *work); /* on another thread: touches nothing of the loop's */
    void (*done)(struct env_work *work); /* on the loop */
    void *private_state;                 /* the env's, NULL when idle */
};

/* A sync of a file that was asked for. */
struct env_sync {
    void (*on_done)(struct env_sync *sync, int status); /* SF_OK, SF_IO; a failure is final */
    struct env_sync *next;
    int status;
};

/* What happens on a connection. Every callback may close the connection. */
struct env_conn_events {
    void (*on_open)(void *ctx);                                 /* an outgoing one is established */
    void (*on_data)(void *ctx, const uint8_t *bytes, size_t n); /* borrowed until return; n > 0 */
    /* The other side closed it, or it failed (SF_UNREACHABLE: never opened; SF_CLOSED). Last
     * callback; the env frees the connection after it, so the owner must forget it. */
    void (*on_close)(void *ctx, int reason);
};

/* What an implementation provides; callers use the functions below. Its struct env_conn,
 * env_listener, env_file and env_lock each begin with a `struct env *`. */
struct env_ops {
    uint64_t (*now_ns)(struct env *env);
    uint64_t (*wall_ns)(struct env *env);
    uint64_t (*random)(struct env *env);
    void (*timer_arm)(struct env *env, struct env_timer *timer);
    void (*timer_stop)(struct env *env, struct env_timer *timer);
    void (*defer)(struct env *env, struct env_task *task);
    void (*hook_add)(struct env *env, struct env_hook *hook);
    void (*hook_remove)(struct env *env, struct env_hook *hook);
    void (*work)(struct env *env, struct env_work *work);
    void (*fatal)(struct env *env, const char *why);

    int (*listen)(struct env *env, const char *address,
                  void (*on_accept)(void *ctx, struct env_conn *conn), void *ctx,
                  struct env_listener **out);
    const char *(*listener_address)(const struct env_listener *listener);
    void (*listener_close)(struct env_listener *listener);
    int (*connect)(struct env *env, const char *address, const struct env_conn_events *events,
                   void *ctx, struct env_conn **out);
    void (*conn_accept)(struct env_conn *conn, const struct env_conn_events *events, void *ctx);
    void (*conn_send)(struct env_conn *conn, uint8_t *bytes, size_t n);
    size_t (*conn_queued_bytes)(const struct env_conn *conn);
    void (*conn_read_enable)(struct env_conn *conn, bool enable);
    void (*conn_close)(struct env_conn *conn);

    int (*file_open)(struct env *env, const char *path, unsigned flags, struct env_file **out);
    void (*file_close)(struct env_file *file);
    int (*file_size)(struct env_file *file, uint64_t *bytes);
    int (*file_read)(struct env_file *file, uint64_t offset, void *to, size_t n, size_t *got);
    int (*file_write)(struct env_file *file, uint64_t offset, const void *from, size_t n);
    int (*file_truncate)(struct env_file *file, uint64_t bytes);
    void (*file_sync)(struct env_file *file, struct env_sync *sync);
    int (*file_sync_now)(struct env_file *file);
    int (*dir_create)(struct env *env, const char *path);
    int (*dir_list)(struct env *env, const char *path, void (*visit)(void *ctx, const char *name),
                    void *ctx);
    int (*dir_sync)(struct env *env, const char *path);
    int (*dir_lock)(struct env *env, const char *path, struct env_lock **out);
    void (*dir_unlock)(struct env_lock *lock);
    int (*rename)(struct env *env, const char *from, const char *to);
    int (*remove)(struct env *env, const char *path);
    int (*space)(struct env *env, const char *path, uint64_t *free_bytes, uint64_t *total_bytes);
};

struct env {
    const struct env_ops *ops;
    bool simulated; /* for choices that only cost or save real time; never for behaviour */
};

#define ENV_MS_NS 1000000ull
#define ENV_SECOND_NS 1000000000ull

/* -- time, randomness ---------------------------------------------------------------------- */

uint64_t env_now_ns(struct env *env); /* monotonic; its zero has no meaning; constant in a turn */
uint64_t env_now_ms(struct env *env);
uint64_t env_wall_ns(struct env *env); /* since 1970 UTC; may step either way */
uint64_t env_random(struct env *env);  /* 64 random bits */
uint64_t env_random_below(struct env *env, uint64_t limit); /* 0 .. limit - 1; limit > 0 */

void env_timer_init(struct env *env, struct env_timer *timer,
                    void (*on_fire)(struct env_timer *timer));
void env_timer_start_ms(struct env_timer *timer, uint64_t delay_ms); /* again: moves it */
void env_timer_start_ns(struct env_timer *timer, uint64_t delay_ns);
void env_timer_stop(struct env_timer *timer); /* also where it is not armed */
bool env_timer_is_armed(const struct env_timer *timer);

/* -- turns --------------------------------------------------------------------------------- */

void env_defer(struct env *env, struct env_task *task); /* queued already: nothing happens */
void env_hook_add(struct env *env, struct env_hook *hook);
void env_hook_remove(struct env *env, struct env_hook *hook);
void env_work(struct env *env, struct env_work *work); /* work->private_state must be NULL */
/* The process cannot go on (a failed sync, damage): logs `why` and ends it. In simulation the
 * process crashes and env_fatal RETURNS: a caller returns right after it and does nothing more. */
void env_fatal(struct env *env, const char *why);

/* -- connections --------------------------------------------------------------------------- */

/* Is this HOST:PORT, with a host name or numeric address and a port of 0..65535? */
bool env_address_is_valid(const char *address);
/* Does it name this machine to itself alone: 127.x.y.z, localhost or [::1]? */
bool env_address_is_loopback(const char *address);

/* Listens on HOST:PORT; port 0 picks one. on_accept gets each new connection and must answer with
 * env_conn_accept or env_conn_close before it returns.
 * SF_ADDRESS, SF_IN_USE, SF_PERMISSION, SF_IO. */
SF_MUST_CHECK int env_listen(struct env *env, const char *address,
                             void (*on_accept)(void *ctx, struct env_conn *conn), void *ctx,
                             struct env_listener **out);
const char *env_listener_address(const struct env_listener *listener); /* with the real port */
void env_listener_close(struct env_listener *listener);

/* Starts to connect; on_open or on_close tells how it ended. SF_ADDRESS. */
SF_MUST_CHECK int env_connect(struct env *env, const char *address,
                              const struct env_conn_events *events, void *ctx,
                              struct env_conn **out);
void env_conn_accept(struct env_conn *conn, const struct env_conn_events *events, void *ctx);
/* Queues bytes (taken, from malloc). What is sent in one turn leaves together at its end. One call
 * carries one whole message: the unit in which the simulated network loses and delays. */
void env_conn_send(struct env_conn *conn, uint8_t *bytes, size_t n);
size_t env_conn_queued_bytes(const struct env_conn *conn); /* sent, not yet taken by the kernel */
void env_conn_read_enable(struct env_conn *conn, bool enable); /* back-pressure; starts enabled */
void env_conn_close(struct env_conn *conn); /* no callback any more; queued bytes may be lost */

/* -- files --------------------------------------------------------------------------------- */

enum env_file_flags {
    ENV_FILE_CREATE = 1,    /* make it where it is missing (not durable before env_dir_sync) */
    ENV_FILE_EXCLUSIVE = 2, /* with CREATE: SF_EXISTS where it is there */
    ENV_FILE_READ_ONLY = 4,
};

/* SF_NOT_FOUND, SF_EXISTS, SF_PERMISSION, SF_NO_SPACE, SF_IO. Everything below but file_sync blocks
 * shortly (page cache), and is for the loop thread alone. */
SF_MUST_CHECK int env_file_open(struct env *env, const char *path, unsigned flags,
                                struct env_file **out);
void env_file_close(struct env_file *file); /* NULL is allowed */
SF_MUST_CHECK int env_file_size(struct env_file *file, uint64_t *bytes);
/* *got < n only at the end of the file. */
SF_MUST_CHECK int env_file_read(struct env_file *file, uint64_t offset, void *to, size_t n,
                                size_t *got);
/* All n bytes, or an error (SF_NO_SPACE, SF_IO) and any part of them. Not durable before a sync. */
SF_MUST_CHECK int env_file_write(struct env_file *file, uint64_t offset, const void *from,
                                 size_t n);
SF_MUST_CHECK int env_file_truncate(struct env_file *file, uint64_t bytes);
/* fdatasync of what was written before this call. on_done fires later, in this turn or another. */
void env_file_sync(struct env_file *file, struct env_sync *sync);
SF_MUST_CHECK int env_file_sync_now(struct env_file *file); /* blocks: for start-up only */
/* Makes `path` a file that holds these bytes alone, and syncs them; its name is not durable. Blocks:
 * for start-up only. */
SF_MUST_CHECK int env_file_fill(struct env *env, const char *path, struct slice bytes);
/* With its parents; what is new is durable. SF_OK where it exists; SF_EXISTS where a file does. */
SF_MUST_CHECK int env_dir_create(struct env *env, const char *path);
SF_MUST_CHECK int env_dir_list(struct env *env, const char *path,
                               void (*visit)(void *ctx, const char *name), void *ctx);
SF_MUST_CHECK int env_dir_sync(struct env *env, const char *path);
/* Exclusive lock on a directory, held until unlock or the process's end. SF_IN_USE. */
SF_MUST_CHECK int env_dir_lock(struct env *env, const char *path, struct env_lock **out);
void env_dir_unlock(struct env_lock *lock);
SF_MUST_CHECK int env_rename(struct env *env, const char *from, const char *to);
SF_MUST_CHECK int env_remove(struct env *env, const char *path);
SF_MUST_CHECK int env_space(struct env *env, const char *path, uint64_t *free_bytes,
                            uint64_t *total_bytes);

#endif

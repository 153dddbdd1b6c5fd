#include "env/env.h"

#include <string.h>

#include "env/address.h"

/* -- time, randomness ---------------------------------------------------------------------- */

uint64_t env_now_ns(struct env *env)
{
    return env->ops->now_ns(env);
}

uint64_t env_now_ms(struct env *env)
{
    return env_now_ns(env) / ENV_MS_NS;
}

uint64_t env_wall_ns(struct env *env)
{
    return env->ops->wall_ns(env);
}

uint64_t env_random(struct env *env)
{
    return env->ops->random(env);
}

uint64_t env_random_below(struct env *env, uint64_t limit)
{
    sf_assert(limit > 0);
    /* The lowest (2^64 mod limit) draws are refused: what is left divides evenly. */
    uint64_t refused = (UINT64_MAX - limit + 1) % limit;
    uint64_t draw = env_random(env);
    while (draw < refused)
        draw = env_random(env);
    return draw % limit;
}

void env_timer_init(struct env *env, struct env_timer *timer,
                    void (*on_fire)(struct env_timer *timer))
{
    *timer = (struct env_timer){.env = env, .on_fire = on_fire};
}

void env_timer_start_ms(struct env_timer *timer, uint64_t delay_ms)
{
    env_timer_start_ns(timer,
                       delay_ms > UINT64_MAX / ENV_MS_NS ? UINT64_MAX : delay_ms * ENV_MS_NS);
}

void env_timer_start_ns(struct env_timer *timer, uint64_t delay_ns)
{
    env_timer_stop(timer);
    uint64_t now_ns = env_now_ns(timer->env);
    timer->due_ns = delay_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + delay_ns;
    timer->env->ops->timer_arm(timer->env, timer);
}

void env_timer_stop(struct env_timer *timer)
{
    if (env_timer_is_armed(timer))
        timer->env->ops->timer_stop(timer->env, timer);
}

bool env_timer_is_armed(const struct env_timer *timer)
{
    return timer->heap_slot != 0;
}

/* -- turns --------------------------------------------------------------------------------- */

void env_defer(struct env *env, struct env_task *task)
{
    env->ops->defer(env, task);
}

void env_hook_add(struct env *env, struct env_hook *hook)
{
    env->ops->hook_add(env, hook);
}

void env_hook_remove(struct env *env, struct env_hook *hook)
{
    env->ops->hook_remove(env, hook);
}

void env_work(struct env *env, struct env_work *work)
{
    sf_assert(work->private_state == NULL);
    env->ops->work(env, work);
}

void env_fatal(struct env *env, const char *why)
{
    env->ops->fatal(env, why);
}

/* -- connections --------------------------------------------------------------------------- */

/* Every connection, listener, file and lock of an implementation begins with its env. */
struct env_object {
    struct env *env;
};

static const struct env_ops *ops_of(const void *object)
{
    return ((const struct env_object *)object)->env->ops;
}

bool env_address_is_valid(const char *address)
{
    struct address parsed;
    return address_parse(address, &parsed) == SF_OK;
}

bool env_address_is_loopback(const char *address)
{
    struct address parsed;
    if (address_parse(address, &parsed) != SF_OK)
        return false;
    bool is_number = parsed.host[strspn(parsed.host, "0123456789.")] == 0; /* 127.example.net */
    return (is_number && strncmp(parsed.host, "127.", 4) == 0) ||
           strcmp(parsed.host, "localhost") == 0 || strcmp(parsed.host, "::1") == 0;
}

int env_listen(struct env *env, const char *address,
               void (*on_accept)(void *ctx, struct env_conn *conn), void *ctx,
               struct env_listener **out)
{
    return env->ops->listen(env, address, on_accept, ctx, out);
}

const char *env_listener_address(const struct env_listener *listener)
{
    return ops_of(listener)->listener_address(listener);
}

void env_listener_close(struct env_listener *listener)
{
    if (listener != NULL)
        ops_of(listener)->listener_close(listener);
}

int env_connect(struct env *env, const char *address, const struct env_conn_events *events,
                void *ctx, struct env_conn **out)
{
    return env->ops->connect(env, address, events, ctx, out);
}

void env_conn_accept(struct env_conn *conn, const struct env_conn_events *events, void *ctx)
{
    ops_of(conn)->conn_accept(conn, events, ctx);
}

void env_conn_send(struct env_conn *conn, uint8_t *bytes, size_t n)
{
    ops_of(conn)->conn_send(conn, bytes, n);
}

size_t env_conn_queued_bytes(const struct env_conn *conn)
{
    return ops_of(conn)->conn_queued_bytes(conn);
}

void env_conn_read_enable(struct env_conn *conn, bool enable)
{
    ops_of(conn)->conn_read_enable(conn, enable);
}

void env_conn_close(struct env_conn *conn)
{
    ops_of(conn)->conn_close(conn);
}

/* -- files --------------------------------------------------------------------------------- */

int env_file_open(struct env *env, const char *path, unsigned flags, struct env_file **out)
{
    return env->ops->file_open(env, path, flags, out);
}

void env_file_close(struct env_file *file)
{
    if (file != NULL)
        ops_of(file)->file_close(file);
}

int env_file_size(struct env_file *file, uint64_t *bytes)
{
    return ops_of(file)->file_size(file, bytes);
}

int env_file_read(struct env_file *file, uint64_t offset, void *to, size_t n, size_t *got)
{
    return ops_of(file)->file_read(file, offset, to, n, got);
}

int env_file_write(struct env_file *file, uint64_t offset, const void *from, size_t n)
{
    return ops_of(file)->file_write(file, offset, from, n);
}

int env_file_truncate(struct env_file *file, uint64_t bytes)
{
    return ops_of(file)->file_truncate(file, bytes);
}

void env_file_sync(struct env_file *file, struct env_sync *sync)
{
    ops_of(file)->file_sync(file, sync);
}

int env_file_sync_now(struct env_file *file)
{
    return ops_of(file)->file_sync_now(file);
}

int env_file_fill(struct env *env, const char *path, struct slice bytes)
{
    struct env_file *file;
    int status = env_file_open(env, path, ENV_FILE_CREATE, &file);
    if (status != SF_OK)
        return status;
    status = env_file_truncate(file, 0); /* what an earlier process left */
    if (status == SF_OK)
        status = env_file_write(file, 0, bytes.p, bytes.n);
    if (status == SF_OK)
        status = env_file_sync_now(file);
    env_file_close(file);
    return status;
}

int env_dir_create(struct env *env, const char *path)
{
    return env->ops->dir_create(env, path);
}

int env_dir_list(struct env *env, const char *path, void (*visit)(void *ctx, const char *name),
                 void *ctx)
{
    return env->ops->dir_list(env, path, visit, ctx);
}

int env_dir_sync(struct env *env, const char *path)
{
    return env->ops->dir_sync(env, path);
}

int env_dir_lock(struct env *env, const char *path, struct env_lock **out)
{
    return env->ops->dir_lock(env, path, out);
}

void env_dir_unlock(struct env_lock *lock)
{
    if (lock != NULL)
        ops_of(lock)->dir_unlock(lock);
}

int env_rename(struct env *env, const char *from, const char *to)
{
    return env->ops->rename(env, from, to);
}

int env_remove(struct env *env, const char *path)
{
    return env->ops->remove(env, path);
}

int env_space(struct env *env, const char *path, uint64_t *free_bytes, uint64_t *total_bytes)
{
    return env->ops->space(env, path, free_bytes, total_bytes);
}

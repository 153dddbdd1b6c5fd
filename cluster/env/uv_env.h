/* uv_env: env.h on libuv 1.44, for real processes.
 *
 * Timers live in a heap of ours over one uv_timer; they, the tasks and the hooks of a turn are run
 * from uv_prepare, after all input of the loop's iteration and before it sleeps. Syncs are done
 * inline (a wake-up across CPUs costs more than a fast disk's sync) and complete as deferred tasks.
 * Nagle is off; outgoing bytes of a turn are written with one uv_try_write per connection, and what
 * the kernel does not take by libuv later. SIGPIPE is ignored from uv_env_new on.
 */
#ifndef ENV_UV_ENV_H
#define ENV_UV_ENV_H

#include "env/env.h"

struct uv_loop_s;

/* Puts /dev/null in the place of standard input, output and error where they are closed, or the
 * next file or connection would get their number. Whoever reads or writes them gets EBADF, as if
 * they were closed still. uv_env_new does it; a program that opens files before that, first. */
void uv_env_open_standard_files(void);
/* A loop of its own. SF_IO where libuv cannot make one. */
SF_MUST_CHECK int uv_env_new(struct env **out);
/* Waits for running env_work, runs its completions, closes every handle, frees. Timers and hooks
 * must be gone; connections and listeners that were left are closed without a callback. */
void uv_env_free(struct env *env);
void uv_env_run(struct env *env); /* until uv_env_stop */
/* One turn; sleeps until something happens unless there is something to do already. */
void uv_env_run_once(struct env *env);
void uv_env_stop(struct env *env);              /* from a callback */
struct uv_loop_s *uv_env_loop(struct env *env); /* for fs/mount's own poll handle */
/* Calls on_signal on the loop for each SIGINT, SIGTERM and SIGHUP. */
SF_MUST_CHECK int uv_env_on_signals(struct env *env, void (*on_signal)(void *ctx, int number),
                                    void *ctx);

#endif

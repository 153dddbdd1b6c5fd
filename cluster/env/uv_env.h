/* uv_env: env.h on libuv 1.44, for real processes.
 *
 * Timers live in a heap of ours over one uv_timer; a turn's end is run from both uv_prepare and
 * uv_check, so that timers and input alike are followed by hooks before the loop sleeps. Syncs are
 * done inline (a wake-up across CPUs costs more than a fast disk's sync) and complete as deferred
 * tasks. Nagle is off; outgoing bytes of a turn are written with one uv_try_write per connection.
 */
#ifndef ENV_UV_ENV_H
#define ENV_UV_ENV_H

#include "env/env.h"

struct uv_loop_s;

/* A loop of its own. SF_IO where libuv cannot make one. */
SF_MUST_CHECK int uv_env_new(struct env **out);
/* Waits for running env_work, runs its completions, closes every handle, frees. */
void uv_env_free(struct env *env);
void uv_env_run(struct env *env);               /* until uv_env_stop */
void uv_env_run_once(struct env *env);          /* one turn: waits for something to happen */
void uv_env_stop(struct env *env);              /* from a callback */
struct uv_loop_s *uv_env_loop(struct env *env); /* for fs/mount's own poll handle */
/* Calls on_signal on the loop for each SIGINT, SIGTERM and SIGHUP; SIGPIPE is ignored. */
SF_MUST_CHECK int uv_env_on_signals(struct env *env, void (*on_signal)(void *ctx, int number),
                                    void *ctx);

#endif

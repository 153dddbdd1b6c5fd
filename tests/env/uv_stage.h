/* What the tests of the real env share: an env, and turns until something happened. */
#ifndef TESTS_ENV_UV_STAGE_H
#define TESTS_ENV_UV_STAGE_H

#include "env/uv_env.h"

struct env *stage_env_new(void);
/* Turns until *flag, or the test fails. */
void stage_run_until(struct env *env, const bool *flag);
void stage_run_ms(struct env *env, uint64_t ms);

#endif

#include "uv_stage.h"

#include "cmocka_all.h"

#define TURNS_MAX 100000

struct env *stage_env_new(void)
{
    struct env *env;
    assert_int_equal(uv_env_new(&env), SF_OK);
    return env;
}

void stage_run_until(struct env *env, const bool *flag)
{
    for (int i = 0; i < TURNS_MAX && !*flag; i++)
        uv_env_run_once(env);
    assert_true(*flag);
}

struct pause {
    struct env_timer timer;
    bool over;
};

static void pause_on_fire(struct env_timer *timer)
{
    container_of(timer, struct pause, timer)->over = true;
}

void stage_run_ms(struct env *env, uint64_t ms)
{
    struct pause pause = {.over = false};
    env_timer_init(env, &pause.timer, pause_on_fire);
    env_timer_start_ms(&pause.timer, ms);
    stage_run_until(env, &pause.over);
}

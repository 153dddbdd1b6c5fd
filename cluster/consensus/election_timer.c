#include "consensus/election_timer.h"

/* SplitMix64. Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators". */
static uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t x = *state;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

void election_timer_init(struct election_timer *timer, const struct consensus_config *config)
{
    sf_assert(config->heartbeat_ticks >= 1);
    sf_assert(config->election_ticks / 3 >= config->heartbeat_ticks);
    timer->random = config->seed ^ ((uint64_t)config->self << 56);
    timer->election_ticks = config->election_ticks;
    election_timer_restart(timer);
}

void election_timer_restart(struct election_timer *timer)
{
    timer->elapsed_ticks = 0;
    timer->timeout_ticks =
        timer->election_ticks + (uint32_t)(next_random(&timer->random) % timer->election_ticks);
}

void election_timer_heard(struct election_timer *timer)
{
    timer->elapsed_ticks = 0;
}

bool election_timer_tick(struct election_timer *timer)
{
    if (timer->elapsed_ticks < UINT32_MAX)
        timer->elapsed_ticks++;
    return timer->elapsed_ticks >= timer->timeout_ticks;
}

bool election_timer_is_fresh(const struct election_timer *timer)
{
    return timer->elapsed_ticks < timer->election_ticks;
}

bool election_timer_is_valid(const struct election_timer *timer)
{
    return timer->timeout_ticks >= timer->election_ticks &&
           timer->timeout_ticks < 2 * timer->election_ticks;
}

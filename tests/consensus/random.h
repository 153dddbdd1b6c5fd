/* random: the draws of a test, all from one seed (SplitMix64). */
#ifndef TESTS_CONSENSUS_RANDOM_H
#define TESTS_CONSENSUS_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
    random->state += 0x9e3779b97f4a7c15u;
    uint64_t x = random->state;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline size_t random_below(struct random *random, size_t limit)
{
    return (size_t)(random_next(random) % limit);
}

static inline bool random_per_mille(struct random *random, size_t rate)
{
    return random_below(random, 1000) < rate;
}

#endif

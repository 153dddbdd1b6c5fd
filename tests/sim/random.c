#include "sim/random.h"

#include "env/assert.h"

uint64_t random_mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

void random_init(struct random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        random->s[i] = random_mix(seed);
    }
}

static uint64_t rotate(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

uint64_t random_next(struct random *random)
{
    uint64_t *s = random->s;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

/* The bias of a plain remainder is below 2^-32 for the small limits of a simulation. */
uint64_t random_below(struct random *random, uint64_t limit)
{
    sf_assert(limit > 0);
    return random_next(random) % limit;
}

uint64_t random_between(struct random *random, uint64_t min, uint64_t max)
{
    return max <= min ? min : min + random_below(random, max - min + 1);
}

bool random_chance(struct random *random, uint32_t per_mille)
{
    return per_mille > 0 && random_below(random, 1000) < per_mille;
}

bool random_chance_ppm(struct random *random, uint32_t per_million)
{
    return per_million > 0 && random_below(random, 1000000) < per_million;
}

uint64_t random_exponential(struct random *random, uint64_t mean)
{
    uint64_t draw = random_next(random), halvings = 0;
    while (halvings < 20 && (draw >> halvings & 1) == 1)
        halvings++;
    uint64_t fraction = draw >> 44; /* 20 bits of its own */
    return (2 * mean * halvings + (2 * mean * fraction >> 20)) / 3;
}

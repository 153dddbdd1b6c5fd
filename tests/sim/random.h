/* random: a stream of numbers from a 64-bit seed. xoshiro256** of Blackman and Vigna, seeded by
 * splitmix64, as its authors advise. */
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t s[4];
};

void random_init(struct random *random, uint64_t seed);
uint64_t random_next(struct random *random);
uint64_t random_below(struct random *random, uint64_t limit);               /* limit > 0 */
uint64_t random_between(struct random *random, uint64_t min, uint64_t max); /* both included */
bool random_chance(struct random *random, uint32_t per_mille);       /* draws nothing for 0 */
bool random_chance_ppm(struct random *random, uint32_t per_million); /* likewise */
/* In the mean `mean` (< 2^40): halves its likeliness with every 2/3 of the mean, up to 14 means, and
 * is evenly spread between; computed in integers, so that it is the same everywhere. */
uint64_t random_exponential(struct random *random, uint64_t mean);
uint64_t random_mix(uint64_t value); /* splitmix64's finaliser */

#endif

/* weather: storms over a cluster, of faults and of moving shards, that end by themselves: an operation
 * that waits in one comes to its end after it. A storm ends with a cluster that works, if not at once.
 */
#ifndef TESTS_STORM_WEATHER_H
#define TESTS_STORM_WEATHER_H

#include "storm/cluster.h"

struct weather {
    struct cluster *cluster;
    uint64_t gap_ms; /* between two strokes, at most */
    uint64_t end_ns; /* of the storm */
    bool blows;
};

/* A storm of up to so many milliseconds begins, unless one blows. */
void weather_blow(struct weather *weather, uint64_t ms_max);

#endif

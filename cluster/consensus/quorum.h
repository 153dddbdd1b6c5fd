/* quorum: majorities. */
#ifndef CONSENSUS_QUORUM_H
#define CONSENSUS_QUORUM_H

#include <stddef.h>
#include <stdint.h>

#include "shardfs/limits.h"

/* How many of `members` make a majority: any two majorities share a member. members >= 1. */
size_t quorum_size(size_t members);

/* The largest number that a majority of the values reaches: what a majority has stored, answered or
 * accepted when values[i] says how far member i has come. 1 <= count <= SF_REPLICAS_MAX. */
uint64_t quorum_reached(const uint64_t *values, size_t count);

#endif

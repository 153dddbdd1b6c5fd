/* rebalance: even out who owns which shard, with as few moves as possible. */
#ifndef PLACEMENT_REBALANCE_H
#define PLACEMENT_REBALANCE_H

#include "placement/placement.h"

/* Changes config->shards in place. Afterwards every shard belongs to a group of the Config (to 0 if
 * there is none), and the groups' counts differ by at most 1. A shard moves only if its owner is
 * gone or has more than its share. Depends on the Config's content alone. */
void rebalance(struct config *config);

#endif

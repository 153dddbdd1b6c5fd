/* history: every Config there ever was, in the machine's space of the store.
 *
 *   key                     value
 *   "c" u64 num (big)       the Config, as codec_pack_config packs it
 *   "n"                     u64 num of the newest (little-endian); absent: Config 0, which is not
 * kept
 */
#ifndef SHARDMASTER_HISTORY_H
#define SHARDMASTER_HISTORY_H

#include "placement/placement.h"
#include "storage/store.h"

/* The newest; `zero` is what Config 0 is. *out is the caller's. SF_IO, SF_CORRUPT. */
SF_MUST_CHECK int history_newest(const struct space *space, const struct config *zero,
                                 struct config **out);
/* Config `num` >= 1. SF_NOT_FOUND, SF_IO, SF_CORRUPT. */
SF_MUST_CHECK int history_get(const struct space *space, uint64_t num, struct config **out);
/* Adds it as the newest. */
void history_put(struct store_batch *batch, const struct config *config);

#endif

/* apply: one mutation of a shard that is served here: session, operation, completion record. */
#ifndef SHARDKV_APPLY_H
#define SHARDKV_APPLY_H

#include "shardkv/access.h"
#include "shardkv/request.h"

/* Adds every effect to the batch and appends the answer (completion.h). SF_OK whatever the answer
 * says; SF_IO, SF_CORRUPT: the store failed, the process cannot go on. */
SF_MUST_CHECK int apply_request(const struct space *space, struct store_batch *batch,
                                struct shard_copy copy, uint64_t time_ns,
                                const struct request *request, struct buffer *answer);
/* Lets the shard's age grow and drops idle sessions, at most *limit, which it lowers. A shard in
 * which nothing can expire stays as it is. SF_IO, SF_CORRUPT as above. */
SF_MUST_CHECK int apply_tick(const struct space *space, struct store_batch *batch,
                             struct shard_copy copy, uint64_t time_ns, size_t *limit);
/* These extents are removed: the trash entries go. */
SF_MUST_CHECK int apply_trash_done(const struct space *space, struct store_batch *batch,
                                   struct shard_copy copy, uint64_t time_ns,
                                   const uint64_t *numbers, size_t count);
/* Has the shard sessions or trash, so that time matters to it? */
SF_MUST_CHECK int apply_wants_tick(const struct space *space, struct shard_copy copy, bool *wants);

#endif

/* apply: one mutation of a shard that is served here: session, operation, completion record. */
#ifndef SHARDKV_APPLY_H
#define SHARDKV_APPLY_H

#include "shardkv/access.h"
#include "shardkv/request.h"

/* Adds every effect to the batch and appends the answer (completion.h). SF_OK whatever the answer
 * says; SF_IO, SF_CORRUPT: the store failed, the process cannot go on. */
SF_MUST_CHECK int apply_request(const struct access_at *at, const struct request *request,
                                struct buffer *answer);
/* Lets the shard's age grow and drops idle sessions, at most *limit, which it lowers. A shard in
 * which nothing can expire stays as it is. SF_IO, SF_CORRUPT as above. */
SF_MUST_CHECK int apply_tick(const struct access_at *at, size_t *limit);
/* The extents of this trash entry are removed: it goes too, if it is still there. */
SF_MUST_CHECK int apply_trash_done(const struct access_at *at, uint64_t number);
/* Had the shard sessions when the store was written last, so that time matters to it? */
SF_MUST_CHECK int apply_wants_tick(const struct space *space, struct shard_copy copy, bool *wants);

#endif

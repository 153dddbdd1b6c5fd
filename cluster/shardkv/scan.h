/* scan: names with stats, in key order: of one shard, or of several merged into one order. */
#ifndef SHARDKV_SCAN_H
#define SHARDKV_SCAN_H

#include "shardkv/access.h"

#define SCAN_BYTES_MAX (3u << 20) /* of names, attr and data of one page, the first entry aside */

struct scan_page; /* what a reply points into */

/* One page of a SCAN over the copies given (all of them served here, and all that is applied to
 * them is written), which kv_op_check passed:
 * entries whose names, without the prefix op->key, come after op->data, at most op->length. Fewer
 * where they would be too large for a message; `more` tells whether there are any left. For the
 * plain space reply->stat says when the set of keys of these shards last changed: kind is that of a
 * directory, mtime_ns the time, version the largest id. With KV_UNNAMED the entries are intents and
 * trash of the one copy. The reply is valid until scan_page_free.
 * SF_IO, SF_CORRUPT: no page. */
SF_MUST_CHECK int scan_run(const struct space *space, const struct shard_copy *copies, size_t count,
                           const struct kv_op *op, struct kv_reply *reply, struct scan_page **out);
void scan_page_free(struct scan_page *page); /* NULL is allowed */

#endif

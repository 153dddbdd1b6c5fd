/* limits: what bounds a process of shardkv beside include/shardfs/limits.h. A server takes the
 * defaults; a simulation makes them small, so that a run of seconds meets them all.
 *
 * How many requests of a session may be open is none of them: clients count on it (session.h, X1).
 * Those of sessions are part of what an entry does: they are the same on every replica of every
 * group that a shard may come to, from the first entry on. */
#ifndef SHARDKV_LIMITS_H
#define SHARDKV_LIMITS_H

#include <stddef.h>
#include <stdint.h>

struct shardkv_limits {
    uint64_t session_idle_ns;  /* a session that was not used for so long is dropped */
    uint64_t session_step_ns;  /* X3 of session.h */
    uint32_t sessions_max;     /* of a shard */
    uint64_t tick_ms;          /* a leader with something to expire lets time pass so often */
    uint64_t lease_ns;         /* a client's locks are given to others, not renewed for so long */
    size_t pending_max;        /* requests of the process under way */
    size_t chunk_bytes;        /* of hand-off */
};

extern const struct shardkv_limits shardkv_limits_default;

#endif

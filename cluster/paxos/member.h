/* member: one of a fixed set that agree on the values of numbered instances: it answers the others,
 * proposes, learns and forgets. What shardfs/paxos.h says of a peer is this, on any env.
 *
 * The happy path of an agreement, at the member that proposes: the own acceptor promises -> prepare
 * to all others -> a majority has promised -> accept to all others, the own acceptor first -> a
 * majority has accepted -> decided to all others. It can fail by: another member's higher ballot, or
 * silence of so many that no majority is left: it rests for a random while, longer each time, and
 * tries again until the instance is decided or forgotten. Whoever answers "decided" or "forgotten"
 * ends it. A member that learns by its own attempt tells those who have not said that they know.
 *
 * With a directory, an answer, and a prepare, wait until what they rest on is durable.
 *
 * Invariants
 *  M1  done.of[i] never falls; min = 1 + the least of them, and never falls.
 *  M2  No instance below min is held, and none comes back.
 *  M3  max is at least every seq held or heard of.
 */
#ifndef PAXOS_MEMBER_H
#define PAXOS_MEMBER_H

#include "env/env.h"
#include "paxos/exchange.h"

struct member;

struct member_options {
    const char *const *addresses; /* of all, borrowed */
    size_t count;                 /* 1..SF_REPLICAS_MAX */
    size_t self;                  /* which of them; it listens there */
    const char *dir;              /* NULL: nothing is kept */
    bool create;                  /* `dir` may be new */
    size_t segment_bytes;         /* of a new journal; 0: the usual */
};

/* SF_ADDRESS, SF_INVALID (no such count or self, an address that stands there twice) and the errors
 * of rpc_listen and journal_open. *why: NULL, or a message to be freed. */
SF_MUST_CHECK int member_new(struct env *env, const struct member_options *options,
                             struct member **out, char **why);
void member_free(struct member *member);

/* SF_INVALID, SF_TOO_BIG, SF_GONE (forgotten). */
SF_MUST_CHECK int member_start(struct member *member, int64_t seq, struct slice value);
/* Its value, borrowed until it is forgotten; NULL where it is not decided here. */
const struct payload *member_decided(const struct member *member, int64_t seq);
void member_done(struct member *member, int64_t seq);
int64_t member_max(const struct member *member);
int64_t member_min(const struct member *member);

/* Of everything that it holds. */
size_t member_instances(const struct member *member);
size_t member_value_bytes(const struct member *member);

#endif

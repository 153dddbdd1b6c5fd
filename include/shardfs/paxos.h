/* paxos: agreement among a fixed set of peers on the values of numbered instances, for any C
 * program. Each instance 0, 1, 2, ... gets one value, the same at every peer, whoever proposed what
 * for it, as long as a majority of the peers can talk to each other. Instances are independent of
 * each other; many may be under way at once.
 *
 *     #include <shardfs/paxos.h>
 *     #include <stdio.h>
 *
 *     int main(int argc, char **argv)
 *     {
 *         struct paxos_peer *peer;
 *         struct paxos_value value;
 *         unsigned me = argc > 1 && argv[1][0] == '1';
 *         int error = paxos_open("127.0.0.1:7001,127.0.0.1:7002", me, NULL, &peer);
 *         if (error != 0)
 *             return fprintf(stderr, "%s\n", paxos_error_text(error)), 1;
 *         paxos_start(peer, 0, me ? "tea" : "coffee", 7);
 *         while (paxos_status(peer, 0, &value) == PAXOS_PENDING)
 *             paxos_wait(peer);
 *         printf("we drink %.*s\n", (int)value.n, (const char *)value.p);
 *         for (int i = 0; i < 100; i++) // the other one may not know yet
 *             paxos_wait_ms(peer, 10);
 *         paxos_close(peer);
 *         return 0;
 *     }
 *
 *     cc drink.c $(pkg-config --cflags --libs shardfs-paxos)
 *
 * Peers. All are given the same list of addresses, in the same order, and each its own position in
 * it. The list never changes. Peers with other lists are refused.
 *
 * Failures. Messages may be lost, late, doubled, out of order; peers may stop and come back. Two
 * peers never see different values for one instance. A peer remembers what it promised: with a
 * directory (paxos_options.dir) it may end at any moment and be opened again. Without one it must
 * never be opened again under its address once it has run, or agreement may break.
 *
 * Forgetting. Values are kept until no peer needs them: each says paxos_done(seq) when its program
 * will not ask for instances up to seq any more, peers tell each other with the messages that they
 * send anyway, and what all are done with is freed everywhere. So a peer that never says it, or is
 * never heard of, makes the others keep everything.
 *
 * Costs. Where no two peers propose for the same instance and nothing fails, an agreement costs each
 * other peer three short requests: prepare, accept (with the value), decided; and three answers.
 *
 * Threads. A peer belongs to one thread at a time and starts none of its own: it answers the others
 * only within paxos_turn, paxos_wait and paxos_wait_ms, so call one of them all the time. SIGPIPE is
 * ignored in the process from the first paxos_open on. A peer must not be used after fork().
 */
#ifndef SHARDFS_PAXOS_H
#define SHARDFS_PAXOS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shardfs/error.h"
#include "shardfs/limits.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PAXOS_API __attribute__((visibility("default")))

#define PAXOS_PEERS_MAX SF_REPLICAS_MAX  /* peers of a set: 9 */
#define PAXOS_VALUE_BYTES_MAX (4u << 20) /* of a value; it may have none */
#define PAXOS_SEQ_MAX (INT64_C(1) << 61) /* of an instance; the first is 0 */

struct paxos_peer;

/* -- opening -------------------------------------------------------------------------------- */

struct paxos_options {
    const char *dir; /* where promises and values are kept, made where it is missing; NULL: nowhere,
                        see Failures above */
};

/* Peer `me` (0, 1, ...) of those at "HOST:PORT,HOST:PORT,...". It listens there; the others are
 * dialled when they are needed. options: NULL or borrowed. *out is untouched on failure:
 * SF_ADDRESS (`peers` is not such a list), SF_INVALID (too many, or `me` is not one of them), SF_IN_USE
 * (another process has the address or the directory), SF_MISMATCH (the directory is another peer's),
 * SF_CORRUPT, SF_PERMISSION, SF_NO_SPACE, SF_IO. */
PAXOS_API int paxos_open(const char *peers, unsigned me, const struct paxos_options *options,
                         struct paxos_peer **out);
PAXOS_API void paxos_close(struct paxos_peer *peer); /* NULL is allowed */

PAXOS_API const char *paxos_error_text(int error); /* static */

/* -- agreement ------------------------------------------------------------------------------ */

/* Begins agreement on instance `seq`, proposing n bytes at p (copied; p may be NULL where n is 0).
 * Returns at once; paxos_status tells what comes of it. The peer goes on trying until it knows the
 * outcome. Legal on any instance at any time, also by several peers, in any order: where it is
 * decided already nothing happens, and where this peer proposes for it already the first proposal
 * stands.
 * SF_GONE: the instance is forgotten (seq < paxos_min), nothing was begun. SF_TOO_BIG. SF_INVALID
 * (seq is negative or above PAXOS_SEQ_MAX). */
PAXOS_API int paxos_start(struct paxos_peer *peer, int64_t seq, const void *p, size_t n);

enum paxos_fate {
    PAXOS_PENDING,   /* this peer does not know an outcome */
    PAXOS_DECIDED,   /* the value is known */
    PAXOS_FORGOTTEN, /* every peer is done with it: seq < paxos_min */
};

struct paxos_value {
    const void *p; /* never NULL where the instance is decided */
    size_t n;
};

/* What this peer knows of an instance; asks nobody. value (NULL: not wanted) is filled in where it is
 * decided, and emptied where it is not. It is borrowed until the next paxos_done, turn or wait. */
PAXOS_API enum paxos_fate paxos_status(const struct paxos_peer *peer, int64_t seq,
                                       struct paxos_value *value);
/* The same in short: is it decided here? A forgotten one is not. */
PAXOS_API bool paxos_decided(const struct paxos_peer *peer, int64_t seq, struct paxos_value *value);

/* This program will not ask for instances up to seq any more. A smaller number than before changes
 * nothing. It may be above paxos_max: instances up to there are then forgotten as soon as all peers
 * have said so, even before any was begun. It may also be said while an instance below is not
 * decided; where all peers say so, it never will be. */
PAXOS_API void paxos_done(struct paxos_peer *peer, int64_t seq);

/* The highest instance that this peer has heard of, from paxos_start or from others; -1: none.
 * Never falls. */
PAXOS_API int64_t paxos_max(const struct paxos_peer *peer);
/* One more than the lowest number that any peer is known to be done with; 0 while there is a peer of
 * which this one does not know. Everything below is forgotten. Never falls. */
PAXOS_API int64_t paxos_min(const struct paxos_peer *peer);

/* -- letting it work ------------------------------------------------------------------------ */

/* In a loop of one's own:
 *
 *     for (;;) {
 *         struct pollfd fd = {.fd = paxos_fd(peer), .events = POLLIN};
 *         poll(&fd, 1, paxos_timeout_ms(peer));
 *         paxos_turn(peer);
 *     }
 */
PAXOS_API int paxos_fd(const struct paxos_peer *peer); /* readable: call paxos_turn */
/* How long poll may wait at most before paxos_turn; 0: at once; -1: for ever. */
PAXOS_API int paxos_timeout_ms(struct paxos_peer *peer);
PAXOS_API void paxos_turn(struct paxos_peer *peer); /* does what is ready; never waits */
PAXOS_API void
paxos_wait(struct paxos_peer *peer); /* the same, but waits until there is something */
PAXOS_API void paxos_wait_ms(struct paxos_peer *peer, unsigned ms); /* at most so long */

#ifdef __cplusplus
}
#endif

#endif

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
 *         if (error == 0)
 *             error = paxos_start(peer, 0, me ? "tea" : "milk", me ? 3 : 4);
 *         if (error != 0)
 *             return fprintf(stderr, "%s\n", paxos_error_text(error)), 1;
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
 *     ./drink 0 & ./drink 1
 *
 * Peers. All are given the same list of addresses, in the same order, and each its own position in
 * it. The list never changes. Peers with other lists are refused.
 *
 * Failures. Messages may be lost, late, doubled, out of order; peers may stop and come back; two
 * peers never know different values for one instance. What makes that so is that a peer remembers
 * what it promised. With a directory (paxos_options.dir) it may end at any moment and be opened again.
 * Without one, or when the directory is lost, it must never be opened again under its address once
 * it has run, or agreement may break. A disk that fails to keep what was written ends the process,
 * with a line on standard error: nothing of it could be relied on any more.
 *
 * Learning. A peer that proposes for an instance goes on until it knows the outcome, and then tells
 * the others, each up to four times where no answer comes. Whoever was out of reach meanwhile learns
 * by proposing something itself: of what is decided nothing changes by that.
 *
 * Forgetting. Values are kept until no peer needs them: each says paxos_done(seq) when its program
 * will not ask for instances up to seq any more, peers tell each other with the messages that they
 * send anyway, and what all are done with is freed everywhere. So a peer that never says it, or is
 * never heard of, makes the others keep everything.
 *
 * Costs. Where no two peers propose for the same instance and nothing fails, an agreement costs each
 * other peer three short requests: prepare, accept (with the value), decided (with the value); and
 * three answers. With a directory it waits for three syncs in a row (of the own promise, of the
 * others' promises, of all acceptances); what many instances write at a time shares one.
 *
 * Threads. A peer belongs to one thread at a time and starts none of its own: it answers the others
 * only within paxos_turn, paxos_wait and paxos_wait_ms, so call one of them all the time. A program
 * may have several peers, of one set or of others. SIGPIPE is ignored in the process from the first
 * paxos_open on. A peer must not be used after fork().
 *
 * Source: Lamport, "Paxos Made Simple" (2001), section 2; the interface is that of the Paxos
 * exercise of MIT's course 6.824 (2013, 2015): Make, Start, Status, Done, Max, Min.
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

/* All-zero is what NULL stands for. Borrowed until paxos_open returns. */
struct paxos_options {
    const char *dir; /* where promises and values are kept, one peer's alone; NULL: nowhere, see
                        Failures above */
    bool create;   /* the peer has never run: `dir` may be missing or empty, and is made. Else that
                        is refused, since a peer that has lost what it promised must not go on */
    bool insecure; /* nothing is authenticated: whoever reaches the peer's address can take part.
                        So an address that is not loopback is only served at where this is said */
};

/* Make. Opens peer `me` (0, 1, ...) of those at `peers`, "HOST:PORT,HOST:PORT,...": 1 to
 * PAXOS_PEERS_MAX different addresses, each as the others reach it, borrowed until return. It listens
 * at its own; the others are dialled when they are needed. options: NULL or borrowed. *out is the
 * caller's, to be closed by paxos_close; it is untouched on failure:
 *
 *   SF_ADDRESS     `peers` is not such a list, or this machine has no address like that of `me`
 *   SF_INVALID     too many addresses, one stands there twice, or `me` is not one of them
 *   SF_IN_USE      another process, or another peer of this one, has the address or the directory
 *   SF_PERMISSION  the address is not loopback and `insecure` is not said; or the system refuses
 *   SF_NOT_FOUND   there is nothing of a peer at `dir`, and `create` is not said
 *   SF_MISMATCH    the directory is another peer's or of another list, or has other files in it
 *   SF_EXISTS      `dir` is a file
 *   SF_CORRUPT     what is kept there is damaged
 *   SF_NO_SPACE, SF_IO
 *
 * What is wrong with a directory is also said in a line on standard error. May block for as long as
 * it takes to read the directory. */
PAXOS_API int paxos_open(const char *peers, unsigned me, const struct paxos_options *options,
                         struct paxos_peer **out);
/* Ends the peer: what it has under way is dropped, what it promised is kept where it has a
 * directory. Frees it and all values borrowed from it. NULL is allowed. */
PAXOS_API void paxos_close(struct paxos_peer *peer);

PAXOS_API const char *paxos_error_text(int error); /* static; "?" for a number that is no error */

/* -- agreement ------------------------------------------------------------------------------ */

/* Start. Begins agreement on instance `seq`, proposing the n bytes at p (copied; 0 to
 * PAXOS_VALUE_BYTES_MAX; p may be NULL where n is 0). Returns at once; paxos_status tells what comes
 * of it. The peer goes on trying until it knows the outcome, or the instance is forgotten. Legal on
 * any instance at any time, also by several peers, in any order: where it is decided already nothing
 * happens, and where this peer proposes for it already the first proposal stands.
 *   SF_GONE     the instance is forgotten (seq < paxos_min): nothing was begun
 *   SF_TOO_BIG  n is above the limit: nothing was begun
 *   SF_INVALID  seq is negative or above PAXOS_SEQ_MAX */
PAXOS_API int paxos_start(struct paxos_peer *peer, int64_t seq, const void *p, size_t n);

enum paxos_fate {
    PAXOS_PENDING,   /* this peer does not know an outcome */
    PAXOS_DECIDED,   /* the value is known, and never changes */
    PAXOS_FORGOTTEN, /* seq < paxos_min (so also every negative one): there is no value any more */
};

struct paxos_value {
    const void *p; /* n bytes; never NULL where the instance is decided */
    size_t n;
};

/* Status. What this peer knows of an instance; returns at once and asks nobody. value (NULL: not
 * wanted) is filled in where it is decided, and emptied (NULL, 0) where it is not. Its bytes belong
 * to the peer, until the next paxos_done, turn, wait or paxos_close. A peer with a directory that was
 * opened again may have to learn anew what it learned last. */
PAXOS_API enum paxos_fate paxos_status(const struct paxos_peer *peer, int64_t seq,
                                       struct paxos_value *value);
/* The same in short: is it decided here, and not forgotten? */
PAXOS_API bool paxos_decided(const struct paxos_peer *peer, int64_t seq, struct paxos_value *value);

/* Done. This program will not ask for instances up to seq any more. A number that is not above the
 * highest one said before changes nothing, a negative one neither; one above PAXOS_SEQ_MAX counts as
 * that. It may be above paxos_max: instances up to there are then forgotten as soon as all peers have
 * said so, even before any was begun. It may also be said while an instance below is not decided;
 * where all peers say so, it never will be. */
PAXOS_API void paxos_done(struct paxos_peer *peer, int64_t seq);

/* Max. The highest instance that this peer has heard of, from paxos_start or from others; -1: none.
 * Never falls while the peer is open; after a restart it is at least that of all that is kept. */
PAXOS_API int64_t paxos_max(const struct paxos_peer *peer);
/* Min. One more than the lowest number that any peer is known to be done with; 0 while there is a
 * peer of which this one does not know. Everything below is forgotten, and its memory freed. Never
 * falls while the peer is open; after a restart what was heard last may have to be heard again. */
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

PAXOS_API int paxos_fd(const struct paxos_peer *peer); /* the peer's own. Readable: paxos_turn */
/* How many milliseconds poll may wait at most before paxos_turn: 0 to 10. */
PAXOS_API int paxos_timeout_ms(struct paxos_peer *peer);
/* Sends and handles what is ready. Never waits, but for the disk. */
PAXOS_API void paxos_turn(struct paxos_peer *peer);
/* The same, but waits until there is something: a message, or the time to try again. So where
 * nothing is under way and no other peer says anything, for ever. */
PAXOS_API void paxos_wait(struct paxos_peer *peer);
/* The same, at most for so many milliseconds. */
PAXOS_API void paxos_wait_ms(struct paxos_peer *peer, unsigned ms);

#ifdef __cplusplus
}
#endif

#endif

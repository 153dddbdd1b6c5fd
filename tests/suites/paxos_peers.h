/* paxos_peers: peers of the Paxos library on model P, and what suite 1 asks of them. */
#ifndef TESTS_SUITES_PAXOS_PEERS_H
#define TESTS_SUITES_PAXOS_PEERS_H

#include "paxos/member.h"
#include "suites/net.h"

#define PEERS_MAX 6u

/* A cluster of `count` peers of which none exists yet; those of this case. */
void peers_new(size_t count);
void peer_make(size_t i);
void peers_make_all(void);
size_t peers_count(void); /* of the cluster, those that do not exist included */

void peer_start(size_t i, int64_t seq, const char *value);
void peer_start_number(size_t i, int64_t seq, uint64_t value);
void peer_start_bytes(size_t i, int64_t seq, struct slice value);
bool peer_decided(size_t i, int64_t seq);
bool peer_forgotten(size_t i, int64_t seq);
void peer_done(size_t i, int64_t seq);
int64_t peer_max(size_t i);
int64_t peer_min(size_t i);
size_t peers_value_bytes(void); /* held by all of them */

/* How many know the outcome. It must be the same value at all of them, and one that was proposed for
 * this very instance. */
size_t peers_decided(int64_t seq);
/* The value that they know is this one. */
void peers_check_value(int64_t seq, const char *value);
/* Polls for at most 5.1 s until so many know. */
void peers_wait(int64_t seq, size_t count);
void peers_wait_majority(int64_t seq);
/* Three seconds later at most so many know. */
void peers_check_max(int64_t seq, size_t count);
void peers_check_exactly(int64_t seq, size_t count);

/* Nobody can open a new call to it. */
void peer_make_deaf(size_t i);
void peers_unreliable(bool unreliable);
/* Who may call whom: those in one part. "02|13|4" */
void peers_part(const char *parts);
uint64_t peers_requests(void); /* that reached any of them */

#endif

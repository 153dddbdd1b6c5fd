/* paxos_subject: one replica on the Paxos engine, driven by messages; for tests of its rules, one by
 * one. Ballots of replica i are i, 16 + i, 32 + i, ... */
#ifndef TESTS_CONSENSUS_PAXOS_SUBJECT_H
#define TESTS_CONSENSUS_PAXOS_SUBJECT_H

#include "consensus/consensus.h"

#define ELECTION_TICKS 10u
#define HEARTBEAT_TICKS 2u

/* Replica 1 of a group, and its last update. */
struct subject {
    struct consensus *c;
    struct consensus_update update;
    struct consensus_status status;
};

/* Entries as they stand in a log or a message: ballot and text, up to a ballot 0. */
struct accepted {
    uint64_t ballot;
    const char *text;
};

#define LOG(...) ((const struct accepted[]){__VA_ARGS__, {0, NULL}})
#define EMPTY ((const struct accepted[]){{0, NULL}})

/* A replica of `size` that restarts with a promise, a floor (accepted in ballot 1), and what it
 * accepted above that. */
struct subject subject_of(size_t size, uint64_t promised, uint64_t floor,
                          const struct accepted *log);
struct subject subject_new(uint64_t promised, uint64_t floor,
                           const struct accepted *log); /* of 3 */
void subject_free(struct subject *s);

/* Takes what was collected. Each of what follows ends with it. */
void look(struct subject *s);
void persist(struct subject *s); /* what the last update gave out */
void tick(struct subject *s, size_t ticks);
/* msg->to and the entries are filled in. */
void step(struct subject *s, struct consensus_msg msg, const struct accepted *accepted);

void prepare(struct subject *s, replica_id from, uint64_t ballot, uint64_t index);
void accept(struct subject *s, uint64_t ballot, uint64_t index, uint64_t commit,
            const struct accepted *accepted); /* from the ballot's owner */
void heartbeat(struct subject *s, uint64_t ballot, uint64_t commit);
void promised_by(struct subject *s, replica_id from, uint64_t index, uint64_t commit,
                 const struct accepted *accepted); /* all there is above index */
void accepted_by(struct subject *s, replica_id from, uint64_t index, uint64_t round);
void refused_by(struct subject *s, replica_id from, uint64_t rejected, uint64_t has);
void propose(struct subject *s, const char *text);

/* Up to PREPARE, the own promise not yet durable. Returns the ballot. */
uint64_t stand(struct subject *s);
/* Becomes the proposer by replica 2's promise, which tells this. Returns the ballot. */
uint64_t lead(struct subject *s, const struct accepted *accepted);

/* The only message of this type to this peer in the last update. NULL: there is none. */
const struct consensus_msg *sent(const struct subject *s, enum consensus_msg_type type,
                                 replica_id to);
void assert_entries(const struct entry *entries, size_t count, uint64_t after,
                    const struct accepted *expected);

#endif

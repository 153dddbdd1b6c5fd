/* set: members of the Paxos library on simulated machines, and a tester who speaks their protocol
 * himself, in the name of any of them. */
#ifndef TESTS_PAXOS_SET_H
#define TESTS_PAXOS_SET_H

#include "paxos/member.h"
#include "sim/sim.h"

#define SET_CALL_MS 2000u /* so long the tester waits for an answer */

struct set {
    struct sim *sim;
    size_t count;
    bool dirs; /* they keep what they promised */
    struct machine {
        struct set *set;
        struct sim_node *node;
        struct member *member; /* NULL while down */
        bool opened;           /* its directory is made */
    } machines[SF_REPLICAS_MAX];
    struct sim_node *tester;
    struct rpc *rpc; /* the tester's */
};

/* `count` machines, all down; see set_boot. */
void set_init(struct set *set, uint64_t seed, size_t count, bool dirs);
void set_deinit(struct set *set);
void set_boot(struct set *set, size_t i);
void set_boot_all(struct set *set);
void set_crash_and_boot(struct set *set, size_t i); /* power is lost and comes back */

struct member *set_member(struct set *set, size_t i);
void set_start(struct set *set, size_t i, int64_t seq, const char *value); /* must be begun */
bool set_knows(const struct set *set, size_t i, int64_t seq, const char *value);
/* Runs until so many know the outcome of seq. Fails after a minute of virtual time. */
void set_wait(struct set *set, int64_t seq, size_t count);
void set_run_ms(struct set *set, uint64_t ms);

/* Asks member `to` in the name of `from`, and runs until it is answered. What is 0 in request but
 * for ask, seq, ballot, from, to, value is filled in: nobody is known to be done with anything.
 * SF_OK, and *answer is the caller's to deinit (NULL: not wanted); or what the call ended with. */
int set_ask(struct set *set, const struct request *request, struct answer *answer);
/* The same with params as they are. */
int set_ask_raw(struct set *set, size_t to, const char *method, struct buffer *params);

/* The usual requests: PREPARE and ACCEPT in a ballot of `round`, in the name of `from`. They must be
 * answered with this verdict. Of YES to a prepare: with this value, NULL for none. */
uint64_t set_ballot(uint64_t round, size_t from);
void set_expect_promise(struct set *set, size_t to, int64_t seq, uint64_t round, size_t from,
                        enum verdict verdict, const char *value);
void set_expect_accepted(struct set *set, size_t to, int64_t seq, uint64_t round, size_t from,
                         const char *value, enum verdict verdict);
void set_tell_decided(struct set *set, size_t to, int64_t seq, size_t from, const char *value);

#endif

/* raft_servers: a group of up to seven servers whose machine only records commands; the helpers of
 * the raft suite.
 *
 * A command's index counts commands from 1. Ours has entries of its own in the log (a no-op for
 * each new leader), which do not count.
 *
 * At each command that is applied: no server ever applied another one at that index, and this
 * server has applied the one before, in this life or an earlier one. A server that was restarted
 * has not applied more, as its store tells, than it had before.
 *
 * There are no snapshots here: a log is never cut.
 */
#ifndef TESTS_SUITES_RAFT_SERVERS_H
#define TESTS_SUITES_RAFT_SERVERS_H

#include "suites/system.h"

#define RAFT_SERVERS_MAX 7u
#define ELECTION_MS 1000u /* what a test allows for an election */

void raft_begin(size_t count, bool unreliable); /* starts and connects them */
size_t raft_count(void);
struct net *raft_net(void);
uint64_t raft_requests(size_t server); /* that came in */

void raft_disconnect(size_t server);
void raft_connect(size_t server); /* to every connected one */
bool raft_is_connected(size_t server);
void raft_crash(size_t server);   /* and disconnects it */
void raft_restart(size_t server); /* crashes it if it is up; it is not connected */
bool raft_is_up(size_t server);

/* -- commands ------------------------------------------------------------------------------ */

/* Eight bytes, in one of 16 places that are used in turn. */
struct slice command(uint64_t number);
struct slice random_command(void);

struct started {
    bool leads; /* else nothing was started */
    uint64_t index, term;
};
struct started raft_start(size_t server, struct slice cmd);

/* How many servers applied the command at this index; *cmd (may be NULL): which, where any did. */
size_t raft_applied(uint64_t index, struct slice *cmd);
bool raft_applied_is(uint64_t index, struct slice cmd); /* by anyone */

/* -- terms and leaders --------------------------------------------------------------------- */

uint64_t raft_term(size_t server);
bool raft_leads(size_t server);
size_t raft_check_one_leader(void); /* waits for one among the connected; fails after about 5 s */
uint64_t raft_check_terms(void);    /* all connected agree */
void raft_check_no_leader(void);

/* -- agreement ----------------------------------------------------------------------------- */

/* Offers cmd to the connected servers until n have applied it, within 10 s; its index. retry: again
 * and again; else it must succeed when a leader takes it. */
uint64_t raft_one(struct slice cmd, size_t n, bool retry);
/* Waits until n have applied the command at the index: true, and *cmd (may be NULL) is it. False:
 * some server has left `term` (0: no matter). Fails after about 30 s. */
bool raft_wait(uint64_t index, size_t n, uint64_t term, struct slice *cmd);

#endif

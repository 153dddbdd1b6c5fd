/* checker: what must hold in a replica group at every moment, whatever happens to it.
 *
 * It watches a group through group_events and keeps what no replica may ever contradict:
 *   leaders by term               one a term, in one of its lives: no ballot is used again
 *   entries by (index, term)      the same payload everywhere; in Raft the same predecessor too
 *   committed entries by index    they never change, a majority's disks hold them, every replica
 *                                 applies them in order, every later leader has them and proposes
 *                                 nothing else
 *   votes by (replica, term)      one each
 *   promises, acknowledgements    durable before they leave, and complete: a promise tells every
 *                                 acceptance that the disk holds
 *   reads                         never at an index below what was committed when they were asked
 *
 * The properties are those of figure 3.2 of the Raft dissertation, P2c of "Paxos Made Simple", and
 * C1 to C3 of consensus.h. A violation is reported by sf_assert_failed. */
#ifndef TESTS_CONSENSUS_CHECKER_H
#define TESTS_CONSENSUS_CHECKER_H

#include "group.h"

struct checker;

struct checker *checker_new(struct group *group); /* sets the group's events */
void checker_free(struct checker *checker);
/* After every event of the test: what can be seen from outside. */
void checker_look(struct checker *checker);
/* Asks `node` for a read barrier and remembers what it must not miss. */
void checker_read(struct checker *checker, struct node *node);
size_t checker_reads_passed(const struct checker *checker);
uint64_t checker_committed(const struct checker *checker); /* highest index known to be committed */

#endif

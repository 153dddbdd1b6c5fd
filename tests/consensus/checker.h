/* checker: what must hold in a replica group at every moment, whatever happens to it.
 *
 * It watches a group through group_events and keeps what no replica may ever contradict:
 *   one leader a term             election safety
 *   entries by (index, term)      log matching: the same payload and the same predecessor
 * everywhere committed entries by index    they never change, every later leader has them, every
 * replica applies them in order, a majority's disks hold them votes by (replica, term)      one
 * each, and durable before they leave; so are acknowledgements reads                         never
 * at an index below what was committed when they were asked for The properties are those of
 * figure 3.2 of the Raft dissertation, and C1 to C3 of consensus.h. A violation is reported by
 * sf_assert_failed. */
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
